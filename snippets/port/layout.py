"""The text of a function: its lines, none too long."""

import ast
import re

from .lines import shape_text, text_of
from .loops import rolled

WIDTH = 100


def function_lines(function):
    """Return the lines of a function, equal ones in loops."""
    texts = [text_of(statement) for statement in function.body]
    if isinstance(getattr(function.body[-1], "value", None), ast.Tuple):
        texts[-1] = re.sub(r"^return \((.+, .+)\)$", r"return \1", texts[-1])
    said = [", ".join(map(shape_text, shapes)) for shapes in function.shapes]
    said = [a if a != b else "" for a, b in zip(said, ["", *said], strict=False)]
    lines = [f"def {function.name}({', '.join(function.params)}):"]
    for indent, text, comment in rolled(texts, said):
        lines += wrapped(" " * indent + text, f"  # {comment}" if comment else "")
    return lines


def wrapped(text, comment):
    """Return a statement in lines that are not too long: what its last call is given, indented."""
    indent = " " * (len(text) - len(text.lstrip()))
    if len(text + comment) <= WIDTH or "(" not in text:
        return [text + comment]
    start, end = longest(text)
    inner, after = text[start + 1 : end], text[end:] + comment
    if len(indent + inner) + 4 <= WIDTH:
        return [text[: start + 1], f"{indent}    {inner}", f"{indent}{after}"]
    parts, deep, begun = [], 0, 0
    for i, letter in enumerate(inner):
        deep += (letter in "([{") - (letter in ")]}")
        if letter == "," and not deep:
            parts.append(inner[begun:i].strip())
            begun = i + 1
    parts.append(inner[begun:].strip())
    cut = [line for part in parts for line in wrapped(f"{indent}    {part},", "")]
    return [text[: start + 1], *cut, f"{indent}{after}"]


def longest(text):
    """Return where the longest of the outermost brackets opens and closes."""
    pairs, deep, start = [], 0, 0
    for i, letter in enumerate(text):
        start = i if letter in "([{" and not deep else start
        deep += (letter in "([{") - (letter in ")]}")
        if letter in ")]}" and not deep:
            pairs.append((i - start, start, i))
    return max(pairs)[1:]
