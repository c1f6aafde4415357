"""nn.LocalResponseNorm in NumPy: each channel is divided by what its neighbours amount to."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """Return ``x / (k + alpha * mean_square) ** beta``.

    The mean is over ``size`` neighbouring channels, as many before as behind and, if size is
    even, one more before. Beyond the first and the last channel there are zeros, which count.

    Parameters
    ----------
    x : array (batch, channels, ...)
        One further axis at least. Integers and float16 are computed in float32 or wider.
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
    """
    x = np.asarray(x)
    check_local_response_norm(x, size)
    if x.size == 0:
        return x.copy()
    # A square of float16 overflows from 256 on.
    x = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
    around = [(0, 0), (size // 2, (size - 1) // 2)] + [(0, 0)] * (x.ndim - 2)
    windows = sliding_window_view(np.pad(x * x, around), size, axis=1)
    mean_square = windows.mean(axis=-1)  # shaped as x
    return x / (k + alpha * mean_square) ** beta


def check_local_response_norm(x, size):
    """Raise a ValueError with the likely slip if an argument does not fit."""
    if x.ndim < 3:
        raise ValueError(
            f"x has shape {x.shape}, expected (batch, channels, ...) with further axes: "
            "is the batch axis missing? Use x[None]"
        )
    if size < 1:
        raise ValueError(f"size is {size}, expected how many channels count, 1 or more")
