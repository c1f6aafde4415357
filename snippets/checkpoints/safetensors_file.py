"""``.safetensors`` in plain NumPy: a length, a JSON header, then the arrays' bytes."""

import json
import math
import mmap
import os
import stat
from collections.abc import Iterable, Mapping, MutableMapping
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# What NumPy reads the bytes as, in the order in which the library ranks them when it writes
DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "U16": "<u2",
    "F16": "<f2",
    "BF16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "C64": "<c8",
    "F64": "<f8",
    "I64": "<i8",
    "U64": "<u8",
}
NAMES = {np.dtype(code): name for name, code in DTYPES.items() if name != "BF16"}
# What NumPy has not: it becomes float32 when it is read.
LATER = {
    "BF16": "bfloat16",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E8M0": "float8_e8m0fnu",
}
PACKED = "F4", "F6_E2M3", "F6_E3M2"  # several numbers in a byte: told, but not read
MAX_HEADER = 100_000_000  # bytes, the library's own limit


def load_safetensors(path: str | PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return ``{name: array}`` in the order of the file's data.

    The arrays are views of one copy-on-write map of the file: opening it reads
    nothing, and what you write into an array never reaches the file. bfloat16
    and float8 become float32, exactly, each time you ask: a read-only array. So
    does what lies at an odd place of the file; the library writes no such file.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict of str to array
        ``.stored(name)`` has the shape and the file's dtype of an entry, unread.

    Raises
    ------
    ValueError
        The file is damaged; or you read an entry that is F4 or F6.
    """
    header = safetensors_header(path)
    header.pop("__metadata__", None)
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    start = 8 + int.from_bytes(data[:8], "little")

    arrays = LazyDict()
    for name, entry in header.items():
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        size = end - begin if dtype in PACKED else shape
        try:
            array = np.ndarray(size, DTYPES.get(dtype, "u1"), data, start + begin)
        except (ValueError, OverflowError) as error:  # more axes or elements than NumPy has
            raise ValueError(f"{path}: {name!r}, shape {shape}: {error}") from error
        if dtype in PACKED:  # the others can be read all the same
            arrays[name] = Stored(tuple(shape), dtype, array, partial(refuse, path, name, dtype))
        elif dtype in LATER:
            arrays[name] = as_stored(array, LATER[dtype])
        else:
            arrays[name] = as_aligned(array)
    return arrays


def refuse(path, name, dtype, _raw):
    """Refuse to read one entry."""
    raise ValueError(f"{path}: {name!r} is {dtype}: convert it with PyTorch, by .float()")


def safetensors_header(path: str | PathLike[str]) -> dict[str, dict[str, Any]]:
    """Return ``{name: {"dtype": ..., "shape": ..., "data_offsets": ...}}``, checked.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict of str to dict
        ``__metadata__``, where the file has it, is a mapping of str to str.

    Raises
    ------
    ValueError
        The header is damaged, or does not describe the data, byte for byte.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        names = sorted(os.listdir(path))[:5]
        raise ValueError(f"{path}: a folder: load one of the files in it, {names}")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: this is a pipe or a device: copy what it gives into a file")
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(8)
        length = int.from_bytes(head, "little")
        if length > MAX_HEADER or length > size - 8:
            raise ValueError(f"{path}: {without_header(head + file.read(2**16), size, length)}")
        text = file.read(length)
    try:
        header = parse_header(text)
        metadata = header.pop("__metadata__", None) or {}
        for entry in [metadata, *header.values()]:
            if not isinstance(entry, dict):
                raise ValueError(f"{entry!r} is no JSON object")
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("__metadata__ holds something else than strings")
        header = check_layout(header, size - 8 - length)
    except ValueError as error:
        raise ValueError(f"{path}: damaged header: {error}") from error
    return {"__metadata__": metadata, **header} if metadata else header


def without_header(head, size, length):
    """Say what a file is that begins with what can be no header's length."""
    if head.startswith(b"version https://git-lfs"):
        return "this is a Git LFS pointer, not the file itself: run git lfs pull"
    if head.lstrip().startswith(b"{") and b'"weight_map"' in head:
        return "this is the index of several files: load, of snippets.checkpoints, reads them all"
    return (
        f"a file of {size} bytes cannot have a header of {length} bytes: was it cut off, or is it "
        "another format?"
    )


def parse_header(text):
    """Return the JSON object, in the dialect that the library reads: stricter than Python's."""

    def number(digits):
        value = float(digits)
        if math.isinf(value):
            raise ValueError("a number out of range")
        return int(digits) if digits.isdecimal() else value  # -0 is no size

    def constant(name):
        raise json.JSONDecodeError(f"{name} is no JSON", "", 0)

    def distinct(pairs):
        found = {}
        for name, value in pairs:
            if name in found:
                raise ValueError(f"{name!r} occurs twice")
            found[name] = value
        return found

    hooks = {"parse_int": number, "parse_float": number, "parse_constant": constant}
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=distinct, **hooks)
        if b"\\u" in text:
            json.dumps(header, ensure_ascii=False).encode("utf-8")  # half of a surrogate pair
    except (json.JSONDecodeError, UnicodeError, RecursionError) as error:
        raise ValueError("it is no JSON") from error
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    return header


