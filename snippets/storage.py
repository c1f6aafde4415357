"""What every class of ``torch.nn`` stores: names, axes, rows, gates; and the recipe that runs it.

``REGISTRY`` holds the data, ``stored`` computes with it::

    >>> stored("Linear", in_features=12, out_features=100)
    {'weight': (100, 12), 'bias': (100,)}

Speaks of torch 2.13.0. Axes and conditions are written as a page shows them, as expressions of the
constructor's arguments; ``parsed`` makes trees of them, which Python and JavaScript both walk.
"""

import ast
import difflib
import math
import operator
import re
from collections.abc import Iterable
from functools import cache
from inspect import Parameter
from itertools import chain, product
from typing import Any, NamedTuple

required = Parameter.empty  # stands where an argument has no default


class Tensor(NamedTuple):
    """One parameter or buffer.

    Parameters
    ----------
    name : str
        Its name in ``state_dict()``, with the indices of ``Each`` in braces.
    shape : str
        A tuple of axes, or ``argument.shape`` for an array that the constructor is given.
    row : str
        What ``tensor[j]`` belongs to.
    when : str
        The condition for it to exist.
    stacked : tuple of str
        What lies in equal blocks of rows below one another, from the top: the gates of an LSTM.
    kind : {"parameter", "buffer"}
    """

    name: str
    shape: str
    row: str
    when: str = "True"
    stacked: tuple = ()
    kind: str = "parameter"


class Child(NamedTuple):
    """One submodule that stores something.

    ``of`` is its class in ``torch.nn``, or the constructor's argument that is this module.
    ``arguments`` are the expressions that its own constructor gets.
    """

    name: str
    of: str
    arguments: dict = {}  # noqa: RUF012, nothing here is ever changed
    when: str = "True"


class Each(NamedTuple):
    """What is there once for every value of an index; a later index runs fastest."""

    indices: dict
    holds: tuple


class Layer(NamedTuple):
    """One class of ``torch.nn``: its recipe, or the reason why it has none, and what it stores.

    Parameters
    ----------
    recipe : str
        The stem of the file in ``snippets/layers`` that runs it; empty where there is a reason.
    reason : str
        Why there is no recipe; empty where there is one.
    arguments : dict
        The constructor's arguments with their defaults, in its order, without device and dtype;
        ``required`` stands for one that has to be given.
    other : tuple of str
        Those of them that leave the stored tensors as they are.
    derived : dict
        Names made of the arguments, in order; an argument may be replaced by a fuller form.
    holds : tuple of Tensor, Child and Each
        What is stored, in the order of ``state_dict()``.
    spatial : int
        How many axes ``*kernel_size`` is; 0 where there is none.
    use : str
        The line that runs it: the recipe with its inputs and its tensors. What else the recipe
        takes under the name of an argument goes there by name.
    silent : tuple of str
        What ``print(module)`` does not tell, of the arguments that the tensors or the line need.
    prints : tuple of str
        What it always tells by name, by which a subclass is known that prints like its base.
    """

    recipe: str = ""
    reason: str = ""
    arguments: dict = {}  # noqa: RUF012
    other: tuple = ()
    derived: dict = {}  # noqa: RUF012
    holds: tuple = ()
    spatial: int = 0
    use: str = ""
    silent: tuple = ()
    prints: tuple = ()

    @property
    def deciding(self):
        """The arguments that decide what is stored, with their defaults."""
        return {key: value for key, value in self.arguments.items() if key not in self.other}


def conv(n):
    """Return the convolution over n spatial axes."""
    return Layer(
        recipe="conv",
        arguments={
            "in_channels": required,
            "out_channels": required,
            "kernel_size": required,
            "stride": 1,
            "padding": 0,
            "dilation": 1,
            "groups": 1,
            "bias": True,
            "padding_mode": "zeros",
        },
        other=("stride", "padding", "dilation", "padding_mode"),
        derived={"kernel_size": f"per_axis(kernel_size, {n})"},
        holds=(
            Tensor(
                "weight",
                "(out_channels, in_channels // groups, *kernel_size)",
                "one output channel: a kernel for every input channel of its group",
            ),
            Tensor("bias", "(out_channels,)", "one output channel", "bias"),
        ),
        spatial=n,
        use=f"y = conv{n}d(x, weight, bias)",
        prints=("kernel_size", "stride"),
    )


def conv_transpose(n):
    """Return the transposed convolution over n spatial axes: its rows are inputs."""
    weight, bias = conv(n).holds
    return conv(n)._replace(
        recipe="conv_transpose",
        arguments={
            "in_channels": required,
            "out_channels": required,
            "kernel_size": required,
            "stride": 1,
            "padding": 0,
            "output_padding": 0,
            "groups": 1,
            "bias": True,
            "dilation": 1,
            "padding_mode": "zeros",
        },
        other=("stride", "padding", "output_padding", "dilation", "padding_mode"),
        holds=(
            weight._replace(
                shape="(in_channels, out_channels // groups, *kernel_size)",
                row="one input channel: a kernel for every output channel of its group",
            ),
            bias,
        ),
        use=f"y = conv_transpose{n}d(x, weight, bias)",
    )


