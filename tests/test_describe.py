"""What ``describe`` says of whole checkpoints and odd files; its command, and the exit codes."""

import io
import json
import os
import re
import runpy
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from snippets.checkpoints import StandIn, load, save_safetensors
from snippets.describe import describe, facts, main, printed, state_dicts
from snippets.state_dict import under
from snippets.storage import stored
from tests import ROOT
from tests.test_which_layer import lines, state_of, zeros

SPEAKERS = ROOT / "docs/en/notebooks/speakers.npz"


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
    "options": StandIn("argparse.Namespace", ()),
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
state['array']  array (2, 3)
state['options']  a pickled argparse.Namespace, not rebuilt"""


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
        ({"a": np.array([None, "b"], object)}, "state['a']  array of objects (2,)"),
        ({0: np.ones(2), 1: "a"}, "state[0]  array (2,)\nstate[1]  str 'a'"),
        ({"a": np.ones(2), 1: "a"}, "state['a']  array (2,)\nstate[1]  str 'a'"),
        ({"a": 1}, "state['a']  int 1"),
        (None, "state  NoneType"),
        (np.dtype("f2"), "state  dtype float16"),
        (np.dtype([("bfloat16", np.uint16)]), "state  dtype bfloat16"),
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


# ---- The command ----


def run(*arguments, **options):
    command = [sys.executable, "-m", "snippets.describe", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, **options)


def test_it_prints_the_table(capsys):
    assert main([str(SPEAKERS)]) == 0
    with np.load(SPEAKERS) as file:
        assert capsys.readouterr() == (f"{describe(dict(file))}\n", "")


def test_as_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["describe.py", str(SPEAKERS)])
    monkeypatch.delitem(sys.modules, "snippets.describe")
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_module("snippets.describe", run_name="__main__")
    assert capsys.readouterr().out.startswith("dense1.weight  (100, 12)   float32  Linear")


def test_a_file_that_cannot_be_read(tmp_path, capsys):
    there = tmp_path / "page.pth"
    there.write_text("<html>")
    for path, reason in {there: "a web page", tmp_path / "no.pth": "No such file"}.items():
        assert main([str(path)]) == 1
        out, error = capsys.readouterr()
        assert out == ""
        assert error.startswith("python -m snippets.describe: ")
        assert str(path) in error
        assert reason in error


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["a", "b"], 2), (["--help"], 0)])
def test_usage(capsys, arguments, code):
    with pytest.raises(SystemExit, match=f"^{code}$"):
        main(arguments)
    printed = capsys.readouterr()
    assert (printed.err if code else printed.out).startswith(
        "usage: python -m snippets.describe [-h] [--json] path\n"
    )


def test_a_character_that_the_terminal_has_not(tmp_path, monkeypatch):
    np.savez(tmp_path / "model.npz", größe=np.ones(3))
    for encoding, name in {"ascii": rb"gr\xf6\xdfe", "utf-8": "größe".encode()}.items():
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", out)
        assert main([str(tmp_path / "model.npz")]) == 0
        assert out.buffer.getvalue().startswith(name + b"  (3,)")
    out = io.StringIO()  # has no encoding
    monkeypatch.setattr(sys, "stdout", out)
    assert main([str(tmp_path / "model.npz")]) == 0
    assert out.getvalue().startswith("größe  (3,)")


def test_a_reader_that_had_enough(monkeypatch):
    """As in ``| head -1``: no message, no failure."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert main([str(SPEAKERS)]) == 0


