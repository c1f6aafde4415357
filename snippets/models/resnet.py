"""ResNet in NumPy, weights as torchvision stores them, or as Hugging Face does."""

import re

import numpy as np

from ..layers.activation import relu
from ..layers.batch_norm import batch_norm
from ..layers.conv import conv2d
from ..layers.pooling import max_pool2d
from .blocks import (
    activation_of,
    check_weights,
    parts_of,
    project,
    read_config,
    read_images,
)

# What the library takes where config.json has no such entry.
RESNET_DEFAULTS = {
    "num_channels": 3,
    "embedding_size": 64,
    "hidden_sizes": [256, 512, 1024, 2048],
    "depths": [3, 4, 6, 3],
    "layer_type": "bottleneck",
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
}
# From torchvision's names to Hugging Face's; a number is one lower.
RESNET_NAMES = [
    (r"^conv1", "embedder.embedder.convolution"),
    (r"^bn1", "embedder.embedder.normalization"),
    (r"^layer(\d+)\.", r"encoder.stages.<\1>.layers."),
    (r"\.conv(\d)", r".layer.<\1>.convolution"),
    (r"\.bn(\d)", r".layer.<\1>.normalization"),
    (r"downsample\.0", "shortcut.convolution"),
    (r"downsample\.1", "shortcut.normalization"),
    (r"^fc", "classifier.1"),
]


def forward(images, weights, config=None):
    """Return the logits of the classes.

    Parameters
    ----------
    images : array (batch, num_channels, rows, columns)
        Normalized as in training. Any size.
    weights : mapping of str to array
        All of the file: torchvision's ``state_dict()``, or Hugging Face's model.safetensors.
    config : dict, optional
        What Hugging Face's config.json holds. torchvision's names and shapes tell all but
        ``{"downsample_in_bottleneck": True}``, of older weights: the first convolution strides.

    Returns
    -------
    array (batch, num_classes)

    Raises
    ------
    ValueError
        A tensor is missing, surplus or of another shape, config.json is another model's, or
        images do not fit.

    See Also
    --------
    torchvision.models.ResNet, transformers.ResNetForImageClassification
    """
    x = features(images, weights, config)
    head = read_resnet(weights, config)[1]("fc")
    check_resnet_head(head)
    return project(x, **head)


def features(images, weights, config=None):
    """Return a vector for each image, the mean over its places: what the head reads.

    Parameters
    ----------
    images, weights, config
        As for ``forward``.

    Returns
    -------
    array (batch, channels)

    Raises
    ------
    ValueError
        As for ``forward``.

    See Also
    --------
    transformers.ResNetModel
    """
    config, part = read_resnet(weights, config)
    x = read_images(images, config["num_channels"])
    act = activation_of(config["hidden_act"])
    x = act(resnet_conv(x, part, "conv1", "bn1", stride=2))  # (batch, channels, height, width)
    x = max_pool2d(x, 3, stride=2, padding=1)
    for stage, depth in enumerate(config["depths"]):
        first = 2 if stage or config["downsample_in_first_stage"] else 1
        for block in range(depth):
            name = f"layer{stage + 1}.{block}"
            x = act(resnet_block(x, part, name, config, 1 if block else first))
    return x.mean(axis=(2, 3))


def resnet_block(x, part, name, config, stride):
    """Return x plus what the convolutions make of it: two of 3 x 3, or of 1 x 1, 3 x 3, 1 x 1."""
    strides = [stride, 1]
    if config["layer_type"] == "bottleneck":
        strides = [stride, 1, 1] if config["downsample_in_bottleneck"] else [1, stride, 1]
    h = x
    for i, step in enumerate(strides, start=1):
        h = resnet_conv(h, part, f"{name}.conv{i}", f"{name}.bn{i}", step)
        h = relu(h) if i < len(strides) else h  # the last one waits for the sum
    if part(f"{name}.downsample.0"):  # where the sum would not fit
        x = resnet_conv(x, part, f"{name}.downsample.0", f"{name}.downsample.1", stride)
    return x + h


def resnet_conv(x, part, conv, norm, stride):
    """Return nn.BatchNorm2d of nn.Conv2d, which has no bias; the groups are told by the shapes."""
    weight = part(conv)["weight"]
    groups, padding = x.shape[1] // weight.shape[1], weight.shape[-1] // 2
    return batch_norm(conv2d(x, weight, None, stride, padding, groups=groups), **part(norm))


# What refuses wrong input


