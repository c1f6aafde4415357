"""A checkpoint in several files, with an index that says which of them holds what: one mapping."""

import json
import os
from os import PathLike
from typing import Any

from . import safetensors_file, torch_file
from .inside import path_inside
from .lazy import LazyDict, Stored
from .safetensors_file import load_safetensors
from .torch_file import CheckpointError, check_file, load_torch, told_of

MAX_INDEX = 100_000_000  # bytes; ten thousand tensors need a million
FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def load_sharded(path: str | PathLike[str]) -> dict[str, Any]:
    """Return ``{name: array}`` of all files that an ``.index.json`` names.

    Parameters
    ----------
    path : str or path
        The index; its ``weight_map`` says for each name in which file, .safetensors or .bin, it
        lies. The files are in the folder of the index.

    Returns
    -------
    dict of str to array
        In the order of the index.

    Raises
    ------
    ValueError
        A file is missing, broken or outside of the folder, lacks what the index says, or holds
        what another one does.
    """
    check_file(path)
    folder = os.path.dirname(os.fspath(path))
    with told_of(path):
        places = read_index(path)
        paths = {name: path_inside(folder, name) for name in dict.fromkeys(places.values())}
    shards = {name: load_shard(shard) for name, shard in paths.items()}
    with told_of(path):
        return merged(places, shards)


def read_index(path):
    """Return the weight_map of an index, ``{name: file}``."""
    if os.path.getsize(path) > MAX_INDEX:
        raise CheckpointError(f"an index of more than {MAX_INDEX} bytes")

    def distinct(pairs):
        found = dict(pairs)
        if len(found) < len(pairs):
            raise CheckpointError("its JSON has a name twice")
        return found

    with open(path, encoding="utf-8") as file:
        places = json.load(file, object_pairs_hook=distinct).get("weight_map")
    if not isinstance(places, dict) or not all(type(file) is str for file in places.values()):
        raise CheckpointError("JSON without a weight_map, which says in which file each weight is")
    return places


def load_shard(path):
    """Return what one file holds, whichever format it is."""
    with open(path, "rb") as file:
        head = file.read(9)
    return load_safetensors(path) if head[5:] == b"\0\0\0{" else load_torch(path)


def merged(places, shards):
    """Return the entries of all shards, as the index says where each lies."""
    found, holders = LazyDict(), {}
    for shard, entries in shards.items():
        if not isinstance(entries, dict):
            raise CheckpointError(f"{shard!r} holds no dict of tensors")
        for name in entries:
            if name in holders:
                raise CheckpointError(f"{name!r} is in {holders[name]!r}, and in {shard!r} again")
            holders[name] = shard
    for name, shard in places.items():
        if holders.get(name) != shard:
            raise CheckpointError(f"{name!r} is not in {shard!r}, where the index has it")
        found[name] = taken_over(dict.__getitem__(shards[shard], name))
    return found


# A reader that is a file of its own has a Stored of its own, which the LazyDict here would not read
OWN = safetensors_file.Stored, torch_file.Stored


def taken_over(value):
    """Return an unread tensor of such a reader as one of lazy.py, any other value as it is."""
    if isinstance(value, OWN):
        return Stored(value.shape, value.dtype, value.raw, lambda _: value.read())
    return value
