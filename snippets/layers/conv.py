"""``nn.Conv1d``, ``nn.Conv2d`` and ``nn.Conv3d`` in NumPy: the kernel slides, it is not flipped."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

CONV_AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"):
    """Run ``nn.Conv1d``: `conv2d` over one axis, x (batch, in_channels, length)."""
    return conv(1, x, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"):
    """Run ``nn.Conv2d``: a number of y is a kernel times what it covers of x, summed.

    With x padded, and c over the channels of o's own group::

        y[o, i, j] = bias[o] + sum over c, u, v of
            weight[o, c, u, v] * x[c, stride * i + dilation * u, stride * j + dilation * v]

    Parameters
    ----------
    x : array (batch, in_channels, height, width) or (in_channels, height, width)
    weight : array (out_channels, in_channels // groups, *kernel_size)
        As stored.
    bias : array (out_channels,), optional
        None for a layer made with ``bias=False``.
    stride, dilation : int, or one for each axis
    padding : int, or one for each axis, or "valid" or "same"
        How much on either side. "same" keeps the sizes, with stride 1; where the two
        sides can't be equal, the end gets one more.
    groups : int
        Channels and rows are cut into so many blocks; each block of rows reads one of channels.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        An argument of ``nn.Conv2d``; ``F.conv2d`` has zeros only.

    Returns
    -------
    y : array (batch, out_channels, height, width), without batch if x has none
        A size becomes ``(size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.

    Raises
    ------
    ValueError
        A shape or an argument does not fit.
    """
    return conv(2, x, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv3d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"):
    """Run ``nn.Conv3d``: `conv2d` over three axes, x (batch, in_channels, depth, height, width)."""
    return conv(3, x, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv(n, x, weight, bias, stride, padding, dilation, groups, padding_mode):
    """Convolve the last n axes of x."""
    x, weight = np.asarray(x), np.asarray(weight)
    check_conv(n, x.shape, weight.shape, None if bias is None else np.shape(bias), groups)
    stride = conv_sizes("stride", stride, n, 1)
    dilation = conv_sizes("dilation", dilation, n, 1)
    out_channels, in_group, *kernel = weight.shape
    out_group, taps = out_channels // groups, math.prod(kernel)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]

    alone = x.ndim == n + 1
    x = conv_pad(x[None] if alone else x, spans, stride, padding, padding_mode)
    batch, _, *padded = x.shape
    sizes = [(m - e) // s + 1 for m, e, s in zip(padded, spans, stride, strict=True)]
    x = x.reshape(batch, groups, in_group, *padded)
    seen = conv_windows(x, spans, sizes, stride, dilation)
    shape = groups, out_group, in_group * taps
    rows = weight.reshape(shape)  # (groups, out_channels // groups, kernel * in_channels // groups)
    bias = 0 if bias is None else np.reshape(bias, (groups, out_group, *[1] * n))
    dtype = np.result_type(x, weight, bias)
    y = np.full((batch, groups, out_group, *sizes), bias, dtype)

    # A product needs a copy of what each tap sees, in all as many times x as there are taps. So
    # it makes some images, groups and lines of y only, where the copy fits into a cache.
    some = 2**18 // (taps * in_group * math.prod(sizes[1:]))
    for image in conv_blocks(batch, some // (groups * sizes[0])):
        for group in conv_blocks(groups, some // sizes[0]):
            for line in conv_blocks(sizes[0], some):
                part = y[image, group, :, line]
                columns = seen[(image, group, ..., line, *[slice(None)] * (n - 1))]
                columns = columns.reshape(*part.shape[:2], in_group * taps, -1)
                part += (rows[group] @ columns).reshape(part.shape)

    y = y.reshape(batch, out_channels, *sizes)
    return y[0] if alone else y


def conv_blocks(count, size):
    """Return slices that cut an axis into blocks of so many, or of one."""
    return [slice(start, start + max(1, size)) for start in range(0, count, max(1, size))]


def conv_windows(x, spans, sizes, stride, dilation):
    """Return what each tap of the kernel meets in so many places, as a view of x.

    Its axes are those of x up to the channels, then the kernel's, then the places'.
    """
    n = len(sizes)
    reach = [(m - 1) * s + 1 for m, s in zip(sizes, stride, strict=True)]
    views = sliding_window_view(x, reach, axis=tuple(range(-n, 0)))
    taps = [slice(0, e, d) for e, d in zip(spans, dilation, strict=True)]
    return views[(..., *taps, *(slice(None, None, s) for s in stride))]


def conv_pad(x, spans, stride, padding, mode):
    """Return x with its margins, or say which argument is wrong and why."""
    sizes = x.shape[2:]
    if np.array_equal(padding, "same"):
        if max(stride) > 1:
            raise ValueError(f"padding is 'same', but stride is {stride}: only 1 keeps a size")
        margins = [((e - 1) // 2, e // 2) for e in spans]
    else:
        both = 0 if np.array_equal(padding, "valid") else padding
        margins = [(p, p) for p in conv_sizes("padding", both, len(sizes), 0)]
    modes = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in modes:
        raise ValueError(f"padding_mode is {mode!r}, expected one of {', '.join(modes)}")
    # A margin uses each number once; reflect leaves out the edge itself.
    most = [{"reflect": m - 1, "circular": m}.get(mode, math.inf) for m in sizes]
    if any(end > m for (_, end), m in zip(margins, most, strict=True)):
        raise ValueError(f"x has sizes {sizes}, too small for {mode} padding of {margins}")
    if any(map(any, margins)):
        x = np.pad(x, [(0, 0), (0, 0), *margins], modes[mode])
    if any(e > m for e, m in zip(spans, x.shape[2:], strict=True)):
        raise ValueError(
            f"x has sizes {sizes}, padded {x.shape[2:]}, but the kernel covers {tuple(spans)}: "
            "is x too small, or are its axes in another order?"
        )
    return x


def conv_sizes(name, value, n, least):
    """Return an argument as n integers, one for each axis."""
    values = np.ravel(value).tolist()
    values = values * n if len(values) == 1 else values
    if len(values) != n or not all(type(v) is int and v >= least for v in values):
        axes = f"one for each of {CONV_AXES[n]}"
        raise ValueError(f"{name} is {value!r}, expected an integer from {least} on, or {axes}")
    return values


def check_conv(n, x, weight, bias, groups):
    """Raise with the likely slip unless the shapes fit one another."""
    if len(weight) != n + 2 or 0 in weight:
        expected = f"(out_channels, in_channels // groups, {CONV_AXES[n]})"
        slip = f"is it a Conv{len(weight) - 2}d's?" if len(weight) > 2 else "is it a Linear's?"
        raise ValueError(f"weight has shape {weight}, expected {expected}, none of them 0: {slip}")
    rows, in_group = weight[:2]
    if groups not in range(1, rows + 1) or rows % groups:
        raise ValueError(f"groups is {groups!r}, but the {rows} rows of weight are cut into groups")
    if bias not in (None, (rows,)):
        raise ValueError(f"bias has shape {bias}, expected {(rows,)}, one for each row of weight")
    channels = in_group * groups
    axes = f"{channels}, {CONV_AXES[n]}"
    if len(x) not in (n + 1, n + 2) or (0 in x and x[: -n - 1] != (0,)):
        raise ValueError(
            f"x has shape {x}, expected (batch, {axes}) or ({axes}), only the batch may be 0"
        )
    given = x[-n - 1]
    if given == channels:
        return
    if x[-1] == channels:
        slip = f"are the channels last? Take np.moveaxis(x, -1, {-n - 1})"
    elif channels == 1 and len(x) == n + 1:
        slip = "is this a batch without a channel axis? Take x[:, None]"
    elif given % in_group == 0 and rows % (given // in_group) == 0:
        slip = f"was the layer made with groups={given // in_group}?"
    elif given == rows:
        slip = "weight has one row per output; is it a transposed convolution's?"
    else:
        slip = "is it another layer's?"
    raise ValueError(
        f"x has {given} channels, shape {x}, expected {channels} for groups={groups} and "
        f"weight {weight}: {slip}"
    )
