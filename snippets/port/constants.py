"""Constants as they would be written, in the place of the lines that compute them."""

import ast
import collections
import math

import numpy as np

from .lines import call, is_call, shape_text, text_of, values_in, written
from .operations import numpy_dtype
from .run import Renamed


def without_zeros(lines):
    """Leave out first states of zeros, which a recurrent layer has anyway."""
    zeros = {line.outs[0] for line in lines if is_call(line.tree, "np.zeros")}
    for line in lines:
        for node in ast.walk(line.tree):
            if getattr(getattr(node, "func", None), "id", "") in ("lstm", "gru", "rnn"):
                states = values_in(node.args[2]) if len(node.args) > 2 else []
                if states and set(states) <= zeros:
                    del node.args[2]


def fold(ran):
    """Put constants as they would be written in the place of the lines that compute them."""
    same = {}
    count = collections.Counter(v for line in ran.lines for v in values_in(line.tree))
    simple = {line.outs[0] for line in ran.lines if not values_in(line.tree)}
    for line in ran.lines:
        if line.outs[0] in ran.constants:
            continue
        line.tree = Renamed(same).visit(line.tree)
        names = {name for name in values_in(line.tree) if name in ran.constants}
        names = {name for name in names if name not in simple or count[name] == 1}
        trees = {name: tree for name in names if (tree := literal(ran.constants[name]))}
        line.tree = Renamed(trees).visit(Taken(ran, line.outs[0]).visit(line.tree))
        if is_call(line.tree, "np.broadcast_to"):
            name = getattr(line.tree.args[0], "id", "")
            if name[:1] == "%" and ran.known[name].shape == ran.known[line.outs[0]].shape:
                same[line.outs[0]] = ast.Name(name)
    ran.alias |= same


def literal(array):
    """Return the expression of an array of one number, of a range or of a triangle; else None."""
    array = np.asarray(array)
    if array.ndim == 0:
        return written(array.item())
    dtype = numpy_dtype(str(array.dtype))
    if array.size and (array == array.flat[0]).all():
        shape, value = shape_text(array.shape), text_of(written(array.flat[0].item()))
        text = f"np.full({shape}, {value}, dtype={dtype})"
        if array.flat[0] in (0, 1):
            text = f"np.{'ones' if array.flat[0] else 'zeros'}({shape}, dtype={dtype})"
        return ast.parse(text, mode="eval").body
    if array.dtype.kind == "i" and (array.ravel() == np.arange(array.size)).all():
        places = ", ".join("None" if n == 1 else ":" for n in array.shape)
        if max(array.shape) == array.size:
            text = f"np.arange({array.size})" + (f"[{places}]" if array.ndim > 1 else "")
            return ast.parse(text, mode="eval").body
    if array.dtype == bool and array.ndim > 1:
        triangle = np.tri(*array.shape[-2:], dtype=bool)
        for sign, part in (("", triangle), ("~", ~triangle)):
            if (array == part).all():
                text = f"{sign}np.tri({array.shape[-2]}, {array.shape[-1]}, dtype=bool)"
                text = f"np.broadcast_to({text}, {shape_text(array.shape)})"
                return (
                    ast.parse(text, mode="eval").body
                    if array.ndim > 2
                    else (ast.parse(text[16:].rpartition(", (")[0], mode="eval").body)
                )
    return None


class Taken(ast.NodeTransformer):
    """Write x[i, j] as a view where constant indices take all of x in its order; drop & True."""

    def __init__(self, ran, out):
        self.ran, self.out, self.top = ran, out, None

    def visit(self, node):
        """Return what stands for a tree; the first one makes the result."""
        self.top = self.top or node
        return super().visit(node)

    def visit_Subscript(self, node):
        """Return x with new axes instead of x[i, j]."""
        node = self.generic_visit(node)
        parts = getattr(node.slice, "elts", [])
        arrays = [self.ran.constants.get(getattr(part, "id", "")) for part in parts]
        shape = getattr(self.ran.known.get(getattr(node.value, "id", "")), "shape", ())
        if len(arrays) < 2 or len(arrays) != len(shape) or any(a is None for a in arrays):
            return node
        if any(isinstance(n, str) for n in shape) or any(a.dtype.kind != "i" for a in arrays):
            return node
        taken = np.arange(math.prod(shape)).reshape(shape)[tuple(arrays)]
        if taken.size != math.prod(shape) or (taken.ravel() != np.arange(taken.size)).any():
            return node
        if [n for n in taken.shape if n != 1] == list(shape):
            axes = [ast.Constant(None) if n == 1 else ast.Slice() for n in taken.shape]
            return ast.Subscript(node.value, ast.Tuple(axes))
        args = [ast.Constant(n) for n in taken.shape]
        return ast.Call(ast.Attribute(node.value, "reshape"), args, [])

    def visit_BinOp(self, node):
        """Return mask instead of mask & True, if its shape is the result's."""
        node = self.generic_visit(node)
        if isinstance(node.op, ast.BitAnd):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                value = self.ran.constants.get(getattr(one, "id", ""))
                known = self.ran.known[self.out]
                is_fixed = known.dtype == "bool" and not any(
                    isinstance(n, str) for n in known.shape
                )
                if value is not None and np.all(value) and self.top is node and is_fixed:
                    sizes = ast.Tuple([ast.Constant(n) for n in known.shape])
                    return call("np.broadcast_to", other, sizes)
        return node
