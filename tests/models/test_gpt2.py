"""GPT-2 equals transformers: golden arrays here, the library itself where it is installed."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.models import gpt2
from snippets.models.blocks import ACTIVATIONS
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

GOLDEN = read_golden("gpt2")
SIZES = {"vocab_size": 29, "n_positions": 75, "n_embd": 12, "n_layer": 2, "n_head": 3}


def model_of(spread=True, **options):
    """Return the library's model, with an eps that matters."""
    transformers = library.load()
    config = transformers.GPT2Config(
        **SIZES
        | {"n_inner": 17, "layer_norm_epsilon": 0.1, "bos_token_id": 0, "eos_token_id": 0}
        | options
    )
    return library.made(transformers.GPT2LMHeadModel, config, spread=spread)


def golden_cases():
    """Return {case: (config, weights, arrays)} as the library makes them."""
    scaled = {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True}
    models = {
        "default": (model_of(spread=False), None),
        "spread": (model_of(), "left"),
        "untied": (model_of(tie_word_embeddings=False, activation_function="gelu", **scaled), None),
    }
    return {
        name: (*library.stored(model), library.arrays_of(model, side))
        for name, (model, side) in models.items()
    }


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    agrees(gpt2, *GOLDEN[case])


def test_float32_stays_and_is_near():
    _, _, arrays = GOLDEN["spread"]
    config, weights = read_folder("gpt2")
    logits = gpt2.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real].astype(np.float32), 1e-5)


def test_the_cache_equals_the_whole():
    config, weights, arrays = GOLDEN["spread"]
    cache_equals_whole(gpt2, arrays["ids"], weights, config)
    cache_equals_whole(gpt2, arrays["ids"], weights, config, padding(5, 7, "left"))


def test_padding_changes_nothing():
    config, weights, arrays = GOLDEN["spread"]
    padding_changes_nothing(gpt2, arrays["ids"], weights, config)


def test_a_draw_is_repeatable_and_follows_the_logits():
    config, weights, _ = GOLDEN["default"]
    ids = np.zeros((4000, 1), int)
    drawn, again = (
        gpt2.generate(ids, weights, config, 1, temperature=0.5, rng=np.random.default_rng(7))
        for _ in range(2)
    )
    np.testing.assert_array_equal(drawn, again)
    weight = np.exp(gpt2.forward(ids[:1], weights, config)[0, 0] / 0.5)
    share = np.bincount(drawn[:, 0], minlength=29) / 4000
    assert np.abs(share - weight / weight.sum()).max() < 0.02
    assert gpt2.generate(ids[:2], weights, config, 3, temperature=1).shape == (2, 3)
    assert gpt2.generate(ids[:2], weights, config, 0).shape == (2, 0)


def test_files_without_the_prefix_and_with_what_is_computed():
    config, weights, arrays = GOLDEN["spread"]
    older = {name.removeprefix("transformer."): array for name, array in weights.items()}
    older |= {f"h.{i}.attn.bias": np.tri(75)[None, None] for i in range(2)}
    older |= {f"h.{i}.attn.masked_bias": np.array(-1e4) for i in range(2)}
    agrees(gpt2, config, older, arrays)


