"""The table: each tensor operation of PyTorch, by its overload, as a line of NumPy.

A row is ``"aten.name.overload": (how it is spelled in PyTorch, how in NumPy)``. A test runs the
spelling, with the names of tests/port/examples.py, and compares. The NumPy side is the text of a
lambda whose arguments have the names and the defaults of the operation's schema; ``*size`` writes
the parts of a list as arguments of their own. Where the line depends on the shapes, a function of
the call returns that text.

Results get the dtype that PyTorch's have: ``write.py`` adds ``.astype`` where NumPy's differ.
"""

import math
from dataclasses import dataclass

from .graph import PortError, Ref


@dataclass(frozen=True)
class Call:
    """One call of an operation: what a row that is a function sees of it.

    Parameters
    ----------
    args : dict
        As in a Node.
    known : dict of str to Array
        What is known of the values it refers to.
    out : Array or None
        What is known of its (first) result.
    keys : dict of str to str
        The names in ``state_dict()`` of the values that are stored.
    """

    args: dict
    known: dict
    out: object
    keys: dict

    def get(self, name, default=None):
        """Return an argument, or its default."""
        return self.args.get(name, default)

    def of(self, name):
        """Return the Array of an argument that is a tensor."""
        return self.known[self.args[name].name]

    def ndim(self, name):
        """Return the number of axes of an argument."""
        return len(self.of(name).shape)

    def axis(self, name="dim", default=0, of="self"):
        """Return an axis, counted from the front."""
        return self.get(name, default) % max(1, self.ndim(of))


def unary(*names, of="x"):
    """Return the rows of functions that have one name in both libraries."""
    return {f"aten.{n}.default": (f"torch.{n}({of})", f"self: np.{n}(self)") for n in names}


def both(operation, spelling, numpy, kinds=("Tensor", "Scalar")):
    """Return the rows of an operation whose second operand, {}, is a tensor or a number."""
    other = {"Tensor": "y", "Scalar": "0.5"}
    return {f"aten.{operation}.{kind}": (spelling.format(other[kind]), numpy) for kind in kinds}


def scaled(sign):
    """Return the row of x + alpha * y or x - alpha * y."""

    def row(call):
        alpha = call.get("alpha", 1)
        return f"self, other, alpha=1: self {sign} other" + (" * alpha" if alpha != 1 else "")

    return row


def divided(call):
    """Return the quotient, its floor, or what is left of it towards 0."""
    texts = {None: "self / other", "floor": "self // other", "trunc": "np.trunc(self / other)"}
    return f"self, other, rounding_mode=None: {texts[call.get('rounding_mode')]}"


def index(axis, ndim, text):
    """Return the index that takes ``text`` of one axis, from whichever end is nearer."""
    if axis <= ndim - 1 - axis or axis < 2:
        return ":, " * axis + text
    return "..., " + text + ", :" * (ndim - 1 - axis)


def selected(call):
    """Return x[:, index]."""
    return f"self, dim, index: self[{index(call.axis(), call.ndim('self'), 'index')}]"


def sliced(call):
    """Return x[:, start:end:step]."""
    start, end, step = call.get("start"), call.get("end"), call.get("step", 1)
    text = "" if start in (None, 0) else "start"
    text += ":" if end is None or (isinstance(end, int) and end >= 2**62) else ":end"
    text += "" if step == 1 else ":step"
    head = "self, dim=0, start=None, end=None, step=1: "
    if text == ":":
        return head + "self"
    return head + f"self[{index(call.axis(), call.ndim('self'), text)}]"


def expanded(call):
    """Return np.broadcast_to, with the sizes of x where -1 stands for them."""
    have, want = call.of("self").shape, call.get("size")
    lead = len(want) - len(have)
    sizes = [f"size[{i}]" for i in range(len(want))]
    for i, n in enumerate(want):
        if n == -1:
            sizes[i] = (
                f"self.shape[{i - lead}]"
                if isinstance(have[i - lead], str)
                else (str(have[i - lead]))
            )
    return f"self, size: np.broadcast_to(self, ({', '.join(sizes)},))"


def indexed(call):
    """Return x[:, i, j], arrays of integers or bools as indices."""
    given = call.get("indices")
    parts = [":" if one is None else f"indices[{i}]" for i, one in enumerate(given)]
    return f"self, indices: self[{', '.join(parts)}]"


def fixed(sizes):
    """Return sizes, or say that one of them is that of an axis of any size."""
    if any(isinstance(n, str | Ref) for n in sizes):
        raise PortError("this needs a fixed size: leave its axis out of dynamic")
    return sizes


def split(call):
    """Return the parts of a size, the last one perhaps smaller."""
    size, n = fixed([call.get("split_size"), call.of("self").shape[call.axis()]])
    cuts = list(range(size, n, size))
    return f"self, split_size, dim=0: np.split(self, {cuts}, axis={call.axis()})"


def split_sizes(call):
    """Return the parts of given sizes."""
    sizes = fixed(call.get("split_sizes"))
    cuts = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return f"self, split_sizes, dim=0: np.split(self, {cuts}, axis={call.axis()})"


