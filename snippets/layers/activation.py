"""The activations of ``torch.nn`` in NumPy, under the names of ``torch.nn.functional``.

Each takes an array of any shape and returns one of that shape; ``glu`` halves an
axis. Only PReLU stores anything. No finite x raises a warning, unless the result
itself is too large. Numbers are written 1.0 where small integers would wrap around.
"""

import math

import numpy as np

# ---- Bent lines ----


def relu(x):
    """``nn.ReLU``: max(0, x)."""
    return np.maximum(x, 0)


def relu6(x):
    """``nn.ReLU6``: x, cut to 0 and 6."""
    return np.clip(x, 0, 6)


def leaky_relu(x, negative_slope=0.01):
    """``nn.LeakyReLU``: x above 0, negative_slope * x below."""
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


def rrelu(x, lower=1 / 8, upper=1 / 3):
    """``nn.RReLU`` in eval mode: its slope is the mean of the two."""
    return leaky_relu(x, (lower + upper) / 2)


def prelu(x, weight):
    """``nn.PReLU``: x above 0, its channel's weight * x below.

    Parameters
    ----------
    x : array, (batch, num_parameters, ...)
        The channels are axis 1, whatever comes after it.
    weight : array, (num_parameters,)
        As stored. A single one is for all of x, and x may have any shape.

    Raises
    ------
    ValueError
        There is not one weight for each channel.
    """
    x = np.asarray(x)
    weight = np.asarray(weight)  # (num_parameters,)
    check_prelu(x.shape, weight.shape)
    channels = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    return leaky_relu(x, weight.reshape(channels))


def hardtanh(x, min_val=-1.0, max_val=1.0):
    """``nn.Hardtanh``: x, cut to min_val and max_val."""
    if min_val > max_val:
        raise ValueError(f"min_val is {min_val}, max_val {max_val}: were they swapped?")
    return np.clip(x, min_val, max_val)


def hardsigmoid(x):
    """``nn.Hardsigmoid``: x + 3, cut to 0 and 6, over 6."""
    return relu6(np.add(x, 3.0)) / 6


def hardswish(x):
    """``nn.Hardswish``: x * hardsigmoid(x)."""
    return x * hardsigmoid(x)


def threshold(x, threshold, value):
    """``nn.Threshold``: x above the threshold, else the value."""
    x = np.asarray(x)
    return np.where(x <= threshold, value, x)


def hardshrink(x, lambd=0.5):
    """``nn.Hardshrink``: 0 from -lambd to lambd, else x."""
    x = np.asarray(x)
    return np.where((x >= -lambd) & (x <= lambd), 0, x)


def softshrink(x, lambd=0.5):
    """``nn.Softshrink``: 0 from -lambd to lambd, else x, lambd nearer to 0."""
    if lambd < 0:
        raise ValueError(f"lambd is {lambd}, expected 0 or more: is its sign right?")
    return x - np.clip(x, -lambd, lambd)


def identity(x):
    """``nn.Identity``: x."""
    return np.asarray(x)


# ---- Curves ----


def sigmoid(x):
    """``nn.Sigmoid``: 1 / (1 + exp(-x))."""
    (x,), dtype = as_floats(x)
    return logistic(x).astype(dtype, copy=False)


def logistic(v):
    """Return the sigmoid of v: also its small half to the last digits."""
    with np.errstate(over="ignore"):  # exp(-v) may be inf; 1 / inf is the right 0
        return 1 / (1 + np.exp(-v))


def tanh(x):
    """``nn.Tanh``."""
    return np.tanh(x)


def silu(x):
    """``nn.SiLU``, also called swish: x * sigmoid(x)."""
    x = np.asarray(x)
    return x * sigmoid(x)


def gelu(x, approximate="none"):
    """``nn.GELU``: x * (the normal distribution's share below x).

    Parameters
    ----------
    x : array
    approximate : "none" or "tanh"
        The two differ by up to 0.0005, and nothing stored tells which one it was.
    """
    x = np.asarray(x)
    if approximate == "none":
        return 0.5 * x * (1 + erf(x / math.sqrt(2)))
    if approximate == "tanh":
        with np.errstate(over="ignore"):  # tanh(inf) is 1, which is right
            v = math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x**2)
        return 0.5 * x * (1 + np.tanh(v))
    raise ValueError(f'approximate is {approximate!r}, expected "none" or "tanh"')


ERF = np.array([math.erf(i / 512) for i in range(-6 * 512, 6 * 512 + 1)])


