"""``nn.Flatten`` and ``nn.Unflatten`` in NumPy: one reshape, channels first."""

import math

import numpy as np


def flatten(x, start_dim=1, end_dim=-1):
    """Join the axes from ``start_dim`` to ``end_dim`` into one, the last one fastest.

    As ``nn.Flatten``, whose ``start_dim`` is 1: the batch stays. The function
    ``torch.flatten`` has the default 0.

    Parameters
    ----------
    x : array, any axes
        From a convolution, (batch, channels, height, width).
    start_dim, end_dim : int
        The first and the last of the axes that are joined. Negative ones count
        from the end.

    Returns
    -------
    array, a copy, in the dtype of x

    Raises
    ------
    ValueError
        x has no such axis, or the last comes before the first.

    See Also
    --------
    torch.nn.Flatten, torch.flatten
    """
    x = as_numbers(x, "fc")
    shape = x.shape or (1,)  # one number counts as one axis, as in PyTorch
    start = check_axis("start_dim", start_dim, shape)
    end = check_axis("end_dim", end_dim, shape)
    if end < start:
        raise ValueError(f"end_dim {end_dim} comes before start_dim {start_dim} in {shape}")
    return x.copy().reshape(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def unflatten(x, dim, unflattened_size):
    """Split the axis ``dim`` into the axes ``unflattened_size``, as ``nn.Unflatten``.

    Parameters
    ----------
    x : array, any axes
    dim : int
        The axis to split.
    unflattened_size : sequence of int
        Its new axes. One of them may be -1: what is left.

    Returns
    -------
    array, a copy, in the dtype of x

    Raises
    ------
    ValueError
        x has no such axis, or its entries do not fill the new axes.

    See Also
    --------
    torch.nn.Unflatten, torch.unflatten
    """
    x = as_numbers(x, "fc")
    dim = check_axis("dim", dim, x.shape)
    sizes = check_unflatten(x.shape[dim], unflattened_size)
    return x.copy().reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


# What refuses wrong input


def check_axis(name, dim, shape):
    """Return the axis counted from 0, or say that x has none of this number."""
    if not isinstance(dim, int | np.integer) or isinstance(dim, bool):
        raise ValueError(f"{name} is {dim}, expected an integer")
    if not -len(shape) <= dim < len(shape):
        raise ValueError(
            f"{name} is {dim}, but x has shape {shape}, {len(shape)} axes: is the batch missing?"
        )
    return dim % len(shape)


def check_unflatten(entries, sizes):
    """Return the new axes with -1 filled in, or say why they can't hold the entries."""
    sizes = tuple(np.ravel(sizes).tolist())
    if not all(type(n) is int for n in sizes):
        raise ValueError(f"unflattened_size is {sizes}, expected integers")
    known = math.prod(n for n in sizes if n != -1)
    filled = tuple(entries // known if n == -1 and known else n for n in sizes)
    if not sizes or min(filled) < 0 or math.prod(filled) != entries:
        raise ValueError(
            f"unflattened_size is {sizes}, expected axes that hold {entries} entries, "
            "at most one of them -1"
        )
    return filled


def as_numbers(given, kinds="f"):
    """Return an array in its own dtype, in native byte order: integers stay integers.

    Complex numbers are taken where kinds is "fc".
    """
    array = np.asarray(given)
    if array.dtype.kind not in "biu" + kinds:
        what = f"{type(given).__name__} of dtype {array.dtype}"
        slip = ": was one of its entries meant?" if hasattr(given, "keys") else ""
        real = "real " if kinds == "f" else ""
        raise ValueError(f"{what} given, expected an array of {real}numbers{slip}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
