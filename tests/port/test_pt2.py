"""A .pt2 gives the program that the live model gives, without torch; a hostile one is refused."""

import ast
import json
import runpy
import sys
import zipfile

import numpy as np
import pytest

from snippets.port import PortError, port_file
from snippets.port.capture import arrays_of, captured, graph_of, named_inputs
from snippets.port.pt2 import graph_of_file, said
from snippets.port.run import run
from snippets.port.write import write
from tests.port.models import MODELS, floats, nn, torch
from tests.port.programs import exported, imported

SLOW = [pytest.param(name, marks=pytest.mark.thorough) for name in MODELS if name != "tagger"]


def saved(name, folder):
    """Return the path of a model's .pt2."""
    torch.export.save(exported(name)[2], folder / "m.pt2")
    return folder / "m.pt2"


@pytest.mark.parametrize("name", ["tagger", *SLOW])
def test_a_file_gives_the_program_of_the_model(tmp_path, name):
    model, named, program = exported(name)
    live = graph_of(program, model, named)
    read, inputs = graph_of_file(saved(name, tmp_path))
    given = arrays_of(live, named)
    assert given.keys() == inputs.keys()
    assert all(np.array_equal(given[key], inputs[key]) for key in given)
    assert (read.name, read.apart, read.inputs) == (live.name, live.apart, live.inputs)
    assert read.arrays.keys() == live.arrays.keys()
    assert all(np.array_equal(read.arrays[key], live.arrays[key]) for key in read.arrays)
    assert write(read, run(read, inputs)) == write(live, run(live, given))


