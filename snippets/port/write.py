"""Write the lines of a graph as a program: functions, names, loops, comments."""

import ast
import builtins
import collections
import copy
import itertools
import keyword
import math
import re
from dataclasses import dataclass

import numpy as np

from .graph import Ref, is_torchs, refs
from .lines import recipes, text_of, values_in, written
from .operations import numpy_dtype
from .run import Line, Renamed

WIDTH = 88
TAKEN = {*keyword.kwlist, *dir(builtins), "w", "np", "k"}


@dataclass
class Function:
    """A function of the program.

    Parameters
    ----------
    name : str
    params : list of str
    body : list of ast.stmt
    shapes : list
        The shapes of what each statement makes, none where they say nothing.
    """

    name: str
    params: list
    body: list
    shapes: list


@dataclass
class Scope:
    """One call of a module: what happens in it, lines and calls of other modules."""

    path: str
    cls: str
    items: list
    start: int
    end: int


def scopes(lines, depth, start=0):
    """Return lines as a list of lines and of Scopes, by the modules they happen in."""
    items, i = [], 0
    while i < len(lines):
        stack = lines[i].node.stack
        if len(stack) <= depth:
            items.append(lines[i])
            i += 1
            continue
        key, end = stack[depth], i + 1
        while end < len(lines) and lines[end].node.stack[depth : depth + 1] == (key,):
            end += 1
        inner = scopes(lines[i:end], depth + 1, start + i)
        items.append(Scope(*key, inner, start + i, start + end))
        i = end
    return items


def classes(items):
    """Yield the class of each scope in a tree of them."""
    for item in items:
        if isinstance(item, Scope):
            yield item.cls
            yield from classes(item.items)


def reached(function, functions):
    """Return the names of the functions that one calls, in the order of their first calls."""
    found, todo = [], [function]
    while todo:
        for statement in todo.pop(0).body:
            for node in ast.walk(statement):
                name = getattr(getattr(node, "func", None), "id", None)
                if name in functions and name not in found:
                    found.append(name)
                    todo.append(functions[name])
    return found


def without_zeros(lines):
    """Leave out first states of zeros, which a recurrent layer has anyway."""
    zeros = {line.outs[0] for line in lines if text_of(line.tree).startswith("np.zeros(")}
    for line in lines:
        for node in ast.walk(line.tree):
            if getattr(getattr(node, "func", None), "id", "") in ("lstm", "gru", "rnn"):
                states = values_in(node.args[2])
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
        if text_of(line.tree).startswith("np.broadcast_to(%"):
            name = line.tree.args[0].id
            if ran.known[name].shape == ran.known[line.outs[0]].shape:
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


def collected(lines, kept):
    """Return {value: name of the list} of values that one np.stack alone reads."""
    made = {line.outs[0] for line in lines if not line.is_several} - kept
    count = collections.Counter(v for line in lines for v in values_in(line.tree))
    lists = {}
    for line in lines:
        for node in ast.walk(line.tree):
            values = [getattr(e, "id", "") for e in getattr(node, "elts", [])]
            is_list = isinstance(node, ast.List) and len(values) > 2 and set(values) <= made
            if is_list and all(count[v] == 1 for v in values):
                lists |= dict.fromkeys(values, f"parts{len(set(lists.values())) or ''}")
    return lists


class Gathered(ast.NodeTransformer):
    """Put the name of a list in the place of its entries."""

    def __init__(self, lists):
        self.lists = lists

    def visit_List(self, node):
        """Return the name of the list that its entries were appended to."""
        first = getattr(node.elts[0], "id", "") if node.elts else ""
        return ast.Name(self.lists[first]) if first in self.lists else self.generic_visit(node)


def alive(lines, outputs):
    """Return the lines that an output depends on."""
    needed, kept = set(outputs), []
    for line in reversed(lines):
        if needed & set(line.outs):
            line.outs = tuple(out if out in needed else "" for out in line.outs)
            needed |= set(values_in(line.tree))
            kept.append(line)
    return kept[::-1]


