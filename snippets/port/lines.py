"""One operation of a graph becomes one expression of NumPy, as Python's own syntax tree."""

import ast
import copy
import functools
import importlib
import inspect
import json
import math
import pathlib
import re

from .graph import DType, PortError, Ref
from .operations import Call, numpy_dtype, row_of

FOLDER = pathlib.Path(__file__).parents[1]
SPREAD = {"stride", "padding", "dilation", "kernel_size", "output_padding", "output_size"}
PLAIN = {"weight", "bias", "attn_mask"}  # need no name where their turn it is
AXES = {"dim", "dims", "shifts", "normalized_shape"}
# What a row need not read: a program's arrays lie in memory, and run.py sees to their dtypes.
ELSEWHERE = {"dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking", "copy"}


@functools.cache
def recipes():
    """Return {name: module} of all functions that a row may call: of recipes, and of tensors.py."""
    found = {"under": "state_dict"}
    files = [*sorted((FOLDER / "layers").glob("[!_]*.py")), FOLDER / "port/tensors.py"]
    for path in files:
        module = path.relative_to(FOLDER).with_suffix("").as_posix().replace("/", ".")
        for name in re.findall(r"^def (\w+)\(", path.read_text("utf-8"), re.M):
            found.setdefault(name, module)
    return found


@functools.cache
def recipe(name):
    """Return the function of a recipe."""
    module = importlib.import_module(f".{recipes()[name]}", __package__.rpartition(".")[0])
    return getattr(module, name)


@functools.cache
def default_of(name, keyword):
    """Return what a recipe's argument is when it is not given."""
    return inspect.signature(recipe(name)).parameters[keyword].default


def expression(node, known, keys):
    """Return the expression of a node, whose names are those of the values of the graph.

    Parameters
    ----------
    node : Node
    known : dict of str to Array
        What is known of each value.
    keys : dict of str to str
        The name in ``state_dict()`` of each value that is stored.

    Returns
    -------
    ast.expr

    Raises
    ------
    PortError
        The operation has no row, or does what a row can't.
    """
    row = row_of(node)
    if callable(row):
        try:
            row = row(Call(node.args, known, node.values[0], keys))
        except PortError as reason:
            raise PortError(f"{node.where()}: {reason}") from None
    head = ast.parse(f"lambda {row}", mode="eval").body
    names = [a.arg for a in head.args.args]
    given = {name for name, value in node.args.items() if value is not None}
    if unread := sorted(given - {*names} - ELSEWHERE):
        raise PortError(f"{node.where()}: its row does not read {', '.join(unread)}")
    defaults = head.args.defaults
    args = {
        name: ast.literal_eval(value)
        for name, value in zip(names[len(names) - len(defaults) :], defaults, strict=True)
    }
    return Filled(args | node.args).visit(head.body)


class Filled(ast.NodeTransformer):
    """Put the arguments of a call in the place of their names in a row."""

    def __init__(self, args):
        self.args = args

    def visit_Name(self, node):
        """Return the argument of this name."""
        return written(self.args[node.id], node.id) if node.id in self.args else node

    def visit_Starred(self, node):
        """Return the parts of a list, one by one."""
        return [written(part) for part in listed(self.args[node.value.id])]

    def visit_Subscript(self, node):
        """Return an entry of a list of arguments, or a part of an array."""
        given = self.args.get(getattr(node.value, "id", None))
        if isinstance(given, list):
            return written(given[node.slice.value])
        return self.generic_visit(node)

    def visit_Call(self, node):
        """Leave out a keyword that says what is so anyway."""
        name = getattr(node.func, "id", None)
        if name == "tuple":
            return self.visit(node.args[0])
        if name is None:
            node.func = self.visit(node.func)
        args = [self.visit(a) for a in node.args]
        node.args = [one for a in args for one in (a if isinstance(a, list) else [a])]
        kept = []
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
            usual = default_of(name, keyword.arg) if name in recipes() else None
            value = getattr(keyword.value, "value", keyword)
            is_usual = value is None or value is False if usual is None else value == usual
            if not (isinstance(keyword.value, ast.Constant) and is_usual):
                kept.append(keyword)
        order = list(inspect.signature(recipe(name)).parameters) if name in recipes() else []
        while kept and kept[0].arg in PLAIN and order.index(kept[0].arg) == len(node.args):
            node.args.append(kept.pop(0).value)
        node.keywords = kept
        return node


