"""Masks and positions of any size: views, triangles and ones instead of ranges compared."""

import ast

import numpy as np
import pytest

from snippets.port.graph import Array
from snippets.port.lines import text_of
from snippets.port.ranges import Merged, given_as_they_are, simplify
from snippets.port.run import Line, Ran
from tests.port.models import floats, nn, torch
from tests.port.programs import imported, written_to
from tests.port.test_functions import text


def ran(*assigned, **shapes):
    """Return lines of "name: expression", and what they are after ``simplify``."""
    lines = []
    for one in assigned:
        name, _, value = one.partition(" = ")
        for word in ("batch", "time"):
            value = value.replace(f"<{word}>", f"size_{word}")
        tree = ast.parse(value, mode="eval").body
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id.startswith("size_"):
                node.id = "$" + node.id[5:]
            elif isinstance(node, ast.Name) and node.id not in ("np", "bool"):
                node.id = "%" + node.id
        lines.append(Line((f"%{name}",), tree, None))
    known = {f"%{name}": Array(*value) for name, value in shapes.items()}
    made = Ran(lines, known, {}, {}, {})
    simplify(made)
    return {line.outs[0][1:]: text_of(line.tree) for line in made.lines}


BATCH, TIME = "np.arange(<batch>)", "np.arange(<time>)"
WORDS = str.maketrans("", "", "$%<>")
MASK = {"mask": (("batch", "time"), "bool")}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"a = mask[{BATCH}[:, None, None], {TIME}[None, None]]"], "%mask[:, None, :]"),
        ([f"b = {TIME} + 0", f"a = mask[{BATCH}[:, None], b]"], "%mask[:, :]"),
        ([f"a = mask[{BATCH}, {TIME}]"], None),  # the diagonal
        ([f"a = mask[{TIME}[:, None], {TIME}]"], None),
        ([f"a = mask[{BATCH}[:, None], {TIME} + 1]"], None),
        ([f"a = mask[{TIME}, {BATCH}[:, None]]"], None),
        ([f"a = mask[np.broadcast_to({BATCH}, (3, <batch>)), {TIME}]"], None),
        ([f"a = {TIME} <= {TIME}[:, None]"], "np.tri($time, $time, dtype=bool)"),
        ([f"a = {TIME}[None] <= ({TIME} + 2)[:, None]"], "np.tri($time, $time, 2, dtype=bool)"),
        (
            [f"a = {TIME}[None, None] <= {TIME}[:, None]"],
            "np.tri($time, $time, dtype=bool)[None]",
        ),
        (
            [f"a = {TIME} <= {TIME}[None, None, :, None]"],
            "np.tri($time, $time, dtype=bool)[None, None]",
        ),
        ([f"a = {TIME}[1:] <= {TIME}[:, None]"], None),
        ([f"a = {TIME}[:, None] <= {TIME}"], None),  # the other triangle
        ([f"a = {TIME} < {TIME}[:, None]"], None),
        ([f"b = np.broadcast_to({TIME}, (<batch>, <time>))", "a = b <= b[:, None]"], None),
        (
            [f"a = (np.arange(<time>) <= {TIME}[:, None])[None]"],
            "np.tri($time, $time, dtype=bool)[None]",
        ),
    ],
)
def test_ranges(lines, expected):
    made = ran(*lines, **MASK, a=((), "bool"), b=(("time",), "int64"))
    as_it_was = lines[-1].partition(" = ")[2].translate(WORDS)
    assert made["a"].translate(WORDS) == (expected or as_it_was).translate(WORDS)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"b = {TIME} >= 0", "a = b & mask"], "%mask"),
        ([f"b = {TIME} >= 1", "a = b & mask"], "%b & %mask"),
        ([f"b = {TIME} + 1 >= 1", "a = mask & b"], "%mask"),
        ([f"b = np.broadcast_to({TIME}, (<batch>, <time>))", "c = b[:, :1] - 1",
          "d = np.diff(b, 1, axis=-1, prepend=c) != 1", "e = np.cumsum(d, axis=-1)",
          "a = (e[:, :, None] == e[:, None]) & mask"], "%mask"),
        ([f"b = np.broadcast_to({TIME}, (<batch>, <time>))", "c = b[:, :1] - 2",
          "a = np.diff(b, 1, axis=-1, prepend=c) != 1"],
         "np.diff(%b, 1, axis=-1, prepend=%c) != 1"),
        (["b = np.zeros((1, 9))", f"a = np.take_along_axis(b, {TIME}[None], axis=1)"],
         "np.zeros(($batch, $time), dtype=bool)"),
        (["b = np.full((1, 9), 1)", "a = np.broadcast_to(b, (<batch>, <time>))"],
         "np.ones(($batch, $time), dtype=bool)"),
        (["b = np.full((1, 9), 7)", "a = np.broadcast_to(b, (<batch>, <time>))"],
         "np.broadcast_to(%b, ($batch, $time))"),
        (["a = mask * 1"], "%mask"),
        (["a = mask - 0"], "%mask"),
        (["a = mask * 2"], "%mask * 2"),
        (["a = other * 1"], "%other * 1"),  # which makes another dtype of it
    ],
)  # fmt: skip
def test_what_is_one_number_everywhere(lines, expected):
    shapes = dict.fromkeys("abcde", (("batch", "time"), "bool"))
    made = ran(*lines, "z = a", **MASK, **shapes, z=shapes["a"], other=(("batch", "time"), "int64"))
    assert made.get("a", "%mask") == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x[:, None][:, :, None]", "x[:, None, None]"),
        ("x[:, None][:, 0]", "x[:, None][:, 0]"),  # 0 of an axis that was made
        ("x[None][..., None]", "x[None, :, :, None]"),
        ("x[None][:, 1:3]", "x[None, 1:3]"),
        ("x[None][:, :, -1]", "x[None, :, -1]"),
        ("x[None][0]", "x[None][0]"),
        ("x[:][:]", "x"),
        ("x[0][None]", "x[0][None]"),
        ("y[None][:, None]", "y[None][:, None]"),
        ("np.arange(5)[None][:, :3]", "np.arange(5)[None, :3]"),
    ],
)
def test_two_indices_become_one(before, after):
    tree = Merged({"x": Array((3, 4), "float64")}).visit(ast.parse(before, mode="eval").body)
    assert ast.unparse(tree) == after


