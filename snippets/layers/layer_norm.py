"""nn.LayerNorm in NumPy: mean and variance over the last axes, for each sample by itself."""

import numpy as np


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Return ``(x - mean) / sqrt(var + eps) * weight + bias``, over the last axes.

    Parameters
    ----------
    x : array (..., *normalized_shape)
        Any leading axes, or none. Integers and float16 are computed in float32 or wider.
    normalized_shape : int or sequence of int
        The sizes of the axes that the mean and the biased variance are taken over.
    weight, bias : array, shaped normalized_shape, optional
        None for a layer made with ``elementwise_affine=False``; bias alone with ``bias=False``.
    eps : float
        As the layer was made. It is not stored.

    Returns
    -------
    array, shaped as x

    Raises
    ------
    ValueError
        A shape does not fit.
    """
    x = np.asarray(x)
    normalized_shape = tuple(np.atleast_1d(normalized_shape).tolist())
    check_normalized_shape(x, normalized_shape, weight=weight, bias=bias)
    if x.size == 0:
        return x.copy()
    # A sum of squares of float16 overflows.
    x = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
    last = tuple(range(-len(normalized_shape), 0))
    mean = x.mean(last, keepdims=True)  # (..., 1)
    var = x.var(last, keepdims=True)  # (..., 1)
    y = (x - mean) / np.sqrt(var + eps)  # (..., normalized_shape)
    if weight is not None:
        y = y * np.asarray(weight)  # (..., normalized_shape)
    if bias is not None:
        y = y + np.asarray(bias)  # (..., normalized_shape)
    return y


def check_normalized_shape(x, normalized_shape, **arrays):
    """Raise a ValueError with the likely slip unless the last axes are the normalized ones."""
    if not normalized_shape:
        raise ValueError("normalized_shape is (), expected the sizes of one axis or more")
    if x.shape[-len(normalized_shape) :] != normalized_shape:
        if x.shape[1:2] == normalized_shape:
            slip = "are the channels of x in axis 1? Use np.moveaxis(x, 1, -1), and back afterwards"
        elif set(normalized_shape) <= set(x.shape):
            slip = "are the axes of x in another order?"
        else:
            slip = "is x another layer's?"
        raise ValueError(
            f"x has shape {x.shape}, expected its last axes to be {normalized_shape}: {slip}"
        )
    for name, array in arrays.items():
        if array is not None and np.shape(array) != normalized_shape:
            raise ValueError(
                f"{name} has shape {np.shape(array)}, expected normalized_shape, "
                f"{normalized_shape}: is it another layer's?"
            )
