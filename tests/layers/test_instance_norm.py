"""``instance_norm`` against torch's InstanceNorm layers, and what it says to wrong input."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.instance_norm import instance_norm
from tests import SNIPPETS_DIR
from tests.layers.norms import (
    DTYPES,
    SEEDS,
    agree,
    agree_in_float16,
    answer,
    distinct,
    inputs,
    normed,
    stored,
)
from tests.parity import assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "layers/instance_norm.py"


@settings(deadline=None, max_examples=60)
@given(
    further=st.integers(1, 3),
    sizes=distinct(5),
    options=st.fixed_dictionaries(
        {"track_running_stats": st.booleans(), "affine": st.booleans(), "bias": st.booleans()}
    ),
    eps=st.sampled_from([{}, {"eps": 0.1}]),
    seed=SEEDS,
    dtype=st.sampled_from(DTYPES),
)
def test_equals_torch(further, sizes, options, eps, seed, dtype):
    layer = normed(f"InstanceNorm{further}d", sizes[1], seed=seed, dtype=dtype[0], **options, **eps)
    agree(instance_norm, layer, sizes[: 2 + further], dtype=dtype, **eps)


@pytest.mark.parametrize("tracked", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 0), (2, 1, 4), (1, 3, 2), (1, 1, 2)])
def test_sizes_1_and_0(shape, tracked):
    layer = normed("InstanceNorm1d", shape[1], affine=True, track_running_stats=tracked)
    agree(instance_norm, layer, shape)


@pytest.mark.parametrize("tracked", [True, False])
@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4)])
def test_no_batch_or_no_channels(shape, tracked):
    # With affine parameters, torch 2.13 raises an IndexError here.
    layer = normed("InstanceNorm1d", shape[1], track_running_stats=tracked)
    agree(instance_norm, layer, shape)


@pytest.mark.parametrize("tracked", [True, False])
def test_one_sample_without_a_batch_axis(tracked):
    layer = normed("InstanceNorm2d", 3, affine=True, track_running_stats=tracked)
    x = inputs(3, 4, 5)
    assert_parity(instance_norm(x.numpy()[None], **stored(layer))[0], answer(layer, x))


def test_one_position_with_running_statistics():
    agree(instance_norm, normed("InstanceNorm1d", 3, track_running_stats=True), (2, 3, 1))


def test_one_position_has_no_variance_as_in_torch():
    with pytest.raises(ValueError, match="Expected more than 1 spatial element"):
        normed("InstanceNorm2d", 3)(inputs(2, 3, 1, 1))
    message = (
        "x has shape (2, 3, 1, 1), one value for each sample and channel, and no running_mean "
        "and running_var: a single value has no variance. PyTorch refuses it too"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        instance_norm(np.ones((2, 3, 1, 1)))


def test_float16_is_computed_in_float32():
    agree_in_float16(instance_norm, normed("InstanceNorm1d", 4, dtype="float32"))


def agree_on_both(function):
    """Fail unless a function agrees with and without running statistics, all sizes the same."""
    for tracked in (True, False):
        layer = normed("InstanceNorm2d", 4, affine=True, track_running_stats=tracked)
        agree(function, layer, (4, 4, 4, 4))


SABOTAGES = {
    "unbiased variance": ("x.var(others)", "x.var(others, ddof=1)"),
    "eps out of the root": ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    "eps dropped": ("np.sqrt(var + eps)", "np.sqrt(var)"),
    "another default eps": ("eps=1e-5", "eps=1e-3"),
    "mean dropped": ("shift = -mean * scale", "shift = 0 * scale"),
    "mean not scaled": ("shift = -mean * scale", "shift = -mean"),
    "weight dropped": ("scale *= weight", "pass"),
    "bias dropped": ("shift += bias", "pass"),
    "the input's own statistics": ("if mean is None:", "if True:"),
    "over the batch too": ("tuple(range(x.ndim - 2))", "tuple(range(x.ndim - 1))"),
    "over the channels": ("tuple(range(x.ndim - 2))", "(-1,)"),
    "over one axis": ("tuple(range(x.ndim - 2))", "(0,)"),
    "batch and channels swapped": ("np.moveaxis(x, (0, 1)", "np.moveaxis(x, (1, 0)"),
    "axes not moved back": ("np.moveaxis(y, (-2, -1), (0, 1))", "y"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    broken = sabotaged(PATH, *SABOTAGES[name])
    agree_on_both(instance_norm)
    with pytest.raises((AssertionError, ValueError)):
        agree_on_both(broken.instance_norm)


def test_shape_comments():
    weight, variance = np.ones(3), np.ones(3)
    with executed(SNIPPETS_DIR / "layers/instance_norm.py") as (module, sizes):
        sizes.update(batch=2, num_features=3)
        for further in [(4,), (4, 5), (4, 5, 6)]:
            x = inputs(2, 3, *further).numpy()
            module.instance_norm(x, weight, variance, weight, weight)
            module.instance_norm(x)


def test_nothing_it_is_given_changes():
    given = [np.ones((2, 3, 4)), np.ones(3), np.ones(3), np.ones(3), np.ones(3)]
    instance_norm(*given)
    instance_norm(np.ones((0, 3, 4)), *given[1:])
    assert all((array == 1).all() for array in given)


def test_takes_lists():
    y = instance_norm([[[1, 3], [10, 50]]], weight=[2, 10], bias=[0, 5], eps=0)
    np.testing.assert_array_equal(y, [[[-2, 2], [-5, 15]]])


@pytest.mark.parametrize(
    ("x", "given", "message"),
    [
        (
            (3,),
            {},
            "x has shape (3,), expected (batch, channels, ...): "
            "is its batch axis missing? Use x[None]",
        ),
        (
            (3, 4),
            {},
            "x has shape (3, 4), expected (batch, num_features, ...) with further axes: "
            "is its batch axis missing? Use instance_norm(x[None], ...)[0]",
        ),
        (
            (5, 4, 6, 3),
            {"weight": np.ones(3)},
            "weight has shape (3,), but x has shape (5, 4, 6, 3), 4 channels in axis 1: "
            "are the channels of x last? Use np.moveaxis(x, -1, 1)",
        ),
        (
            (3, 4, 6),
            {"weight": np.ones(3)},
            "weight has shape (3,), but x has shape (3, 4, 6), 4 channels in axis 1: "
            "is the batch axis of x missing? Use x[None]",
        ),
        (
            (2, 3, 5),
            {"weight": np.ones(3), "bias": np.ones(4)},
            "bias has shape (4,), but x has shape (2, 3, 5), 3 channels in axis 1: "
            "is one of them another layer's?",
        ),
        (
            (2, 3, 5),
            {"running_mean": np.ones((1, 3)), "running_var": np.ones(3)},
            "running_mean has shape (1, 3), but x has shape (2, 3, 5), 3 channels in axis 1: "
            "was an axis added?",
        ),
        (
            (2, 3, 5),
            {"weight": 3},
            "weight has shape (), but x has shape (2, 3, 5), 3 channels in axis 1: "
            "is it the number of channels? Leave it out, x has it",
        ),
        (
            (2, 3, 5),
            {"running_mean": np.ones(3), "running_var": np.ones(4)},
            "running_var has shape (4,), but x has shape (2, 3, 5), 3 channels in axis 1: "
            "is one of them another layer's?",
        ),
        (
            (2, 3, 5),
            {"running_mean": np.ones(3), "running_var": np.array([1, -1, 2])},
            "running_var has negative numbers, but no variance has: state_dict() lists weight "
            "and bias first, this function takes running_mean and running_var first",
        ),
        *(
            (
                (2, 3, 5),
                {name: np.ones(3)},
                "give both running_mean and running_var, or None for both",
            )
            for name in ("running_mean", "running_var")
        ),
    ],
)
def test_wrong_input_is_told_what_was_expected_and_the_likely_slip(x, given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        instance_norm(np.ones(x), **given)


@pytest.mark.parametrize(
    ("eps", "given"),
    [
        (False, "False"),  # where F.instance_norm has another argument
        (None, "None"),
        ("1e-5", "'1e-5'"),
        (np.ones(768), "an array of shape (768,)"),
    ],
    ids=str,
)
def test_eps_is_a_single_number(eps, given):
    message = f"eps is {given}, expected a single number: is it another argument?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        instance_norm(np.ones((2, 3, 4)), eps=eps)
