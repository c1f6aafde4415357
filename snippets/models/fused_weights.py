"""Weights that hold several: cut q, k and v apart, or put three Linears into one weight."""

import numpy as np


def split_query_key_value(array, config):
    """Return q, k and v of ``query_key_value.weight``, or of its bias.

    Its rows are groups of heads, ``(groups, heads // groups + 2, head_dim)``: the heads of q that
    share a key, then this key, then its value.

    Parameters
    ----------
    array : array (rows, hidden_size) or (rows,)
    config : dict
        config.json of GPT-NeoX, Bloom or Falcon.

    Returns
    -------
    q, k, v : arrays
        As three Linears would store them; k and v have groups * head_dim rows. Head h of q reads
        key h // (heads // groups).

    Raises
    ------
    ValueError
        Another model_type, or rows that are no such groups.

    See Also
    --------
    torch.nn.Linear
    """
    array, groups, each = read_query_key_value(array, config)
    rows = array.reshape(groups, each + 2, -1)
    parts = np.split(rows, [each, each + 1], axis=1)
    return tuple(part.reshape(-1, *array.shape[1:]) for part in parts)


def split_qkv_proj(array, config):
    """Return q, k and v of Phi-3's ``qkv_proj.weight``: three blocks, one below the other.

    Parameters
    ----------
    array : array (rows, hidden_size)
    config : dict
        Its config.json.

    Returns
    -------
    q, k, v : arrays
        k and v have num_key_value_heads * head_dim rows.

    Raises
    ------
    ValueError
        Rows that are no such heads.

    See Also
    --------
    torch.nn.Linear
    """
    heads = config["num_attention_heads"]
    groups = config.get("num_key_value_heads") or heads
    array = check_blocks(array, heads + 2 * groups, "heads of q, k and v")
    head_dim = len(array) // (heads + 2 * groups)
    return tuple(np.split(array, [heads * head_dim, (heads + groups) * head_dim]))


def split_gate_up_proj(array):
    """Return gate and up of Phi-3's ``gate_up_proj.weight``: the activation goes to the first.

    Parameters
    ----------
    array : array (2 * intermediate_size, hidden_size)

    Returns
    -------
    gate, up : arrays (intermediate_size, hidden_size)

    Raises
    ------
    ValueError
        An odd number of rows.

    See Also
    --------
    torch.nn.Linear
    """
    return tuple(np.split(check_blocks(array, 2, "halves"), 2))


def weight_of_norm(g, v):
    """Return ``v * g / length of v``: the weight that weight_norm computes and never stores.

    Parameters
    ----------
    g : array
        ``parametrizations.weight.original0``, in older files ``weight_g``. The length of v is
        over the axes where g has size 1.
    v : array
        ``parametrizations.weight.original1``, in older files ``weight_v``.

    Returns
    -------
    array, shaped as v

    Raises
    ------
    ValueError
        g and v do not belong together.

    See Also
    --------
    torch.nn.utils.parametrizations.weight_norm
    """
    g, v = check_norm(g, v)
    axes = tuple(i for i, size in enumerate(g.shape) if size == 1)
    return v * (g / np.sqrt((v * v).sum(axis=axes, keepdims=True)))


def fuse_attention(q, k, v, out):
    """Return four Linears as the mapping that ``multi_head_attention`` takes.

    Parameters
    ----------
    q, k, v, out : mapping of str to array
        Each has a weight and perhaps a bias: ``under(weights, "attention.self.query")``.

    Returns
    -------
    dict of str to array
        The names of ``nn.MultiheadAttention``. A bias that only some have is zero for the others.

    Raises
    ------
    ValueError
        The weights of q, k and v are not of one width.

    See Also
    --------
    torch.nn.MultiheadAttention
    """
    check_widths(q, k, v)
    fused = {"in_proj_weight": np.concatenate([part["weight"] for part in (q, k, v)])}
    fused["out_proj.weight"] = out["weight"]
    if any("bias" in part for part in (q, k, v, out)):
        q, k, v, out = (
            part.get("bias", np.zeros_like(part["weight"][:, 0])) for part in (q, k, v, out)
        )
        fused |= {"in_proj_bias": np.concatenate([q, k, v]), "out_proj.bias": out}
    return fused


def fuse_encoder_layer(attention, linear1, linear2, norm1, norm2):
    """Return the parts of a layer as the mapping that ``transformer_encoder_layer`` takes.

    Parameters
    ----------
    attention : mapping of str to array
        What ``fuse_attention`` returns.
    linear1, linear2, norm1, norm2 : mapping of str to array
        Each has a weight and a bias. norm1 is that of attention, before it or after it.

    Returns
    -------
    dict of str to array
        The names of ``nn.TransformerEncoderLayer``.

    See Also
    --------
    torch.nn.TransformerEncoderLayer
    """
    parts = {"self_attn": attention, "linear1": linear1, "linear2": linear2}
    parts |= {"norm1": norm1, "norm2": norm2}
    return {f"{name}.{leaf}": part[leaf] for name, part in parts.items() for leaf in part}


# What refuses wrong input


def read_query_key_value(array, config):
    """Return array, the number of groups and how many heads of q each has."""
    kind = config.get("model_type")
    heads = config.get("num_attention_heads") or config.get("n_head")
    groups = heads
    if kind == "falcon" and config.get("new_decoder_architecture"):
        groups = config.get("num_kv_heads") or heads
    elif kind == "falcon" and config.get("multi_query", True):
        groups = 1
    elif kind not in ("gpt_neox", "bloom", "falcon"):
        raise ValueError(
            f"model_type is {kind!r}, expected gpt_neox, bloom or falcon: others cut their rows "
            "in other ways"
        )
    each = heads // groups
    return check_blocks(array, groups * (each + 2), "heads of q, k and v"), groups, each


def check_blocks(array, blocks, kind):
    """Return an array whose rows are so many blocks, or say that they are not."""
    array = np.asarray(array)
    if len(array) % blocks:
        raise ValueError(
            f"the weight has {len(array)} rows, which are no {blocks} {kind}: is config.json "
            "another checkpoint's, or was it transposed?"
        )
    return array


def check_norm(g, v):
    """Return g and v as arrays, or say that they do not belong together."""
    g, v = np.asarray(g), np.asarray(v)
    fits = g.ndim == v.ndim and all(a in (1, b) for a, b in zip(g.shape, v.shape, strict=True))
    if not fits:
        slip = "were g and v exchanged?" if g.size > v.size else "is it another layer's?"
        raise ValueError(f"g has shape {g.shape}, but v {v.shape}: {slip}")
    return g, v


def check_widths(q, k, v):
    """Raise unless q, k and v are of one shape, as nn.MultiheadAttention has them."""
    shapes = [part["weight"].shape for part in (q, k, v)]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"q, k and v have shapes {shapes}, expected one: with fewer heads of k and v, call "
            "scaled_dot_product_attention with enable_gqa"
        )