class Writer:
    """What the functions of one program share.

    Parameters
    ----------
    graph : Graph
    ran : Ran
    """

    def __init__(self, graph, ran):
        self.graph, self.ran = graph, ran
        self.keys = {f"%{name}": key for name, key in graph.weights.items()}
        self.functions, self.texts = {}, {}
        without_zeros(ran.lines)
        fold(ran)
        self.output = Renamed(ran.alias).visit(tree_of(graph.output))
        self.lines = alive(ran.lines, values_in(self.output))
        self.last = {}
        for i, line in enumerate(self.lines):
            self.last |= dict.fromkeys(values_in(line.tree), i)
        self.last |= dict.fromkeys(values_in(self.output), len(self.lines))

    def program(self):
        """Return the functions, that of the whole model first."""
        leaves = list(self.leaves())
        names = {value: name for value, name, _ in leaves}
        tree = scopes(self.lines, 1)
        self.instances = collections.Counter(classes(tree))
        lines = self.entries(tree, 0)
        body, names, shapes = self.statements(lines, 0, "", names, [])
        head = [self.checked(leaves)] if leaves else []
        head += [
            call("fixed", ast.Constant(name), ast.Name(name), ast.Constant(value))
            for name, value in self.graph.inputs.items()
            if not list(refs(value))
        ]
        head += [self.limited(guard, leaves) for guard in self.graph.guards]
        result = Finished(names, self.keys, "").visit(copy.deepcopy(self.output))
        body, shapes = shortened(
            [*head, *body, ast.Return(result)], [*[[]] * len(head), *shapes, []]
        )
        params = ["w", *parameters(self.graph.inputs)]
        main = Function("forward", params, body, shapes)
        return [main, *(self.functions[name] for name in reached(main, self.functions))]

    def leaves(self):
        """Yield (value, its name, where it is in the arguments) of each array that is given."""
        for name, tree in self.graph.inputs.items():
            for path, ref in paths(tree):
                place = ast.Name(name)
                for key in path:
                    place = ast.Subscript(place, ast.Constant(key))
                yield f"%{ref}", "_".join(map(str, [name, *path])), place

    def checked(self, leaves):
        """Return the statement that checks the shapes of what is given."""
        targets = [ast.Name(name) for _, name, _ in leaves]
        target = targets[0] if len(targets) == 1 else ast.Tuple(targets)
        return ast.Assign([target], call("checked", ast.Name("SHAPES"), *(p for _, _, p in leaves)))

    def limited(self, guard, leaves):
        """Return the statement that checks a condition on the sizes of what is given."""
        sizes = {
            word: ast.parse(f"{name}.shape[{axis}]", mode="eval").body
            for value, name, _ in reversed(leaves)
            for axis, word in enumerate(self.ran.known[value].shape)
        }
        tree = Renamed(sizes).visit(ast.parse(guard, mode="eval").body)
        return call("limited", tree, ast.Constant(guard))

    def shapes(self):
        """Return {name: shape} of the inputs, as the program has it."""
        return {name: self.ran.known[value].shape for value, name, _ in self.leaves()}

    def entries(self, items, depth):
        """Return the lines of a scope: a scope in it is a call of a function, or its lines."""
        lines = []
        for item in items:
            lines += self.called(item, depth + 1) if isinstance(item, Scope) else [item]
        return lines

    def called(self, scope, depth):
        """Return the line that calls the function of a scope, or its lines if it is too small."""
        lines = self.entries(scope.items, depth)
        path = scope.path.partition("@")[0] + "."
        made = {out for line in lines for out in line.outs}
        read = dict.fromkeys(v for line in lines for v in values_in(line.tree) if v not in made)
        outs = [o for o in made if o and self.last[o] >= scope.end]
        outs = [o for line in lines for o in line.outs if o in outs]
        size = len(joined(lines, depth, set(outs), self.functions))
        is_leaf = scope.cls.startswith("torch.nn.") and all(
            isinstance(i, Line) for i in scope.items
        )
        is_small = size <= (3 if self.instances[scope.cls] == 1 else 1)
        if scope.cls.startswith("torch.nn.modules.container.") or is_leaf or is_small:
            return lines
        known = self.ran.known
        params = [v for v in read if v[0] == "%" and not self.keys.get(v, "").startswith(path)]
        params += [
            v for v in read
            if v[0] == "$" and not any(v[1:] in known[p].shape for p in params if p in known)
        ]  # fmt: skip
        names = Names({}, {*recipes(), *self.functions})
        for value in params:
            names.of(
                Line((value,), ast.Constant(None), None),
                [value[1:]] if value[0] == "$" else [],
                [*names.names],
            )
        body, names, shapes = self.statements(lines, depth, path, names.names, outs)
        results = [ast.Name(names[out]) for out in outs]
        body.append(ast.Return(results[0] if len(results) == 1 else ast.Tuple(results)))
        body, shapes = shortened(body, [*shapes, []])
        reads_w = any(getattr(n, "id", "") == "w" for s in body for n in ast.walk(s))
        given = ["w"] * reads_w + [names[v] if v in names else v[1:] for v in params]
        function = Function("", given, body, shapes)
        name = self.named(function, scope.cls)
        args = [ast.Name(v) for v in params]
        if reads_w:
            args = [call("under", ast.Name("w"), ast.Constant(path[:-1])), *args]
        return [Line(tuple(outs), call(name, *args), lines[-1].node, len(outs) > 1)]

    def named(self, function, cls):
        """Return the name of a function: one that is there already if it has the same lines."""
        base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.split(".")[-1])
        base = base.lower() if base.isidentifier() else "module"
        base = base + "_" if base in recipes() or base in TAKEN or base == "forward" else base
        text = repr(function.params) + "\n".join(map(text_of, function.body))
        for other, known in self.texts.items():
            if known == text and other.startswith(base):
                shapes = self.functions[other].shapes
                self.functions[other].shapes = [
                    a if a == b else [] for a, b in zip(shapes, function.shapes, strict=True)
                ]
                return other
        name, n = base, 2
        while name in self.functions:
            name, n = f"{base}_{n}", n + 1
        function.name = name
        self.functions[name], self.texts[name] = function, text
        return name

    def statements(self, lines, depth, prefix, names, outs):
        """Return lines as statements, the names of their values, and their shapes."""
        kept = {*outs, *values_in(self.output)}
        lines, parts = joined(lines, depth, kept, self.functions), {}
        lists = collected(lines, kept)
        named = Names(names, {*recipes(), *self.functions})
        last = {}
        for i, line in enumerate(lines):
            last |= dict.fromkeys(values_in(line.tree), i)
        last |= dict.fromkeys(kept, len(lines))
        body = [ast.Assign([ast.Name(n)], ast.List([])) for n in dict.fromkeys(lists.values())]
        shapes = [[] for _ in body]
        for word in dict.fromkeys(v for line in lines for v in values_in(line.tree) if v[0] == "$"):
            if word not in named.names:
                body.append(self.size(word, named))
                shapes.append([])
        for i, line in enumerate(lines):
            tree = Renamed(parts).visit(Gathered(lists).visit(copy.deepcopy(line.tree)))
            tree = Finished(named.names, self.keys, prefix).visit(tree)
            live = {v for v in named.names if last.get(v, -1) > i or v in kept}
            if word := lists.get(line.outs[0]):
                body.append(ast.Expr(ast.Call(ast.Attribute(ast.Name(word), "append"), [tree], [])))
                shapes.append([self.ran.known[line.outs[0]].shape])
                continue
            is_unbound = line.is_several and line.node.target == "aten.unbind.int"
            if is_unbound and not set(line.outs) & kept:
                whole = named.of(Line(("%" + line.outs[0],), tree, None), ["steps"], live)[0]
                parts |= {
                    out: ast.Subscript(ast.Name(whole), ast.Constant(j))
                    for j, out in enumerate(line.outs)
                }
                body.append(ast.Assign([ast.Name(whole)], tree.args[0]))
                shapes.append([])
                continue
            said = wanted(line, depth)
            if getattr(getattr(line.tree, "func", None), "id", "") in self.functions:
                used = {named.names[v] for v in live}
                same = not line.is_several and named.reused(line, used, self.ran.known)
                said = [same] if same else said
            targets = [ast.Name(t) for t in named.of(line, said, live)]
            target = targets[0] if not line.is_several else ast.Tuple(targets)
            if getattr(getattr(tree, "func", None), "id", "") == "flat_state":
                tree, rest = tree.args[0], ast.Tuple(targets[1:])
                rest = rest if any(line.outs[1:]) else ast.Name("_")
                target = ast.Tuple([targets[0], rest])
            body.append(ast.Assign([target], tree))
            known = {n: self.ran.known[n].shape for n in values_in(line.tree) if n[0] == "%"}
            made = [self.ran.known[out].shape for out in line.outs if out]
            shapes.append([] if set(made) <= set(known.values()) else made)
        return body, named.names, shapes

    def size(self, word, named):
        """Return the statement that gives the size of an axis its name."""
        value, axis = next(
            (value, shape.index(word[1:]))
            for value in named.names
            if value in self.ran.known and word[1:] in (shape := self.ran.known[value].shape)
        )
        size = ast.Subscript(
            ast.Attribute(ast.Name(named.names[value]), "shape"), ast.Constant(axis)
        )
        named.names[word] = word[1:]
        return ast.Assign([ast.Name(word[1:])], size)


