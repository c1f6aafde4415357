"""``nn.AdaptiveLogSoftmaxWithLoss`` in NumPy: rare classes share a row of the head."""

import numpy as np


def adaptive_log_prob(x, weights):
    """Return the log-probability of every class: the method ``log_prob``.

    The first rows of the head are the frequent classes, the last ones are clusters
    of rare classes. A rare class has its cluster's log-probability plus its own
    within the cluster.

    Parameters
    ----------
    x : array, (batch, in_features)
    weights : mapping of str to array
        As stored. Below, cutoffs end with the number of classes, and n_clusters is
        one less than there are cutoffs:

            head.weight  (cutoffs[0] + n_clusters, in_features)
            head.bias    (cutoffs[0] + n_clusters,), of a layer made with head_bias=True

        and for each cluster i = 0, 1, ...

            tail.{i}.0.weight  (features of the cluster, in_features)
            tail.{i}.1.weight  (cutoffs[i + 1] - cutoffs[i], features of the cluster)

        So the shapes tell the cutoffs: nobody has to know them.

    Returns
    -------
    log_prob : array, (batch, cutoffs[-1])

    Raises
    ------
    KeyError
        A weight is missing.
    ValueError
        There is a weight too many, or a shape is wrong.

    See Also
    --------
    torch.nn.AdaptiveLogSoftmaxWithLoss
    """
    x, weight, bias, clusters, dtype = read_adaptive(x, weights)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as in PyTorch
        head = log_shares(x @ weight.T + bias, 1)  # (batch, cutoffs[0] + n_clusters)
        frequent = len(weight) - len(clusters)
        log_probs = [head[:, :frequent]]
        for i, (narrow, wide) in enumerate(clusters):
            seen = x @ narrow.T  # (batch, in_features // div_value ** (cluster + 1))
            own = log_shares(seen @ wide.T, 1)  # (batch, cutoffs[cluster + 1] - cutoffs[cluster])
            log_probs.append(head[:, frequent + i, None] + own)
    y = np.concatenate(log_probs, axis=1)  # (batch, cutoffs[-1])
    return y.astype(dtype, copy=False)


def adaptive_predict(x, weights):
    """Return the likeliest class of each row: the method ``predict``.

    It opens the clusters only for those rows whose largest number in the head is a
    cluster's: a class has never more than its cluster has.

    Parameters
    ----------
    x, weights
        As for adaptive_log_prob.

    Returns
    -------
    classes : array of integers, (batch,)

    Raises
    ------
    KeyError, ValueError
        As for adaptive_log_prob.

    See Also
    --------
    torch.nn.AdaptiveLogSoftmaxWithLoss
    """
    x, weight, bias, clusters, _ = read_adaptive(x, weights)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as in PyTorch
        classes = (x @ weight.T + bias).argmax(axis=1)  # (batch,)
    rare = classes >= len(weight) - len(clusters)
    classes[rare] = adaptive_log_prob(x[rare], weights).argmax(axis=1)
    return classes  # (batch,)


def log_shares(v, dim):
    """Return the logarithm of the share of each exp(v) in their sum along axis dim."""
    largest = v.max(axis=dim, keepdims=True) if v.size else 0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        v = v - largest  # at most 0
        # The sum but for the 1 of the largest number: 1 + 1e-20 would be 1, its logarithm 0.
        others = np.where(v == 0, 0, np.exp(v)).sum(axis=dim, keepdims=True)
        others += np.sum(v == 0, axis=dim, keepdims=True, dtype=v.dtype) - 1
        return v - np.log1p(others)


# What refuses wrong input


def read_adaptive(x, weights):
    """Return x, the head's weight and bias, the two weights of each cluster, and a dtype."""
    if not hasattr(weights, "keys"):
        raise ValueError(
            f"weights are a {type(weights).__name__}, expected a mapping of names to arrays: "
            "take state_dict() itself"
        )
    n_clusters = 1
    while f"tail.{n_clusters}.0.weight" in weights:
        n_clusters += 1
    tail = [(f"tail.{i}.0.weight", f"tail.{i}.1.weight") for i in range(n_clusters)]
    names = ["head.weight", *sum(tail, ())]
    if missing := [name for name in names if name not in weights]:
        raise KeyError(
            f"weights lack {missing}; they have {list(weights)}. "
            "Take state_dict()'s own names, without the name of the module before them"
        )
    if surplus := [name for name in weights if name not in [*names, "head.bias"]]:
        raise ValueError(f"weights have {surplus} besides {names}: are they another layer's?")

    (x, *arrays), dtype = as_floats(x, *weights.values())
    arrays = dict(zip(weights, arrays, strict=True))
    check_adaptive(x.shape, {name: array.shape for name, array in arrays.items()}, tail)
    clusters = [(arrays[narrow], arrays[wide]) for narrow, wide in tail]
    return x, arrays["head.weight"], arrays.get("head.bias", 0), clusters, dtype


def check_adaptive(x, shapes, tail):
    """Raise with the likely slip unless each weight reads what it is given."""
    if len(x) != 2:
        slip = "add an axis to one row, x[None]; flatten leading ones, x.reshape(-1, in_features)"
        raise ValueError(f"x has shape {x}, expected (batch, in_features): {slip}")
    for name in ["head.weight", *(narrow for narrow, _ in tail)]:
        check_adaptive_features(name, shapes[name], x[1])
    for narrow, wide in tail:
        check_adaptive_features(wide, shapes[wide], shapes[narrow][0])
    rows = shapes["head.weight"][0]
    if rows <= len(tail):
        raise ValueError(
            f"head.weight has {rows} rows, expected one for each of {len(tail)} clusters and "
            "more for the frequent classes: is it another layer's?"
        )
    if (bias := shapes.get("head.bias", (rows,))) != (rows,):
        raise ValueError(
            f"head.bias has shape {bias}, expected {(rows,)}, one for each row of head.weight: "
            "is it another layer's?"
        )


def check_adaptive_features(name, shape, features):
    """Raise with the likely slip unless a weight has a column for each feature it is given."""
    if len(shape) != 2 or shape[1] != features:
        turned = len(shape) == 2 and shape[0] == features
        slip = "was this one transposed?" if turned else "is it another layer's?"
        raise ValueError(f"{name} has shape {shape}, but is given {features} features: {slip}")


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
