"""``describe`` over every class that torch.nn stores, whole models, checkpoints and odd files.

What the true class stores is ``stored``, which tests/test_storage.py compares with torch.
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.state_dict import describe, under
from snippets.storage import REGISTRY, stored
from snippets.which_layer import CONV1D, fitting, state_dicts
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
    "Embedding (num_embeddings, embedding_dim) or Linear without bias (out_features, in_features)"
)
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
        "? by its own name and shape Linear, Embedding, EmbeddingBag, LayerNorm, RMSNorm",
    ),
    "a module below": (
        {"weight": (7, 5), "bias": (7,), "lora.weight": (7, 5)},
        "? by its own name and shape Linear, Embedding, EmbeddingBag, LayerNorm, RMSNorm",
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
        EMBEDDING,
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


def test_the_less_likely_ones_are_told_below():
    assert lines(zeros({"a.weight": (7, 5), "b.weight": (5, 7)}))[1] == [
        "a, b: less likely EmbeddingBag, RMSNorm, LayerNorm without bias, which may store the same"
    ]
    assert lines(zeros({"weight": (7,), "bias": (7,)}))[1] == [
        "the whole model: less likely BatchNorm1d/2d/3d, SyncBatchNorm, InstanceNorm1d/2d/3d,"
        " which may store the same"
    ]
    assert lines(zeros({"weight": (9, 4, 3), "bias": (9,)}))[1][0].startswith(
        "the whole model: less likely Bilinear"
    )
    assert lines(zeros({"weight": (8, 4, 3), "bias": (8,)}))[1] == [
        "the whole model: less likely Bilinear, ConvTranspose1d, which may store the same"
    ]


def test_what_is_no_layer_is_told_below():
    assert lines(zeros({"cls": (7,), "fc.weight": (7, 5), "fc.bias": (7,)}))[1] == [
        "the whole model: no layer of torch.nn stores exactly these tensors"
    ]


# ---- Whole models ----


def test_the_numbers_of_a_module_are_told():
    shapes = stored("LSTM", input_size=12, hidden_size=100, num_layers=2, bidirectional=True)
    told, notes = lines(zeros({f"rnn.{name}": shape for name, shape in shapes.items()}))
    assert (
        told["rnn.weight_ih_l1_reverse"] == "LSTM (4 * hidden_size, num_directions * hidden_size)"
    )
    assert notes == [
        "rnn: LSTM with input_size 12, hidden_size 100, num_layers 2, bidirectional;"
        " rows lie in blocks, from the top: i, f, g, o"
    ]


def test_one_direction_is_not_told():
    shapes = stored("GRU", input_size=12, hidden_size=7)
    assert lines(zeros(shapes))[1] == [
        "the whole model: GRU with input_size 12, hidden_size 7, num_layers 1;"
        " rows lie in blocks, from the top: r, z, n"
    ]


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
        else "Embedding (num_embeddings, embedding_dim)"
        " or Linear without bias (out_features, in_features)"
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


# ---- Prefixes ----


LINEAR = {"fc.weight": (3, 5), "fc.bias": (3,)}


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]
)
def test_a_prefix_is_told_and_under_takes_it_off(prefix):
    state = zeros({f"{prefix}{name}": shape for name, shape in LINEAR.items()})
    told, notes = lines(state)
    assert set(told.values()) == {"Linear (out_features, in_features)", "Linear (out_features,)"}
    call = f'under(state, "{prefix[:-1]}")'
    assert notes == [f'every name begins with "{prefix}": {call} takes it off']
    assert eval(call, {"under": under, "state": state}).keys() == LINEAR.keys()


def test_a_part_that_was_compiled():
    layer = "TransformerEncoderLayer", {"d_model": 6, "dim_feedforward": 7}
    shapes = stored("TransformerEncoder", encoder_layer=layer, num_layers=2)
    state = zeros(
        {name.replace("layers.1.", "layers.1._orig_mod."): s for name, s in shapes.items()}
    )
    told, notes = lines(state)
    assert {what.split()[0] for what in told.values()} == {"TransformerEncoder"}
    cure = re.fullmatch(
        r'some names hold "_orig_mod.", of torch.compile: (.*) takes it out', notes[0]
    )
    assert eval(cure[1], {"state": state}).keys() == shapes.keys()


@pytest.mark.parametrize(
    "names",
    [
        ["module.weight", "weight"],  # not all
        ["my_orig_mod.weight", "modules.weight"],
        ["_orig_mod.weight", "weight"],  # two would become one
    ],
)
def test_what_is_no_prefix_stays(names):
    _, notes = lines(zeros(dict.fromkeys(names, (3, 5))))
    assert not any("begin" in note or "_orig_mod." in note for note in notes)


# ---- Several tensors ----


def test_weight_norm_of_both_kinds():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.LSTM(5, 7), "weight_hh_l0")
    with pytest.warns(FutureWarning):
        whole = nn.utils.weight_norm(nn.Linear(5, 3), dim=None)
    new = nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(5, 4, 3))
    told, notes = lines(state_of(nn.ModuleDict({"a": old, "b": new, "c": whole})))
    assert told["a.weight_hh_l0_g"] == "weight_norm's lengths for a.weight_hh_l0"
    assert (
        told["a.weight_hh_l0_v"] == "weight_norm's directions: LSTM (4 * hidden_size, hidden_size)"
    )
    assert told["b.parametrizations.weight.original0"] == "weight_norm's lengths for b.weight"
    assert told["b.parametrizations.weight.original1"] == (
        "weight_norm's directions: ConvTranspose1d"
        " (in_channels, out_channels // groups, *kernel_size)"
    )
    assert told["c.weight_v"] == "weight_norm's directions: Linear (out_features, in_features)"
    assert notes[-1] == (
        "a.weight_hh_l0, b.weight, c.weight: weight_norm, the weight is v * (g / length of v),"
        " the length over the axes where g has size 1"
    )


@pytest.mark.parametrize(
    "shapes",
    [
        {"weight_g": (3, 1), "weight_v": (4, 5)},
        {"weight_g": (3,), "weight_v": (3, 5)},
        {"weight_g": (3, 1)},
        {"weight_v": (3, 1)},
        {"weight_g": (3, 1), "weight_v": (3, 5), "weight": (3, 5)},
        {"weight_h": (3, 1), "weight_v": (3, 5)},
        {"parametrizations.weight.original0": (3, 1), "weight_v": (3, 5)},
    ],
)
def test_what_is_no_pair_of_weight_norm(shapes):
    told, notes = lines(zeros(shapes))
    assert not any("weight_norm" in text for text in [*told.values(), *notes])


def test_tied_arrays():
    rng = np.random.default_rng(0)
    a, b, ones = rng.random((7, 5)), rng.random((70, 5)), np.ones((7, 5))
    late = b.copy()
    late[-1] = 0  # alike where one begins to look
    state = {"embed.w": a, "out.w": a, "copy.w": a.copy(), "turned.w": a.T, "b": b, "late": late}
    state |= {"one.w": ones, "other.w": ones.copy(), "c": np.array([3.0]), "d": np.array([3.0])}
    state |= {"e": np.zeros((0, 5)), "f": np.zeros((0, 5)), "f32": a.astype(np.float32), "s": a[:3]}
    state |= {"nan": np.full((2, 2), np.nan), "nan2": np.full((2, 2), np.nan)}
    notes = [note for note in lines(state)[1] if "layer" not in note]
    assert notes == [
        "embed.w, out.w are one array: tied",
        "embed.w, copy.w hold the same numbers: tied, or a copy",
    ]


def test_many_names_are_counted():
    a = np.arange(6)
    assert (
        lines({f"n{i}": a for i in range(5)})[1][-1] == "n0, n1, n2 and 2 more are one array: tied"
    )
    assert lines({f"n{i}": a.copy() for i in range(4)})[1][-1].startswith(
        "n0, n1, n2 and 1 more hold"
    )
    assert lines({f"n{i}": a for i in range(3)})[1][-1] == "n0, n1, n2 are one array: tied"


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


@pytest.mark.parametrize(
    ("name", "shape", "what"),
    [
        ("attn.qkv", (12, 4), "3 * 4 rows"),
        ("attn.Wqkv", (12, 4), "3 * 4 rows"),
        ("attn.qkv_proj", (12, 4), "3 * 4 rows"),
        ("attn.in_proj", (12, 4), "3 * 4 rows"),
        ("query_key_value", (12, 4), "3 * 4 rows"),
        ("c_attn", (12, 4), "3 * 4 rows"),
        ("h.0.attn.c_attn", (4, 12), "3 * 4 columns"),
        ("qkv", (16, 4), ""),
        ("qkv", (4, 16), ""),
        ("proj", (12, 4), ""),
        ("qkv", (12, 4, 1), ""),
        ("qkv.norm", (12, 4), ""),
        ("mc_attn", (12, 4), ""),
    ],
)
def test_fused_projections(name, shape, what):
    bias = shape[1] if "columns" in what or shape == (4, 16) else shape[0]
    _, notes = lines(zeros({f"{name}.weight": shape, f"{name}.bias": (bias,)}))
    expected = f"{name}: its {what} are q, k and v, in blocks or head by head"
    assert [note for note in notes if "q, k" in note] == [expected] * bool(what)


def test_a_fused_weight_that_is_no_layer_is_not_split():
    assert "q, k" not in describe(zeros({"qkv.weight": (12, 4), "qkv.bias": (5,)}))


# ---- Checkpoints ----


CHECKPOINT = {
    "model": {"net": zeros(LINEAR), "name": "x" * 50},
    "optimizer": {"state": {0: {"exp_avg": np.ones(3)}}, "param_groups": []},
    "epoch": 3,
    "best": 0.25,
    "done": True,
    "huge": -(10**5000),
    "none": None,
    7: [1, 2],
    "args": (),
    "empty": {},
    "array": np.ones((2, 3)),
    "ensemble": [zeros(LINEAR) | {"extra": 1}, 5],
}
TOLD = """\
state['model']['net'] is a state_dict:
fc.weight  (3, 5)  float32  Linear (out_features, in_features)
fc.bias    (3,)    float32  Linear (out_features,)
state['ensemble'][0] is a state_dict:
fc.weight  (3, 5)  float32  Linear (out_features, in_features)
fc.bias    (3,)    float32  Linear (out_features,)
extra                       int 1
Besides:
state['model']['name']  str '"""
TOLD += "x" * 40 + "'"
TOLD += """
state['optimizer']  an optimizer's state
state['epoch']  int 3
state['best']  float 0.25
state['done']  bool True
state['huge']  int
state['none']  NoneType
state[7]  list of 2
state['args']  tuple of 0
state['empty']  dict of 0
state['array']  array (2, 3)"""


