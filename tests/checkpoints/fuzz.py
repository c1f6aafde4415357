"""Break real files in thousands of ways, and read them.

    python -m tests.checkpoints.fuzz 20000             # files of torch.save
    python -m tests.checkpoints.fuzz 20000 gguf flax   # of some formats: SEEDS
    python -m tests.checkpoints.fuzz 20000 all

The files are read in a process of its own, which may not import torch, may not use more than a
gigabyte, and is told by an audit hook of everything that would be an execution.
"""

import argparse
import codecs
import collections
import datetime
import io
import json
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from tests import ROOT

SECONDS = 5  # a file that takes longer hangs
EXECUTIONS = (
    *("pickle.find_class", "exec", "compile", "import", "os.", "subprocess.", "socket.", "ctypes."),
    *("shutil.", "code.__new__", "marshal.", "builtins.input", "sys.settrace"),
)
SPLICES = [b"\xff" * 8, b"\0" * 4, b"\x7f\xff\xff\xff", b"cos\nsystem\n", b"Vid\n\x85R", b"(", b"b"]
SPLICES += [
    b"\x81",
    b"\x82\1",
    b"\x8e\xff\xff\xff\x7f",
    b"\x8b\xff\xff\xff\x7f",
    b"\x93",
    b"Q",
    b"R",
]


def of_torch():
    """Return files of torch.save of every kind, and pickles of arrays, as {name: bytes}."""
    import torch

    layer = torch.nn.Linear(3, 2)
    beside = {
        "options": argparse.Namespace(rate=0.1, sizes=range(3)),
        "numpy": [np.float32(0.5), np.arange(3.0), np.array([None]), np.dtype(">f4")],
        "python": [{1, "a"}, frozenset([2]), b"\xff", bytearray(b"a"), 1j, {(1, 2): b"k"}],
        "objects": [Path("a/b"), datetime.date(2026, 1, 2), collections.Counter("ab"), layer],
    }
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tensors = {
        "views": [base, base.T, base[1:, ::2], base[:0], torch.tensor(3)],
        "half": torch.ones(2, 3).bfloat16(),
        "conj": torch.ones(2, dtype=torch.complex64).conj(),
        "nested": ({"a": [1, 2.5, None, True, "é"]}, torch.Size([2, 3])),
        "layer": layer.state_dict(),
        "parameter": layer.weight,
    }
    arrays = {"arrays": [np.ones((2, 3)), np.asfortranarray(np.ones((2, 3)))]}
    found = {}
    for name, zipped in (("zip", True), ("legacy", False)):
        stream = io.BytesIO()
        torch.save(tensors, stream, _use_new_zipfile_serialization=zipped)
        found[name] = stream.getvalue()
        for protocol in (2, 4):
            stream, options = io.BytesIO(), {"_use_new_zipfile_serialization": zipped}
            torch.save(tensors | beside, stream, pickle_protocol=protocol, **options)
            found[f"{name}, stand-ins, protocol {protocol}"] = stream.getvalue()
    del beside["objects"][-1]
    for protocol in (0, 2, 5):
        found[f"pickle {protocol}"] = pickle.dumps(arrays | beside, protocol)
    return found | {"deflated": zipped_again(members_of(found["zip"]), zipfile.ZIP_DEFLATED)}


def a_model():
    """Return a small model."""
    import torch

    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).eval().bfloat16()


def torchscript():
    """Return a file of torch.jit.save."""
    import torch

    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(a_model()), stream)
    return {"script": stream.getvalue()}


def package():
    """Return a torch.package of a model and arrays."""
    import torch

    stream = io.BytesIO()
    with torch.package.PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("models", "model.pkl", a_model())
        exporter.save_pickle("models", "more.pkl", {"w": torch.ones(2, 3), "n": np.ones(2)})
    return {"package": stream.getvalue()}


def exported():
    """Return a .pt2 of torch.export."""
    import torch

    stream = io.BytesIO()
    torch.export.save(torch.export.export(a_model(), (torch.ones(4, 2).bfloat16(),)), stream)
    return {"pt2": stream.getvalue()}


def distributed():
    """Return the files of a folder of torch.distributed.checkpoint."""
    import torch
    import torch.distributed.checkpoint as dcp

    state = {"model": a_model().state_dict(), "epoch": 3, "list": [torch.ones(2)]}
    with tempfile.TemporaryDirectory() as folder:
        dcp.save(state, checkpoint_id=folder)
        return {f"folder/{path.name}": path.read_bytes() for path in Path(folder).iterdir()}


def sharded():
    """Return the files of a folder with an index, .safetensors and .bin."""
    import torch

    from snippets.checkpoints import save_safetensors

    with tempfile.TemporaryDirectory() as folder:
        save_safetensors(Path(folder) / "1.safetensors", {"a": np.ones((2, 3))})
        torch.save({"b": torch.ones(2).bfloat16()}, Path(folder) / "2.bin")
        places = {"a": "1.safetensors", "b": "2.bin"}
        index = Path(folder) / "model.safetensors.index.json"
        index.write_text(json.dumps({"metadata": {"total_size": 52}, "weight_map": places}))
        return {f"folder/{path.name}": path.read_bytes() for path in Path(folder).iterdir()}


