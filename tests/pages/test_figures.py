"""A drawing shows what NumPy computes, has a name, and does not do without a label."""

import re
import xml.etree.ElementTree as ET

import markdown
import numpy as np
import pytest
from lxml import html
from pymdownx.superfences import SuperFencesException

from docs.extensions import figures
from docs.extensions.figures import checkpoint_file, norm_axes
from tests import address_of
from tests.built import select
from tests.fences import PAGES, fences

SOURCE = """\
draw: rows-are-outputs
title: One row of W makes one output
description: Row {row} of ({out}, {in})
x: x, one input
W: W, stored ({out} out, {in} in) & <kept>
b: b
y: y
rows: Row of W
right: Right
wrong: Wrong
work: "{out} × {in} = {work} multiply-adds"
refused: "Raises:"
silent: "No error, {out} wrong numbers:"
same: "No error, the same number:"
"""


def figure(source=SOURCE, md=None):
    return figures.draw(source, "figure", "figure", {}, md or markdown.Markdown())


@pytest.mark.parametrize("path", PAGES, ids=address_of)
def test_every_figure_of_a_page_is_drawn(path):
    for fence in fences(path.read_text("utf-8")):
        if fence.language == "figure":
            assert "<svg" in figure(fence.text)


def drawing(made):
    """Return the svg of a figure; around a living one is HTML that is no XML."""
    return ET.fromstring(re.search("<svg.*</svg>", made, re.S)[0])


def texts(svg):
    return ["".join(t.itertext()) for t in svg.iter("text")]


def grid(svg, left_to_right):
    """Return the numbers of the matrix whose cells have this place among the matrices."""
    cells = [t for t in svg.iter("text") if "cell" in t.get("class")]
    blocks, start = [], 0
    for rows, columns in ((1, 3), (5, 3), (5, 1), (5, 1)):
        numbers = [int(t.text) for t in cells[start : start + rows * columns]]
        blocks.append(np.array(numbers).reshape(rows, columns))
        start += rows * columns
    assert start == len(cells)
    return blocks[left_to_right]


def test_the_numbers_are_those_of_numpy():
    svg = drawing(figure())
    x, weight, b, y = (grid(svg, i) for i in range(4))
    assert np.array_equal(weight @ x[0] + b[:, 0], y[:, 0])
    assert len(set(y[:, 0])) > 1


def test_the_arithmetic_is_that_of_the_picked_row():
    svg = drawing(figure())
    x, weight, b, y = (grid(svg, i) for i in range(4))
    claim, sums = (
        code.text_content() for code in select(html.fragment_fromstring(figure()), ".sum code")
    )
    i = int(re.fullmatch(r"y\[(\d)\] = W\[\1\] · x \+ b\[\1\]", claim)[1])
    dots = " + ".join(f"{w}·{v}" for w, v in zip(weight[i], x[0], strict=True))
    assert sums == f"= {dots} + {b[i, 0]} = {y[i, 0]}"
    picked = [t.text for t in svg.iter("text") if "picked" in t.get("class")]
    assert picked == [str(n) for n in (*weight[i], b[i, 0], y[i, 0])]


def test_it_is_named_and_its_labels_are_text():
    svg = drawing(figure())
    named = {e.get("id"): "".join(e.itertext()) for e in svg if e.get("id")}
    assert [named[i] for i in svg.get("aria-labelledby").split()] == [
        "One row of W makes one output",
        "Row 1 of (5, 3)",
    ]
    assert "W, stored (5 out, 3 in) & <kept>" in texts(svg)


def test_ids_are_unique_in_a_page():
    md = markdown.Markdown()
    ids = re.findall(r' id="([^"]+)"', figure(md=md) + figure(md=md))
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.parametrize("key", re.findall(r"(?m)^(\w+):", SOURCE)[1:])
def test_a_missing_label_raises(key):
    with pytest.raises(SuperFencesException, match=f"needs the label '{key}'"):
        figure(re.sub(rf"(?m)^{key}:.*\n", "", SOURCE))


@pytest.mark.parametrize("draw", ["draw: rows", "", "draw:"])
def test_an_unknown_drawing_raises(draw):
    with pytest.raises(SuperFencesException, match="no drawing is called"):
        figure(SOURCE.replace("draw: rows-are-outputs", draw))


@pytest.mark.parametrize("source", ["", "rows-are-outputs", "- draw: rows-are-outputs"])
def test_what_is_no_mapping_raises(source):
    with pytest.raises(SuperFencesException, match="key: value"):
        figure(source)


def test_a_number_that_the_figure_does_not_have_raises():
    with pytest.raises(SuperFencesException, match="called 'ou'"):
        figure(SOURCE.replace("{out}", "{ou}"))


def test_an_unknown_label_raises():
    with pytest.raises(SuperFencesException, match="no label Y"):
        figure(SOURCE + "Y: y\n")


