"""nn.LocalResponseNorm in NumPy: each channel is divided by what its neighbours amount to."""

from reprlib import repr as short

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """Return ``x / (k + alpha * mean_square) ** beta``.

    The mean is over ``size`` neighbouring channels, as many before as behind and, if size is
    even, one more before. Beyond the first and the last channel there are zeros, which count.

    Parameters
    ----------
    x : array (batch, channels, ...)
        One further axis at least.
    size : int
        How many channels count.
    alpha, beta, k : float
        As the layer was made. None of them is stored.

    Returns
    -------
    array, shaped as x

    Raises
    ------
    ValueError
        x has too few axes, or size is below 1.

    See Also
    --------
    torch.nn.LocalResponseNorm, torch.nn.functional.local_response_norm
    """
    (x,), dtype = as_floats(x)
    check_local_response_norm(x, size)
    alpha, beta, k = as_number("alpha", alpha), as_number("beta", beta), as_number("k", k)
    if x.size == 0:
        return np.empty(x.shape, dtype)
    around = [(0, 0), (size // 2, (size - 1) // 2)] + [(0, 0)] * (x.ndim - 2)
    with np.errstate(all="ignore"):  # NaN and infinity come without a warning, as in PyTorch
        windows = sliding_window_view(np.pad(x * x, around), size, axis=1)
        mean_square = windows.mean(axis=-1)  # shaped as x
        y = x / (k + alpha * mean_square) ** beta
    return y.astype(dtype, copy=False)


# What refuses wrong input


def check_local_response_norm(x, size):
    """Raise a ValueError with the likely slip if an argument does not fit."""
    if x.ndim < 3:
        raise ValueError(
            f"x has shape {x.shape}, expected (batch, channels, ...) with further axes: "
            "is the batch axis missing? Use x[None]"
        )
    if type(np.asarray(size).tolist()) is not int or size < 1:
        raise ValueError(f"size is {short(size)}, expected how many channels count, 1 or more")


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
