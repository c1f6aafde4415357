"""Rows of what runs along axes: sums, the largest, sorting, picking."""

from ..graph import PortError
from .call import fixed, index, p_norm


def reduced(name):
    """Return the row of a sum, mean, ... over axes; none given, or an empty list, is all."""

    def row(call):
        dim = call.get("dim")
        axis = ", axis=dim" if dim not in (None, []) else ""
        head = f"self, dim=None, keepdim=False, dtype=None: np.{name}"
        return f"{head}(self{axis}, keepdims=keepdim)"

    return row


def spread(name):
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
    is_real = not call.of("self").dtype.startswith("complex")
    sizes = "self" if order == 2 and is_real else "np.abs(self)"
    total = p_norm(sizes, order, f"{axis}, keepdims=keepdim")
    return f"self, p=2, ord=2, dim=None, keepdim=False, dtype=None: {total}"


def found(name, arg):
    """Return the row of the largest or the smallest along an axis, and where it is."""
    return (
        f"self, dim, keepdim=False: (np.{name}(self, axis=dim, keepdims=keepdim), "
        f"np.{arg}(self, axis=dim, keepdims=keepdim))"
    )


def spread_and_mean(name):
    """Return the row of the variance or the standard deviation, and the mean."""

    def row(call):
        head, _, text = spread(name)(call).partition(": ")
        axis = ", axis=dim" if call.get("dim") not in (None, []) else ""
        return f"{head}: ({text}, np.mean(self{axis}, keepdims=keepdim))"

    return row


def middle(call):
    """Return the lower of the middle numbers of an axis, and where it is."""
    n = (fixed(call.of("self").shape)[call.axis()] - 1) // 2
    parts = (f"sort(self, dim)[{i}].take([{n}], dim)" for i in (0, 1))
    if not call.get("keepdim"):
        parts = (f"sort(self, dim)[{i}].take({n}, dim)" for i in (0, 1))
    return f"self, dim=-1, keepdim=False: ({', '.join(parts)})"


def running(name):
    """Return the row of the largest or smallest so far, and where it is."""
    values = f"np.{name}.accumulate(self, axis=dim)"

    def row(call):
        shape = [1] * call.ndim("self")
        shape[call.axis()] = -1
        at = f"np.arange(self.shape[dim]).reshape({tuple(shape)})"
        places = f"np.maximum.accumulate(np.where(self == {values}, {at}, 0), axis=dim)"
        return f"self, dim: ({values}, {places})"

    return row


def scatter_reduced(call):
    """Return x with the sum, the product, the largest or smallest of what comes to a place."""
    names = {"sum": "add", "prod": "multiply", "amax": "maximum", "amin": "minimum"}
    if call.get("reduce") not in names or not call.get("include_self", True):
        raise PortError("only sum, prod, amax and amin have a line, of x included")
    reduce = names[call.get("reduce")]
    head = "self, dim, index, src, reduce, include_self=True"
    return f"{head}: scatter(self, dim, index, src, np.{reduce})"


def placed(name, values):
    """Return the row of a copy of x with values at the places of an axis that index names."""

    def row(call):
        at = index(call.axis(), call.ndim("self"), "index")
        alpha = "" if call.get("alpha", 1) == 1 else "alpha * "
        return (
            "self, dim, index, source=None, value=None, alpha=1: "
            f"{name}(self, np.s_[{at}], {alpha}{values})"
        )

    return row


def gathered(call):
    """Return what index names along an axis; along the others it may be smaller than x."""
    sizes = zip(call.of("self").shape, call.of("index").shape, strict=True)
    parts = [
        ":"
        if n == m or i == call.axis()
        else f":index.shape[{i}]"
        if isinstance(m, str)
        else f":{m}"
        for i, (n, m) in enumerate(sizes)
    ]
    part = f"[{', '.join(parts)}]" if set(parts) != {":"} else ""
    return f"self, dim, index, sparse_grad=False: np.take_along_axis(self{part}, index, axis=dim)"


NORMS = {0: "backward", 1: "ortho", 2: "forward"}  # of a transform; backwards, the other way


def waves(name):
    """Return the row of a Fourier transform over axes."""

    def row(call):
        kind, norm = name, NORMS[call.get("normalization")]
        if name == "rfftn" and not call.get("onesided"):
            kind = "fftn"
        if name == "fftn" and not call.get("forward"):
            kind, norm = "ifftn", {"backward": "forward", "forward": "backward"}.get(norm, norm)
        norm = f", norm={norm!r}" if norm != "backward" else ""
        head = "self, dim, normalization, onesided=None, forward=None"
        return f"{head}: np.fft.{kind}(self, axes={tuple(call.get('dim'))}{norm})"

    return row


