"""``layer_norm`` against ``torch.nn.LayerNorm``, and what it says to wrong shapes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.layer_norm import layer_norm
from tests import SNIPPETS_DIR
from tests.layers.norms import DTYPES, SEEDS, agree, agree_in_float16, distinct, normed
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "layers/layer_norm.py"


@settings(deadline=None, max_examples=60)
@given(
    sizes=distinct(5),
    leading=st.integers(0, 2),
    normalized=st.integers(1, 3),
    options=st.fixed_dictionaries({"elementwise_affine": st.booleans(), "bias": st.booleans()}),
    eps=st.sampled_from([{}, {"eps": 0.1}]),
    seed=SEEDS,
    dtype=st.sampled_from(DTYPES),
)
def test_equals_torch(sizes, leading, normalized, options, eps, seed, dtype):
    sizes = sizes[: leading + normalized]
    last = sizes[leading:]
    layer = normed("LayerNorm", last, seed=seed, dtype=dtype[0], **options, **eps)
    agree(layer_norm, layer, sizes, last, dtype=dtype, **eps)


@pytest.mark.parametrize(
    ("shape", "last"),
    [
        ((2, 1), (1,)),
        ((1, 3), (3,)),
        ((2, 3, 1), (3, 1)),
        ((2, 0), (0,)),
        ((0, 3), (3,)),
        ((2, 0, 3), (3,)),
        ((2, 0, 3), (0, 3)),
    ],
)
def test_sizes_1_and_0(shape, last):
    agree(layer_norm, normed("LayerNorm", last), shape, last)


def test_takes_a_number_as_the_layer_does():
    agree(layer_norm, normed("LayerNorm", 3), (2, 3), 3)


def test_float16_is_computed_in_float32():
    agree_in_float16(
        layer_norm, normed("LayerNorm", 64, elementwise_affine=False, dtype="float32"), 64
    )


def agree_on_both(function):
    """Fail unless a function agrees on one and on two last axes."""
    for last in [(4,), (4, 4)]:
        agree(function, normed("LayerNorm", last), (4, 4, 4), last)


ROWS = "x.reshape(-1, math.prod(normalized_shape))"
SABOTAGES = {
    "unbiased variance": ("/ y.shape[1]", "/ (y.shape[1] - 1)"),
    "eps out of the root": ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    "eps dropped": ("np.sqrt(var + eps)", "np.sqrt(var)"),
    "another default eps": ("eps=1e-5", "eps=1e-6"),
    "mean dropped": ("y = rows - rows.mean(axis=1, keepdims=True)", "y = rows.copy()"),
    "weight dropped": ("y *= weight.ravel()", "pass"),
    "bias dropped": ("y += bias.ravel()", "pass"),
    "the last axis alone": (
        ROWS,
        ROWS.replace("math.prod(normalized_shape)", "normalized_shape[-1]"),
    ),
    "the first axis": (ROWS, ROWS.replace(".reshape", ".T.reshape")),
    "all axes": (ROWS, ROWS.replace("-1, math.prod(normalized_shape)", "1, -1")),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    broken = sabotaged(PATH, *SABOTAGES[name])
    agree_on_both(layer_norm)
    with pytest.raises((AssertionError, ValueError)):
        agree_on_both(broken.layer_norm)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/layer_norm.py") as (module, sizes):
        sizes.update(normalized_shape=4)
        for leading, rows in [((), 1), ((2,), 2), ((2, 3), 6)]:
            sizes.update(rows=rows)
            module.layer_norm(np.ones((*leading, 4)), 4, np.ones(4), np.ones(4))


def test_nothing_it_is_given_changes():
    x, empty, weight, bias = np.ones((2, 3)), np.ones((0, 3)), np.ones(3), np.ones(3)
    layer_norm(x, 3, weight, bias)
    layer_norm(empty, 3, weight, bias)
    assert all((array == 1).all() for array in (x, weight, bias))


def test_takes_lists():
    y = layer_norm([[1, 3], [10, 50]], [2], [2, 10], [0, 5], eps=0)
    np.testing.assert_array_equal(y, [[-2, 15], [-2, 15]])


@pytest.mark.parametrize(
    "weight",
    [np.ones(768, np.float32), np.ones((768, 2)), 768.0, True, {"weight": np.ones(768)}, None],
    ids=lambda w: type(w).__name__,
)
def test_a_forgotten_normalized_shape_is_told_in_one_sentence(weight):
    held = np.atleast_1d(weight)
    message = (
        f"normalized_shape holds {held.dtype}, shape {held.shape}, expected the sizes of the last "
        "axes of x, (2, 768): was it forgotten? It is the second argument"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer_norm(np.ones((2, 768), np.float32), weight)


def test_no_message_prints_an_array():
    message = (
        "x has shape (2, 768), expected its last axes to be (1, 1, 1, 1, 1, 1, ...): "
        "is x another layer's?"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer_norm(np.ones((2, 768)), np.ones(768, int))


@pytest.mark.parametrize(
    ("x", "last", "weight", "bias", "message"),
    [
        (
            (2, 3),
            (),
            None,
            None,
            "normalized_shape is (), expected the sizes of one axis or more",
        ),
        (
            (2, 3, 4, 5),
            3,
            None,
            None,
            "x has shape (2, 3, 4, 5), expected its last axes to be (3,): are the channels of x "
            "in axis 1? Use np.moveaxis(x, 1, -1), and back afterwards",
        ),
        (
            (3, 2),
            3,
            None,
            None,
            "x has shape (3, 2), expected its last axes to be (3,): "
            "are the axes of x in another order?",
        ),
        (
            (2, 4, 3),
            (3, 4),
            None,
            None,
            "x has shape (2, 4, 3), expected its last axes to be (3, 4): "
            "are the axes of x in another order?",
        ),
        (
            (3, 4),
            (4, 3),
            None,
            None,
            "x has shape (3, 4), expected its last axes to be (4, 3): "
            "are the axes of x in another order?",
        ),
        (
            (2, 5),
            (3,),
            None,
            None,
            "x has shape (2, 5), expected its last axes to be (3,): is x another layer's?",
        ),
        (
            (3,),
            (2, 3),
            None,
            None,
            "x has shape (3,), expected its last axes to be (2, 3): is x another layer's?",
        ),
        (
            (2, 3),
            (3,),
            (1,),
            None,
            "weight has shape (1,), expected normalized_shape, (3,): is it another layer's?",
        ),
        (
            (2, 4, 3),
            (4, 3),
            (4, 3),
            (3,),
            "bias has shape (3,), expected normalized_shape, (4, 3): is it another layer's?",
        ),
    ],
)
def test_a_wrong_shape_is_told_what_was_expected_and_the_likely_slip(
    x, last, weight, bias, message
):
    affine = [None if shape is None else np.ones(shape) for shape in (weight, bias)]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer_norm(np.ones(x), last, *affine)


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
        layer_norm(np.ones((2, 3)), 3, eps=eps)
