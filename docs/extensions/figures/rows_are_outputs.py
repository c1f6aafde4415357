"""y = x @ W.T + b, alive where docs/theme/assets/living-figure.js is loaded.

Its labels may hold the numbers that change with its sizes: ``{out}``, ``{in}``, ``{row}``,
``{work}``.
"""

import html
import json
import re

import numpy as np
from pymdownx.superfences import SuperFencesException

from docs.extensions.figures.svg import MIDDLE, axis_across, axis_down, matrix, row, text
from docs.extensions.shapes import mark_up

# The figure at its largest; a smaller size takes the first of each.
# Where the weight is square, no number of x @ W is right by chance.
W = np.array(
    [
        [1, 0, 2, 0, 3, 3, 2, 0],
        [2, 0, 1, 0, 1, 2, 1, 3],
        [0, 1, 1, 3, 0, 3, 0, 1],
        [3, 1, 0, 3, 3, 3, 0, 3],
        [1, 2, 0, 2, 1, 0, 1, 3],
        [3, 0, 1, 3, 2, 1, 0, 3],
        [0, 2, 2, 1, 2, 1, 3, 2],
        [0, 1, 2, 2, 1, 0, 0, 0],
    ]
)
X = np.array([1, 2, 3, 1, 2, 3, 1, 2])
B = np.array([0, 4, 1, 2, 3, 1, 0, 2])
SIZES = {"out": 5, "in": 3}  # before anybody picks others
PICKED = 1  # the row that the drawing follows


def taken(sizes):
    """Return x, the weight, b and y of the figure at these sizes."""
    rows, columns = sizes["out"], sizes["in"]
    x, weight, b = X[:columns], W[:rows, :columns], B[:rows]
    return x, weight, b, x @ weight.T + b


def draw(label, sizes=SIZES, picked=PICKED):
    """Draw the arrays: x lies over the columns of W, each row of W makes one output.

    The script draws the other sizes, line by line as here.
    """
    rows, columns = sizes["out"], sizes["in"]
    x, weight, b, y = taken(sizes)
    # Cells fill the room that the largest weight needs; a row is 24 px high on a phone of 320 px.
    left, top, gap = 62, 72, 28
    width, height = min(48, 242 // (columns + 2)), min(48, 240 // rows)
    right, bottom = left + width * columns, top + height * rows
    bias, result = right + gap, right + gap + width + gap
    middle = top + height * (picked + 0.5) + MIDDLE
    stored = text(left, bottom + 22, label("W"), anchor="start", kind="name")
    drawn = [
        text(left - 17, 21.5, label("x"), anchor="end", kind="name in"),
        row(left, 1, x, "in", width=width, height=30),
        axis_across(left, right, top, "in", f"in = {columns}"),
        axis_down(left, top, bottom, "out", "out", f"= {rows}"),
        matrix(left, top, weight, "weight", picked, width, height),
        text(right + gap / 2, middle, "+"),
        matrix(bias, top, b[:, None], "weight", picked, width, height),
        text(result - gap / 2, middle, "="),
        matrix(result, top, y[:, None], "out", picked, width, height),
        text(bias + width / 2, top - 9, label("b"), kind="name"),
        text(result + width / 2, top - 9, label("y"), kind="name out"),
        numbered(stored, "tspan", sizes, picked),
    ]
    return 342, ["<g>", *drawn, "</g>"]


def counted(sizes, picked):
    """Return {name: text} of what the figure says in numbers."""
    x, weight, b, y = taken(sizes)
    return sizes | {
        "row": picked,
        "work": weight.size,
        "sum": " + ".join(f"{w}·{v}" for w, v in zip(weight[picked], x, strict=True)),
        "bias": b[picked],
        "made": y[picked],
        "right": y.tolist(),
        "wrong": [],  # there is none before the sizes agree
    }


def numbered(words, tag="span", sizes=SIZES, picked=PICKED):
    """Return HTML with an element that the script can fill in place of each {name} of a number."""
    now = counted(sizes, picked)
    hue = {"span": "axis ", "tspan": ""}[tag]

    def element(name):
        if name not in now:
            raise SuperFencesException(f"no number of a figure is called {name!r}")
        kind = f' class="{hue}{name}"' if name in sizes else ""
        return f'<{tag}{kind} data-n="{name}">{now[name]}</{tag}>'

    return re.sub(r"\{(\w+)\}", lambda match: element(match[1]), words)


def counted_in(words):
    """Return words with the numbers of the figure as it first is, for who sees no HTML."""
    now = counted(SIZES, PICKED)
    return re.sub(r"\{(\w+)\}", lambda match: str(now[match[1]]), words)


def refusal():
    """Return what NumPy says of x @ W, the two sizes as {out} and {in}."""
    try:
        np.ones(SIZES["in"]) @ np.ones((SIZES["out"], SIZES["in"]))
    except ValueError as error:
        said = f"{type(error).__name__}: {error}"
    return re.sub(r"size \d+ is different from \d+", "size {out} is different from {in}", said)


def shape(axes):
    """Return "(5 out, 3 in)", written as "(out, in)", as the pages show shapes."""
    sized = re.sub(r"out|in", lambda axis: f"{SIZES[axis[0]]} {axis[0]}", axes)
    return re.sub(r'class="axis (out|in)">\d+', r'class="axis \1">{\1}', mark_up(sized))


def attributes():
    """Return what the figure's element has for the script: its state and its arrays."""
    arrays = {"W": W.tolist(), "X": X.tolist(), "B": B.tolist()}
    data = html.escape(json.dumps(arrays, separators=(",", ":")))
    return f' data-search-exclude data-state="refused" data-arrays="{data}"'


def alive(svg, label):
    """Return the drawing with what picks a size and a row, and what comes of it.

    All of it is there before the script, and as high as at any size, so that nothing moves.
    """

    def words(key):
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
        f'<span data-when="{state}">{words(state)}</span>'
        for state in ("refused", "silent", "same")
    )
    return numbered(f"""<div><div class="drawn">{svg}
<div class="rows" role="radiogroup" aria-label="{words("rows")}">{rows}</div></div>
<output class="sum"><code>y[{{row}}] = W[{{row}}] · x + b[{{row}}]</code>
<code>= {{sum}} + {{bias}} = {{made}}</code></output></div>
<div><div class="sizes">{sizes}</div>
<div class="highlight right"><span class="needs">{words("right")}</span>
<code>y = x @ W.T + b</code>
<code class="shape">{shape("(in)")} @ {shape("(in, out)")} → {shape("(out)")}</code>
<span>{words("work")}</span>
<code class="numbers">{{right}}</code></div>
<div class="highlight wrong"><span class="needs">{words("wrong")}</span>
<code>y = x @ W + b</code>
<code class="shape">{shape("(in)")} @ {shape("(out, in)")}</code>
<output class="either">{verdicts}</output>
<div class="either"><code data-when="refused">{html.escape(refusal())}</code>
<code data-when="silent same">{{wrong}}</code></div></div></div>""")
