"""ResNet equals torchvision and transformers: golden arrays here, the libraries if installed."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snippets.checkpoints import load_torch
from snippets.models import resnet
from tests.models import library
from tests.models.decoders import MODELS, broken, near
from tests.models.library import FOLDERS, NEEDED, in_float64, read_folder, read_golden
from tests.shape_comments import executed

GOLDEN = read_golden("resnet")
SIZES = {"planes": [3, 4, 5, 2], "depths": [2, 1, 1, 1], "embedding_size": 6, "classes": 7}


def torchvision_of(block="Bottleneck", spread=True, groups=1, base_width=64, **sizes):
    """Return torchvision's model, its sizes smaller than its own __init__ allows."""
    import torch

    models = library.load("torchvision").models.resnet
    told = SIZES | sizes

    class Small(models.ResNet):
        def __init__(self, _):
            torch.nn.Module.__init__(self)
            self._norm_layer = torch.nn.BatchNorm2d
            self.dilation, self.groups, self.base_width = 1, groups, base_width
            self.inplanes = told["embedding_size"]
            self.conv1 = torch.nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
            self.bn1 = torch.nn.BatchNorm2d(self.inplanes)
            self.relu = torch.nn.ReLU(inplace=True)
            self.maxpool = torch.nn.MaxPool2d(3, stride=2, padding=1)
            kind = getattr(models, block)
            layers = zip(told["planes"], told["depths"], (1, 2, 2, 2), strict=True)
            for i, (planes, depth, stride) in enumerate(layers, start=1):
                setattr(self, f"layer{i}", self._make_layer(kind, planes, depth, stride))
            self.avgpool = torch.nn.AdaptiveAvgPool2d((1, 1))
            self.fc = torch.nn.Linear(self.inplanes, told["classes"])

    return lived(library.made(Small, None, spread=spread), spread)


def transformers_of(spread=True, head=True, **options):
    """Return the model of transformers."""
    transformers = library.load()
    sizes = {"embedding_size": 6, "hidden_sizes": [12, 8], "depths": [1, 2]}
    config = transformers.ResNetConfig(**sizes | {"num_labels": 5, "num_channels": 2} | options)
    name = "ResNetForImageClassification" if head else "ResNetModel"
    return lived(library.made(getattr(transformers, name), config, spread=spread), spread)


def lived(model, spread):
    """Return a model whose running statistics are not those of its birth."""
    import torch

    for name, buffer in model.named_buffers():
        if spread and name.endswith("running_mean"):
            buffer.normal_(std=0.3)
        elif spread and name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
        if buffer.is_floating_point():  # exact in float32, as the parameters are
            buffer.copy_(buffer.to(torch.float16))
    return model


def same_in_transformers(model):
    """Return transformers' model with the arrays of a torchvision one."""
    theirs = transformers_of(
        num_channels=3, hidden_sizes=[12, 16, 20, 8], depths=SIZES["depths"], num_labels=7
    )
    state = {resnet.resnet_name(name): array for name, array in model.state_dict().items()}
    names = [n if n.startswith("classifier") else f"resnet.{n}" for n in state]
    theirs.load_state_dict(dict(zip(names, state.values(), strict=True)))
    return theirs


def stored(model):
    """Return config and the arrays of the file: torchvision has no config."""
    if hasattr(model, "save_pretrained"):
        return library.stored(model)
    return {}, {name: array.numpy() for name, array in model.state_dict().items()}


def arrays_of(model, batch=2, size=(21, 35)):
    """Return what goes into a model and what comes out."""
    channels = next(model.parameters()).shape[1]
    images = np.random.default_rng(0).integers(-9, 10, (batch, channels, *size)) / 8
    if not hasattr(model, "save_pretrained"):
        logits = library.called(lambda x: model(x), x=images)
    else:
        out = library.called(model, pixel_values=images)
        logits = out.logits if "logits" in out else out.pooler_output[:, :, 0, 0]
    return {"images": images, "out": logits.numpy()}


