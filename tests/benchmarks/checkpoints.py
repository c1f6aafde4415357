"""Time and memory of our readers on a file of 100 MB, against torch's and safetensors' own.

    python -m tests.benchmarks.checkpoints  # on Linux, some minutes

Every reader starts in a process of its own, the file in the disk cache, and is timed twice: until
it returns, and until every number has been read once. Memory is what it took to return. A figure
is the median of runs that take turns. Nothing here is a test: timings are measured, never asserted.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests import ROOT
from tests.benchmarks.timing import machine

RUNS = 7
ARRAYS = 25  # of 4 MB each

READERS = {
    "our load_torch": ("pt", "from snippets.checkpoints.torch_file import load_torch as read"),
    "torch.load": (
        "pt",
        "import torch; torch.set_num_threads(1)\n"
        "def read(p): return numpys(torch.load(p, weights_only=True))",
    ),
    "torch.load, mmap=True": (
        "pt",
        "import torch; torch.set_num_threads(1)\n"
        "def read(p): return numpys(torch.load(p, weights_only=True, mmap=True))",
    ),
    "our load_safetensors": (
        "safetensors",
        "from snippets.checkpoints.safetensors_file import load_safetensors as read",
    ),
    "safetensors.numpy.load_file": (
        "safetensors",
        "from safetensors.numpy import load_file as read",
    ),
    "safetensors.torch.load_file": (
        "safetensors",
        "import torch; from safetensors.torch import load_file\n"
        "def read(p): return numpys(load_file(p))",
    ),
    "our load_npz": ("npz", "from snippets.checkpoints.npz import load_npz as read"),
    "np.load": ("npz", "def read(p): return dict(np.load(p))"),
}

PROCESS = """
import json, time
import numpy as np
def numpys(state): return {{name: t.numpy() for name, t in state.items()}}
{read}
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
read({small!r})  # what is imported and looked up once
memory = peak()
start = time.perf_counter()
arrays = read({path!r})
opened = time.perf_counter() - start
held = peak() - memory
for array in arrays.values():
    array.sum()
print(json.dumps([opened * 1e3, (time.perf_counter() - start) * 1e3, held / 1024]))
"""

IMPORT = """
import json, time, numpy
clocks = time.perf_counter, time.process_time
start = [clock() for clock in clocks]
import {module}
print([(clock() - began) * 1e3 for clock, began in zip(clocks, start)])
"""


def run(code):
    """Return what a fresh process prints."""
    return subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)


def write(folder, stem, shape):
    """Write the same arrays in each format."""
    import torch
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    arrays = {f"{i}.weight": rng.normal(size=shape).astype(np.float32) for i in range(ARRAYS)}
    save_file(arrays, folder / f"{stem}.safetensors")
    np.savez(folder / f"{stem}.npz", **arrays)
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    torch.save(state, folder / f"{stem}.pt")


def main():
    """Print the two tables."""
    print(*machine(), sep="\n")
    print(f"medians of {RUNS} runs; 100 MB of float32 in {ARRAYS} arrays\n")
    figures = {name: [] for name in READERS}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), "large", (1000, 1000))
        write(Path(folder), "small", (2, 2))
        for _ in range(RUNS):
            for name, (suffix, read) in READERS.items():
                small, path = (f"{folder}/{stem}.{suffix}" for stem in ("small", "large"))
                code = PROCESS.format(read=read, small=small, path=path)
                figures[name].append(json.loads(run(code)))
    print(f"{'':30}{'returns, ms':>14}{'all read, ms':>14}{'memory, MB':>14}")
    for name, rows in figures.items():
        columns = map(statistics.median, zip(*rows, strict=True))
        print(f"{name:30}" + "".join(f"{figure:14.1f}" for figure in columns))

    print(f"\n{'import, beyond NumPy':30}{'ms':>14}{'of CPU, ms':>14}")
    for module in ("snippets.checkpoints", "safetensors.numpy", "torch"):
        code = IMPORT.format(module=module)
        rows = [json.loads(run(code)) for _ in range(3 if module == "torch" else RUNS)]
        columns = map(statistics.median, zip(*rows, strict=True))
        print(f"{module:30}" + "".join(f"{figure:14.1f}" for figure in columns))


if __name__ == "__main__":
    main()
