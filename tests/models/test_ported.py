"""A model written by hand and the program that port writes agree: each tests the other."""

import numpy as np
import pytest

from snippets.models import bert, gpt2, llama, resnet, vit
from snippets.port import port
from tests.models import library, test_bert, test_gpt2, test_llama, test_resnet, test_vit
from tests.models.decoders import near
from tests.models.library import NEEDED, in_float64
from tests.port.programs import imported

IDS = np.random.default_rng(0).integers(0, 19, (2, 7))
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 36, 28))


def words(model):
    """Return what goes into a model of texts: it remembers nothing from call to call."""
    model.config.use_cache = False
    return {"input_ids": IDS}


def pixels(model):
    """Return what goes into a model of images: of torchvision, not by name."""
    return {"x": IMAGES[..., :12, :12] if hasattr(model, "class_token") else IMAGES}


FAMILIES = {
    "gpt2": (test_gpt2.model_of, words, library.stored, gpt2.forward),
    "llama": (test_llama.model_of, words, library.stored, llama.forward),
    "bert": (lambda: test_bert.model_of("bert"), words, library.stored, bert.forward),
    "resnet": (test_resnet.torchvision_of, pixels, test_resnet.stored, resnet.forward),
    "vit": (test_vit.torchvision_of, pixels, test_vit.stored, vit.forward),
}


@NEEDED
@pytest.mark.parametrize("family", FAMILIES)
def test_both_agree(family, tmp_path, monkeypatch):
    import torch

    made, given, stored, forward = FAMILIES[family]
    with in_float64(monkeypatch):
        model = made()
        inputs = given(model)
        config, weights = stored(model)
    tensors = {name: torch.tensor(array) for name, array in inputs.items()}
    with imported(port(model, (), tensors, folder=tmp_path / f"ported_{family}")) as program:
        found = program.forward(program.load(), **inputs)
    found = next(iter(found.values())) if isinstance(found, dict) else found
    found = found[0] if isinstance(found, tuple | list) else found
    ours = forward(*inputs.values(), weights, config)
    near(found, ours, 1e-5 if family == "llama" else 1e-11)  # its RoPE is computed in float32