RECURRENT = {
    "input_size": required,
    "hidden_size": required,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
}
PROJECTED = RECURRENT | {"proj_size": 0}
DIRECTIONS = {"num_directions": "2 if bidirectional else 1"}


def recurrent(recipe, rows, stacked, projects=False):
    """Return a recurrent network whose weights have so many rows, of stacked gates."""
    unit = "one hidden unit" if rows == "hidden_size" else "one gate of one hidden unit"
    # What the layer hands on, and when: its hidden state, or the projection of it.
    outputs = {"hidden_size": "True"}
    projection = ()
    if projects:
        projected = "0 < proj_size < hidden_size"
        outputs = {"hidden_size": "proj_size == 0", "proj_size": projected}
        row = "one output, from the hidden state"
        shape = "(proj_size, hidden_size)"
        projection = (Tensor("weight_hr_l{k}{suffix}", shape, row, projected),)
    from_input = Tensor(
        "weight_ih_l0{suffix}",
        f"({rows}, input_size)",
        f"{unit}, from the input",
        "k == 0",
        stacked,
    )
    from_below = [
        Tensor(
            "weight_ih_l{k}{suffix}",
            f"({rows}, num_directions * {size})",
            f"{unit}, from the outputs of the layer below, forward ones first",
            f"k > 0 and {when}" if projects else "k > 0",
            stacked,
        )
        for size, when in outputs.items()
    ]
    from_last = [
        Tensor(
            "weight_hh_l{k}{suffix}",
            f"({rows}, {size})",
            f"{unit}, from the layer's own last output",
            when,
            stacked,
        )
        for size, when in outputs.items()
    ]
    biases = [
        Tensor(f"bias_{source}_l{{k}}{{suffix}}", f"({rows},)", unit, "bias", stacked)
        for source in ("ih", "hh")
    ]
    return Layer(
        recipe=recipe,
        arguments=PROJECTED if projects else RECURRENT,
        other=("batch_first", "dropout"),
        use=f"output, h_n = {recipe}(x, weights)",
        derived=DIRECTIONS,
        holds=(
            Each(
                {
                    "k": "range(num_layers)",
                    "suffix": "('', '_reverse') if bidirectional else ('',)",
                },
                (from_input, *from_below, *from_last, *biases, *projection),
            ),
        ),
    )


def elman():
    """Return the network without gates, which has one argument more in the middle."""
    sizes = ("input_size", "hidden_size", "num_layers")
    order = dict.fromkeys(sizes) | {"nonlinearity": "tanh"}
    return recurrent("rnn", "hidden_size", ())._replace(
        arguments=order | RECURRENT,
        other=("nonlinearity", "batch_first", "dropout"),
        silent=("nonlinearity",),
    )


CELL = {"input_size": required, "hidden_size": required, "bias": True}


def cell(recipe, rows, stacked):
    """Return one step of a recurrent network."""
    unit = "one hidden unit" if rows == "hidden_size" else "one gate of one hidden unit"
    return Layer(
        recipe=recipe,
        arguments=CELL,
        use=f"h = {recipe}_cell(x, weights)",
        holds=(
            Tensor(
                "weight_ih", f"({rows}, input_size)", f"{unit}, from the input", "True", stacked
            ),
            Tensor(
                "weight_hh",
                f"({rows}, hidden_size)",
                f"{unit}, from the last hidden state",
                "True",
                stacked,
            ),
            Tensor("bias_ih", f"({rows},)", unit, "bias", stacked),
            Tensor("bias_hh", f"({rows},)", unit, "bias", stacked),
        ),
    )


def running_norm(recipe, default):
    """Return a normalisation that may keep running statistics; default says if it does."""
    tracked = {"when": "track_running_stats", "kind": "buffer"}
    return Layer(
        recipe=recipe,
        arguments={
            "num_features": required,
            "eps": 1e-5,
            "momentum": 0.1,
            "affine": default,
            "track_running_stats": default,
            "bias": True,
        },
        other=("eps", "momentum"),
        use=f"y = {recipe}(x, running_mean, running_var, weight, bias)",
        prints=("eps", "momentum", "affine", "track_running_stats"),
        holds=(
            Tensor("weight", "(num_features,)", "one channel's scale", "affine"),
            Tensor("bias", "(num_features,)", "one channel's shift", "affine and bias"),
            Tensor("running_mean", "(num_features,)", "one channel's mean", **tracked),
            Tensor("running_var", "(num_features,)", "one channel's variance, unbiased", **tracked),
            Tensor("num_batches_tracked", "()", "no rows: it counts batches", **tracked),
        ),
    )


