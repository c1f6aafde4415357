"""A .pt that was unpacked, as browsers do it: the same pickle and numbers, in a folder."""

import glob
import io
import os
from os import PathLike
from typing import Any

from .inside import inside
from .torch_file import BUILDERS, MAX_PICKLE, SMALL, storage_of, told_of, unpickle, with_arrays
from .torchscript_file import script_state


def load_unpacked(path: str | PathLike[str]) -> Any:
    """Return what ``torch.save`` wrote into a zip that was unpacked.

    Parameters
    ----------
    path : str or path
        The folder with data.pkl in it.

    Returns
    -------
    dict or other
        What ``load_torch`` returns for the zip; of TorchScript, the state_dict.

    Raises
    ------
    ValueError
        A file of the folder is missing or broken.
    """
    with told_of(path):
        return with_arrays(read_unpacked(path, set(os.listdir(path))))


def read_unpacked(path, names):
    """Return the object of the data.pkl of a folder."""

    def member(name, _most=None):
        return inside(path, name)

    order = member("byteorder") if "byteorder" in names else b"little"
    size = SMALL + sum(os.path.getsize(file) for file in glob.iglob(f"{glob.escape(path)}/data*/*"))
    if "constants.pkl" in names:
        return script_state(member, order, size)
    storage = storage_of(lambda key: member(f"data/{key}"), order)
    pickle = member("data.pkl")[:MAX_PICKLE]
    return unpickle(io.BytesIO(pickle), BUILDERS, storage, size + pickle.size)
