"""The block types of GGUF as float32: some numbers share a scale, and each has few bits of its own.

Each function takes the bytes of many blocks, ``(blocks, bytes)``, and returns their numbers,
``(blocks, numbers)``, as the gguf package does, bit for bit.
"""

import numpy as np

FOUR = np.arange(0, 8, 4, dtype=np.uint8)[:, None]  # how far to shift for each number of a byte
TWO = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
ONE = np.arange(8, dtype=np.uint8)[:, None]
# The four bits of a number of MXFP4: a sign, two of the exponent, one of the mantissa
FLOAT4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def parts(blocks, *sizes):
    """Return the parts of each block, of so many bytes each; the last has the rest."""
    return np.split(blocks, np.cumsum(sizes), axis=1)


def half(raw):
    """Return the float16 of two bytes as float32."""
    return np.ascontiguousarray(raw).view("<f2").astype(np.float32)


def unpacked(raw, shifts, row):
    """Return the numbers that lie in one byte, row by row: the low bits of a row come first.

    They are not yet cut to their bits.
    """
    return (raw.reshape(len(raw), -1, 1, row) >> shifts).reshape(len(raw), -1)


def q4_0(blocks):
    """Return 32 numbers: a scale, and 4 bits each, counted from -8."""
    scale, low = parts(blocks, 2)
    return half(scale) * ((unpacked(low, FOUR, 16) & 15).astype(np.float32) - 8)


def q4_1(blocks):
    """Return 32 numbers: a scale, a minimum, and 4 bits each."""
    scale, minimum, low = parts(blocks, 2, 2)
    return half(scale) * (unpacked(low, FOUR, 16) & 15).astype(np.float32) + half(minimum)


def q5_0(blocks):
    """Return 32 numbers: a scale, the fifth bits, and 4 bits each, counted from -16."""
    scale, high, low = parts(blocks, 2, 4)
    return half(scale) * (five_bits(low, high).astype(np.float32) - 16)


def q5_1(blocks):
    """Return 32 numbers: a scale, a minimum, the fifth bits, and 4 bits each."""
    scale, minimum, high, low = parts(blocks, 2, 2, 4)
    return half(scale) * five_bits(low, high).astype(np.float32) + half(minimum)


def five_bits(low, high):
    """Return numbers of five bits; the fifth ones are in the order of the numbers."""
    return unpacked(low, FOUR, 16) & 15 | np.unpackbits(high, axis=1, bitorder="little") << 4


def q8_0(blocks):
    """Return 32 numbers: a scale, and 8 bits each, signed."""
    scale, numbers = parts(blocks, 2)
    return numbers.view(np.int8).astype(np.float32) * half(scale)


def q2_k(blocks):
    """Return 256 numbers, 16 groups: each has a scale and a minimum of 4 bits; 2 bits each."""
    packed, low, scale, minimum = parts(blocks, 16, 64, 2)
    scales = half(scale) * (packed & 15).astype(np.float32)
    minima = half(minimum) * (packed >> 4).astype(np.float32)
    return grouped(scales, unpacked(low, TWO, 32) & 3, minima)


def q3_k(blocks):
    """Return 256 numbers, 16 groups: each has a scale of 6 bits; 3 bits each, one inverted."""
    high, low, packed, scale = parts(blocks, 32, 64, 12)
    scales = unpacked(packed[:, :8], FOUR, 8) & 15 | (unpacked(packed[:, 8:], TWO, 4) & 3) << 4
    numbers = (unpacked(low, TWO, 32) & 3).astype(np.float32)
    numbers -= 4 * (~unpacked(high, ONE, 32) & 1).astype(np.float32)
    return grouped(half(scale) * (scales.astype(np.float32) - 32), numbers)


def q4_k(blocks):
    """Return 256 numbers, 8 groups: each has a scale and a minimum of 6 bits; 4 bits each."""
    scale, minimum, packed, low = parts(blocks, 2, 2, 12)
    scales, minima = six_bits(packed)
    return grouped(half(scale) * scales, unpacked(low, FOUR, 32) & 15, half(minimum) * minima)


def q5_k(blocks):
    """Return 256 numbers, 8 groups, as Q4_K; the fifth bits lie apart."""
    scale, minimum, packed, high, low = parts(blocks, 2, 2, 12, 32)
    scales, minima = six_bits(packed)
    numbers = unpacked(low, FOUR, 32) & 15 | (unpacked(high, ONE, 32) & 1) << 4
    return grouped(half(scale) * scales, numbers, half(minimum) * minima)


def q6_k(blocks):
    """Return 256 numbers, 16 groups: each has a scale of 8 bits; 6 bits each, counted from -32."""
    low, high, scales, scale = parts(blocks, 128, 64, 16)
    numbers = unpacked(low, FOUR, 64) & 15 | (unpacked(high, TWO, 32) & 3) << 4
    scales = half(scale) * scales.view(np.int8).astype(np.float32)
    return grouped(scales, numbers.astype(np.float32) - 32)


def six_bits(packed):
    """Return the 8 scales and the 8 minima of 12 bytes."""
    scales, minima, rest = parts(packed, 4, 4)
    scales = np.hstack([scales & 63, rest & 15 | scales >> 6 << 4])
    minima = np.hstack([minima & 63, rest >> 4 | minima >> 6 << 4])
    return scales.astype(np.float32), minima.astype(np.float32)


def grouped(scales, numbers, minima=None):
    """Return scale * number - minimum, where as many numbers as there are groups share each."""
    found = scales[:, :, None] * numbers.reshape(*scales.shape, -1).astype(np.float32)
    return (found if minima is None else found - minima[:, :, None]).reshape(numbers.shape)


def mxfp4(blocks):
    """Return 32 numbers: a power of two, and 4 bits each, a float."""
    exponent, low = parts(blocks, 1)
    return np.ldexp(FLOAT4[unpacked(low, FOUR, 16) & 15], exponent.astype(int) - 127)


def bf16(blocks):
    """Return bfloat16, the upper half of a float32."""
    return (blocks.view("<u2").astype(np.uint32) << 16).view(np.float32)


CONVERT = {
    "Q4_0": q4_0,
    "Q4_1": q4_1,
    "Q5_0": q5_0,
    "Q5_1": q5_1,
    "Q8_0": q8_0,
    "Q2_K": q2_k,
    "Q3_K": q3_k,
    "Q4_K": q4_k,
    "Q5_K": q5_k,
    "Q6_K": q6_k,
    "BF16": bf16,
    "MXFP4": mxfp4,
}
