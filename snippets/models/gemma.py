"""Gemma 3 in NumPy, weights as stored: those of its norms are stored minus 1."""

import numpy as np

from ..layers.attention import scaled_dot_product_attention
from ..layers.embedding import embedding
from ..layers.rms_norm import rms_norm
from .blocks import (
    DECODER_SIZES,
    activation_of,
    check_divides,
    cut_heads,
    decoder_shapes,
    generate_tokens,
    join_heads,
    keys_seen,
    last_tokens,
    project,
    read_config,
    read_decoder,
    remember,
    token_positions,
)
from .rotary import read_rope, rotary, turn_halves

# What the library takes where config.json has no such entry.
GEMMA_DEFAULTS = {
    "num_key_value_heads": 4,
    "head_dim": 256,
    "query_pre_attn_scalar": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "sliding_window": 4096,
    "layer_types": None,
    "final_logit_softcapping": None,
    "tie_word_embeddings": True,
}


def forward(ids, weights, config, *, attention_mask=None, cache=None, last=False):
    """Return the logits of the token after each position.

    Parameters
    ----------
    ids : integers (batch, time)
    weights : mapping of str to array
        All of the .safetensors files, names with or without ``model.`` before them.
    config : dict
        What config.json holds.
    attention_mask : array (batch, time), optional
        1 for a token, 0 for padding, on either side. With a cache, of all tokens so far.
    cache : list, optional
        ``[]`` at first. It keeps the keys and values of all tokens; give only new ids then.
    last : bool
        Only the logits after each sequence's last token, which are all that generating needs.

    Returns
    -------
    array (batch, time, vocab_size)
        Those of padding mean nothing. (batch, 1, vocab_size) if last.

    Raises
    ------
    ValueError
        config.json is another model's or has an unknown rope_type, a tensor is missing, surplus
        or of another shape, or ids or attention_mask do not fit.

    See Also
    --------
    transformers.Gemma3ForCausalLM
    """
    config, ids, mask, part = read_gemma(ids, weights, config, attention_mask, cache)
    time, eps = ids.shape[1], config["rms_norm_eps"]
    at, act = token_positions(mask, time), activation_of(config["hidden_activation"])
    turns = {kind: rotary(at, config["head_dim"], rope) for kind, rope in config["rope"].items()}
    x = embedding(ids, **part("embed_tokens"))  # (batch, time, hidden_size)
    x = x * np.asarray(config["hidden_size"] ** 0.5, x.dtype)  # (batch, time, hidden_size)
    for i, kind in enumerate(config["layer_types"]):
        window = config["sliding_window"] if kind == "sliding_attention" else None
        seen = keys_seen(mask, time, window)  # (batch, 1, time, source)
        name = f"layers.{i}"
        h = norm_plus_one(x, **part(f"{name}.input_layernorm"), eps=eps)
        h = gemma_attention(h, part, f"{name}.self_attn", i, config, turns[kind], seen, cache)
        x = x + norm_plus_one(h, **part(f"{name}.post_attention_layernorm"), eps=eps)
        h = norm_plus_one(x, **part(f"{name}.pre_feedforward_layernorm"), eps=eps)
        h = act(project(h, **part(f"{name}.mlp.gate_proj"))) * project(
            h, **part(f"{name}.mlp.up_proj")
        )
        h = project(h, **part(f"{name}.mlp.down_proj"))  # (batch, time, hidden_size)
        x = x + norm_plus_one(h, **part(f"{name}.post_feedforward_layernorm"), eps=eps)
    x = last_tokens(x, mask) if last else x
    x = norm_plus_one(x, **part("norm"), eps=eps)
    logits = project(x, **part("lm_head") or part("embed_tokens"))  # tied: the embedding
    if cap := config["final_logit_softcapping"]:
        logits = cap * np.tanh(logits / cap)
    return logits


