"""``load_unpacked`` against what was packed, and against folders that lie."""

import os
import zipfile

import pytest

from snippets.checkpoints import load, load_unpacked
from tests.checkpoints.broken import refusal
from tests.checkpoints.same import assert_same

torch = pytest.importorskip("torch")
WHOLE = torch.randn(3, 2)
STATE = {
    "views": [WHOLE, WHOLE.T, WHOLE[1]],
    "low": torch.ones(3).bfloat16(),
    "empty": torch.empty(0, 2),
    "epoch": 3,
}


@pytest.fixture
def folder(tmp_path):
    torch.save(STATE, tmp_path / "w.pt")
    return unpacked(tmp_path)


def unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pt") as archive:
        archive.extractall(tmp_path / "[unpacked]")  # a name that means something to glob
    (folder,) = (tmp_path / "[unpacked]").iterdir()
    return folder


@pytest.mark.parametrize("reader", [load, load_unpacked])
def test_a_folder_that_was_unpacked(folder, reader):
    found = reader(folder)
    assert_same(found, STATE)
    found["views"][0][1, 0] = 7
    assert found["views"][2][0] == 7
    assert_same(reader(folder), STATE)


def test_weights_without_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    assert load(unpacked(tmp_path)) == {"epoch": 3}


@pytest.mark.filterwarnings("ignore")
def test_torchscript_that_was_unpacked(tmp_path):
    layer = torch.nn.Linear(2, 3)
    torch.jit.save(torch.jit.script(layer), tmp_path / "w.pt")
    assert_same(load(unpacked(tmp_path)), layer.state_dict())


def test_before_2_1_there_is_no_byte_order(folder):
    (folder / "byteorder").unlink()
    assert_same(load(folder), STATE)


def test_a_storage_that_is_missing(folder):
    (folder / "data/0").unlink()
    assert refusal(load, folder) == "'data/0' is not in the folder: was it not downloaded?"


def test_a_storage_elsewhere(folder):
    pickle = (folder / "data.pkl").read_bytes()
    assert pickle.count(b"\1\0\0\0000") == 1
    (folder / "data.pkl").write_bytes(pickle.replace(b"\1\0\0\0000", b"\5\0\0\0../up"))
    (folder / "up").write_bytes(b"x" * 24)
    assert refusal(load, folder) == "'data/../up' would lie outside of the folder"


def test_harm_is_not_done(folder):
    harmed = str(folder / "harmed").encode()
    (folder / "data.pkl").write_bytes(b"\x80\2cposix\nmkdir\nV%s\n\x85R." % harmed)
    load(folder)
    assert not os.path.exists(harmed)


@pytest.mark.parametrize("name", ["data.pkl", "byteorder", "data/0", "data/1"])
def test_cut_off(folder, name):
    whole = (folder / name).read_bytes()
    for length in range(len(whole)):
        (folder / name).write_bytes(whole[:length])
        assert refusal(load, folder)
