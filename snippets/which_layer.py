"""Find which layer of ``torch.nn`` each tensor of a checkpoint belongs to: ``modules_of(shapes)``.

The tensors of one module are decided together. A class is named where, for some arguments of its
constructor, it stores exactly these names and shapes; ``held`` of ``storage.py`` tells. Where
several classes do, all are named: a file holds no class.
"""

import re
from functools import lru_cache
from itertools import accumulate, product
from typing import NamedTuple

import numpy as np

from .families import norm_of
from .storage import (
    REGISTRY,
    Tensor,
    entries,
    evaluate,
    held,
    parsed,
    pattern,
    required,
    solve,
)

# These store what a more common class stores too.
RARE = {"Bilinear", "EmbeddingBag", "SyncBatchNorm"}

# These store what a much more frequent one stores: Linear, the convolution, LayerNorm.
SELDOM = {"Embedding", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "GroupNorm"}

# Arguments that are seldom other than their defaults.
SWITCHES = {"groups", "affine", "track_running_stats"}

# What decides between classes that store the same: the first line of them that holds. A line has
# the class, or several of which it is one; what tells of it; a pattern, searched in the module's
# own name, in lower case and without numbers; and a condition, as the registry writes them, of the
# names in ``known_of_module``. JavaScript walks the same lines.
CLUES = [
    ("Linear", "name", "proj|linear|dense|mlp|head|query|key|value|qkv|lora", "True"),
    ("Linear", "name", r"^w[qkvoi]\d*$|^[qkv]$", "True"),
    ("Linear", "neighbours", "emb", "axes == 2 and norm_behind == rows and rows != columns"),
    ("Embedding", "name", "emb|^wte$|^wpe$|vocab|codebook|^shared$", "True"),
    ("Embedding", "name", "(rel|pos|attention)_?bias", "True"),
    ("Linear", "name", "fc|lin|to_|^c_|out|in$|gate|up$|down|router|classifier|score", "True"),
    ("Linear", "name", "^[oxw]$|pred", "True"),
    ("ConvTranspose", "name", "deconv|trans|upconv|unpool|up_?sample|conv_?t$|^up", "True"),
    ("Conv", "neighbours", "", "axes > 1 and norm_behind == rows and rows != columns"),
    ("Conv", "kernel", "", "odd_kernel"),
    ("Conv", "kernel", "", "columns == 1"),
    ("Conv", "name", "patch|stem|emb|down|proj|reduc|feature", "True"),
    ("GroupNorm", "name", "gn|group_?norm", "bias"),
    ("LayerNorm", "neighbours", "", "bias and matrix_beside"),
    ("LayerNorm", "name", "ln|layer_?norm", "bias"),
    ("GroupNorm InstanceNorm", "neighbours", "", "bias and between_kernels"),
    ("RMSNorm", "name", "rms", "True"),
    ("PReLU", "name", "prelu|act", "True"),
    ("PReLU", "shape", "", "axes == 1 and rows == 1"),
]

# What a layer's own tensors are called: beside these, a module may have more.
USUAL = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}

# Hugging Face's Linear that keeps its weight the other way round.
CONV1D = "Hugging Face's Conv1D"
CONV1D_HOLDS = {
    "weight": Tensor("weight", "(in_features, out_features)", "one input"),
    "bias": Tensor("bias", "(out_features,)", "one output"),
}

# The classes that an argument which is a module may have.
MODULES = {
    "encoder_layer": ["TransformerEncoderLayer"],
    "decoder_layer": ["TransformerDecoderLayer"],
    "custom_encoder": ["TransformerEncoder"],
    "custom_decoder": ["TransformerDecoder"],
    "norm": ["LayerNorm", "RMSNorm"],
}

# What a name tells of an argument that counts: how many different numbers stand here.
COUNTED = {
    "num_layers": r"(?:\w+_l|layers\.)(\d+)",
    "num_encoder_layers": r"encoder\.layers\.(\d+)",
    "num_decoder_layers": r"decoder\.layers\.(\d+)",
}


class Fit(NamedTuple):
    """One class that stores the tensors of a module.

    Parameters
    ----------
    layer : str
    arguments : dict
        What its constructor may have been given.
    tensors : dict of str to Tensor
        The registry's entry of each tensor, by its name in the module.
    clue : str
        What decides for this class, where others store the same: family, name, kernel, neighbours.
    """

    layer: str
    arguments: dict
    tensors: dict
    clue: str = ""

    @property
    def usual(self):
        """Whether it is a common class, made with the defaults: a bias may be left out."""
        defaults = REGISTRY[self.layer].arguments if self.layer in REGISTRY else {}
        switches = SWITCHES & defaults.keys()
        turned = any(self.arguments[key] != defaults[key] for key in switches)
        over_several = isinstance(self.arguments.get("normalized_shape"), tuple)
        return not turned and not over_several and self.layer not in RARE


