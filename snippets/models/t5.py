"""T5 in NumPy, weights as stored: its positions are a table of biases, in the first blocks only."""

import math

import numpy as np

from ..layers.attention import scaled_dot_product_attention
from ..layers.embedding import embedding
from ..layers.rms_norm import rms_norm
from .blocks import (
    activation_of,
    cut_heads,
    generate_tokens,
    join_heads,
    keys_seen,
    last_tokens,
    parts_of,
    project,
    read_config,
    read_tokens,
    remember,
)

T5_SIZES = ["vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads"]
# What the library takes where config.json has no such entry.
T5_DEFAULTS = {
    "num_decoder_layers": None,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-6,
    "feed_forward_proj": "relu",
    "pad_token_id": 0,
}


def forward(ids, decoder_ids, weights, config, *, attention_mask=None, cache=None, last=False):
    """Return the logits of the token after each position of the decoder.

    Parameters
    ----------
    ids : integers (batch, source)
        What the encoder reads.
    decoder_ids : integers (batch, time)
        What is written so far. It starts with ``config["pad_token_id"]``.
    weights : mapping of str to array
        All of the .safetensors files.
    config : dict
        What config.json holds.
    attention_mask : array (batch, source), optional
        1 for a token of ids, 0 for padding, on either side.
    cache : list, optional
        ``[]`` at first. It keeps the keys and values of both halves; give only new decoder_ids
        then. The encoder does not run again.
    last : bool
        Only the logits after the last position, which are all that generating needs.

    Returns
    -------
    array (batch, time, vocab_size)
        (batch, 1, vocab_size) if last.

    Raises
    ------
    ValueError
        config.json is another model's, a tensor is missing, surplus or of another shape, or ids,
        decoder_ids or attention_mask do not fit.

    See Also
    --------
    transformers.T5ForConditionalGeneration
    """
    config, part = read_t5(weights, config)
    ids, mask = read_tokens(ids, attention_mask)
    decoder_ids, written = read_tokens(decoder_ids, None, cache)
    check_halves(ids, decoder_ids)
    memory = None if cache else t5_encoder(ids, mask, part, config)
    cache = [] if cache is None else cache
    time = decoder_ids.shape[1]
    bias = t5_bias("decoder", time, written.shape[1], part, config)
    bias = np.where(keys_seen(written, time), bias, -np.inf)  # (batch, num_heads, time, length)
    x = embedding(decoder_ids, **part("shared"))  # (batch, time, d_model)
    for i in range(config["num_decoder_layers"]):
        own, other = f"decoder.block.{i}.layer.0", f"decoder.block.{i}.layer.1"
        h = t5_norm(x, part, f"{own}.layer_norm", config)
        kept = remember(cache, 2 * i, *t5_heads(h, "kv", part, f"{own}.SelfAttention", config))
        x = x + t5_mean(h, kept, bias, part, f"{own}.SelfAttention", config)
        if memory is not None:
            read = t5_heads(memory, "kv", part, f"{other}.EncDecAttention", config)
            remember(cache, 2 * i + 1, *read)
        h = t5_norm(x, part, f"{other}.layer_norm", config)
        seen = mask[:, None, None]  # (batch, 1, 1, source)
        x = x + t5_mean(h, cache[2 * i + 1], seen, part, f"{other}.EncDecAttention", config)
        x = x + t5_mlp(x, part, f"decoder.block.{i}.layer.2", config)
    x = last_tokens(x, written) if last else x
    x = t5_norm(x, part, "decoder.final_layer_norm", config)
    x = x * config["d_model"] ** -0.5 if config["scale_decoder_outputs"] else x
    return project(x, **part("lm_head") or part("shared"))  # tied: the embedding is the head


def generate(ids, weights, config, steps, *, attention_mask=None, temperature=0, rng=None):
    """Return the ids that the decoder writes: see ``generate_tokens``."""
    start = np.full((len(ids), 1), read_t5(weights, config)[0]["pad_token_id"])
    source = attention_mask

    def write(decoder_ids, weights, config, *, attention_mask, **given):
        return forward(ids, decoder_ids, weights, config, attention_mask=source, **given)

    return generate_tokens(write, start, weights, config, steps, None, temperature, rng)


def encode(ids, weights, config, *, attention_mask=None):
    """Return what the encoder makes of each token.

    Parameters
    ----------
    ids, weights, config
        As for ``forward``.
    attention_mask : array (batch, source), optional
        As for ``forward``.

    Returns
    -------
    array (batch, source, d_model)
        Those of padding mean nothing.

    Raises
    ------
    ValueError
        As for ``forward``.

    See Also
    --------
    transformers.T5EncoderModel
    """
    config, part = read_t5(weights, config, unread=("decoder.", "lm_head."))
    return t5_encoder(*read_tokens(ids, attention_mask), part, config)


def t5_encoder(ids, mask, part, config):
    """Return the text as vectors: each token sees all others, those before and those behind."""
    bias = t5_bias("encoder", ids.shape[1], ids.shape[1], part, config)
    bias = np.where(mask[:, None, None], bias, -np.inf)  # (batch, num_heads, source, source)
    x = embedding(ids, **part("shared"))  # (batch, source, d_model)
    for i in range(config["num_layers"]):
        layer = f"encoder.block.{i}.layer.0"
        h = t5_norm(x, part, f"{layer}.layer_norm", config)
        own = t5_heads(h, "kv", part, f"{layer}.SelfAttention", config)
        x = x + t5_mean(h, own, bias, part, f"{layer}.SelfAttention", config)
        x = x + t5_mlp(x, part, f"encoder.block.{i}.layer.1", config)
    return t5_norm(x, part, "encoder.final_layer_norm", config)