class Names:
    """The names of values in one function: a name is free again when its value is dead."""

    def __init__(self, names, taken):
        self.names, self.taken = dict(names), TAKEN | taken

    def of(self, line, wanted, live):
        """Return the names of what a line makes, and remember them."""
        used = {self.names[v] for v in live}
        found = []
        for i, out in enumerate(line.outs):
            if not out:
                found.append("_")
                continue
            name = wanted[i] if i < len(wanted) else self.fallback(line, used)
            name = name + "_" if name in self.taken else name
            base, n = name, 2
            while name in used or name in found:
                name, n = f"{base}_{n}", n + 1
            self.names[out] = name
            found.append(name)
        return found

    def reused(self, line, used, known=None):
        """Return the name of what a line reads and nothing reads later: of this shape, if known."""
        for value in values_in(line.tree):
            name = self.names.get(value) if value[0] == "%" else None  # a size keeps its name
            is_alike = known is None or known.get(value) == known[line.outs[0]]
            if name and is_alike and name not in used and name.isidentifier():
                return name
        return None

    def fallback(self, line, used):
        """Return the name of what a line reads and nothing reads later, or a short one."""
        if name := self.reused(line, used):
            return name
        short = itertools.chain("xyz", (f"x{i}" for i in itertools.count(2)))
        return next(name for name in short if name not in used)


