"""``bilinear`` against torch.nn.Bilinear, and what it says to wrong shapes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.bilinear import bilinear
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
PATH = SNIPPETS_DIR / "layers/bilinear.py"


def agree(recipe, sizes, lead, bias=True, seed=0, dtype=("float64", FLOAT64)):
    """Compare a recipe with torch, on the weights that PyTorch initialises."""
    torch.manual_seed(seed)
    layer = torch.nn.Bilinear(*sizes, bias=bias, dtype=getattr(torch, dtype[0]))
    x1, x2 = (torch.randn(*lead, size, dtype=layer.weight.dtype) for size in sizes[:2])
    assert_parity(recipe(x1.numpy(), x2.numpy(), **arrays(layer)), layer(x1, x2), dtype[1])


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.permutations(range(2, 9)).map(lambda p: p[:3]),
    lead=st.sampled_from([(), (1,), (10,), (10, 11), (12, 10, 11), (0,), (10, 0)]),
    bias=st.booleans(),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([("float64", FLOAT64), ("float32", FLOAT32)]),
)
def test_equals_torch(sizes, lead, bias, seed, dtype):
    agree(bilinear, sizes, lead, bias, seed, dtype)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 3, 2), (3, 1, 2), (3, 2, 1), (4, 4, 4)])
def test_equals_torch_at_sizes_of_1_and_of_a_cube(sizes):
    agree(bilinear, sizes, (5,))


def test_without_outputs_equals_torch():
    x1, x2, weight = torch.ones(5, 3), torch.ones(5, 4), torch.ones(0, 3, 4)
    reference = torch.nn.functional.bilinear(x1, x2, weight)
    assert_parity(bilinear(x1.numpy(), x2.numpy(), weight.numpy()), reference)


SABOTAGES = {
    "each matrix transposed": ("input1 @ matrix", "input1 @ matrix.T"),
    "the inputs swapped": (
        "    y = np.empty",
        "    input1, input2 = input2, input1\n    y = np.empty",
    ),
    "the first matrix for all outputs": ("input1 @ matrix", "input1 @ weight[0]"),
    "bias dropped": ("y += bias", "pass"),
    "input2 forgotten": ("from_1 * input2", "from_1"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    old, new = SABOTAGES[name]
    agree(sabotaged(PATH, old, old).bilinear, (4, 4, 4), (5,))
    with pytest.raises(AssertionError):
        agree(sabotaged(PATH, old, new).bilinear, (4, 4, 4), (5,))


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/bilinear.py") as (module, sizes):
        sizes.update(in1_features=3, in2_features=4, out_features=2)
        for lead in [(), (5,), (6, 5)]:
            module.bilinear(
                np.ones((*lead, 3)), np.ones((*lead, 4)), np.ones((2, 3, 4)), np.ones(2)
            )


def test_takes_lists_and_changes_nothing():
    given = [[1, 2], [1, 0, 3], [[[1, 0, 0], [0, 1, 2]], [[0, 0, 1], [1, 0, 0]]], [10, 20]]
    held = [np.array(values) for values in given]
    for values in (given, held):
        # 1*1 + 2*6 + 10, 1*3 + 2*1 + 20
        np.testing.assert_array_equal(bilinear(*values), [23, 25])
    for before, after in zip(given, held, strict=True):
        np.testing.assert_array_equal(before, after)


W = (2, 3, 4)


@pytest.mark.parametrize(
    ("input1", "input2", "weight", "bias", "message"),
    [
        ((3,), (4,), (3, 4), None, "weight has shape (3, 4), expected {axes}"),
        ((3,), (4,), (1, 2, 3, 4), None, "weight has shape (1, 2, 3, 4), expected {axes}"),
        ((5, 0), (5, 4), (2, 0, 4), None, "weight has shape (2, 0, 4), expected {axes}"),
        ((5, 3), (5, 0), (2, 3, 0), None, "weight has shape (2, 3, 0), expected {axes}"),
        ((5, 4), (5, 3), W, None, "{features}: are input1 and input2 swapped?"),
        ((5, 4), (5, 4), W, None, "{features}: is it another layer's?"),
        ((5, 3), (5, 3), W, None, "{features}: is it another layer's?"),
        ((), (5, 4), W, None, "{features}: is it another layer's?"),
        ((1, 3), (5, 4), W, None, "{lead}: they don't broadcast"),
        ((3,), (5, 4), W, None, "{lead}: they don't broadcast"),
        ((3,), (4,), W, (3,), "bias has shape (3,), expected (2,), one for each output"),
        ((3,), (4,), W, (2, 1), "bias has shape (2, 1), expected (2,), one for each output"),
        ((3,), (4,), W, (1,), "bias has shape (1,), expected (2,), one for each output"),
    ],
)
def test_a_wrong_shape_is_told_what_was_expected(input1, input2, weight, bias, message):
    given = f"input1 has shape {input1} and input2 {input2}"
    message = message.format(
        axes="(out_features, in1_features, in2_features)",
        features=f"{given}, but weight (2, 3, 4) reads 3 and 4 features in their last axes",
        lead=f"{given}, expected the same leading axes",
    )
    bias = None if bias is None else np.ones(bias)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        bilinear(np.ones(input1), np.ones(input2), np.ones(weight), bias)


@pytest.mark.parametrize(
    ("input1", "input2", "weight"),
    [
        ((1, 3), (5, 4), W),
        ((3,), (5, 4), W),
        ((5, 0), (5, 4), (2, 0, 4)),
        ((5, 3), (5, 0), (2, 3, 0)),
        ((5, 4), (5, 3), W),
    ],
)
def test_pytorch_refuses_them_too(input1, input2, weight):
    with pytest.raises(RuntimeError):
        torch.nn.functional.bilinear(*map(torch.ones, (input1, input2, weight)))
