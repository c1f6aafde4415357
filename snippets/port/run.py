"""Run a graph in NumPy, node by node: its lines, with the dtypes that PyTorch's results have."""

import ast
import copy
import functools
import math
from dataclasses import dataclass

import numpy as np

from .graph import Array, PortError, Ref, refs
from .lines import completed, expression, listed, recipe, recipes, values_in, written
from .operations import NOTHING, numpy_dtype


@dataclass
class Line:
    """An assignment: what it makes, of what, and the node it comes from.

    Parameters
    ----------
    outs : tuple of str
        "%name" of each value it makes, "" for a part that nothing reads.
    tree : ast.expr
        Its names are "%name" for a value, "$name" for a size.
    node : Node or None
    is_several : bool
        Whether the tree makes a tuple.
    depth : int
        How deep in the modules the line stands, whose source says what it is called.
    """

    outs: tuple
    tree: object
    node: object
    is_several: bool = False
    depth: int = 0


@dataclass
class Ran:
    """What running a graph on inputs tells.

    Parameters
    ----------
    lines : list of Line
    known : dict of str to Array
        What is known of each "%name".
    prints : dict of str to tuple
        What tells each value from others, by which it is known again.
    constants : dict of str to array
        The values that depend on no input, no weight and no size.
    alias : dict of str to ast.expr
        What stands for a value that no line makes.
    """

    lines: list
    known: dict
    prints: dict
    constants: dict
    alias: dict


class Renamed(ast.NodeTransformer):
    """Put other trees in the place of values."""

    def __init__(self, trees):
        self.trees = trees

    def visit_Name(self, node):
        """Return what stands for a value."""
        return copy.deepcopy(self.trees[node.id]) if node.id in self.trees else node


def run(graph, inputs):
    """Run a graph on inputs.

    Parameters
    ----------
    graph : Graph
    inputs : dict of str to array
        By the names of its values.

    Returns
    -------
    Ran
    """
    known = graph.known | {name: seen(graph.arrays[key]) for name, key in graph.weights.items()}
    env = {name: recipe(name) for name in recipes()} | {"np": np, "w": graph.arrays}
    env |= {f"%{name}": graph.arrays[key] for name, key in graph.weights.items()}
    env |= {f"%{name}": value for name, value in inputs.items()} | sizes_of(graph.known, inputs)
    last = {f"%{name}": i for i, node in enumerate(graph.nodes) for name in refs(node.args)}
    ran = Ran([], {}, {f"%{name}": print_of(value) for name, value in inputs.items()}, {}, {})
    for name, key in graph.weights.items():  # integers that are computed, not learned
        if key in graph.apart and graph.arrays[key].dtype.kind in "biu":
            ran.constants[f"%{name}"] = graph.arrays[key]
    for i, node in enumerate(graph.nodes):
        known |= dict(zip(node.names, node.values, strict=True))
        if node.target in NOTHING:
            continue
        tree = Renamed(ran.alias).visit(expression(node, known, graph.weights))
        if graph.limit:
            check_size(node, tree, ran.alias, env, graph.limit)
        outs = tuple(name and f"%{name}" for name in node.names)
        if not isinstance(node.values[0], Array):
            ran.alias[outs[0]] = size_tree(node.values[0]) or tree
        else:
            ran.lines += run_node(node, outs, tree, env, ran)
        for name in outs:  # what it stands for lives as long as it does
            if isinstance(other := ran.alias.get(name), ast.Name):
                last[other.id] = max(last.get(other.id, i), last.get(name, i))
        for name in [n for n in env if last.get(n) == i and n[0] == "%" and n not in ran.constants]:
            del env[name]
    ran.known = {f"%{name}": value for name, value in known.items()}
    return ran


def run_node(node, outs, tree, env, ran):
    """Run one node, note what it made; return its lines."""
    pairs = [(outs, tree, node.is_several)]
    if node.is_several and isinstance(tree, ast.Tuple):
        pairs = [((out,), part, False) for out, part in zip(outs, tree.elts, strict=True) if out]
    values = dict(zip(outs, node.values, strict=True))
    lines = []
    for outs, tree, is_several in pairs:
        made = evaluated(node, tree, env)
        if not is_several:
            tree, made = cast(tree, made, values[outs[0]].dtype)
        parts = dict(zip(outs, made if is_several else [made], strict=True))
        is_constant = is_free(tree) and all(n in ran.constants for n in values_in(tree))
        for out, part in parts.items():
            if out:
                check(node, part, values[out])
                ran.prints[out] = print_of(part)
        env |= parts
        if is_constant:
            ran.constants |= parts
        if isinstance(tree, ast.Name) and tree.id[0] == "%":
            ran.alias[outs[0]] = tree
        else:
            lines.append(Line(outs, tree, node, is_several))
    return lines


def evaluated(node, tree, env):
    """Return what an expression makes, or say which operation NumPy refuses."""
    code = compile(completed(ast.Expression(copy.deepcopy(tree))), "row", "eval")
    try:
        with np.errstate(all="ignore"):
            return eval(code, env)
    except Exception as error:
        raise PortError(f"{node.where()}: its NumPy line fails: {error}") from error


def cast(tree, made, dtype):
    """Return an expression and what it makes in the dtype that PyTorch's result has."""
    wanted = numpy_dtype(dtype)
    if str(np.asarray(made).dtype) == wanted.removeprefix("np."):
        return tree, made
    call = ast.Attribute(tree, "astype")
    return ast.Call(call, [ast.parse(wanted, mode="eval").body], []), np.asarray(made).astype(
        wanted.removeprefix("np.")
    )


