"""nn.CosineSimilarity and nn.PairwiseDistance in NumPy, and where each has its eps."""

import numpy as np


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """Return ``x1 @ x2 / (norm1 * norm2)`` of vectors; no norm counts less than eps.

    Parameters
    ----------
    x1, x2 : floating-point arrays that broadcast to one shape
        float16 is computed in float32.
    dim : int
        The axis of that shape that holds the vectors, in (batch, features) the second.
    eps : float
        What a smaller norm counts as.

    Returns
    -------
    array, the common shape without axis dim
        0 where a vector is zero.

    Raises
    ------
    ValueError
        The shapes don't broadcast or have no axis dim, or both arrays are integers.
    """
    x1, x2 = np.broadcast_arrays(x1, x2)
    check_cosine(x1, x2, dim)
    # A sum of squares of float16 overflows.
    dtype = np.result_type(x1, x2, np.float32)
    x1, x2 = (np.moveaxis(x, dim, -1).astype(dtype, copy=False) for x in (x1, x2))
    # Sums of products, without an array of all the products.
    pairs = [(x1, x2), (x1, x1), (x2, x2)]
    dot, square1, square2 = (np.einsum("...i,...i->...", a, b) for a, b in pairs)
    eps = dtype.type(eps)
    return dot / np.maximum(np.sqrt(square1), eps) / np.maximum(np.sqrt(square2), eps)


def check_cosine(x1, x2, dim):
    """Raise with the likely slip unless the vectors can be compared."""
    if not -x1.ndim <= dim < x1.ndim:
        slip = "of two single vectors, it is dim=0" if x1.ndim == 1 else "is a batch axis missing?"
        raise ValueError(f"x1 and x2 broadcast to shape {x1.shape}, without an axis {dim}: {slip}")
    if np.result_type(x1, x2).kind != "f":
        raise ValueError(f"x1 and x2 are {x1.dtype} and {x2.dtype}, expected floating point")


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """Return the p-norm of ``x1 - x2 + eps`` over the last axis: row by row, not all pairs.

    Parameters
    ----------
    x1, x2 : arrays that broadcast to one shape (..., features)
        float16 is computed in float32.
    p : float
        The norm. 0 counts what differs from -eps, inf is the largest difference.
    eps : float
        Added to every difference, so equal rows are not 0 apart.
    keepdim : bool
        Keep the last axis, with size 1.

    Returns
    -------
    array (...), or (..., 1)
    """
    difference = np.subtract(x1, x2) + eps  # (..., features)
    # A sum of squares of float16 overflows.
    difference = difference.astype(np.promote_types(difference.dtype, np.float32), copy=False)
    return np.linalg.norm(difference, p, axis=-1, keepdims=keepdim)
