"""Gemma 3 equals transformers: golden arrays here, the library itself where it is installed."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.models import blocks, gemma
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
from tests.shape_comments import executed

GOLDEN = read_golden("gemma")
SIZES = {
    "vocab_size": 19,
    "hidden_size": 12,
    "intermediate_size": 9,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 99,
    "rms_norm_eps": 0.1,
    "query_pre_attn_scalar": 5,
    "sliding_window": 3,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
ROPE = {
    "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 300.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
}


def model_of(spread=True, **options):
    """Return the library's model."""
    transformers = library.load()
    rope = {kind: dict(rope) for kind, rope in ROPE.items()}
    options = SIZES | {"rope_parameters": rope, "bos_token_id": 0, "eos_token_id": 0} | options
    config = transformers.Gemma3TextConfig(**options)
    model = library.made(transformers.Gemma3ForCausalLM, config, spread=spread)
    model.model.embed_tokens.embed_scale.fill_(config.hidden_size**0.5)  # it was float32
    return model


def golden_cases():
    """Return {case: (config, weights, arrays)} as the library makes them."""
    other = {"attention_bias": True, "final_logit_softcapping": 2.0, "tie_word_embeddings": False}
    models = {
        "default": (model_of(spread=False), None),
        "spread": (model_of(), "left"),
        "other": (model_of(**other), None),
    }
    return {
        name: (*library.stored(model), library.arrays_of(model, side))
        for name, (model, side) in models.items()
    }


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    agrees(gemma, *GOLDEN[case])


def test_float32_stays_and_is_near():
    _, _, arrays = GOLDEN["spread"]
    config, weights = read_folder("gemma")
    logits = gemma.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real].astype(np.float32), 1e-5)


def test_the_cache_equals_the_whole_and_padding_changes_nothing():
    config, weights, arrays = GOLDEN["spread"]
    cache_equals_whole(gemma, arrays["ids"], weights, config)
    cache_equals_whole(gemma, arrays["ids"], weights, config, padding(5, 7, "left"))
    padding_changes_nothing(gemma, arrays["ids"], weights, config)


def test_how_configs_were_written_before_version_5():
    config, weights, arrays = GOLDEN["spread"]
    older = {name: value for name, value in config.items() if name != "rope_parameters"}
    older |= {"rope_theta": 300.0, "rope_local_base_freq": 50.0}
    older |= {"rope_scaling": {"type": "linear", "factor": 2.0}}
    agrees(gemma, older, weights, arrays)
    del older["layer_types"]
    kinds = gemma.gemma_config(older | {"num_hidden_layers": 7})["layer_types"]
    assert kinds == ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"]
    kinds = gemma.gemma_config(older | {"sliding_window_pattern": 2})["layer_types"]
    assert kinds == SIZES["layer_types"]
    plain = {"model_type": "gemma3_text"} | dict.fromkeys(blocks.DECODER_SIZES, 8)
    rope = gemma.gemma_config(plain)["rope"]
    assert {kind: r["rope_theta"] for kind, r in rope.items()} == {
        "full_attention": 1e6,
        "sliding_attention": 1e4,
    }


