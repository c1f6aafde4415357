"""Time x @ W.T, on the weight as PyTorch stores it, against x @ a transpose copied beforehand.

    OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.transpose

It writes docs/measured/transpose.json, from which the page on memory and strides is filled. Every
figure is the median of runs that take turns, so that whatever else the machine does falls on all of
them alike. Nothing here is a test: timings are measured, never asserted.
"""

import json
import statistics
import time
from datetime import date

import numpy as np

from tests import ROOT
from tests.benchmarks.timing import machine, take_turns

FILE = ROOT / "docs/measured/transpose.json"
SIZES = [(12, 100), (768, 3072), (2048, 8192)]  # (in_features, out_features)
BATCHES = [1, 64]
SECONDS = 4  # roughly, for one row of the table


def measure():
    """Return one row for each size and batch: W is float32, (out, in); x is too, x64 is not."""
    found = []
    rng = np.random.default_rng(0)
    for in_features, out_features in SIZES:
        weight = rng.normal(size=(out_features, in_features)).astype(np.float32)
        copy = np.ascontiguousarray(weight.T)
        for batch in BATCHES:
            x64 = rng.normal(size=(batch, in_features))
            x = x64.astype(np.float32)
            runs = {
                "x @ W.T": lambda x=x, weight=weight: x @ weight.T,
                "x @ copy": lambda x=x, copy=copy: x @ copy,
                "the copy": lambda weight=weight: np.ascontiguousarray(weight.T),
                "x64 @ W.T": lambda x=x64, weight=weight: x @ weight.T,
            }
            times = take_turns(runs, SECONDS, time.process_time)
            sizes = {"in_features": in_features, "out_features": out_features, "batch": batch}
            medians = {name: round(statistics.median(taken), 1) for name, taken in times.items()}
            found.append(sizes | medians)
    return found


def main():
    """Measure and write FILE."""
    rows = measure()
    found = {
        "machine": machine(),
        "date": f"{date.today():%B %Y}",
        "command": "OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.transpose",
        "unit": "microseconds",
        "columns": list(rows[0]),
        "rows": [list(row.values()) for row in rows],
    }
    FILE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