def synchronised():
    """Return the batch norm over several processes, which has one argument more."""
    layer = running_norm("batch_norm", True)
    *first, last = layer.arguments.items()
    return layer._replace(
        arguments=dict([*first, ("process_group", None), last]),
        other=(*layer.other, "process_group"),
    )


def embedding(function, **other):
    """Return a table of vectors."""
    return Layer(
        recipe="embedding",
        arguments={"num_embeddings": required, "embedding_dim": required} | other,
        other=tuple(other),
        holds=(Tensor("weight", "(num_embeddings, embedding_dim)", "one id: its vector"),),
        use=f"y = {function}(ids, weight)",
    )


BLOCK = {
    "dim_feedforward": 2048,
    "dropout": 0.1,
    "activation": "relu",
    "layer_norm_eps": 1e-5,
    "batch_first": False,
    "norm_first": False,
}
BLOCK_OTHER = ("nhead", "dropout", "activation", "layer_norm_eps", "batch_first", "norm_first")


def transformer_layer(attention, use):
    """Return an encoder's or a decoder's layer, with these attentions."""
    attend = {"embed_dim": "d_model", "bias": "bias"}
    norm = {"normalized_shape": "d_model", "bias": "bias"}
    wide = {"in_features": "d_model", "out_features": "dim_feedforward", "bias": "bias"}
    narrow = {"in_features": "dim_feedforward", "out_features": "d_model", "bias": "bias"}
    return Layer(
        recipe="transformer",
        arguments={"d_model": required, "nhead": required} | BLOCK | {"bias": True},
        other=BLOCK_OTHER,
        silent=("nhead", "activation", "batch_first", "norm_first"),
        holds=(
            *(Child(name, "MultiheadAttention", attend) for name in attention),
            Child("linear1", "Linear", wide),
            Child("linear2", "Linear", narrow),
            # One norm around each attention, and one around the two linear layers.
            *(Child(f"norm{i + 1}", "LayerNorm", norm) for i in range(len(attention) + 1)),
        ),
        use=use,
    )


def transformer_stack(layer, use, **other):
    """Return a stack of the layers that it is given, with an optional norm at the end."""
    return Layer(
        recipe="transformer",
        arguments={layer: required, "num_layers": required, "norm": None} | other,
        other=tuple(other),
        use=use,
        silent=("nhead", "activation", "batch_first", "norm_first"),
        holds=(
            Each({"k": "range(num_layers)"}, (Child("layers.{k}", layer),)),
            Child("norm", "norm", when="norm is not None"),
        ),
    )


def half_transformer(side):
    """Return what a Transformer holds on one side: a custom module, or layers and a norm."""
    own = f"custom_{side} is None"
    layer = {"d_model": "d_model", "dim_feedforward": "dim_feedforward", "bias": "bias"}
    norm = {"normalized_shape": "d_model", "bias": "bias"}
    kind = f"Transformer{side.title()}Layer"
    return (
        Child(side, f"custom_{side}", when=f"custom_{side} is not None"),
        Each(
            {"k": f"range(num_{side}_layers)"}, (Child(f"{side}.layers.{{k}}", kind, layer, own),)
        ),
        Child(f"{side}.norm", "LayerNorm", norm, own),
    )


def given(*names, arguments, **layer):
    """Return a layer whose buffers are arrays given to its constructor, stored only then."""
    return Layer(
        arguments=arguments,
        other=tuple(key for key in arguments if key not in names),
        holds=tuple(
            Tensor(
                name, f"{name}.shape", "as in the array given", f"{name} is not None", kind="buffer"
            )
            for name in names
        ),
        silent=names,
        **layer,
    )


def loss(**arguments):
    """Return a loss with weights for the classes."""
    names = [name for name in ("weight", "pos_weight") if name in arguments]
    return given(*names, arguments=arguments, reason=LOSS)


SCALE = Tensor("weight", "(*normalized_shape,)", "one feature's scale", "elementwise_affine")
SHIFT = Tensor("bias", "(*normalized_shape,)", "one feature's shift", "elementwise_affine and bias")
LSTM_GATES = ("i", "f", "g", "o")
GRU_GATES = ("r", "z", "n")
LOSS = "loss: training only"
REDUCTION = {"size_average": None, "reduce": None, "reduction": "mean"}
CLASSES = {"weight": None, "size_average": None, "ignore_index": -100} | REDUCTION

