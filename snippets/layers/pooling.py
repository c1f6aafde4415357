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
    """Return the maximum of every window over the last n axes of x.

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
    output : array, in the dtype of x
        NaN where a window reads one, -inf where it reads padding alone.
    indices : array of int, shaped as output
        Places in the flattened sizes of x, without padding: ``row * width + column``. Of equal
        maxima the first, of several NaN the last, -1 where a window reads padding alone.

    Raises
    ------
    ValueError
        PyTorch takes no such size.
    """
    x = check_pool(x, n, n + 1)
    edges, taps = pool_windows(x, n, kernel_size, stride, padding, dilation, ceil_mode)
    # Padding with 0 would be the maximum of a window of negative numbers.
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
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
    """Return the mean of every window over the last n axes of x.

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
    output : array, in the dtype of x
        float64 for integers, of which PyTorch drops the fraction.

    Raises
    ------
    ValueError
        PyTorch takes no such size or divisor.
    """
    x = check_pool(x, n, n + 1)
    edges, taps = pool_windows(x, n, kernel_size, stride, padding, 1, ceil_mode)
    if n == 3 and any(np.array(x.shape[-n:]) < pool_axes("kernel_size", kernel_size, n)):
        raise ValueError(
            f"kernel_size is {kernel_size}, but x has shape {x.shape}: "
            "in three dimensions PyTorch takes no mean of more than x has, with padding or not"
        )
    padded = np.pad(x, [(0, 0)] * (x.ndim - n) + edges)
    total = sum((padded[tap] for tap in taps), start=0.0)  # a float: small integers overflow
    if divisor_override is not None:
        if divisor_override == 0:
            raise ValueError("divisor_override is 0: None divides by the size of each window")
        return total / divisor_override
    # Ones where a number counts, summed as x is: how many there are in each window.
    counted = [left if count_include_pad else 0 for left, _ in edges]
    ones = np.ones([size + 2 * c for size, c in zip(x.shape[-n:], counted, strict=True)])
    rest = [(left - c, right - c) for (left, right), c in zip(edges, counted, strict=True)]
    ones = np.pad(ones, rest)
    return total / sum(ones[tap] for tap in taps).astype(total.dtype)


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
    x, n, kernel_size, stride, ceil_mode
        As in ``max_pool_nd``.
    norm_type : float
        p; ``math.inf`` is the maximum of ``abs(x)``, ``-math.inf`` the minimum.
    """
    x = np.asarray(x)
    if norm_type == math.inf:
        return max_pool_nd(np.abs(x), n, kernel_size, stride, 0, 1, ceil_mode, False)
    if norm_type == -math.inf:
        return -max_pool_nd(-np.abs(x), n, kernel_size, stride, 0, 1, ceil_mode, False)
    with np.errstate(all="ignore"):  # PyTorch returns inf and NaN without a warning
        mean = avg_pool_nd(x ** float(norm_type), n, kernel_size, stride, 0, ceil_mode, True, None)
        return (mean * math.prod(pool_axes("kernel_size", kernel_size, n))) ** (1 / norm_type)


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

    Raises
    ------
    ValueError
        PyTorch takes no such size.
    """
    return adaptive_pool(x, n, output_size, np.mean)


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

    With ``return_indices`` also the places, as in ``max_pool_nd``.
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
    # The last axis last: until then, the numbers that are reduced together lie in whole rows.
    for axis, windows in reversed(adaptive_windows(x, n, output_size)):
        x = np.moveaxis(x, axis, 0)
        x = np.concatenate([x[:0], *(reduce(x[window], 0, keepdims=True) for window in windows)])
        x = np.moveaxis(x, 0, axis)
    return x