def unbound(call):
    """Return the parts of size 1 of an axis, without it."""
    axis = call.axis()
    parts = "self" if axis == 0 else f"np.moveaxis(self, {axis}, 0)"
    return f"self, dim=0: list({parts})"


def reduced(name):
    """Return the row of a sum, mean, ... over axes; none given, or an empty list, is all."""

    def row(call):
        dim = call.get("dim")
        axis = ", axis=dim" if dim not in (None, []) else ""
        head = f"self, dim=None, keepdim=False, dtype=None: np.{name}"
        return f"{head}(self{axis}, keepdims=keepdim)"

    return row


def mean(call):
    """Return the mean, of float16 in float16 as in PyTorch."""
    return reduced("mean")(call)


def spread(name, is_root):
    """Return the row of the variance or the standard deviation."""

    def row(call):
        dim = call.get("dim")
        axis = ", axis=dim" if dim not in (None, []) else ""
        ddof = call.get("correction", 1 if call.get("unbiased", True) else 0)
        ddof = 1 if ddof is None else ddof
        head = "self, dim=None, unbiased=True, correction=1, keepdim=False: "
        return head + f"np.{name}(self{axis}, ddof={ddof}, keepdims=keepdim)"

    return row


def norm(call):
    """Return the p-norm over axes."""
    dim, order = call.get("dim"), call.get("ord", call.get("p", 2))
    axis = ", axis=dim" if dim not in (None, []) else ""
    total = f"np.sum(np.abs(self) ** {order!r}{axis}, keepdims=keepdim) ** {1 / order!r}"
    if order == 2:
        total = f"np.sqrt(np.sum(self * self{axis}, keepdims=keepdim))"
    if order == math.inf:
        total = f"np.max(np.abs(self){axis}, keepdims=keepdim)"
    return f"self, p=2, ord=2, dim=None, keepdim=False, dtype=None: {total}"


def found(name, arg):
    """Return the row of the largest or the smallest along an axis, and where it is."""
    return (
        f"self, dim, keepdim=False: (np.{name}(self, axis=dim, keepdims=keepdim), "
        f"np.{arg}(self, axis=dim, keepdims=keepdim))"
    )


def matmul(call):
    """Return a matrix product."""
    return "self, other: self @ other"


def filled(call):
    """Return x where mask is False, value elsewhere."""
    return "self, mask, value: np.where(mask, value, self)"


def padded(call):
    """Return x with entries added around its last axes."""
    return "self, pad, mode='constant', value=None: pad(self, pad, mode=mode, value=value)"


def clamped(call):
    """Return x within bounds, of which one may be None."""
    low, high = call.get("min"), call.get("max")
    text = "np.clip(self, min, max)"
    if low is None or high is None:
        text = "np.maximum(self, min)" if high is None else "np.minimum(self, max)"
    return f"self, min=None, max=None: {text}"


def recurrent(kind, **more):
    """Return the row of an LSTM, a GRU or an RNN: its weights by the names of ``state_dict()``."""

    def row(call):
        names = [v.name for v in call.get("params")]
        layers, sides = call.get("num_layers"), 2 if call.get("bidirectional") else 1
        parts = ["weight_ih", "weight_hh"] + ["bias_ih", "bias_hh"] * call.get("has_biases")
        parts += ["weight_hr"] * (len(names) != layers * sides * len(parts))
        wanted = [
            f"{part}_l{k}{side}"
            for k in range(layers)
            for side in ["", "_reverse"][:sides]
            for part in parts
        ]
        prefixes = {call.keys[n].removesuffix(w) for n, w in zip(names, wanted, strict=True)}
        if len(prefixes) == 1:
            path = prefixes.pop()[:-1]
            weights = f"under(w, {path!r})" if path else "w"
        else:
            pairs = (f"{w!r}: params[{i}]" for i, w in enumerate(wanted))
            weights = f"{{{', '.join(pairs)}}}"
        state = "(hx[0], hx[1])" if kind == "lstm" else "hx"
        text = f"{kind}(input, {weights}, {state}, batch_first=batch_first"
        text += "".join(f", {key}={value!r}" for key, value in more.items()) + ")"
        if kind == "lstm":
            text = f"flat_state({text})"
        head = "input, hx, params, has_biases, num_layers, dropout, train, bidirectional"
        return f"{head}, batch_first: {text}"

    return row


def cell(kind, **more):
    """Return the row of one step of a recurrent layer."""
    short = "'weight_ih': w_ih, 'weight_hh': w_hh"
    said = f"{short}, 'bias_ih': b_ih, 'bias_hh': b_hh"
    options = "".join(f", {key}={value!r}" for key, value in more.items())

    def row(call):
        weights = said if call.get("b_ih") is not None else short
        state = "(hx[0], hx[1])" if kind == "lstm_cell" else "hx"
        head = "input, hx, w_ih, w_hh, b_ih=None, b_hh=None"
        return f"{head}: {kind}(input, {{{weights}}}, {state}{options})"

    return row


