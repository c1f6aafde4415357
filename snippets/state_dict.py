"""Find your way in a ``state_dict()``: a flat mapping from dotted names to arrays."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

Array = TypeVar("Array")


def under(state: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the entries of one module, under the module's own names.

    ``under(state, "encoder.lstm")`` holds what ``model.encoder.lstm.state_dict()`` holds.

    Parameters
    ----------
    state : mapping of str to array
    prefix : str
        The module's name in the model, without a dot at the end.

    Returns
    -------
    dict of str to array
        The same arrays, in their order.

    Raises
    ------
    KeyError
        state has nothing below prefix.
    """
    start = f"{prefix}."
    names = {name.removeprefix(start): name for name in state if name.startswith(start)}
    if not names:
        parents = {name[:i] for name in state for i, c in enumerate(name) if c == "."}
        close = difflib.get_close_matches(prefix, sorted(parents))
        raise KeyError(f"nothing lies below {prefix!r}; close are {close or sorted(parents)}")
    if renamed := getattr(state, "renamed", None):  # of load: what is unread stays so
        return renamed(names)
    return {short: state[name] for short, name in names.items()}
