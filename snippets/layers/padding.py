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

    Raises
    ------
    ValueError
        The mode, or a number of pad, does not fit x.
    """
    x = np.asarray(x)
    widths = check_pad(x.shape, pad, mode, value)
    if mode == "constant":
        kept = [
            slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True)
        ]
        added = [(max(a, 0), max(b, 0)) for a, b in widths]
        return np.pad(x[tuple(kept)], added, constant_values=0 if value is None else value)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = x.take(pad_sources(x.shape[axis], before, after, mode), axis)
    return x


def pad_sources(n, before, after, mode):
    """Return which entry of an axis of n each entry of the padded axis copies."""
    i = np.arange(-before, n + after)
    if mode == "replicate":
        return i.clip(0, n - 1)
    if mode == "reflect":
        return n - 1 - abs(n - 1 - abs(i))  # a mirror in entry 0, then one in entry n - 1
    first, last = max(-before, 0), n - max(-after, 0)
    return first + (i - first) % (last - first)  # round what is left after the cut


def check_pad(shape, pad, mode, value):
    """Return (before, after) of all axes, first axis first, or say what is wrong with pad."""
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(
            f"mode is {mode!r}, expected constant, reflect, replicate (np.pad says edge) or "
            "circular (np.pad says wrap)"
        )
    pad = tuple(pad)
    axes = len(pad) // 2
    if len(pad) % 2 or axes > len(shape):
        raise ValueError(
            f"pad is {pad}, expected two numbers for each axis padded, the last axis first; "
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
