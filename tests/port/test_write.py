"""The text of a program: names, functions, loops, constants, lines that are not too long."""

import ast

import numpy as np
import pytest

from snippets.port.capture import arrays_of, captured, graph_of, named_inputs
from snippets.port.constants import literal
from snippets.port.graph import Node, frames_of
from snippets.port.layout import wrapped
from snippets.port.lines import text_of, written
from snippets.port.loops import rolled
from snippets.port.names import Names, wanted
from snippets.port.run import Line, run
from snippets.port.write import write as text_and_modules
from tests.port.models import MODELS, floats, nn, spread, torch


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
    names = Names({"%x": "x"}, {"linear"})
    assert names.of(line("", ("%a",)), ["x"], set()) == ["x"]
    assert names.of(line("", ("%b",)), ["x"], {"%a"}) == ["x_2"]
    assert names.of(line("", ("%c",)), ["linear"], {"%a"}) == ["linear_"]
    assert names.of(line("", ("%d", "")), [], {"%a", "%b"}) == ["y", "_"]
    assert ast.unparse(ast.Name("x")) == "x"


def text(model, args, dynamic=None):
    """Return the text of a model's program."""
    named = named_inputs(model, args, {})
    graph = graph_of(captured(model, args, {}, named, dynamic), model, named, dynamic)
    return text_and_modules(graph, run(graph, arrays_of(graph, named)))[0]


def test_equal_layers_are_one_function_in_a_loop():
    said = text(spread(MODELS["decoder"][0]()), MODELS["decoder"][1])
    assert said.count("def ") == 3
    assert "    for k in range(4):\n" in said
    assert 'block(under(w, f"layers.{k}"), x' in said
    assert "np.arange(7)[None, :]" in said
    assert "~np.tri(7, 7, dtype=bool)" in said


def test_steps_are_a_loop():
    said = text(spread(MODELS["the question's"][0]()), MODELS["the question's"][1])
    assert "for k in range(3):" in said
    assert "steps[k]" in said
    assert len(said.splitlines()) < 30


class Different(nn.Module):
    """Two layers of one class that do different things, and one that reads a size."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = Part(2), Part(3), Part(2)

    def forward(self, x):
        return self.two(self.one(x)), self.three(x[:, :4])


class Part(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        y = x * self.n
        z = y + x.shape[0]
        w = z.tanh()
        return w * y, w.sum(0)


class Twice(Different):
    def forward(self, x):
        y, total = self.one(x)
        z, other = self.two(y)
        return z + self.three(x)[0], total + other


def test_modules_that_differ_are_functions_of_their_own():
    said = text(Twice().eval(), (floats(3, 4),), {"x": {0: "batch"}})
    assert ["def part(x):" in said, "def part_2(x):" in said, "part_3" in said] == [1, 1, 1]
    assert "batch = x.shape[0]" in said


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


def loop(*texts):
    return [(indent, text) for indent, text, _ in rolled(list(texts), [""] * len(texts))]


def test_what_repeats_with_an_index_is_a_loop():
    assert loop('x = f(w["a.0.b"])', 'x = f(w["a.1.b"])', 'x = f(w["a.2.b"])') == [
        (4, "for k in range(3):"),
        (8, 'x = f(w[f"a.{k}.b"])'),
    ]
    assert loop('x = f(s[3], w["a.3"])', "y", 'x = f(s[4], w["a.4"])', "y")[1:] == [
        (8, 'x = f(s[k], w[f"a.{k}"])'),
        (8, "y"),
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ['f(w["a.0"])', 'f(w["a.2"])', 'f(w["a.3"])'],  # a step of two
        ['f(w["a.0"], s[1])', 'f(w["a.1"], s[2])', 'f(w["a.2"], s[3])'],  # two indices
        ['f(w["a.0"])', 'f(w["a.0.1"])', 'f(w["a.2"])'],
        ['f(w["a.b"])', 'f(w["a.c"])', 'f(w["a.d"])'],
        ["f(0)", "f(1)", "f(2)"],  # numbers that are no index
        ["f(x)", "f(x)", "f(x)"],
        ['f(w["a.0"], w["b.0"])', 'f(w["a.1"], w["b.0"])', 'f(w["a.2"], w["b.2"])'],
        ['f(w["0"], w["7"])', 'f(w["1"], w["7"])', 'f(w["2"], w["8"])'],
    ],
)
def test_what_repeats_otherwise_is_none(texts):
    assert [indent for indent, _ in loop(*texts)] == [4] * len(texts) or "range(2)" in str(
        loop(*texts)
    )


def test_long_lines_are_cut():
    short = "    x = f(a, b)"
    assert wrapped(short, "  # (2,)") == [short + "  # (2,)"]
    one = f"    x = f({'a' * 60}, {'b' * 28}).T"
    assert wrapped(one, "  # (2, 3)")[1:] == [
        f"        {'a' * 60}, {'b' * 28}",
        "    ).T  # (2, 3)",
    ]
    two = f"    x = f({'a' * 60}, (1, 2), {'b' * 45})"
    assert wrapped(two, "")[1:] == [
        f"        {'a' * 60},",
        "        (1, 2),",
        f"        {'b' * 45},",
        "    )",
    ]
    assert wrapped("    x = " + "a" * 120, "") == ["    x = " + "a" * 120]


class Masks(nn.Module):
    """What libraries make of a padding mask, and indices that are no view."""

    def forward(self, mask, x):
        rows, places = torch.arange(2)[:, None, None, None], torch.arange(7)
        seen = mask[rows, places] & torch.ones(1, 1, 7, 1, dtype=torch.bool)
        return seen.expand(2, 1, 7, 7), x[places[:2], places[:2]], x[places[:2], places[:2]] * 2


def test_a_mask_is_what_it_is():
    mask = floats(2, 7) > 0
    said = text(Masks().eval(), (mask, floats(3, 7)), {"mask": None, "x": {0: "rows"}})
    assert "np.broadcast_to(mask.reshape(2, 1, 1, 7), (2, 1, 7, 7))" in said
    assert "ones" not in said
    assert "x[np.arange(2), np.arange(2)]" in said
    fixed = text(Masks().eval(), (mask, floats(3, 7)))
    assert "x[np.arange(2), np.arange(2)]" in fixed


class Counts(nn.Module):
    """Gives a module the size of an axis that no array of its has."""

    def __init__(self):
        super().__init__()
        self.one, self.two = Times(), Times()

    def forward(self, x):
        return self.two(self.one(x.sum(0), x.shape[0]), x.shape[0])


class Times(nn.Module):
    def forward(self, x, n):
        y = x * n
        z = y.tanh()
        return z * y


def test_a_size_is_given_where_it_can_not_be_read():
    said = text(Counts().eval(), (floats(3, 4),), {"x": {0: "batch"}})
    assert "def times(x, batch):" in said
    assert "times(x, batch)" in said.partition("def times")[0]


def test_a_first_state_that_is_given_is_kept():
    said = text(nn.GRU(4, 5).double().eval(), (floats(3, 2, 4), floats(1, 2, 5)))
    assert "gru(input, w, hx)" in said