def golden_cases():
    """Return {case: (config, weights, arrays)} as the libraries make them."""
    spread = torchvision_of()
    models = {
        "default": torchvision_of(spread=False, planes=[1, 3, 2, 1], depths=[1, 1, 1, 1]),
        "spread": spread,
        "basic": torchvision_of("BasicBlock", planes=[6, 2, 3, 1], depths=[1, 1, 1, 1]),
        "groups": torchvision_of(
            groups=2, base_width=128, planes=[2, 1, 3, 1], depths=[1, 1, 1, 1]
        ),
        "hugging_face": same_in_transformers(spread),
        "strides": transformers_of(downsample_in_bottleneck=True, downsample_in_first_stage=True),
        "headless": transformers_of(head=False, layer_type="basic", hidden_act="gelu"),
    }
    return {name: (*stored(model), arrays_of(model)) for name, model in models.items()}


def equals(model, config, weights, arrays):
    """Fail unless a model does with a golden case what the library did."""
    headless = not any(name.startswith(("fc.", "classifier.")) for name in weights)
    run = model.features if headless else model.forward
    near(run(arrays["images"], weights, config), arrays["out"])


@pytest.mark.parametrize("case", GOLDEN)
def test_equals_what_the_library_computed(case):
    equals(resnet, *GOLDEN[case])


def test_the_two_libraries_agree_and_so_do_their_files():
    spread, theirs = GOLDEN["spread"][2], GOLDEN["hugging_face"][2]
    near(spread["out"], theirs["out"])


def test_float32_stays_and_is_near():
    arrays = GOLDEN["spread"][2]
    images = arrays["images"].astype(np.float32)
    reference = arrays["out"].astype(np.float32)
    near(resnet.forward(images, load_torch(FOLDERS / "resnet/resnet.pth")), reference, 1e-5)
    config, weights = read_folder("resnet")
    near(resnet.forward(images, weights, config), reference, 1e-5)


def test_the_head_reads_the_features():
    _, weights, arrays = GOLDEN["spread"]
    x = resnet.features(arrays["images"], weights)
    near(x @ weights["fc.weight"].T + weights["fc.bias"], arrays["out"])


def test_torchvision_with_the_stride_where_it_was_before():
    """Under torchvision's names, what transformers makes of the same arrays with that option."""
    _, weights, arrays = GOLDEN["spread"]
    older = GOLDEN["hugging_face"][0] | {"downsample_in_bottleneck": True}
    reference = resnet.forward(arrays["images"], GOLDEN["hugging_face"][1], older)
    logits = resnet.forward(arrays["images"], weights, {"downsample_in_bottleneck": True})
    near(logits, reference)
    assert np.abs(logits - arrays["out"]).max() > 0.01


def test_entries_that_old_configs_lack():
    for config, weights, arrays in GOLDEN.values():
        told = resnet.RESNET_DEFAULTS.items()
        lacks = [name for name, value in told if config and config[name] == value]
        equals(resnet, {k: v for k, v in config.items() if k not in lacks}, weights, arrays)


def test_the_order_of_the_entries_and_the_channels_of_the_images_are_free():
    _, weights, arrays = GOLDEN["spread"]
    turned = dict(reversed(weights.items()))
    near(resnet.forward(arrays["images"], turned), arrays["out"])
    two = weights | {"conv1.weight": weights["conv1.weight"][:, :2]}
    images = arrays["images"].copy()
    images[:, 2] = 0
    near(resnet.forward(images[:, :2], two), resnet.forward(images, weights))


def test_a_stage_that_keeps_its_channels_strides_all_the_same():
    config = {"hidden_sizes": [6, 6], "embedding_size": 6, "depths": [2, 1]}
    config |= {"layer_type": "basic", "model_type": "resnet"}
    shapes = resnet.resnet_shapes({}, resnet.resnet_config({}, config))
    assert [name for name in shapes if "downsample.0" in name] == ["layer2.0.downsample.0.weight"]
    with pytest.raises(ValueError, match="shorter"):
        resnet.resnet_shapes({}, resnet.resnet_config({}, config | {"depths": [2]}))


