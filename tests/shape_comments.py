"""Execute the shape comments of a snippet: `name = ...  # (batch, 4 * hidden_size)`.

A shape comment stands behind an assignment or a return, ends its line and is one shape, or one
for each target of a tuple assignment: `# (batch, in_features), (out_features,)`. `...` stands for
any number of leading axes.
"""

import ast
import importlib.util
import io
import tokenize
from contextlib import contextmanager
from itertools import pairwise

import numpy as np


class ShapeCommentError(Exception):
    """A comment that reads like a shape, but cannot be executed or is never reached."""


def shape_comments(source):
    """Return {line: [shape, ...]} where a shape is the list of its axes as source text."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        text = token.string.lstrip("# ")
        if token.type == tokenize.COMMENT and text.startswith("("):
            line = token.start[0]
            try:
                tree = ast.parse(text, mode="eval").body
            except SyntaxError:
                raise ShapeCommentError(f"line {line}: {text} is not a shape") from None
            if not isinstance(tree, ast.Tuple):
                raise ShapeCommentError(f"line {line}: {text} is not a tuple; one axis is (axis,)")
            if "#" in text or ast.unparse(tree) == "(...,)":
                raise ShapeCommentError(f"line {line}: {text} says more or less than one shape")
            several = tree.elts and all(isinstance(shape, ast.Tuple) for shape in tree.elts)
            shapes = tree.elts if several else [tree]
            found[line] = [[ast.unparse(axis) for axis in shape.elts] for shape in shapes]
    return found


def flat(target):
    """Return the targets in nested tuples, without those that are called _."""
    if isinstance(target, ast.Tuple):
        return [one for part in target.elts for one in flat(part)]
    return [] if getattr(target, "id", "") == "_" else [target]


class Instrument(ast.NodeTransformer):
    """Put a call of __check_shapes__ behind every statement that has a shape comment."""

    def __init__(self, comments):
        self.comments = comments
        self.placed = set()

    def call(self, line, values):
        self.placed.add(line)
        name = ast.Name("__check_shapes__", ast.Load())
        return ast.Call(name, [ast.Constant(line), ast.Tuple(values, ast.Load())], [])

    def visit_Assign(self, node):
        if node.end_lineno not in self.comments:
            return node
        targets = flat(node.targets[0])
        values = [ast.parse(ast.unparse(t), mode="eval").body for t in targets]
        return [node, ast.Expr(self.call(node.end_lineno, values))]

    def visit_Return(self, node):
        if node.end_lineno not in self.comments:
            return node
        saved = ast.Assign([ast.Name("__result__", ast.Store())], node.value)
        result = ast.Name("__result__", ast.Load())
        several = isinstance(node.value, ast.Tuple)
        values = [
            ast.Subscript(result, ast.Constant(i), ast.Load())
            for i in range(len(node.value.elts) if several else 0)
        ] or [result]
        return [saved, ast.Expr(self.call(node.end_lineno, values)), ast.Return(result)]


def check(where, shapes, values, sizes):
    """Fail unless each value has the shape that its comment says."""
    shapes = shapes * len(values) if len(shapes) == 1 else shapes
    assert len(shapes) == len(values), f"{where}: {len(shapes)} shapes for {len(values)} values"
    for shape, value in zip(shapes, values, strict=True):
        text = f"({', '.join(shape)})"
        leading = bool(shape) and shape[0] == "..."
        told = tuple(eval(axis, {}, sizes) for axis in shape[leading:])
        named = {
            axis: n for axis, n in zip(shape[leading:], told, strict=True) if not axis.isdecimal()
        }
        assert len(set(named.values())) == len(named), (
            f"{where}: equal sizes hide a swap in {named}"
        )
        given = np.shape(value)
        seen = given[max(len(given) - len(told), 0) :] if leading else given
        assert seen == told, f"{where}: the shape is {given}, the comment says {text} = {told}"


def check_names(shape):
    """Fail unless the named axes of a shape stand as layers have them."""
    assert not {"time"} < {"time", "height", "width"} & set(shape), f"no image has {shape}"
    pairs = list(pairwise(shape))
    for one, axis in ((0, "height"), (1, "width")):
        beside = all(pair == ("height", "width") for pair in pairs if pair[one] == axis)
        assert beside, f"{shape}: (height, width) is one picture"
        assert shape.count(axis) <= 1, f"{shape}: two axes of one name"


def check_cell(source, namespace):
    """Check the shapes that a notebook's cell has given, and let its functions check theirs later.

    The functions keep file and lines: inspect shows the cell as it is. Names take any size.
    """
    comments = shape_comments(source)
    tree = Instrument(comments).visit(ast.parse(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "__check_shapes__":
            node.args[0] = ast.parse(repr(comments[node.args[0].value]), mode="eval").body
    namespace["__check_shapes__"] = check_free
    for node in ast.fix_missing_locations(tree).body:
        calls = isinstance(node, ast.Expr) and "__check_shapes__" in ast.unparse(node)
        if calls or isinstance(node, ast.FunctionDef):
            file = "a cell"
            if not calls:
                code = namespace[node.name].__code__
                file = code.co_filename
                ast.increment_lineno(node, code.co_firstlineno - node.lineno)
            exec(compile(ast.Module([node], []), file, "exec"), namespace)


def check_free(shapes, values):
    """Fail unless each value has its shape, whose names take any size."""
    shapes = shapes * len(values) if len(shapes) == 1 else shapes
    for shape, value in zip(shapes, values, strict=True):
        check_names(shape)
        given = np.shape(value)
        told = [n if x.isidentifier() else eval(x) for x, n in zip(shape, given, strict=True)]
        assert list(given) == told, f"the shape is {given}, the comment says {shape}"


@contextmanager
def executed(path):
    """Give the module at path, its shape comments turned into checks, and the dict of axis sizes.

    Every shape comment of the file has to be reached before the context ends.
    """
    source = path.read_text("utf-8")
    comments = shape_comments(source)
    instrument = Instrument(comments)
    tree = ast.fix_missing_locations(instrument.visit(ast.parse(source)))
    if stray := set(comments) - instrument.placed:
        raise ShapeCommentError(f"{path.name}: lines {sorted(stray)} are no assignment or return")
    sizes, reached = {}, set()

    def check_shapes(line, values):
        check(f"{path.name}:{line}", comments[line], values, sizes)
        reached.add(line)

    spec = importlib.util.spec_from_file_location(
        f"snippets.{path.parent.name}.instrumented_{path.stem}", path
    )
    module = importlib.util.module_from_spec(spec)
    module.__check_shapes__ = check_shapes
    exec(compile(tree, str(path), "exec"), module.__dict__)
    yield module, sizes
    if never := set(comments) - reached:
        raise ShapeCommentError(f"{path.name}: lines {sorted(never)} are never reached")
