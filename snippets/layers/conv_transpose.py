"""``nn.ConvTranspose1d``, ``2d``, ``3d`` in NumPy: each number of x stamps its kernel onto y."""

import math
from reprlib import repr as short

import numpy as np


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
    stride : int, or one for each axis
    padding : int, or one for each axis
        How much is cut off y on either side.
    output_padding : int, or one for each axis
        How much longer y is, at the end alone.
    groups : int
        Channels and rows are cut into so many blocks; each makes one block of y's channels.
    dilation : int, or one for each axis

    Returns
    -------
    array (batch, out_channels, height, width), without batch if x has none
        A size becomes ``(size - 1) * stride - 2 * padding + dilation * (kernel - 1)
        + output_padding + 1``.

    Raises
    ------
    ValueError
        A shape or an argument does not fit.

    See Also
    --------
    torch.nn.ConvTranspose2d, torch.nn.functional.conv_transpose2d
    """
    return conv_transpose(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose(n, x, weight, bias, stride, padding, output_padding, groups, dilation):
    """Stamp along the last n axes of x."""
    (x, weight, bias), dtype = as_floats(x, weight, bias, kinds="fc")
    check_conv_transpose(n, x.shape, weight.shape, None if bias is None else bias.shape, groups)
    stride = conv_sizes("stride", stride, n, 1)
    dilation = conv_sizes("dilation", dilation, n, 1)
    in_channels, out_group, *kernel = weight.shape
    in_group, out_channels, taps = in_channels // groups, out_group * groups, math.prod(kernel)

    is_batched = x.ndim == n + 2
    x = x if is_batched else x[None]
    batch, _, *sizes = x.shape
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    stamped = [(m - 1) * s + e for m, s, e in zip(sizes, stride, spans, strict=True)]
    padding = conv_sizes("padding", padding, n, 0)
    more = conv_sizes("output_padding", output_padding, n, 0)
    full = [m + a for m, a in zip(stamped, more, strict=True)]
    check_conv_transpose_sizes(full, stride, padding, more, dilation)
    views = conv_views(kernel, sizes, stride, dilation)

    x = x.reshape(batch, groups, in_group, math.prod(sizes))
    weight = weight.reshape(groups, in_group, out_group, taps).transpose(0, 3, 2, 1)
    # Products of strided memory are slow, so this view is copied.
    weight = weight.copy()  # (groups, kernel, out_channels // groups, in_channels // groups)
    y = np.zeros((batch, groups, out_group, *full), x.dtype)
    # The stamps of all taps are many times y. A product takes as many taps as have stamps
    # no larger than x, or than y.
    many = max(1, in_group // out_group)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN without a warning, as in PyTorch
        for first in range(0, taps, many):
            some = slice(first, first + many)
            w = weight[:, some].reshape(groups, -1, in_group)
            # Depthwise, that is a product of single columns for each channel, and matmul is slow.
            stamps = w * x if in_group == 1 else w @ x
            stamps = stamps.reshape(batch, groups, len(views[some]), out_group, *sizes)
            for i, view in enumerate(views[some]):
                y[view] += stamps[:, :, i]
        kept = [slice(p, m - p) for p, m in zip(padding, full, strict=True)]
        y = y.reshape(batch, out_channels, *full)[(..., *kept)]
        if bias is not None:
            y = y + bias.reshape(out_channels, *[1] * n)
    y = y.astype(dtype, copy=False)
    return y if is_batched else y[0]


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


def conv_transpose1d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Run ``nn.ConvTranspose1d``: `conv_transpose2d` over one axis.

    Parameters
    ----------
    x : array (batch, in_channels, length) or (in_channels, length)
    weight : array (in_channels, out_channels // groups, *kernel_size)
        As stored: here the rows are inputs.
    bias, stride, padding, output_padding, groups, dilation
        As in `conv_transpose2d`.

    Returns
    -------
    array (batch, out_channels, length), without batch if x has none

    Raises
    ------
    ValueError
        A shape or an argument does not fit.

    See Also
    --------
    torch.nn.ConvTranspose1d, torch.nn.functional.conv_transpose1d
    """
    return conv_transpose(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Run ``nn.ConvTranspose3d``: `conv_transpose2d` over three axes.

    Parameters
    ----------
    x : array (batch, in_channels, depth, height, width) or (in_channels, depth, height, width)
    weight : array (in_channels, out_channels // groups, *kernel_size)
        As stored: here the rows are inputs.
    bias, stride, padding, output_padding, groups, dilation
        As in `conv_transpose2d`.

    Returns
    -------
    array (batch, out_channels, depth, height, width), without batch if x has none

    Raises
    ------
    ValueError
        A shape or an argument does not fit.

    See Also
    --------
    torch.nn.ConvTranspose3d, torch.nn.functional.conv_transpose3d
    """
    return conv_transpose(3, x, weight, bias, stride, padding, output_padding, groups, dilation)


# What refuses wrong input

CONV_AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def check_conv_transpose(n, x, weight, bias, groups):
    """Raise with the likely slip unless the shapes fit one another."""
    if len(weight) != n + 2 or 0 in weight:
        expected = f"(in_channels, out_channels // groups, {CONV_AXES[n]})"
        raise ValueError(
            f"weight has shape {weight}, expected {expected}, none of them 0: "
            "is it another layer's?"
        )
    rows, out_group = weight[:2]
    check_conv_groups(groups, rows)
    axes = f"{rows}, {CONV_AXES[n]}"
    if len(x) not in (n + 1, n + 2) or (0 in x and x[: -n - 1] != (0,)):
        raise ValueError(
            f"x has shape {x}, expected (batch, {axes}) or ({axes}), only the batch may be 0"
        )
    given = x[-n - 1]
    # A kernel's own axes are the small ones.
    tensorflow = given == weight[-1] and max(weight[:n]) < max(weight[n:])
    expected = f"({CONV_AXES[n]}, out, in)"
    slip = f"is it TensorFlow's, {expected}? Take np.moveaxis(weight, (-1, -2), (0, 1))"
    if bias not in (None, (out_group * groups,)):
        if not tensorflow:
            slip = "one for each output channel, and weight has a row per input"
        raise ValueError(
            f"bias has shape {bias}, expected {(out_group * groups,)} for groups={groups} and "
            f"weight {weight}: {slip}"
        )
    if given == rows:
        return
    if x[-1] == rows:
        slip = f"are the channels last? Take np.moveaxis(x, -1, {-n - 1})"
    elif given == out_group:
        slip = "weight has one row per input; is it a convolution's, or was it transposed?"
    elif not tensorflow:
        slip = "is it another layer's?"
    raise ValueError(
        f"x has {given} channels, shape {x}, expected {rows}, one for each row of weight "
        f"{weight}: {slip}"
    )


def check_conv_transpose_sizes(full, stride, padding, output_padding, dilation):
    """Raise unless padding leaves something of y and output_padding is what a stride can lose."""
    if any(a >= max(s, d) for a, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise ValueError(
            f"output_padding is {output_padding}, expected less than stride {stride} "
            f"or dilation {dilation} on each axis"
        )
    if any(m <= 2 * p for m, p in zip(full, padding, strict=True)):
        raise ValueError(
            f"padding is {padding}, which leaves nothing of an output of {full}: "
            "here it cuts so much off either side"
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
