"""nn.MultiheadAttention in NumPy: q, k, v stacked in one weight, each cut into heads."""

import math

import numpy as np


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, *, is_causal=False, scale=None, enable_gqa=False
):
    """Return ``softmax(scale * query @ key.T + attn_mask) @ value``: a mean of values.

    Parameters
    ----------
    query : array (..., target, head_dim)
        Any leading axes, as (batch, num_heads); those of query, key and value broadcast.
    key : array (..., source, head_dim)
    value : array (..., source, value_dim)
    attn_mask : array of bool or float, optional
        Broadcasts to (..., target, source). True *keeps* a key, unlike in ``MultiheadAttention``,
        where it hides one; floats are added to the scores.
    is_causal : bool
        Query i sees keys 0 to i, however many queries and keys there are.
    scale : float, optional
        1 / sqrt(head_dim) if not given.
    enable_gqa : bool
        Key and value have fewer heads in axis -3; each serves several heads of query in a row.

    Returns
    -------
    array (..., target, value_dim)
        Zeros for a query that sees no key.

    Raises
    ------
    ValueError
        A shape, a dtype or a mask is wrong.

    See Also
    --------
    torch.nn.functional.scaled_dot_product_attention
    """
    query, key, value, attn_mask, dtype = read_dot_products(
        query, key, value, attn_mask, is_causal, enable_gqa
    )
    if enable_gqa:
        key, value = (a.repeat(query.shape[-3] // a.shape[-3], axis=-3) for a in (key, value))
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)
    means = []
    with np.errstate(over="ignore", invalid="ignore"):  # inf - inf is NaN in silence, as in torch
        query = query * scale  # (..., target, head_dim)
        for some in attention_blocks(query.shape[-2]):
            seen = slice(some.stop if is_causal else None)
            scores = query[..., some, :] @ key[..., seen, :].swapaxes(-2, -1)
            if is_causal:
                seen_by = np.tri(*scores.shape[-2:], some.start, dtype=bool)
                np.copyto(scores, -np.inf, where=~seen_by)
            elif attn_mask is not None:
                mask_scores(scores, attn_mask[..., some, :], hides=False)
            means.append(attention_mean(scores, value[..., seen, :]))
    means = np.concatenate(means, axis=-2)  # (..., target, value_dim)
    return means.astype(dtype, copy=False)


def multi_head_attention(
    query,
    key,
    value,
    weights,
    *,
    num_heads,
    key_padding_mask=None,
    attn_mask=None,
    need_weights=True,
    average_attn_weights=True,
    add_zero_attn=False,
    batch_first=False,
):
    """Run ``nn.MultiheadAttention``, with the weights as ``state_dict()`` holds them.

    Parameters
    ----------
    query : array (target, batch, embed_dim); (batch, target, embed_dim) if batch_first
        Or without a batch axis, (target, embed_dim); so are key and value then.
    key : array (source, batch, kdim); (batch, source, kdim) if batch_first
    value : array (source, batch, vdim); (batch, source, vdim) if batch_first
    weights : mapping of str to array
        out_proj.weight (embed_dim, embed_dim), and for the three inputs either

            in_proj_weight  (3 * embed_dim, embed_dim)

        or, where kdim or vdim differ from embed_dim,

            q_proj_weight (embed_dim, embed_dim), k_proj_weight (embed_dim, kdim),
            v_proj_weight (embed_dim, vdim)

        Perhaps in_proj_bias (3 * embed_dim,) and out_proj.bias (embed_dim,).
        Perhaps bias_k and bias_v (1, 1, embed_dim).
    num_heads : int
        The weights do not tell it.
    key_padding_mask : array of bool or float (batch, source), optional
        True *hides* a key from every query; floats are added to the scores.
        (source,) without a batch axis.
    attn_mask : array of bool or float (target, source), optional
        The same for each query; or (batch * num_heads, target, source), one for each head.
    need_weights : bool
        Also return the weights of the mean. A query that sees no key becomes NaN, as in PyTorch;
        if they are not asked for, its mean is zero.
    average_attn_weights : bool
        Average these weights over the heads.
    add_zero_attn : bool
        Append one key and one value of zeros.
    batch_first : bool

    Returns
    -------
    output : array, axes as in query
    attention : array (batch, target, source) or None
        (batch, num_heads, target, source) if not averaged; no batch axis if there is none.
        One more key for bias_k, one more for add_zero_attn.

    Raises
    ------
    TypeError, KeyError, ValueError
        The weights are no mapping; one is missing; one is too many, or a shape, a dtype, a mask
        or num_heads is wrong.

    See Also
    --------
    torch.nn.MultiheadAttention, torch.nn.functional.multi_head_attention_forward
    """
    inputs, w, masks, form = read_attention(
        query, key, value, weights, num_heads, key_padding_mask, attn_mask, batch_first
    )
    matrices, biases = in_projections(w)
    with np.errstate(over="ignore", invalid="ignore"):  # inf - inf is NaN in silence, as in torch
        q, k, v = (x @ m.T + b for x, m, b in zip(inputs, matrices, biases, strict=True))
        if "bias_k" in w:
            k, v = append_key(k, w["bias_k"]), append_key(v, w["bias_v"])
        if add_zero_attn:
            k, v = append_key(k, 0), append_key(v, 0)
        q = split_heads(q, num_heads)  # (num_heads, batch, target, head_dim)
        k = split_heads(k, num_heads)  # (num_heads, batch, source, head_dim)
        v = split_heads(v, num_heads)  # (num_heads, batch, source, head_dim)
        means, attention = attend_heads(q, k, v, masks, need_weights, average_attn_weights)
        output = means @ w["out_proj.weight"].T + w.get("out_proj.bias", 0)
    return attention_results(output, attention, **form)


def attend_heads(q, k, v, masks, need_weights, average):
    """Return each head's mean of values side by side, and the weights if they are asked for.

    One head after the other, so that only one head's weights are in memory; if they are not
    asked for, only those of a block of queries.
    """
    q = q * (1 / math.sqrt(q.shape[-1]))
    means, kept = [], []
    for h in range(len(q)):
        own = [mask[h] for mask in masks]
        if not need_weights:
            blocks = [
                attention_mean(hidden_scores(q[h, :, some], k[h], [m[:, some] for m in own]), v[h])
                for some in attention_blocks(q.shape[2])
            ]
            means.append(np.concatenate(blocks, axis=1))
            continue
        attention = hidden_scores(q[h], k[h], own)  # (batch, target, source)
        total = attention_exp(attention)
        attention /= np.where(total == 0, np.nan, total)
        means.append(attention @ v[h])
        if average and kept:
            kept[0] += attention
        else:
            kept.append(attention)
    means = np.concatenate(means, axis=-1)  # (batch, target, embed_dim)
    if not need_weights:
        return means, None
    if average:
        return means, kept[0] / len(q)  # (batch, target, embed_dim), (batch, target, source)
    attention = np.stack(kept, axis=1)  # (batch, num_heads, target, source)
    return means, attention


def hidden_scores(q, k, masks):
    """Return how well each query of one head fits each key, -inf where a mask hides the key."""
    scores = q @ k.swapaxes(1, 2)  # (batch, target, source)
    for mask in masks:  # which know nothing of keys appended later
        mask_scores(scores[..., : mask.shape[-1]], mask, hides=True)
    return scores  # (batch, target, source)


def split_heads(x, num_heads):
    """Return one head after the other, each a block of neighbouring features."""
    batch, time, embed_dim = x.shape
    heads = x.reshape(batch, time, num_heads, embed_dim // num_heads)
    return heads.transpose(2, 0, 1, 3)


def append_key(k, row):
    """Return keys or values with one more, the same in every sequence."""
    row = np.broadcast_to(np.asarray(row, k.dtype), (len(k), 1, k.shape[2]))
    return np.concatenate([k, row], axis=1)


def mask_scores(scores, mask, hides):
    """Hide scores where a boolean mask says so, or add a mask of floats, in place."""
    if mask.dtype == bool:  # added as well: as in torch, a NaN stays one
        np.add(scores, -np.inf, out=scores, where=mask == hides)
    else:
        scores += mask


def attention_blocks(target):
    """Return slices of the queries: all scores at once would be target * source numbers."""
    return [slice(start, start + 256) for start in range(0, max(1, target), 256)]


def attention_mean(scores, value):
    """Return softmax(scores) @ value, zeros for a query that sees no key; changes the scores."""
    total = attention_exp(scores)
    mean = scores @ value  # (..., target, value_dim)
    mean /= np.where(total == 0, 1, total)  # a sum of weights, and fewer numbers to divide
    return mean  # (..., target, value_dim)


def attention_exp(scores):
    """Make scores exp(scores - the largest), so that none overflows; return their sums."""
    top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    scores -= np.where(np.isneginf(top), 0, top)
    np.exp(scores, out=scores)
    return scores.sum(axis=-1, keepdims=True)


def in_projections(w):
    """Return the weights of q, k and v, and their biases: one below the other where packed."""
    if "in_proj_weight" in w:
        matrices = np.split(w["in_proj_weight"], 3)
    else:
        matrices = [w["q_proj_weight"], w["k_proj_weight"], w["v_proj_weight"]]
    return matrices, np.split(w["in_proj_bias"], 3) if "in_proj_bias" in w else [0, 0, 0]


# What refuses wrong input


def read_attention(query, key, value, weights, num_heads, key_padding_mask, attn_mask, batch_first):
    """Return the arrays as the layer computes with them, or say which one is wrong and why.

    They are query, key and value (batch, time, features), the weights, the masks; then what
    ``attention_results`` has to know.
    """
    names = attention_names(weights)
    masks = [
        check_attention_mask("key_padding_mask", key_padding_mask),
        check_attention_mask("attn_mask", attn_mask),
    ]
    floats = [None if mask is None or mask.dtype == bool else mask for mask in masks]
    arrays, dtype = as_floats(query, key, value, *floats, *(weights[name] for name in names))
    masks = [mask if a is None else a for a, mask in zip(arrays[3:5], masks, strict=True)]
    w = dict(zip(names, arrays[5:], strict=True))
    embed = max(1, min(w["out_proj.weight"].shape, default=1))
    for name, array in w.items():
        check_attention_weight(name, array, embed)
    if num_heads < 1 or embed % num_heads:
        raise ValueError(
            f"num_heads is {num_heads}, which does not divide embed_dim, {embed}: "
            "the weights do not tell it, take it from the model"
        )
    inputs = arrays[:3]
    check_attention_inputs(*inputs, in_projections(w)[0], batch_first)
    is_batched = inputs[0].ndim == 3
    if not is_batched:
        inputs = [x[None] for x in inputs]
    elif not batch_first:
        inputs = [x.swapaxes(0, 1) for x in inputs]
    shape = num_heads, *inputs[0].shape[:2], inputs[1].shape[1]
    masks = broadcast_attention_masks(*masks, shape, is_batched)
    return inputs, w, masks, {"is_batched": is_batched, "batch_first": batch_first, "dtype": dtype}


def attention_results(output, attention, is_batched, batch_first, dtype):
    """Return both with the axes that query has, in the result's dtype."""
    output = output.astype(dtype, copy=False)
    if attention is not None:
        attention = attention.astype(dtype, copy=False)
    if not is_batched:
        return output[0], None if attention is None else attention[0]
    return output if batch_first else output.swapaxes(0, 1), attention


def attention_names(weights):
    """Return the names that the weights have to have, the one that tells the size first."""
    check_mapping(weights)
    three = ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
    names = three if any(name in weights for name in three) else ["in_proj_weight"]
    names = ["out_proj.weight", *names]
    for pair in ["in_proj_bias", "out_proj.bias"], ["bias_k", "bias_v"]:
        names += pair if any(name in weights for name in pair) else []
    check_names(weights, names)
    return names


def check_attention_weight(name, array, embed):
    """Raise with the likely slip unless a weight has the shape expected."""
    expected = {
        "in_proj_weight": (3 * embed, embed),
        "k_proj_weight": (embed, max(1, array.size // embed)),
        "v_proj_weight": (embed, max(1, array.size // embed)),
        "in_proj_bias": (3 * embed,),
        "out_proj.bias": (embed,),
        "bias_k": (1, 1, embed),
        "bias_v": (1, 1, embed),
    }.get(name, (embed, embed))
    if array.shape != expected:
        slip = "is it another layer's?"
        if array.shape == expected[::-1]:
            slip = "PyTorch stores one row per output; was this one transposed?"
        raise ValueError(f"{name} has shape {array.shape}, expected {expected}: {slip}")


def check_attention_inputs(query, key, value, matrices, batch_first):
    """Raise with the likely slip if query, key or value is wrong."""
    forms = {2: "({}, {})", 3: "(batch, {}, {})" if batch_first else "({}, batch, {})"}
    for name, array, matrix in zip(
        ("query", "key", "value"), (query, key, value), matrices, strict=True
    ):
        ranks = [3, 2] if name == "query" else [query.ndim]
        features = matrix.shape[1]
        if array.ndim not in ranks or array.shape[-1] != features:
            time = "target" if name == "query" else "source"
            expected = " or ".join(forms[n].format(time, features) for n in ranks)
            turned = features in array.shape[:-1]
            slip = "are its axes in another order?" if turned else "is it another layer's?"
            raise ValueError(f"{name} has shape {array.shape}, expected {expected}: {slip}")
    if key.shape[:-1] != value.shape[:-1]:
        raise ValueError(
            f"key has shape {key.shape}, value has shape {value.shape}: only the last axis may "
            "differ, each key has its value"
        )
    if query.ndim == 3 and query.shape[not batch_first] != key.shape[not batch_first]:
        raise ValueError(
            f"query has shape {query.shape}, key has shape {key.shape}: these are two batches, "
            f"in axis {int(not batch_first)}; is batch_first right?"
        )


def broadcast_attention_masks(key_padding_mask, attn_mask, shape, is_batched):
    """Return the masks that are given, broadcast to (num_heads, batch, target, source)."""
    num_heads, batch, target, source = shape
    masks = []
    if key_padding_mask is not None:
        axes = "(batch, source)" if is_batched else "(source,)"
        expected = {axes: (batch, source) if is_batched else (source,)}
        check_attention_mask_shape("key_padding_mask", key_padding_mask.shape, expected)
        masks.append(key_padding_mask.reshape(batch, 1, source))
    if attn_mask is not None:
        expected = {
            "(target, source)": (target, source),
            "(batch * num_heads, target, source)": (batch * num_heads, target, source),
        }
        check_attention_mask_shape("attn_mask", attn_mask.shape, expected)
        if attn_mask.ndim == 3:
            attn_mask = attn_mask.reshape(batch, num_heads, target, source).swapaxes(0, 1)
        masks.append(attn_mask)
    return [np.broadcast_to(mask, shape) for mask in masks]


def check_attention_mask(name, mask):
    """Return a mask as an array, None as it is, or say what is wrong with it and why."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.dtype.kind not in "bf":
        raise ValueError(
            f"{name} has dtype {mask.dtype}, expected bool or float: make it bool, and look up "
            "whether True keeps a key or hides it"
        )
    return mask


def check_attention_mask_shape(name, shape, expected):
    """Raise unless a mask has one of the shapes expected, which are named by their axes."""
    if shape not in expected.values():
        expected = " or ".join(f"{axes} = {shape}" for axes, shape in expected.items())
        raise ValueError(f"{name} has shape {shape}, expected {expected}")


def read_dot_products(query, key, value, attn_mask, is_causal, enable_gqa):
    """Return the arrays of scaled_dot_product_attention, or say which one is wrong and why."""
    mask = check_attention_mask("attn_mask", attn_mask)
    added = None if mask is None or mask.dtype == bool else mask
    (query, key, value, added), dtype = as_floats(query, key, value, added)
    shapes = f"query, key, value have shapes {query.shape}, {key.shape}, {value.shape}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError(f"{shapes}: each needs (..., time, features)")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{shapes}: query and key share the last axis, key and value the one before it; "
            "are the axes (..., time, features)?"
        )
    if enable_gqa and any(
        a.ndim < 3 or not a.shape[-3] or query.shape[-3] % a.shape[-3] for a in (query, key, value)
    ):
        raise ValueError(
            f"{shapes}: axis -3 of key and value has to divide the one of query; "
            "are they (batch, heads, time, features)?"
        )
    if is_causal and attn_mask is not None:
        raise ValueError("is_causal is a mask of its own: give it or attn_mask, not both")
    heads = query.shape[-3:-2] if enable_gqa else ()
    lead = [a.shape[: -2 - len(heads)] for a in (query, key, value)]
    try:
        np.broadcast_shapes(*lead)
    except ValueError:
        slip = "are they of the same batch?"
        if query.ndim > 3 and query.shape[-2] == key.shape[-2]:
            slip = "are they (batch, time, heads, features)? Swap axes 1 and 2"
        raise ValueError(f"{shapes}: the axes before the last two differ; {slip}") from None
    if mask is None:
        return query, key, value, None, dtype
    mask = mask if added is None else added
    scores = *np.broadcast_shapes(*lead[:2]), *heads, query.shape[-2], key.shape[-2]
    try:
        return query, key, value, np.broadcast_to(mask, scores), dtype
    except ValueError:
        raise ValueError(
            f"attn_mask has shape {mask.shape}, which does not broadcast to {scores}, that of the "
            "scores: are query and key (batch, heads, time, features)?"
        ) from None


def check_mapping(weights):
    """Raise unless the weights come under their names."""
    if not hasattr(weights, "keys"):
        raise TypeError(
            f"weights are a {type(weights).__name__}, expected a mapping from names to arrays: "
            "take state_dict() as it is"
        )


def check_names(weights, required):
    """Raise unless the weights have the names required, and no others."""
    if missing := [name for name in required if name not in weights]:
        nested = [name for name in weights if hasattr(weights[name], "keys")]
        slip = "Take state_dict()'s own names, without the name of the module before them"
        if nested:
            slip = f"Other names lie below {nested}: is it weights[{nested[0]!r}]?"
        raise KeyError(f"weights lack {missing}; they have {list(weights)}. {slip}")
    if surplus := [name for name in weights if name not in required]:
        raise ValueError(f"weights have {surplus} besides {required}: are they another layer's?")


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
