"""ViT equals torchvision, timm and transformers: golden arrays, and the libraries if installed."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.checkpoints import load_torch, save_safetensors
from snippets.models import vit
from tests.models import library
from tests.models.decoders import MODELS, broken, near
from tests.models.library import FOLDERS, NEEDED, in_float64, read_folder, read_golden
from tests.shape_comments import executed

GOLDEN = read_golden("vit")
SIZES = {
    "image_size": 12,
    "patch_size": 4,
    "num_layers": 2,
    "num_heads": 3,
    "hidden_dim": 12,
    "mlp_dim": 7,
    "num_classes": 5,
}


def torchvision_of(spread=True, **options):
    """Return torchvision's model."""
    models = library.load("torchvision").models
    return library.made(lambda o: models.VisionTransformer(**o), SIZES | options, spread=spread)


def timm_of(spread=True, **options):
    """Return timm's model."""
    told = SIZES | options
    model = library.load("timm").models.VisionTransformer
    sizes = {
        "img_size": told["image_size"],
        "patch_size": told["patch_size"],
        "num_classes": told["num_classes"],
        "embed_dim": told["hidden_dim"],
        "depth": told["num_layers"],
        "num_heads": told["num_heads"],
        "mlp_ratio": told["mlp_dim"] / told["hidden_dim"],
    }
    return library.made(lambda _: model(**sizes), None, spread=spread)


def transformers_of(spread=True, head=True, **options):
    """Return the model of transformers."""
    transformers = library.load()
    sizes = {
        "image_size": 9,
        "patch_size": 4,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_size": 6,
        "intermediate_size": 7,
        "num_channels": 2,
        "layer_norm_eps": 0.1,
    }
    config = transformers.ViTConfig(**sizes | {"num_labels": 5} | options)
    name = "ViTForImageClassification" if head else "ViTModel"
    return library.made(getattr(transformers, name), config, spread=spread)


def same_in_transformers(config, weights):
    """Return transformers' model with the arrays of a torchvision file: q, k and v apart."""
    found = {}
    for name, array in weights.items():
        stem, stacked, end = name.partition("in_proj_")
        names = [f"{stem}{x}.{end}" for x in ("query", "key", "value")] if stacked else [name]
        parts = np.split(array, len(names))
        found |= dict(zip(names, parts, strict=True))
    found = {vit.vit_name(name, vit.HUGGING_FACE_VIT): array for name, array in found.items()}
    found = {n if n.startswith("classifier") else f"vit.{n}": a for n, a in found.items()}
    sizes = {"image_size": 12, "hidden_size": 12, "num_channels": 3, "layer_norm_eps": 1e-6}
    theirs = transformers_of(**sizes, num_attention_heads=config["num_heads"])
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        save_safetensors(Path(folder, "model.safetensors"), found, metadata={"format": "pt"})
        return type(theirs).from_pretrained(folder).eval().double()


def stored(model):
    """Return config and the arrays of the file: torchvision and timm have none."""
    if hasattr(model, "save_pretrained"):
        return library.stored(model)
    heads = [m.num_heads for m in model.modules() if hasattr(m, "num_heads")]
    return {"num_heads": heads[0]}, {n: a.numpy() for n, a in model.state_dict().items()}


def arrays_of(model, batch=2, size=12):
    """Return what goes into a model and what comes out."""
    weights = stored(model)[1]
    channels = next(array.shape[1] for array in weights.values() if array.ndim == 4)
    size = getattr(getattr(model, "config", None), "image_size", size)
    images = np.random.default_rng(0).integers(-9, 10, (batch, channels, size, size)) / 8
    arrays = {"images": images}
    if hasattr(model, "save_pretrained"):
        out = library.called(model, pixel_values=images, output_hidden_states=True)
        arrays["hidden"] = getattr(model, "vit", model).layernorm(out.hidden_states[-1])
        if "logits" in out:
            arrays["logits"] = out.logits
    else:
        last = getattr(model, "encoder", None) or model.norm  # what a hook on it sees
        last.register_forward_hook(lambda module, given, out: arrays.update(hidden=out))
        arrays["logits"] = library.called(lambda x: model(x), x=images)
    return {name: np.asarray(getattr(a, "detach", lambda a=a: a)()) for name, a in arrays.items()}


