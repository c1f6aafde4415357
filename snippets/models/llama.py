"""Llama, Mistral, Qwen2 and Qwen3 in NumPy, weights as stored: config.json tells them apart."""

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
QWEN = {
    "num_key_value_heads": 32,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "layer_types": None,
}
LLAMA_DEFAULTS = {
    "llama": {"num_key_value_heads": None, "attention_bias": False, "mlp_bias": False},
    "mistral": {"num_key_value_heads": 8, "sliding_window": 4096},
    "qwen2": QWEN,
    "qwen3": QWEN | {"attention_bias": False, "head_dim": 128},
}
LLAMA_SHARED = {"hidden_act": "silu", "rms_norm_eps": 1e-6, "tie_word_embeddings": False}


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
    transformers.LlamaForCausalLM, transformers.MistralForCausalLM
    transformers.Qwen2ForCausalLM, transformers.Qwen3ForCausalLM
    """
    config, ids, mask, part = read_llama(ids, weights, config, attention_mask, cache)
    hidden_size, eps = config["hidden_size"], config["rms_norm_eps"]
    time, act = ids.shape[1], activation_of(config["hidden_act"])
    turn = rotary(token_positions(mask, time), config["head_dim"], config["rope"])
    x = embedding(ids, **part("embed_tokens"))  # (batch, time, hidden_size)
    for i in range(config["num_hidden_layers"]):
        h = rms_norm(x, hidden_size, **part(f"layers.{i}.input_layernorm"), eps=eps)
        seen = keys_seen(mask, time, llama_window(config, i))  # (batch, 1, time, source)
        h = llama_attention(h, part, f"layers.{i}.self_attn", i, config, turn, seen, cache)
        x = x + h  # (batch, time, hidden_size)
        h = rms_norm(x, hidden_size, **part(f"layers.{i}.post_attention_layernorm"), eps=eps)
        gate = act(project(h, **part(f"layers.{i}.mlp.gate_proj")))
        h = gate * project(h, **part(f"layers.{i}.mlp.up_proj"))  # (batch, time, intermediate_size)
        x = x + project(h, **part(f"layers.{i}.mlp.down_proj"))  # (batch, time, hidden_size)
    x = last_tokens(x, mask) if last else x
    x = rms_norm(x, hidden_size, **part("norm"), eps=eps)
    return project(x, **part("lm_head") or part("embed_tokens"))  # tied: the embedding


def generate(ids, weights, config, steps, *, attention_mask=None, temperature=0, rng=None):
    """Return the ids that the model goes on with: see ``generate_tokens``."""
    given = attention_mask, temperature, rng
    return generate_tokens(forward, ids, weights, config, steps, *given)


def llama_attention(x, part, name, layer, config, turn, seen, cache):
    """Return attention whose heads share keys: head h reads key h // (heads / key heads)."""
    head_dim = config["head_dim"]
    q, k, v = (cut_heads(project(x, **part(f"{name}.{n}_proj")), head_dim) for n in "qkv")
    if part(f"{name}.q_norm"):  # Qwen3: the same norm for each head
        eps = config["rms_norm_eps"]
        q = rms_norm(q, head_dim, **part(f"{name}.q_norm"), eps=eps)
        k = rms_norm(k, head_dim, **part(f"{name}.k_norm"), eps=eps)
    q, k = turn_halves(q, *turn), turn_halves(k, *turn)
    k, v = remember(cache, layer, k, v)
    y = scaled_dot_product_attention(q, k, v, seen, enable_gqa=True)
    return project(join_heads(y), **part(f"{name}.o_proj"))


def llama_window(config, layer):
    """Return how many tokens a query of this layer sees, None for all."""
    slides = config["model_type"] == "mistral"
    if config["model_type"].startswith("qwen") and config["use_sliding_window"]:
        kinds = config["layer_types"]
        late = layer >= config["max_window_layers"]
        slides = kinds[layer] == "sliding_attention" if kinds else late
    return config["sliding_window"] if slides else None


# What refuses wrong input


def llama_shapes(config):
    """Return {name: shape} of all that a checkpoint with this config may store."""
    hidden, inner, head_dim = (config[x] for x in ("hidden_size", "intermediate_size", "head_dim"))
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    kind = config["model_type"]
    rows = {
        "self_attn.q_proj": (heads * head_dim, hidden),
        "self_attn.k_proj": (key_heads * head_dim, hidden),
        "self_attn.v_proj": (key_heads * head_dim, hidden),
        "self_attn.o_proj": (hidden, heads * head_dim),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    biased = []
    if kind == "qwen2":
        biased = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]
    elif config.get("attention_bias") and kind != "mistral":
        biased = list(rows)[:4]
    if config.get("mlp_bias") and kind == "llama":
        biased += list(rows)[4:]
    block = {f"{name}.weight": shape for name, shape in rows.items()}
    block |= {f"{name}.bias": rows[name][:1] for name in biased}
    if kind == "qwen3":
        block |= {f"self_attn.{x}_norm.weight": (head_dim,) for x in "qk"}
    block |= {f"{x}_layernorm.weight": (hidden,) for x in ("input", "post_attention")}
    return decoder_shapes(config, block)


def llama_config(config):
    """Return config with all that config.json may leave out, or say what is wrong and why."""
    config = read_config(config, list(LLAMA_DEFAULTS), DECODER_SIZES, LLAMA_SHARED)
    config = LLAMA_DEFAULTS[config["model_type"]] | config
    heads = config["num_attention_heads"]
    config["head_dim"] = config.get("head_dim") or config["hidden_size"] // heads
    config["num_key_value_heads"] = config["num_key_value_heads"] or heads
    check_divides(config, "num_key_value_heads", "num_attention_heads")
    given = config.get("rope_scaling") or config.get("rope_parameters")
    return config | {"rope": read_rope(config, given)}


def read_llama(ids, weights, config, attention_mask, cache):
    """Return config, ids, the mask of all tokens and the parts, or say what is wrong and why."""
    config = llama_config(config)
    return read_decoder(
        ids,
        weights,
        config,
        attention_mask,
        cache,
        shapes=llama_shapes(config),
        start="model.",
        computed=r"rotary_emb\.inv_freq$",  # in older files
    )