# Everything at once: what a sabotage is tried on.
def all_of_it(model):
    for case in GOLDEN.values():
        equals(model, *case)


SABOTAGES = {
    "the stride in the first convolution, always": ("else [1, stride, 1]", "else [stride, 1, 1]"),
    "the stride in the second one, always": ("[stride, 1, 1] if", "[1, stride, 1] if"),
    "no stride at the beginning of a stage": ("first = 2 if stage or", "first = 2 if stage > 1 or"),
    "the first stage strides, always": (
        'config["downsample_in_first_stage"] else 1',
        "True else 1",
    ),
    "each block strides": ("1 if block else first", "first"),
    "an activation before the sum": ("h = relu(h) if i < len(strides) else h", "h = relu(h)"),
    "no activation after the sum": (
        "x = act(resnet_block(x, part, name, config, 1 if block else first))",
        "x = resnet_block(x, part, name, config, 1 if block else first)",
    ),
    "no activation within": ("h = relu(h) if i < len(strides) else h", ""),
    "config's activation within": (
        "h = relu(h) if",
        'h = activation_of(config["hidden_act"])(h) if',
    ),
    "relu at the end, always": ('activation_of(config["hidden_act"])', "relu"),
    "nothing added": ("return x + h", "return h"),
    "an activation on the way around": (
        'x = resnet_conv(x, part, f"{name}.downsample.0", f"{name}.downsample.1", stride)',
        'x = relu(resnet_conv(x, part, f"{name}.downsample.0", f"{name}.downsample.1", stride))',
    ),
    "no padding": ("weight.shape[-1] // 2", "0"),
    "one group": ("x.shape[1] // weight.shape[1]", "1"),
    "no pool": ("max_pool2d(x, 3, stride=2, padding=1)", "x[:, :, ::2, ::2]"),
    "a pool without padding": (
        "max_pool2d(x, 3, stride=2, padding=1)",
        "max_pool2d(x, 3, stride=2)",
    ),
    "the maximum at the end": ("x.mean(axis=(2, 3))", "x.max(axis=(2, 3))"),
    "statistics of the batch": (
        "**part(norm))",
        '**part(norm) | {"running_mean": None, "running_var": None})',
    ),
    "a deviation for a variance": ("scale = 1 / np.sqrt(var + eps)", "scale = 1 / (var + eps)"),
    "eps of another library": (
        'bias=None, eps=1e-5):\n    """Return ``(x - mean)',
        'bias=None, eps=1e-3):\n    """Return ``(x - mean)',
    ),
    "the norm forgotten": (
        "batch_norm(conv2d(x, weight, None, stride, padding, groups=groups), **part(norm))",
        "conv2d(x, weight, None, stride, padding, groups=groups)",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken("resnet", *SABOTAGES[name]))


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(resnet)


def test_shape_comments():
    _, weights, arrays = GOLDEN["spread"]
    with executed(MODELS / "resnet.py") as (module, sizes):
        sizes.update(batch=2, height=11, width=18, channels=6)
        module.features(arrays["images"], weights)


def test_the_shapes_are_all_that_is_stored():
    for config, weights, _ in GOLDEN.values():
        shapes = resnet.resnet_shapes(weights, resnet.resnet_config(weights, config))
        if config:
            shapes = {resnet.resnet_name(name): shape for name, shape in shapes.items()}
        names = {name.removeprefix("resnet."): array.shape for name, array in weights.items()}
        assert {n: s for n, s in names.items() if "num_batches" not in n} == shapes


def refused(message, case="spread", config=None, images=None, run="forward", **changed):
    held, weights, arrays = GOLDEN[case]
    weights = {name: array for name, array in (weights | changed).items() if array is not None}
    images = arrays["images"] if images is None else images
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        getattr(resnet, run)(images, weights, held | (config or {}))
    assert str(info.value) == message


def test_a_file_of_something_else_is_refused():
    refused(
        "layer2.0.conv1.weight is missing, expected (out, in, rows, columns): is it no ResNet?",
        **{"layer2.0.conv1.weight": None},
    )
    refused(
        "conv1.weight has shape (6, 3), expected (out, in, rows, columns): is it no ResNet?",
        **{"conv1.weight": np.ones((6, 3))},
    )
    refused(
        "weights have ['se.weight'], which config.json does not speak of: is it of another model "
        "or task?",
        **{"se.weight": np.ones(3)},
    )
    refused(
        "weights lack ['encoder.stages.1.layers.0.layer.0.convolution.weight']: is config.json "
        "of this checkpoint, are all of its files read, and has it a head?",
        "hugging_face",
        **{"resnet.encoder.stages.1.layers.0.layer.0.convolution.weight": None},
    )
    with pytest.raises(ValueError, match="weights are a list, expected a mapping"):
        resnet.forward(GOLDEN["spread"][2]["images"], [1])


def test_a_config_of_something_else_is_refused():
    message = "model_type is 'resnext', expected resnet: is config.json another model's?"
    refused(message, "hugging_face", {"model_type": "resnext"})
    message = "layer_type is 'preact', expected basic or bottleneck"
    refused(message, "hugging_face", {"layer_type": "preact"})
    _, weights, arrays = GOLDEN["hugging_face"]
    with pytest.raises(ValueError, match="config is a NoneType, expected the dict of"):
        resnet.forward(arrays["images"], weights)


def test_a_file_without_a_head_is_refused_where_the_head_is_asked_for():
    message = "the file has no head, fc or classifier.1: call features instead"
    refused(message, "headless")


def test_what_is_no_image_is_refused():
    refused(
        "images are float64 of shape (2, 9, 9, 3), expected floats of shape ('batch', 3, 'rows', "
        "'columns'): put the channels before rows and columns",
        images=np.zeros((2, 9, 9, 3)),
    )


# What only a live comparison tells.


@st.composite
def cases(draw):
    size = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    depths = [draw(st.integers(1, 2)) for _ in range(4)]
    few = st.integers(1, 3)
    options = {"depths": depths, "embedding_size": draw(few), "spread": draw(st.booleans())}
    if draw(st.booleans()):
        block = draw(st.sampled_from(["BasicBlock", "Bottleneck"]))
        options |= {"block": block, "planes": [draw(few) for _ in range(4)], "classes": draw(few)}
        if block == "Bottleneck":
            options |= {"groups": draw(few), "base_width": draw(st.sampled_from([64, 128]))}
        return torchvision_of, options, size
    options["layer_type"] = draw(st.sampled_from(["basic", "bottleneck"]))
    options["hidden_sizes"] = [4 * draw(few) for _ in range(4)]
    options["hidden_act"] = draw(st.sampled_from(["relu", "gelu", "silu"]))
    options["head"] = draw(st.booleans())
    for place in ("downsample_in_first_stage", "downsample_in_bottleneck"):
        options[place] = draw(st.booleans())
    return transformers_of, options, size


@NEEDED
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_equals_the_libraries(case, monkeypatch):
    made, options, size = case
    with in_float64(monkeypatch):
        model = made(**options)
        config, weights = stored(model)
        arrays = arrays_of(model, 2, size)
    equals(resnet, config, weights, arrays)


@NEEDED
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"])
def test_equals_the_models_that_torchvision_offers(name):
    model = lived(getattr(library.load("torchvision").models, name)(), spread=True).eval().double()
    config, weights = stored(model)
    equals(resnet, config, weights, arrays_of(model, 1, (32, 48)))


@NEEDED
def test_the_golden_arrays_are_those_of_the_library(monkeypatch):
    library.golden_is_live("resnet", monkeypatch)


@NEEDED
def test_the_defaults_are_those_of_the_library():
    config = library.load().ResNetConfig()
    for name, value in resnet.RESNET_DEFAULTS.items():
        assert getattr(config, name) in (value, tuple(value) if isinstance(value, list) else value)
