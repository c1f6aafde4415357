"""``batch_norm`` against torch's BatchNorm layers, and what it says to wrong input."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.batch_norm import batch_norm
from tests import SNIPPETS_DIR
from tests.layers.norms import (
    DTYPES,
    SEEDS,
    agree,
    agree_in_float16,
    distinct,
    inputs,
    normed,
    stored,
)
from tests.parity import assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "layers/batch_norm.py"
KINDS = [("BatchNorm1d", 0), ("BatchNorm1d", 1), ("BatchNorm2d", 2), ("BatchNorm3d", 3)]
KINDS += [("SyncBatchNorm", further) for further in range(4)]


def recipe(function=batch_norm):
    """Return the recipe with statistics that may be missing, as an untracked layer stores none."""

    def call(x, running_mean=None, running_var=None, **kwargs):
        return function(x, running_mean, running_var, **kwargs)

    return call


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    sizes=distinct(5),
    options=st.fixed_dictionaries(
        {"track_running_stats": st.booleans(), "affine": st.booleans(), "bias": st.booleans()}
    ),
    eps=st.sampled_from([{}, {"eps": 0.1}]),
    seed=SEEDS,
    dtype=st.sampled_from(DTYPES),
)
def test_equals_torch(kind, sizes, options, eps, seed, dtype):
    layer = normed(kind[0], sizes[1], seed=seed, dtype=dtype[0], **options, **eps)
    agree(recipe(), layer, sizes[: 2 + kind[1]], dtype=dtype, **eps)


@pytest.mark.parametrize("tracked", [True, False])
@pytest.mark.parametrize(
    "shape",
    [(0, 3), (2, 3, 0), (0, 3, 4), (1, 3, 2), (2, 1, 4), (2, 3, 1), (2, 3, 1, 1)],
)
def test_sizes_1_and_0(shape, tracked):
    kind = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d"}[len(shape)]
    agree(recipe(), normed(kind, shape[1], track_running_stats=tracked), shape)


@pytest.mark.parametrize("tracked", [True, False])
def test_no_channels(tracked):
    # With affine parameters, torch 2.13 raises an IndexError here.
    agree(recipe(), normed("BatchNorm1d", 0, affine=False, track_running_stats=tracked), (2, 0))


def test_one_sample_with_running_statistics():
    agree(recipe(), normed("BatchNorm1d", 3), (1, 3))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 0)])
def test_one_value_a_channel_has_no_variance_as_in_torch(shape):
    layer = normed("BatchNorm1d", shape[1], track_running_stats=False)
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        layer(inputs(*shape))
    message = (
        f"x has shape {shape}, one value for each channel, and no running_mean and "
        "running_var: a single value has no variance. PyTorch refuses it too"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        recipe()(inputs(*shape).numpy(), **stored(layer))


def test_float16_is_computed_in_float32():
    options = {"affine": False, "track_running_stats": False}
    batch = normed("BatchNorm1d", 4, dtype="float32", **options)
    agree_in_float16(batch_norm, batch, None, None)


def agree_on_both(function):
    """Fail unless a function agrees with and without running statistics, all sizes the same."""
    for tracked in (True, False):
        layer = normed("BatchNorm2d", 4, track_running_stats=tracked)
        agree(recipe(function), layer, (4, 4, 4, 4))


SABOTAGES = {
    "unbiased variance": ("x.var(others)", "x.var(others, ddof=1)"),
    "eps out of the root": ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    "eps dropped": ("np.sqrt(var + eps)", "np.sqrt(var)"),
    "another default eps": ("eps=1e-5", "eps=1e-3"),
    "no root": ("np.sqrt(var + eps)", "(var + eps)"),
    "mean dropped": ("shift = -mean * scale", "shift = 0 * scale"),
    "mean not scaled": ("shift = -mean * scale", "shift = -mean"),
    "weight dropped": ("scale *= weight", "pass"),
    "bias dropped": ("shift += bias", "pass"),
    "bias before weight": ("shift += bias", "shift += bias * weight"),
    "the input's own statistics": ("if mean is None:", "if True:"),
    "each sample by itself": ("tuple(range(x.ndim - 1))", "tuple(range(1, x.ndim - 1))"),
    "channels last": ("np.moveaxis(x, 1, -1)", "x"),
    "channels left last": ("np.moveaxis(y, -1, 1)", "y"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    broken = sabotaged(PATH, *SABOTAGES[name])
    agree_on_both(batch_norm)
    with pytest.raises((AssertionError, ValueError)):
        agree_on_both(broken.batch_norm)


def test_equals_torch_on_channels_last_memory():
    torch = pytest.importorskip("torch")
    layer = normed("BatchNorm2d", 3)
    x = inputs(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert_parity(batch_norm(x.numpy(), **stored(layer)), layer(x))


def test_shape_comments():
    weight, variance = np.ones(3), np.ones(3)
    with executed(SNIPPETS_DIR / "layers/batch_norm.py") as (module, sizes):
        sizes.update(num_features=3)
        for further in [(), (4,), (4, 5), (4, 5, 6)]:
            x = inputs(2, 3, *further).numpy()
            module.batch_norm(x, weight, variance, weight, weight)
            module.batch_norm(x, None, None)


def test_nothing_it_is_given_changes():
    given = [np.ones((2, 3, 4)), np.ones(3), np.ones(3), np.ones(3), np.ones(3)]
    batch_norm(*given)
    batch_norm(np.ones((0, 3)), *given[1:])
    assert all((array == 1).all() for array in given)


def test_takes_lists():
    y = batch_norm([[3, 10]], [1, 4], [3, 0], [2, 10], [0, 5], eps=1)
    np.testing.assert_array_equal(y, [[2, 65]])


FEATURES = {"running_mean": np.ones(3), "running_var": np.ones(3)}


@pytest.mark.parametrize(
    ("x", "given", "message"),
    [
        (
            (3,),
            FEATURES,
            "x has shape (3,), expected (batch, channels, ...): "
            "is its batch axis missing? Use x[None]",
        ),
        (
            (5, 4, 6, 3),
            FEATURES,
            "running_mean has shape (3,), but x has shape (5, 4, 6, 3), 4 channels in axis 1: "
            "are the channels of x last? Use np.moveaxis(x, -1, 1)",
        ),
        (
            (3, 4, 6),
            FEATURES,
            "running_mean has shape (3,), but x has shape (3, 4, 6), 4 channels in axis 1: "
            "is the batch axis of x missing? Use x[None]",
        ),
        (
            (5, 3),
            FEATURES | {"weight": np.ones(4)},
            "weight has shape (4,), but x has shape (5, 3), 3 channels in axis 1: "
            "is one of them another layer's?",
        ),
        (
            (5, 3, 4),
            FEATURES | {"running_var": np.ones((3, 1))},
            "running_var has shape (3, 1), but x has shape (5, 3, 4), 3 channels in axis 1: "
            "was an axis added?",
        ),
        (
            (5, 3),
            FEATURES | {"bias": 1.0},
            "bias has shape (), but x has shape (5, 3), 3 channels in axis 1: "
            "is it the number of channels? Leave it out, x has it",
        ),
        *(
            (
                (5, 3),
                FEATURES | {name: None},
                "give both running_mean and running_var, or None for both",
            )
            for name in FEATURES
        ),
        (
            (5, 3),
            FEATURES | {"running_var": np.array([1, -1, 2])},
            "running_var has negative numbers, but no variance has: state_dict() lists weight "
            "and bias first, this function takes running_mean and running_var first",
        ),
    ],
)
def test_wrong_input_is_told_what_was_expected_and_the_likely_slip(x, given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        batch_norm(np.ones(x), **given)


@pytest.mark.parametrize(
    ("eps", "given"),
    [
        (False, "False"),  # where F.batch_norm has another argument
        (None, "None"),
        ("1e-5", "'1e-5'"),
        (np.ones(768), "an array of shape (768,)"),
    ],
    ids=str,
)
def test_eps_is_a_single_number(eps, given):
    message = f"eps is {given}, expected a single number: is it another argument?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        batch_norm(np.ones((2, 3)), None, None, eps=eps)
