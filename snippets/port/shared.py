"""Functions that differ in numbers become one that is given them; results that add up, a list."""

import ast
import collections
import copy
import inspect
import itertools

from .lines import recipe, recipes, text_of
from .names import TAKEN

MOST = 4  # arguments that a function may get: with more, two functions are easier to read
NONE = inspect.Parameter.empty


class Word(str):
    """The name of a function, which stands in a program without quotes."""

    def __repr__(self):
        """Return the name."""
        return str(self)


def shared(functions, anonymous):
    """Make one of functions of a class that differ in nothing but what they could be given.

    Parameters
    ----------
    functions : list of Function
        The first is that of the whole model. They are changed.
    anonymous : function
        It returns the text of a function whatever its variables are called.

    Returns
    -------
    list of Function
        Those that are left.
    """
    listed(functions)
    for function in functions:
        while grown(function):
            pass
    while groups := alike(functions, anonymous):
        for group in groups:
            merge(group, functions)
        gone = {function.name for group in groups for function in group[1:]}
        functions = [function for function in functions if function.name not in gone]
    return functions


def nodes(function):
    """Yield the nodes of a function's trees."""
    for statement in function.body:
        yield from ast.walk(statement)


def calls_of(name, functions):
    """Return the calls of a function in others."""
    every = (node for function in functions for node in nodes(function))
    return [n for n in every if isinstance(n, ast.Call) and getattr(n.func, "id", "") == name]


def free(word, function):
    """Return a name that a function does not have yet."""
    taken = {getattr(node, "id", "") for node in nodes(function)} | {*function.params}
    taken |= {*recipes(), *TAKEN}
    names = itertools.chain([word], (f"{word}_{n}" for n in itertools.count(2)))
    return next(name for name in names if name not in taken)


# ---- numbers ----


def defaults_of(name, functions):
    """Return {parameter: default} of a recipe of a layer or of a function of the program."""
    for function in functions:
        if function.name == name:
            return {p: function.defaults.get(p, NONE) for p in function.params}
    if recipes().get(name, "").startswith("layers."):
        parameters = inspect.signature(recipe(name)).parameters
        return {p: parameter.default for p, parameter in parameters.items()}
    return {}


def slots(function, functions):
    """Yield (call, parameter, value, default) of what calls in a function are given but arrays."""
    for node in nodes(function):
        known = defaults_of(getattr(getattr(node, "func", None), "id", ""), functions)
        if known:
            given = itertools.takewhile(lambda a: not isinstance(a, ast.Starred), node.args)
            given = dict(zip(known, given, strict=False))
            given |= {keyword.arg: keyword.value for keyword in node.keywords}
            for word, default in known.items():
                if word not in given and default is not NONE:
                    yield node, word, default, default
                elif word in given and is_literal(given[word]):
                    yield node, word, ast.literal_eval(text_of(given[word])), default
                elif word in given and is_activation(given[word]):
                    yield node, word, Word(given[word].id), default
            if is_activation(node.func):
                yield node, "activation", Word(node.func.id), NONE


def is_activation(tree):
    """Return whether a tree is the name of an activation."""
    return recipes().get(getattr(tree, "id", "")) == "layers.activation"


def is_literal(tree):
    """Return whether a tree is a number, a string, or a tuple of them."""
    try:
        ast.literal_eval(text_of(tree))
    except ValueError:
        return False
    return True


def put(node, word, tree, functions):
    """Give a call another argument, None to leave it out; or another function to call."""
    if word == "activation" and is_activation(node.func):
        node.func = tree or ast.Name("_")
        return
    words = list(defaults_of(node.func.id, functions))
    place = words.index(word)
    if place < len(node.args) and not any(isinstance(a, ast.Starred) for a in node.args[:place]):
        node.args[place] = tree or ast.Name("_")
        return
    keywords = {keyword.arg: keyword.value for keyword in node.keywords} | {word: tree}
    pairs = sorted(keywords.items(), key=lambda pair: words.index(pair[0]))
    node.keywords = [ast.keyword(k, value) for k, value in pairs if value]


def alike(functions, anonymous):
    """Return groups of functions of one class that are one if they are given few numbers."""
    found = collections.defaultdict(list)
    for function in functions[1:]:
        bare = copy.deepcopy(function)
        words = list(slots(bare, functions))
        for node, word, *_ in words:
            put(node, word, None, functions)
        text = anonymous(bare, {"w", "np", "bool", *recipes(), *(f.name for f in functions)})
        key = function.kind, text, tuple(word for _, word, *_ in words)
        for group in found[key]:
            if len(differing([*group, function], functions)) <= MOST:
                group.append(function)
                break
        else:
            found[key].append([function])
    return [group for groups in found.values() for group in groups if len(group) > 1]


def differing(group, functions):
    """Return {(parameter, its values in each function): where} of the slots that differ."""
    found = {}
    every = [list(slots(function, functions)) for function in group]
    for i, same in enumerate(zip(*every, strict=True)):
        values = tuple(repr(value) for _, _, value, _ in same)
        if len(set(values)) > 1:
            found.setdefault((same[0][1], values), []).append(i)
    return found


