"""ViT in NumPy, weights as torchvision stores them, or as timm or Hugging Face does."""

import functools
import math

import numpy as np

from ..layers.attention import scaled_dot_product_attention
from ..layers.conv import conv2d
from ..layers.layer_norm import layer_norm
from .blocks import (
    activation_of,
    check_divides,
    check_weights,
    cut_heads,
    join_heads,
    parts_of,
    project,
    read_config,
    read_images,
)

# What the library takes where config.json has no such entry.
VIT_DEFAULTS = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "qkv_bias": True,
}
# From torchvision's names to those of other files. The first ones are its own, before 0.14.
OLDER_VIT = {"mlp.0": "mlp.linear_1", "mlp.3": "mlp.linear_2"}
TIMM_VIT = {
    "class_token": "cls_token",
    "encoder.pos_embedding": "pos_embed",
    "conv_proj": "patch_embed.proj",
    "encoder.layers.encoder_layer_": "blocks.",
    "ln_1": "norm1",
    "ln_2": "norm2",
    "self_attention.in_proj_": "attn.qkv.",
    "self_attention.out_proj": "attn.proj",
    "mlp.0": "mlp.fc1",
    "mlp.3": "mlp.fc2",
    "encoder.ln": "norm",
    "heads.head": "head",
}
HUGGING_FACE_VIT = {
    "class_token": "embeddings.cls_token",
    "encoder.pos_embedding": "embeddings.position_embeddings",
    "conv_proj": "embeddings.patch_embeddings.projection",
    "encoder.layers.encoder_layer_": "encoder.layer.",
    "ln_1": "layernorm_before",
    "ln_2": "layernorm_after",
    "self_attention.out_proj": "attention.output.dense",
    "self_attention.": "attention.attention.",
    "mlp.0": "intermediate.dense",
    "mlp.3": "output.dense",
    "encoder.ln": "layernorm",
    "heads.head": "classifier",
}


def forward(images, weights, config):
    """Return the logits of the classes.

    Parameters
    ----------
    images : array (batch, num_channels, image_size, image_size)
        Normalized as in training.
    weights : mapping of str to array
        All of the file: torchvision's ``state_dict()``, timm's, or Hugging Face's
        model.safetensors.
    config : dict
        What Hugging Face's config.json holds. Of torchvision and timm, ``{"num_heads": 12}``:
        names and shapes tell the rest.

    Returns
    -------
    array (batch, num_classes)

    Raises
    ------
    ValueError
        A tensor is missing, surplus or of another shape, config is another model's, or images
        do not fit.

    See Also
    --------
    torchvision.models.VisionTransformer, transformers.ViTForImageClassification
    timm.models.VisionTransformer
    """
    x = encode(images, weights, config)
    head = read_vit(weights, config)[1]("heads.head")
    check_vit_head(head)
    return project(x[:, 0], **head)


def encode(images, weights, config):
    """Return a vector for the whole image, which the head reads, then one for each patch.

    Parameters
    ----------
    images, weights, config
        As for ``forward``.

    Returns
    -------
    array (batch, 1 + patches, hidden_size)
        Patches row by row.

    Raises
    ------
    ValueError
        As for ``forward``.

    See Also
    --------
    transformers.ViTModel
    """
    config, part = read_vit(weights, config)
    images = read_images(images, config["num_channels"], config["image_size"])
    hidden_size, eps = config["hidden_size"], config["layer_norm_eps"]
    head_dim = hidden_size // config["num_attention_heads"]
    act = activation_of(config["hidden_act"])
    x = conv2d(images, **part("conv_proj"), stride=config["patch_size"])
    x = x.reshape(len(x), hidden_size, -1).swapaxes(1, 2)  # (batch, rows * columns, hidden_size)
    whole = np.broadcast_to(part("")["class_token"], (len(x), 1, hidden_size))
    x = np.concatenate([whole, x], axis=1)  # (batch, 1 + rows * columns, hidden_size)
    x = x + part("encoder")["pos_embedding"]
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layers.encoder_layer_{i}"
        h = layer_norm(x, hidden_size, **part(f"{layer}.ln_1"), eps=eps)
        q, k, v = (cut_heads(project(h, **w), head_dim) for w in vit_qkv(part, layer))
        y = join_heads(scaled_dot_product_attention(q, k, v))
        x = x + project(y, **part(f"{layer}.self_attention.out_proj"))
        h = layer_norm(x, hidden_size, **part(f"{layer}.ln_2"), eps=eps)
        h = act(project(h, **part(f"{layer}.mlp.0")))
        x = x + project(h, **part(f"{layer}.mlp.3"))
    return layer_norm(x, hidden_size, **part("encoder.ln"), eps=eps)


