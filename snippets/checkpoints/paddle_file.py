"""A .pdparams of Paddle is a plain pickle of arrays: load_torch reads it, two things are left."""

from os import PathLike
from typing import Any

import numpy as np

from .lazy import LazyDict, as_stored
from .torch_file import load_torch

NAMES = "StructuredToParameterName@@"  # Paddle's own entry: no weight


def load_paddle(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the state_dict that ``paddle.save`` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict of str to array
        Weights of Linear are (in_features, out_features), as Paddle has them. bfloat16 becomes
        float32 when it is read.

    Raises
    ------
    ValueError
        The file is broken, or not of Paddle.
    """
    found = load_torch(path)
    if not is_paddle(found):
        raise ValueError(f"{path}: it has no {NAMES!r}, which paddle.save writes of a state_dict")
    return state_dict_of_paddle(found)


def is_paddle(found):
    """Return whether a pickle is a state_dict of Paddle."""
    return isinstance(found, dict) and NAMES in found


def state_dict_of_paddle(found):
    """Return its entries. Paddle has no uint16: those are the bits of its bfloat16."""
    state = LazyDict()
    for name, value in dict.items(found):
        if isinstance(value, np.ndarray) and value.dtype == np.uint16:
            state[name] = as_stored(value, "bfloat16")
        elif name != NAMES:
            state[name] = value
    return state
