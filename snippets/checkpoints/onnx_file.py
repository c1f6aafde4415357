"""The initializers of an ONNX model: protobuf, of which a reader of tensors needs little."""

import math
import os
from os import PathLike
from typing import Any

import numpy as np

from .inside import inside
from .lazy import LazyDict, as_aligned, as_stored
from .torch_file import CheckpointError, StandIn, mapped, opened, window

# onnx.TensorProto.DataType
DTYPES = {
    1: "<f4",
    2: "u1",
    3: "i1",
    4: "<u2",
    5: "<i2",
    6: "<i4",
    7: "<i8",
    9: "?",
    10: "<f2",
    11: "<f8",
    12: "<u4",
    13: "<u8",
    14: "<c8",
    15: "<c16",
}
WIDENED = {
    16: "bfloat16",
    17: "float8_e4m3fn",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2",
    20: "float8_e5m2fnuz",
    24: "float8_e8m0fnu",
}
# What a list of numbers has of each type: of some, the bits as an integer, or two parts
BITS = DTYPES | dict.fromkeys(WIDENED, "u1") | {10: "<u2", 16: "<u2", 14: "<f4", 15: "<f8"}
CORE_ML = 200  # the first field that is a kind of model, in a Model of Core ML
LISTS = {4: "<f4", 10: "<f8"}  # the fields of a TensorProto that hold floats, one by one


def load_onnx(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the initializers of an ONNX model, ``{name: array}``; its graph is not read.

    Parameters
    ----------
    path : str or path
        Data that lie in files beside it are read there.

    Returns
    -------
    dict of str to array
        bfloat16 and float8 become float32 when they are read; text and 4 bits are StandIns.

    Raises
    ------
    ValueError
        The file is broken, or another kind of protobuf.
    """
    folder = os.path.dirname(os.fspath(path))
    return opened(path, lambda file: read_onnx(mapped(file), folder))


def read_onnx(data, folder):
    """Return the initializers of the graph of a ModelProto."""
    graphs = []
    for number, part in fields(data, 0, len(data)):
        if number >= CORE_ML:
            raise CheckpointError("this is a Core ML model: read it with coremltools")
        graphs += [part] * (number == 7)
    if not graphs or not all(isinstance(part, tuple) for part in graphs):
        raise CheckpointError("protobuf without the graph of an ONNX model: is it of TensorFlow?")
    found = LazyDict()
    for graph in graphs:
        for number, part in fields(data, *graph):
            if number == 5:
                name, array = tensor(data, part, folder)
                found[name] = array
    return found


def fields(data, at, end):
    """Yield the number of each field of a message, and its value: a number, or where it lies."""
    while at < end:
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            told, at = varint(data, at)
        elif wire == 2:
            size, at = varint(data, at)
            told, at = (at, at + size), at + size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            told, at = (at, at + size), at + size
        else:
            raise CheckpointError(f"protobuf has no wire type {wire}")
        if at > end:
            raise CheckpointError(f"cut off: a field ends at byte {at}, its message at {end}")
        yield number, told


def varint(data, at):
    """Return a number of 7 bits a byte, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        number |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return number, at
    raise CheckpointError("protobuf has no number of more than 10 bytes")


def tensor(data, part, folder):
    """Return the name and the numbers of a TensorProto."""
    dims, kind, name, raw, elsewhere, numbers = [], 0, "", None, {}, []
    for number, told in fields(data, *part):
        match number:
            case 1:
                dims += integers(data, told)
            case 2:
                kind = told
            case 8:
                name = data[slice(*told)].decode()
            case 9:
                raw = window(data, told[0], told[1] - told[0])
            case 13:
                pair = [data[slice(*where)].decode() for _, where in fields(data, *told)]
                elsewhere[pair[0]] = pair[1]
            case 4 | 10:
                numbers.append(window(data, told[0], told[1] - told[0]).view(LISTS[number]))
            case 5 | 7 | 11:
                numbers.append(np.array(integers(data, told), np.uint64).view(np.int64))
    if "location" in elsewhere:
        raw = inside(folder, elsewhere["location"])[int(elsewhere.get("offset", 0)) :]
        raw = raw[: int(elsewhere.get("length", raw.size))]
    if raw is None:
        raw = np.concatenate(numbers or [np.empty(0, np.uint8)])
        raw = raw.astype(BITS[kind]).view(np.uint8) if kind in BITS else raw
    return name, as_array(name, kind, tuple(dims), raw)


def integers(data, told):
    """Return repeated integers, which are packed or stand alone."""
    if isinstance(told, int):
        return [told]
    at, found = told[0], []
    while at < told[1]:
        number, at = varint(data, at)
        found.append(number)
    return found


def as_array(name, kind, shape, raw):
    """Return the array of a TensorProto."""
    if kind not in BITS:
        return StandIn(f"onnx.TensorProto.{kind}", (shape, raw))
    dtype = np.dtype(DTYPES.get(kind, BITS[kind]))
    if math.prod(shape) * dtype.itemsize != raw.size:
        raise CheckpointError(f"{name!r} of shape {shape} has not {raw.size} bytes")
    found = raw.view(np.uint8).view(dtype).reshape(shape)
    return as_stored(found, WIDENED[kind]) if kind in WIDENED else as_aligned(found)