def test_without_torch_in_a_process_of_its_own(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError")
    process = run(SPEAKERS, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.count(b"\n") == 9
    process = run(tmp_path / "no.pth")
    assert (process.returncode, process.stdout) == (1, b"")
    assert b"Traceback" not in process.stderr


def test_a_file_of_torch(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    model = torch.nn.ModuleDict({"embed": torch.nn.Embedding(9, 4), "head": torch.nn.Linear(4, 9)})
    model["head"].weight = model["embed"].weight
    torch.save({"model": model.state_dict(), "epoch": 3}, tmp_path / "model.pth")
    assert main([str(tmp_path / "model.pth")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("state['model'] is a state_dict:\nembed.weight  (9, 4)  float32")
    assert "\n- embed.weight, head.weight are one array: tied\n" in printed
    assert printed.endswith("Besides:\nstate['epoch']  int 3\n")


# ---- The same as data ----


def example():
    """Return a checkpoint with something of everything that is told."""
    gru = stored("GRU", input_size=5, hidden_size=4)
    both = np.arange(12.0).reshape(4, 3)
    state = zeros({f"module.rnn.{name}": shape for name, shape in gru.items()})
    state |= zeros({"module.attn.qkv.weight": (12, 4), "module.attn.qkv.bias": (12,)})
    state |= zeros({"module.conv.weight_g": (2, 1, 1), "module.conv.weight_v": (2, 4, 3)})
    state |= {"module.embed.weight": both, "module.head.weight": both, "module.w": both.copy()}
    return {"model": state, "epoch": 3}


def test_what_is_printed_is_what_json_has():
    compiled = zeros({"a._orig_mod.weight": (3, 5), "b.weight": (3, 5)})
    for state in example(), example()["model"], CHECKPOINT, compiled, {}:
        assert printed(json.loads(json.dumps(facts(state)))) == describe(state)


def fields(told):
    """Return every key of nested dicts and lists, but those that are names of arguments."""
    if isinstance(told, dict):
        inner = {key: value for key, value in told.items() if key not in ("sizes", "settings")}
        return set(told).union(*map(fields, inner.values()))
    return set().union(*map(fields, told)) if isinstance(told, list) else set()


def test_every_field_is_documented():
    named = set(re.findall(r"``(\w+)``", facts.__doc__)) - {"describe", "state"}
    resnet = ["conv1.weight", "layer1.0.conv1.weight", "layer4.weight", "fc.weight"]
    averaged = zeros(dict.fromkeys([*resnet, *(f"ema.{name}" for name in resnet)], (3, 2)))
    assert fields(facts(example())) | fields(facts(averaged)) == named


def test_json_has_the_facts(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", **{"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2, "f2")})
    assert main(["--json", str(tmp_path / "a.npz")]) == 0
    (told,) = json.loads(capsys.readouterr().out)["states"]
    assert (told["path"], told["numbers"], told["bytes"]) == ("state", 8, 52)
    weight, bias = told["tensors"]
    assert weight == {
        "name": "fc.weight",
        "shape": [2, 3],
        "dtype": "float64",
        "bytes": 48,
        "module": "fc",
        "layers": [{"layer": "Linear", "axes": "(out_features, in_features)"}],
        "by": "",
        "row": "one output: a weight for every input",
        "blocks": [],
        "what": "Linear (out_features, in_features)",
    }
    assert (bias["dtype"], bias["bytes"]) == ("float16", 4)


def test_an_array_with_two_names_counts_once():
    (told,) = facts(example())["states"]
    assert told["tied"] == [["module.embed.weight", "module.head.weight"]]
    assert told["equal"] == [["module.embed.weight", "module.w"]]
    assert told["numbers"] == 12 * (5 + 4 + 2) + 12 * 5 + 2 + 24 + 2 * 12
    assert told["bytes"] == 4 * (told["numbers"] - 24) + 8 * 24


# ---- What is beside plain layers ----


def test_what_a_weight_is_computed_of():
    torch = pytest.importorskip("torch")
    nn, made = torch.nn, torch.nn.utils.parametrizations
    pruned = nn.Linear(4, 3)
    pytest.importorskip("torch.nn.utils.prune").l1_unstructured(pruned, "weight", 0.5)
    with warnings.catch_warnings(action="ignore"):
        old = nn.utils.spectral_norm(nn.Linear(4, 3))
    own = nn.Linear(4, 3)
    nn.utils.parametrize.register_parametrization(own, "weight", nn.Identity())
    model = nn.ModuleDict({"old": old, "pruned": pruned, "own": own})
    model["new"] = made.spectral_norm(nn.Linear(4, 3))
    model["ortho"] = made.orthogonal(nn.Linear(4, 3))
    told, notes = lines({k: v.numpy() for k, v in model.state_dict().items()})
    linear = "Linear (out_features, in_features)"
    assert told["old.weight_orig"] == told["new.parametrizations.weight.original"]
    assert told["old.weight_orig"] == f"spectral_norm: {linear}"
    assert told["old.weight_v"] == "spectral_norm's vector v for old.weight"
    assert told["pruned.weight_orig"] == f"pruned: {linear}"
    assert told["pruned.weight_mask"] == "pruned's mask for pruned.weight"
    assert told["ortho.parametrizations.weight.original"] == f"orthogonal: {linear}"
    assert told["own.parametrizations.weight.original"] == f"parametrized: {linear}"
    assert {what for name, what in told.items() if name.endswith("bias")} == {
        "Linear (out_features,)"
    }
    assert "pruned.weight: pruned, the weight is weight_orig * weight_mask" in notes


def test_pairs_that_the_shapes_deny_are_no_weight_norm():
    told, _ = lines(zeros({"w_g": (5,), "w_v": (5,), "u_g": (5, 4), "u_v": (5, 4)}))
    assert not any("weight_norm" in what for what in told.values())
    told, _ = lines(zeros({"m.weight_orig": (5, 4), "m.weight_mask": (5,)}))
    assert not any("pruned" in what for what in told.values())


def test_gamma_and_beta_are_weight_and_bias():
    told, _ = lines(zeros({"LayerNorm.gamma": (5,), "LayerNorm.beta": (5,)}))
    assert told["LayerNorm.gamma"] == "LayerNorm (*normalized_shape,), by its name"
    told, _ = lines(zeros({"n.gamma": (5,), "n.weight": (5,), "n.bias": (5,)}))
    assert told["n.gamma"] == "?"


def test_integers_are_no_weights():
    state = {"fc.weight": np.zeros((12, 8), np.int8), "x.weight": np.zeros(12, np.int64)}
    told, _ = lines(state)
    assert {what.split(",")[0] for what in told.values()} == {"? integers"}


def test_a_chain_that_fits_only_as_in_out():
    shapes = {f"net.layer{i}.weight": s for i, s in enumerate([(8, 64), (64, 64), (64, 384)])}
    assert {what[:38] for what in lines(zeros(shapes))[0].values()} == {
        "a matrix (in_features, out_features), "
    }
    turned = {name: shape[::-1] for name, shape in shapes.items()}
    assert all(what.startswith("Linear") for what in lines(zeros(turned))[0].values())


def test_a_state_dict_in_tuples_and_lists():
    inner = {"weight": np.ones((32, 35, 4))}
    told = describe([("Conv1d", (inner, {"bias": False})), [1, 2]])
    assert told.startswith("state[0][1][0] is a state_dict:\nweight  (32, 35, 4)")


def test_what_is_beside_never_hides_the_table():
    state = {"model": zeros(LINEAR), "hyper_parameters": {"heads": 8, "eps": 1e-5, "name": "x"}}
    told = describe(state | {f"more{i}": i for i in range(30)}).split("\n")
    assert "state['hyper_parameters']['heads']  int 8" in told
    assert told[-1] == "and 21 more"
    assert len(told) < 20


@pytest.mark.parametrize("prefix", ["_forward_module.", "module.", "model.", "module.model."])
def test_what_stands_before_all_names(prefix):
    shapes = {prefix + name: shape for name, shape in LINEAR.items()}
    told, notes = lines(zeros(shapes | {"n_averaged": ()}))
    assert told[next(iter(shapes))].startswith("Linear (")
    under = f'under(state, "{prefix[:-1]}") takes it off'
    assert f'every other name begins with "{prefix}": {under}' in notes


def test_modules_that_share_everything_are_told_once():
    w, b = np.ones((3, 2)) * [1, 2], np.array([0.5, 0.1, 0.2])
    _, notes = lines({"a.weight": w, "a.bias": b, "s.0.weight": w, "s.0.bias": b})
    assert "a, s.0 share weight, bias, one array each: tied" in notes


def test_a_huge_expanded_tensor_ends_at_once():
    huge = np.broadcast_to(np.float32([1, 2]), (2**33, 2))
    state = {"a.weight": huge, "b.weight": np.broadcast_to(np.float32([1, 2]), (2**33, 2))}
    before = time.process_time()
    _, notes = lines(state)
    assert time.process_time() - before < 2
    assert "a.weight, b.weight hold the same numbers: tied, or a copy" in notes


# ---- Quantised layers ----

with np.load(ROOT / "tests/checkpoints/data/quantized.npz") as file:
    QUANTISED = dict(file)
LIBRARIES = {
    "GPTQ, 4 bits": ("GPTQ of (96, 64), packed along in_features", "qweight"),
    "AWQ": ("AWQ of (96, 64), packed along out_features", "qweight"),
    "bitsandbytes, nf4, nested": ("bitsandbytes nf4 of (33, 65), two numbers a byte", "weight"),
    "bitsandbytes, int8": ("bitsandbytes int8 of (33, 65), a row at a time", "weight"),
    "compressed-tensors, 4 bits, group, with zero points": (
        "compressed-tensors of (40, 80), packed along in_features",
        "weight_packed",
    ),
}


def quantised(name):
    """Return the tensors of one layer, below the module ``m``."""
    return {
        f"m.{key.removeprefix(f'{name}/')}": values
        for key, values in QUANTISED.items()
        if key.startswith(f"{name}/") and key != f"{name}/"
    }


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_quantised_layer_is_a_linear_and_its_parts(name):
    (said, first), layer = LIBRARIES[name], quantised(name)
    told, notes = lines(layer | zeros({"m.bias": (int(said.split("(")[1].split(",")[0]),)}))
    assert told.pop(f"m.{first}") == f"{said}: Linear (out_features, in_features)"
    assert told.pop("m.bias") == "Linear (out_features,)"
    library = said.split()[0]
    whose = f"{library}'" if library.endswith("s") else f"{library}'s"
    for what in told.values():
        assert re.fullmatch(rf"{whose} [a-z ']+ for m\.weight", what)
    (note,) = notes
    assert note.startswith(f"m.weight: {said.partition(' of ')[0]}, the weight is in dequantized(")


def test_quantised_layers_behind_a_prefix_are_told_alike():
    layer = quantised("AWQ")
    told, notes = lines({f"module.{name}": values for name, values in layer.items()})
    assert list(told.values()) == list(lines(layer)[0].values())
    assert notes[0].startswith('every name begins with "module."')


def test_parts_that_all_quantised_layers_have_are_no_ties():
    layer = quantised("bitsandbytes, nf4")
    both = layer | {name.replace("m.", "n."): values for name, values in layer.items()}
    _, notes = lines(both)
    assert [note for note in notes if "same numbers" in note or "one array" in note] == [
        "m.weight, n.weight are one array: tied"
    ]


def test_layers_of_quantize_dynamic(tmp_path):
    torch = pytest.importorskip("torch")
    for bias in (True, False):
        with warnings.catch_warnings(action="ignore"):
            model = torch.nn.Sequential(torch.nn.Linear(5, 3, bias=bias))
            small = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)
            torch.save(torch.nn.ModuleDict({"module": small}).state_dict(), tmp_path / "w.pt")
        (told,) = facts(load(tmp_path / "w.pt"))["states"]
        rows = {row["name"]: row for row in told["tensors"]}
        row = rows["module.0._packed_params._packed_params"]
        linear = "Linear" if bias else "Linear without bias"
        assert row["what"].startswith(
            f"PyTorch of (3, 5), with its bias: {linear} (out_features, in_features)"
        )
        assert (row["shape"], row["dtype"], row["bytes"]) == ([3, 5], "qint8", 15)
        assert rows["module.0.scale"]["what"] == "PyTorch's scale of the outputs for 0.weight"
        assert rows["module.0._packed_params.dtype"]["what"] == "PyTorch's dtype for 0.weight"


def test_a_state_dict_of_nothing_but_packed_layers():
    weight = StandIn(
        "torch._utils._rebuild_qtensor",
        (np.zeros(6, np.int8), 0, (2, 3), (3, 1), (StandIn("torch.per_tensor_affine"), 0.1, 0)),
    )
    text = describe({"0._packed_params._packed_params": (weight, None)})
    assert "PyTorch of (2, 3), with its bias: Linear without bias" in text
    assert "PyTorch of (2, 3), a quantised tensor: " in describe({"weight": weight})


def test_the_scale_of_integers_is_looked_for_beside_them():
    state = {"m.weight": np.zeros((3, 2), np.int8), "m.weight_scale": np.ones((3, 1))}
    told, _ = lines(state | {"n.weight": np.zeros((3, 2), np.int8)})
    assert told["m.weight"].endswith("; its scale may be m.weight_scale")
    assert told["n.weight"].endswith("a table or a mask")


# ---- LoRA, averages, config.json ----


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("lora_A.weight", "lora_B.weight"),
        ("lora_A.default.weight", "lora_B.default.weight"),
        ("lora_down.weight", "lora_up.weight"),
    ],
)
def test_a_pair_of_lora(a, b):
    start = "base_model.model.model.layers.0.q_proj"
    state = zeros({f"{start}.{a}": (8, 24), f"{start}.{b}": (48, 8)})
    told, notes = lines(state)
    weight = "model.layers.0.q_proj.weight"
    assert list(told.values()) == [
        f"LoRA's A (r, in_features) for {weight}",
        f"LoRA's B (out_features, r) for {weight}",
    ]
    assert notes[0].startswith('every name begins with "base_model.model."')
    assert notes[1].startswith(f"{weight}: LoRA, the weight is merged(weight, A, B, scale)")