def attended(call):
    """Return scaled dot product attention, its scale only where it is another than usual."""
    head = "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None"
    scale, size = call.get("scale"), call.of("query").shape[-1]
    usual = scale is None or (isinstance(size, int) and math.isclose(scale, size**-0.5))
    more = "" if usual else ", scale=scale"
    return (
        f"{head}, enable_gqa=False: scaled_dot_product_attention(query, key, value, "
        f"attn_mask=attn_mask, is_causal=is_causal{more}, enable_gqa=enable_gqa)"
    )


def made(name):
    """Return the row of an array of one number."""

    def row(call):
        shape = "size" if "size" in call.args else "self.shape"
        return (
            "self=None, size=None, dtype=None, fill_value=None: "
            f"np.{name}({shape}{', fill_value' if name == 'full' else ''}, dtype={dtype_of(call)})"
        )

    return row


def ranged(call):
    """Return the numbers from start to end."""
    head = "start=0, end=None, step=1, dtype=None: np.arange"
    parts = "end" if call.get("start", 0) == 0 else "start, end"
    if call.get("step", 1) != 1:
        parts = "start, end, step"
    return f"{head}({parts}, dtype={dtype_of(call)})"


def cast(call):
    """Return x in another dtype."""
    return f"self, dtype=None, other=None: self.astype({dtype_of(call)})"


def dtype_of(call):
    """Return the text of the result's dtype."""
    return numpy_dtype(call.out.dtype)


def numpy_dtype(name):
    """Return the text of a dtype of PyTorch; bfloat16 is computed in float32."""
    name = {"bfloat16": "float32", "bool": "bool"}.get(name, name)
    return name if name == "bool" else f"np.{name}"


def product(call):
    """Return beta * self + alpha * (a @ b)."""
    a, b = ("mat1", "mat2") if "mat1" in call.args else ("batch1", "batch2")
    alpha, beta = call.get("alpha", 1), call.get("beta", 1)
    first = "" if beta == 0 else "self + " if beta == 1 else "beta * self + "
    return f"self, {a}, {b}, beta=1, alpha=1: {first}" + (
        f"{a} @ {b}" if alpha == 1 else f"alpha * ({a} @ {b})"
    )


def interpolated(mode):
    """Return the row of F.interpolate: the size is that of the result."""

    def row(call):
        size = tuple(fixed(call.out.shape[2:]))
        corners = ", align_corners=True" if call.get("align_corners") else ""
        factors = call.get("scale_factors")
        old = call.of("input").shape[2:]
        how = f"size={size}"
        if (
            factors
            and not corners
            and [n * f for n, f in zip(old, factors, strict=True)] != list(size)
        ):
            how = f"scale_factor={tuple(factors)}"
        head = ", ".join(call.args)
        return f"{head}: interpolate(input, {how}, mode={mode!r}{corners})"

    return row


def weight_normed(call):
    """Return g * v / |v|, the norm over all axes but one."""
    axes = tuple(i for i in range(call.ndim("v")) if i != call.axis(of="v"))
    return f"v, g, dim=0: v * (g / np.sqrt((v * v).sum(axis={axes}, keepdims=True)))"


def scattered(call):
    """Return a copy of self with src in the place of one index of an axis."""
    at = index(call.axis(), call.ndim("self"), "index")
    return f"self, src, dim, index: put(self, np.s_[{at}], src)"


def slice_scattered(call):
    """Return a copy of self with src in the place of a slice of an axis."""
    at = sliced(call).partition(": ")[2].removeprefix("self")[1:-1] or ":"
    return f"self, src, dim=0, start=None, end=None, step=1: put(self, np.s_[{at}], src)"


def put_at(call):
    """Return a copy of self with values at indices."""
    given = call.get("indices")
    parts = [":" if one is None else f"indices[{i}]" for i, one in enumerate(given)]
    name = "put_add" if call.get("accumulate") else "put"
    return (
        f"self, indices, values, accumulate=False: {name}(self, np.s_[{', '.join(parts)}], values)"
    )


def squeezed(call):
    """Return x without axes of size 1."""
    dims = call.get("dim", list(range(call.ndim("self"))))
    dims = dims if isinstance(dims, list) else [dims]
    ones = tuple(d for d in dims if call.of("self").shape[d] == 1)
    ones = ones[0] if len(ones) == 1 else ones
    return f"self, dim=None: {f'self.squeeze({ones})' if ones != () else 'self'}"


def repeated(call):
    """Return np.tile."""
    return "self, repeats: np.tile(self, repeats)"


def instance_normed(call):
    """Return instance norm, which takes the statistics of x unless told otherwise."""
    stats = "None, None" if call.get("use_input_stats") else "running_mean, running_var"
    return (
        "input, weight=None, bias=None, running_mean=None, running_var=None, "
        "use_input_stats=True, momentum=0.1, eps=1e-5, cudnn_enabled=True: "
        f"instance_norm(input, {stats}, weight=weight, bias=bias, eps=eps)"
    )


