"""nn.Transformer in NumPy: layers and stacks of attention, linear and layer_norm."""

import numpy as np

from ..state_dict import under
from .activation import gelu, relu
from .attention import as_floats, check_attention_mask, check_mapping, multi_head_attention
from .layer_norm import layer_norm
from .linear import linear

ENCODER_LAYER = ["self_attn", "linear1", "linear2", "norm1", "norm2"]
DECODER_LAYER = ["self_attn", "multihead_attn", "linear1", "linear2", "norm1", "norm2", "norm3"]


def transformer_encoder_layer(
    src,
    weights,
    *,
    nhead,
    activation="relu",
    norm_first=False,
    layer_norm_eps=1e-5,
    batch_first=False,
    src_mask=None,
    src_key_padding_mask=None,
):
    """Run ``nn.TransformerEncoderLayer``, with the weights as ``state_dict()`` holds them.

    Parameters
    ----------
    src : array (time, batch, d_model); (batch, time, d_model) if batch_first
        Or one sequence, (time, d_model).
    weights : mapping of str to array
        ``self_attn.`` and below it the names of ``nn.MultiheadAttention``; linear1 and linear2,
        norm1 and norm2, each with ``.weight`` and ``.bias``. Of a layer made with ``bias=False``,
        no bias at all.
    nhead, activation, norm_first, layer_norm_eps, batch_first
        As the layer was made: none of them is stored. The activation is "relu", "gelu" or a
        function of an array.
    src_mask : array of bool or float (time, time) or (batch * nhead, time, time), optional
        True *hides* a key from a query; floats are added to the scores.
    src_key_padding_mask : array of bool or float (batch, time), optional
        True *hides* a key from every query. (time,) for one sequence.

    Returns
    -------
    array, shaped as src

    Raises
    ------
    TypeError, KeyError, ValueError
        The weights are no mapping; one is missing; one is too many, or a shape, a dtype, a mask
        or an argument is wrong.

    See Also
    --------
    torch.nn.TransformerEncoderLayer
    """
    masks = {"src_mask": src_mask, "src_key_padding_mask": src_key_padding_mask}
    (src,), weights, masks, dtype = read_transformer([src], weights, masks)
    check_transformer_names(weights, ENCODER_LAYER)
    w = under(weights, "self_attn")
    call = {"num_heads": nhead, "need_weights": False, "batch_first": batch_first}
    call |= {"attn_mask": masks["src_mask"], "key_padding_mask": masks["src_key_padding_mask"]}

    def attend(x):
        return multi_head_attention(x, x, x, w, **call)[0]

    def feed_forward(x):
        return transformer_feed_forward(x, weights, activation)

    x = transformer_blocks(src, [attend, feed_forward], weights, norm_first, layer_norm_eps)
    return x.astype(dtype, copy=False)


def transformer_decoder_layer(
    tgt,
    memory,
    weights,
    *,
    nhead,
    activation="relu",
    norm_first=False,
    layer_norm_eps=1e-5,
    batch_first=False,
    tgt_mask=None,
    memory_mask=None,
    tgt_key_padding_mask=None,
    memory_key_padding_mask=None,
):
    """Run ``nn.TransformerDecoderLayer``: as the encoder's, with attention to the memory between.

    Parameters
    ----------
    tgt : array (target, batch, d_model); (batch, target, d_model) if batch_first
        Or one sequence, (target, d_model).
    memory : array (source, batch, d_model), axes as in tgt
        What the encoder returns.
    weights : mapping of str to array
        As of an encoder layer, and ``multihead_attn.`` and norm3.
    nhead, activation, norm_first, layer_norm_eps, batch_first
        As the layer was made.
    tgt_mask, memory_mask : array of bool or float, optional
        (target, target) and (target, source): what a query may not see. True *hides*.
    tgt_key_padding_mask, memory_key_padding_mask : array of bool or float, optional
        (batch, target) and (batch, source): keys that no query may see.

    Returns
    -------
    array, shaped as tgt

    Raises
    ------
    TypeError, KeyError, ValueError
        As for an encoder layer.

    See Also
    --------
    torch.nn.TransformerDecoderLayer
    """
    masks = {
        "tgt_mask": tgt_mask,
        "memory_mask": memory_mask,
        "tgt_key_padding_mask": tgt_key_padding_mask,
        "memory_key_padding_mask": memory_key_padding_mask,
    }
    (tgt, memory), weights, masks, dtype = read_transformer([tgt, memory], weights, masks)
    check_transformer_names(weights, DECODER_LAYER)
    own, other = under(weights, "self_attn"), under(weights, "multihead_attn")
    call = {"num_heads": nhead, "need_weights": False, "batch_first": batch_first}
    own_masks, other_masks = (
        {"attn_mask": masks[f"{x}_mask"], "key_padding_mask": masks[f"{x}_key_padding_mask"]}
        for x in ("tgt", "memory")
    )

    def attend(x):
        return multi_head_attention(x, x, x, own, **call, **own_masks)[0]

    def attend_to_memory(x):
        return multi_head_attention(x, memory, memory, other, **call, **other_masks)[0]

    def feed_forward(x):
        return transformer_feed_forward(x, weights, activation)

    blocks = [attend, attend_to_memory, feed_forward]
    x = transformer_blocks(tgt, blocks, weights, norm_first, layer_norm_eps)
    return x.astype(dtype, copy=False)


