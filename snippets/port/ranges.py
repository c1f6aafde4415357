"""Masks and positions of any size as a person writes them: by what is known of each range.

torch.export writes ``mask[batch, positions]`` with an ``arange`` for each axis, and compares
``arange`` with ``arange``: what that is for every size, is seen from where the ranges start.
"""

import ast
from dataclasses import dataclass, replace

import numpy as np

from .lines import call, is_call, text_of, values_in
from .operations import numpy_dtype
from .run import Renamed, size_tree


@dataclass(frozen=True)
class Range:
    """The numbers start, start + 1, ... along one axis of any size.

    The other axes have size 1, or these numbers again if the range is spread.
    """

    start: int
    word: str
    place: int
    ndim: int
    is_spread: bool = False


def simplify(ran):
    """Write what ranges of any size make of masks: a view, a triangle, nothing at all."""
    ranges, fills, same = {}, {}, {}
    for line in ran.lines:
        if line.is_several:
            line.tree = Renamed(same).visit(line.tree)
            continue
        out = line.outs[0]
        tree = Plain(ran, out, ranges, fills).visit(Renamed(same).visit(line.tree))
        number = number_of(tree, ran, ranges, fills)
        if isinstance(tree, ast.Name) and tree.id[0] == "%":
            same[out] = tree
        elif found := range_of(tree, ranges):
            ranges[out] = found
        elif number is not None and out not in ran.constants:
            fills[out] = number
            tree = filled(number, ran.known[out]) or tree
        line.tree = tree
    ran.alias |= same
    ran.lines = [line for line in ran.lines if line.outs[0] not in same]


def given_as_they_are(lines):
    """Return lines whose attention is given masks as they are: the recipe broadcasts them."""
    readers = {}
    for line in lines:
        for value in values_in(line.tree):
            readers.setdefault(value, []).append(line.tree)
    same, kept = {}, []
    for line in lines:
        line.tree = Renamed(same).visit(line.tree)
        trees = readers.get(line.outs[0], [])
        is_spread = is_call(line.tree, "np.broadcast_to")
        if is_spread and trees and all(mask_of(t) == line.outs[0] for t in trees):
            line.tree = line.tree.args[0]
            if isinstance(line.tree, ast.Name):
                same[line.outs[0]] = line.tree
                continue
        kept.append(line)
    return kept


def mask_of(tree):
    """Return the value that a call of attention has as its mask."""
    is_attention = getattr(getattr(tree, "func", None), "id", "") == "scaled_dot_product_attention"
    return getattr(tree.args[3], "id", None) if is_attention and len(tree.args) > 3 else None


def places(node, ndim):
    """Return an index of full slices and new axes as a list, ":" or None; None for any other."""
    elts = node.elts if isinstance(node, ast.Tuple) else [node]
    found = []
    for elt in elts:
        if isinstance(elt, ast.Constant) and elt.value is Ellipsis:
            found += [":"] * (ndim - sum(not is_none(e) for e in elts) + 1)
        elif is_none(elt):
            found.append(None)
        elif isinstance(elt, ast.Slice) and not (elt.lower or elt.upper or elt.step):
            found.append(":")
        else:
            return None
    return found + [":"] * (ndim - found.count(":"))


class Merged(ast.NodeTransformer):
    """Write x[:, None][:, :, 0] as x[:, None, 0].

    Parameters
    ----------
    known : dict of str to Array
    """

    def __init__(self, known):
        self.known = known

    def visit_Subscript(self, node):
        """Return one index instead of two, if the first one only makes axes."""
        node = self.generic_visit(node)
        inner = node.value
        if not isinstance(inner, ast.Subscript):
            return node
        base = getattr(inner.value, "id", "")
        ndim = len(self.known[base].shape) if base in self.known else None
        if text_of(inner.value).startswith("np.arange("):
            ndim = 1
        first = None if ndim is None else places(inner.slice, ndim)
        elts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if first is not None and any(getattr(e, "value", None) is Ellipsis for e in elts):
            at = [getattr(e, "value", None) is Ellipsis for e in elts].index(True)
            more = len(first) - sum(not is_none(e) for e in elts) + 1
            elts = [*elts[:at], *[ast.Slice()] * more, *elts[at + 1 :]]
        if first is None or not all(is_none(e) or is_plain(e) for e in elts):
            return node
        axes, found = iter(first), []
        for elt in elts:
            if is_none(elt) or next(axes) == ":":
                found.append(elt)
            elif text_of(elt) == ":":
                found.append(ast.Constant(None))
            else:
                return node
        found += [ast.Slice() if axis else ast.Constant(None) for axis in axes]
        while found and text_of(found[-1]) == ":":
            found.pop()
        if not found:
            return inner.value
        return ast.Subscript(inner.value, ast.Tuple(found) if len(found) > 1 else found[0])


