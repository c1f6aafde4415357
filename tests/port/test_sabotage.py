"""Each part of the generator decides: broken in one place, it writes a program that is wrong."""

import copy
import importlib

import numpy as np
import pytest

from snippets.parity import leaves
from snippets.port import functions, layout
from snippets.port.capture import arrays_of, calls_of, captured, graph_of, named_inputs
from tests import SNIPPETS_DIR
from tests.port.models import MODELS, floats, nn, spread, torch
from tests.port.programs import program_of
from tests.port.test_functions import Pair, Parts, Twice
from tests.port.test_ranges import Causal
from tests.sabotage import sabotaged

PORT = SNIPPETS_DIR / "port"
# By their names in the package, write and run are functions.
write, running = (importlib.import_module(f"snippets.port.{name}") for name in ("write", "run"))


class Both(nn.Module):
    """A mask that ranges decide: those from 1 on, the other triangle."""

    def forward(self, x):
        n = torch.arange(x.shape[0])
        return x * ((n >= 1) & (x[:, 0] > -9))[:, None], x[:, :1] * (n[:, None] <= n)


class Steps(nn.Module):
    """Results that are read twice, a name that is given anew, a sum, an order."""

    def forward(self, x):
        y = x.exp()
        z = y
        y = (twice := x * 3) * twice.sin()
        return y + z * z + y.tanh(), z * x[0].sum(), x[:, torch.tensor([2, 0, 1])]