def listed(value):
    """Return a list of what may be one number."""
    return value if isinstance(value, list) else [value]


def written(value, name=""):
    """Return the syntax tree of an argument."""
    if isinstance(value, Ref):
        return ast.Name("%" + value.name)
    if isinstance(value, DType):
        return ast.parse(numpy_dtype(value.name), mode="eval").body
    if isinstance(value, list | tuple):
        if name in AXES and len(value) == 1:
            return written(value[0])
        if name in SPREAD and len(set(map(repr, value))) == 1:
            return written(value[0])
        parts = [written(part) for part in value]
        is_numbers = all(isinstance(part, int | float) for part in value)
        return ast.Tuple(parts) if is_numbers or name in ("size", "shape") else ast.List(parts)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value != value or math.isinf(value):
            word = ast.Attribute(ast.Name("np"), "nan" if value != value else "inf")
            return ast.UnaryOp(ast.USub(), word) if value < 0 else word
        if value < 0:
            return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def values_in(tree):
    """Return the values of the graph, "%name", that a tree reads, each as often as it does."""
    return [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id[0] in "%$"]


def tree_of(value):
    """Return the tree of what a model returns."""
    if isinstance(value, Ref):
        return ast.Name(f"%{value.name}")
    if isinstance(value, dict):
        return ast.Dict([ast.Constant(k) for k in value], [tree_of(v) for v in value.values()])
    if isinstance(value, tuple):
        return ast.Tuple([tree_of(v) for v in value])
    if isinstance(value, list):
        return ast.List([tree_of(v) for v in value])
    return ast.Constant(value)


def paths(tree, path=()):
    """Yield (keys, name) of each Ref in nested arguments."""
    if isinstance(tree, Ref):
        yield path, tree.name
    elif isinstance(tree, dict):
        for key, part in tree.items():
            yield from paths(part, (*path, key))
    elif isinstance(tree, list | tuple):
        for i, part in enumerate(tree):
            yield from paths(part, (*path, i))


def is_call(tree, name):
    """Return whether a tree calls a function of this name."""
    return isinstance(tree, ast.Call) and text_of(tree.func) == name


def call(name, *args):
    """Return the tree of a call."""
    return ast.Call(ast.Name(name), list(args), [])


def shape_text(shape):
    """Return a shape as a comment has it."""
    words = [str(n) for n in shape]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def completed(tree):
    """Return a tree with what Python's compiler wants of it: older ones want each ctx."""
    for node in ast.walk(tree):
        if "ctx" in node._fields and not hasattr(node, "ctx"):
            node.ctx = ast.Load()
    return ast.fix_missing_locations(tree)


class Quoted(ast.NodeTransformer):
    """Take the strings out of a tree, so that they are written with double quotes."""

    def __init__(self):
        self.texts = []

    def visit_Constant(self, node):
        """Return a name that stands for a string."""
        return self.kept(quoted(node.value)) if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node):
        """Return a name that stands for an f-string with one index in it."""
        start, part, end = node.values
        return self.kept(f'f"{start.value}{{{part.value.id}}}{end.value}"')

    def kept(self, text):
        """Keep a text, and return the name that stands for it."""
        self.texts.append(text)
        return ast.Name(f"\0{len(self.texts) - 1}\0")


def quoted(text):
    """Return a string as Python reads it back, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)


def text_of(tree):
    """Return the text of a tree. A string in it stays a string, whatever is in it."""
    strings = Quoted()
    tree = completed(strings.visit(copy.deepcopy(tree)))
    return re.sub("\0(\\d+)\0", lambda m: strings.texts[int(m[1])], ast.unparse(tree))
