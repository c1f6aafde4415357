"""BERT, RoBERTa, ALBERT and sentence encoders such as MiniLM in NumPy, weights as stored."""

import re

import numpy as np

from ..layers.attention import scaled_dot_product_attention
from ..layers.embedding import embedding
from ..layers.layer_norm import layer_norm
from .blocks import (
    activation_of,
    check_divides,
    cut_heads,
    join_heads,
    parts_of,
    project,
    read_config,
    read_tokens,
    token_positions,
)

BERT_SIZES = [
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
]
# What the library takes where config.json has no such entry.
BERT_SHARED = {"layer_norm_eps": 1e-12, "hidden_act": "gelu"}
BERT_DEFAULTS = {
    "bert": {},
    "roberta": {"pad_token_id": 1},
    "xlm-roberta": {"pad_token_id": 1},
    "albert": {
        "embedding_size": 128,
        "num_hidden_groups": 1,
        "inner_group_num": 1,
        "hidden_act": "gelu_new",
    },
}
# What stands before the names in the file of a model with a head.
BERT_STARTS = {kind: f"{kind.removeprefix('xlm-')}." for kind in BERT_DEFAULTS}
# The names in a layer: q, k, v, the output of attention, its norm, up, down, the last norm.
BERT_LAYER = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
]
ALBERT_LAYER = [
    "attention.query",
    "attention.key",
    "attention.value",
    "attention.dense",
    "attention.LayerNorm",
    "ffn",
    "ffn_output",
    "full_layer_layer_norm",
]


def forward(ids, weights, config, *, attention_mask=None, token_type_ids=None):
    """Return a vector for each token, ``last_hidden_state``.

    Parameters
    ----------
    ids : integers (batch, time)
    weights : mapping of str to array
        All of model.safetensors, names with or without ``bert.`` before them. With it, the head of
        a task may lie beside them; it is not read.
    config : dict
        What config.json holds.
    attention_mask : array (batch, time), optional
        1 for a token, 0 for padding, on either side.
    token_type_ids : integers (batch, time), optional
        1 for the tokens of a second text. All 0 if not given.

    Returns
    -------
    array (batch, time, hidden_size)
        Those of padding mean nothing.

    Raises
    ------
    ValueError
        config.json is another model's, a tensor is missing, surplus or of another shape, or ids
        or attention_mask do not fit.

    See Also
    --------
    transformers.BertModel, transformers.RobertaModel, transformers.AlbertModel
    """
    config, ids, mask, part = read_bert(ids, weights, config, attention_mask)
    eps = config["layer_norm_eps"]
    types = np.zeros_like(ids) if token_type_ids is None else token_type_ids
    at = token_positions(mask, ids.shape[1]) + bert_first_position(config)  # (batch, time)
    x = embedding(ids, **part("embeddings.word_embeddings"))  # (batch, time, embedding_size)
    x = x + embedding(types, **part("embeddings.token_type_embeddings"))
    x = x + embedding(at, **part("embeddings.position_embeddings"))
    x = layer_norm(x, x.shape[-1], **part("embeddings.LayerNorm"), eps=eps)
    if config["model_type"] == "albert":
        x = project(x, **part("encoder.embedding_hidden_mapping_in"))
    for layer in range(config["num_hidden_layers"]):
        for place, names in bert_places(config, layer):
            x = bert_layer(x, [part(f"{place}.{name}") for name in names], config, mask)
    return x  # (batch, time, hidden_size)


def pooler_output(x, weights, config):
    """Return tanh of a Linear of the first token: what a head of BERT's for a whole text reads.

    Parameters
    ----------
    x : array (batch, time, hidden_size)
        What ``forward`` returns.
    weights, config
        As for ``forward``.

    Returns
    -------
    array (batch, hidden_size)

    Raises
    ------
    ValueError
        The file has no pooler, or a shape is wrong.

    See Also
    --------
    transformers.BertModel
    """
    config, part = read_bert_weights(weights, config)
    w = part("pooler" if config["model_type"] == "albert" else "pooler.dense")
    check_pooler(w)
    return np.tanh(project(x[:, :1], **w)[:, 0])  # (batch, hidden_size)


def sentence_embeddings(x, attention_mask=None, normalize=True):
    """Return the mean of the vectors of a text's tokens, as MiniLM and its like use it.

    Parameters
    ----------
    x : array (batch, time, hidden_size)
        What ``forward`` returns.
    attention_mask : array (batch, time), optional
        As for ``forward``: padding is no part of the mean.
    normalize : bool
        Divide by the length, so that the product of two is their cosine. The folder's modules.json
        lists Normalize then.

    Returns
    -------
    array (batch, hidden_size)

    Raises
    ------
    ValueError
        attention_mask does not fit.

    See Also
    --------
    sentence_transformers.models.Pooling
    """
    _, mask = read_tokens(np.zeros(x.shape[:2], int), attention_mask)
    sums = np.einsum("bth,bt->bh", x, mask.astype(x.dtype))  # (batch, hidden_size)
    mean = sums / np.maximum(mask.sum(axis=1), 1)[:, None].astype(x.dtype)
    if normalize:
        mean = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return mean.astype(x.dtype, copy=False)  # (batch, hidden_size)