def vit_qkv(part, layer):
    """Return the arrays of q, k and v: only Hugging Face keeps them apart."""
    stacked = part(f"{layer}.self_attention")
    if not stacked:
        return [part(f"{layer}.self_attention.{name}") for name in ("query", "key", "value")]
    weight, bias = (np.split(stacked[f"in_proj_{end}"], 3) for end in ("weight", "bias"))
    return [{"weight": w, "bias": b} for w, b in zip(weight, bias, strict=True)]


# What refuses wrong input


def vit_names(weights):
    """Return how this file calls what torchvision calls otherwise."""
    if "class_token" in weights:
        older = any("mlp.linear_1" in name for name in weights)
        return OLDER_VIT if older else {}
    return TIMM_VIT if "cls_token" in weights else HUGGING_FACE_VIT


def vit_name(name, names):
    """Return what a file calls an entry of torchvision's state_dict()."""
    for old, new in names.items():
        name = name.replace(old, new)
    return name


def vit_shapes(config, stacked):
    """Return {torchvision's name: shape} of all that a checkpoint with this config may store."""
    n, inner, patch = config["hidden_size"], config["intermediate_size"], config["patch_size"]
    linears = {"self_attention.out_proj": (n, n), "mlp.0": (inner, n), "mlp.3": (n, inner)}
    norms = {"ln_1": (n,), "ln_2": (n,)}
    layer = {"self_attention.in_proj_weight": (3 * n, n), "self_attention.in_proj_bias": (3 * n,)}
    if not stacked:
        qkv = [f"self_attention.{name}" for name in ("query", "key", "value")]
        layer = {f"{name}.weight": (n, n) for name in qkv}
        layer |= {f"{name}.bias": (n,) for name in qkv if config["qkv_bias"]}
    for name, shape in (linears | norms).items():
        layer |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    layers = [f"encoder.layers.encoder_layer_{i}" for i in range(config["num_hidden_layers"])]
    return {
        "class_token": (1, 1, n),
        "conv_proj.weight": (n, config["num_channels"], patch, patch),
        "conv_proj.bias": (n,),
        "encoder.pos_embedding": (1, 1 + (config["image_size"] // patch) ** 2, n),
        **{f"{start}.{name}": shape for start in layers for name, shape in layer.items()},
        "encoder.ln.weight": (n,),
        "encoder.ln.bias": (n,),
    }


def vit_of_torchvision(weights, config, called):
    """Return what config.json would say, read off the names and shapes, or what is wrong."""
    if not hasattr(config, "keys") or "num_heads" not in config:
        raise ValueError(
            "config has no num_heads, which nothing stored tells: expected {'num_heads': 12}, "
            "as for vit_b_16; vit_l and vit_h have 16"
        )
    mlp = "encoder.layers.encoder_layer_0.mlp.0.weight"
    needed = [called(name) for name in ("conv_proj.weight", "encoder.pos_embedding", mlp)]
    shapes = [np.shape(weights[name]) if name in weights else () for name in needed]
    for name, shape, axes in zip(needed, shapes, (4, 3, 2), strict=True):
        if len(shape) != axes:
            given = f"has shape {shape}" if shape else "is missing"
            raise ValueError(f"{name} {given}, expected {axes} axes: is it no ViT?")
    (hidden_size, num_channels, _, patch_size), (_, places, _), (inner, _) = shapes
    start = called("encoder.layers.encoder_layer_")
    layers = {name.removeprefix(start).split(".")[0] for name in weights if name.startswith(start)}
    return {
        "hidden_size": hidden_size,
        "num_hidden_layers": len(layers),
        "num_attention_heads": config["num_heads"],
        "intermediate_size": inner,
        "layer_norm_eps": 1e-6,
        "image_size": math.isqrt(places - 1) * patch_size,
        "patch_size": patch_size,
        "num_channels": num_channels,
    }


def read_vit(weights, config):
    """Return config in Hugging Face's words and the parts, or say what is wrong and why."""
    check_weights(weights)
    names = vit_names(weights)
    called = functools.partial(vit_name, names=names)
    if names is HUGGING_FACE_VIT:
        config = read_config(config, ["vit"], [], VIT_DEFAULTS)
    else:
        config = VIT_DEFAULTS | vit_of_torchvision(weights, config, called)
    check_divides(config, "num_attention_heads", "hidden_size")
    shapes = vit_shapes(config, stacked=names is not HUGGING_FACE_VIT)
    head = called("heads.head.bias")
    if head in weights:
        classes = np.size(weights[head])
        shapes |= {
            "heads.head.weight": (classes, config["hidden_size"]),
            "heads.head.bias": (classes,),
        }
    unread = r"(^|\.)pooler\.|mask_token$"  # of other tasks
    return config, parts_of(weights, shapes, "vit.", computed=unread, called=called)


def check_vit_head(head):
    """Raise unless the file has the layer of the classes."""
    if not head:
        raise ValueError("the file has no head of classes: call encode instead")
