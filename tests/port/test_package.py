"""What port writes is a package that needs NumPy alone and gives what the model gives."""

import ast
import subprocess
import sys

import numpy as np
import pytest

from snippets.parity import leaves
from snippets.port import port
from snippets.port.package import closure
from tests.port.models import MODELS, floats, spread, torch
from tests.port.programs import imported


def arrays(value):
    """Return nested inputs with arrays in the place of tensors."""
    if isinstance(value, tuple):
        return tuple(map(arrays, value))
    return value.numpy() if isinstance(value, torch.Tensor) else value


SLOW = [pytest.param(name, marks=pytest.mark.thorough) for name in ("cnn", "encoder", "mlp")]
QUICK = [name for name in MODELS if name not in ("cnn", "encoder", "mlp")]


@pytest.fixture(scope="module", params=[*QUICK, *SLOW])
def written(request, tmp_path_factory):
    """Return a model, its inputs, and the folder of its program."""
    make, args = MODELS[request.param]
    model = spread(make())
    return model, args, port(model, args, folder=tmp_path_factory.mktemp("ported") / "my_model")


def test_a_program_gives_what_the_model_gives(written):
    model, args, folder = written
    with imported(folder) as package:
        weights = package.load()
        ours = package.forward(weights, *arrays(args))
        again = package.forward(weights, *arrays(args))
    with torch.no_grad():
        theirs = model(*args)
    expected = dict(leaves("output", theirs))
    assert dict(leaves("output", ours)).keys() == expected.keys()
    for (name, one), (_, two) in zip(leaves("output", ours), leaves("output", again), strict=True):
        reference = expected[name].numpy()
        assert one.dtype == reference.dtype
        scale = np.abs(reference).max()
        assert np.abs(one - reference).max() <= 1e-11 * scale
        assert np.array_equal(one, two)


def test_the_weights_have_their_names(written):
    model, _, folder = written
    with np.load(folder / "weights.npz") as file:
        stored = dict(file)
    assert stored.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert np.array_equal(stored[name], tensor.numpy())


def run_alone(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", folder.name, *arguments],
        cwd=folder.parent,
        capture_output=True,
        text=True,
    )


def test_the_recording_is_replayed(written):
    _, _, folder = written
    done = run_alone(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(line.endswith(" agrees") for line in done.stdout.splitlines())


def test_a_changed_weight_is_told(tmp_path):
    model, args = spread(MODELS["mlp"][0]()), MODELS["mlp"][1]
    folder = port(model, args, folder=tmp_path / "mlp")
    with np.load(folder / "weights.npz") as file:
        stored = dict(file)
    np.savez(folder / "weights.npz", **stored | {"2.bias": stored["2.bias"] + 1})
    done = run_alone(folder)
    assert done.returncode == 1
    assert "output differs: off by 1 at" in done.stdout


@pytest.mark.thorough
def test_two_programs_live_in_one_process(tmp_path):
    """One inside another, too."""
    model, args = spread(MODELS["mlp"][0]()), MODELS["mlp"][1]
    other = spread(MODELS["mlp"][0](), seed=3)
    outer = port(model, args, folder=tmp_path / "outer")
    port(other, args, folder=outer / "inner")
    with imported(outer) as package:
        inner = __import__("outer.inner").inner
        x = args[0].numpy()
        assert not np.array_equal(
            package.forward(package.load(), x), inner.forward(inner.load(), x)
        )


@pytest.mark.parametrize("name", ["my-model", "class", "2", "taken", "missing/my_model", "file"])
def test_a_folder_that_is_no_name_or_taken_is_refused(tmp_path, name):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/notes").touch()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"name|exist"):
        port(*mlp(), folder=tmp_path / name)


def mlp():
    return spread(MODELS["mlp"][0]()), MODELS["mlp"][1]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "mine").mkdir()
    folder = port(mlp()[0], mlp()[1][0], folder=str(tmp_path / "mine"))  # a tensor without a tuple
    assert (folder / "model.py").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]  # and no draft beside it


class Hostile(torch.nn.Module):
    """PyTorch takes parameters of any name, but for dots and the empty one."""

    def __init__(self, name):
        super().__init__()
        self.register_parameter(name, torch.nn.Parameter(torch.randn(3).double()))
        self.name = name

    def forward(self, x):
        return x * getattr(self, self.name)


@pytest.mark.parametrize(
    "name",
    [
        "]; import os; w[",
        *[pytest.param(name, marks=pytest.mark.thorough) for name in ("{os}", "file", "w", "ü")],
    ],
)
def test_a_hostile_name_stays_a_name(tmp_path, name):
    model = Hostile(name).eval()
    type(model).__name__ = f'x"""; {name}'
    folder = port(model, (torch.randn(2, 3).double(),), folder=tmp_path / "hostile")
    with imported(folder) as package:
        assert list(package.load()) == [name]
    tree = ast.parse((folder / "model.py").read_text("utf-8"))
    assert [type(node).__name__ for node in tree.body][-1] == "FunctionDef"
    assert len(tree.body[-1].body) <= 3


def test_what_a_module_imports_is_copied_once():
    modules = closure({"layers.transformer", "layers.linear"})
    assert {"layers.attention", "layers.linear", "layers.layer_norm"} <= modules


class Single(torch.nn.Module):
    """As the norms of many libraries: computes in float32, whatever it is given."""

    def forward(self, x):
        return torch.sigmoid(x.float() * 1.7).to(x.dtype) * x


def test_where_a_model_computes_in_float32_is_said(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(4, 40), Single()).double().eval()
    folder = port(model, (floats(30, 4),), folder=tmp_path / "single")
    said = (folder / "__main__.py").read_text("utf-8")
    assert 'TOLERANCES["float64"] = 1e-6  # it computes in float32, first in 1\n' in said
    text = (folder / "model.py").read_text("utf-8")
    assert text.startswith('"""Computes in float32 inside, first in 1, as the model does."""\n')
    assert run_alone(folder).returncode == 0


def test_the_weights_are_safetensors_where_asked(tmp_path):
    folder = port(*mlp(), folder=tmp_path / "safe", safetensors=True)
    with imported(folder) as package:
        assert package.load().keys() == mlp()[0].state_dict().keys()
    assert not (folder / "weights.npz").exists()
    assert run_alone(folder).returncode == 0