STATEFUL = {
    "Linear": Layer(
        recipe="linear",
        arguments={"in_features": required, "out_features": required, "bias": True},
        holds=(
            Tensor("weight", "(out_features, in_features)", "one output: a weight for every input"),
            Tensor("bias", "(out_features,)", "one output", "bias"),
        ),
        use="y = linear(x, weight, bias)",
        prints=("in_features", "out_features", "bias"),
    ),
    "Bilinear": Layer(
        recipe="bilinear",
        arguments={
            "in1_features": required,
            "in2_features": required,
            "out_features": required,
            "bias": True,
        },
        holds=(
            Tensor(
                "weight",
                "(out_features, in1_features, in2_features)",
                "one output: a weight for every pair of inputs",
            ),
            Tensor("bias", "(out_features,)", "one output", "bias"),
        ),
        use="y = bilinear(input1, input2, weight, bias)",
        prints=("in1_features", "in2_features", "out_features", "bias"),
    ),
    "Embedding": embedding(
        "embedding",
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        _weight=None,
        _freeze=False,
    ),
    "EmbeddingBag": embedding(
        "embedding_bag",
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        mode="mean",
        sparse=False,
        _weight=None,
        include_last_offset=False,
        padding_idx=None,
    )._replace(silent=("include_last_offset",)),
    **{f"Conv{n}d": conv(n) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": conv_transpose(n) for n in (1, 2, 3)},
    "RNN": elman(),
    "LSTM": recurrent("lstm", "4 * hidden_size", LSTM_GATES, projects=True)._replace(
        use="output, (h_n, c_n) = lstm(x, weights)"
    ),
    "GRU": recurrent("gru", "3 * hidden_size", GRU_GATES),
    "RNNCell": cell("rnn", "hidden_size", ())._replace(
        arguments=CELL | {"nonlinearity": "tanh"}, other=("nonlinearity",)
    ),
    "LSTMCell": cell("lstm", "4 * hidden_size", LSTM_GATES)._replace(
        use="h, c = lstm_cell(x, weights)"
    ),
    "GRUCell": cell("gru", "3 * hidden_size", GRU_GATES),
    **{f"BatchNorm{n}d": running_norm("batch_norm", True) for n in (1, 2, 3)},
    "SyncBatchNorm": synchronised(),
    **{f"InstanceNorm{n}d": running_norm("instance_norm", False) for n in (1, 2, 3)},
    "LayerNorm": Layer(
        recipe="layer_norm",
        arguments={
            "normalized_shape": required,
            "eps": 1e-5,
            "elementwise_affine": True,
            "bias": True,
        },
        other=("eps",),
        derived={"normalized_shape": "per_axis(normalized_shape, 1)"},
        holds=(SCALE, SHIFT),
        use="y = layer_norm(x, normalized_shape, weight, bias)",
        prints=("eps", "elementwise_affine"),
    ),
    "RMSNorm": Layer(
        recipe="rms_norm",
        arguments={"normalized_shape": required, "eps": None, "elementwise_affine": True},
        other=("eps",),
        derived={"normalized_shape": "per_axis(normalized_shape, 1)"},
        holds=(SCALE,),
        use="y = rms_norm(x, normalized_shape, weight)",
        prints=("eps", "elementwise_affine"),
    ),
    "GroupNorm": Layer(
        recipe="group_norm",
        arguments={
            "num_groups": required,
            "num_channels": required,
            "eps": 1e-5,
            "affine": True,
            "bias": True,
        },
        other=("num_groups", "eps"),
        use="y = group_norm(x, num_groups, weight, bias)",
        prints=("eps", "affine"),
        holds=(
            Tensor("weight", "(num_channels,)", "one channel's scale", "affine"),
            Tensor("bias", "(num_channels,)", "one channel's shift", "affine and bias"),
        ),
    ),
    "PReLU": Layer(
        recipe="activation",
        arguments={"num_parameters": 1, "init": 0.25},
        other=("init",),
        use="y = prelu(x, weight)",
        holds=(
            Tensor("weight", "(num_parameters,)", "one channel's slope; a single one is for all"),
        ),
    ),
    "MultiheadAttention": Layer(
        recipe="attention",
        arguments={
            "embed_dim": required,
            "num_heads": required,
            "dropout": 0.0,
            "bias": True,
            "add_bias_kv": False,
            "add_zero_attn": False,
            "kdim": None,
            "vdim": None,
            "batch_first": False,
        },
        other=("num_heads", "dropout", "add_zero_attn", "batch_first"),
        use="output, attention = multi_head_attention(query, key, value, weights)",
        silent=("num_heads", "add_bias_kv", "add_zero_attn", "kdim", "vdim", "batch_first"),
        derived={
            "kdim": "embed_dim if kdim is None else kdim",
            "vdim": "embed_dim if vdim is None else vdim",
        },
        holds=(
            *(
                Tensor(
                    f"{one}_proj_weight",
                    f"(embed_dim, {size})",
                    f"one feature of the {word}; the heads lie one below the other",
                    "kdim != embed_dim or vdim != embed_dim",
                )
                for one, word, size in (
                    ("q", "query", "embed_dim"),
                    ("k", "key", "kdim"),
                    ("v", "value", "vdim"),
                )
            ),
            Tensor(
                "in_proj_weight",
                "(3 * embed_dim, embed_dim)",
                "one feature of the query, key or value; in each the heads lie one below the other",
                "kdim == vdim == embed_dim",
                ("q", "k", "v"),
            ),
            Tensor(
                "in_proj_bias",
                "(3 * embed_dim,)",
                "one feature of the query, key or value",
                "bias",
                ("q", "k", "v"),
            ),
            Tensor("bias_k", "(1, 1, embed_dim)", "no rows: one more key", "add_bias_kv"),
            Tensor("bias_v", "(1, 1, embed_dim)", "no rows: one more value", "add_bias_kv"),
            Tensor("out_proj.weight", "(embed_dim, embed_dim)", "one output"),
            Tensor("out_proj.bias", "(embed_dim,)", "one output", "bias"),
        ),
    ),
    "TransformerEncoderLayer": transformer_layer(
        ["self_attn"], "y = transformer_encoder_layer(src, weights)"
    ),
    "TransformerDecoderLayer": transformer_layer(
        ["self_attn", "multihead_attn"], "y = transformer_decoder_layer(tgt, memory, weights)"
    ),
    "TransformerEncoder": transformer_stack(
        "encoder_layer",
        "y = transformer_encoder(src, weights)",
        enable_nested_tensor=True,
        mask_check=True,
    ),
    "TransformerDecoder": transformer_stack(
        "decoder_layer", "y = transformer_decoder(tgt, memory, weights)"
    ),
    "Transformer": Layer(
        recipe="transformer",
        arguments={
            "d_model": 512,
            "nhead": 8,
            "num_encoder_layers": 6,
            "num_decoder_layers": 6,
            "dim_feedforward": 2048,
            "dropout": 0.1,
            "activation": "relu",
            "custom_encoder": None,
            "custom_decoder": None,
            "layer_norm_eps": 1e-5,
            "batch_first": False,
            "norm_first": False,
            "bias": True,
        },
        other=BLOCK_OTHER,
        use="y = transformer(src, tgt, weights)",
        silent=("nhead", "activation", "batch_first", "norm_first"),
        holds=(*half_transformer("encoder"), *half_transformer("decoder")),
    ),
    "AdaptiveLogSoftmaxWithLoss": Layer(
        recipe="adaptive_softmax",
        arguments={
            "in_features": required,
            "n_classes": required,
            "cutoffs": required,
            "div_value": 4.0,
            "head_bias": False,
        },
        use="log_prob = adaptive_log_prob(x, weights)",
        # As in PyTorch, the module's cutoffs end with n_classes, the argument's don't.
        derived={"n_clusters": "len(cutoffs)", "cutoffs": "(*cutoffs, n_classes)"},
        holds=(
            Tensor(
                "head.weight",
                "(cutoffs[0] + n_clusters, in_features)",
                "one frequent class, or below these one cluster of rare ones",
            ),
            Tensor(
                "head.bias",
                "(cutoffs[0] + n_clusters,)",
                "one frequent class, or below these one cluster of rare ones",
                "head_bias",
            ),
            Each(
                {"cluster": "range(n_clusters)"},
                (
                    Tensor(
                        "tail.{cluster}.0.weight",
                        "(in_features // div_value ** (cluster + 1), in_features)",
                        "one feature of the cluster's projection",
                    ),
                    Tensor(
                        "tail.{cluster}.1.weight",
                        "(cutoffs[cluster + 1] - cutoffs[cluster],"
                        " in_features // div_value ** (cluster + 1))",
                        "one class of the cluster",
                    ),
                ),
            ),
        ),
    ),
    "RNNBase": recurrent("", "gate_size", (), projects=True)._replace(
        reason="base of RNN, LSTM and GRU, without a forward",
        arguments={"mode": required} | PROJECTED,
        derived=DIRECTIONS
        | {"gate_size": "(4 if mode == 'LSTM' else 3 if mode == 'GRU' else 1) * hidden_size"},
        use="",
    ),
    "RNNCellBase": cell("", "num_chunks * hidden_size", ())._replace(
        reason="base of RNNCell, LSTMCell and GRUCell, without a forward",
        arguments=CELL | {"bias": required, "num_chunks": required},
        use="",
    ),
    "LinearCrossEntropyLoss": Layer(
        reason=LOSS,
        arguments={
            "in_features": required,
            "num_classes": required,
            "out_features": (),
            "bias": False,
            "reduction": "mean",
            "weight": None,
            "ignore_index": None,
            "label_smoothing": 0.0,
            "options": None,
        },
        other=("reduction", "ignore_index", "label_smoothing", "options"),
        silent=("weight",),
        holds=(
            Tensor("weight", "(num_classes,)", "one class", "weight is not None", kind="buffer"),
            Child(
                "linear",
                "Linear",
                {
                    "in_features": "in_features",
                    "out_features": "num_classes * prod(out_features)",
                    "bias": "bias",
                },
            ),
        ),
    ),
    "BCELoss": loss(weight=None, **REDUCTION),
    "BCEWithLogitsLoss": loss(weight=None, **REDUCTION, pos_weight=None),
    "CrossEntropyLoss": loss(**CLASSES, label_smoothing=0.0),
    "MultiLabelSoftMarginLoss": loss(weight=None, **REDUCTION),
    "MultiMarginLoss": loss(p=1, margin=1.0, weight=None, **REDUCTION),
    "NLLLoss": loss(**CLASSES),
    "NLLLoss2d": loss(**CLASSES),
    **{
        f"FractionalMaxPool{n}d": given(
            "_random_samples",
            arguments={
                "kernel_size": required,
                "output_size": None,
                "output_ratio": None,
                "return_indices": False,
                "_random_samples": None,
            },
            recipe="pooling",
            use=f"y = fractional_max_pool{n}d(x, kernel_size)",
        )
        for n in (2, 3)
    },
}

LAZY = ["Linear"] + [
    f"{name}{n}d"
    for name in ("Conv", "ConvTranspose", "BatchNorm", "InstanceNorm")
    for n in (1, 2, 3)
]


def lazy(name):
    """Return the lazy form of a layer, which stores the same once it has seen an input."""
    layer = STATEFUL[name]
    inferred = next(iter(layer.arguments))
    # All lazy norms share one constructor, so InstanceNorm's has BatchNorm's defaults.
    shared = {"affine": True, "track_running_stats": True} if "InstanceNorm" in name else {}
    return layer._replace(
        recipe="",
        reason=f"lazy: its first input tells {inferred}",
        arguments=layer.arguments | shared,
        use="",
        prints=(),
    )


# Classes that store nothing, by the recipe that runs them.
RUN_BY = {
    "activation": [
        "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
        "Identity", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "ReLU", "ReLU6", "RReLU",
        "SELU", "SiLU", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink",
        "Softsign", "Tanh", "Tanhshrink", "Threshold",
    ],
    "distance": ["CosineSimilarity", "PairwiseDistance"],
    "flatten": ["Flatten", "Unflatten"],
    "fold": ["Fold", "Unfold"],
    "interpolate": ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"],
    "local_response_norm": ["LocalResponseNorm"],
    "padding": [
        "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
        "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d",
        "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d",
        "ZeroPad3d",
    ],
    "pooling": [
        "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
        "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d",
        "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d",
        "MaxUnpool2d", "MaxUnpool3d",
    ],
    "shuffle": ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle"],
}  # fmt: skip

# Classes that store nothing of their own, by the reason why they have no recipe.
NOT_RUN = {
    LOSS: [
        "CosineEmbeddingLoss", "CTCLoss", "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss",
        "KLDivLoss", "L1Loss", "MarginRankingLoss", "MSELoss", "MultiLabelMarginLoss",
        "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
        "TripletMarginWithDistanceLoss",
    ],
    "container: stores what you put into it": [
        "Container", "DataParallel", "Module", "ModuleDict", "ModuleList", "ParameterDict",
        "ParameterList", "Sequential",
    ],
    "training only: returns its input in eval mode": [
        "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout",
    ],
    # Once it is past the first window, its sum keeps the first channel for good.
    "superseded by LocalResponseNorm, which gives other numbers": ["CrossMapLRN2d"],
}  # fmt: skip

REGISTRY = {
    **STATEFUL,
    **{f"Lazy{name}": lazy(name) for name in LAZY},
    **{name: Layer(recipe=stem) for stem, names in RUN_BY.items() for name in names},
    **{name: Layer(reason=why) for why, names in NOT_RUN.items() for name in names},
}


# ---- Expressions ----

SIGNS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Pow: "**",
    ast.Lt: "<",
    ast.Gt: ">",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.And: "and",
    ast.Or: "or",
}
LEVELS = {"+": 1, "-": 1, "*": 2, "//": 2, "**": 3}  # the higher, the closer it binds


