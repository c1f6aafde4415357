"""A torch.package is a zip with Python code and pickles: read the pickles, run no code."""

import io
from os import PathLike
from typing import Any

from .torch_file import (
    BUILDERS,
    MAX_PICKLE,
    SMALL,
    CheckpointError,
    LazyDict,
    StandIn,
    mapped,
    member_of,
    opened,
    state_dict_of,
    storage_of,
    unpickle,
    zip_members,
)
from .torchscript_file import script_state


def load_package(path: str | PathLike[str]) -> Any:
    """Return what ``torch.package`` pickled: of a model, its state_dict; no code is run.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict or other
        What the one pickle of the package holds; of several, ``{"package/name.pkl": what it
        holds}``.

    Raises
    ------
    ValueError
        The file is broken, or of another kind.

    See Also
    --------
    torch.package.PackageImporter.load_pickle : makes the objects themselves of the file.
    """
    return opened(path, read_package)


def read_package(file):
    """Return the object of each pickle of a package; of one, that object."""
    data = mapped(file)
    members = zip_members(file, data)
    folders = {name.split("/")[0] for name in members if name.endswith("/.data/extern_modules")}
    if len(folders) != 1:
        raise CheckpointError(f"no torch.package: it has {sorted(members)[:5]}")
    (folder,) = folders
    member, size = member_of(members, folder, data), max(len(data), SMALL)
    order = member("byteorder") if f"{folder}/byteorder" in members else b"little"
    tensors = storage_of(lambda key: member(f".data/{key}.storage"), order)

    def referred(saved_id):
        match saved_id:
            case ("storage", dtype, key, *rest):
                return tensors(("storage", dtype, str(key), *rest))
            case ("reduce_package", _, StandIn(name=name), (str(number),)) if name == SCRIPT:
                where = {"pickles": f".data/ts_code/{number}/", "code": ".data/ts_code/code"}
                storages = {"data": ".data/", "constants": ".data/"}
                return script_state(member, order, size, **where, **storages)
        raise CheckpointError("its pickle refers to what is neither a storage nor TorchScript")

    def unpickled(name):
        found = unpickle(io.BytesIO(member(name, size)[:MAX_PICKLE]), BUILDERS, referred, size)
        try:
            return state_dict_of(found)[0]
        except ValueError:
            return found

    names = [name.removeprefix(f"{folder}/") for name in members if name.endswith(".pkl")]
    found = LazyDict({name: unpickled(name) for name in names if not name.startswith(".data/")})
    return found.popitem()[1] if len(found) == 1 else found


SCRIPT = "torch.jit._script.unpackage_script_module"