class Finished(ast.NodeTransformer):
    """Give values their names, and weights theirs in ``w``."""

    def __init__(self, names, keys, prefix):
        self.names, self.keys, self.prefix = names, keys, prefix

    def visit_Name(self, node):
        """Return the variable, or the entry of w."""
        if node.id in self.names:
            return ast.Name(self.names[node.id])
        if node.id in self.keys:
            return ast.Subscript(ast.Name("w"), ast.Constant(self.below(self.keys[node.id])))
        return node

    def visit_Call(self, node):
        """Return under(w, path) with the path as it is in this function."""
        if getattr(node.func, "id", None) == "under":
            path = self.below(node.args[1].value + ".")[:-1]
            return (
                ast.Call(node.func, [node.args[0], ast.Constant(path)], [])
                if path
                else (node.args[0])
            )
        return self.generic_visit(node)

    def below(self, key):
        """Return a name in state_dict() as it is below the module of this function."""
        return key.removeprefix(self.prefix)


def joined(lines, depth, kept, functions=()):
    """Return lines, what is read once put into the line that reads it, as in the source."""
    count = {}
    for line in lines:
        for value in values_in(line.tree):
            count[value] = count.get(value, 0) + 1
    pending, done = {}, []
    for line in lines:
        inner = [v for v in values_in(line.tree) if v in pending]
        for value in inner:
            other = pending[value]
            trial = Renamed({value: other.tree}).visit(copy.deepcopy(line.tree))
            length = len(re.sub(r"%\w+", "abcd", text_of(trial)))
            if level(other, depth) == level(line, depth) and length < WIDTH:
                line = Line(line.outs, trial, line.node, line.is_several)
                done.remove(other)
        done.append(line)
        out = line.outs[0]
        is_call = getattr(getattr(line.tree, "func", None), "id", "") in functions
        if not (line.is_several or is_call or out in kept) and count.get(out) == 1:
            pending[out] = line
    return done


