"""Run a recording through a program and say which output agrees: ``python -m my_model``."""

import inspect
import os
import pathlib

import numpy as np

from ..parity import compare, leaves


def main(load, forward, folder, arguments):
    """Replay recordings; return 0 if all outputs agree, else 1.

    Parameters
    ----------
    load, forward : function
        Of the program.
    folder : str or path
        Where its recorded.npz is.
    arguments : list of str
        ``--against`` and files that ``snippets.parity.record`` wrote; none for recorded.npz.

    Returns
    -------
    int
    """
    if arguments[:1] == ["--against"] and len(arguments) > 1:
        paths = arguments[1:]
    elif not arguments:
        paths = [pathlib.Path(folder) / "recorded.npz"]
    else:
        print("usage: python -m", pathlib.Path(folder).name, "[--against recorded.npz ...]")
        return 2
    if not all(map(os.path.exists, paths)):
        print("no recording here: give one that PyTorch made, --against recorded.npz")
        return 1
    weights = load()
    return max(replay(weights, forward, path) for path in paths)


def replay(weights, forward, path):
    """Replay one recording; return 0 if all its outputs agree, else 1."""
    with np.load(path) as file:
        recorded = dict(file)
    given = inputs_of(recorded, list(inspect.signature(forward).parameters)[1:])
    ours = dict(leaves("output", forward(weights, **given)))
    recorded_outputs = [name for name in recorded if name.partition("/")[0] == "output"]
    wrong = 0
    for name in recorded_outputs or ["output"]:
        try:
            compare(recorded, {name: ours[name]})
            print(name, "agrees")
        except (AssertionError, KeyError) as error:
            wrong = 1
            print(error.args[0] if isinstance(error, AssertionError) else f"{name} is missing")
    return wrong


def inputs_of(recorded, names):
    """Return the arguments of a recording by the names of forward."""
    given = {}
    for entry, array in recorded.items():
        kind, *path = entry.split("/")
        if kind == "input":
            if path[0].isdecimal():
                path[0] = names[int(path[0])]
            inner = given
            for word in path[:-1]:
                inner = inner.setdefault(word, {})
            inner[path[-1]] = array
    return {name: nested(value) for name, value in given.items()}


def nested(value):
    """Return dicts whose keys count from 0 as tuples."""
    if not isinstance(value, dict):
        return value
    parts = {key: nested(part) for key, part in value.items()}
    is_tuple = list(parts) == [str(i) for i in range(len(parts))]
    return tuple(parts.values()) if is_tuple else parts
