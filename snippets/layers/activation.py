"""The activations of ``torch.nn`` in NumPy, under the names of ``torch.nn.functional``.

Each takes an array of any shape and returns a new one of that shape; ``glu`` halves an
axis. Only PReLU stores anything. A tail keeps its digits, down to the smallest number,
and NumPy warns only if the result itself is too large.
"""

import math

import numpy as np

# ---- Bent lines ----


def relu(x):
    """Return max(0, x).

    Parameters
    ----------
    x : array

    Returns
    -------
    array
        Integers stay integers.

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.ReLU
    """
    x, dtype = keeping(x, "iu")
    return np.maximum(x, 0).astype(dtype, copy=False)


def relu6(x):
    """Return x, cut to 0 and 6.

    Parameters
    ----------
    x : array

    Returns
    -------
    array
        Integers stay integers.

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.ReLU6
    """
    return hardtanh(x, 0, 6)


def leaky_relu(x, negative_slope=0.01):
    """Return x above 0, negative_slope * x below.

    Parameters
    ----------
    x : array
    negative_slope : float

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.LeakyReLU
    """
    (x,), dtype = as_floats(x)
    return bent(x, float(negative_slope)).astype(dtype, copy=False)


def rrelu(x, lower=1 / 8, upper=1 / 3):
    """Return leaky_relu with the mean of the two slopes, as in eval mode.

    Parameters
    ----------
    x : array
    lower, upper : float

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.RReLU
    """
    return leaky_relu(x, (lower + upper) / 2)


def prelu(x, weight):
    """Return x above 0, its channel's weight * x below.

    Parameters
    ----------
    x : array, (batch, num_parameters, ...)
        The channels are axis 1, whatever comes after it.
    weight : array, (num_parameters,)
        As stored. A single one is for all of x, and x may have any shape.

    Returns
    -------
    array, shaped as x

    Raises
    ------
    ValueError
        There is not one weight for each channel.

    See Also
    --------
    torch.nn.PReLU
    """
    (x, weight), dtype = as_floats(x, weight)
    check_prelu(x.shape, weight.shape)
    channels = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    return bent(x, weight.reshape(channels)).astype(dtype, copy=False)


def bent(x, slope):
    """Return x above 0, slope * x below."""
    with np.errstate(over="ignore", invalid="ignore"):  # of what is not taken
        return np.where(x > 0, x, slope * x)


def hardtanh(x, min_val=-1.0, max_val=1.0):
    """Return x, cut to min_val and max_val.

    Parameters
    ----------
    x : array
    min_val, max_val : float

    Returns
    -------
    array
        Integers stay integers: the whole part of min_val and max_val counts.

    Raises
    ------
    ValueError
        min_val is above max_val.

    See Also
    --------
    torch.nn.Hardtanh
    """
    x, dtype = keeping(x, "iu")
    check_hardtanh(min_val, max_val)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        cut = (min(max(v, limits.min), limits.max) for v in (min_val, max_val))
        return np.clip(x, *map(int, cut))
    return np.clip(x, float(min_val), float(max_val)).astype(dtype, copy=False)


def hardsigmoid(x):
    """Return x + 3, cut to 0 and 6, over 6.

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Hardsigmoid
    """
    (x,), dtype = as_floats(x)
    return (np.clip(x + 3, 0, 6) / 6).astype(dtype, copy=False)


def hardswish(x):
    """Return x * hardsigmoid(x).

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Hardswish
    """
    (x,), dtype = as_floats(x)
    with np.errstate(invalid="ignore"):  # NaN at -inf, as in PyTorch
        return (x * hardsigmoid(x)).astype(dtype, copy=False)


def threshold(x, threshold, value):
    """Return x above the threshold, else the value.

    Parameters
    ----------
    x : array
    threshold, value : float

    Returns
    -------
    array
        Integers stay integers: the whole part of threshold and value counts.

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Threshold
    """
    x, dtype = keeping(x, "iu")
    threshold, value = np.array([threshold, value]).astype(dtype)
    return np.where(x <= threshold, value, x).astype(dtype, copy=False)


def hardshrink(x, lambd=0.5):
    """Return 0 from -lambd to lambd, else x.

    Parameters
    ----------
    x : array
    lambd : float

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Hardshrink
    """
    (x,), dtype = as_floats(x)
    lambd = float(lambd)
    return np.where((x >= -lambd) & (x <= lambd), 0, x).astype(dtype, copy=False)


