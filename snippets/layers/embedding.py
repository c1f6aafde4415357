"""nn.Embedding and nn.EmbeddingBag in NumPy: row i of the weight belongs to input id i."""

import numpy as np


def embedding(ids, weight, max_norm=None, norm_type=2.0):
    """Return ``weight[ids]``: one row of the weight for each id.

    Parameters
    ----------
    ids : integers (...)
        Any axes, or none; from 0 to num_embeddings - 1.
    weight : array (num_embeddings, embedding_dim)
        As stored. Stays as it is, while PyTorch rescales it in place if there is a max_norm.
    max_norm : float, optional
        A row whose norm is larger is scaled down to it.
    norm_type : float
        The p of that norm.

    Returns
    -------
    array (..., embedding_dim)
        Integers stay integers if there is no max_norm.

    Raises
    ------
    ValueError
        An id is no integer, is negative or has no row, or the weight has not two axes.

    See Also
    --------
    torch.nn.Embedding, torch.nn.functional.embedding
    """
    ids = np.asarray(ids)
    weight = np.asarray(weight)  # (num_embeddings, embedding_dim)
    check_embedding(ids, weight)
    rows = weight[ids]  # (..., embedding_dim)
    if max_norm is None:
        return rows.astype(rows.dtype.newbyteorder("="), copy=False)
    (rows,), dtype = as_floats(rows)
    return shrink_rows(rows, max_norm, norm_type).astype(dtype, copy=False)


