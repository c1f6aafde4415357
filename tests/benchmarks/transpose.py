"""Time x @ W.T, on the weight as PyTorch stores it, against x @ a transpose copied beforehand.

    python -m tests.benchmarks.transpose

Every figure is the median of runs that take turns, so that whatever else the machine does falls on
all of them alike. Nothing here is a test: timings are measured, never asserted.
"""

import statistics
import time

import numpy as np

from tests.benchmarks.timing import machine, take_turns

SIZES = [(12, 100), (768, 3072), (2048, 8192)]  # (in_features, out_features)
BATCHES = [1, 64]
SECONDS = 4  # roughly, for one row of the table


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
            runs = {
                "x @ W.T": lambda x=x, weight=weight: x @ weight.T,
                "x @ copy": lambda x=x, copy=copy: x @ copy,
                "the copy": lambda weight=weight: np.ascontiguousarray(weight.T),
                "x64 @ W.T": lambda x=x64, weight=weight: x @ weight.T,
            }
            times = take_turns(runs, SECONDS, time.process_time).values()
            figures = "".join(f"{statistics.median(taken):11,.1f}" for taken in times)
            print(f"{in_features:5} {out_features:5} {batch:5}{figures}")


if __name__ == "__main__":
    main()
