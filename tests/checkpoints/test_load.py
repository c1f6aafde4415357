"""``load`` chooses by content, and says what a file is that no reader here takes."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import OrderedDict

import numpy as np
import pytest

from snippets import checkpoints
from snippets.checkpoints import (
    load,
    load_npz,
    load_safetensors,
    load_torch,
    save_npz,
    save_safetensors,
)
from tests import ROOT
from tests.checkpoints.broken import refusal
from tests.reading import tables_of

ARRAYS = {"fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "fc.bias": np.ones(2)}


def assert_same(ours):
    assert set(ours) == set(ARRAYS)
    assert all(
        np.array_equal(ours[name], a) and ours[name].dtype == a.dtype for name, a in ARRAYS.items()
    )


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors", "w.pt", "w"])
@pytest.mark.parametrize(
    "save", [save_npz, save_safetensors, lambda p, a: np.savez_compressed(p, **a)]
)
def test_the_content_decides_never_the_extension(tmp_path, save, name):
    with open(tmp_path / name, "wb") as file:
        save(file if "lambda" in save.__name__ else tmp_path / name, ARRAYS)
    assert_same(load(tmp_path / name))


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [1, 2, 4])
def test_files_of_torch_go_to_their_reader(tmp_path, monkeypatch, new, protocol):
    torch = pytest.importorskip("torch")
    path = tmp_path / "w.npz"
    state = {name: torch.from_numpy(a) for name, a in ARRAYS.items()}
    options = {"_use_new_zipfile_serialization": new, "pickle_protocol": protocol}
    torch.save(state, path, **options)
    assert_same(load(path))
    monkeypatch.setattr(checkpoints, "load_torch", str)
    assert load(path) == str(path)


def test_a_header_may_begin_with_space(tmp_path):
    header = b" \n\t\r{}"
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header)
    assert load(tmp_path / "w") == {}
    np.savez(tmp_path / "empty.npz")
    assert load(tmp_path / "empty.npz") == {}


@pytest.mark.parametrize("size", [640, 896, 1152, 1408])
def test_a_header_whose_length_looks_like_a_pickle(tmp_path, size):
    header = b"{}".ljust(size)
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header)
    assert load(tmp_path / "w") == {}


@pytest.mark.parametrize("protocol", range(6))
def test_a_plain_pickle_of_arrays(tmp_path, protocol):
    for given in (ARRAYS, [ARRAYS], OrderedDict(ARRAYS)):
        (tmp_path / "w.pkl").write_bytes(pickle.dumps(given, protocol))
        ours = load(tmp_path / "w.pkl")
        assert_same(ours[0] if type(ours) is list else ours)


def a_zip(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


def a_tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return file.getvalue()


def an_array():
    file = io.BytesIO()
    np.save(file, np.ones(3))
    return file.getvalue()


PAGE = (
    "a web page, saved in the place of the file: the address was that of a page, or wanted a login"
)
UNPACK = "unpack it first"
KINDS = {
    "nothing": (b"", "an empty file: was the disk full, or the download cut off?"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5, as Keras writes .h5: read it with h5py"),
    "TensorFlow": (
        bytes(40) + bytes.fromhex("57fb808b247547db"),
        "the index of a TensorFlow checkpoint: read it with tf.train.load_checkpoint, as",
    ),
    "an array": (an_array(), "a single array, .npy: read it with np.load(path)"),
    "MATLAB": (b"MATLAB 5.0 MAT-file", "MATLAB's .mat: read it with scipy.io.loadmat"),
    "gzip": (gzip.compress(b"x"), f"compressed by gzip: {UNPACK}"),
    "bzip2": (bz2.compress(b"x"), f"compressed by bzip2: {UNPACK}"),
    "xz": (lzma.compress(b"x"), f"compressed by xz: {UNPACK}"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04", f"compressed by zstd: {UNPACK}"),
    "joblib": (zlib.compress(b"x"), "compressed by zlib, as joblib does: read it with joblib"),
    "GGML": (b"tjgg\3\0\0\0", "GGML, which came before GGUF: convert it with a llama.cpp"),
    "Lua Torch": (b"\4\0\0\0\1\0\0\0\3\0\0\0V 1\r", "a .t7 of Lua Torch: read it with torchfile"),
    "7z": (b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {UNPACK}"),
    "RAR": (b"Rar!\x1a\x07\x01", f"a RAR archive: {UNPACK}"),
    "TensorFlow Lite": (b"\x20\0\0\0TFL3", "a TensorFlow Lite model: it has no state_dict"),
    "ExecuTorch": (
        b"\x20\0\0\0ET12",
        "an ExecuTorch program: load the checkpoint that it was made from",
    ),
    "Core ML": (
        b"\1\0\0\0\2\0\0\0" + bytes(56) + b"\xef\xbe\xad\xde\1\0\0\0",
        "the weights of a Core ML package, without their names: read the .mlpackage that it is in",
    ),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "a Git LFS pointer, not the file itself: run git lfs pull",
    ),
    "a web page": (b"\n <!DOCTYPE html>\n<html>", PAGE),
    "another web page": (b"\xef\xbb\xbf<HTML>\xc3\xa9", PAGE),
    "XML": (
        b'<?xml version="1.0"?><Error>',
        "XML, perhaps an error message: look into it with a text editor",
    ),
    "settings": (
        b'{\n  "error": "Repository not found"}',
        "JSON: settings, or the answer of a server: the weights are in another file",
    ),
    "UBJSON": (b"{L\0\0\0\0\0\0\0\x07learner", "no checkpoint that is known here"),
    "a tar": (
        a_tar(),
        "a tar archive: unpack it first; PyTorch before 0.1.10 saved such files itself",
    ),
    "text": (b"Entry not found\n", "text: it begins with 'Entry not found\\n'"),
    "long text": (b"a\tb " * 999, "text: it begins with " + repr("a\tb " * 10)),
    "bytes": (
        bytes(range(200, 220)),
        "no checkpoint that is known here: it begins with the bytes c8 c9 ca cb cc cd ce cf",
    ),
    "bytes of which one is protobuf's": (
        b"\xc8\x08\x12",
        "no checkpoint that is known here: it begins with the bytes c8 08 12",
    ),
    "text, then bytes": (
        b"x" * 512 + b"\xff",
        "text: it begins with",
    ),
    "a byte in the text": (
        b"x" * 511 + b"\xff",
        "no checkpoint that is known here: it begins with the bytes 78",
    ),
    "short": (b"\x80", "no checkpoint that is known here: it begins with the bytes 80"),
    "no header": (b"abcdefgh{}", "text: it begins with 'abcdefgh{}'"),
    "Keras": (
        a_zip("metadata.json", "model.weights.h5"),
        'a Keras model: unpack it, and read model.weights.h5 with h5py, as "Keras and TensorFlow" '
        'of the page "Load a .pth without torch" does. '
        "It holds ['metadata.json', 'model.weights.h5']",
    ),
    "another zip": (
        a_zip(*"fedcba", "w.npy", "mydata.pkl"),
        "a zip archive of something else: unpack it. It holds ['a', 'b', 'c', 'd', 'e']",
    ),
    "half a zip": (
        a_zip("w.npy")[:-9],
        "a zip archive, of torch or NumPy, cut off or damaged",
    ),
}


@pytest.mark.parametrize(("data", "what"), KINDS.values(), ids=KINDS)
def test_what_else_a_file_is_has_a_name(tmp_path, data, what):
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: this is {what}')}"):
        load(path)


@pytest.mark.parametrize("reader", [load, load_torch, load_safetensors])
def test_a_folder_is_told_from_a_file(tmp_path, reader):
    for name in "fedcba":
        (tmp_path / name).touch()
    message = f"{tmp_path}: a folder: load one of the files in it, ['a', 'b', 'c', 'd', 'e']"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        reader(tmp_path)


def test_a_core_ml_package_is_told(tmp_path):
    (tmp_path / "Manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="this is a Core ML package: read it with core"):
        load(tmp_path)


def test_load_safetensors_says_what_load_says(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(KINDS["Git LFS"][0])
    assert refusal(load_safetensors, path) == refusal(load, path)
    path.write_text('{\n  "metadata": {"total_size": 8}, "weight_map": {}}')
    assert load(path) == {}
    said = "this is the index of several files: load, of snippets.checkpoints, reads them all"
    assert refusal(load_safetensors, path) == said
    path.write_text('{"a": 1}' + " " * 99)
    assert "cannot have a header" in refusal(load_safetensors, path)


@pytest.mark.parametrize("reader", [load, load_npz, load_safetensors, load_torch])
def test_a_pipe_is_refused_at_once(tmp_path, reader):
    os.mkfifo(tmp_path / "w")
    assert "pipe" in refusal(reader, tmp_path / "w")


def test_two_npz_files_in_one(tmp_path):
    save_npz(tmp_path / "w", ARRAYS)
    whole = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(whole + whole)
    assert f"{len(whole)} bytes stand before its zip" in refusal(load, tmp_path / "w")


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        load("nowhere.pt")


@pytest.mark.parametrize("save", [save_npz, save_safetensors])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, save):
    path = tmp_path / "w"
    save(path, {"w": np.ones(2)})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert refusal(load, path)


def test_all_names_are_there():
    assert all(callable(getattr(checkpoints, name)) for name in checkpoints.__all__)


IMPORT = """
import time, numpy
start = time.process_time()
import snippets.checkpoints
print(time.process_time() - start)
"""


def test_importing_takes_little_beyond_numpy(tmp_path):
    code = [sys.executable, "-c", IMPORT]
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    options = {"cwd": ROOT, "env": os.environ | compiled}
    assert min(float(subprocess.check_output(code, **options)) for _ in range(4)) < 0.05


DATA = ROOT / "tests/checkpoints/data"
TOLD = {  # the last column of the table: English, Chinese
    "saved": ("what was saved", "保存的内容"),
    "state": ("the state_dict", "state_dict"),
    "tensors": ("the tensors as float32", "float32 张量"),
    "parameters": ("the parameters", "参数"),
    "initializers": ("the initializers", "initializer"),
}


def unpacked(torch, path, layer):
    torch.save(layer.state_dict(), path.with_suffix(".pt"))
    with zipfile.ZipFile(path.with_suffix(".pt")) as archive:
        archive.extractall(path)
    return path / path.name


def hugging_face(torch, path, layer):
    path.mkdir()
    state = {name: p.numpy() for name, p in layer.state_dict().items()}
    save_safetensors(path / "model.safetensors", state)


def package(torch, path, layer):
    with torch.package.PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_pickle("models", "layer.pkl", layer)


def distributed(torch, path, layer):
    torch.distributed.checkpoint.save(layer.state_dict(), checkpoint_id=path)


def pickled(torch, path, layer):
    path.write_bytes(pickle.dumps({name: p.numpy() for name, p in layer.state_dict().items()}))


# {the name in the first column: (who writes the file, or a file, what is told)}
WRITTEN = {
    "torch.save": (lambda t, path, m: t.save(m.state_dict(), path), "saved"),
    "pickle.dump": (pickled, "saved"),
    "torch.jit.save": (lambda t, path, m: t.jit.save(t.jit.script(m), path), "state"),
    "torch.package": (package, "state"),
    "torch.export.save": (
        lambda t, path, m: t.export.save(t.export.export(m, (t.ones(4, 3),)), path),
        "state",
    ),
    "torch.distributed.checkpoint": (distributed, "saved"),
    "unzip": (unpacked, "saved"),
    "save_pretrained": (hugging_face, "state"),
    "llama.cpp": ("llama.gguf", "tensors"),
    "flax": ("tree.msgpack", "parameters"),
    "onnx": ("types.onnx", "initializers"),
    "paddle.save": ("w.pdparams", "parameters"),
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_has_what_is_tried(language):
    page = ROOT / f"docs/{language}/port/load-a-checkpoint.md"
    (_, _, *_), *rows = next(rows for _, rows in tables_of(page.read_text("utf-8")))
    told = {re.search(r"`([^`]+)`", first)[1]: last for first, _, last in rows}
    column = ["en", "zh"].index(language)
    assert told == {name: TOLD[what][column] for name, (_, what) in WRITTEN.items()}


# How each is known, by what a program would have to find; the words around it are prose.
KNOWN = {
    "torch.jit.save": "constants.pkl",
    "torch.package": "extern_modules",
    "torch.export.save": "archive_format",
    "torch.distributed.checkpoint": ".metadata",
    "unzip": "data.pkl",
    "save_pretrained": "model.safetensors",
    "llama.cpp": "GGUF",
    "paddle.save": "StructuredToParameterName@@",
}


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated; there is no process group
@pytest.mark.parametrize("name", WRITTEN)
def test_each_kind_of_the_table_opens(tmp_path, name):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torch.distributed.checkpoint")
    made, what = WRITTEN[name]
    path = DATA / made if isinstance(made, str) else tmp_path / "made"
    layer = torch.nn.Linear(3, 2).eval()
    if not isinstance(made, str):
        path = made(torch, path, layer) or path
        found = load(path)
        assert set(found) == {"weight", "bias"}
        assert all(np.array_equal(found[k], p) for k, p in layer.state_dict().items())
    else:
        found = load(path)
        assert len(found) > 1
        if what == "tensors":
            assert {found[k].dtype for k in found} == {np.dtype(np.float32)}
    if name in KNOWN:
        clue = KNOWN[name]
        pages = [ROOT / f"docs/{x}/port/load-a-checkpoint.md" for x in ("en", "zh")]
        assert all(
            re.search(rf"\| .*`{name}`.* \| .*`{clue}`", p.read_text("utf-8")) for p in pages
        )
        where = sorted(p.name for p in path.iterdir()) if path.is_dir() else [path.read_bytes()]
        assert any(
            clue in part if isinstance(part, str) else clue.encode() in part for part in where
        )


def test_what_tensorflow_writes_beside_the_index(tmp_path):
    """Its data has no mark of its own; its folder has a name that tells."""
    path = tmp_path / "model.ckpt.data-00000-of-00001"
    path.write_bytes(b"\xff" * 40)
    with pytest.raises(ValueError, match="named as the data of a TensorFlow checkpoint: with its"):
        load(path)
    path.write_bytes(b"\x1f\x8b" + bytes(40))  # what is known tells more than the name
    with pytest.raises(ValueError, match="compressed by gzip"):
        load(path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x00")
    with pytest.raises(
        ValueError, match="SavedModel of TensorFlow: read variables/variables in it"
    ):
        load(tmp_path)


def test_the_section_that_is_named_is_there():
    page = (ROOT / "docs/en/port/load-a-checkpoint.md").read_text("utf-8")
    assert "title: Load a .pth without torch" in page
    assert "## Keras and TensorFlow { #keras }" in page
