"""Each family by the names that its library gives, as tests/models/names.py wrote them down."""

import json
import re

import numpy as np
import pytest

from snippets.describe import describe, facts
from snippets.families import (
    FAMILIES,
    expanded,
    family_of,
    missing_of,
    norm_of,
    settings_of,
)
from snippets.models import gemma, gpt2, llama, mamba, t5, whisper
from snippets.models.blocks import read_config
from snippets.which_layer import modules_of
from tests import ROOT

TINY = json.loads((ROOT / "tests/models/families.json").read_text("utf-8"))
KINDS = {kind: family for family in FAMILIES for kind in family.types}
SAVED = [kind for kind in TINY if kind != "resnet18"]


def state_of(kind):
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in TINY[kind][1].items()}


@pytest.mark.parametrize("kind", SAVED)
def test_a_family_is_known_by_its_names(kind):
    config, names = TINY[kind]
    assert family_of(names)["name"] == KINDS[kind].name
    told = family_of(names, config)
    assert (told["name"], told["doubt"]) == (KINDS[kind].types[kind], "")
    assert len(told["rows"]) > 20


def test_there_are_many_families():
    assert {family_of(names)["name"] for _, names in TINY.values()} == {f.name for f in FAMILIES}
    assert len(FAMILIES) > 20


@pytest.mark.parametrize("kind", TINY)
def test_a_family_needs_all_of_its_marks(kind):
    names = TINY[kind][1]
    (family,) = [family for family in FAMILIES if family.name == family_of(names)["name"]]
    for mark in family.marks:
        others = [name for name in names if not re.search(mark, name)]
        assert (family_of(others) or {"name": ""})["name"] != family.name


def test_each_page_of_a_model_is_that_of_a_family():
    pages = {f"models/{path.name}" for path in (ROOT / "docs/en/models").glob("*.md")}
    assert {family.page for family in FAMILIES if family.page} == pages - {"models/index.md"}


@pytest.mark.parametrize("kind", TINY)
def test_a_family_decides_the_class_of_its_norms(kind):
    shapes = {name: tuple(shape) for name, shape in TINY[kind][1].items()}
    norms = [fits for _, own, fits in modules_of(shapes) if len(own.get("weight", ())) == 1]
    assert norms
    for fits in norms:
        decided = [fit.layer for fit in fits if fit.clue == "family"]
        assert decided == ([norm_of(shapes)] if norm_of(shapes) else [])


def test_a_family_decides_norms_alone():
    names = [f"model.layers.0.{part}.weight" for part in ("self_attn.q_proj", "mlp.gate_proj")]
    shapes = dict.fromkeys(names, (8, 8)) | {"model.layers.0.post_attention_layernorm.weight": (8,)}
    told = {prefix: fits[0] for prefix, _, fits in modules_of(shapes)}
    assert [(fit.layer, fit.clue) for fit in told.values()] == [
        ("Linear", "name"),
        ("Linear", "name"),
        ("RMSNorm", "family"),
    ]
    assert norm_of(names) == ""


def test_a_tied_head_takes_the_place_of_what_is_not_stored():
    config, names = TINY["gemma2"]
    embed = "lm_head.weight is not stored: model.embed_tokens.weight takes its place"
    assert family_of(names, config)["absent"] == [embed]
    untied = config | {"tie_word_embeddings": False}
    missing = "lm_head.weight is missing, and config.json does not tie it"
    assert family_of(names, untied)["absent"] == [missing]
    assert family_of([n for n in names if "embed" not in n])["absent"] == []
    assert family_of(TINY["llama"][1])["absent"] == []


def gpt2_config(config):
    return read_config(config, ["gpt2"], gpt2.GPT2_SIZES, gpt2.GPT2_DEFAULTS)


def t5_config(config):
    config = read_config(config, ["t5"], t5.T5_SIZES, t5.T5_DEFAULTS)
    return config | {"num_decoder_layers": config["num_decoder_layers"] or config["num_layers"]}


def whisper_config(config):
    return read_config(config, ["whisper"], whisper.WHISPER_SIZES, whisper.WHISPER_DEFAULTS)


