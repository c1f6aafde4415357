"""One operation becomes one expression; a string in it stays a string."""

import ast
import math

import pytest

from snippets.port.graph import Array, DType, Node, PortError, Ref
from snippets.port.lines import completed, expression, text_of, values_in, written

X = {"x": Array((2, 3), "float32"), "w": Array((4, 3), "float32"), "b": Array((4,), "float32")}
X |= {"z": Array((2, 3), "complex64"), "i": Array((1, 5), "int64"), "n": Array(("n", 3), "int64")}


def text(target, /, **args):
    node = Node(target, args, ("y",), (Array((2, 3), "float32"),))
    return text_of(expression(node, X, {}))


@pytest.mark.parametrize(
    ("target", "args", "expected"),
    [
        ("aten.linear.default", {"input": Ref("x"), "weight": Ref("w")}, "linear(%x, %w)"),
        (
            "aten.linear.default",
            {"input": Ref("x"), "weight": Ref("w"), "bias": Ref("b")},
            "linear(%x, %w, %b)",
        ),
        ("aten.add.Tensor", {"self": Ref("x"), "other": -1}, "%x + -1"),
        ("aten.add.Tensor", {"self": Ref("x"), "other": Ref("x"), "alpha": 2}, "%x + %x * 2"),
        ("aten.pow.Scalar", {"self": -2, "exponent": Ref("x")}, "(-2) ** %x"),
        ("aten.mul.Tensor", {"self": Ref("x"), "other": -math.inf}, "%x * -np.inf"),
        ("aten.view.default", {"self": Ref("x"), "size": [Ref("n"), 6]}, "%x.reshape(%n, 6)"),
        ("aten.sum.dim_IntList", {"self": Ref("x"), "dim": [1]}, "np.sum(%x, axis=1)"),
        (
            "aten.sum.dim_IntList",
            {"self": Ref("x"), "dim": [0, 1], "keepdim": True},
            "np.sum(%x, axis=(0, 1), keepdims=True)",
        ),
        ("aten.cat.default", {"tensors": [Ref("x"), Ref("x")]}, "np.concatenate([%x, %x], axis=0)"),
        ("aten.slice.Tensor", {"self": Ref("x"), "dim": 1, "end": -1}, "%x[:, :-1]"),
        ("aten.index.Tensor", {"self": Ref("x"), "indices": [None, Ref("b")]}, "%x[:, %b]"),
        (
            "aten.gather.default",
            {"self": Ref("x"), "dim": 1, "index": Ref("i")},
            "np.take_along_axis(%x[:1, :], %i, axis=1)",
        ),
        (
            "aten.gather.default",
            {"self": Ref("w"), "dim": -1, "index": Ref("n")},
            "np.take_along_axis(%w[:%n.shape[0], :], %n, axis=-1)",
        ),
        (
            "aten.gather.default",
            {"self": Ref("x"), "dim": 0, "index": Ref("n")},
            "np.take_along_axis(%x, %n, axis=0)",
        ),
        ("aten.rsub.Scalar", {"self": Ref("x"), "other": 1, "alpha": 2}, "1 - %x * 2"),
        ("aten.roll.default", {"self": Ref("x"), "shifts": [2]}, "np.roll(%x, 2)"),
        (
            "aten.bucketize.Tensor",
            {"self": Ref("x"), "boundaries": Ref("b"), "right": True},
            'np.searchsorted(%b, %x, side="right")',
        ),
        (
            "aten.searchsorted.Tensor",
            {"sorted_sequence": Ref("b"), "self": Ref("x"), "side": "right"},
            'np.searchsorted(%b, %x, side="right")',
        ),
        (
            "aten.addcmul.default",
            {"self": Ref("x"), "tensor1": Ref("x"), "tensor2": Ref("x")},
            "%x + %x * %x",
        ),
        (
            "aten.addmv.default",
            {"self": Ref("b"), "mat": Ref("w"), "vec": Ref("x"), "alpha": 2, "beta": 0},
            "2 * (%w @ %x)",
        ),
        ("aten.norm.Scalar", {"self": Ref("x")}, "np.sqrt(np.sum(%x ** 2))"),
        ("aten.norm.Scalar", {"self": Ref("z")}, "np.sqrt(np.sum(np.abs(%z) ** 2))"),
        ("aten.norm.Scalar", {"self": Ref("x"), "p": 0}, "np.sum(np.abs(%x) != 0)"),
        ("aten.norm.Scalar", {"self": Ref("x"), "p": -math.inf}, "np.min(np.abs(%x))"),
        ("aten.norm.Scalar", {"self": Ref("x"), "p": 4}, "np.sum(np.abs(%x) ** 4) ** 0.25"),
        (
            "aten.cdist.default",
            {"x1": Ref("x"), "x2": Ref("w"), "p": math.inf},
            "np.max(np.abs(%x[..., :, None, :] - %w[..., None, :, :]), axis=-1)",
        ),
        (
            "aten._weight_norm.default",
            {"v": Ref("x"), "g": Ref("b"), "dim": -1},
            "%x * (%b / np.sqrt((%x * %x).sum(axis=(0, 1), keepdims=True)))",
        ),
    ],
)
def test_a_line(target, args, expected):
    assert text(target, **args) == expected


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("aten.binary_cross_entropy_with_logits.default", {"target": Ref("x"), "pos_weight": 2}),
        ("aten.searchsorted.Tensor", {"sorted_sequence": Ref("b"), "sorter": Ref("i")}),
        ("aten.elu.default", {"scale": 1.05}),
    ],
)
def test_an_argument_that_a_row_does_not_read_is_refused(target, args):
    with pytest.raises(PortError, match=f"{target}: its row does not read {[*args][-1]}"):
        text(target, self=Ref("x"), **args)
    assert text(target, self=Ref("x"), **{**args, [*args][-1]: None})


def test_a_dtype_and_a_nan():
    assert text_of(written(DType("bool"))) == "bool"
    assert text_of(written(DType("bfloat16"))) == "np.float32"
    assert text_of(written(math.nan)) == "np.nan"


@pytest.mark.parametrize("string", ['"', "'", "\\", "\n", "a'b\"c", "\0" + "0\0", "ü\u2028", "{k}"])
def test_a_string_stays_a_string(string):
    tree = ast.parse(text_of(ast.Subscript(ast.Name("w"), ast.Constant(string)))).body
    assert len(tree) == 1
    assert tree[0].value.slice.value == string


def test_values_are_found():
    tree = completed(written([Ref("x"), 2, Ref("x")]))
    assert values_in(tree) == ["%x", "%x"]


def test_an_index_in_a_string():
    parts = [ast.Constant("layers."), ast.FormattedValue(ast.Name("k"), -1), ast.Constant(".fc")]
    assert text_of(ast.JoinedStr(parts)) == 'f"layers.{k}.fc"'
