"""The two parts of a checkpoint: three tensors in its pickle, one storage in its data."""

from docs.extensions.figures.svg import CELL, cell, text

# What the pickle says of three tensors: where each begins, its shape, its strides.
VIEWS = {"W": (0, (2, 3), (3, 1)), "turned": (0, (3, 2), (1, 3)), "row": (3, (3,), (1,))}
STORAGE = range(6)
PICKED = {3, 4, 5}  # the places that all three tensors read


def draw(label):
    """Draw the tensors above the storage that they read."""
    top, left = 78, 1  # half a line, so that the edge shows
    bottom = top + 3 * CELL + 56
    begins, steps = label("begin"), label("step")
    drawn = [text(0, 22, label("pickle"), anchor="start")]
    for name, (begin, shape, strides) in VIEWS.items():
        rows, columns = (1, *shape)[-2:]
        down, across = (0, *strides)[-2:]
        drawn.append(text(left, top - 14, name, kind="code", anchor="start"))
        for i in range(rows):
            for j in range(columns):
                place = begin + i * down + j * across
                x, y = left + j * CELL, top + i * CELL
                drawn.append(cell(x, y, STORAGE[place], "weight", place in PICKED))
        under, walked = top + rows * CELL + 22, ", ".join(map(str, strides))
        drawn.append(text(left, under, f"{begins} {begin}", anchor="start"))
        drawn.append(text(left, under + 20, f"{steps} {walked}", anchor="start"))
        left += columns * CELL + 27
    drawn.append(text(0, bottom + 32, label("storage"), anchor="start"))
    for place, number in enumerate(STORAGE):
        drawn.append(cell(1 + place * CELL, bottom + 46, number, "weight", place in PICKED))
    return bottom + 46 + CELL + 6, drawn