def conv(n, option="stride=2"):
    """Return the row of a convolution."""
    return (
        f"F.conv{n}d({PLACES[n]}, kernel{n}, bias, {option})",
        "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1: "
        f"conv{n}d(input, weight, bias=bias, stride=stride, padding=padding, dilation=dilation, "
        "groups=groups)",
    )


def conv_transpose(n):
    """Return the row of a transposed convolution."""
    return (
        f"F.conv_transpose{n}d({PLACES[n]}, back{n}, bias, stride=2)",
        "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1: "
        f"conv_transpose{n}d(input, weight, bias=bias, stride=stride, padding=padding, "
        "output_padding=output_padding, groups=groups, dilation=dilation)",
    )


def max_pool(n, more=""):
    """Return the row of a maximum over windows; an empty stride is that of the windows."""

    def row(call):
        stride = ", stride=stride" if call.get("stride") not in (None, []) else ""
        if call.get("stride") == call.get("kernel_size"):
            stride = ""
        return (
            "self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False: "
            f"max_pool{n}d(self, kernel_size{stride}, padding=padding, dilation=dilation, "
            f"ceil_mode=ceil_mode{more})"
        )

    return row


def avg_pool(n):
    """Return the row of a mean over windows."""

    def row(call):
        stride = ", stride=stride" if call.get("stride") not in (None, []) else ""
        if call.get("stride") == call.get("kernel_size"):
            stride = ""
        divisor = ", divisor_override=divisor_override" if n > 1 else ""
        return (
            "self, kernel_size, stride=None, padding=0, ceil_mode=False, "
            "count_include_pad=True, divisor_override=None: "
            f"avg_pool{n}d(self, kernel_size{stride}, padding=padding, ceil_mode=ceil_mode, "
            f"count_include_pad=count_include_pad{divisor})"
        )

    return row


def activation(name, more="", aten=None, spelling=None):
    """Return the row of an activation."""
    pairs = [pair.strip().partition("=") for pair in more.split(",") if pair]
    head = ", ".join(["self"] + [f"{key}={value}" for key, _, value in pairs])
    passed = "".join(f", {key}={key}" for key, _, _ in pairs)
    row = spelling or f"F.{name}(x)", f"{head}: {name}(self{passed})"
    return {f"aten.{aten or name}.default": row}


PLACES = {1: "line", 2: "image", 3: "volume"}
NEW = {
    "zeros": "torch.zeros(2, 3)",
    "ones": "torch.ones(2, 3)",
    "full": "torch.full((2, 3), 0.5)",
    "new_zeros": "x.new_zeros(2, 3)",
    "new_ones": "x.new_ones(2, 3)",
    "new_full": "x.new_full((2, 3), 0.5)",
    "zeros_like": "torch.zeros_like(x)",
    "ones_like": "torch.ones_like(x)",
    "full_like": "torch.full_like(x, 0.5)",
}

