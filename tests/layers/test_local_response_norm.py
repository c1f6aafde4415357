"""``local_response_norm`` against ``torch.nn.LocalResponseNorm``, and what it refuses."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.local_response_norm import local_response_norm
from tests import SNIPPETS_DIR
from tests.layers.norms import DTYPES, SEEDS, answer, distinct, inputs
from tests.parity import FLOAT64, assert_parity
from tests.sabotage import sabotaged

PATH = SNIPPETS_DIR / "layers/local_response_norm.py"


def agree(function, shape, size, seed=0, dtype=("float64", FLOAT64), **options):
    """Fail unless a function agrees with the layer on a random input of this shape."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    x = inputs(*shape, dtype=dtype[0])
    layer = torch.nn.LocalResponseNorm(size, **options)
    assert_parity(function(x.numpy(), size, **options), answer(layer, x), dtype[1])


@settings(deadline=None, max_examples=60)
@given(
    sizes=distinct(5),
    further=st.integers(1, 3),
    size=st.integers(1, 12),
    options=st.sampled_from([{}, {"alpha": 2.0}, {"beta": 0.5}, {"k": 2.0}]),
    seed=SEEDS,
    dtype=st.sampled_from(DTYPES),
)
def test_equals_torch(sizes, further, size, options, seed, dtype):
    agree(local_response_norm, sizes[: 2 + further], size, seed, dtype, **options)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "shape", [(2, 1, 3), (1, 3, 1), (0, 3, 4), (2, 0, 4), (2, 3, 0), (2, 3, 4, 0)]
)
def test_sizes_1_and_0(shape, size):
    agree(local_response_norm, shape, size)


SABOTAGES = {
    "the odd neighbour behind": ("(size // 2, (size - 1) // 2)", "((size - 1) // 2, size // 2)"),
    "sum for mean": ("windows.mean(axis=-1)", "windows.sum(axis=-1)"),
    "neighbours in space": ("size, axis=1)", "size, axis=1).swapaxes(1, -2)"),
    "not squared": ("np.pad(x * x,", "np.pad(x,"),
    "k out of the power": (
        "y = x / (k + alpha * mean_square) ** beta",
        "y = x / (k + (alpha * mean_square) ** beta)",
    ),
    "another default alpha": ("alpha=1e-4", "alpha=1e-3"),
    "another default beta": ("beta=0.75", "beta=0.5"),
    "another default k": ("k=1.0", "k=2.0"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    broken = sabotaged(PATH, *SABOTAGES[name])
    agree(local_response_norm, (4, 4, 4, 4), 2)
    with pytest.raises((AssertionError, ValueError)):
        agree(broken.local_response_norm, (4, 4, 4, 4), 2)


def test_float16_is_computed_in_float32():
    ours = local_response_norm(np.full((1, 1, 1), 300, np.float16), 1, alpha=1.0, beta=0.5)
    np.testing.assert_allclose(ours, 1, rtol=1e-4)


def test_nothing_it_is_given_changes():
    x = np.ones((2, 3, 4))
    local_response_norm(x, 2)
    assert (x == 1).all()


def test_takes_lists():
    y = local_response_norm([[[2], [1], [3]]], 2, alpha=2, beta=1, k=1)
    np.testing.assert_array_equal(y, [[[2 / 5], [1 / 6], [3 / 11]]])


@pytest.mark.parametrize(
    ("shape", "size", "message"),
    [
        (
            (3, 4),
            2,
            "x has shape (3, 4), expected (batch, channels, ...) with further axes: "
            "is the batch axis missing? Use x[None]",
        ),
        *(
            ((2, 3, 4), size, f"size is {size}, expected how many channels count, 1 or more")
            for size in (0, -1, 2.0, True, None, [3])
        ),
    ],
)
def test_wrong_input_is_told_what_was_expected(shape, size, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        local_response_norm(np.ones(shape), size)


@pytest.mark.parametrize("name", ["alpha", "beta", "k"])
def test_the_others_are_single_numbers(name):
    message = f"{name} is an array of shape (3,), expected a single number: is it another argument?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        local_response_norm(np.ones((2, 3, 4)), 2, **{name: np.ones(3)})
