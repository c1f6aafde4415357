"""``unfold`` and ``fold`` against torch, and what they say to wrong shapes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.fold import fold, unfold
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")

PATH = SNIPPETS_DIR / "layers/fold.py"
DTYPES = [("float64", FLOAT64), ("float32", FLOAT32)]


def random(shape, dtype="float64", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=getattr(torch, dtype))


def agree(shape, windows, dtype=DTYPES[0], seed=0, unfold=unfold, fold=fold):
    """Compare unfold on an image of this shape, and fold on columns that fit it."""
    x = random(shape, dtype[0], seed)
    columns = torch.nn.Unfold(**windows)(x)
    assert_parity(unfold(x.numpy(), **windows), columns, 0)
    columns = random(columns.shape, dtype[0], seed + 1)
    reference = torch.nn.Fold(shape[-2:], **windows)(columns)
    assert_parity(fold(columns.numpy(), shape[-2:], **windows), reference, dtype[1])


def pair(least, most):
    numbers = st.integers(least, most)
    return numbers | st.permutations(range(least, most + 1)).map(lambda p: tuple(p[:2]))


@settings(deadline=None, max_examples=60)
@given(
    lead=st.sampled_from([(2,), (5, 2), (2, 5), (3,), (1, 1), (0, 3)]),
    image=st.permutations(range(5, 9)).map(lambda p: tuple(p[:2])),
    kernel_size=pair(1, 3),
    dilation=pair(1, 2),
    padding=pair(0, 2),
    stride=pair(1, 3),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32),
)
def test_equals_torch(lead, image, kernel_size, dilation, padding, stride, dtype, seed):
    windows = {
        "kernel_size": kernel_size,
        "dilation": dilation,
        "padding": padding,
        "stride": stride,
    }
    agree((*lead, *image), windows, dtype, seed)


FULL = (
    (5, 2, 8, 9),
    {"kernel_size": (2, 3), "dilation": (2, 1), "padding": (1, 2), "stride": (3, 2)},
)


@pytest.mark.parametrize(
    ("shape", "windows"),
    [
        FULL,
        ((2, 3, 5, 6), {"kernel_size": 2}),
        ((2, 3, 5, 6), {"kernel_size": (5, 6)}),
        ((2, 3, 1, 1), {"kernel_size": 1}),
        ((2, 3, 1, 2), {"kernel_size": (3, 5), "padding": (2, 3)}),
        ((2, 3, 1, 2), {"kernel_size": (5, 3), "padding": (4, 5)}),
        ((2, 3, 4, 5), {"kernel_size": (2, 3), "stride": (9, 8)}),
        ((2, 3, 8, 9), {"kernel_size": (2, 3), "dilation": (7, 4)}),
        ((2, 3, 4, 6), {"kernel_size": (2, 3), "stride": (2, 3)}),
        ((2, 3, 5, 8), {"kernel_size": (2, 3), "stride": (2, 3)}),
    ],
)
def test_equals_torch_at_the_limits(shape, windows):
    agree(shape, windows)


def test_arguments_in_order():
    x = random((2, 3, 8, 9))
    arguments = (2, 3), (2, 1), (1, 2), (3, 2)
    columns = torch.nn.functional.unfold(x, *arguments)
    assert_parity(unfold(x.numpy(), *arguments), columns, 0)
    reference = torch.nn.functional.fold(columns, (8, 9), *arguments)
    assert_parity(fold(columns.numpy(), (8, 9), *arguments), reference)
    reference = torch.nn.functional.fold(random((12, 16)), 5, 2)
    assert_parity(fold(random((12, 16)).numpy(), 5, 2), reference)


def test_takes_lists_and_leaves_its_input_alone():
    image = [[[1, 2, 3], [4, 5, 6]]]
    columns = unfold(image, [2, 2])
    assert columns.tolist() == [[1, 2], [2, 3], [4, 5], [5, 6]]
    assert fold(columns.tolist(), (2, 3), 2).tolist() == [[[1, 4, 3], [4, 10, 6]]]
    columns[:] = 0
    assert image == [[[1, 2, 3], [4, 5, 6]]]
    x = np.ones((4, 2))
    fold(x, (2, 3), 2)[:] = 0
    assert x.all()


SABOTAGES = {
    "channels fastest": (
        "    return x.copy().reshape(*batch, channels * kh",
        "    x = np.moveaxis(x, -5, -3)\n    return x.reshape(*batch, channels * kh",
    ),
    "the windows not moved": ("np.moveaxis(x, (-2, -1), (-4, -3))", "x"),
    "kernel column by column": ("(-2, -1), (-4, -3)", "(-2, -1), (-3, -4)"),
    "windows column by column": (
        "return x.copy().reshape(*batch, channels * kh",
        "return x.swapaxes(-1, -2).reshape(*batch, channels * kh",
    ),
    "padding exchanged": ("(ph, ph), (pw, pw)", "(pw, pw), (ph, ph)"),
    "stride exchanged": ("::sh, ::sw", "::sw, ::sh"),
    "dilation exchanged": ("::dh, ::dw", "::dw, ::dh"),
    "dilation and stride exchanged": ("::sh, ::sw, ::dh, ::dw", "::dh, ::dw, ::sh, ::sw"),
    "one entry set, not added": ("y[places] += x", "y[places] = x"),
    "the padding kept": ("ph : ph + height, pw : pw + width", ":height, :width"),
    "kernel turned round": ("x[..., i, j, :, :]", "x[..., -1 - i, -1 - j, :, :]"),
    "dilation ignored in fold": ("top, left = i * dh, j * dw", "top, left = i, j"),
    "fold's channels fastest": (
        "x = x.reshape(*batch, channels, kh, kw, rows, columns)",
        "x = np.moveaxis(x.reshape(*batch, kh, kw, channels, rows, columns), -3, -5)",
    ),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    agree(*FULL)
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        agree(*FULL, unfold=broken.unfold, fold=broken.fold)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/fold.py") as (module, sizes):
        sizes.update(in_channels=5, kh=2, kw=3, height=6, width=11, rows=4, columns=9)
        windows = {"kernel_size": (2, 3), "dilation": (2, 1)}
        module.unfold(np.ones((1, 5, 6, 11)), **windows)
        module.fold(np.ones((1, 30, 36)), (6, 11), **windows)


IMAGE = "expected (batch, channels, height, width) or (channels, height, width)"
COLUMNS = "expected (batch, channels * 4, 20) or without batch"


@pytest.mark.parametrize(
    ("shape", "windows", "message"),
    [
        ((5, 6), {}, f"x has shape (5, 6), {IMAGE}"),
        ((2, 3, 4, 5, 6), {}, f"x has shape (2, 3, 4, 5, 6), {IMAGE}"),
        ((2, 0, 5, 6), {}, f"x has shape (2, 0, 5, 6), {IMAGE}"),
        ((2, 3, 0, 6), {"padding": 1}, f"x has shape (2, 3, 0, 6), {IMAGE}"),
        ((2, 3, 5, 0), {"padding": 1}, f"x has shape (2, 3, 5, 0), {IMAGE}"),
        (
            (2, 3, 5, 6),
            {"kernel_size": (6, 2)},
            "no window fits: an image of (5, 6) with kernel_size (6, 2), dilation (1, 1), "
            "padding (0, 0) has (0, 5) windows",
        ),
        (
            (2, 3, 5, 6),
            {"kernel_size": (2, 3), "dilation": (1, 4), "padding": (1, 1)},
            "no window fits: an image of (5, 6) with kernel_size (2, 3), dilation (1, 4), "
            "padding (1, 1) has (6, 0) windows",
        ),
        *(
            ((2, 3, 5, 6), {name: value}, f"{name} is {value}, expected one or two integers {of}")
            for name, of, values in [
                ("kernel_size", "of 1 or more", [2.0, True, 0, (2, 0), (2,), (2, 3, 4)]),
                ("dilation", "of 1 or more", [0, (0, 1), (1,)]),
                ("padding", "of 0 or more", [-1, (0, -1), (1,)]),
                ("stride", "of 1 or more", [0, (1, 0), (1, 2, 3)]),
            ]
            for value in values
        ),
    ],
)
def test_unfold_refuses_what_torch_refuses(shape, windows, message):
    windows = {"kernel_size": 2} | windows
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        unfold(np.ones(shape), **windows)
    with pytest.raises((RuntimeError, IndexError, TypeError)):
        torch.nn.Unfold(**windows)(random(shape))


@pytest.mark.parametrize(
    ("shape", "output_size", "message"),
    [
        ((20,), (5, 6), f"x has shape (20,), {COLUMNS}"),
        ((2, 3, 12, 20), (5, 6), f"x has shape (2, 3, 12, 20), {COLUMNS}"),
        ((2, 0, 20), (5, 6), f"x has shape (2, 0, 20), {COLUMNS}"),
        ((2, 12, 0), (5, 6), f"x has shape (2, 12, 0), {COLUMNS}"),
        (
            (2, 13, 20),
            (5, 6),
            f"x has shape (2, 13, 20), {COLUMNS}: 13 rows are no multiple of the 4 pixels of the "
            "kernel; are the axes in another order?",
        ),
        *(
            (
                (2, 12, n),
                (5, 6),
                f"x has shape (2, 12, {n}), {COLUMNS}, for 4 * 5 windows: "
                "is output_size the image's, or a stride or padding missing?",
            )
            for n in (19, 21)
        ),
        *(
            ((2, 12, 20), size, f"output_size is {size}, expected one or two integers of 1 or more")
            for size in [(5,), (5, 6, 7), (0, 6)]
        ),
        (
            (2, 12, 5),
            (1, 6),
            "no window fits: an image of (1, 6) with kernel_size (2, 2), dilation (1, 1), "
            "padding (0, 0) has (0, 5) windows",
        ),
    ],
)
def test_fold_refuses_what_torch_refuses(shape, output_size, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fold(np.ones(shape), output_size, 2)
    with pytest.raises(RuntimeError):
        torch.nn.functional.fold(random(shape), output_size, 2)