def erf(v):
    """Return the error function of each number, right but for the last digit.

    NumPy has none, and ``math.erf`` takes one number at a time.
    """
    # What erf_near makes on its way is many times v, so it gets v in parts.
    parts = np.array_split(np.ravel(v), np.size(v) // 2**16 + 1)
    return np.concatenate([erf_near(part) for part in parts]).reshape(np.shape(v))


def erf_near(v):
    """Go from the nearest number of ``ERF`` to v, 1 / 1024 away at most, by Taylor's series."""
    v = np.clip(v, -6, 6)  # beyond, it is -1 or 1 to the last digit
    i = np.rint(512.0 * np.fmax(v, -6))  # fmax, because NaN has no nearest number
    x = i / 512.0
    d = v - x
    slope = 2 / math.sqrt(math.pi) * np.exp(-x * x)
    series = d * (1 - d * (x - d * ((2 * x * x - 1) / 3 + d * x * (1 / 2 - x * x / 3))))
    return ERF.astype(x.dtype)[i.astype(int) + 6 * 512] + slope * series


def elu(x, alpha=1.0):
    """``nn.ELU``: x above 0, alpha * (exp(x) - 1) below."""
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))


def celu(x, alpha=1.0):
    """``nn.CELU``: x above 0, alpha * (exp(x / alpha) - 1) below."""
    with np.errstate(over="ignore"):  # exp(-inf) is 0, which is right
        v = np.minimum(x, 0) / alpha
    return np.maximum(x, 0) + alpha * np.expm1(v)


def selu(x):
    """``nn.SELU``: elu with a fixed alpha, times a fixed scale."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def softplus(x, beta=1, threshold=20):
    """``nn.Softplus``: log(1 + exp(beta * x)) / beta; x where beta * x > threshold."""
    x = np.asarray(x)
    with np.errstate(over="ignore"):  # inf is above the threshold, -inf gives 0
        v = float(beta) * x
    soft = (np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v)))) / beta
    return np.where(v > threshold, x, soft)


def logsigmoid(x):
    """``nn.LogSigmoid``: log(sigmoid(x)), also where sigmoid(x) is 0."""
    return np.minimum(x, 0) - np.log1p(np.exp(-1.0 * np.abs(x)))


def mish(x):
    """``nn.Mish``: x * tanh(softplus(x))."""
    return x * np.tanh(softplus(x))


def softsign(x):
    """``nn.Softsign``: x / (1 + |x|)."""
    return x / (1.0 + np.abs(x))


def tanhshrink(x):
    """``nn.Tanhshrink``: x - tanh(x)."""
    return x - np.tanh(x)


# ---- Along an axis ----


def glu(x, dim=-1):
    """``nn.GLU``: the first half of axis dim, times the sigmoid of the second half.

    Raises
    ------
    ValueError
        The axis has an odd size.
    """
    x = np.asarray(x)
    if x.shape[dim] % 2:
        raise ValueError(f"x has shape {x.shape}, its axis {dim} an odd size: is dim another axis?")
    first, second = np.split(x, 2, axis=dim)
    return first * sigmoid(second)


def softmax(x, dim):
    """``nn.Softmax``: exp(x) over its sum along axis dim.

    PyTorch warns if dim is left out; here it has to be given. Where x is -inf, the
    result is 0. Where all of the axis is -inf, it is NaN, as in PyTorch.
    """
    x = np.asarray(x)
    largest = 1.0 * x.max(axis=dim, keepdims=True) if x.size else 0
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x - largest)  # at most 1
    return e / e.sum(axis=dim, keepdims=True)


def softmax2d(x):
    """``nn.Softmax2d``: softmax over the channels of (..., channels, height, width)."""
    x = np.asarray(x)
    if x.ndim not in (3, 4):
        raise ValueError(f"x has shape {x.shape}, expected 3 or 4 axes: use softmax(x, dim)")
    return softmax(x, -3)


def softmin(x, dim):
    """``nn.Softmin``: softmax(-x, dim)."""
    return softmax(np.multiply(x, -1.0), dim)


def log_softmax(x, dim):
    """``nn.LogSoftmax``: log(softmax(x, dim)), also where softmax(x, dim) is 0."""
    x = np.asarray(x)
    largest = 1.0 * x.max(axis=dim, keepdims=True) if x.size else 0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        v = x - largest  # at most 0
        return v - np.log(np.exp(v).sum(axis=dim, keepdims=True))


# What refuses wrong input


def check_prelu(x, weight):
    """Raise with the likely slip unless the weight's shape fits that of x."""
    channels = x[1] if len(x) > 1 else 1
    if weight in ((1,), (channels,)):
        return
    if len(weight) != 1:
        slip = "was an axis added?"
    elif weight[0] in x:
        slip = "the channels are axis 1; are the axes of x in another order?"
    else:
        slip = "is it another layer's?"
    raise ValueError(f"weight has shape {weight}, but x {x} has {channels} channels: {slip}")


def as_floats(*given, kinds="f"):
    """Return the arrays in the dtype to compute in, and the dtype of the result.

    They decide together. float16 is computed in float32, integers and bools in float64.
    None stays None. Complex numbers are taken where kinds is "fc".
    """
    arrays = [None if a is None else np.asarray(a) for a in given]
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