def generate(ids, weights, config, steps, *, attention_mask=None, temperature=0, rng=None):
    """Return the ids that the model goes on with: see ``generate_tokens``."""
    given = attention_mask, temperature, rng
    return generate_tokens(forward, ids, weights, config, steps, *given)


def norm_plus_one(x, weight, eps):
    """Return rms_norm with 1 + weight, which is what training calls the weight."""
    return rms_norm(x, x.shape[-1], 1 + weight, eps=eps)


def gemma_attention(x, part, name, layer, config, turn, seen, cache):
    """Return attention whose scale is of config.json, and whose heads have norms of their own."""
    head_dim, eps = config["head_dim"], config["rms_norm_eps"]
    q, k, v = (cut_heads(project(x, **part(f"{name}.{n}_proj")), head_dim) for n in "qkv")
    q = turn_halves(norm_plus_one(q, **part(f"{name}.q_norm"), eps=eps), *turn)
    k = turn_halves(norm_plus_one(k, **part(f"{name}.k_norm"), eps=eps), *turn)
    k, v = remember(cache, layer, k, v)
    scale = config["query_pre_attn_scalar"] ** -0.5
    y = scaled_dot_product_attention(q, k, v, seen, scale=scale, enable_gqa=True)
    return project(join_heads(y), **part(f"{name}.o_proj"))


# What refuses wrong input


def gemma_shapes(config):
    """Return {name: shape} of all that a checkpoint with this config may store."""
    hidden, inner, head_dim = (config[x] for x in ("hidden_size", "intermediate_size", "head_dim"))
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    attention = {
        "q_proj": (heads * head_dim, hidden),
        "k_proj": (key_heads * head_dim, hidden),
        "v_proj": (key_heads * head_dim, hidden),
        "o_proj": (hidden, heads * head_dim),
    }
    block = {f"self_attn.{name}.weight": shape for name, shape in attention.items()}
    if config["attention_bias"]:
        block |= {f"self_attn.{name}.bias": shape[:1] for name, shape in attention.items()}
    block |= {f"self_attn.{x}_norm.weight": (head_dim,) for x in "qk"}
    block |= {f"mlp.{x}_proj.weight": (inner, hidden) for x in ("gate", "up")}
    block["mlp.down_proj.weight"] = hidden, inner
    norms = ("input", "post_attention", "pre_feedforward", "post_feedforward")
    block |= {f"{x}_layernorm.weight": (hidden,) for x in norms}
    return decoder_shapes(config, block)


def gemma_config(config):
    """Return config with all that config.json may leave out, or say what is wrong and why."""
    config = read_config(config, ["gemma3_text"], DECODER_SIZES, GEMMA_DEFAULTS)
    check_divides(config, "num_key_value_heads", "num_attention_heads")
    for name in ("attn_logit_softcapping", "use_bidirectional_attention"):
        if config.get(name):
            raise ValueError(f"{name} is {config[name]!r}, which is not done here")
    every = config.get("sliding_window_pattern", 6)
    layers = range(1, config["num_hidden_layers"] + 1)
    kinds = ["full_attention" if i % every == 0 else "sliding_attention" for i in layers]
    kinds = config["layer_types"] or kinds
    bases = {
        "full_attention": config.get("rope_theta", 1e6),
        "sliding_attention": config.get("rope_local_base_freq", 1e4),
    }
    # Before version 5 of the library, the scaling was that of full attention alone.
    given = config.get("rope_parameters") or {"full_attention": config.get("rope_scaling")}
    rope = {
        kind: read_rope(config | {"rope_theta": bases[kind]}, given.get(kind))
        for kind in set(kinds)
    }
    return config | {"layer_types": kinds, "rope": rope}


def read_gemma(ids, weights, config, attention_mask, cache):
    """Return config, ids, the mask of all tokens and the parts, or say what is wrong and why."""
    config = gemma_config(config)
    shapes = gemma_shapes(config)
    return read_decoder(ids, weights, config, attention_mask, cache, shapes, start="model.")
