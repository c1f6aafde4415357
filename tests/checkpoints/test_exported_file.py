"""``load_exported`` against the state_dict of ``torch.export.load``, and against broken files."""

import io
import json

import pytest

from snippets.checkpoints import load, load_exported
from snippets.checkpoints.exported_file import DTYPES
from tests import SNIPPETS_DIR
from tests.checkpoints.broken import (
    assert_broken_ones_are_refused_or_read,
    assert_cut_off_anywhere_is_refused,
    refusal,
)
from tests.checkpoints.fuzz import members_of, zipped_again
from tests.checkpoints.same import assert_same
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:No complete tensor")
PATH = SNIPPETS_DIR / "checkpoints/exported_file.py"
KINDS = [getattr(torch, name) for name in DTYPES.values()]


class Model(torch.nn.Module):
    """Views, shared weights, buffers that are saved and one that is not, each dtype."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
        self.tied = self.inner[0].weight
        whole = torch.randn(5, 4)
        self.register_buffer("turned", whole.T)
        self.register_buffer("row", whole[3, 1:3])
        self.register_buffer("passing", torch.zeros(2), persistent=False)
        for number, kind in enumerate(KINDS):
            self.register_buffer(f"kind{number}", (torch.rand(2, 3) * 9).to(kind))

    def forward(self, x):
        return self.inner(x) + self.tied.sum() + self.turned.sum() + self.row.sum()


@pytest.fixture(scope="module")
def saved():
    stream = io.BytesIO()
    torch.export.save(torch.export.export(Model().eval(), (torch.randn(2, 2),)), stream)
    return stream.getvalue()


@pytest.fixture
def path(tmp_path, saved):
    (tmp_path / "w.pt2").write_bytes(saved)
    return tmp_path / "w.pt2"


def rewrite(path, change):
    members = members_of(path.read_bytes())
    changed = {name: change(name, data) for name, data in members.items()}
    path.write_bytes(zipped_again({n: data for n, data in changed.items() if data is not None}))


@pytest.mark.parametrize("reader", [load, load_exported])
def test_the_state_dict_of_an_exported_program(path, reader):
    program = torch.export.load(path)
    assert len(program.state_dict) == 10 + len(KINDS)
    assert_same(reader(path), program.state_dict)


def test_what_is_shared_in_the_file_shares_memory(path):
    state = load(path)
    state["tied"][0, 0] = 7
    assert state["inner.0.weight"][0, 0] == 7


def test_the_codes_of_the_dtypes():
    kinds = pytest.importorskip("torch._export.serde.serialize")._SERIALIZE_TO_TORCH_DTYPE
    assert all(kinds[code] == getattr(torch, name) for code, name in DTYPES.items())
    assert set(kinds) - set(DTYPES) == {9}  # complex32


@pytest.mark.parametrize("name", ["serialized_state_dict.pt", "serialized_state_dict.json"])
def test_before_2_7_torch_save_wrote_the_weights(path, name):
    state = torch.nn.Linear(2, 3).bfloat16().state_dict()
    stream = io.BytesIO()
    torch.save(state, stream)
    program = {"serialized_exported_program.json": b"{}", name: stream.getvalue()}
    path.write_bytes(zipped_again(program))
    assert_same(load(path), state)


def test_several_models_each_have_their_name(path):
    """One of them as PyTorch 2.7 wrote it."""
    stream = io.BytesIO()
    torch.save({"w": torch.ones(2)}, stream)
    members = members_of(path.read_bytes())
    members["archive/data/weights/other.pt"] = stream.getvalue()
    path.write_bytes(zipped_again(members))
    found = load(path)
    assert list(found) == ["model", "other"]
    assert_same(found["model"], torch.export.load(path).state_dict)
    assert_same(found["other"], {"w": torch.ones(2)})


def test_a_tensor_that_torch_had_to_pickle(path):
    stream = io.BytesIO()
    torch.save(torch.arange(3.0), stream)

    def pickled(name, data):
        if name.endswith("weights/weight_0"):
            return stream.getvalue()
        if not name.endswith("weights_config.json"):
            return data
        told = json.loads(data)
        told["config"]["tied"] |= {"use_pickle": True, "tensor_meta": None}
        told["config"] = {"tied": told["config"]["tied"]}
        return json.dumps(told).encode()

    rewrite(path, pickled)
    assert_same(load(path), {"tied": torch.arange(3.0)})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('meta["storage_offset"]["as_int"]', "0"),
        ('("sizes", "strides")', '("strides", "sizes")'),
        ('7: "float32"', '7: "int32"'),
    ],
)
def test_a_reader_that_is_wrong_is_found_out(path, old, new):
    wrong = sabotaged(PATH, old, new)
    with pytest.raises((AssertionError, ValueError)):
        assert_same(wrong.load_exported(path), torch.export.load(path).state_dict)


def config(old, new):
    def change(name, data):
        assert "config" not in name or "constants" in name or old in data
        return data.replace(old, new) if "weights_config" in name else data

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, d: None if "format" in n else d, "no file of torch.export: it has ['arch"),
        (lambda n, d: None if n.endswith("weight_1") else d, "its pickle needs 'data/weights/weig"),
        (lambda n, d: b"{" if "config" in n else d, "it is cut off or damaged"),
        (lambda n, d: b"[" * 9999 if "config" in n else d, "it is cut off or damaged"),
        (config(b'"dtype": 6', b'"dtype": 66'), "'kind5' has the dtype 66, which is not known"),
        (config(b'{"as_int": 5}', b'{"as_int": 6}'), "a tensor reads number"),
        (config(b'{"as_int": 5}', b'{"as_int": -5}'), "a tensor's offset, shape and stride are"),
    ],
)
def test_files_that_lie(path, change, message):
    rewrite(path, change)
    assert refusal(load_exported, path).startswith(message)


def test_cut_off_or_broken(path):
    assert_cut_off_anywhere_is_refused(load, path, 197)
    assert_broken_ones_are_refused_or_read(load, path)
