"""What the tests of both convolutions share: a layer with its input, compared with PyTorch's."""

from typing import NamedTuple

import pytest

from tests.parity import FLOAT64, arrays, assert_parity


class Case(NamedTuple):
    """A layer's arguments and the shape of its input."""

    channels: tuple
    kernel: tuple
    shape: tuple
    options: dict
    bias: bool = True
    seed: int = 0


def agree(recipe, kind, case, dtype="float64", tolerance=FLOAT64):
    """Fail unless the recipe conv{n}d, or the like, and nn.Conv{n}d agree on a case."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(case.seed)
    n = len(case.kernel)
    layer = getattr(torch.nn, f"{kind}{n}d")(
        *case.channels, case.kernel, bias=case.bias, dtype=getattr(torch, dtype), **case.options
    )
    x = torch.randn(case.shape, dtype=layer.weight.dtype)
    ours = recipe(n)(x.numpy(), **arrays(layer), **case.options)
    assert_parity(ours, layer(x), tolerance)
