"""nn.RMSNorm in NumPy: divide by the root of the mean square of the last axes, subtract nothing."""

import math

import numpy as np


def rms_norm(x, normalized_shape, weight=None, eps=None):
    """Return ``x / sqrt(mean(x ** 2) + eps) * weight``, over the last axes.

    Parameters
    ----------
    x : array (..., *normalized_shape)
        Any leading axes, or none. Integers and float16 are computed in float32 or wider.
    normalized_shape : int or sequence of int
        The sizes of the axes that the mean is taken over.
    weight : array, shaped normalized_shape, optional
        None for a layer made with ``elementwise_affine=False``.
    eps : float, optional
        As the layer was made. None, its default, is the machine epsilon of the dtype:
        1.19e-07 for float32, 2.22e-16 for float64.

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
    check_normalized_shape(x, normalized_shape, weight=weight)
    if x.size == 0:
        return x.copy()
    dtype = np.promote_types(x.dtype, np.float32)  # a square of float16 overflows from 256 on
    eps = float(np.finfo(dtype).eps) if eps is None else eps
    if weight is not None:
        dtype = np.promote_types(dtype, np.asarray(weight).dtype)  # so y can change in place
    rows = x.astype(dtype, copy=False).reshape(-1, math.prod(normalized_shape))
    # Sums of squares, without an array of the squares.
    squares = np.einsum("ij,ij->i", rows, rows)[:, None]  # (rows, 1)
    mean_square = squares / rows.shape[1]  # (rows, 1)
    y = rows / np.sqrt(mean_square + eps)  # (rows, normalized_shape)
    if weight is not None:
        y *= np.ravel(weight)
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
