"""The comments behind a page's examples say what comes out."""

import builtins
import types

import numpy as np
import pytest

from tests.comments import check

NAMES = {"x": np.ones((7, 5, 12)), "W": np.ones((400, 12))}


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ("x = 1  # (time, batch, input_size)", ""),
        ("x = 1  # (7, batch, 12), and more", ""),
        ("x = 1  # (..., input_size)", ""),
        ("W = 1  # 4 * 100 rows, 12 in", ""),
        ("W = 1  # (400 out, 12 in)", ""),
        ("f(x)  # 1*2 + 3, 10 - 4", "array([5., 6.])"),
        ("f(x)  # 2 / 3", "0.667"),
        ("f(x)  # (1, 2) + (6, 4)", "array([7, 6])"),
        ("f(x)  # wrong: 1 + 2", "3"),
        ("f(x)  # 200 = 2 directions * 100", "(7, 5, 200)"),
        ("x[0]  # row 0, in float64", "array([1., 2.])"),
        ("W = 1  # all 400 rows of it", ""),
    ],
)
def test_a_true_comment_passes(source, want):
    check(source, want, NAMES, {})


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ("x = 1  # (time, batch)", ""),
        ("x = 1  # (7, batch, 13)", ""),
        ("W = 1  # 4 * 100 rows, 13 in", ""),
        ("W = 1  # (400 out, 13 in)", ""),
        ("x = 1  # (time, height, width)", ""),
        ("f(x)  # 1*2 + 4, 10 - 4", "array([5., 7.])"),
        ("f(x)  # 2 / 3", "0.657"),
        ("f(x)  # (1, 2) + (6, 5)", "array([7, 6])"),
        ("x = 1  # (time, time, input_size)", ""),
        ("f(x)  # row 6, in both windows", ""),
        ("f(x, (1, 2))  # 2 left, 2 right", ""),
        ("f(x, (1, 2))  # 1 left, 3 right", "3"),
        ("W = 1  # all 401 rows of it", ""),
    ],
)
def test_a_false_comment_is_found(source, want):
    with pytest.raises(AssertionError):
        check(source, want, NAMES, {})


def test_equal_sizes_and_a_name_with_two_sizes_are_found():
    with pytest.raises(AssertionError, match="hide a swap"):
        check("s = 1  # (kh, kw)", "", {"s": np.ones((2, 2))}, {})
    with pytest.raises(AssertionError, match="time is 7, was 5"):
        check("x = 1  # (time, batch, input_size)", "", NAMES, {"time": 5})


def test_a_size_of_the_layer_is_compared():
    layer = types.SimpleNamespace(out_features=400, in_features=12)
    check("W = 1  # (out_features, in_features)", "", NAMES, {}, layer)
    with pytest.raises(AssertionError, match="out_features is 12, that of the layer is 400"):
        check("W = 1  # (hidden_size, out_features)", "", NAMES, {}, layer)


def test_what_is_shown_is_compared(monkeypatch):
    monkeypatch.setattr(builtins, "_", ((5, 12), (5, 7)), raising=False)
    check("a.shape, b.shape  # (batch, in_features), (batch, time)", "", {}, {})
    with pytest.raises(AssertionError):
        check("a.shape, b.shape  # (batch, in_features), (time, batch, 1)", "", {}, {})
