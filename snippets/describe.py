"""Say what a checkpoint holds: ``describe(state)``, ``python -m snippets.describe model.pth``."""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np

from .storage import candidates
from .which_layer import CONV1D, MODULES, modules_of

FUSED = re.compile(r"(?:^|[._])(?:c_attn|in_proj|query_key_value|\w*qkv)(?:_proj)?$", re.I)
SAMPLE = 2**9  # numbers of a piece of an array that is compared with another's
NO_LAYER = "no layer of torch.nn stores exactly these tensors"
HELP = "Print what a checkpoint holds: names, shapes, dtypes, and the layers that store them."


class Row(NamedTuple):
    """One line of the table: an entry of a ``state_dict()`` and what it most likely is."""

    name: str
    shape: str
    dtype: str
    what: str


def describe(state: object) -> str:
    """Return a table of what a checkpoint holds, as text to print.

    A line has the name, shape and dtype of a tensor, the layers that store such a module, and the
    tensor's axes. Below it stands what concerns several tensors: prefixes, tied weights,
    weight_norm, gates.

    Parameters
    ----------
    state : mapping of str to array
        What ``state_dict()`` returns, or a checkpoint that holds such mappings somewhere.

    Returns
    -------
    str
        Lines to print.
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
    state = unread(state)
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
    if kind == "StandIn":  # of load, whose module is imported by who reads a file
        return repr(value)
    short = isinstance(value, float | bool) or (isinstance(value, int) and abs(value) < 1e18)
    return f"{kind} {value}" if short else kind


def escaped(name):
    """Return a name whose control characters can do no harm to a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


# ---- What concerns several tensors ----


def is_array(value):
    """Return whether this is an array: NumPy's, or another's that has a shape and a dtype."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


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
    beside = any(map(is_array, chain.from_iterable(unread(inner).values() for inner in maps)))
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
    for name, values in arrays.items():
        # A file without sharing shows ties as equal entries; one value everywhere shows nothing.
        bits = getattr(values, "raw", values)
        if isinstance(bits, np.ndarray) and bits.size > 1:
            address = bits.__array_interface__["data"][0], bits.shape, bits.strides, bits.dtype.str
            places.setdefault(address, []).append(name)
    notes = [shared(names, "are one array: tied") for names in places.values() if names[1:]]
    for (_, shape, _, dtype), (first, *_) in places.items():
        if some := sample(arrays[first]):
            alike.setdefault((shape, dtype, some), []).append(first)
    same = "hold the same numbers: tied, or a copy"
    return notes + [shared(names, same) for names in alike.values() if names[1:]]


def sample(values):
    """Return the bytes of a small array, of a large one three pieces; b"" if all are one number."""
    bits = getattr(values, "raw", values)
    starts = (0, bits.size // 2, bits.size - SAMPLE) if bits.size > 3 * SAMPLE else (0,)
    length = SAMPLE if starts[1:] else bits.size
    some = np.concatenate([bits.flat[start : start + length] for start in starts])
    alike = some.tobytes() == some[:1].tobytes() * some.size
    return b"" if alike else some.tobytes()


def shared(names, what):
    """Return a note on some names."""
    return f"{several([escaped(name) for name in names])} {what}"


# ---- The command ----


def main(argv=None):
    """Describe the file that the command line names; return the exit code.

    0: described. 1: the file can't be read; standard error names it and the reason.
    2, by argparse: wrong usage.
    """
    parser = argparse.ArgumentParser("python -m snippets.describe", description=HELP)
    parser.add_argument("path", help="a .pt, .pth, .safetensors or .npz file; its content decides")
    path = parser.parse_args(argv).path
    from .checkpoints import load

    try:
        text = describe(load(path))
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return show(text)


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