def test_lora_beside_the_weight_that_it_changes():
    shapes = {
        "q.base_layer.weight": (6, 4),
        "q.lora_A.x.weight": (2, 4),
        "q.lora_B.x.weight": (6, 2),
    }
    told, _ = lines(zeros(shapes))
    assert told["q.lora_A.x.weight"] == "LoRA's A (r, in_features) for q.weight"
    assert told["q.base_layer.weight"].startswith("Linear without bias (out_features, in_feat")


@pytest.mark.parametrize("b", [(6, 3), (6, 2, 1)])
def test_what_is_no_pair_of_lora(b):
    told, _ = lines(zeros({"q.lora_A.weight": (2, 4), "q.lora_B.weight": b}))
    assert not any("LoRA" in what for what in told.values())


def test_an_averaged_model():
    told, notes = lines(
        zeros({"n_averaged": (), "module.fc.weight": (3, 2), "module.fc.bias": (3,)})
    )
    assert told["n_averaged"].startswith("how many models AveragedModel has averaged")
    assert notes[0].startswith('every other name begins with "module."')
    assert len(notes) == 1
    told, _ = lines(zeros({"n_averaged": (3,)}))
    assert told["n_averaged"].startswith("?")


MODEL = {"fc.weight": (3, 2), "fc.bias": (3,)}