def modules_of(shapes):
    """Return [(prefix, {own name: shape}, [Fit])] of all modules, decided in each other's light."""
    found = decided(list(modules(shapes)), norm_of(shapes))
    if not any(fit.layer == CONV1D for _, _, fits in found for fit in fits):
        return found
    # A square weight beside sure ones of Hugging Face may be either.
    either = [Fit(CONV1D, {}, CONV1D_HOLDS)]
    return [
        (prefix, own, fits + either if fits[:1] != either and is_transposed(own) else fits)
        for prefix, own, fits in found
    ]


def decided(found, norm):
    """Return the modules, with the class first that the model's family or a clue decides for."""
    beside = [(own.get("weight", ()), len(own)) for _, own, _ in found]
    result = []
    for i, (prefix, own, fits) in enumerate(found):
        usual = [fit.layer for fit in fits if fit.usual]
        layers = {stem(layer) for layer in usual}
        if norm in usual:
            fits = put_first(fits, [norm], "family")
        elif len(layers) > 1:
            words = [word for word in prefix.lower().split(".") if word and not word.isdigit()]
            known = known_of_module(own, beside, i)
            for names, clue, pattern, when in CLUES:
                holds = re.search(pattern, words[-1] if words else "")
                if holds and layers & set(names.split()) and evaluate(parsed(when), known):
                    fits = put_first(fits, names.split(), clue)
                    break
        result.append((prefix, own, fits))
    return result


def put_first(fits, layers, clue):
    """Return the fits, those first that a clue decides for."""
    rest = [fit for fit in fits if not {fit.layer, stem(fit.layer)} & {*layers}]
    return [fit._replace(clue=clue) for fit in fits if fit not in rest] + rest


def stem(layer):
    """Return a class without the number of its spatial axes."""
    return re.sub(r"\dd$", "", layer)


def known_of_module(own, beside, i):
    """Return what the conditions of CLUES may ask of module i."""
    weight = own.get("weight", ())
    behind, entries_behind = beside[i + 1] if i + 1 < len(beside) else ((), 0)
    around = [next((w for w, _ in part if w[1:]), ()) for part in (beside[i::-1], beside[i:])]
    kernels = [is_full(w) for w in around]
    return {
        "axes": len(weight),
        "rows": weight[0] if weight else None,
        "columns": weight[1] if weight[1:] else None,
        "odd_kernel": len(weight) > 2 and all(size % 2 for size in weight[2:]),
        "bias": "bias" in own,
        "norm_behind": behind[0] if len(behind) == 1 and entries_behind > 1 else None,
        "matrix_beside": any(len(w) == 2 for w in around) and not any(kernels),
        "between_kernels": all(kernels),
    }


def is_full(weight):
    """Return whether a weight is that of a convolution over space and channels."""
    return len(weight) > 2 and weight[1] > 1 and max(weight[2:]) > 1


def modules(shapes):
    """Yield (prefix, {own name: shape}, [Fit]) of the outermost modules that are a layer."""
    todo = [("", shapes)]
    while todo:
        prefix, own = todo.pop()
        direct, deeper = {}, {}
        for name, shape in own.items():
            head, _, rest = name.partition(".")
            if rest and prefix.count(".") < 64:  # deeper than any model: not followed
                deeper.setdefault(head, {})[rest] = shape
            else:
                direct[name] = shape
        fits = fitting(own)
        if fits or (not deeper and not direct.keys() & USUAL):
            yield prefix, own, fits
            continue
        # What else the module has, a gain or a part below, hides no layer.
        usual = {name: shape for name, shape in direct.items() if name in USUAL}
        other = {name: shape for name, shape in direct.items() if name not in USUAL}
        fits = fitting(usual)
        if fits and (other or deeper):
            yield prefix, usual, fits
            direct = other
        if direct:
            yield prefix, direct, []
        todo += [(f"{prefix}{head}.", deeper[head]) for head in reversed(deeper)]


