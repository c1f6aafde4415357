"""Where forward would do something else: conditions on the sizes that it was captured with."""

import ast
import functools
import itertools
import re

from .graph import Array, PortError

SIZE = re.compile(r"L(?P<place>(?:\[[^\]]+\])+)\.size\(\)\[(?P<axis>\d+)\]")
CALLED = {"max": max, "min": min}  # what torch.export calls in a condition
MANY = 300_000  # sizes of all axes together: they are tried in a few seconds
TRIED = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 31, 100, 4099)


def guards_of(conditions, ranges, inputs, known):
    """Return the conditions that a program has to check, in the words of its sizes.

    Those that follow from others, or from an axis that has one name in two inputs, are left out.

    Parameters
    ----------
    conditions : list of str
        As torch.export writes them: ``L['x'].size()[0] > 3``.
    ranges : dict of str to (int, int or None)
        The smallest and the largest size of an axis.
    inputs : dict
        As in a Graph.
    known : dict of str to Array

    Returns
    -------
    list of str
    """

    def word(match):
        keys = [ast.literal_eval(key) for key in re.findall(r"\[([^\]]+)\]", match["place"])]
        while keys[0] not in inputs and len(keys) > 1:  # x_0 of *x
            keys[:2] = [f"{keys[0]}_{keys[1]}"]
        value = inputs
        for key in keys:
            value = value[key]
        return str(known[value.name].shape[int(match["axis"])])

    try:
        found = [SIZE.sub(word, condition) for condition in conditions]
    except (KeyError, TypeError) as error:
        raise PortError(
            f"forward does something else unless {conditions}, and {error} is none of its "
            "arguments: give each by its name"
        ) from None
    sizes = words_of(known)
    for name, (least, most) in ranges.items():
        if name not in sizes:  # how many torch.nonzero finds is no size of an input
            continue
        found += [f"{name} >= {least}"] if least > 2 else []  # 2 is where torch.export begins
        found += [] if most is None else [f"{name} <= {most}"]
    if unknown := [g for g in found if names_in(g) - words_of(known)]:
        raise PortError(f"forward does something else unless {unknown}, of no size that it has")
    kept, left = [], cases(found, known)
    if left is None:
        return list(dict.fromkeys(found))
    for guard in found:
        stay = [sizes for sizes in left if holds(guard, sizes)]
        if len(stay) < len(left):
            kept.append(guard)
        left = stay
    return kept


def cases(guards, known):
    """Return sizes of all axes: small ones, large ones, and those around each number of a guard.

    None if there are too many to try.
    """
    words = sorted(words_of(known))
    numbers = {int(n) for guard in guards for n in re.findall(r"\d+", guard)}
    around = {n + step for n in numbers for step in (-1, 0, 1)} - {-1, 0}
    tried = sorted({*TRIED, *around}) if len(words) < 3 else sorted({3, 8, 31, *around})
    if len(tried) ** len(words) > MANY:
        return None
    every = itertools.product(tried, repeat=len(words))
    return [dict(zip(words, sizes, strict=True)) for sizes in every]


def words_of(known):
    """Return the names of the axes of any size."""
    shapes = [value.shape for value in known.values() if isinstance(value, Array)]
    return {n for shape in shapes for n in shape if isinstance(n, str) and n.isidentifier()}


def names_in(guard):
    """Return the names in a condition."""
    return set(compiled(guard).co_names) - {*CALLED}


def holds(guard, sizes):
    """Return whether a condition holds of sizes; one that divides by 0 does not."""
    try:
        return bool(eval(compiled(guard), {"__builtins__": CALLED}, dict(sizes)))
    except ZeroDivisionError:
        return False


def is_short(node):
    """Return whether a part of a condition is computed at once: 9**9**9 is not."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
        return isinstance(node.left, ast.Name) and getattr(node.right, "value", None) in range(9)
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", None) in CALLED and not node.keywords
    return True


@functools.cache
def compiled(guard):
    """Return the code of a condition of numbers and sizes."""
    allowed = (
        ast.Expression | ast.Compare | ast.BinOp | ast.BoolOp | ast.UnaryOp | ast.Name
        | ast.Constant | ast.operator | ast.cmpop | ast.boolop | ast.unaryop | ast.expr_context
        | ast.Call
    )  # fmt: skip
    tree = ast.parse(guard, mode="eval")
    if not all(isinstance(node, allowed) and is_short(node) for node in ast.walk(tree)):
        raise PortError(
            f"forward does something else unless {guard}, which no line of NumPy says: leave an "
            "axis of it out of dynamic"
        )
    return compile(tree, "guard", "eval")
