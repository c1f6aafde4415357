"""Record a PyTorch model once, compare NumPy with it later: the first difference is named."""

import difflib
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from numbers import Number
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# What rounding may change, in parts of the largest recorded number. A model in half precision
# rounds after each layer: four times its eps, 2**-10 or 2**-7. What is not here has to be equal.
TOLERANCES = {
    "float64": 1e-11,
    "complex128": 1e-11,
    "float32": 1e-5,
    "complex64": 1e-5,
    "float16": 4e-3,
    "bfloat16": 3e-2,
}
HALVES = "float16", "bfloat16"

# Weights that a right port may leave unread: {name: the name beside it, reason}.
NO_MATTER = {
    r"(?:.*[._])?(?:k|keys?)(?:_\w+)?\.(bias)": (
        "weight",
        "a key bias: all scores of a query grow by the same, and softmax cancels it",
    ),
    r".*(weight_hh)_l\d+_reverse": (
        "weight_ih",
        "the reverse direction begins at the last step, from a state of zeros, and no other "
        "step of it was compared",
    ),
}


def record(path: str | PathLike[str], model: Any, /, *inputs: Any, **named: Any) -> None:
    """Call a model once and write what goes in, what each layer returns, and what comes out.

    The ``.npz`` has these names, in the order of computation:

        input/0, input/mask  an argument, by its position or its name
        layer/encoder.fc     what ``model.encoder.fc`` returned
        layer/encoder.fc#2   what it returned when it was called a second time
        layer/lstm/1/0       a part of what a layer returned: of its second, the first
        output, output/1     what the model returned, or a part of it

    float16 and bfloat16 are written as float32, exactly; the entries "float16" and "bfloat16" say
    which they were. Everything is held in memory until it is written.

    Parameters
    ----------
    path : str or path
    model : torch.nn.Module
        In ``eval()``. A layer is seen where it is called as a module: ``self.fc(x)``.
    *inputs, **named
        The arguments of the call: tensors, numbers, and tuples, lists and dicts of them.

    Raises
    ------
    ValueError
        The model or a part of it is in training mode, or no tensor comes out.
    """
    if training := [name for name, module in model.named_modules() if module.training]:
        raise ValueError(
            f"{training[0] or 'the model'} is in training mode: dropout is random there, and batch "
            "norm follows the batch; call model.eval() first"
        )
    arrays: dict[str, Any] = {}
    halves, calls = {half: [] for half in HALVES}, {}

    def keep(name, value):
        for part, leaf in leaves(name, value):
            arrays[part], dtype = as_array(leaf)
            if dtype in halves:
                halves[dtype].append(part)

    def hook(name, module, inputs, output):
        calls[name] = calls.get(name, 0) + 1
        again = f"#{calls[name]}" if calls[name] > 1 else ""
        keep(f"layer/{name}{again}", output)

    keep("input", inputs)
    keep("input", named)
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if name:  # the one without is the model itself
                hooks.callback(module.register_forward_hook(partial(hook, name)).remove)
        output = model(*inputs, **named)
    if not any(leaves("output", output)):
        raise ValueError(f"the model returned a {type(output).__name__} without a tensor in it")
    keep("output", output)
    arrays |= {dtype: names for dtype, names in halves.items() if names}
    np.savez(path, **arrays)


def leaves(name, value):
    """Yield (name, tensor or number) of all that is in value; None and the like have none."""
    if isinstance(value, Mapping | list | tuple):
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in parts:
            yield from leaves(f"{name}/{key}", part)
    elif isinstance(value, Number | np.ndarray) or hasattr(value, "detach"):
        yield name, value


def as_array(value):
    """Return a copy of a tensor or a number as an array, and the name of the dtype it had."""
    if not hasattr(value, "detach"):
        return np.array(value), ""
    tensor, dtype = value.detach().cpu(), str(value.dtype).removeprefix("torch.")
    if tensor.is_nested:  # what nn.TransformerEncoder makes of a padded batch
        tensor = tensor.to_padded_tensor(0)
    if dtype in HALVES:
        tensor = tensor.float()
    # A copy: the next layer may work in place.
    return tensor.resolve_conj().resolve_neg().numpy().copy(), dtype


