"""Every class that torch.nn stores is found, alone and in whole models, as ``describe`` says it.

What the true class stores is ``stored``, which tests/test_storage.py compares with torch.
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets import which_layer
from snippets.describe import describe
from snippets.storage import REGISTRY, stored
from snippets.which_layer import CLUES, CONV1D, fitting, modules_of
from tests import ROOT
from tests.test_storage import VARIANTS, in_storage


def zeros(shapes):
    """Return arrays of these shapes that take no memory."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


def state_of(module):
    return {name: values.numpy() for name, values in module.state_dict().items()}


def lines(state):
    """Return {name: what it is} of the table, and the notes."""
    table, _, notes = describe(state).partition("\n- ")
    rows = [re.fullmatch(r"(\S+) +(\(.*?\)) +(\w+) +(.*)", line) for line in table.split("\n")]
    assert [row[1] for row in rows] == list(state)
    assert [row[2] for row in rows] == [str(tuple(v.shape)) for v in state.values()]
    assert [row[3] for row in rows] == [str(v.dtype) for v in state.values()]
    return {row[1]: row[4] for row in rows}, notes.split("\n- ") if notes else []


# ---- Every class ----

NAMED = [name for name in VARIANTS if REGISTRY[name.removeprefix("Lazy")].recipe]


@pytest.mark.parametrize("name", NAMED)
def test_the_true_class_is_named_with_its_axes(name):
    true = name.removeprefix("Lazy")
    for arguments in VARIANTS[name]:
        shapes = stored(name, **in_storage(arguments))
        fits = fitting(shapes)
        assert (true in [fit.layer for fit in fits]) == bool(shapes)
        for fit in fits:
            assert stored(fit.layer, **fit.arguments) == shapes
            assert shapes.keys() == fit.tensors.keys()


