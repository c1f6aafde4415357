"""What every benchmark needs: whose times these are, and runs that take turns."""

import os
import platform
import random
import statistics
import time
from pathlib import Path

import numpy as np

ASLEEP = 0.05  # seconds; threads of BLAS and OpenMP wait busily for some milliseconds


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
    # A variable that has OpenBLAS take the code of another processor: NumPy may be half as fast.
    core = os.environ.get("OPENBLAS_CORETYPE")
    return [
        f"{models[0] if models else platform.machine()}, {cpus} CPUs, {platform.system()}",
        f"Python {platform.python_version()}, NumPy {np.__version__}, {blas['name']} "
        f"{blas['version']}{f', OPENBLAS_CORETYPE={core}' if core else ''}, "
        f"threads: {threads or 'as many as CPUs'}",
    ]


def take_turns(runs, seconds, clock=time.perf_counter):
    """Return {name: [microseconds, ...]} of the runs, one round of all of them after the other.

    Whatever else the machine does then falls on all alike. Each round has another order, since a
    run is faster after one that uses the same code and arrays. By the clock, each waits until the
    threads of the one before it have gone to sleep, and wakes its own by a run that does not count.
    """
    times = {name: [] for name in runs}
    warm_up = 2
    order = list(runs)
    chance = random.Random(0)
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(times[order[0]]) < warm_up + 7:
        chance.shuffle(order)
        for name in order:
            run = runs[name]
            if clock is time.perf_counter:
                time.sleep(ASLEEP)
                run()
            before = clock()
            run()
            times[name].append((clock() - before) * 1e6)
    return {name: taken[warm_up:] for name, taken in times.items()}


def ratio(times, others):
    """Return the quartiles of times / others, taken round by round."""
    return statistics.quantiles([a / b for a, b in zip(times, others, strict=True)], n=4)