def level(line, depth):
    """Return the frames of a line that belong to the module it is written in."""
    frames, stack = line.node.frames, line.node.stack
    calls = [i for i, frame in enumerate(frames) if frame.function == "forward"]
    if len(calls) == len(stack) and depth < len(calls):
        end = calls[depth + 1] if depth + 1 < len(calls) else len(frames)
        return frames[calls[depth] : end]
    return frames[-1:]


ASSIGNED = re.compile(r"([\w, ]+?)\s*(?::[^=]+)?(?:[-+*/@]?=)(?!=)")


def wanted(line, depth):
    """Return the names that the user's source gives to what a line makes."""
    for frame in reversed(level(line, depth)):
        if is_torchs(frame.file):
            continue
        found = ASSIGNED.match(frame.code)
        names = [name.strip() for name in found[1].split(",")] if found else []
        if names and all(name.isidentifier() and name != "_" for name in names):
            return names if len(names) == 1 or line.is_several else []
    return []


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


def shape_text(shape):
    """Return a shape as a comment has it."""
    words = [str(n) for n in shape]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def call(name, *args):
    """Return the tree of a call."""
    return ast.Call(ast.Name(name), list(args), [])


def parameters(inputs):
    """Return the parameters of forward; at the end, what is no array has its value as default."""
    found = []
    for name, value in reversed(inputs.items()):
        is_last = all("=" in other for other in found)
        is_array = list(refs(value)) or not is_last
        found.append(name if is_array else f"{name}={text_of(tree_of(value))}")
    return found[::-1]


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


