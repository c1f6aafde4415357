"""Say which layer of ``torch.nn`` each tensor of a checkpoint belongs to: ``describe(state)``.

The tensors of one module are decided together. A class is named where, for some arguments of its
constructor, it stores exactly these names and shapes; ``held`` of ``storage.py`` tells. Where
several classes do, all are named: a file holds no class.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate, chain, product
from typing import NamedTuple

import numpy as np

from .storage import REGISTRY, Tensor, candidates, entries, held, pattern, solve

# These store what a more common class stores too.
RARE = {"Bilinear", "EmbeddingBag", "SyncBatchNorm"}

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

FUSED = re.compile(r"(?:^|[._])(?:c_attn|in_proj|query_key_value|\w*qkv)(?:_proj)?$", re.I)
NO_LAYER = "no layer of torch.nn stores exactly these tensors"


class Fit(NamedTuple):
    """One class that stores the tensors of a module.

    Parameters
    ----------
    layer : str
    arguments : dict
        What its constructor may have been given.
    tensors : dict of str to Tensor
        The registry's entry of each tensor, by its name in the module.
    """

    layer: str
    arguments: dict
    tensors: dict

    @property
    def usual(self):
        """Whether it is a common class, made with the defaults: a bias may be left out."""
        defaults = REGISTRY[self.layer].arguments if self.layer in REGISTRY else {}
        switches = {"groups", "affine", "track_running_stats"} & defaults.keys()
        turned = any(self.arguments[key] != defaults[key] for key in switches)
        over_several = isinstance(self.arguments.get("normalized_shape"), tuple)
        return not turned and not over_several and self.layer not in RARE


class Row(NamedTuple):
    """One line of the table: an entry of a ``state_dict()`` and what it most likely is."""

    name: str
    shape: str
    dtype: str
    what: str


def describe(state):
    """Return a table of what a checkpoint holds, as text to print.

    A line has the name, shape and dtype of a tensor, the layers that store such a module, and the
    tensor's axes. Below it stands what concerns several tensors: prefixes, tied weights,
    weight_norm, gates.

    Parameters
    ----------
    state : mapping of str to array
        What ``state_dict()`` returns, or a checkpoint that holds such mappings somewhere.
    """
    found, others = state_dicts(state)
    if [path for path, _ in found] == ["state"]:
        return table(state)
    parts = [f"{path} is a state_dict:\n{table(inner)}" for path, inner in found]
    if not found:
        parts.append("There is no state_dict here: no names with arrays.")
    if others:
        parts.append("Besides:\n" + "\n".join(f"{path}  {summary(v)}" for path, v in others))
    return "\n".join(parts)


def table(state):
    """Return the lines of one state_dict, and the notes below them."""
    rows, notes = described(state)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(n) for text, n in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines + [f"- {note}" for note in notes])


def described(state):
    """Return ([Row], [note]) of a state_dict."""
    arrays = {name: values for name, values in state.items() if is_array(values)}
    clean = unwrapped(arrays)
    shapes = {clean[name]: tuple(values.shape) for name, values in arrays.items()}
    weights, pairs = without_weight_norm(shapes)
    found = modules_of(weights)
    owner = {prefix + name: (prefix, name, fits) for prefix, own, fits in found for name in own}
    rows = []
    for name, values in state.items():
        if not is_array(values):
            rows.append(Row(escaped(name), "", "", summary(values)))
            continue
        weight, part = pairs.get(clean[name], (clean[name], ""))
        what = told(*owner[weight][1:], weights[weight])
        if part == "g":
            what = f"weight_norm's lengths for {escaped(weight)}"
        elif part:
            what = f"weight_norm's directions: {what}"
        dtype = str(values.dtype).removeprefix("torch.")
        rows.append(Row(escaped(name), str(tuple(values.shape)), dtype, what))
    notes = [
        *prefix_notes(arrays, clean),
        *module_notes(found),
        *norm_notes(pairs),
        *tied_notes(arrays),
    ]
    return rows, notes


# ---- Which layer ----


def modules_of(shapes):
    """Return [(prefix, {own name: shape}, [Fit])] of all modules, decided in each other's light."""
    found = list(modules(shapes))
    if not any(fit.layer == CONV1D for _, _, fits in found for fit in fits):
        return found
    # A square weight beside sure ones of Hugging Face may be either.
    either = [Fit(CONV1D, {}, CONV1D_HOLDS)]
    return [
        (prefix, own, fits + either if fits[:1] != either and is_transposed(own) else fits)
        for prefix, own, fits in found
    ]


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
        if fits or not deeper:
            yield prefix, own, fits
            continue
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
    return sorted(fits, key=lambda fit: (not fit.usual, fit.arguments.get("bias") is False))