def golden_cases():
    """Return {case: (config, weights, arrays)} as the libraries make them."""
    spread = torchvision_of()
    models = {
        "default": torchvision_of(spread=False),
        "spread": spread,
        "timm": timm_of(),
        "hugging_face": same_in_transformers(*stored(spread)),
        "unbiased": transformers_of(qkv_bias=False),
        "headless": transformers_of(head=False, hidden_act="gelu_new", layer_norm_eps=1e-12),
    }
    return {name: (*stored(model), arrays_of(model)) for name, model in models.items()}


def equals(model, config, weights, arrays):
    """Fail unless a model does with a golden case what the library did."""
    near(model.encode(arrays["images"], weights, config), arrays["hidden"])
    if "logits" in arrays:
        near(model.forward(arrays["images"], weights, config), arrays["logits"])


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    equals(vit, *GOLDEN[case])


def test_the_two_libraries_agree_and_so_do_their_files():
    near(GOLDEN["spread"][2]["logits"], GOLDEN["hugging_face"][2]["logits"])


def test_float32_stays_and_is_near():
    arrays = GOLDEN["spread"][2]
    images, reference = (arrays[name].astype(np.float32) for name in ("images", "logits"))
    weights = load_torch(FOLDERS / "vit/vit.pth")
    near(vit.forward(images, weights, {"num_heads": 3}), reference, 1e-5)
    config, weights = read_folder("vit")
    near(vit.forward(images, weights, config), reference, 1e-5)


def older_names(weights):
    """Return what torchvision stored before 0.14, and its own files still have."""
    return {vit.vit_name(name, vit.OLDER_VIT): array for name, array in weights.items()}


def test_the_names_of_older_files():
    config, weights, arrays = GOLDEN["spread"]
    older = older_names(weights)
    assert "encoder.layers.encoder_layer_1.mlp.linear_2.bias" in older
    equals(vit, config, older, arrays)


def test_a_pooler_and_a_mask_token_are_not_read():
    config, weights, arrays = GOLDEN["hugging_face"]
    more = {"vit.pooler.dense.weight": np.eye(12), "vit.embeddings.mask_token": np.ones(12)}
    equals(vit, config, weights | more, arrays)
    assert "pooler.dense.weight" in GOLDEN["headless"][1]


def test_entries_that_old_configs_lack():
    for config, weights, arrays in GOLDEN.values():
        lacks = [k for k, v in vit.VIT_DEFAULTS.items() if config.get(k) == v]
        equals(vit, {k: v for k, v in config.items() if k not in lacks}, weights, arrays)


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        equals(model, *case)
    config, weights, arrays = GOLDEN["spread"]
    equals(model, config, older_names(weights), arrays)