def softshrink(x, lambd=0.5):
    """Return 0 from -lambd to lambd, else x, lambd nearer to 0.

    Parameters
    ----------
    x : array
    lambd : float

    Returns
    -------
    array

    Raises
    ------
    ValueError
        lambd is negative.

    See Also
    --------
    torch.nn.Softshrink
    """
    (x,), dtype = as_floats(x)
    check_softshrink(lambd)
    return (x - np.clip(x, -float(lambd), float(lambd))).astype(dtype, copy=False)


def identity(x):
    """Return x, copied.

    Parameters
    ----------
    x : array

    Returns
    -------
    array
        Of the dtype of x, whichever it is.

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Identity
    """
    x, dtype = keeping(x, "biufc")
    return np.array(x, dtype)


# ---- Curves ----


def sigmoid(x):
    """Return 1 / (1 + exp(-x)).

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Sigmoid
    """
    (x,), dtype = as_floats(x, kinds="fc")
    return logistic(x).astype(dtype, copy=False)


def logistic(v):
    """Return the sigmoid of v: also its small half to the last digits."""
    with np.errstate(over="ignore"):  # exp(-v) may be inf; 1 / inf is the right 0
        return 1 / (1 + np.exp(-v))


def tanh(x):
    """Return the hyperbolic tangent.

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Tanh
    """
    (x,), dtype = as_floats(x, kinds="fc")
    return np.tanh(x).astype(dtype, copy=False)


def silu(x):
    """Return x * sigmoid(x), also called swish.

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.SiLU
    """
    (x,), dtype = as_floats(x, kinds="fc")
    with np.errstate(over="ignore", invalid="ignore"):  # x / inf is the right 0
        return (x / (1 + np.exp(-x))).astype(dtype, copy=False)


def gelu(x, approximate="none"):
    """Return x * (the normal distribution's share below x).

    Parameters
    ----------
    x : array
    approximate : "none" or "tanh"
        The two differ by up to 0.0005, and nothing stored tells which one it was.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        approximate is another word.

    See Also
    --------
    torch.nn.GELU
    """
    (x,), dtype = as_floats(x)
    check_gelu(approximate)
    form = exact_gelu if approximate == "none" else tanh_gelu
    numbers, y = x.ravel(), np.empty(x.size, x.dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # x / inf is the right 0, NaN at -inf
        for start in range(0, x.size, 2**15):  # what is made on the way stays in the cache
            some = slice(start, start + 2**15)
            y[some] = form(numbers[some])
    return y.reshape(x.shape).astype(dtype, copy=False)


def exact_gelu(x):
    """Return x * normal_share(x), faster: max(x, 0) less |x| times the tail beyond it."""
    y = x * 0.5
    y += np.abs(y)
    v = np.abs(np.clip(x, -50, 50))  # beyond, the tail is 0
    y -= v * normal_tail(v)
    return y


def tanh_gelu(x):
    """Return 0.5 * x * (1 + tanh(v)), which is x * sigmoid(2 * v)."""
    v = math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x**2)
    return x / (1 + np.exp(-2 * v))


def normal_share(x):
    """Return the normal distribution's share below each x, ``(1 + erf(x / sqrt(2))) / 2``.

    NumPy has no ``erf``, and ``math.erf`` takes one number at a time.

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.special.ndtr
    """
    (x,), dtype = as_floats(x)
    tail = normal_tail(np.abs(np.clip(x, -50, 50)))
    return np.where(x > 0, 1 - tail, tail).astype(dtype, copy=False)


def normal_tail(v):
    """Return the normal distribution's share above each v, 0 or more."""
    near = 1 / (v + 4.5)
    s = 1.25 - 10.125 * near  # -1 for v = 0, 1 for v = 36
    tail = np.zeros_like(s)
    for c in STRAIGHT[s.dtype.char]:
        tail *= s
        tail += c
    tail *= near * np.exp(v * v * -0.5)
    return tail


# The share beyond v, times what makes it nearly a straight line of s, goes through these points.
POINTS = np.polynomial.chebyshev.chebpts1(19)
BEYOND = [10.125 / (1.25 - s) - 4.5 for s in POINTS]
LINE = [math.erfc(v / math.sqrt(2)) / 2 * math.exp(v**2 / 2) * (v + 4.5) for v in BEYOND]
# Its polynomial, the highest power first. float32 has all its digits with half of the terms.
SERIES = np.polynomial.chebyshev.chebfit(POINTS, LINE, 18)
STRAIGHT = {
    char: np.polynomial.chebyshev.cheb2poly(SERIES[:terms])[::-1].tolist()
    for char, terms in (("f", 10), ("d", 19))
}