def bert_layer(x, parts, config, mask):
    """Return x after attention and feed-forward, each added and then normalised."""
    q, k, v, out, norm, up, down, last_norm = parts
    hidden_size, eps = config["hidden_size"], config["layer_norm_eps"]
    head_dim = hidden_size // config["num_attention_heads"]
    q, k, v = (cut_heads(project(x, **w), head_dim) for w in (q, k, v))
    y = scaled_dot_product_attention(q, k, v, mask[:, None, None])
    x = layer_norm(x + project(join_heads(y), **out), hidden_size, **norm, eps=eps)
    h = activation_of(config["hidden_act"])(project(x, **up))  # (batch, time, intermediate_size)
    return layer_norm(x + project(h, **down), hidden_size, **last_norm, eps=eps)


def bert_first_position(config):
    """Return the row of the first token's position: RoBERTa's come after the one of padding."""
    return config["pad_token_id"] + 1 if config["model_type"].endswith("roberta") else 0


def bert_places(config, layer):
    """Return where the weights of a layer are: ALBERT's layers share them."""
    if config["model_type"] != "albert":
        return [(f"encoder.layer.{layer}", BERT_LAYER)]
    group = int(layer / (config["num_hidden_layers"] / config["num_hidden_groups"]))
    start = f"encoder.albert_layer_groups.{group}.albert_layers"
    return [(f"{start}.{i}", ALBERT_LAYER) for i in range(config["inner_group_num"])]


# What refuses wrong input


def bert_shapes(config):
    """Return {name: shape} of all that a checkpoint with this config may store."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    albert = config["model_type"] == "albert"
    embed = config["embedding_size"] if albert else hidden
    modules = {
        "embeddings.word_embeddings": (config["vocab_size"], embed),
        "embeddings.position_embeddings": (config["max_position_embeddings"], embed),
        "embeddings.token_type_embeddings": (config["type_vocab_size"], embed),
        "embeddings.LayerNorm": (embed,),
    }
    if albert:
        modules["encoder.embedding_hidden_mapping_in"] = hidden, embed
    square, norm = (hidden, hidden), (hidden,)
    layer = [square, square, square, square, norm, (inner, hidden), (hidden, inner), norm]
    for i in range(config["num_hidden_layers"]):
        for place, names in bert_places(config, i):
            named = zip(names, layer, strict=True)
            modules |= {f"{place}.{name}": shape for name, shape in named}
    modules["pooler" if albert else "pooler.dense"] = square
    shapes = {}
    for module, shape in modules.items():
        shapes[f"{module}.weight"] = shape
        if not re.search("word_|position_|type_", module):
            shapes[f"{module}.bias"] = shape[:1]
    return shapes


def bert_config(config):
    """Return config with all that config.json may leave out, or say what is wrong and why."""
    config = read_config(config, list(BERT_DEFAULTS), BERT_SIZES, {})
    config = BERT_SHARED | BERT_DEFAULTS[config["model_type"]] | config
    check_divides(config, "num_attention_heads", "hidden_size")
    for name, usual in (("is_decoder", False), ("position_embedding_type", "absolute")):
        if config.get(name, usual) != usual:
            raise ValueError(f"{name} is {config[name]!r}, expected {usual!r}: it is not done here")
    return config


def read_bert_weights(weights, config):
    """Return config and the parts, or say what is wrong and why."""
    config = bert_config(config)
    start = BERT_STARTS[config["model_type"]]
    beside, older = rf"^(?!{start})", {"gamma": "weight", "beta": "bias"}
    names = {
        name: re.sub(r"(?<=LayerNorm\.)(gamma|beta)$", lambda m: older[m[0]], name)
        for name in weights
    }
    if any(name != new for name, new in names.items()):
        weights = {new: weights[name] for name, new in names.items()}
    headed = any(name.startswith(start) for name in weights)
    part = parts_of(
        weights,
        bert_shapes(config),
        start=start,
        optional=[name for name in bert_shapes(config) if name.startswith("pooler")],
        computed=rf"position_ids$|{beside}" if headed else r"position_ids$",
    )
    return config, part


def read_bert(ids, weights, config, attention_mask):
    """Return config, ids, the mask of all tokens and the parts, or say what is wrong and why."""
    config, part = read_bert_weights(weights, config)
    ids, mask = read_tokens(ids, attention_mask)
    most = config["max_position_embeddings"] - bert_first_position(config)
    if (given := mask.sum(axis=1).max(initial=0)) > most:
        raise ValueError(f"{given} tokens, but this model has positions for {most}")
    return config, ids, mask, part


def check_pooler(w):
    """Raise unless the file has a pooler."""
    if not w:
        raise ValueError(
            "the file has no pooler: is x[:, 0], or a mean, what this model was made for?"
        )
