"""GPT-2 in NumPy, weights as its checkpoint stores them: those of its Conv1D are (in, out)."""

import numpy as np

from ..layers.attention import scaled_dot_product_attention
from ..layers.embedding import embedding
from ..layers.layer_norm import layer_norm
from .blocks import (
    activation_of,
    check_divides,
    cut_heads,
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

GPT2_SIZES = ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head"]
# What the library takes where config.json has no such entry.
GPT2_DEFAULTS = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "n_inner": None,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "tie_word_embeddings": True,
}


def forward(ids, weights, config, *, attention_mask=None, cache=None, last=False):
    """Return the logits of the token after each position.

    Parameters
    ----------
    ids : integers (batch, time)
    weights : mapping of str to array
        All of model.safetensors, names with or without ``transformer.`` before them.
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
        config.json is another model's, a tensor is missing, surplus or of another shape, or ids
        or attention_mask do not fit.

    See Also
    --------
    transformers.GPT2LMHeadModel
    """
    config, ids, mask, part = read_gpt2(ids, weights, config, attention_mask, cache)
    eps, n_embd = config["layer_norm_epsilon"], config["n_embd"]
    head_dim = n_embd // config["n_head"]
    seen = keys_seen(mask, ids.shape[1])  # (batch, 1, time, source)
    x = embedding(ids, **part("wte"))  # (batch, time, n_embd)
    x = x + embedding(token_positions(mask, ids.shape[1]), **part("wpe"))
    for i in range(config["n_layer"]):
        h = layer_norm(x, n_embd, **part(f"h.{i}.ln_1"), eps=eps)
        q, k, v = np.split(conv1d_in_out(h, **part(f"h.{i}.attn.c_attn")), 3, axis=-1)
        q, k, v = (cut_heads(a, head_dim) for a in (q, k, v))  # (batch, num_heads, time, head_dim)
        k, v = remember(cache, i, k, v)
        scale = gpt2_scale(config, head_dim, i)
        y = scaled_dot_product_attention(q, k, v, seen, scale=scale)
        x = x + conv1d_in_out(join_heads(y), **part(f"h.{i}.attn.c_proj"))
        h = layer_norm(x, n_embd, **part(f"h.{i}.ln_2"), eps=eps)
        h = conv1d_in_out(h, **part(f"h.{i}.mlp.c_fc"))  # (batch, time, n_inner)
        h = activation_of(config["activation_function"])(h)
        x = x + conv1d_in_out(h, **part(f"h.{i}.mlp.c_proj"))
    x = last_tokens(x, mask) if last else x
    x = layer_norm(x, n_embd, **part("ln_f"), eps=eps)
    return project(x, **part("lm_head") or part("wte"))  # tied: the embedding is the head


def generate(ids, weights, config, steps, *, attention_mask=None, temperature=0, rng=None):
    """Return the ids that the model goes on with: see ``generate_tokens``."""
    given = attention_mask, temperature, rng
    return generate_tokens(forward, ids, weights, config, steps, *given)


def conv1d_in_out(x, weight, bias):
    """Return ``x @ weight + bias``: the library's Conv1D stores (in, out), unlike nn.Linear."""
    return project(x, weight.T, bias)


def gpt2_scale(config, head_dim, layer):
    """Return what the scores of a layer are multiplied by."""
    scale = head_dim**-0.5 if config["scale_attn_weights"] else 1.0
    return scale / (layer + 1) if config["scale_attn_by_inverse_layer_idx"] else scale


# What refuses wrong input


def gpt2_shapes(config):
    """Return {name: shape} of all that a checkpoint with this config may store."""
    n, inner = config["n_embd"], config["n_inner"] or 4 * config["n_embd"]
    block = {
        "ln_1.weight": (n,),
        "ln_1.bias": (n,),
        "attn.c_attn.weight": (n, 3 * n),
        "attn.c_attn.bias": (3 * n,),
        "attn.c_proj.weight": (n, n),
        "attn.c_proj.bias": (n,),
        "ln_2.weight": (n,),
        "ln_2.bias": (n,),
        "mlp.c_fc.weight": (n, inner),
        "mlp.c_fc.bias": (inner,),
        "mlp.c_proj.weight": (inner, n),
        "mlp.c_proj.bias": (n,),
    }
    layers = range(config["n_layer"])
    return {
        "wte.weight": (config["vocab_size"], n),
        "wpe.weight": (config["n_positions"], n),
        **{f"h.{i}.{name}": shape for i in layers for name, shape in block.items()},
        "ln_f.weight": (n,),
        "ln_f.bias": (n,),
        "lm_head.weight": (config["vocab_size"], n),
    }


def read_gpt2(ids, weights, config, attention_mask, cache):
    """Return config, ids, the mask of all tokens and the parts, or say what is wrong and why."""
    config = read_config(config, ["gpt2"], GPT2_SIZES, GPT2_DEFAULTS)
    check_divides(config, "n_head", "n_embd")
    config, ids, mask, part = read_decoder(
        ids,
        weights,
        config,
        attention_mask,
        cache,
        shapes=gpt2_shapes(config),
        start="transformer.",
        computed=r"\.attn\.(masked_)?bias$",  # the causal mask, in files from before 2023
    )
    if (most := mask.sum(axis=1).max(initial=0)) > config["n_positions"]:
        raise ValueError(f"{most} tokens, but wpe has {config['n_positions']} positions")
    return config, ids, mask, part
