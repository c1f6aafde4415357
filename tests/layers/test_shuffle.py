"""The shuffles of pixels and channels against torch, and what they say to wrong shapes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle
from tests import SNIPPETS_DIR
from tests.parity import assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")

PATH = SNIPPETS_DIR / "layers/shuffle.py"
LAYERS = {
    pixel_shuffle: torch.nn.PixelShuffle,
    pixel_unshuffle: torch.nn.PixelUnshuffle,
    channel_shuffle: torch.nn.ChannelShuffle,
}
FULL = {
    "pixel_shuffle": ((5, 12, 3, 4), 2),
    "pixel_unshuffle": ((5, 2, 9, 12), 3),
    "channel_shuffle": ((5, 6, 7, 4), 3),
}


def agree(function, layer, shape, factor, dtype=torch.float64, seed=0):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    assert_parity(function(x.numpy(), factor), layer(factor)(x), 0)


@settings(deadline=None, max_examples=60)
@given(
    function=st.sampled_from(list(LAYERS)),
    sizes=st.permutations(range(1, 6)),
    lead=st.sampled_from([(), (7,), (7, 6)]),
    factor=st.integers(1, 4),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 2**32),
)
def test_equals_torch(function, sizes, lead, factor, dtype, seed):
    channels, height, width = sizes[:3]
    shape = {
        pixel_shuffle: (*lead, channels * factor**2, height, width),
        pixel_unshuffle: (*lead, channels, height * factor, width * factor),
        channel_shuffle: (7, channels * factor, height, *lead),
    }[function]
    agree(function, LAYERS[function], shape, factor, dtype, seed)


EMPTY = [(0, 4, 4, 6), (2, 0, 4, 6), (2, 4, 0, 6), (2, 4, 4, 0)]


@pytest.mark.parametrize("function", [pixel_shuffle, channel_shuffle], ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [*EMPTY, (1, 4, 2, 2)], ids=str)
def test_empty_as_torch(function, shape):
    agree(function, LAYERS[function], shape, 2)


@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_an_empty_input_is_unshuffled_where_torch_leaves_its_shape(shape):
    # On its meta device, which has shapes only, PyTorch says what ours says.
    expected = torch.nn.PixelUnshuffle(2)(torch.ones(shape, device="meta")).shape
    assert pixel_unshuffle(np.ones(shape), 2).shape == expected
    assert torch.nn.PixelUnshuffle(2)(torch.ones(shape)).shape == shape


def test_there_and_back():
    x = np.random.default_rng(0).normal(size=(5, 12, 3, 4))
    np.testing.assert_array_equal(pixel_unshuffle(pixel_shuffle(x, 2), 2), x)
    np.testing.assert_array_equal(channel_shuffle(channel_shuffle(x, 3), 4), x)


def test_takes_lists():
    pixels = [[[1]], [[2]], [[3]], [[4]]]
    np.testing.assert_array_equal(pixel_shuffle(pixels, upscale_factor=2), [[[1, 2], [3, 4]]])
    np.testing.assert_array_equal(pixel_unshuffle([[[1, 2], [3, 4]]], downscale_factor=2), pixels)
    np.testing.assert_array_equal(channel_shuffle([pixels], groups=2)[0, :, 0, 0], [1, 3, 2, 4])


SABOTAGES = {
    "pixel_shuffle": {
        "only reshaped": ("x = np.moveaxis(x, (-2, -1), (-4, -2))", "x = x"),
        "factors first": ("*batch, channels, r, r, height", "*batch, r, r, channels, height"),
        "rows and columns exchanged": ("(-2, -1), (-4, -2)", "(-2, -1), (-2, -4)"),
        "the two r exchanged": (
            "np.moveaxis(x, (-2, -1), (-4, -2))",
            "np.moveaxis(x.swapaxes(-3, -4), (-2, -1), (-4, -2))",
        ),
    },
    "pixel_unshuffle": {
        "only reshaped": ("x = np.moveaxis(x, (-4, -2), (-2, -1))", "x = x"),
        "channels fastest": (
            "return x.copy().reshape(*batch, channels * r * r",
            "x = np.moveaxis(x, -5, -3)\n    return x.reshape(*batch, channels * r * r",
        ),
        "the two r exchanged": ("(-4, -2), (-2, -1))", "(-4, -2), (-2, -1)).swapaxes(-3, -4)"),
    },
    "channel_shuffle": {
        "not shuffled": ("x.swapaxes(1, 2)", "x"),
        "shuffled back": ("groups, channels // groups, *rest", "channels // groups, groups, *rest"),
    },
}


@pytest.mark.parametrize(
    ("function", "name"), [(f, name) for f in SABOTAGES for name in SABOTAGES[f]]
)
def test_sabotage_is_caught(function, name):
    broken = getattr(sabotaged(PATH, *SABOTAGES[function][name]), function)
    layer = {f.__name__: layer for f, layer in LAYERS.items()}[function]
    with pytest.raises((AssertionError, ValueError)):
        agree(broken, layer, *FULL[function])


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/shuffle.py") as (module, sizes):
        sizes.update(out_channels=3, in_channels=7, r=2, height=4, width=5)
        module.pixel_shuffle(np.ones((6, 12, 4, 5)), 2)
        module.pixel_unshuffle(np.ones((7, 8, 10)), 2)


ORDER = "are the axes in another order?"


@pytest.mark.parametrize(
    ("function", "shape", "factor", "message"),
    [
        (
            pixel_shuffle,
            (4, 4),
            2,
            "x has shape (4, 4), expected (..., channels, height, width): is an axis missing?",
        ),
        (
            pixel_shuffle,
            (3, 4, 5, 12),
            3,
            "x has shape (3, 4, 5, 12): upscale_factor 3 can't split its axis -3, 4, into 9 equal "
            f"parts; {ORDER}",
        ),
        (
            pixel_shuffle,
            (6, 3, 5),
            2,
            "x has shape (6, 3, 5): upscale_factor 2 can't split its axis -3, 6, into 4 equal "
            f"parts; {ORDER}",
        ),
        (pixel_shuffle, (4, 3, 5), 2.0, "upscale_factor is 2.0, expected an integer from 1"),
        (pixel_shuffle, (4, 3, 5), 0, "upscale_factor is 0, expected an integer from 1"),
        (
            pixel_unshuffle,
            (4,),
            2,
            "x has shape (4,), expected (..., channels, height, width): is an axis missing?",
        ),
        (
            pixel_unshuffle,
            (6, 3, 4),
            2,
            "x has shape (6, 3, 4): downscale_factor 2 can't split its axis -2, 3, into 2 equal "
            f"parts; {ORDER}",
        ),
        (
            pixel_unshuffle,
            (6, 4, 3),
            2,
            "x has shape (6, 4, 3): downscale_factor 2 can't split its axis -1, 3, into 2 equal "
            f"parts; {ORDER}",
        ),
        (pixel_unshuffle, (4, 4, 4), -2, "downscale_factor is -2, expected an integer from 1"),
        (
            channel_shuffle,
            (4, 4),
            2,
            "x has shape (4, 4), expected (batch, channels, ...): is an axis missing?",
        ),
        (
            channel_shuffle,
            (4, 6, 8),
            4,
            "x has shape (4, 6, 8): groups 4 can't split its axis 1, 6, into 4 equal parts; "
            f"{ORDER}",
        ),
        (channel_shuffle, (4, 6, 8), True, "groups is True, expected an integer from 1"),
        (channel_shuffle, (4, 6, 8), 0, "groups is 0, expected an integer from 1"),
    ],
)
def test_refuses_what_torch_refuses(function, shape, factor, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(np.ones(shape), factor)
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        LAYERS[function](factor)(torch.ones(shape))
