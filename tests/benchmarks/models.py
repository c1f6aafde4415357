"""Measure published architectures here and in torch: speed, a start, memory, disk.

    pip install -e '.[models]'
    python -m tests.benchmarks.models  # on Linux, some minutes on a machine that does nothing else

It writes docs/measured/models.json, from which the page of all models is filled. Weights are
random: they change no time. One thread; times are of the processor, except for a start, which is
by the clock, its files in the system's cache. Runs take turns; every figure is a median.
Nothing here is a test: timings are measured, never asserted.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np

from tests import ROOT
from tests.benchmarks.timing import machine, take_turns
from tests.benchmarks.without_torch import megabytes, needed

FILE = ROOT / "docs/measured/models.json"
RUNS = 7
PROMPT, STEPS = 128, 16  # tokens
TEXTS, LENGTH = 8, 32
LLAMA = {
    "vocab_size": 32000,
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
}
MINILM = {
    "vocab_size": 30522,
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
}
OURS = """
import json, sys
import numpy as np
from snippets.checkpoints.safetensors_file import load_safetensors
folder = sys.argv[1]
with open(folder + "/config.json") as file:
    config = json.load(file)
weights = load_safetensors(folder + "/model.safetensors")
ids = np.arange(32)[None]
"""
THEIRS = """
import sys, warnings
warnings.simplefilter("ignore")
sys.modules["torchvision"] = None  # these models need none, and start sooner
import torch, transformers
transformers.utils.logging.disable_progress_bar()
folder = sys.argv[1]
ids = torch.arange(32)[None]
"""
# From nothing to the vector of one text.
EMBED = {
    "NumPy": f"""{OURS}
from snippets.models.bert import forward, sentence_embeddings
sentence_embeddings(forward(ids, weights, config))
""",
    "torch": f"""{THEIRS}
model = transformers.AutoModel.from_pretrained(folder)
with torch.no_grad():
    x = model(ids).last_hidden_state.mean(1)
    torch.nn.functional.normalize(x)
""",
}
# The token after a text, from a file of bfloat16.
BFLOAT16 = {
    "NumPy": f"""{OURS}
from snippets.models.llama import forward
forward(ids, weights, config, last=True)
""",
    "torch": f"""{THEIRS}
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
with torch.no_grad():
    model(ids, logits_to_keep=1)
""",
    "NumPy, no model": OURS,
    "torch, no model": THEIRS,
}
PEAK = """
with open("/proc/self/status") as file:
    print(next(line for line in file if line.startswith("VmHWM")).split()[1])