def command(monkeypatch, *arguments):
    """Return the exit code of python -m snippets.port."""
    monkeypatch.setattr(sys, "argv", ["port", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("snippets.port", run_name="__main__")
    return ended.value.code


class Sized(nn.Module):
    """Nested inputs and outputs, sizes that are computed, a branch on one, numbers."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("scales", torch.ones(3), persistent=False)

    def forward(self, x, pair, power=2.0):
        y = x.reshape(x.shape[0] * 2, -1) if x.shape[0] > 4 else x
        first, _ = pair
        z = x.masked_fill(x > 0, float("-inf")) + first
        return {"y": (y, [z, None]), "n": x.shape[0], "f": self.fc(x) * self.scales**power}


@pytest.fixture(scope="module")
def sized(tmp_path_factory):
    """Return a model with axes of any size, its inputs, and the path of its .pt2."""
    model, free = Sized().double().eval(), {0: torch.export.Dim.DYNAMIC}
    inputs, power = (floats(6, 4), (floats(6, 1), True)), {"power": 0.5}
    named, dynamic = named_inputs(model, inputs, power), {"x": free, "pair": (free, None)}
    program = captured(model, inputs, power, named, dynamic)
    path = tmp_path_factory.mktemp("pt2") / "sized.pt2"
    torch.export.save(program, path)
    return model, inputs, path


def test_sizes_and_their_conditions_are_read(sized, tmp_path, monkeypatch):
    model, (x, (first, _)), path = sized
    folder = tmp_path / "sized"
    assert command(monkeypatch, path, folder) == 0
    with torch.no_grad():
        expected = model(x[:5], (first[:5], True), power=0.5)
    with imported(folder) as package:
        weights = package.load()
        ours = package.forward(weights, x[:5].numpy(), (first[:5].numpy(), True), 0.5)
        with pytest.raises(ValueError, match="with batch > 4"):
            package.forward(weights, x[:3].numpy(), (first[:3].numpy(), True), 0.5)
    assert ours["n"] == 5
    assert ours["y"][1][1] is None
    for one, other in ((ours["y"][0], expected["y"][0]), (ours["f"], expected["f"])):
        assert np.abs(one - other.numpy()).max() < 1e-11


def test_sizes_as_sympy_writes_them():
    def text(code):
        return said(ast.parse(code, mode="eval").body)

    assert text("Mul(Integer(2), Symbol('s77', positive=True))") == "2*s77"
    assert text("Add(Integer(-1), FloorDiv(Symbol('n'), Integer(2)))") == "(-1 + (n//2))"
    assert text("Max(Integer(1), Symbol('n'))") == "Max(1, n)"


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Return the members of a small model's .pt2."""
    with zipfile.ZipFile(saved("mlp", tmp_path_factory.mktemp("mlp"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def nodes_of(told):
    return told["graph_module"]["graph"]["nodes"]


def target(told):
    nodes_of(told)[1]["target"] = "os.system"


def operation(told):
    nodes_of(told)[1]["target"] = "torch.ops.aten.relu_.default"


def value(told):
    nodes_of(told)[0]["outputs"][0]["as_tensor"]["name"] = "x\nimport os"


def words(told):
    nodes_of(told)[1]["inputs"][0]["arg"] = {"as_string": "__import__('os')"}


def kind(told):
    nodes_of(told)[1]["inputs"][0]["arg"] = {"as_graph": {}}


def argument(told):
    told["graph_module"]["module_call_graph"][0]["signature"]["forward_arg_names"] = ["a; b"]


def condition(told):
    told["guards_code"] = ["__import__('os')"]


def unknown(told):
    told["guards_code"] = ["n > 3"]


def large(told):
    sizes = told["graph_module"]["graph"]["tensor_values"]["tanh"]["sizes"]
    sizes[0]["as_int"] = 10**12


def made(told, target, shape=1, **given):
    """Have the second node be another operation, which claims to make a few numbers."""
    node = nodes_of(told)[1]
    node["target"] = f"torch.ops.aten.{target}"
    node["inputs"] = [{"name": key, "arg": arg, "kind": 1} for key, arg in given.items()]
    told["graph_module"]["graph"]["tensor_values"]["tanh"]["sizes"] = [{"as_int": shape}]


HUGE = {"as_int": 2**40}


def full(told):
    made(told, "full.default", size={"as_ints": [2**20, 2**20]}, fill_value={"as_float": 1.0})


def numbers(told):
    made(told, "arange.default", end=HUGE)


def steps(told):
    ends = {"start": {"as_int": 0}, "end": {"as_int": 1}}
    made(told, "arange.start_step", **ends, step={"as_float": 2.0**-40})


def border(told):
    x = nodes_of(told)[1]["inputs"][0]["arg"]
    made(told, "constant_pad_nd.default", self=x, pad={"as_ints": [0, 2**40]})


def missing(told):
    del told["graph_module"]["signature"]["input_specs"][0]


def changes(told):
    spec = told["graph_module"]["signature"]["output_specs"]
    spec[0] = {"buffer_mutation": spec[0]["user_output"]}


def token(told):
    told["graph_module"]["signature"]["input_specs"][0] = {"token": {}}


def box(told):
    signature = told["graph_module"]["module_call_graph"][0]["signature"]
    signature["out_spec"] = json.dumps(
        [1, {"type": "Box", "context": "3", "children_spec": [{"type": None}]}]
    )


HOSTILE = {
    target: "os.system in 1 .*this operation has no row",
    operation: "relu_.default in 1.*no row.*save it once more.*run_decompositions",
    value: r"called 'x\\nimport os', which is no name",
    words: "no mode, and no equation",
    kind: "as_graph: control flow",
    argument: "called 'a; b'",
    condition: "which no line of NumPy says",
    unknown: "of no size that it has",
    large: r"a result of shape \(1000000000000, .*too large to run",
    full: r"full.default.*size=\[1048576, 1048576\], too large to run",
    numbers: "arange.default.*0 to 1099511627776, too large to run",
    steps: "arange.start_step.*0 to 1, too large to run",
    border: "pad 1099511627776, too large to run",
    missing: "p_0_weight",
    changes: "changes what it is given",
    token: "an input is a token",
    box: "takes or returns a Box",
}


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_a_hostile_file_is_refused(members, tmp_path, change):
    told = json.loads(members["m/models/model.json"])
    change(told)
    with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, json.dumps(told) if name == "m/models/model.json" else data)
    with pytest.raises(PortError, match=HOSTILE[change]):
        port_file(tmp_path / "m.pt2", tmp_path / "hostile")
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]


def test_a_file_of_several_programs_or_none_is_refused(members, tmp_path):
    for change in ({"m/models/more.json": b"{}"}, {"m/models/model.json": None}):
        with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
            for name, data in (members | change).items():
                if data is not None:
                    archive.writestr(name, data)
        with pytest.raises(PortError, match="with one program in it: save one"):
            graph_of_file(tmp_path / "m.pt2")
    (tmp_path / "m.pt2").write_bytes(b"12345" + (tmp_path / "m.pt2").read_bytes())
    with pytest.raises(PortError, match=r"m.pt2: 5 bytes stand before its zip"):
        graph_of_file(tmp_path / "m.pt2")
    torch.save(torch.ones(2), tmp_path / "m.pt")
    with pytest.raises(PortError, match=r"m.pt: no file of torch.export.save"):
        graph_of_file(tmp_path / "m.pt")
