"""nn.GroupNorm in NumPy: channels that stand together share one mean and variance a sample."""

import math

import numpy as np


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """Return ``(x - mean) / sqrt(var + eps) * weight + bias``, for each sample and group.

    Parameters
    ----------
    x : array (batch, num_channels) or (batch, num_channels, ...)
        Any further axes. Integers and float16 are computed in float32 or wider.
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
    """
    x = np.asarray(x)
    check_norm_channels(x, weight=weight, bias=bias)
    check_group_norm(x, num_groups)
    if x.size == 0:
        return x.copy()
    # A sum of squares of float16 overflows.
    x = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
    grouped = x.reshape(len(x), num_groups, -1)
    mean = grouped.mean(axis=-1, keepdims=True)  # (batch, num_groups, 1)
    var = grouped.var(axis=-1, keepdims=True)  # (batch, num_groups, 1)
    y = ((grouped - mean) / np.sqrt(var + eps)).reshape(x.shape)
    # The channels go last, where an array of one number a channel broadcasts against them.
    y = np.moveaxis(y, 1, -1)  # (..., num_channels)
    if weight is not None:
        y = y * np.asarray(weight)  # (..., num_channels)
    if bias is not None:
        y = y + np.asarray(bias)  # (..., num_channels)
    return np.moveaxis(y, -1, 1)


def check_group_norm(x, num_groups):
    """Raise a ValueError unless the groups divide the channels and have a variance."""
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
        shape = np.shape(array)
        if array is None or shape == x.shape[1:2]:
            continue
        if len(shape) != 1:
            slip = "was an axis added?"
        elif shape == x.shape[-1:]:
            slip = "are the channels of x last? Use np.moveaxis(x, -1, 1)"
        elif shape == x.shape[:1]:
            slip = "is the batch axis of x missing? Use x[None]"
        else:
            slip = "is one of them another layer's?"
        raise ValueError(
            f"{name} has shape {shape}, but x has shape {x.shape}, "
            f"{x.shape[1]} channels in axis 1: {slip}"
        )