def elu(x, alpha=1.0):
    """Return x above 0, alpha * (exp(x) - 1) below.

    Parameters
    ----------
    x : array
    alpha : float

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.ELU
    """
    (x,), dtype = as_floats(x)
    return (np.maximum(x, 0) + float(alpha) * np.expm1(np.minimum(x, 0))).astype(dtype, copy=False)


def celu(x, alpha=1.0):
    """Return x above 0, alpha * (exp(x / alpha) - 1) below.

    Parameters
    ----------
    x : array
    alpha : float
        Not 0.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        alpha is 0.

    See Also
    --------
    torch.nn.CELU
    """
    (x,), dtype = as_floats(x)
    check_celu(alpha)
    alpha = float(alpha)
    with np.errstate(over="ignore"):  # exp(-inf) is 0, which is right
        v = np.minimum(x, 0) / alpha
    return (np.maximum(x, 0) + alpha * np.expm1(v)).astype(dtype, copy=False)


def selu(x):
    """Return elu with a fixed alpha, times a fixed scale.

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.SELU
    """
    (x,), dtype = as_floats(x)
    return (1.0507009873554805 * elu(x, 1.6732632423543772)).astype(dtype, copy=False)


def softplus(x, beta=1, threshold=20):
    """Return log(1 + exp(beta * x)) / beta; x where beta * x > threshold.

    Parameters
    ----------
    x : array
    beta, threshold : float

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Softplus
    """
    (x,), dtype = as_floats(x)
    beta = float(beta)
    with np.errstate(over="ignore"):  # inf is above the threshold, -inf gives 0
        v = beta * x
    soft = (np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v)))) / beta
    return np.where(v > float(threshold), x, soft).astype(dtype, copy=False)


def logsigmoid(x):
    """Return log(sigmoid(x)), also where sigmoid(x) is 0.

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.LogSigmoid
    """
    (x,), dtype = as_floats(x)
    return (np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))).astype(dtype, copy=False)


def mish(x):
    """Return x * tanh(softplus(x)).

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Mish
    """
    (x,), dtype = as_floats(x)
    with np.errstate(invalid="ignore"):  # NaN at -inf, as in PyTorch
        return (x * np.tanh(softplus(x))).astype(dtype, copy=False)


def softsign(x):
    """Return x / (1 + |x|).

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Softsign
    """
    (x,), dtype = as_floats(x, kinds="fc")
    with np.errstate(invalid="ignore"):  # NaN at inf, as in PyTorch
        return (x / (1 + np.abs(x))).astype(dtype, copy=False)


def tanhshrink(x):
    """Return x - tanh(x).

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Raises
    ------
    ValueError
        x holds no numbers.

    See Also
    --------
    torch.nn.Tanhshrink
    """
    (x,), dtype = as_floats(x, kinds="fc")
    with np.errstate(over="ignore", invalid="ignore"):  # of what is not taken
        # Near 0 the difference would have no digits left: tanh(x) is x / (1 + q), by
        # Lambert's continued fraction.
        q = 0
        for odd in range(17, 1, -2):
            q = x * x / (odd + q)
        near = x * q / (1 + q)
    return np.where(np.abs(x) < 1, near, x - np.tanh(x)).astype(dtype, copy=False)


# ---- Along an axis ----


def glu(x, dim=-1):
    """Return the first half of axis dim, times the sigmoid of the second half.

    Parameters
    ----------
    x : array
    dim : int

    Returns
    -------
    array
        Axis dim has half the size it has in x.

    Raises
    ------
    ValueError
        The axis has an odd size, or there is no such axis.

    See Also
    --------
    torch.nn.GLU
    """
    (x,), dtype = as_floats(x)
    check_glu(x.shape, dim)
    first, second = np.split(x, 2, axis=dim)
    with np.errstate(invalid="ignore"):  # inf * 0 is NaN, as in PyTorch
        return (first * logistic(second)).astype(dtype, copy=False)