def check(node, made, known):
    """Raise unless a result has the shape and the dtype that PyTorch's has."""
    given = seen(made)
    shape = known.shape
    fits = len(given.shape) == len(shape) and all(
        isinstance(n, str) or n == m for n, m in zip(shape, given.shape, strict=True)
    )
    if not fits or given.dtype != numpy_dtype(known.dtype).removeprefix("np."):
        raise PortError(f"{node.where()}: its NumPy line gives {given}, PyTorch {known}")


# The arguments of operations that say how many entries they make, beside the shape of the result.
COUNTS = {"size", "output_size", "repeats", "dims", "s", "last_dim_size", "steps", "scale_factors"}
COUNTS |= {"n", "m", "row", "col", "num_classes", "minlength", "bins"}
PAIRED = {"kron", "outer", "ger", "meshgrid", "cartesian_prod", "cdist", "_cdist_forward"}
PRODUCTS = {"mm", "bmm", "matmul", "addmm", "baddbmm", "addbmm"}
TERMS = 9999  # of one expression: sizes that are computed of sizes, each twice, grow without end


def check_size(node, tree, alias, env, limit):
    """Raise if an operation says that it makes more entries than a file of its size may ask for.

    What it says of its result may be a lie, which ``check`` sees only when that has been made: so
    what it is given counts, too.
    """
    if sum(1 for _ in ast.walk(tree)) > TERMS:
        raise PortError(f"{node.where()}: more than {TERMS} terms, too large to run")

    def number(tree):
        return abs(evaluated(node, Renamed(alias).visit(tree), env))

    given = {
        name: [number(written(n)) for n in listed(value) if isinstance(n, int | float | Ref)]
        for name, value in node.args.items()
        if name in COUNTS or name in ("pad", "padding", "start", "end", "step")
    }
    asked = [(f"{name}={node.args[name]}", given[name]) for name in COUNTS & {*given}]
    asked += [(f"{name} {n}", [n]) for name in ("pad", "padding") for n in given.get(name, [])]
    for value in node.values:
        trees = filter(None, map(size_tree, getattr(value, "shape", ())))
        asked.append((f"a result of shape {getattr(value, 'shape', ())}", list(map(number, trees))))
    if node.target.startswith("aten.arange."):
        (start,), (end,), (step,) = (
            given.get(k, [n]) for k, n in (("start", 0), ("end", 0), ("step", 1))
        )
        asked.append((f"{start} to {end}", [(start + end) / (step or 1)]))
    trees = {name: alias.get(f"%{name}", ast.Name(f"%{name}")) for name in refs(node.args)}
    places = {name: getattr(tree, "id", "") for name, tree in trees.items()}
    shapes = {name: np.shape(env[place]) for name, place in places.items() if place in env}
    asked.append((f"a result of arrays of {[*shapes.values()]}", sizes_made(node, shapes)))
    for what, numbers in asked:
        if math.prod(max(1, n) for n in numbers) > limit:
            raise PortError(f"{node.where()}: {what}, too large to run")


def sizes_made(node, shapes):
    """Return the sizes of what an operation makes of arrays, whose shapes it has by their names."""
    name, each = node.target.split(".")[1], list(shapes.values())
    if name in PAIRED:
        return [n for shape in each for n in shape]
    if name == "einsum" and "." not in node.args["equation"]:
        terms, _, made = node.args["equation"].replace(" ", "").partition("->")
        read = [shapes[ref.name] for ref in node.args["tensors"]]
        pairs = (zip(*both, strict=False) for both in zip(terms.split(","), read, strict=False))
        sizes = dict(pair for term in pairs for pair in term)
        return [n for letter, n in sizes.items() if letter in (made or terms)]
    if name in PRODUCTS:
        sides = ("mat1", "batch1", "self"), ("mat2", "batch2", "other")
        names = (next(node.args[w].name for w in words if w in node.args) for words in sides)
        left, right = (shapes[name] for name in names)
        return [*left[:-1], *right[-1:]]
    try:
        return list(np.broadcast_shapes(*each))
    except ValueError:
        return []


def seen(array):
    """Return the Array of an array."""
    return Array(np.shape(array), str(np.asarray(array).dtype))


def print_of(value):
    """Return what tells an array from others: shape, dtype, a sum with weights, and its scale."""
    value = np.asarray(value)
    numbers = value.ravel().astype(complex if value.dtype.kind == "c" else float)
    finite = np.where(np.isfinite(numbers), numbers, 1)  # a mask of -inf
    with np.errstate(all="ignore"):
        total = finite @ cosines(finite.size)  # a plain sum is 0 of all that layer norm makes
        return value.shape, str(value.dtype), complex(total), float(np.linalg.norm(finite))


@functools.lru_cache(maxsize=8)
def cosines(n):
    """Return n weights of which none is another."""
    return np.cos(np.arange(n))


def sizes_of(known, inputs):
    """Return {"$name": size} of the axes of any size, from the shapes of the inputs."""
    found = {}
    for name, value in inputs.items():
        for word, size in zip(known[name].shape, value.shape, strict=True):
            if isinstance(word, str) and word.isidentifier():
                found[f"${word}"] = size
    return found


def size_tree(text):
    """Return the expression of a size, "2*batch"; None for one with more than sums and products."""
    tree = ast.parse(str(text), mode="eval").body
    allowed = ast.Name | ast.Constant | ast.BinOp | ast.operator | ast.expr_context
    if not all(isinstance(node, allowed) for node in ast.walk(tree)):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = f"${node.id}"
    return tree


def is_free(tree):
    """Return whether an expression reads no weights and no size."""
    names = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]
    return "w" not in names and not any(name[0] == "$" for name in names)
