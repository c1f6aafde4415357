"""Measure the shape calculator on the models of whole libraries.

    python -m tests.calculator_survey collect FOLDER torchvision timm transformers
    python -m tests.calculator_survey read FOLDER
    python -m tests.calculator_survey time

The first command needs the libraries, and builds their models on PyTorch's meta device: their
print, the names and shapes of their state_dict(), and the source of each class that was made with
literal arguments, on its own. The second one needs Chromium; it reads the prints and the sources
with the scripts of the page, and writes docs/measured/calculator.json. The third one adds how long
the built page takes for 2,000 lines, in Chromium and Firefox; SITE may name a built site.
``HELD_OUT`` had no part in tuning the rules. Nothing here is a test: figures are measured, never
asserted.
"""

import ast
import contextlib
import functools
import importlib
import inspect
import io
import json
import math
import os
import pathlib
import re
import shutil
import sys
import tempfile
import textwrap
from datetime import date

import numpy as np

from snippets.state_dict import under
from snippets.storage import REGISTRY, Tensor, entries
from tests.models.library import leave_out_kernels

FILE = pathlib.Path(__file__).parents[1] / "docs/measured/calculator.json"
TUNED = ["torchvision", "timm", "transformers"]
HELD_OUT = ["diffusers", "segmentation_models_pytorch", "vit_pytorch", "monai"]
LITERALS = (int, float, str, bool, type(None))


# ---- Models ----


def torchvision():
    """Yield (name, how to make it) of every model of torchvision."""
    models = importlib.import_module("torchvision.models")
    parts = re.compile("rcnn|ssd|retina|fcos|deeplab|fcn|lraspp")  # with a second network inside
    for name in models.list_models():
        none = {"weights_backbone": None} if parts.search(name) else {}
        yield name, lambda name=name, none=none: models.get_model(name, weights=None, **none)


def timm():
    """Yield one model of each family of timm."""
    library = importlib.import_module("timm")
    seen = set()
    for name in library.list_models():
        module = library.models.model_entrypoint(name).__module__
        family = module, re.split(r"[_\d]", name)[0]
        if family not in seen:
            seen.add(family)
            yield name, lambda name=name: library.create_model(name, pretrained=False)


def transformers():
    """Yield the base model of each configuration of transformers, with two layers."""
    library = importlib.import_module("transformers")
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    layers = ["num_hidden_layers", "n_layer", "n_layers", "num_layers"]
    layers += ["encoder_layers", "decoder_layers"]

    def make(configuration):
        config = configuration()
        for key in layers:
            if isinstance(getattr(config, key, None), int):
                with contextlib.suppress(Exception):
                    setattr(config, key, 2)
        return library.AutoModel.from_config(config)

    for configuration in list(auto.MODEL_MAPPING):
        yield configuration.model_type, lambda one=configuration: make(one)


def diffusers():
    """Yield every model of diffusers that its own defaults make."""
    library = importlib.import_module("diffusers.models")
    for name in sorted(set(dir(library))):
        if name.endswith(("Model", "2D", "KL", "Transformer2DModel")):
            yield name, lambda name=name: getattr(library, name)()


def segmentation_models_pytorch():
    """Yield each architecture with each of five encoders."""
    library = importlib.import_module("segmentation_models_pytorch")
    for encoder in ("resnet34", "efficientnet-b0", "mobilenet_v2", "densenet121", "mit_b0"):
        for name in ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "DeepLabV3Plus"):
            yield (
                f"{name} {encoder}",
                lambda name=name, encoder=encoder: getattr(library, name)(encoder, None),
            )


def vit_pytorch():
    """Yield the models that the README of vit_pytorch makes."""
    common = {"num_classes": 1000, "dim": 64, "depth": 2, "heads": 4, "mlp_dim": 128}
    image = common | {"image_size": 256, "patch_size": 32}
    for name, more in {
        "vit.ViT": {},
        "simple_vit.SimpleViT": {},
        "deepvit.DeepViT": {},
        "cait.CaiT": {"cls_depth": 2},
        "parallel_vit.ViT": {},
        "vit_for_small_dataset.ViT": {},
        "simple_flash_attn_vit.SimpleViT": {},
        "rvt.RvT": {},
    }.items():
        module, kind = name.split(".")
        yield (
            name,
            lambda module=module, kind=kind, more=more: getattr(
                importlib.import_module(f"vit_pytorch.{module}"), kind
            )(**image, **more),
        )


