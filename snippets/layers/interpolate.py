"""``F.interpolate`` and ``nn.Upsample`` in NumPy: one axis after the other."""

import numpy as np

INTERPOLATE_AXES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}


def interpolate(
    x,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """Scale the axes behind the channels up or down, as ``nn.Upsample``.

    ``nn.UpsamplingNearest2d`` is mode "nearest", ``nn.UpsamplingBilinear2d`` is mode
    "bilinear" with ``align_corners=True``.

    Parameters
    ----------
    x : array, (batch, channels, ...), one to three more axes
        For mode linear one, for bilinear and bicubic two, for trilinear three.
    size : int or sequence of int
        The new size of these axes.
    scale_factor : number or sequence of numbers
        Instead of size: ``int(old * factor)`` is the new size.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear"}
        The two nearest copy, so integers stay integers. The others mix, and give float64
        for integers, of which PyTorch rounds the result.
    align_corners : bool, optional
        Not for nearest and nearest-exact. None is False.
    recompute_scale_factor : bool, optional
        Take the ratio of the two sizes for the factor, as it is when size is given.
    antialias : bool
        Only False: this recipe does not smooth.

    Returns
    -------
    array, (batch, channels, ...), in the dtype of x

    Raises
    ------
    ValueError
        An argument is not in order, or does not fit x.

    See Also
    --------
    torch.nn.Upsample, torch.nn.functional.interpolate
    """
    x = as_numbers(x)
    given = size, scale_factor, recompute_scale_factor
    sizes, factors = check_interpolate(x.shape, *given, mode, align_corners, antialias)
    lengths = list(zip(x.shape[2:], sizes, factors, strict=True))
    # What shrinks comes first: nothing in between is larger than both ends.
    axes = sorted(range(2, x.ndim), key=lambda axis: sizes[axis - 2] / x.shape[axis])
    if mode.startswith("nearest"):
        work = np.result_type(x.dtype, np.float32)
        small = x.ndim == 4 and sum(sizes) <= 128
        for axis in axes:
            x = x.take(nearest_pixels(*lengths[axis - 2], mode, small, work), axis)
        return x
    (x,), dtype = as_floats(x)
    for axis in axes:
        pixels, weights = interpolate_taps(*lengths[axis - 2], mode, align_corners, x.dtype)
        weights = weights.reshape(*weights.shape, *[1] * (x.ndim - 1 - axis))
        with np.errstate(invalid="ignore"):  # 0 * inf is NaN
            x = sum(x.take(p, axis) * w for p, w in zip(pixels, weights, strict=True))
    return x.astype(dtype, copy=False)


def interpolate_scale(old, new, factor, align_corners=False):
    """Return how far apart the new pixels lie, in old ones."""
    if align_corners:
        return (old - 1) / max(new - 1, 1)
    return old / new if factor is None else 1 / factor


def nearest_pixels(old, new, factor, mode, small, dtype):
    """Return which old pixel each new one copies.

    Small images have a code of their own in PyTorch. It counts in float32 whatever
    x is, and takes a size that stays or doubles for a factor of 1 or 2.
    """
    if small and mode == "nearest" and new in (old, 2 * old):
        factor = None
    scale = interpolate_scale(old, new, factor)
    if small or dtype == np.float32:
        scale = float(np.float32(scale))
    at = np.arange(new) + (0.5 if mode == "nearest-exact" else 0)
    # Rounded to float32 in any case: 6.99999999 is pixel 7.
    at = (at * scale).astype(np.float32)
    return np.minimum(at.astype(int), old - 1)


def interpolate_taps(old, new, factor, mode, align_corners, dtype):
    """Return the old pixels that each new one mixes, and their weights: (taps, new) each."""
    if mode != "bicubic" and new == old:
        at = np.arange(new)  # this pixel twice: no other, which may be NaN, spreads
        return np.stack([at, at]), np.stack([np.ones(new, dtype), np.zeros(new, dtype)])
    scale = interpolate_scale(old, new, factor, align_corners)
    at = np.arange(new, dtype=dtype)
    at = at * scale if align_corners else (at + 0.5) * scale - 0.5
    if mode != "bicubic":
        at = at.clip(0)  # on the first pixel, as in PyTorch, which shows where the second is NaN
    left = np.floor(at)
    t = at - left
    if mode == "bicubic":
        offsets, weights = [-1, 0, 1, 2], cubic_weights(t)
    else:
        offsets, weights = [0, 1], [1 - t, t]
    pixels = left.astype(int) + np.array(offsets)[:, None]
    return pixels.clip(0, old - 1), np.stack(weights)


def cubic_weights(t, a=-0.75):
    """Return the weights of the pixels at -1, 0, 1, 2, seen from t between 0 and 1."""

    def near(d):
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d):
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(1 + t), near(t), near(1 - t), far(2 - t)]


# What refuses wrong input


def check_interpolate(shape, size, scale_factor, recompute, mode, align_corners, antialias):
    """Return sizes and factors, one an axis (None: their ratio), or say what is wrong."""
    if antialias:
        raise ValueError(
            f"antialias is {antialias}, but this recipe has only False: it does not smooth what "
            "it makes smaller"
        )
    if mode not in INTERPOLATE_AXES:
        slip = "; area is adaptive average pooling" if mode == "area" else ""
        raise ValueError(f"mode is {mode!r}, expected one of {[*INTERPOLATE_AXES]}{slip}")
    axes = len(shape) - 2
    if axes not in INTERPOLATE_AXES[mode]:
        counts = " or ".join(map(str, INTERPOLATE_AXES[mode]))
        raise ValueError(
            f"x has shape {shape}, expected (batch, channels, ...) with {counts} more for "
            f"mode {mode}: is the batch missing, or is it another mode?"
        )
    if align_corners is not None and mode.startswith("nearest"):
        raise ValueError(f"align_corners is {align_corners}, but mode {mode} takes none")
    if (size is None) == (scale_factor is None) or (recompute and scale_factor is None):
        more = " (recompute_scale_factor needs the second)" if recompute else ""
        raise ValueError(f"give size or scale_factor{more}, not {size} and {scale_factor}")
    name, given = ("scale_factor", scale_factor) if size is None else ("size", size)
    given = np.ravel(given).tolist() * (1 if np.ndim(given) else axes)
    if len(given) != axes:
        raise ValueError(f"{name} is {given}, expected {axes}, one an axis of x {shape}")
    if size is None:
        sizes = [int(n * factor) for n, factor in zip(shape[2:], given, strict=True)]
    else:
        sizes = given
        if not all(type(n) is int for n in sizes):
            raise ValueError(f"size is {size}, expected integers")
    if 0 in shape[1:] or min(sizes) < 1:
        raise ValueError(f"x has shape {shape}, new sizes {sizes}: expected 1 or more each")
    return sizes, [None] * axes if recompute or scale_factor is None else given


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