def test_the_state_dict_of_a_checkpoint_is_found():
    assert describe(CHECKPOINT) == TOLD


def test_a_list_of_them():
    model = zeros(LINEAR)
    found, others = state_dicts({"a": [model, zeros(LINEAR)], "b": model, "c": {1: np.ones(2)}})
    assert [path for path, _ in found] == ["state['a'][0]", "state['a'][1]"]
    assert [path for path, _ in others] == ["state['b']", "state['c'][1]"]


def test_a_state_dict_with_more_below_it():
    model = zeros(LINEAR)
    told = describe(model | {"mean": np.ones(3), "ema": model, "step": 3})
    assert told.startswith("state is a state_dict:\nfc.weight  (3, 5)")
    assert "\nema                         dict of 2\nstep                        int 3\n" in told
    assert told.endswith(describe(model).join(["\nstate['ema'] is a state_dict:\n", ""]))


@pytest.mark.parametrize(
    ("beside", "found"),
    [
        ({"loss": np.array(3.0), "model": zeros(LINEAR)}, ["state['model']"]),
        ({"0.rng": np.ones(3), "model": zeros(LINEAR)}, ["state", "state['model']"]),
        ({"weight": np.ones((2, 3)), "config": {"lr": 1}}, ["state"]),
        ({"weight": np.ones((2, 3)), 1: {"lr": 1}}, []),
    ],
)
def test_arrays_beside_a_state_dict_are_none_themselves(beside, found):
    assert [path for path, _ in state_dicts(beside)[0]] == found


