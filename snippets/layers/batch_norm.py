"""nn.BatchNorm1d, 2d and 3d in NumPy: one mean, variance, scale and shift for each channel."""

import math

import numpy as np


def batch_norm(x, running_mean, running_var, weight=None, bias=None, eps=1e-5):
    """Return ``(x - mean) / sqrt(var + eps) * weight + bias``, channel by channel.

    Parameters
    ----------
    x : array (batch, num_features) or (batch, num_features, ...)
        Any further axes: one for BatchNorm1d, two for BatchNorm2d, three for BatchNorm3d.
    running_mean, running_var : array (num_features,), or None
        None, both, for a layer made with ``track_running_stats=False``: it takes the mean and
        the biased variance of x, over all axes but the channels, also in eval mode. Then
        integers and float16 are computed in float32 or wider.
    weight, bias : array (num_features,), optional
        None for a layer made with ``affine=False``; bias alone with ``bias=False``.
    eps : float
        As the layer was made. It is not stored.

    Returns
    -------
    array, shaped as x
        What the layer returns in eval mode.

    Raises
    ------
    ValueError
        A shape does not fit, a variance is negative, or x has a single value for each channel
        and no running statistics.
    """
    x = np.asarray(x)
    check_norm_channels(
        x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    check_batch_norm(x, running_mean, running_var)
    if x.size == 0:
        return x.copy()
    # The channels go last, where an array of one number a channel broadcasts against them.
    x = np.moveaxis(x, 1, -1)  # (..., num_features)
    if running_mean is None:
        # A sum of squares of float16 overflows.
        x = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
        others = tuple(range(x.ndim - 1))
        mean, var = x.mean(others), x.var(others)  # (num_features,)
    else:
        mean, var = np.asarray(running_mean), np.asarray(running_var)  # (num_features,)
    # Scale and shift are one number a channel, so this is cheap, and x is passed over only twice.
    scale = 1 / np.sqrt(var + eps)  # (num_features,)
    if weight is not None:
        scale = scale * np.asarray(weight)  # (num_features,)
    shift = -mean * scale  # (num_features,)
    if bias is not None:
        shift = shift + np.asarray(bias)  # (num_features,)
    y = np.multiply(x, scale, dtype=np.result_type(x, shift))  # (..., num_features)
    y += shift
    return np.moveaxis(y, -1, 1)


def check_batch_norm(x, running_mean, running_var):
    """Raise a ValueError unless there are statistics, given or to be taken of x."""
    if (running_mean is None) != (running_var is None):
        raise ValueError("give both running_mean and running_var, or None for both")
    if running_var is None and len(x) * math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"x has shape {x.shape}, one value for each channel, and no running_mean and "
            "running_var: a single value has no variance. PyTorch refuses it too"
        )
    if running_var is not None and (np.asarray(running_var) < 0).any():
        raise ValueError(
            "running_var has negative numbers, but no variance has: state_dict() lists weight "
            "and bias first, this function takes running_mean and running_var first"
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
