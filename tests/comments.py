"""The comments behind a page's examples are executed: shapes, and sums against what is printed."""

import builtins
import collections
import io
import math
import re
import tokenize

import numpy as np

from tests.arithmetic import UnreadableError, singles, values

ASSIGNED = re.compile(r"^(\w+(?:, ?\w+)*) = ")
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
AXIS = r"(?:\.\.\.|\d+|(?:\d+ \* )?[a-zA-Z_]\w*(?: \* [a-zA-Z_]\w*)*)"
SHAPE = re.compile(rf"\((?:{AXIS}, ?)*(?:{AXIS})?,?\)")
SHAPES = re.compile(rf"{SHAPE.pattern}(?:, {SHAPE.pattern})*(?=$|[,:;] | gives )")
COUNT = r"(?:[a-z_]+ (?:= )?)?\d+(?: \* \d+)*(?: [a-z_]+)?"
COUNTED = re.compile(rf"{COUNT}(?:, {COUNT})*")


def comments(source):
    """Return the comments of an example, without their signs."""
    return [t.string.lstrip("# ") for t in tokens_of(source) if t.type == tokenize.COMMENT]


def tokens_of(source):
    """Return the tokens of an example."""
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


def check(source, want, namespace, sizes, layer=None):
    """Fail unless the comments of an example that has run say what came out.

    sizes holds the axes named so far in its block: a name keeps its size there, that of the block's
    layer if that has one.
    """
    for comment in comments(source):
        if m := SHAPES.match(comment):
            told = [shape.strip("()").rstrip(",") for shape in SHAPE.findall(m[0])]
            shapes = [[axis.strip() for axis in shape.split(",")] for shape in told]
            if any(re.search("[a-zA-Z]", shape) for shape in told):
                results = made(source, namespace, len(shapes))
                check_shapes(shapes, results, sizes, comment, layer)
                continue
        if COUNTED.fullmatch(comment.strip("()")) and ASSIGNED.match(source):
            factors = [map(int, re.findall(r"\d+", part)) for part in comment.split(", ")]
            told = tuple(map(math.prod, factors))
            for value in made(source, namespace, 1):
                assert np.shape(value) == told, f"{np.shape(value)}: the comment says {comment}"
        else:
            check_sums(comment, want)
            check_singles(comment, source, want, namespace)


def made(source, namespace, shapes):
    """Return what an example assigns, or what it shows."""
    if m := ASSIGNED.match(source):
        return [namespace[name.strip()] for name in m[1].split(",")]
    shown = builtins._
    return list(shown) if shapes > 1 else [shown]


def check_shapes(shapes, results, sizes, comment, layer):
    """Fail unless each result has the shape that its comment says."""
    shapes = shapes * len(results) if len(shapes) == 1 else shapes
    assert len(shapes) == len(results), f"{len(results)} results, the comment says {comment}"
    for shape, result in zip(shapes, results, strict=True):
        given = shape_of(result)
        if "..." in shape:
            given, shape = given[len(given) - len(shape) + 1 :], shape[1:]
        assert len(given) == len(shape), f"{given}: the comment says {comment}"
        assert not {"time"} < {"time", "height", "width"} & set(shape), f"no image has {shape}"
        for axis, size in zip(shape, given, strict=True):
            if axis.isdecimal():
                assert int(axis) == size, f"{given}: {comment}"
            else:
                assert sizes.setdefault(axis, size) == size, f"{axis} is {size}, was {sizes[axis]}"
                told = getattr(layer, axis, size)
                assert told == size, f"{axis} is {size}, that of the layer is {told}"
    assert len(set(sizes.values())) == len(sizes), f"{sizes}: equal sizes hide a swap"


def shape_of(result):
    """Return the shape of an array, or the shape that was shown itself."""
    shape = tuple(getattr(result, "shape", None) or np.shape(result))
    is_shape = isinstance(result, tuple) and all(isinstance(n, int) for n in result)
    return tuple(result) if is_shape else shape


def check_sums(comment, want):
    """Fail unless what the sums of a comment come to is printed."""
    try:
        sums = values(comment) if want else []
    except UnreadableError:
        sums = []
    shown = [float(n) for n in NUMBER.findall(want)]
    digits = max((len(n.partition(".")[2]) for n in NUMBER.findall(want)), default=0)
    near = 0.51 * 10.0**-digits if digits else 1e-9
    left = iter(shown)
    for value in sums:
        there = any(abs(value - n) <= near for n in left)
        assert there, f"{comment}: {value} is not in {want}, or in another order"


def check_singles(comment, source, want, namespace):
    """Fail unless all other numbers are the code's, what came out, or its shape, once each."""
    names = [name for m in [ASSIGNED.match(source)] if m for name in m[1].split(", ")]
    code = "".join(t.string + " " for t in tokens_of(source) if t.type != tokenize.COMMENT)
    shapes = [np.shape(namespace[name]) for name in names]
    told = collections.Counter(map(float, singles(comment)))
    there = [collections.Counter(magnitudes(text)) for text in (code, want, str(shapes))]
    assert any(told <= numbers for numbers in there), f"{comment!r} is neither code nor result"


def magnitudes(text):
    """Return the numbers in a text, without their signs."""
    return [abs(float(n)) for n in NUMBER.findall(text)]
