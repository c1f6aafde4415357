"""Rows of what gives arrays another shape, takes parts of them, or makes them."""

from ..graph import PortError
from .call import PLACES, dtype_of, fixed, index


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


def unsqueezed(call):
    """Return x[:, None]."""
    ndim = call.ndim("self") + 1
    return f"self, dim: self[{index(call.get('dim') % ndim, ndim, 'None')}]"


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
    return f"self, size, implicit=False: np.broadcast_to(self, ({', '.join(sizes)},))"


def indexed(call):
    """Return x[:, i, j], arrays of integers or bools as indices."""
    given = call.get("indices")
    parts = [":" if one is None else f"indices[{i}]" for i, one in enumerate(given)]
    return f"self, indices: self[{', '.join(parts)}]"


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


def padded(call):
    """Return x with entries added around its last axes."""
    return "self, pad, mode='constant', value=None: pad(self, pad, mode=mode, value=value)"


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


def made(name):
    """Return the row of an array of one number."""

    def row(call):
        shape = "size" if "size" in call.args else "self.shape"
        return (
            "self=None, size=None, dtype=None, fill_value=None, stride=None, physical_layout=None: "
            f"np.{name}({shape}{', fill_value' if name == 'full' else ''}, dtype={dtype_of(call)})"
        )

    return row


def eye(call):
    """Return ones on the diagonal."""
    more = ", m" if "m" in call.args else ""
    return f"n, m=None, dtype=None: np.eye(n{more}, dtype={dtype_of(call)})"


def windows(call):
    """Return the windows of an axis, as a last axis."""
    axis, step = call.axis("dimension"), call.get("step")
    text = f"np.lib.stride_tricks.sliding_window_view(self, size, axis={axis})"
    taken = f"[{':, ' * axis}::step]" if step != 1 else ""
    return f"self, dimension, size, step: {text}{taken}"


def diagonal_of(call):
    """Return matrices that have x on their diagonal."""
    if (call.get("offset", 0), call.get("dim1", -2), call.get("dim2", -1)) != (0, -2, -1):
        raise PortError("only the main diagonal of the last two axes has a line")
    return "self, offset=0, dim1=-2, dim2=-1: self[..., None] * np.eye(self.shape[-1])"


def ranged(call):
    """Return the numbers from start to end."""
    head = "start=0, end=None, step=1, dtype=None: np.arange"
    parts = "end" if call.get("start", 0) == 0 else "start, end"
    if call.get("step", 1) != 1:
        parts = "start, end, step"
    return f"{head}({parts}, dtype={dtype_of(call)})"


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


def of_one_shape(call):
    """Return tensors of one shape: as they are, as those of most losses, if they have one."""
    tensors = call.get("tensors")
    if len({call.known[ref.name].shape for ref in tensors}) > 1:
        return "tensors: np.broadcast_arrays(*tensors)"
    return f"tensors: ({', '.join(f'tensors[{i}]' for i in range(len(tensors)))},)"


