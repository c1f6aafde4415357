"""Promise 2: the shapes in the pages' tables are those of live torch.

Above a table that has shapes stands `<!-- shapes: nn.Linear(12, 100) -->`: its rows are the
entries of that module's state_dict(), all of them, named in the first column.
"""

import re

import pytest

from docs.extensions.shapes import axes
from tests import address_of
from tests.fences import PAGES

TABLE = re.compile(
    r"(?:<!-- shapes: (?P<module>.*) -->\s+)?(?P<rows>(?:^[ \t]*\|.*(?:\n|\Z))+)", re.M
)
CODE = re.compile(r"`([^`]+)`")


def stored(row):
    """Return the shapes in a table's row, `(100 out, 12 in)`, as [(size, label), ...]."""
    found = []
    for code in CODE.findall(row):
        told = (axes(code) or []) if code.startswith("(") else []
        if told and all(text.isdecimal() for text, _, _ in told):
            found.append([(int(text), label) for text, label, _ in told])
    return found


def tables(text):
    """Return [(module, [(name, shape), ...])] of the tables that have shapes."""
    found = []
    for m in TABLE.finditer(text):
        shapes = [
            (CODE.search(row)[1], shape) for row in m["rows"].splitlines() for shape in stored(row)
        ]
        if shapes:
            found.append((m["module"], shapes))
    return found


def check(text):
    """Fail unless the tables hold exactly what their modules' state_dict() holds."""
    for module, shapes in tables(text):
        torch = pytest.importorskip("torch")
        from snippets.question.torch_rnn import RNN

        assert module, f"no <!-- shapes: ... --> above the table of {shapes}"
        state = eval(module, {"nn": torch.nn, "RNN": RNN}).state_dict()
        torchs = [(name, tuple(values.shape)) for name, values in state.items()]
        told = [(name, tuple(size for size, _ in shape)) for name, shape in shapes]
        assert sorted(told) == sorted(torchs), f"the table of {module}"
        for name, shape in shapes:
            labels = [label for _, label in shape if label in {"out", "in"}]
            turned = "Transpose" in module
            assert labels == sorted(labels, reverse=not turned), f"{name} in the table of {module}"


@pytest.mark.parametrize("path", PAGES, ids=address_of)
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
    assert tables(GOOD) == [
        ("nn.Linear(3, 2)", [("weight", [(2, "out"), (3, "in")]), ("bias", [(2, "out")])])
    ]
    check(GOOD)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(2 out, 3 in)", "(3 in, 2 out)"),
        ("(2 out, 3 in)", "(2 in, 3 out)"),
        ("(2 out, 3 in)` |", "(2 out, 3 in)` or `(3 out, 2 in)` |"),
        ("| `bias`", "| `weight` | `(9 out, 9 in)` |\n| `bias`"),
        ("`bias`", "`offset`"),
        ("| `bias` | `(2 out)` |\n", ""),
        ("<!-- shapes: nn.Linear(3, 2) -->", ""),
    ],
)
def test_an_untrue_table_fails(old, new):
    with pytest.raises(AssertionError):
        check(GOOD.replace(old, new))