def test_entries_that_old_configs_lack():
    for config, weights, arrays in GOLDEN.values():
        defaults = gemma.GEMMA_DEFAULTS
        lacks = [name for name, value in defaults.items() if config.get(name) == value]
        older = {name: value for name, value in config.items() if name not in lacks}
        agrees(gemma, older, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        agrees(model, *case)
    config, weights, arrays = GOLDEN["spread"]
    cache_equals_whole(model, arrays["ids"], weights, config, arrays["mask"])
    padding_changes_nothing(model, arrays["ids"], weights, config)


SABOTAGES = {
    "weights of norms as they are": ("1 + weight, eps=eps", "weight, eps=eps"),
    "embedding as it is": ('config["hidden_size"] ** 0.5, x.dtype', "1, x.dtype"),
    "scale by the size of a head": (
        'config["query_pre_attn_scalar"] ** -0.5',
        'config["head_dim"] ** -0.5',
    ),
    "one base for all layers": ("turns[kind]", 'turns["full_attention"]'),
    "kinds exchanged": ('kind == "sliding_attention"', 'kind != "sliding_attention"'),
    "no window": ('config["sliding_window"] if kind', "None if kind"),
    "exact gelu": (
        '"gelu_pytorch_tanh": lambda x: gelu(x, "tanh")',
        '"gelu_pytorch_tanh": gelu',
    ),
    "norm after attention left out": (
        'norm_plus_one(h, **part(f"{name}.post_attention_layernorm"), eps=eps)',
        "h",
    ),
    "norm after the MLP left out": (
        'norm_plus_one(h, **part(f"{name}.post_feedforward_layernorm"), eps=eps)',
        "h",
    ),
    "as Llama's norm before the MLP": (
        "{name}.pre_feedforward_layernorm",
        "{name}.post_attention_layernorm",
    ),
    "norm of q for k": ('**part(f"{name}.k_norm")', '**part(f"{name}.q_norm")'),
    "no norm at the end": ('norm_plus_one(x, **part("norm"), eps=eps)', "x"),
    "no cap": ("if cap := config", "if False and config"),
    "eps forgotten": ('ids.shape[1], config["rms_norm_eps"]', "ids.shape[1], 1e-6"),
    "pairs side by side": ("a, b = np.split(x, 2, axis=-1)", "a, b = x[..., ::2], x[..., 1::2]"),
    "linear forgotten": ('rope["rope_type"] == "linear"', "False"),
    "the head is the embedding, always": ('part("lm_head") or ', ""),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("gemma", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(gemma)


def test_shape_comments():
    config, weights, arrays = GOLDEN["spread"]
    cache, ids = [], arrays["ids"]
    gemma.forward(ids[:, :3], weights, config, cache=cache)
    with executed(MODELS / "gemma.py") as (module, sizes):
        sizes.update(batch=5, time=4, source=7, hidden_size=12)
        module.forward(ids[:, 3:], weights, config, cache=cache)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, _ in GOLDEN.values():
        names = {name.removeprefix("model."): array.shape for name, array in weights.items()}
        shapes = gemma.gemma_shapes(gemma.gemma_config(config))
        if config["tie_word_embeddings"]:
            assert "lm_head.weight" not in names
            del shapes["lm_head.weight"]
        assert names == shapes


def refused(message, **changed):
    config, weights, arrays = GOLDEN["spread"]
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        gemma.forward(arrays["ids"], weights, config | changed)
    assert str(info.value) == message


def test_a_tensor_too_many_is_refused():
    config, weights, arrays = GOLDEN["spread"]
    more = weights | {"model.layers.0.mlp.gate_proj.bias": np.zeros(9)}
    with pytest.raises(ValueError, match="does not speak of"):
        gemma.forward(arrays["ids"], more, config)


def test_what_is_not_done_here_is_refused():
    refused(
        "model_type is 'gemma2', expected gemma3_text: is config.json another model's?",
        model_type="gemma2",
    )
    refused("num_key_value_heads, 4, does not divide num_attention_heads, 6", num_key_value_heads=4)
    refused("attn_logit_softcapping is 50.0, which is not done here", attn_logit_softcapping=50.0)
    refused(
        "use_bidirectional_attention is True, which is not done here",
        use_bidirectional_attention=True,
    )


# What only a live comparison tells.


@st.composite
def cases(draw):
    key_heads, layers = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    heads = key_heads * draw(st.integers(1, 3))
    kinds = st.sampled_from(["full_attention", "sliding_attention"])
    options = {
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "head_dim": 2 * draw(st.integers(1, 4)),
        "hidden_size": heads * draw(st.integers(1, 4)),
        "num_hidden_layers": layers,
        "layer_types": draw(st.lists(kinds, min_size=layers, max_size=layers)),
        "sliding_window": draw(st.integers(1, 4)),
        "spread": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "attention_bias": draw(st.booleans()),
        "final_logit_softcapping": draw(st.sampled_from([None, 3.0])),
    }
    side = draw(st.sampled_from([None, "left", "right"]))
    return options, side, draw(st.integers(1, 3)), draw(st.integers(1, 8))


@NEEDED
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_equals_the_library(case, monkeypatch):
    options, side, batch, time = case
    with in_float64(monkeypatch):
        model = model_of(**options)
        config, weights = library.stored(model)
        arrays = library.arrays_of(model, side, batch, time, steps=0)
    logits = gemma.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real])


@NEEDED
@pytest.mark.parametrize("spread", [True, False])
def test_equals_the_library_in_float32(spread):
    model = model_of(spread)
    config, weights = library.stored(model.float())
    arrays = library.arrays_of(model, "left", steps=0)
    logits = gemma.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real], 1e-5)


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("gemma", monkeypatch)


@NEEDED
def test_the_defaults_are_those_of_the_library():
    config = library.load().Gemma3TextConfig()
    defaults = {k: v for k, v in gemma.GEMMA_DEFAULTS.items() if k != "layer_types"}
    assert {name: getattr(config, name) for name in defaults} == defaults
