"""Each guard of ``describe`` against a claim that is not so: without it, the claim is made."""

import json
import re

import numpy as np
import pytest

from snippets import describe, which_layer
from tests import ROOT, SNIPPETS_DIR
from tests.sabotage import sabotaged
from tests.test_which_layer import zeros

TINY = json.loads((ROOT / "tests/models/families.json").read_text("utf-8"))
CONFIGS = {kind: config for kind, (config, _) in TINY.items()}
NORM = {"n.weight": (8,), "n.bias": (8,)}
STATISTICS = NORM | {"n.running_mean": (8,), "n.running_var": (8,)}
COUNTED = zeros(STATISTICS) | {"n.num_batches_tracked": np.array(3)}
EVEN = {"conv.weight": (8, 4, 2, 2)}
TABLE = {"a.weight": (7, 5)}
ONE = np.array([0.5])
OPTIMIZER = {"param_groups": [], "state": {0: {"a.b": np.ones(2)}}}
SCALES = {f"{name}.weight_scale_inv": np.array([[1.0, 2]]) for name in "ab"}
FP8 = SCALES | {f"{name}.weight": np.arange(200.0)[None] + i for i, name in enumerate("ab")}


def names(kind):
    return {name: tuple(shape) for name, shape in TINY[kind][1].items()}


def without(kind, part):
    return {name: shape for name, shape in names(kind).items() if part not in name}


