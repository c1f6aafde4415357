"""A weight as one block of rows a gate, and what each block makes of x."""

import numpy as np

from docs.extensions.figures.svg import CELL, MIDDLE, axis_across, axis_down, cell, row, text

X = np.array([1, 2, 3])
# The gates of a layer with 2 hidden units and 3 inputs; the drawing follows the third one.
HIDDEN = 2
W = np.array(
    [[1, 0, 1], [0, 2, 0], [1, 1, 0], [2, 0, 1], [0, 0, 3], [1, 2, 0], [3, 0, 0], [0, 1, 1]]
)
PICKED = 2


def draw(label):
    """Draw the blocks; the label gates names them in their order, "i f g o".

    Each name has a label of its own.
    """
    names = label("gates").split()
    made = W @ X
    left, top, gap = 40, 112, 12
    right = left + CELL * len(X)
    result = right + 44
    drawn = [
        text(left, 18, label("x"), anchor="start", kind="in"),
        row(left, 28, X, "in"),
        axis_across(left, right, top, "in", f"in = {len(X)}"),
    ]
    for k, name in enumerate(names):
        rows = range(k * HIDDEN, (k + 1) * HIDDEN)
        y = top + k * (CELL * HIDDEN + gap)
        middle = y + CELL * HIDDEN / 2 + MIDDLE
        picked = k == PICKED
        kind = "weight hidden" if picked else "weight"
        drawn += [
            axis_down(left, y, y + CELL * HIDDEN, "hidden", name),
            text((right + result) / 2, middle, "="),
            *(row(left, y + i * CELL, W[n], kind, picked) for i, n in enumerate(rows)),
            *(cell(result, y + i * CELL, made[n], "hidden", picked) for i, n in enumerate(rows)),
            text(result + CELL + 10, middle, label(name), anchor="start"),
        ]
    bottom = top + len(names) * (CELL * HIDDEN + gap)
    first, last = PICKED * HIDDEN, (PICKED + 1) * HIDDEN
    numbers = ", ".join(map(str, made[first:last]))
    drawn += [
        text(left, bottom + 14, label("W"), anchor="start"),
        text(0, bottom + 56, f"W[{first}:{last}] @ x = {numbers}", kind="code", anchor="start"),
    ]
    return bottom + 66, drawn
