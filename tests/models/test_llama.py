"""Llama, Mistral, Qwen2 and Qwen3 equal transformers: golden arrays, and the library itself."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.models import llama
from tests.models import library
from tests.models.decoders import (
    MODELS,
    agrees,
    broken,
    cache_equals_whole,
    near,
    padding,
    padding_changes_nothing,
)
from tests.models.library import NEEDED, in_float64, read_folder, read_golden
from tests.models.test_rotary import LLAMA3
from tests.parity import FLOAT64
from tests.shape_comments import executed

GOLDEN = read_golden("llama")
SIZES = {
    "vocab_size": 19,
    "hidden_size": 12,
    "intermediate_size": 9,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 99,
    "rms_norm_eps": 0.1,
}
ROPES = {
    "yarn": {"rope_type": "yarn", "factor": 3.0, "original_max_position_embeddings": 300},
    "dynamic": {"rope_type": "dynamic", "factor": 2.0},
    "longrope": {
        "rope_type": "longrope",
        "original_max_position_embeddings": 20,
        "short_factor": [1.0, 1.25, 2.0, 2.5],
        "long_factor": [1.5, 3.0, 5.0, 9.0],
    },
}
CLASSES = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}


def model_of(kind="llama", spread=True, rope=None, **options):
    """Return the library's model of a kind."""
    transformers = library.load()
    rope = {"rope_type": "default", "rope_theta": 100.0} | (rope or {})
    options = SIZES | {"rope_parameters": rope, "bos_token_id": 0, "eos_token_id": 0} | options
    config = getattr(transformers, f"{CLASSES[kind]}Config")(**options)
    model = getattr(transformers, f"{CLASSES[kind]}ForCausalLM")
    return library.made(model, config, spread=spread)


def golden_cases():
    """Return {case: (config, weights, arrays)} as the library makes them."""
    square = {"hidden_size": 24, "head_dim": 4}
    slides = {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}
    models = {
        "default": (model_of(spread=False, **square), None),
        "spread": (model_of(rope=LLAMA3), "left"),
        "biased": (model_of(attention_bias=True, mlp_bias=True, tie_word_embeddings=True), None),
        "mistral": (model_of("mistral", sliding_window=3), "left"),
        "qwen2": (model_of("qwen2", rope={"rope_type": "linear", "factor": 2.0}, **slides), None),
        "qwen3": (model_of("qwen3", head_dim=6), "right"),
        "yarn": (model_of(rope=ROPES["yarn"] | {"beta_fast": 8}), "left"),
        "dynamic": (model_of(rope=ROPES["dynamic"], max_position_embeddings=9), None),
        "longrope": (model_of(rope=ROPES["longrope"]), None),
    }
    return {
        name: (*library.stored(model), library.arrays_of(model, side, steps=64 * (side != "right")))
        for name, (model, side) in models.items()
    }


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    agrees(llama, *GOLDEN[case])


def test_float32_stays_and_is_near():
    _, _, arrays = GOLDEN["spread"]
    config, weights = read_folder("llama")
    logits = llama.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real].astype(np.float32), 1e-5)


@pytest.mark.parametrize("case", ["spread", "mistral", "qwen3"])
def test_the_cache_equals_the_whole_and_padding_changes_nothing(case):
    config, weights, arrays = GOLDEN[case]
    cache_equals_whole(llama, arrays["ids"], weights, config)
    cache_equals_whole(llama, arrays["ids"], weights, config, padding(5, 7, "left"))
    padding_changes_nothing(llama, arrays["ids"], weights, config)


def test_files_without_the_prefix_and_with_what_is_computed():
    config, weights, arrays = GOLDEN["biased"]
    older = {name.removeprefix("model."): array for name, array in weights.items()}
    older |= {f"layers.{i}.self_attn.rotary_emb.inv_freq": np.ones(4) for i in range(2)}
    agrees(llama, config, older, arrays)


