"""Measure what a program saves and pays that runs a network in NumPy rather than in torch.

A part of `python -m tests.benchmarks`, which writes it where the pages read it. Times are of the
processor, not of the clock, so that whatever else the machine does changes them little: on one
thread, and for a start whose files are in the system's cache, the two are the same. Processes take
turns; every figure is a median. Linux only. Nothing here is a test.
"""

import statistics
import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement

from tests import ROOT

STARTS = 15  # processes of each kind

# From nothing to the answer for one utterance.
NUMPY = f"""
import numpy as np
from snippets.question.numpy_rnn import RNN
with np.load({str(ROOT / "docs/en/notebooks/speakers.npz")!r}) as state:
    rnn = RNN(state)
rnn(np.ones((20, 12), np.float32))[0][-1].argmax()
"""
TORCH = f"""
import numpy as np
import torch
from snippets.question.torch_rnn import RNN
with np.load({str(ROOT / "docs/en/notebooks/speakers.npz")!r}) as state:
    state = {{name: torch.from_numpy(state[name]) for name in state}}
rnn = RNN(12, 100, 6).eval()
rnn.load_state_dict(state)
with torch.no_grad():
    rnn(torch.ones(20, 12))[0][-1].argmax()
"""
PROGRAMS = {
    "Python alone": "",
    "import numpy": "import numpy",
    "import torch": "import torch",
    "the answer in NumPy": NUMPY,
    "the answer in torch": TORCH,
}
REPORT = """
import time
with open("/proc/self/status") as file:
    peak = next(line for line in file if line.startswith("VmHWM")).split()[1]
print(time.process_time(), peak)
"""


def needed(package):
    """Return the package and all that it needs here, as pip would install them."""
    found, left = {}, [package]
    while left:
        name = left.pop().lower().replace("_", "-")
        if name in found:
            continue
        found[name] = metadata.distribution(name)
        wanted = map(Requirement, found[name].requires or [])
        left += [r.name for r in wanted if not r.marker or r.marker.evaluate({"extra": ""})]
    return found


def megabytes(distribution):
    """Return the size of a package's files, without the bytecode that Python makes of them."""
    files = {f.locate().resolve() for f in distribution.files if f.suffix != ".pyc"}
    return sum(f.stat().st_size for f in files if f.is_file()) / 1e6


def start(program):
    """Return the processor seconds and the peak of resident megabytes of a new process."""
    run = subprocess.run(
        [sys.executable, "-c", program + REPORT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, kilobytes = run.stdout.split()
    return float(seconds), int(kilobytes) * 1024 / 1e6


def measure():
    """Return the megabytes on disk, and seconds and megabytes of each program's start."""
    disk = {}
    for package in ("numpy", "torch"):
        sizes = {name: round(megabytes(found), 1) for name, found in needed(package).items()}
        disk[package] = dict(sorted(sizes.items(), key=lambda item: -item[1]))
    starts = {name: [] for name in PROGRAMS}
    for _ in range(STARTS):
        for name, program in PROGRAMS.items():
            starts[name].append(start(program))
    found = {}
    for name, taken in starts.items():
        seconds, peaks = (statistics.median(figures) for figures in zip(*taken, strict=True))
        found[name] = {"seconds": round(seconds, 2), "megabytes": round(peaks)}
    return {"disk": disk, "start": found}
