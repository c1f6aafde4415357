"""Mamba equals transformers: golden arrays here, the library itself where it is installed."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.models import mamba
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

GOLDEN = read_golden("mamba")
SIZES = {
    "vocab_size": 29,
    "hidden_size": 10,
    "state_size": 3,
    "num_hidden_layers": 2,
    "time_step_rank": 2,
    "layer_norm_epsilon": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def model_of(spread=True, **options):
    """Return the library's model."""
    transformers = library.load()
    config = transformers.MambaConfig(**SIZES | options)
    return library.made(transformers.MambaForCausalLM, config, spread=spread)


def arrays_of(model, side, batch=5, time=7, steps=64):
    """Return what goes into a model and what comes out."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, model.config.vocab_size, (batch, time))
    mask = padding(batch, time, side)
    inputs = {"input_ids": ids, "attention_mask": mask}
    found = {"ids": ids, "mask": mask, "logits": library.called(model, **inputs).logits.numpy()}
    if steps and side != "right":
        new = {"max_new_tokens": steps, "do_sample": False, "eos_token_id": None}
        found["generated"] = library.called(model.generate, **inputs, **new).numpy()[:, time:]
    return found


def golden_cases():
    """Return {case: (config, weights, arrays)} as the library makes them."""
    biased = {"use_bias": True, "use_conv_bias": False, "tie_word_embeddings": False}
    models = {
        "default": (model_of(spread=False, hidden_size=20, time_step_rank="auto"), None),
        "spread": (model_of(), "left"),
        "biased": (model_of(**biased, expand=3, hidden_act="gelu", conv_kernel=3), "right"),
    }
    return {
        name: (*library.stored(model), arrays_of(model, side))
        for name, (model, side) in models.items()
    }


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    agrees(mamba, *GOLDEN[case])


def test_float32_stays_and_is_near():
    _, _, arrays = GOLDEN["spread"]
    config, weights = read_folder("mamba")
    logits = mamba.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real].astype(np.float32), 1e-5)


def cached_and_padded(model):
    """Fail unless ids bit by bit, and padding anywhere, make no difference."""
    config, weights, arrays = GOLDEN["spread"]
    ids = arrays["ids"]
    cache_equals_whole(model, ids, weights, config)
    between = np.ones((5, 7), int)
    between[:, [1, 3, 4]] = np.eye(5, 3, dtype=int)
    for mask in (padding(5, 7, "left"), padding(5, 7, "right"), between):
        cache_equals_whole(model, ids, weights, config, mask)
    padding_changes_nothing(model, ids, weights, config)


def test_the_cache_equals_the_whole_and_padding_changes_nothing():
    cached_and_padded(mamba)


def test_the_cache_does_not_grow():
    config, weights, arrays = GOLDEN["spread"]
    cache = []
    sizes = set()
    for t in range(7):
        mamba.forward(arrays["ids"][:, t : t + 1], weights, config, cache=cache)
        sizes.add(tuple(a.shape for pair in cache[1:] for a in pair))
    assert sizes == {((5, 3, 20), (5, 20, 3)) * 2}


def test_files_without_the_prefix():
    config, weights, arrays = GOLDEN["biased"]
    older = {name.removeprefix("backbone."): array for name, array in weights.items()}
    agrees(mamba, config, older, arrays)


def test_entries_that_old_configs_lack():
    for config, weights, arrays in GOLDEN.values():
        lacks = [name for name, value in mamba.MAMBA_DEFAULTS.items() if config[name] == value]
        lacks.append("intermediate_size")
        agrees(mamba, {k: v for k, v in config.items() if k not in lacks}, weights, arrays)


def test_the_rank_follows_from_the_hidden_size():
    config, weights, arrays = GOLDEN["default"]
    agrees(mamba, config | {"time_step_rank": "auto"}, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        agrees(model, *case)
    cached_and_padded(model)


SABOTAGES = {
    "A as it is stored": ('-np.exp(part(name)["A_log"])', '-part(name)["A_log"]'),
    "A positive": ('-np.exp(part(name)["A_log"])', 'np.exp(part(name)["A_log"])'),
    "gate first": ("u, gate = np.split", "gate, u = np.split"),
    "c before b": ("dt, b, c = np.split", "dt, c, b = np.split"),
    "no softplus": ("dt = softplus(project(", "dt = (project("),
    "b not discretized": ("(dt[:, t] * u[:, t])", "u[:, t]"),
    "D forgotten": (' + u * part(name)["D"]', ""),
    "the gate as it is": ("* act(gate)", "* gate"),
    "no activation behind the convolution": ("u = act(u)  #", "u = +u  #"),
    "the kernel turned round": (
        '**part(f"{name}.conv1d"), groups',
        "**{k: np.flip(w, w.ndim - 1) if w.ndim > 1 else w for k, w in "
        'part(f"{name}.conv1d").items()}, groups',
    ),
    "the window forgotten": ("window = u[:, x.shape[1] :]", "window = 0 * u[:, x.shape[1] :]"),
    "padding between the window and its tokens": (
        "np.take_along_axis(u, first[:, :, None], axis=1)",
        "u",
    ),
    "padding changes the state": ("dt * real[:, :, None]", "dt"),
    "the state forgotten": ("kept * state +", "0 * state +"),
    "the state read before it changes": (
        'y[:, t] = np.einsum("bis,bs->bi", state, c[:, t])',
        "before = state - (dt[:, t] * u[:, t])[:, :, None] * b[:, t, None]\n"
        '        y[:, t] = np.einsum("bis,bs->bi", before / kept, c[:, t])',
    ),
    "padding where it is": (
        'np.argsort(real, axis=1, kind="stable")',
        "np.argsort(0 * real, axis=1)",
    ),
    "left in the order of padding": (
        "np.argsort(order, axis=1)[:, :, None]",
        "order[:, :, None] * 0",
    ),
    "the silu of a config, always": (
        'activation_of(config["hidden_act"])',
        'activation_of("silu")',
    ),
    "eps of torch": ('config["layer_norm_epsilon"]\n', "1e-5\n"),
    "norm left out": ('rms_norm(x, hidden_size, **part("norm_f"), eps=eps)', "x"),
    "x not added": ("x = x + h", "x = h"),
    "always the first layer": ('f"layers.{i}.mixer"', '"layers.0.mixer"'),
    "the head is the embedding, always": ('part("lm_head") or ', ""),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with np.errstate(all="ignore"), pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("mamba", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(mamba)


def test_shape_comments():
    config, weights, arrays = GOLDEN["spread"]
    ids, cache = arrays["ids"], []
    mamba.forward(ids[:, :2], weights, config, cache=cache)
    with executed(MODELS / "mamba.py") as (module, sizes):
        sizes.update(batch=5, time=4, hidden_size=10, intermediate_size=20, state_size=3)
        module.forward(ids[:, 2:6], weights, config, cache=cache)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, _ in GOLDEN.values():
        names = {name.removeprefix("backbone."): array.shape for name, array in weights.items()}
        shapes = mamba.mamba_shapes(mamba.mamba_config(config))
        if config["tie_word_embeddings"]:
            del shapes["lm_head.weight"]
        assert names == shapes


def test_another_model_is_refused():
    config, weights, arrays = GOLDEN["spread"]
    message = "model_type is 'mamba2', expected mamba: is config.json another model's?"
    with pytest.raises(ValueError, match=re.escape(message)):
        mamba.forward(arrays["ids"], weights, config | {"model_type": "mamba2"})


# What only a live comparison tells.


@st.composite
def cases(draw):
    options = {
        "hidden_size": draw(st.integers(2, 20)),
        "state_size": draw(st.integers(1, 4)),
        "num_hidden_layers": draw(st.integers(1, 3)),
        "expand": draw(st.sampled_from([1, 2, 3])),
        "conv_kernel": draw(st.integers(1, 5)),
        "time_step_rank": draw(st.sampled_from(["auto", 1, 3])),
        "use_bias": draw(st.booleans()),
        "use_conv_bias": draw(st.booleans()),
        "hidden_act": draw(st.sampled_from(["silu", "gelu"])),
        "tie_word_embeddings": draw(st.booleans()),
        "spread": draw(st.booleans()),
    }
    side = draw(st.sampled_from([None, "left", "right"]))
    return options, side, draw(st.integers(1, 3)), draw(st.integers(1, 8))


@NEEDED
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_equals_the_library(case, monkeypatch):
    options, side, *sizes = case
    with in_float64(monkeypatch):
        model = model_of(**options)
        config, weights = library.stored(model)
        arrays = arrays_of(model, side, *sizes, steps=0)
    agrees(mamba, config, weights, arrays)


@NEEDED
@pytest.mark.parametrize("spread", [True, False])
def test_equals_the_library_in_float32(spread):
    model = model_of(spread)
    config, weights = library.stored(model.float())
    arrays = arrays_of(model, "left", steps=0)
    logits = mamba.forward(arrays["ids"], weights, config, attention_mask=arrays["mask"])
    real = arrays["mask"] > 0
    near(logits[real], arrays["logits"][real], 1e-5)


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("mamba", monkeypatch)


@NEEDED
def test_the_defaults_are_those_of_the_library():
    config = library.load().MambaConfig(hidden_size=100)
    told = mamba.MAMBA_DEFAULTS | {"time_step_rank": 7}
    assert {name: getattr(config, name) for name in told} == told


@NEEDED
def test_the_shapes_are_those_of_the_library():
    model = model_of(use_bias=True, tie_word_embeddings=False)
    state = {name: tuple(p.shape) for name, p in model.state_dict().items()}
    config = mamba.mamba_config(library.stored(model)[0])
    assert {name.removeprefix("backbone."): s for name, s in state.items()} == mamba.mamba_shapes(
        config
    )
