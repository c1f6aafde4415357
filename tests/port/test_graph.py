"""The graph as data: where a node is, which values an argument refers to."""

from snippets.port.graph import Node, Ref, frames_of, refs

TRACE = """File "/home/me/net.py", line 7, in forward
    return self.fc(x)
  File "/lib/torch/nn/modules/linear.py", line 3, in forward
    return F.linear(x)"""
NO_SOURCE = 'File "<stdin>", line 7, in forward\n  File "<stdin>", line 3, in forward'


def test_where_names_the_users_line():
    stack = (("", "net.Net"), ("fc", "torch.nn.Linear"))
    node = Node("aten.linear.default", {}, ("y",), (None,), False, stack, frames_of(TRACE))
    place = "/home/me/net.py, line 7: return self.fc(x)"
    assert node.where() == f"aten.linear.default in fc (Linear), {place}"
    assert Node("aten.linear.default", {}, ("y",), (None,)).where() == "aten.linear.default"


def test_a_line_without_source_is_told_by_its_number():
    frames = frames_of(NO_SOURCE)
    assert [(f.line, f.code) for f in frames] == [(7, ""), (3, "")]
    assert str(frames[-1]) == "<stdin>, line 3"


def test_refs_are_found_in_whatever_holds_them():
    assert list(refs([Ref("a"), 2, {"key": (Ref("b"), None)}])) == ["a", "b"]
