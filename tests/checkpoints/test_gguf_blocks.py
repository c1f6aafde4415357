"""Each block type against what the gguf package made of the same bytes, bit for bit."""

import numpy as np
import pytest

from snippets.checkpoints import gguf_blocks
from snippets.checkpoints.gguf_blocks import CONVERT
from snippets.checkpoints.gguf_file import load_gguf
from tests import ROOT, SNIPPETS_DIR
from tests.sabotage import sabotaged

PATH = SNIPPETS_DIR / "checkpoints/gguf_blocks.py"
DATA = ROOT / "tests/checkpoints/data"
with np.load(DATA / "blocks.npz") as file:
    THEIRS = dict(file)


def blocks_of(name):
    return dict.__getitem__(load_gguf(DATA / "blocks.gguf"), name).raw


@pytest.mark.parametrize("name", CONVERT)
def test_each_type_is_what_the_package_makes_of_it(name):
    raw = blocks_of(name)
    ours = CONVERT[name](raw)
    assert ours.dtype == np.float32
    assert len(np.unique(ours)) > 5
    assert ours.tobytes() == THEIRS[name].tobytes()


def test_every_bit_counts():
    """No bit of a block is without effect."""
    for name, convert in CONVERT.items():
        raw = np.full_like(blocks_of(name)[:1], 0x55)  # no number is zero
        once = convert(raw)
        for place in range(raw.size):
            for bit in range(8):
                other = raw.copy()
                other[0, place] ^= 1 << bit
                assert not np.array_equal(convert(other), once), (name, place, bit)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("row) >> shifts", "row) >> shifts[::-1]"),
        ("FOUR, 16) & 15).astype(np.float32) - 8", "FOUR, 16) & 15).astype(np.float32) - 7"),
        ('bitorder="little"', 'bitorder="big"'),
        ("rest & 15 | scales", "rest >> 4 | scales"),
        ("~unpacked(high, ONE, 32)", "unpacked(high, ONE, 32)"),
        ("found - minima", "found + minima"),
        ("numbers.astype(np.float32) - 32)", "numbers.astype(np.float32))"),
        ("exponent.astype(int) - 127", "exponent.astype(int) - 126"),
        ("unpacked(high, TWO, 32) & 3", "unpacked(high, TWO, 32) & 1"),
    ],
)
def test_a_conversion_that_is_wrong_is_found_out(old, new):
    wrong = sabotaged(PATH, old, new).CONVERT
    assert any(wrong[name](blocks_of(name)).tobytes() != THEIRS[name].tobytes() for name in wrong)


def test_the_numbers_of_mxfp4():
    """A sign, an exponent that counts from 1, and one bit below."""
    for bits, number in enumerate(gguf_blocks.FLOAT4):
        sign, exponent, mantissa = bits >> 3, bits >> 1 & 3, bits & 1
        size = (1 + mantissa / 2) * 2.0 ** (exponent - 1) if exponent else mantissa / 2
        assert number == (-size if sign else size)
