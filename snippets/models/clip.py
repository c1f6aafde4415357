"""CLIP in NumPy, weights as stored: a tower for images, one for texts, and how well they match."""

import numpy as np

from ..layers.attention import scaled_dot_product_attention
from ..layers.conv import conv2d
from ..layers.embedding import embedding
from ..layers.layer_norm import layer_norm
from .blocks import (
    activation_of,
    check_divides,
    cut_heads,
    join_heads,
    keys_seen,
    parts_of,
    project,
    read_config,
    read_images,
    read_tokens,
)

# What the library takes where config.json has no such entry.
CLIP_TOWER = {"num_hidden_layers": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
CLIP_DEFAULTS = {
    "text_config": CLIP_TOWER
    | {
        "vocab_size": 49408,
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_attention_heads": 8,
        "max_position_embeddings": 77,
        "eos_token_id": 49407,
    },
    "vision_config": CLIP_TOWER
    | {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_channels": 3,
        "image_size": 224,
        "patch_size": 32,
    },
}


def forward(images, ids, weights, config, *, attention_mask=None):
    """Return how well each image matches each text; softmax over the texts makes shares of it.

    Parameters
    ----------
    images : array (batch, num_channels, image_size, image_size)
        Normalized as preprocessor_config.json says.
    ids : integers (texts, time)
        Each text ends with ``eos_token_id``; padding behind it.
    weights : mapping of str to array
        All of model.safetensors.
    config : dict
        What config.json holds.
    attention_mask : array (texts, time), optional
        1 for a token, 0 for padding. It makes no difference: no token sees what is behind it.

    Returns
    -------
    array (batch, texts)
        The library's ``logits_per_image``.

    Raises
    ------
    ValueError
        config.json is another model's, a tensor is missing, surplus or of another shape, or
        images, ids or attention_mask do not fit.

    See Also
    --------
    transformers.CLIPModel
    """
    image = encode_image(images, weights, config)
    text = encode_text(ids, weights, config, attention_mask=attention_mask)
    scale = np.exp(read_clip(weights, config)[-1]("")["logit_scale"])  # stored as a logarithm
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    return scale * image @ text.T


def encode_image(images, weights, config):
    """Return a vector for each image, not yet of length 1.

    Parameters
    ----------
    images, weights, config
        As for ``forward``.

    Returns
    -------
    array (batch, projection_dim)

    Raises
    ------
    ValueError
        As for ``forward``.

    See Also
    --------
    transformers.CLIPModel.get_image_features
    """
    _, config, part = read_clip(weights, config)
    images = read_images(images, config["num_channels"], config["image_size"])
    first, hidden_size = part("vision_model.embeddings"), config["hidden_size"]
    patches = part("vision_model.embeddings.patch_embedding")
    x = conv2d(images, **patches, stride=config["patch_size"])
    x = x.reshape(len(x), hidden_size, -1).swapaxes(1, 2)  # (batch, rows * columns, hidden_size)
    whole = np.broadcast_to(first["class_embedding"], (len(x), 1, hidden_size))
    x = np.concatenate([whole, x], axis=1)  # (batch, 1 + rows * columns, hidden_size)
    x = x + part("vision_model.embeddings.position_embedding")["weight"]
    x = clip_norm(x, part, "vision_model.pre_layrnorm", config)
    x = clip_layers(x, None, part, "vision_model", config)
    x = clip_norm(x[:, 0], part, "vision_model.post_layernorm", config)  # (batch, hidden_size)
    return project(x, **part("visual_projection"))


def encode_text(ids, weights, config, *, attention_mask=None):
    """Return a vector for each text, not yet of length 1.

    Parameters
    ----------
    ids, weights, config
        As for ``forward``.
    attention_mask : array (texts, time), optional
        As for ``forward``.

    Returns
    -------
    array (texts, projection_dim)

    Raises
    ------
    ValueError
        As for ``forward``.

    See Also
    --------
    transformers.CLIPModel.get_text_features
    """
    config, _, part = read_clip(weights, config)
    ids, mask = read_tokens(ids, attention_mask)
    check_length(ids, config)
    end = text_ends(ids, config)  # (num_ids,)
    x = embedding(ids, **part("text_model.embeddings.token_embedding"))
    x = x + part("text_model.embeddings.position_embedding")["weight"][: ids.shape[1]]
    seen = keys_seen(mask, ids.shape[1])  # (num_ids, 1, time, time)
    x = clip_layers(x, seen, part, "text_model", config)  # (num_ids, time, hidden_size)
    x = clip_norm(x, part, "text_model.final_layer_norm", config)
    return project(x[np.arange(len(x)), end], **part("text_projection"))


def text_ends(ids, config):
    """Return where each text ends: its vector is that of this token."""
    if config["eos_token_id"] == 2:  # config.json was wrong until 2023: the end has the largest id
        return ids.argmax(axis=1)
    ends = ids == config["eos_token_id"]
    check_ends(ends, config)
    return ends.argmax(axis=1)  # the first one: padding may be the same id


def clip_norm(x, part, name, config):
    """Return a tower's nn.LayerNorm of x."""
    return layer_norm(x, config["hidden_size"], **part(name), eps=config["layer_norm_eps"])


def clip_layers(x, seen, part, tower, config):
    """Return x behind all layers of a tower: both have the same ones."""
    head_dim = config["hidden_size"] // config["num_attention_heads"]
    act = activation_of(config["hidden_act"])
    for i in range(config["num_hidden_layers"]):
        layer = f"{tower}.encoder.layers.{i}"
        h = clip_norm(x, part, f"{layer}.layer_norm1", config)
        projected = (project(h, **part(f"{layer}.self_attn.{letter}_proj")) for letter in "qkv")
        q, k, v = (cut_heads(a, head_dim) for a in projected)
        y = scaled_dot_product_attention(q, k, v, seen)
        x = x + project(join_heads(y), **part(f"{layer}.self_attn.out_proj"))
        h = clip_norm(x, part, f"{layer}.layer_norm2", config)
        h = act(project(h, **part(f"{layer}.mlp.fc1")))
        x = x + project(h, **part(f"{layer}.mlp.fc2"))
    return x


# What refuses wrong input


def clip_shapes(text, vision, projection_dim):
    """Return {name: shape} of all that a checkpoint with these configs may store."""
    t, v, patch = text["hidden_size"], vision["hidden_size"], vision["patch_size"]
    positions = (vision["image_size"] // patch) ** 2 + 1
    shapes = {
        "logit_scale": (),
        "text_model.embeddings.token_embedding.weight": (text["vocab_size"], t),
        "text_model.embeddings.position_embedding.weight": (text["max_position_embeddings"], t),
        "vision_model.embeddings.class_embedding": (v,),
        "vision_model.embeddings.patch_embedding.weight": (v, vision["num_channels"], patch, patch),
        "vision_model.embeddings.position_embedding.weight": (positions, v),
        "text_projection.weight": (projection_dim, t),
        "visual_projection.weight": (projection_dim, v),
    }
    norms = {"text_model.final_layer_norm": t}
    norms |= {f"vision_model.{name}": v for name in ("pre_layrnorm", "post_layernorm")}
    for tower, config in (("text_model", text), ("vision_model", vision)):
        n, inner = config["hidden_size"], config["intermediate_size"]
        linears = {f"self_attn.{name}_proj": (n, n) for name in ("k", "v", "q", "out")}
        linears |= {"mlp.fc1": (inner, n), "mlp.fc2": (n, inner)}
        for i in range(config["num_hidden_layers"]):
            layer = f"{tower}.encoder.layers.{i}"
            norms |= {f"{layer}.layer_norm1": n, f"{layer}.layer_norm2": n}
            for name, shape in linears.items():
                shapes[f"{layer}.{name}.weight"], shapes[f"{layer}.{name}.bias"] = shape, shape[:1]
    return shapes | {
        f"{name}.{end}": (n,) for name, n in norms.items() for end in ("weight", "bias")
    }


def read_clip(weights, config):
    """Return the config of each tower and the parts, or say what is wrong and why."""
    config = read_config(config, ["clip"], [], {"projection_dim": 512})
    text, vision = (told | (config.get(name) or {}) for name, told in CLIP_DEFAULTS.items())
    for name, tower in (("text_config", text), ("vision_config", vision)):
        check_divides(tower, "num_attention_heads", "hidden_size", f" of {name}")
    shapes = clip_shapes(text, vision, config["projection_dim"])
    # older files have the numbers of the positions
    return text, vision, parts_of(weights, shapes, computed=r"embeddings\.position_ids$")


def check_length(ids, config):
    """Raise unless each token has a position."""
    if ids.shape[1] > config["max_position_embeddings"]:
        raise ValueError(
            f"{ids.shape[1]} tokens, but position_embedding has "
            f"{config['max_position_embeddings']} positions: cut the text, and let it still end "
            "with eos_token_id"
        )


def check_ends(ends, config):
    """Raise unless each text ends."""
    if not ends.any(axis=1).all():
        row = ends.any(axis=1).argmin()
        raise ValueError(
            f"row {row} of ids has no eos_token_id, {config['eos_token_id']}: was the text cut? "
            "Its last token must be this one"
        )
