"""The checker of shape comments, on snippets with deliberate breaks."""

import ast
import re
from itertools import chain

import numpy as np
import pytest

from docs.extensions.shapes import HUE
from tests import SNIPPETS, proof_of
from tests.shape_comments import ShapeCommentError, executed, shape_comments

COMMENTED = [path for path in SNIPPETS if shape_comments(path.read_text("utf-8"))]


@pytest.mark.parametrize("path", COMMENTED, ids=lambda path: path.name)
def test_the_proof_of_a_snippet_executes_its_shape_comments(path):
    assert re.search(rf'executed\(\w+ / "({path.parent.name}/)?{path.name}"\)', proof_of(path))


@pytest.mark.parametrize("path", COMMENTED, ids=lambda path: path.name)
def test_axis_names_are_in_the_glossary(path):
    for shapes in shape_comments(path.read_text("utf-8")).values():
        for axis in chain(*shapes):
            names = [node.id for node in ast.walk(ast.parse(axis)) if isinstance(node, ast.Name)]
            assert set(names) <= set(HUE), axis


def run(tmp_path, line, **sizes):
    """Execute f(x), its body being one line, on x of shape (2, 3)."""
    path = tmp_path / "snippet.py"
    path.write_text(f"def f(x):\n    {line}\n    return None\n")
    with executed(path) as (module, axes):
        axes.update(batch=2, time=3, **sizes)
        module.f(np.zeros((2, 3)))


TRUE = [
    "y = x.T  # (time, batch)",
    "y = x[0]  # (time,)",
    "y = x[0, 0]  # ()",
    "y = x[..., None]  # (..., time, 1)",
    "y = np_free = x.reshape(6)  # (batch * time,)",
    "a, b = x  # (time,)",
    "a, b = x, x.T  # (batch, time), (time, batch)",
    "a, (_, b) = x, (0, x.T)  # (batch, time), (time, batch)",
    "x[0] = x[1]  # (time,)",
    "return x.T  # (time, batch)",
    "return x, x[0]  # (batch, time), (time,)",
]
UNTRUE = [
    "y = x.T  # (batch, time)",
    "y = x[0]  # (time, 1)",
    "y = x[0]  # (..., batch)",
    "y = x[0]  # (..., 1, batch, time)",
    "a, b = x, x.T  # (batch, time), (batch, time)",
    "return x, x[0]  # (batch, time), (batch,)",
]
BROKEN = [
    "y = x  # (batch by time)",
    "y = x  # (batch)",
    "pass  # (batch, time)",
    "if False: y = x  # (batch, time)",
    "y = x  # (...,)",
    "y = x  # (batch, time)  # (time, batch)",
]


@pytest.mark.parametrize("line", TRUE)
def test_true_comments_pass(tmp_path, line):
    run(tmp_path, line)


@pytest.mark.parametrize("line", UNTRUE)
def test_untrue_comments_fail(tmp_path, line):
    with pytest.raises(AssertionError, match=r"snippet\.py:2: the shape is .* the comment says"):
        run(tmp_path, line)


def test_equal_sizes_fail(tmp_path):
    with pytest.raises(AssertionError, match="equal sizes hide a swap"):
        run(tmp_path, "y = x[:, :2]  # (batch, hidden)", hidden=2)


@pytest.mark.parametrize("line", BROKEN)
def test_comments_that_cannot_be_executed_fail(tmp_path, line):
    with pytest.raises(ShapeCommentError):
        run(tmp_path, line)
