"""The comments behind a page's examples are executed: shapes, and sums against what is printed."""

import builtins
import collections
import contextlib
import functools
import io
import math
import re
import tokenize

import numpy as np

from tests import SNIPPETS
from tests.arithmetic import UnreadableError, factors, singles, values
from tests.shape_comments import check_names

ASSIGNED = re.compile(r"^(\w+(?:, ?\w+)*) = ")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
AXIS = r"(?:\.\.\.|\d+|(?:\d+ \* )?[a-zA-Z_]\w*(?: \* [a-zA-Z_]\w*)*)"
SHAPE = re.compile(rf"\((?:{AXIS}, ?)*(?:{AXIS})?,?\)")
SHAPES = re.compile(rf"{SHAPE.pattern}(?:, {SHAPE.pattern})*(?=$|[,:;] | gives )")
COUNT = r"(?:[a-z_]+ (?:= )?)?\d+(?: \* \d+)*(?: [a-z_]+\d?)?"
COUNTED = re.compile(rf"{COUNT}(?:, {COUNT})*")
# The axes of the matrices that have a name of their own.
MATRICES = {
    "W": ("out_features", "in_features"),
    "weight": ("out_features", "in_features"),
    "weight_ih_l0": ("gates", "input_size"),
    "weight_hh_l0": ("gates", "hidden_size"),
}


def comments(source):
    """Return the comments of an example, without their signs."""
    return [t.string.lstrip("# ") for t in tokens_of(source) if t.type == tokenize.COMMENT]


def tokens_of(source):
    """Return the tokens of an example."""
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


def check(source, want, namespace, sizes, block=""):
    """Fail unless the comments of an example that has run say what came out.

    sizes holds the axes named so far in its block: a name keeps its size there, that of the block's
    layers and weights if these have one.
    """
    known = sizes_of(block or source, namespace)
    for comment in comments(source):
        if m := SHAPES.match(comment):
            told = [shape.strip("()").rstrip(",") for shape in SHAPE.findall(m[0])]
            shapes = [[axis.strip() for axis in shape.split(",")] for shape in told]
            if any(re.search("[a-zA-Z]", shape) for shape in told):
                results = made(source, namespace, len(shapes))
                check_shapes(shapes, results, sizes, comment, known)
                continue
        if COUNTED.fullmatch(comment.strip("()")) and ASSIGNED.match(source):
            parts = comment.split(", ")
            told = tuple(math.prod(map(int, re.findall(r"\b\d+", part))) for part in parts)
            for value in made(source, namespace, 1):
                assert np.shape(value) == told, f"{np.shape(value)}: the comment says {comment}"
            labels = re.findall(r"[a-z_]+\d?", comment)
            assert len(set(labels)) == len(labels), f"{comment}: one name for two axes"
            assert "height" not in labels or "width" in labels, f"{comment}: what is its width?"
        else:
            check_sums(comment, want)
            check_factors(comment, source, namespace)
            check_singles(comment, source, want, namespace)


def sizes_of(block, namespace):
    """Return {axis: sizes} of what a block names: a layer's, a configuration's, a weight's."""
    found = collections.defaultdict(set)
    for name in {*IDENTIFIER.findall(block), "config"} & namespace.keys():
        held = namespace[name]
        tensors = held if isinstance(held, dict) else {name: held}
        for tensor in tensors.keys() & MATRICES.keys():
            shape = np.shape(tensors[tensor])
            if len(shape) == 2:
                for axis, size in zip(MATRICES[tensor], shape, strict=True):
                    found[axis].add(size)
        layers = held.modules() if is_layer(held) else []
        for told in [vars(layer) for layer in layers] + [held] * isinstance(held, dict):
            for axis, size in told.items():
                if type(size) is int:
                    found[axis].add(size)
    return found


def is_layer(value):
    """Return whether a value is a module of PyTorch."""
    return hasattr(value, "named_modules") and not isinstance(value, type)


def made(source, namespace, shapes):
    """Return what an example assigns, or what it shows."""
    if m := ASSIGNED.match(source):
        return [namespace[name.strip()] for name in m[1].split(",")]
    shown = builtins._
    return list(shown) if shapes > 1 else [shown]