def softmax(x, dim):
    """Return exp(x) over its sum along axis dim.

    Parameters
    ----------
    x : array
    dim : int or None
        None, of a model that leaves it out, is PyTorch's choice: 1, or 0 of one or
        three axes.

    Returns
    -------
    array
        0 where x is -inf; NaN where all of the axis is, as in PyTorch.

    Raises
    ------
    ValueError
        There is no such axis.

    See Also
    --------
    torch.nn.Softmax
    """
    (x,), dtype = as_floats(x)
    dim = check_dim(x.shape, dim)
    largest = x.max(axis=dim, keepdims=True) if x.size else 0
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x - largest)  # at most 1
    return (e / e.sum(axis=dim, keepdims=True)).astype(dtype, copy=False)


def softmax2d(x):
    """Return softmax over the channels.

    Parameters
    ----------
    x : array, (batch, channels, height, width) or (channels, height, width)

    Returns
    -------
    array, shaped as x

    Raises
    ------
    ValueError
        x has neither 3 nor 4 axes.

    See Also
    --------
    torch.nn.Softmax2d
    """
    (x,), dtype = as_floats(x)
    check_softmax2d(x.shape)
    return softmax(x, -3).astype(dtype, copy=False)


def softmin(x, dim):
    """Return softmax(-x, dim).

    Parameters
    ----------
    x : array
    dim : int or None
        As for softmax.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        There is no such axis.

    See Also
    --------
    torch.nn.Softmin
    """
    (x,), dtype = as_floats(x)
    return softmax(-x, dim).astype(dtype, copy=False)


def log_softmax(x, dim):
    """Return log(softmax(x, dim)), also where softmax(x, dim) is 0.

    Parameters
    ----------
    x : array
    dim : int or None
        As for softmax.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        There is no such axis.

    See Also
    --------
    torch.nn.LogSoftmax
    """
    (x,), dtype = as_floats(x)
    dim = check_dim(x.shape, dim)
    return log_shares(x, dim).astype(dtype, copy=False)


def log_shares(v, dim):
    """Return the logarithm of the share of each exp(v) in their sum along axis dim."""
    largest = v.max(axis=dim, keepdims=True) if v.size else 0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        v = v - largest  # at most 0
        # The sum but for the 1 of the largest number: 1 + 1e-20 would be 1, its logarithm 0.
        others = np.where(v == 0, 0, np.exp(v)).sum(axis=dim, keepdims=True)
        others += np.sum(v == 0, axis=dim, keepdims=True, dtype=v.dtype) - 1
        return v - np.log1p(others)


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


def check_hardtanh(min_val, max_val):
    """Raise unless min_val is at most max_val."""
    if min_val > max_val:
        raise ValueError(f"min_val is {min_val}, max_val {max_val}: were they swapped?")


def check_softshrink(lambd):
    """Raise unless lambd is 0 or more."""
    if lambd < 0:
        raise ValueError(f"lambd is {lambd}, expected 0 or more: is its sign right?")


def check_gelu(approximate):
    """Raise unless approximate is one of PyTorch's two words."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f'approximate is {approximate!r}, expected "none" or "tanh"')


def check_celu(alpha):
    """Raise if alpha is 0."""
    if alpha == 0:
        raise ValueError("alpha is 0, expected another number: x is divided by it")


def check_dim(shape, dim):
    """Return the axis to work along, or say that there is none."""
    if dim is None:
        return 0 if len(shape) in (0, 1, 3) else 1
    n = max(len(shape), 1)  # PyTorch takes a single number for one along axis 0
    if not -n <= dim < n:
        raise ValueError(f"x has shape {shape}, without an axis {dim}: is a batch axis missing?")
    return dim


def check_glu(shape, dim):
    """Raise with the likely slip unless the axis has two halves."""
    check_dim(shape, dim)
    if not shape:
        raise ValueError("x is a single number, expected an axis with two halves")
    if shape[dim] % 2:
        raise ValueError(f"x has shape {shape}, its axis {dim} an odd size: is dim another axis?")


def check_softmax2d(shape):
    """Raise unless there are channels of images."""
    if len(shape) not in (3, 4):
        raise ValueError(f"x has shape {shape}, expected 3 or 4 axes: use softmax(x, dim)")


def keeping(x, kinds):
    """Return x and the dtype of the result: its own if it is of these kinds, else floats."""
    x = np.asarray(x)
    if x.dtype.kind in kinds:
        return x, x.dtype.newbyteorder("=")
    (x,), dtype = as_floats(x)
    return x, dtype


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
