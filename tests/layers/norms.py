"""What the tests of the normalisations share: layers with random affine, PyTorch's answer."""

import pytest
from hypothesis import strategies as st

from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity

FLOAT16 = 2**-10  # one rounding

DTYPES = [("float64", FLOAT64), ("float32", FLOAT32)]
SEEDS = st.integers(0, 2**32)


def distinct(count):
    """Return a strategy for so many sizes that all differ and are above 1."""
    return st.permutations(range(2, 9)).map(lambda sizes: sizes[:count])


def normed(kind, *args, seed=0, dtype="float64", **options):
    """Return a layer in eval mode, all that it stores random: nothing left at 1 or 0."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    layer = getattr(torch.nn, kind)(*args, **options, dtype=getattr(torch, dtype)).eval()
    for name, values in layer.state_dict().items():
        if name == "running_var":
            values.uniform_(0.5, 2)
        elif values.is_floating_point():
            values.normal_()
    return layer


def stored(layer):
    """Return what a layer stores, apart from the count of the batches."""
    return {name: a for name, a in arrays(layer).items() if name != "num_batches_tracked"}


def inputs(*shape, dtype="float64"):
    """Return an input whose mean is not 0 and whose variance is not 1."""
    torch = pytest.importorskip("torch")
    return 2 * torch.randn(shape, dtype=getattr(torch, dtype)) + 1


def answer(layer, x):
    """Return what torch makes of x."""
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return layer(x)


def agree(function, layer, shape, *args, dtype=DTYPES[0], **kwargs):
    """Fail unless the recipe and a layer agree on a random input of this shape."""
    x = inputs(*shape, dtype=dtype[0])
    ours = function(x.numpy(), *args, **stored(layer), **kwargs)
    assert_parity(ours, answer(layer, x), dtype[1])


def agree_in_float16(function, layer, *args, **kwargs):
    """Fail unless a recipe computes float16 in float32, as torch does: its squares overflow."""
    torch = pytest.importorskip("torch")
    x = 100 * inputs(2, 4, 64)
    x = x.to(torch.float16)
    ours = function(x.numpy(), *args, **kwargs)
    assert_parity(ours, answer(layer, x.float()).to(torch.float16), FLOAT16)