SHAPES = {
    "gpt2": (gpt2_config, gpt2.gpt2_shapes),
    **dict.fromkeys(
        ["llama", "mistral", "qwen2", "qwen3"], (llama.llama_config, llama.llama_shapes)
    ),
    "gemma3_text": (gemma.gemma_config, gemma.gemma_shapes),
    "t5": (t5_config, t5.t5_shapes),
    "whisper": (whisper_config, whisper.whisper_shapes),
    "mamba": (mamba.mamba_config, mamba.mamba_shapes),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_what_is_absent_is_what_the_model_here_looks_for_in_vain(kind):
    """The family's list is shorter, and needs no config.json, which the model's wants whole."""
    config, names = TINY[kind]
    whole, shapes = SHAPES[kind]
    ends = {
        own: [name for name in names if f".{name}".endswith(f".{own}")]
        for own in shapes(whole(config))
    }
    assert {name for stored in ends.values() for name in stored} == set(names)
    missing = [own for own, stored in ends.items() if not stored]
    absent = family_of(names, config)["absent"]
    assert missing == [sentence.partition(" is not stored")[0] for sentence in absent]
    assert missing == [KINDS[kind].tied[0]] * bool(config["tie_word_embeddings"])


def test_a_shard_lacks_layers():
    config, names = TINY["llama"]
    first = [name for name in names if "layers.1." not in name]
    assert family_of(first, config)["absent"] == ["config.json has 2 layers, this file 1: a shard?"]
    assert family_of(*reversed(TINY["albert"]))["absent"] == []


def test_a_config_of_another_family_is_said():
    told = family_of(TINY["llama"][1], {"model_type": "bert"})
    assert (told["name"], told["doubt"]) == ("Llama or Mistral", "config.json says bert")
    assert "though config.json says bert" in describe(state_of("llama"), {"model_type": "bert"})


def test_other_names_are_of_no_family():
    assert family_of(["fc.weight", "fc.bias"]) is None
    assert family_of([]) is None


def test_what_no_tensor_tells():
    config = {"num_attention_heads": 6, "rms_norm_eps": 1e-6, "vocab_size": 61, "eps": [1], 3: 4}
    config |= {"rope_parameters": {"rope_theta": 1e4, "rope_type": "default"}}
    found = {"num_attention_heads": 6, "rms_norm_eps": 1e-6, "rope_theta": 1e4}
    assert settings_of(config) == found
    assert settings_of(None) == settings_of({"rope_parameters": 3}) == {}


def test_describe_says_family_heads_and_what_is_tied():
    text = describe(state_of("qwen3"), TINY["qwen3"][0])
    assert "\n- Qwen3, by its names: rows of q, k and v are heads" in text
    assert "num_attention_heads 6, num_key_value_heads 2, rms_norm_eps 1e-06" in text
    assert "\n- lm_head.weight is not stored: transformer.wte.weight" in describe(state_of("gpt2"))


def test_lightning_keeps_them_in_the_file():
    state = {"state_dict": {"fc.weight": np.ones((3, 2))}, "hyper_parameters": {"nhead": 4}}
    (told,) = facts(state)["states"]
    assert told["settings"] == {"nhead": 4}
    assert facts(state, {"nhead": 5})["states"][0]["settings"] == {"nhead": 5}


# ---- What its layers should have ----

LISTED = [kind for kind in TINY if kind in KINDS and KINDS[kind].layers]


@pytest.mark.parametrize("kind", TINY)
def test_nothing_is_missing_from_what_the_library_stores(kind):
    config, names = TINY[kind]
    assert missing_of(names) == missing_of(names, config) == []
    assert facts(state_of(kind), config)["states"][0]["missing"] == []


@pytest.mark.parametrize("kind", LISTED)
def test_each_tensor_of_a_layer_is_missed(kind):
    """All that the library stores below the number of a layer, but what only some layers have."""
    _, names = TINY[kind]
    once = r"relative_attention_bias|DenseReluDense\.wi|conv1d\.bias|[qkv]_proj\.bias"
    inner = [name for name in names if re.search(r"(h|layers?|block)\.1\.", name)]
    inner = [name for name in inner if not re.search(once, name)]
    others = {name: [other for other in names if other != name] for name in inner}
    others = {name: rest for name, rest in others.items() if family_of(rest) == family_of(names)}
    assert len(others) > 5
    for name, rest in others.items():
        assert missing_of(rest) == [name]


def test_there_are_lists_of_layers():
    assert {KINDS[kind].name for kind in LISTED} == {f.name for f in FAMILIES if f.layers}
    assert len(LISTED) > 14


def test_a_layer_that_lacks_something_is_told():
    config, names = TINY["llama"]
    lost = ["model.layers.0.self_attn.v_proj.weight", "model.norm.weight"]
    some = {name: array for name, array in state_of("llama").items() if name not in lost}
    (told,) = facts(some, config)["states"]
    assert told["missing"] == lost
    assert f"- missing from this file: {', '.join(told['missing'])}\n" in describe(some, config)
    for other in ({"model_type": "bert"}, {"model_type": "deepseek_v2"}):
        assert missing_of(some, other) == []
    whole = [name for name in names if ".layers.0." not in name]
    assert missing_of(whole) == []  # a shard that begins later on
    third = [name.replace(".1.", ".2.") for name in names]
    gone = missing_of(third)
    assert len(gone) == 9
    assert all(name.startswith("model.layers.1.") for name in gone)


@pytest.mark.parametrize(
    "more",
    [
        "model.layers.0.mlp.experts.3.gate_proj.weight",
        "vision_tower.layers.0.mlp.gate_proj.weight",
        "model.layers.900000.mlp.gate_proj.weight",
    ],
)
def test_of_a_variant_nothing_is_said(more):
    names = [name for name in TINY["llama"][1] if "layers.1.self_attn.k_proj" not in name]
    assert len(missing_of(names)) == 1
    assert missing_of([*names, more]) == []


def test_what_need_not_be_stored_is_not_missed():
    llama, gpt2 = TINY["llama"][1], TINY["gpt2"][1]
    assert missing_of([*llama, "model.layers.0.self_attn.rotary_emb.inv_freq"]) == []
    assert missing_of([*gpt2, "transformer.h.0.attn.bias", "lm_head.weight"]) == []
    assert missing_of([name.removeprefix("transformer.") for name in gpt2]) == []
    encoder = [name for name in TINY["t5"][1] if not name.startswith("decoder")]
    assert family_of(encoder)["name"] == "T5"
    assert missing_of(encoder) == []
    assert missing_of(["fc.weight"]) == []


def test_patterns():
    assert expanded("{a,b}.c.{d,e}") == ["a.c.d", "a.c.e", "b.c.d", "b.c.e"]
    assert expanded("a.c") == ["a.c"]