@pytest.mark.parametrize("like", ["", "model."])
@pytest.mark.parametrize("start", ["ema.", "model_ema."])
@pytest.mark.parametrize("dots", [True, False])
def test_an_average_beside_the_model(start, like, dots):
    shapes = {like + name: shape for name, shape in MODEL.items()}
    shapes |= {start + (n if dots else n.replace(".", "")): shape for n, shape in MODEL.items()}
    shapes |= {f"{start}decay": (), f"{start}num_updates": ()}
    (told,) = facts(zeros(shapes))["states"]
    assert told["copies"] == [{"start": start, "like": like}]
    assert f'under(state, "{start[:-1]}") has it alone' in describe(zeros(shapes))


def test_other_names_below_ema_are_no_average():
    shapes = {"model.fc.weight": (3, 2), "ema.fc.weight": (3, 2), "ema.fc.bias": (3,)}
    assert facts(zeros(shapes))["states"][0]["copies"] == []
    assert facts(zeros({"ema.fc.weight": (3, 2)}))["states"][0]["copies"] == []


@pytest.mark.parametrize("name", ["config.json", "adapter_config.json"])
@pytest.mark.parametrize("folder", [True, False])
def test_config_beside_the_file_is_read(tmp_path, capsys, name, folder):
    save_safetensors(tmp_path / "model.safetensors", {"fc.weight": np.ones((3, 2), np.float32)})
    path = tmp_path if folder else tmp_path / "model.safetensors"
    assert main([str(path)]) == 0
    assert "no tensor tells" not in capsys.readouterr().out
    (tmp_path / name).write_text('{"num_attention_heads": 4, "lora_alpha": 16}')
    assert main([str(path)]) == 0
    assert "what no tensor tells: num_attention_heads 4, lora_alpha 16" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["[3]", "{", "[" * 100_000, "\udcff"])
def test_a_config_that_is_none_is_left_alone(tmp_path, capsys, text):
    np.savez(tmp_path / "a.npz", **{"fc.weight": np.ones((3, 2), np.float32)})
    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert main([str(tmp_path / "a.npz")]) == 0
    assert "no tensor tells" not in capsys.readouterr().out
