"""Drawings, written in a page as a fence that names the drawing and gives the labels.

A ``figure`` fence holds YAML lines: ``draw``, ``title``, ``description``, perhaps ``caption``, and
the labels the drawing asks for, in the page's language. Every number in a drawing is computed here.

The drawing ``rows-are-outputs`` is alive where docs/theme/assets/living-figure.js is loaded. Its
labels may hold the numbers that change with its sizes: ``{out}``, ``{in}``, ``{row}``, ``{work}``.
"""

import html
import json
import re

import numpy as np
import yaml
from pymdownx.superfences import SuperFencesException

from docs.extensions.shapes import mark_up

X = (1, 2, 3)
PICKED = 1  # the row that a drawing follows

# y = x @ W.T + b of the living figure at its largest; a smaller size takes the first of each.
# Where the weight is square, no number of x @ W is right by chance.
W = (
    (1, 0, 2, 0, 3, 3, 2, 0),
    (2, 0, 1, 0, 1, 2, 1, 3),
    (0, 1, 1, 3, 0, 3, 0, 1),
    (3, 1, 0, 3, 3, 3, 0, 3),
    (1, 2, 0, 2, 1, 0, 1, 3),
    (3, 0, 1, 3, 2, 1, 0, 3),
    (0, 2, 2, 1, 2, 1, 3, 2),
    (0, 1, 2, 2, 1, 0, 0, 0),
)
INPUTS = (*X, 1, 2, 3, 1, 2)
B = (0, 4, 1, 2, 3, 1, 0, 2)
SIZES = {"out": 5, "in": 3}  # before anybody picks others

CELL = 38  # side of one cell, in the drawing's own units; 360 of them are the full width
TEXT = 16  # 12.8 px on a phone 320 px wide


def linear(x, weight, bias):
    """Return x @ weight.T + bias of tuples of integers."""
    return tuple(
        sum(w * v for w, v in zip(row, x, strict=True)) + b
        for row, b in zip(weight, bias, strict=True)
    )


def say(x, y, text, *, kind="", anchor="middle"):
    """Return one line of text; x and y are its anchor and its baseline."""
    text = html.escape(str(text))
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">{text}</text>'


def cells(left, top, rows, kind="", picked=None, width=CELL, height=CELL):
    """Return a matrix cell by cell, the picked row filled."""
    drawn = []
    for i, row in enumerate(rows):
        for j, number in enumerate(row):
            x, y = left + j * width, top + i * height
            state = f"cell {kind}{' picked' if i == picked else ''}"
            drawn.append(
                f'<rect x="{x}" y="{y}" width="{width}" height="{height}" class="{state}"/>'
                + say(x + width / 2, y + height / 2 + 5.5, number, kind=state)
            )
    return "".join(drawn)


def taken(sizes):
    """Return x, the weight, b and y of the living figure at these sizes."""
    x, b = INPUTS[: sizes["in"]], B[: sizes["out"]]
    weight = [row[: sizes["in"]] for row in W[: sizes["out"]]]
    return x, weight, b, linear(x, weight, b)


