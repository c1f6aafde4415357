"""``flatten`` and ``unflatten`` against torch, and what they say to wrong axes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.flatten import flatten, unflatten
from tests import SNIPPETS_DIR
from tests.parity import assert_parity
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")

PATH = SNIPPETS_DIR / "layers/flatten.py"


def random(shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def agree(function, module, shape, *arguments, dtype=torch.float64, seed=0, **named):
    x = random(shape, dtype, seed)
    assert_parity(function(x.numpy(), *arguments, **named), module(*arguments, **named)(x), 0)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    shape=st.permutations(range(2, 7)).flatmap(lambda p: st.integers(1, 5).map(lambda n: p[:n])),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 2**32),
)
def test_flatten_equals_torch(data, shape, dtype, seed):
    start = data.draw(st.integers(0, len(shape) - 1))
    end = data.draw(st.integers(start, len(shape) - 1))
    back = data.draw(st.sampled_from([0, len(shape)]))
    agree(flatten, torch.nn.Flatten, shape, start - back, end, dtype=dtype, seed=seed)
    agree(flatten, torch.nn.Flatten, shape, start, end - back, dtype=dtype, seed=seed)


@pytest.mark.parametrize(
    "shape", [(3, 4), (3, 4, 5), (3, 1, 1), (1, 4, 5), (0, 4, 5), (3, 0, 5), (0, 4, 0)], ids=str
)
def test_flatten_as_the_layer_by_default(shape):
    agree(flatten, torch.nn.Flatten, shape)


def test_one_number_is_one_axis():
    agree(flatten, torch.nn.Flatten, (), 0)
    agree(flatten, torch.nn.Flatten, (), 0, -1)


SPLITS = [
    ((3, 20), 1, (4, 5)),
    ((3, 20), -1, (4, -1)),
    ((3, 20), 1, (-1, 2, 5)),
    ((6, 20), 0, (3, 2)),
    ((6, 20, 5), -2, (20,)),
    ((3, 1), 1, (1, -1, 1)),
    ((0, 20), 0, (0, 4)),
    ((0, 20), 0, (-1, 4)),
    ((0, 20), 1, (4, -1)),
    ((3, 0), 1, (5, 0)),
]


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_unflatten_equals_torch(split):
    agree(unflatten, torch.nn.Unflatten, *split)


def test_unflatten_takes_a_list_and_names():
    agree(unflatten, torch.nn.Unflatten, (3, 20), dim=1, unflattened_size=[4, 5])
    np.testing.assert_array_equal(unflatten([1, 2, 3, 4], 0, (2, 2)), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(flatten([[[1, 2], [3, 4]]]), [[1, 2, 3, 4]])


SABOTAGES = {
    "the first axis fastest": ("*shape[end + 1 :])", '*shape[end + 1 :], order="F")'),
    "the end left out": ("shape[start : end + 1]), *shape[end + 1 :]", "shape[start:end]), -1"),
    "the batch flattened too": ("start_dim=1", "start_dim=0"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    broken = sabotaged(PATH, *SABOTAGES[name]).flatten
    arguments = () if "batch" in name else (1, 2)
    with pytest.raises((AssertionError, ValueError)):
        agree(broken, torch.nn.Flatten, (3, 4, 5, 2), *arguments)


UNFLATTEN_SABOTAGES = {
    "the first axis fastest": (
        "*sizes, *x.shape[dim + 1 :])",
        '*sizes, *x.shape[dim + 1 :], order="F")',
    ),
    "sizes turned round": ("*sizes,", "*sizes[::-1],"),
    "-1 is what is known": ("entries // known if", "known if"),
}


@pytest.mark.parametrize("name", UNFLATTEN_SABOTAGES)
def test_sabotage_of_unflatten_is_caught(name):
    broken = sabotaged(PATH, *UNFLATTEN_SABOTAGES[name]).unflatten
    with pytest.raises((AssertionError, ValueError)):
        agree(broken, torch.nn.Unflatten, (3, 20), 1, (4, -1))


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        (
            (3,),
            (),
            "start_dim is 1, but x has shape (3,), 1 axes: is the batch missing?",
        ),
        ((), (), "start_dim is 1, but x has shape (1,), 1 axes: is the batch missing?"),
        (
            (3, 4, 5),
            (-4,),
            "start_dim is -4, but x has shape (3, 4, 5), 3 axes: is the batch missing?",
        ),
        (
            (3, 4, 5),
            (0, 3),
            "end_dim is 3, but x has shape (3, 4, 5), 3 axes: is the batch missing?",
        ),
        ((3, 4, 5), (1.0,), "start_dim is 1.0, expected an integer"),
        ((3, 4, 5), (0, True), "end_dim is True, expected an integer"),
        ((3, 4, 5), (2, 1), "end_dim 1 comes before start_dim 2 in (3, 4, 5)"),
    ],
)
def test_flatten_refuses_what_torch_refuses(shape, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        flatten(np.ones(shape), *arguments)
    with pytest.raises((IndexError, RuntimeError, TypeError)):
        torch.nn.Flatten(*arguments)(random(shape))


@pytest.mark.parametrize(
    ("shape", "dim", "sizes"),
    [
        ((3, 20), 1, (3, 6)),
        ((3, 20), 1, (3, -1)),
        ((3, 20), 1, (-1, -1)),
        ((3, 20), 1, ()),
        ((3, 1), 1, ()),
        ((3, 20), 1, (-4, -5)),
        ((3, 0), 1, (-1, 0)),
    ],
)
def test_unflatten_refuses_what_torch_refuses(shape, dim, sizes):
    message = (
        f"unflattened_size is {sizes}, expected axes that hold {shape[dim]} entries, "
        "at most one of them -1"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        unflatten(np.ones(shape), dim, sizes)
    with pytest.raises(RuntimeError):
        torch.nn.Unflatten(dim, sizes)(random(shape))


def test_unflatten_wants_integers():
    with pytest.raises(ValueError, match=r"^unflattened_size is \(4.0, 5.0\), expected integers$"):
        unflatten(np.ones((3, 20)), 1, (4.0, 5))
    with pytest.raises(TypeError):
        torch.nn.Unflatten(1, (4.0, 5))(torch.ones(3, 20))


def test_unflatten_needs_the_axis():
    message = "dim is 2, but x has shape (3, 20), 2 axes: is the batch missing?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        unflatten(np.ones((3, 20)), 2, (4, 5))
