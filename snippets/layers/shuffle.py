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
    array, (..., out_channels, height * r, width * r), a copy in the dtype of x

    Raises
    ------
    ValueError
        The channels are no multiple of r * r.

    See Also
    --------
    torch.nn.PixelShuffle, torch.nn.functional.pixel_shuffle
    """
    x = as_numbers(x, "fc")
    r = upscale_factor
    check_shuffle(x.shape, "upscale_factor", r, {-3: r * r})
    *batch, channels, height, width = x.shape
    channels //= r * r
    x = x.reshape(*batch, channels, r, r, height, width)
    x = np.moveaxis(x, (-2, -1), (-4, -2))  # (..., out_channels, height, r, width, r)
    return x.copy().reshape(*batch, channels, height * r, width * r)


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
    array, (..., in_channels * r * r, height, width), a copy in the dtype of x

    Raises
    ------
    ValueError
        The height or the width is no multiple of r.

    See Also
    --------
    torch.nn.PixelUnshuffle, torch.nn.functional.pixel_unshuffle
    """
    x = as_numbers(x, "fc")
    r = downscale_factor
    check_shuffle(x.shape, "downscale_factor", r, {-2: r, -1: r})
    *batch, channels, height, width = x.shape
    height, width = height // r, width // r
    x = x.reshape(*batch, channels, height, r, width, r)
    x = np.moveaxis(x, (-4, -2), (-2, -1))  # (..., in_channels, r, r, height, width)
    return x.copy().reshape(*batch, channels * r * r, height, width)


def channel_shuffle(x, groups):
    """Deal the channels of each group out, one of each in turn, as ``nn.ChannelShuffle``.

    Parameters
    ----------
    x : array, (batch, channels, ...), three axes or more
    groups : int

    Returns
    -------
    array, shaped as x, a copy in the dtype of x

    Raises
    ------
    ValueError
        The channels are no multiple of ``groups``.

    See Also
    --------
    torch.nn.ChannelShuffle, torch.nn.functional.channel_shuffle
    """
    x = as_numbers(x, "fc")
    check_shuffle(x.shape, "groups", groups, {1: groups})
    batch, channels, *rest = x.shape
    x = x.reshape(batch, groups, channels // groups, *rest)
    x = x.swapaxes(1, 2)
    return x.copy().reshape(batch, channels, *rest)


# What refuses wrong input


def check_shuffle(shape, name, factor, parts):
    """Raise unless each axis of parts can be split into as many parts."""
    if len(shape) < 3:
        axes = "(batch, channels, ...)" if 1 in parts else "(..., channels, height, width)"
        raise ValueError(f"x has shape {shape}, expected {axes}: is an axis missing?")
    if not isinstance(factor, int | np.integer) or isinstance(factor, bool) or factor < 1:
        raise ValueError(f"{name} is {factor}, expected an integer from 1")
    for axis, count in parts.items():
        if shape[axis] % count:
            raise ValueError(
                f"x has shape {shape}: {name} {factor} can't split its axis {axis}, "
                f"{shape[axis]}, into {count} equal parts; are the axes in another order?"
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