def compare(
    recorded: Mapping[str, NDArray[Any]],
    ours: Mapping[str, ArrayLike],
    *,
    rtol: float | None = None,
    mask: ArrayLike | None = None,
) -> list[str]:
    """Compare arrays with a recording, in its order; return the names, all of which agree.

    Two arrays agree when they have one shape and one dtype, are finite, and differ nowhere by more
    than rounding, TOLERANCES, of the largest recorded number.

    Parameters
    ----------
    recorded : mapping of str to array
        What ``np.load`` reads from the file that ``record`` wrote.
    ours : mapping of str to array
        Any of them, by their names in recorded.
    rtol : float, optional
        Takes the place of TOLERANCES. Integers have to be equal all the same.
    mask : array of bool, optional
        True where numbers count, over the first axes of each array in ours: the other numbers may
        be anything, NaN too.

    Returns
    -------
    list of str
        The names that were compared, all that ours has.

    Raises
    ------
    AssertionError
        Something differs: says what is the first, how, and what agrees before it.
    KeyError
        Nothing was recorded under a name.
    ValueError
        There is nothing to compare, rtol is not from 0 to 1, or the mask is not of the arrays.
    """
    for name in ours:
        if name not in recorded:
            close = difflib.get_close_matches(name, recorded) or list(recorded)
            raise KeyError(f"nothing was recorded as {name!r}; close are {close}")
    if not ours:
        raise ValueError(f"ours is empty: give at least one of {list(recorded)}")
    if rtol is not None and not 0 <= rtol < 1:
        raise ValueError(f"rtol is {rtol}: a part of the largest number, below 1, or zeros agree")
    counts = None if mask is None else what_counts(mask)
    agree = []
    for name in recorded:
        if name in ours:
            half = next((half for half in HALVES if name in recorded.get(half, ())), None)
            pair = np.asarray(ours[name]), recorded[name]
            if wrong := difference(name, *pair, half, rtol, counts):
                before = f", {agree[-1]} before it agrees" if agree else ""
                raise AssertionError(f"{name} differs{before}: {wrong}")
            agree.append(name)
    return agree


def what_counts(mask):
    """Return a mask as an array, or refuse what lets nothing or everything count."""
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise ValueError(f"mask is {mask.dtype}, not bool: give True where numbers count")
    if not mask.any():
        raise ValueError("mask is False everywhere: nothing would be compared")
    return mask


def difference(name, ours, recorded, half=None, rtol=None, mask=None):
    """Say how ours differs from what was recorded, in half precision if half; None if nowhere."""
    ours_is, recorded_is = (f"{array.dtype} {array.shape}" for array in (ours, recorded))
    if ours_is != recorded_is:
        return f"ours is {ours_is}, recorded is {recorded_is}"
    if mask is not None:
        if recorded.shape[: mask.ndim] != mask.shape:
            raise ValueError(
                f"{name} is {recorded.shape}, the mask is {mask.shape}, not its first axes: "
                "compare it in a call of its own"
            )
        mask = mask.reshape(mask.shape + (1,) * (recorded.ndim - mask.ndim))
        ours, recorded = (np.where(mask, a, np.zeros_like(a)) for a in (ours, recorded))
    for whose, array in (("recorded", recorded), ("ours", ours)):
        if bad := np.count_nonzero(~np.isfinite(array)):
            return f"{bad} of {array.size} values of {whose} are NaN or infinite"
    tolerance = TOLERANCES.get(half or str(ours.dtype))
    if tolerance is None:
        wrong = np.count_nonzero(ours != recorded)
        return f"{wrong} of {ours.size} values are not equal" if wrong else None
    off = np.abs(ours - recorded)
    scale = float(np.abs(recorded).max(initial=0))
    if off.max(initial=0) <= (tolerance if rtol is None else rtol) * scale:
        return None
    worst = tuple(map(int, np.unravel_index(off.argmax(), off.shape)))
    return f"off by {off.max():.2g} at {worst}, where the largest number is {scale:.2g}"