def below(shapes, prefix):
    """Return the entries below a prefix, under their own names there."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in shapes.items() if k.startswith(start)}


def fitting(shapes):
    """Return [Fit] of every class with a recipe that stores exactly this, the usual first."""
    return fitting_items(tuple(shapes.items()))


@lru_cache(maxsize=4096)
def fitting_items(items):
    """Do what ``fitting`` does, once for all modules that are alike."""
    shapes = dict(items)
    if "running_mean" in shapes:  # PyTorch counts batches since 0.4.1
        shapes.setdefault("num_batches_tracked", ())
    fits = [fit for name in REGISTRY if REGISTRY[name].recipe for fit in fit_of(name, shapes)]
    if not fits and is_transposed(shapes):
        fits.append(Fit(CONV1D, {}, CONV1D_HOLDS))
    # Where nothing decides, the more frequent class is first.
    return sorted(
        fits,
        key=lambda fit: (not fit.usual, fit.layer in SELDOM, fit.arguments.get("bias") is False),
    )


def fit_of(name, shapes):
    """Return [Fit] of one class, with the first arguments that explain all; [] if none do."""
    if not shapes or not all(names_of(name).fullmatch(key) for key in shapes):
        return []
    given = REGISTRY[name].deciding
    options = {key: [] if value is required else [value] for key, value in given.items()}
    for key, value in options.items():
        if value and isinstance(value[0], bool):
            options[key] = [value[0], not value[0]]
    for key, values in measured(name, shapes).items():
        options[key] = [*values, *(v for v in options[key] if not v)]
    for values in product(*options.values()):
        arguments = dict(zip(options, values, strict=True))
        tensors = held(name, **arguments)
        if {key: shape for key, (shape, _) in tensors.items()} == shapes:
            return [Fit(name, arguments, {key: tensor for key, (_, tensor) in tensors.items()})]
    return []


@lru_cache
def names_of(name):
    """Return the regular expression of the names that a class can store."""
    return re.compile(
        "|".join(
            pattern(entry).removeprefix(r"(^|\.)").removesuffix("$")
            if isinstance(entry, Tensor)
            else re.sub(r"\\{\w+\\}", r"\\d+", re.escape(entry.name)) + r"\..+"
            for entry in entries(name)
        )
        or r"(?!)"
    )


def measured(name, shapes):
    """Return {argument: [values]} of what names and shapes tell of a constructor's arguments."""
    layer = REGISTRY[name]
    found = {}
    for entry in entries(name):
        if isinstance(entry, Tensor):
            for key, shape in shapes.items():
                if re.match(pattern(entry), key):
                    for size, value in (solve(entry.shape, shape, layer.spatial) or {}).items():
                        found.setdefault(size, [value])
        else:
            inner = below(shapes, entry.name.replace("{k}", "0"))
            if entry.of in MODULES:
                fits = [fit for module in MODULES[entry.of] for fit in fit_of(module, inner)]
                # What Transformer makes by itself needs no module that is given.
                own = [None] * entry.of.startswith("custom_")
                found[entry.of] = own + [(f.layer, f.arguments) for f in fits]
            else:
                sizes = measured(entry.of, inner)
                for key, outer in entry.arguments.items():
                    if key in sizes and not isinstance(sizes[key][0], tuple):
                        found.setdefault(outer, sizes[key])
    for key, expression in COUNTED.items():
        found[key] = [len({m[1] for text in shapes if (m := re.match(expression, text))})]
    found |= not_solved(layer, shapes)
    return {key: values for key, values in found.items() if key in layer.deciding}


def not_solved(layer, shapes):
    """Return {argument: [values]} of those that stand in no axis by themselves."""
    weight, bias = shapes.get("weight", ()), shapes.get("bias", ())
    if layer.spatial and len(weight) != 2 + layer.spatial:
        return {}
    if layer.recipe == "conv":
        # The file keeps in_channels // groups alone.
        return {"in_channels": [weight[1]], "kernel_size": [weight[2:]]}
    if layer.recipe == "conv_transpose":
        channels = bias[0] if bias else weight[1]
        groups = channels // (weight[1] or 1)
        if groups < 1 or weight[0] % groups or channels % groups:
            return {}
        return {"out_channels": [channels], "groups": [groups], "kernel_size": [weight[2:]]}
    if layer.recipe == "adaptive_softmax":
        return clusters(shapes)
    if "_random_samples" in shapes:
        return {"_random_samples": [np.broadcast_to(0.0, shapes["_random_samples"])]}
    return {"normalized_shape": [weight if weight[1:] else weight[0]]} if weight else {}


def clusters(shapes):
    """Return the cutoffs, classes and div_value of an AdaptiveLogSoftmaxWithLoss."""
    tails = []
    while f"tail.{len(tails)}.1.weight" in shapes:
        tails.append(shapes[f"tail.{len(tails)}.1.weight"])
    head = shapes.get("head.weight", ())
    if len(head) != 2 or not tails or any(len(tail) != 2 for tail in tails):
        return {}
    *cutoffs, n_classes = accumulate((rows for rows, _ in tails), initial=head[0] - len(tails))
    # in_features // div_value ** (i + 1) is a cluster's width: each bounds div_value.
    widths = [(width, 1 / (i + 1)) for i, (_, width) in enumerate(tails)]
    low = max((head[1] / (width + 1)) ** power for width, power in widths)
    high = min((head[1] / width) ** power if width else low + 2 for width, power in widths)
    return {"cutoffs": [cutoffs], "n_classes": [n_classes], "div_value": [(low + high) / 2]}


def is_transposed(shapes):
    """Return whether a bias is as long as the weight's columns."""
    weight, bias = shapes.get("weight", ()), shapes.get("bias")
    return shapes.keys() == CONV1D_HOLDS.keys() and len(weight) == 2 and weight[1:] == bias