# Which variants store what no other class does.
ALONE = {
    "Linear": lambda a: a["bias"],
    # With 2 groups of 12 channels, 18 rows of 6 are a transposed kernel of 3 groups too.
    **{f"Conv{n}d": lambda a: a.get("bias", True) and a["groups"] != 2 for n in (2, 3)},
    **{f"ConvTranspose{n}d": lambda a: a.get("bias", True) for n in (1, 2, 3)},
    "LayerNorm": lambda a: (
        a["bias"] and a["elementwise_affine"] and np.size(a["normalized_shape"]) > 1
    ),
    **dict.fromkeys(
        [
            *("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "MultiheadAttention"),
            *(name for name in VARIANTS if name.startswith("Transformer")),
            "AdaptiveLogSoftmaxWithLoss",
        ],
        lambda a: True,
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_it_is_the_only_one_where_its_shapes_are_its_own(name):
    for arguments in filter(ALONE[name], VARIANTS[name]):
        shapes = stored(name, **in_storage(arguments))
        assert [fit.layer for fit in fitting(shapes)] == [name]


EMBEDDING = (
    "Linear without bias (out_features, in_features) or Embedding (num_embeddings, embedding_dim)"
)
BY_NAME = "Linear without bias (out_features, in_features), by its name"
KERNEL = "(out_channels, in_channels // groups, *kernel_size)"
TRANSPOSED = "(in_channels, out_channels // groups, *kernel_size)"
SCALE = (
    "RMSNorm, LayerNorm without bias (*normalized_shape,) or PReLU (num_parameters,)"
    " or GroupNorm without bias (num_channels,)"
)
AMBIGUOUS = {
    "Linear without bias": (
        {"weight": (7, 5)},
        EMBEDDING,
    ),
    "kernel": (
        {"weight": (7, 5, 3, 2)},
        f"Conv2d without bias {KERNEL} or ConvTranspose2d without bias {TRANSPOSED}",
    ),
    "square kernel": (
        {"weight": (7, 7, 3, 2), "bias": (7,)},
        f"Conv2d {KERNEL} or ConvTranspose2d {TRANSPOSED}",
    ),
    "rows and columns": ({"weight": (7, 7), "bias": (7,)}, "Linear (out_features, in_features)"),
    "scale and shift": (
        {"weight": (7,), "bias": (7,)},
        "LayerNorm (*normalized_shape,) or GroupNorm (num_channels,)",
    ),
    "scale": (
        {"weight": (7,)},
        SCALE,
    ),
    "statistics": (
        {
            "weight": (7,),
            "bias": (7,),
            "running_mean": (7,),
            "running_var": (7,),
            "num_batches_tracked": (),
        },
        "BatchNorm1d/2d/3d (num_features,)",
    ),
    "statistics alone": (
        {"running_mean": (7,), "running_var": (7,)},
        "BatchNorm1d/2d/3d, SyncBatchNorm, InstanceNorm1d/2d/3d (num_features,)",
    ),
    "random": ({"_random_samples": (5, 3, 2)}, "FractionalMaxPool2d/3d (as given)"),
    "LSTM": (
        {"weight_ih_l0": (400, 12), "weight_hh_l0": (400, 100)},
        "LSTM without bias (4 * hidden_size, input_size)",
    ),
    "GRU": (
        {"weight_ih_l0": (300, 12), "weight_hh_l0": (300, 100)},
        "GRU without bias (3 * hidden_size, input_size)",
    ),
    "no recurrent layer": (
        {"weight_ih_l0": (400, 12), "weight_hh_l0": (400, 99)},
        "? by its own name and shape RNN, LSTM",
    ),
    "a bias too long": (
        {"weight": (7, 5), "bias": (8,)},
        "? by its own name and shape Linear, Embedding, EmbeddingBag, LayerNorm, RMSNorm",
    ),
    "a neighbour too many": (
        {"weight": (7, 5), "bias": (7,), "mask": (7, 5)},
        "Linear (out_features, in_features)",
    ),
    "a module below": (
        {"weight": (7, 5), "bias": (7,), "lora.weight": (7, 5)},
        "Linear (out_features, in_features)",
    ),
    "its own": ({"scale": (7,)}, "?"),
    "groups that divide no channels": (
        {"weight": (7, 5, 2, 2), "bias": (10,)},
        "? by its own name and shape Conv2d, ConvTranspose2d, LayerNorm, RMSNorm",
    ),
    "groups that divide no rows": (
        {"weight": (9, 3, 2, 2), "bias": (10,)},
        "? by its own name and shape Conv2d, ConvTranspose2d, LayerNorm, RMSNorm",
    ),
    "too few tails": (
        {"head.weight": (5, 8), "head.bias": (5,)},
        "Linear (out_features, in_features)",
    ),
    "an odd tail": (
        {"head.weight": (5, 8), "tail.0.0.weight": (2, 8), "tail.0.1.weight": (2,)},
        BY_NAME,
    ),
    "an odd head": (
        {"head.weight": (5,), "tail.0.0.weight": (2, 8), "tail.0.1.weight": (3, 2)},
        SCALE,
    ),
    "an empty cluster": (
        {"head.weight": (5, 8), "tail.0.0.weight": (0, 8), "tail.0.1.weight": (3, 0)},
        "AdaptiveLogSoftmaxWithLoss (cutoffs[0] + n_clusters, in_features)",
    ),
}


@pytest.mark.parametrize(("shapes", "what"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_may_be_several_is_told(shapes, what):
    told, _ = lines(zeros(shapes))
    assert next(iter(told.values())) == what


# ---- Whole models ----


def test_a_stack_is_told_as_one_layer():
    layer = "TransformerEncoderLayer", {"d_model": 6, "dim_feedforward": 7}
    norm = "LayerNorm", {"normalized_shape": 6}
    shapes = stored("TransformerEncoder", encoder_layer=layer, num_layers=3, norm=norm)
    shapes = {f"encoder.{name}": shape for name, shape in shapes.items()}
    told, notes = lines(zeros(shapes | {"fc.weight": (2, 6), "fc.bias": (2,)}))
    assert told["encoder.layers.2.self_attn.in_proj_weight"] == (
        "TransformerEncoder (3 * d_model, d_model)"
    )
    assert told["fc.weight"] == "Linear (out_features, in_features)"
    assert notes == [
        "encoder: TransformerEncoder with num_layers 3, d_model 6, dim_feedforward 7;"
        " rows lie in blocks, from the top: q, k, v"
    ]


def test_a_stack_of_which_a_part_is_missing_is_told_by_layers():
    layer = "TransformerEncoderLayer", {"d_model": 6, "dim_feedforward": 7}
    shapes = stored("TransformerEncoder", encoder_layer=layer, num_layers=3)
    del shapes["layers.1.linear2.bias"]
    told, _ = lines(zeros(shapes))
    assert told["layers.0.linear1.weight"].startswith("TransformerEncoderLayer (")
    assert told["layers.1.self_attn.in_proj_weight"].startswith("MultiheadAttention (")
    assert told["layers.1.linear1.weight"].startswith("Linear (")


def test_a_trained_model_of_this_site():
    with np.load(ROOT / "docs/en/notebooks/speakers.npz") as file:
        told, notes = lines(dict(file))
    assert told == {
        name: "Linear (out_features,)"
        if name.endswith("bias")
        else BY_NAME
        if name[5] in "24"
        else "Linear (out_features, in_features)"
        for name in told
    }
    assert (len(told), len(notes)) == (8, 1)


def test_models_of_live_torch():
    nn = pytest.importorskip("torch").nn
    model = nn.ModuleDict(
        {
            "embed": nn.EmbeddingBag(7, 5),
            "conv": nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.BatchNorm2d(4)),
            "rnn": nn.GRU(5, 7, 2),
            "deep": nn.ModuleList([nn.MultiheadAttention(6, 2, kdim=4), nn.LayerNorm((2, 3))]),
            "softmax": nn.AdaptiveLogSoftmaxWithLoss(64, 23, [5, 11]),
            "cell": nn.LSTMCell(5, 7, bias=False),
        }
    )
    told, notes = lines(state_of(model))
    layers = {name: what.split(" (")[0] for name, what in told.items()}
    for prefix, layer in {
        "embed.": "Embedding",
        "conv.0.": "Conv2d",
        "conv.2.": "BatchNorm1d/2d/3d",
        "rnn.": "GRU",
        "deep.0.": "MultiheadAttention",
        "deep.1.": "LayerNorm",
        "softmax.": "AdaptiveLogSoftmaxWithLoss",
        "cell.": "LSTMCell without bias",
    }.items():
        assert {layers[name] for name in layers if name.startswith(prefix)} == {layer}
    blocks = "rows lie in blocks, from the top: i, f, g, o"
    assert f"cell: LSTMCell with input_size 5, hidden_size 7; {blocks}" in notes
    # Arrays of torch have shapes and dtypes as well.
    assert describe(model.state_dict()) == describe(state_of(model))


def test_batch_norm_of_before_the_counter():
    shapes = stored("BatchNorm2d", num_features=5)
    del shapes["num_batches_tracked"]
    assert set(lines(zeros(shapes))[0].values()) == {"BatchNorm1d/2d/3d (num_features,)"}


def test_conv1d_of_hugging_face():
    shapes = {
        "c_fc.weight": (4, 9),
        "c_fc.bias": (9,),
        "c_proj.weight": (4, 4),
        "c_proj.bias": (4,),
    }
    told, notes = lines(zeros(shapes))
    assert told == {
        "c_fc.weight": f"{CONV1D} (in_features, out_features)",
        "c_fc.bias": f"{CONV1D} (out_features,)",
        "c_proj.weight": "Linear (out_features, in_features)"
        f" or {CONV1D} (in_features, out_features)",
        "c_proj.bias": f"Linear, {CONV1D} (out_features,)",
    }
    assert notes == []
    assert lines(zeros(shapes | {"c_fc.weight": (9, 4)}))[0]["c_proj.weight"].startswith(
        "Linear (o"
    )


def test_a_name_of_many_parts():
    for name in ["a." * 5000 + "weight", "encoder." * 5000 + "layers.0.norm1.weight"]:
        assert describe(zeros({name: (3,), "fc.weight": (3,)})).startswith(name)
    assert "? by its own" not in describe(zeros({"a." * 64 + "weight": (3, 5)}))
    assert "Embedding (" in describe(zeros({"a." * 64 + "weight": (3, 5)}))


def test_many_modules_take_little_time():
    names = [f"layers.{i}.{part}.weight" for i in range(300) for part in ("q", "k", "v", "o")]
    assert describe(zeros(dict.fromkeys(names, (8, 8)))).count("Linear without bias (") == 1200


MODULES = [(name, arguments) for name in NAMED for arguments in VARIANTS[name]]
NAMES = sorted(
    {key for name, arguments in MODULES for key in stored(name, **in_storage(arguments))}
)
NAMES += ["module.weight", "fc._orig_mod.weight", "weight_g", "weight_v", "layers.77.norm1.weight"]
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 18]), max_size=5).map(tuple)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(MODULES),
    st.sets(st.integers(0, 9)),
    st.dictionaries(st.sampled_from(NAMES), SHAPES, max_size=4),
    st.dictionaries(st.integers(0, 9), SHAPES, max_size=2),
)
def test_nothing_is_named_that_stores_other_tensors(module, dropped, added, changed):
    name, arguments = module
    shapes = list(stored(name, **in_storage(arguments)).items())
    shapes = [(k, changed.get(i, shape)) for i, (k, shape) in enumerate(shapes) if i not in dropped]
    shapes = dict(shapes) | added
    for fit in fitting(shapes):
        whole = stored(fit.layer, **fit.arguments) if fit.layer != CONV1D else shapes
        assert shapes in (whole, {k: s for k, s in whole.items() if k != "num_batches_tracked"})
    if shapes:
        assert lines(zeros(shapes))[0].keys() == shapes.keys()


