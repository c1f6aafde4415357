"""Measure programs that port writes: against torch, ONNX Runtime and onnx's own evaluator.

    pip install -e '.[bench,models]'
    python -m tests.benchmarks.port  # on Linux, some minutes on a machine that does nothing else

It writes docs/measured/port.json, from which the page "Have the program written" is filled. Weights
are random: they change no time. One image, or a text of so many tokens; one thread. Times are of
the processor; runs take turns; every figure is a median. Nothing here is a test: timings are
measured, never asserted.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np

from tests import ROOT
from tests.benchmarks.models import MINILM
from tests.benchmarks.timing import machine, take_turns
from tests.models.library import load

FILE = ROOT / "docs/measured/port.json"
COMMAND = "python -m tests.benchmarks.port"
TOKENS = 128
FLOAT32 = 1e-4  # of the largest number; these are deep, and each library adds in another order
RUNS = ("NumPy", "torch", "ONNX Runtime", "ReferenceEvaluator")
VERSIONS = ("numpy", "torch", "torchvision", "timm", "transformers", "onnx", "onnxruntime")


def image(build, library):
    """Return a model of images and one of them."""
    import torch

    return build(load(library)), torch.randn(1, 3, 224, 224)


def text(kind, **options):
    """Return a model of transformers that gives its last states alone, and a text."""
    import torch

    class Last(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, ids):
            mask = torch.ones_like(ids)  # else the library looks for texts that are packed
            return self.model(ids, attention_mask=mask, use_cache=False).last_hidden_state

    library = load("transformers")
    config = getattr(library, f"{kind}Config")(attn_implementation="eager", **options)
    return Last(getattr(library, f"{kind}Model")(config)), torch.arange(TOKENS)[None]


MODELS = {
    "ViT-S/16": lambda: image(
        lambda timm: timm.create_model("vit_small_patch16_224", pretrained=False), "timm"
    ),
    "MiniLM": lambda: text("Bert", **MINILM),
    "GPT-2 small": lambda: text("GPT2"),
    "ResNet-18": lambda: image(lambda vision: vision.resnet18(), "torchvision.models"),
    "MobileNetV3": lambda: image(lambda vision: vision.mobilenet_v3_large(), "torchvision.models"),
}


def in_onnx(model, x):
    """Return runs of a model in ONNX Runtime and in onnx's ReferenceEvaluator, if it can."""
    import onnxruntime
    import torch
    from onnx.reference import ReferenceEvaluator

    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # the exporter announces its successor
        torch.onnx.export(model, (x,), file, input_names=["x"], dynamo=False, opset_version=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    reference = ReferenceEvaluator(file.getvalue())
    inputs = {"x": x.numpy()}
    runs = [lambda: session.run(None, inputs)[0], lambda: reference.run(None, inputs)[0]]
    try:
        runs[1]()
    except ValueError:  # it does not know of a shape that is computed
        runs.pop()
    return runs


def measure(name):
    """Return the lines of a model's program, and the milliseconds of each way to run it."""
    import torch

    from snippets.port import port
    from tests.port.programs import imported

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, x = MODELS[name]()
    model.eval()
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        folder = port(model, x, folder=Path(temporary) / "ported")
        lines = len((folder / "model.py").read_text("utf-8").splitlines())
        with imported(folder) as package:
            weights, array = package.load(), x.numpy()
            ours = [lambda: package.forward(weights, array), lambda: model(x).numpy()]
            runs = dict(zip(RUNS, ours + in_onnx(model, x), strict=False))
            expected = runs["torch"]()
            for run in runs.values():
                assert np.abs(run() - expected).max() < FLOAT32 * np.abs(expected).max()
            times = take_turns(runs, 0, time.process_time)
    ratios = [a / b for a, b in zip(times["NumPy"], times["torch"], strict=True)]
    return {
        "lines": lines,
        "milliseconds": {
            run: round(statistics.median(taken) / 1e3, 1) for run, taken in times.items()
        },
        "ratio": round(statistics.median(ratios), 2),
    }


def rows_of(models):
    """Return the rows of the table on the page."""
    return [
        [name, *(found["milliseconds"].get(run, "–") for run in RUNS), found["ratio"]]
        for name, found in models.items()
    ]


def main():
    """Measure each model in a process with one thread, and write FILE."""
    names = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    models = {}
    for name in MODELS:
        command = [sys.executable, "-m", "tests.benchmarks.port", name]
        process = subprocess.run(
            command, cwd=ROOT, env=os.environ | names, stdout=subprocess.PIPE, check=True
        )
        models[name] = json.loads(process.stdout.splitlines()[-1])
        print(name, models[name], flush=True)
    found = {
        "machine": [line.split(", threads")[0] for line in machine()],
        "versions": {name: metadata.version(name) for name in VERSIONS},
        "date": f"{date.today():%B %Y}",
        "command": COMMAND,
        "tokens": TOKENS,
        "models": models,
        "rows": rows_of(models),
    }
    FILE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
