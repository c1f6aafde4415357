"""Read checkpoints without torch: ``load`` tells the format by what is in the file."""

import os
import re
import zipfile
from os import PathLike
from typing import Any

from .distributed_folder import load_distributed
from .exported_file import load_exported
from .flax_file import load_flax
from .gguf_file import gguf_metadata, load_gguf
from .npz import load_npz, save_npz
from .onnx_file import load_onnx
from .package_file import load_package
from .paddle_file import is_paddle, load_paddle, state_dict_of_paddle
from .safetensors_file import load_safetensors, safetensors_header, save_safetensors
from .sharded import FILES, load_sharded
from .torch_file import LEGACY, PICKLES, StandIn, check_file, load_torch, state_dict_of
from .torchscript_file import load_torchscript
from .unpacked_folder import load_unpacked

__all__ = [
    "StandIn",
    "gguf_metadata",
    "load",
    "load_distributed",
    "load_exported",
    "load_flax",
    "load_gguf",
    "load_npz",
    "load_onnx",
    "load_package",
    "load_paddle",
    "load_safetensors",
    "load_sharded",
    "load_torch",
    "load_torchscript",
    "load_unpacked",
    "safetensors_header",
    "save_npz",
    "save_safetensors",
    "state_dict_of",
]

# (where, the bytes there, what the file is, what to do)
SECTION = 'as "Keras and TensorFlow" of the page "Load a .pth without torch" does'
BEFORE = "PyTorch before 0.1.10 saved such files itself"
CORE_ML = "read the .mlpackage that it is in with coremltools"
OTHERS = [
    (0, b"\x89HDF\r\n\x1a\n", "HDF5, as Keras writes .h5", f"read it with h5py, {SECTION}"),
    (0, b"\x93NUMPY", "a single array, .npy", "read it with np.load(path)"),
    (0, b"MATLAB 5.0", "MATLAB's .mat", "read it with scipy.io.loadmat"),
    (0, b"\x1f\x8b", "compressed by gzip", "unpack it first"),
    (0, b"BZh", "compressed by bzip2", "unpack it first"),
    (0, b"\xfd7zXZ\0", "compressed by xz", "unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it first"),
    (0, b"x\x9c", "compressed by zlib, as joblib does", "read it with joblib, and save arrays"),
    (0, b"x\x01", "compressed by zlib, as joblib does", "read it with joblib, and save arrays"),
    (0, b"x\xda", "compressed by zlib, as joblib does", "read it with joblib, and save arrays"),
    (0, b"lmgg", "GGML, which came before GGUF", "convert it with a llama.cpp of that time"),
    (0, b"fmgg", "GGML, which came before GGUF", "convert it with a llama.cpp of that time"),
    (0, b"tjgg", "GGML, which came before GGUF", "convert it with a llama.cpp of that time"),
    (0, b"\4\0\0\0\1\0\0\0\3\0\0\0V 1", "a .t7 of Lua Torch", "read it with torchfile"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (257, b"ustar", "a tar archive", f"unpack it first; {BEFORE}"),
    (64, b"\xef\xbe\xad\xde", "the weights of a Core ML package, without their names", CORE_ML),
    (4, b"TFL3", "a TensorFlow Lite model", "it has no state_dict"),
    (4, b"ET12", "an ExecuTorch program", "load the checkpoint that it was made from"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run git lfs pull"),
]
# How the index of a TensorFlow checkpoint ends, and its other file is called
TABLE = bytes.fromhex("57fb808b247547db")
DATA = re.compile(r"\.data-\d{5}-of-\d{5}$")
TENSORFLOW = f"read it with tf.train.load_checkpoint, {SECTION}"
# msgpack: a dict, and its first key is text
FLAX = re.compile(rb"([\x81-\x8f]|\xde..|\xdf....)[\xa0-\xbf\xd9-\xdb]", re.DOTALL)
# A protobuf whose first field is a number, and the second a text or a message
ONNX = re.compile(rb"\x08.[\x12\x1a\x22\x3a\x42]", re.DOTALL)
PAGE = "a web page, saved in the place of the file"
TEXTS = [
    (b"<!doctype", PAGE, "the address was that of a page, or wanted a login"),
    (b"<html", PAGE, "the address was that of a page, or wanted a login"),
    (b"<?xml", "XML, perhaps an error message", "look into it with a text editor"),
]
JSON = "JSON", "settings, or the answer of a server: the weights are in another file"


def load(path: str | PathLike[str]) -> Any:
    """Return what the checkpoint at path holds, with NumPy arrays for tensors.

    The content decides between ``load_npz``, ``load_safetensors``, ``load_torch``
    and the other readers here, never the extension. Nothing in the file is executed.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict or other
        ``{name: array}``; what ``torch.save`` wrote, as it is nested.

    Raises
    ------
    ValueError
        The file is damaged, or of another format, which the message names.
    """
    if os.path.isdir(path):
        return load_folder(path)
    check_file(path)
    with open(path, "rb") as file:
        head = file.read(2**16)
        file.seek(-min(8, os.path.getsize(path)), os.SEEK_END)
        end = file.read(8)
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        return load_zip(path)
    # Before a pickle: a header of 640 bytes begins as one of protocol 2 does.
    if head[8:].lstrip(b" \t\r\n").startswith(b"{") and head[5:8] == b"\0\0\0":
        return load_safetensors(path)
    if head.startswith(PICKLES) or any(magic in head[:32] for magic in LEGACY):
        found = load_torch(path)
        return state_dict_of_paddle(found) if is_paddle(found) else found
    if head.startswith(b"GGUF"):
        return load_gguf(path)
    if FLAX.match(head):
        return load_flax(path)
    if end == TABLE:
        raise ValueError(f"{path}: this is the index of a TensorFlow checkpoint: {TENSORFLOW}")
    if ONNX.match(head):
        return load_onnx(path)
    if is_json(head) and b'"weight_map"' in head:
        return load_sharded(path)
    what, cure = recognised(head)
    if "known here" in what and DATA.search(os.fspath(path)):
        what, cure = "named as the data of a TensorFlow checkpoint", f"with its index, {TENSORFLOW}"
    raise ValueError(f"{path}: this is {what}: {cure}")


def load_folder(path):
    """Tell apart the folders that hold one checkpoint."""
    names = set(os.listdir(path))
    if ".metadata" in names:
        return load_distributed(path)
    if "data.pkl" in names:
        return load_unpacked(path)
    if "saved_model.pb" in names:
        what = "a SavedModel of TensorFlow"
        cure = TENSORFLOW.replace("it", "variables/variables in it", 1)
        raise ValueError(f"{path}: this is {what}: {cure}")
    if "Manifest.json" in names:
        raise ValueError(f"{path}: this is a Core ML package: read it with coremltools")
    others = sorted(name for name in names if name.endswith(".index.json"))
    for name in [*FILES, *others]:
        if name in names:
            return load(os.path.join(path, name))
    return check_file(path)


def load_zip(path):
    """Tell apart what is kept in zip archives: a torch file, .npz, or something else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            begin = min((entry.header_offset for entry in archive.infolist()), default=0)
    except Exception as error:  # whatever damaged bytes lead to
        what = "a zip archive, of torch or NumPy, cut off or damaged"
        raise ValueError(f"{path}: this is {what}") from error
    if begin and os.fspath(path).endswith(".distcp"):  # the last of several zips
        return load_distributed(path)
    ends = {name.rpartition("/")[2] for name in names}
    if "extern_modules" in ends:
        return load_package(path)
    if "constants.pkl" in ends:
        return load_torchscript(path)
    if "archive_format" in ends or "serialized_exported_program.json" in ends:
        return load_exported(path)
    if any(name.endswith("/data.pkl") for name in names):
        return load_torch(path)
    if all(name.endswith(".npy") for name in names):
        return load_npz(path)
    if any(name.endswith(".weights.h5") for name in names):
        what = f"a Keras model: unpack it, and read model.weights.h5 with h5py, {SECTION}"
    else:
        what = "a zip archive of something else: unpack it"
    raise ValueError(f"{path}: this is {what}. It holds {sorted(names)[:5]}")


def as_text(head):
    """Return the beginning of a text, without the mark of its encoding."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()


def is_json(head):
    """Return whether a file begins as a JSON object does."""
    return re.match(rb"\{\s*[\"}]", as_text(head))


def recognised(head):
    """Return what a file that begins with head is, and what to do about it."""
    if not head:
        return "an empty file", "was the disk full, or the download cut off?"
    for where, magic, what, cure in OTHERS:
        if head[where:].startswith(magic):
            return what, cure
    text = as_text(head)
    for start, what, cure in TEXTS:
        if text.lower().startswith(start):
            return what, cure
    if is_json(head):
        return JSON
    head = head[:512]
    if head.isascii() and head.decode().replace("\n", "").replace("\t", "").isprintable():
        return "text", f"it begins with {head[:40].decode()!r}"
    return "no checkpoint that is known here", f"it begins with the bytes {head[:8].hex(' ')}"
