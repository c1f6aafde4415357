"""``nn.Conv1d``, ``nn.Conv2d`` and ``nn.Conv3d`` in NumPy: the kernel slides, it is not flipped."""

import math
from reprlib import repr as short

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

CONV_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


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
    stride : int, or one for each axis
    padding : int, or one for each axis, or "valid" or "same"
        How much on either side. "same" keeps the sizes, with stride 1; where the two
        sides can't be equal, the end gets one more.
    dilation : int, or one for each axis
    groups : int
        Channels and rows are cut into so many blocks; each block of rows reads one of channels.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        An argument of ``nn.Conv2d``; ``F.conv2d`` has zeros only.

    Returns
    -------
    array (batch, out_channels, height, width), without batch if x has none
        A size becomes ``(size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.

    Raises
    ------
    ValueError
        A shape or an argument does not fit.

    See Also
    --------
    torch.nn.Conv2d, torch.nn.functional.conv2d
    """
    return conv(2, x, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv(n, x, weight, bias, stride, padding, dilation, groups, padding_mode):
    """Convolve the last n axes of x."""
    (x, weight, bias), dtype = as_floats(x, weight, bias, kinds="fc")
    check_conv(n, x.shape, weight.shape, None if bias is None else bias.shape, groups)
    stride = conv_sizes("stride", stride, n, 1)
    dilation = conv_sizes("dilation", dilation, n, 1)
    out_channels, in_group, *kernel = weight.shape
    out_group, taps = out_channels // groups, math.prod(kernel)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    margins = conv_margins(padding, spans)
    check_conv_windows(x.shape, weight.shape, padding, margins, spans, stride, padding_mode)

    is_batched = x.ndim == n + 2
    x = conv_pad(x if is_batched else x[None], margins, padding_mode)
    batch, _, *padded = x.shape
    sizes = [(m - e) // s + 1 for m, e, s in zip(padded, spans, stride, strict=True)]
    x = x.reshape(batch, groups, in_group, *padded)
    shape = groups, out_group, in_group * taps
    rows = weight.reshape(shape)  # (groups, out_channels // groups, kernel * in_channels // groups)
    y = np.empty((batch, groups, out_group, *sizes), x.dtype)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN without a warning, as in PyTorch
        if taps == max(stride) == 1:  # a number of y reads one place of x: nothing to copy
            y = (rows @ x.reshape(batch, groups, in_group, -1)).reshape(y.shape)
        else:
            seen = conv_windows(x, spans, sizes, stride, dilation)
            # A product needs a copy of what each tap sees, in all as many times x as there are
            # taps. So it makes some images, groups and lines of y only, where the copy fits into
            # a cache.
            some = 2**18 // (taps * in_group * math.prod(sizes[1:]))
            for image in conv_blocks(batch, some // (groups * sizes[0])):
                for group in conv_blocks(groups, some // sizes[0]):
                    for line in conv_blocks(sizes[0], some):
                        part = y[image, group, :, line]
                        columns = seen[(image, group, ..., line, *[slice(None)] * (n - 1))]
                        columns = columns.reshape(*part.shape[:2], in_group * taps, -1)
                        part[...] = (rows[group] @ columns).reshape(part.shape)
        if bias is not None:
            y += bias.reshape(groups, out_group, *[1] * n)
    y = y.reshape(batch, out_channels, *sizes).astype(dtype, copy=False)
    return y if is_batched else y[0]


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


def conv_margins(padding, spans):
    """Return how much padding puts in front of each axis and behind it."""
    if np.array_equal(padding, "same"):
        return [((e - 1) // 2, e // 2) for e in spans]
    both = 0 if np.array_equal(padding, "valid") else padding
    return [(p, p) for p in conv_sizes("padding", both, len(spans), 0)]


def conv_pad(x, margins, mode):
    """Return x with its margins."""
    if any(map(any, margins)):
        x = np.pad(x, [(0, 0), (0, 0), *margins], CONV_MODES[mode])
    return x


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"):
    """Run ``nn.Conv1d``: `conv2d` over one axis.

    Parameters
    ----------
    x : array (batch, in_channels, length) or (in_channels, length)
    weight : array (out_channels, in_channels // groups, *kernel_size)
        As stored.
    bias, stride, padding, dilation, groups, padding_mode
        As in `conv2d`.

    Returns
    -------
    array (batch, out_channels, length), without batch if x has none

    Raises
    ------
    ValueError
        A shape or an argument does not fit.

    See Also
    --------
    torch.nn.Conv1d, torch.nn.functional.conv1d
    """
    return conv(1, x, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv3d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"):
    """Run ``nn.Conv3d``: `conv2d` over three axes.

    Parameters
    ----------
    x : array (batch, in_channels, depth, height, width) or (in_channels, depth, height, width)
    weight : array (out_channels, in_channels // groups, *kernel_size)
        As stored.
    bias, stride, padding, dilation, groups, padding_mode
        As in `conv2d`.

    Returns
    -------
    array (batch, out_channels, depth, height, width), without batch if x has none

    Raises
    ------
    ValueError
        A shape or an argument does not fit.

    See Also
    --------
    torch.nn.Conv3d, torch.nn.functional.conv3d
    """
    return conv(3, x, weight, bias, stride, padding, dilation, groups, padding_mode)


# What refuses wrong input

CONV_AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def check_conv(n, x, weight, bias, groups):
    """Raise with the likely slip unless the shapes fit one another."""
    if len(weight) != n + 2 or 0 in weight:
        expected = f"(out_channels, in_channels // groups, {CONV_AXES[n]})"
        slip = f"is it a Conv{len(weight) - 2}d's?" if len(weight) > 2 else "is it a Linear's?"
        raise ValueError(f"weight has shape {weight}, expected {expected}, none of them 0: {slip}")
    rows, in_group = weight[:2]
    check_conv_groups(groups, rows)
    channels = in_group * groups
    axes = f"{channels}, {CONV_AXES[n]}"
    if len(x) not in (n + 1, n + 2) or (0 in x and x[: -n - 1] != (0,)):
        raise ValueError(
            f"x has shape {x}, expected (batch, {axes}) or ({axes}), only the batch may be 0"
        )
    given = x[-n - 1]
    tensorflow = given == weight[n] * groups and conv_of_tensorflow(n, weight)
    if bias not in (None, (rows,)):
        slip = tensorflow or "is it another layer's?"
        raise ValueError(
            f"bias has shape {bias}, expected {(rows,)}, one for each row of weight "
            f"{weight}: {slip}"
        )
    if given == channels:
        return
    if x[-1] == channels:
        slip = f"are the channels last? Take np.moveaxis(x, -1, {-n - 1})"
    elif channels == 1 and len(x) == n + 1:
        slip = "is this a batch without a channel axis? Take x[:, None]"
    elif tensorflow:
        slip = tensorflow
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


def conv_of_tensorflow(n, weight):
    """Return the slip of a kernel with its channels last: the kernel's axes are the small ones."""
    if max(weight[:n]) >= max(weight[n:]):
        return ""
    return (
        f"is it TensorFlow's, ({CONV_AXES[n]}, in, out)? Take np.moveaxis(weight, (-1, -2), (0, 1))"
    )


def check_conv_windows(x, weight, padding, margins, spans, stride, mode):
    """Raise with the likely slip unless the kernel has a place on x with its margins."""
    n = len(spans)
    sizes = x[-n:]
    if np.array_equal(padding, "same") and max(stride) > 1:
        raise ValueError(f"padding is 'same', but stride is {stride}: only 1 keeps a size")
    if mode not in CONV_MODES:
        raise ValueError(f"padding_mode is {mode!r}, expected one of {', '.join(CONV_MODES)}")
    # A margin uses each number once, but for replicate; reflect leaves out the edge itself.
    most = [
        {"reflect": m - 1, "circular": m, "replicate": m and math.inf}.get(mode, math.inf)
        for m in sizes
    ]
    if any(end > m for (_, end), m in zip(margins, most, strict=True)):
        raise ValueError(f"x has sizes {sizes}, too small for {mode} padding of {margins}")
    padded = tuple(m + sum(margin) for m, margin in zip(sizes, margins, strict=True))
    if any(e > m for e, m in zip(spans, padded, strict=True)):
        groups = x[-n - 1] // weight[1]
        tensorflow = weight[n] * groups == x[-n - 1] and conv_of_tensorflow(n, weight)
        slip = tensorflow or "is x too small, or are its axes in another order?"
        raise ValueError(
            f"x has sizes {sizes}, padded {padded}, but the kernel covers {tuple(spans)}: {slip}"
        )


def conv_sizes(name, value, n, least):
    """Return an argument as n integers, one for each axis."""
    values = np.ravel(value).tolist()
    values = values * n if len(values) == 1 else values
    if len(values) != n or not all(type(v) is int and v >= least for v in values):
        axes = f"one for each of {CONV_AXES[n]}"
        given = short(value)
        raise ValueError(f"{name} is {given}, expected an integer from {least} on, or {axes}")
    return values


def check_conv_groups(groups, rows):
    """Raise unless groups is a number that divides the rows of weight."""
    if type(np.asarray(groups).tolist()) is not int or groups < 1 or rows % groups:
        given = short(groups)
        raise ValueError(f"groups is {given}, but the {rows} rows of weight are cut into groups")


def as_floats(*given, kinds="f"):
    """Return the arrays in the dtype to compute in, and the dtype of the result.

    They decide together. float16 is computed in float32, integers and bools in float64.
    None stays None. Complex numbers are taken where kinds is "fc".
    """
    arrays = [None if a is None else np.asarray(a) for a in given]
    dtype, *others = {a.dtype for a in arrays if a is not None}
    if not others and dtype.char in "fd" and dtype.isnative:
        return arrays, dtype  # nearly always, and what follows costs as much as a small product
    for a, array in zip(given, arrays, strict=True):
        if array is not None and array.dtype.kind not in "biu" + kinds:
            what = f"{type(a).__name__} of dtype {array.dtype}"
            slip = ": was one of its entries meant?" if hasattr(a, "keys") else ""
            real = "real " if kinds == "f" else ""
            raise ValueError(f"{what} given, expected an array of {real}numbers{slip}")
    dtype = np.result_type(*(a.dtype for a in arrays if a is not None)).newbyteorder("=")
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    wide = np.promote_types(dtype, np.float32)
    return [None if a is None else a.astype(wide, copy=False) for a in arrays], dtype