def check_layout(header, size):
    """Return the entries in the order of their data, which must fill size bytes, once."""
    for name, entry in header.items():
        lists = entry.get("shape"), entry.get("data_offsets")
        numbers = all(isinstance(v, list) and {type(n) for n in v} <= {int} for v in lists)
        if not isinstance(entry.get("dtype"), str) or not numbers or len(lists[1]) != 2:
            raise ValueError(f"{name!r} needs dtype, shape and data_offsets, but has {entry}")

    header = dict(sorted(header.items(), key=lambda item: item[1]["data_offsets"]))
    end = 0
    for name, entry in header.items():
        begin, stop = entry["data_offsets"]
        if begin != end:
            fault = "overlaps what is before it" if begin < end else "leaves a hole before it"
            raise ValueError(f"{name!r}, data_offsets [{begin}, {stop}], {fault}")
        if entry["dtype"] not in (*DTYPES, *LATER, *PACKED):
            raise ValueError(f"{name!r} is of an unknown dtype, {entry['dtype']!r}")
        if entry["dtype"] not in PACKED:
            code = DTYPES.get(entry["dtype"], "u1")
            wanted = math.prod(entry["shape"]) * np.dtype(code).itemsize
            if stop - begin != wanted:
                raise ValueError(
                    f"{name!r}, {entry['dtype']} of shape {entry['shape']}, needs {wanted} bytes, "
                    f"not {stop - begin}"
                )
        end = stop
    if end != size:
        raise ValueError(f"it describes {end} bytes of data, but the file has {size}")
    return header


