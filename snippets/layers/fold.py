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
        In the dtype of x.

    Raises
    ------
    ValueError
        An argument is not in order, or no window fits into x.

    See Also
    --------
    torch.nn.Unfold, torch.nn.functional.unfold
    """
    x = as_numbers(x, "fc")
    check_unfold(x.shape)
    *batch, channels, height, width = x.shape
    windows = fold_windows((height, width), kernel_size, dilation, padding, stride)
    (rows, kh, dh, ph, sh), (columns, kw, dw, pw, sw) = windows
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(ph, ph), (pw, pw)])
    reach = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    x = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(-2, -1))
    x = x[..., ::sh, ::sw, ::dh, ::dw]  # (..., in_channels, rows, columns, kh, kw)
    x = np.moveaxis(x, (-2, -1), (-4, -3))  # (..., in_channels, kh, kw, rows, columns)
    return x.copy().reshape(*batch, channels * kh * kw, rows * columns)


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
        In the dtype of x; float64 for integers and bools, whose sums could wrap around.

    Raises
    ------
    ValueError
        An argument is not in order, or x has not the shape that they ask for.

    See Also
    --------
    torch.nn.Fold, torch.nn.functional.fold
    """
    (x,), dtype = as_floats(x, kinds="fc")
    height, width = fold_pair("output_size", output_size, 1)
    windows = fold_windows((height, width), kernel_size, dilation, padding, stride)
    (rows, kh, dh, ph, sh), (columns, kw, dw, pw, sw) = windows
    check_fold(x.shape, kh * kw, rows, columns)
    *batch, pixels, _ = x.shape
    channels = pixels // (kh * kw)
    x = x.reshape(*batch, channels, kh, kw, rows, columns)  # (..., kh, kw, rows, columns)
    y = np.zeros((*batch, channels, height + 2 * ph, width + 2 * pw), x.dtype)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN
        for i, j in np.ndindex(kh, kw):
            top, left = i * dh, j * dw
            places = (..., slice(top, top + rows * sh, sh), slice(left, left + columns * sw, sw))
            y[places] += x[..., i, j, :, :]
    y = y[..., ph : ph + height, pw : pw + width]  # (..., in_channels, height, width)
    return y.astype(dtype, copy=False)


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


# What refuses wrong input


def check_unfold(shape):
    """Raise unless x is an image or a batch of them."""
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise ValueError(
            f"x has shape {shape}, expected (batch, channels, height, width) "
            "or (channels, height, width)"
        )


def fold_pair(name, value, least):
    """Return (height, width) of an argument that may be one number for both."""
    pair = tuple(np.ravel(value).tolist()) * (1 if np.ndim(value) else 2)
    if len(pair) != 2 or not all(type(v) is int and v >= least for v in pair):
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