def test_an_unknown_drawing_fails_the_page():
    fence = {"name": "figure", "class": "figure", "format": figures.draw}
    md = markdown.Markdown(
        extensions=["pymdownx.superfences"],
        extension_configs={"pymdownx.superfences": {"custom_fences": [fence]}},
    )
    assert "<figure" in md.convert(f"```figure\n{SOURCE}```")
    with pytest.raises(SuperFencesException, match="no drawing is called 'nothing'"):
        md.convert("```figure\ndraw: nothing\n```")


STRIDES = """\
draw: strides
title: The same memory
description: Two shapes over six numbers
W: W
W.T: W.T
memory: memory
byte: byte
"""


def test_the_strides_are_those_of_numpy():
    svg = ET.fromstring(figure(STRIDES)).find("svg")
    cells = {
        (float(t.get("y")), float(t.get("x"))): int(t.text)
        for t in svg.iter("text")
        if "cell" in t.get("class")
    }
    *drawn, memory = (
        [number for (y, _), number in sorted(cells.items()) if y == row]
        for row in sorted({y for y, _ in cells})
    )
    w = np.array(memory, dtype=np.int64).reshape(2, 3)
    assert drawn == [[*w[0], *w.T[0]], [*w[1], *w.T[1]], [*w.T[2]]]
    out, in_ = w.strides
    assert {f"in +{in_}", f"out +{out}", f"+{in_}", f"+{out}"} <= set(texts(svg))


GATES = """\
draw: gates
title: Four gates in one weight
description: Eight rows in four blocks
gates: i f g o
x: x
W: W
i: input gate
f: forget gate
g: candidate
o: output gate
"""
THREE = """\
draw: gates
title: Three gates in one weight
description: Six rows in three blocks
gates: r z n
x: x
W: W
r: reset gate
z: update gate
n: candidate
"""


@pytest.mark.parametrize("source", [GATES, THREE])
def test_the_gates_are_those_of_numpy(source):
    svg = ET.fromstring(figure(source)).find("svg")
    drawn = [(t, set(t.get("class").split())) for t in svg.iter("text")]
    x = np.array([int(t.text) for t, kind in drawn if {"cell", "in"} <= kind])
    w = np.array([int(t.text) for t, kind in drawn if "weight" in kind]).reshape(-1, 3)
    made = [t for t, kind in drawn if {"cell", "hidden"} <= kind and "weight" not in kind]
    assert (w @ x).tolist() == [int(t.text) for t in made]
    assert len({tuple(row) for row in w}) == len(w)

    # Two rows a gate, a gap between gates, their names in order from top to bottom.
    names = re.search("(?m)^gates: (.*)$", source)[1].split()
    near, gap, *_ = steps = np.diff([float(t.get("y")) for t in made]).tolist()
    assert 0 < near < gap
    assert steps == ([near, gap] * len(names))[:-1]
    assert [t.text for t, kind in drawn if kind == {"hidden"}] == names
    words = [re.search(f"(?m)^{name}: (.*)$", source)[1] for name in names]
    assert [text for text in texts(svg) if text in words] == words

    claim = re.fullmatch(r"W\[(\d):(\d)\] @ x = (\d+), (\d+)", texts(svg)[-1])
    first, last, *numbers = map(int, claim.groups())
    assert (w[first:last] @ x).tolist() == numbers
    picked = [int(t.text) for t, kind in drawn if "picked" in kind]
    assert sorted(picked) == sorted([*w[first:last].ravel(), *numbers])


TRANSPOSED = """\
draw: transposed-convolution
title: Three stamps
description: Three numbers, a kernel, their sums
x: x
w: w
y: y
"""


def test_the_stamps_are_those_of_numpy():
    svg = ET.fromstring(figure(TRANSPOSED)).find("svg")
    drawn = [
        ((float(t.get("y")), float(t.get("x"))), int(t.text), set(t.get("class").split()))
        for t in svg.iter("text")
        if "cell" in t.get("class")
    ]

    def line(kind):
        return [(place, number) for place, number, kinds in sorted(drawn) if kind in kinds]

    x = [number for _, number in line("in")]
    w = [number for (y, _), number in line("weight") if y == min(line("weight"))[0][0]]
    columns = {x: j for j, ((_, x), _) in enumerate(line("out"))}
    y = [number for _, number in line("out")]
    stride = 2
    expected = np.zeros((len(x), stride * (len(x) - 1) + len(w)), int)
    for i, v in enumerate(x):
        expected[i, stride * i : stride * i + len(w)] = v * np.array(w)
    rows = sorted({place[0] for place, _ in line("in")})
    stamped = np.zeros_like(expected)
    for (top, left), number in line("weight"):
        if top in rows:
            stamped[rows.index(top), columns[left]] = number
    assert stamped.tolist() == expected.tolist()
    assert y == expected.sum(0).tolist()

    claim, sums = texts(svg)[-2:]
    j = int(re.match(r"y\[(\d)\] = ", claim)[1])
    pairs = [tuple(map(int, pair)) for pair in re.findall(r"x\[(\d)\]·w\[(\d)\]", claim)]
    assert pairs == [(i, j - stride * i) for i in range(len(x)) if 0 <= j - stride * i < len(w)]
    assert sums == f"= {' + '.join(f'{x[i]}·{w[u]}' for i, u in pairs)} = {y[j]}"
    picked = [(columns[left], number) for (_, left), number in line("picked")]
    assert picked == [(j, x[i] * w[u]) for i, u in pairs] + [(j, y[j])]