def resnet_name(name):
    """Return what Hugging Face calls an entry of torchvision's state_dict()."""
    for old, new in RESNET_NAMES:
        name = re.sub(old, new, name)
    return re.sub(r"<(\d+)>", lambda m: str(int(m[1]) - 1), name)


def resnet_config(weights, config):
    """Return what config.json says, or names and shapes of torchvision, or what is wrong."""
    if "conv1.weight" in weights:
        return RESNET_DEFAULTS | resnet_of_torchvision(weights) | (config or {})
    config = read_config(config, ["resnet"], [], RESNET_DEFAULTS)
    if config["layer_type"] not in ("basic", "bottleneck"):
        raise ValueError(f"layer_type is {config['layer_type']!r}, expected basic or bottleneck")
    widths = [size // 4 for size in config["hidden_sizes"]]  # of bottlenecks, in their middle
    return config | {"widths": widths, "group_widths": widths}


def resnet_of_torchvision(weights):
    """Return what config.json would say, read off torchvision's names and shapes."""
    blocks = [m for m in (re.match(r"layer(\d+)\.(\d+)\.", name) for name in weights) if m]
    depths = {m[1]: int(m[2]) + 1 for m in sorted(blocks, key=lambda m: (int(m[1]), int(m[2])))}
    last = "conv3" if "layer1.0.conv3.weight" in weights else "conv2"
    firsts = [[f"layer{n}.0.{x}.weight" for n in depths] for x in ("conv1", "conv2", last)]
    conv1, conv2, out = ([kernel_shape(weights, name) for name in names] for names in firsts)
    embedding_size, num_channels, *_ = kernel_shape(weights, "conv1.weight")
    return {
        "num_channels": num_channels,
        "embedding_size": embedding_size,
        "hidden_sizes": [shape[0] for shape in out],
        "depths": list(depths.values()),
        "layer_type": "bottleneck" if last == "conv3" else "basic",
        "widths": [shape[0] for shape in conv1],
        "group_widths": [shape[1] for shape in conv2],
    }


def kernel_shape(weights, name):
    """Return the shape of a convolution's weight, or say that there is none."""
    shape = np.shape(weights[name]) if name in weights else None
    if shape is None or len(shape) != 4:
        given = "is missing" if shape is None else f"has shape {shape}"
        raise ValueError(f"{name} {given}, expected (out, in, rows, columns): is it no ResNet?")
    return shape


def resnet_shapes(weights, config):
    """Return {torchvision's name: shape} of all that a checkpoint with this config may store."""
    before = config["embedding_size"]
    convs = {"conv1": (before, config["num_channels"], 7, 7)}
    per_stage = (config[name] for name in ("hidden_sizes", "depths", "widths", "group_widths"))
    for stage, (out, depth, width, group) in enumerate(zip(*per_stage, strict=True)):
        for block in range(depth):
            name = f"layer{stage + 1}.{block}"
            if config["layer_type"] == "basic":
                convs[f"{name}.conv1"] = out, before, 3, 3
                convs[f"{name}.conv2"] = out, out, 3, 3
            else:
                convs[f"{name}.conv1"] = width, before, 1, 1
                convs[f"{name}.conv2"] = width, group, 3, 3
                convs[f"{name}.conv3"] = out, width, 1, 1
            strided = not block and (stage or config["downsample_in_first_stage"])
            if strided or before != out:
                convs[f"{name}.downsample.0"] = out, before, 1, 1
            before = out
    shapes = {}
    for name, shape in convs.items():
        norm = name.replace("conv", "bn").replace("downsample.0", "downsample.1")
        ends = ("weight", "bias", "running_mean", "running_var")
        shapes |= {f"{name}.weight": shape, **{f"{norm}.{end}": shape[:1] for end in ends}}
    for head in ("fc.bias", "classifier.1.bias"):
        if head in weights:
            classes = np.size(weights[head])
            shapes |= {"fc.weight": (classes, before), "fc.bias": (classes,)}
    return shapes


def read_resnet(weights, config):
    """Return config and the parts, or say what is wrong and why."""
    check_weights(weights)
    config = resnet_config(weights, config)
    part = parts_of(
        weights,
        resnet_shapes(weights, config),
        start="resnet.",
        computed=r"num_batches_tracked$",  # training counts them
        called=str if "conv1.weight" in weights else resnet_name,
    )
    return config, part


def check_resnet_head(head):
    """Raise unless the file has the layer of the classes."""
    if not head:
        raise ValueError("the file has no head, fc or classifier.1: call features instead")
