"""Mamba in NumPy, weights as stored: no attention, a state that every token changes."""

import math

import numpy as np

from ..layers.activation import softplus
from ..layers.conv import conv1d
from ..layers.embedding import embedding
from ..layers.rms_norm import rms_norm
from .blocks import (
    activation_of,
    generate_tokens,
    project,
    read_config,
    read_decoder,
)

MAMBA_SIZES = ["vocab_size", "hidden_size", "num_hidden_layers"]
# What the library takes where config.json has no such entry.
MAMBA_DEFAULTS = {
    "state_size": 16,
    "expand": 2,
    "conv_kernel": 4,
    "time_step_rank": "auto",
    "layer_norm_epsilon": 1e-5,
    "use_bias": False,
    "use_conv_bias": True,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
}


def forward(ids, weights, config, *, attention_mask=None, cache=None, last=False):
    """Return the logits of the token after each position.

    Parameters
    ----------
    ids : integers (batch, time)
    weights : mapping of str to array
        All of model.safetensors, names with or without ``backbone.`` before them.
    config : dict
        What config.json holds.
    attention_mask : array (batch, time), optional
        1 for a token, 0 for padding, anywhere. With a cache, of all tokens so far.
    cache : list, optional
        ``[]`` at first. It keeps each layer's state, which does not grow; give only new ids then.
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
    transformers.MambaForCausalLM
    """
    config, ids, mask, part = read_mamba(ids, weights, config, attention_mask, cache)
    cache = mamba_states(cache, mask, config, part("embeddings")["weight"].dtype)
    real = mask[:, mask.shape[1] - ids.shape[1] :]  # (batch, time)
    order = np.argsort(real, axis=1, kind="stable")  # padding first
    ids, real = (np.take_along_axis(a, order, axis=1) for a in (ids, real))
    x = embedding(ids, **part("embeddings"))  # (batch, time, hidden_size)
    hidden_size, eps = config["hidden_size"], config["layer_norm_epsilon"]
    for i in range(config["num_hidden_layers"]):
        h = rms_norm(x, hidden_size, **part(f"layers.{i}.norm"), eps=eps)
        h, cache[i + 1] = mamba_mixer(h, real, *cache[i + 1], part, f"layers.{i}.mixer", config)
        x = x + h  # (batch, time, hidden_size)
    back = np.argsort(order, axis=1)[:, :, None]  # (batch, time, 1)
    x = x[:, -1:] if last else np.take_along_axis(x, back, axis=1)
    x = rms_norm(x, hidden_size, **part("norm_f"), eps=eps)
    return project(x, **part("lm_head") or part("embeddings"))  # tied: the embedding is the head


def generate(ids, weights, config, steps, *, attention_mask=None, temperature=0, rng=None):
    """Return the ids that the model goes on with: see ``generate_tokens``."""
    given = attention_mask, temperature, rng
    return generate_tokens(forward, ids, weights, config, steps, *given)


def mamba_mixer(x, real, window, state, part, name, config):
    """Return what a layer adds, and the inputs and the state that it keeps."""
    act, rank = activation_of(config["hidden_act"]), config["time_step_rank"]
    u, gate = np.split(project(x, **part(f"{name}.in_proj")), 2, axis=-1)
    u = np.concatenate([window, u], axis=1)
    first = np.pad(real, [(0, 0), (window.shape[1], 0)], constant_values=True)
    first = np.argsort(first, axis=1, kind="stable")  # padding before the window, too
    u = np.take_along_axis(u, first[:, :, None], axis=1)
    window = u[:, x.shape[1] :]
    u = conv1d(u.swapaxes(1, 2), **part(f"{name}.conv1d"), groups=u.shape[2]).swapaxes(1, 2)
    u = act(u)  # (batch, time, intermediate_size)
    chosen = project(u, **part(f"{name}.x_proj"))
    dt, b, c = np.split(chosen, [rank, rank + config["state_size"]], axis=-1)
    dt = softplus(project(dt, **part(f"{name}.dt_proj")))  # (batch, time, intermediate_size)
    a = -np.exp(part(name)["A_log"])  # (intermediate_size, state_size)
    y, state = mamba_scan(u, dt * real[:, :, None], a, b, c, state)
    y = (y + u * part(name)["D"]) * act(gate)  # (batch, time, intermediate_size)
    return project(y, **part(f"{name}.out_proj")), (window, state)


def mamba_scan(u, dt, a, b, c, state):
    """Return what is read of the state behind each token, and the state behind the last one."""
    y = np.empty_like(u)  # (batch, time, intermediate_size)
    for t in range(u.shape[1]):
        kept = np.exp(dt[:, t, :, None] * a)  # 1 for padding, where dt is 0
        state = kept * state + (dt[:, t] * u[:, t])[:, :, None] * b[:, t, None]
        y[:, t] = np.einsum("bis,bs->bi", state, c[:, t])
    return y, state


def mamba_states(cache, mask, config, dtype):
    """Return the cache: the mask so far, then each layer's last inputs and its state."""
    batch, inner = len(mask), config["intermediate_size"]
    cache = [] if cache is None else cache
    if not cache:
        window = np.zeros((batch, config["conv_kernel"] - 1, inner), dtype)
        state = np.zeros((batch, inner, config["state_size"]), dtype)
        cache += [None] + [(window, state)] * config["num_hidden_layers"]
    cache[0] = (mask[:, None],)  # how many tokens there were
    return cache


# What refuses wrong input


def mamba_shapes(config):
    """Return {name: shape} of all that a checkpoint with this config may store."""
    n, inner, state = config["hidden_size"], config["intermediate_size"], config["state_size"]
    rank, words = config["time_step_rank"], (config["vocab_size"], config["hidden_size"])
    layer = {
        "norm.weight": (n,),
        "mixer.A_log": (inner, state),
        "mixer.D": (inner,),
        "mixer.conv1d.weight": (inner, 1, config["conv_kernel"]),
        "mixer.in_proj.weight": (2 * inner, n),
        "mixer.x_proj.weight": (rank + 2 * state, inner),
        "mixer.dt_proj.weight": (inner, rank),
        "mixer.dt_proj.bias": (inner,),
        "mixer.out_proj.weight": (n, inner),
    }
    if config["use_conv_bias"]:
        layer["mixer.conv1d.bias"] = (inner,)
    if config["use_bias"]:
        layer |= {"mixer.in_proj.bias": (2 * inner,), "mixer.out_proj.bias": (n,)}
    layers = range(config["num_hidden_layers"])
    return {
        "embeddings.weight": words,
        **{f"layers.{i}.{name}": shape for i in layers for name, shape in layer.items()},
        "norm_f.weight": (n,),
        "lm_head.weight": words,
    }


def mamba_config(config):
    """Return config with its defaults and what follows from them."""
    config = read_config(config, ["mamba"], MAMBA_SIZES, MAMBA_DEFAULTS)
    config["intermediate_size"] = int(config["expand"] * config["hidden_size"])
    if config["time_step_rank"] == "auto":
        config["time_step_rank"] = math.ceil(config["hidden_size"] / 16)
    return config


def read_mamba(ids, weights, config, attention_mask, cache):
    """Return config, ids, the mask of all tokens and the parts, or say what is wrong and why."""
    config = mamba_config(config)
    shapes = mamba_shapes(config)
    return read_decoder(ids, weights, config, attention_mask, cache, shapes, start="backbone.")