def adaptive_windows(x, n, output_size):
    """Return each of the last n axes of x, the last one first, with its windows."""
    outputs = tuple(output_size) if np.ndim(output_size) else (output_size,) * n
    if len(outputs) != n or any(output is not None and output < 0 for output in outputs):
        raise ValueError(f"output_size is {output_size}, expected {n} integers from 0, or one")
    found = []
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

    Raises
    ------
    ValueError
        The shapes differ, or PyTorch takes no such size, or there is no such place.
    """
    x, indices = check_pool(x, n, n), np.asarray(indices)
    if indices.shape != x.shape:
        raise ValueError(f"indices have shape {indices.shape}, expected {x.shape}, that of x")
    sizes = unpool_sizes(x, n, kernel_size, stride, padding, output_size)
    lead, places = x.shape[:-n], math.prod(sizes)
    if ((indices < 0) | (indices >= places)).any():
        raise ValueError(
            f"indices reach from {indices.min()} to {indices.max()}, but an output of {sizes} has "
            f"{places} places: is output_size that of x before the pooling?"
        )
    output = np.zeros((*lead, places), x.dtype)
    flat = (*lead, math.prod(x.shape[-n:]))
    np.put_along_axis(output, indices.reshape(flat), x.reshape(flat), -1)
    return output.reshape(*lead, *sizes)


def unpool_sizes(x, n, kernel_size, stride, padding, output_size):
    """Return the n sizes before the pooling, or say why they cannot be."""
    kernel_size = pool_axes("kernel_size", kernel_size, n)
    stride = kernel_size if stride is None else pool_axes("stride", stride, n)
    padding = pool_axes("padding", padding, n, least=0)
    smallest = tuple(
        (size - 1) * s + k - 2 * p
        for size, k, s, p in zip(x.shape[-n:], kernel_size, stride, padding, strict=True)
    )
    if output_size is None:
        sizes = smallest
    else:
        sizes = tuple(output_size)[2:] if len(output_size) == n + 2 else tuple(output_size)
    far = [abs(a - b) >= s for a, b, s in zip(sizes, smallest, stride, strict=False)]
    if len(sizes) != n or any(far) or min(sizes) < 0:
        raise ValueError(
            f"output_size is {output_size}, expected {n} sizes, or a shape with batch and "
            f"channels: each less than the stride {stride} from {smallest}, and none below 0"
        )
    return sizes


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
    x, n, kernel_size, return_indices
        As in ``max_pool_nd``.
    output_size : int or tuple, optional
        How many windows.
    output_ratio : float or tuple, optional
        How many, as a part of the size, where ``output_size`` is None.
    _random_samples : array (batch, channels, n); (1, channels, n) without a batch
        Numbers from 0 to 1, in the dtype of x. If PyTorch gets none, it draws new ones at every
        call, so that no two runs agree: give both the same. Of two, the first is the width's;
        of three, the first is the depth's.

    Raises
    ------
    ValueError
        PyTorch takes no such size.
    """
    x = check_pool(x, n, n + 1)
    lead, sizes = x.shape[:-n], x.shape[-n:]
    kernel_size = pool_axes("kernel_size", kernel_size, n)
    outputs = fractional_sizes(sizes, kernel_size, output_size, output_ratio)
    batch, planes = math.prod(lead[:-1]), math.prod(lead)
    samples = np.asarray(_random_samples)
    if samples.shape[1:] != (lead[-1], n) or len(samples) < batch:
        raise ValueError(
            f"_random_samples have shape {samples.shape}, expected {(batch, lead[-1], n)}: "
            "one for each axis of each channel"
        )
    if x.dtype.kind == "f" and samples.dtype != x.dtype:
        raise ValueError(
            f"_random_samples are {samples.dtype}, expected {x.dtype}, as x: "
            "in another dtype a window may start somewhere else"
        )
    samples = samples[:batch].reshape(planes, n).T  # (..., planes)
    samples = samples[::-1] if n == 2 else samples
    x = x.reshape(planes, *sizes)
    axes = zip(samples, sizes, kernel_size, outputs, strict=True)
    starts = [fractional_starts(*axis) for axis in axes]
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


def fractional_sizes(sizes, kernel_size, output_size, output_ratio):
    """Return how many windows each axis has, or say why there cannot be so many."""
    n = len(sizes)
    if output_size is not None:
        outputs = pool_axes("output_size", output_size, n, least=0)
    elif output_ratio is not None:
        ratios = pool_axes("output_ratio", output_ratio, n, least=0)
        outputs = tuple(int(size * ratio) for size, ratio in zip(sizes, ratios, strict=True))
    else:
        raise ValueError("give output_size or output_ratio")
    for size, k, output in zip(sizes, kernel_size, outputs, strict=True):
        if output + k - 1 > size - (n == 3):  # PyTorch wants one to spare in three dimensions
            raise ValueError(
                f"{output} windows of {k} do not fit into {size}: they start in different places"
            )
    return outputs


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


def pool_axes(name, value, n, least=1):
    """Return one number for each of n axes."""
    values = tuple(value) if np.ndim(value) else (value,)
    values = values * n if len(values) == 1 else values
    # A True would be ceil_mode, one argument too early.
    if len(values) != n or min(values) < least or bool in map(type, values):
        raise ValueError(f"{name} is {value}, expected a number from {least}, or {n} of them")
    return values


def check_pool(x, n, filled):
    """Return x as an array with n + 1 or n + 2 axes, the last ``filled`` of them not empty."""
    x = np.asarray(x)
    if x.ndim not in (n + 1, n + 2):
        axes = "channels, " + ["length", "height, width", "depth, height, width"][n - 1]
        slip = "are the channels missing, x[None]?" if x.ndim == n else "is it another layer's?"
        raise ValueError(f"x has shape {x.shape}, expected (batch, {axes}) or ({axes}): {slip}")
    if 0 in x.shape[-filled:]:
        raise ValueError(f"x has shape {x.shape}: PyTorch takes no empty axis but the batch")
    return x