def monai():
    """Yield networks of monai by the arguments that its documentation gives."""
    nets = importlib.import_module("monai.networks.nets")
    unet = {"in_channels": 1, "out_channels": 2, "channels": (8, 16, 32), "strides": (2, 2)}
    given = {
        "UNet": {"spatial_dims": 3, **unet},
        "AttentionUnet": {"spatial_dims": 2, **unet},
        "BasicUNet": {"spatial_dims": 3},
        "DenseNet121": {"spatial_dims": 2, "in_channels": 1, "out_channels": 3},
        "SEResNet50": {"spatial_dims": 3, "in_channels": 2, "num_classes": 10},
        "SegResNet": {},
        "VNet": {},
        "HighResNet": {},
        "DynUNet": {
            "spatial_dims": 2,
            "in_channels": 1,
            "out_channels": 2,
            "kernel_size": [3, 3, 3],
            "strides": [1, 2, 2],
            "upsample_kernel_size": [2, 2],
        },
        "UNETR": {"in_channels": 1, "out_channels": 4, "img_size": 32, "feature_size": 16},
        "SwinUNETR": {"in_channels": 1, "out_channels": 2, "feature_size": 24},
        "ViT": {"in_channels": 1, "img_size": (32, 32, 32), "patch_size": (8, 8, 8)},
        "resnet18": {},
    }
    for name, arguments in given.items():
        yield (
            name,
            lambda name=name, arguments=arguments: getattr(nets, name)(**arguments),
        )


# ---- What is true of them ----


def is_literal(value):
    """Return whether a value is written as code writes it."""
    if type(value) in (list, tuple):
        return all(map(is_literal, value))
    return type(value) in LITERALS and (type(value) is not float or math.isfinite(value))


def told(torch, bases, model):
    """Return [[name, shape, kind, class]] of what a model stores; kind says whose tensor it is."""
    owners = dict(model.named_modules(remove_duplicate=False))
    found = []
    for name, values in model.state_dict().items():
        path, _, last = name.rpartition(".")
        owner = type(owners.get(path, model))
        if not isinstance(values, torch.Tensor):
            continue
        of = [base for base in owner.__mro__ if base in bases]
        kind = "own"
        if owner.__module__.startswith("torch.nn") and not path.endswith("parametrizations.weight"):
            kind = "nn"
        elif of and last in bases[of[0]]:
            kind = "sub"
        found.append([name, list(values.shape), kind, owner.__name__])
    return found


def collect(folder, library):
    """Write the models of one library, and the sources of their classes, into a folder."""
    torch = importlib.import_module("torch")
    bases = {
        getattr(torch.nn, name): {one.name for one in entries(name) if isinstance(one, Tensor)}
        for name, layer in REGISTRY.items()
        if layer.holds and hasattr(torch.nn, name)
    }
    made = {}

    def recorded(cls, *args, **kwargs):
        self = object.__new__(cls)
        made[id(self)] = self, args, kwargs
        return self

    torch.nn.Module.__new__ = staticmethod(recorded)
    models, sources = [], {}
    for name, make in globals()[library]():
        made.clear()
        try:
            with contextlib.redirect_stdout(io.StringIO()), torch.device("meta"):
                model = make()
            one = {"name": name, "print": repr(model), "tensors": told(torch, bases, model)}
        except Exception as error:  # of those that need a file, or more than the defaults
            print(f"{library} {name}: {type(error).__name__} {str(error)[:80]}", file=sys.stderr)
            continue
        models.append(one)
        for module in list(model.modules()):
            cls = type(module)
            if cls.__module__.startswith("torch.") or cls.__qualname__ in sources:
                continue
            _, args, kwargs = made.get(id(module), (None, [object()], {}))
            kwargs = {k: v for k, v in kwargs.items() if k not in ("device", "dtype")}
            if all(map(is_literal, [*args, *kwargs.values()])):
                with contextlib.suppress(Exception):
                    sources[cls.__qualname__] = source_of(torch, cls, args, kwargs)
    text = json.dumps({"models": models, "sources": list(sources.values())})
    pathlib.Path(folder, f"{library}.json").write_text(text, "utf-8")


