"""``load_distributed`` against ``torch.distributed.checkpoint``, and against broken folders."""

import io
import os
import pickle
import re

import numpy as np
import pytest

from snippets.checkpoints import load, load_distributed
from tests import SNIPPETS_DIR
from tests.checkpoints.broken import (
    assert_broken_ones_are_refused_or_read,
    refusal,
)
from tests.checkpoints.same import assert_same
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")
dcp = pytest.importorskip("torch.distributed.checkpoint")
to_one_file = pytest.importorskip("torch.distributed.checkpoint.format_utils").dcp_to_torch_save
pytestmark = pytest.mark.filterwarnings("ignore")  # there is no process group
PATH = SNIPPETS_DIR / "checkpoints/distributed_folder.py"


def of_torch(folder):
    """Return what torch makes of a folder."""
    path = folder.parent / "whole.pt"
    to_one_file(folder, path)
    return torch.load(path)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoint"


STATE = {
    "model": {"fc.weight": torch.randn(3, 2).T, "fc.low": torch.randn(4).bfloat16()},
    "epoch": 3,
    "list": [torch.ones(2), {"x": torch.zeros(3)}, [torch.arange(2)]],
    "optimizer": {"state": {0: {"step": torch.tensor(7.0)}}, "groups": [{"lr": 0.1}], "none": {}},
    "empty": torch.empty(0, 3),
}


@pytest.mark.parametrize("reader", [load, load_distributed])
def test_a_folder(folder, reader):
    dcp.save(STATE, checkpoint_id=folder)
    assert_same(reader(folder), of_torch(folder))


def test_a_file_of_the_folder_stands_for_it(folder):
    dcp.save(STATE, checkpoint_id=folder)
    assert_same(load(folder / "__0_0.distcp"), of_torch(folder))


def test_a_file_without_its_folder_has_no_names(folder):
    dcp.save({"a": torch.ones(2), "b": torch.zeros(3, 2), "c": 3}, checkpoint_id=folder)
    os.remove(folder / ".metadata")
    found = load(folder / "__0_0.distcp")
    assert sorted(np.shape(part) for part in found) == [(), (2,), (3, 2)]
    assert 3 in [part for part in found if isinstance(part, int)]


def scattered(folder, state, parts=2):
    """Write each tensor in pieces, as several processes do, each into its own file."""
    meta, filesystem = dcp.metadata, dcp.filesystem
    files, told, where = [io.BytesIO() for _ in range(parts)], {}, {}
    for name, tensor in state.items():
        chunks, begin = [], 0
        for number, piece in enumerate(tensor.chunk(parts)):
            offset = torch.Size([begin] + [0] * (tensor.ndim - 1))
            begin += len(piece)
            chunks.append(meta.ChunkStorageMetadata(offset, piece.shape))
            at = files[number].tell()
            torch.save(piece.clone(), files[number])
            info = (f"__{number}_0.distcp", at, files[number].tell() - at)
            index = meta.MetadataIndex(name, offset, number)
            where[index] = filesystem._StorageInfo(*info)
        properties = meta.TensorProperties(tensor.dtype)
        told[name] = meta.TensorStorageMetadata(properties, tensor.shape, chunks)
    folder.mkdir()
    for number, file in enumerate(files):
        (folder / f"__{number}_0.distcp").write_bytes(file.getvalue())
    index = meta.Metadata(told, storage_data=where)
    (folder / ".metadata").write_bytes(pickle.dumps(index))
    return index


TENSORS = {"w": torch.randn(5, 3), "low": torch.randn(4, 2).bfloat16(), "n": torch.arange(7)}


def test_tensors_in_pieces_become_whole(folder):
    scattered(folder, TENSORS)
    assert_same(load(folder), of_torch(folder))
    assert_same(load(folder), TENSORS)
    assert_same(load(folder / "__1_0.distcp"), TENSORS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("result[where]", "result[: len(array)]"),
        ('where["offset"]', "0"),
        ("node[last]", "found[last]"),
        ("return [parts.stored(number)", "return [parts[0]"),
    ],
)
def test_a_reader_that_is_wrong_is_found_out(folder, old, new):
    wrong = sabotaged(PATH, old, new).load_distributed
    index = scattered(folder, TENSORS | {"l.0": torch.ones(2), "l.1": torch.zeros(2)})
    told(folder, index, planner_data={"l.0": ("l", 0), "l.1": ("l", 1)})
    theirs = TENSORS | {"l": [torch.ones(2), torch.zeros(2)]}
    assert_same(load(folder), theirs)
    with pytest.raises((AssertionError, ValueError)):
        assert_same(wrong(folder), theirs)


def told(folder, index, **changed):
    """Write another .metadata."""
    for name, value in changed.items():
        setattr(index, name, value)
    (folder / ".metadata").write_bytes(pickle.dumps(index))


