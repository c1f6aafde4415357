"""nn.LayerNorm in NumPy: mean and variance over the last axes, for each sample by itself."""

import math

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
    # All in one dtype, so that y can change in place; a sum of squares of float16 overflows.
    given = [np.asarray(a) for a in (x, weight, bias) if a is not None]
    x = x.astype(np.result_type(np.float32, *given), copy=False)
    rows = x.reshape(-1, math.prod(normalized_shape))  # (rows, normalized_shape)
    y = rows - rows.mean(axis=1, keepdims=True)  # (rows, normalized_shape)
    # Sums of squares, without an array of the squares.
    var = np.einsum("ij,ij->i", y, y) / y.shape[1]  # (rows,)
    y /= np.sqrt(var + eps)[:, None]
    if weight is not None:
        y *= np.ravel(weight)
    if bias is not None:
        y += np.ravel(bias)
    return y.reshape(x.shape)


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
