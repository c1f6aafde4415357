"""nn.RMSNorm in NumPy: divide by the root of the mean square of the last axes, subtract nothing."""

import math
from reprlib import repr as short

import numpy as np


def rms_norm(x, normalized_shape, weight=None, eps=None):
    """Return ``x / sqrt(mean(x ** 2) + eps) * weight``, over the last axes.

    Parameters
    ----------
    x : array (..., *normalized_shape)
        Any leading axes, or none.
    normalized_shape : int or sequence of int
        The sizes of the axes that the mean is taken over.
    weight : array, shaped normalized_shape, optional
        None for a layer made with ``elementwise_affine=False``.
    eps : float, optional
        As the layer was made. None, its default, is the machine epsilon of what x is computed
        in: 1.19e-07 for float32 and float16, 2.22e-16 for float64.

    Returns
    -------
    array, shaped as x

    Raises
    ------
    ValueError
        A shape does not fit.

    See Also
    --------
    torch.nn.RMSNorm, torch.nn.functional.rms_norm
    """
    eps = machine_eps(x) if eps is None else as_number("eps", eps)
    (x, weight), dtype = as_floats(x, weight, kinds="fc")
    normalized_shape = check_normalized_shape(x, normalized_shape, weight=weight)
    if x.size == 0:
        return np.empty(x.shape, dtype)
    rows = x.reshape(-1, math.prod(normalized_shape))  # (rows, normalized_shape)
    with np.errstate(all="ignore"):  # NaN and infinity come without a warning, as in PyTorch
        # Sums of squares, without an array of the squares.
        squares = np.einsum("ij,ij->i", rows, rows)[:, None]  # (rows, 1)
        mean_square = squares / rows.shape[1]  # (rows, 1)
        y = rows / np.sqrt(mean_square + eps)  # (rows, normalized_shape)
        if weight is not None:
            y *= weight.ravel()
    return y.reshape(x.shape).astype(dtype, copy=False)


def machine_eps(x):
    """Return the epsilon of the dtype that x is computed in, whatever the weight is."""
    (none,), _ = as_floats(np.empty(0, np.asarray(x).dtype), kinds="fc")
    return float(np.finfo(none.dtype).eps)


# What refuses wrong input


def check_normalized_shape(x, normalized_shape, **arrays):
    """Return normalized_shape as a tuple, or raise a ValueError with the likely slip."""
    sizes = np.atleast_1d(normalized_shape)
    if sizes.size == 0:
        raise ValueError("normalized_shape is (), expected the sizes of one axis or more")
    if sizes.ndim > 1 or sizes.dtype.kind not in "iu":
        raise ValueError(
            f"normalized_shape holds {sizes.dtype}, shape {sizes.shape}, expected the sizes of the "
            f"last axes of x, {x.shape}: was it forgotten? It is the second argument"
        )
    sizes = tuple(sizes.tolist())
    if x.shape[-len(sizes) :] != sizes:
        if x.shape[1:2] == sizes:
            slip = "are the channels of x in axis 1? Use np.moveaxis(x, 1, -1), and back afterwards"
        elif set(sizes) <= set(x.shape):
            slip = "are the axes of x in another order?"
        else:
            slip = "is x another layer's?"
        raise ValueError(
            f"x has shape {x.shape}, expected its last axes to be {short(sizes)}: {slip}"
        )
    for name, array in arrays.items():
        if array is not None and array.shape != sizes:
            raise ValueError(
                f"{name} has shape {array.shape}, expected normalized_shape, "
                f"{sizes}: is it another layer's?"
            )
    return sizes


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
