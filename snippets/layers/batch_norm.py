"""nn.BatchNorm1d, 2d and 3d in NumPy: one mean, variance, scale and shift for each channel."""

import math
from reprlib import repr as short

import numpy as np


def batch_norm(x, running_mean, running_var, weight=None, bias=None, eps=1e-5):
    """Return ``(x - mean) / sqrt(var + eps) * weight + bias``, channel by channel.

    Parameters
    ----------
    x : array (batch, num_features) or (batch, num_features, ...)
        Any further axes: one for BatchNorm1d, two for BatchNorm2d, three for BatchNorm3d.
    running_mean, running_var : array (num_features,), or None
        None, both, for a layer made with ``track_running_stats=False``: it takes the mean and
        the biased variance of x, over all axes but the channels, also in eval mode.
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

    See Also
    --------
    torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d
    torch.nn.functional.batch_norm
    """
    (x, mean, var, weight, bias), dtype = as_floats(x, running_mean, running_var, weight, bias)
    check_norm_channels(x, running_mean=mean, running_var=var, weight=weight, bias=bias)
    check_batch_norm(x, mean, var)
    eps = as_number("eps", eps)
    if x.size == 0:
        return np.empty(x.shape, dtype)
    # The channels go last, where an array of one number a channel broadcasts against them.
    x = np.moveaxis(x, 1, -1)  # (..., num_features)
    with np.errstate(all="ignore"):  # NaN and infinity come without a warning, as in PyTorch
        if mean is None:
            others = tuple(range(x.ndim - 1))
            mean, var = x.mean(others), x.var(others)  # (num_features,)
        # Scale and shift are one number a channel: this is cheap, and x is passed over only twice.
        scale = 1 / np.sqrt(var + eps)  # (num_features,)
        if weight is not None:
            scale *= weight
        shift = -mean * scale  # (num_features,)
        if bias is not None:
            shift += bias
        y = x * scale  # (..., num_features)
        y += shift
    return np.moveaxis(y, -1, 1).astype(dtype, copy=False)


# What refuses wrong input


def check_batch_norm(x, running_mean, running_var):
    """Raise a ValueError unless there are statistics, given or to be taken of x."""
    check_running(running_mean, running_var)
    if running_var is None and len(x) * math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"x has shape {x.shape}, one value for each channel, and no running_mean and "
            "running_var: a single value has no variance. PyTorch refuses it too"
        )


def check_running(running_mean, running_var):
    """Raise a ValueError unless the statistics are given both, or neither, and are statistics."""
    if (running_mean is None) != (running_var is None):
        raise ValueError("give both running_mean and running_var, or None for both")
    if running_var is not None and ((running_var < 0) & np.isfinite(running_var)).any():
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
