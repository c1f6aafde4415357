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
    # All in one dtype, so that y can change in place; a sum of squares of float16 overflows.
    given = [np.asarray(a) for a in (x, weight, bias) if a is not None]
    x = x.astype(np.result_type(np.float32, *given), copy=False)
    batch, channels = x.shape[:2]
    grouped = x.reshape(batch, num_groups, -1)
    y = grouped - grouped.mean(axis=-1, keepdims=True)
    # Sums of squares, without an array of the squares.
    var = np.einsum("ijk,ijk->ij", y, y) / y.shape[-1]  # (batch, num_groups)
    scale = 1 / np.sqrt(var + eps)  # (batch, num_groups)
    scale = scale.repeat(channels // num_groups, axis=1)  # (batch, num_channels)
    if weight is not None:
        scale = scale * np.asarray(weight)  # (batch, num_channels)
    y = y.reshape(batch, channels, -1)
    y *= scale[..., None]
    if bias is not None:
        y += np.asarray(bias)[:, None]
    return y.reshape(x.shape)


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