def test_attention_is_given_a_mask_as_it_is():
    def lines(*texts):
        made = []
        for one in texts:
            name, _, value = one.partition(" = ")
            tree = ast.parse(value, mode="eval").body
            for node in ast.walk(tree):
                if isinstance(node, ast.Name) and len(node.id) == 1:
                    node.id = "%" + node.id
            made.append(Line((f"%{name}",), tree, None))
        return [text_of(line.tree) for line in given_as_they_are(made)]

    spread, attends = "m = np.broadcast_to(a, (2, 1))", "scaled_dot_product_attention(q, k, v, m)"
    assert lines(spread, f"y = {attends}") == ["scaled_dot_product_attention(%q, %k, %v, %a)"]
    assert lines("m = np.broadcast_to(a > 0, (2, 1))", f"y = {attends}")[0] == "%a > 0"
    assert len(lines(spread, f"y = {attends}", "z = m")) == 3
    assert len(lines(spread, "y = scaled_dot_product_attention(q, k, m)")) == 2


class Causal(nn.Module):
    """Masks as libraries make them of any length: ranges, compared and picked by."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x, mask):
        batch, time = x.shape[:2]
        rows, keys = torch.arange(batch)[:, None, None, None], torch.arange(time)
        seen = (keys <= keys[:, None]) & (keys >= 0) & mask[rows, keys]
        q, k, v = self.qkv(x)[:, None].chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(q, k, v, seen)


@pytest.mark.thorough
def test_a_causal_mask_of_any_length(tmp_path):
    model, mask = Causal().double().eval(), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    dynamic = {"x": {0: "batch", 1: "time"}, "mask": {0: "batch", 1: "time"}}
    said = text(model, (floats(2, 5, 8), mask), dynamic)
    assert "np.tri(time, time, dtype=bool) & mask[:, None, None, :]" in said
    assert "arange" not in said
    with imported(written_to(tmp_path, model, (floats(2, 5, 8), mask), dynamic)) as package:
        x, mask = floats(3, 4, 8), torch.ones(3, 4, dtype=torch.bool)
        ours = package.forward(package.load(), x.numpy(), mask.numpy())
        assert np.abs(ours - model(x, mask).detach().numpy()).max() < 1e-11
