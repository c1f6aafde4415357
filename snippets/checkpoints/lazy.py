"""Tensors that are read when you ask for them: what the readers of large files return.

A reader that is a file of its own has these definitions too, letter for letter.
"""

from collections.abc import MutableMapping
from functools import partial
from typing import Any

import numpy as np


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
