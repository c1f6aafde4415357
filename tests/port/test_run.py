"""A graph is run in NumPy: a result that differs from PyTorch's in shape or dtype is refused."""

import ast

import numpy as np
import pytest

from snippets.port import operations
from snippets.port.graph import Array, Graph, Node, PortError, Ref
from snippets.port.lines import text_of
from snippets.port.run import check_size, run, size_tree
from snippets.port.write import write


def ran(target, values, **args):
    """Run a graph of one operation of x (2, 3), float32."""
    known = {"x": Array(("batch", 3), "float32")}
    names = tuple("abc"[: len(values)])
    node = Node(target, args, names, values, len(values) > 1)
    graph = Graph("Net", {"x": Ref("x")}, known, [node], Ref("a"), {}, {})
    return run(graph, {"x": np.float32([[1, 2, 3], [4, 5, 6]])})


def test_a_result_has_the_dtype_of_pytorchs():
    made = ran("aten.sum.default", (Array((), "float64"),), self=Ref("x"))
    assert text_of(made.lines[0].tree) == "np.sum(%x).astype(np.float64)"


def test_a_part_that_nothing_reads_makes_no_line():
    values = Array(("batch",), "float32"), Array(("batch",), "int64")
    made = ran("aten.max.dim", values, self=Ref("x"), dim=1)
    assert [text_of(line.tree) for line in made.lines] == [
        "np.max(%x, axis=1)",
        "np.argmax(%x, axis=1)",
    ]


def test_another_shape_is_refused():
    with pytest.raises(PortError, match=r"gives Array\(shape=\(\), .*PyTorch Array\(shape=\(3,"):
        ran("aten.sum.default", (Array((3,), "float32"),), self=Ref("x"))


def test_a_line_that_fails_is_refused():
    with pytest.raises(PortError, match=r"aten.mm.default: its NumPy line fails: matmul"):
        ran("aten.mm.default", (Array((2, 2), "float32"),), self=Ref("x"), mat2=Ref("x"))


def test_what_a_row_refuses_names_its_place(monkeypatch):
    def row(call):
        raise PortError("no")

    monkeypatch.setitem(operations.TABLE, "aten.mm.default", ("", row))
    with pytest.raises(PortError, match=r"^aten.mm.default: no$"):
        ran("aten.mm.default", (Array((2, 2), "float32"),), self=Ref("x"))


def test_a_size_that_grows_without_end_is_refused():
    known = {"x": Array(("batch", 3), "float32")}
    nodes = [Node("aten.sym_size.int", {"self": Ref("x"), "dim": 0}, ("n0",), ("Max(1, batch)",))]
    for i in range(40):
        args = {"a": Ref(f"n{i}"), "b": Ref(f"n{i}")}
        nodes.append(Node("operator.add", args, (f"n{i + 1}",), ("Max(1, batch)",)))
    graph = Graph("Net", {"x": Ref("x")}, known, nodes, Ref("x"), {}, {}, limit=1000)
    with pytest.raises(PortError, match=r"operator.add: more than 9999 terms"):
        run(graph, {"x": np.float32([[1, 2, 3]])})


@pytest.mark.parametrize(
    ("text", "tree"),
    [("2*batch", "2 * $batch"), ("(n//2) + 1", "$n // 2 + 1"), ("Max(1, n)", None)],
)
def test_sizes(text, tree):
    made = size_tree(text)
    assert tree == (made and text_of(made))


def test_a_part_that_nothing_reads_is_not_checked():
    node = Node(
        "aten.topk.default", {"self": Ref("x"), "k": 1}, ("a", ""),
        (Array(("batch", 1), "float32"), None), True,
    )  # fmt: skip
    known = {"x": Array(("batch", 3), "float32")}
    dead = Node("aten.neg.default", {"self": Ref("x")}, ("b",), (known["x"],))
    graph = Graph("Net", {"x": Ref("x")}, known, [node, dead], Ref("a"), {}, {})
    made = run(graph, {"x": np.float32([[1, 2, 3]])})
    text, _ = write(graph, made)
    assert "x, _ = topk(x, 1, -1, True)" in text
    assert "-x" not in text  # what nothing reads is not in the program


@pytest.mark.parametrize(
    ("target", "given", "shapes"),
    [
        ("add.Tensor", {"self": "a", "other": "b"}, [(100, 1), (1, 100)]),
        ("where.self", {"condition": "a", "self": "b", "other": "b"}, [(100, 1), (100,)]),
        ("kron.default", {"self": "a", "other": "b"}, [(100,), (100,)]),
        ("meshgrid.default", {"tensors": ["a", "b"]}, [(100,), (100,)]),
        ("mm.default", {"self": "a", "mat2": "b"}, [(100, 1), (1, 100)]),
        ("addmm.default", {"self": "b", "mat1": "a", "mat2": "b"}, [(100, 1), (1, 100)]),
        ("einsum.default", {"equation": "i, j -> ij", "tensors": ["a", "b"]}, [(100,), (100,)]),
        ("einsum.default", {"equation": "ik,jk", "tensors": ["a", "b"]}, [(100, 1), (100, 1)]),
    ],
)
def test_what_becomes_large_of_small_arrays_is_refused(target, given, shapes):
    args = {
        name: Ref(value) if len(value) == 1 else [Ref(part) for part in value]
        for name, value in given.items()
        if name != "equation"
    } | {name: value for name, value in given.items() if name == "equation"}
    env = {f"%{name}": np.ones(shape) for name, shape in zip("ab", shapes, strict=True)}
    node = Node(f"aten.{target}", args, ("y",), (Array((4,), "float64"),))  # which is a lie
    check_size(node, ast.Constant(1), {}, env, 10_000)
    with pytest.raises(PortError, match=r"a result of arrays of .*, too large to run"):
        check_size(node, ast.Constant(1), {}, env, 9_999)


def test_a_product_of_large_arrays_may_be_small():
    a, b = np.ones((1, 100)), np.ones((100, 1))
    for target, more in (("mm", {}), ("einsum", {"equation": "ij,jk->ik"})):
        args = {"tensors": [Ref("a"), Ref("b")], **more}
        args = args if more else {"mat2": Ref("b"), "self": Ref("a")}
        node = Node(f"aten.{target}.default", args, ("y",), (Array((1, 1), "float64"),))
        check_size(node, ast.Constant(1), {}, {"%a": a, "%b": b}, 1)
    node = Node(
        "aten.cat.default", {"tensors": [Ref("a"), Ref("b")]}, ("y",), (Array((1, 1), "float64"),)
    )
    check_size(node, ast.Constant(1), {}, {"%a": np.ones(3), "%b": np.ones(4)}, 1)
