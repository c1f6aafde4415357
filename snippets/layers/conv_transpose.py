"""``nn.ConvTranspose1d``, ``2d``, ``3d`` in NumPy: each number of x stamps its kernel onto y."""

import math

import numpy as np

CONV_AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def conv_transpose1d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Run ``nn.ConvTranspose1d``: over one axis, x (batch, in_channels, length)."""
    return conv_transpose(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Run ``nn.ConvTranspose2d``: each number of x, times a kernel, is added to y.

    With o over the channels of c's own group, and before padding cuts y::

        y[o, ...] = bias[o], and then for all c, i, j, u, v
        y[o, stride * i + dilation * u, stride * j + dilation * v] +=
            weight[c, o, u, v] * x[c, i, j]

    Parameters
    ----------
    x : array (batch, in_channels, height, width) or (in_channels, height, width)
    weight : array (in_channels, out_channels // groups, *kernel_size)
        As stored: here the rows are inputs.
    bias : array (out_channels,), optional
        None for a layer made with ``bias=False``.
    stride, dilation : int, or one for each axis
    padding : int, or one for each axis
        How much is cut off y on either side.
    output_padding : int, or one for each axis
        How much longer y is, at the end alone.
    groups : int
        Channels and rows are cut into so many blocks; each makes one block of y's channels.

    Returns
    -------
    y : array (batch, out_channels, height, width), without batch if x has none
        A size becomes ``(size - 1) * stride - 2 * padding + dilation * (kernel - 1)
        + output_padding + 1``.

    Raises
    ------
    ValueError
        A shape or an argument does not fit.
    """
    return conv_transpose(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Run ``nn.ConvTranspose3d``: over three, x (batch, in_channels, depth, height, width)."""
    return conv_transpose(3, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose(n, x, weight, bias, stride, padding, output_padding, groups, dilation):
    """Stamp along the last n axes of x."""
    x, weight = np.asarray(x), np.asarray(weight)
    check_conv_transpose(n, x.shape, weight.shape, None if bias is None else np.shape(bias), groups)
    stride = conv_sizes("stride", stride, n, 1)
    dilation = conv_sizes("dilation", dilation, n, 1)
    in_channels, out_group, *kernel = weight.shape
    in_group, out_channels, taps = in_channels // groups, out_group * groups, math.prod(kernel)

    alone = x.ndim == n + 1
    x = x[None] if alone else x
    batch, _, *sizes = x.shape
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    stamped = [(m - 1) * s + e for m, s, e in zip(sizes, stride, spans, strict=True)]
    full, kept = conv_transpose_sizes(stamped, stride, padding, output_padding, dilation)
    views = conv_views(kernel, sizes, stride, dilation)

    x = x.reshape(batch, groups, in_group, math.prod(sizes))
    weight = weight.reshape(groups, in_group, out_group, taps).transpose(0, 3, 2, 1)
    # Products of strided memory are slow, so this view is copied.
    weight = weight.copy()  # (groups, kernel, out_channels // groups, in_channels // groups)
    y = np.zeros((batch, groups, out_group, *full), np.result_type(x, weight))
    # The stamps of all taps are many times y. A product takes as many taps as have stamps
    # no larger than x, or than y.
    many = max(1, in_group // out_group)
    for first in range(0, taps, many):
        some = slice(first, first + many)
        w = weight[:, some].reshape(groups, -1, in_group)
        # Depthwise, that is a product of single columns for each channel, and matmul is slow.
        stamps = w * x if in_group == 1 else w @ x
        stamps = stamps.reshape(batch, groups, len(views[some]), out_group, *sizes)
        for i, view in enumerate(views[some]):
            y[view] += stamps[:, :, i]

    y = y.reshape(batch, out_channels, *full)[kept]
    if bias is not None:
        y = y + np.reshape(bias, (out_channels, *[1] * n))
    return y[0] if alone else y


def conv_views(kernel, sizes, stride, dilation):
    """Return, for each tap of a kernel, the slices that it meets in so many places."""
    return [
        (
            ...,
            *(
                slice(t * d, t * d + m * s, s)
                for t, d, m, s in zip(tap, dilation, sizes, stride, strict=True)
            ),
        )
        for tap in np.ndindex(*kernel)
    ]


def conv_transpose_sizes(stamped, stride, padding, output_padding, dilation):
    """Return the sizes of y before padding cuts it, and the slices that it leaves."""
    n = len(stamped)
    padding = conv_sizes("padding", padding, n, 0)
    more = conv_sizes("output_padding", output_padding, n, 0)
    if any(a >= max(s, d) for a, s, d in zip(more, stride, dilation, strict=True)):
        raise ValueError(
            f"output_padding is {output_padding!r}, expected less than stride {stride} "
            f"or dilation {dilation} on each axis"
        )
    full = [m + a for m, a in zip(stamped, more, strict=True)]
    if any(m <= 2 * p for m, p in zip(full, padding, strict=True)):
        raise ValueError(f"padding is {padding}, which leaves nothing of an output of {full}")
    return full, (..., *(slice(p, m - p) for p, m in zip(padding, full, strict=True)))


def conv_sizes(name, value, n, least):
    """Return an argument as n integers, one for each axis."""
    values = np.ravel(value).tolist()
    values = values * n if len(values) == 1 else values
    if len(values) != n or not all(type(v) is int and v >= least for v in values):
        axes = f"one for each of {CONV_AXES[n]}"
        raise ValueError(f"{name} is {value!r}, expected an integer from {least} on, or {axes}")
    return values


def check_conv_transpose(n, x, weight, bias, groups):
    """Raise with the likely slip unless the shapes fit one another."""
    if len(weight) != n + 2 or 0 in weight:
        expected = f"(in_channels, out_channels // groups, {CONV_AXES[n]})"
        raise ValueError(
            f"weight has shape {weight}, expected {expected}, none of them 0: "
            "is it another layer's?"
        )
    rows, out_group = weight[:2]
    if groups not in range(1, rows + 1) or rows % groups:
        raise ValueError(f"groups is {groups!r}, but the {rows} rows of weight are cut into groups")
    if bias not in (None, (out_group * groups,)):
        raise ValueError(
            f"bias has shape {bias}, expected {(out_group * groups,)} for groups={groups} and "
            f"weight {weight}: one for each output channel, and weight has a row per input"
        )
    axes = f"{rows}, {CONV_AXES[n]}"
    if len(x) not in (n + 1, n + 2) or (0 in x and x[: -n - 1] != (0,)):
        raise ValueError(
            f"x has shape {x}, expected (batch, {axes}) or ({axes}), only the batch may be 0"
        )
    given = x[-n - 1]
    if given == rows:
        return
    if x[-1] == rows:
        slip = f"are the channels last? Take np.moveaxis(x, -1, {-n - 1})"
    elif given == out_group:
        slip = "weight has one row per input; is it a convolution's, or was it transposed?"
    else:
        slip = "is it another layer's?"
    raise ValueError(
        f"x has {given} channels, shape {x}, expected {rows}, one for each row of weight "
        f"{weight}: {slip}"
    )
