"""The library's own models: made tiny, run in float64 all the way, written down as golden arrays.

    python -m tests.models.library gpt2

writes tests/models/golden/gpt2.npz anew, and the folder docs/en/models/gpt2 that its page offers,
in the environment of the extra `models`.
"""

import contextlib
import importlib
import json
import sys
import tempfile
import types
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from snippets.checkpoints import load_safetensors, save_safetensors
from tests import ROOT
from tests.models.decoders import padding, positions

GOLDEN = Path(__file__).parent / "golden"
FOLDERS = ROOT / "docs/en/models"
NEEDED = pytest.mark.skipif(
    not find_spec("transformers"), reason="needs what pip install -e '.[models]' installs"
)


def leave_out_kernels():
    """Let torchvision be imported without its compiled part.

    That part of the wheel wants the torch of CUDA; no model here calls it.
    """
    if find_spec("torchvision") and "torchvision" not in sys.modules:
        sys.modules["torchvision._meta_registrations"] = types.ModuleType("none")


def load(name="transformers"):
    """Return a library."""
    leave_out_kernels()
    with warnings.catch_warnings(action="ignore"):
        return importlib.import_module(name)


def made(model_class, config, *, spread, seed=0):
    """Return a model in eval() and float64, its weights exact in float32.

    With the library's own initialisation a wrong RoPE base moves the logits by less than rounding
    does in float32; where all weights are spread, a small mistake is a large difference.
    """
    import torch

    torch.manual_seed(seed)
    with warnings.catch_warnings(action="ignore"):
        model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if spread and parameter.ndim > 1:
                parameter.normal_(std=0.3)
            elif spread:
                parameter.uniform_(0.5, 1.5)
    return model.double()


@contextlib.contextmanager
def in_float64(monkeypatch):
    """Let what the library computes in float32, whatever the weights are, be float64."""
    import torch

    importlib.import_module("safetensors.torch")  # which has a table of the real dtypes
    with monkeypatch.context() as patch:
        for name in ("float32", "float"):
            patch.setattr(torch, name, torch.float64)
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        yield


def called(function, **inputs):
    """Return what a model or a method of it returns for arrays, without gradients."""
    import torch

    tensors = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in inputs.items()}
    with torch.no_grad():
        return function(**tensors)


def stored(model):
    """Return config.json's dict and the arrays of the file that save_pretrained writes."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = json.loads(Path(folder, "config.json").read_text("utf-8"))
        weights = load_safetensors(Path(folder, "model.safetensors"))
        return config, {name: np.array(weights[name]) for name in weights}


def cases_of(family, monkeypatch):
    """Return a family's cases as the library makes them now."""
    with in_float64(monkeypatch):
        return importlib.import_module(f"tests.models.test_{family}").golden_cases()


def golden_is_live(family, monkeypatch):
    """Fail unless the golden arrays are what the library makes of the cases now."""
    golden, live = read_golden(family), cases_of(family, monkeypatch)
    assert golden.keys() == live.keys()
    for case, (config, weights, arrays) in live.items():
        held, stored_weights, stored_arrays = golden[case]
        assert held | {"transformers_version": ""} == config | {"transformers_version": ""}
        for ours, its in ((stored_weights, weights), (stored_arrays, arrays)):
            assert ours.keys() == its.keys()
            for name, array in its.items():
                np.testing.assert_allclose(ours[name], array, 1e-11, 1e-11)


def arrays_of(model, side, batch=5, time=7, steps=64):
    """Return what goes into a decoder, padded on a side, and what comes out."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, model.config.vocab_size, (batch, time))
    mask = padding(batch, time, side)
    inputs = {"input_ids": ids, "attention_mask": mask}
    logits = called(model, position_ids=positions(mask), **inputs).logits.numpy()
    found = {"ids": ids, "mask": mask, "logits": logits}
    if steps:
        new = {"max_new_tokens": steps, "do_sample": False, "eos_token_id": None}
        longer = called(model.generate, **inputs, **new, pad_token_id=0)
        found["generated"] = longer.numpy()[:, time:]
    return found


def write_golden(family):
    """Write what the library computes for each of a family's cases."""
    found = {}
    for name, (config, weights, arrays) in cases_of(family, pytest.MonkeyPatch()).items():
        found[f"{name}/config"] = np.array(json.dumps(config))
        for key, array in weights.items():
            small = array.astype(np.float32)
            assert (small == array).all()
            found[f"{name}/weights/{key}"] = small
        found |= {f"{name}/{key}": array for key, array in arrays.items()}
    version = load().__version__
    found["made"] = np.array(f"transformers {version}: python -m tests.models.library {family}")
    np.savez_compressed(GOLDEN / f"{family}.npz", **found)
    for case in ("spread", "hugging_face"):
        if case in read_golden(family):
            write_folder(family, *read_golden(family)[case][:2])


def write_folder(family, config, weights):
    """Write what the page of a family offers: a folder of Hugging Face's, or torchvision's file."""
    folder = FOLDERS / family
    folder.mkdir(parents=True, exist_ok=True)
    small = {name: array.astype(np.float32) for name, array in weights.items()}
    if "model_type" in config:
        text = json.dumps(config | {"dtype": "float32"}, indent=2, sort_keys=True) + "\n"
        (folder / "config.json").write_text(text, "utf-8")
        save_safetensors(folder / "model.safetensors", small, metadata={"format": "pt"})
    else:
        import torch

        state = {name: torch.tensor(array) for name, array in small.items()}
        torch.save(state, folder / f"{family}.pth")


def read_folder(family):
    """Return config.json's dict and the weights of the folder that a family's page offers."""
    folder = FOLDERS / family
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return config, load_safetensors(folder / "model.safetensors")


def read_golden(family):
    """Return {case: (config, weights in float64, {name: array})}."""
    found = {}
    path = GOLDEN / f"{family}.npz"
    if not path.exists():  # it is about to be written
        return found
    with np.load(path) as file:
        for name in file.files:
            case, _, key = name.partition("/")
            if not key:
                continue
            config, weights, arrays = found.setdefault(case, ({}, {}, {}))
            if key == "config":
                config |= json.loads(str(file[name]))
            elif key.startswith("weights/"):
                weights[key.removeprefix("weights/")] = file[name].astype(np.float64)
            else:
                arrays[key] = file[name]
    return found


if __name__ == "__main__":
    write_golden(sys.argv[1])