@cache
def parsed(expression):
    """Return "(4 * hidden_size, input_size)" as ("tuple", ("*", 4, "hidden_size"), "input_size").

    A tree is a number, a switch, None, a name, or (operation, tree, ...). ("text", "LSTM") is no
    name, ("spread", "kernel_size") is several axes.
    """
    return tree_of(ast.parse(expression, mode="eval").body)


def tree_of(node):
    """Return the tree of a node of Python's syntax."""
    match node:
        case ast.Constant(value=str(text)):
            return "text", text
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return name
        case ast.Tuple(elts=items):
            return "tuple", *map(tree_of, items)
        case ast.Starred(value=values):
            return "spread", tree_of(values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SIGNS:
            return SIGNS[type(op)], tree_of(left), tree_of(right)
        case ast.BoolOp(op=op, values=values):
            return SIGNS[type(op)], *map(tree_of, values)
        case ast.Compare(left=first, ops=[op, *ops], comparators=others) if type(op) in SIGNS and {
            type(op)
        }.issuperset(map(type, ops)):
            return SIGNS[type(op)], tree_of(first), *map(tree_of, others)
        case ast.IfExp(test=condition, body=value, orelse=other):
            return "if", *map(tree_of, (condition, value, other))
        case ast.Subscript(value=values, slice=index):
            return "item", tree_of(values), tree_of(index)
        case ast.Attribute(value=array, attr="shape"):
            return "shape", tree_of(array)
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]):
            return name, *map(tree_of, given)
    raise ValueError(f"no expression of the registry can be {ast.unparse(node)!r}")


