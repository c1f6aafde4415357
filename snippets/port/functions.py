"""Lines become functions: one for each module class, which its modules share."""

import ast
import collections
import copy
import itertools
import re
from dataclasses import dataclass, field, replace

from .constants import fold, without_zeros
from .graph import Called, refs
from .layout import WIDTH
from .lines import call, is_call, paths, recipes, text_of, tree_of, values_in
from .loops import stepped
from .names import TAKEN, Finished, Names, level, wanted
from .ranges import Merged, given_as_they_are, simplify
from .rewritten import norms, products
from .run import Line, Renamed
from .shared import shared

SOME = "a_longer_name"  # as long as names are, the longer ones


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
    results : tuple of str
        The names of what it returns.
    kind : str
        Its name without a number: that of its class.
    defaults : dict
        Those of its parameters that have one.
    """

    name: str
    params: list
    body: list
    shapes: list
    results: tuple = ()
    kind: str = ""
    defaults: dict = field(default_factory=dict)


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


def parents(items, cls=""):
    """Return {class: the classes that call it} of a tree of scopes."""
    found = {}
    for item in items:
        if isinstance(item, Scope):
            found.setdefault(item.cls, set()).add(cls)
            for key, values in parents(item.items, item.cls).items():
                found.setdefault(key, set()).update(values)
    return found


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
        self.functions, self.texts, self.hints, self.ordered = {}, {}, {}, set()
        without_zeros(ran.lines)
        simplify(ran)
        fold(ran)
        self.output = Renamed(ran.alias).visit(tree_of(graph.output))
        products(ran.lines, ran.known, values_in(self.output))
        norms(ran.lines, self.keys, graph.arrays)
        for line in ran.lines:
            line.tree = Merged(ran.known).visit(line.tree)
        self.lines = given_as_they_are(alive(ran.lines, values_in(self.output)))
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
        self.parents = parents(tree)
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
        functions = shared([main, *self.functions.values()], anonymous)
        known = {function.name: function for function in functions[1:]}
        return numbered([main, *(known[name] for name in reached(main, known))])

    def leaves(self):
        """Yield (value, its name, where it is in the arguments) of each array that is given."""
        taken = {*self.graph.inputs, *recipes()}
        for name, tree in self.graph.inputs.items():
            for path, ref in paths(tree):
                place, word = ast.Name(name), name
                for key in path:
                    place = ast.Subscript(place, ast.Constant(key))
                    word += "_" + re.sub(r"\W", "_", str(key))  # a key may be any text
                while path and word in taken:
                    word += "_"
                taken.add(word)
                yield f"%{ref}", word, place

    def checked(self, leaves):
        """Return the statement that checks the shapes of what is given."""
        targets = [ast.Name(name) for _, name, _ in leaves]
        target = targets[0] if len(targets) == 1 else ast.Tuple(targets)
        made = call("checked", ast.Name("SHAPES"), *(place for _, _, place in leaves))
        kinds = "".join(kind_of(self.ran.known[value].dtype) for value, _, _ in leaves)
        if set(kinds) != {"f"}:
            made.keywords = [ast.keyword("kinds", ast.Constant(kinds))]
        return ast.Assign([target], made)

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
            if isinstance(item, Scope):
                lines += self.called(item, depth + 1)
            else:
                item.depth = depth
                lines.append(item)
                if len(item.outs) == 1 and (said := wanted(item, depth)):
                    self.hints[item.outs[0]] = said[0]
        return lines

    def is_once(self, cls):
        """Return whether a class is called once by each module of one other class, or once."""
        callers = self.parents[cls]
        return len(callers) == 1 and self.instances[cls] == self.instances.get(*callers, 1)

    def called(self, scope, depth):
        """Return the line that calls the function of a scope, or its lines if it is too small."""
        lines = self.entries(scope.items, depth)
        path = scope.path.partition("@")[0] + "."
        made = {out for line in lines for out in line.outs}
        read = dict.fromkeys(v for line in lines for v in values_in(line.tree) if v not in made)
        outs = [o for o in made if o and self.last[o] >= scope.end]
        outs = self.as_returned(scope, [o for line in lines for o in line.outs if o in outs])
        size = len(self.joined(lines, depth, path, set(outs)))
        is_leaf = scope.cls.startswith("torch.nn.") and all(
            isinstance(i, Line) for i in scope.items
        )
        alone = self.instances[scope.cls] == 1
        is_small = size <= (3 if alone else 2 if self.is_once(scope.cls) else 1)
        if scope.cls.startswith("torch.nn.modules.container.") or is_leaf or is_small:
            return lines
        known = self.ran.known
        params = [v for v in read if v[0] == "%" and not self.keys.get(v, "").startswith(path)]
        params += [
            v for v in read
            if v[0] == "$" and not any(v[1:] in known[p].shape for p in params if p in known)
        ]  # fmt: skip
        names = Names({}, {*recipes(), *self.functions}, known)
        said = self.arguments(scope)
        for value in params:
            line = Line((value,), ast.Constant(None), None)
            names.of(line, said(value), [*names.names])
        body, names, shapes = self.statements(lines, depth, path, names.names, outs)
        results = [ast.Name(names[out]) for out in outs]
        body.append(ast.Return(results[0] if len(results) == 1 else ast.Tuple(results)))
        body, shapes = shortened(body, [*shapes, []])
        reads_w = any(getattr(n, "id", "") == "w" for s in body for n in ast.walk(s))
        given = ["w"] * reads_w + [names[v] if v in names else v[1:] for v in params]
        function = Function("", given, body, shapes, tuple(r.id for r in results))
        self.hints |= {out: result.id for out, result in zip(outs, results, strict=True)}
        name = self.named(function, scope.cls)
        args = [ast.Name(v) for v in params]
        if reads_w:
            args = [call("under", ast.Name("w"), ast.Constant(path[:-1])), *args]
        made = call(name, *args)
        return [Line(tuple(outs), made, lines[-1].node, len(outs) > 1, depth - 1)]

    def as_returned(self, scope, outs):
        """Return the results of a scope in the order in which its module returns them, if known."""
        returned = self.graph.calls.get(scope.path, Called()).returned
        places = [
            [i for i, theirs in enumerate(returned) if is_same(self.ran.prints[out], theirs)][:1]
            for out in outs
        ]
        if [] in places or len({i for [i] in places}) < len(outs):
            return outs
        outs = [out for _, out in sorted(zip(places, outs, strict=True))]
        self.ordered.add(tuple(outs))
        return outs

    def arguments(self, scope):
        """Return a function of a value: the names that the module's own forward has for it."""
        given = self.graph.calls.get(scope.path, Called()).given

        def said(value):
            if value[0] == "$":
                return [value[1:]]
            ours = self.ran.prints.get(value)
            found = [name for name, theirs in given.items() if ours and is_same(ours, theirs)]
            found += [self.hints[value]] if value in self.hints else []
            return [{"input": "x"}.get(name, name) for name in found[:1]]

        return said

    def named(self, function, cls):
        """Return the name of a function: one that is there already if it has the same lines."""
        edges = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=\d)(?!D(?![a-z]))(?=[A-Z])"
        base = re.sub(edges, "_", cls.split(".")[-1])
        base = base.lower() if base.isidentifier() else "module"
        base = base + "_" if base in recipes() or base in TAKEN or base == "forward" else base
        text = anonymous(function, {"w", "np", "bool", *recipes(), *self.functions})
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
        function.name, function.kind = name, base
        self.functions[name], self.texts[name] = function, text
        return name

    def statements(self, lines, depth, prefix, names, outs):
        """Return lines as statements, the names of their values, and their shapes."""
        kept = {*outs, *values_in(self.output)}
        lines, parts = self.joined(lines, depth, prefix, kept), {}
        better = {}
        lists = collected(lines, kept)
        named = Names(names, {*recipes(), *self.functions}, self.ran.known)
        last = {}
        for i, line in enumerate(lines):
            last |= dict.fromkeys(values_in(line.tree), i)
        last |= dict.fromkeys(kept, len(lines))
        body = [ast.Assign([ast.Name(n)], ast.List([])) for n in dict.fromkeys(lists.values())]
        shapes = [[] for _ in body]
        words = dict.fromkeys(v for line in lines for v in values_in(line.tree) if v[0] == "$")
        sizes = self.sizes([word for word in words if word not in named.names], named)
        body += sizes
        shapes += [[] for _ in sizes]
        for i, line in enumerate(lines):
            tree = Renamed(parts).visit(Gathered(lists).visit(copy.deepcopy(line.tree)))
            tree = Finished(named.names, self.keys, prefix).visit(tree)
            live = {v for v in named.names if last.get(v, -1) > i or v in kept}
            if word := lists.get(line.outs[0]):
                body.append(ast.Expr(ast.Call(ast.Attribute(ast.Name(word), "append"), [tree], [])))
                shapes.append([])
                continue
            is_unbound = line.is_several and line.node.target == "aten.unbind.int"
            said = next(
                filter(None, (wanted(line, d) for d in range(line.depth, depth - 1, -1))), []
            )
            if is_unbound and len(said) == len(line.outs):  # q, k, v = x
                tree = tree.args[0]
            elif is_unbound and not set(line.outs) & kept:
                whole = named.of(Line(("%" + line.outs[0],), tree, None), ["steps"], live)[0]
                parts |= {
                    out: ast.Subscript(ast.Name(whole), ast.Constant(j))
                    for j, out in enumerate(line.outs)
                }
                body.append(ast.Assign([ast.Name(whole)], tree.args[0]))
                shapes.append([])
                continue
            if getattr(getattr(line.tree, "func", None), "id", "") in self.functions:
                used = {named.names[v] for v in live}
                same = not line.is_several and named.reused(line, used, self.ran.known)
                # The source's names are in the order in which its module returns.
                is_said = len(said) == len(line.outs) and line.outs in self.ordered
                if line.is_several and not is_said:
                    said = self.functions[line.tree.func.id].results
                if same and said:
                    better.setdefault(same, said[0])
                said = [same] if same else said
            is_state = getattr(getattr(tree, "func", None), "id", "") == "flat_state"
            if is_state and len(said) != len(line.outs):
                said = ["_", "h_n", "c_n"]
            targets = [ast.Name(t) for t in named.of(line, said, live)]
            target = targets[0] if not line.is_several else ast.Tuple(targets)
            if is_state:
                tree, rest = tree.args[0], ast.Tuple(targets[1:])
                rest = rest if any(line.outs[1:]) else ast.Name("_")
                target = ast.Tuple([targets[0], rest])
            body.append(ast.Assign([target], tree))
            known = {n: self.ran.known[n].shape for n in values_in(line.tree) if n[0] == "%"}
            made = [self.ran.known[out].shape for out in line.outs if out]
            shapes.append([] if set(made) <= set(known.values()) else made)
        rename(body, named, better, {*names.values(), *TAKEN, *recipes(), *self.functions})
        return body, named.names, shapes

    def joined(self, lines, depth, prefix, kept):
        """Return lines, what is read once put into the line that reads it, as in the source."""
        count = collections.Counter(v for line in lines for v in values_in(line.tree))
        pending, done = {}, []
        for line in lines:
            for value in [v for v in values_in(line.tree) if v in pending]:
                other = pending[value]
                trial = Renamed({value: other.tree}).visit(copy.deepcopy(line.tree))
                trial = Merged(self.ran.known).visit(trial)
                text = re.sub(r"%\w+", lambda m: self.about(m[0], prefix), text_of(trial))
                text = text.replace(f'"{prefix}', '"') if prefix else text
                text = f"    {SOME * (1 + line.is_several)} = {text}"
                if level(other, depth) == level(line, depth) and len(text) <= WIDTH:
                    line = replace(line, tree=trial)
                    done.remove(other)
            done.append(line)
            out = line.outs[0]
            is_own = getattr(getattr(line.tree, "func", None), "id", "") in self.functions
            is_own |= is_call(line.tree, "np.concatenate")  # its list may grow with each layer
            if not (line.is_several or is_own or out in kept) and count[out] == 1:
                pending[out] = line
        return done

    def about(self, value, prefix):
        """Return a text as long as what stands for a value in the program."""
        if value in self.keys:
            return f'w["{self.keys[value].removeprefix(prefix)}"]'
        return SOME  # a name's own length may differ from layer to layer

    def sizes(self, words, named):
        """Return the statements that give sizes their names, those of one array in one."""
        known, places = self.ran.known, {}
        for word in words:
            value = next(v for v in named.names if v in known and word[1:] in known[v].shape)
            places.setdefault(value, []).append((known[value].shape.index(word[1:]), word[1:]))
        found = []
        for value, pairs in places.items():
            shape = ast.Attribute(ast.Name(named.names[value]), "shape")
            axes, names = zip(*sorted(pairs), strict=True)
            if len(axes) > 1 and axes == tuple(range(len(axes))):
                is_part = len(axes) < len(known[value].shape)
                end = ast.Slice(None, ast.Constant(len(axes)))
                whole = ast.Subscript(shape, end) if is_part else shape
                found.append(ast.Assign([ast.Tuple([ast.Name(n) for n in names])], whole))
            else:
                for axis, name in zip(axes, names, strict=True):
                    size = ast.Subscript(shape, ast.Constant(axis))
                    found.append(ast.Assign([ast.Name(name)], size))
        named.names |= {word: word[1:] for word in words}
        return found


