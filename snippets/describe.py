"""Say what a checkpoint holds: ``describe(state)``, ``python -m snippets.describe model.pth``.

``facts(state)`` and ``--json`` give the same as data.
"""

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Mapping
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np

from .families import family_of, missing_of, settings_of
from .quantized import PACKED, is_qtensor, quantised_layers
from .storage import candidates
from .which_layer import CONV1D, MODULES, modules_of

FUSED = re.compile(r"(?:^|[._])(?:c_attn|in_proj|query_key_value|\w*qkv)(?:_proj)?$", re.I)
SAMPLE = 2**9  # numbers of a piece of an array that is compared with another's
MOST = 6  # classes that a row names, lines below the table
INTEGERS = "? integers, which no weight of torch.nn is: quantised, a table or a mask"
MATRIX = "a matrix (in_features, out_features), by its neighbours: x @ weight"
NO_LAYER = "no layer of torch.nn stores exactly these tensors"
HELP = "Print what a checkpoint holds: names, shapes, dtypes, and the layers that store them."


def describe(state: object, config: Mapping[str, Any] | None = None) -> str:
    """Return a table of what a checkpoint holds, as text to print.

    A line has the name, shape and dtype of a tensor, the layers that store such a module, and the
    tensor's axes. Below it stands what concerns several tensors: the family of the model, prefixes,
    tied weights, weight_norm, gates.

    Parameters
    ----------
    state : mapping of str to array
        What ``state_dict()`` returns, or a checkpoint that holds such mappings somewhere.
    config : mapping, optional
        What config.json holds, for what no tensor tells: heads, groups, eps. Without it, the
        ``hyper_parameters`` of Lightning, if state has them.

    Returns
    -------
    str
        Lines to print.
    """
    return printed(facts(state, config))


