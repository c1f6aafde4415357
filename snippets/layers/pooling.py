"""Pooling in NumPy: one number for each window; these layers store nothing.

Each family is one function over the last n axes, ``max_pool_nd``, and its three faces,
``max_pool1d``, ``max_pool2d`` and ``max_pool3d``.
"""

import functools
import itertools
import math

import numpy as np


def max_pool1d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """``nn.MaxPool1d``: see ``max_pool_nd``."""
    return max_pool_nd(x, 1, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """``nn.MaxPool2d``: see ``max_pool_nd``."""
    return max_pool_nd(x, 2, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """``nn.MaxPool3d``: see ``max_pool_nd``."""
    return max_pool_nd(x, 3, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool_nd(x, n, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    """Return the maximum of every window over the last n axes of x, as ``nn.MaxPool2d``.

    Parameters
    ----------
    x : array (batch, channels, *sizes) or (channels, *sizes)
    n : int
        How many sizes: 1, 2 or 3. What follows is one integer, or one for each of them.
    kernel_size : int or tuple
        How many numbers a window reads.
    stride : int or tuple, optional
        From one window to the next; None is ``kernel_size``.
    padding : int or tuple
        At both ends, at most half of ``kernel_size``; it never is the maximum.
    dilation : int or tuple
        From one number of a window to the next.
    ceil_mode : bool
        Keep a last window that runs out of the padded x, if it starts in x or left of it.
    return_indices : bool
        Return also where the maxima are.

    Returns
    -------
    output : array (..., *windows), in the dtype of x
        NaN where a window reads one, -inf where it reads padding alone.
    indices : array of int, shaped as output
        Places in the flattened sizes of x, without padding: ``row * width + column``. Of equal
        maxima the first, of several NaN the last, -1 where a window reads padding alone.

    Raises
    ------
    ValueError
        PyTorch takes no such size, or x holds no real numbers.

    See Also
    --------
    torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.MaxPool3d
    """
    x = check_pool(x, n, n + 1)
    edges, taps = pool_windows(x, n, kernel_size, stride, padding, dilation, ceil_mode)
    # Padding with 0 would be the maximum of a window of negative numbers.
    kind = x.dtype.kind
    lowest = -np.inf if kind == "f" else np.iinfo(x.dtype).min if kind in "iu" else False
    padded = np.pad(x, [(0, 0)] * (x.ndim - n) + edges, constant_values=lowest)
    values = (padded[tap] for tap in taps)
    if not return_indices:
        return functools.reduce(np.maximum, values)
    sizes = x.shape[-n:]
    places = np.pad(np.arange(math.prod(sizes)).reshape(sizes), edges, constant_values=-1)
    return pool_argmax(values, (places[tap] for tap in taps))


def avg_pool1d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """``nn.AvgPool1d``: see ``avg_pool_nd``."""
    return avg_pool_nd(x, 1, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """``nn.AvgPool2d``: see ``avg_pool_nd``."""
    return avg_pool_nd(
        x, 2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """``nn.AvgPool3d``: see ``avg_pool_nd``."""
    return avg_pool_nd(
        x, 3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool_nd(x, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """Return the mean of every window over the last n axes of x, as ``nn.AvgPool2d``.

    Parameters
    ----------
    x, n, kernel_size, stride, padding, ceil_mode
        As in ``max_pool_nd``; the padding is zeros.
    count_include_pad : bool
        Let padding count in the divisor. What a window reads beyond the padding never counts.
    divisor_override : int, optional
        The divisor.

    Returns
    -------
    output : array (..., *windows), in the dtype of x
        float64 for integers, of which PyTorch drops the fraction.

    Raises
    ------
    ValueError
        PyTorch takes no such size or divisor, or x holds no real numbers.

    See Also
    --------
    torch.nn.AvgPool1d, torch.nn.AvgPool2d, torch.nn.AvgPool3d
    """
    (x,), dtype = as_floats(x)
    x = check_pool(x, n, n + 1)
    check_avg_pool(x, n, kernel_size, divisor_override)
    edges, taps = pool_windows(x, n, kernel_size, stride, padding, 1, ceil_mode)
    padded = np.pad(x, [(0, 0)] * (x.ndim - n) + edges)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN
        total = sum(padded[tap] for tap in taps)
    if divisor_override is not None:
        return (total / float(divisor_override)).astype(dtype, copy=False)
    # Ones where a number counts, summed as x is: how many there are in each window.
    counted = [left if count_include_pad else 0 for left, _ in edges]
    ones = np.ones([size + 2 * c for size, c in zip(x.shape[-n:], counted, strict=True)], x.dtype)
    rest = [(left - c, right - c) for (left, right), c in zip(edges, counted, strict=True)]
    ones = np.pad(ones, rest)
    return (total / sum(ones[tap] for tap in taps)).astype(dtype, copy=False)


def lp_pool1d(x, norm_type, kernel_size, stride=None, ceil_mode=False):
    """``nn.LPPool1d``: see ``lp_pool_nd``."""
    return lp_pool_nd(x, 1, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(x, norm_type, kernel_size, stride=None, ceil_mode=False):
    """``nn.LPPool2d``: see ``lp_pool_nd``."""
    return lp_pool_nd(x, 2, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(x, norm_type, kernel_size, stride=None, ceil_mode=False):
    """``nn.LPPool3d``: see ``lp_pool_nd``."""
    return lp_pool_nd(x, 3, norm_type, kernel_size, stride, ceil_mode)


def lp_pool_nd(x, n, norm_type, kernel_size, stride, ceil_mode):
    """Return ``(x ** p).sum() ** (1 / p)`` of every window over the last n axes of x.

    As in PyTorch, x keeps its sign: an odd p gives NaN where the sum is negative. With
    ``ceil_mode``, the sum of a window that runs out of x is scaled up to a whole one's.

    Parameters
    ----------
    x, n
        As in ``max_pool_nd``.
    norm_type : float
        p; ``math.inf`` is the maximum of ``abs(x)``, ``-math.inf`` the minimum.
    kernel_size, stride, ceil_mode
        As in ``max_pool_nd``.

    Returns
    -------
    output : array (..., *windows), in the dtype of x
        float64 for integers.

    Raises
    ------
    ValueError
        PyTorch takes no such size or p, or x holds no real numbers.

    See Also
    --------
    torch.nn.LPPool1d, torch.nn.LPPool2d, torch.nn.LPPool3d
    """
    (x,), dtype = as_floats(check_pool(x, n, n + 1))
    p = check_norm_type(norm_type)
    if abs(p) == math.inf:
        sign = math.copysign(1, p)
        y = sign * max_pool_nd(sign * np.abs(x), n, kernel_size, stride, 0, 1, ceil_mode, False)
    else:
        with np.errstate(all="ignore"):  # PyTorch returns inf and NaN without a warning
            mean = avg_pool_nd(x**p, n, kernel_size, stride, 0, ceil_mode, True, None)
            y = (mean * math.prod(pool_axes("kernel_size", kernel_size, n))) ** (1 / p)
    return y.astype(dtype, copy=False)


def adaptive_avg_pool1d(x, output_size):
    """``nn.AdaptiveAvgPool1d``: see ``adaptive_avg_pool_nd``."""
    return adaptive_avg_pool_nd(x, 1, output_size)  # (..., length)


def adaptive_avg_pool2d(x, output_size):
    """``nn.AdaptiveAvgPool2d``: see ``adaptive_avg_pool_nd``."""
    return adaptive_avg_pool_nd(x, 2, output_size)  # (..., height, width)


def adaptive_avg_pool3d(x, output_size):
    """``nn.AdaptiveAvgPool3d``: see ``adaptive_avg_pool_nd``."""
    return adaptive_avg_pool_nd(x, 3, output_size)  # (..., depth, height, width)


def adaptive_avg_pool_nd(x, n, output_size):
    """Return the mean of every window, so many on each of the last n axes of x as asked for.

    Window i of an axis starts at ``floor(i * size / output)`` and ends before
    ``ceil((i + 1) * size / output)``: they overlap unless one number divides the other.

    Parameters
    ----------
    x : array (batch, channels, *sizes) or (channels, *sizes)
    n : int
        How many sizes: 1, 2 or 3.
    output_size : int, or tuple of int or None
        How many windows, one number or one for each axis; None: as many as x has numbers.

    Returns
    -------
    output : array (..., *windows), in the dtype of x
        float64 for integers.

    Raises
    ------
    ValueError
        PyTorch takes no such size, or x holds no real numbers.

    See Also
    --------
    torch.nn.AdaptiveAvgPool1d, torch.nn.AdaptiveAvgPool2d, torch.nn.AdaptiveAvgPool3d
    """
    (x,), dtype = as_floats(x)
    return adaptive_pool(x, n, output_size, np.mean).astype(dtype, copy=False)


def adaptive_max_pool1d(x, output_size, return_indices=False):
    """``nn.AdaptiveMaxPool1d``: see ``adaptive_max_pool_nd``."""
    return adaptive_max_pool_nd(x, 1, output_size, return_indices)


def adaptive_max_pool2d(x, output_size, return_indices=False):
    """``nn.AdaptiveMaxPool2d``: see ``adaptive_max_pool_nd``."""
    return adaptive_max_pool_nd(x, 2, output_size, return_indices)


def adaptive_max_pool3d(x, output_size, return_indices=False):
    """``nn.AdaptiveMaxPool3d``: see ``adaptive_max_pool_nd``."""
    return adaptive_max_pool_nd(x, 3, output_size, return_indices)


def adaptive_max_pool_nd(x, n, output_size, return_indices):
    """Return the maximum of every window of ``adaptive_avg_pool_nd``.

    Parameters
    ----------
    x, n, output_size
        As in ``adaptive_avg_pool_nd``.
    return_indices : bool
        Return also where the maxima are.

    Returns
    -------
    output : array (..., *windows), in the dtype of x
    indices : array of int, shaped as output
        As in ``max_pool_nd``.

    Raises
    ------
    ValueError
        PyTorch takes no such size, or x holds no real numbers.

    See Also
    --------
    torch.nn.AdaptiveMaxPool1d, torch.nn.AdaptiveMaxPool2d, torch.nn.AdaptiveMaxPool3d
    """
    if not return_indices:
        return adaptive_pool(x, n, output_size, np.max)
    x = check_pool(x, n, n)
    sizes = x.shape[-n:]
    places = np.broadcast_to(np.arange(math.prod(sizes)).reshape(sizes), x.shape)
    # The last axis first, so that the first of equal maxima is also the first in the plane.
    for axis, windows in adaptive_windows(x, n, output_size):
        x, places = np.moveaxis(x, axis, 0), np.moveaxis(places, axis, 0)
        best = np.empty((len(windows), *x.shape[1:]), x.dtype)
        place = np.empty(best.shape, int)
        for i, window in enumerate(windows):
            best[i], place[i] = pool_argmax(iter(x[window]), iter(places[window]))
        x, places = np.moveaxis(best, 0, axis), np.moveaxis(place, 0, axis)
    return x, places


def adaptive_pool(x, n, output_size, reduce):
    """Reduce every window, one axis after the other: a mean of means, a maximum of maxima."""
    x = check_pool(x, n, n)
    found = adaptive_windows(x, n, output_size)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN
        if all(len(windows) == 1 for _, windows in found):  # one window of all the numbers
            return reduce(x, tuple(axis for axis, _ in found), keepdims=True)
        # The last axis last: until then, the numbers that are reduced together lie in whole rows.
        for axis, windows in reversed(found):
            x = np.moveaxis(x, axis, 0)
            x = np.concatenate([x[:0], *(reduce(x[w], 0, keepdims=True) for w in windows)])
            x = np.moveaxis(x, 0, axis)
    return x


def adaptive_windows(x, n, output_size):
    """Return each of the last n axes of x, the last one first, with its windows."""
    found = []
    outputs = adaptive_sizes(output_size, n)
    for axis in range(-1, -n - 1, -1):
        size = x.shape[axis]
        output = size if outputs[axis] is None else outputs[axis]
        bounds = [(i * size // output, -(-(i + 1) * size // output)) for i in range(output)]
        found.append((axis, [slice(start, end) for start, end in bounds]))
    return found


def max_unpool1d(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    """``nn.MaxUnpool1d``: see ``max_unpool_nd``."""
    return max_unpool_nd(x, 1, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    """``nn.MaxUnpool2d``: see ``max_unpool_nd``."""
    return max_unpool_nd(x, 2, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    """``nn.MaxUnpool3d``: see ``max_unpool_nd``."""
    return max_unpool_nd(x, 3, indices, kernel_size, stride, padding, output_size)


def max_unpool_nd(x, n, indices, kernel_size, stride, padding, output_size):
    """Return zeros, with the maxima x of ``max_pool_nd`` back in their places.

    Parameters
    ----------
    x : array (batch, channels, *sizes) or (channels, *sizes)
    n : int
        How many sizes: 1, 2 or 3.
    indices : array of int, shaped as x
        What ``max_pool_nd`` returned beside x. Of equal indices, the last wins.
    kernel_size, stride, padding : int or tuple
        As given to ``max_pool_nd``.
    output_size : tuple, optional
        The sizes before the pooling, or the whole shape if it has a batch. None: the smallest
        without ``ceil_mode``.

    Returns
    -------
    output : array (..., *output_size), in the dtype of x

    Raises
    ------
    ValueError
        The shapes differ, or PyTorch takes no such size, or there is no such place.

    See Also
    --------
    torch.nn.MaxUnpool1d, torch.nn.MaxUnpool2d, torch.nn.MaxUnpool3d
    """
    x, indices = check_pool(x, n, n), np.asarray(indices)
    sizes = unpool_sizes(x, n, kernel_size, stride, padding, output_size)
    check_indices(indices, x.shape, sizes)
    lead, places = x.shape[:-n], math.prod(sizes)
    output = np.zeros((*lead, places), x.dtype)
    flat = (*lead, math.prod(x.shape[-n:]))
    np.put_along_axis(output, indices.reshape(flat), x.reshape(flat), -1)
    return output.reshape(*lead, *sizes)


def fractional_max_pool2d(
    x, kernel_size, output_size=None, output_ratio=None, return_indices=False, *, _random_samples
):
    """``nn.FractionalMaxPool2d``: see ``fractional_max_pool_nd``."""
    return fractional_max_pool_nd(
        x, 2, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool3d(
    x, kernel_size, output_size=None, output_ratio=None, return_indices=False, *, _random_samples
):
    """``nn.FractionalMaxPool3d``: see ``fractional_max_pool_nd``."""
    return fractional_max_pool_nd(
        x, 3, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool_nd(
    x, n, kernel_size, output_size, output_ratio, return_indices, _random_samples
):
    """Return the maximum of windows at random steps, on average ``size / output`` apart.

    Parameters
    ----------
    x, n, kernel_size
        As in ``max_pool_nd``.
    output_size : int or tuple, optional
        How many windows.
    output_ratio : float or tuple, optional
        How many, as a part of the size, where ``output_size`` is None.
    return_indices : bool
        As in ``max_pool_nd``.
    _random_samples : array (batch, channels, n); (1, channels, n) without a batch
        Numbers from 0 to 1, in the dtype of x. If PyTorch gets none, it draws new ones at every
        call, so that no two runs agree: give both the same. Of two, the first is the width's;
        of three, the first is the depth's.

    Returns
    -------
    output : array (..., *windows), in the dtype of x
    indices : array of int, shaped as output
        As in ``max_pool_nd``.

    Raises
    ------
    ValueError
        PyTorch takes no such size or samples, or x holds no real numbers.

    See Also
    --------
    torch.nn.FractionalMaxPool2d, torch.nn.FractionalMaxPool3d
    """
    x = check_pool(x, n, n + 1)
    lead, sizes = x.shape[:-n], x.shape[-n:]
    kernel_size = pool_axes("kernel_size", kernel_size, n)
    outputs = fractional_sizes(sizes, kernel_size, output_size, output_ratio)
    batch, planes = math.prod(lead[:-1]), math.prod(lead)
    samples = fractional_samples(_random_samples, x.dtype, (batch, lead[-1], n))
    samples = samples.reshape(planes, n).T  # (..., planes)
    samples = samples[::-1] if n == 2 else samples
    x = x.reshape(planes, *sizes)
    axes = zip(samples, sizes, kernel_size, outputs, strict=True)
    starts = itertools.starmap(fractional_starts, axes)
    # Of shapes (planes, 1, 1), (planes, height, 1), (planes, 1, width), so that they broadcast.
    plane, *starts = (
        np.expand_dims(array, [k for k in range(1, n + 1) if k != axis])
        for axis, array in enumerate([np.arange(planes), *starts])
    )
    taps = [
        tuple(start + i for start, i in zip(starts, tap, strict=True))
        for tap in np.ndindex(*kernel_size)
    ]
    found = pool_argmax(
        (x[plane, *tap] for tap in taps), (np.ravel_multi_index(tap, sizes) for tap in taps)
    )
    best, place = (array.reshape(*lead, *outputs) for array in found)
    return (best, place) if return_indices else best


def fractional_starts(samples, size, kernel_size, output):
    """Return where the windows of one axis start, for every sample; the last is at the end."""
    number = samples.dtype.type  # PyTorch rounds in this dtype, too
    step = number(size - kernel_size) / number(max(output - 1, 1))
    first = samples[:, None]  # (planes, 1)
    i = np.arange(output, dtype=number)
    starts = ((i + first) * step).astype(int) - (first * step).astype(int)  # (planes, length)
    starts[:, -1:] = size - kernel_size
    return starts  # (planes, length)


def pool_windows(x, n, kernel_size, stride, padding, dilation, ceil_mode):
    """Return how to pad x, and slices: of the first number of every window, of the second, ..."""
    kernel_size = pool_axes("kernel_size", kernel_size, n)
    stride = kernel_size if stride is None else pool_axes("stride", stride, n)
    padding = pool_axes("padding", padding, n, least=0)
    dilation = pool_axes("dilation", dilation, n)
    edges, slices = [], []
    for size, k, s, p, d in zip(x.shape[-n:], kernel_size, stride, padding, dilation, strict=True):
        if p > k // 2:
            raise ValueError(f"padding is {p}, expected at most {k // 2}, half of kernel_size {k}")
        reach = d * (k - 1) + 1
        windows = (size + 2 * p - reach + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (windows - 1) * s >= size + p:
            windows -= 1  # it would start in the right padding
        if windows < 1:
            raise ValueError(
                f"x has shape {x.shape}: an axis of {size}, padded with {p} at both ends, holds "
                f"no window of {k}, which with dilation {d} reaches over {reach}"
            )
        last = (windows - 1) * s
        edges.append((p, max(p, last + reach - size - p)))
        slices.append([slice(d * i, d * i + last + 1, s) for i in range(k)])
    return edges, [(..., *tap) for tap in itertools.product(*slices)]


def pool_argmax(values, places):
    """Return the greatest of several arrays, number by number, and its place.

    Of equal ones the first; NaN is the greatest, the last of several. Place -1 is padding.
    """
    best = next(values)
    place = np.zeros(best.shape, int) + next(places)
    for value, at in zip(values, places, strict=True):
        wins = (value > best) | np.isnan(value) | (place < 0)
        best, place = np.where(wins, value, best), np.where(wins, at, place)
    return best, place


# What refuses wrong input


def check_pool(x, n, filled):
    """Return x as an array with n + 1 or n + 2 axes, the last ``filled`` of them not empty."""
    x = as_numbers(x)
    if x.ndim not in (n + 1, n + 2):
        axes = "channels, " + ["length", "height, width", "depth, height, width"][n - 1]
        slip = "are the channels missing, x[None]?" if x.ndim == n else "is it another layer's?"
        raise ValueError(f"x has shape {x.shape}, expected (batch, {axes}) or ({axes}): {slip}")
    if 0 in x.shape[-filled:]:
        raise ValueError(f"x has shape {x.shape}: PyTorch takes no empty axis but the batch")
    return x


def check_avg_pool(x, n, kernel_size, divisor_override):
    """Raise if PyTorch takes no mean over such windows, or no such divisor."""
    if n == 3 and any(np.array(x.shape[-n:]) < pool_axes("kernel_size", kernel_size, n)):
        raise ValueError(
            f"kernel_size is {kernel_size}, but x has shape {x.shape}: "
            "in three dimensions PyTorch takes no mean of more than x has, with padding or not"
        )
    if divisor_override == 0:
        raise ValueError("divisor_override is 0: None divides by the size of each window")


def check_norm_type(norm_type):
    """Return p as a Python float, which widens no dtype."""
    if np.ndim(norm_type) or norm_type == 0:
        raise ValueError(f"norm_type is {norm_type}, expected one number, not 0")
    return float(norm_type)


def pool_axes(name, value, n, least=1):
    """Return an argument as n integers, one for each axis."""
    values = pool_spread(value, n)
    # A True would be ceil_mode, one argument too early.
    if len(values) != n or not all(type(v) is int and v >= least for v in values):
        raise ValueError(f"{name} is {value}, expected an integer from {least}, or {n} of them")
    return values


def pool_spread(value, n):
    """Return a tuple as it is, and one number for each of n axes."""
    values = tuple(np.ravel(value).tolist())
    return values * n if len(values) == 1 else values


def adaptive_sizes(output_size, n):
    """Return how many windows each axis shall have, None for as many as x has numbers."""
    values = list(output_size) if np.ndim(output_size) else [output_size] * n
    numbers = np.ravel([v for v in values if v is not None]).tolist()
    if len(values) != n or not all(type(v) is int and v >= 0 for v in numbers):
        raise ValueError(f"output_size is {output_size}, expected {n} integers from 0, or one")
    return values


def unpool_sizes(x, n, kernel_size, stride, padding, output_size):
    """Return the n sizes before the pooling, or say why they cannot be."""
    kernel_size = pool_axes("kernel_size", kernel_size, n)
    stride = kernel_size if stride is None else pool_axes("stride", stride, n)
    padding = pool_axes("padding", padding, n, least=0)
    smallest = tuple(
        (size - 1) * s + k - 2 * p
        for size, k, s, p in zip(x.shape[-n:], kernel_size, stride, padding, strict=True)
    )
    sizes = smallest if output_size is None else tuple(np.ravel(output_size).tolist())
    sizes = sizes[2:] if len(sizes) == n + 2 else sizes
    valid = [
        type(a) is int and a >= 0 and abs(a - b) < s
        for a, b, s in zip(sizes, smallest, stride, strict=False)
    ]
    if len(sizes) != n or not all(valid):
        raise ValueError(
            f"output_size is {output_size}, expected {n} sizes, or a shape with batch and "
            f"channels: each less than the stride {stride} from {smallest}, and none below 0"
        )
    return sizes


def check_indices(indices, shape, sizes):
    """Raise unless the indices are places in a plane of these sizes, one for each number of x."""
    if indices.shape != shape or indices.dtype.kind not in "iu":
        raise ValueError(
            f"indices have shape {indices.shape} and hold {indices.dtype}, expected integers of "
            f"shape {shape}, that of x"
        )
    places = math.prod(sizes)
    if ((indices < 0) | (indices >= places)).any():
        raise ValueError(
            f"indices reach from {indices.min()} to {indices.max()}, but an output of {sizes} has "
            f"{places} places: is output_size that of x before the pooling?"
        )


def fractional_sizes(sizes, kernel_size, output_size, output_ratio):
    """Return how many windows each axis has, or say why there cannot be so many."""
    n = len(sizes)
    if output_size is not None:
        outputs = pool_axes("output_size", output_size, n, least=0)
    elif output_ratio is not None:
        ratios = pool_spread(output_ratio, n)
        if len(ratios) != n or not min(ratios) >= 0:
            raise ValueError(
                f"output_ratio is {output_ratio}, expected a number from 0, or {n} of them"
            )
        outputs = tuple(int(size * ratio) for size, ratio in zip(sizes, ratios, strict=True))
    else:
        raise ValueError("give output_size or output_ratio")
    for size, k, output in zip(sizes, kernel_size, outputs, strict=True):
        if output + k - 1 > size - (n == 3):  # PyTorch wants one to spare in three dimensions
            raise ValueError(
                f"{output} windows of {k} do not fit into {size}: they start in different places"
            )
    return outputs


def fractional_samples(samples, dtype, expected):
    """Return the samples of this shape, of which a batch may have more, or say what they are."""
    samples = as_numbers(samples)
    samples = samples if samples.dtype.kind == "f" else samples.astype(np.float64)
    batch, *others = expected
    if samples.shape[1:] != tuple(others) or len(samples) < batch:
        raise ValueError(
            f"_random_samples have shape {samples.shape}, expected {expected}: "
            "one for each axis of each channel"
        )
    if dtype.kind == "f" and samples.dtype != dtype:
        raise ValueError(
            f"_random_samples are {samples.dtype}, expected {dtype}, as x: "
            "in another dtype a window may start somewhere else"
        )
    if not ((samples >= 0) & (samples <= 1)).all():
        least, most = samples.min(), samples.max()
        raise ValueError(f"_random_samples reach from {least} to {most}, expected 0 to 1")
    return samples[:batch]


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
