"""``load_package`` against what ``torch.package`` packed, and against broken files."""

import pytest

from snippets.checkpoints import load, load_package
from tests.checkpoints.broken import (
    assert_broken_ones_are_refused_or_read,
    assert_cut_off_anywhere_is_refused,
    refusal,
)
from tests.checkpoints.fuzz import members_of, zipped_again
from tests.checkpoints.same import assert_same

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated


def packed(path, **pickled):
    with torch.package.PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_text("notes", "text.txt", "no pickle")
        for name, value in pickled.items():
            exporter.save_pickle("models", f"{name}.pkl", value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.pt"


@pytest.mark.parametrize("reader", [load, load_package])
def test_a_packed_model_gives_its_state_dict(path, reader):
    model = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 1), torch.nn.BatchNorm1d(3)).bfloat16()
    packed(path, model=model)
    assert_same(reader(path), model.state_dict())


def test_of_several_pickles_each_has_its_name(path):
    weight = torch.randn(3, 2)
    layer = torch.nn.Linear(2, 3)
    packed(path, views={"turned": weight.T, "row": weight[1]}, layer=layer, sizes=[1, 2])
    found = load(path)
    assert list(found) == ["models/views.pkl", "models/layer.pkl", "models/sizes.pkl"]
    assert_same(found["models/views.pkl"], {"turned": weight.T, "row": weight[1]})
    assert_same(found["models/layer.pkl"], layer.state_dict())
    assert found["models/sizes.pkl"] == [1, 2]


def test_torchscript_in_a_package(path, monkeypatch):
    monkeypatch.setattr(torch.package.package_exporter, "_gate_torchscript_serialization", False)
    layers = [torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(4)]
    frozen = torch.jit.freeze(torch.jit.script(layers[0].eval()))
    packed(path, both=[torch.jit.script(layer) for layer in layers], frozen=frozen)
    found = load(path)
    for ours, layer in zip(found["models/both.pkl"], layers, strict=True):
        assert_same(ours, layer.state_dict())
    assert_same(
        found["models/frozen.pkl"],
        {"CONSTANTS.c0": layers[0].weight, "CONSTANTS.c1": layers[0].bias},
    )


def test_an_empty_package(path):
    packed(path)
    assert load(path) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, d: None if n.endswith("modules") else d, "no torch.package: it has ['w/.dat"),
        (lambda n, d: None if n.endswith("0.storage") else d, "its pickle needs '.data/0.storage'"),
        (lambda n, d: ELSEWHERE if n.endswith(".pkl") else d, "its pickle refers to what is nei"),
        (lambda n, d: b"big?" if n.endswith("byteorder") else d, "its byte order is neither"),
        (lambda n, d: b"x" if n.endswith(".pkl") else d, "it is cut off or damaged"),
    ],
)
def test_files_that_lie(path, change, message):
    packed(path, w=torch.ones(2))
    members = {name: change(name, data) for name, data in members_of(path.read_bytes()).items()}
    path.write_bytes(zipped_again({n: data for n, data in members.items() if data is not None}))
    assert refusal(load_package, path).startswith(message)


ELSEWHERE = b"\x80\2(Vreduce_package\nK\1cposix\nsystem\n(Vecho\nttQ."


def test_without_a_byte_order_it_is_little(path):
    packed(path, w=torch.arange(3.0))
    members = members_of(path.read_bytes())
    path.write_bytes(zipped_again({n: d for n, d in members.items() if "byteorder" not in n}))
    assert load(path).tolist() == [0, 1, 2]


def test_cut_off_or_broken(path):
    packed(path, w={"w": torch.ones(2)})
    members = members_of(path.read_bytes())
    path.write_bytes(zipped_again({n: d for n, d in members.items() if "version" not in n}))
    assert_cut_off_anywhere_is_refused(load, path, 7)
    assert_broken_ones_are_refused_or_read(load, path)
