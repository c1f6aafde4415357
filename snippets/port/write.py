"""Write the lines of a graph as a program: functions, names, loops, comments."""

import ast
import builtins
import copy
import itertools
import keyword
import re
from dataclasses import dataclass

from .graph import Ref, is_torchs, refs
from .lines import recipes, text_of, values_in
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
        self.functions = []
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
        lines = self.flat(scopes(self.lines, 1), 0, "")
        body, names, shapes = self.statements(lines, 0, "", names, [])
        head = [self.checked(leaves)] if leaves else []
        head += [
            call("fixed", ast.Constant(name), ast.Name(name), ast.Constant(value))
            for name, value in self.graph.inputs.items()
            if not list(refs(value))
        ]
        result = Finished(names, self.keys, "").visit(copy.deepcopy(self.output))
        body = [*head, *body, ast.Return(result)]
        shapes = [*[[]] * len(head), *shapes, []]
        params = ["w", *parameters(self.graph.inputs)]
        return [Function("forward", params, body, shapes), *self.functions]

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

    def shapes(self):
        """Return {name: shape} of the inputs, as the program has it."""
        return {name: self.ran.known[value].shape for value, name, _ in self.leaves()}

    def flat(self, items, depth, prefix):
        """Return the lines of a scope, with those of the scopes in it."""
        lines = []
        for item in items:
            lines += self.flat(item.items, depth + 1, prefix) if isinstance(item, Scope) else [item]
        return lines

    def statements(self, lines, depth, prefix, names, outs):
        """Return lines as statements, the names of their values, and their shapes."""
        lines = joined(lines, depth, set(outs) | set(values_in(self.output)))
        named = Names(names, set(recipes()))
        last = {}
        for i, line in enumerate(lines):
            last |= dict.fromkeys(values_in(line.tree), i)
        last |= dict.fromkeys([*outs, *values_in(self.output)], len(lines))
        body, shapes = [], []
        for word in dict.fromkeys(v for line in lines for v in values_in(line.tree) if v[0] == "$"):
            body.append(self.size(word, named))
            shapes.append([])
        for i, line in enumerate(lines):
            tree = Finished(named.names, self.keys, prefix).visit(copy.deepcopy(line.tree))
            live = {v for v in named.names if last.get(v, -1) > i}
            targets = named.of(line, wanted(line, depth), live)
            target = ast.Name(targets[0])
            if line.is_several:
                target = ast.Tuple([ast.Name(t) for t in targets])
            body.append(ast.Assign([target], tree))
            shapes.append([self.ran.known[out].shape for out in line.outs if out])
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

    def fallback(self, line, used):
        """Return the name of what a line reads and nothing reads later, or a short one."""
        for value in values_in(line.tree):
            name = self.names.get(value)
            if name and name not in used and name.isidentifier():
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


def joined(lines, depth, kept):
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
            if level(other, depth) == level(line, depth) and len(text_of(trial)) < WIDTH - 20:
                line = Line(line.outs, trial, line.node, line.is_several)
                done.remove(other)
        done.append(line)
        out = line.outs[0]
        if not line.is_several and count.get(out) == 1 and out not in kept:
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
    """Return the lines of a function."""
    lines = [f"def {function.name}({', '.join(function.params)}):"]
    for statement, shapes in zip(function.body, function.shapes, strict=True):
        said = ", ".join(shape_text(shape) for shape in shapes)
        lines += statement_lines(text_of(statement), f"  # {said}" if said else "")
    return lines


def statement_lines(text, comment):
    """Return a statement in lines that are not too long: one for each argument of its last call."""
    if len(text) + len(comment) <= WIDTH + 4:
        return [f"    {text}{comment}"]
    return [f"    {text}{comment}"]