TABLE = {
    # ---- numbers ----
    **unary("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs", "floor", "ceil", "trunc"),
    **unary("sign", "expm1", "square", "isnan", "isinf", "isfinite", "exp2", "deg2rad", "rad2deg"),
    **unary("log", "sqrt", "log2", "log10", "log1p", of="p"),
    **unary("logical_not", of="mask"),
    "aten.neg.default": ("-x", "self: -self"),
    "aten.round.default": ("torch.round(x)", "self: np.round(self)"),
    "aten.bitwise_not.default": ("~mask", "self: ~self"),
    "aten.reciprocal.default": ("1 / x", "self: 1 / self"),
    "aten.rsqrt.default": ("torch.rsqrt(p)", "self: 1 / np.sqrt(self)"),
    "aten.acos.default": ("torch.acos(t)", "self: np.arccos(self)"),
    "aten.asin.default": ("torch.asin(t)", "self: np.arcsin(self)"),
    "aten.atan.default": ("torch.atan(x)", "self: np.arctan(self)"),
    "aten.atan2.default": ("torch.atan2(x, y)", "self, other: np.arctan2(self, other)"),
    "aten.add.Tensor": ("x + y", scaled("+")),
    "aten.sub.Tensor": ("x - y", scaled("-")),
    "aten.rsub.Tensor": ("torch.rsub(x, y)", "self, other, alpha=1: other - self"),
    "aten.rsub.Scalar": ("2 - x", "self, other, alpha=1: other - self"),
    "aten.mul.Tensor": ("x * y", "self, other: self * other"),
    "aten.div.Tensor": ("x / y", "self, other: self / other"),
    "aten.div.Tensor_mode": ("torch.div(x, y, rounding_mode='trunc')", divided),
    "aten.floor_divide.default": ("x // y", "self, other: self // other"),
    **both("remainder", "x % {}", "self, other: self % other"),
    **both("fmod", "torch.fmod(x, {})", "self, other: np.fmod(self, other)"),
    "aten.pow.Tensor_Tensor": ("p ** y", "self, exponent: self ** exponent"),
    "aten.pow.Tensor_Scalar": ("x ** 2", "self, exponent: self ** exponent"),
    "aten.pow.Scalar": ("2 ** x", "self, exponent: self ** exponent"),
    **both("eq", "x == {}", "self, other: self == other"),
    **both("ne", "x != {}", "self, other: self != other"),
    **both("lt", "x < {}", "self, other: self < other"),
    **both("le", "x <= {}", "self, other: self <= other"),
    **both("gt", "x > {}", "self, other: self > other"),
    **both("ge", "x >= {}", "self, other: self >= other"),
    "aten.bitwise_and.Tensor": ("torch.bitwise_and(n, m)", "self, other: self & other"),
    "aten.bitwise_or.Tensor": ("torch.bitwise_or(n, m)", "self, other: self | other"),
    "aten.bitwise_xor.Tensor": ("torch.bitwise_xor(n, m)", "self, other: self ^ other"),
    "aten.__and__.Tensor": ("mask & other_mask", "self, other: self & other"),
    "aten.__or__.Tensor": ("mask | other_mask", "self, other: self | other"),
    "aten.__xor__.Tensor": ("mask ^ other_mask", "self, other: self ^ other"),
    "aten.logical_and.default": (
        "torch.logical_and(mask, other_mask)",
        "self, other: np.logical_and(self, other)",
    ),
    "aten.logical_or.default": (
        "torch.logical_or(mask, other_mask)",
        "self, other: np.logical_or(self, other)",
    ),
    "aten.maximum.default": ("torch.maximum(x, y)", "self, other: np.maximum(self, other)"),
    "aten.minimum.default": ("torch.minimum(x, y)", "self, other: np.minimum(self, other)"),
    "aten.clamp.default": ("x.clamp(0, 1)", clamped),
    "aten.clamp.Tensor": ("x.clamp(-t, t)", clamped),
    "aten.clamp_min.default": ("torch.clamp_min(x, 0)", "self, min: np.maximum(self, min)"),
    "aten.clamp_max.default": ("torch.clamp_max(x, 1)", "self, max: np.minimum(self, max)"),
    "aten.where.self": (
        "torch.where(mask, x, y)",
        "condition, self, other: np.where(condition, self, other)",
    ),
    "aten.where.ScalarOther": (
        "torch.where(mask, x, 0)",
        "condition, self, other: np.where(condition, self, other)",
    ),
    "aten.where.ScalarSelf": (
        "torch.where(mask, 0, x)",
        "condition, self, other: np.where(condition, self, other)",
    ),
    "aten.masked_fill.Scalar": ("x.masked_fill(mask, 0)", filled),
    "aten.masked_fill.Tensor": ("x.masked_fill(mask, u[0])", filled),
    "aten.lerp.Scalar": (
        "torch.lerp(x, y, 0.3)",
        "self, end, weight: self + weight * (end - self)",
    ),
    "aten.lerp.Tensor": ("torch.lerp(x, y, t)", "self, end, weight: self + weight * (end - self)"),
    "aten.addcmul.default": (
        "torch.addcmul(x, y, t, value=0.5)",
        "self, tensor1, tensor2, value=1: self + value * tensor1 * tensor2",
    ),
    # ---- products ----
    "aten.matmul.default": ("many @ other", matmul),
    "aten.mm.default": ("torch.mm(a, b)", "self, mat2: self @ mat2"),
    "aten.bmm.default": ("torch.bmm(many, other)", "self, mat2: self @ mat2"),
    "aten.mv.default": ("torch.mv(a, v)", "self, vec: self @ vec"),
    "aten.dot.default": ("torch.dot(u, v)", "self, tensor: self @ tensor"),
    "aten.addmm.default": ("torch.addmm(c, a, b)", product),
    "aten.baddbmm.default": ("torch.baddbmm(sums, many, other, beta=0.5, alpha=2)", product),
    "aten.einsum.default": (
        "torch.einsum('bij,bjk->bik', many, other)",
        "equation, tensors, path=None: np.einsum(equation, *tensors)",
    ),
    "aten.outer.default": ("torch.outer(u, v)", "self, vec2: np.outer(self, vec2)"),
    # ---- along axes ----
    "aten.sum.default": ("x.sum()", reduced("sum")),
    "aten.sum.dim_IntList": ("x.sum(1)", reduced("sum")),
    "aten.mean.default": ("x.mean()", mean),
    "aten.mean.dim": ("x.mean(1)", mean),
    "aten.prod.default": ("x.prod()", reduced("prod")),
    "aten.prod.dim_int": ("x.prod(1)", reduced("prod")),
    "aten.amax.default": ("x.amax(1)", reduced("max")),
    "aten.amin.default": ("x.amin(1)", reduced("min")),
    "aten.max.default": ("x.max()", "self: np.max(self)"),
    "aten.min.default": ("x.min()", "self: np.min(self)"),
    "aten.max.other": ("torch.max(x, y)", "self, other: np.maximum(self, other)"),
    "aten.min.other": ("torch.min(x, y)", "self, other: np.minimum(self, other)"),
    "aten.max.dim": ("x.max(1)", found("max", "argmax")),
    "aten.min.dim": ("x.min(1)", found("min", "argmin")),
    "aten.argmax.default": ("x.argmax(1)", reduced("argmax")),
    "aten.argmin.default": ("x.argmin(1)", reduced("argmin")),
    "aten.any.default": ("x.any()", reduced("any")),
    "aten.any.dim": ("x.any(1)", reduced("any")),
    "aten.any.dims": ("x.any((0, 1))", reduced("any")),
    "aten.all.default": ("x.all()", reduced("all")),
    "aten.all.dim": ("x.all(1)", reduced("all")),
    "aten.logsumexp.default": (
        "x.logsumexp(1)",
        "self, dim, keepdim=False: np.log(np.sum(np.exp(self), axis=dim, keepdims=keepdim))",
    ),
    "aten.var.correction": ("x.var(1, correction=0)", spread("var", False)),
    "aten.var.dim": ("x.var(1)", spread("var", False)),
    "aten.std.correction": ("x.std((0, 1), correction=2)", spread("std", True)),
    "aten.std.dim": ("x.std(1)", spread("std", True)),
    "aten.linalg_vector_norm.default": ("torch.linalg.vector_norm(x, dim=1)", norm),
    "aten.cumsum.default": ("x.cumsum(1)", "self, dim, dtype=None: np.cumsum(self, axis=dim)"),
    "aten.cumprod.default": ("x.cumprod(1)", "self, dim, dtype=None: np.cumprod(self, axis=dim)"),
    "aten.diff.default": (
        "x.diff(dim=1)",
        "self, n=1, dim=-1, prepend=None, append=None: "
        "np.diff(self, n, axis=dim, prepend=prepend, append=append)",
    ),
    "aten.flip.default": ("x.flip(1)", "self, dims: np.flip(self, axis=tuple(dims))"),
    "aten.roll.default": (
        "x.roll(2, 1)",
        "self, shifts, dims: np.roll(self, tuple(shifts), axis=tuple(dims))",
    ),
    "aten.gather.default": (
        "torch.gather(x, 1, ids)",
        "self, dim, index, sparse_grad=False: np.take_along_axis(self, index, axis=dim)",
    ),
    "aten.index_select.default": (
        "x.index_select(1, i)",
        "self, dim, index: np.take(self, index, axis=dim)",
    ),
    "aten.topk.default": (
        "x.topk(3)",
        "self, k, dim=-1, largest=True, sorted=True: topk(self, k, dim, largest)",
    ),
    "aten.sort.default": (
        "x.sort(1)",
        "self, dim=-1, descending=False: sort(self, dim, descending)",
    ),
    "aten.argsort.default": (
        "x.argsort(1)",
        "self, dim=-1, descending=False: sort(self, dim, descending)[1]",
    ),
    "aten.tril.default": ("x.tril()", "self, diagonal=0: np.tril(self, diagonal)"),
    "aten.triu.default": ("x.triu()", "self, diagonal=0: np.triu(self, diagonal)"),
    # ---- shapes ----
    "aten.view.default": ("x.view(2, -1)", "self, size: self.reshape(*size)"),
    "aten._unsafe_view.default": (
        "torch.ops.aten._unsafe_view(x, [6, 4])",
        "self, size: self.reshape(*size)",
    ),
    "aten.permute.default": ("x.permute(0, 2, 1)", "self, dims: self.transpose(*dims)"),
    "aten.transpose.int": ("x.transpose(1, 2)", "self, dim0, dim1: self.swapaxes(dim0, dim1)"),
    "aten.t.default": ("a.t()", "self: self.T"),
    "aten.unsqueeze.default": ("x.unsqueeze(1)", "self, dim: np.expand_dims(self, dim)"),
    "aten.squeeze.default": ("x[:, :1].squeeze()", squeezed),
    "aten.squeeze.dim": ("x[:, :1].squeeze(1)", squeezed),
    "aten.squeeze.dims": ("x[:1, :1].squeeze((0, 1))", squeezed),
    "aten.select.int": ("x[:, 0]", selected),
    "aten.slice.Tensor": ("x[:, 1:3]", sliced),
    "aten.index.Tensor": ("x[:, i]", indexed),
    "aten.expand.default": ("x[:, :1].expand(5, -1, 3, -1)", expanded),
    "aten.repeat.default": ("x.repeat(2, 1, 3)", repeated),
    "aten.repeat_interleave.self_int": (
        "x.repeat_interleave(2, 1)",
        "self, repeats, dim=None, output_size=None: np.repeat(self, repeats, axis=dim)",
    ),
    "aten.cat.default": (
        "torch.cat([x, y], 1)",
        "tensors, dim=0: np.concatenate(tensors, axis=dim)",
    ),
    "aten.stack.default": ("torch.stack([x, y], 1)", "tensors, dim=0: np.stack(tensors, axis=dim)"),
    "aten.split.Tensor": ("x.split(3, 2)", split),
    "aten.split_with_sizes.default": ("x.split([1, 2], 1)", split_sizes),
    "aten.unbind.int": ("x.unbind(1)", unbound),
    "aten.constant_pad_nd.default": (
        "torch.constant_pad_nd(x, (1, 1))",
        "self, pad, value=0: pad(self, pad, value=value)",
    ),
    "aten.pad.default": ("F.pad(x, (1, 2), 'reflect')", padded),
    "aten.select_scatter.default": ("x.select_scatter(y[:, 0], 1, 2)", scattered),
    "aten.slice_scatter.default": ("x.slice_scatter(y[:, :2], 1, 1, 3)", slice_scattered),
    "aten.index_put.default": ("x.index_put((i % 2, i), u)", put_at),
    "aten.fill.Scalar": ("torch.fill(x, 2)", "self, value: np.full(self.shape, value)"),
    "aten.fill.Tensor": ("torch.fill(x, u[0])", "self, value: np.full(self.shape, value)"),
    "aten.copy.default": (
        "torch.ops.aten.copy(x, y)",
        "self, src, non_blocking=False: np.broadcast_to(src, self.shape)",
    ),
    # ---- new arrays ----
    **{
        f"aten.{name}.default": (spelling, made(name.split("_")[name.startswith("new_")]))
        for name, spelling in NEW.items()
    },
    "aten.empty.memory_format": ("torch.empty(2, 3) * 0", made("zeros")),
    "aten.arange.default": ("torch.arange(5)", ranged),
    "aten.arange.start": ("torch.arange(2, 5)", ranged),
    "aten.arange.start_step": ("torch.arange(2, 9, 3)", ranged),
    "aten.linspace.default": (
        "torch.linspace(0, 1, 5)",
        "start, end, steps, dtype=None: np.linspace(start, end, steps)",
    ),
    "aten.scalar_tensor.default": ("torch.scalar_tensor(2)", "s, dtype=None: np.asarray(s)"),
    # ---- kinds ----
    "aten._to_copy.default": ("n.to(torch.float32)", cast),
    "aten.type_as.default": ("n.type_as(x)", cast),
    **{
        f"aten.{name}.default": (f"x.{name}()", "self, memory_format=None: self")
        for name in ("clone", "detach")
    },
    "aten.alias.default": ("torch.ops.aten.alias(x)", "self: self"),
    # ---- layers ----
    "aten.linear.default": (
        "F.linear(x, weight, bias)",
        "input, weight, bias=None: linear(input, weight, bias=bias)",
    ),
    "aten.bilinear.default": (
        "F.bilinear(x, y, both, bias)",
        "input1, input2, weight, bias=None: bilinear(input1, input2, weight, bias=bias)",
    ),
    "aten.embedding.default": (
        "F.embedding(ids, weight)",
        "weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False: "
        "embedding(indices, weight)",
    ),
    **{f"aten.conv{n}d.default": conv(n) for n in (1, 2, 3)},
    **{f"aten.conv{n}d.padding": conv(n, "padding='same'") for n in (1, 2, 3)},
    "aten.conv_transpose1d.default": conv_transpose(1),
    "aten.conv_transpose2d.input": conv_transpose(2),
    "aten.conv_transpose3d.input": conv_transpose(3),
    "aten._native_batch_norm_legit_no_training.default": (
        "F.batch_norm(image, mean, var, u, v)",
        "input, weight, bias, running_mean, running_var, momentum, eps: (batch_norm(input, "
        "running_mean, running_var, weight=weight, bias=bias, eps=eps), 0, 0)",
    ),
    "aten.instance_norm.default": ("F.instance_norm(image)", instance_normed),
    "aten.layer_norm.default": (
        "F.layer_norm(x, (4,), u, v)",
        "input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True: "
        "layer_norm(input, normalized_shape, weight=weight, bias=bias, eps=eps)",
    ),
    "aten.group_norm.default": (
        "F.group_norm(image, 2, u, v)",
        "input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True: "
        "group_norm(input, num_groups, weight=weight, bias=bias, eps=eps)",
    ),
    "aten.rms_norm.default": (
        "F.rms_norm(x, (4,), u)",
        "input, normalized_shape, weight=None, eps=None: "
        "rms_norm(input, normalized_shape, weight=weight, eps=eps)",
    ),
    "aten._weight_norm.default": ("torch._weight_norm(weight, g)", weight_normed),
    "aten.lstm.input": ("lstm(x)", recurrent("lstm")),
    "aten.gru.input": ("gru(x)", recurrent("gru")),
    "aten.rnn_tanh.input": ("rnn(x)", recurrent("rnn")),
    "aten.rnn_relu.input": (
        "relu_rnn(x)",
        recurrent("rnn", nonlinearity="relu"),
    ),
    "aten.lstm_cell.default": ("lstm_cell(a)", cell("lstm_cell")),
    "aten.gru_cell.default": ("gru_cell(a)", cell("gru_cell")),
    "aten.rnn_tanh_cell.default": ("rnn_cell(a)", cell("rnn_cell")),
    "aten.rnn_relu_cell.default": (
        "relu_cell(a)",
        cell("rnn_cell", nonlinearity="relu"),
    ),
    "aten.scaled_dot_product_attention.default": (
        "F.scaled_dot_product_attention(x, y, t)",
        attended,
    ),
    **activation("relu"),
    **activation("relu6"),
    **activation("sigmoid"),
    **activation("silu"),
    **activation("mish"),
    **activation("selu"),
    **activation("hardswish"),
    **activation("hardsigmoid"),
    **activation("gelu", "approximate='none'"),
    **activation("softplus", "beta=1, threshold=20"),
    **activation("leaky_relu", "negative_slope=0.01"),
    **activation("hardtanh", "min_val=-1.0, max_val=1.0"),
    **activation("threshold", "threshold=0, value=0", spelling="F.threshold(x, 0.1, 20)"),
    **activation("celu", "alpha=1.0"),
    **activation("glu", "dim=-1"),
    **activation("logsigmoid", aten="log_sigmoid"),
    "aten.elu.default": (
        "F.elu(x)",
        "self, alpha=1.0, scale=1, input_scale=1: elu(self, alpha=alpha)",
    ),
    "aten.prelu.default": ("F.prelu(x, u[:3])", "self, weight: prelu(self, weight)"),
    "aten.softmax.int": ("x.softmax(-1)", "self, dim, dtype=None: softmax(self, dim)"),
    "aten.log_softmax.int": ("x.log_softmax(-1)", "self, dim, dtype=None: log_softmax(self, dim)"),
    **{
        f"aten.max_pool{n}d.default": (f"F.max_pool{n}d({PLACES[n]}, 2)", max_pool(n))
        for n in (1, 2, 3)
    },
    "aten.max_pool2d_with_indices.default": (
        "F.max_pool2d(image, 2, return_indices=True)",
        max_pool(2, ", return_indices=True"),
    ),
    **{
        f"aten.avg_pool{n}d.default": (f"F.avg_pool{n}d({PLACES[n]}, 2)", avg_pool(n))
        for n in (1, 2, 3)
    },
    **{
        f"aten.adaptive_avg_pool{n}d.default": (
            f"F.adaptive_avg_pool{n}d({PLACES[n]}, 2)",
            f"self, output_size: adaptive_avg_pool{n}d(self, output_size)",
        )
        for n in (1, 2, 3)
    },
    "aten.pixel_shuffle.default": (
        "F.pixel_shuffle(image, 2)",
        "self, upscale_factor: pixel_shuffle(self, upscale_factor)",
    ),
    "aten.upsample_nearest2d.vec": (
        "F.interpolate(image, scale_factor=2)",
        interpolated("nearest"),
    ),
    "aten.upsample_bilinear2d.vec": (
        "F.interpolate(image, scale_factor=2, mode='bilinear')",
        interpolated("bilinear"),
    ),
}

