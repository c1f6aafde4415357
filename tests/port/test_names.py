"""A value has the name that the user's source gives it."""

import ast

from snippets.port.graph import Array, Node, frames_of
from snippets.port.lines import written
from snippets.port.names import Names, wanted
from snippets.port.run import Line


def line(code, outs=("%a",)):
    """Return a line that comes from a line of the user's source."""
    frames = frames_of(f'File "net.py", line 3, in forward\n    {code}')
    stack = (("", "Net"),)
    return Line(
        outs, written(1), Node("", {}, ("a",), (None,), False, stack, frames), len(outs) > 1
    )


def test_a_value_has_the_name_it_has_in_the_users_source():
    assert wanted(line("x = self.fc(y)"), 0) == ["x"]
    assert wanted(line("x: Tensor = self.fc(y)"), 0) == ["x"]
    assert wanted(line("x += y"), 0) == ["x"]
    assert wanted(line("a, b = y", ("%a", "%b")), 0) == ["a", "b"]
    assert wanted(line("if x == y:"), 0) == []
    assert wanted(line("self.x = y"), 0) == []
    assert wanted(line("a, b = y"), 0) == []
    assert wanted(line("x = y"), 3) == ["x"]  # whose module can't be told


def test_a_name_is_free_again_when_its_value_is_dead():
    names = Names({"%x": "x"}, {"linear"}, {})
    assert names.of(line("", ("%a",)), ["x"], set()) == ["x"]
    assert names.of(line("", ("%b",)), ["x"], {"%a"}) == ["x_2"]
    assert names.of(line("", ("%c",)), ["linear"], {"%a"}) == ["linear_"]
    assert names.of(line("", ("%d", "")), [], {"%a", "%b"}) == ["y", "_"]


def test_what_is_made_of_two_values_is_none_of_them():
    x, mask, scores = (Array(shape, "float32") for shape in ((4, 4), (1, 4), (3, 4)))
    both = ast.BinOp(ast.Name("%mask"), ast.Add(), ast.Name("%x"))
    cases = [(ast.Name("%mask"), scores, "mask"), (both, x, "x"), (both, scores, "y")]
    for tree, made, name in cases:
        known = {"%x": x, "%mask": mask, "%a": made}
        names = Names({"%x": "x", "%mask": "mask"}, set(), known)
        live = {"%x"} if name == "y" else set()
        assert names.of(Line(("%a",), tree, None), [], live) == [name]
