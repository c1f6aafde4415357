"""CLIP equals transformers: golden arrays here, the library itself where it is installed."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.models import clip
from tests.models import library
from tests.models.decoders import MODELS, broken, near
from tests.models.library import NEEDED, in_float64, read_folder, read_golden
from tests.shape_comments import executed

GOLDEN = read_golden("clip")
TEXT = {
    "vocab_size": 19,
    "hidden_size": 8,
    "intermediate_size": 9,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 11,
    "eos_token_id": 15,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "layer_norm_eps": 0.1,
}
VISION = {
    "hidden_size": 12,
    "intermediate_size": 7,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "num_channels": 2,
    "image_size": 9,
    "patch_size": 3,
    "layer_norm_eps": 0.2,
}


def model_of(spread=True, text=(), vision=(), **options):
    """Return the library's model."""
    transformers = library.load()
    config = transformers.CLIPConfig(
        text_config=TEXT | dict(text),
        vision_config=VISION | dict(vision),
        **{"projection_dim": 5} | options,
    )
    return library.made(transformers.CLIPModel, config, spread=spread)


def arrays_of(model, images=3, texts=5):
    """Return what goes into a model and what comes out: the third text has two ends."""
    config = model.config
    rng = np.random.default_rng(0)
    time = config.text_config.max_position_embeddings
    end = config.text_config.eos_token_id
    eos = 18 if end == 2 else end  # in the old way, the largest id
    ids = rng.integers(3, 18, (texts, time))
    ids[ids == eos] = 4
    at = np.arange(time)
    lengths = 2 + (3 * np.arange(texts)) % (time - 1)
    ids[at == lengths[:, None] - 1] = eos
    ids[at >= lengths[:, None]] = 1
    ids[2:, -1] = np.where(lengths[2:] < time, eos, ids[2:, -1])  # and one that is padding
    mask = (at < lengths[:, None]).astype(int)
    size = config.vision_config.image_size
    pixels = rng.standard_normal((images, config.vision_config.num_channels, size, size))
    out = library.called(model, input_ids=ids, attention_mask=mask, pixel_values=pixels)
    text = library.called(model.get_text_features, input_ids=ids, attention_mask=mask)
    image = library.called(model.get_image_features, pixel_values=pixels)
    return {
        "images": pixels,
        "ids": ids,
        "mask": mask,
        "logits": out.logits_per_image.numpy(),
        "text": text.pooler_output.numpy(),
        "image": image.pooler_output.numpy(),
    }


def golden_cases():
    """Return {case: (config, weights, arrays)} as the library makes them."""
    gelu = {"hidden_act": "gelu"}
    models = {
        "default": model_of(spread=False),
        "spread": model_of(),
        "gelu": model_of(text=gelu, vision=gelu | {"patch_size": 4, "num_hidden_layers": 2}),
        "old": model_of(text={"eos_token_id": 2}, projection_dim=12),
    }
    return {name: (*library.stored(model), arrays_of(model)) for name, model in models.items()}


def equals(model, config, weights, arrays):
    """Fail unless a model does with a golden case what the library did."""
    images, ids, mask = (arrays[name] for name in ("images", "ids", "mask"))
    near(model.encode_image(images, weights, config), arrays["image"])
    near(model.encode_text(ids, weights, config, attention_mask=mask), arrays["text"])
    near(model.forward(images, ids, weights, config, attention_mask=mask), arrays["logits"])


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    equals(clip, *GOLDEN[case])


def test_float32_stays_and_is_near():
    _, _, arrays = GOLDEN["spread"]
    config, weights = read_folder("clip")
    images = arrays["images"].astype(np.float32)
    logits = clip.forward(images, arrays["ids"], weights, config)
    near(logits, arrays["logits"].astype(np.float32), 1e-5)


def test_padding_changes_nothing():
    config, weights, arrays = GOLDEN["spread"]
    whole = clip.encode_text(arrays["ids"], weights, config)
    near(clip.encode_text(arrays["ids"], weights, config, attention_mask=arrays["mask"]), whole)
    for row, mask in enumerate(arrays["mask"] > 0):
        one = clip.encode_text(arrays["ids"][None, row, mask], weights, config)
        near(one[0], whole[row], 1e-13)