def test_how_configs_were_written_before_version_5():
    config, weights, arrays = GOLDEN["spread"]
    older = {name: value for name, value in config.items() if name != "rope_parameters"}
    agrees(llama, older | {"rope_theta": 100.0, "rope_scaling": LLAMA3}, weights, arrays)


def test_entries_that_old_configs_lack():
    for case, (config, weights, arrays) in GOLDEN.items():
        defaults = llama.LLAMA_DEFAULTS[config["model_type"]] | llama.LLAMA_SHARED
        lacks = [name for name, value in defaults.items() if config.get(name) == value]
        if case == "qwen2":  # as it was before it listed the kind of each layer
            lacks.append("layer_types")
        if case == "default":  # both follow from other sizes
            lacks += ["head_dim"]
        older = {name: value for name, value in config.items() if name not in lacks}
        assert older != config
        agrees(llama, older, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for config, weights, arrays in GOLDEN.values():
        agrees(model, config, weights, arrays)
    config, weights, arrays = GOLDEN["qwen2"]
    agrees(model, config | {"layer_types": None}, weights, arrays)
    config, weights, arrays = GOLDEN["mistral"]
    cache_equals_whole(model, arrays["ids"], weights, config, arrays["mask"])
    padding_changes_nothing(model, arrays["ids"], weights, config)


SABOTAGES = {
    "pairs side by side, as Meta stores them": (
        "a, b = np.split(x, 2, axis=-1)",
        "a, b = x[..., ::2], x[..., 1::2]",
    ),
    "turned the other way": (
        "[a * cos - b * sin, b * cos + a * sin]",
        "[a * cos + b * sin, b * cos - a * sin]",
    ),
    "halves exchanged": ("a, b = np.split(x, 2", "b, a = np.split(x, 2"),
    "values turned, too": ("k, v = remember(", "v = turn_halves(v, *turn)\n    k, v = remember("),
    "q not turned": ("turn_halves(q, *turn), turn_halves(k", "q, turn_halves(k"),
    "positions start anew": (
        "token_positions(mask, time), config",
        "token_positions(mask, time) * (time > 1), config",
    ),
    "the base forgotten": ('base, kind = rope["rope_theta"]', "base, kind = 10000.0"),
    "frequencies of all features": (
        "np.arange(0, head_dim, 2) / head_dim",
        "np.arange(0, head_dim // 2) / head_dim",
    ),
    "dynamic forgotten": ('kind == "dynamic"', "False"),
    "dynamic from the first token": (
        'max(length / rope["max_position_embeddings"], 1)',
        'length / rope["max_position_embeddings"]',
    ),
    "yarn forgotten": (
        'kind == "yarn":\n        return',
        'kind == "yarn" and False:\n        return',
    ),
    "yarn exchanged": ("(1 - slowed) * freq", "slowed * freq"),
    "yarn's ends exchanged": ("first, last = (size *", "last, first = (size *"),
    "the tables not scaled": ('np.cos(angles) * rope["attention_factor"]', "np.cos(angles)"),
    "short, always": ("long = length >", "long = False and length >"),
    "long, always": ("long = length >", "long = True or length >"),
    "long one token too soon": ("long = length >", "long = length >="),
    "llama3 forgotten": ('kind == "llama3"', "False"),
    "linear forgotten": ('kind == "linear"', "False"),
    "llama3 slows all": ("(1 - kept) * frequencies / rope", "frequencies / rope"),
    "low and high exchanged": (
        'rope["low_freq_factor"], rope["high_freq_factor"]',
        'rope["high_freq_factor"], rope["low_freq_factor"]',
    ),
    "keys in turn, head h reads h % groups": (
        "a.repeat(query.shape[-3] // a.shape[-3], axis=-3)",
        "np.tile(a, (query.shape[-3] // a.shape[-3], 1, 1))",
    ),
    "up for gate": (
        'act(project(h, **part(f"layers.{i}.mlp.gate_proj")))',
        'act(project(h, **part(f"layers.{i}.mlp.up_proj")))',
    ),
    "no activation": ("gate = act(project(h,", "gate = (project(h,"),
    "norm of q left out": ('if part(f"{name}.q_norm")', "if False"),
    "norm of q for k": ('**part(f"{name}.k_norm")', '**part(f"{name}.q_norm")'),
    "nothing turned": ("q, k = turn_halves(q, *turn), turn_halves(k, *turn)\n", ""),
    "eps outside the root": ("np.sqrt(mean_square + eps)", "(np.sqrt(mean_square) + eps)"),
    "eps forgotten": (
        'config["hidden_size"], config["rms_norm_eps"]',
        'config["hidden_size"], 1e-6',
    ),
    "norms exchanged": ('post_attention_layernorm"), eps', 'input_layernorm"), eps'),
    "final norm left out": ('rms_norm(x, hidden_size, **part("norm"), eps=eps)', "x"),
    "attention not added": ("x = x + h  #", "x = h  #"),
    "q_proj transposed where it is square": (
        'project(x, **part(f"{name}.{n}_proj"))',
        "project(x, **{k: w.T if w.shape == w.T.shape else w for k, w in"
        ' part(f"{name}.{n}_proj").items()})',
    ),
    "embedding scaled, as Gemma's": (
        'embedding(ids, **part("embed_tokens"))',
        'hidden_size**0.5 * embedding(ids, **part("embed_tokens"))',
    ),
    "attention added to the norm": ("x = x + h  #", "x = rms_norm(x, 12, eps=eps) + h  #"),
    "weights of norms plus 1, as Gemma's": (
        'part("norm"), eps=eps)',
        'part("norm"), eps=eps) + rms_norm(x, hidden_size, eps=eps)',
    ),
    "divided by the head's size, not its root": (
        "enable_gqa=True)",
        "enable_gqa=True, scale=1 / head_dim)",
    ),
    "tables rounded to float32": (
        "cos, sin = cos.astype(x.dtype), sin.astype(x.dtype)",
        "cos, sin = (a.astype(np.float32).astype(x.dtype) for a in (cos, sin))",
    ),
    "no window": ('return config["sliding_window"] if slides else None', "return None"),
    "the window one too long": ("- window", "- window - 1"),
    "a window in all layers": ("kinds else late", "kinds else True"),
    "tokens to come are seen": (
        "np.tri(time, source, source - time",
        "np.tri(time, source, source",
    ),
    "the head is the embedding, always": ('part("lm_head") or ', ""),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("llama", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(llama)


def test_shape_comments():
    config, weights, arrays = GOLDEN["spread"]
    cache, ids = [], arrays["ids"]
    llama.forward(ids[:, :3], weights, config, cache=cache)
    with executed(MODELS / "llama.py") as (module, sizes):
        sizes.update(batch=5, time=4, source=7, hidden_size=12, intermediate_size=9)
        module.forward(ids[:, 3:], weights, config, cache=cache)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, _ in GOLDEN.values():
        names = {name.removeprefix("model."): array.shape for name, array in weights.items()}
        shapes = llama.llama_shapes(llama.llama_config(config))
        if config["tie_word_embeddings"]:
            assert "lm_head.weight" not in names
            del shapes["lm_head.weight"]
        assert names == shapes


def refused(message, **changed):
    config, weights, arrays = GOLDEN["spread"]
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        llama.forward(arrays["ids"], weights, config | changed)
    assert str(info.value) == message


def test_a_config_of_another_model_is_refused():
    refused(
        "model_type is 'gemma', expected llama or mistral or qwen2 or qwen3: is config.json "
        "another model's?",
        model_type="gemma",
    )
    refused("num_key_value_heads, 4, does not divide num_attention_heads, 6", num_key_value_heads=4)


# What only a live comparison tells.


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(sorted(CLASSES)))
    key_heads, head_dim = draw(st.integers(1, 3)), 2 * draw(st.integers(1, 4))
    heads = key_heads * draw(st.integers(1, 3))
    layers = draw(st.integers(1, 3))
    rope = draw(
        st.sampled_from([None, LLAMA3, {"rope_type": "linear", "factor": 3.0}, *ROPES.values()])
    )
    if rope and rope["rope_type"] == "yarn":
        rope = rope | {
            "beta_fast": draw(st.integers(2, 9)),
            "beta_slow": draw(st.integers(1, 2)),
            "truncate": draw(st.booleans()),
            "mscale": draw(st.sampled_from([None, 1.5])),
            "mscale_all_dim": draw(st.sampled_from([None, 0.5])),
            "attention_factor": draw(st.sampled_from([None, 0.8])),
        }
    if rope and rope["rope_type"] == "longrope":
        rope = (
            rope
            | {name: [1 + i / 4 for i in range(head_dim // 2)] for name in ("short_factor",)}
            | {"long_factor": [1 + i for i in range(head_dim // 2)]}
        )
        rope["original_max_position_embeddings"] = draw(st.integers(2, 9))
    if rope and rope["rope_type"] == "dynamic":
        head_dim += 2  # the library divides by head_dim - 2

    options = {
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "head_dim": head_dim,
        "hidden_size": heads * draw(st.integers(1, 4)),
        "num_hidden_layers": layers,
        "spread": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "hidden_act": draw(st.sampled_from(["silu", "gelu_pytorch_tanh"])),
        "rope": rope,
        "max_position_embeddings": draw(st.sampled_from([4, 99])),
    }
    if kind == "qwen2":  # its head_dim is no argument
        options |= {"hidden_size": heads * head_dim, "head_dim": head_dim}
    if kind in ("llama", "qwen3"):
        options["attention_bias"] = draw(st.booleans())
    if kind == "llama":
        options["mlp_bias"] = draw(st.booleans())
    if kind == "mistral":
        options["sliding_window"] = draw(st.sampled_from([None, 1, 3]))
    if kind.startswith("qwen") and draw(st.booleans()):
        options |= {"use_sliding_window": True, "sliding_window": draw(st.integers(1, 4))}
        options["max_window_layers"] = draw(st.integers(0, 3))
    side = draw(st.sampled_from([None, "left", "right"]))
    return kind, options, side, draw(st.integers(1, 3)), draw(st.integers(1, 8))


@NEEDED
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_equals_the_library(case, monkeypatch):
    kind, options, side, batch, time = case
    with in_float64(monkeypatch):
        model = model_of(kind, **options)
        config, weights = library.stored(model)
        arrays = library.arrays_of(model, side, batch, time, steps=0)
    logits = llama.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    rough = model.config.rope_parameters["rope_type"] == "dynamic"  # its base is raised in float32
    near(logits[real], arrays["logits"][real], 1e-8 if rough else FLOAT64)


@NEEDED
@pytest.mark.parametrize("spread", [True, False])
@pytest.mark.parametrize("kind", CLASSES)
def test_equals_the_library_in_float32(kind, spread):
    options = {"hidden_size": 48} if kind == "qwen2" else {}
    model = model_of(kind, spread, **options)
    config, weights = library.stored(model.float())
    arrays = library.arrays_of(model, "left", steps=0)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    logits = llama.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real], 1e-5)


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("llama", monkeypatch)


@NEEDED
@pytest.mark.parametrize("kind", CLASSES)
def test_the_defaults_are_those_of_the_library(kind):
    config = getattr(library.load(), f"{CLASSES[kind]}Config")()
    defaults = llama.LLAMA_DEFAULTS[kind] | llama.LLAMA_SHARED
    # None stands for what follows from other entries.
    told = {name: value for name, value in defaults.items() if value is not None}
    if kind.startswith("qwen"):  # the library forgets it where no layer has a window
        del told["sliding_window"]
    assert {name: getattr(config, name) for name in told} == told
