"""``read_folder`` reads what ``save_pretrained`` and ``load`` read, and refuses what it can't."""

import json

import numpy as np
import pytest

from snippets.checkpoints import load, save_safetensors
from snippets.models import gpt2
from snippets.models.folder import read_folder
from tests.models.library import FOLDERS, NEEDED
from tests.models.library import read_folder as read
from tests.models.test_gpt2 import model_of


def in_parts(folder, weights, count):
    """Write weights into several files: neighbours lie in different ones."""
    names, places = list(weights), {}
    for part in range(count):
        file = f"model-{part + 1:05}-of-{count:05}.safetensors"
        some = {name: weights[name] for name in names[part::count]}
        save_safetensors(folder / file, some)
        places |= dict.fromkeys(some, file)
    index = json.dumps({"weight_map": places})
    (folder / "model.safetensors.index.json").write_text(index, "utf-8")
    (folder / "config.json").write_text((FOLDERS / "gpt2/config.json").read_text("utf-8"), "utf-8")


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_one_file():
    config, weights = read_folder(str(FOLDERS / "gpt2"))
    expected, stored = read("gpt2")
    assert config == expected
    same(weights, stored)


def test_several_files(tmp_path):
    config, weights = read("gpt2")
    in_parts(tmp_path, weights, 3)
    save_safetensors(tmp_path / "consolidated.safetensors", {"other": np.ones(3)})
    found, arrays = read_folder(tmp_path)
    assert found == config
    same(arrays, weights)
    same(arrays, load(tmp_path))
    ids = np.array([[3, 1, 4]])
    expected = gpt2.forward(ids, weights, config)
    np.testing.assert_array_equal(gpt2.forward(ids, arrays, found), expected)


def test_the_file_that_has_all_is_the_one(tmp_path):
    _, weights = read("gpt2")
    in_parts(tmp_path, {name: -array for name, array in weights.items()}, 2)
    save_safetensors(tmp_path / "model.safetensors", weights)
    same(read_folder(tmp_path)[1], weights)


def test_bfloat16_stays_unread(tmp_path):
    (tmp_path / "config.json").write_text("{}", "utf-8")
    some = {"a": np.ones((2, 3), np.float32)}
    save_safetensors(tmp_path / "model.safetensors", some, bfloat16=some)
    _, found = read_folder(tmp_path)
    assert found.stored("a").dtype == "bfloat16"
    same(found, some)


def test_a_folder_without_weights_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}", "utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"has no model\.safetensors: if .*load\(folder\)"):
        read_folder(tmp_path)


@NEEDED
def test_what_the_library_writes_in_several_files(tmp_path):
    model = model_of()
    model.save_pretrained(tmp_path, max_shard_size="2KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    _, weights = read_folder(tmp_path)
    state = {k: v.numpy() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    same(weights, state)
