"""Break real files of torch.save in thousands of ways: `python -m tests.checkpoints.fuzz 20000`.

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


def seeds():
    """Return real files of every kind, as {name: bytes}."""
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
        data = found[sorted(found)[number % len(found)]]
        if data.startswith(b"PK") and rng.random() < 0.7:
            members = members_of(data)
            name = rng.choice(
                [name for name in members if "/data" in name] + ["archive/data.pkl"] * 5
            )
            yield zipped_again(members | {name: mutated(members[name], rng)})
        else:
            yield mutated(data, rng)


def fuzz(folder, count, seed):
    """Read the broken files and return what happened."""
    from snippets.checkpoints.torch_file import load_torch

    found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    path = Path(folder) / "broken"
    tried = {"tried": 0, "read": 0, "refused": 0, "hung": 0, "executed": [], "other": []}
    reading = False

    def listen(event, args):
        if reading and event.startswith(EXECUTIONS):
            tried["executed"].append(f"{event} {args}"[:200])

    def too_long(*_):
        raise TimeoutError

    for data in found.values():  # so that nothing is imported later on
        path.write_bytes(data)
        load_torch(path)
    codecs.lookup("raw_unicode_escape")
    sys.addaudithook(listen)
    signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for data in mutants(found, count, seed):
        path.write_bytes(data)
        tried["tried"] += 1
        begin = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        reading = True
        try:
            repr(load_torch(path))
            tried["read"] += 1
        except ValueError as error:
            tried["refused"] += 1
            tried["hung"] += isinstance(error.__cause__, TimeoutError)
        except BaseException as error:
            tried["other"].append(repr(error))
        finally:
            reading = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.perf_counter() - begin)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return tried | {"slowest_ms": round(1e3 * slowest), "peak_growth_kb": after - before}


def report(count, seed=0):
    """Return what happened to count broken files, read in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in seeds().items():
            (Path(folder) / name).write_bytes(data)
        command = [sys.executable, "-m", "tests.checkpoints.fuzz", folder, str(count), str(seed)]
        return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


if __name__ == "__main__":
    *where, count, seed = sys.argv[1:] if len(sys.argv) > 2 else [*sys.argv[1:], 0]
    told = fuzz(*where, int(count), int(seed)) if where else report(int(count), int(seed))
    print(json.dumps(told))
