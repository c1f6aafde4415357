"""A program is compared with the eager model, on inputs of its own, before it is there."""

import numpy as np
import pytest

from snippets import port as package
from snippets.port import PortError, port
from snippets.port.check import fresh
from tests.port.models import MODELS, floats, nn, spread, torch

# What a generator may do wrong, in the text that it writes: a model, what it wrote, the mistake.
SABOTAGES = {
    "a product is a sum": ("the question's", "z * h", "z + h"),
    "another weight": ("the question's", 'w["dense1.weight"]', 'w["dense3.weight"]'),
    "a name that is none": ("the question's", "np.tanh", "np.than"),
    "a step too few": ("the question's", "range(3)", "range(2)"),
    "the state of the first step": ("the question's", "h = z * h", "y = z * h"),
    "a layer too few": ("decoder", "range(4)", "range(3)"),
    "one layer four times": ("decoder", 'f"layers.{k}"', '"layers.0"'),
    "a mask turned round": ("decoder", "~np.tri", "np.tri"),
    "a swapped argument": ("cnn", 'norm_of(w, "norm")', 'norm_of(w, "norm")[::-1]'),
    "a weight a thousandth off": ("mlp", 'w["0.weight"]', 'w["0.weight"] * 1.001'),
    "an input folded": ("the question's", "x = checked(SHAPES, x)", "x = np.ones((2, 3, 4))"),
}
SLOW = [pytest.param(name, marks=pytest.mark.thorough) for name in [*SABOTAGES][1:]]


@pytest.mark.parametrize("name", ["a product is a sum", *SLOW])
def test_a_wrong_program_is_refused(tmp_path, monkeypatch, name):
    model, old, new = SABOTAGES[name]
    write = package.write

    def sabotaged(*given):
        text, modules = write(*given)
        assert old in text
        return text.replace(old, new, 1), modules

    monkeypatch.setattr(package, "write", sabotaged)
    make, args = MODELS[model]
    with pytest.raises(PortError, match="does not give what the model gives"):
        port(spread(make()), args, folder=tmp_path / "wrong")
    assert not list(tmp_path.iterdir())


class Folded(nn.Module):
    """Takes a number out of its input, behind torch.export's back."""

    def forward(self, x):
        return x * float(np.asarray(x.detach()).sum()) if type(x) is torch.Tensor else x * 2


@pytest.mark.parametrize(
    "tensor",
    [floats(2, 3), torch.tensor([[1, 5, 9]]), torch.tensor([[0.0, 1.0]]), torch.ones(0, 2),
     torch.tensor([[True, False]]), torch.tensor([[1 + 2j, 3, 4]])],
)  # fmt: skip
def test_fresh_inputs_are_of_the_same_kind(tensor):
    made = fresh(tensor, ("batch", tensor.shape[1]), {"batch": 40}, np.random.default_rng(0))
    assert made.dtype == tensor.dtype
    assert made.shape == (40, tensor.shape[1])
    if not tensor.is_floating_point() and not tensor.is_complex():
        assert set(made.double().flatten().tolist()) <= set(range(10))
    assert len(set(made.flatten().tolist())) > 1 or not tensor.numel()


def test_a_folded_input_is_refused(tmp_path):
    with pytest.raises(PortError):
        port(Folded().eval(), (floats(2, 3),), folder=tmp_path / "wrong")


class Picky(nn.Module):
    """Fails on whatever is not its example, and torch.export can't know."""

    def forward(self, x):
        if type(x) is torch.Tensor and x.sum() != 6:
            raise RuntimeError("not six")
        return x * 2


def test_a_model_that_fails_on_other_inputs_is_refused(tmp_path):
    with pytest.raises(PortError, match="fails on inputs like its example: not six"):
        port(Picky().eval(), (torch.tensor([[1.0, 2, 3]]),), folder=tmp_path / "wrong")