class Blocks(nn.Module):
    """Blocks of one class with other strides and activations, and a list that grows."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.blocks = nn.ModuleList([Strided(2, 1, nn.ReLU()), Strided(1, 2, nn.Tanh())])
        self.blocks.append(Strided(1, 0, nn.SiLU()))
        self.layers = nn.ModuleList([Joined(4 + i) for i in range(4)])
        self.weight, self.bias = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4))

    def forward(self, x):
        parts = [torch.addmm(self.bias, self.norm(x).reshape(-1, 4), self.weight).view(3, 4, 4)]
        for block in self.blocks:
            x = block(x)
        for layer in self.layers:
            parts.append(layer(parts))
        total = torch.cat(parts, 1)
        return x, total


class Strided(nn.Module):
    def __init__(self, stride, padding, activation):
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3, stride, padding, groups=4)
        self.activation = activation

    def forward(self, x):
        y = self.activation(self.conv(x))
        z = y.sin() * y
        return z + y


class Joined(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = nn.Conv1d(n, 1, 1)

    def forward(self, parts):
        y = torch.cat(parts, 1)
        z = self.conv(y).sin()
        return z * z + z


ANY = {"x": {0: "batch", 1: "time"}, "mask": {0: "batch", 1: "time"}}
WHOLE = {
    "decoder": (*MODELS["decoder"], None),
    "rnn": (*MODELS["the question's"], None),
    "twice": (Twice, (floats(3, 4),), None),
    "parts": (Parts, (floats(3, 4),), None),
    "causal": (Causal, (floats(2, 5, 8), floats(2, 5) > -1), ANY),
    "both": (Both, (floats(4, 3),), {"x": {0: "batch"}}),
    "pair": (Pair, (floats(4, 3), floats(4, 3, seed=2)), None),
    "steps": (Steps, (floats(4, 3),), None),
    "blocks": (Blocks, (floats(3, 4, 4),), None),
}


@pytest.fixture(scope="module")
def captures():
    """Return [(graph, example inputs, other inputs, what is expected of these)] of the models."""
    found = []
    for make, args, dynamic in WHOLE.values():
        model = spread(make())
        named = named_inputs(model, args, {})
        graph = graph_of(captured(model, args, {}, named, dynamic), model, named, dynamic)
        graph.calls = calls_of(model, args, {})
        others = [x.flip(0) for x in args]
        with torch.no_grad():
            expected = [leaf.numpy() for _, leaf in leaves("output", model(*others))]
        found.append((graph, arrays_of(graph, named), [x.numpy() for x in others], expected))
    return found


def wrong(captures):
    """Return the models whose programs are wrong."""
    found = []
    for name, (graph, inputs, args, expected) in zip(WHOLE, captures, strict=True):
        try:
            forward = program_of(graph, running.run(copy.deepcopy(graph), inputs))
            ours = [leaf for _, leaf in leaves("output", forward(graph.arrays, *args))]
            is_right = all(
                one.shape == other.shape and np.allclose(one, other, 1e-11, 1e-11)
                for one, other in zip(ours, expected, strict=True)
            )
        except Exception:
            is_right = False
        found += [] if is_right else [name]
    return found


# What is said of a sabotage: the file, what it has there, where that is used, and the change.
SABOTAGES = {
    "a loop over the wrong places": (
        "loops", "rolled", layout, "with_index(texts[i + j], places[j], index)",
        "with_index(texts[i + j], places[0], index)",
    ),
    "a layer too few": ("loops", "rolled", layout, "{start + count})", "{start + count - 1})"),
    "a swapped argument": (
        "functions", "Writer", write, "[ast.Name(v) for v in params]",
        "[ast.Name(v) for v in params[::-1]]",
    ),
    "modules that differ are one function": (
        "functions", "Writer", write, 'return "\\n".join([f"{len(function.params)}',
        'return "" and "\\n".join([f"{len(function.params)}',
    ),
    "parts in the order they are made in": (
        "functions", "Writer", write, "order == sorted(order) and", "bool(order) and",
    ),
    "what is read twice is put into one line": (
        "functions", "Writer", write, "and count[out] == 1:", "and count[out]:",
    ),
    "the prefix of another module": (
        "functions", "Writer", write, 'call("under", ast.Name("w"), ast.Constant(path[:-1]))',
        'call("under", ast.Name("w"), ast.Constant(path[:-2] + "0"))',
    ),
    "a name that something else still has": (
        "names", "Names", functions, "while name in used or name in found:", "while name in found:",
    ),
    "a folded input": (
        "run", "run", running, "if is_constant:", "if is_constant or not np.ndim(parts[outs[0]]):",
    ),
    "the other triangle": (
        "ranges", "simplify", functions, "if from_end != (1, 2):",
        "if from_end not in ((1, 2), (2, 1)):",
    ),
    "true from 1 on is true": (
        "ranges", "simplify", functions, "found.start >= number.value)", "number.value >= 0)",
    ),
    "no causal mask": (
        "ranges", "simplify", functions, 'made = call("np.tri", *args)',
        'made = call("np.ones", ast.Tuple(args))',
    ),
    "what another function is given": (
        "shared", "shared", functions, "zip(group, values, strict=True)",
        "zip(group, values[::-1], strict=True)",
    ),
    "a default that is left out": (
        "shared", "shared", functions, "if value != default:", "if value != values[0]:",
    ),
    "an argument of another call": (
        "shared", "shared", functions, "put(places[i][0], places[i][1]",
        "put(places[-1 - i][0], places[i][1]",
    ),
    "a list that begins with another": (
        "shared", "shared", functions, "ast.List([ast.Name(names[0])])", "ast.List([])",
    ),
    "a bias that is taken away": (
        "rewritten", "products", functions, "line.tree, ast.Add(), bias",
        "line.tree, ast.Sub(), bias",
    ),
    "a batch norm's arrays of another path": (
        "rewritten", "norms", functions, "ast.Constant(path)", "ast.Constant(path[:-1])",
    ),
    "a constant that is no range": (
        "constants", "fold", functions, "(array.ravel() == np.arange(array.size)).all()",
        "array.ndim",
    ),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_a_sabotage_is_noticed(monkeypatch, captures, name):
    file, what, where, old, new = SABOTAGES[name]
    broken = sabotaged(PORT / f"{file}.py", old, new)
    monkeypatch.setattr(where, what, getattr(broken, what))
    assert wrong(captures)


@pytest.mark.thorough
def test_without_a_sabotage_none_is_wrong(captures):
    assert wrong(captures) == []
