"""Measure what the page "How fast is it?" shows, and write it where the page reads it.

    pip install -e '.[test,bench]'
    python -m tests.benchmarks  # on Linux, some minutes on a machine that does nothing else

Each part runs in processes of its own, with one thread and with as many as there are processors.
On one thread the times are of the processor, not of the clock, so that whatever else the machine
does changes them little. Nothing here is a test: timings are measured, never asserted.
"""

import json
import os
import subprocess
import sys
import time
from datetime import date
from importlib import metadata

from tests import ROOT
from tests.benchmarks.timing import machine

FILE = ROOT / "docs/en/notebooks/speed.json"
LIBRARIES = ("OMP", "OPENBLAS", "MKL")


def part(name, threads):
    """Return what one part measures; called in a process that has so many threads."""
    import torch

    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    if name == "start":
        from tests.benchmarks import without_torch

        return without_torch.measure()
    from tests.benchmarks import layers, question

    if name == "streaming":
        return question.streaming(clock)
    found = []
    for row in {"question": question, "layers": layers}[name].measure(threads, clock):
        print(json.dumps(row), file=sys.stderr, flush=True)
        found.append(row)
    return found


def run(name, threads):
    """Return what a new process with so many threads measures."""
    names = {f"{library}_NUM_THREADS": str(threads) for library in LIBRARIES}
    command = [sys.executable, "-m", "tests.benchmarks", name, str(threads)]
    process = subprocess.run(
        command, cwd=ROOT, env=os.environ | names, stdout=subprocess.PIPE, check=True
    )
    return json.loads(process.stdout.splitlines()[-1])


def main():
    """Measure everything and write FILE."""
    cpus = len(os.sched_getaffinity(0))
    versions = {name: metadata.version(name) for name in ("torch", "onnxruntime")}
    found = {
        "machine": [line.split(", threads")[0] for line in machine()],
        "versions": versions,
        "date": f"{date.today():%B %Y}",
        "cpus": cpus,
        "question": {str(threads): run("question", threads) for threads in (1, cpus)},
        "layers": {str(threads): run("layers", threads) for threads in (1, cpus)},
        "streaming": run("streaming", 1),
        "start": run("start", 1),
    }
    FILE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(part(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