def written(tree, within=0):
    """Return the expression that ``parsed`` makes this tree of, within what binds so closely."""
    match tree:
        case ("tuple", *items):
            return f"({', '.join(map(written, items))}{',' if len(items) == 1 else ''})"
        case ("spread", values):
            return f"*{written(values)}"
        case ("shape", array):
            return f"{written(array)}.shape"
        case ("item", values, index):
            return f"{written(values)}[{written(index)}]"
        case (sign, left, right) if sign in LEVELS:
            level = LEVELS[sign]
            text = f"{written(left, level)} {sign} {written(right, level + 1)}"
            return f"({text})" if level < within else text
        case (function, *given):
            return f"{function}({', '.join(map(written, given))})"
    return str(tree)


def names_in(tree):
    """Return the names in a tree, in order."""
    match tree:
        case str(name):
            return [name]
        case ("text", _):
            return []
        case (_, *given):
            return [name for part in given for name in names_in(part)]
    return []


def in_terms_of(axes, arguments):
    """Return the axes of a submodule as a tree of what its constructor is given."""
    match axes:
        case str(name) | ("spread", str(name)) if name in arguments:
            return arguments[name]
        case (operation, *given):
            return operation, *(in_terms_of(part, arguments) for part in given)
    return axes


def per_axis(size, n):
    """Return a size that may be one number for all n axes as a tuple."""
    return tuple(size) if hasattr(size, "__iter__") else (size,) * n


