"""The text of a function: its lines, none too long."""

import ast
import re

from .lines import shape_text, text_of
from .loops import rolled

WIDTH = 100


def function_lines(function):
    """Return the lines of a function, equal ones in loops."""
    texts = [text_of(statement) for statement in function.body]
    used = {getattr(node, "id", "") for s in function.body for node in ast.walk(s)}
    index = "k"
    while index in used | {*function.params}:  # forward(q, k, v)
        index += "_"
    if isinstance(getattr(function.body[-1], "value", None), ast.Tuple):
        texts[-1] = re.sub(r"^return \((.+, .+)\)$", r"return \1", texts[-1])
    said = [", ".join(map(shape_text, shapes)) for shapes in function.shapes]
    said = [a if a != b else "" for a, b in zip(said, ["", *said], strict=False)]
    said = ["" if comment in text else comment for comment, text in zip(said, texts, strict=True)]
    params = [f"{p}={d[p]!r}" if p in (d := function.defaults) else p for p in function.params]
    lines = wrapped(f"def {function.name}({', '.join(params)}):", "")
    for indent, text, comment in rolled(texts, said, index):
        lines += wrapped(" " * indent + text, f"  # {comment}" if comment else "")
    return lines


def wrapped(text, comment):
    """Return a statement in lines that are not too long: what its last call is given, indented."""
    indent = " " * (len(text) - len(text.lstrip()))
    place = longest(text)
    if len(text + comment) <= WIDTH or not place:
        return [text + comment]
    start, end = place
    inner, after = text[start + 1 : end], wrapped(indent + text[end:], comment)
    if len(indent + inner) + 4 <= WIDTH:
        return [text[: start + 1], f"{indent}    {inner}", *after]
    parts, deep, begun = [], 0, 0
    for i, letter in enumerate(bare(inner)):
        deep += (letter in "([{") - (letter in ")]}")
        if letter == "," and not deep:
            parts.append(inner[begun:i].strip())
            begun = i + 1
    comma = "," if parts else ""  # with one, (a + b) would be a tuple
    parts += [inner[begun:].strip()] if inner[begun:].strip() else []
    cut = [line for part in parts for line in wrapped(f"{indent}    {part}{comma}", "")]
    return [text[: start + 1], *cut, *after]


def longest(text):
    """Return where the longest of the outermost brackets opens and closes; () without any.

    Those of ``w["a"]`` and of ``f(x)`` are not worth a line, nor is one that opens beyond WIDTH
    if another one does not. One that an earlier line opened is none.
    """
    pairs, deep, start, text = [], 0, 0, bare(text)
    for i, letter in enumerate(text):
        if letter in ")]}" and not deep:
            continue
        start = i if letter in "([{" and not deep else start
        deep += (letter in "([{") - (letter in ")]}")
        if letter in ")]}" and not deep and re.search(r"\W", text[start + 1 : i]):
            pairs.append((i - start, start, i))
    near = [pair for pair in pairs if pair[1] < WIDTH]
    return max(near or pairs, default=())[1:]


def bare(text):
    """Return a text with the letters of its strings, which may be brackets, changed into others."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda match: "s" * len(match[0]), text)
