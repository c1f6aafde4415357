"""A constant as it would be written."""

import ast

import numpy as np
import pytest

from snippets.port.constants import Taken, literal
from snippets.port.lines import text_of
from snippets.port.run import Ran, seen


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array(2), "2"),
        (np.full((2, 3), 0.5), "np.full((2, 3), 0.5, dtype=np.float64)"),
        (np.ones((2, 3), bool), "np.ones((2, 3), dtype=bool)"),
        (np.zeros(3), "np.zeros((3,), dtype=np.float64)"),
        (np.arange(5), "np.arange(5)"),
        (np.arange(5)[:, None], "np.arange(5)[:, None]"),
        (np.arange(6).reshape(2, 3), None),
        (np.tri(3, 4, dtype=bool), "np.tri(3, 4, dtype=bool)"),
        (~np.tri(3, 3, dtype=bool)[None], "np.broadcast_to(~np.tri(3, 3, dtype=bool), (1, 3, 3))"),
        (np.array([[True, False]] * 2), None),
        (np.array([True, False]), None),
        (np.array([0.5, 2]), None),
    ],
)
def test_a_constant_as_it_would_be_written(array, expected):
    tree = literal(array)
    assert expected == (tree and text_of(tree))
    if tree:
        made = eval(expected, {"np": np})
        assert np.array_equal(made, array)
        assert np.asarray(made).dtype == array.dtype


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x[rows[:, None]]", "x[rows[:, None]]"),
        ("x[i, j]", "x[:, None, :]"),
        ("x[pair, each]", "x.reshape(1, 6)"),
        ("x[i - i, j]", "x[i - i, j]"),
        ("x[turned, j]", "x[turned, j]"),
        ("seen & yes", "np.broadcast_to(seen, (2, 3))"),
        ("yes & seen", "np.broadcast_to(seen, (2, 3))"),
        ("seen & seen", "seen & seen"),
        ("~(seen & yes)", "~(seen & yes)"),  # whose shape the result's need not be
    ],
)
def test_constants_that_take_all(before, after):
    constants = {
        "i": np.arange(2)[:, None, None],
        "j": np.arange(3)[None, None],
        "pair": np.array([[0, 0, 0, 1, 1, 1]]),
        "each": np.array([[0, 1, 2, 0, 1, 2]]),
        "turned": np.array([1, 0])[:, None, None],
        "rows": np.arange(2),
        "yes": np.ones((2, 3), bool),
    }
    given = {"x": np.arange(6.0).reshape(2, 3), "seen": np.array([True, False, True])}
    world = {"np": np, **constants, **given}
    known = {name: seen(array) for name, array in given.items()}
    known["out"] = seen(eval(before, world))
    tree = Taken(Ran([], known, {}, constants, {}), "out").visit(ast.parse(before).body[0].value)
    assert text_of(tree) == after
    assert np.array_equal(eval(after, world), eval(before, world))
