"""``rms_norm`` against ``torch.nn.RMSNorm``, and what it says to wrong shapes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.rms_norm import rms_norm
from tests import SNIPPETS_DIR
from tests.layers.norms import DTYPES, SEEDS, agree, distinct, normed
from tests.parity import FLOAT32, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "layers/rms_norm.py"


@settings(deadline=None, max_examples=60)
@given(
    sizes=distinct(5),
    leading=st.integers(0, 2),
    normalized=st.integers(1, 3),
    affine=st.booleans(),
    eps=st.sampled_from([{}, {"eps": None}, {"eps": 0.1}]),
    seed=SEEDS,
    dtype=st.sampled_from(DTYPES),
)
def test_equals_torch(sizes, leading, normalized, affine, eps, seed, dtype):
    sizes = sizes[: leading + normalized]
    last = sizes[leading:]
    layer = normed("RMSNorm", last, seed=seed, dtype=dtype[0], elementwise_affine=affine, **eps)
    agree(rms_norm, layer, sizes, last, dtype=dtype, **eps)


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
    agree(rms_norm, normed("RMSNorm", last), shape, last)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", FLOAT32)])
def test_eps_is_that_of_the_dtype(dtype, tolerance):
    torch = pytest.importorskip("torch")
    x = torch.tensor([[3e-4, 4e-4], [0, 0], [3e-9, 4e-9]], dtype=getattr(torch, dtype))
    for row in x:
        assert_parity(rms_norm(row.numpy(), 2), torch.nn.functional.rms_norm(row, (2,)), tolerance)


def test_float16_is_computed_in_float32_as_in_torch():
    torch = pytest.importorskip("torch")
    x = torch.tensor([[300, 400], [3e-4, 4e-4]], dtype=torch.float16)
    ours = rms_norm(x.numpy(), 2).astype(np.float16)
    assert_parity(ours, torch.nn.functional.rms_norm(x, (2,)), 1e-3)


def test_small_integers_do_not_wrap_around():
    x = np.array([100, 200], np.uint8)
    np.testing.assert_allclose(rms_norm(x, 2), x / np.sqrt(25000), rtol=1e-6)


def test_takes_a_number_as_the_layer_does():
    agree(rms_norm, normed("RMSNorm", 3), (2, 3), 3)


def agree_on_both(function):
    """Fail unless a function agrees on one and on two last axes, with and without eps."""
    for last in [(4,), (4, 4)]:
        agree(function, normed("RMSNorm", last), (4, 4, 4), last)
        agree(function, normed("RMSNorm", last, eps=0.1), (4, 4, 4), last, eps=0.1)


ROWS = ".reshape(-1, math.prod(normalized_shape))"
SABOTAGES = {
    "mean subtracted": (
        "    # Sums of squares",
        "    rows = rows - rows.mean(axis=1, keepdims=True)\n    # Sums of squares",
    ),
    "sum for mean": ("squares / rows.shape[1]", "squares"),
    "no square": ('("ij,ij->i", rows, rows)', '("ij->i", abs(rows))'),
    "no root": ("np.sqrt(mean_square + eps)", "(mean_square + eps)"),
    "eps out of the root": ("np.sqrt(mean_square + eps)", "(np.sqrt(mean_square) + eps)"),
    "eps dropped": ("np.sqrt(mean_square + eps)", "np.sqrt(mean_square)"),
    "weight dropped": ("y *= weight.ravel()", "pass"),
    "1 added to weight": ("y *= weight.ravel()", "y *= 1 + weight.ravel()"),
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
    agree_on_both(rms_norm)
    with pytest.raises((AssertionError, ValueError)):
        agree_on_both(broken.rms_norm)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/rms_norm.py") as (module, sizes):
        sizes.update(normalized_shape=4)
        for leading, rows in [((), 1), ((2,), 2), ((2, 3), 6)]:
            sizes.update(rows=rows)
            module.rms_norm(np.ones((*leading, 4)), 4, np.ones(4))


def test_nothing_it_is_given_changes():
    x, weight = np.ones((2, 3)), np.ones(3)
    rms_norm(x, 3, weight)
    assert all((array == 1).all() for array in (x, weight))


def test_takes_lists():
    y = rms_norm([[1, -7], [7, 1]], [2], [10, 5], eps=0)
    np.testing.assert_array_equal(y, [[2, -7], [14, 1]])


@pytest.mark.parametrize(
    ("x", "last", "weight", "message"),
    [
        ((2, 3), (), None, "normalized_shape is (), expected the sizes of one axis or more"),
        (
            (2, 3),
            np.ones(3, np.float32),  # rms_norm(x, weight)
            None,
            "normalized_shape holds float32, shape (3,), expected the sizes of the last axes of x, "
            "(2, 3): was it forgotten? It is the second argument",
        ),
        (
            (2, 3, 4),
            3,
            None,
            "x has shape (2, 3, 4), expected its last axes to be (3,): are the channels of x "
            "in axis 1? Use np.moveaxis(x, 1, -1), and back afterwards",
        ),
        (
            (3, 2),
            3,
            None,
            "x has shape (3, 2), expected its last axes to be (3,): "
            "are the axes of x in another order?",
        ),
        (
            (3, 4),
            (4, 3),
            None,
            "x has shape (3, 4), expected its last axes to be (4, 3): "
            "are the axes of x in another order?",
        ),
        (
            (2, 5),
            3,
            None,
            "x has shape (2, 5), expected its last axes to be (3,): is x another layer's?",
        ),
        (
            (2, 3),
            3,
            (1,),
            "weight has shape (1,), expected normalized_shape, (3,): is it another layer's?",
        ),
    ],
)
def test_a_wrong_shape_is_told_what_was_expected_and_the_likely_slip(x, last, weight, message):
    weight = None if weight is None else np.ones(weight)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rms_norm(np.ones(x), last, weight)


@pytest.mark.parametrize(
    ("eps", "given"),
    [
        (False, "False"),
        ("1e-5", "'1e-5'"),
        (np.ones(768), "an array of shape (768,)"),
    ],
    ids=str,
)
def test_eps_is_a_single_number(eps, given):
    message = f"eps is {given}, expected a single number: is it another argument?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rms_norm(np.ones((2, 3)), 3, eps=eps)
