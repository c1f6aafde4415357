"""Each row of the table of operations: its spelling in PyTorch against its line of NumPy."""

import numpy as np
import pytest

from snippets.port.capture import arrays_of, captured, graph_of, named_inputs, numpy_of
from snippets.port.graph import Array, Node, PortError, Ref
from snippets.port.operations import TABLE, Call, row_of
from snippets.port.run import run
from tests.parity import assert_parity
from tests.port.examples import F, examples, layers, nn, torch
from tests.port.programs import program_of

# What a row does otherwise than in its own spelling.
MORE = [
    "torch.gather(x, 1, ids[:1, :2, :3])",
    "torch.rsub(x, y, alpha=2)",
    "torch.searchsorted(edges, x, side='right')",
    "torch.cdist(many, many + 1, p=float('inf'))",
    "torch.linalg.vector_norm(x, 0.0)",
    "torch.linalg.vector_norm(z, 2.0, dim=1)",
    "torch._weight_norm(weight, g[0, 0], -1)",
    "x.roll(2)",
    "F.selu(x)",
    "F.celu(x, 2.0)",
    "torch.add(x, y, alpha=3)",
    "torch.div(x, y, rounding_mode='floor')",
    "torch.addmm(c, a, b, beta=0, alpha=0.5)",
    "torch.full((3, 2, 4, 5), 0.25).select(2, 1)",
    "image[:, :, 3]",
    "volume[:, :, :, 2:5:2]",
    "x[:]",
    "x.expand(2, -1, 4)",
    "torch.stack([x, y], 1)[:, 0]",
    "x.mean()",
    "x.sum((0, 2), keepdim=True)",
    "torch.linalg.vector_norm(x, 3.0)",
    "torch.linalg.vector_norm(x, float('inf'), dim=(0, 1))",
    "x.clamp(max=0.5)",
    "x.clamp(min=0.5)",
    "torch.arange(3, 20, 4)",
    "F.interpolate(image, size=(3, 5), mode='bilinear', align_corners=True)",
    "F.interpolate(image, scale_factor=1.7, mode='bilinear')",
    "F.max_pool2d(image, 3, stride=2, padding=1, ceil_mode=True)",
    "F.avg_pool2d(image, 3, stride=2, padding=1, count_include_pad=False)",
    "F.max_pool2d(image, 3, stride=3)",
    "F.avg_pool2d(image, 3, stride=3)",
    "F.dropout(x, 0.5, False)",
    "projected(x)",
    "F.scaled_dot_product_attention(x, y, t, mask[:, :, :3], scale=0.3)",
    "x.index_put((i % 2, i), u, accumulate=True)",
    "x.argmax()",
    "torch.any(mask, 1, keepdim=True)",
    "n / m",
    "n * 0.5",
    "n.float() * x",
    "x.squeeze()",
    "torch.logit(t * 2 - 0.5, eps=1e-3)",
    "torch.nan_to_num(x * torch.tensor([torch.inf, 1, -torch.inf, torch.nan]), 2.0, 3.0, -3.0)",
    "x.median(1, keepdim=True)",
    "torch.std_mean(x)",
    "x.scatter_reduce(1, ids[:, :3], y, 'prod')",
    "x.index_add(1, i, y[:, :2], alpha=2)",
    "F.kl_div(x, y, reduction='none', log_target=True)",
    "F.cross_entropy(u, i[0])",
    "F.cross_entropy(sums, ids[:, :, 0], ignore_index=1, reduction='none')",
    "F.cross_entropy(sums, ids[:, :, 0], p[0, :, 0], ignore_index=1, label_smoothing=0.1)",
    "F.cross_entropy(a, c[:, 1:], p[0, 0], reduction='sum')",
    "F.cross_entropy(x, t, p[0, :, 0], label_smoothing=0.1)",
    "F.cross_entropy(u, v)",
    "F.nll_loss(sums, ids[:, :, 0], p[0, :, 0], reduction='sum')",
    "F.multilabel_margin_loss(u, torch.where(n[0, 0] < 2, n[0, 0].clamp(-1, 3), 3))",
    "F.hinge_embedding_loss(x, n.sign(), margin=0.5, reduction='sum')",
    "F.cosine_embedding_loss(x[0], y[0], n[0, :, 0].sign(), margin=0.2, reduction='none')",
    "F.cosine_embedding_loss(u, u * 0, i[0] - 1)",
    "F.margin_ranking_loss(x, y, n.sign(), margin=0.3)",
    "F.triplet_margin_loss(x, y, t, margin=0.5, p=1.0, swap=True, reduction='none')",
    "F.poisson_nll_loss(p, 3 * p - 1, log_input=False, full=True, eps=1e-3)",
    "torch.fft.fft(x, norm='ortho')",
    "torch.fft.fftn(z)",
    "torch.fft.fftn(z, s=(3, 5))",
    "torch.fft.ifft2(z, s=(2, 3))",
    "torch.fft.fftshift(x)",
    "torch.ops.aten._fft_r2c(x, [1], 1, False)",
    "torch.ops.aten._fft_c2c(z, [2], 2, False)",
    "torch.ops.aten._fft_c2r(z, [1, 2], 1, 6)",
    "torch.fft.ifft2(z)",
    "torch.fft.ifft(z, norm='forward')",
    "torch.fft.rfft(x, dim=1)",
    "torch.fft.irfftn(z, s=(3, 5), dim=(1, 2))",
    "torch.fft.irfft(z, norm='ortho')",
    "x.unfold(1, 2, 1)",
    "torch.cdist(many, many + 1, p=1.0)",
    "torch.softmax(a.float(), 1, torch.float64)",
    "F.embedding_bag(ids[:, 0], weight, mode='sum', padding_idx=1)",
    "F.grid_sample(image, grid, 'nearest', 'border', True)",
    "x.topk(2, largest=False)",
    "torch.instance_norm(image, u, v, mean, var, False, 0.1, 1e-5, False)",
    "torch.linalg.norm(a)",
    "torch.linalg.norm(a, 1)",
    "torch.linalg.norm(x, 2, (1, 2), keepdim=True)",
    "torch.linalg.norm(x, 3, 0)",
    "x ** 3",
    "x ** 4.0",
    "p ** 0.5",
    "p ** -0.5",
    "p ** 1.5",
]


