"""Measure what a program saves and pays that runs a network in NumPy rather than in torch.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.without_torch

Times are of the processor, not of the clock, so that whatever else the machine does changes them
little: on one thread, and for a start whose files are in the system's cache, the two are the same.
Processes and runs take turns; every figure is a median. Linux only. Nothing here is a test.
"""

import statistics
import subprocess
import sys
import time
from datetime import date
from importlib import metadata

from packaging.requirements import Requirement

from snippets.layers.conv import conv2d
from snippets.layers.linear import linear
from snippets.layers.lstm import lstm
from snippets.question import numpy_rnn
from tests import ROOT
from tests.benchmarks.transpose import machine
from tests.parity import FLOAT32, arrays, assert_parity

STARTS = 15  # processes of each kind
SECONDS = 3  # roughly, for one row of the table of speeds

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
import os
with open("/proc/self/status") as file:
    peak = next(line for line in file if line.startswith("VmHWM")).split()[1]
print(sum(os.times()[:2]), peak)
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


def medians(runs):
    """Return the median processor time of each run in microseconds; the runs take turns."""
    times = [[] for _ in runs]
    stop = time.perf_counter() + SECONDS
    while time.perf_counter() < stop or len(times[0]) < 12:
        for run, taken in zip(runs, times, strict=True):
            before = time.process_time()
            run()
            taken.append(time.process_time() - before)
    return [statistics.median(taken[2:]) * 1e6 for taken in times]  # the first two warm up


def rows():
    """Yield (name, the run in NumPy, the run in torch); both give the same numbers."""
    import torch

    from snippets.question import torch_rnn

    torch.manual_seed(0)
    speakers = torch_rnn.RNN(12, 100, 6)
    rnn = numpy_rnn.RNN(arrays(speakers))
    for batch in ((), (64,)):
        x = torch.randn(*batch, 20, 12)
        name = f"the question's RNN, {batch[0] if batch else 1} x 20 steps"
        yield name, lambda x=x: rnn(x.numpy())[0], lambda x=x: speakers(x)[0]

    fc = torch.nn.Linear(768, 3072)
    w = arrays(fc)
    for batch in (1, 64):
        x = torch.randn(batch, 768)
        yield (
            f"Linear(768, 3072), batch {batch}",
            lambda x=x, w=w: linear(x.numpy(), **w),
            lambda x=x: fc(x),
        )

    layer = torch.nn.LSTM(64, 128)
    w = arrays(layer)
    for batch in (1, 64):
        x = torch.randn(50, batch, 64)
        yield (
            f"LSTM(64, 128), {batch} x 50 steps",
            lambda x=x, w=w: lstm(x.numpy(), w)[0],
            lambda x=x: layer(x)[0],
        )

    conv = torch.nn.Conv2d(64, 64, 3, padding=1)
    w = arrays(conv)
    x = torch.randn(1, 64, 56, 56)
    yield (
        "Conv2d(64, 64, 3), 56 x 56",
        lambda: conv2d(x.numpy(), **w, padding=1),
        lambda: conv(x),
    )


def main():
    """Print the three tables."""
    import torch

    torch.set_num_threads(1)
    print(*machine(), f"torch {torch.__version__}, {date.today():%B %Y}", sep="\n")

    print("\nfiles on disk, MB")
    for package in ("numpy", "torch"):
        sizes = {name: megabytes(found) for name, found in needed(package).items()}
        print(f"{package:22}{sizes[package]:8.1f}")
        if sizes.keys() - {package}:
            others = sorted(sizes.keys() - {package}, key=sizes.get, reverse=True)
            named = ", ".join([*others[:5], "..."])
            print(f"{'  with what it needs':22}{sum(sizes.values()):8.1f}  {named}")

    print(f"\n{'':22}{'start, s':>10}{'peak memory, MB':>18}")
    starts = {name: [] for name in PROGRAMS}
    for _ in range(STARTS):
        for name, program in PROGRAMS.items():
            starts[name].append(start(program))
    for name, taken in starts.items():
        seconds, peaks = zip(*taken, strict=True)
        print(f"{name:22}{statistics.median(seconds):10.2f}{statistics.median(peaks):18.0f}")

    print(f"\n{'one call, microseconds':34}{'NumPy':>10}{'torch':>10}{'NumPy / torch':>16}")
    with torch.no_grad():
        for name, ours, theirs in rows():
            assert_parity(ours(), theirs(), FLOAT32)
            a, b = medians([ours, theirs])
            print(f"{name:34}{a:10,.0f}{b:10,.0f}{a / b:16.1f}")


if __name__ == "__main__":
    main()
