"""T5 equals transformers: golden arrays here, the library itself where it is installed."""

import re
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.models import t5
from tests.models import library
from tests.models.decoders import MODELS, broken, cache_equals_whole, near, padding
from tests.models.library import NEEDED, in_float64, read_folder, read_golden
from tests.shape_comments import executed

GOLDEN = read_golden("t5")
SIZES = {
    "vocab_size": 29,
    "d_model": 10,
    "d_kv": 4,
    "d_ff": 7,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 3,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "layer_norm_epsilon": 0.1,
}


def model_of(spread=True, untied=False, **options):
    """Return the library's model; with a head of its own, as T5 1.1 has, if untied."""
    import torch

    transformers = library.load()
    options = SIZES | {"decoder_start_token_id": 0, "tie_word_embeddings": not untied} | options
    config = transformers.T5Config(**options)
    model = library.made(transformers.T5ForConditionalGeneration, config, spread=spread)
    if untied:
        rows = torch.flip(model.shared.weight.detach(), [0])
        model.lm_head.weight = torch.nn.Parameter(rows)
    return model


def arrays_of(model, side, batch=5, source=9, time=6, steps=64):
    """Return what goes into a model and what comes out."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, model.config.vocab_size, (batch, source))
    decoder_ids = rng.integers(0, model.config.vocab_size, (batch, time))
    mask = padding(batch, source, side)
    # Its cache has as many layers as the encoder: it fails where the decoder has more.
    inputs = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    out = library.called(model, **inputs, decoder_input_ids=decoder_ids)
    found = {"ids": ids, "decoder_ids": decoder_ids, "mask": mask, "logits": out.logits.numpy()}
    found["memory"] = out.encoder_last_hidden_state.numpy()
    if steps:
        greedy = {"max_new_tokens": steps, "do_sample": False, "eos_token_id": None}
        found["generated"] = library.called(model.generate, **inputs, **greedy).numpy()[:, 1:]
    return found


def golden_cases():
    """Return {case: (config, weights, arrays)} as the library makes them."""
    gated = {"feed_forward_proj": "gated-gelu", "num_decoder_layers": 1, "num_layers": 1}
    silu = {"feed_forward_proj": "gated-silu", "num_decoder_layers": None, "num_layers": 1}
    models = {
        "default": (model_of(spread=False), None),
        "spread": (model_of(), "left"),
        "untied": (model_of(untied=True, **gated), "right"),
        "silu": (model_of(**silu, relative_attention_num_buckets=32), None),
    }
    return {
        name: (*library.stored(model), arrays_of(model, side))
        for name, (model, side) in models.items()
    }


def equals(model, config, weights, arrays):
    """Fail unless a model does with a golden case what the library did."""
    ids, decoder_ids, mask = (arrays[key] for key in ("ids", "decoder_ids", "mask"))
    memory = model.encode(ids, weights, config, attention_mask=mask)
    near(memory[mask > 0], arrays["memory"][mask > 0])
    logits = model.forward(ids, decoder_ids, weights, config, attention_mask=mask)
    near(logits, arrays["logits"])
    if "generated" in arrays:
        steps = arrays["generated"].shape[1]
        found = model.generate(ids, weights, config, steps, attention_mask=mask)
        np.testing.assert_array_equal(found, arrays["generated"])


def cached(model):
    """Fail unless a decoder that gets its ids bit by bit gives the logits of all at once."""
    config, weights, arrays = GOLDEN["spread"]

    def forward(decoder_ids, weights, config, *, attention_mask=None, **given):
        mask = arrays["mask"]
        return model.forward(
            arrays["ids"], decoder_ids, weights, config, attention_mask=mask, **given
        )

    one = types.SimpleNamespace(forward=forward)
    cache_equals_whole(one, arrays["decoder_ids"], weights, config)


def padding_is_hidden(model):
    """Fail unless a text alone and one beside longer ones get the same, whatever the pad is."""
    config, weights, arrays = GOLDEN["spread"]
    ids, decoder_ids = arrays["ids"], arrays["decoder_ids"]
    for side in ("left", "right"):
        mask = padding(*ids.shape, side)
        filled = np.where(mask, ids, 1)
        logits = model.forward(filled, decoder_ids, weights, config, attention_mask=mask)
        for row, real in enumerate(mask > 0):
            one = model.forward(ids[None, row, real], decoder_ids[None, row], weights, config)
            near(logits[row], one[0], 1e-12)


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    equals(t5, *GOLDEN[case])


def test_float32_stays_and_is_near():
    _, _, arrays = GOLDEN["spread"]
    config, weights = read_folder("t5")
    given = {"attention_mask": arrays["mask"]}
    logits = t5.forward(arrays["ids"], arrays["decoder_ids"], weights, config, **given)
    near(logits, arrays["logits"].astype(np.float32), 1e-5)


def test_the_cache_equals_the_whole():
    cached(t5)


def test_padding_changes_nothing():
    padding_is_hidden(t5)


def test_names_that_older_files_have_too():
    config, weights, arrays = GOLDEN["spread"]
    older = dict(weights)
    for half in ("encoder", "decoder"):
        older[f"{half}.embed_tokens.weight"] = weights["shared.weight"]
    table = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    equals(t5, config, older | {table: np.ones((8, 3))}, arrays)


def test_how_configs_were_written_before_version_5():
    for case, tied in (("untied", False), ("spread", True)):
        config, weights, arrays = GOLDEN[case]
        older = {name: value for name, value in config.items() if name != "scale_decoder_outputs"}
        assert older != config
        equals(t5, older | {"tie_word_embeddings": tied}, weights, arrays)


def test_entries_that_old_configs_lack():
    for config, weights, arrays in GOLDEN.values():
        told = t5.T5_DEFAULTS | {"num_decoder_layers": config["num_layers"]}
        lacks = [name for name, value in told.items() if config.get(name) == value]
        assert lacks
        equals(t5, {k: v for k, v in config.items() if k not in lacks}, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        equals(model, *case)
    cached(model)
    padding_is_hidden(model)


SABOTAGES = {
    "divided by sqrt(d_kv)": ("bias, scale=1.0)", "bias)"),
    "a table of its own for the second block": (
        "def t5_mean(x, keys_and_values, bias, part, name, config):",
        "def t5_mean(x, keys_and_values, bias, part, name, config):\n"
        '    bias = bias if ".0." in name else (bias > -np.inf)',
    ),
    "the encoder's table for the decoder": (
        'part(f"{half}.block.0.layer.0.SelfAttention.relative',
        'part("encoder.block.0.layer.0.SelfAttention.relative',
    ),
    "buckets of both sides in the decoder": ('half == "encoder", config', "True, config"),
    "buckets of one side in the encoder": ('half == "encoder", config', "False, config"),
    "keys behind and before exchanged": ("buckets * (distance > 0)", "buckets * (distance < 0)"),
    "the logarithm of all": ("np.where(distance < exact, distance, np", "np.where(False, 0, np"),
    "no logarithm": (
        "np.where(distance < exact, distance, np.minimum(shared",
        "(np.minimum(distance",
    ),
    "another farthest": ('config["relative_attention_max_distance"] / exact', "128 / exact"),
    "positions start anew with a cache": (
        "np.arange(source - time, source)",
        "np.arange(time)",
    ),
    "mean subtracted": ("rms_norm(x, config", "rms_norm(x - x.mean(-1, keepdims=True), config"),
    "eps of torch": ('eps=config["layer_norm_epsilon"]', "eps=1e-6"),
    "gated by the exact gelu": ('"gelu_new" if gated and name == "gelu" else name', "name"),
    "wi_1 for the gate": (
        'act(project(h, **part(f"{layer}.DenseReluDense.wi_0")))',
        'act(project(h, **part(f"{layer}.DenseReluDense.wi_1")))',
    ),
    "the head not scaled": ('if config["scale_decoder_outputs"] else x', "if False else x"),
    "the head always scaled": ('if config["scale_decoder_outputs"] else x', "if True else x"),
    "the head is the embedding, always": ('part("lm_head") or ', ""),
    "embedding scaled": (
        'embedding(ids, **part("shared"))',
        'config["d_model"] ** 0.5 * embedding(ids, **part("shared"))',
    ),
    "padding seen by the decoder": (
        "seen = mask[:, None, None]",
        "seen = mask[:, None, None] | True",
    ),
    "padding seen by the encoder": (
        "np.where(mask[:, None, None], bias",
        "np.where(mask[:, None, None] | True, bias",
    ),
    "tokens to come are seen": ("keys_seen(written, time), bias", "True, bias[None]"),
    "final norm of the encoder left out": (
        'return t5_norm(x, part, "encoder.final_layer_norm", config)',
        "return x",
    ),
    "final norm of the decoder left out": (
        'x = t5_norm(x, part, "decoder.final_layer_norm", config)\n',
        "\n",
    ),
    "the cache of the text for what is written": ("cache[2 * i + 1], seen", "cache[2 * i], None"),
    "as many blocks as the encoder": (
        'range(config["num_decoder_layers"])',
        'range(config["num_layers"])',
    ),
    "norms exchanged": ('x, part, f"{other}.layer_norm"', 'x, part, f"{own}.layer_norm"'),
    "starts with 1": ('read_t5(weights, config)[0]["pad_token_id"])', "1)"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("t5", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(t5)


def test_the_last_position_may_be_asked_for_alone():
    config, weights, arrays = GOLDEN["spread"]
    given = arrays["ids"], arrays["decoder_ids"], weights, config
    near(t5.forward(*given, last=True), t5.forward(*given)[:, -1:], 1e-13)


def test_encode_takes_a_file_without_a_decoder():
    config, weights, arrays = GOLDEN["untied"]
    whole = t5.encode(arrays["ids"], weights, config)
    weights = {n: a for n, a in weights.items() if n.startswith(("shared.", "encoder."))}
    np.testing.assert_array_equal(t5.encode(arrays["ids"], weights, config), whole)
    with pytest.raises(ValueError, match="weights lack"):
        t5.forward(arrays["ids"], arrays["decoder_ids"], weights, config)


def test_shape_comments():
    config, weights, arrays = GOLDEN["untied"]
    ids, decoder_ids, cache = arrays["ids"], arrays["decoder_ids"], []
    t5.forward(ids, decoder_ids[:, :2], weights, config, cache=cache)
    with executed(MODELS / "t5.py") as (module, sizes):
        sizes.update(batch=5, source=9, time=4, length=6, d_model=10, num_heads=3)
        module.encode(ids, weights, config)
        module.forward(ids, decoder_ids[:, 2:], weights, config, cache=cache)


def test_the_shapes_are_all_that_is_stored():
    for case, (config, weights, _) in GOLDEN.items():
        layers = config["num_decoder_layers"] or config["num_layers"]
        shapes = t5.t5_shapes(config | {"num_decoder_layers": layers})
        if case != "untied":
            del shapes["lm_head.weight"]
        assert {name: array.shape for name, array in weights.items()} == shapes


def refused(message, **changed):
    config, weights, arrays = GOLDEN["untied"]
    given = {key: arrays[key] for key in ("ids", "decoder_ids")}
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        t5.forward(**given | {"weights": weights, "config": config} | changed)
    assert str(info.value) == message


def test_each_text_has_its_row():
    refused(
        'ids have 5 rows, but decoder_ids 1: begin each with config["pad_token_id"]',
        decoder_ids=np.zeros((1, 1), int),
    )


def test_a_head_of_its_own_is_not_forgotten():
    config, weights, _ = GOLDEN["untied"]
    less = {name: array for name, array in weights.items() if name != "lm_head.weight"}
    refused(
        "weights lack ['lm_head.weight']: is config.json of this checkpoint, are all of its files "
        "read, and has it a head?",
        weights=less,
        config=config | {"tie_word_embeddings": False},
    )


def test_an_encoder_without_one_of_its_tensors_is_refused():
    config, weights, arrays = GOLDEN["untied"]
    less = {name: a for name, a in weights.items() if name != "encoder.final_layer_norm.weight"}
    with pytest.raises(ValueError, match=r"weights lack \['encoder\.final_layer_norm\.weight'\]"):
        t5.encode(arrays["ids"], less, config)


# What only a live comparison tells.


@st.composite
def cases(draw):
    options = {
        "d_model": draw(st.integers(2, 8)),
        "d_kv": draw(st.integers(1, 5)),
        "num_heads": draw(st.integers(1, 3)),
        "num_layers": draw(st.integers(1, 2)),
        "num_decoder_layers": draw(st.sampled_from([None, 1, 2])),
        "feed_forward_proj": draw(st.sampled_from(["relu", "gelu", "gated-gelu", "gated-silu"])),
        "relative_attention_num_buckets": draw(st.sampled_from([4, 8, 16, 32])),
        "relative_attention_max_distance": draw(st.sampled_from([20, 128])),
        "spread": draw(st.booleans()),
        "untied": draw(st.booleans()),
    }
    side = draw(st.sampled_from([None, "left", "right"]))
    return options, side, draw(st.integers(1, 3)), draw(st.integers(1, 40)), draw(st.integers(1, 9))


@NEEDED
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_equals_the_library(case, monkeypatch):
    options, side, *sizes = case
    with in_float64(monkeypatch):
        model = model_of(**options)
        config, weights = library.stored(model)
        arrays = arrays_of(model, side, *sizes, steps=0)
    equals(t5, config, weights, arrays)


@NEEDED
@pytest.mark.parametrize("spread", [True, False])
def test_equals_the_library_in_float32(spread):
    model = model_of(spread)
    config, weights = library.stored(model.float())
    arrays = arrays_of(model, "left", steps=0)
    given = {"attention_mask": arrays["mask"]}
    logits = t5.forward(arrays["ids"], arrays["decoder_ids"], weights, config, **given)
    near(logits, arrays["logits"], 1e-5)


@NEEDED
def test_the_buckets_are_those_of_the_library():
    import torch

    module = library.load("transformers.models.t5.modeling_t5")
    distance = np.arange(-700, 700)
    for buckets, farthest in ((32, 128), (8, 20), (36, 32), (64, 100)):
        for both in (True, False):
            theirs = module.T5Attention._relative_position_bucket(
                torch.from_numpy(distance), both, buckets, farthest
            )
            config = {
                "relative_attention_num_buckets": buckets,
                "relative_attention_max_distance": farthest,
            }
            np.testing.assert_array_equal(t5.t5_buckets(distance, both, config), theirs.numpy())


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("t5", monkeypatch)


@NEEDED
def test_the_defaults_are_those_of_the_library():
    config = library.load().T5Config(num_layers=5)
    told = t5.T5_DEFAULTS | {"num_decoder_layers": 5}
    assert {name: getattr(config, name) for name in told} == told


@NEEDED
def test_the_shapes_are_those_of_the_library():
    model = model_of(untied=True)
    state = {name: tuple(p.shape) for name, p in model.state_dict().items()}
    state = {name: shape for name, shape in state.items() if "embed_tokens" not in name}
    assert t5.t5_shapes(library.stored(model)[0]) == state