def fit_of(name, shapes):
    """Return [Fit] of one class, with the first arguments that explain all; [] if none do."""
    if not shapes or not all(names_of(name).fullmatch(key) for key in shapes):
        return []
    given = REGISTRY[name].deciding
    options = {key: [] if value is ... else [value] for key, value in given.items()}
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


# ---- In words ----


def told(name, fits, shape):
    """Return "Linear (out_features, in_features) or Embedding (...)" of one tensor."""
    if not fits:
        alone = joined(dict.fromkeys(layer for layer, _, _ in candidates(name, shape)))
        return f"? by its own name and shape {alone}" if alone else "?"
    axes = {}
    for fit in likely(fits):
        axes.setdefault(fit.tensors[name].shape, []).append(label(fit))
    return " or ".join(
        f"{joined(labels)} {axis if axis.startswith('(') else '(as given)'}"
        for axis, labels in axes.items()
    )


def likely(fits):
    """Return the usual ones, all where none is."""
    return [fit for fit in fits if fit.usual] or fits


def label(fit):
    """Return "Linear", or "Linear without bias"."""
    return f"{fit.layer} without bias" if fit.arguments.get("bias") is False else fit.layer


def joined(labels):
    """Return "BatchNorm1d/2d/3d, SyncBatchNorm" for the four classes."""
    families = {}
    for text in labels:
        stem, axes, end = re.fullmatch(r"(.*?)(\dd)?( without bias)?", text).groups(default="")
        families.setdefault((stem, end), []).append(axes)
    return ", ".join(stem + "/".join(axes) + end for (stem, end), axes in families.items())


def module_notes(found):
    """Return what is to be known of whole modules: sizes, gates, fused projections."""
    notes = {}
    for prefix, own, fits in found:
        name = escaped(prefix.removesuffix(".")) or "the whole model"
        for text in stacked_notes(fits) + fused_notes(prefix, own, fits) + rare_notes(fits):
            notes.setdefault(text, []).append(name)
        if not fits:
            notes.setdefault(NO_LAYER, []).append(name)
    return [f"{several(names)}: {text}" for text, names in notes.items()]


def rare_notes(fits):
    """Return the less likely layers that store the same."""
    rare = [label(fit) for fit in fits if fit not in likely(fits)]
    return [f"less likely {joined(rare)}, which may store the same"] if rare else []


def several(names):
    """Return the first of the names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


def stacked_notes(fits):
    """Return the sizes of a module whose rows lie in blocks, and these blocks."""
    if len(fits) != 1:
        return []
    stacked = dict.fromkeys(t.stacked for t in fits[0].tensors.values() if t.stacked)
    sizes = {}
    todo = list(fits[0].arguments.items())
    for key, value in todo:
        if key == "bidirectional" and value:
            sizes[key] = key
        elif type(value) is int and value:
            sizes.setdefault(key, f"{key} {value}")
        elif isinstance(value, tuple) and key in MODULES and key != "norm":
            todo += value[1].items()
    return [
        f"{fits[0].layer} with {', '.join(sizes.values())}; rows lie in blocks, from the top: "
        + ", ".join(blocks)
        for blocks in stacked
    ]


def fused_notes(prefix, own, fits):
    """Return what a projection of query, key and value at once needs to be split."""
    weight = own.get("weight", ())
    if not FUSED.search(prefix.removesuffix(".")) or len(weight) != 2:
        return []
    rows, columns = weight
    for axis, fused, single, layer in ((0, rows, columns, "Linear"), (1, columns, rows, CONV1D)):
        if fused == 3 * single and any(fit.layer == layer for fit in fits):
            what = ("rows", "columns")[axis]
            return [f"its 3 * {single} {what} are q, k and v, in blocks or head by head"]
    return []


def summary(value):
    """Return what a value that is no array is, in a few words."""
    if is_array(value):
        return f"array {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return "an optimizer's state" if "param_groups" in value else f"dict of {len(value)}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    kind = type(value).__name__
    if isinstance(value, str):
        return f"{kind} {value[:40]!r}"
    short = isinstance(value, float | bool) or (isinstance(value, int) and abs(value) < 1e18)
    return f"{kind} {value}" if short else kind


def escaped(name):
    """Return a name whose control characters can do no harm to a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


# ---- What concerns several tensors ----


