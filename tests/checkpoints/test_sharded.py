"""``load_sharded`` against what was saved in pieces, and against an index that lies."""

import json
import os

import numpy as np
import pytest

from snippets.checkpoints import load, load_sharded, save_safetensors, sharded
from tests.checkpoints.broken import refusal

STATE = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.bias": np.ones(2),
    "b.weight": np.array([1.5, -2], np.float32),
}
PLACES = {"b.weight": "w-2.safetensors", "a.weight": "w-1.safetensors", "a.bias": "w-1.safetensors"}


def write(folder, places=PLACES, bfloat16=(), **index):
    for shard in dict.fromkeys(PLACES.values()):
        arrays = {name: STATE[name] for name in STATE if PLACES[name] == shard}
        save_safetensors(folder / shard, arrays, [n for n in bfloat16 if n in arrays])
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 48}, "weight_map": places} | index))
    return path


def assert_same(found):
    assert list(found) == list(PLACES)
    for name, array in found.items():
        assert (array.dtype, array.tolist()) == (STATE[name].dtype, STATE[name].tolist())


@pytest.mark.parametrize("reader", [load, load_sharded])
def test_one_mapping_in_the_order_of_the_index(tmp_path, reader):
    assert_same(reader(write(tmp_path)))


def test_a_folder_stands_for_its_index(tmp_path, monkeypatch):
    write(tmp_path)
    assert_same(load(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert_same(load("model.safetensors.index.json"))


def test_bfloat16_is_converted_when_it_is_read(tmp_path):
    found = load(write(tmp_path, bfloat16=["b.weight"]))
    assert found.stored("b.weight").dtype == "bfloat16"
    assert_same(found)


def test_shards_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    places = {name: f"w-{n}.bin" for n, name in enumerate(STATE)}
    for n, (name, shard) in enumerate(places.items()):
        saved = {name: torch.from_numpy(STATE[name])}
        torch.save(saved, tmp_path / shard, _use_new_zipfile_serialization=n > 0)
    path = tmp_path / "pytorch_model.bin.index.json"
    path.write_text(json.dumps({"weight_map": {name: places[name] for name in PLACES}}))
    assert_same(load(path))
    assert_same(load(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_with_one_file(tmp_path, name):
    (tmp_path / "config.json").write_text("{}")
    save_safetensors(tmp_path / name, {name: STATE[name] for name in PLACES})
    assert sorted(load(tmp_path)) == sorted(PLACES)


def test_a_folder_without_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert refusal(load, tmp_path) == "a folder: load one of the files in it, ['config.json']"


def test_another_name_of_the_index(tmp_path):
    write(tmp_path).rename(tmp_path / "diffusion_pytorch_model.safetensors.index.json")
    assert_same(load(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b.weight": "w-3.safetensors"}, "'w-3.safetensors' is not in the folder: was it not do"),
        ({"b.weight": "../w.safetensors"}, "'../w.safetensors' would lie outside of the folder"),
        ({"b.weight": "/w.safetensors"}, "'/w.safetensors' would lie outside of the folder"),
        ({"b.weight": "w-1.safetensors"}, "'b.weight' is not in 'w-1.safetensors', where the ind"),
        ({"c": "w-1.safetensors"}, "'c' is not in 'w-1.safetensors', where the index has it"),
        ({"c": "again"}, "'a.bias' is in 'w-1.safetensors', and in 'again' again"),
        ({"c": 3}, "JSON without a weight_map, which says in which file each weight is"),
        ({"c": "list"}, "'list' holds no dict of tensors"),
    ],
)
def test_an_index_that_lies(tmp_path, change, message):
    path = write(tmp_path, PLACES | change)
    (tmp_path / "again").write_bytes((tmp_path / "w-1.safetensors").read_bytes())
    (tmp_path / "list").write_bytes(b"\x80\2].")
    (tmp_path.parent / "w.safetensors").write_bytes((tmp_path / "again").read_bytes())
    assert refusal(load, path).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"weight_map": {"a": "w", "a": "w"}}', "its JSON has a name twice"),
        ('{"weight_map": ["a"]}', "JSON without a weight_map"),
        ('{"metadata": {}}', "JSON without a weight_map"),
        ("[" * 9999, "it is cut off or damaged"),
        ('{"weight_map": {"a": "', "it is cut off or damaged"),
        ("\xff", "it is cut off or damaged"),
    ],
)
def test_what_is_no_index(tmp_path, text, message):
    (tmp_path / "i.json").write_bytes(text.encode("latin-1"))
    assert refusal(load_sharded, tmp_path / "i.json").startswith(message)


def test_a_huge_index(tmp_path, monkeypatch):
    path = write(tmp_path)
    monkeypatch.setattr(sharded, "MAX_INDEX", os.path.getsize(path))
    assert_same(load(path))
    monkeypatch.setattr(sharded, "MAX_INDEX", os.path.getsize(path) - 1)
    assert refusal(load, path).startswith("an index of more than")


def test_a_broken_shard_is_named(tmp_path):
    path = write(tmp_path)
    (tmp_path / "w-2.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(ValueError, match=r"w-2\.safetensors: torch.save did not write this"):
        load(path)


def test_an_index_cut_off_anywhere(tmp_path):
    path = write(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert refusal(load, path)