def t5_bias(half, time, source, part, config):
    """Return what is added to the scores in all blocks of a half: block 0 has the table."""
    distance = np.arange(source) - np.arange(source - time, source)[:, None]
    table = part(f"{half}.block.0.layer.0.SelfAttention.relative_attention_bias")["weight"]
    bucket = t5_buckets(distance, half == "encoder", config)
    return table[bucket].transpose(2, 0, 1)  # num_heads, then a query, then a key


def t5_buckets(distance, both_sides, config):
    """Return the row of the table for each distance: near ones have their own, far ones share."""
    buckets = config["relative_attention_num_buckets"]
    if both_sides:  # half of the rows for keys behind the query
        buckets //= 2
        first, distance = buckets * (distance > 0), np.abs(distance)
    else:
        first, distance = 0, np.maximum(-distance, 0)
    exact = buckets // 2
    octaves = math.log(config["relative_attention_max_distance"] / exact)
    far = np.log(np.maximum(distance, exact).astype(np.float32) / exact) / octaves  # as the library
    shared = exact + (far * (buckets - exact)).astype(int)
    return first + np.where(distance < exact, distance, np.minimum(shared, buckets - 1))


def t5_norm(x, part, name, config):
    """Return x over its root mean square: nothing is subtracted, and there is no bias."""
    return rms_norm(x, config["d_model"], **part(name), eps=config["layer_norm_epsilon"])


def t5_heads(x, letters, part, name, config):
    """Return the projections of x, cut into heads of d_kv features."""
    return [cut_heads(project(x, **part(f"{name}.{one}")), config["d_kv"]) for one in letters]


def t5_mean(x, keys_and_values, bias, part, name, config):
    """Return attention of x to keys and values. Its scores are not divided by sqrt(d_kv)."""
    (q,) = t5_heads(x, "q", part, name, config)
    y = scaled_dot_product_attention(q, *keys_and_values, bias, scale=1.0)
    return project(join_heads(y), **part(f"{name}.o"))


def t5_mlp(x, part, layer, config):
    """Return what the Linears of a block add; with a gate, wi_0 goes through the activation."""
    h = t5_norm(x, part, f"{layer}.layer_norm", config)
    *gated, name = config["feed_forward_proj"].split("-")
    act = activation_of("gelu_new" if gated and name == "gelu" else name)
    if gated:
        gate = act(project(h, **part(f"{layer}.DenseReluDense.wi_0")))
        h = gate * project(h, **part(f"{layer}.DenseReluDense.wi_1"))
    else:
        h = act(project(h, **part(f"{layer}.DenseReluDense.wi")))
    return project(h, **part(f"{layer}.DenseReluDense.wo"))


# What refuses wrong input


def t5_shapes(config):
    """Return {name: shape} of all that a checkpoint with this config may store."""
    d, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    words = config["vocab_size"], d
    gated = config["feed_forward_proj"].startswith("gated-")
    attention = {f"{n}.weight": (inner, d) for n in "qkv"} | {"o.weight": (d, inner)}
    mlp = {f"{n}.weight": (config["d_ff"], d) for n in (["wi_0", "wi_1"] if gated else ["wi"])}
    mlp |= {"wo.weight": (d, config["d_ff"])}
    table = config["relative_attention_num_buckets"], config["num_heads"]
    shapes = {"shared.weight": words, "lm_head.weight": words}
    for half, kinds, blocks in (
        ("encoder", ["SelfAttention", "DenseReluDense"], config["num_layers"]),
        (
            "decoder",
            ["SelfAttention", "EncDecAttention", "DenseReluDense"],
            config["num_decoder_layers"],
        ),
    ):
        shapes[f"{half}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = table
        for i, (n, kind) in ((i, pair) for i in range(blocks) for pair in enumerate(kinds)):
            layer = f"{half}.block.{i}.layer.{n}"
            leaves = mlp if kind == "DenseReluDense" else attention
            shapes |= {f"{layer}.{kind}.{leaf}": shape for leaf, shape in leaves.items()}
            shapes[f"{layer}.layer_norm.weight"] = (d,)
        shapes[f"{half}.final_layer_norm.weight"] = (d,)
    return shapes


def read_t5(weights, config, unread=()):
    """Return config and the parts, or say what is wrong and why.

    T5 1.1 has a head of its own and does not scale what goes in. Its older config.json says so by
    "tie_word_embeddings": false; version 5 of the library writes "scale_decoder_outputs" instead.
    """
    config = read_config(config, ["t5"], T5_SIZES, T5_DEFAULTS)
    tied = config.get("tie_word_embeddings") is not False
    config = {"scale_decoder_outputs": tied} | config
    if config["num_decoder_layers"] is None:
        config["num_decoder_layers"] = config["num_layers"]
    shapes = t5_shapes(config)
    unread += ("lm_head.",) if tied else ()
    part = parts_of(
        weights,
        shapes,
        optional=[name for name in shapes if name.startswith(unread)],
        computed=r"^(en|de)coder\.embed_tokens\.weight$"  # shared.weight once more
        r"|EncDecAttention\.relative_attention_bias",  # read by nothing
    )
    return config, part


def check_halves(ids, decoder_ids):
    """Raise unless each text has its row in the decoder."""
    if len(ids) != len(decoder_ids):
        raise ValueError(
            f"ids have {len(ids)} rows, but decoder_ids {len(decoder_ids)}: begin each with "
            'config["pad_token_id"]'
        )
