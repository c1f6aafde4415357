"""The comments behind a page's examples say what comes out."""

import builtins

import numpy as np
import pytest

from tests.comments import check

NAMES = {"x": np.ones((7, 5, 12)), "W": np.ones((400, 12)), "z": np.ones((2, 2, 3))}
NAMES |= {"weights": {"weight": np.array([[2, 0, 1], [1, 3, 0]])}, "step": [1, 2, 3]}


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
        ("f(x)  # wrong: 1/2 and 3/4, 1/2 and 1/4", "array([[0.5, 0.75], [0.5, 0.25]])"),
        ("f(x)  # 2 - 1, -10, -60 - 60", "array([1, -10, -120])"),
        ("f(x)  # (5 + 1) / 3, ...", "[2.0, 3.0]"),
        ("f(x)  # 2*1 + 0*2 + 1*3", "5"),
        ("z = 1  # 2 out, 2 in1, 3 in2", ""),
        ("z = 1  # (2 * layers, 2, out)", ""),
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
        ("f(x)  # wrong: 1/2 and 1/2, 3/4 and 1/4", "array([[0.5, 0.75], [0.5, 0.25]])"),
        ("f(x)  # 2 - 1, -11, -60 - 60", "array([1, -10, -120])"),
        ("f(x)  # (6 + 3) / 3, ...", "[2.0, 3.0]"),
        ("f(x)  # 2*1 + 0*3 + 1*3", "5"),
        ("f(x)  # 2*1 + 0*2 + 1*3, 1*1 + 3*2 + 0*1", "[5, 7]"),
        ("z = 1  # 2 out, 2 in, 3 in", ""),
        ("W = 1  # height 400, 12 in", ""),
        ("z = 1  # (3 * layers, 2, out)", ""),
        ("x = 1  # (batch, width, height)", ""),
        ("x = 1  # (time, height, 12)", ""),
        ("W = 1  # (time, out_features)", ""),
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


class Layer:
    """What a module of PyTorch has here: sizes, and itself among its modules."""

    out_features, in_features = 400, 12

    def __init__(self):
        self.in_features = 12

    def modules(self):
        return [self]

    named_modules = modules


@pytest.mark.parametrize(
    ("held", "true", "false"),
    [
        ({"layer": Layer()}, "# (hidden_size, in_features)", "# (in_features, hidden_size)"),
        ({"W": np.ones((400, 12))}, "# (out_features, in_features)", "# (in_features, out)"),
        ({"weights": {"weight_hh_l0": np.ones((48, 12))}}, "# (out, hidden_size)", "# (out, time)"),
        (
            {"weights": {"weight_ih_l0": np.ones((9, 12))}},
            "# (out, input_size)",
            "# (input_size, out)",
        ),
        ({"config": {"hidden_size": 12}}, "# (out, hidden_size)", "# (out, input_size)"),
    ],
)
def test_a_size_of_a_layer_a_weight_or_a_configuration_is_compared(held, true, false):
    block = " ".join(held)
    check(f"x = 1  {true}", "", held | {"x": np.ones((400, 12))}, {}, block)
    with pytest.raises(AssertionError):
        check(f"x = 1  {false}", "", held | {"x": np.ones((400, 12))}, {}, block)


def test_what_is_shown_is_compared(monkeypatch):
    monkeypatch.setattr(builtins, "_", ((5, 12), (5, 7)), raising=False)
    check("a.shape, b.shape  # (batch, in_features), (batch, time)", "", {}, {})
    with pytest.raises(AssertionError):
        check("a.shape, b.shape  # (batch, in_features), (time, batch, 1)", "", {}, {})
