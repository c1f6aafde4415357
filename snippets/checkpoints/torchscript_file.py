"""TorchScript keeps the weights of its program in a pickle: their names and arrays, no code run."""

import io
import re
from os import PathLike
from typing import Any

import numpy as np

from .torch_file import (
    BUILDERS,
    MAX_PICKLE,
    MAX_STEPS,
    SMALL,
    CheckpointError,
    LazyDict,
    StandIn,
    Stored,
    mapped,
    member_of,
    opened,
    storage_of,
    unpickle,
    zip_members,
)

# How the source of a class begins. Before PyTorch 1.5, it has no line for the buffers.
CLASS = re.compile(
    r"^class (\w+)\(Module\):\n  __parameters__ = \[(.*)\]\n(  __buffers__ = \[.*\]\n)?", re.M
)
PACKED = "__torch__.torch.classes.quantized."


def load_torchscript(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the state_dict of what ``torch.jit.save`` wrote; its code is not run.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict of str to array
        What ``torch.jit.load(path).state_dict()`` has. Of a quantised layer, the weight and bias
        that are packed, too. Of a frozen module, which has none left, the constants of its code.

    Raises
    ------
    ValueError
        The file is broken, or of another kind.

    See Also
    --------
    torch.jit.load : makes the module itself of the file.
    """
    return opened(path, read_torchscript)


def read_torchscript(file):
    """Return the state_dict of a TorchScript archive."""
    data = mapped(file)
    members = zip_members(file, data)
    folders = [name.split("/")[0] for name in members if name.endswith("/constants.pkl")]
    if len(folders) != 1:
        raise CheckpointError(f"no TorchScript archive: it has {sorted(members)[:5]}")
    member, size = member_of(members, folders[0], data), max(len(data), SMALL)
    order = member("byteorder") if f"{folders[0]}/byteorder" in members else b"little"
    return script_state(member, order, size)


def script_state(
    member, order, size, pickles="", data="data/", constants="constants/", code="code"
):
    """Return the state_dict of one TorchScript module; the last four say where its parts lie."""

    def unpickled(name, storages):
        storage = storage_of(lambda key: member(storages + key), order)
        return unpickle(io.BytesIO(member(name, size)[:MAX_PICKLE]), BUILDERS, storage, size)

    state = state_dict_of_script(unpickled(f"{pickles}data.pkl", data), names_kept(member, code))
    if state:
        return state
    made = unpickled(f"{pickles}constants.pkl", constants)
    return LazyDict({f"CONSTANTS.c{number}": value for number, value in enumerate(made)})


def names_kept(member, folder):
    """Return the function that says which attributes of a class are parameters and buffers.

    The source of a class names them. It gives None where there is no telling.
    """
    files = {}

    def kept(name):
        module, _, name = name.rpartition(".")
        path = f"{folder}/{module.replace('.', '/')}.py"
        if path not in files:
            files[path] = {}
            for of, parameters, buffers in CLASS.findall(bytes(member(path)).decode()):
                told = re.findall('"([^"]*)"', parameters + buffers)
                files[path][of] = set(told) if buffers else None
        return files[path].get(name, ())

    return kept


def state_dict_of_script(model, kept):
    """Return the parameters and the buffers of a pickled module, and of all that are in it."""
    if not is_module(model):
        raise CheckpointError("its pickle holds no module")
    state, todo, left = LazyDict(), [("", model)], MAX_STEPS
    while todo:
        prefix, module = todo.pop()
        names, inner = kept(module.name), []
        for name, value in dict.items(module.state):
            left -= len(prefix) + len(name) + 1
            if left < 0:
                raise CheckpointError("its modules contain one another without end")
            if is_module(value):
                inner.append((f"{prefix}{name}.", value))
            elif isinstance(value, StandIn) and value.name.startswith(PACKED):
                state[f"{prefix}{name}"] = value.kept_state
            elif isinstance(value, np.ndarray | Stored) and (names is None or name in names):
                state[f"{prefix}{name}"] = value
        todo += reversed(inner)
    return state


def is_module(value):
    """Return whether a value is a pickled object with attributes."""
    return isinstance(value, StandIn) and isinstance(value.state, dict)