def pairs(holds):
    """Return the function that says whether a comparison holds all along its operands."""
    return lambda *values: all(map(holds, values, values[1:]))


OPERATIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "**": operator.pow,
    "<": pairs(operator.lt),
    ">": pairs(operator.gt),
    "==": pairs(operator.eq),
    "!=": pairs(operator.ne),
    "is": pairs(operator.is_),
    "is not": pairs(operator.is_not),
    "and": lambda *conditions: all(conditions),
    "or": lambda *conditions: any(conditions),
    "if": lambda condition, value, other: value if condition else other,
    "item": operator.getitem,
    "shape": lambda array: tuple(array.shape),
    "len": len,
    "range": range,
    "prod": math.prod,
    "per_axis": per_axis,
}


def evaluate(tree, known):
    """Return the value of a tree, with the names that are known."""
    match tree:
        case str(name):
            return known[name]
        case ("text", text):
            return text
        case ("tuple", *items):
            return tuple(chain.from_iterable(unpacked(item, known) for item in items))
        case (operation, *given):
            return OPERATIONS[operation](*(evaluate(part, known) for part in given))
    return tree


def unpacked(item, known):
    """Return the values that an item of a tuple stands for."""
    match item:
        case ("spread", values):
            return evaluate(values, known)
    return (evaluate(item, known),)


# ---- What is stored ----


def known_of(name, arguments):
    """Return all names that the expressions of a class may use, or say what is wrong."""
    layer = layer_of(name)
    deciding = layer.deciding
    known = deciding | {key: arguments[key] for key in deciding if key in arguments}
    allowed = {*layer.arguments, "device", "dtype"}
    if layer.arguments and (unknown := [key for key in arguments if key not in allowed]):
        raise TypeError(f"{name} has no argument {unknown}; it has {sorted(allowed)}")
    if missing := [key for key, value in known.items() if value is required]:
        raise TypeError(f"{name} stores what depends on {missing}: give them by name")
    for key, expression in layer.derived.items():
        known[key] = evaluate(parsed(expression), known)
    return known


def layer_of(name):
    """Return the entry of a class, or say which names are close."""
    if name not in REGISTRY:
        close = difflib.get_close_matches(name, REGISTRY)
        raise ValueError(f"torch.nn has no class {name!r}; close are {close or 'none'}")
    return REGISTRY[name]


def existing(holds, known):
    """Yield (entry, its name, the names known to it) of what a module holds."""
    for entry in holds:
        if isinstance(entry, Each):
            ranges = (evaluate(parsed(values), known) for values in entry.indices.values())
            for values in product(*ranges):
                indexed = known | dict(zip(entry.indices, values, strict=True))
                yield from existing(entry.holds, indexed)
        elif evaluate(parsed(entry.when), known):
            yield entry, entry.name.format_map(known), known


