"""Lines as a person would write them: by what several of them are together."""

import ast
import collections

from .lines import call, is_call, values_in

NORMS = ["running_mean", "running_var", "weight", "bias"]


def products(lines, known, outputs):
    """Write a product of rows whose other axes were one meanwhile as the product that it is.

    ``(bias + x.reshape(-1, n) @ weight).reshape(...)`` is ``x @ weight + bias``.
    """
    made = {line.outs[0]: line.tree for line in lines if not line.is_several}
    count = collections.Counter(v for line in lines for v in values_in(line.tree))
    count.update(outputs)
    for line in lines:
        product, bias = made.get(reshaped(line.tree)), None
        if is_operation(product, ast.Add):
            product, bias = product.right, product.left
        if count[reshaped(line.tree)] > 1 or not is_operation(product, ast.MatMult):
            continue
        x = reshaped(made.get(getattr(product.left, "id", "")))
        rows, weight, row = (
            getattr(known.get(name), "shape", ())
            for name in (x, getattr(product.right, "id", ""), getattr(bias, "id", ""))
        )
        is_plain = len(weight) == 2 and len(row) == (bias is not None)
        whole = (*rows[:-1], *weight[1:])
        if is_plain and rows[-1:] == weight[:1] and known[line.outs[0]].shape == whole:
            line.tree = ast.BinOp(ast.Name(x), ast.MatMult(), product.right)
            line.tree = ast.BinOp(line.tree, ast.Add(), bias) if bias else line.tree


def reshaped(tree):
    """Return the value that a tree reshapes; "" if it does something else."""
    is_reshape = isinstance(tree, ast.Call) and getattr(tree.func, "attr", "") == "reshape"
    return getattr(tree.func.value, "id", "") if is_reshape else ""


def is_operation(tree, kind):
    """Return whether a tree is a sum, a product, ..."""
    return isinstance(tree, ast.BinOp) and isinstance(tree.op, kind)


def norms(lines, keys, stored):
    """Write what a batch norm holds as one argument, where its names are below one path.

    Parameters
    ----------
    lines : list of Line
    keys : dict of str to str
        The names in ``state_dict()`` of values.
    stored : collection of str
        All names in ``state_dict()``.
    """
    for line in lines:
        for node in ast.walk(line.tree):
            if not is_call(node, "batch_norm"):
                continue
            given = dict(zip(NORMS, node.args[1:], strict=False))
            given |= {k.arg: k.value for k in node.keywords if k.arg in NORMS}
            names = {word: keys.get(getattr(n, "id", ""), "") for word, n in given.items()}
            path = names["running_mean"].removesuffix(".running_mean")
            expected = {word: f"{path}.{word}" for word in NORMS if f"{path}.{word}" in stored}
            above = [place.partition("@")[0] for place, _ in line.node.stack]
            is_below = all(f"{path}.".startswith(f"{one}." * bool(one)) for one in above)
            if names == expected and is_below:
                arrays = call("norm_of", ast.Name("w"), ast.Constant(path))
                node.args[1:] = [ast.Starred(arrays)]
                node.keywords = [k for k in node.keywords if k.arg not in NORMS]