def source_of(torch, cls, args, kwargs):
    """Return a class's source, the call that makes it, and what is stored, directly and in all."""
    with torch.device("meta"):
        fresh = cls(*args, **kwargs)
    call = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    direct = {}

    def walk(module, prefix):
        own = dict(module.named_parameters(recurse=False))
        hidden = module._non_persistent_buffers_set
        own |= {k: b for k, b in module.named_buffers(recurse=False) if k not in hidden}
        direct.update({prefix + k: list(values.shape) for k, values in own.items()})
        for key, child in module.named_children():
            if type(child).__module__.startswith("torch.nn"):
                walk(child, f"{prefix}{key}.")

    walk(fresh, "")
    return {
        "source": textwrap.dedent(inspect.getsource(cls)),
        "file": inspect.getsource(sys.modules[cls.__module__]),
        "call": f"{cls.__name__}({call})",
        "direct": direct,
        "all": {k: list(values.shape) for k, values in fresh.state_dict().items()},
    }


# ---- What the page reads ----

READ = """async texts => texts.map(text => {
  const start = performance.now();
  const {found, slips, notes, unsure, others} = read(text);
  const rows = found.flatMap(({rows, root}) => rows.map(({name, shape}) => [name, shape, root]));
  const lines = found.filter(({line}) => line).map(({type, prefix, line, rows}) => {
    const own = name => name.slice(prefix && prefix.length + 1);
    const whole = line.replaceAll(`under(state, "${prefix}")`, 'state');
    const bare = whole.replaceAll(`"${prefix}.`, '"');
    return JSON.stringify([type, bare, rows.map(({name, shape}) => [own(name), shape])]);
  });
  const said = slips.length + notes.length + unsure.length;
  return {rows, said, slips, others, notes, unsure, lines, time: performance.now() - start};
})"""


@contextlib.contextmanager
def reader():
    """Give a function that reads texts as the page does, in Chromium."""
    from playwright.sync_api import sync_playwright

    from docs.extensions.rules import of_layers, of_names
    from docs.extensions.tables import ASSETS, data_script, registry

    shown = ("tree", "stored", "axes", "which", "facts", "print", "listing")
    names = (*shown, "lezer-python", "syntax", "values", "python", "code", "read")
    with sync_playwright() as play:
        program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_content(
            data_script("registry", registry() | {"words": {}})
            + data_script("rules", of_layers() | of_names())
        )
        for name in names:
            page.add_script_tag(path=ASSETS / f"{name}.js")
        yield lambda texts: page.evaluate(READ, texts)
        browser.close()


def of_prints(models, told):
    """Return the figures of a library's prints."""
    found = {"models": len(models), "wrong": 0, "misled": 0, "empty": 0, "unsure": [0, 0]}
    found["lines"] = [0, 0]  # run, all
    found |= {kind: [0, 0] for kind in ("nn", "sub", "own")}  # right, all
    owners = {owner for model in models for *_, owner in model["tensors"]}
    for model, one in zip(models, told, strict=True):
        ours = {name: shape for name, shape, _ in one["rows"]}
        true = {name: shape for name, shape, *_ in model["tensors"]}
        for name, shape, kind, _ in model["tensors"]:
            found[kind][1] += 1
            found[kind][0] += ours.get(name) == shape
        wrong = sum(true.get(name) != shape for name, shape in ours.items())
        found["wrong"] += wrong
        missing = true.keys() - ours.keys()
        found["misled"] += bool(wrong or missing) and not one["said"] and not one["others"]
        # Messages about a class that stores nothing in any model here, and those of "may".
        found["empty"] += sum(owners.isdisjoint(re.findall(r"\w+", n)) for n in one["notes"])
        empty = sum(re.match(r"\w+", note)[0] not in owners for note in one["unsure"])
        found["unsure"][0] += len(one["unsure"]) - empty
        found["unsure"][1] += len(one["unsure"])
        found["lines"][0] += sum(map(runs, one["lines"]))
        found["lines"][1] += len(one["lines"])
    return found


