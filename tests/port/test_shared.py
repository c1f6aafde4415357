"""Functions that differ in numbers are one; what is made one by one and read together is a list."""

import ast

import pytest

from snippets.port.functions import Function, anonymous
from snippets.port.layout import function_lines
from snippets.port.lines import text_of
from snippets.port.shared import shared


def functions(source):
    """Return the Functions of a text."""
    found = []
    for tree in ast.parse(source).body:
        params = [argument.arg for argument in tree.args.args]
        kind = tree.name.rstrip("_0123456789")
        shapes = [[] for _ in tree.body]
        found.append(Function(tree.name, params, tree.body, shapes, kind=kind))
    return found


def text(source):
    """Return what becomes of the functions of a text."""
    found = shared(functions(source), anonymous)
    return "\n".join(line for function in found for line in function_lines(function))


STRIDES = """
def forward(w, x):
    x = block(under(w, "0"), x)
    x = block_2(under(w, "1"), x)
    return block_3(under(w, "2"), x)

def block(w, x):
    y = part(under(w, "a"), x)
    return x + y

def block_2(w, z):
    y = part_2(under(w, "a"), z)
    return z + y

def block_3(w, x):
    y = part_3(under(w, "a"), x)
    return x + y

def part(w, x):
    x = relu(batch_norm(x, *norm_of(w, "norm")))
    return conv2d(x, w["weight"], stride=2, groups=len(w["weight"]))

def part_2(w, x):
    x = gelu(batch_norm(x, *norm_of(w, "norm"), eps=0.1))
    return conv2d(x, w["weight"], groups=len(w["weight"]))

def part_3(w, x):
    x = relu(batch_norm(x, *norm_of(w, "norm")))
    return conv2d(x, w["weight"], stride=2, groups=len(w["weight"]))
"""


def test_functions_that_differ_in_what_a_call_says_are_one():
    said = text(STRIDES.replace("gelu", "silu"))
    assert "x = block(under(w, '0'), x, activation=relu, stride=2)" in said.replace('"', "'")
    assert "x = block(under(w, '1'), x, activation=silu, eps=0.1)" in said.replace('"', "'")
    assert "def block(w, x, activation, eps=1e-05, stride=1):" in said
    assert "def part(w, x, activation, eps=1e-05, stride=1):" in said
    assert 'conv2d(x, w["weight"], stride=stride, groups=len(w["weight"]))' in said
    assert "x = activation(batch_norm(" in said
    assert said.count("def ") == 3


def test_functions_that_do_other_things_stay_apart():
    assert text(STRIDES).count("def ") == 5  # gelu has an argument more than relu
    other = STRIDES.replace('w["weight"], groups', 'w["other"], groups').replace("gelu", "silu")
    assert text(other).count("def ") == 5
    named = STRIDES.replace("block_2", "stem").replace("gelu", "silu")
    assert text(named).count("def ") == 4


def test_a_function_gets_few_arguments():
    source = "def forward(x):\n"
    for i in range(4):
        source += f"    x = pool{'_' + str(i) if i else ''}(x)\n"
    source += "    return x\n"
    for i in range(4):
        source += f"def pool{'_' + str(i) if i else ''}(x):\n"
        for j in range(5):
            source += f"    x = max_pool2d(x, {2 + (i == j) + (i == 3)})\n"
        source += "    return x\n"
    said = text(source)
    assert said.count("def ") == 3
    assert "def pool(x, kernel_size, kernel_size_2, kernel_size_3):" in said
    assert "x = pool(x, kernel_size=2, kernel_size_2=3, kernel_size_3=2)" in said
    assert "def pool_3(x):" in said


DENSE = """
def forward(w, x):
    first = layer(under(w, "0"), x)
    second = layer_2(under(w, "1"), x, first)
    third = layer_3(under(w, "2"), x, first, second)
    return np.concatenate([x, first, second, third], axis=1)

def layer(w, x):
    x = np.concatenate([x], axis=1)
    return linear(x, w["weight"])

def layer_2(w, x, first):
    y = np.concatenate([x, first], axis=1)
    return linear(y, w["weight"])

def layer_3(w, x, first, second):
    first = np.concatenate([x, first, second], axis=1)
    return linear(first, w["weight"])
"""


def test_a_list_that_grows_is_a_list():
    said = text(DENSE)
    assert said == (
        "def forward(w, x):\n"
        "    parts = [x]\n"
        "    for k in range(3):\n"
        '        parts.append(layer(under(w, f"{k}"), parts))\n'
        "    return np.concatenate(parts, axis=1)\n"
        "def layer(w, parts):\n"
        "    x = np.concatenate(parts, axis=1)\n"
        '    return linear(x, w["weight"])'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    return np", "    third = third + second\n    return np"),  # it is read besides
        ("    return np", "    first = x\n    return np"),  # it becomes another
        ("    return np", "    first, x = x, x\n    return np"),
        ("[x, first, second, third]", "[x, second, first, third]"),
        ("[x, first, second, third]", "[x, first, second, second]"),
        ("third = layer_3", "x = x + 1\n    x = x + 1\n    third = layer_3"),
    ],
)
def test_a_list_that_is_none_stays(old, new):
    assert old in DENSE
    said = text(DENSE.replace(old, new, 1))
    assert "parts.append(" not in said


def test_a_function_that_reads_its_arguments_besides_has_no_list():
    said = text(DENSE.replace("[x, first, second], axis=1)", "[x, first, second], axis=1) + x"))
    assert "layer_3(under(w, " in said
    assert "layer_2(under(w, " in said


def test_a_list_is_read_before_it_grows():
    early = DENSE.replace("x, first)\n    third", "x, first)\n    late = np.sum([x])\n    third")
    assert early != DENSE
    assert "parts.append(" not in text(early.replace("third], axis=1)", "third], axis=1) + late"))


def test_three_are_a_list_and_keep_the_shapes_of_others():
    found = functions(
        """
def forward(w, x):
    first = layer(under(w, "0"), [x])
    second = layer(under(w, "1"), [x, first])
    y = np.tanh(x)
    total = np.concatenate([x, first, second], axis=1)
    return total * y
"""
    )
    found[0].shapes = [[(1,)], [(2,)], [(3,)], [(4,)], []]
    (function,) = shared(found, anonymous)
    assert [text_of(s).split("(")[0] for s in function.body][:3] == [
        "parts = [x]",
        "parts.append",
        "parts.append",
    ]
    assert function.shapes == [[], [], [], [(3,)], [(4,)], []]


def test_an_argument_that_is_given_by_place_stays_there():
    source = STRIDES.replace('w["weight"], stride=2, groups', 'w["weight"], None, 2, groups')
    source = source.replace('w["weight"], groups', 'w["weight"], None, 1, groups')
    said = text(source.replace("gelu", "silu"))
    assert 'conv2d(x, w["weight"], None, stride, groups=len(w["weight"]))' in said