SHAPES = {
    # ---- shapes ----
    "aten.view.default": ("x.view(2, -1)", "self, size: self.reshape(*size)"),
    "aten._unsafe_view.default": (
        "torch.ops.aten._unsafe_view(x, [6, 4])",
        "self, size: self.reshape(*size)",
    ),
    "aten.permute.default": ("x.permute(0, 2, 1)", "self, dims: self.transpose(*dims)"),
    "aten.transpose.int": ("x.transpose(1, 2)", "self, dim0, dim1: self.swapaxes(dim0, dim1)"),
    "aten.t.default": ("a.t()", "self: self.T"),
    "aten.unsqueeze.default": ("x.unsqueeze(1)", unsqueezed),
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
    "aten.zero.default": ("torch.ops.aten.zero(x)", "self: np.zeros(self.shape)"),
    "aten.fill.Tensor": ("torch.fill(x, u[0])", "self, value: np.full(self.shape, value)"),
    "aten.copy.default": (
        "torch.ops.aten.copy(x, y)",
        "self, src, non_blocking=False: np.broadcast_to(src, self.shape)",
    ),
    "aten.as_strided.default": (
        "torch.as_strided(x, (3, 2), (1, 4), 2)",
        "self, size, stride, storage_offset=0: "
        "self.ravel()[storage_offset + np.tensordot(stride, np.indices(size), 1)]",
    ),
    "aten.diagonal.default": (
        "x.diagonal(0, 1, 2)",
        "self, offset=0, dim1=0, dim2=1: np.diagonal(self, offset, dim1, dim2)",
    ),
    **{
        f"aten.{name}.default": (f"torch.{name}([x, y])", f"tensors: np.{numpy}(tensors)")
        for name, numpy in {
            "hstack": "hstack",
            "vstack": "vstack",
            "row_stack": "vstack",
            "dstack": "dstack",
            "column_stack": "column_stack",
        }.items()
    },
    **{
        f"aten.{name}.default": (
            f"torch.{name}([x, y], 1)",
            "tensors, dim=0: np.concatenate(tensors, axis=dim)",
        )
        for name in ("concat", "concatenate")
    },
    "aten.tile.default": ("torch.tile(x, (2, 1))", "self, dims: np.tile(self, dims)"),
    "aten.fliplr.default": ("torch.fliplr(x)", "self: np.fliplr(self)"),
    "aten.flipud.default": ("torch.flipud(x)", "self: np.flipud(self)"),
    "aten.diag.default": ("torch.diag(a)", "self, diagonal=0: np.diag(self, diagonal)"),
    "aten.argwhere.default": ("torch.argwhere(torch.ones(2, 3))", "self: np.argwhere(self)"),
    "aten.one_hot.default": (
        "F.one_hot(ids, 5)",
        "self, num_classes=-1: np.eye(num_classes, dtype=np.int64)[self]",
    ),
    "aten.meshgrid.default": (
        "torch.ops.aten.meshgrid([u, bias])",
        "tensors: np.meshgrid(*tensors, indexing='ij')",
    ),
    "aten.meshgrid.indexing": (
        "torch.meshgrid(u, bias, indexing='xy')",
        "tensors, indexing: np.meshgrid(*tensors, indexing=indexing)",
    ),
    "aten.broadcast_tensors.default": ("torch.broadcast_tensors(g, u)", of_one_shape),
    "aten.diag_embed.default": ("torch.diag_embed(x)", diagonal_of),
    "aten.unfold.default": ("x.unfold(2, 2, 2)", windows),
    "aten.im2col.default": (
        "F.unfold(image, 2)",
        "self, kernel_size, dilation, padding, stride: unfold(self, kernel_size, "
        "dilation=dilation, padding=padding, stride=stride)",
    ),
    "aten.col2im.default": (
        "F.fold(F.unfold(image, 2), (8, 9), 2)",
        "self, output_size, kernel_size, dilation, padding, stride: fold(self, output_size, "
        "kernel_size, dilation=dilation, padding=padding, stride=stride)",
    ),
    "aten.rot90.default": (
        "torch.rot90(x, 1, (1, 2))",
        "self, k=1, dims=(0, 1): np.rot90(self, k, tuple(dims))",
    ),
    "aten.split_copy.Tensor": ("torch.split_copy(x, 3, 2)", split),
    "aten.unsafe_split.Tensor": ("torch.unsafe_split(x, 3, 2)", split),
    **{
        f"aten.{kind}_pad{n}d.default": (
            f"torch.ops.aten.{kind}_pad{n}d({PLACES[n]}, [1, 2]{'' if n == 1 else f' * {n}'})",
            f"self, padding: pad(self, padding, mode={mode!r})",
        )
        for kind, mode in {"reflection": "reflect", "replication": "replicate"}.items()
        for n in (1, 2, 3)
    },
    # ---- new arrays ----
    **{
        f"aten.{name}.default": (spelling, made(name.split("_")[name.startswith("new_")]))
        for name, spelling in NEW.items()
    },
    **{
        f"aten.{name}.default": (f"{spelling} * 0", made("zeros"))
        for name, spelling in {
            "empty_like": "torch.empty_like(n)",
            "new_empty": "n.new_empty(2, 3)",
            "empty_strided": "torch.empty_strided((2, 3), (3, 1), dtype=torch.int64)",
            "new_empty_strided": "n.new_empty_strided((2, 3), (3, 1))",
            "empty_permuted": "torch.empty_permuted((2, 3), (1, 0), dtype=torch.int64)",
        }.items()
    },
    "aten.eye.default": ("torch.eye(3)", eye),
    "aten.eye.m": ("torch.eye(3, 4)", eye),
    "aten.logspace.default": (
        "torch.logspace(0, 1, 5)",
        "start, end, steps, base=10.0, dtype=None: np.logspace(start, end, steps, base=base)",
    ),
    **{
        f"aten.{name}_indices.default": (
            f"torch.{name}_indices(3, 4, 1)",
            f"row, col, offset=0, dtype=None: np.stack(np.{name}_indices(row, offset, col))",
        )
        for name in ("tril", "triu")
    },
    "aten.empty.memory_format": (
        "torch.empty(2, 3, dtype=torch.int64) * 0",
        made("zeros"),
    ),
    "aten.arange.default": ("torch.arange(5)", ranged),
    "aten.arange.start": ("torch.arange(2, 5)", ranged),
    "aten.arange.start_step": ("torch.arange(2, 9, 3)", ranged),
    "aten.linspace.default": (
        "torch.linspace(0, 1, 5)",
        "start, end, steps, dtype=None: np.linspace(start, end, steps)",
    ),
    "aten.scalar_tensor.default": ("torch.scalar_tensor(2)", "s, dtype=None: np.asarray(s)"),
}
