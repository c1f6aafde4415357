"""A .pt2 of torch.export is a zip with a graph and weights: read the weights, leave the graph."""

import json
from os import PathLike
from typing import Any

from .inside import read_inside
from .torch_file import (
    BUILDERS,
    ORDERS,
    SMALL,
    CheckpointError,
    LazyDict,
    Storage,
    mapped,
    member_of,
    opened,
    rebuild_tensor,
    zip_member,
    zip_members,
)

WEIGHTS = "data/weights/"
CONFIG = "_weights_config.json"
# Before PyTorch 2.7, it was a zip with a file of torch.save of one of these names in it.
BEFORE = {"serialized_state_dict.pt", "serialized_state_dict.json"}
# torch._export.serde.schema.ScalarType
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}


def load_exported(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the state_dict of what ``torch.export.save`` wrote; its graph is not read.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict of str to array
        What ``torch.export.load(path).state_dict`` has; of several models, one dict for each.

    Raises
    ------
    ValueError
        The file is broken, or of another kind.

    See Also
    --------
    torch.export.load : makes the program itself of the file.
    """
    return opened(path, read_exported)


def read_exported(file):
    """Return the state_dict of each exported program in a zip; of one, that."""
    data = mapped(file)
    members = zip_members(file, data)
    for name in BEFORE & members.keys():
        return read_inside(zip_member(data, *members[name]))
    folders = [name.split("/")[0] for name in members if name.endswith("/archive_format")]
    if len(folders) != 1:
        raise CheckpointError(f"no file of torch.export: it has {sorted(members)[:5]}")
    member, size = member_of(members, folders[0], data), max(len(data), SMALL)
    start = f"{folders[0]}/{WEIGHTS}"
    names = [name[len(start) :] for name in members if name.startswith(start)]
    states = {
        name.removesuffix(CONFIG): read_weights(member, name, size)
        for name in names
        if name.endswith(CONFIG)
    } | {
        name.removesuffix(".pt"): read_inside(member(WEIGHTS + name))
        for name in names
        if name.endswith(".pt")
    }
    return states.popitem()[1] if len(states) == 1 else states


def read_weights(member, config, size, folder=WEIGHTS):
    """Return the state_dict that the JSON of one model tells of."""
    order = ORDERS[bytes(member("byteorder"))]
    storages, state = {}, LazyDict()
    for name, told in json.loads(bytes(member(folder + config, size)))["config"].items():
        key, meta = told["path_name"], told["tensor_meta"]
        if told["use_pickle"]:
            state[name] = read_inside(member(folder + key))
            continue
        dtype = BUILDERS.get(f"torch.{DTYPES.get(meta['dtype'])}")
        if dtype is None:
            raise CheckpointError(f"{name!r} has the dtype {meta['dtype']}, which is not known")
        if (key, dtype) not in storages:
            storages[key, dtype] = Storage(member(folder + key), dtype, order)
        shape, stride = (tuple(n["as_int"] for n in meta[which]) for which in ("sizes", "strides"))
        offset = meta["storage_offset"]["as_int"]
        state[name] = rebuild_tensor(storages[key, dtype], offset, shape, stride)
    return state