def held(name, /, **arguments):
    """Return what a module stores as {name in state_dict(): (shape, Tensor)}.

    See ``stored`` for the arguments.
    """
    found = {}
    known = known_of(name, arguments)
    for entry, full, indexed in existing(layer_of(name).holds, known):
        if isinstance(entry, Tensor):
            shape = evaluate(parsed(entry.shape), indexed)
            found[full] = tuple(int(size) for size in shape), entry
        else:
            trees = {key: parsed(value) for key, value in entry.arguments.items()}
            passed = {key: evaluate(tree, indexed) for key, tree in trees.items()}
            child, passed = (entry.of, passed) if entry.of in REGISTRY else known[entry.of]
            for key, (shape, tensor) in held(child, **passed).items():
                axes = written(in_terms_of(parsed(tensor.shape), trees))
                found[f"{full}.{key}"] = shape, tensor._replace(shape=axes)
    return found


def stored(name: str, /, **arguments: Any) -> dict[str, tuple[int, ...]]:
    """Return {name in state_dict(): shape} of a module of ``torch.nn``, in PyTorch's order.

    Parameters
    ----------
    name : str
        The class, "LSTM".
    **arguments
        What its constructor gets, by name; PyTorch's defaults for the rest. A module is given as
        (class, arguments): ``encoder_layer=("TransformerEncoderLayer", {"d_model": 8})``.
        A lazy form also needs what its first input tells.
        Sizes that PyTorch refuses, such as channels that the groups don't divide, are not found.

    Returns
    -------
    dict of str to tuple of int

    Raises
    ------
    ValueError
        torch.nn has no such class.
    TypeError
        An argument that decides a shape is missing, or the class has no such argument.
    """
    return {full: shape for full, (shape, _) in held(name, **arguments).items()}


def entries(name):
    """Return every Tensor and Child that a class can hold, for its table."""
    flat = ((e.holds if isinstance(e, Each) else (e,)) for e in layer_of(name).holds)
    return list(chain.from_iterable(flat))


def candidates(key: str, shape: Iterable[int]) -> list[tuple[str, Tensor, dict[str, int]]]:
    """Return [(class, Tensor, sizes)] of what a tensor of this name and shape may be.

    ``candidates("encoder.weight_ih_l0", (400, 12))`` finds the LSTM with the sizes
    ``{"hidden_size": 100, "input_size": 12}``. Classes without a recipe are left out;
    the longest name, which says the most, comes first.

    Parameters
    ----------
    key : str
        Its name in ``state_dict()``, or the end of it.
    shape : iterable of int

    Returns
    -------
    list of (str, Tensor, dict of str to int)
    """
    found = []
    for name, layer in REGISTRY.items():
        for entry in entries(name) if layer.recipe else ():
            if isinstance(entry, Tensor) and re.search(pattern(entry), key):
                sizes = solve(entry.shape, tuple(shape), layer.spatial)
                if sizes is not None and exists(entry, sizes):
                    found.append((name, entry, sizes))
    return sorted(found, key=lambda item: -len(item[1].name))


def exists(tensor, sizes):
    """Return whether a tensor can have these sizes, as far as they tell."""
    when = parsed(tensor.when)
    return not sizes.keys() >= {*names_in(when)} or evaluate(when, sizes)


def pattern(tensor):
    """Return the regular expression that finds a tensor's name at the end of a key."""
    # In a recurrent network, the first layer's input weight has an entry of its own.
    index = r"[1-9]\d*" if "k > 0" in tensor.when else r"\d+"
    name = re.escape(tensor.name).replace(r"\{suffix\}", "(_reverse)?")
    name = re.sub(r"\\{\w+\\}", lambda _: index, name)
    return rf"(^|\.){name}$"


def solve(axes, shape, spatial=0):
    """Return the sizes that make "(4 * hidden_size, input_size)" this shape, None if none do.

    An axis that is more than a name or its multiple, such as a quotient, fits any size.
    """
    kind, *trees = parsed(axes)
    if kind == "shape":  # of the array that was given: any
        return {}
    match trees:
        case [*first, ("spread", _)]:  # only ever the last axis
            rest = len(shape) - len(first)
            if rest < 1 or spatial not in (0, rest):
                return None
            trees = [*first, *[None] * rest]
    if len(trees) != len(shape):
        return None
    sizes = {}
    for tree, size in zip(trees, shape, strict=True):
        match tree:
            case int() if size != tree:
                return None
            case str(name) | ("*", int(), str(name)):
                times = 1 if tree == name else tree[1]
                count, remainder = divmod(size, times)
                if remainder or sizes.setdefault(name, count) != count:
                    return None
    return sizes
