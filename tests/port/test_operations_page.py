"""docs/en/port/operations.md shows each row of the table, its arguments filled in: both are run."""

import ast
import copy
import datetime
import json
import os
import re

import numpy as np
import pytest

from snippets.port.capture import arrays_of, numpy_of
from snippets.port.constants import without_zeros
from snippets.port.lines import recipe, recipes, text_of, tree_of
from snippets.port.operations import TABLE
from snippets.port.run import run
from tests import ROOT
from tests.parity import assert_parity
from tests.port.examples import examples, torch
from tests.port.test_operations import flat, spelled_out

LINES = ROOT / "docs/measured/operations.json"
UPDATE = "UPDATE=1 pytest --no-cov -m thorough tests/port/test_operations_page.py"
INSIDE = re.compile(r"torch\.ops|torch\._|torch\.constant_pad_nd|torch\.empty")  # nobody writes it
LONG = 90  # a line that reads better on the page of its layer

pytestmark = pytest.mark.thorough


class Expanded(ast.NodeTransformer):
    """Puts the expression of each value in its place, down to the tensors of the examples."""

    def __init__(self, graph, ran):
        self.ran = ran
        self.made = {out: line.tree for line in ran.lines for out in line.outs if out}
        self.names = {f"%{ref.name}": name for name, ref in graph.inputs["tensors"].items()}
        self.keys = {f"%{name}": key for name, key in graph.weights.items()}

    def visit_Name(self, node):
        if node.id in self.names:
            return ast.Name(self.names[node.id])
        if node.id in self.keys:
            return ast.parse(f'w["{self.keys[node.id]}"]', mode="eval").body
        tree = self.ran.alias.get(node.id) or self.made.get(node.id)
        return self.visit(copy.deepcopy(tree)) if tree else node

    def whole(self, tree):
        """Return the expression of what a spelling gives: of several results, what gives them."""
        names = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]
        several = {text_of(self.made[n]) for n in names if n in self.made}
        if isinstance(tree, ast.Tuple) and len(several) == 1:
            tree = self.made[names[0]]
        if getattr(getattr(tree, "func", None), "id", "") == "flat_state":
            tree = tree.args[0]
        text = text_of(self.visit(copy.deepcopy(tree))).replace("layers.", "")
        is_tuple = isinstance(tree, ast.Tuple)
        return text[1:-1] if is_tuple else text


@pytest.fixture(scope="module")
def spelled():
    """Return {spelling: (its line of NumPy, what PyTorch gives)}, and the arrays of the layers."""
    model, args, graph, named = spelled_out([spelling for spelling, _ in TABLE.values()])
    ran = run(graph, arrays_of(graph, named))
    without_zeros(ran.lines)
    expanded = Expanded(graph, ran)
    with torch.no_grad():
        theirs = model(*args)
    lines = [expanded.whole(tree) for tree in tree_of(graph.output).elts]
    weights = {key.removeprefix("layers."): array for key, array in graph.arrays.items()}
    both = zip(lines, theirs, strict=True)
    return dict(zip(model.spellings, both, strict=True)), weights


def sections(lines):
    """Return the rows of the page's two tables, {section: rows}, in the order of their names."""
    found = {"tensors": [], "layers": []}
    for name, (spelling, _) in sorted(TABLE.items(), key=lambda row: row[0].replace("_", "")):
        row = [f"`{spelling}`", f"`{lines[spelling]}`"]
        called = [
            recipes().get(word, "") for word in re.findall(r"(?<![\w.])(\w+)\(", lines[spelling])
        ]
        is_layer = any(module.startswith("layers.") for module in called)
        rows = found["layers" if is_layer else "tensors"]
        is_long = len(lines[spelling]) > LONG
        if not (INSIDE.search(spelling) or is_long or row in rows) and name.startswith("aten."):
            rows.append(row)
    return found


def test_the_page_has_each_row(spelled):
    made = sections({spelling: line for spelling, (line, _) in spelled[0].items()})
    if os.environ.get("UPDATE"):
        date = f"{datetime.date.today():%B %Y}"
        told = {"date": date, "command": UPDATE, **made}
        LINES.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert {key: json.loads(LINES.read_text("utf-8"))[key] for key in made} == made, UPDATE
    page = (ROOT / "docs/en/port/operations.md").read_text("utf-8")
    assert all(f"{{{{ operations.{key} | rows }}}}" in page for key in made)


def test_each_line_gives_what_pytorch_gives(spelled):
    pairs, weights = spelled
    world = {name: recipe(name) for name in recipes()} | {"np": np, "w": weights}
    world |= {name: numpy_of(tensor) for name, tensor in examples().items()}
    shown = json.loads(LINES.read_text("utf-8"))
    for spelling, line in shown["tensors"] + shown["layers"]:
        ours, theirs = eval(line[1:-1], world), pairs[spelling[1:-1]][1]
        for one, other in zip(flat(ours), flat(theirs), strict=True):
            if other.dtype.is_floating_point or other.is_complex():
                assert_parity(np.asarray(one, other.numpy().dtype), other, 1e-5)
            else:
                assert np.array_equal(one, other.numpy())