@pytest.mark.parametrize(
    ("state", "besides"),
    [
        ({}, "state  dict of 0"),
        ([], "state  list of 0"),
        (np.ones((2, 3)), "state  array (2, 3)"),
        ([np.ones(2)], "state  list of 1"),
        ({0: np.ones(2), 1: "a"}, "state[0]  array (2,)\nstate[1]  str 'a'"),
        ({"a": np.ones(2), 1: "a"}, "state['a']  array (2,)\nstate[1]  str 'a'"),
        ({"a": 1}, "state['a']  int 1"),
        (None, "state  NoneType"),
    ],
)
def test_no_state_dict(state, besides):
    assert describe(state) == (
        f"There is no state_dict here: no names with arrays.\nBesides:\n{besides}"
    )


def test_a_checkpoint_that_holds_itself():
    state = {"model": zeros(LINEAR)}
    state["again"] = state
    assert describe(state).endswith("Besides:\nstate['again']  dict of 2")


def test_an_open_npz_file(tmp_path):
    np.savez(tmp_path / "model.npz", **zeros(LINEAR))
    with np.load(tmp_path / "model.npz") as file:
        assert describe(file) == describe(zeros(LINEAR))


# ---- Odd files ----


def test_a_name_can_do_no_harm_to_a_terminal():
    told = describe(
        zeros({"a\x1b[2J\n.weight": (3, 5), "\udc80é.weight_g": (3, 1), "\udc80é.weight_v": (3, 5)})
    )
    assert "a\\x1b[2J\\n.weight" in told
    assert "\\udc80é.weight" in told
    assert all(c.isprintable() or c == "\n" for c in told)
    assert describe({"\x1b": {"\x1b.w": np.ones(2), "t": "\x1b"}, 3: "\x1b"}).count("\x1b") == 0


def test_a_name_of_many_parts():
    for name in ["a." * 5000 + "weight", "encoder." * 5000 + "layers.0.norm1.weight"]:
        assert describe(zeros({name: (3,), "fc.weight": (3,)})).startswith(name)
    assert "? by its own" not in describe(zeros({"a." * 64 + "weight": (3, 5)}))
    assert "Embedding (" in describe(zeros({"a." * 64 + "weight": (3, 5)}))


def test_many_modules_take_little_time():
    names = [f"layers.{i}.{part}.weight" for i in range(300) for part in ("q", "k", "v", "o")]
    assert describe(zeros(dict.fromkeys(names, (8, 8)))).count("Embedding (") == 1200


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