class Spellings(nn.Module):
    """Runs all spellings; what each returns is a part of its result."""

    def __init__(self, spellings):
        super().__init__()
        self.spellings = spellings
        self.layers = nn.ModuleDict(layers())

    def forward(self, tensors):
        world = {"torch": torch, "F": F, **tensors, **self.layers}
        return tuple(eval(spelling, world) for spelling in self.spellings)


def flat(value):
    """Return the tensors or arrays in nested tuples, in order."""
    if isinstance(value, tuple | list):
        return [one for part in value for one in flat(part)]
    return [value]


def spelled_out(spellings):
    """Return a model that runs spellings, its arguments, its graph and its inputs by name."""
    model = Spellings(list(dict.fromkeys(spellings))).eval()
    args = (examples(),)
    named = named_inputs(model, args, {})
    return model, args, graph_of(captured(model, args, {}, named, None), model, named), named


@pytest.fixture(scope="module")
def told():
    """Return the operations of all spellings, what PyTorch gives and what NumPy gives, by row."""
    model, args, graph, named = spelled_out([spelling for spelling, _ in TABLE.values()] + MORE)
    with torch.no_grad():
        theirs = model(*args)
    arrays = {name: numpy_of(tensor) for name, tensor in args[0].items()}
    ours = program_of(graph, run(graph, arrays_of(graph, named)))(graph.arrays, arrays)
    results = zip(model.spellings, ours, theirs, strict=True)
    return {node.target for node in graph.nodes}, {name: both for name, *both in results}


@pytest.mark.thorough
@pytest.mark.parametrize("name", TABLE)
def test_a_row(told, name):
    operations, results = told
    assert name in operations
    agree(*results[TABLE[name][0]])


@pytest.mark.thorough
@pytest.mark.parametrize("spelling", MORE)
def test_more_of_a_row(told, spelling):
    agree(*told[1][spelling])


def agree(ours, theirs):
    ours, theirs = flat(ours), flat(theirs)
    for array, tensor in zip(ours, theirs, strict=True):
        kind = np.asarray(array)
        if kind.dtype.kind in "fc":
            assert_parity(kind, tensor, 1e-11 if kind.dtype.itemsize == 8 else 1e-5)
        else:
            assert kind.dtype == tensor.numpy().dtype
            assert np.array_equal(kind, tensor.numpy())