# The guard: its line, the line without it, a state, and what is said of it; "not" what is not
DESCRIBE = {
    "a number of no axis is no table": (
        "and len(values.shape) > 0",
        "",
        COUNTED,
        "n.num_batches_tracked () int64 BatchNorm1d/2d/3d",
    ),
    "truth values are no weights": (
        '"u?int|bool"',
        '"u?int"',
        {"mask": np.ones((3, 3), bool)},
        "mask (3, 3) bool ? integers",
    ),
    "a prefix stands before all names": (
        "and all(short.startswith(prefix)",
        "and any(short.startswith(prefix)",
        {"module.fc.weight": (3, 5), "fc.bias": (3,)},
        "fc.bias (3,) float32 ?",
    ),
    "no two names become one": (
        "if len(set(clean.values())) == len(clean)",
        "if True",
        {"_orig_mod.weight": (3, 5), "weight": (3, 5)},
        "not hold",
    ),
    "gamma beside a weight is not it": (
        "name if plain in shapes else plain",
        "plain",
        {"n.gamma": (4,), "n.weight": (4,)},
        "n.gamma (4,) float32 ?",
    ),
    "matrices with a bias are Linears": (
        'own.keys() == {"weight"} and ',
        "",
        {"l.0.weight": (3, 4), "l.0.bias": (3,), "l.1.weight": (4, 5), "l.1.bias": (4,)},
        "not x @ weight",
    ),
    "squares follow one another either way": (
        " and any(a[0] != b[1] for a, b in pairs)",
        "",
        {"l.0.weight": (4, 4), "l.1.weight": (4, 4)},
        "not x @ weight",
    ),
    "lengths have the shape of lengths": (
        "lambda other, shape: is_length(other, shape)",
        "lambda other, shape: True",
        {"x_g": (7,), "x_v": (3, 5)},
        "not weight_norm",
    ),
    "lengths are along one axis": (
        "len(sizes) < 2 and ",
        "",
        {"x_g": (3, 5), "x_v": (3, 5)},
        "not weight_norm",
    ),
    "lengths are as many as slices": (
        "all(n == s for n, s in sizes)",
        "True",
        {"x_g": (4, 1), "x_v": (3, 5)},
        "not weight_norm",
    ),
    "a vector has no lengths": (
        "if len(directions) < 2 or not lengths",
        "if not lengths",
        {"x_g": (1,), "x_v": (5,)},
        "not weight_norm",
    ),
    "what has a weight is not made of parts": (
        "if weight in shapes or not",
        "if not",
        {"x": (3, 2), "x_g": (3, 1), "x_v": (3, 2)},
        "not weight_norm",
    ),
    "a mask has the shape of the weight": (
        "lambda other, shape: other == shape",
        "lambda other, shape: True",
        {"w_orig": (3, 2), "w_mask": (2,)},
        "not pruned",
    ),
    "LoRA's pair are matrices": (
        " and len(shapes[name]) == 2:\n            side",
        ":\n            side",
        {"q.lora_A.weight": (2, 3, 1), "q.lora_B.weight": (4, 2)},
        "not LoRA",
    ),
    "LoRA's pair has one rank": (
        ' and shapes[pair["A"]][0] == shapes[pair["B"]][1]',
        "",
        {"q.lora_A.weight": (2, 3), "q.lora_B.weight": (4, 5)},
        "not LoRA",
    ),
    "an average has names": (
        "if below and (below",
        "if (below",
        TABLE,
        "not average",
    ),
    "an average has the names of the model": (
        "(below <= rest - {start + name for name in below} or below <= short)",
        "True",
        {"ema.other.weight": (3, 5), "fc.weight": (3, 5)},
        "not average",
    ),
    "a count of models is one number": (
        " and shapes[name] == ()}",
        "}",
        {"n_averaged": (5,)},
        "not how many models",
    ),
    "control codes reach no terminal": (
        'return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)',
        "return name",
        {"a\x1b[2J": (2,)},
        r"a\x1b[2J",
    ),
    "an optimizer is no state_dict": (
        '"param_groups" in inner or ',
        "",
        {"model": zeros(TABLE), "opt": OPTIMIZER},
        "not ['state'][0] is a state_dict",
    ),
    "a loss beside a state_dict is none": (
        "and (dotted or not beside)",
        "",
        {"loss": np.array(0.5), "model": zeros(TABLE)},
        "not state is a state_dict",
    ),
    "a state_dict has names": (
        "all(isinstance(k, str) for k in mapping) and ",
        "",
        {0: np.ones(2)},
        "There is no state_dict here",
    ),
    "what is beside is cut": (
        "besides[: 2 * MOST]",
        "besides",
        {"m": zeros(TABLE)} | {f"x{i}": i for i in range(30)},
        "and 18 more",
    ),
    "a lone tensor lists few classes": (
        "if 0 < len(alone) <= MOST",
        "if 0 < len(alone)",
        {"bias": (7,)},
        "not by its own name",
    ),
    "rare classes stand below": (
        "[fit for fit in fits if fit.usual] or fits",
        "fits",
        TABLE,
        "less likely EmbeddingBag",
    ),
    "zeros are not tied": (
        'b"" if alike else some.tobytes()',
        "some.tobytes()",
        {"a.x": np.zeros(9), "b.x": np.zeros(9)},
        "not the same numbers",
    ),
    "one number is not tied": (
        " and bits.size > 1:",
        ":",
        {"a.x": ONE, "b.x": ONE},
        "not one array",
    ),
    "scales of quantised layers are not tied": (
        " if clean[k] not in settings}",
        "}",
        FP8,
        "not the same numbers",
    ),
    "a fused projection is called so": (
        'not FUSED.search(prefix.removesuffix(".")) or ',
        "",
        {"fc.weight": (12, 4), "fc.bias": (12,)},
        "not q, k and v",
    ),
    "a fused projection has three parts": (
        "if whole == 3 * single and any(",
        "if any(",
        {"qkv.weight": (8, 4), "qkv.bias": (8,)},
        "not q, k and v",
    ),
}
WHICH_LAYER = {
    "a matrix is no norm of its family": (
        "usual = [fit.layer for fit in fits if fit.usual]",
        "usual = [fit.layer for fit in fits]",
        names("llama"),
        "q_proj.weight (48, 48) float32 Linear without bias (out_features",
    ),
    "a clue speaks of classes that fit": (
        "if holds and layers & set(names.split()) and",
        "if holds and",
        {"head.weight": (8, 4, 3, 3)},
        "*kernel_size), by its kernel",
    ),
    "a number is not a module's name": (
        "if word and not word.isdigit()",
        "if word",
        {"to_out.0.weight": (9, 8)},
        "in_features), by its name",
    ),
    "a Conv1D is told once": (
        "if fits[:1] != either and is_transposed(own)",
        "if is_transposed(own)",
        {"c_fc.weight": (4, 9), "c_fc.bias": (9,)},
        "not Conv1D/",
    ),
    "a square is a Linear among Linears": (
        "if not any(fit.layer == CONV1D for _, _, fits in found for fit in fits):",
        "if not found:",
        {"fc.weight": (4, 4), "fc.bias": (4,)},
        "not Conv1D",
    ),
    "an even kernel tells nothing": (
        "and all(size % 2 for size in weight[2:])",
        "",
        EVEN,
        "or ConvTranspose2d",
    ),
    "a scale alone is no norm behind": (
        "len(behind) == 1 and entries_behind > 1",
        "len(behind) == 1",
        EVEN | {"n.weight": (8,)},
        "or ConvTranspose2d",
    ),
    "a norm behind a square kernel tells nothing": (
        "axes > 1 and norm_behind == rows and rows != columns",
        "axes > 1 and norm_behind == rows",
        {"conv.weight": (8, 8, 2, 2)} | NORM,
        "or ConvTranspose2d",
    ),
    "a norm behind a square embedding tells nothing": (
        "axes == 2 and norm_behind == rows and rows != columns",
        "axes == 2 and norm_behind == rows",
        {"emb.weight": (8, 8)} | NORM,
        "emb.weight (8, 8) float32 Embedding",
    ),
    "a depthwise kernel is not between": (
        "weight[1] > 1 and ",
        "",
        {"a.weight": (8, 1, 7, 7)} | NORM | {"fc.weight": (9, 8)},
        "n.weight (8,) float32 LayerNorm (*normalized_shape,), by its neighbours",
    ),
    "old statistics have no count": (
        'shapes.setdefault("num_batches_tracked", ())',
        "pass",
        STATISTICS,
        "n.weight (8,) float32 BatchNorm1d/2d/3d",
    ),
    "a class stores exactly these shapes": (
        "if {key: shape for key, (shape, _) in tensors.items()} == shapes:",
        "if tensors.keys() == shapes.keys():",
        {"weight": (7, 5), "bias": (8,)},
        "bias (8,) float32 ?",
    ),
    "groups divide the rows and the channels": (
        "if groups < 1 or weight[0] % groups or channels % groups:",
        "if groups < 1:",
        {"weight": (7, 5, 2, 2), "bias": (10,)},
        "? by its own name",
    ),
    "a head of clusters is a matrix": (
        "if len(head) != 2 or not tails or",
        "if not tails or",
        {"head.weight": (5,), "tail.0.0.weight": (2, 8), "tail.0.1.weight": (3, 2)},
        "head.weight (5,) float32 RMSNorm",
    ),
    "a tensor more hides no layer": (
        "if fits and (other or deeper):",
        "if fits and deeper:",
        {"conv.weight": (16, 3, 3, 3), "conv.bias": (16,), "conv.gain": (16,)},
        "conv.bias (16,) float32 Conv2d (",
    ),
    "the frequent class is first": (
        "fit.layer in SELDOM, ",
        "",
        TABLE,
        "Linear without bias (out_features, in_features) or Embedding",
    ),
    "groups are less likely": (
        "return not turned and",
        "return",
        {"weight": (9, 3, 2, 2), "bias": (9,)},
        "less likely ConvTranspose2d, which",
    ),
    "a norm over two axes is less likely": (
        "not over_several and ",
        "",
        TABLE,
        "less likely EmbeddingBag, RMSNorm",
    ),
    "classes that store what another does are less likely": (
        " and self.layer not in RARE",
        "",
        TABLE,
        "less likely EmbeddingBag",
    ),
}
LLAMA, GEMMA = CONFIGS["llama"], CONFIGS["gemma2"]
FAMILIES = {
    "a family has all of its marks": (
        "if all(re.search(mark",
        "if any(re.search(mark",
        {"fc.weight": (3, 5), "fc.bias": (3,)},
        "not ResNet",
    ),
    "a mark is a whole name's": (
        "re.search(mark, lines, re.M)",
        "re.search(mark, lines)",
        names("resnet18"),
        "torchvision's ResNet",
    ),
    "a head that is stored is not tied": (
        "if family.tied and not any(name.endswith(family.tied[0]) for name in names):",
        "if family.tied:",
        names("llama"),
        "not takes its place",
    ),
    "a head that is not tied is missing": (
        'if told.get("tie_word_embeddings") is False:',
        "if False:",
        names("gemma2"),
        "lm_head.weight is missing",
        GEMMA | {"tie_word_embeddings": False},
    ),
    "a head is tied to what is stored": (
        "elif stands:",
        "else:",
        without("gemma2", "embed"),
        "Gemma 2, by its names",
    ),
    "all layers are no shard": (
        "and len(layers) < count",
        "",
        names("llama"),
        "not a shard",
        LLAMA,
    ),
    "a layer that is used again is no shard": (
        "and layers and",
        "and",
        names("albert"),
        "not a shard",
        CONFIGS["albert"],
    ),
    "its own config.json raises no doubt": (
        "if isinstance(kind, str) and not known",
        "if isinstance(kind, str)",
        names("llama"),
        "not though",
        LLAMA,
    ),
    "a setting is a plain value": (
        " and type(value) in PLAIN",
        "",
        TABLE,
        "not eps",
        {"eps": [1]},
    ),
    "a setting has a whole name": (
        "SETTINGS.fullmatch(name)",
        "SETTINGS.match(name)",
        TABLE,
        "not return_dict",
        {"return_dict": True},
    ),
    "a setting has a name": (
        "if isinstance(name, str) and",
        "if",
        TABLE,
        "eps 1",
        {3: 4, "eps": 1},
    ),
}
GUARDS = [
    pytest.param((file, *case), id=name)
    for file, cases in (
        ("describe", DESCRIBE),
        ("which_layer", WHICH_LAYER),
        ("families", FAMILIES),
    )
    for name, case in cases.items()
]