def waves_of_axes(name):
    """Return the row of a Fourier transform over several axes."""

    def row(call):
        axes = call.get("dim", [-2, -1] if name.endswith("2") else None)
        sizes = call.get("s")
        if axes is None and sizes is not None:
            axes = range(-len(sizes), 0)
        given = {"s": sizes and tuple(sizes), "axes": axes and tuple(axes)}
        more = "".join(f", {key}={value}" for key, value in given.items() if value)
        return f"self, s=None, dim=None, norm=None: np.fft.{name}(self{more}, norm=norm)"

    return row


def shifted(name):
    """Return the row of a Fourier transform's halves changed over."""

    def row(call):
        axes = "" if call.get("dim") is None else f", axes={tuple(call.get('dim'))}"
        return f"self, dim=None: np.fft.{name}(self{axes})"

    return row


def waves_back(call):
    """Return the real numbers that half a Fourier transform comes from."""
    norm = {0: "forward", 1: "ortho", 2: "backward"}[call.get("normalization")]
    norm = f", norm={norm!r}" if norm != "backward" else ""
    size, axes = call.get("last_dim_size"), call.get("dim")
    sizes = [fixed(call.of("self").shape)[axis] for axis in axes[:-1]] + [size]
    return (
        f"self, dim, normalization, last_dim_size: np.fft.irfftn(self, {sizes}, axes={axes}{norm})"
    )


