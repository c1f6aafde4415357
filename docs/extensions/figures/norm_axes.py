"""Which numbers of two samples the mean of a norm is over."""

import numpy as np

from docs.extensions.figures.svg import CELL, axis_across, axis_down, row, text

# Two samples of 4 rows and 3 columns; each norm takes one mean over the numbers of its picks.
SAMPLES = np.array(
    [
        [[9, 4, 5], [4, 0, 8], [5, 1, 0], [2, 6, 4]],
        [[0, 3, 3], [2, 0, 4], [7, 1, 1], [3, 5, 4]],
    ]
)
PICKS = {  # name: (the picks in code, their samples, their rows)
    "batch": ("x[:, 1]", (0, 1), (1,)),
    "group": ("x[0, 0:2]", (0,), (0, 1)),
    "instance": ("x[0, 1]", (0,), (1,)),
    "layer": ("x[0, 1]", (0,), (1,)),
}


def draw(label):
    """Draw the samples; the label norm is one of PICKS, rows and columns name their axes."""
    norm = label("norm")
    code, samples, rows = PICKS[norm]
    # The channels are rows, but the features of a LayerNorm are the last axis.
    down, across = ("batch", "out") if norm == "layer" else ("out", "batch")
    left, top, gap = 104, 68, 24
    height, width = (CELL * size for size in SAMPLES.shape[1:])
    sample_name, rows_name, columns_name = label("sample"), label("rows"), label("columns")
    drawn = [axis_down(left, top, top + height, down, rows_name, f"= {SAMPLES.shape[1]}")]
    for n, sample in enumerate(SAMPLES):
        x = left + n * (width + gap)
        drawn += [
            text(x + width / 2, 18, f"{sample_name} {n}"),
            axis_across(x, x + width, top, across, f"{columns_name} = {SAMPLES.shape[2]}"),
            *(
                row(x, top + i * CELL, numbers, "out", n in samples and i in rows)
                for i, numbers in enumerate(sample)
            ),
        ]
    picked = SAMPLES[np.ix_(samples, rows)]
    mean = f"{code}.mean() = {picked.sum()} / {picked.size} = {picked.sum() // picked.size}"
    drawn.append(text(0, top + height + 40, mean, kind="code", anchor="start"))
    return top + height + 52, drawn