def merge(group, functions):
    """Make one function of several, and give it in each call what they differ in."""
    first, places = group[0], list(slots(group[0], functions))
    found = differing(group, functions)
    for (word, values), where in found.items():
        name, default = free(word, first), repr(places[where[0]][3])
        for i in where:
            put(places[i][0], places[i][1], ast.Name(name), functions)
        if default in values:
            first.defaults[name] = ast.literal_eval(default)
        at = len(first.params) if default in values else len(first.params) - len(first.defaults)
        first.params.insert(at, name)
        for function, value in zip(group, values, strict=True):
            for node in calls_of(function.name, functions):
                if value != default:
                    tree = ast.parse(value, mode="eval").body
                    node.keywords.append(ast.keyword(name, tree))
    for function in group[1:]:
        for node in calls_of(function.name, functions):
            node.func = ast.Name(first.name)
    every = zip(*(function.shapes for function in group), strict=True)
    first.shapes = [same[0] if all(shape == same[0] for shape in same) else [] for same in every]


# ---- lists ----


def listed(functions):
    """Give a function a list where it makes one of three or more of its arguments, and no more."""
    found = [(function, list_of(function)) for function in functions[1:]]
    kinds = {function.kind for function, made in found if made and len(made.elts) > 2}
    for function, made in found:
        if made and function.kind in kinds:
            names = [node.id for node in made.elts]
            places = [function.params.index(name) for name in names]
            word = free("parts", function)
            replaced(function, {id(made): ast.Name(word)})
            rest = [i for i in range(len(function.params)) if i not in places[1:]]
            function.params[places[0]] = word
            function.params = [function.params[i] for i in rest]
            for node in calls_of(function.name, functions):
                node.args[places[0]] = ast.List([node.args[i] for i in places])
                node.args = [node.args[i] for i in rest]


def list_of(function):
    """Return the list of a function that has arguments which nothing else reads; else None."""
    count = collections.Counter(argument for argument in read(function))
    for node in nodes(function):
        names = [getattr(part, "id", "") for part in getattr(node, "elts", [])]
        if isinstance(node, ast.List) and names and all(count[name] == 1 for name in names):
            return node
    return None


def read(function):
    """Yield the arguments that a function reads, each as often as it does."""
    given = {*function.params}
    for statement in function.body:
        yield from (n.id for n in ast.walk(statement.value) if getattr(n, "id", "") in given)
        targets = (n for t in getattr(statement, "targets", []) for n in ast.walk(t))
        given -= {getattr(node, "id", "") for node in targets}


class Replaced(ast.NodeTransformer):
    """Put other trees in the place of nodes, by their ids."""

    def __init__(self, trees):
        self.trees = trees

    def visit(self, node):
        """Return what stands for a node."""
        return self.trees[id(node)] if id(node) in self.trees else super().visit(node)


def replaced(function, trees):
    """Put other trees in the place of nodes of a function."""
    function.body = [Replaced(trees).visit(statement) for statement in function.body]


def grown(function):
    """Append results to a list, if they stand in lists of which each is the start of the next.

    Return whether there were such lists.
    """
    lists = [node for node in nodes(function) if isinstance(node, ast.List) and node.elts]
    lists = [n for n in lists if all(isinstance(part, ast.Name) for part in n.elts)]
    for longest in sorted(lists, key=lambda node: -len(node.elts)):
        names = [node.id for node in longest.elts]
        if len(names) < 3 or len(set(names)) < len(names):
            return False
        starts = [n for n in lists if [part.id for part in n.elts] == names[: len(n.elts)]]
        if len(starts) > 1 and is_growing(function, names, starts):
            grow(function, names, starts)
            return True
    return False


def is_growing(function, names, starts):
    """Return whether each list is read after its last entry is made, and before the next one."""
    made = [places_of(function, name) for name in names]
    if any(len(where) != 1 for where in made[1:]) or len(made[0]) > 1:
        return False
    made = [where[0] if where else -1 for where in made]
    reads = collections.Counter(getattr(node, "id", "") for node in nodes(function))
    inside = collections.Counter(part.id for node in starts for part in node.elts)
    if any(reads[name] != inside[name] + 1 for name in names[1:]):
        return False
    for i, statement in enumerate(function.body):
        for node in ast.walk(statement):
            n = len(node.elts) if any(node is one for one in starts) else 0
            if n and not (made[n - 1] < i and (n == len(names) or i <= made[n])):
                return False
    return made == sorted(made)


def places_of(function, name):
    """Return the numbers of the statements that make a name, as the one thing that they make."""
    found = []
    for i, statement in enumerate(function.body):
        for target in getattr(statement, "targets", []):
            is_one = getattr(target, "id", "") == name
            others = [n for n in ast.walk(target) if getattr(n, "id", "") == name]
            found += [i] if is_one else [i] * 2 * len(others)
    return found


def grow(function, names, starts):
    """Write the statements that make names as ones that append to a list."""
    word = free("parts", function)
    made = {places_of(function, name)[0] for name in names[1:]}
    replaced(function, {id(node): ast.Name(word) for node in starts})
    body, shapes = [], []
    for i, statement in enumerate(function.body):
        if i == min(made):
            body.append(ast.Assign([ast.Name(word)], ast.List([ast.Name(names[0])])))
            shapes.append([])
        if i in made:
            append = ast.Attribute(ast.Name(word), "append")
            statement = ast.Expr(ast.Call(append, [statement.value], []))
        body.append(statement)
        shapes.append([] if i in made else function.shapes[i])
    function.body, function.shapes = body, shapes