def transformer_encoder(
    src, weights, *, nhead, mask=None, src_key_padding_mask=None, layer_norm_eps=1e-5, **options
):
    """Run ``nn.TransformerEncoder``, as many layers as the names of the weights tell.

    Parameters
    ----------
    src : array
        As for ``transformer_encoder_layer``.
    weights : mapping of str to array
        ``layers.0.``, ``layers.1.``, ... and below each the names of an encoder layer; norm.weight
        and norm.bias if there is a LayerNorm at the end.
    nhead : int
    mask, src_key_padding_mask : array, optional
        The ``src_mask`` of every layer, and as for a layer.
    layer_norm_eps, **options
        As for the layers: also activation, norm_first and batch_first. The norm at the end has the
        same layer_norm_eps.

    Returns
    -------
    array, shaped as src
        Computed for padded positions too, which PyTorch's fast path fills with zeros.

    Raises
    ------
    TypeError, KeyError, ValueError
        As for an encoder layer.

    See Also
    --------
    torch.nn.TransformerEncoder
    """
    options |= {"src_mask": mask, "src_key_padding_mask": src_key_padding_mask}
    (x,), weights, options, dtype = read_transformer([src], weights, options)
    options |= {"nhead": nhead, "layer_norm_eps": layer_norm_eps}
    for layer in read_transformer_stack(weights):
        x = transformer_encoder_layer(x, layer, **options)
    return transformer_end(x, weights, layer_norm_eps).astype(dtype, copy=False)


def transformer_decoder(tgt, memory, weights, *, nhead, layer_norm_eps=1e-5, **options):
    """Run ``nn.TransformerDecoder``, as many layers as the names of the weights tell.

    Parameters
    ----------
    tgt, memory : array
        As for ``transformer_decoder_layer``.
    weights : mapping of str to array
        ``layers.0.``, ``layers.1.``, ... and below each the names of a decoder layer; norm.weight
        and norm.bias if there is a LayerNorm at the end.
    nhead, layer_norm_eps, **options
        As for the layers: also activation, norm_first, batch_first and the four masks. The norm at
        the end has the same layer_norm_eps.

    Returns
    -------
    array, shaped as tgt

    Raises
    ------
    TypeError, KeyError, ValueError
        As for an encoder layer.

    See Also
    --------
    torch.nn.TransformerDecoder
    """
    (x, memory), weights, options, dtype = read_transformer([tgt, memory], weights, options)
    options |= {"nhead": nhead, "layer_norm_eps": layer_norm_eps}
    for layer in read_transformer_stack(weights):
        x = transformer_decoder_layer(x, memory, layer, **options)
    return transformer_end(x, weights, layer_norm_eps).astype(dtype, copy=False)


def transformer(
    src,
    tgt,
    weights,
    *,
    nhead,
    src_mask=None,
    tgt_mask=None,
    memory_mask=None,
    src_key_padding_mask=None,
    tgt_key_padding_mask=None,
    memory_key_padding_mask=None,
    **options,
):
    """Run ``nn.Transformer``: the encoder over src, the decoder over tgt and what comes of it.

    Parameters
    ----------
    src, tgt : array
        As for the layers of encoder and decoder.
    weights : mapping of str to array
        ``encoder.`` and ``decoder.`` and below each the names of a stack.
    nhead : int
    src_mask, tgt_mask, memory_mask : array, optional
    src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask : array, optional
        The padding of src hides nothing from the decoder: give it for the memory as well.
    **options
        As for the layers: also activation, norm_first, layer_norm_eps and batch_first.

    Returns
    -------
    array, shaped as tgt

    Raises
    ------
    TypeError, KeyError, ValueError
        As for an encoder layer.

    See Also
    --------
    torch.nn.Transformer
    """
    masks = {
        "src_mask": src_mask,
        "tgt_mask": tgt_mask,
        "memory_mask": memory_mask,
        "src_key_padding_mask": src_key_padding_mask,
        "tgt_key_padding_mask": tgt_key_padding_mask,
        "memory_key_padding_mask": memory_key_padding_mask,
    }
    (src, tgt), weights, masks, dtype = read_transformer([src, tgt], weights, masks)
    check_transformer_parts(weights)
    options |= {"nhead": nhead}
    src_masks = {"mask": masks.pop("src_mask")}
    src_masks["src_key_padding_mask"] = masks.pop("src_key_padding_mask")
    memory = transformer_encoder(src, under(weights, "encoder"), **src_masks, **options)
    y = transformer_decoder(tgt, memory, under(weights, "decoder"), **masks, **options)
    return y.astype(dtype, copy=False)


