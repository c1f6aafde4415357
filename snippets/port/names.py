"""The names of values: those of the user's source, or short ones."""

import ast
import builtins
import itertools
import keyword
import re

from .graph import is_torchs
from .lines import values_in

TAKEN = {*keyword.kwlist, *dir(builtins), "w", "np"}


class Names:
    """The names of values in one function: a name is free again when its value is dead."""

    def __init__(self, names, taken, known):
        self.names, self.taken, self.known = dict(names), TAKEN | taken, known

    def of(self, line, wanted, live):
        """Return the names of what a line makes, and remember them."""
        used = {self.names[v] for v in live}
        found = []
        for i, out in enumerate(line.outs):
            if not out:
                found.append("_")
                continue
            said = wanted[i] if i < len(wanted) else "_"
            name = said if said != "_" else self.fallback(line, used)
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
        read = {v for v in values_in(line.tree) if v[0] == "%" and v in self.names}
        # Of one array, the next x; of two, something else, unless it is as large.
        if name := self.reused(line, used, self.known if len(read) > 1 else None):
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
        """Return under(w, path) or norm_of(w, path) with the path as it is in this function."""
        name = getattr(node.func, "id", None)
        if name not in ("under", "norm_of"):
            return self.generic_visit(node)
        path = self.below(node.args[1].value + ".")[:-1]
        args = [node.args[0], *([ast.Constant(path)] if path else [])]
        return ast.Call(node.func, args, []) if path or name == "norm_of" else args[0]

    def below(self, key):
        """Return a name in state_dict() as it is below the module of this function."""
        return key.removeprefix(self.prefix)


def level(line, depth):
    """Return the frames of a line that belong to the module it is written in."""
    frames, stack = line.node.frames, line.node.stack
    calls = [i for i, frame in enumerate(frames) if frame.function == "forward"]
    if len(calls) == len(stack) and depth < len(calls):
        end = calls[depth + 1] if depth + 1 < len(calls) else len(frames)
        return frames[calls[depth] : end]
    return frames[-1:]


ASSIGNED = re.compile(r"([\w, ()]+?)\s*(?::[^=]+)?(?:[-+*/@]?=)(?!=)")


def wanted(line, depth):
    """Return the names that the user's source gives to what a line makes."""
    for frame in reversed(level(line, depth)):
        if is_torchs(frame.file):
            continue
        found = ASSIGNED.match(frame.code)
        names = [name.strip(" ()") for name in found[1].split(",")] if found else []
        if names != ["_"] and names and all(name.isidentifier() for name in names):
            return names if len(names) == 1 or line.is_several else []
    return []
