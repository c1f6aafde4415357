"""What the models have in common: tokens and padding in, parts of the file, heads, a cache."""

import re
from reprlib import Repr

import numpy as np

from ..layers.activation import gelu, relu, sigmoid, silu
from ..layers.linear import linear

SHORT = Repr()
SHORT.maxstring = 120  # names of tensors are long, and whole

# What no library takes for missing, in config.json of a Llama or a Gemma.
DECODER_SIZES = [
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
]
# What config.json calls them. The two "gelu" differ by up to 0.0005.
ACTIVATIONS = {
    "gelu": gelu,
    "gelu_new": lambda x: gelu(x, "tanh"),
    "gelu_pytorch_tanh": lambda x: gelu(x, "tanh"),
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
    "relu": relu,
    "silu": silu,
    "swish": silu,
}


def project(x, weight, bias=None):
    """Return linear of all positions in one product: NumPy would make one for each sequence."""
    rows = linear(x.reshape(-1, x.shape[-1]), weight, bias)  # (rows, out_features)
    return rows.reshape(*x.shape[:-1], rows.shape[-1])  # (batch, time, out_features)


def cut_heads(x, head_dim):
    """Return neighbouring features as heads, each with all of its positions."""
    batch, time, features = x.shape
    heads = x.reshape(batch, time, features // head_dim, head_dim)
    return heads.swapaxes(1, 2)  # (batch, num_heads, time, head_dim)


def join_heads(x):
    """Return the heads side by side, as they were cut."""
    batch, heads, time, head_dim = x.shape
    return x.swapaxes(1, 2).reshape(batch, time, heads * head_dim)


def token_positions(mask, time):
    """Return the position of each of the last tokens: padding does not count."""
    counted = np.cumsum(mask, axis=1) - 1  # (batch, source)
    return np.maximum(counted, 0)[:, mask.shape[1] - time :]


def keys_seen(mask, time, window=None):
    """Return which keys each query sees: no padding, none to come, at most window of them."""
    source = mask.shape[1]
    causal = np.tri(time, source, source - time, dtype=bool)  # (time, source)
    seen = causal & mask[:, None]  # (batch, time, source)
    if window is not None:
        at = token_positions(mask, source)  # (batch, source)
        seen &= at[:, None] > at[:, source - time :, None] - window
    return seen[:, None]  # (batch, 1, time, source)


def remember(cache, layer, k, v):
    """Return keys and values of all tokens so far, and keep them if there is a cache."""
    if cache is None:
        return k, v
    if layer == len(cache):
        cache.append((k, v))
    else:
        pairs = zip(cache[layer], (k, v), strict=True)
        cache[layer] = tuple(np.concatenate(pair, axis=2) for pair in pairs)
    return cache[layer]


def last_tokens(x, mask):
    """Return what belongs to the last token of each sequence, wherever its padding is."""
    batch, time = x.shape[:2]
    last = time - 1 - np.argmax(mask[:, ::-1][:, :time], axis=1)  # (batch,)
    return x[np.arange(batch), last][:, None]  # (batch, 1, hidden_size)


def generate_tokens(forward, ids, weights, config, steps, attention_mask, temperature, rng):
    """Return the ids that a model goes on with, each chosen from the logits of all before.

    Parameters
    ----------
    forward : function
        The model's own, which the models' ``generate`` gives.
    ids, weights, config
        As for ``forward``.
    steps : int
        How many tokens. It does not stop at ``config["eos_token_id"]``: cut there.
    attention_mask : array, optional
        As for ``forward``.
    temperature : float
        0 takes the likeliest token each time. 1 draws as the model says, less draws bolder.
    rng : numpy.random.Generator, optional
        What draws.

    Returns
    -------
    integers (batch, steps)

    Raises
    ------
    ValueError
        As for ``forward``, or steps or temperature are negative.

    See Also
    --------
    transformers.GenerationMixin.generate
    """
    ids, mask = read_tokens(ids, attention_mask)
    check_sampling(steps, temperature)
    rng = np.random.default_rng() if rng is None else rng
    cache, chosen = [], np.empty((len(ids), 0), int)
    for _ in range(steps):
        logits = forward(ids, weights, config, attention_mask=mask, cache=cache, last=True)[:, 0]
        if temperature:  # the largest of logits with Gumbel noise is a draw from their softmax
            logits = logits / temperature + rng.gumbel(size=logits.shape)
        ids = logits.argmax(axis=-1)[:, None]  # (batch, 1)
        mask = np.pad(mask, [(0, 0), (0, 1)], constant_values=True)
        chosen = np.concatenate([chosen, ids], axis=1)
    return chosen  # (batch, steps)


def parts_of(weights, shapes, start="", optional=(), computed="$.", called=str):
    """Return a function: the name of a module to its arrays, as keyword arguments of a recipe.

    Only what is asked for is read, so that a mapping may read its entries late.

    Parameters
    ----------
    weights : mapping of str to array
    shapes : dict of str to tuple
        All that the model has, by its own names.
    start : str
        What may stand before them in the file.
    optional : collection of str
        Names that may be missing: the matrix of a tied head.
    computed : str
        A pattern of names that some files have, which are no weights.
    called : function
        From a name of the model to the one that this file has for it.
    """
    names = check_stored(weights, shapes, start, optional, computed, called)
    below = {}
    for name, stored in names.items():
        module, _, leaf = name.rpartition(".")
        below.setdefault(module, {})[leaf] = stored, shapes[name]

    def part(module):
        entries = below.get(module, {}).items()
        return {leaf: read_shape(weights, *entry) for leaf, entry in entries}

    return part


# What refuses wrong input


def read_config(config, model_type, required, defaults):
    """Return config.json's dict with what its library takes for missing, or say what is wrong."""
    if not hasattr(config, "keys"):
        raise ValueError(
            f"config is a {type(config).__name__}, expected the dict of config.json: "
            "json.loads(text), or config.to_dict()"
        )
    if config.get("model_type") not in model_type:
        raise ValueError(
            f"model_type is {config.get('model_type')!r}, expected {' or '.join(model_type)}: "
            "is config.json another model's?"
        )
    if missing := [name for name in required if config.get(name) is None]:
        raise ValueError(
            f"config lacks {missing}, which nothing stored tells: take config.json as it is"
        )
    return defaults | config


def check_divides(config, part, whole, where=""):
    """Raise unless an entry of config.json divides another."""
    if config[whole] % config[part]:
        raise ValueError(f"{part}{where}, {config[part]}, does not divide {whole}, {config[whole]}")


def activation_of(name):
    """Return the function that config.json calls by this name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"the activation is {name!r}, expected one of {list(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def read_tokens(ids, attention_mask=None, cache=None, vocab_size=None):
    """Return ids (batch, time) and which tokens are none of padding, (batch, source)."""
    ids = np.asarray(ids)
    if ids.ndim != 2 or ids.dtype.kind not in "iu":
        slip = "is it one sequence, ids[None]?" if ids.ndim == 1 else "are they token ids?"
        raise ValueError(
            f"ids are {ids.dtype} of shape {ids.shape}, expected integers (batch, time): {slip}"
        )
    batch, time = ids.shape
    past = 0
    if cache:
        kept, past = cache[0][0].shape[0], cache[0][0].shape[2]
        if kept != batch:
            raise ValueError(
                f"ids have {batch} sequences, but the cache {kept}: begin each batch with cache=[]"
            )
    if attention_mask is None:
        return ids, np.ones((batch, past + time), bool)
    mask = np.asarray(attention_mask)
    if mask.shape != (batch, past + time):
        slip = f"with {past} tokens in the cache, it covers them too" if past else "as ids"
        raise ValueError(
            f"attention_mask has shape {mask.shape}, expected {(batch, past + time)}: {slip}"
        )
    if mask.dtype.kind not in "biuf" or not ((mask == 0) | (mask == 1)).all():
        raise ValueError(
            f"attention_mask holds {SHORT.repr(mask.tolist())}, expected 1 for tokens and 0 for "
            "padding: is it one to be added to the scores?"
        )
    return ids, mask.astype(bool)


def read_decoder(ids, weights, config, attention_mask, cache, shapes, start, computed="$."):
    """Return config, ids, the mask of all tokens and the parts, or say what is wrong and why."""
    # Where the head is tied, its rows are those of the embedding.
    optional = ["lm_head.weight"] if config["tie_word_embeddings"] else []
    part = parts_of(weights, shapes, start, optional, computed)
    return config, *read_tokens(ids, attention_mask, cache), part


def read_images(images, channels, size=None):
    """Return images as an array, of any size if none is given, or say what is wrong and why."""
    images = np.asarray(images)
    sizes = (size, size) if size else images.shape[2:]
    if images.shape[1:] != (channels, *sizes) or images.ndim != 4 or images.dtype.kind != "f":
        slip = "resize and crop, as in training"
        if images.dtype.kind in "iu":
            slip = "divide by 255 and normalize, as in training"
        elif images.shape[-1:] == (channels,):
            slip = "put the channels before rows and columns"
        elif images.ndim == 3:
            slip = "is it one image, images[None]?"
        rows, columns = (size, size) if size else ("rows", "columns")
        raise ValueError(
            f"images are {images.dtype} of shape {images.shape}, expected floats of shape "
            f"{('batch', channels, rows, columns)}: {slip}"
        )
    return images


def decoder_shapes(config, block):
    """Return {name: shape} of a Llama or a Gemma: block tells what a layer has."""
    layers, words = range(config["num_hidden_layers"]), config["vocab_size"]
    return {
        "embed_tokens.weight": (words, config["hidden_size"]),
        **{f"layers.{i}.{name}": shape for i in layers for name, shape in block.items()},
        "norm.weight": (config["hidden_size"],),
        "lm_head.weight": (words, config["hidden_size"]),
    }


def check_sampling(steps, temperature):
    """Raise unless tokens can be chosen in this way."""
    if not isinstance(steps, int | np.integer) or steps < 0:
        raise ValueError(f"steps is {steps!r}, expected how many tokens to generate")
    if not temperature >= 0:
        raise ValueError(f"temperature is {temperature!r}, expected 0, the likeliest, or more")


def check_weights(weights):
    """Raise unless weights have names."""
    if not hasattr(weights, "keys"):
        raise ValueError(
            f"weights are a {type(weights).__name__}, expected a mapping from names to arrays: "
            "load_safetensors(path)"
        )


def check_stored(weights, shapes, start, optional, computed, called):
    """Return {own name: name in the file}, or say which names are missing or too many."""
    check_weights(weights)
    names = {name: called(name) for name in shapes}
    names = {own: name if name in weights else start + name for own, name in names.items()}
    missing = [own for own, stored in names.items() if stored not in weights]
    names = {own: stored for own, stored in names.items() if stored in weights}
    if missing := [called(own) for own in missing if own not in optional]:
        found = [name for name in weights if name.endswith(f".{missing[0]}")]
        slip = "is config.json of this checkpoint, are all of its files read, and has it a head?"
        if found:
            before = found[0].removesuffix(f".{missing[0]}")
            slip = f"it is there as {found[0]!r}: take under(weights, {before!r})"
        raise ValueError(f"weights lack {SHORT.repr(missing)}: {slip}")
    own = set(names.values())
    surplus = [name for name in weights if name not in own and not re.search(computed, name)]
    if surplus:
        raise ValueError(
            f"weights have {SHORT.repr(surplus)}, which config.json does not speak of: "
            "is it of another model or task?"
        )
    return names


def read_shape(weights, name, shape):
    """Return one array, or say that its shape is wrong and why."""
    array = np.asarray(weights[name])
    if array.shape != shape:
        slip = "is config.json another checkpoint's?"
        if array.shape == shape[::-1]:
            slip = "was it transposed? Take it as it is stored"
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}: {slip}")
    return array
