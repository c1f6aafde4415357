"""A transposed convolution: each number of x stamps the kernel, and the stamps add up."""

from docs.extensions.figures.svg import CELL, MIDDLE, cell, row, text

# One channel of 3 numbers, a kernel of 3, a stride of 2; the drawing follows one output.
X = (1, 2, 3)
KERNEL = (1, 4, 2)
STRIDE = 2
PICKED = 4


def draw(label):
    """Draw one line for each number of x, the kernel times it at its place, and their sums."""
    columns = (len(X) - 1) * STRIDE + len(KERNEL)
    # {column: number} of each stamp.
    stamps = [{i * STRIDE + u: v * w for u, w in enumerate(KERNEL)} for i, v in enumerate(X)]
    y = {j: sum(stamp.get(j, 0) for stamp in stamps) for j in range(columns)}
    left, grid, top = 16, 86, 106
    bottom = top + CELL * len(X) + 20

    def line(numbers, top, kind):
        """Draw numbers in their columns, the one that the drawing follows filled."""
        return "".join(
            cell(grid + CELL * j, top, number, kind, j == PICKED) for j, number in numbers.items()
        )

    drawn = [
        text(grid - 14, 28 + CELL / 2 + MIDDLE, label("w"), anchor="end"),
        row(grid, 28, KERNEL, "weight"),
        text(left + CELL / 2, top - 12, label("x"), kind="in"),
    ]
    for i, stamp in enumerate(stamps):
        y_i = top + CELL * i
        drawn += [
            cell(left, y_i, X[i], "in"),
            text((left + CELL + grid) / 2 - 1, y_i + CELL / 2 + MIDDLE, "· w"),
            line(stamp, y_i, "weight"),
        ]
    drawn += [
        text(grid - 14, bottom + CELL / 2 + MIDDLE, label("y"), kind="out", anchor="end"),
        line(y, bottom, "out"),
    ]
    met = [(i, PICKED - i * STRIDE) for i, stamp in enumerate(stamps) if PICKED in stamp]
    names = " + ".join(f"x[{i}]·w[{u}]" for i, u in met)
    numbers = " + ".join(f"{X[i]}·{KERNEL[u]}" for i, u in met)
    under = bottom + CELL
    drawn += [
        text(0, under + 42, f"y[{PICKED}] = {names}", kind="code", anchor="start"),
        text(5 * 9.6, under + 67, f"= {numbers} = {y[PICKED]}", kind="code", anchor="start"),
    ]
    return under + 82, drawn