"""


def start(program, folder):
    """Return the seconds that a new process takes, by the clock, and its peak of megabytes."""
    before = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", program + PEAK, folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return time.perf_counter() - before, int(run.stdout) * 1024 / 1e6


def starts(programs, folder):
    """Return {name: the medians of seconds and megabytes} of programs that take turns."""
    found = {name: [] for name in programs}
    for _ in range(RUNS):
        for name, program in programs.items():
            found[name].append(start(program, folder))
    names = ("seconds", "megabytes")
    return {
        name: dict(zip(names, map(statistics.median, zip(*taken, strict=True)), strict=True))
        for name, taken in found.items()
    }


def pace(runs, amount):
    """Return what each run does in a second, and the ratio of NumPy's to torch's."""
    times = take_turns(runs, 0, time.process_time)
    found = {
        name: round(amount / statistics.median(taken) * 1e6, 1) for name, taken in times.items()
    }
    ratios = [b / a for a, b in zip(times["NumPy"], times["torch"], strict=True)]
    return found | {"ratio": round(statistics.median(ratios), 2)}


def in_numpy(model, module):
    """Return our model, with the arrays of one of the library and the dict of its config."""
    config = json.loads(model.config.to_json_string(use_diff=False))
    weights = {name: p.detach().numpy() for name, p in model.named_parameters()}
    return lambda *ids, **given: module.forward(*ids, weights, config, **given)


def speed(llama, minilm):
    """Return what both do in a second."""
    import torch

    from snippets.models import bert
    from snippets.models import llama as numpy_llama

    ours, embed = in_numpy(llama, numpy_llama), in_numpy(minilm, bert)
    ids = np.random.default_rng(0).integers(0, 32000, (1, PROMPT))
    texts = np.random.default_rng(0).integers(0, 30522, (TEXTS, LENGTH))
    tokens, batch = torch.tensor(ids), torch.tensor(texts)

    def decode():
        cache = []
        ours(ids[:, :1], cache=cache, last=True)
        for step in range(1, STEPS):
            ours(ids[:, step : step + 1], cache=cache, last=True)

    def torch_decode():
        cache = None
        for step in range(STEPS):
            one = tokens[:, step : step + 1]
            cache = llama(one, past_key_values=cache, use_cache=True).past_key_values

    def pooled():
        bert.sentence_embeddings(embed(texts))

    def torch_pooled():
        torch.nn.functional.normalize(minilm(batch).last_hidden_state.mean(1))

    with torch.no_grad():
        return {
            "decode": pace({"NumPy": decode, "torch": torch_decode}, STEPS),
            "prefill": pace(
                {
                    "NumPy": lambda: ours(ids, last=True),
                    "torch": lambda: llama(tokens, logits_to_keep=1),
                },
                PROMPT,
            ),
            "embed": pace({"NumPy": pooled, "torch": torch_pooled}, TEXTS),
        }


def part():
    """Measure everything in this process and those that it starts, on one thread."""
    import torch

    sys.modules["torchvision"] = None  # not needed, and its wheel may want the torch of CUDA
    import transformers

    torch.set_num_threads(1)
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA)).eval()
    minilm = transformers.BertModel(transformers.BertConfig(**MINILM)).eval()
    found = {
        "parameters": round(sum(p.numel() for p in llama.parameters()) / 1e6),
        "steps": STEPS,
        "prompt": PROMPT,
        "texts": TEXTS,
        "length": LENGTH,
        "speed": speed(llama, minilm),
    }
    with tempfile.TemporaryDirectory() as folder:
        minilm.save_pretrained(f"{folder}/minilm")
        found["first"] = starts(EMBED, f"{folder}/minilm")
        layer = sum(p.numel() for p in llama.model.layers[0].parameters()) * 4 / 1e6
        llama.to(torch.bfloat16).save_pretrained(f"{folder}/llama")
        size = Path(folder, "llama/model.safetensors").stat().st_size / 1e6
        memory = starts(BFLOAT16, f"{folder}/llama")
    found["bfloat16"] = {
        "file": round(size),
        "layer": round(layer),
        "embedding": round(LLAMA["vocab_size"] * LLAMA["hidden_size"] * 4 / 1e6),
        **{name: round(memory[name]["megabytes"]) for name in BFLOAT16},
    }
    packages = needed("numpy"), needed("transformers") | needed("torch")
    names = ("NumPy", "torch")
    found["disk"] = {
        name: round(sum(map(megabytes, package.values())))
        for name, package in zip(names, packages, strict=True)
    }
    return found


def main():
    """Measure in a process with one thread and write FILE."""
    names = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, "-m", "tests.benchmarks.models", "part"]
    process = subprocess.run(
        command, cwd=ROOT, env=os.environ | names, stdout=subprocess.PIPE, check=True
    )
    versions = {name: metadata.version(name) for name in ("numpy", "torch", "transformers")}
    found = {
        "machine": [line.split(", threads")[0] for line in machine()],
        "versions": versions,
        "date": f"{date.today():%B %Y}",
        "command": "python -m tests.benchmarks.models",
        **json.loads(process.stdout.splitlines()[-1]),
    }
    FILE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["part"]:
        print(json.dumps(part()))
    else:
        main()
