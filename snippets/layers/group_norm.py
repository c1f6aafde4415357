"""nn.GroupNorm in NumPy: channels that stand together share one mean and variance a sample."""

import math
from reprlib import repr as short

import numpy as np


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """Return ``(x - mean) / sqrt(var + eps) * weight + bias``, for each sample and group.

    Parameters
    ----------
    x : array (batch, num_channels) or (batch, num_channels, ...)
        Any further axes.
    num_groups : int
        As the layer was made. It divides the channels, and is not stored.
    weight, bias : array (num_channels,), optional
        None for a layer made with ``affine=False``; bias alone with ``bias=False``.
    eps : float
        As the layer was made. It is not stored.

    Returns
    -------
    array, shaped as x

    Raises
    ------
    ValueError
        A shape does not fit, the groups do not divide the channels, or a single sample has one
        value for each group.

    See Also
    --------
    torch.nn.GroupNorm, torch.nn.functional.group_norm
    """
    (x, weight, bias), dtype = as_floats(x, weight, bias)
    check_norm_channels(x, weight=weight, bias=bias)
    check_group_norm(x, num_groups)
    eps = as_number("eps", eps)
    if x.size == 0:
        return np.empty(x.shape, dtype)
    batch, channels = x.shape[:2]
    grouped = x.reshape(batch, num_groups, -1)
    with np.errstate(all="ignore"):  # NaN and infinity come without a warning, as in PyTorch
        y = grouped - grouped.mean(axis=-1, keepdims=True)
        # Sums of squares, without an array of the squares.
        var = np.einsum("ijk,ijk->ij", y, y) / y.shape[-1]  # (batch, num_groups)
        scale = 1 / np.sqrt(var + eps)  # (batch, num_groups)
        scale = scale.repeat(channels // num_groups, axis=1)  # (batch, num_channels)
        if weight is not None:
            scale *= weight
        y = y.reshape(batch, channels, -1)
        y *= scale[..., None]
        if bias is not None:
            y += bias[:, None]
    return y.reshape(x.shape).astype(dtype, copy=False)


# What refuses wrong input


def check_group_norm(x, num_groups):
    """Raise a ValueError unless the groups divide the channels and have a variance."""
    given = np.asarray(num_groups)
    if given.ndim or given.dtype.kind not in "iu":
        raise ValueError(
            f"num_groups holds {given.dtype}, shape {given.shape}, expected one integer: "
            "was it forgotten? It is the second argument"
        )
    channels = x.shape[1]
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            f"num_groups is {num_groups}, which does not divide the {channels} channels in "
            f"axis 1 of x, {x.shape}: is it num_channels, or are the channels of x last?"
        )
    if len(x) * (channels // num_groups) * math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"x has shape {x.shape}, one value for each of {num_groups} groups: "
            "a single value has no variance. PyTorch refuses it too"
        )


def check_norm_channels(x, **arrays):
    """Raise a ValueError with the likely slip unless each array has one number a channel."""
    if x.ndim < 2:
        raise ValueError(
            f"x has shape {x.shape}, expected (batch, channels, ...): "
            "is its batch axis missing? Use x[None]"
        )
    for name, array in arrays.items():
        if array is None or array.shape == x.shape[1:2]:
            continue
        if array.ndim == 0:
            slip = "is it the number of channels? Leave it out, x has it"
        elif array.ndim > 1:
            slip = "was an axis added?"
        elif array.shape == x.shape[-1:]:
            slip = "are the channels of x last? Use np.moveaxis(x, -1, 1)"
        elif array.shape == x.shape[:1]:
            slip = "is the batch axis of x missing? Use x[None]"
        else:
            slip = "is one of them another layer's?"
        raise ValueError(
            f"{name} has shape {array.shape}, but x has shape {x.shape}, "
            f"{x.shape[1]} channels in axis 1: {slip}"
        )


def as_number(name, value):
    """Return an argument as a Python float, which never widens an array."""
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "iuf":
        given = f"an array of shape {array.shape}" if array.ndim else short(value)
        raise ValueError(f"{name} is {given}, expected a single number: is it another argument?")
    return float(array)


def as_floats(*given, kinds="f"):
    """Return the arrays in the dtype to compute in, and the dtype of the result.

    They decide together. float16 is computed in float32, integers and bools in float64.
    None stays None. Complex numbers are taken where kinds is "fc".
    """
    arrays = [None if a is None else np.asarray(a) for a in given]
    dtype, *others = {a.dtype for a in arrays if a is not None}
    if not others and dtype.char in "fd" and dtype.isnative:
        return arrays, dtype  # nearly always, and what follows costs as much as a small product
    for a, array in zip(given, arrays, strict=True):
        if array is not None and array.dtype.kind not in "biu" + kinds:
            what = f"{type(a).__name__} of dtype {array.dtype}"
            slip = ": was one of its entries meant?" if hasattr(a, "keys") else ""
            real = "real " if kinds == "f" else ""
            raise ValueError(f"{what} given, expected an array of {real}numbers{slip}")
    dtype = np.result_type(*(a.dtype for a in arrays if a is not None)).newbyteorder("=")
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    wide = np.promote_types(dtype, np.float32)
    return [None if a is None else a.astype(wide, copy=False) for a in arrays], dtype