def facts(state: object, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what ``describe`` says, as data that JSON can hold.

    Parameters
    ----------
    state : mapping of str to array
        As for ``describe``.
    config : mapping, optional
        As for ``describe``.

    Returns
    -------
    dict
        ``states`` has one entry for each state_dict: ``path``, how to reach it from ``state``;
        ``numbers`` and ``bytes``, counted once where an array has several names; and the lists
        ``tensors``, ``modules``, ``prefixes``, ``computed``, ``tied`` and ``equal``. ``besides``
        has the ``path`` of anything else, and ``what`` it is.

        A tensor has its ``name``, ``shape``, ``dtype`` and ``bytes`` as stored, the ``module`` it
        is decided with, ``what`` the table prints; ``layers`` that may store it, each ``layer``
        with its ``axes``; ``by`` what it was decided between them; what a ``row`` is, the
        ``blocks`` of rows from the top; which ``part`` it is ``of`` which weight. What is no
        tensor has ``name`` and ``what`` alone.

        A module has its ``name``, the likely ``layers``, ``by`` what it was decided, the
        ``less_likely``; ``sizes`` and ``blocks`` of one whose rows lie in blocks; and ``fused``,
        how long ``each`` of q, k and v is along which ``axis`` of one weight.

        A prefix has which ``names`` ``hold`` it, whose doing it is, ``of``, and the ``cure``. A
        computed weight has its ``name``, the ``kind`` and ``how``. The names in a list
        of ``tied`` have one array, in one of ``equal`` equal numbers. Each of ``copies`` has
        the ``start`` of the names of an average, and that of the names it is ``like``.

        ``family`` is None, or the ``name`` of a published architecture, its ``page`` here, how
        its ``rows`` lie; what is ``absent`` from the file, and the ``doubt`` if config.json
        speaks of another one. ``missing`` are the names of what the layers of such a family have
        and this file has not. ``settings`` is what config.json has that no tensor tells.
    """
    found, others = state_dicts(state)
    if config is None and isinstance(state, Mapping):
        config = state.get("hyper_parameters")
    config = dict(config) if isinstance(config, Mapping) else {}
    return {
        "states": [{"path": path} | described(inner, config) for path, inner in found],
        "besides": [{"path": path, "what": summary(value)} for path, value in others],
    }


def printed(told):
    """Return the facts of a checkpoint as text."""
    states, besides = told["states"], told["besides"]
    if [one["path"] for one in states] == ["state"]:
        return table(states[0])
    parts = [f"{one['path']} is a state_dict:\n{table(one)}" for one in states]
    if not states:
        parts.append("There is no state_dict here: no names with arrays.")
    if besides:
        lines = [f"{other['path']}  {other['what']}" for other in besides[: 2 * MOST]]
        lines += [f"and {len(besides) - len(lines)} more"] * (len(besides) > len(lines))
        parts.append("\n".join(["Besides:", *lines]))
    return "\n".join(parts)


def table(told):
    """Return the lines of one state_dict, and the notes below them."""
    rows = [
        (escaped(row["name"]), str(tuple(row["shape"])), row["dtype"], row["what"])
        if "shape" in row
        else (escaped(row["name"]), "", "", row["what"])
        for row in told["tensors"]
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(n) for text, n in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    notes = [
        *family_notes(told["family"], told["missing"], told["settings"]),
        *prefix_notes(told["prefixes"]),
        *copy_notes(told["copies"]),
        *module_notes(told["modules"]),
        *computed_notes(told["computed"]),
        *shared_notes(told["tied"], "one array", "tied"),
        *shared_notes(told["equal"], "the same numbers", "tied, or a copy"),
    ]
    return "\n".join(lines + [f"- {note}" for note in notes])


def described(state, config):
    """Return the facts of one state_dict."""
    state = unread(state)
    layers = quantised_layers(state)
    state = {name: seen(values) for name, values in state.items()}
    arrays = {name: values for name, values in state.items() if is_array(values)}
    clean = unwrapped(arrays)
    shapes = {clean[name]: tuple(values.shape) for name, values in arrays.items()}
    packed, inside, unpacked = quantised(layers, clean)
    whole = {clean[name] for name, values in arrays.items() if is_whole(values)} - packed.keys()
    shapes = {k: v for k, v in shapes.items() if k not in whole | packed.keys()}
    counts = {name for name in shapes if name == COUNT and shapes[name] == ()}
    pairs, adapted = lora(shapes)
    shapes = {k: v for k, v in shapes.items() if k not in pairs and k not in counts}
    weights, parts = without_parts(shapes | inside)
    made, parts = computed(parts) + unpacked + adapted, parts | packed | pairs
    weights, short = plain_names(weights)
    found = modules_of(weights) if weights else []
    owner = {prefix + name: (prefix, name, fits) for prefix, own, fits in found for name in own}
    chained = chains(found)
    rows = []
    for name, values in state.items():
        weight, part = parts.get(clean.get(name, name), (clean.get(name, name), ""))
        if not is_array(values):
            what = f"{part} {escaped(weight)}" if part else summary(values)
            rows.append({"name": name, "what": what})
            continue
        row = {
            "name": name,
            "shape": [int(size) for size in values.shape],
            "dtype": str(values.dtype).removeprefix("torch."),
            "bytes": size_of(values),
        }
        row |= {"part": part, "of": weight} if part else {}
        if clean[name] in whole:
            row["what"] = integers(clean[name], shapes)
        elif clean[name] in counts:
            row["what"] = AVERAGED
        elif part.endswith("for"):
            row["what"] = f"{part} {escaped(weight)}"
        elif EXPERTS in part:
            row["what"] = part
        else:
            prefix, own, fits = owner[short[weight]]
            row |= meaning(prefix, own, fits)
            what = told(row["layers"], row["by"], own, row["shape"])
            what = MATRIX if prefix in chained else what
            row["what"] = f"{part}: {what}" if part else what
        rows.append(row)
    # Settings of quantised layers are equal by nature.
    settings = {name for name, (_, part) in packed.items() if part.endswith("for")}
    tied, equal = shared({k: v for k, v in arrays.items() if clean[k] not in settings})
    again = {name for names in tied for name in names[1:]}
    once = [row for row in rows if "shape" in row and row["name"] not in again]
    return {
        "numbers": sum(math.prod(row["shape"]) for row in once),
        "bytes": sum(row["bytes"] for row in once),
        "tensors": rows,
        "modules": [module_facts(*module) for module in found],
        "prefixes": prefixes(arrays, clean),
        "computed": made,
        "tied": tied,
        "equal": equal,
        "copies": copies(weights),
        "family": family_of(weights, config),
        "missing": missing_of(weights.keys(), config),
        "settings": settings_of(config),
    }


def meaning(prefix, own, fits):
    """Return what one tensor of a module is, by the layers that are likely."""
    some = likely(fits)
    tensors = [fit.tensors[own] for fit in some]
    axes = zip(map(label, some), tensors, strict=True)
    return {
        "module": prefix.removesuffix("."),
        "layers": [{"layer": layer, "axes": tensor.shape} for layer, tensor in axes],
        "by": fits[0].clue if fits else "",
        "row": tensors[0].row if tensors else "",
        "blocks": list(tensors[0].stacked) if tensors else [],
    }


def module_facts(prefix, own, fits):
    """Return the facts of one module."""
    some = likely(fits)
    sizes, blocks = stacked(fits)
    return {
        "name": prefix.removesuffix("."),
        "layers": [label(fit) for fit in some],
        "by": fits[0].clue if fits else "",
        "less_likely": [label(fit) for fit in fits if fit not in some],
        "sizes": sizes,
        "blocks": blocks,
        "fused": fused(prefix, own, fits),
    }


# ---- In words ----


def told(layers, by, name, shape):
    """Return "Linear (out_features, in_features) or Embedding (...), by its name"."""
    if not layers:
        alone = list(dict.fromkeys(layer for layer, _, _ in candidates(name, shape)))
        return f"? by its own name and shape {joined(alone)}" if 0 < len(alone) <= MOST else "?"
    axes = {}
    for one in layers:
        axes.setdefault(one["axes"], []).append(one["layer"])
    several = " or ".join(
        f"{joined(labels)} {axis if axis.startswith('(') else '(as given)'}"
        for axis, labels in axes.items()
    )
    return f"{several}, by its {by}" if by else several


def likely(fits):
    """Return those that a clue decides for; else the usual ones, all where none is."""
    if told := [fit for fit in fits if fit.clue]:
        return told
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


def module_notes(modules):
    """Return what is to be known of whole modules: sizes, gates, fused projections."""
    notes = {}
    for told in modules:
        texts = [*stacked_notes(told), *fused_notes(told), *rare_notes(told)]
        for text in texts if told["layers"] else [*texts, NO_LAYER]:
            notes.setdefault(text, []).append(escaped(told["name"]) or "the whole model")
    return [f"{several(names)}: {text}" for text, names in notes.items()]


def rare_notes(told):
    """Return the less likely layers that store the same."""
    rare = told["less_likely"]
    return [f"less likely {joined(rare)}, which may store the same"] if rare else []


def several(names):
    """Return the first of the names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


def stacked_notes(told):
    """Return the sizes of a module whose rows lie in blocks, and these blocks."""
    sizes = [key if n is True else f"{key} {n}" for key, n in told["sizes"].items()]
    return [
        f"{told['layers'][0].removesuffix(' without bias')} with {', '.join(sizes)}; "
        f"rows lie in blocks, from the top: {', '.join(blocks)}"
        for blocks in told["blocks"]
    ]


def stacked(fits):
    """Return the sizes of a module whose rows lie in blocks, and each kind of such blocks."""
    blocks = [t.stacked for fit in fits for t in fit.tensors.values() if t.stacked]
    if len(fits) != 1 or not blocks:
        return {}, []
    sizes = {}
    todo = list(fits[0].arguments.items())
    for key, value in todo:
        if value and (type(value) is int or key == "bidirectional"):
            sizes.setdefault(key, value)
        elif isinstance(value, tuple) and key in MODULES and key != "norm":
            todo += value[1].items()
    return sizes, [list(some) for some in dict.fromkeys(blocks)]


def fused_notes(told):
    """Return what a projection of query, key and value at once needs to be split."""
    if not told["fused"]:
        return []
    size, axis = told["fused"]["each"], told["fused"]["axis"]
    what = ("rows", "columns")[axis]
    return [f"its 3 * {size} {what} are q, k and v, in blocks or head by head"]


def fused(prefix, own, fits):
    """Return how long each of query, key and value is in one weight, and along which axis."""
    weight = own.get("weight", ())
    if not FUSED.search(prefix.removesuffix(".")) or len(weight) != 2:
        return None
    rows, columns = weight
    for axis, whole, single, layer in ((0, rows, columns, "Linear"), (1, columns, rows, CONV1D)):
        if whole == 3 * single and any(fit.layer == layer for fit in fits):
            return {"axis": axis, "each": single}
    return None


def summary(value):
    """Return what a value that is no array is, in a few words."""
    if is_array(value):
        return f"array {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"array of objects {value.shape}"
    if isinstance(value, Mapping):
        return "an optimizer's state" if "param_groups" in value else f"dict of {len(value)}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, np.dtype):
        return f"dtype {value.names[0] if value.names else value}"
    kind = type(value).__name__
    if isinstance(value, str):
        return f"{kind} {value[:40]!r}"
    if kind in ("StandIn", "Blocks"):  # of load, whose module is imported by who reads a file
        return repr(value)
    short = isinstance(value, float | bool) or (isinstance(value, int) and abs(value) < 1e18)
    return f"{kind} {value}" if short else kind


def escaped(name):
    """Return a name whose control characters can do no harm to a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


# ---- What concerns several tensors ----


def is_array(value):
    """Return whether this is an array of numbers: NumPy's, or another's with shape and dtype."""
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    return hasattr(value, "shape") and hasattr(value, "dtype")


def size_of(values):
    """Return the bytes that an array takes where it is stored; an unread one as the file has it."""
    raw = getattr(values, "raw", values)
    if isinstance(raw, Mapping):  # the tensors of a layer, of dequantized
        return sum(size_of(part) for part in map(seen, unread(raw).values()) if is_array(part))
    return int(raw.nbytes)


def unread(mapping):
    """Return the entries as a dict. What a large file keeps unread stays so."""
    get = getattr(mapping, "stored", mapping.__getitem__)
    return {name: get(name) for name in mapping}


def state_dicts(state):
    """Return [(path, state_dict)] and [(path, value)] of what lies outside of them."""
    found, others, seen = [], [], set()
    todo = [("state", state)]
    while todo:
        path, value = todo.pop()
        inner = unread(value) if isinstance(value, Mapping) else {}
        if isinstance(value, list | tuple):
            nested = Mapping, list, tuple
            inner = {i: entry for i, entry in enumerate(value) if isinstance(entry, nested)}
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
    arrays = [name for name, value in mapping.items() if is_array(seen(value))]
    maps = [value for value in mapping.values() if isinstance(value, Mapping)]
    beside = any(map(is_array, chain.from_iterable(unread(inner).values() for inner in maps)))
    dotted = any("." in str(name) for name in arrays)
    return bool(arrays) and all(isinstance(k, str) for k in mapping) and (dotted or not beside)


def unwrapped(names):
    """Return {name: name without what wrappers of a model put into it}."""
    clean = {name: INSIDE.sub(r"\1", name) for name in names}
    counted = {name: short for name, short in clean.items() if name != COUNT}
    for prefix in WRAPPERS:
        if counted and all(short.startswith(prefix) for short in counted.values()):
            counted = {name: short.removeprefix(prefix) for name, short in counted.items()}
    clean |= counted
    return clean if len(set(clean.values())) == len(clean) else {name: name for name in names}


# What FSDP and torch.compile put into a name, wherever the part is that they wrap
INSIDE = re.compile(r"(^|\.)(?:(?:_orig_mod|_fsdp_wrapped_module)\.)+")
# What stands before all names: Lightning's strategies, DataParallel and AveragedModel, peft,
# a model
WRAPPERS = "_forward_module.", "module.", "base_model.", "model."
COUNT = "n_averaged"
AVERAGED = "how many models AveragedModel has averaged, as SWA and EMA do"


def prefix_notes(told):
    """Return how to take off what ``unwrapped`` takes off."""
    return [
        f'{one["names"]} hold "{one["hold"]}", of {one["of"]}: {one["cure"]} takes it out'
        if one["of"]
        else f'{one["names"]} begins with "{one["hold"]}": {one["cure"]} takes it off'
        for one in told
    ]


def prefixes(names, clean):
    """Return what ``unwrapped`` takes off, and how to do so."""
    wrapped = {name: short for name, short in clean.items() if name != short}
    if not wrapped:
        return []
    prefix, *others = {name.removesuffix(short) for name, short in wrapped.items()}
    if not others and wrapped.keys() >= clean.keys() - {COUNT}:
        every = "every name" if len(wrapped) == len(clean) else "every other name"
        cure = f'under(state, "{prefix[:-1]}")'
        return [{"names": every, "hold": prefix, "of": "", "cure": cure}]
    # What was wrapped in part has it in the middle of some names.
    return [
        {
            "names": "some names",
            "hold": part,
            "of": INSIDE_PARTS[part],
            "cure": f'{{name.replace("{part}", ""): state[name] for name in state}}',
        }
        for part in sorted(INSIDE_PARTS)
        if any(part in name for name in wrapped)
    ]


INSIDE_PARTS = {"_orig_mod.": "torch.compile", "_fsdp_wrapped_module.": "FSDP"}


def is_whole(values):
    """Return whether these are integers with an axis: a count of batches has none."""
    kind = re.match("u?int|bool", str(values.dtype).removeprefix("torch."))
    return bool(kind) and len(values.shape) > 0


OLD_NAMES = {"gamma": "weight", "beta": "bias"}


def plain_names(shapes):
    """Return the shapes with gamma and beta as weight and bias, and {name: that name}."""
    short = {}
    for name in shapes:
        module, dot, own = name.rpartition(".")
        plain = module + dot + OLD_NAMES.get(own, own)
        short[name] = name if plain in shapes else plain
    return {short[name]: shape for name, shape in shapes.items()}, short


def chains(found):
    """Return the modules whose matrices can follow one another as (in, out) alone."""
    rows = {}
    for prefix, own, fits in found:
        if own.keys() == {"weight"} and any(fit.layer == "Linear" for fit in fits):
            rows.setdefault(re.sub(r"\d+", "0", prefix), []).append((prefix, own["weight"]))
    chained = set()
    for matrices in rows.values():
        pairs = [(a, b) for (_, a), (_, b) in pairwise(matrices)]
        as_stored = all(a[1] == b[0] for a, b in pairs)
        if pairs and as_stored and any(a[0] != b[1] for a, b in pairs):
            chained |= {prefix for prefix, _ in matrices}
    return chained


# What stands in the place of a weight, by the end of a name: the weight's name, what is left of it
# that has its shape; what it needs, and what that is; what shape that has. ``{}`` is the weight.
PARTS = {
    "weight_norm": ("{}_v", {"{}_g": "lengths"}, "lengths"),
    "weight_norm, parametrized": (
        "parametrizations.{}.original1",
        {"parametrizations.{}.original0": "lengths"},
        "lengths",
    ),
    "pruned": ("{}_orig", {"{}_mask": "mask"}, "alike"),
    "spectral_norm": ("{}_orig", {"{}_u": "vector u", "{}_v": "vector v"}, "any"),
    "spectral_norm, old": ("{}_orig", {"{}_u": "vector u"}, "any"),
    "spectral_norm, parametrized": (
        "parametrizations.{}.original",
        {"parametrizations.{}.0._u": "vector u", "parametrizations.{}.0._v": "vector v"},
        "any",
    ),
    "orthogonal": (
        "parametrizations.{}.original",
        {"parametrizations.{}.0.base": "base"},
        "any",
    ),
    "parametrized": ("parametrizations.{}.original", {}, "any"),
}
SHAPES = {
    "lengths": lambda other, shape: is_length(other, shape),
    "alike": lambda other, shape: other == shape,
    "any": lambda other, shape: True,
}


def without_parts(shapes):
    """Return the shapes with a weight in the place of what it is computed of, and the parts.

    The parts are {stored name: (name of the weight, what the part is)}.
    """
    parts = {}
    for kind, (main, others, needed) in PARTS.items():
        kind = kind.split(",")[0]
        start, end = main.split("{}")
        for name, shape in shapes.items():
            module, cut, own = name.rpartition(start) if start else ("", "", name)
            if not own.endswith(end) or bool(start) != bool(cut) or name in parts:
                continue
            own = own.removesuffix(end)
            weight = module + own
            beside = {module + other.format(own): said for other, said in others.items()}
            if weight in shapes or not beside.keys() <= shapes.keys():
                continue
            if not all(SHAPES[needed](shapes[other], shape) for other in beside):
                continue
            parts |= {name: (weight, what(kind, "directions" if kind == "weight_norm" else ""))}
            parts |= {other: (weight, f"{kind}'s {said} for") for other, said in beside.items()}
    parts = {name: parts[name] for name in shapes if name in parts}
    kept = {}
    for name, shape in shapes.items():
        weight, part = parts.get(name, (name, ""))
        if not part.endswith("for"):
            kept[weight] = shape
    return kept, parts


def what(kind, part):
    """Return "weight_norm's directions"."""
    return f"{kind}'s {part}" if part else kind


def is_length(lengths, directions):
    """Return whether these can be the lengths of slices of such an array."""
    if len(directions) < 2 or not lengths:
        return len(directions) > 1
    sizes = [(n, size) for n, size in zip(lengths, directions, strict=False) if n != 1]
    return len(lengths) == len(directions) and len(sizes) < 2 and all(n == s for n, s in sizes)


def family_notes(family, missing, settings):
    """Return what is to be known of a published architecture, and what config.json adds."""
    notes = []
    if family:
        doubt = f", though {family['doubt']}" if family["doubt"] else ""
        notes += [f"{family['name']}, by its names{doubt}: {family['rows']}", *family["absent"]]
    notes += [f"missing from this file: {several(missing)}"] * bool(missing)
    if settings:
        told = ", ".join(f"{name} {value}" for name, value in settings.items())
        notes.append(f"what no tensor tells: {told}")
    return [escaped(note) for note in notes]


def copies(names):
    """Return where an average of the weights is kept beside them: the starts of both's names."""
    found = []
    for start in AVERAGES:
        below = {name.removeprefix(start) for name in names if name.startswith(start)}
        below -= OF_AVERAGES
        for like in LIKE:
            rest = {name.removeprefix(like) for name in names if name.startswith(like)}
            short = {name.replace(".", "") for name in rest}  # as some keep a buffer's name
            if below and (below <= rest - {start + name for name in below} or below <= short):
                found.append({"start": start, "like": like})
                break
    return found


# How the names of an average begin, which of them are not the model's, how the model's begin
AVERAGES = "ema.", "model_ema.", "ema_model.", "averaged_model.", "swa_model."
OF_AVERAGES = {"decay", "num_updates", COUNT}
LIKE = "", "model.", "module.", "net."


def copy_notes(told):
    """Return how to take an average alone."""
    return [
        f'below "{one["start"]}" are the names of the model again: an average over the training; '
        f'under(state, "{one["start"][:-1]}") has it alone'
        for one in told
    ]


LORA = re.compile(r"(.*)\.lora_(A|B|down|up)((?:\.\w+)?)\.weight")
LORA_PARTS = {"A": "LoRA's A (r, in_features) for", "B": "LoRA's B (out_features, r) for"}


def lora(shapes):
    """Return the parts of LoRA's pairs, as those of ``without_parts``, and what to do with them."""
    pairs = {}
    for name in shapes:
        if (found := LORA.fullmatch(name)) and len(shapes[name]) == 2:
            side = {"down": "A", "up": "B"}.get(found[2], found[2])
            pairs.setdefault((found[1], found[3]), {})[side] = name
    parts, how = {}, []
    for (module, _), pair in pairs.items():
        if pair.keys() == {"A", "B"} and shapes[pair["A"]][0] == shapes[pair["B"]][1]:
            weight = f"{module.removesuffix('.base_layer')}.weight"
            parts |= {pair[side]: (weight, part) for side, part in LORA_PARTS.items()}
            how.append({"name": weight, "kind": "LoRA", "how": MERGED})
    return parts, how


MERGED = "merged(weight, A, B, scale) of lora.py, scale as adapter_config.json: lora_alpha / r"


def quantised(layers, clean):
    """Return the parts of layers that a library quantised, the shapes and how to compute them.

    The parts are as those of ``without_parts``; the shapes are {weight or bias: shape}.
    """
    parts, shapes, how = {}, {}, []
    for prefix, (kind, own) in layers.items():
        stored = [clean.get(prefix + name, prefix + name) for name in own]
        start = stored[0].removesuffix(next(iter(own)))
        weight, library, shape = start + kind.weight, kind.library.split()[0], kind.shape(own)
        whose = library + ("'" if library.endswith("s") else "'s")
        said = [(kind.parts | kind.others)[name] for name in own]
        parts |= {
            name: (weight, f"{whose} {what} for") for name, what in zip(stored, said, strict=True)
        }
        parts[stored[0]] = weight, f"{kind.library} of {shape}, {said[0]}"
        if kind.weight:
            shapes[weight] = shape
        else:
            parts[stored[0]] = weight, f"{kind.library} of {shape} {EXPERTS}, {said[0]}"
        if PACKED in own and (bias := getattr(own[PACKED][1], "shape", ())):
            shapes[f"{start}bias"] = tuple(bias)
        how.append({"name": weight, "kind": kind.library, "how": DEQUANTIZED})
    return parts, shapes, how


EXPERTS = "(experts, out_features, in_features)"
DEQUANTIZED = "in dequantized(state) of quantized.py, in float32"


class Packed(NamedTuple):
    """A quantised tensor of PyTorch, as an array is seen."""

    shape: tuple
    dtype: str
    raw: np.ndarray


def seen(value):
    """Return a value; of a quantised tensor of PyTorch, also where its bias is beside, a Packed."""
    tensor = value[0] if type(value) is tuple and len(value) == 2 else value
    if not is_qtensor(tensor):
        return value
    storage, _, shape, *_ = tensor.args
    return Packed(shape, f"q{storage.dtype}", storage)


def integers(name, shapes):
    """Return what an array of integers is, with what may be its scale."""
    module = name.rpartition(".")[0]
    beside = [other for other in shapes if other.rpartition(".")[0] == module]
    scales = [other for other in beside if SCALE_NAMES.search(other.rpartition(".")[2])]
    return f"{INTEGERS}; its scale may be {several(scales)}" if scales else INTEGERS


SCALE_NAMES = re.compile(r"scale|zero|absmax|scb", re.I)


def computed_notes(told):
    """Return how to compute the weights that are kept in parts."""
    kinds = {}
    for one in told:
        kinds.setdefault((one["kind"], one["how"]), []).append(escaped(one["name"]))
    return [
        f"{several(names)}: {kind}, the weight is {how}" for (kind, how), names in kinds.items()
    ]


def computed(parts):
    """Return the weights that are kept in parts."""
    whole = [(weight, part.split("'")[0]) for weight, part in parts.values() if part[-3:] != "for"]
    return [{"name": weight, "kind": kind, "how": HOW[kind]} for weight, kind in whole]


HOW = {
    "weight_norm": "v * (g / length of v), the length over the axes where g has size 1",
    "pruned": "weight_orig * weight_mask",
    "spectral_norm": "W / (u @ W @ v), W being the original as a matrix, (u's size, v's size)",
    "orthogonal": "the Q that the original is a parameter of: let PyTorch compute it once",
    "parametrized": "what a class of the model makes of the original",
}


def shared(arrays):
    """Return [names] of each array that has several, and of those whose numbers are equal."""
    places, alike = {}, {}
    for name, values in arrays.items():
        # A file without sharing shows ties as equal entries; one value everywhere shows nothing.
        bits = getattr(values, "raw", values)
        if isinstance(bits, np.ndarray) and bits.size > 1:
            address = bits.__array_interface__["data"][0], bits.shape, bits.strides, bits.dtype.str
            places.setdefault(address, []).append(name)
    for (_, shape, _, dtype), (first, *_) in places.items():
        if some := sample(arrays[first]):
            alike.setdefault((shape, dtype, some), []).append(first)
    return [[names for names in found.values() if names[1:]] for found in (places, alike)]


def shared_notes(groups, what, why):
    """Return a note on names that share an array; one for all arrays of two modules."""
    modules = {}
    for names in groups:
        parts = [name.rpartition(".") for name in names]
        own = {part[2] for part in parts}
        key = tuple(part[0] for part in parts) if len(own) == 1 else tuple(names)
        modules.setdefault(key, []).append((own.pop(), names))
    notes = []
    for key, shares in modules.items():
        own, names = shares[0]
        if len(shares) == 1:
            verb = "are" if what == "one array" else "hold"
            notes.append(f"{several([escaped(name) for name in names])} {verb} {what}: {why}")
        else:
            all_own = several([escaped(own) for own, _ in shares])
            notes.append(
                f"{several([escaped(m) for m in key])} share {all_own}, {what} each: {why}"
            )
    return notes


def sample(values):
    """Return the bytes of a small array, of a large one three pieces; b"" if all are one number."""
    bits = getattr(values, "raw", values)
    starts = (0, bits.size // 2, bits.size - SAMPLE) if bits.size > 3 * SAMPLE else (0,)
    length = SAMPLE if starts[1:] else bits.size
    some = np.concatenate([bits.flat[start : start + length] for start in starts])
    alike = some.tobytes() == some[:1].tobytes() * some.size
    return b"" if alike else some.tobytes()


# ---- The command ----


def main(argv=None, prog="python -m snippets.describe"):
    """Describe the file that the command line names; return the exit code.

    0: described. 1: the file can't be read; standard error names it and the reason.
    2, by argparse: wrong usage.
    """
    parser = argparse.ArgumentParser(prog, description=HELP)
    parser.add_argument("--json", action="store_true", help="print the fields of facts(), as JSON")
    parser.add_argument("path", help="a .pt, .pth, .safetensors or .npz file; its content decides")
    given = parser.parse_args(argv)
    from .checkpoints import load

    try:
        told = facts(load(given.path), config_beside(given.path))
        text = json.dumps(told) if given.json else printed(told)
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return show(text)


def config_beside(path):
    """Return what config.json beside a file, or in a folder, holds; None without one."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    for name in ("config.json", "adapter_config.json"):
        beside = os.path.join(folder, name)
        if os.path.isfile(beside) and os.path.getsize(beside) < MOST_BYTES:
            with open(beside, encoding="utf-8") as file:
                try:
                    found = json.load(file)
                except (ValueError, RecursionError):
                    continue
            if isinstance(found, dict):
                return found
    return None


MOST_BYTES = 2**22  # of a config.json


def show(text):
    """Print a text on any terminal, or into a pipe that may close; return the exit code."""
    # What the terminal's encoding has no character for comes as an escape.
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:  # as in `| head`: it has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
