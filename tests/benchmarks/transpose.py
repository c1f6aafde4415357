"""Time x @ W.T, on the weight as PyTorch stores it, against x @ a transpose copied beforehand.

    python -m tests.benchmarks.transpose

Every figure is the median of runs that take turns, so that whatever else the machine does falls on
all of them alike. Nothing here is a test: timings are measured, never asserted.
"""

import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np

SIZES = [(12, 100), (768, 3072), (2048, 8192)]  # (in_features, out_features)
BATCHES = [1, 64]
SECONDS = 4  # roughly, for one row of the table


def machine():
    """Return one line each on the machine and on the libraries."""
    info = Path("/proc/cpuinfo")
    models = [
        line.split(":", 1)[1].strip()
        for line in (info.read_text("utf-8").splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")
    return [
        f"{models[0] if models else platform.machine()}, {cpus} CPUs, {platform.system()}",
        f"Python {platform.python_version()}, NumPy {np.__version__}, {blas['name']} "
        f"{blas['version']}, threads: {threads or 'as many as CPUs'}",
    ]


def medians(runs):
    """Return the median time of each run, in microseconds; the runs take turns."""
    times = [[] for _ in runs]
    stop = time.perf_counter() + SECONDS
    while time.perf_counter() < stop or len(times[0]) < 7:
        for run, taken in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken[2:]) * 1e6 for taken in times]  # the first two warm up


def main():
    """Print the table."""
    print(*machine(), sep="\n")
    print("medians in microseconds; W is float32, (out, in); x is float32, x64 float64\n")
    columns = ["x @ W.T", "x @ copy", "the copy", "x64 @ W.T"]
    print(f"{'in':>5} {'out':>5} {'batch':>5}" + "".join(f"{name:>11}" for name in columns))
    rng = np.random.default_rng(0)
    for in_features, out_features in SIZES:
        weight = rng.normal(size=(out_features, in_features)).astype(np.float32)
        copy = np.ascontiguousarray(weight.T)
        for batch in BATCHES:
            x64 = rng.normal(size=(batch, in_features))
            x = x64.astype(np.float32)
            runs = [
                lambda x=x, weight=weight: x @ weight.T,
                lambda x=x, copy=copy: x @ copy,
                lambda weight=weight: np.ascontiguousarray(weight.T),
                lambda x=x64, weight=weight: x @ weight.T,
            ]
            figures = "".join(f"{figure:11,.1f}" for figure in medians(runs))
            print(f"{in_features:5} {out_features:5} {batch:5}{figures}")


if __name__ == "__main__":
    main()
