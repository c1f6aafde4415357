"""nn.InstanceNorm1d, 2d and 3d in NumPy: each channel of each sample by itself."""

import math

import numpy as np


def instance_norm(x, running_mean=None, running_var=None, weight=None, bias=None, eps=1e-5):
    """Return ``(x - mean) / sqrt(var + eps) * weight + bias``, for each sample and channel.

    Parameters
    ----------
    x : array (batch, num_features, ...)
        One further axis for InstanceNorm1d, two for InstanceNorm2d, three for InstanceNorm3d.
        One sample without a batch axis: ``instance_norm(x[None], ...)[0]``.
    running_mean, running_var : array (num_features,), optional
        Of a layer made with ``track_running_stats=True``. If not given, the mean and the biased
        variance of each sample and channel, over the further axes; then integers and float16 are
        computed in float32 or wider.
    weight, bias : array (num_features,), optional
        Of a layer made with ``affine=True``.
    eps : float
        As the layer was made. It is not stored.

    Returns
    -------
    array, shaped as x
        What the layer returns in eval mode.

    Raises
    ------
    ValueError
        A shape does not fit, or there is one value for each sample and channel and no
        running statistics.
    """
    x = np.asarray(x)
    check_norm_channels(
        x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    check_instance_norm(x, running_mean, running_var)
    if x.size == 0:
        return x.copy()
    # Batch and channels go last, where arrays of (num_features,) broadcast against them.
    x = np.moveaxis(x, (0, 1), (-2, -1))  # (..., batch, num_features)
    if running_mean is None:
        # A sum of squares of float16 overflows.
        x = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
        others = tuple(range(x.ndim - 2))
        mean, var = x.mean(others), x.var(others)  # (batch, num_features)
    else:
        mean, var = np.asarray(running_mean), np.asarray(running_var)  # (num_features,)
    # Scale and shift are one number a channel, so this is cheap, and x is passed over only twice.
    scale = 1 / np.sqrt(var + eps)  # (..., num_features)
    if weight is not None:
        scale = scale * np.asarray(weight)  # (..., num_features)
    shift = -mean * scale  # (..., num_features)
    if bias is not None:
        shift = shift + np.asarray(bias)  # (..., num_features)
    y = np.multiply(x, scale, dtype=np.result_type(x, shift))  # (..., batch, num_features)
    y += shift
    return np.moveaxis(y, (-2, -1), (0, 1))


def check_instance_norm(x, running_mean, running_var):
    """Raise a ValueError unless there are statistics, given or to be taken of x."""
    if x.ndim < 3:
        raise ValueError(
            f"x has shape {x.shape}, expected (batch, num_features, ...) with further axes: "
            "is its batch axis missing? Use instance_norm(x[None], ...)[0]"
        )
    if (running_mean is None) != (running_var is None):
        raise ValueError("give both running_mean and running_var, or neither")
    if running_mean is None and math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"x has shape {x.shape}, one value for each sample and channel, and no running_mean "
            "and running_var: a single value has no variance. PyTorch refuses it too"
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