def changed_info(index, name, value):
    for info in index.storage_data.values():
        setattr(info, name, value)


def changed_size(index, size):
    index.state_dict_metadata["w"].size = torch.Size(size)


def moved(index, offset):
    """Move the second piece of w."""
    pairs = list(index.storage_data.items())
    object.__setattr__(pairs[1][0], "offset", torch.Size(offset))
    index.storage_data = dict(pairs)


def lost(index):
    index.storage_data = {key: info for key, info in index.storage_data.items() if key.fqn != "w"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: changed_info(i, "relative_path", "../w"), "'../w' would lie outside of the"),
        (lambda i: changed_info(i, "relative_path", "/etc/passwd"), "'/etc/passwd' would lie"),
        (lambda i: changed_info(i, "relative_path", "a\\b"), r"'a\\b' would lie outside"),
        (lambda i: changed_info(i, "relative_path", "C:b"), "'C:b' would lie outside of the fold"),
        (lambda i: changed_info(i, "relative_path", ""), "'' would lie outside of the folder"),
        (lambda i: changed_info(i, "relative_path", "no"), "'no' is not in the folder: was it not"),
        (lambda i: changed_info(i, "relative_path", "pipe"), "'pipe' is not in the folder"),
        (lambda i: changed_info(i, "relative_path", "none"), "cut off: it needs"),
        (lambda i: changed_info(i, "transform_descriptors", ["zstd"]), r"'__0_0.distcp' is packed"),
        (lambda i: changed_info(i, "length", 10**6), "cut off: it needs"),
        (lambda i: changed_info(i, "length", 9), "it is cut off or damaged"),
        (lambda i: changed_info(i, "offset", -1), "it is cut off or damaged"),
        (
            lambda i: changed_size(i, (6, 3)),
            r"'w' of shape (6, 3) is not whole: a piece is",
        ),
        (lambda i: changed_size(i, (10**9, 9)), r"'w' of shape (1000000000, 9) is not whole"),
        (lambda i: moved(i, (2, 0)), "'w': its pieces overlap, and one is missing"),
        (lambda i: moved(i, (4, 0)), "it is cut off or damaged"),
        (lambda i: lost(i), "no file holds 'w'"),
        (lambda i: i.planner_data.update({"low": ("w", "a")}), "'low' lies within what is no dict"),
        (lambda i: i.planner_data.update({"w": ("l", 1)}), "a list has the items [1]"),
        (lambda i: i.storage_data.update({1: 1}), "its index has 1 in place of a _StorageInfo"),
        (lambda i: i.state_dict_metadata.update({"w": i}), "its index has a pickled torch.distri"),
    ],
)
def test_folders_that_lie(folder, change, message):
    index = scattered(folder, TENSORS)
    (folder / "none").touch()
    os.mkfifo(folder / "pipe")
    index.planner_data = {}
    change(index)
    told(folder, index)
    assert refusal(load, folder).startswith(message)


def test_pieces_of_two_dtypes(folder):
    scattered(folder, {"w": torch.ones(4, 2)})
    other = io.BytesIO()
    torch.save(torch.ones(2, 2, dtype=torch.int32), other)
    whole = (folder / "__1_0.distcp").read_bytes()
    assert len(other.getvalue()) == len(whole)
    (folder / "__1_0.distcp").write_bytes(other.getvalue())
    assert refusal(load, folder) == "'w' has pieces of float32 and of int32"


def test_what_is_no_index(folder):
    folder.mkdir()
    (folder / ".metadata").write_bytes(pickle.dumps({"a": 1}))
    assert refusal(load, folder) == "its index has {'a': 1} in place of a Metadata"


def test_an_index_that_cannot_be_read_says_whose_it_is(folder):
    folder.mkdir()
    (folder / ".metadata").touch()
    said = "it is empty; this file is the index of a folder of torch.distributed.checkpoint"
    with pytest.raises(ValueError, match=f"^{re.escape(f'{folder}/.metadata: {said}')}$"):
        load(folder)


def test_cut_off_or_broken(folder):
    scattered(folder, {"w": torch.ones(4, 2)})
    for name in (".metadata", "__1_0.distcp"):
        path = folder / name
        whole = path.read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            with pytest.raises(ValueError, match=re.escape(str(folder))):
                load(folder)
        path.write_bytes(whole)
    (folder / ".metadata").unlink()
    torch.save(torch.ones(2), folder / "a")
    path.write_bytes((folder / "a").read_bytes() * 2)
    assert len(load(path)) == 2
    whole = path.read_bytes()
    for length in range(0, len(whole) // 2, 5):
        path.write_bytes(whole[:length])
        assert refusal(load, path)
    path.write_bytes(whole)
    assert_broken_ones_are_refused_or_read(load, path)