def is_plain(node):
    """Return whether an index is a slice or a number."""
    number = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Slice) or isinstance(getattr(number, "value", None), int)


def is_none(node):
    """Return whether an index makes a new axis."""
    return isinstance(node, ast.Constant) and node.value is None


def range_of(tree, ranges):
    """Return the Range that a tree makes of sizes and of other ranges; else None."""
    if isinstance(tree, ast.Name):
        return ranges.get(tree.id)
    if isinstance(tree, ast.Call):
        name, args = text_of(tree.func), tree.args
        if name == "np.arange" and len(args) == 1 and getattr(args[0], "id", " ")[0] == "$":
            return Range(0, args[0].id[1:], 0, 1)
        if name == "np.broadcast_to" and (found := range_of(args[0], ranges)):
            ndim = len(args[1].elts)
            place = found.place + ndim - found.ndim
            return replace(found, place=place, ndim=ndim, is_spread=True)
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        found, number = range_of(tree.left, ranges), tree.right
        if found and isinstance(getattr(number, "value", None), int):
            return replace(found, start=found.start + number.value)
    if isinstance(tree, ast.Subscript) and (found := range_of(tree.value, ranges)):
        axes = places(tree.slice, found.ndim)
        if axes is not None:
            at = [i for i, axis in enumerate(axes) if axis][found.place]
            return replace(found, place=at, ndim=len(axes))
    return None


def is_true(tree, ranges):
    """Return whether ``range >= number`` holds for every size."""
    found, number = range_of(tree.left, ranges), tree.comparators[0]
    is_least = isinstance(tree.ops[0], ast.GtE) and isinstance(getattr(number, "value", None), int)
    return bool(found and is_least and found.start >= number.value)


def number_of(tree, ran, ranges, fills):
    """Return the number that an array consists of whatever its size; None if it does not."""
    if isinstance(tree, ast.Constant):
        return tree.value
    if isinstance(tree, ast.Name) and tree.id in ran.constants:
        array = np.asarray(ran.constants[tree.id])
        return array.flat[0].item() if array.size and (array == array.flat[0]).all() else None
    if isinstance(tree, ast.Name):
        return fills.get(tree.id)
    if isinstance(tree, ast.Compare):
        left, right = (number_of(n, ran, ranges, fills) for n in (tree.left, tree.comparators[0]))
        if None not in (left, right) and isinstance(tree.ops[0], ast.Eq | ast.NotEq):
            return (left == right) == isinstance(tree.ops[0], ast.Eq)
        return True if is_true(tree, ranges) else None
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Sub):
        left, right = (number_of(n, ran, ranges, fills) for n in (tree.left, tree.right))
        return None if left is None or right is None else left - right
    if isinstance(tree, ast.Subscript):
        if found := range_of(tree.value, ranges):
            elts = getattr(tree.slice, "elts", [tree.slice])
            is_first = len(elts) == found.place + 1 and text_of(elts[-1]) == ":1"
            return found.start if is_first else None
        return number_of(tree.value, ran, ranges, fills)
    if isinstance(tree, ast.Call):
        name = text_of(tree.func)
        if name in ("np.zeros", "np.ones"):
            return int(name == "np.ones")
        if name == "np.full":
            return number_of(tree.args[1], ran, ranges, fills)
        if name in ("np.broadcast_to", "np.take_along_axis"):
            return number_of(tree.args[0], ran, ranges, fills)
        if name == "np.cumsum" and number_of(tree.args[0], ran, ranges, fills) == 0:
            return 0
        if name == "np.diff" and (found := range_of(tree.args[0], ranges)):
            given = {keyword.arg: keyword.value for keyword in tree.keywords}
            before = given.get("prepend") and number_of(given["prepend"], ran, ranges, fills)
            is_along = found.place == found.ndim - 1 and text_of(given["axis"]) == "-1"
            return 1 if is_along and before == found.start - 1 else None
    return None