def unseen(
    recorded: Mapping[str, NDArray[Any]],
    run: Callable[[Mapping[str, NDArray[Any]]], Mapping[str, ArrayLike]],
    weights: Mapping[str, NDArray[Any]],
    *,
    rtol: float | None = None,
    mask: ArrayLike | None = None,
) -> dict[str, str]:
    """Break one weight after another; return those that the comparison does not miss, and why.

    A weight is broken by the reverse order of its rows, or by numbers added to it where that
    changes nothing.

    Parameters
    ----------
    recorded : mapping of str to array
    run : function
        From weights to what ``compare`` takes as ours: ``lambda w: forward(ids, states, w)``.
    weights : mapping of str to array
    rtol, mask
        As ``compare`` takes them.

    Returns
    -------
    dict of str to str
        The reason for each name. Empty if the comparison proves every weight.

    Raises
    ------
    AssertionError, KeyError, ValueError
        Those of ``compare``, with nothing broken.
    """

    def seen(changed):
        try:
            compare(recorded, run({**weights, **changed}), rtol=rtol, mask=mask)
        except (AssertionError, IndexError, ValueError):  # the port may refuse it, too
            return True
        return False

    def matters(name):
        return seen({name: broken(np.asarray(weights[name]))})

    compare(recorded, sound := run(weights), rtol=rtol, mask=mask)
    found = {}
    with np.errstate(all="ignore"):
        for name in (name for name in weights if not matters(name)):
            value = np.asarray(weights[name])
            twins = [n for n in weights if n != name and np.array_equal(weights[n], value)]
            changed = run({**weights, name: broken(value)})
            if reason := no_matter(name, weights, matters):
                found[name] = reason
            elif value.dtype.kind in "fc" and seen({name: np.full_like(value, np.nan)}):
                same = all(np.array_equal(sound[n], changed[n]) for n in sound)
                found[name] = (
                    "it meets zeros, or ends in them: record other inputs"
                    if same
                    else "it changes no more than rounding does: record float64"
                )
            elif twin := next(filter(matters, twins), None):
                found[name] = f"it equals {twin}, which is read in its place: tied, or a copy"
            else:
                found[name] = "nothing that was compared depends on it"
    return found


def broken(value):
    """Return an array with the same shape and other numbers."""
    if value.ndim and not np.array_equal(value, value[::-1]):
        return value[::-1]
    if value.dtype == bool:
        return ~value
    return value + np.linspace(1, 2, value.size, dtype=value.dtype).reshape(value.shape)


def no_matter(name, weights, matters):
    """Return why a weight makes no difference, if its name says so and that beside it matters."""
    for pattern, (beside, reason) in NO_MATTER.items():
        if found := re.fullmatch(pattern, name):
            beside = name[: found.start(1)] + beside + name[found.end(1) :]
            if beside in weights and matters(beside):
                return reason
    return None


def padded(recorded: Mapping[str, NDArray[Any]], name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a recorded ``PackedSequence`` as padded rows, and their lengths.

    Parameters
    ----------
    recorded : mapping of str to array
        With the parts of the sequence: name/0 its data, the rows of the first step, then of the
        second, the longest row first; name/1 how many rows each step has; name/3 the place of each
        row as it was given, unless the rows were given in order.
    name : str

    Returns
    -------
    rows : (time, batch, ...)
        Zero behind the end of each.
    lengths : (batch,)

    Raises
    ------
    ValueError
        No PackedSequence was recorded under the name.

    See Also
    --------
    torch.nn.utils.rnn.pad_packed_sequence : with its default, ``batch_first=False``.
    """
    data, steps = (np.asarray(recorded.get(f"{name}/{part}", 0)) for part in (0, 1))
    if steps.ndim != 1 or steps.dtype.kind != "i" or data.shape[:1] != (steps.sum(),):
        raise ValueError(f"no PackedSequence was recorded as {name!r}: look at {list(recorded)}")
    mask = np.arange(steps.max(initial=0)) < steps[:, None]  # (time, batch)
    rows = np.zeros(mask.shape + data.shape[1:], data.dtype)
    rows[mask] = data
    order = recorded.get(f"{name}/3", slice(None))
    return rows[:, order], mask.sum(0)[order]
