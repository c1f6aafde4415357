"""Promise 2: the shapes in the pages' tables are those of live torch.

A `stored` fence is filled from the registry. Above a table that is typed stands
`<!-- shapes: nn.Linear(12, 100) -->`: its rows are the entries of that module's state_dict(), all
of them, named in the first column.
"""

import json
import re
import textwrap

import pytest

from docs.extensions.shapes import axes
from docs.extensions.tables import CALCULATOR as SCRIPTS
from docs.extensions.tables import (
    FENCE,
    LISTS,
    Expand,
    Tables,
    calculator,
    classes_table,
    names_table,
    reasons_table,
    said,
    table,
)
from snippets.storage import REGISTRY
from tests import ROOT, address_of
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
        if code == "()":  # a count, such as num_batches_tracked
            found.append([])
        elif told and all(text.isdecimal() for text, _, _ in told):
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


def filled(text):
    """Return a page with its stored fences as typed tables."""

    def typed(m):
        if m["kind"] != "stored":
            return m[0]
        source = textwrap.dedent(m["source"])
        return f"<!-- shapes: {source.splitlines()[0]} -->\n\n{table(source)}"

    return FENCE.sub(typed, text)


@pytest.mark.parametrize("path", PAGES, ids=address_of)
def test_the_tables_of_a_page_are_torchs(path):
    """And every list of the registry can be made."""
    text = path.read_text("utf-8")
    check(filled(text))
    chinese = "/zh/" in path.as_posix()
    made = Tables(translated=chinese, said="words.zh.yml" if chinese else "")
    expand = Expand(None, made.options())
    for m in FENCE.finditer(text):
        if m["kind"] in LISTS:
            assert expand.made(m["kind"], m["source"])


def test_the_layers_of_the_calculators_example_fit():
    torch = pytest.importorskip("torch")
    text = (ROOT / "docs/en/layers/calculator.md").read_text("utf-8")
    (example,) = [m["source"] for m in FENCE.finditer(text) if m["kind"] == "stored-calculator"]
    made = re.findall(r"^self\.\w+ = (nn\..*)$", example, re.M)
    lstm, linear = (eval(call, {"nn": torch.nn}) for call in made)
    assert linear(lstm(torch.ones(2, 3, lstm.input_size))[0]).shape == (2, 3, linear.out_features)


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


def test_a_count_has_a_shape_without_axes():
    text = filled("```stored\nnn.BatchNorm1d(3)\n```\n")
    assert ("num_batches_tracked", []) in tables(text)[0][1]
    check(text)


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


@pytest.mark.parametrize(
    ("call", "row"),
    [
        (
            "nn.LSTM(12, 100)",
            "| `weight_ih_l0` | `(400 gates, 12 in)`<br>in general `(4 * hidden_size, input_size)` "
            "| one gate of one hidden unit, from the input |",
        ),
        (
            "nn.Conv2d(4, 6, kernel_size=(3, 5), groups=2)",
            "| `weight` | `(6 out, 2 in, 3 kernel, 5 kernel)`<br>"
            "in general `(out_channels, in_channels // groups, *kernel_size)` "
            "| one output channel: a kernel for every input channel of its group |",
        ),
        (
            "nn.MultiheadAttention(8, num_heads=2)",
            "| `in_proj_bias` | `(24 qkv)`<br>in general `(3 * embed_dim,)` "
            "| one feature of the query, key or value |",
        ),
        (
            "nn.TransformerEncoder("
            "nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=20), num_layers=1)",
            "| `layers.0.linear1.weight` | `(20 feedforward, 8 d_model)`<br>"
            "in general `(dim_feedforward, d_model)` | one output: a weight for every input |",
        ),
        (
            "nn.AdaptiveLogSoftmaxWithLoss(200, 23, cutoffs=[5])",
            "| `head.weight` | `(6 out, 200 in)`<br>"
            "in general `(cutoffs[0] + n_clusters, in_features)` "
            "| one frequent class, or below these one cluster of rare ones |",
        ),
        (
            "nn.BatchNorm2d(6)",
            "| `num_batches_tracked` (buffer) | `()` | no rows: it counts batches |",
        ),
        ("nn.LayerNorm(6)\nweight: a word", "in general `(*normalized_shape,)` | a word |"),
    ],
)
def test_a_fence_is_filled_from_the_registry(call, row):
    assert row in table(call)


