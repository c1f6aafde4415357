"""Operations that NumPy has no line for."""

import numpy as np
import pytest

from snippets.port.tensors import checked, fixed, limited, put, put_add, scatter, sort, topk

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