def kind_of(dtype):
    """Return the letter of a dtype's kind, as checked takes it."""
    if dtype == "bool":
        return "b"
    return "i" if dtype.startswith(("int", "uint")) else "f"


def anonymous(function, known):
    """Return the text of a function whatever its variables are called: each value has a number."""
    names = {name: f"v{i}" for i, name in enumerate(function.params) if name != "w"}
    body, numbers = [], itertools.count(len(names) + 1)
    for statement in copy.deepcopy(function.body):
        targets = [n for t in getattr(statement, "targets", []) for n in ast.walk(t)]
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id not in known and node not in targets:
                node.id = names.get(node.id, node.id)
        for node in targets:
            if isinstance(node, ast.Name):
                names[node.id] = node.id = f"v{next(numbers)}"
        body.append(text_of(statement))
    return "\n".join([f"{len(function.params)} {'w' in function.params}", *body])


def numbered(functions):
    """Return functions with their names numbered anew, in the order in which they stand."""
    names = {}
    for function in functions[1:]:
        name, n = function.kind, 2
        while name in names.values():
            name, n = f"{function.kind}_{n}", n + 1
        names[function.name] = name
    for function in functions:
        function.name = names.get(function.name, function.name)
        for node in (n for statement in function.body for n in ast.walk(statement)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                node.func = ast.Name(names[node.func.id])
    return functions


def is_same(ours, theirs):
    """Return whether two prints are of one array."""
    return ours[:2] == theirs[:2] and abs(ours[2] - theirs[2]) <= 1e-5 * ours[3]


def rename(body, named, better, taken):
    """Give what a call overwrites the name that the source has for the result of the call."""
    used = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name)}
    for name, other in better.items():
        if name in taken or other in taken | used:
            continue
        for node in (n for s in body for n in ast.walk(s)):
            if isinstance(node, ast.Name) and node.id == name:
                node.id = other
        named.names = {v: other if n == name else n for v, n in named.names.items()}
        used.add(other)


