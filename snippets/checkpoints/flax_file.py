"""Flax keeps its parameters in msgpack: nested dicts, and arrays as (shape, dtype, bytes)."""

import math
import re
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from .lazy import CONVERT, LazyDict, Stored, as_aligned, as_stored, with_arrays
from .torch_file import CheckpointError, mapped, opened, window

CHUNKED = "__msgpack_chunked_array__"  # an array of more than a gigabyte
PLAIN = {0xC0: None, 0xC2: False, 0xC3: True}
NUMBERS = [">f4", ">f8", "u1", ">u2", ">u4", ">u8", "i1", ">i2", ">i4", ">i8"]  # from 0xCA on
EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def load_flax(path: str | PathLike[str]) -> dict[str, Any]:
    """Return what ``flax.serialization.to_bytes`` or ``msgpack_serialize`` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict
        Nested as it was. bfloat16 and float8 become float32 when they are read.

    Raises
    ------
    ValueError
        The file is broken, or msgpack of another program.
    """
    return opened(path, read_flax)


def read_flax(file):
    """Return the one value of a msgpack file."""
    data = mapped(file)
    found, end = value(data, 0)
    if end != len(data):
        raise CheckpointError(f"msgpack that ends at byte {end}, and more behind it")
    if not isinstance(found, dict):
        raise CheckpointError("msgpack of another program: it is no dict")
    return found


def value(data, at):
    """Return the value that begins at a byte, and where it ends."""
    code, at = data[at], at + 1
    if code < 0x80:
        return code, at
    if code < 0x90:
        return a_dict(data, at, code & 15)
    if code < 0xA0:
        return a_list(data, at, code & 15)
    if code < 0xC0:
        return text(data, at, code & 31)
    if code >= 0xE0:
        return code - 256, at
    if code in PLAIN:
        return PLAIN[code], at
    if 0 <= code - 0xCA < len(NUMBERS):
        dtype = np.dtype(NUMBERS[code - 0xCA])
        return window(data, at, dtype.itemsize).view(dtype)[0].item(), at + dtype.itemsize
    if code in EXTENSIONS:
        return extension(data, at, EXTENSIONS[code])
    if code not in COUNTED:
        raise CheckpointError(f"msgpack has no code {code}")
    digits, kind = COUNTED[code]
    count = int.from_bytes(window(data, at, digits), "big")
    return kind(data, at + digits, count)


def a_dict(data, at, count):
    """Return so many keys and values."""
    found = LazyDict()
    for _ in range(count):
        key, at = value(data, at)
        if not isinstance(key, str | int):
            raise CheckpointError("msgpack of another program: a key is neither text nor a number")
        found[key], at = value(data, at)
    return (joined(found) if CHUNKED in found else found), at


def a_list(data, at, count):
    """Return so many values."""
    found = []
    for _ in range(count):
        one, at = value(data, at)
        found.append(one)
    return found, at


def text(data, at, size):
    """Return so many bytes as text."""
    return window(data, at, size).tobytes().decode(), at + size


def raw(data, at, size):
    """Return so many bytes, a window on the file."""
    return window(data, at, size), at + size


def extension(data, at, size):
    """Return what Flax adds to msgpack: 1 is an array, 2 a complex number, 3 a number of NumPy."""
    kind, end = data[at], at + 1 + size
    parts, stop = value(data, at + 1) if kind in (1, 2, 3) else (None, None)
    if stop != end:
        raise CheckpointError("msgpack of another program: it has an extension that Flax has not")
    if kind == 2:
        return complex(*parts), end
    found = array(*parts)
    return (found if kind == 1 else with_arrays(found)[()]), end


def array(shape, name, bits):
    """Return an array of the bytes that the file has of it."""
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise CheckpointError(f"an array of shape {shape!r:.100}")
    if name in CONVERT:
        dtype = np.dtype(np.uint16 if name == "bfloat16" else np.uint8)
    elif re.fullmatch("bool|(u?int|float|complex)[0-9]{1,3}", name):
        dtype = np.dtype(name)
    else:
        raise CheckpointError(f"an array of {name!r:.100}, which is not known")
    if math.prod(shape) * dtype.itemsize != bits.size:
        raise CheckpointError(f"an array of {name}, {shape}, has not {bits.size} bytes")
    found = np.ndarray(shape, dtype, bits if bits.size else np.empty(0, np.uint8))
    return as_stored(found, name) if name in CONVERT else as_aligned(found)


def joined(parts):
    """Return an array of more than a gigabyte, which Flax cuts, to be put together when read."""
    shape, chunks = tuple(parts["shape"].values()), parts["chunks"]
    first, *others = map(chunks.stored, chunks)
    sizes = [math.prod(chunk.shape) for chunk in (first, *others)]
    fits = len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
    fits = fits and sum(sizes) == math.prod(shape)
    if not fits or any(chunk.dtype != first.dtype for chunk in others):
        raise CheckpointError(f"an array of shape {shape!r:.100} is not whole: a chunk is missing")
    return Stored(shape, str(first.dtype), chunks, partial(from_chunks, shape))


def from_chunks(shape, chunks):
    """Return the array, each chunk copied once."""
    result, end = np.empty(math.prod(shape), next(iter(chunks.values())).dtype), 0
    for chunk in chunks.values():
        result[end : end + chunk.size] = chunk.ravel()
        end += chunk.size
    return result.reshape(shape)


COUNTED = {0xC4: (1, raw), 0xC5: (2, raw), 0xC6: (4, raw)}
COUNTED |= {0xC7: (1, extension), 0xC8: (2, extension), 0xC9: (4, extension)}
COUNTED |= {0xD9: (1, text), 0xDA: (2, text), 0xDB: (4, text)}
COUNTED |= {0xDC: (2, a_list), 0xDD: (4, a_list), 0xDE: (2, a_dict), 0xDF: (4, a_dict)}
