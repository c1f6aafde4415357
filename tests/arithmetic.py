"""Arithmetic that a reader sees is evaluated: in prose, cells and comments, in both languages."""

import ast
import math
import operator
import re

import numpy as np

SIGNS = str.maketrans(
    dict(zip("·×−÷，、（）＝√", ["*", "*", "-", "/", *",,()=", "sqrt"], strict=True))
)
POWERS = str.maketrans({"⁰": "**0", "¹": "**1", "²": "**2", "³": "**3"})
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
FUNCTIONS = {
    "max": max,
    "min": min,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "tanh": math.tanh,
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
}
TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)*(?:e-?\d+)?)|(?P<word>[^\W\d]+(?:_\w+)*)"
    r"|(?P<sign>\*\*|//|[-+*/%(),])|(?P<equals>=+)|(?P<space>[ \n]+)|(?P<other>.)",
    re.S,
)


class UnreadableError(Exception):
    """A text that is no expression of numbers."""


def tokens(text):
    """Return [(kind, text)] of a text; a word behind a number says what is counted."""
    found, depth = [], 0
    for m in TOKEN.finditer(text.translate(SIGNS).translate(POWERS)):
        kind, token = m.lastgroup, m[0]
        depth += (token == "(") - (token == ")")
        if token == "," and depth <= 0:
            kind = "other"  # it ends an expression, and begins the next
        if kind == "word" and token in FUNCTIONS:
            kind = "sign"
        elif kind == "word":
            before = next((k for k, _ in reversed(found) if k != "space"), None)
            kind = "unit" if before == "number" and token != "and" else "other"
        found.append((kind, token))
    return found


def value(side):
    """Return the number, or the array of a tuple, that tokens stand for."""
    text = "".join(token for kind, token in side if kind in ("number", "sign", "space"))
    unit = next((UNITS[token] for kind, token in side if kind == "unit" and token in UNITS), 1)
    try:
        return unit * evaluated(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, KeyError, TypeError) as error:
        raise UnreadableError(text) from error


def evaluated(node):
    """Return the value of a tree of numbers, signs and the functions above."""
    match node:
        case ast.Constant(int() | float() as number):
            return number
        case ast.Tuple(axes):
            return np.array([evaluated(axis) for axis in axes])
        case ast.UnaryOp(op, of):
            return OPERATIONS[type(op)](evaluated(of))
        case ast.BinOp(left, op, right):
            return OPERATIONS[type(op)](evaluated(left), evaluated(right))
        case ast.Call(ast.Name(name), given):
            return FUNCTIONS[name](*map(evaluated, given))
    raise UnreadableError(ast.unparse(node))


def longest(side, from_left):
    """Return the tokens of the longest expression that ends (or begins) at one end of a list."""
    while side:
        try:
            value(side)
        except UnreadableError:
            side = side[1:] if from_left else side[:-1]
        else:
            return side
    raise UnreadableError


def equations(text):
    """Yield (text, left, right) of what a text sets equal, both sides as tokens."""
    found, sides = tokens(text), [[]]
    for kind, token in found:
        if kind == "equals":
            sides.append([])
        else:
            sides[-1].append((kind, token))
    for i in range(len(sides) - 1):
        left, right = sides[i], sides[i + 1]
        stops = [j for j, (kind, _) in enumerate(left) if kind == "other"]
        if stops and left[stops[-1]][1] == ":" and before_is_number(left, stops[-1]):
            continue  # a ratio
        left = left[stops[-1] + 1 :] if stops else left
        stops = [j for j, (kind, _) in enumerate(right) if kind == "other"]
        right = right[: stops[0]] if stops else right
        try:
            left, right = longest(left, from_left=True), longest(right, from_left=False)
        except UnreadableError:
            continue
        if summed(left) or summed(right) or any(t in FUNCTIONS for _, t in left + right):
            yield "".join(t for _, t in [*left, ("", " = "), *right]), left, right


def before_is_number(side, place):
    """Return whether the last token before a place, blanks left out, is a number."""
    return [kind for kind, _ in side[:place] if kind != "space"][-1:] == ["number"]


def precision(side):
    """Return half of the last digit that is shown: 0 of an integer."""
    numbers = [token for kind, token in side if kind == "number"]
    if len(numbers) > 1 or "." not in numbers[-1]:
        return 0
    return 0.51 * 10.0 ** -len(numbers[-1].partition(".")[2])


def agree(left, right):
    """Return whether two sides are equal, to the last digit of a single number."""
    a, b = value(left), value(right)
    near = max(precision(left), precision(right))
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-9, atol=near)


def false_equations(text):
    """Return the equations in a text that do not hold."""
    return [said for said, left, right in equations(text) if not agree(left, right)]


def values(comment):
    """Return the values of the sums in a comment, in order; what is set equal is left out.

    A number between sums counts, too, if there is nothing else: 2 - 1, -10, -60 - 60.
    """
    found, part, equal = [], [], False
    pure = not re.search(r"[^\W\d]", re.sub(r"\b(?:and|wrong)\b", "", comment))
    for kind, token in [*tokens(comment), ("other", "")]:
        if kind not in ("other", "equals"):
            part.append((kind, token))
            continue
        if kind == "other" and not equal and (summed(part) or (pure and found and numbered(part))):
            found += np.ravel(value(longest(part, from_left=True))).tolist()
        part, equal = [], kind == "equals"
    return found


def numbered(side):
    """Return whether a number is among some tokens."""
    return any(kind == "number" for kind, _ in side)


def singles(comment):
    """Return the numbers in a comment that stand alone: in no sum, and set equal to none."""
    found, part, left = [], [], []
    unnamed = re.sub(r"[A-Za-z_]\w*\d\w*", "_", comment)  # no number of float64
    for kind, token in [*tokens(unnamed), ("other", "")]:
        if kind not in ("other", "equals"):
            part.append((kind, token))
            continue
        numbers = [t for k, t in part if k == "number"]
        found += [] if summed(part) or left else numbers
        left, part = (numbers if kind == "equals" else []), []
    return found


def summed(side):
    """Return whether tokens have a sign between two numbers."""
    text = "".join(token for kind, token in side if kind in ("number", "sign"))
    return re.search(r"[\d)](?:\*\*|//|[-+*/%])", text) is not None


def factors(comment):
    """Yield ([2, 0, 1], [1, 2, 3]) for each 2*1 + 0*2 + 1*3 of a comment."""
    sides = r"\d+(?:\.\d+)?"
    product = rf"({sides}) ?\* ?({sides})"
    for m in re.finditer(rf"(?<![\w.*(] )(?<![\w.*(]){product}(?: \+ {product})+", comment):
        pairs = re.findall(product, m[0])
        yield tuple([float(pair[side]) for pair in pairs] for side in (0, 1))