def inputs_of(layer, name, state, options):
    """Return the input of a line by its name, of the sizes that its weights have."""
    shape = next(iter(state.values())).shape
    axes = int(layer[-2]) if re.search(r"\dd$", layer) else 1
    stem = re.sub(r"\dd$", "", layer)
    if name == "ids":
        return np.zeros((2, 3), int)
    match stem:
        case "Linear":
            size = (2, shape[1])
        case "Bilinear":
            size = (2, shape[int(name[-1])])
        case "Conv":
            dilation = options.get("dilation", 1)
            each = dilation if isinstance(dilation, tuple) else (dilation,) * axes
            room = [d * (k - 1) + 2 for d, k in zip(each, shape[2:], strict=True)]
            size = (1, shape[1] * options.get("groups", 1), *room)
        case "ConvTranspose":
            size = (1, shape[0], *[3] * axes)
        case "BatchNorm" | "InstanceNorm":
            size = (2, shape[0], *[3] * axes)
        case "LayerNorm" | "RMSNorm":
            size = (2, *shape)
        case "GroupNorm" | "PReLU":
            size = (2, shape[0], 4)
        case "RNN" | "LSTM" | "GRU":
            size = (3, 2, state["weight_ih_l0"].shape[1])
        case "RNNCell" | "LSTMCell" | "GRUCell" | "AdaptiveLogSoftmaxWithLoss":
            size = (2, shape[1])
        case _:  # attention and transformers
            width = next(a.shape[0] for n, a in state.items() if n.endswith("out_proj.weight"))
            size = (3, 2, width)
    return np.zeros(size, np.float32)


@functools.cache
def runs(told):
    """Return whether a line of NumPy runs with the sizes of the print that it was made of."""
    layer, line, rows = json.loads(told)
    recipe = importlib.import_module(f"snippets.layers.{REGISTRY[layer].recipe}")
    state = {name: np.zeros(shape, np.float32) for name, shape in rows}
    call = ast.parse(line.split(" = ", 1)[1], mode="eval").body
    options = {}
    for one in call.keywords:
        with contextlib.suppress(ValueError):  # of an entry of the state
            options[one.arg] = ast.literal_eval(one.value)
    names = {"state": state, "under": under, "nhead": 1, "num_heads": 1}
    for name in {node.id for node in call.args if isinstance(node, ast.Name)} - names.keys():
        names[name] = inputs_of(layer, name, state, options)
    try:
        eval(line.split(" = ", 1)[1], vars(recipe) | names)
    except Exception as error:
        print(f"  does not run: {line} {rows[:2]}: {error}")
        return False
    return True


# Whose functions and classes the page knows
KNOWN = {"collections", "copy", "functools", "itertools", "math", "numpy", "torch", "typing"}


def from_elsewhere(tree):
    """Return the names in a file whose values are made by code of other files."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.level or node.module.split(".")[0] not in KNOWN)
        for alias in node.names
    }
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)]
    for node in sorted(made, key=lambda one: one.lineno):
        if node.value and names & {one.id for one in ast.walk(node.value) if is_name(one)}:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {one.id for to in targets for one in ast.walk(to) if is_name(one)}
    return names


def is_name(node):
    """Return whether a node of a tree is a name."""
    return isinstance(node, ast.Name)


def lines_of(tree, cls):
    """Return the lines of a class, and of those in the same file that it is made of."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == cls:
            found |= {*range(node.lineno, node.end_lineno + 1)}
            for base in filter(is_name, node.bases):
                found |= lines_of(tree, base.id)
    return found


def needs_others(source, slips):
    """Return whether the page says of a class's lines that they need the code of another file."""
    tree = ast.parse(source["file"])
    lines, names = lines_of(tree, source["call"].partition("(")[0]), from_elsewhere(tree)
    for where, _, said in (slip.partition(": ") for slip in slips):
        if lines & set(map(int, re.findall(r"\d+", where))) and names & set(
            re.findall(r"\w+", said)
        ):
            return True
    return False


def of_sources(sources, told):
    """Return the figures of a library's sources.

    ``elsewhere`` counts the direct tensors that are missing from classes that need others.
    """
    found = {"classes": len(sources), "right": 0, "wrong": 0, "silent": 0, "direct": [0, 0]}
    found["elsewhere"] = 0
    for source, one in zip(sources, told, strict=True):
        cls, direct = source["call"].partition("(")[0], source["direct"]
        ours = {name: shape for name, shape, root in one["rows"] if root == cls}
        right = sum(ours.get(name) == shape for name, shape in direct.items())
        wrong = any(source["all"].get(name) != shape for name, shape in ours.items())
        found["direct"][0] += right
        found["direct"][1] += len(direct)
        found["elsewhere"] += (len(direct) - right) * needs_others(source, one["slips"])
        found["right"] += right == len(direct) and not wrong
        found["wrong"] += wrong
        found["silent"] += right < len(direct) and not wrong and not one["said"]
        if wrong or (right < len(direct) and not one["said"]):
            print(f"  look at {source['call'][:80]}: {one['rows'][:2]}")
    return found