def write(graph, ran):
    """Return the text of a program, and the modules of snippets that it calls."""
    writer = Writer(graph, ran)
    functions = writer.program()
    called = {
        node.func.id
        for function in functions
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    modules = {}
    for name in called & set(recipes()):
        modules.setdefault(recipes()[name], []).append(name)
    imports = [
        f"from .{module} import {', '.join(sorted(names))}"
        for module, names in sorted(modules.items())
    ]
    shapes = text_of(tree_of(writer.shapes()))
    parts = ["import numpy as np", "", *imports, "", f"SHAPES = {shapes}"]
    for function in functions:
        parts += ["", "", *function_lines(function)]
    return "\n".join(parts) + "\n", set(modules)


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


PLACE = re.compile(r'"[\w.]*"|\[\d+\]')  # where an index may stand: in a name, or alone


def stepped(text, other, step):
    """Return the places where a text differs from another by an index, and the index.

    None if they differ otherwise.
    """
    if PLACE.sub("", text) != PLACE.sub("", other):
        return None
    found = []
    for i, (one, two) in enumerate(zip(PLACE.findall(text), PLACE.findall(other), strict=True)):
        ones, twos = re.split(r"(\d+)", one), re.split(r"(\d+)", two)
        if len(ones) != len(twos):
            return None
        for j, (a, b) in enumerate(zip(ones, twos, strict=True)):
            if a != b:
                if not (a.isdecimal() and b.isdecimal() and int(b) - int(a) == step):
                    return None
                found.append((i, j, int(a)))
    return found


def shortened(body, shapes):
    """Return statements with the last value returned as it is made."""
    if len(body) > 1 and isinstance(body[-2], ast.Assign) and isinstance(body[-1].value, ast.Name):
        target = body[-2].targets[0]
        is_loop = len(body) > 2 and stepped(text_of(body[-3]), text_of(body[-2]), 1)
        if not is_loop and isinstance(target, ast.Name) and target.id == body[-1].value.id:
            return [*body[:-2], ast.Return(body[-2].value)], shapes[:-1]
    return body, shapes


def with_index(text, places):
    """Return a text with k in the place of an index."""
    where = {(i, j) for i, j, _ in places}
    counter = itertools.count()

    def put(match):
        i, pieces = next(counter), re.split(r"(\d+)", match[0])
        marks = [j for j in range(len(pieces)) if (i, j) in where]
        if not marks:
            return match[0]
        is_name = match[0][0] == '"'
        text = "".join(
            ("{k}" if is_name else "k") if j in marks else p for j, p in enumerate(pieces)
        )
        return f"f{text}" if is_name else text

    return PLACE.sub(put, text)


def rolled(texts, said):
    """Yield (indent, text, comment) of statements, those that repeat with an index in a loop."""
    i = 0
    while i < len(texts):
        best = (0, 0, 0, None)
        for period in range(1, (len(texts) - i) // 2 + 1):
            count, places = repeats(texts, i, period)
            best = max(best, ((count - 1) * period, -period, count, places), key=lambda b: b[:2])
        saved, period, count, places = best[0], -best[1], best[2], best[3]
        if saved < 2:
            yield 4, texts[i], said[i]
            i += 1
            continue
        start = next(first for one in places for *_, first in one)
        yield 4, f"for k in range({f'{start}, ' if start else ''}{start + count}):", ""
        for j in range(period):
            agree = len({said[i + n * period + j] for n in range(count)}) == 1
            yield 8, with_index(texts[i + j], places[j]), said[i + j] if agree else ""
        i += count * period


def repeats(texts, i, period):
    """Return how often statements repeat from i on, and where their index is."""
    first, count, places = texts[i : i + period], 1, None
    while True:
        other = texts[i + count * period : i + (count + 1) * period]
        if len(other) < period:
            return count, places
        found = [stepped(a, b, count) for a, b in zip(first, other, strict=True)]
        if None in found or len({n for one in found for *_, n in one}) != 1:
            return count, places
        where = [[place[:2] for place in one] for one in found]
        if places and where != [[place[:2] for place in one] for one in places]:
            return count, places
        places, count = found, count + 1


def wrapped(text, comment):
    """Return a statement in lines that are not too long: what its last call is given, indented."""
    indent = " " * (len(text) - len(text.lstrip()))
    if len(text + comment) <= WIDTH + 12 or "(" not in text:
        return [text + comment]
    start, end = longest(text)
    inner, after = text[start + 1 : end], text[end:] + comment
    if len(indent + inner) + 4 <= WIDTH + 12:
        return [text[: start + 1], f"{indent}    {inner}", f"{indent}{after}"]
    parts, deep, begun = [], 0, 0
    for i, letter in enumerate(inner):
        deep += (letter in "([{") - (letter in ")]}")
        if letter == "," and not deep:
            parts.append(inner[begun:i].strip())
            begun = i + 1
    parts.append(inner[begun:].strip())
    return [text[: start + 1], *(f"{indent}    {part}," for part in parts), f"{indent}{after}"]


def longest(text):
    """Return where the longest of the outermost brackets opens and closes."""
    pairs, deep, start = [], 0, 0
    for i, letter in enumerate(text):
        start = i if letter in "([{" and not deep else start
        deep += (letter in "([{") - (letter in ")]}")
        if letter in ")]}" and not deep:
            pairs.append((i - start, start, i))
    return max(pairs)[1:]
