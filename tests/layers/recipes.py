"""The table of test_every_recipe.py: every recipe, the arrays it is given, and torch's own call.

A file of recipes has a block of its own. A row says what is called and with what; the test
does the rest. Sizes differ, so that no axis stands for another.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from snippets.layers import (
    activation,
    adaptive_softmax,
    attention,
    batch_norm,
    bilinear,
    conv,
    conv_transpose,
    distance,
    embedding,
    flatten,
    fold,
    group_norm,
    gru,
    instance_norm,
    interpolate,
    layer_norm,
    linear,
    local_response_norm,
    lstm,
    padding,
    pooling,
    rms_norm,
    rnn,
    shuffle,
    transformer,
)
from tests.layers.recurrent import stored, stored_cell

torch = pytest.importorskip("torch")
F = torch.nn.functional

normal = np.random.default_rng(0).normal


@dataclass(frozen=True)
class Row:
    """One call of a recipe, and the same call of torch.

    Parameters
    ----------
    recipe : function
        Called with the arrays and the options by name.
    arrays : dict
        What it reads. The floats, all float64 here, get the dtype under test; ids, masks and
        lengths stay integers or bools. The weights of a mapping are a dict in the dict.
    torchs : function
        Called with tensors in the same order, and the options by name.
    options : dict
        Numbers, words and tuples of them.
    empty : dict or str
        The shapes of x and the like when there is nothing in them. Without it, axis 0 of the
        first array is 0. A str says why there is no such call.
    keeps : str
        The kinds of numbers that come back as they are, "biu" for bools and integers.
    is_complex : bool
        Whether complex numbers are taken; otherwise they are refused.
    unlike : dict
        A check by name, and why PyTorch's answer is none to be compared with: the test then
        wants torch to raise, or to answer otherwise. "inf" is an infinity in any array of
        floats, "inf in 1" in the second one.
    strict : tuple
        The numbers of the floats that must have the dtype of the first and be finite: otherwise
        they are refused.
    """

    recipe: Callable
    arrays: dict
    torchs: Callable
    options: dict = field(default_factory=dict)
    empty: dict | str = field(default_factory=dict)
    keeps: str = ""
    is_complex: bool = False
    unlike: dict = field(default_factory=dict)
    strict: tuple = ()


TABLE = {}


# ---- activation ----


def elementwise(name, **options):
    """Return the row of a function of torch.nn.functional that takes x of any shape."""
    return Row(getattr(activation, name), {"x": 2 * normal(size=(3, 4))}, getattr(F, name), options)


def one_by_one(function):
    """Return a function of tensors that gives it one number at a time.

    Where a processor has AVX-512, torch 2.13's gelu of several float32 at once makes NaN of an
    infinity; of one number it does not, nor do other processors.
    """

    def of_each(x):
        found = [function(number) for number in x.flatten()]
        return torch.stack(found).reshape(x.shape) if found else function(x)

    return of_each


TABLE |= {
    f"activation.{name}": elementwise(name)
    for name in [
        "elu",
        "hardshrink",
        "hardsigmoid",
        "hardswish",
        "leaky_relu",
        "logsigmoid",
        "mish",
        "rrelu",
        "selu",
        "softplus",
        "softshrink",
    ]
}
TABLE |= {
    f"activation.{name}": replace(elementwise(name), is_complex=True)
    for name in ["sigmoid", "silu", "softsign", "tanh", "tanhshrink"]
}
TABLE |= {
    f"activation.{name}": replace(elementwise(name), keeps="iu") for name in ["relu", "relu6"]
}
TABLE |= {
    "activation.hardtanh": replace(elementwise("hardtanh", min_val=0.5, max_val=2.5), keeps="iu"),
    "activation.threshold": replace(elementwise("threshold", threshold=0.5, value=2.0), keeps="iu"),
    "activation.celu": elementwise("celu", alpha=0.5),
    "activation.gelu": replace(elementwise("gelu"), torchs=one_by_one(F.gelu)),
    "activation.gelu tanh": elementwise("gelu", approximate="tanh"),
    "activation.leaky_relu by 3": elementwise("leaky_relu", negative_slope=3.0),
    "activation.softplus twice": elementwise("softplus", beta=2, threshold=3.0),
    "activation.softshrink by 0": elementwise("softshrink", lambd=0.0),
    "activation.hardshrink by 0": elementwise("hardshrink", lambd=0.0),
    "activation.normal_share": Row(
        activation.normal_share, {"x": 2 * normal(size=(3, 4))}, torch.special.ndtr
    ),
    "activation.identity": Row(
        activation.identity,
        {"x": normal(size=(3, 4))},
        torch.nn.Identity(),
        keeps="biu",
        is_complex=True,
    ),
    "activation.prelu": Row(
        activation.prelu, {"x": normal(size=(3, 4, 2)), "weight": normal(size=4)}, F.prelu
    ),
    "activation.glu": Row(activation.glu, {"x": normal(size=(3, 4))}, F.glu),
    "activation.glu of axis 0": Row(activation.glu, {"x": normal(size=(4, 3))}, F.glu, {"dim": 0}),
    "activation.softmax2d": Row(
        activation.softmax2d, {"x": normal(size=(2, 3, 4, 5))}, torch.nn.Softmax2d()
    ),
}
for _name in ["softmax", "softmin", "log_softmax"]:
    for _dim in [0, -1]:
        TABLE[f"activation.{_name} along {_dim}"] = elementwise(_name, dim=_dim)


# ---- adaptive_softmax ----


ADAPTIVE = {
    "head.weight": normal(size=(5, 6)),
    "head.bias": normal(size=5),
    "tail.0.0.weight": normal(size=(3, 6)),
    "tail.0.1.weight": normal(size=(4, 3)),
    "tail.1.0.weight": normal(size=(1, 6)),
    "tail.1.1.weight": normal(size=(2, 1)),
}


def adaptive(method):
    """Return a function that calls this method of nn.AdaptiveLogSoftmaxWithLoss."""

    def call(x, weights):
        layer = torch.nn.AdaptiveLogSoftmaxWithLoss(6, 9, [3, 7], 2, True, dtype=x.dtype)
        layer.load_state_dict(weights)
        return getattr(layer, method)(x)

    return call


TABLE |= {
    f"adaptive_softmax.{recipe.__name__}": Row(
        recipe, {"x": normal(size=(4, 6)), "weights": ADAPTIVE}, adaptive(method)
    )
    for recipe, method in [
        (adaptive_softmax.adaptive_log_prob, "log_prob"),
        (adaptive_softmax.adaptive_predict, "predict"),
    ]
}


# ---- attention ----


def torchs_attention(query, key, value, w, key_padding_mask, num_heads, need_weights):
    return F.multi_head_attention_forward(
        query,
        key,
        value,
        embed_dim_to_check=6,
        num_heads=num_heads,
        in_proj_weight=w["in_proj_weight"],
        in_proj_bias=w["in_proj_bias"],
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=w["out_proj.weight"],
        out_proj_bias=w["out_proj.bias"],
        training=False,
        need_weights=need_weights,
        key_padding_mask=key_padding_mask,
    )


ATTENTION = {
    "query": normal(size=(4, 3, 6)),
    "key": normal(size=(5, 3, 6)),
    "value": normal(size=(5, 3, 6)),
    "weights": {
        "in_proj_weight": normal(size=(18, 6)) / 6,
        "in_proj_bias": normal(size=18),
        "out_proj.weight": normal(size=(6, 6)) / 6,
        "out_proj.bias": normal(size=6),
    },
    "key_padding_mask": np.array([[0, 0, 0, 1, 1], [0] * 5, [1, 0, 0, 0, 0]], bool),
}
TABLE |= {
    "attention.scaled_dot_product_attention": Row(
        attention.scaled_dot_product_attention,
        {
            "query": normal(size=(2, 3, 4, 6)),
            "key": normal(size=(2, 3, 5, 6)),
            "value": normal(size=(2, 3, 5, 7)),
        },
        F.scaled_dot_product_attention,
        {"scale": 0.3},
        empty={"query": (2, 3, 0, 6)},
    ),
    "attention.scaled_dot_product_attention, bool": Row(
        attention.scaled_dot_product_attention,
        {
            "query": normal(size=(2, 3, 4, 6)),
            "key": normal(size=(2, 3, 5, 6)),
            "value": normal(size=(2, 3, 5, 7)),
            "attn_mask": np.array([[1, 0, 1, 1, 1], [0] * 5, [1] * 5, [0, 0, 1, 0, 0]], bool),
        },
        F.scaled_dot_product_attention,
        empty={"query": (2, 3, 0, 6), "attn_mask": (0, 5)},
    ),
    "attention.multi_head_attention": Row(
        attention.multi_head_attention,
        ATTENTION,
        torchs_attention,
        {"num_heads": 2, "need_weights": True},
        empty={"query": (0, 3, 6)},
    ),
    "attention.multi_head_attention, no weights": Row(
        attention.multi_head_attention,
        ATTENTION,
        lambda *arrays, **options: torchs_attention(*arrays, **options)[0],
        {"num_heads": 2, "need_weights": False},
        empty="PyTorch fails to reshape a mask for no query",
    ),
}


# ---- batch_norm ----

STATISTICS = {"running_mean": normal(size=3), "running_var": abs(normal(size=3)) + 0.5}
AFFINE = {"weight": normal(size=3), "bias": normal(size=3)}
TABLE |= {
    "batch_norm": Row(
        batch_norm.batch_norm,
        {"x": normal(size=(2, 3, 4, 5)), **STATISTICS, **AFFINE},
        F.batch_norm,
        {"eps": 0.1},
    ),
    "batch_norm without statistics": Row(
        batch_norm.batch_norm,
        {"x": normal(size=(2, 3, 4)), **AFFINE},
        lambda x, weight, bias, running_mean, running_var, eps: F.batch_norm(
            x, running_mean, running_var, weight, bias, training=True, eps=eps
        ),
        {"running_mean": None, "running_var": None, "eps": 0.1},
    ),
}


# ---- bilinear ----

TABLE |= {
    "bilinear": Row(
        bilinear.bilinear,
        {
            "input1": normal(size=(5, 3)),
            "input2": normal(size=(5, 4)),
            "weight": normal(size=(2, 3, 4)),
            "bias": normal(size=2),
        },
        F.bilinear,
        empty={"input1": (0, 3), "input2": (0, 4)},
        is_complex=True,
    ),
}


# ---- conv ----

TABLE |= {
    f"conv{n}d": Row(
        getattr(conv, f"conv{n}d"),
        {
            "x": normal(size=(2, 6, *(7, 5, 4)[:n])),
            "weight": normal(size=(4, 3, *(3, 2, 1)[:n])),
            "bias": normal(size=4),
        },
        getattr(F, f"conv{n}d"),
        {"stride": 2, "padding": (1, 2, 0)[:n], "dilation": 2, "groups": 2},
        is_complex=True,
    )
    for n in (1, 2, 3)
}


# ---- conv_transpose ----

TABLE |= {
    f"conv_transpose{n}d": Row(
        getattr(conv_transpose, f"conv_transpose{n}d"),
        {
            "x": normal(size=(2, 6, *(5, 4, 3)[:n])),
            "weight": normal(size=(6, 2, *(3, 2, 1)[:n])),
            "bias": normal(size=4),
        },
        getattr(F, f"conv_transpose{n}d"),
        {"stride": 2, "padding": (1, 2, 0)[:n], "output_padding": 1, "groups": 2, "dilation": 2},
        is_complex=True,
    )
    for n in (1, 2, 3)
}


# ---- distance ----

PAIR = {"x1": normal(size=(3, 4)), "x2": normal(size=(3, 4))}
NO_PAIR = {"x1": (0, 4), "x2": (0, 4)}
TABLE |= {
    "distance.cosine_similarity": Row(
        distance.cosine_similarity, PAIR, F.cosine_similarity, empty=NO_PAIR
    ),
    "distance.cosine_similarity of columns": Row(
        distance.cosine_similarity, PAIR, F.cosine_similarity, {"dim": 0, "eps": 1e-3}, NO_PAIR
    ),
    "distance.pairwise_distance": Row(
        distance.pairwise_distance, PAIR, F.pairwise_distance, empty=NO_PAIR
    ),
    "distance.pairwise_distance of 3": Row(
        distance.pairwise_distance,
        PAIR,
        F.pairwise_distance,
        {"p": 3.0, "eps": 1e-3, "keepdim": True},
        NO_PAIR,
    ),
}


# ---- embedding ----

IDS = np.array([[3, 0, 3], [1, 4, 0]])
VECTORS = 3 * normal(size=(5, 4))
TABLE |= {
    "embedding.embedding": Row(
        embedding.embedding,
        {"ids": IDS, "weight": VECTORS},
        F.embedding,
        keeps="biu",
        is_complex=True,
    ),
    "embedding.embedding of a norm": Row(
        embedding.embedding,
        {"ids": IDS, "weight": VECTORS},
        lambda ids, weight, **o: F.embedding(ids, weight, None, *o.values()),
        {"max_norm": 2.5, "norm_type": 3.0},
    ),
    "embedding.embedding_bag": Row(
        embedding.embedding_bag, {"ids": IDS, "weight": VECTORS}, F.embedding_bag
    ),
    "embedding.embedding_bag of factors": Row(
        embedding.embedding_bag,
        {"ids": IDS, "weight": VECTORS, "per_sample_weights": normal(size=(2, 3))},
        lambda ids, weight, factors, **o: F.embedding_bag(
            ids, weight, per_sample_weights=factors, **o
        ),
        {"mode": "sum", "padding_idx": 3, "max_norm": 2.5},
        empty={"ids": (0, 3), "per_sample_weights": (0, 3)},
    ),
    "embedding.embedding_bag max": Row(
        embedding.embedding_bag,
        {"ids": IDS.ravel(), "weight": VECTORS, "offsets": np.array([0, 2, 2])},
        F.embedding_bag,
        {"mode": "max"},
        empty={"ids": (0,), "offsets": (1,)},
    ),
}


# ---- flatten ----

TABLE |= {
    "flatten.flatten": Row(
        flatten.flatten,
        {"x": normal(size=(2, 3, 4, 5))},
        torch.flatten,
        {"start_dim": 1, "end_dim": 2},
        keeps="biu",
        is_complex=True,
    ),
    "flatten.flatten, nothing joined": Row(
        flatten.flatten,
        {"x": normal(size=(2, 3))},
        torch.nn.Flatten(),
        keeps="biu",
        is_complex=True,
    ),
    "flatten.unflatten": Row(
        flatten.unflatten,
        {"x": normal(size=(2, 12, 5))},
        lambda x, dim, unflattened_size: torch.unflatten(x, dim, unflattened_size),
        {"dim": 1, "unflattened_size": (3, 4)},
        keeps="biu",
        is_complex=True,
    ),
}


# ---- fold ----

WINDOWS = {"kernel_size": (2, 3), "dilation": 1, "padding": (1, 0), "stride": (2, 1)}
TABLE |= {
    "fold.unfold": Row(
        fold.unfold,
        {"x": normal(size=(2, 3, 6, 7))},
        F.unfold,
        WINDOWS,
        keeps="biu",
        is_complex=True,
    ),
    "fold.unfold, one pixel": Row(
        fold.unfold,
        {"x": normal(size=(2, 3, 6, 7))},
        F.unfold,
        {"kernel_size": 1},
        keeps="biu",
        is_complex=True,
    ),
    "fold.fold": Row(
        fold.fold,
        {"x": normal(size=(2, 18, 20))},
        F.fold,
        {"output_size": (6, 7)} | WINDOWS,
        is_complex=True,
    ),
}


# ---- group_norm ----

TABLE |= {
    "group_norm": Row(
        group_norm.group_norm,
        {"x": normal(size=(2, 6, 4, 5)), "weight": normal(size=6), "bias": normal(size=6)},
        lambda x, weight, bias, num_groups, eps: F.group_norm(x, num_groups, weight, bias, eps),
        {"num_groups": 3, "eps": 0.1},
        unlike={
            f"{sign}inf in 1": "PyTorch subtracts mean * weight: NaN, where ours is infinity"
            for sign in ("", "-")
        },
    ),
}


# ---- gru ----

TABLE |= {
    "gru.gru": Row(
        gru.gru,
        {"x": normal(size=(7, 3, 4)), "weights": stored(3), "h0": normal(size=(4, 3, 5))},
        lambda x, w, h: torch.gru(x, h, [*w.values()], True, 2, 0.0, False, True, False),
        empty={"x": (7, 0, 4), "h0": (4, 0, 5)},
        is_complex=True,
    ),
    "gru.gru_cell": Row(
        gru.gru_cell,
        {"x": normal(size=(3, 4)), "weights": stored_cell(3), "h": normal(size=(3, 5))},
        lambda x, w, h: torch.gru_cell(x, h, *w.values()),
        empty={"x": (0, 4), "h": (0, 5)},
        is_complex=True,
    ),
}


# ---- instance_norm ----

TABLE |= {
    "instance_norm": Row(
        instance_norm.instance_norm,
        {"x": normal(size=(2, 3, 4, 5)), **AFFINE},
        lambda x, weight, bias, eps: F.instance_norm(x, weight=weight, bias=bias, eps=eps),
        {"eps": 0.1},
        empty={"x": (2, 3, 0)},
    ),
    "instance_norm with statistics": Row(
        instance_norm.instance_norm,
        {"x": normal(size=(2, 3, 4)), **STATISTICS, **AFFINE},
        lambda *arrays, eps: F.instance_norm(*arrays, use_input_stats=False, eps=eps),
        {"eps": 0.1},
        empty={"x": (2, 3, 0)},
    ),
}


# ---- interpolate ----

TABLE |= {
    f"interpolate.interpolate, {mode} to {sizes}": Row(
        interpolate.interpolate,
        {"x": normal(size=(2, 3, 4, 5, 6)[: 2 + len(sizes)])},
        F.interpolate,
        {"size": sizes, "mode": mode},
        keeps="biu" if mode.startswith("nearest") else "",
    )
    for mode, sizes in [
        ("nearest", (7,)),
        ("nearest", (4, 5)),
        ("nearest-exact", (9, 3)),
        ("linear", (9,)),
        ("bilinear", (4, 5)),
        ("bilinear", (3, 11)),
        ("bicubic", (6, 4)),
        ("trilinear", (4, 7, 3)),
    ]
}
TABLE["interpolate.interpolate by factors"] = Row(
    interpolate.interpolate,
    {"x": normal(size=(2, 3, 4, 5))},
    F.interpolate,
    {"scale_factor": (1.5, 2.0), "mode": "bilinear", "align_corners": True},
)


# ---- layer_norm ----

TABLE |= {
    "layer_norm": Row(
        layer_norm.layer_norm,
        {
            "x": normal(size=(2, 5, 3, 4)),
            "weight": normal(size=(3, 4)),
            "bias": normal(size=(3, 4)),
        },
        lambda x, weight, bias, normalized_shape, eps: F.layer_norm(
            x, normalized_shape, weight, bias, eps
        ),
        {"normalized_shape": (3, 4), "eps": 0.1},
    ),
}


# ---- linear ----

TABLE |= {
    "linear": Row(
        linear.linear,
        {"x": normal(size=(2, 5, 3)), "weight": normal(size=(4, 3)), "bias": normal(size=4)},
        F.linear,
        is_complex=True,
    ),
}


# ---- local_response_norm ----

TABLE |= {
    "local_response_norm": Row(
        local_response_norm.local_response_norm,
        {"x": normal(size=(2, 5, 4))},
        F.local_response_norm,
        {"size": 2, "alpha": 0.5, "beta": 0.5, "k": 2.0},
    ),
}


# ---- lstm ----


def torchs_lstm(x, w, state):
    with warnings.catch_warnings(action="ignore"):  # that oneDNN has no projections
        return torch.lstm(x, state, [*w.values()], True, 2, 0.0, False, True, False)


TABLE |= {
    "lstm.lstm": Row(
        lstm.lstm,
        {
            "x": normal(size=(7, 3, 4)),
            "weights": stored(4, proj_size=2),
            "state": (normal(size=(4, 3, 2)), normal(size=(4, 3, 5))),
        },
        torchs_lstm,
        empty={"x": (7, 0, 4), "state": ((4, 0, 2), (4, 0, 5))},
        is_complex=True,
    ),
    "lstm.lstm_cell": Row(
        lstm.lstm_cell,
        {
            "x": normal(size=(3, 4)),
            "weights": stored_cell(4),
            "state": (normal(size=(3, 5)), normal(size=(3, 5))),
        },
        lambda x, w, state: torch.lstm_cell(x, state, *w.values()),
        empty={"x": (0, 4), "state": ((0, 5), (0, 5))},
        is_complex=True,
    ),
}


# ---- padding ----

TABLE |= {
    f"padding.pad, {mode} {numbers}": Row(
        padding.pad,
        {"x": normal(size=(2, 3, 4, 5))},
        F.pad,
        {"pad": numbers, "mode": mode},
        keeps="biu",
        is_complex=True,
    )
    for mode in ["constant", "reflect", "replicate", "circular"]
    for numbers in [(0, 0, 0, 0), (1, 2, 0, 3), (-1, 1, 2, -2)]
}
TABLE["padding.pad with a value"] = Row(
    padding.pad,
    {"x": normal(size=(3, 4))},
    F.pad,
    {"pad": (1, 0), "value": 1.0},
    keeps="biu",
    is_complex=True,
)


# ---- pooling ----

POOLED = {n: normal(size=(2, 3, *sizes)) for n, sizes in {1: (9,), 2: (7, 9), 3: (5, 7, 6)}.items()}
POOLS = {  # the family: options, and what is kept
    "max_pool": (
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "return_indices": True},
        "biu",
    ),
    "avg_pool": ({"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}, ""),
    "lp_pool": ({"norm_type": 2.0, "kernel_size": 2}, ""),
    "adaptive_avg_pool": ({"output_size": 4}, ""),
    "adaptive_max_pool": ({"output_size": 4, "return_indices": True}, "biu"),
}
TABLE |= {
    f"pooling.{family}{n}d": Row(
        getattr(pooling, f"{family}{n}d"),
        {"x": x},
        getattr(F, f"{family}{n}d"),
        options,
        keeps=keeps,
        unlike={"float16": "PyTorch refuses it"}
        if family in ("avg_pool", "lp_pool") and n == 3
        else {},
    )
    for family, (options, keeps) in POOLS.items()
    for n, x in POOLED.items()
}
TABLE |= {
    f"pooling.{name}": Row(
        getattr(pooling, name.partition(",")[0]),
        {"x": POOLED[2]},
        getattr(F, name.partition(",")[0]),
        options,
        keeps="biu" if "max" in name else "",
    )
    for name, options in {
        "max_pool2d, one number": {"kernel_size": 1},
        "adaptive_max_pool2d, as many": {"output_size": (7, None)},
        "adaptive_avg_pool2d, as many": {"output_size": (None, 9)},
        "avg_pool2d, one number": {"kernel_size": 1},
        "avg_pool2d, a divisor": {"kernel_size": 2, "divisor_override": 3},
        "lp_pool2d, greatest": {"norm_type": np.inf, "kernel_size": 2},
        "lp_pool2d, smallest": {"norm_type": -np.inf, "kernel_size": 2},
    }.items()
}


def unpooled(n, x):
    """Return the row of max_unpool, from the maxima of x."""
    found = getattr(pooling, f"max_pool{n}d")(x, 2, return_indices=True)
    return Row(
        getattr(pooling, f"max_unpool{n}d"),
        dict(zip(["x", "indices"], found, strict=True)),
        getattr(F, f"max_unpool{n}d"),
        {"kernel_size": 2, "output_size": x.shape[2:]},
        empty=dict.fromkeys(["x", "indices"], (0, *found[0].shape[1:])),
        keeps="biu",
    )


def fractional(n, x):
    """Return the row of fractional_max_pool, whose samples torch wants by their name."""
    function = getattr(F, f"fractional_max_pool{n}d")
    return Row(
        getattr(pooling, f"fractional_max_pool{n}d"),
        {"x": x, "_random_samples": np.random.default_rng(0).random((2, 3, n)) / 6},
        lambda x, samples, **options: function(x, **options, _random_samples=samples),
        {"kernel_size": 2, "output_size": 3, "return_indices": True},
        keeps="biu",
        strict=(1,),
    )


TABLE |= {f"pooling.max_unpool{n}d": unpooled(n, x) for n, x in POOLED.items()}
TABLE |= {f"pooling.fractional_max_pool{n}d": fractional(n, POOLED[n]) for n in (2, 3)}


# ---- rms_norm ----

TABLE |= {
    "rms_norm": Row(
        rms_norm.rms_norm,
        {"x": normal(size=(2, 5, 3, 4)), "weight": normal(size=(3, 4))},
        lambda x, weight, normalized_shape, eps: F.rms_norm(x, normalized_shape, weight, eps),
        {"normalized_shape": (3, 4), "eps": 0.1},
        is_complex=True,
    ),
    "rms_norm without eps": Row(
        rms_norm.rms_norm,
        {"x": normal(size=(2, 5, 3))},
        F.rms_norm,
        {"normalized_shape": (3,)},
        is_complex=True,
    ),
}


# ---- rnn ----

TABLE |= {
    "rnn.rnn": Row(
        rnn.rnn,
        {"x": normal(size=(7, 3, 4)), "weights": stored(1), "h0": normal(size=(4, 3, 5))},
        lambda x, w, h: torch.rnn_tanh(x, h, [*w.values()], True, 2, 0.0, False, True, False),
        empty={"x": (7, 0, 4), "h0": (4, 0, 5)},
        is_complex=True,
    ),
    "rnn.rnn, relu": Row(
        rnn.rnn,
        {"x": normal(size=(7, 3, 4)), "weights": stored(1), "h0": normal(size=(4, 3, 5))},
        lambda x, w, h, nonlinearity: torch.rnn_relu(
            x, h, [*w.values()], True, 2, 0.0, False, True, False
        ),
        {"nonlinearity": "relu"},
        empty={"x": (7, 0, 4), "h0": (4, 0, 5)},
    ),
    "rnn.rnn_cell": Row(
        rnn.rnn_cell,
        {"x": normal(size=(3, 4)), "weights": stored_cell(1), "h": normal(size=(3, 5))},
        lambda x, w, h: torch.rnn_tanh_cell(x, h, *w.values()),
        empty={"x": (0, 4), "h": (0, 5)},
        is_complex=True,
    ),
}


# ---- shuffle ----

TABLE |= {
    "shuffle.pixel_shuffle": Row(
        shuffle.pixel_shuffle,
        {"x": normal(size=(2, 12, 3, 5))},
        F.pixel_shuffle,
        {"upscale_factor": 2},
        keeps="biu",
        is_complex=True,
    ),
    "shuffle.pixel_unshuffle": Row(
        shuffle.pixel_unshuffle,
        {"x": normal(size=(2, 3, 4, 6))},
        F.pixel_unshuffle,
        {"downscale_factor": 2},
        keeps="biu",
        is_complex=True,
        unlike={"empty": "PyTorch leaves its shape"},
    ),
    "shuffle.channel_shuffle": Row(
        shuffle.channel_shuffle,
        {"x": normal(size=(2, 6, 3, 5))},
        lambda x, groups: torch.channel_shuffle(x, groups),
        {"groups": 3},
        keeps="biu",
        is_complex=True,
    ),
}
TABLE |= {
    f"shuffle.{name} by 1": Row(
        getattr(shuffle, name),
        {"x": normal(size=(2, 3, 4, 5))},
        getattr(torch, name),
        {argument: 1},
        keeps="biu",
        is_complex=True,
    )
    for name, argument in [
        ("pixel_shuffle", "upscale_factor"),
        ("pixel_unshuffle", "downscale_factor"),
        ("channel_shuffle", "groups"),
    ]
}


# ---- transformer ----


def torchs_module(module):
    """Return torch's call of a module, whose weights come last."""
    module.eval()

    def call(*arrays, nhead):
        # The fused kernel makes zeros of a float32 query whose scores are all NaN, this one NaN.
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return torch.func.functional_call(module, arrays[-1], arrays[:-1])

    return call


