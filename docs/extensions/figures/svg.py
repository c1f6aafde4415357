"""What all drawings are made of: text, cells, axes, and the frame around them.

A class is a hue of docs/theme/assets/site.css or says what a cell is; ``picked`` cells are filled.
"""

import html

WIDTH = 360  # of every drawing, in its own units
CELL = 38  # side of one cell
TEXT = 16  # 12.8 px on a phone 320 px wide
MIDDLE = 5.5  # from the middle of a line of text down to its baseline


def text(x, y, words, *, kind="", anchor="middle"):
    """Return one line of text; x and y are its anchor and its baseline."""
    words = html.escape(str(words))
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">{words}</text>'


def cell(x, y, number, kind, picked=False, width=CELL, height=CELL):
    """Return one cell and the number in it."""
    kind = f"cell {kind}{' picked' if picked else ''}"
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" class="{kind}"/>' + text(
        x + width / 2, y + height / 2 + MIDDLE, number, kind=kind
    )


def row(left, top, numbers, kind, picked=False, width=CELL, height=CELL):
    """Return cells side by side."""
    return "".join(
        cell(left + j * width, top, number, kind, picked, width, height)
        for j, number in enumerate(numbers)
    )


def matrix(left, top, rows, kind, picked=None, width=CELL, height=CELL):
    """Return a matrix cell by cell, its row number picked filled."""
    return "".join(
        row(left, top + i * height, numbers, kind, i == picked, width, height)
        for i, numbers in enumerate(rows)
    )


def axis_across(left, right, top, kind, words):
    """Return the axis over a matrix that begins at top: a line along it, and its name."""
    y = top - 9
    line = f'<path class="{kind}" d="M{left} {y}H{right}"/>'
    return line + text((left + right) / 2, y - 9, words, kind=kind)


def axis_down(left, top, bottom, kind, *lines):
    """Return the axis beside a matrix that begins at left: a line along it, its name in lines."""
    first = (top + bottom) / 2 + MIDDLE - 9.5 * (len(lines) - 1)
    named = (
        text(left - 17, first + 19 * i, words, kind=kind, anchor="end")
        for i, words in enumerate(lines)
    )
    return f'<path class="{kind}" d="M{left - 9} {top}V{bottom}"/>' + "".join(named)


def svg(height, content, title, description, id_):
    """Return the whole drawing, which a screen reader knows by its title and its description."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-size="{TEXT}" aria-labelledby="{id_}-title {id_}-desc">'
        f'<title id="{id_}-title">{html.escape(title)}</title>'
        f'<desc id="{id_}-desc">{html.escape(description)}</desc>{content}</svg>'
    )