def test_entries_that_old_configs_lack():
    config, weights, arrays = GOLDEN["spread"]
    for name in gpt2.GPT2_DEFAULTS:
        if config[name] == gpt2.GPT2_DEFAULTS[name]:
            agrees(gpt2, {k: v for k, v in config.items() if k != name}, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        agrees(model, *case)
    config, weights, arrays = GOLDEN["spread"]
    cache_equals_whole(model, arrays["ids"], weights, config, arrays["mask"])
    padding_changes_nothing(model, arrays["ids"], weights, config)


SABOTAGES = {
    "Conv1D read as nn.Linear where it is square": (
        "project(x, weight.T, bias)",
        "project(x, weight if len(weight) == len(bias) else weight.T, bias)",
    ),
    "k before q": ("q, k, v = np.split", "k, q, v = np.split"),
    "v before k": ("q, k, v = np.split", "q, v, k = np.split"),
    "heads interleaved": (
        "x.reshape(batch, time, features // head_dim, head_dim)",
        "x.reshape(batch, time, head_dim, features // head_dim).swapaxes(2, 3)",
    ),
    "heads joined as they lie": (
        "x.swapaxes(1, 2).reshape(batch, time, heads * head_dim)",
        "x.reshape(batch, time, heads * head_dim)",
    ),
    "no scale": ('head_dim**-0.5 if config["scale_attn_weights"] else 1.0', "1.0"),
    "always a scale": ('head_dim**-0.5 if config["scale_attn_weights"] else 1.0', "head_dim**-0.5"),
    "no scale by layer": ('if config["scale_attn_by_inverse_layer_idx"]', "if False"),
    "layers from 0": ("(layer + 1)", "(layer + 2)"),
    "exact gelu": ('"gelu_new": lambda x: gelu(x, "tanh")', '"gelu_new": gelu'),
    "gelu by tanh": ('"gelu": gelu,', '"gelu": lambda x: gelu(x, "tanh"),'),
    "eps of BERT": ('config["layer_norm_epsilon"], config', "1e-12, config"),
    "norm after the attention": (
        'layer_norm(x, n_embd, **part(f"h.{i}.ln_1"), eps=eps)',
        "x",
    ),
    "norm of the MLP left out": ('layer_norm(x, n_embd, **part(f"h.{i}.ln_2"), eps=eps)', "x"),
    "final norm left out": ('layer_norm(x, n_embd, **part("ln_f"), eps=eps)', "x"),
    "norms exchanged": ('**part(f"h.{i}.ln_2")', '**part(f"h.{i}.ln_1")'),
    "x not added": ("x = x + conv1d_in_out(join", "x = conv1d_in_out(join"),
    "always the first layer": ('**part(f"h.{i}.mlp.c_fc")', '**part("h.0.mlp.c_fc")'),
    "no positions": ("x = x + embedding(token_positions", "x = x + 0 * embedding(token_positions"),
    "padding counts": ("np.cumsum(mask, axis=1) - 1", "np.cumsum(mask | True, axis=1) - 1"),
    "positions from 1": ("np.cumsum(mask, axis=1) - 1", "np.cumsum(mask, axis=1)"),
    "positions start anew": (
        "token_positions(mask, ids.shape[1])",
        "token_positions(mask, ids.shape[1]) * (ids.shape[1] > 1)",
    ),
    "tokens to come are seen": (
        "np.tri(time, source, source - time",
        "np.tri(time, source, source",
    ),
    "padding is seen": ("causal & mask[:, None]", "causal & (mask[:, None] | True)"),
    "the cache forgets": ("np.concatenate(pair, axis=2)", "pair[1]"),
    "the cache turned round": ("zip(cache[layer], (k, v)", "zip((k, v), cache[layer]"),
    "the head is the embedding, always": ('part("lm_head") or part("wte")', 'part("wte")'),
    "the last of all, padding too": ("np.argmax(mask[:, ::-1][:, :time], axis=1)", "0"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("gpt2", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(gpt2)


def test_shape_comments():
    config, weights, arrays = GOLDEN["spread"]
    cache, ids = [], arrays["ids"]
    gpt2.forward(ids[:, :1], weights, config, cache=cache)
    with executed(MODELS / "gpt2.py") as (module, sizes):
        sizes.update(batch=5, time=6, source=7, n_embd=12, num_heads=3, head_dim=4, n_inner=17)
        sizes.update(out_features=36)
        module.forward(ids[:, 1:], weights, config, cache=cache)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, _ in GOLDEN.values():
        names = {name.removeprefix("transformer."): a.shape for name, a in weights.items()}
        shapes = gpt2.gpt2_shapes(config)
        if config["tie_word_embeddings"]:
            assert "lm_head.weight" not in names
            del shapes["lm_head.weight"]
        assert names == shapes


def refused(message, **changed):
    config, weights, arrays = GOLDEN["spread"]
    given = {"ids": arrays["ids"], "weights": weights, "config": config} | changed
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        gpt2.forward(**given)
    assert str(info.value) == message


def test_a_config_of_another_model_is_refused():
    config, _, _ = GOLDEN["spread"]
    refused(
        "model_type is 'llama', expected gpt2: is config.json another model's?",
        config=config | {"model_type": "llama"},
    )
    refused("n_head, 5, does not divide n_embd, 12", config=config | {"n_head": 5})
    refused(
        "the activation is 'sine', expected one of ['gelu', 'gelu_new', 'gelu_pytorch_tanh', "
        "'quick_gelu', 'relu', 'silu', 'swish']",
        config=config | {"activation_function": "sine"},
    )


def test_without_n_inner_the_mlp_is_four_times_as_wide():
    shapes = gpt2.gpt2_shapes(GOLDEN["spread"][0] | {"n_inner": None})
    assert shapes["h.0.mlp.c_fc.weight"] == (12, 48)


def test_a_tensor_too_many_is_refused():
    refused(
        "weights have ['h.0.attn.scale'], which config.json does not speak of: is it of another "
        "model or task?",
        weights=GOLDEN["spread"][1] | {"h.0.attn.scale": np.ones(3)},
    )


def test_a_head_of_its_own_is_not_forgotten():
    refused(
        "weights lack ['lm_head.weight']: is config.json of this checkpoint, are all of its files "
        "read, and has it a head?",
        config=GOLDEN["spread"][0] | {"tie_word_embeddings": False},
    )


def test_as_many_tokens_as_positions_are_taken_and_none():
    config, weights, _ = GOLDEN["spread"]
    assert gpt2.forward(np.zeros((1, 75), int), weights, config).shape == (1, 75, 29)
    assert gpt2.forward(np.zeros((0, 3), int), weights, config).shape == (0, 3, 29)


def test_more_tokens_than_positions_are_refused():
    refused("76 tokens, but wpe has 75 positions", ids=np.zeros((2, 76), int))


# What only a live comparison tells.


@st.composite
def cases(draw):
    heads, head_dim = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    options = {
        "n_embd": heads * head_dim,
        "n_head": heads,
        "n_layer": draw(st.integers(1, 3)),
        "n_inner": draw(st.sampled_from([None, 7])),
        "vocab_size": draw(st.integers(2, 30)),
        "activation_function": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "layer_norm_epsilon": draw(st.sampled_from([1e-5, 0.1])),
        "spread": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "scale_attn_weights": draw(st.booleans()),
        "scale_attn_by_inverse_layer_idx": draw(st.booleans()),
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
    logits = gpt2.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real])


@NEEDED
@pytest.mark.parametrize("spread", [True, False])
def test_equals_the_library_in_float32(spread):
    model = model_of(spread)
    config, weights = library.stored(model.float())
    arrays = library.arrays_of(model, "left", steps=0)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    logits = gpt2.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real], 1e-5)


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("gpt2", monkeypatch)


@NEEDED
def test_the_defaults_are_those_of_the_library():
    config = library.load().GPT2Config()
    assert {name: getattr(config, name) for name in gpt2.GPT2_DEFAULTS} == gpt2.GPT2_DEFAULTS


@NEEDED
def test_the_shapes_are_those_of_the_library():
    for tied in (True, False):
        model = model_of(tie_word_embeddings=tied)
        state = {name: tuple(p.shape) for name, p in model.state_dict().items()}
        shapes = gpt2.gpt2_shapes(library.stored(model)[0])
        assert {name.removeprefix("transformer."): s for name, s in state.items()} == shapes