NORM = """\
draw: norm-axes
title: What one mean is over
description: Two samples of four rows and three columns
norm: {}
sample: sample
rows: channels
columns: length
"""


@pytest.mark.parametrize("norm", norm_axes.PICKS)
def test_the_mean_is_that_of_numpy_over_the_picked(norm):
    svg = ET.fromstring(figure(NORM.format(norm))).find("svg")
    cells = [t for t in svg.iter("text") if "cell" in t.get("class")]
    x = np.array([int(t.text) for t in cells]).reshape(2, 4, 3)
    code, total, count, mean = re.fullmatch(
        r"(.*)\.mean\(\) = (\d+) / (\d+) = (\d+)", texts(svg)[-1]
    ).groups()
    seen = eval(code, {"x": x})
    assert (seen.sum(), seen.size, seen.mean()) == (int(total), int(count), int(mean))
    picked = [int(t.text) for t in cells if "picked" in t.get("class")]
    assert picked == seen.ravel().tolist()


@pytest.mark.parametrize(
    ("norm", "axes"), [("batch", (0, 2)), ("instance", (2,)), ("layer", (-1,)), ("group", (2, 3))]
)
def test_each_norm_picks_its_own_axes(norm, axes):
    x = norm_axes.SAMPLES
    picked = eval(norm_axes.PICKS[norm][0], {"x": x})
    x = x.reshape(2, 2, 2, 3) if norm == "group" else x
    assert picked.mean() in x.mean(axes)
    assert picked.size == x.size // x.mean(axes).size


HEADS = """\
draw: heads
title: Three blocks of rows, each of two heads
description: Twelve rows in three blocks of two heads
x: x
W: W
head: head
"""


def test_the_heads_are_those_of_numpy():
    svg = ET.fromstring(figure(HEADS)).find("svg")
    drawn = [(t, set(t.get("class").split())) for t in svg.iter("text")]
    x = np.array([int(t.text) for t, kind in drawn if {"cell", "in"} <= kind])
    w = np.array([int(t.text) for t, kind in drawn if "weight" in kind]).reshape(-1, 4)
    made = [t for t, kind in drawn if {"cell", "hidden"} <= kind and "weight" not in kind]
    assert w.shape == (3 * 4, 4)
    assert (w @ x).tolist() == [int(t.text) for t in made]
    assert len({tuple(row) for row in w}) == len(w)

    # Two rows a head, a gap between heads, a wider one between q, k and v.
    near, narrow, _, wide, *_ = steps = np.diff([float(t.get("y")) for t in made]).tolist()
    assert 0 < near < narrow < wide
    assert steps == ([near, narrow, near, wide] * 3)[:-1]
    assert [t.text for t, kind in drawn if kind == {"hidden"}] == ["q", "k", "v"]
    assert [text for text in texts(svg) if "head" in text] == ["head 0", "head 1"] * 3

    claim = re.fullmatch(r"q\[(\d):(\d)\] = W\[\1:\2\] @ x = (\d+), (\d+)", texts(svg)[-1])
    first, last, *numbers = map(int, claim.groups())
    assert (w[first:last] @ x).tolist() == numbers
    picked = [int(t.text) for t, kind in drawn if "picked" in kind]
    assert sorted(picked) == sorted([*w[first:last].ravel(), *numbers])


CHECKPOINT = """\
draw: checkpoint-file
title: Three tensors, one storage
description: Two matrices and a row above six numbers
pickle: data.pkl
storage: data/0
begin: from
step: step
"""


def test_the_tensors_of_a_checkpoint_are_those_of_numpy():
    svg = ET.fromstring(figure(CHECKPOINT)).find("svg")
    drawn = [(t.text, t.get("class")) for t in svg.iter("text") if "cell" in t.get("class")]
    values = [int(text) for text, _ in drawn]
    tensors, storage = values[:-6], np.array(values[-6:])
    size, seen = storage.itemsize, []
    for begin, shape, strides in checkpoint_file.VIEWS.values():
        steps = [size * n for n in strides]
        seen += np.ndarray(shape, storage.dtype, storage, size * begin, steps).ravel().tolist()
    assert seen == tensors
    picked = [int(text) for text, kind in drawn if "picked" in kind]
    assert picked == [3, 4, 5] * 4
    said = [text for text in texts(svg) if text.startswith(("from", "step"))]
    assert said == ["from 0", "step 3, 1", "from 0", "step 1, 3", "from 3", "step 1"]
    assert (checkpoint_file.VIEWS["turned"][1], checkpoint_file.VIEWS["turned"][2]) == (
        (3, 2),
        (1, 3),
    )
