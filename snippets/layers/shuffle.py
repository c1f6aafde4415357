"""``nn.PixelShuffle``, ``nn.PixelUnshuffle``, ``nn.ChannelShuffle``: a split, a move, a join."""

import numpy as np


def pixel_shuffle(x, upscale_factor):
    """Turn groups of r * r channels into squares of r * r pixels, as ``nn.PixelShuffle``.

    With r = ``upscale_factor``, channel ``c * r * r + i * r + j`` becomes the
    pixels ``(r * h + i, r * w + j)`` of channel c.

    Parameters
    ----------
    x : array, (..., out_channels * r * r, height, width)
    upscale_factor : int

    Returns
    -------
    array, (..., out_channels, height * r, width * r)

    Raises
    ------
    ValueError
        The channels are no multiple of r * r.
    """
    x = np.asarray(x)
    r = upscale_factor
    check_shuffle(x.shape, "upscale_factor", r, {-3: r * r})
    *batch, channels, height, width = x.shape
    channels //= r * r
    x = x.reshape(*batch, channels, r, r, height, width)
    x = np.moveaxis(x, (-2, -1), (-4, -2))  # (..., out_channels, height, r, width, r)
    return x.reshape(*batch, channels, height * r, width * r)


def pixel_unshuffle(x, downscale_factor):
    """Turn squares of r * r pixels into groups of r * r channels, as ``nn.PixelUnshuffle``.

    The way back from ``pixel_shuffle``.

    Parameters
    ----------
    x : array, (..., in_channels, height * r, width * r)
    downscale_factor : int
        r.

    Returns
    -------
    array, (..., in_channels * r * r, height, width)

    Raises
    ------
    ValueError
        The height or the width is no multiple of r.
    """
    x = np.asarray(x)
    r = downscale_factor
    check_shuffle(x.shape, "downscale_factor", r, {-2: r, -1: r})
    *batch, channels, height, width = x.shape
    height, width = height // r, width // r
    x = x.reshape(*batch, channels, height, r, width, r)
    x = np.moveaxis(x, (-4, -2), (-2, -1))  # (..., in_channels, r, r, height, width)
    return x.reshape(*batch, channels * r * r, height, width)


def channel_shuffle(x, groups):
    """Deal the channels of each group out, one of each in turn, as ``nn.ChannelShuffle``.

    Parameters
    ----------
    x : array, (batch, channels, ...), three axes or more
    groups : int

    Returns
    -------
    array, shaped as x

    Raises
    ------
    ValueError
        The channels are no multiple of ``groups``.
    """
    x = np.asarray(x)
    check_shuffle(x.shape, "groups", groups, {1: groups})
    batch, channels, *rest = x.shape
    x = x.reshape(batch, groups, channels // groups, *rest)
    x = x.swapaxes(1, 2)
    return x.reshape(batch, channels, *rest)


def check_shuffle(shape, name, factor, parts):
    """Raise unless each axis of parts can be split into as many parts."""
    if len(shape) < 3:
        axes = "(batch, channels, ...)" if 1 in parts else "(..., channels, height, width)"
        raise ValueError(f"x has shape {shape}, expected {axes}: is an axis missing?")
    if factor < 1:
        raise ValueError(f"{name} is {factor}, expected 1 or more")
    for axis, count in parts.items():
        if shape[axis] % count:
            raise ValueError(
                f"x has shape {shape}: {name} {factor} can't split its axis {axis}, "
                f"{shape[axis]}, into {count} equal parts; are the axes in another order?"
            )
