"""A weight, its transpose, and the memory that both read."""

import numpy as np

from docs.extensions.figures.svg import CELL, axis_across, axis_down, cell, matrix, text

W = np.array([[1, 2, 3], [4, 5, 6]], np.int64)
PICKED = 1  # the row that the drawing follows, a column of the transpose


def draw(label):
    """Draw W, W.T and their memory, with the bytes of each step."""
    steps = {"out": f"+{W.strides[0]}", "in": f"+{W.strides[1]}"}
    out, columns = W.shape
    top, left, right = 74, 62, 248
    memory = top + CELL * columns + 64

    def axes(x, across, down):
        """Draw the two axes of a matrix at x, each with its name and its step."""
        (over, width), (side, height) = across, down
        return axis_across(x, x + CELL * width, top, over, f"{over} {steps[over]}") + axis_down(
            x, top, top + CELL * height, side, side, steps[side]
        )

    drawn = [
        text(left, 22, label("W"), anchor="start"),
        axes(left, ("in", columns), ("out", out)),
        matrix(left, top, W, "weight", PICKED),
        text(right, 22, label("W.T"), anchor="start"),
        axes(right, ("out", out), ("in", columns)),
        text(left, memory - 12, label("memory"), anchor="start"),
        text(left - 9, memory + CELL + 22, label("byte"), anchor="end"),
    ]
    for place, number in enumerate(W.flat):
        i, j = divmod(place, columns)
        x = left + CELL * place
        drawn += [
            cell(right + CELL * i, top + CELL * j, number, "weight", i == PICKED),
            cell(x, memory, number, "weight", i == PICKED),
            text(x + CELL / 2, memory + CELL + 22, place * W.itemsize),
        ]
    return memory + CELL + 34, drawn