# Sizes: what torch.export writes for a Python number that depends on a shape.
SIZES = {
    "aten.sym_size.int": "self, dim: self.shape[dim]",
    "operator.add": "a, b: a + b",
    "operator.sub": "a, b: a - b",
    "operator.mul": "a, b: a * b",
    "operator.floordiv": "a, b: a // b",
    "operator.mod": "a, b: a % b",
    "operator.neg": "a: -a",
    "operator.eq": "a, b: a == b",
    "operator.ne": "a, b: a != b",
    "operator.lt": "a, b: a < b",
    "operator.le": "a, b: a <= b",
    "operator.gt": "a, b: a > b",
    "operator.ge": "a, b: a >= b",
}

# What checks and makes nothing: the program checks its inputs itself.
NOTHING = {
    "aten._assert_tensor_metadata.default",
    "aten._assert_scalar.default",
    "aten._assert_async.msg",
    "aten.sym_constrain_range_for_size.default",
    "aten.sym_constrain_range.default",
}

RANDOM = {
    "rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "bernoulli",
    "multinomial", "normal", "normal_functional", "uniform", "randperm", "rrelu_with_noise",
}  # fmt: skip
DROPOUT = {"dropout", "feature_dropout", "alpha_dropout", "native_dropout", "feature_alpha_dropout"}


def row_of(node):
    """Return the text of a node's row, or the function that makes it; says why there is none."""
    name = node.target.split(".")[1] if "." in node.target else node.target
    if name in DROPOUT:
        if node.args.get("train", node.args.get("training")) and node.args.get("p"):
            raise PortError(
                f"{node.where()}: this dropout is live, so that each call returns something else; "
                "call model.eval(), and give F.dropout training=self.training"
            )
        return "input, p=0, train=False: input"
    if name in RANDOM:
        raise PortError(
            f"{node.where()}: this draws random numbers; draw them outside and pass them to forward"
        )
    if node.target in SIZES:
        return SIZES[node.target]
    if node.target in TABLE:
        return TABLE[node.target][1]
    raise PortError(
        f"{node.where()}: this operation has no row in snippets/port/operations.py; write it with "
        "operations that have one, or add a row"
    )