@pytest.mark.parametrize(
    "source", ["nn.ReLU()", "nn.Linear(3, 2)\noffset: b", "nn.Linear(3)", "nn.Liner(3, 2)"]
)
def test_a_fence_that_says_what_is_not_stored_fails(source):
    with pytest.raises((ValueError, TypeError)):
        table(source)


def test_no_english_words_remain_in_a_translation():
    words = ["参数", "一般形式", "一行是什么", "缓冲区"]
    own = "weight: 甲\nbias: 乙"
    assert "| 甲 |" in table(f"nn.Linear(3, 2)\n{own}", words, translated=True)
    with pytest.raises(ValueError, match="words for a row of bias"):
        table("nn.Linear(3, 2)\nweight: 甲", words, translated=True)


@pytest.mark.parametrize(
    ("made", "text", "row"),
    [
        (classes_table, "batch norm", "| [批归一化](batch-norm.md) | `nn.BatchNorm1d`, "),
        (reasons_table, "loss: training only", "| 批归一化 | `nn.BCELoss`, "),
    ],
)
def test_a_list_takes_words_for_its_first_column(made, text, row):
    assert row not in made("| a | b |")
    lines = made(f"| a | b |\n{text} = 批归一化").split("\n")
    assert any(line.startswith(row) for line in lines)
    with pytest.raises(ValueError, match="batchnorm"):
        made("| a | b |\nbatchnorm = 批归一化")
    with pytest.raises(ValueError, match=f"needs words for .*{text}"):
        made("| a | b |", translated=True)


CALCULATOR = """| a | b | c | d |
self.fc = nn.Linear(3, 2)
y = linear(x, state["fc.weight"], state["fc.bias"])"""


def test_the_calculator_shows_its_example_and_holds_the_registry():
    made = calculator(CALCULATOR)
    assert "<code>fc.weight</code></th><td><code>(2 out, 3 in)</code>" in made
    assert "8 parameters in 2 tensors." in made
    data = json.loads(re.search(r'id="registry">(.*)</script>', made)[1])
    assert data["classes"].keys() == REGISTRY.keys()
    assert data["classes"]["Linear"]["holds"][1] == {
        "name": "bias",
        "shape": ["tuple", "out_features"],
        "row": "one output",
        "when": "bias",
    }
    assert data["classes"]["Linear"]["use"] == ["y = linear(", ["x", "weight", "bias"]]
    assert data["classes"]["Linear"]["options"] == {"x": [], "weight": [], "bias": None}


def test_the_calculator_takes_words_for_all_that_it_says():
    with pytest.raises(ValueError, match=r"needs words for .*'a bracket too many'"):
        calculator(CALCULATOR, translated=True)
    words = "\n".join(f"{text} = 甲" for text in said())
    assert "甲" in calculator(f"{CALCULATOR}\n\n{words}", translated=True)
    with pytest.raises(ValueError, match="no bracket"):
        calculator(f"{CALCULATOR}\n\nno bracket = 甲")


def test_no_slip_of_the_calculator_goes_without_words():
    script = "\n".join(path.read_text("utf-8") for path in SCRIPTS)
    texts = re.findall(r'\b(?:new S(?:lip|aid)|tell)\([\w.]+, "([^"\n]+)"', script)
    assert len(texts) > 15
    assert set(texts) <= set(said())


def test_names_need_no_translation():
    assert names_table("| a | b | c |", translated=True) == names_table("| a | b | c |")
