"""Promise 2: the shapes in the pages' tables are those of live torch.

Above a table that has shapes stands `<!-- shapes: nn.Linear(12, 100) -->`: its rows are the
entries of that module's state_dict(), all of them, named in the first column.
"""

import re

import pytest

from docs.extensions.shapes import axes
from tests import ROOT
from tests.fences import PAGES

TABLE = re.compile(r"(?:<!-- shapes: (?P<module>.*) -->\n+)?(?P<rows>(?:^\|.*\n)+)", re.M)
CODE = re.compile(r"`([^`]+)`")


def stored(cell):
    """Return the shape in a table's cell, `(100 out, 12 in)`, as numbers; None if it has none."""
    for code in CODE.findall(cell):
        sizes = [text for text, _, _ in axes(code) or []] if code.startswith("(") else []
        if sizes and all(map(str.isdecimal, sizes)):
            return tuple(map(int, sizes))
    return None


def tables(text):
    """Return [(module, {name: shape})] of the tables that have shapes."""
    found = []
    for m in TABLE.finditer(text):
        rows = [row.strip("|\n ").split("|") for row in m["rows"].splitlines()]
        shapes = {
            CODE.findall(first)[0]: shape
            for first, *cells in rows
            for shape in map(stored, cells)
            if shape
        }
        if shapes:
            found.append((m["module"], shapes))
    return found


def check(text):
    """Fail unless the tables hold exactly what their modules' state_dict() holds."""
    for module, shapes in tables(text):
        torch = pytest.importorskip("torch")
        from snippets.question.torch_rnn import RNN

        assert module, f"no <!-- shapes: ... --> above the table of {list(shapes)}"
        state = eval(module, {"nn": torch.nn, "RNN": RNN}).state_dict()
        assert shapes == {name: tuple(values.shape) for name, values in state.items()}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_shapes_in_tables_are_torchs(path):
    check(path.read_text("utf-8"))


GOOD = """
<!-- shapes: nn.Linear(3, 2) -->

| parameter | stored |
| --- | --- |
| `weight` | `(2 out, 3 in)` |
| `bias` | `(2 out)` |
"""


def test_a_true_table_passes():
    assert tables(GOOD) == [("nn.Linear(3, 2)", {"weight": (2, 3), "bias": (2,)})]
    check(GOOD)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(2 out, 3 in)", "(3 in, 2 out)"),
        ("`bias`", "`offset`"),
        ("| `bias` | `(2 out)` |\n", ""),
        ("<!-- shapes: nn.Linear(3, 2) -->", ""),
    ],
)
def test_an_untrue_table_fails(old, new):
    with pytest.raises(AssertionError):
        check(GOOD.replace(old, new))
