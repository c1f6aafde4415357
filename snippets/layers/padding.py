"""``F.pad`` and all padding layers of ``torch.nn`` in NumPy: the last axis comes first."""

import numpy as np


def pad(x, pad, mode="constant", value=None):
    """Add entries around the last axes of x, or cut some off, as ``F.pad``.

    ``pad`` is (left, right, top, bottom, front, back): the last axis first. It is
    what every padding layer has in ``layer.padding``:

        nn.ZeroPad2d           pad(x, padding)
        nn.ConstantPad2d       pad(x, padding, value=value)
        nn.ReflectionPad2d     pad(x, padding, "reflect")
        nn.ReplicationPad2d    pad(x, padding, "replicate")
        nn.CircularPad2d       pad(x, padding, "circular")

    Parameters
    ----------
    x : array, any axes
        If the mode is not constant: (batch, channels, ...) or (channels, ...),
        with as many axes behind the channels as pad has pairs.
    pad : sequence of int
        Two numbers for each axis. Negative ones cut off.
    mode : {"constant", "reflect", "replicate", "circular"}
    value : number, optional
        What is added; 0 if not given. For mode constant only.

    Returns
    -------
    array, a copy, in the dtype of x

    Raises
    ------
    ValueError
        The mode, the value or a number of pad does not fit x.

    See Also
    --------
    torch.nn.functional.pad, torch.nn.ReflectionPad2d
    """
    x = as_numbers(x, "fc")
    widths = check_pad(x.shape, pad, mode, value)
    check_pad_value(x.dtype, value)
    if mode == "constant":
        kept = [
            slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True)
        ]
        added = [(max(a, 0), max(b, 0)) for a, b in widths]
        return np.pad(x[tuple(kept)], added, constant_values=0 if value is None else value)
    y = x if any(map(any, widths)) else x.copy()
    for axis, (before, after) in enumerate(widths):
        if before or after:
            y = y.take(pad_sources(y.shape[axis], before, after, mode), axis)
    return y


def pad_sources(n, before, after, mode):
    """Return which entry of an axis of n each entry of the padded axis copies."""
    i = np.arange(-before, n + after)
    if mode == "replicate":
        return i.clip(0, n - 1)
    if mode == "reflect":
        return n - 1 - abs(n - 1 - abs(i))  # a mirror in entry 0, then one in entry n - 1
    first, last = max(-before, 0), n - max(-after, 0)
    return first + (i - first) % (last - first)  # round what is left after the cut


# What refuses wrong input


def check_pad(shape, pad, mode, value):
    """Return (before, after) of all axes, first axis first, or say what is wrong with pad."""
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(
            f"mode is {mode!r}, expected constant, reflect, replicate (np.pad says edge) or "
            "circular (np.pad says wrap)"
        )
    pad = tuple(np.ravel(pad).tolist())
    axes = len(pad) // 2
    if len(pad) % 2 or axes > len(shape) or not all(type(n) is int for n in pad):
        raise ValueError(
            f"pad is {pad}, expected two integers for each axis padded, the last axis first; "
            f"x has shape {shape}"
        )
    if mode != "constant":
        if value:
            raise ValueError(f"value is {value}, but mode {mode} takes none")
        if axes not in (1, 2, 3) or len(shape) - axes not in (1, 2):
            raise ValueError(
                f"x has shape {shape}, but pad {pad} in mode {mode} is for (batch, channels, ...) "
                f"or (channels, ...) with {axes} more: is an axis, or a pair of pad, missing?"
            )
        if mode != "circular" and 0 in shape[len(shape) - axes - 1 :]:
            raise ValueError(f"x has shape {shape}, no entry to {mode}")
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    widths = [(0, 0)] * (len(shape) - axes) + pairs[::-1]
    for axis in range(len(shape) - axes, len(shape)):
        check_pad_axis(axis, shape[axis], *widths[axis], mode)
    return widths


def check_pad_axis(axis, n, before, after, mode):
    """Raise if an axis of n entries can't be padded so."""
    left = n + min(before, 0) + min(after, 0)
    if left < 0 if mode in ("constant", "circular") else n + before + after < 1:
        raise ValueError(
            f"axis {axis} of x has {n} entries: {(before, after)} leaves none; "
            "pad has the last axis first"
        )
    most = {"reflect": n - 1, "circular": left}.get(mode)
    if most is not None and max(before, after) > most:
        raise ValueError(
            f"axis {axis} of x has {n} entries: {mode} can add at most {most} at each end, "
            f"not {(before, after)}; pad has the last axis first"
        )


def check_pad_value(dtype, value):
    """Raise unless an array of integers can hold the value."""
    if value is not None and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:
            raise ValueError(f"value is {value}, but x holds {dtype}")


def as_numbers(given, kinds="f"):
    """Return an array in its own dtype, in native byte order: integers stay integers.

    Complex numbers are taken where kinds is "fc".
    """
    array = np.asarray(given)
    if array.dtype.kind not in "biu" + kinds:
        what = f"{type(given).__name__} of dtype {array.dtype}"
        slip = ": was one of its entries meant?" if hasattr(given, "keys") else ""
        real = "real " if kinds == "f" else ""
        raise ValueError(f"{what} given, expected an array of {real}numbers{slip}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