def test_the_numbers_of_positions_in_older_files():
    config, weights, arrays = GOLDEN["spread"]
    more = {f"{tower}_model.embeddings.position_ids": np.zeros(1) for tower in ("text", "vision")}
    equals(clip, config, weights | more, arrays)


def test_entries_that_old_configs_lack():
    for config, weights, arrays in GOLDEN.values():
        older = dict(config)
        for tower, told in clip.CLIP_DEFAULTS.items():
            lacks = [name for name, value in told.items() if config[tower][name] == value]
            older[tower] = {k: v for k, v in config[tower].items() if k not in lacks}
        equals(clip, older, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        equals(model, *case)


SABOTAGES = {
    "exact gelu": ('activation_of(config["hidden_act"])', 'activation_of("gelu")'),
    "quick gelu, always": ('activation_of(config["hidden_act"])', 'activation_of("quick_gelu")'),
    "the last token": ("x[np.arange(len(x)), end]", "x[:, -1]"),
    "the last end": (
        "return ends.argmax(axis=1)",
        "return ids.shape[1] - 1 - ends[:, ::-1].argmax(1)",
    ),
    "the largest id, always": ('config["eos_token_id"] == 2:', "True:"),
    "the end where it should be": ('config["eos_token_id"] == 2:', "False:"),
    "the class token last": ("np.concatenate([whole, x]", "np.concatenate([x, whole]"),
    "the mean of the patches": ("clip_norm(x[:, 0], part", "clip_norm(x[:, 1:].mean(1), part"),
    "patches in columns": (
        "x.reshape(len(x), hidden_size, -1)",
        "x.swapaxes(2, 3).reshape(len(x), hidden_size, -1)",
    ),
    "no norm before the layers": ('clip_norm(x, part, "vision_model.pre_layrnorm", config)', "x"),
    "no norm at the end of an image": (
        'clip_norm(x[:, 0], part, "vision_model.post_layernorm", config)',
        "x[:, 0]",
    ),
    "no norm at the end of a text": (
        'clip_norm(x, part, "text_model.final_layer_norm", config)',
        "x",
    ),
    "texts see all": ("seen = keys_seen(mask, ids.shape[1])", "seen = mask[:, None, None]"),
    "eps of PyTorch": ('eps=config["layer_norm_eps"]', "eps=1e-5"),
    "the scale as it is": (
        'np.exp(read_clip(weights, config)[-1]("")["logit_scale"])',
        '(read_clip(weights, config)[-1]("")["logit_scale"])',
    ),
    "lengths stay": ("x / np.linalg.norm(x, axis=1, keepdims=True)", "x"),
    "texts first": ("image @ text.T", "(text @ image.T)"),
    "norms exchanged": ('part, f"{layer}.layer_norm2"', 'part, f"{layer}.layer_norm1"'),
    "k for v": ('for letter in "qkv"', 'for letter in "qkk"'),
    "no positions": (
        ' + part("vision_model.embeddings.position_embedding")["weight"]',
        "",
    ),
    "the head's size of the other tower": (
        'config["hidden_size"] // config["num_attention_heads"]',
        "4",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("clip", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(clip)


def test_shape_comments():
    config, weights, arrays = GOLDEN["spread"]
    with executed(MODELS / "clip.py") as (module, sizes):
        sizes.update(batch=3, rows=3, columns=3, hidden_size=12)
        module.encode_image(arrays["images"], weights, config)
        sizes.update(num_ids=5, time=11, hidden_size=8)
        module.encode_text(arrays["ids"], weights, config)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, _ in GOLDEN.values():
        towers = config["text_config"], config["vision_config"]
        shapes = clip.clip_shapes(*towers, config["projection_dim"])
        assert {name: array.shape for name, array in weights.items()} == shapes


def refused(message, **changed):
    config, weights, arrays = GOLDEN["spread"]
    given = {"images": arrays["images"], "ids": arrays["ids"]}
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        clip.forward(**given | {"weights": weights, "config": config} | changed)
    assert str(info.value) == message


@pytest.mark.parametrize(
    ("images", "slip"),
    [
        (np.zeros((3, 2, 9, 8)), "resize and crop, as in training"),
        (np.zeros((3, 9, 9, 2)), "put the channels before rows and columns"),
        (np.zeros((3, 2, 9, 9), np.uint8), "divide by 255 and normalize, as in training"),
        (np.zeros((2, 9, 9)), "is it one image, images[None]?"),
    ],
)
def test_what_is_no_image_is_refused(images, slip):
    refused(
        f"images are {images.dtype} of shape {images.shape}, expected floats of shape "
        f"('batch', 2, 9, 9): {slip}",
        images=images,
    )


def test_a_text_without_an_end_is_refused():
    ids = GOLDEN["spread"][2]["ids"].copy()
    ids[1] = 4
    refused(
        "row 1 of ids has no eos_token_id, 15: was the text cut? Its last token must be this one",
        ids=ids,
    )


def test_more_tokens_than_positions_are_refused():
    refused(
        "12 tokens, but position_embedding has 11 positions: cut the text, and let it still end "
        "with eos_token_id",
        ids=np.full((2, 12), 15),
    )


def test_heads_divide():
    config = GOLDEN["spread"][0]
    vision = config["vision_config"] | {"num_attention_heads": 5}
    refused(
        "num_attention_heads of vision_config, 5, does not divide hidden_size, 12",
        config=config | {"vision_config": vision},
    )


# What only a live comparison tells.


@st.composite
def cases(draw):
    def tower():
        heads = draw(st.integers(1, 3))
        return {
            "hidden_size": heads * draw(st.integers(2, 4)),
            "num_attention_heads": heads,
            "intermediate_size": draw(st.integers(1, 8)),
            "num_hidden_layers": draw(st.integers(1, 2)),
            "hidden_act": draw(st.sampled_from(["quick_gelu", "gelu"])),
            "layer_norm_eps": draw(st.sampled_from([1e-5, 0.1])),
        }

    text = tower() | {"eos_token_id": draw(st.sampled_from([2, 15]))}
    vision = tower() | {"patch_size": draw(st.integers(1, 5))}
    options = {"spread": draw(st.booleans()), "projection_dim": draw(st.integers(2, 6))}
    return (
        options | {"text": text, "vision": vision},
        draw(st.integers(1, 3)),
        draw(st.integers(3, 5)),
    )


@NEEDED
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_equals_the_library(case, monkeypatch):
    options, *sizes = case
    with in_float64(monkeypatch):
        model = model_of(**options)
        config, weights = library.stored(model)
        arrays = arrays_of(model, *sizes)
    equals(clip, config, weights, arrays)


@NEEDED
@pytest.mark.parametrize("spread", [True, False])
def test_equals_the_library_in_float32(spread):
    model = model_of(spread)
    config, weights = library.stored(model.float())
    model = model.double()  # float32 weights, but what goes in is read in float64
    arrays = arrays_of(model)
    images = arrays["images"].astype(np.float32)
    logits = clip.forward(images, arrays["ids"], weights, config)
    near(logits, arrays["logits"].astype(np.float32), 1e-5)


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("clip", monkeypatch)


@NEEDED
def test_the_defaults_are_those_of_the_library():
    config = library.load().CLIPConfig()
    assert config.projection_dim == 512
    for tower, told in clip.CLIP_DEFAULTS.items():
        assert {name: getattr(getattr(config, tower), name) for name in told} == told


@NEEDED
def test_the_shapes_are_those_of_the_library():
    model = model_of()
    state = {name: tuple(p.shape) for name, p in model.state_dict().items()}
    config = library.stored(model)[0]
    towers = config["text_config"], config["vision_config"]
    assert clip.clip_shapes(*towers, config["projection_dim"]) == state