def is_so(describe, state, says, config):
    """Return whether this is said of a state, or is not."""
    state = zeros(state) if all(type(shape) is tuple for shape in state.values()) else state
    text = re.sub(" +", " ", describe(state, config))
    return says.removeprefix("not ") not in text if says.startswith("not ") else says in text


@pytest.mark.parametrize("case", GUARDS)
def test_without_its_guard_it_says_what_is_not_so(case, monkeypatch):
    file, old, new, state, says, *config = case
    config = config[0] if config else None
    assert is_so(describe.describe, state, says, config)
    module = sabotaged(SNIPPETS_DIR / f"{file}.py", old, new)
    for name in ("modules_of", "norm_of", "family_of", "settings_of"):
        for user in (describe, which_layer):
            if file != "describe" and hasattr(module, name) and hasattr(user, name):
                monkeypatch.setattr(user, name, getattr(module, name))
    wrong = module.describe if file == "describe" else describe.describe
    try:
        assert not is_so(wrong, state, says, config)
    except (TypeError, ValueError, IndexError, KeyError):  # it ends where it had to be told
        return


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("if isinstance(found, dict)", "if found", "[1]"),
        ("except (ValueError, RecursionError)", "except RecursionError", "no JSON"),
        ("except (ValueError, RecursionError)", "except ValueError", "[" * 10**5),
        ("< MOST_BYTES", "< 2**30", '{"eps": 1}' + " " * 2**22),
    ],
)
def test_a_config_that_is_none_is_left_alone(tmp_path, old, new, text):
    (tmp_path / "config.json").write_text(text)
    assert describe.config_beside(tmp_path) is None
    try:
        found = sabotaged(SNIPPETS_DIR / "describe.py", old, new).config_beside(tmp_path)
    except (ValueError, RecursionError):
        return
    assert found is not None