def alive(lines, outputs):
    """Return the lines that an output depends on."""
    needed, kept = set(outputs), []
    for line in reversed(lines):
        if needed & set(line.outs):
            line.outs = tuple(out if out in needed else "" for out in line.outs)
            needed |= set(values_in(line.tree))
            kept.append(line)
    return kept[::-1]


def collected(lines, kept):
    """Return {value: name of the list} of values that one np.stack alone reads, in its order."""
    made = {line.outs[0]: i for i, line in enumerate(lines) if not line.is_several}
    count = collections.Counter(v for line in lines for v in values_in(line.tree))
    lists = {}
    for line in lines:
        for node in ast.walk(line.tree):
            values = [getattr(e, "id", "") for e in getattr(node, "elts", [])]
            order = [made.get(v, -1) for v in values]
            is_list = isinstance(node, ast.List) and len(values) > 2 and not kept & set(values)
            is_ordered = order == sorted(order) and -1 not in order
            if is_list and is_ordered and all(count[v] == 1 for v in values):
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


def shortened(body, shapes):
    """Return statements with the last value returned as it is made."""
    if len(body) > 1 and isinstance(body[-2], ast.Assign) and isinstance(body[-1].value, ast.Name):
        target = body[-2].targets[0]
        is_loop = len(body) > 2 and stepped(text_of(body[-3]), text_of(body[-2]), 1)
        if not is_loop and isinstance(target, ast.Name) and target.id == body[-1].value.id:
            return [*body[:-2], ast.Return(body[-2].value)], shapes[:-1]
    return body, shapes


def parameters(inputs):
    """Return the parameters of forward; at the end, what is no array has its value as default."""
    found = []
    for name, value in reversed(inputs.items()):
        is_last = all("=" in other for other in found)
        is_array = list(refs(value)) or not is_last
        found.append(name if is_array else f"{name}={text_of(tree_of(value))}")
    return found[::-1]
