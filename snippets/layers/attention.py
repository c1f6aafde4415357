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
        A shape or a mask is wrong.
    """
    query, key, value = (np.asarray(a) for a in (query, key, value))
    check_attention_arrays(query, key, value, attn_mask, is_causal, enable_gqa)
    if enable_gqa:
        key, value = (a.repeat(query.shape[-3] // a.shape[-3], axis=-3) for a in (key, value))
    target, source = query.shape[-2], key.shape[-2]
    if attn_mask is not None:
        attn_mask = check_attention_mask("attn_mask", attn_mask)
        whole = np.broadcast_shapes(attn_mask.shape, (target, source))
        attn_mask = np.broadcast_to(attn_mask, whole)  # (..., target, source)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1] or 1)
    query = query * scale  # (..., target, head_dim)
    means = []
    for some in attention_blocks(target):
        seen = slice(some.stop if is_causal else None)
        scores = query[..., some, :] @ key[..., seen, :].swapaxes(-2, -1)
        if is_causal:
            mask_scores(scores, np.tri(*scores.shape[-2:], some.start, dtype=bool), hides=False)
        elif attn_mask is not None:
            mask_scores(scores, attn_mask[..., some, :], hides=False)
        means.append(attention_mean(scores, value[..., seen, :]))
    return np.concatenate(means, axis=-2)  # (..., target, value_dim)


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
    KeyError
        A weight is missing.
    ValueError
        There is a weight too many, or a shape, a mask or num_heads is wrong.
    """
    w = read_attention(weights, num_heads)
    matrices, biases = in_projections(w)
    inputs = check_attention_inputs(query, key, value, matrices, batch_first)
    alone = inputs[0].ndim == 2
    if alone:
        inputs = [x[None] for x in inputs]
    elif not batch_first:
        inputs = [x.swapaxes(0, 1) for x in inputs]
    shape = num_heads, *inputs[0].shape[:2], inputs[1].shape[1]
    masks = read_attention_masks(key_padding_mask, attn_mask, shape, alone)

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
    if alone:
        return output[0], None if attention is None else attention[0]
    return output if batch_first else output.swapaxes(0, 1), attention


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
    if mask.dtype == bool:
        np.copyto(scores, -np.inf, where=mask == hides)
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


def read_attention(weights, num_heads):
    """Return the weights as arrays, or say which one is wrong and why."""
    three = ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
    names = three if any(name in weights for name in three) else ["in_proj_weight"]
    names = ["out_proj.weight", *names]  # which tells the size
    for pair in ["in_proj_bias", "out_proj.bias"], ["bias_k", "bias_v"]:
        names += pair if any(name in weights for name in pair) else []
    if missing := [name for name in names if name not in weights]:
        raise KeyError(
            f"weights lack {missing}; they have {list(weights)}. "
            "Take state_dict()'s own names, without the name of the module before them"
        )
    if surplus := [name for name in weights if name not in names]:
        raise ValueError(f"weights have {surplus} besides {names}: are they another layer's?")

    w = {name: np.asarray(weights[name]) for name in names}
    embed = max(1, min(w["out_proj.weight"].shape, default=1))
    for name, array in w.items():
        check_attention_weight(name, array, embed)
    if num_heads < 1 or embed % num_heads:
        raise ValueError(
            f"num_heads is {num_heads}, which does not divide embed_dim, {embed}: "
            "the weights do not tell it, take it from the model"
        )
    return w


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
    """Return query, key and value as arrays, or say which one is wrong and why."""
    query, key, value = arrays = [np.asarray(a) for a in (query, key, value)]
    forms = {2: "({}, {})", 3: "(batch, {}, {})" if batch_first else "({}, batch, {})"}
    for name, array, matrix in zip(("query", "key", "value"), arrays, matrices, strict=True):
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
    return arrays


def read_attention_masks(key_padding_mask, attn_mask, shape, alone):
    """Return the masks that are given, broadcast to (num_heads, batch, target, source)."""
    num_heads, batch, target, source = shape
    masks = []
    if key_padding_mask is not None:
        axes = "(source,)" if alone else "(batch, source)"
        expected = {axes: (source,) if alone else (batch, source)}
        mask = check_attention_mask("key_padding_mask", key_padding_mask, expected)
        masks.append(mask.reshape(batch, 1, source))
    if attn_mask is not None:
        expected = {
            "(target, source)": (target, source),
            "(batch * num_heads, target, source)": (batch * num_heads, target, source),
        }
        mask = check_attention_mask("attn_mask", attn_mask, expected)
        if mask.ndim == 3:
            mask = mask.reshape(batch, num_heads, target, source).swapaxes(0, 1)
        masks.append(mask)
    return [np.broadcast_to(mask, shape) for mask in masks]


def check_attention_mask(name, mask, expected=None):
    """Return a mask as an array, or say what is wrong with it and why."""
    mask = np.asarray(mask)
    if mask.dtype.kind not in "bf":
        raise ValueError(
            f"{name} has dtype {mask.dtype}, expected bool or float: make it bool, and look up "
            "whether True keeps a key or hides it"
        )
    if expected and mask.shape not in expected.values():
        expected = " or ".join(f"{axes} = {shape}" for axes, shape in expected.items())
        raise ValueError(f"{name} has shape {mask.shape}, expected {expected}")
    return mask


def check_attention_arrays(query, key, value, attn_mask, is_causal, enable_gqa):
    """Raise with the likely slip if an argument of scaled_dot_product_attention is wrong."""
    shapes = f"query, key, value have shapes {query.shape}, {key.shape}, {value.shape}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError(f"{shapes}: each needs (..., time, features)")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{shapes}: query and key share the last axis, key and value the one before it; "
            "are the axes (..., time, features)?"
        )
    if enable_gqa and any(a.ndim < 3 or query.shape[-3] % a.shape[-3] for a in (query, key, value)):
        raise ValueError(f"{shapes}: axis -3 of key and value has to divide the one of query")
    if is_causal and attn_mask is not None:
        raise ValueError("is_causal is a mask of its own: give it or attn_mask, not both")
