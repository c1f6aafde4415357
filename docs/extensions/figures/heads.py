"""in_proj_weight of an attention: blocks of rows q, k and v, each cut into heads."""

import numpy as np

from docs.extensions.figures.svg import CELL, MIDDLE, axis_across, axis_down, cell, row, text

# An attention with 4 features in 2 heads; the drawing follows head 1 of q.
X = np.array([1, 2, 3, 1])
W = np.array(
    [
        *([1, 0, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 2, 0]),
        *([0, 1, 1, 0], [2, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1]),
        *([3, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 0], [0, 2, 1, 0]),
    ]
)
HEADS = 2
PICKED = 1


def draw(label):
    """Draw the blocks of rows, and what they give."""
    left, top, narrow, wide = 40, 112, 6, 20
    size = len(X) // HEADS
    right = left + CELL * len(X)
    result = right + 44
    made = W @ X
    drawn = [
        text(left, 18, label("x"), anchor="start", kind="in"),
        row(left, 28, X, "in"),
        axis_across(left, right, top, "in", f"in = {len(X)}"),
    ]
    head, y = label("head"), top
    for k, name in enumerate("qkv"):
        start = y
        for h in range(HEADS):
            picked = (k, h) == (0, PICKED)
            kind = "weight hidden" if picked else "weight"
            first = (k * HEADS + h) * size
            for n in range(first, first + size):
                drawn += [
                    row(left, y, W[n], kind, picked),
                    cell(result, y, made[n], "hidden", picked),
                ]
                y += CELL
            middle = y - CELL * size / 2 + MIDDLE
            drawn += [
                text((right + result) / 2, middle, "="),
                text(result + CELL + 10, middle, f"{head} {h}", anchor="start"),
            ]
            y += narrow
        y -= narrow
        drawn.append(axis_down(left, start, y, "hidden", name))
        y += wide
    first, last = PICKED * size, (PICKED + 1) * size
    numbers = ", ".join(map(str, made[first:last]))
    code = f"q[{first}:{last}] = W[{first}:{last}] @ x = {numbers}"
    drawn += [
        text(left, y + 10, label("W"), anchor="start"),
        text(0, y + 52, code, kind="code", anchor="start"),
    ]
    return y + 62, drawn