def filled(number, known):
    """Return the expression of an array of one number; None for a size with more than a word."""
    sizes = [size_tree(n) for n in known.shape]
    if not sizes or None in sizes or number not in (0, 1):
        return None
    made = call(f"np.{'ones' if number else 'zeros'}", ast.Tuple(sizes))
    dtype = ast.parse(numpy_dtype(known.dtype), mode="eval").body
    made.keywords = [ast.keyword("dtype", dtype)]
    return made


class Plain(ast.NodeTransformer):
    """Rewrite one line by the ranges that it reads."""

    def __init__(self, ran, out, ranges, fills):
        self.ran, self.out, self.ranges, self.fills = ran, out, ranges, fills

    def shape(self, node):
        """Return the shape of a value; () for what is none."""
        return getattr(self.ran.known.get(getattr(node, "id", "")), "shape", ())

    def visit_BinOp(self, node):
        """Leave out + 0 and * 1, and what is True everywhere before &."""
        node = self.generic_visit(node)
        number, known = getattr(node.right, "value", None), self.ran.known
        is_nothing = (number == 0 and isinstance(node.op, ast.Add | ast.Sub)) or (
            number == 1 and isinstance(node.op, ast.Mult | ast.Div)
        )
        left = known.get(getattr(node.left, "id", ""))
        if is_nothing and left and left.dtype == known[self.out].dtype:
            return node.left
        if not isinstance(node.op, ast.BitAnd):
            return node
        for one, other in ((node.left, node.right), (node.right, node.left)):
            number = number_of(one, self.ran, self.ranges, self.fills)
            if number in (True, 1) and self.ran.known[self.out].dtype == "bool":
                return self.spread(other)
        return node

    def spread(self, node):
        """Return a value in the shape of this line's result."""
        shape = self.ran.known[self.out].shape
        sizes = [size_tree(n) for n in shape]
        if self.shape(node) == shape or None in sizes:
            return node
        return call("np.broadcast_to", node, ast.Tuple(sizes))

    def visit_Subscript(self, node):
        """Write x[range, range] that takes all of x in its order as a view."""
        node = self.generic_visit(node)
        parts = [range_of(part, self.ranges) for part in getattr(node.slice, "elts", [])]
        shape = self.shape(node.value)
        if not parts or None in parts or len(parts) != len(shape):
            return node
        if any(part.is_spread for part in parts):
            return node
        if any(part.start or part.word != n for part, n in zip(parts, shape, strict=True)):
            return node
        ndim, at = max(part.ndim for part in parts), []
        for part in parts:
            at.append(part.place + ndim - part.ndim)
        if at != sorted(set(at)):
            return node
        slices = [ast.Slice() if i in at else ast.Constant(None) for i in range(ndim)]
        return ast.Subscript(node.value, ast.Tuple(slices))

    def visit_Compare(self, node):
        """Write a range compared with another as a triangle."""
        node = self.generic_visit(node)
        left, right = (range_of(n, self.ranges) for n in (node.left, node.comparators[0]))
        if not (left and right and isinstance(node.ops[0], ast.LtE)):
            return node
        if left.is_spread or right.is_spread:
            return node
        from_end = left.ndim - left.place, right.ndim - right.place
        if from_end != (1, 2):
            return node
        args = [ast.Name(f"${right.word}"), ast.Name(f"${left.word}")]
        if right.start != left.start:
            args.append(ast.Constant(right.start - left.start))
        made = call("np.tri", *args)
        made.keywords = [ast.keyword("dtype", ast.Name("bool"))]
        leading = max(left.ndim, right.ndim) - 2
        if leading:
            news = [ast.Constant(None)] * leading
            return ast.Subscript(made, ast.Tuple(news) if leading > 1 else news[0])
        return made