# ---- What decides where several store the same ----

CONV = {"conv.weight": (8, 4, 2, 2)}
NORM = {"n.weight": (8,), "n.bias": (8,)}
BEFORE, BEHIND = {"a.weight": (8, 4, 3, 3)}, {"z.weight": (4, 8, 3, 3)}
EVERY = "Conv2d ConvTranspose2d"
# Tensors, the module to look at, its classes in the table, and what decided
DECIDED = {
    "q_proj": ({"l.0.q_proj.weight": (8, 8)}, "Linear", "name"),
    "lm_head": ({"lm_head.weight": (9, 8)}, "Linear", "name"),
    "wq": ({"wq.weight": (9, 8)}, "Linear", "name"),
    "to_out.0": ({"to_out.0.weight": (9, 8)}, "Linear", "name"),
    "prediction": ({"prediction.weight": (9, 8)}, "Linear", "name"),
    "word_embeddings": ({"embeddings.word_embeddings.weight": (9, 8)}, "Embedding", "name"),
    "wte": ({"wte.weight": (9, 8)}, "Embedding", "name"),
    "an embedding of features": ({"emb.weight": (8, 5)} | NORM, "Linear", "neighbours"),
    "an embedding of 8 words, 8 long": ({"emb.weight": (8, 8)} | NORM, "Embedding", "name"),
    "an embedding of words": ({"emb.weight": (9, 8)} | NORM, "Embedding", "name"),
    "a bias per head": ({"relative_attention_bias.weight": (32, 8)}, "Embedding", "name"),
    "a word above": ({"head.a.weight": (9, 8)}, "Linear Embedding", ""),
    "deconv": ({"deconv1.weight": (8, 4, 3, 3)}, "ConvTranspose2d", "name"),
    "odd": ({"a.weight": (8, 4, 3, 5)}, "Conv2d", "kernel"),
    "even": (CONV, EVERY, ""),
    "depthwise": ({"a.weight": (8, 1, 2, 2)}, "Conv2d", "kernel"),
    "a norm behind": (CONV | NORM, "Conv2d", "neighbours"),
    "a norm that tells nothing": ({"conv.weight": (8, 8, 2, 2)} | NORM, EVERY, ""),
    "patch": ({"patch.weight": (8, 3, 16, 16)}, "Conv2d", "name"),
    "ln_1": ({"ln_1.weight": (8,), "ln_1.bias": (8,)}, "LayerNorm", "name"),
    "gn": ({"gn1.weight": (8,), "gn1.bias": (8,)}, "GroupNorm", "name"),
    "norm before Linear": (NORM | {"fc.weight": (9, 8)}, "LayerNorm", "neighbours"),
    "norm behind depthwise": (
        {"a.weight": (8, 1, 7, 7)} | NORM | {"fc.weight": (9, 8)},
        "LayerNorm",
        "neighbours",
    ),
    "norm between": (BEFORE | NORM | BEHIND, "GroupNorm InstanceNorm1d/2d/3d", "neighbours"),
    "norm behind a kernel": (BEFORE | NORM, "LayerNorm GroupNorm", ""),
    "rms_norm": ({"rms_norm.weight": (8,)}, "RMSNorm", "name"),
    "prelu": ({"prelu.weight": (8,)}, "PReLU", "name"),
    "one number": ({"a.weight": (1,)}, "PReLU", "shape"),
    # Of Llama an RMSNorm, of others a LayerNorm without bias
    "input_layernorm": (
        {"input_layernorm.weight": (8,), "q_proj.weight": (8, 8)},
        "RMSNorm LayerNorm PReLU GroupNorm",
        "",
    ),
}
CLASS = re.compile(r"\b(?:Linear|Embedding|Conv\w*|\w*Norm(?:1d/2d/3d)?|PReLU)(?= |,)")


