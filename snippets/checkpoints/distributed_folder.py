"""torch.distributed.checkpoint keeps pieces of tensors in a folder: put each tensor together."""

import math
import os
import zipfile
from os import PathLike
from typing import Any

import numpy as np

from .inside import Inside, inside, read_inside
from .torch_file import (
    CheckpointError,
    LazyDict,
    StandIn,
    load_torch,
    mapped,
    opened,
    told_of,
    window,
    with_arrays,
)


def load_distributed(path: str | PathLike[str]) -> Any:
    """Return what ``torch.distributed.checkpoint.save`` wrote, each tensor in one piece.

    Parameters
    ----------
    path : str or path
        The folder, or a .distcp in it, of which the whole folder is read. The names are in the
        .metadata beside it: without that, a .distcp gives a list of what lies in it.

    Returns
    -------
    dict or list
        As it was nested.

    Raises
    ------
    ValueError
        A file of the folder is missing or broken.

    See Also
    --------
    torch.distributed.checkpoint.format_utils.dcp_to_torch_save : the same, into one file.
    """
    folder = os.fspath(path)
    if not os.path.isdir(path):
        folder = os.path.dirname(path)
        if not os.path.isfile(os.path.join(folder, ".metadata")):
            return opened(path, read_pieces)
    try:
        index = load_torch(os.path.join(folder, ".metadata"))
    except ValueError as error:
        what = "the index of a folder of torch.distributed.checkpoint"
        raise ValueError(f"{error}; this file is {what}") from error
    with told_of(path):
        return with_arrays(read_distributed(folder, attributes(index, "Metadata")))


def read_distributed(folder, index):
    """Return what a folder holds, as its .metadata says."""
    files, pieces = {}, {}
    for key, value in index["storage_data"].items():
        where = attributes(value, "_StorageInfo")
        name = where["relative_path"]
        if name not in files:
            files[name] = inside(folder, name)
        if where.get("transform_descriptors"):
            raise CheckpointError(f"{name!r} is packed by {where['transform_descriptors']!r}")
        key = attributes(key, "MetadataIndex")
        raw = window(files[name], where["offset"], where["length"])
        pieces.setdefault(key["fqn"], []).append((key.get("offset"), raw))

    paths, found = index.get("planner_data") or {}, Node()
    for name, told in index["state_dict_metadata"].items():
        if name not in pieces:
            raise CheckpointError(f"no file holds {name!r}")
        *path, last = paths.get(name, (name,))
        node = found
        for key in path:
            node = node.setdefault(key, Node())
            if not isinstance(node, Node):
                raise CheckpointError(f"{name!r} lies within what is no dict")
        node[last] = whole(name, told, pieces[name])
    return plain(found)


class Node(dict):
    """A dict or a list on the way: what a file holds itself is none."""


def plain(found):
    """Return nested dicts, or lists where the keys count."""
    parts = LazyDict()
    for key, part in found.items():
        parts[key] = plain(part) if type(part) is Node else part
    if not parts or not all(type(key) is int for key in parts):
        return parts
    if sorted(parts) != list(range(len(parts))):
        raise CheckpointError(f"a list has the items {sorted(parts)[:9]}")
    return [parts.stored(number) for number in range(len(parts))]


def whole(name, told, pieces):
    """Return a tensor from its pieces, or what else was saved under a name."""
    if told.name.endswith("BytesStorageMetadata"):
        return read_inside(pieces[0][1])
    shape = attributes(told, "TensorStorageMetadata")["size"]
    arrays = [(offset, read_inside(raw)) for offset, raw in pieces]
    if len(arrays) == 1 and arrays[0][1].shape == shape:
        return arrays[0][1]
    arrays = [(offset, with_arrays(array)) for offset, array in arrays]
    count, stored = math.prod(shape), sum(raw.size for _, raw in pieces)
    if count > stored or sum(array.size for _, array in arrays) != count:
        raise CheckpointError(f"{name!r} of shape {shape} is not whole: a piece is missing")
    first, *others = dict.fromkeys(array.dtype for _, array in arrays)
    if others:
        raise CheckpointError(f"{name!r} has pieces of {first} and of {others[0]}")
    result = np.empty(shape, first)
    filled = np.zeros(shape, bool)
    for offset, array in arrays:
        where = tuple(slice(n, n + size) for n, size in zip(offset, array.shape, strict=True))
        result[where], filled[where] = array, True
    if not filled.all():
        raise CheckpointError(f"{name!r}: its pieces overlap, and one is missing")
    return result


def attributes(value, kind):
    """Return what a stand-in of one class of torch.distributed.checkpoint holds."""
    if not isinstance(value, StandIn) or value.name.rpartition(".")[2] != kind:
        raise CheckpointError(f"its index has {value!r:.100} in place of a {kind}")
    return value.state


def read_pieces(file):
    """Return the list of what lies in a .distcp, one file of torch.save behind another."""
    raw, pieces = memoryview(mapped(file)), []
    end = len(raw)
    while end:
        with zipfile.ZipFile(Inside(raw[:end])) as archive:
            begin = min(entry.header_offset for entry in archive.infolist())
        pieces.append(read_inside(raw[begin:end]))
        end = begin
    return pieces[::-1]
