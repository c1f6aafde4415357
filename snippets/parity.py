"""Record a PyTorch model once, compare NumPy with it later: the first difference is named."""

import difflib
from collections.abc import Mapping
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


def compare(recorded: Mapping[str, NDArray[Any]], ours: Mapping[str, ArrayLike]) -> list[str]:
    """Compare arrays with a recording, in its order; return the names, all of which agree.

    Two arrays agree when they have one shape and one dtype, are finite, and differ nowhere by more
    than rounding, TOLERANCES, of the largest recorded number.

    Parameters
    ----------
    recorded : mapping of str to array
        What ``np.load`` reads from the file that ``record`` wrote.
    ours : mapping of str to array
        Any of them, by their names in recorded.

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
        There is nothing to compare.
    """
    for name in ours:
        if name not in recorded:
            close = difflib.get_close_matches(name, recorded) or list(recorded)
            raise KeyError(f"nothing was recorded as {name!r}; close are {close}")
    if not ours:
        raise ValueError(f"ours is empty: give at least one of {list(recorded)}")
    agree = []
    for name in recorded:
        if name in ours:
            half = next((half for half in HALVES if name in recorded.get(half, ())), None)
            if wrong := difference(np.asarray(ours[name]), recorded[name], half):
                before = f", {agree[-1]} before it agrees" if agree else ""
                raise AssertionError(f"{name} differs{before}: {wrong}")
            agree.append(name)
    return agree


def difference(ours, recorded, half=None):
    """Say how ours differs from what was recorded, in half precision if half; None if nowhere."""
    ours_is, recorded_is = (f"{array.dtype} {array.shape}" for array in (ours, recorded))
    if ours_is != recorded_is:
        return f"ours is {ours_is}, recorded is {recorded_is}"
    for whose, array in (("recorded", recorded), ("ours", ours)):
        if bad := np.count_nonzero(~np.isfinite(array)):
            return f"{bad} of {array.size} values of {whose} are NaN or infinite"
    tolerance = TOLERANCES.get(half or str(ours.dtype))
    if tolerance is None:
        wrong = np.count_nonzero(ours != recorded)
        return f"{wrong} of {ours.size} values are not equal" if wrong else None
    off = np.abs(ours - recorded)
    scale = float(np.abs(recorded).max(initial=0))
    if off.max(initial=0) <= tolerance * scale:
        return None
    worst = tuple(map(int, np.unravel_index(off.argmax(), off.shape)))
    return f"off by {off.max():.2g} at {worst}, where the largest number is {scale:.2g}"