def embedding_bag(
    ids,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2,
    mode="mean",
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """Return the sum, mean or maximum of the rows of each bag of ids; zeros for an empty bag.

    Parameters
    ----------
    ids : integers (batch, time) or (num_ids,)
        Bags of one length, or all bags one after another.
    weight : array (num_embeddings, embedding_dim)
        As stored, and never changed.
    offsets : integers (batch,), for (num_ids,) only
        Where each bag starts: 0 first, never falling. The same number twice is an empty bag.
    max_norm, norm_type : float
        As for ``embedding``.
    mode : {"mean", "sum", "max"}
    per_sample_weights : array, shaped as ids, optional
        What each row is multiplied by, in mode "sum".
    include_last_offset : bool
        ``offsets`` has one entry more at its end, num_ids.
    padding_idx : int, optional
        The id that is left out, also of the mean's count. Negative counts from the end.

    Returns
    -------
    array (batch, embedding_dim)

    Raises
    ------
    ValueError
        PyTorch refuses the arguments too, or the offsets leave an id in no bag.

    See Also
    --------
    torch.nn.EmbeddingBag, torch.nn.functional.embedding_bag
    """
    ids = np.asarray(ids)
    weight = np.asarray(weight)  # (num_embeddings, embedding_dim)
    check_embedding(ids, weight)
    check_bag(ids, weight, mode, per_sample_weights, padding_idx)
    lengths = bag_lengths(ids, offsets, include_last_offset)  # (batch,)

    rows = weight[ids.ravel()]  # (num_ids, embedding_dim)
    (rows, factors), dtype = as_floats(rows, per_sample_weights)
    if max_norm is not None:
        rows = shrink_rows(rows, max_norm, norm_type)  # (num_ids, embedding_dim)
    if factors is not None:
        rows = rows * factors.reshape(-1, 1)  # (num_ids, embedding_dim)
    bag = np.repeat(np.arange(len(lengths)), lengths)  # (num_ids,)
    if padding_idx is not None:
        kept = ids.ravel() != padding_idx % len(weight)  # (num_ids,)
        rows, bag = rows[kept], bag[kept]

    counts = np.bincount(bag, minlength=len(lengths))  # (batch,)
    full = counts > 0  # (batch,)
    starts = np.cumsum(counts) - counts  # (batch,)
    y = np.zeros((len(lengths), weight.shape[1]), rows.dtype)  # (batch, embedding_dim)
    # From each start to the next one; between two starts that are equal, it would take a row.
    y[full] = (np.maximum if mode == "max" else np.add).reduceat(rows, starts[full])
    if mode == "mean":
        y = y / np.maximum(counts, 1)[:, None].astype(y.dtype)  # (batch, embedding_dim)
    return y.astype(dtype, copy=False)


def shrink_rows(rows, max_norm, norm_type):
    """Return rows with none longer than max_norm, to the last digit of PyTorch's formula."""
    max_norm = float(max_norm)
    norm = np.linalg.norm(rows, float(norm_type), axis=-1, keepdims=True)  # (..., 1)
    with np.errstate(invalid="ignore"):  # inf * 0 is NaN, as in PyTorch
        return rows * np.where(norm > max_norm, max_norm / (norm + 1e-7), 1)  # (..., embedding_dim)


# What refuses wrong input


def check_embedding(ids, weight):
    """Raise with the likely slip unless every id has its row."""
    if weight.ndim != 2:
        raise ValueError(
            f"weight has shape {weight.shape}, expected (num_embeddings, embedding_dim)"
        )
    if weight.dtype.kind not in "biufc":
        raise ValueError(f"weight holds {weight.dtype}, expected numbers")
    if ids.dtype.kind not in "iu":
        swapped = weight.dtype.kind in "iu"
        slip = "are ids and weight swapped?" if swapped else "was it made without dtype=int?"
        raise ValueError(f"ids are {ids.dtype}, expected integers: {slip}")
    count, dim = weight.shape
    low, high = (ids.min(), ids.max()) if ids.size else (0, -1)
    if low < 0 or high >= count:
        if low < 0:
            slip = "PyTorch refuses a negative id, NumPy would count it from the end"
        elif high == count and low > 0:
            slip = "do they count from 1?"
        else:
            slip = "was it transposed?" if high < dim else "are they another vocabulary's?"
        raise ValueError(
            f"ids run from {low} to {high}, but weight {weight.shape} has {count} rows: {slip}"
        )


def check_bag(ids, weight, mode, per_sample_weights, padding_idx):
    """Raise unless PyTorch takes these arguments too."""
    if mode not in ("mean", "sum", "max"):
        raise ValueError(f"mode is {mode!r}, expected 'mean', 'sum' or 'max'")
    if per_sample_weights is not None:
        if mode != "sum":
            raise ValueError(f"per_sample_weights need mode='sum', but mode is {mode!r}")
        if (shape := np.shape(per_sample_weights)) != ids.shape:
            raise ValueError(
                f"per_sample_weights have shape {shape}, expected that of ids, {ids.shape}"
            )
    count = len(weight)
    if padding_idx is not None and not -count <= padding_idx < count:
        raise ValueError(f"padding_idx is {padding_idx}, but weight has {count} rows")


def bag_lengths(ids, offsets, include_last_offset):
    """Return how many ids each bag has, or say what is wrong and why."""
    shape, count = ids.shape, ids.size
    if len(shape) not in (1, 2) or (len(shape) == 2 and not shape[1]):
        raise ValueError(f"ids have shape {shape}, expected (batch, time) or (num_ids,)")
    if len(shape) == 2:
        if offsets is not None:
            raise ValueError(f"ids have shape {shape}, bags already: leave out the offsets")
        return np.full(*shape)
    if offsets is None:
        raise ValueError(f"ids have shape {shape}, so they need offsets: is it one bag, ids[None]?")
    offsets = np.asarray(offsets)
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu":
        raise ValueError(
            f"offsets are {offsets.dtype} of shape {offsets.shape}, expected integers (batch,)"
        )
    ends = offsets.astype(int)
    if not include_last_offset:
        ends = np.append(ends, count)
    if list(ends[:1]) != [0] or ends[-1] != count or (ends[:-1] > ends[1:]).any():
        last = f", {count} last" if include_last_offset else ""
        raise ValueError(
            f"offsets are {offsets.tolist()} for {count} ids, expected 0 first{last}, never "
            "falling: are they lengths? np.cumsum(lengths) - lengths"
        )
    return np.diff(ends)


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