def kept(*names):
    """Return the function that returns files that the judges wrote."""
    return lambda: {name: (ROOT / "tests/checkpoints/data" / name).read_bytes() for name in names}


def pickles():
    """Return plain pickles of arrays, one of them by joblib."""
    plain = {name: data for name, data in of_torch().items() if name.startswith("pickle")}
    return plain | kept("arrays.joblib", "objects.joblib")()


# What reads a format, and the function that returns files of it
SEEDS = {
    "torch": ("load_torch", of_torch),
    "torchscript": ("load_torchscript", torchscript),
    "package": ("load_package", package),
    "exported": ("load_exported", exported),
    "distributed": ("load_distributed", distributed),
    "sharded": ("load", sharded),
    "gguf": ("load_gguf", kept("llama.gguf", "blocks.gguf")),
    "flax": ("load_flax", kept("tree.msgpack", "cut.msgpack")),
    "onnx": ("load_onnx", kept("types.onnx")),
    "paddle": ("load_paddle", kept("w.pdparams")),
    "pickle": ("load", pickles),
}


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped_again(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def mutated(data, rng):
    """Return data with one to four small damages."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(data))
        size = rng.choice([1, 1, 2, 4, 16])
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                data[at : at + size] = b""
            case 2:
                data[at:at] = rng.choice(SPLICES)
            case 3:
                data[at : at + 8] = rng.choice(SPLICES)
            case 4:
                start = rng.randint(0, len(data))
                data[at:at] = data[start : start + size * 4]
            case 5:
                data[at : at + 1] = bytes(
                    [rng.choice(b"QRbtuse0123()]}.\x81\x85\x86\x87\x88\x89\x8a")]
                )
    return bytes(data[: rng.randint(0, len(data))] if rng.random() < 0.05 else data)


def mutants(found, count, seed):
    """Yield count broken files, those of zips in turn from outside and within the pickle."""
    rng = random.Random(seed)
    for number in range(count):
        name = sorted(found)[number % len(found)]
        data = found[name]
        is_zip = data.startswith(b"PK") and not name.endswith(".distcp")  # of several zips
        if is_zip and rng.random() < 0.7:
            members = members_of(data)
            told = [inner for inner in members if inner.endswith((".pkl", ".json"))]
            inner = rng.choice([inner for inner in members if "/data" in inner] + told * 5)
            yield name, zipped_again(members | {inner: mutated(members[inner], rng)})
        else:
            yield name, mutated(data, rng)


def touch(value):
    """Read all that waits to be read."""
    for part in value.values() if isinstance(value, dict) else ():
        touch(part)
    repr(value)


def fuzz(folder, reader, count, seed):
    """Read the broken files and return what happened."""
    from snippets import checkpoints

    read = getattr(checkpoints, reader)
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    tried = {"tried": 0, "read": 0, "refused": 0, "hung": 0, "executed": [], "other": []}
    reading = False

    def listen(event, args):
        if reading and event.startswith(EXECUTIONS) and event != "os.listdir":  # of a folder
            tried["executed"].append(f"{event} {args}"[:200])

    def too_long(*_):
        raise TimeoutError

    for name in found:  # so that nothing is imported later on
        touch(read(Path(folder, name.split("/")[0])))
    codecs.lookup("raw_unicode_escape")
    codecs.lookup("cp437")  # of names in a zip
    sys.addaudithook(listen)
    signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for name, data in mutants(found, count, seed):
        Path(folder, name).write_bytes(data)
        tried["tried"] += 1
        begin = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        reading = True
        try:
            touch(read(Path(folder, name.split("/")[0])))
            tried["read"] += 1
        except ValueError as error:
            tried["refused"] += 1
            tried["hung"] += isinstance(error.__cause__, TimeoutError)
        except BaseException as error:
            tried["other"].append(f"{error!r} {name} {data.hex()[:4000]}")
        finally:
            reading = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.perf_counter() - begin)
        Path(folder, name).write_bytes(found[name])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return tried | {"slowest_ms": round(1e3 * slowest), "peak_growth_kb": after - before}


def report(count, seed=0, kind="torch"):
    """Return what happened to count broken files, read in a process of its own."""
    reader, seeds = SEEDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        for name, data in seeds().items():
            Path(folder, name).parent.mkdir(exist_ok=True)
            Path(folder, name).write_bytes(data)
        command = [sys.executable, "-m", "tests.checkpoints.fuzz", str(count), f"--seed={seed}"]
        command += [f"--folder={folder}", f"--reader={reader}"]
        return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def main():
    """Break files and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="of real files, to be broken in this process")
    parser.add_argument("--reader", help="what reads them")
    given = parser.parse_args()
    if given.folder:
        return print(json.dumps(fuzz(given.folder, given.reader, given.count, given.seed)))
    kinds = SEEDS if given.kinds == ["all"] else given.kinds or ["torch"]
    for kind in kinds:
        print(kind, json.dumps(report(given.count, given.seed, kind)), flush=True)
    return None


if __name__ == "__main__":
    main()
