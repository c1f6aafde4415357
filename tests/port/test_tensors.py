"""Operations that NumPy has no line for."""

import numpy as np
import pytest

from snippets.port.tensors import (
    checked,
    fixed,
    grouped_mm,
    limited,
    nll_loss,
    put,
    put_add,
    scatter,
    sort,
    topk,
)
from tests import SNIPPETS_DIR
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")


def test_put_changes_nothing():
    x = np.zeros((2, 3))
    assert put(x, np.s_[:, 1], [1, 2]).tolist() == [[0, 1, 0], [0, 2, 0]]
    assert put_add(x, ([0, 0], [1, 1]), [1, 2]).tolist() == [[0, 3, 0], [0, 0, 0]]
    assert not x.any()


@pytest.mark.parametrize("descending", [False, True])
def test_sort_keeps_the_order_of_equal_entries(descending):
    x = np.random.default_rng(0).integers(0, 4, (5, 9))
    theirs = torch.sort(torch.from_numpy(x), stable=True, dim=0, descending=descending)
    for ours, tensor in zip(sort(x, 0, descending), theirs, strict=True):
        assert np.array_equal(ours, tensor)


@pytest.mark.parametrize("largest", [False, True])
def test_topk(largest):
    x = np.random.default_rng(0).normal(size=(5, 9))
    theirs = torch.from_numpy(x).topk(3, 1, largest)
    for ours, tensor in zip(topk(x, 3, 1, largest), theirs, strict=True):
        assert np.array_equal(ours, tensor)


def test_inputs_are_checked():
    shapes = {"x": ("batch", 3), "mask": ("batch",)}
    x, mask = checked(shapes, [[1, 2, 3]], [True])
    assert (x.shape, mask.shape) == ((1, 3), (1,))
    assert checked({"x": ()}, 2.0).shape == ()
    with pytest.raises(ValueError, match=r"mask is int64, .* takes bool: give mask.astype\(bool\)"):
        checked(shapes, [[1, 2, 3]], [1], kinds="fb")
    with pytest.raises(ValueError, match=r"x is float64, .* takes int: give x.astype\(int\)"):
        checked(shapes, [[0.5, 2, 3]], [True], kinds="ib")
    assert checked(shapes, np.ones((1, 3), np.uint8), [True], kinds="ib")[0].dtype == np.uint8
    with pytest.raises(ValueError, match=r"x has shape \(1, 2\), .*\(batch, 3\)"):
        checked(shapes, [[1, 2]], [True])
    with pytest.raises(ValueError, match=r"mask has shape \(2,\), .*\(batch,\), batch is 1;"):
        checked(shapes, [[1, 2, 3]], [True, True])
    with pytest.raises(ValueError, match=r"x has shape \(3,\)"):
        checked(shapes, [1, 2, 3], [True])


def test_a_number_is_fixed():
    fixed("scale", 2, 2.0)
    fixed("mask", None, None)
    with pytest.raises(ValueError, match=r"scale is 3, but .* written for 2.0"):
        fixed("scale", 3, 2.0)


def test_sizes_are_limited():
    limited(True, "batch > 3")
    with pytest.raises(ValueError, match=r"takes sizes with batch > 3, .* something else"):
        limited(False, "batch > 3")


def test_values_are_put_where_an_index_says():
    x, index = np.zeros((2, 3)), np.array([[2], [0]])
    assert scatter(x, 1, index, 5).tolist() == [[0, 0, 5], [5, 0, 0]]
    assert scatter(x, 1, index, np.array([[7, 1], [8, 1]])).tolist() == [[0, 0, 7], [8, 0, 0]]
    assert scatter(x + 1, 0, index // 2, np.ones((2, 1)), np.add).tolist() == [[2, 1, 1], [2, 1, 1]]
    assert not x.any()


def is_grouped(product):
    """Return whether rows are multiplied by their groups' matrices; what is in none is 0."""
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(7, 4)), rng.normal(size=(3, 4, 5))
    found = product(x, weight, np.array([2, 2, 6]))
    expected = np.concatenate([x[:2] @ weight[0], x[2:6] @ weight[2], np.zeros((1, 5))])
    return np.allclose(found, expected, 1e-12, 1e-12)


def test_groups_of_rows_have_a_matrix_each():
    assert is_grouped(grouped_mm)
    assert grouped_mm(np.ones((1, 2), np.float32), np.ones((1, 2, 3)), [1]).dtype == np.float32


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.zeros((len(x)", "np.ones((len(x)"),
        ("zip([0, *ends]", "zip([0] * len(ends)"),
        ("y[start:end] = x[start:end] @ matrix", "y[start:end] = x[start:end] @ weight[0]"),
        ("y[start:end] = x[start:end]", "y[start:end] = x[: end - start]"),
    ],
)
def test_a_broken_product_of_groups_is_noticed(old, new):
    assert not is_grouped(sabotaged(SNIPPETS_DIR / "port/tensors.py", old, new).grouped_mm)


def is_cross_entropy(loss):
    """Return whether a loss of log probabilities is PyTorch's, with each option of it."""
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(7, 4, 5)), rng.integers(0, 4, (7, 5))
    given = torch.from_numpy(x).log_softmax(1)
    weight = np.arange(1.0, 5)
    found = []
    for reduction in ("none", "mean", "sum"):
        for options in ({}, {"ignore_index": 2}, {"label_smoothing": 0.3, "ignore_index": 1}):
            for more in ({}, {"weight": weight}):
                theirs = torch.nn.functional.cross_entropy(
                    given,
                    torch.from_numpy(target),
                    reduction=reduction,
                    **options,
                    **{key: torch.from_numpy(array) for key, array in more.items()},
                )
                ours = loss(given.numpy(), target, reduction=reduction, **options, **more)
                found.append(np.allclose(ours, theirs, 1e-12, 1e-12))
    return all(found)


def test_the_loss_of_classes():
    assert is_cross_entropy(nll_loss)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("is_counted = target != ignore_index", "is_counted = target == target"),
        ("np.sum(weight[target], where=is_counted)", "np.sum(is_counted)"),
        ("np.sum(weight[target], where=is_counted)", "np.sum(weight[target])"),
        ("axis = min(1, x.ndim - 1)", "axis = x.ndim - 1"),
        ("@ weight / x.shape[axis]", "@ weight"),
        ("(1 - label_smoothing) * losses", "losses"),
    ],
)
def test_a_broken_loss_is_noticed(old, new):
    broken = sabotaged(SNIPPETS_DIR / "port/tensors.py", old, new).nll_loss
    with pytest.raises((AssertionError, IndexError, ValueError)):
        assert is_cross_entropy(broken)