def summed(figures):
    """Return the sum of the figures of several libraries."""
    first, *rest = figures
    total = dict(first)
    for one in rest:
        for key, value in one.items():
            if isinstance(value, list):
                total[key] = [a + b for a, b in zip(total[key], value, strict=True)]
            else:
                total[key] += value
    return total


def read_all(folder):
    """Measure every library in a folder, and write FILE."""
    prints, alone, files = {}, {}, {}
    with reader() as read:
        for path in sorted(pathlib.Path(folder).glob("*.json")):
            corpus = json.loads(path.read_text("utf-8"))
            models, sources = corpus["models"], corpus["sources"]
            prints[path.stem] = of_prints(models, read([one["print"] for one in models]))
            for found, key in ((alone, "source"), (files, "file")):
                texts = [f"{one[key]}\n\n{one['call']}\n" for one in sources]
                found[path.stem] = of_sources(sources, read(texts)) if texts else None
            print(path.stem, prints[path.stem], alone[path.stem], files[path.stem], sep="\n  ")
    old = json.loads(FILE.read_text("utf-8"))
    figures = {"milliseconds": old["milliseconds"]} if "milliseconds" in old else {}
    for title, names in (("tuned", TUNED), ("held_out", HELD_OUT)):
        here = [name for name in names if name in prints]
        figures[title] = {
            "libraries": here,
            "prints": summed([prints[name] for name in here]),
            "sources": summed([alone[name] for name in here if alone[name]]),
            "files": summed([files[name] for name in here if files[name]]),
        }
    FILE.write_text(
        json.dumps(
            {
                "date": f"{date.today():%B %Y}",
                "command": "python -m tests.calculator_survey read FOLDER",
                **figures,
            },
            indent=1,
        )
        + "\n",
        "utf-8",
    )


# ---- How long it takes ----


def repeated(text, times, around="{}"):
    """Return a text with {i} and {n}, one more, filled in so often, within what stands around."""
    lines = (text.replace("{i}", f"{i}").replace("{n}", f"{i + 1}") for i in range(times))
    return around.replace("{}", "".join(lines))


BLOCK = """    ({i}): Block(
      (fc): Linear(in_features=8, out_features=8, bias=True)
      (act): GELU(approximate='none')
    )
"""
LINES = {
    "a print": repeated(
        "  (fc{i}): Linear(in_features={n}, out_features=8, bias=True)\n", 1998, "Net(\n{})"
    ),
    "a print of equal blocks": repeated(BLOCK, 499, "Net(\n  (h): ModuleList(\n{}  )\n)"),
    "code": repeated(
        "        self.fc{i} = nn.Linear({n}, 8)\n",
        1998,
        "class Net(nn.Module):\n    def __init__(self):\n{}",
    ),
    "names with shapes": repeated("fc{i}.weight torch.Size([8, {n}])\n", 2000),
}
TIME = """async text => {
  const times = [];
  for (let i = 0; i < 9; i++) {
    box.value = text;
    const start = performance.now();
    await show();
    document.body.offsetHeight;  // drawn
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}"""


def time_all():
    """Measure the page's best of nine for 2,000 lines in each browser, and add it to FILE."""
    from playwright.sync_api import sync_playwright

    from tests.conftest import build

    found = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        site = pathlib.Path(os.environ.get("SITE") or build(pathlib.Path(folder, "site")))
        for name, program in (("chromium", "chromium"), ("firefox", "firefox-esr")):
            own = {"channel": "moz-firefox"} if name == "firefox" else {"args": ["--no-sandbox"]}
            browser = getattr(play, name).launch(executable_path=shutil.which(program), **own)
            page = browser.new_page()
            page.goto((site / "layers/calculator/index.html").as_uri())
            page.evaluate("parser()")
            found[name] = {key: round(page.evaluate(TIME, text)) for key, text in LINES.items()}
            browser.close()
    print(found)
    figures = json.loads(FILE.read_text("utf-8")) | {"milliseconds": found}
    FILE.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["time"]:
            time_all()
        case ["collect", folder, *libraries]:
            leave_out_kernels()
            for library in libraries:
                collect(folder, library)
        case ["read", folder]:
            read_all(folder)
        case _:
            raise SystemExit(__doc__)