AXES = {
    # ---- along axes ----
    "aten.sum.default": ("x.sum()", reduced("sum")),
    "aten.sum.dim_IntList": ("x.sum(1)", reduced("sum")),
    "aten.mean.default": ("x.mean()", reduced("mean")),
    "aten.mean.dim": ("x.mean(1)", reduced("mean")),
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
        "self, dim, keepdim=False: np.logaddexp.reduce(self, axis=dim, keepdims=keepdim)",
    ),
    "aten.var.default": ("x.var(unbiased=False)", spread("var")),
    "aten.std.default": ("x.std(unbiased=True)", spread("std")),
    "aten.nanmean.default": ("torch.nanmean(x, 1)", reduced("nanmean")),
    "aten.take_along_dim.default": (
        "torch.take_along_dim(x, ids[:, :3], 1)",
        "self, indices, dim=None: np.take_along_axis(self, indices, axis=dim)",
    ),
    "aten.cosine_similarity.default": (
        "F.cosine_similarity(x, y)",
        "x1, x2, dim=1, eps=1e-8: cosine_similarity(x1, x2, dim=dim, eps=eps)",
    ),
    "aten.pairwise_distance.default": (
        "F.pairwise_distance(x, y)",
        "x1, x2, p=2.0, eps=1e-6, keepdim=False: "
        "pairwise_distance(x1, x2, p=p, eps=eps, keepdim=keepdim)",
    ),
    "aten.var.correction": ("x.var(1, correction=0)", spread("var")),
    "aten.var.dim": ("x.var(1)", spread("var")),
    "aten.std.correction": ("x.std((0, 1), correction=2)", spread("std")),
    "aten.std.dim": ("x.std(1)", spread("std")),
    "aten.var_mean.dim": ("torch.var_mean(x, 1)", spread_and_mean("var")),
    "aten.std_mean.dim": ("torch.std_mean(x, 1)", spread_and_mean("std")),
    "aten.var_mean.correction": ("torch.var_mean(x, 1, correction=2)", spread_and_mean("var")),
    "aten.std_mean.correction": ("torch.std_mean(x, 1, correction=0)", spread_and_mean("std")),
    "aten.all.dims": ("x.all((0, 1))", reduced("all")),
    "aten.nansum.default": ("torch.nansum(x, 1)", reduced("nansum")),
    "aten.aminmax.default": (
        "torch.aminmax(x, dim=1)",
        "self, dim=None, keepdim=False: (np.min(self, axis=dim, keepdims=keepdim), "
        "np.max(self, axis=dim, keepdims=keepdim))",
    ),
    "aten.count_nonzero.dim_IntList": (
        "torch.count_nonzero(n, (1,))",
        "self, dim: np.count_nonzero(self, axis=dim)",
    ),
    "aten.median.default": (
        "x.median()",
        "self: np.sort(self.ravel())[(self.size - 1) // 2]",
    ),
    "aten.median.dim": ("x.median(1)", middle),
    "aten.cummax.default": ("x.cummax(1)", running("maximum")),
    "aten.cummin.default": ("x.cummin(1)", running("minimum")),
    "aten.logcumsumexp.default": (
        "x.logcumsumexp(1)",
        "self, dim: np.logaddexp.accumulate(self, axis=dim)",
    ),
    "aten.norm.Scalar": ("torch.ops.aten.norm(x, 2)", norm),
    "aten.norm.ScalarOpt_dim": ("torch.ops.aten.norm(x, 2, [1])", norm),
    **{
        f"aten.linalg_norm.{kind}": (
            f"torch.linalg.norm({of})",
            "self, ord=None, dim=None, keepdim=False, dtype=None: "
            "np.linalg.norm(self, ord=ord, axis=dim, keepdims=keepdim)",
        )
        for kind, of in {"default": "x, dim=1", "ord_str": "a, 'nuc'"}.items()
    },
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
        "self, shifts, dims=None: np.roll(self, tuple(shifts), axis=tuple(dims))",
    ),
    "aten.gather.default": ("torch.gather(x, 1, ids)", gathered),
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
    "aten.sort.stable": (
        "x.sort(dim=1, stable=True)",
        "self, stable=True, dim=-1, descending=False: sort(self, dim, descending)",
    ),
    "aten.argsort.stable": (
        "x.argsort(dim=1, stable=True)",
        "self, stable=True, dim=-1, descending=False: sort(self, dim, descending)[1]",
    ),
    "aten.take.default": ("torch.take(x, i)", "self, index: np.take(self, index)"),
    "aten.bincount.default": (
        "torch.bincount(ids.flatten(), minlength=5)",
        "self, weights=None, minlength=0: np.bincount(self, weights, minlength)",
    ),
    "aten.scatter.src": (
        "x.scatter(1, ids[:, :2], y)",
        "self, dim, index, src: scatter(self, dim, index, src)",
    ),
    "aten.scatter.value": (
        "x.scatter(1, ids[:, :2], 0.5)",
        "self, dim, index, value: scatter(self, dim, index, value)",
    ),
    "aten.scatter_add.default": (
        "x.scatter_add(1, ids[:, :3], y)",
        "self, dim, index, src: scatter(self, dim, index, src, np.add)",
    ),
    "aten.scatter_reduce.two": ("x.scatter_reduce(1, ids[:, :3], y, 'amax')", scatter_reduced),
    "aten.index_add.default": ("x.index_add(1, i, y[:, :2])", placed("put_add", "source")),
    "aten.index_copy.default": ("x.index_copy(1, i, y[:, :2])", placed("put", "source")),
    "aten.index_fill.int_Scalar": ("x.index_fill(1, i, 0.5)", placed("put", "value")),
    "aten.masked_scatter.default": (
        "x.masked_scatter(mask, y)",
        "self, mask, source: put(self, np.broadcast_to(mask, self.shape), "
        "source.ravel()[:np.count_nonzero(np.broadcast_to(mask, self.shape))])",
    ),
    "aten.nonzero.default": ("torch.nonzero(torch.ones(2, 3))", "self: np.argwhere(self)"),
    # ---- waves ----
    **{
        f"aten.fft_{name}.default": (
            f"torch.fft.{name}({'x' if name == 'rfft' else 'z'}, dim=1)",
            f"self, n=None, dim=-1, norm=None: np.fft.{name}(self, n=n, axis=dim, norm=norm)",
        )
        for name in ("fft", "ifft", "rfft", "irfft")
    },
    **{
        f"aten.fft_{name}.default": (
            f"torch.fft.{name}({'x' if name[0] == 'r' else 'z'}, dim=(1, 2))",
            waves_of_axes(name),
        )
        for name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
    },
    **{
        f"aten.fft_{name}.default": (f"torch.fft.{name}(x, 1)", shifted(name))
        for name in ("fftshift", "ifftshift")
    },
    "aten.histc.default": (
        "torch.histc(x, 5, -1, 1)",
        "self, bins=100, min=0, max=0: np.histogram(self, bins, (min, max))[0]",
    ),
    "aten._fft_r2c.default": ("torch.ops.aten._fft_r2c(x, [1, 2], 0, True)", waves("rfftn")),
    "aten._fft_c2c.default": ("torch.ops.aten._fft_c2c(z, [1, 2], 0, True)", waves("fftn")),
    "aten._fft_c2r.default": ("torch.ops.aten._fft_c2r(z, [1], 2, 4)", waves_back),
    "aten.tril.default": ("x.tril()", "self, diagonal=0: np.tril(self, diagonal)"),
    "aten.triu.default": ("x.triu()", "self, diagonal=0: np.triu(self, diagonal)"),
}