def check_shapes(shapes, results, sizes, comment, known):
    """Fail unless each result has the shape that its comment says."""
    shapes = shapes * len(results) if len(shapes) == 1 else shapes
    assert len(shapes) == len(results), f"{len(results)} results, the comment says {comment}"
    for shape, result in zip(shapes, results, strict=True):
        given = shape_of(result)
        if "..." in shape:
            given, shape = given[len(given) - len(shape) + 1 :], shape[1:]
        assert len(given) == len(shape), f"{given}: the comment says {comment}"
        check_names(shape)
        alone = "time" in shape and not {"batch", "sample"} & set(shape)
        assert not alone or tuple(shape) in layouts(), f"no recipe has {shape}: which axis is it?"
        for axis, size in zip(shape, given, strict=True):
            times, _, name = axis.rpartition(" * ")
            if axis.isdecimal():
                assert int(axis) == size, f"{given}: {comment}"
                continue
            if times.isdecimal():
                axis, (size, rest) = name, divmod(size, int(times))
                assert not rest, f"{given}: {comment}"
            assert sizes.setdefault(axis, size) == size, f"{axis} is {size}, was {sizes[axis]}"
            told = known.get(axis, {size})
            assert size in told, f"{axis} is {size}, that of the layer is {told}"
            others = {name for name in known if name.endswith("_size")}
            assert not axis.endswith("_size") or axis in (others or {axis}), f"{axis}: {others}"
    assert len(set(sizes.values())) == len(sizes), f"{sizes}: equal sizes hide a swap"


@functools.cache
def layouts():
    """Return the shapes, as tuples of names, in the comments and docstrings of the snippets."""
    found = [shape for path in SNIPPETS for shape in SHAPE.findall(path.read_text("utf-8"))]
    return {tuple(re.split(", ?", shape.strip("()"))) for shape in found}


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
    if not IDENTIFIER.search(re.sub(r"\b(?:and|wrong)\b", "", comment)):  # nothing but sums
        shown = shown[: len(sums)]
    left = iter(shown)
    for value in sums:
        there = any(abs(value - n) <= near for n in left)
        assert there, f"{comment}: {value} is not in {want}, or in another order"


def check_factors(comment, source, namespace):
    """Fail unless the numbers that a comment multiplies and adds stand side by side in an array.

    So what is multiplied by 0, which no sum tells, is true as well.
    """
    sums = list(factors(comment))
    arrays = arrays_of([magnitudes(source.partition("#")[0]), *namespace.values()] if sums else [])
    for sides in zip(*sums, strict=True):
        assert any(
            all(has_line(array, axis, side) for side in sides)
            for array in arrays
            for axis in range(array.ndim)
        ), f"{comment}: where is {sides}?"


def arrays_of(values):
    """Return the small arrays that some values are or hold."""
    found = []
    for value in values:
        if isinstance(value, dict):
            found += arrays_of(value.values())
        elif is_layer(value):
            found += arrays_of(value.state_dict().values())
        elif isinstance(value, np.ndarray | list) or type(value).__name__ in (
            "Tensor",
            "Parameter",
        ):
            with contextlib.suppress(TypeError, ValueError):
                found.append(np.asarray(getattr(value, "detach", lambda v=value: v)(), float))
    return [array for array in found if 0 < array.size < 1000]


def has_line(array, axis, numbers):
    """Return whether some numbers stand side by side along an axis of an array."""
    if array.shape[axis] < len(numbers):
        return False
    lines = np.lib.stride_tricks.sliding_window_view(array, len(numbers), axis)
    return bool(np.isclose(lines, numbers).all(-1).any())


def check_singles(comment, source, want, namespace):
    """Fail unless all other numbers stand so, side by side, in code, result or its shape."""
    names = [name for m in [ASSIGNED.match(source)] if m for name in m[1].split(", ")]
    code = "".join(t.string + " " for t in tokens_of(source) if t.type != tokenize.COMMENT)
    shapes = [np.shape(namespace[name]) for name in names]
    told = [float(n) for n in singles(comment)]
    there = [magnitudes(text) for text in (code, want, str(shapes))]
    runs = [numbers[i : i + len(told)] for numbers in there for i in range(len(numbers) + 1)]
    assert told in runs, f"{comment!r} is neither code nor result"


def magnitudes(text):
    """Return the numbers in a text, without their signs."""
    return [abs(float(n)) for n in NUMBER.findall(text)]
