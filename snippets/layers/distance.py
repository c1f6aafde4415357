"""nn.CosineSimilarity and nn.PairwiseDistance in NumPy, and where each has its eps."""

import numpy as np


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """Return ``x1 @ x2 / (norm1 * norm2)`` of vectors; no norm counts less than eps.

    Parameters
    ----------
    x1, x2 : arrays that broadcast to one shape
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
        The shapes don't broadcast or have no axis dim.

    See Also
    --------
    torch.nn.CosineSimilarity, torch.nn.functional.cosine_similarity
    """
    (x1, x2), dtype = as_floats(x1, x2)
    x1, x2 = np.broadcast_arrays(x1, x2)
    check_cosine(x1.shape, dim)
    x1, x2 = (np.moveaxis(x, dim, -1) for x in (x1, x2))
    # Sums of products, without an array of all the products.
    pairs = [(x1, x2), (x1, x1), (x2, x2)]
    dot, square1, square2 = (np.einsum("...i,...i->...", a, b) for a, b in pairs)
    eps = dot.dtype.type(eps)
    with np.errstate(invalid="ignore"):  # inf / inf is NaN, as in PyTorch
        y = dot / np.maximum(np.sqrt(square1), eps) / np.maximum(np.sqrt(square2), eps)
    return y.astype(dtype, copy=False)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """Return the p-norm of ``x1 - x2 + eps`` over the last axis: row by row, not all pairs.

    Parameters
    ----------
    x1, x2 : arrays that broadcast to one shape (..., features)
    p : float
        The norm. 0 counts what differs from -eps, inf is the largest difference.
    eps : float
        Added to every difference, so equal rows are not 0 apart.
    keepdim : bool
        Keep the last axis, with size 1.

    Returns
    -------
    array (...), or (..., 1)

    Raises
    ------
    ValueError
        x1 or x2 holds no numbers, or the two don't broadcast.

    See Also
    --------
    torch.nn.PairwiseDistance, torch.nn.functional.pairwise_distance
    """
    (x1, x2), dtype = as_floats(x1, x2)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as in PyTorch
        difference = np.subtract(x1, x2) + float(eps)  # (..., features)
    y = np.linalg.norm(difference, float(p), axis=-1, keepdims=bool(keepdim))
    return y.astype(dtype, copy=False)


# What refuses wrong input


def check_cosine(shape, dim):
    """Raise with the likely slip unless the vectors can be compared."""
    if not -len(shape) <= dim < len(shape):
        slip = (
            "of two single vectors, it is dim=0" if len(shape) == 1 else "is a batch axis missing?"
        )
        raise ValueError(f"x1 and x2 broadcast to shape {shape}, without an axis {dim}: {slip}")


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
