"""Time the question's network in NumPy against torch, torch.compile, TorchScript, ONNX Runtime.

Run by ``python -m tests.benchmarks``.
"""

import io
import resource
import statistics
import warnings

import numpy as np
import onnxruntime
import torch

from snippets.question import fast_rnn, numpy_rnn, torch_rnn
from tests.benchmarks.timing import ratio, take_turns
from tests.parity import FLOAT32, arrays, assert_parity

SIZES = (12, 100, 6)
BATCHES = (1, 4, 16, 64, 256)
LENGTHS = (20, 100)
SECONDS = 3
STEPS = 1_000_000


def onnx_runtime(model, x, threads):
    """Return a run of the model in ONNX Runtime, exported for inputs like x."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter announces its successor
        torch.onnx.export(model, (x,), file, input_names=["x"], dynamo=False, opset_version=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    inputs = {"x": x.numpy()}
    return lambda: session.run(None, inputs)


def contenders(model, x, threads):
    """Return {name: its run over x}; the products alone are the least that the others can take."""
    clear, fast = numpy_rnn.RNN(arrays(model)), fast_rnn.RNN(arrays(model))
    batch, time, dim_input = x.shape
    array = x.numpy()
    dim_recurrent = model.dim_recurrent
    step = np.ones((dim_recurrent + dim_input + 1, batch), np.float32)
    gates = np.empty((2 * dim_recurrent, batch), np.float32)

    def products():
        for _ in range(time):
            np.matmul(fast.weight, step, out=gates)

    torch._dynamo.reset()
    compiled = torch.compile(model, dynamic=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript announces its successors
        script = torch.jit.freeze(torch.jit.trace(model, (x,)))
    return {
        "fast NumPy": lambda: fast(array),
        "clear NumPy": lambda: clear(array),
        "products alone": products,
        "torch": lambda: model(x),
        "torch.compile": lambda: compiled(x),
        "TorchScript": lambda: script(x),
        "ONNX Runtime": onnx_runtime(model, x, threads),
    }


def measure(threads, clock):
    """Yield a row for each length and batch: medians in microseconds, ratios with quartiles."""
    torch.manual_seed(0)
    model = torch_rnn.RNN(*SIZES).eval()
    with torch.inference_mode():
        for time in LENGTHS:
            for batch in BATCHES:
                x = torch.randn(batch, time, SIZES[0])
                runs = contenders(model, x, threads)
                for name, run in runs.items():
                    if name != "products alone":
                        assert_parity(np.asarray(run()[0]), model(x)[0], FLOAT32)
                times = take_turns(runs, SECONDS, clock)
                yield {
                    "time": time,
                    "batch": batch,
                    "microseconds": {
                        name: round(statistics.median(taken), 1) for name, taken in times.items()
                    },
                    "to fast NumPy": {
                        name: [round(q, 2) for q in ratio(taken, times["fast NumPy"])]
                        for name, taken in times.items()
                    },
                }


def streaming(clock):
    """Return what one step takes, what its products take, and what a million steps leave behind."""
    torch.manual_seed(0)
    rnn = fast_rnn.RNN(arrays(torch_rnn.RNN(*SIZES)))
    x_t, h = np.ones(SIZES[0], np.float32), np.zeros(SIZES[1], np.float32)
    read = np.ones((rnn.weight.shape[1], 1), np.float32)
    dense5 = rnn.state["dense5.weight"]
    times = take_turns(
        {
            "step": lambda: [rnn.step(x_t, h) for _ in range(100)],
            "products": lambda: [
                (rnn.weight @ read, dense5 @ read[: SIZES[1]]) for _ in range(100)
            ],
        },
        SECONDS,
        clock,
    )
    peaks = []
    for _ in range(2):
        for _ in range(STEPS // 2):
            _, h = rnn.step(x_t, h)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # kilobytes on Linux
    found = {name: round(statistics.median(taken) / 100, 1) for name, taken in times.items()}
    return found | {"steps": STEPS, "kilobytes that the second half added": peaks[1] - peaks[0]}