def is_array(value):
    """Return whether this is an array: NumPy's, or another's that has a shape and a dtype."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def state_dicts(state):
    """Return [(path, state_dict)] and [(path, value)] of what lies outside of them."""
    found, others, seen = [], [], set()
    todo = [("state", state)]
    while todo:
        path, value = todo.pop()
        inner = value if isinstance(value, Mapping) else {}
        if isinstance(value, list | tuple):
            inner = {i: entry for i, entry in enumerate(value) if isinstance(entry, Mapping)}
        if id(value) in seen or "param_groups" in inner or not inner:
            others.append((path, value))
        elif is_state_dict(inner):
            found.append((path, value))
            maps = [(k, v) for k, v in inner.items() if isinstance(v, Mapping)]
            todo += [(f"{path}[{k!r}]", entry) for k, entry in reversed(maps)]
        else:
            todo += [(f"{path}[{k!r}]", entry) for k, entry in reversed(inner.items())]
        seen.add(id(value))
    return found, others


def is_state_dict(mapping):
    """Return whether names have arrays. A checkpoint may keep its loss beside its state_dict."""
    arrays = [name for name, value in mapping.items() if is_array(value)]
    maps = [value for value in mapping.values() if isinstance(value, Mapping)]
    beside = any(map(is_array, chain.from_iterable(inner.values() for inner in maps)))
    dotted = any("." in str(name) for name in arrays)
    return bool(arrays) and all(isinstance(k, str) for k in mapping) and (dotted or not beside)


def unwrapped(names):
    """Return {name: name without what DataParallel and torch.compile put into it}."""
    clean = {name: re.sub(r"(^|\.)_orig_mod\.", r"\1", name) for name in names}
    if all(name.startswith("module.") for name in clean.values()):
        clean = {name: short.removeprefix("module.") for name, short in clean.items()}
    return clean if len(set(clean.values())) == len(clean) else {name: name for name in names}


def prefix_notes(names, clean):
    """Return how to take off what ``unwrapped`` takes off."""
    prefixes = {name.removesuffix(short) for name, short in clean.items()}
    if prefixes <= {""}:
        return []
    prefix, *others = prefixes
    if not others:
        return [f'every name begins with "{prefix}": under(state, "{prefix[:-1]}") takes it off']
    # What was compiled in part has it in the middle of some names.
    return [
        'some names hold "_orig_mod.", of torch.compile: '
        '{name.replace("_orig_mod.", ""): state[name] for name in state} takes it out'
    ]


def without_weight_norm(shapes):
    """Return the shapes with the weight in the place of each pair of weight_norm, and the pairs.

    The pairs are {stored name: (name of the weight, "g" or "v")}.
    """
    pairs = {}
    for g, lengths in shapes.items():
        if m := re.fullmatch(r"(.*?)parametrizations\.(\w+)\.original0", g):
            v, weight = f"{g[:-1]}1", m[1] + m[2]
        else:
            v, weight = f"{g[:-2]}_v", g[:-2]
            if not g.endswith("_g"):
                continue
        directions = shapes.get(v)
        if directions is not None and weight not in shapes and is_length(lengths, directions):
            pairs |= {g: (weight, "g"), v: (weight, "v")}
    weights = {}
    for name, shape in shapes.items():
        weight, part = pairs.get(name, (name, ""))
        if part != "g":
            weights[weight] = shape
    return weights, pairs


def is_length(lengths, directions):
    """Return whether these can be the lengths of slices of such an array."""
    fit = all(n in (1, size) for n, size in zip(lengths, directions, strict=False))
    return not lengths or (fit and len(lengths) == len(directions))


def norm_notes(pairs):
    """Return how to compute the weights that weight_norm keeps in two parts."""
    names = [escaped(weight) for weight, part in pairs.values() if part == "g"]
    how = "v * (g / length of v), the length over the axes where g has size 1"
    return [f"{several(names)}: weight_norm, the weight is {how}"] if names else []


def tied_notes(arrays):
    """Return notes on arrays that are one array under several names, or equal."""
    places, alike = {}, {}
    for name, a in arrays.items():
        # A file without sharing shows ties as equal entries; one value everywhere shows nothing.
        if isinstance(a, np.ndarray) and a.size > 1:
            address = a.__array_interface__["data"][0], a.shape, a.strides, a.dtype.str
            places.setdefault(address, []).append(name)
    notes = [shared(names, "are one array: tied") for names in places.values() if names[1:]]
    for first, *_ in places.values():
        a = arrays[first]
        start = a[(0,) * (a.ndim - 1)][:64]
        alike.setdefault((a.shape, a.dtype.str, start.tobytes()), []).append(first)
    for names in alike.values():
        while names[1:]:
            first = arrays[names[0]]
            equal = [name for name in names if np.array_equal(arrays[name], first)]
            if equal[1:] and (first != first.flat[0]).any():
                notes.append(shared(equal, "hold the same numbers: tied, or a copy"))
            names = [name for name in names[1:] if name not in equal]
    return notes


def shared(names, what):
    """Return a note on some names."""
    return f"{several([escaped(name) for name in names])} {what}"
