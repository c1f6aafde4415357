"""``nn.Unfold`` and ``nn.Fold`` in NumPy: windows become columns, columns become windows."""

import numpy as np


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """Return each window of an image as a column, as ``nn.Unfold`` (im2col).

    Row ``c * kh * kw + i * kw + j`` holds pixel (i, j) of the windows of channel c;
    the columns are the windows, row by row.

    Parameters
    ----------
    x : array, (batch, channels, height, width) or (channels, height, width)
    kernel_size, dilation, padding, stride : int or pair of int
        (height, width), as in a convolution. The padding is zeros.

    Returns
    -------
    array, (batch, channels * kh * kw, windows) or (channels * kh * kw, windows)

    Raises
    ------
    ValueError
        An argument is not in order, or no window fits into x.
    """
    x = np.asarray(x)
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise ValueError(
            f"x has shape {x.shape}, expected (batch, channels, height, width) "
            "or (channels, height, width)"
        )
    *batch, channels, height, width = x.shape
    windows = fold_windows((height, width), kernel_size, dilation, padding, stride)
    (rows, kh, dh, ph, sh), (columns, kw, dw, pw, sw) = windows
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(ph, ph), (pw, pw)])
    reach = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    x = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(-2, -1))
    x = x[..., ::sh, ::sw, ::dh, ::dw]  # (..., in_channels, rows, columns, kh, kw)
    x = np.moveaxis(x, (-2, -1), (-4, -3))  # (..., in_channels, kh, kw, rows, columns)
    return x.reshape(*batch, channels * kh * kw, rows * columns)


def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Add each column up in its place in an image, as ``nn.Fold`` (col2im).

    Where windows overlap, a pixel is a sum: ``fold(unfold(x))`` is not x.

    Parameters
    ----------
    x : array, (batch, channels * kh * kw, windows) or (channels * kh * kw, windows)
    output_size : int or pair of int
        (height, width) of the image.
    kernel_size, dilation, padding, stride : int or pair of int
        As in ``unfold``. What lands on the padding is dropped.

    Returns
    -------
    array, (batch, channels, height, width) or (channels, height, width)

    Raises
    ------
    ValueError
        An argument is not in order, or x has not the shape that they ask for.
    """
    x = np.asarray(x)
    height, width = fold_pair("output_size", output_size, 1)
    windows = fold_windows((height, width), kernel_size, dilation, padding, stride)
    (rows, kh, dh, ph, sh), (columns, kw, dw, pw, sw) = windows
    check_fold(x.shape, kh * kw, rows, columns)
    *batch, pixels, _ = x.shape
    channels = pixels // (kh * kw)
    x = x.reshape(*batch, channels, kh, kw, rows, columns)  # (..., kh, kw, rows, columns)
    y = np.zeros((*batch, channels, height + 2 * ph, width + 2 * pw), x.dtype)
    for i, j in np.ndindex(kh, kw):
        top, left = i * dh, j * dw
        y[..., top : top + rows * sh : sh, left : left + columns * sw : sw] += x[..., i, j, :, :]
    return y[..., ph : ph + height, pw : pw + width]  # (..., in_channels, height, width)


def fold_windows(image, kernel_size, dilation, padding, stride):
    """Return (windows, kernel, dilation, padding, stride) along the height, and the width."""
    kernel = fold_pair("kernel_size", kernel_size, 1)
    dilation = fold_pair("dilation", dilation, 1)
    padding = fold_pair("padding", padding, 0)
    stride = fold_pair("stride", stride, 1)
    axes = list(zip(image, kernel, dilation, padding, stride, strict=True))
    counts = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in axes]
    if min(counts) < 1:
        raise ValueError(
            f"no window fits: an image of {image} with kernel_size {kernel}, "
            f"dilation {dilation}, padding {padding} has {tuple(counts)} windows"
        )
    return [(count, *axis[1:]) for count, axis in zip(counts, axes, strict=True)]


def fold_pair(name, value, least):
    """Return (height, width) of an argument that may be one number for both."""
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(pair) != 2 or min(pair) < least:
        raise ValueError(f"{name} is {value}, expected one or two integers of {least} or more")
    return pair


def check_fold(shape, pixels, rows, columns):
    """Raise unless the columns of x are the windows of the image."""
    expected = f"(batch, channels * {pixels}, {rows * columns}) or without batch"
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise ValueError(f"x has shape {shape}, expected {expected}")
    if shape[-2] % pixels:
        raise ValueError(
            f"x has shape {shape}, expected {expected}: {shape[-2]} rows are no multiple of the "
            f"{pixels} pixels of the kernel; are the axes in another order?"
        )
    if shape[-1] != rows * columns:
        raise ValueError(
            f"x has shape {shape}, expected {expected}, for {rows} * {columns} windows: "
            "is output_size the image's, or a stride or padding missing?"
        )
