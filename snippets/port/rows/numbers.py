"""Rows of what is computed number by number, of products and of dtypes."""

from .call import both, dtype_of, p_norm, unary


def scaled(sign, x="self", y="other"):
    """Return the row of x + alpha * y or x - alpha * y."""

    def row(call):
        alpha = call.get("alpha", 1)
        return f"self, other, alpha=1: {x} {sign} {y}" + (" * alpha" if alpha != 1 else "")

    return row


def divided(call):
    """Return the quotient, its floor, or what is left of it towards 0."""
    texts = {None: "self / other", "floor": "self // other", "trunc": "np.trunc(self / other)"}
    return f"self, other, rounding_mode=None: {texts[call.get('rounding_mode')]}"


def clamped(call):
    """Return x within bounds, of which one may be None."""
    low, high = call.get("min"), call.get("max")
    text = "np.clip(self, min, max)"
    if low is None or high is None:
        text = "np.maximum(self, min)" if high is None else "np.minimum(self, max)"
    return f"self, min=None, max=None: {text}"


def product(a, b, text="{a} @ {b}"):
    """Return the row of beta * self + alpha * (a @ b)."""
    text = text.format(a=a, b=b)

    def row(call):
        alpha, beta = call.get("alpha", 1), call.get("beta", 1)
        first = "" if beta == 0 else "self + " if beta == 1 else "beta * self + "
        return f"self, {a}, {b}, beta=1, alpha=1: {first}" + (
            text if alpha == 1 else f"alpha * ({text})"
        )

    return row


def combined(sign):
    """Return the row of self + value * tensor1 * tensor2, or of the quotient of the two."""

    def row(call):
        value = "value * " if call.get("value", 1) != 1 else ""
        return f"self, tensor1, tensor2, value=1: self + {value}tensor1 {sign} tensor2"

    return row


def power(call):
    """Return x to a power of one number. NumPy is slow at those but 2."""
    texts = {3: "self ** 2 * self", 4: "(self ** 2) ** 2", 0.5: "np.sqrt(self)"}
    texts[-0.5] = "1 / np.sqrt(self)"
    return f"self, exponent: {texts.get(call.get('exponent'), 'self ** exponent')}"


def sought(boundaries, x):
    """Return the row of where numbers belong between boundaries."""

    def row(call):
        is_right = call.get("side") == "right" or call.get("right")
        side = ", side='right'" if is_right else ""
        head = f"{boundaries}, {x}, out_int32=False, right=False, side=None"
        return f"{head}: np.searchsorted({boundaries}, {x}{side})"

    return row


def logit(call):
    """Return log(x / (1 - x)), of x between eps and 1 - eps if eps is given."""
    x = "self" if call.get("eps") is None else "np.clip(self, eps, 1 - eps)"
    return f"self, eps=None: np.log({x} / (1 - {x}))"


def nan_to_num(call):
    """Return x without NaN and infinity."""
    given = [name for name in ("posinf", "neginf") if call.get(name) is not None]
    more = "".join(f", {name}={name}" for name in given)
    first = f"nan={call.get('nan') or 0.0}"
    return f"self, nan=None, posinf=None, neginf=None: np.nan_to_num(self, {first}{more})"


def distances(call):
    """Return the distances of all pairs of rows."""
    gaps = "np.abs(x1[..., :, None, :] - x2[..., None, :, :])"
    return f"x1, x2, p=2, compute_mode=None: {p_norm(gaps, call.get('p', 2), ', axis=-1')}"


def cast(call):
    """Return x in another dtype."""
    return f"self, dtype=None, other=None: self.astype({dtype_of(call)})"


# What torch.greater and its kin are called beside torch.gt, and their signs
COMPARED = {"greater": ">", "less": "<", "greater_equal": ">=", "less_equal": "<="}
COMPARED |= {"not_equal": "!="}