def weights_of(module):
    """Return random weights in float64: those of a fresh norm are 1 and 0."""
    return {name: normal(size=w.shape) / 2 for name, w in module.state_dict().items()}


ENCODER_LAYER = torch.nn.TransformerEncoderLayer(6, 2, 7)
DECODER_LAYER = torch.nn.TransformerDecoderLayer(6, 2, 7)
MODULES = {
    "encoder_layer": ENCODER_LAYER,
    "decoder_layer": DECODER_LAYER,
    "encoder": torch.nn.TransformerEncoder(ENCODER_LAYER, 2, enable_nested_tensor=False),
    "decoder": torch.nn.TransformerDecoder(DECODER_LAYER, 2, torch.nn.LayerNorm(6)),
}
SRC, TGT = normal(size=(4, 3, 6)), normal(size=(5, 3, 6))
TABLE |= {
    f"transformer.transformer_{name}": Row(
        getattr(transformer, f"transformer_{name}"),
        ({"src": SRC} if "encoder" in name else {"tgt": TGT, "memory": SRC})
        | {"weights": weights_of(module)},
        torchs_module(module),
        {"nhead": 2},
    )
    for name, module in MODULES.items()
}
with warnings.catch_warnings(action="ignore"):  # why it can't take the fast path
    MODEL = torch.nn.Transformer(6, 2, 1, 1, 7)
TABLE["transformer.transformer"] = Row(
    transformer.transformer,
    {"src": SRC, "tgt": TGT, "weights": weights_of(MODEL)},
    torchs_module(MODEL),
    {"nhead": 2},
)
