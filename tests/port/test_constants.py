"""A constant as it would be written."""

import numpy as np
import pytest

from snippets.port.constants import literal
from snippets.port.lines import text_of


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