def transformer_blocks(x, blocks, weights, norm_first, eps):
    """Add what each block makes of x to x; normalise its input, or else the sum."""
    with np.errstate(over="ignore", invalid="ignore"):  # inf - inf is NaN in silence, as in torch
        for k, block in enumerate(blocks, start=1):
            if norm_first:
                x = x + block(transformer_norm(x, weights, f"norm{k}", eps))  # (..., d_model)
            else:
                x = transformer_norm(x + block(x), weights, f"norm{k}", eps)  # (..., d_model)
    return x


def transformer_feed_forward(x, weights, activation):
    """Return linear2 of the activation of linear1: each position by itself."""
    activation = {"relu": relu, "gelu": gelu}.get(activation, activation)
    if not callable(activation):
        raise ValueError(f"activation is {activation!r}, expected relu, gelu or a function")
    # One product for all positions: of (time, 1, d_model), NumPy would make one for each time.
    rows = x.reshape(-1, x.shape[-1])  # (..., d_model)
    hidden = linear(rows, **under(weights, "linear1"))  # (..., dim_feedforward)
    rows = linear(activation(hidden), **under(weights, "linear2"))  # (..., d_model)
    return rows.reshape(*x.shape[:-1], rows.shape[-1])  # (..., d_model)


def transformer_norm(x, weights, name, eps):
    """Return layer_norm over the features, with the weights of this name."""
    w = under(weights, name)
    return layer_norm(x, np.shape(w["weight"]), **w, eps=eps)  # (..., d_model)


def transformer_end(x, weights, eps):
    """Return x after the norm at the end of a stack, if it has one."""
    return transformer_norm(x, weights, "norm", eps) if "norm.weight" in weights else x


# What refuses wrong input


def read_transformer(given, weights, options):
    """Return the arrays, weights and options as computed with, and the dtype of the result.

    All arrays decide together, the masks of floats among the options too.
    """
    check_mapping(weights)
    masks = {
        name: check_attention_mask(name, mask)
        for name, mask in options.items()
        if name.endswith("mask")
    }
    added = {name: m for name, m in masks.items() if m is not None and m.dtype != bool}
    names = [*added, *weights]
    arrays, dtype = as_floats(*given, *added.values(), *(weights[name] for name in weights))
    found = dict(zip(names, arrays[len(given) :], strict=True))
    weights = {name: found[name] for name in weights}
    options = options | masks | {name: found[name] for name in added}
    return arrays[: len(given)], weights, options, dtype


def read_transformer_stack(weights):
    """Return the weights of each layer, or say which are too many."""
    count = 1
    while any(name.startswith(f"layers.{count}.") for name in weights):
        count += 1
    own = [f"layers.{k}." for k in range(count)]
    own += ["norm."] if "norm.weight" in weights else []
    if surplus := [name for name in weights if not name.startswith(tuple(own))]:
        raise ValueError(
            f"weights have {surplus} besides what lies below {own}: is a layer missing? "
            'Of a whole model, take its part: under(state, "encoder")'
        )
    return [under(weights, f"layers.{k}") for k in range(count)]


def check_transformer_names(weights, parts):
    """Raise unless the weights are those of a layer of these parts."""
    names = []
    for part in parts:
        kinds = ["in_proj_", "out_proj."] if part.endswith("attn") else [""]
        names += [f"{part}.{kind}weight" for kind in kinds]
        if any("bias" in name for name in weights):
            names += [f"{part}.{kind}bias" for kind in kinds]
    if missing := [name for name in names if name not in weights]:
        raise KeyError(
            f"weights lack {missing}; they have {list(weights)}. "
            'Take the names below one layer\'s own: under(state, "encoder.layers.0")'
        )
    if surplus := [name for name in weights if name not in names]:
        raise ValueError(f"weights have {surplus} besides {names}: are they another layer's?")


def check_transformer_parts(weights):
    """Raise unless all weights are an encoder's or a decoder's."""
    own = ("encoder.", "decoder.")
    if surplus := [name for name in weights if not name.startswith(own)]:
        raise ValueError(
            f"weights have {surplus} besides what lies below {own}: are they the model's?"
        )