@pytest.mark.parametrize("case", DECIDED)
def test_names_and_neighbours_decide(case):
    shapes, layers, clue = DECIDED[case]
    told, notes = lines(zeros(shapes))
    what = told["n.weight"] if case.startswith("norm ") else told[next(iter(shapes))]
    assert CLASS.findall(what) == layers.split()
    assert what.partition(", by its ")[2] == clue
    assert not clue or any("less likely" in note for note in notes)


@pytest.mark.parametrize("i", range(len(CLUES)))
def test_every_clue_decides_a_case(i, monkeypatch):
    def told():
        return [modules_of(shapes) for shapes, *_ in DECIDED.values()]

    before = told()
    monkeypatch.setattr(which_layer, "CLUES", CLUES[:i] + CLUES[i + 1 :])
    assert told() != before


def test_one_tensor_more_does_not_hide_the_layer():
    shapes = {"conv.weight": (16, 3, 3, 3), "conv.bias": (16,), "conv.gain": (16, 1, 1, 1)}
    told, _ = lines(zeros(shapes))
    assert told["conv.weight"].startswith("Conv2d (")
    assert told["conv.bias"].startswith("Conv2d (")
    assert told["conv.gain"] == "?"


def test_a_lone_bias_lists_no_classes():
    assert lines(zeros({"bias": (7,)}))[0] == {"bias": "?"}
