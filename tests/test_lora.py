"""merged against peft's formula, in torch, and what it refuses."""

import re

import numpy as np
import pytest

from snippets.lora import merged
from tests import SNIPPETS_DIR
from tests.parity import assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "lora.py"
torch = pytest.importorskip("torch")


def layers():
    """Return a Linear, its two small ones, as peft makes them, and an input."""
    torch.manual_seed(0)
    sizes = (5, 7), (5, 2), (2, 7)
    linear, down, up = (torch.nn.Linear(*size, bias=False).double() for size in sizes)
    return linear, down, up, torch.randn(4, 5).double()


def test_it_is_the_sum_of_both_ways():
    linear, down, up, x = layers()
    weights = [layer.weight.detach().numpy() for layer in (linear, down, up)]
    assert_parity(x.numpy() @ merged(*weights, 1.5).T, linear(x) + 1.5 * up(down(x)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("up.astype(wide) @ down.astype(wide)", "(up @ down)[::-1]"), ("wide.type(scale) * ", "")],
)
def test_a_mistake_is_found_out(old, new):
    linear, down, up, x = layers()
    weights = [layer.weight.detach().numpy() for layer in (linear, down, up)]
    wrong = sabotaged(PATH, old, new).merged
    with pytest.raises(AssertionError):
        assert_parity(x.numpy() @ wrong(*weights, 1.5).T, linear(x) + 1.5 * up(down(x)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_weight_decides_the_dtype(dtype):
    weight, down, up = np.ones((3, 4), dtype), np.ones((2, 4), "f4"), np.ones((3, 2), "f4")
    found = merged(weight, down, up, np.float64(1 / 3))
    assert found.dtype == dtype
    wide = np.promote_types(dtype, np.float32).type
    assert np.all(found == dtype(1 + wide(1 / 3) * 2))


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (((4, 3), (2, 4), (3, 2)), "(4, 3), but B @ A has (3, 4); is this a Conv1D"),
        (((3, 5), (2, 4), (3, 2)), "weight has shape (3, 5), but B @ A has (3, 4)"),
        (((3, 4), (3, 2), (2, 4)), "A has shape (3, 2) and B (2, 4), expected (r, in_f"),
        (((3, 4), (2, 4, 1), (3, 2)), "A has shape (2, 4, 1)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        merged(*map(np.ones, shapes), 1)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "lora.py") as (module, sizes):
        sizes.update(in_features=5, out_features=7)
        module.merged(np.ones((7, 5)), np.ones((2, 5)), np.ones((7, 2)), 0.5)
