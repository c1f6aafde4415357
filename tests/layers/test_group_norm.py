"""``group_norm`` against ``torch.nn.GroupNorm``, and what it says to wrong input."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.group_norm import group_norm
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

PATH = SNIPPETS_DIR / "layers/group_norm.py"


@settings(deadline=None, max_examples=60)
@given(
    further=st.integers(0, 3),
    sizes=distinct(5),
    groups=st.integers(1, 4),
    options=st.fixed_dictionaries({"affine": st.booleans(), "bias": st.booleans()}),
    eps=st.sampled_from([{}, {"eps": 0.1}]),
    seed=SEEDS,
    dtype=st.sampled_from(DTYPES),
)
def test_equals_torch(further, sizes, groups, options, eps, seed, dtype):
    batch, each, *rest = sizes
    channels = groups * each
    layer = normed("GroupNorm", groups, channels, seed=seed, dtype=dtype[0], **options, **eps)
    agree(group_norm, layer, (batch, channels, *rest[:further]), groups, dtype=dtype, **eps)


@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((1, 6), 2),
        ((2, 6), 6),  # zeros, and the bias
        ((2, 6, 1), 3),
        ((1, 6, 2), 6),
        ((2, 1, 3), 1),
        ((2, 6, 0), 2),
        ((0, 6, 4), 2),
        ((2, 0, 4), 1),
    ],
)
def test_sizes_1_and_0(shape, groups):
    agree(group_norm, normed("GroupNorm", groups, shape[1]), shape, groups)


@pytest.mark.parametrize("shape", [(1, 6), (1, 6, 1)])
def test_one_value_a_group_has_no_variance_as_in_torch(shape):
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        normed("GroupNorm", 6, 6)(inputs(*shape))
    message = (
        f"x has shape {shape}, one value for each of 6 groups: "
        "a single value has no variance. PyTorch refuses it too"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        group_norm(np.ones(shape), 6)


def test_float16_is_computed_in_float32():
    agree_in_float16(group_norm, normed("GroupNorm", 2, 4, affine=False, dtype="float32"), 2)


def test_equals_torch_on_channels_last_memory():
    torch = pytest.importorskip("torch")
    layer = normed("GroupNorm", 3, 6)
    x = inputs(2, 6, 4, 5).to(memory_format=torch.channels_last)
    assert_parity(group_norm(x.numpy(), 3, **stored(layer)), answer(layer, x))


SABOTAGES = {
    "unbiased variance": ("/ y.shape[-1]", "/ (y.shape[-1] - 1)"),
    "eps out of the root": ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    "eps dropped": ("np.sqrt(var + eps)", "np.sqrt(var)"),
    "another default eps": ("eps=1e-5", "eps=1e-6"),
    "mean dropped": ("grouped - grouped.mean(axis=-1, keepdims=True)", "grouped.copy()"),
    "weight dropped": ("scale *= weight", "pass"),
    "bias dropped": ("y += bias[:, None]", "pass"),
    "groups interleaved": (
        "x.reshape(batch, num_groups, -1)",
        "x.reshape(batch, -1, num_groups, 4, 4).swapaxes(1, 2).reshape(batch, num_groups, -1)",
    ),
    "groups over the batch": (
        "x.reshape(batch, num_groups, -1)",
        "x.swapaxes(0, 1).reshape(1, num_groups, -1)",
    ),
    "a group for each channel": ("(batch, num_groups, -1)", "(batch, channels, -1)"),
    "one group": ("(batch, num_groups, -1)", "(batch, 1, -1)"),
    "affine over the last axis": ("bias[:, None]", "np.repeat(bias, 4)"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    layer = normed("GroupNorm", 2, 4)
    broken = sabotaged(PATH, *SABOTAGES[name])
    agree(group_norm, layer, (4, 4, 4, 4), 2)
    with pytest.raises((AssertionError, ValueError)):
        agree(broken.group_norm, layer, (4, 4, 4, 4), 2)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/group_norm.py") as (module, sizes):
        sizes.update(batch=2, num_groups=3, num_channels=6)
        for further in [(), (4,), (4, 5), (4, 5, 7)]:
            module.group_norm(np.ones((2, 6, *further)), 3, np.ones(6), np.ones(6))


def test_nothing_it_is_given_changes():
    x, weight, bias = np.ones((2, 6, 4)), np.ones(6), np.ones(6)
    group_norm(x, 3, weight, bias)
    assert all((array == 1).all() for array in (x, weight, bias))


def test_takes_lists():
    y = group_norm([[1, 3, 10, 50]], 2, [2, 10, 1, 1], [0, 5, 0, 0], eps=0)
    np.testing.assert_array_equal(y, [[-2, 15, -1, 1]])


@pytest.mark.parametrize(
    ("x", "groups", "weight", "message"),
    [
        (
            (6,),
            2,
            None,
            "x has shape (6,), expected (batch, channels, ...): "
            "is its batch axis missing? Use x[None]",
        ),
        *(
            (
                (2, 6, 5),
                groups,
                None,
                f"num_groups holds {np.asarray(groups).dtype}, shape {np.shape(groups)}, "
                "expected one integer: was it forgotten? It is the second argument",
            )
            for groups in (np.ones(6), np.ones(6, int), 2.0, True, None)
        ),
        *(
            (
                (2, 6, 5),
                groups,
                None,
                f"num_groups is {groups}, which does not divide the 6 channels in axis 1 of x, "
                "(2, 6, 5): is it num_channels, or are the channels of x last?",
            )
            for groups in (4, 12, 0, -2)
        ),
        (
            (2, 5, 4, 6),
            2,
            (6,),
            "weight has shape (6,), but x has shape (2, 5, 4, 6), 5 channels in axis 1: "
            "are the channels of x last? Use np.moveaxis(x, -1, 1)",
        ),
        (
            (6, 4, 5),
            2,
            (6,),
            "weight has shape (6,), but x has shape (6, 4, 5), 4 channels in axis 1: "
            "is the batch axis of x missing? Use x[None]",
        ),
        (
            (2, 6, 5),
            2,
            (3,),
            "weight has shape (3,), but x has shape (2, 6, 5), 6 channels in axis 1: "
            "is one of them another layer's?",
        ),
        (
            (2, 6, 5),
            2,
            (6, 1),
            "weight has shape (6, 1), but x has shape (2, 6, 5), 6 channels in axis 1: "
            "was an axis added?",
        ),
        (
            (2, 6, 5),
            2,
            (),  # group_norm(x, num_groups, num_channels), as the layer is made
            "weight has shape (), but x has shape (2, 6, 5), 6 channels in axis 1: "
            "is it the number of channels? Leave it out, x has it",
        ),
    ],
)
def test_wrong_input_is_told_what_was_expected_and_the_likely_slip(x, groups, weight, message):
    weight = None if weight is None else np.ones(weight)
    for name in ("weight", "bias"):
        with pytest.raises(ValueError, match=f"^{re.escape(message.replace('weight', name))}$"):
            group_norm(np.ones(x), groups, **{name: weight})


@pytest.mark.parametrize(
    ("eps", "given"),
    [
        (False, "False"),
        (None, "None"),
        ("1e-5", "'1e-5'"),
        (np.ones(768), "an array of shape (768,)"),
    ],
    ids=str,
)
def test_eps_is_a_single_number(eps, given):
    message = f"eps is {given}, expected a single number: is it another argument?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        group_norm(np.ones((2, 3)), 1, eps=eps)
