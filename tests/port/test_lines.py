"""One operation becomes one expression; a string in it stays a string."""

import ast
import math

import pytest

from snippets.port.graph import Array, DType, Node, Ref
from snippets.port.lines import completed, expression, text_of, values_in, written

X = {"x": Array((2, 3), "float32"), "w": Array((4, 3), "float32"), "b": Array((4,), "float32")}


def text(target, **args):
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
    ],
)
def test_a_line(target, args, expected):
    assert text(target, **args) == expected


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