def rows_are_outputs(label, sizes=SIZES, picked=PICKED):
    """Draw y = x @ W.T + b: x lies over the columns of W, each row of W makes one output.

    The script draws the other sizes, line by line as here.
    """
    rows, columns = sizes["out"], sizes["in"]
    x, weight, b, y = taken(sizes)
    # Cells fill the room that the largest weight needs; a row is 24 px high on a phone of 320 px.
    left, top, gap = 62, 72, 28
    width, height = min(48, 242 // (columns + 2)), min(48, 240 // rows)
    right, bottom = left + width * columns, top + height * rows
    bias, result = right + gap, right + gap + width + gap
    across, down = (left + right) / 2, (top + bottom) / 2
    middle = top + height * (picked + 0.5) + 5.5
    stored = say(left, bottom + 22, label("W"), anchor="start", kind="name")
    content = [
        say(left - 17, 21.5, label("x"), anchor="end", kind="name in"),
        cells(left, 1, [x], "in", width=width, height=30),
        # The two axes of W, each a line along the side it counts.
        f'<path class="in" d="M{left} {top - 9}H{right}"/>',
        say(across, top - 18, f"in = {columns}", kind="in"),
        f'<path class="out" d="M{left - 9} {top}V{bottom}"/>',
        say(left - 17, down - 4, "out", kind="out", anchor="end"),
        say(left - 17, down + 15, f"= {rows}", kind="out", anchor="end"),
        cells(left, top, weight, "weight", picked, width, height),
        say(right + gap / 2, middle, "+"),
        cells(bias, top, [(v,) for v in b], "weight", picked, width, height),
        say(result - gap / 2, middle, "="),
        cells(result, top, [(v,) for v in y], "out", picked, width, height),
        say(bias + width / 2, top - 9, label("b"), kind="name"),
        say(result + width / 2, top - 9, label("y"), kind="name out"),
        numbered(stored, "tspan", sizes, picked),
    ]
    return (360, 342), f"<g>{''.join(content)}</g>"


def counted(sizes, row):
    """Return {name: text} of what the living figure says in numbers."""
    x, weight, b, y = taken(sizes)
    return sizes | {
        "row": row,
        "work": sizes["out"] * sizes["in"],
        "sum": " + ".join(f"{w}·{v}" for w, v in zip(weight[row], x, strict=True)),
        "bias": b[row],
        "made": y[row],
        "right": list(y),
        "wrong": [],  # there is none before the sizes agree
    }


def numbered(text, tag="span", sizes=SIZES, row=PICKED):
    """Return HTML with an element that the script can fill in place of each {name} of a number."""
    now = counted(sizes, row)
    hue = {"span": "axis ", "tspan": ""}[tag]

    def element(name):
        if name not in now:
            raise SuperFencesException(f"no number of a figure is called {name!r}")
        kind = f' class="{hue}{name}"' if name in sizes else ""
        return f'<{tag}{kind} data-n="{name}">{now[name]}</{tag}>'

    return re.sub(r"\{(\w+)\}", lambda match: element(match[1]), text)


def refusal():
    """Return what NumPy says of x @ W, the two sizes as {out} and {in}."""
    try:
        np.ones(SIZES["in"]) @ np.ones((SIZES["out"], SIZES["in"]))
    except ValueError as error:
        said = f"{type(error).__name__}: {error}"
    return re.sub(r"size \d+ is different from \d+", "size {out} is different from {in}", said)


def shape(text):
    """Return "(5 out, 3 in)", written as "(out, in)", as the pages show shapes."""
    sized = re.sub(r"out|in", lambda axis: f"{SIZES[axis[0]]} {axis[0]}", text)
    return re.sub(r'class="axis (out|in)">\d+', r'class="axis \1">{\1}', mark_up(sized))


def alive(svg, label):
    """Return the drawing rows-are-outputs with what picks a size and a row, and what comes of it.

    All of it is there before the script, and as high as at any size, so that nothing moves.
    """

    def text(key):
        return html.escape(label(key))

    rows = "".join(
        f'<input type="radio" name="row" aria-label="W[{i}]" autocomplete="off" disabled'
        f"{' checked' if i == PICKED else ''}{' hidden' if i >= SIZES['out'] else ''}>"
        for i in range(len(W))
    )
    sizes = "".join(
        f"<label><code>{axis}_features={{{axis}}}</code>"
        f'<input type="range" name="{axis}" min="1" max="8" value="{SIZES[axis]}"'
        ' autocomplete="off" disabled></label>'
        for axis in ("in", "out")
    )
    verdicts = "".join(
        f'<span data-when="{state}">{text(state)}</span>' for state in ("refused", "silent", "same")
    )
    return f"""<div><div class="drawn">{svg}
<div class="rows" role="radiogroup" aria-label="{text("rows")}">{rows}</div></div>
<output class="sum"><code>y[{{row}}] = W[{{row}}] · x + b[{{row}}]</code>
<code>= {{sum}} + {{bias}} = {{made}}</code></output></div>
<div><div class="sizes">{sizes}</div>
<div class="highlight right"><span class="needs">{text("right")}</span>
<code>y = x @ W.T + b</code>
<code class="shape">{shape("(in)")} @ {shape("(in, out)")} → {shape("(out)")}</code>
<span>{text("work")}</span>
<code class="numbers">{{right}}</code></div>
<div class="highlight wrong"><span class="needs">{text("wrong")}</span>
<code>y = x @ W + b</code>
<code class="shape">{shape("(in)")} @ {shape("(out, in)")}</code>
<output class="either">{verdicts}</output>
<div class="either"><code data-when="refused">{html.escape(refusal())}</code>
<code data-when="silent same">{{wrong}}</code></div></div></div>"""


def strides(label):
    """Draw a weight, its transpose and the memory that both read, with the bytes of each step."""
    rows = ((1, 2, 3), (4, 5, 6))
    itemsize, columns = 8, len(rows[0])
    steps = {"out": f"+{columns * itemsize}", "in": f"+{itemsize}"}  # bytes to the next one
    top, left, right = 74, 62, 248
    memory = top + CELL * columns + 64

    def axes(x, across, down):
        """Draw the two axes of a matrix at x, each with its name and its step."""
        (over, width), (side, height) = across, down
        return (
            f'<path class="{over}" d="M{x} {top - 9}H{x + CELL * width}"/>'
            + say(x + CELL * width / 2, top - 18, f"{over} {steps[over]}", kind=over)
            + f'<path class="{side}" d="M{x - 9} {top}V{top + CELL * height}"/>'
            + say(x - 17, top + CELL * height / 2 - 4, side, kind=side, anchor="end")
            + say(x - 17, top + CELL * height / 2 + 15, steps[side], kind=side, anchor="end")
        )

    drawn = [
        say(left, 22, label("W"), anchor="start"),
        axes(left, ("in", columns), ("out", len(rows))),
        cells(left, top, rows, "weight", PICKED),
        say(right, 22, label("W.T"), anchor="start"),
        axes(right, ("out", len(rows)), ("in", columns)),
        say(left, memory - 12, label("memory"), anchor="start"),
        say(left - 9, memory + CELL + 22, label("byte"), anchor="end"),
    ]
    for i, row in enumerate(rows):
        picked = 0 if i == PICKED else None
        for j, number in enumerate(row):
            place = i * columns + j
            x = left + CELL * place
            drawn += [
                cells(right + CELL * i, top + CELL * j, [(number,)], "weight", picked),
                cells(x, memory, [(number,)], "weight", picked),
                say(x + CELL / 2, memory + CELL + 22, place * itemsize),
            ]
    return (360, memory + CELL + 34), "".join(drawn)


# The gates of a layer with 2 hidden units and 3 inputs; the drawing follows the third one.
HIDDEN = 2
W_GATES = ((1, 0, 1), (0, 2, 0), (1, 1, 0), (2, 0, 1), (0, 0, 3), (1, 2, 0), (3, 0, 0), (0, 1, 1))
PICKED_GATE = 2


def gates(label):
    """Draw a weight as one block of rows a gate, and what each block makes of x.

    The label gates names them in their order, "i f g o"; each name has a label of its own.
    """
    names = label("gates").split()
    rows = W_GATES[: HIDDEN * len(names)]
    left, top, gap = 40, 112, 12
    right = left + CELL * len(X)
    result = right + 44
    made = linear(X, rows, [0] * len(rows))
    drawn = [
        say(left, 18, label("x"), anchor="start", kind="in"),
        cells(left, 28, [X], "in"),
        f'<path class="in" d="M{left} {top - 9}H{right}"/>',
        say((left + right) / 2, top - 18, f"in = {len(X)}", kind="in"),
    ]
    for k, name in enumerate(names):
        first, last = k * HIDDEN, (k + 1) * HIDDEN
        y = top + k * (CELL * HIDDEN + gap)
        middle = y + CELL * HIDDEN / 2 + 5.5
        picked = ("weight hidden", 0) if k == PICKED_GATE else ("weight", None)
        block = [
            (left, rows[first:last], picked),
            (result, [(v,) for v in made[first:last]], ("hidden", picked[1])),
        ]
        drawn += [
            f'<path class="hidden" d="M{left - 9} {y}V{y + CELL * HIDDEN}"/>',
            say(left - 17, middle, name, kind="hidden", anchor="end"),
            say((right + result) / 2, middle, "="),
            *(
                cells(x, y + i * CELL, [row], *kind)
                for x, part, kind in block
                for i, row in enumerate(part)
            ),
            say(result + CELL + 10, middle, label(name), anchor="start"),
        ]
    bottom = top + len(names) * (CELL * HIDDEN + gap)
    first, last = PICKED_GATE * HIDDEN, (PICKED_GATE + 1) * HIDDEN
    picked = ", ".join(str(v) for v in made[first:last])
    drawn += [
        say(left, bottom + 14, label("W"), anchor="start"),
        say(0, bottom + 56, f"W[{first}:{last}] @ x = {picked}", kind="code", anchor="start"),
    ]
    return (360, bottom + 66), "".join(drawn)


# One channel of 3 numbers, a kernel of 3, a stride of 2; the drawing follows one output.
KERNEL = (1, 4, 2)
STRIDE = 2
PICKED_OUTPUT = 4


def transposed_convolution(label):
    """Draw one line for each number of x, the kernel times it at its place, and their sums."""
    columns = (len(X) - 1) * STRIDE + len(KERNEL)
    picked = PICKED_OUTPUT
    # {column: number} of each stamp.
    stamps = [{i * STRIDE + u: v * w for u, w in enumerate(KERNEL)} for i, v in enumerate(X)]
    y = [sum(stamp.get(j, 0) for stamp in stamps) for j in range(columns)]
    left, grid, top = 16, 86, 106
    bottom = top + CELL * len(X) + 20

    def line(numbers, top, kind):
        """Draw numbers in their columns, the one that the drawing follows filled."""
        return "".join(
            cells(grid + CELL * j, top, [(number,)], kind, 0 if j == picked else None)
            for j, number in numbers.items()
        )

    drawn = [
        say(grid - 14, 28 + CELL / 2 + 5.5, label("w"), anchor="end"),
        cells(grid, 28, [KERNEL], "weight"),
        say(left + CELL / 2, top - 12, label("x"), kind="in"),
    ]
    for i, stamp in enumerate(stamps):
        y_i = top + CELL * i
        drawn += [
            cells(left, y_i, [(X[i],)], "in"),
            say((left + CELL + grid) / 2 - 1, y_i + CELL / 2 + 5.5, "· w"),
            line(stamp, y_i, "weight"),
        ]
    drawn += [
        say(grid - 14, bottom + CELL / 2 + 5.5, label("y"), kind="out", anchor="end"),
        line(dict(enumerate(y)), bottom, "out"),
    ]
    met = [(i, picked - i * STRIDE) for i, stamp in enumerate(stamps) if picked in stamp]
    names = " + ".join(f"x[{i}]·w[{u}]" for i, u in met)
    numbers = " + ".join(f"{X[i]}·{KERNEL[u]}" for i, u in met)
    under = bottom + CELL
    drawn += [
        say(0, under + 42, f"y[{picked}] = {names}", kind="code", anchor="start"),
        say(5 * 9.6, under + 67, f"= {numbers} = {y[picked]}", kind="code", anchor="start"),
    ]
    return (360, under + 82), "".join(drawn)


# Two samples of 4 rows and 3 columns; each norm takes one mean over the numbers of its picks.
SAMPLES = (
    ((9, 4, 5), (4, 0, 8), (5, 1, 0), (2, 6, 4)),
    ((0, 3, 3), (2, 0, 4), (7, 1, 1), (3, 5, 4)),
)
PICKS = {  # name: (the picks in code, their samples, their rows)
    "batch": ("x[:, 1]", (0, 1), (1,)),
    "group": ("x[0, 0:2]", (0,), (0, 1)),
    "instance": ("x[0, 1]", (0,), (1,)),
    "layer": ("x[0, 1]", (0,), (1,)),
}


def norm_axes(label):
    """Draw two samples, and which numbers of them one mean is over.

    The label norm is one of PICKS; rows and columns name the axes of a sample.
    """
    norm = label("norm")
    code, samples, rows = PICKS[norm]
    # The channels are rows, but the features of a LayerNorm are the last axis.
    down, across = ("batch", "out") if norm == "layer" else ("out", "batch")
    left, top, gap = 104, 68, 24
    height, width = CELL * len(SAMPLES[0]), CELL * len(SAMPLES[0][0])
    names = label("sample"), label("rows"), label("columns")
    drawn = [
        f'<path class="{down}" d="M{left - 9} {top}V{top + height}"/>',
        say(left - 17, top + height / 2 - 4, names[1], kind=down, anchor="end"),
        say(left - 17, top + height / 2 + 15, f"= {len(SAMPLES[0])}", kind=down, anchor="end"),
    ]
    for n, sample in enumerate(SAMPLES):
        x = left + n * (width + gap)
        drawn += [
            say(x + width / 2, 18, f"{names[0]} {n}"),
            f'<path class="{across}" d="M{x} {top - 9}H{x + width}"/>',
            say(x + width / 2, top - 18, f"{names[2]} = {len(sample[0])}", kind=across),
            *(
                cells(x, top + i * CELL, [row], "out", 0 if n in samples and i in rows else None)
                for i, row in enumerate(sample)
            ),
        ]
    picked = [number for n in samples for i in rows for number in SAMPLES[n][i]]
    total, count = sum(picked), len(picked)
    mean = f"{code}.mean() = {total} / {count} = {total // count}"
    drawn.append(say(0, top + height + 40, mean, kind="code", anchor="start"))
    return (360, top + height + 52), "".join(drawn)


# in_proj_weight of an attention with 4 features in 2 heads; the drawing follows head 1 of q.
QKV = (
    *((1, 0, 0, 1), (1, 1, 0, 0), (1, 0, 1, 0), (0, 0, 2, 0)),
    *((0, 1, 1, 0), (2, 0, 0, 0), (0, 0, 0, 1), (0, 1, 0, 1)),
    *((3, 0, 0, 0), (0, 0, 1, 1), (1, 1, 1, 0), (0, 2, 1, 0)),
)
FEATURES = (1, 2, 3, 1)
HEADS = 2
PICKED_HEAD = 1


def heads(label):
    """Draw in_proj_weight as blocks of rows q, k, v, each cut into heads, and what they give."""
    left, top, narrow, wide = 40, 112, 6, 20
    size = len(FEATURES) // HEADS
    right = left + CELL * len(FEATURES)
    result = right + 44
    made = linear(FEATURES, QKV, [0] * len(QKV))
    drawn = [
        say(left, 18, label("x"), anchor="start", kind="in"),
        cells(left, 28, [FEATURES], "in"),
        f'<path class="in" d="M{left} {top - 9}H{right}"/>',
        say((left + right) / 2, top - 18, f"in = {len(FEATURES)}", kind="in"),
    ]
    head, y = label("head"), top
    for k, name in enumerate("qkv"):
        start = y
        for h in range(HEADS):
            first = (k * HEADS + h) * size
            picked = ("weight hidden", 0) if (k, h) == (0, PICKED_HEAD) else ("weight", None)
            for i in range(first, first + size):
                drawn += [
                    cells(left, y, [QKV[i]], *picked),
                    cells(result, y, [(made[i],)], "hidden", picked[1]),
                ]
                y += CELL
            middle = y - CELL * size / 2 + 5.5
            drawn += [
                say((right + result) / 2, middle, "="),
                say(result + CELL + 10, middle, f"{head} {h}", anchor="start"),
            ]
            y += narrow
        y -= narrow
        drawn += [
            f'<path class="hidden" d="M{left - 9} {start}V{y}"/>',
            say(left - 17, (start + y) / 2 + 5.5, name, kind="hidden", anchor="end"),
        ]
        y += wide
    first, last = PICKED_HEAD * size, (PICKED_HEAD + 1) * size
    numbers = ", ".join(str(v) for v in made[first:last])
    rows = f"W[{first}:{last}] @ x"
    drawn += [
        say(left, y + 10, label("W"), anchor="start"),
        say(0, y + 52, f"q[{first}:{last}] = {rows} = {numbers}", kind="code", anchor="start"),
    ]
    return (360, y + 62), "".join(drawn)


# What the pickle of a checkpoint says of three tensors: where each begins, its shape, its strides.
VIEWS = {"W": (0, (2, 3), (3, 1)), "turned": (0, (3, 2), (1, 3)), "row": (3, (3,), (1,))}


def checkpoint_file(label):
    """Draw the two parts of a checkpoint: three tensors in its pickle, one storage in its data."""
    storage = range(6)
    picked = {3, 4, 5}  # the places that all three tensors read
    top, left = 78, 1  # half a line, so that the edge shows
    bottom = top + 3 * CELL + 56
    begins, steps = label("begin"), label("step")
    drawn = [say(0, 22, label("pickle"), anchor="start")]
    for name, (begin, shape, strides) in VIEWS.items():
        rows, columns = (1, *shape)[-2:]
        down, across = (0, *strides)[-2:]
        drawn.append(say(left, top - 14, name, kind="code", anchor="start"))
        for i in range(rows):
            for j in range(columns):
                place = begin + i * down + j * across
                state = 0 if place in picked else None
                x, y = left + j * CELL, top + i * CELL
                drawn.append(cells(x, y, [(storage[place],)], "weight", state))
        under, walked = top + rows * CELL + 22, ", ".join(map(str, strides))
        drawn.append(say(left, under, f"{begins} {begin}", anchor="start"))
        drawn.append(say(left, under + 20, f"{steps} {walked}", anchor="start"))
        left += columns * CELL + 27
    drawn.append(say(0, bottom + 32, label("storage"), anchor="start"))
    for place in storage:
        state = 0 if place in picked else None
        drawn.append(cells(1 + place * CELL, bottom + 46, [(storage[place],)], "weight", state))
    return (360, bottom + 46 + CELL + 6), "".join(drawn)


DRAWINGS = {
    "rows-are-outputs": rows_are_outputs,
    "strides": strides,
    "gates": gates,
    "transposed-convolution": transposed_convolution,
    "norm-axes": norm_axes,
    "heads": heads,
    "checkpoint-file": checkpoint_file,
}


def draw(source, language, css_class, options, md, **_):
    """Return the figure of one fence; an unknown drawing or label, or a missing one, raises.

    It raises the one exception that superfences lets through to stop the build.
    """
    # BaseLoader: a label is text, whatever it looks like.
    labels = yaml.load(source, yaml.BaseLoader)
    if not isinstance(labels, dict):
        raise SuperFencesException(f"a figure is lines of 'key: value', not {source!r}")
    name = labels.pop("draw", None)
    if name not in DRAWINGS:
        raise SuperFencesException(
            f"no drawing is called {name!r}; there are {', '.join(DRAWINGS)}"
        )

    def label(key):
        if not labels.get(key):
            raise SuperFencesException(f"the drawing {name} needs the label {key!r}")
        return labels.pop(key)

    title, description = label("title"), label("description")
    caption = labels.pop("caption", "")
    (width, height), content = DRAWINGS[name](label)
    md.figures = getattr(md, "figures", 0) + 1
    id_ = f"figure-{md.figures}"
    drawn = (
        f'<svg viewBox="0 0 {width} {height}" role="img" '
        f'font-size="{TEXT}" aria-labelledby="{id_}-title {id_}-desc">'
        f'<title id="{id_}-title">{html.escape(title)}</title>'
        f'<desc id="{id_}-desc">{html.escape(description)}</desc>{content}</svg>'
    )
    data = ""
    if name == "rows-are-outputs":
        drawn = numbered(alive(drawn, label))
        arrays = html.escape(json.dumps({"W": W, "X": INPUTS, "B": B}, separators=(",", ":")))
        css_class += " living"
        data = f' data-search-exclude data-state="refused" data-arrays="{arrays}"'
    if labels:
        raise SuperFencesException(f"the drawing {name} has no label {', '.join(labels)}")
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="{css_class}"{data}>{drawn}{below}</figure>'
