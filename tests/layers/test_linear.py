"""``linear`` against ``torch.nn.Linear``, and what it says to wrong shapes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.linear import linear
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.shape_comments import executed


def twins(sizes, lead, bias, seed, dtype="float64"):
    """Return the outputs of the recipe and of torch, on the weights that PyTorch initialises."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    layer = torch.nn.Linear(*sizes, bias=bias, dtype=getattr(torch, dtype))
    x = torch.randn(*lead, sizes[0], dtype=layer.weight.dtype)
    return linear(x.numpy(), **arrays(layer)), layer(x)


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.permutations(range(1, 9)).map(lambda p: p[:2]),
    lead=st.sampled_from([(), (1,), (10,), (10, 11), (12, 10, 11), (0,), (10, 0)]),
    bias=st.booleans(),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([("float64", FLOAT64), ("float32", FLOAT32)]),
)
def test_equals_torch(sizes, lead, bias, seed, dtype):
    assert_parity(*twins(sizes, lead, bias, seed, dtype[0]), dtype[1])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(12, 100), (100, 12), (100, 100), (3, 1), (1, 3)])
def test_equals_torch_at_the_sizes_of_the_page(sizes, bias):
    assert_parity(*twins(sizes, (5,), bias, 0))


def test_equals_torch_without_inputs():
    torch = pytest.importorskip("torch")
    x, weight, bias = torch.ones(5, 0), torch.ones(3, 0), torch.randn(3)
    reference = torch.nn.functional.linear(x, weight, bias)
    assert_parity(linear(x.numpy(), weight.numpy(), bias.numpy()), reference)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/linear.py") as (module, sizes):
        sizes.update(in_features=4, out_features=3)
        for lead in [(), (5,), (6, 5)]:
            module.linear(np.ones((*lead, 4)), np.ones((3, 4)), np.ones(3))
            module.linear(np.ones((*lead, 4)), np.ones((3, 4)))


@pytest.mark.parametrize(
    "slip", [{"weight": np.transpose}, {"bias": np.zeros_like}], ids=["transposed", "no bias"]
)
def test_parity_catches_what_no_shape_shows(slip):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4))
    state = {"weight": rng.normal(size=(4, 4)), "bias": rng.normal(size=4)}
    reference = torch.nn.functional.linear(*map(torch.from_numpy, (x, *state.values())))
    assert_parity(linear(x, **state), reference)
    wrong = state | {name: change(state[name]) for name, change in slip.items()}
    with pytest.raises(AssertionError, match="off by"):
        assert_parity(linear(x, **wrong), reference)


def test_nothing_it_is_given_changes():
    x, weight, bias = np.ones((5, 4)), np.ones((3, 4)), np.ones(3)
    linear(x, weight, bias)
    assert all((values == 1).all() for values in (x, weight, bias))


def test_takes_lists():
    np.testing.assert_array_equal(linear([1, 10], [[1, 2], [0, 1]], [5, 5]), [26, 15])


TRANSPOSED = (
    "PyTorch stores Linear weights as (out_features, in_features); was this one transposed?"
)


@pytest.mark.parametrize(
    ("x", "weight", "bias", "message"),
    [
        (
            (5, 12),
            (12, 100),
            (100,),
            f"weight has shape (12, 100), but x has 12 features in its last axis: {TRANSPOSED}",
        ),
        (
            (12,),
            (12, 100),
            None,
            f"weight has shape (12, 100), but x has 12 features in its last axis: {TRANSPOSED}",
        ),
        (
            (12, 5),
            (100, 12),
            (100,),
            "weight has shape (100, 12), but x has 5 features in its last axis: "
            "x has shape (12, 5); are its axes in another order?",
        ),
        (
            (12, 100),  # the bias tells that the weight is not the one that is transposed
            (100, 12),
            (100,),
            "weight has shape (100, 12), but x has 100 features in its last axis: "
            "x has shape (12, 100); are its axes in another order?",
        ),
        (
            (5, 7),
            (100, 12),
            (100,),
            "weight has shape (100, 12), but x has 7 features in its last axis: "
            "this layer reads 12; is x or the weight another layer's?",
        ),
        (
            (5, 2, 3, 4),
            (100, 24),
            (100,),
            "weight has shape (100, 24), but x has 4 features in its last axis: "
            "2*3*4 = 24: take x.reshape(len(x), -1)",
        ),
        (
            (5, 24, 1),
            (100, 24),
            (100,),
            "weight has shape (100, 24), but x has 1 features in its last axis: "
            "24*1 = 24: take x.reshape(len(x), -1)",
        ),
        ((), (100, 12), None, "x has shape (), expected (..., 12): is it a single number?"),
        (
            (5, 12),
            (100,),
            None,
            "weight has shape (100,), expected (out_features, in_features): "
            "is it a bias, or one row, weight[None]?",
        ),
        (
            (5, 12),
            (100, 12, 3),
            None,
            "weight has shape (100, 12, 3), expected (out_features, in_features): "
            "is it another kind of layer's?",
        ),
        *(
            (
                (5, 12),
                (100, 12),
                bias,
                f"bias has shape {bias}, expected (100,), one for each row of weight: {slip}",
            )
            for bias, slip in [
                ((100, 1), "was an axis added?"),
                ((5, 100), "was an axis added?"),
                ((12,), "is it another layer's?"),
                ((1,), "is it another layer's?"),
                ((), "is it another layer's?"),
            ]
        ),
    ],
)
def test_a_wrong_shape_is_told_what_was_expected_and_the_likely_slip(x, weight, bias, message):
    bias = None if bias is None else np.ones(bias)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        linear(np.ones(x), np.ones(weight), bias)