def test_dropout_that_is_not_live_is_nothing():
    node = Node("aten.dropout.default", {"p": 0.5, "train": False}, ("y",), (None,))
    assert row_of(node).endswith(": input")


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("aten.dropout.default", {"p": 0.5, "train": True}),
        ("aten.scaled_dot_product_attention.default", {"dropout_p": 0.1}),
        ("aten.lstm.input", {"dropout": 0.1, "train": True}),
    ],
)
def test_dropout_that_is_live_is_refused(target, args):
    with pytest.raises(PortError, match=f"{target}: this dropout is live"):
        row_of(Node(target, args, ("y",), (None,)))


def test_a_part_of_an_axis_of_any_size_is_refused():
    known = {"x": Array(("batch", 3), "float64")}
    call = Call({"self": Ref("x"), "split_size": 2}, known, None, {})
    with pytest.raises(PortError, match="fixed size: leave its axis out of dynamic"):
        TABLE["aten.split.Tensor"][1](call)


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("aten.scatter_reduce.two", {"reduce": "mean"}),
        ("aten.scatter_reduce.two", {"reduce": "sum", "include_self": False}),
        ("aten.diag_embed.default", {"offset": 1}),
        ("aten.rrelu.default", {"training": True}),
        ("aten._grouped_mm.default", {"self": Ref("rows"), "mat2": Ref("rows")}),
        ("aten._grouped_mm.default", {"self": Ref("rows"), "mat2": Ref("stack"), "bias": 1}),
        ("aten.grid_sampler.default", {"input": Ref("image"), "interpolation_mode": 2}),
        ("aten.grid_sampler.default", {"input": Ref("volume")}),
    ],
)
def test_what_a_row_does_not_cover_is_refused(target, args):
    known = {"image": Array((2, 4, 8, 9), "float64"), "volume": Array((2, 4, 5, 6, 7), "float64")}
    known |= {"rows": Array((3, 4), "float64"), "stack": Array((2, 4, 5), "float64")}
    with pytest.raises(PortError, match=r"only .* a line"):
        TABLE[target][1](Call(args, known, None, {}))


def test_a_recurrent_layer_of_weights_that_lie_elsewhere():
    names = ["weight_ih_l0", "weight_hh_l0"]
    args = {"params": [Ref("a"), Ref("b")], "num_layers": 1, "bidirectional": False}
    call = Call(args | {"has_biases": False}, {}, None, {"a": "fast.a", "b": "slow.b"})
    text = TABLE["aten.gru.input"][1](call)
    assert "{'weight_ih_l0': params[0], 'weight_hh_l0': params[1]}" in text
    assert all(name in text for name in names)
    computed = Call(args | {"has_biases": False}, {}, None, {"b": "slow.b"})  # by weight norm
    assert TABLE["aten.gru.input"][1](computed) == text


class Experts(nn.Module):
    """A mixture of experts, its rows sorted: as transformers captures those of other dtypes."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(24.0).reshape(2, 3, 4))

    def forward(self, x):
        ends = torch.tensor([2, 5])
        return torch.ops.transformers.grouped_mm_fallback(x, self.weight, ends)


def test_experts_of_transformers():
    name = "transformers::grouped_mm_fallback"
    if not hasattr(torch.ops.transformers, "grouped_mm_fallback"):  # the library has it

        def product(x, weight, offs):
            return torch.cat([x[:2] @ weight[0], x[2:5] @ weight[1], x[5:] @ weight[1] * 0])

        schema = "(Tensor input, Tensor weight, Tensor offs) -> Tensor"
        made = torch.library.custom_op(name, product, mutates_args=(), schema=schema)
        made.register_fake(lambda x, weight, offs: x.new_empty(x.shape[0], weight.shape[2]))
    model, x = Experts().eval(), torch.arange(18.0).reshape(6, 3)
    named = named_inputs(model, (x,), {})
    graph = graph_of(captured(model, (x,), {}, named, None), model, named)
    ours = program_of(graph, run(graph, arrays_of(graph, named)))(graph.arrays, x.numpy())
    assert_parity(ours, model(x), 1e-6)