SABOTAGES = {
    "eps of Hugging Face for torchvision": ('"layer_norm_eps": 1e-6', '"layer_norm_eps": 1e-12'),
    "eps of nn.LayerNorm": (
        'config["hidden_size"], config["layer_norm_eps"]',
        'config["hidden_size"], 1e-5',
    ),
    "the whole image last": ("np.concatenate([whole, x]", "np.concatenate([x, whole]"),
    "the mean of the patches": ("project(x[:, 0], **head)", "project(x[:, 1:].mean(1), **head)"),
    "the last patch": ("project(x[:, 0], **head)", "project(x[:, -1], **head)"),
    "patches column by column": (
        "x.reshape(len(x), hidden_size, -1)",
        "x.swapaxes(2, 3).reshape(len(x), hidden_size, -1)",
    ),
    "no positions": ('x = x + part("encoder")["pos_embedding"]', ""),
    "the norm after the sum": (
        '**part(f"{layer}.self_attention.out_proj"))',
        '**part(f"{layer}.self_attention.out_proj"))\n        x = layer_norm(x, 12)',
    ),
    "norms exchanged": ('**part(f"{layer}.ln_2")', '**part(f"{layer}.ln_1")'),
    "no norm at the end": ('layer_norm(x, hidden_size, **part("encoder.ln"), eps=eps)', "x"),
    "gelu, always": ('activation_of(config["hidden_act"])', 'activation_of("gelu")'),
    "gelu of tanh": ('activation_of(config["hidden_act"])', 'activation_of("gelu_new")'),
    "q, k, v of each head together": (
        'np.split(stacked[f"in_proj_{end}"], 3)',
        '[stacked[f"in_proj_{end}"][n::3] for n in range(3)]',
    ),
    "k and q exchanged": (
        '("query", "key", "value")]\n    weight',
        '("key", "query", "value")]\n    weight',
    ),
    "v, q, k": (
        'np.split(stacked[f"in_proj_{end}"], 3)',
        'np.roll(np.split(stacked[f"in_proj_{end}"], 3), 1, axis=0)',
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("vit", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(vit)


def test_shape_comments():
    config, weights, arrays = GOLDEN["spread"]
    with executed(MODELS / "vit.py") as (module, sizes):
        sizes.update(batch=2, rows=3, columns=3, hidden_size=12)
        module.encode(arrays["images"], weights, config)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, arrays in GOLDEN.values():
        images, told = arrays["images"], {n: a for n, a in weights.items() if "pooler" not in n}
        for gone in told:
            lacking = {n: a for n, a in weights.items() if n != gone}
            if gone not in ("heads.head.bias", "head.bias", "classifier.bias"):
                with pytest.raises(ValueError, match=r"lack|is missing|expected vit"):
                    vit.encode(images, lacking, config)


def refused(message, case="spread", config=None, images=None, run="forward", **changed):
    held, weights, arrays = GOLDEN[case]
    weights = {name: array for name, array in (weights | changed).items() if array is not None}
    images = arrays["images"] if images is None else images
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        getattr(vit, run)(images, weights, held if config is None else config)
    assert str(info.value) == message


def test_a_config_without_heads_is_refused():
    message = (
        "config has no num_heads, which nothing stored tells: expected {'num_heads': 12}, as for "
        "vit_b_16; vit_l and vit_h have 16"
    )
    refused(message, config={})
    refused(message, config=[12])
    refused("num_attention_heads, 5, does not divide hidden_size, 12", config={"num_heads": 5})


def test_a_file_of_something_else_is_refused():
    refused(
        "model_type is 'deit', expected vit: is config.json another model's?",
        "unbiased",
        {"model_type": "deit"},
    )
    refused(
        "conv_proj.weight is missing, expected 4 axes: is it no ViT?", **{"conv_proj.weight": None}
    )
    refused(
        "patch_embed.proj.weight has shape (3,), expected 4 axes: is it no ViT?",
        "timm",
        **{"patch_embed.proj.weight": np.ones(3)},
    )
    refused(
        "weights have ['blocks.0.ls1.gamma'], which config.json does not speak of: is it of "
        "another model or task?",
        "timm",
        **{"blocks.0.ls1.gamma": np.ones(12)},
    )
    with pytest.raises(ValueError, match="weights are a list, expected a mapping"):
        vit.forward(GOLDEN["spread"][2]["images"], [1], {})


def test_a_file_without_a_head_is_refused_where_the_head_is_asked_for():
    refused("the file has no head of classes: call encode instead", "headless")


def test_what_is_no_image_is_refused():
    refused(
        "images are float64 of shape (2, 3, 12, 8), expected floats of shape ('batch', 3, 12, "
        "12): resize and crop, as in training",
        images=np.zeros((2, 3, 12, 8)),
    )


# What only a live comparison tells.


@st.composite
def cases(draw):
    patch, heads = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    size, width = patch * draw(st.integers(1, 4)), heads * draw(st.integers(1, 4))
    inner, layers = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    spread = draw(st.booleans())
    if draw(st.booleans()):
        options = {
            "image_size": size,
            "patch_size": patch,
            "num_layers": layers,
            "num_heads": heads,
            "hidden_dim": width,
            "mlp_dim": inner,
            "spread": spread,
        }
        return draw(st.sampled_from([torchvision_of, timm_of])), options, size
    options = {
        "image_size": size + draw(st.integers(0, patch - 1)),
        "patch_size": patch,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_channels": draw(st.integers(1, 3)),
        "hidden_act": draw(st.sampled_from(["gelu", "relu", "gelu_new"])),
        "layer_norm_eps": draw(st.sampled_from([1e-12, 1e-6, 0.1])),
        "qkv_bias": draw(st.booleans()),
        "head": draw(st.booleans()),
        "spread": spread,
    }
    return transformers_of, options, size


@NEEDED
@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_equals_the_libraries(case, monkeypatch):
    made, options, size = case
    with in_float64(monkeypatch):
        model = made(**options)
        config, weights = stored(model)
        arrays = arrays_of(model, 2, size)
    equals(vit, config, weights, arrays)


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("vit", monkeypatch)


@NEEDED
def test_the_defaults_are_those_of_the_library():
    config = library.load().ViTConfig()
    told = vit.VIT_DEFAULTS
    assert {name: getattr(config, name) for name in told} == told
