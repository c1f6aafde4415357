"""Whisper equals transformers: golden arrays here, the library itself where it is installed."""

import re
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.models import whisper
from tests.models import library
from tests.models.decoders import (
    MODELS,
    agrees,
    broken,
    cache_equals_whole,
    near,
    padding,
    padding_changes_nothing,
    positions,
)
from tests.models.library import NEEDED, in_float64, read_folder, read_golden
from tests.shape_comments import executed

GOLDEN = read_golden("whisper")
SIZES = {
    "vocab_size": 29,
    "num_mel_bins": 6,
    "d_model": 12,
    "encoder_layers": 1,
    "encoder_attention_heads": 3,
    "encoder_ffn_dim": 7,
    "decoder_layers": 2,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 5,
    "max_source_positions": 10,
    "max_target_positions": 75,
}
TOKENS = {"decoder_start_token_id": 3, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
FORBIDDEN = {"suppress_tokens": [18, 27], "begin_suppress_tokens": [12, 20]}


def sound_of(batch, time=3300):
    """Return tones that rise and fade, another in each row, and silence between them."""
    t = np.arange(time) / 16000
    row = np.arange(1, batch + 1)[:, None]
    sound = np.sin(2 * np.pi * (300 * row + 9000 * t) * t) * np.exp(-9 * t)
    return np.where(np.sin(90 * t * row) > -0.9, sound, 0)


def model_of(spread=True, **options):
    """Return the library's model."""
    transformers = library.load()
    options = SIZES | TOKENS | {"begin_suppress_tokens": None} | options
    config = transformers.WhisperConfig(**options)
    return library.made(transformers.WhisperForConditionalGeneration, config, spread=spread)


def features_of(sound, config):
    """Return what the library's front end makes of sounds, in the dtype that torch has now."""
    import torch

    bins, length = config["num_mel_bins"], 320 * config["max_source_positions"]
    extractor = library.load().WhisperFeatureExtractor(feature_size=bins)
    padded = np.zeros((len(sound), length))
    padded[:, : sound.shape[1]] = sound[:, :length]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # float64, where that is what float32 means
    try:
        return extractor._torch_extract_fbank_features(padded)
    finally:
        torch.set_default_dtype(before)


def arrays_of(model, side, batch=5, time=7, steps=64):
    """Return what goes into a model and what comes out."""
    transformers = library.load()
    features = features_of(sound_of(batch), model.config.to_dict())
    rng = np.random.default_rng(0)
    ids = rng.integers(0, model.config.vocab_size, (batch, time))
    mask = padding(batch, time, side)
    inputs = {
        "input_features": features,
        "decoder_input_ids": ids,
        "decoder_attention_mask": mask,
    }
    out = library.called(model, decoder_position_ids=positions(mask), **inputs)
    found = {"features": features, "ids": ids, "mask": mask, "logits": out.logits.numpy()}
    found["memory"] = out.encoder_last_hidden_state.numpy()
    if steps and side is None:
        greedy = {"max_new_tokens": steps, "do_sample": False, "eos_token_id": None}
        plain = transformers.GenerationMixin.generate  # Whisper's own cuts and prompts
        for name, more in (("generated", {}), ("allowed", FORBIDDEN)):
            longer = library.called(
                lambda more=more, **tensors: plain(model, **tensors, **greedy, **more), **inputs
            )
            found[name] = longer.numpy()[:, time:]
    return found


def golden_cases():
    """Return {case: (config, weights, arrays)} as the library makes them."""
    models = {
        "default": (model_of(spread=False), None),
        "spread": (model_of(), None),
        "padded": (model_of(activation_function="relu", decoder_attention_heads=4), "left"),
        "untied": (model_of(tie_word_embeddings=False, encoder_attention_heads=1), "right"),
    }
    return {
        name: (*library.stored(model), arrays_of(model, side))
        for name, (model, side) in models.items()
    }


def heard(model, features):
    """Return a model that hears some sounds, one row of features for each of the ids."""

    def rows(ids):
        return features if len(ids) == len(features) else features[:1]

    def forward(ids, *given, **options):
        return model.forward(rows(ids), ids, *given, **options)

    def generate(ids, *given, **options):
        return model.generate(rows(ids), ids, *given, **options)

    return types.SimpleNamespace(forward=forward, generate=generate)


def equals(model, config, weights, arrays):
    """Fail unless a model does with a golden case what the library did."""
    features = model.log_mel(sound_of(len(arrays["features"])), config)
    near(features, arrays["features"])
    near(model.encode(arrays["features"], weights, config), arrays["memory"])
    whole = heard(model, arrays["features"])
    agrees(whole, config, weights, arrays)
    if "allowed" in arrays:
        ids = whole.generate(arrays["ids"], weights, config, 64, **FORBIDDEN)
        np.testing.assert_array_equal(ids, arrays["allowed"])


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    equals(whisper, *GOLDEN[case])


def test_what_is_forbidden_is_not_chosen():
    _, _, arrays = GOLDEN["spread"]
    assert set(arrays["generated"].flat) & set(FORBIDDEN["suppress_tokens"])
    assert not set(arrays["allowed"].flat) & set(FORBIDDEN["suppress_tokens"])
    assert set(arrays["allowed"][:, 1:].flat) & set(FORBIDDEN["begin_suppress_tokens"])


def test_float32_stays_and_is_near():
    _, _, arrays = GOLDEN["spread"]
    config, weights = read_folder("whisper")
    features = whisper.log_mel(sound_of(5).astype(np.float32), config)
    near(features, arrays["features"].astype(np.float32), 1e-4)
    features = arrays["features"].astype(np.float32)
    logits = whisper.forward(features, arrays["ids"], weights, config)
    near(logits, arrays["logits"].astype(np.float32), 1e-5)


def test_the_cache_equals_the_whole():
    config, weights, arrays = GOLDEN["spread"]
    model = heard(whisper, arrays["features"])
    cache_equals_whole(model, arrays["ids"], weights, config)
    cache_equals_whole(model, arrays["ids"], weights, config, padding(5, 7, "left"))


def test_padding_changes_nothing():
    config, weights, arrays = GOLDEN["spread"]
    same = np.broadcast_to(arrays["features"][:1], arrays["features"].shape)
    padding_changes_nothing(heard(whisper, same), arrays["ids"], weights, config)


def test_sound_is_cut_or_filled_with_silence():
    config = GOLDEN["spread"][0]
    sound = sound_of(2, 4000)
    near(whisper.log_mel(sound, config), whisper.log_mel(sound[:, :3200], config))
    filled = np.pad(sound[:, :900], [(0, 0), (0, 2300)])
    near(whisper.log_mel(sound[:, :900], config), whisper.log_mel(filled, config))


def test_files_without_the_prefix():
    config, weights, arrays = GOLDEN["untied"]
    equals(whisper, config, {k.removeprefix("model."): v for k, v in weights.items()}, arrays)


def test_entries_that_old_configs_lack():
    config, weights, arrays = GOLDEN["spread"]
    older = {k: v for k, v in config.items() if k not in whisper.WHISPER_DEFAULTS}
    assert len(older) == len(config) - 2
    equals(whisper, older, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        equals(model, *case)
    config, weights, arrays = GOLDEN["spread"]
    one = heard(model, arrays["features"])
    cache_equals_whole(one, arrays["ids"], weights, config, padding(5, 7, "left"))


SABOTAGES = {
    "a bias for k_proj": ("for leaf in leaves[1:]}", "for leaf in leaves}"),
    "no bias but that of k_proj": ("for leaf in leaves[1:]}", "for leaf in leaves[:1]}"),
    "no bias for q, k, v": (
        'project(x, **part(f"{name}.{letter}_proj"))',
        'project(x, part(f"{name}.{letter}_proj")["weight"])',
    ),
    "mel of HTK": ("1000 * 6.4 ** ((mels - 15) / 27)", "700 * (10 ** (mels / 2595) - 1)"),
    "triangles of one height": (" * 2 / (high - low)", ""),
    "a symmetric window": ("np.arange(N_FFT) / N_FFT", "np.arange(N_FFT) / (N_FFT - 1)"),
    "no window": ("np.fft.rfft(frames * hann)", "np.fft.rfft(frames)"),
    "no square": ("np.abs(np.fft.rfft(frames * hann)) ** 2", "np.abs(np.fft.rfft(frames * hann))"),
    "zeros at the ends": ('mode="reflect"', 'mode="constant"'),
    "natural logarithm": ("np.log10", "np.log"),
    "the loudest of the batch": ("loud.max(axis=(1, 2), keepdims=True)", "loud.max()"),
    "the last frame kept, not the first": ("frames[:, :-1:HOP", "frames[:, HOP_LENGTH::HOP"),
    "convolutions with the MLP's activation": (
        'gelu(conv1d(features, **part("encoder.conv1"), padding=1))',
        'activation_of(config["activation_function"])'
        '(conv1d(features, **part("encoder.conv1"), padding=1))',
    ),
    "gelu by tanh": (
        'gelu(conv1d(x, **part("encoder.conv2"), stride=2, padding=1))',
        'gelu(conv1d(x, **part("encoder.conv2"), stride=2, padding=1), "tanh")',
    ),
    "no stride": ("stride=2, padding=1", "stride=1, padding=1"),
    "the encoder without positions": (' + part("encoder.embed_positions")["weight"]', ""),
    "v for k": (
        "scaled_dot_product_attention(q, *keys_and_values, seen)",
        "scaled_dot_product_attention(q, *keys_and_values[::-1], seen)",
    ),
    "the encoder's heads": ("f\"{name.partition('.')[0]}_attention", '"encoder_attention'),
    "cross attention to itself": (
        'whisper_heads(memory, "kv"',
        'whisper_heads(x if x.shape == memory.shape else memory[:, ::-1] * 0, "kv"',
    ),
    "attention in the wrong order": (
        "x = x + whisper_mean(h, cache[2 * i + 1], None",
        "x = x + whisper_mean(x, cache[2 * i + 1], None",
    ),
    "the cache of the sound for the ids": ("cache[2 * i + 1], None", "cache[2 * i], None"),
    "norm at the end of the encoder left out": (
        'layer_norm(x, d_model, **part("encoder.layer_norm"))',
        "x",
    ),
    "norm at the end of the decoder left out": (
        'layer_norm(x, d_model, **part("decoder.layer_norm"))',
        "x",
    ),
    "norms exchanged": (
        'layer_norm(x, d_model, **part(f"{layer}.encoder_attn_layer_norm"))',
        'layer_norm(x, d_model, **part(f"{layer}.self_attn_layer_norm"))',
    ),
    "the norm of the MLP behind it": (
        'return project(h, **part(f"{layer}.fc2"))',
        'return layer_norm(project(h, **part(f"{layer}.fc2")), config["d_model"])',
    ),
    "exact gelu, always": ('activation_of(config["activation_function"])', "gelu"),
    "embedding scaled": (
        'embedding(ids, **part("decoder.embed_tokens"))',
        'd_model**0.5 * embedding(ids, **part("decoder.embed_tokens"))',
    ),
    "positions from 1": ("(token_positions(mask, time),", "(token_positions(mask, time) + 1,"),
    "ids to come are seen": ("seen = keys_seen(mask, time)", "seen = None"),
    "the head is the embedding, always": ('part("proj_out") or ', ""),
    "nothing forbidden": ("logits[..., never] = -np.inf", "pass"),
    "forbidden at each step": ("[] if cache else begin", "begin"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("whisper", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(whisper)


def test_shape_comments():
    config, weights, arrays = GOLDEN["spread"]
    features, ids, cache = arrays["features"], arrays["ids"], []
    whisper.forward(features, ids[:, :3], weights, config, cache=cache)
    with executed(MODELS / "whisper.py") as (module, sizes):
        sizes.update(batch=5, time=4, length=7, source=10, d_model=12, num_mel_bins=6, kernel=400)
        module.encode(module.log_mel(sound_of(5), config), weights, config)
        module.forward(features, ids[:, 3:], weights, config, cache=cache)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, _ in GOLDEN.values():
        names = {name.removeprefix("model."): array.shape for name, array in weights.items()}
        shapes = whisper.whisper_shapes(config)
        if config["tie_word_embeddings"]:
            del shapes["proj_out.weight"]
        assert names == shapes


def refused(message, function=None, **changed):
    config, weights, arrays = GOLDEN["spread"]
    if function is None:
        given = {key: arrays[key] for key in ("features", "ids")}
        given |= {"weights": weights, "config": config} | changed
        function = whisper.forward
    else:
        given = {"config": config} | changed
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        function(**given)
    assert str(info.value) == message


def test_what_is_no_features_is_refused():
    _, _, arrays = GOLDEN["spread"]
    refused(
        "features have shape (5, 3300), expected ('batch', 6, 20): are they the sound itself? "
        "Take log_mel(sound, config)",
        features=sound_of(5),
    )
    refused(
        "features have shape (5, 20, 6), expected ('batch', 6, 20): are the last two axes "
        "exchanged, or is the sound not padded to its whole length?",
        features=arrays["features"].swapaxes(1, 2),
    )
    refused(
        "features have 2 sounds, but ids 5 rows: begin each with the prompt",
        features=arrays["features"][:2],
    )


def test_more_ids_than_positions_are_refused():
    refused("76 ids, but decoder.embed_positions has 75 positions", ids=np.zeros((5, 76), int))


def test_k_has_no_bias():
    name = "model.decoder.layers.1.encoder_attn.k_proj.bias"
    refused(
        f"weights have ['{name}'], which config.json does not speak of: is it of another model or "
        "task?",
        weights=GOLDEN["spread"][1] | {name: np.zeros(12)},
    )


def test_heads_divide():
    config = GOLDEN["spread"][0]
    refused(
        "decoder_attention_heads, 5, does not divide d_model, 12",
        config=config | {"decoder_attention_heads": 5},
    )


def test_what_is_no_sound_is_refused():
    expected = "expected floats (batch, time) from -1 to 1"
    refused(
        f"sound is float64 of shape (3300,), {expected}: is it one recording, sound[None]?",
        whisper.log_mel,
        sound=sound_of(1)[0],
    )
    refused(
        f"sound is int16 of shape (1, 2), {expected}: divide by 32768",
        whisper.log_mel,
        sound=np.array([[1, 2]], np.int16),
    )


# What only a live comparison tells.


@st.composite
def cases(draw):
    heads, others = draw(st.sampled_from([(1, 2), (2, 3), (4, 1)]))
    options = {
        "d_model": 12 * draw(st.integers(1, 2)),
        "encoder_attention_heads": heads,
        "decoder_attention_heads": others,
        "encoder_layers": draw(st.integers(1, 2)),
        "decoder_layers": draw(st.integers(1, 3)),
        "num_mel_bins": draw(st.integers(1, 8)),
        "max_source_positions": draw(st.integers(2, 9)),
        "activation_function": draw(st.sampled_from(["gelu", "relu", "gelu_new"])),
        "spread": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }
    side = draw(st.sampled_from([None, "left", "right"]))
    return options, side, draw(st.integers(1, 3)), draw(st.integers(1, 6))


@NEEDED
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_equals_the_library(case, monkeypatch):
    options, side, batch, time = case
    with in_float64(monkeypatch):
        model = model_of(**options)
        config, weights = library.stored(model)
        arrays = arrays_of(model, side, batch, time, steps=0)
    equals(whisper, config, weights, arrays)


@NEEDED
@pytest.mark.parametrize("spread", [True, False])
def test_equals_the_library_in_float32(spread):
    model = model_of(spread)
    config, weights = library.stored(model.float())
    arrays = arrays_of(model, None, steps=0)
    logits = whisper.forward(arrays["features"], arrays["ids"], weights, config)
    near(logits, arrays["logits"], 1e-5)


@NEEDED
@pytest.mark.parametrize("bins", [80, 128])
def test_the_front_end_of_30_seconds(bins, monkeypatch):
    config = GOLDEN["spread"][0] | {"num_mel_bins": bins, "max_source_positions": 1500}
    sound = sound_of(2, 40000)
    with in_float64(monkeypatch):
        reference = features_of(sound, config)
    near(whisper.log_mel(sound, config), reference)


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("whisper", monkeypatch)


@NEEDED
def test_the_defaults_are_those_of_the_library():
    config = library.load().WhisperConfig()
    defaults = whisper.WHISPER_DEFAULTS
    assert {name: getattr(config, name) for name in defaults} == defaults


@NEEDED
def test_the_shapes_are_those_of_the_library():
    model = model_of(tie_word_embeddings=False)
    state = {name.removeprefix("model."): tuple(p.shape) for name, p in model.state_dict().items()}
    assert whisper.whisper_shapes(library.stored(model)[0]) == state
