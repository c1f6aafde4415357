"""Time the recipes against the layers of torch.nn.

Run by ``python -m tests.benchmarks``.
"""

import functools
import statistics

import numpy as np
import torch
from torch import nn

from snippets.layers import activation
from snippets.layers.attention import multi_head_attention, scaled_dot_product_attention
from snippets.layers.batch_norm import batch_norm
from snippets.layers.conv import conv1d, conv2d
from snippets.layers.conv_transpose import conv_transpose2d
from snippets.layers.embedding import embedding
from snippets.layers.group_norm import group_norm
from snippets.layers.gru import gru
from snippets.layers.layer_norm import layer_norm
from snippets.layers.linear import linear
from snippets.layers.lstm import lstm
from snippets.layers.pooling import avg_pool2d, max_pool2d
from snippets.layers.rms_norm import rms_norm
from snippets.layers.rnn import rnn
from snippets.layers.transformer import transformer_encoder_layer
from tests.benchmarks.timing import ratio, take_turns
from tests.parity import FLOAT32, arrays, assert_parity

SECONDS = 1.5


def rows():
    """Yield (name, the recipe's run, torch's run); both give the same numbers."""
    for name, recipe in [("LSTM", lstm), ("GRU", gru), ("RNN", rnn)]:
        for sizes in [(64, 128), (128, 256)]:
            for batch in [1, 64]:
                yield case(f"{name}{sizes}", (50, batch, sizes[0]), recipe, named=True)
    for batch in [1, 64]:
        yield case("Linear(768, 3072)", (batch, 768), linear)
    for batch in [1, 64]:
        shape = (batch, 128, 768)
        yield case("LayerNorm(768)", shape, lambda x, **w: layer_norm(x, 768, **w))
        yield case("RMSNorm(768)", shape, lambda x, **w: rms_norm(x, 768, **w))
    for batch in [1, 8]:
        shape = (batch, 64, 56, 56)
        yield case("BatchNorm2d(64)", shape, batch_norm)
        yield case("GroupNorm(8, 64)", shape, lambda x, **w: group_norm(x, 8, **w))
    for batch in [1, 8]:
        yield attention((batch, 128, 512))
    yield scaled_dot_product((1, 8, 1024, 64))
    encoder = functools.partial(transformer_encoder_layer, nhead=8)
    yield case("TransformerEncoderLayer(512, 8)", (128, 1, 512), encoder, named=True)
    yield case("Conv1d(64, 128, 3, padding=1)", (1, 64, 1000), conv1d, padding=1)
    for batch in [1, 8]:
        yield case("Conv2d(64, 64, 3, padding=1)", (batch, 64, 56, 56), conv2d, padding=1)
    options = {"stride": 2, "padding": 3}
    yield case("Conv2d(3, 64, 7, stride=2, padding=3)", (1, 3, 224, 224), conv2d, **options)
    yield case("Conv2d(256, 64, 1)", (1, 256, 56, 56), conv2d)
    options = {"padding": 1, "groups": 64}
    yield case("Conv2d(64, 64, 3, padding=1, groups=64)", (1, 64, 56, 56), conv2d, **options)
    options = {"stride": 2, "padding": 1}
    name = "ConvTranspose2d(64, 32, 4, stride=2, padding=1)"
    yield case(name, (1, 64, 28, 28), conv_transpose2d, **options)
    yield case("MaxPool2d(2)", (8, 64, 56, 56), lambda x: max_pool2d(x, 2))
    yield case("AvgPool2d(2)", (8, 64, 56, 56), lambda x: avg_pool2d(x, 2))
    for name in ["ReLU", "GELU", "SiLU", "Sigmoid"]:
        yield case(f"{name}()", (64, 3072), getattr(activation, name.lower()))
    yield case("Softmax(-1)", (64, 3072), lambda x: activation.softmax(x, -1))
    yield lookup((64, 128))


def case(name, shape, recipe, *, named=False, **options):
    """Return (name, the recipe's run, torch's run) of a layer of torch.nn with random weights."""
    layer = eval(f"nn.{name}").eval()
    for values in layer.state_dict().values():
        if values.ndim == 1 and values.is_floating_point():
            values.uniform_(0.5, 1.5)  # norms start as the identity
    w = {name: values for name, values in arrays(layer).items() if values.shape}
    x = torch.randn(*shape)
    if named:
        return f"{name} {shape}", lambda: recipe(x.numpy(), w), lambda: layer(x)
    return f"{name} {shape}", lambda: recipe(x.numpy(), **w, **options), lambda: layer(x)


def lookup(shape):
    """Return the case of nn.Embedding."""
    layer, ids = nn.Embedding(10_000, 256), torch.randint(10_000, shape)
    w = arrays(layer)
    return (
        f"Embedding(10000, 256) {shape}",
        lambda: embedding(ids.numpy(), **w),
        lambda: layer(ids),
    )


def attention(shape):
    """Return the case of nn.MultiheadAttention over itself."""
    layer = nn.MultiheadAttention(512, 8, batch_first=True).eval()
    w, x = arrays(layer), torch.randn(*shape)
    return (
        f"MultiheadAttention(512, 8) {shape}",
        lambda: multi_head_attention(
            *[x.numpy()] * 3, w, num_heads=8, need_weights=False, batch_first=True
        ),
        lambda: layer(x, x, x, need_weights=False),
    )


def scaled_dot_product(shape):
    """Return the case of F.scaled_dot_product_attention."""
    q, k, v = torch.randn(3, *shape).unbind()
    return (
        f"scaled_dot_product_attention {shape}",
        lambda: scaled_dot_product_attention(q.numpy(), k.numpy(), v.numpy()),
        lambda: nn.functional.scaled_dot_product_attention(q, k, v),
    )


def first(result):
    """Return the first array of what a layer or recipe returns."""
    return result[0] if isinstance(result, tuple) else result


def measure(threads, clock):
    """Yield a row for each case: medians in microseconds, the ratio with its quartiles."""
    torch.manual_seed(0)
    with torch.inference_mode():
        for name, ours, theirs in rows():
            assert_parity(np.asarray(first(ours())), first(theirs()), FLOAT32)
            times = take_turns({"NumPy": ours, "torch": theirs}, SECONDS, clock)
            yield {
                "layer": name,
                "microseconds": {
                    name: round(statistics.median(taken), 1) for name, taken in times.items()
                },
                "NumPy / torch": [round(q, 2) for q in ratio(times["NumPy"], times["torch"])],
            }