NUMBERS = {
    # ---- numbers ----
    **unary("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs", "floor", "ceil", "trunc"),
    **unary("sign", "expm1", "square", "isnan", "isinf", "isfinite", "exp2", "deg2rad", "rad2deg"),
    **unary("signbit", "sinc"),
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
    "aten.rsub.Tensor": ("torch.rsub(x, y)", scaled("-", "other", "self")),
    "aten.rsub.Scalar": ("2 - x", scaled("-", "other", "self")),
    "aten.mul.Tensor": ("x * y", "self, other: self * other"),
    "aten.div.Tensor": ("x / y", "self, other: self / other"),
    "aten.div.Tensor_mode": ("torch.div(x, y, rounding_mode='trunc')", divided),
    "aten.floor_divide.default": ("x // y", "self, other: self // other"),
    **both("remainder", "x % {}", "self, other: self % other"),
    **both("fmod", "torch.fmod(x, {})", "self, other: np.fmod(self, other)"),
    "aten.pow.Tensor_Tensor": ("p ** y", "self, exponent: self ** exponent"),
    "aten.pow.Tensor_Scalar": ("x ** 2", power),
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
    "aten.masked_fill.Scalar": (
        "x.masked_fill(mask, 0)",
        "self, mask, value: np.where(mask, value, self)",
    ),
    "aten.masked_fill.Tensor": (
        "x.masked_fill(mask, u[0])",
        "self, mask, value: np.where(mask, value, self)",
    ),
    "aten.lerp.Scalar": (
        "torch.lerp(x, y, 0.3)",
        "self, end, weight: self + weight * (end - self)",
    ),
    "aten.lerp.Tensor": ("torch.lerp(x, y, t)", "self, end, weight: self + weight * (end - self)"),
    "aten.addcmul.default": ("torch.addcmul(x, y, t, value=0.5)", combined("*")),
    "aten.asinh.default": ("torch.asinh(x)", "self: np.arcsinh(self)"),
    "aten.acosh.default": ("torch.acosh(p + 1)", "self: np.arccosh(self)"),
    "aten.atanh.default": ("torch.atanh(t)", "self: np.arctanh(self)"),
    "aten.sgn.default": ("torch.sgn(x)", "self: np.sign(self)"),
    "aten.frac.default": ("torch.frac(x)", "self: self - np.trunc(self)"),
    "aten.round.decimals": ("x.round(decimals=1)", "self, decimals: np.round(self, decimals)"),
    "aten.erf.default": ("torch.erf(x)", "self: 2 * normal_share(np.sqrt(2) * self) - 1"),
    "aten.special_erf.default": (
        "torch.special.erf(x)",
        "self: 2 * normal_share(np.sqrt(2) * self) - 1",
    ),
    "aten.erfc.default": ("torch.erfc(x)", "self: 2 * normal_share(-np.sqrt(2) * self)"),
    "aten.logit.default": ("torch.logit(t)", logit),
    "aten.nan_to_num.default": (
        "torch.nan_to_num(x * torch.tensor([torch.inf, 1, -torch.inf, torch.nan]))",
        nan_to_num,
    ),
    "aten.true_divide.Tensor": ("torch.true_divide(x, y)", "self, other: self / other"),
    **{
        f"aten.bitwise_{name}.Scalar": (
            f"torch.ops.aten.bitwise_{name}(n, 3)",
            f"self, other: self {sign} other",
        )
        for name, sign in {"and": "&", "or": "|", "xor": "^"}.items()
    },
    **{
        f"aten.{name}.Tensor{more}": (
            f"torch.ops.aten.{name}(n, {2 if more else 'm'})",
            f"self, other: self {sign} other",
        )
        for name, sign in {"bitwise_left_shift": "<<", "bitwise_right_shift": ">>"}.items()
        for more in ("", "_Scalar")
    },
    "aten.logical_xor.default": (
        "torch.logical_xor(mask, other_mask)",
        "self, other: np.logical_xor(self, other)",
    ),
    **{
        f"aten.{name}.default": (f"torch.{name}(x, y)", f"self, other: np.{name}(self, other)")
        for name in ("hypot", "logaddexp", "logaddexp2", "fmin", "fmax")
    },
    **both("copysign", "torch.copysign(x, {})", "self, other: np.copysign(self, other)"),
    "aten.xlogy.Tensor": (
        "torch.xlogy(x, p)",
        "self, other: np.where(self == 0, 0, self * np.log(other))",
    ),
    "aten.where.Scalar": (
        "torch.where(mask, 1.0, 0.0)",
        "condition, self, other: np.where(condition, self, other)",
    ),
    "aten.addcdiv.default": ("torch.addcdiv(x, y, p, value=0.5)", combined("/")),
    "aten.isin.Tensor_Tensor": (
        "torch.isin(n, i)",
        "elements, test_elements, assume_unique=False, invert=False: "
        "np.isin(elements, test_elements, invert=invert)",
    ),
    "aten.isin.Tensor_Scalar": (
        "torch.isin(n, 2)",
        "elements, test_element, assume_unique=False, invert=False: "
        "np.isin(elements, test_element, invert=invert)",
    ),
    "aten.bucketize.Tensor": ("torch.bucketize(x, edges)", sought("boundaries", "self")),
    "aten.searchsorted.Tensor": (
        "torch.searchsorted(edges, x)",
        sought("sorted_sequence", "self"),
    ),
    # ---- the same under another name ----
    **{
        f"aten.{name}.default": (f"torch.{name}({of})", f"self: {text}")
        for of, rows in {
            "x": {
                "absolute": "np.abs(self)",
                "negative": "-self",
                "fix": "np.trunc(self)",
                "arctan": "np.arctan(self)",
                "arcsinh": "np.arcsinh(self)",
            },
            "t": {
                "arccos": "np.arccos(self)",
                "arcsin": "np.arcsin(self)",
                "arctanh": "np.arctanh(self)",
            },
            "p + 1": {"arccosh": "np.arccosh(self)"},
        }.items()
        for name, text in rows.items()
    },
    **{
        f"aten.{name}.Tensor": (f"torch.{name}(x, y)", f"self, other: self {sign} other")
        for name, sign in {"multiply": "*", "subtract": "-", "divide": "/", **COMPARED}.items()
    },
    **{
        f"aten.{name}.Scalar": (f"torch.{name}(x, 0.5)", f"self, other: self {sign} other")
        for name, sign in COMPARED.items()
    },
    "aten.divide.Tensor_mode": ("torch.divide(x, y, rounding_mode='floor')", divided),
    "aten.arctan2.default": ("torch.arctan2(x, y)", "self, other: np.arctan2(self, other)"),
    "aten.clip.default": ("torch.clip(x, 0, 1)", clamped),
    "aten.float_power.Tensor_Scalar": (
        "torch.float_power(p, 3)",
        "self, exponent: np.float_power(self, exponent)",
    ),
    "aten.isclose.default": (
        "torch.isclose(x, x + 1e-9)",
        "self, other, rtol=1e-5, atol=1e-8, equal_nan=False: "
        "np.isclose(self, other, rtol, atol, equal_nan)",
    ),
    # ---- complex numbers ----
    "aten.complex.default": ("torch.complex(x, y)", "real, imag: real + 1j * imag"),
    "aten.polar.default": ("torch.polar(p, x)", "abs, angle: abs * np.exp(1j * angle)"),
    "aten.view_as_complex.default": (
        "torch.view_as_complex(x.view(2, 3, 2, 2))",
        "self: self[..., 0] + 1j * self[..., 1]",
    ),
    "aten.view_as_real.default": (
        "torch.view_as_real(z)",
        "self: np.stack([self.real, self.imag], axis=-1)",
    ),
    "aten.angle.default": ("torch.angle(z)", "self: np.angle(self)"),
    "aten._conj.default": ("z.conj() * z", "self: np.conj(self)"),
    "aten._conj_physical.default": ("torch.conj_physical(z)", "self: np.conj(self)"),
    # ---- products ----
    "aten.matmul.default": ("many @ other", "self, other: self @ other"),
    "aten.mm.default": ("torch.mm(a, b)", "self, mat2: self @ mat2"),
    "aten.bmm.default": ("torch.bmm(many, other)", "self, mat2: self @ mat2"),
    "aten.mv.default": ("torch.mv(a, v)", "self, vec: self @ vec"),
    "aten.dot.default": ("torch.dot(u, v)", "self, tensor: self @ tensor"),
    "aten.addmm.default": ("torch.addmm(c, a, b)", product("mat1", "mat2")),
    "aten.baddbmm.default": (
        "torch.baddbmm(sums, many, other, beta=0.5, alpha=2)",
        product("batch1", "batch2"),
    ),
    "aten.einsum.default": (
        "torch.einsum('bij,bjk->bik', many, other)",
        "equation, tensors, path=None: np.einsum(equation, *tensors)",
    ),
    "aten.outer.default": ("torch.outer(u, v)", "self, vec2: np.outer(self, vec2)"),
    "aten.tensordot.default": (
        "torch.tensordot(a, b, 1)",
        "self, other, dims_self, dims_other: np.tensordot(self, other, (dims_self, dims_other))",
    ),
    "aten.inner.default": ("torch.inner(a, a)", "self, other: np.inner(self, other)"),
    "aten.ger.default": ("torch.ger(u, v)", "self, vec2: np.outer(self, vec2)"),
    "aten.kron.default": ("torch.kron(a, b)", "self, other: np.kron(self, other)"),
    "aten.linalg_cross.default": (
        "torch.linalg.cross(x, y, dim=1)",
        "self, other, dim=-1: np.cross(self, other, axis=dim)",
    ),
    "aten.addmv.default": ("torch.addmv(u[:3], a, v)", product("mat", "vec")),
    "aten.addbmm.default": (
        "torch.addbmm(c, many, other)",
        product("batch1", "batch2", "np.sum({a} @ {b}, axis=0)"),
    ),
    "aten.trace.default": ("torch.trace(a)", "self: np.trace(self)"),
    "aten.linalg_inv.default": (
        "torch.linalg.inv(many @ many.mT + 2 * torch.eye(3))",
        "A: np.linalg.inv(A)",
    ),
    "aten.linalg_det.default": ("torch.linalg.det(many @ many.mT)", "A: np.linalg.det(A)"),
    "aten.cdist.default": ("torch.cdist(many, many + 1)", distances),
    "aten._cdist_forward.default": (
        "torch.ops.aten._cdist_forward(many, many + 1, 1.0, None)",
        distances,
    ),
    "aten._euclidean_dist.default": (
        "torch.ops.aten._euclidean_dist(many, many + 1)",
        "x1, x2: np.sqrt(np.sum((x1[..., :, None, :] - x2[..., None, :, :]) ** 2, axis=-1))",
    ),
    # ---- kinds ----
    "aten._to_copy.default": ("n.to(torch.float32)", cast),
    "aten.type_as.default": ("n.type_as(x)", cast),
    **{
        f"aten.{name}.default": (f"x.{name}()", "self, memory_format=None: self")
        for name in ("clone", "detach")
    },
    "aten.view.dtype": (
        "x.view(torch.int64)",
        lambda call: f"self, dtype: self.view({dtype_of(call)})",
    ),
    "aten.alias.default": ("torch.ops.aten.alias(x)", "self: self"),
}