def save_safetensors(
    path: str | PathLike[str],
    arrays: Mapping[str, ArrayLike],
    bfloat16: Iterable[str] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays byte for byte as the library does, whatever their strides.

    Parameters
    ----------
    path : str or path
        Written beside it as ``path.part``, then renamed: arrays that are views of
        the old file stay whole.
    arrays : mapping of str to array
    bfloat16 : names, optional
        The arrays to write as bfloat16, rounded to the nearest, ties to even, as
        PyTorch rounds. What was read from bfloat16 comes out unchanged.
    metadata : mapping of str to str, optional

    Raises
    ------
    ValueError
        A name, a dtype or metadata that the format cannot hold.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    bfloat16, metadata = set(bfloat16), dict(metadata or {})
    if unknown := bfloat16 - set(arrays):
        raise ValueError(f"bfloat16 names what is not among the arrays: {sorted(unknown)}")
    if not all(isinstance(text, str) for text in [*arrays, *metadata, *metadata.values()]):
        raise ValueError("names and metadata must be str")
    if "__metadata__" in arrays:
        raise ValueError("'__metadata__' is the format's own name: rename this array")

    dtypes = {name: stored_as(name, a.dtype, name in bfloat16) for name, a in arrays.items()}
    ranks = list(DTYPES)
    order = sorted(arrays, key=lambda name: (-ranks.index(dtypes[name]), name))
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name in order:
        begin, shape = end, arrays[name].shape
        end += math.prod(shape) * np.dtype(DTYPES[dtypes[name]]).itemsize
        header[name] = {"dtype": dtypes[name], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise ValueError(f"the header would have {len(text)} bytes, more than {MAX_HEADER}")

    part = os.fspath(path) + ".part"
    file = open(part, "wb")  # noqa: SIM115, closed before it is renamed or removed
    try:
        with file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                array, code = arrays[name], DTYPES[dtypes[name]]
                array = to_bfloat16(array) if dtypes[name] == "BF16" else array
                file.write(np.asarray(array, code, order="C").data)
        os.replace(part, path)
    except BaseException:
        os.remove(part)
        raise


def stored_as(name, dtype, bfloat16):
    """Return the format's name of a dtype."""
    found = NAMES.get(dtype.newbyteorder("<"))
    if found is None:
        raise ValueError(f"{name!r} is {dtype}, which the format has not: convert it by .astype")
    if bfloat16 and dtype.kind != "f":
        raise ValueError(f"{name!r} is {dtype}: only floats can be written as bfloat16")
    return "BF16" if bfloat16 else found


def to_bfloat16(array):
    """Return the bits of the nearest bfloat16, ties to even; a scalar gets an axis."""
    with np.errstate(over="ignore", invalid="ignore"):  # infinite where float32 ends
        bits = np.array(array, np.float32, order="C", ndmin=1).view(np.uint32)
    rounded = (bits + (0x7FFF + (bits >> 16 & 1))) >> 16
    # Rounding up would carry some NaNs into the sign: they keep their upper half.
    quiet = bits >> 16 | ((bits & 0xFFFF) > 0) * np.uint32(0x40)
    return np.where(np.isnan(bits.view(np.float32)), quiet, rounded).astype("<u2")


# Tensors that are read when you ask for them: the same text as in lazy.py


class Stored:
    """A tensor as a file keeps it: ``read()`` makes an array of it.

    Parameters
    ----------
    shape : tuple of int
        Of the array that it becomes.
    dtype : str
        What the file calls its numbers: ``"bfloat16"``.
    raw : array
        Its bits, a window on the file.
    make : callable
        The function that makes an array of raw.
    """

    __slots__ = "dtype", "make", "raw", "shape"

    def __init__(self, shape, dtype, raw, make):
        self.shape, self.dtype, self.raw, self.make = shape, dtype, raw, make

    def __repr__(self):
        return f"{self.dtype} {self.shape}, not read yet"

    def read(self):
        """Return the array. It is read-only: the next one that is read would not have a change."""
        array = self.make(self.raw)
        array.flags.writeable = False
        return array


READING: Any = MutableMapping  # all its methods that hand out values go through []


class LazyDict(dict):
    """A dict whose tensors become arrays when you ask for them, each time anew."""

    __slots__ = ()
    get, items, values = READING.get, READING.items, READING.values
    pop, setdefault, update = READING.pop, READING.setdefault, READING.update
    __eq__ = READING.__eq__

    def __iter__(self):  # its own: dict(self) would not ask for the values otherwise
        return dict.__iter__(self)

    def __getitem__(self, key):
        return with_arrays(dict.__getitem__(self, key))

    def popitem(self):
        """Remove the last entry and return it."""
        key, value = dict.popitem(self)
        return key, with_arrays(value)

    def stored(self, key):
        """Return a value as it is kept: an unread tensor has a shape and a dtype."""
        return dict.__getitem__(self, key)

    def renamed(self, names):
        """Return the entries of ``{new name: name}`` under their new names, unread."""
        return LazyDict({new: self.stored(name) for new, name in names.items()})

    def copy(self):
        """Return the same entries, unread."""
        return self.renamed({name: name for name in self})

    def __or__(self, other):
        found = self.copy()
        found.update(other)
        return found


def with_arrays(value):
    """Return a value with all tensors of it read: in lists in their place, in tuples anew."""
    if isinstance(value, Stored):
        return value.read()
    if type(value) not in (list, tuple):
        return value
    became, todo = {}, [(value, False)]  # {id: (part, what it becomes)}: each is done once
    while todo:
        part, inner_done = todo.pop()
        inner = part if type(part) in (list, tuple) else ()
        if inner_done:
            arrays = [became[id(one)][1] for one in inner]
            if any(new is not old for new, old in zip(arrays, inner, strict=True)):
                if type(part) is list:
                    part[:] = arrays
                else:
                    became[id(part)] = part, tuple(arrays)
        elif id(part) not in became:
            became[id(part)] = part, part.read() if isinstance(part, Stored) else part
            todo += [(part, True), *((one, False) for one in inner)]
    return became[id(value)][1]


# Numbers that NumPy has not, as float32, exactly


def from_bfloat16(bits):
    """Return the float32 whose upper halves the bits are."""
    wide = bits.astype(np.uint32)
    wide <<= np.uint32(16)  # in place: a scalar stays an array
    return wide.view(np.float32)


def from_float8(name, bits):
    """Return the float32 of the bits of a float8."""
    table = float8(name)
    flags = [["readonly"], ["writeonly", "allocate"]]
    options = ["external_loop", "buffered", "zerosize_ok"]  # some thousand numbers at a time
    with np.nditer([bits, None], options, flags, [bits.dtype, np.float32]) as parts:
        for some, numbers in parts:
            numbers[...] = table[some]
        return parts.operands[1]


def float8(name):
    """Return the float32 of each of the 256 numbers of a float8 of torch."""
    bits = np.arange(256)
    if name == "float8_e8m0fnu":
        values, nan = np.ldexp(1.0, bits - 127), [255]
    else:
        exponent_bits, bias, nan = FLOAT8_BITS[name]
        mantissa_bits = 7 - exponent_bits
        exponent = bits % 128 >> mantissa_bits
        mantissa = bits % 2**mantissa_bits + 2**mantissa_bits * (exponent > 0)
        values = np.ldexp(mantissa.astype(float), np.maximum(exponent, 1) - bias - mantissa_bits)
        values = np.where(bits < 128, values, -values)
        if name == "float8_e5m2":
            values[[0x7C, 0xFC]] = np.inf, -np.inf
    values[nan] = np.nan
    return values.astype(np.float32)


# Bits of the exponent, its bias, and which numbers are NaN
FLOAT8_BITS = {
    "float8_e4m3fn": (4, 7, [0x7F, 0xFF]),
    "float8_e4m3fnuz": (4, 8, [0x80]),
    "float8_e5m2": (5, 15, [0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF]),
    "float8_e5m2fnuz": (5, 16, [0x80]),
}
CONVERT = {"bfloat16": from_bfloat16} | {
    name: partial(from_float8, name) for name in [*FLOAT8_BITS, "float8_e8m0fnu"]
}


def as_stored(bits, dtype):
    """Return a tensor of these bits, to be converted when it is read."""
    return Stored(bits.shape, dtype, bits, partial(converted, CONVERT[dtype]))


def as_aligned(numbers):
    """Return numbers, if they lie as the processor wants them; else to be copied when read."""
    if numbers.flags.aligned and numbers.dtype.isnative:
        return numbers
    copied = partial(np.ndarray.astype, dtype=numbers.dtype.newbyteorder("="))
    return Stored(numbers.shape, numbers.dtype.name, numbers, partial(converted, copied))


def converted(convert, bits):
    """Return convert(bits). An expanded tensor has more numbers than there are bits: once each."""
    if bits.size <= span(bits):
        return convert(bits)
    numbers = convert(np.lib.stride_tricks.as_strided(bits, [span(bits)], [bits.itemsize]))
    steps = [numbers.itemsize * step // bits.itemsize for step in bits.strides]
    return np.ndarray(bits.shape, numbers.dtype, numbers, 0, steps)


def span(bits):
    """Return how many numbers lie from the first of bits to the last."""
    last = sum((n - 1) * step for n, step in zip(bits.shape, bits.strides, strict=True))
    return 1 + last // bits.itemsize if bits.size else 0
