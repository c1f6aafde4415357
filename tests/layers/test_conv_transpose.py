"""The transposed convolutions against torch, their memory, and what they say to wrong input."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers import conv_transpose as recipe
from snippets.layers.conv_transpose import conv_transpose1d, conv_transpose2d
from tests import SNIPPETS_DIR
from tests.layers import convolutions
from tests.layers.convolutions import Case
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
F = torch.nn.functional

PATH = SNIPPETS_DIR / "layers/conv_transpose.py"


def agree(module, case, *precision):
    """Fail unless the recipe in a module and torch agree on a case."""
    convolutions.agree(
        lambda n: getattr(module, f"conv_transpose{n}d"), "ConvTranspose", case, *precision
    )


@st.composite
def cases(draw):
    """Draw a layer and an input that it takes; sizes that are free differ and are above 1."""
    n = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    in_group, out_group = draw(st.permutations(range(1, 7)))[:2]

    def each(least, most):
        return draw(st.lists(st.integers(least, most), min_size=n, max_size=n))

    kernel, stride, dilation = each(1, 4), each(1, 3), each(1, 3)
    more = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    sizes = draw(st.permutations(range(2, 7)))[:n]
    padding = [
        draw(st.integers(0, ((m - 1) * s + d * (k - 1) + a) // 2))
        for m, s, d, k, a in zip(sizes, stride, dilation, kernel, more, strict=True)
    ]
    lead = draw(st.sampled_from([(), (2,), (7,)]))
    options = {
        "stride": stride[0] if len(set(stride)) == 1 else tuple(stride),
        "padding": padding[0] if len(set(padding)) == 1 else tuple(padding),
        "output_padding": tuple(more),
        "groups": groups,
        "dilation": tuple(dilation),
    }
    return Case(
        channels=(in_group * groups, out_group * groups),
        kernel=tuple(kernel),
        shape=(*lead, in_group * groups, *sizes),
        options=options,
        bias=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32)),
    )


@settings(deadline=None, max_examples=100)
@given(case=cases(), dtype=st.sampled_from([("float64", FLOAT64), ("float32", FLOAT32)]))
def test_equals_torch(case, dtype):
    agree(recipe, case, *dtype)


FULL = Case(
    channels=(6, 8),
    kernel=(3, 2),
    shape=(5, 6, 4, 7),
    options={
        "stride": (2, 3),
        "padding": (1, 2),
        "output_padding": (1, 2),
        "groups": 2,
        "dilation": (2, 3),
    },
)
# Many rows and few channels made: several taps in one product, the last one with fewer.
BLOCKS = Case((6, 2), (2, 4), (3, 6, 5, 7), {})
SQUARE = Case((4, 4), (3, 3), (5, 4, 6, 7), {})
ALL = [FULL, BLOCKS, SQUARE]

X = "x = x.reshape(batch, groups, in_group, math.prod(sizes))"
Y = "y.reshape(batch, out_channels, *full)"
WEIGHT = "weight.reshape(groups, in_group, out_group, taps).transpose(0, 3, 2, 1)"
KEPT = "slice(p, m - p) for p, m in zip(padding, full, strict=True)"
SABOTAGES = {
    "kernel flipped": ("in np.ndindex(*kernel)", "in [*np.ndindex(*kernel)][::-1]"),
    "groups ignored": (X, X + "[:, [0] * groups]"),
    "channels interleaved": (
        X,
        "x = x.reshape(batch, in_group, groups, math.prod(sizes)).swapaxes(1, 2)",
    ),
    "outputs interleaved": (Y, "y.swapaxes(1, 2).reshape(batch, out_channels, *full)"),
    ".T skipped": (WEIGHT, WEIGHT.replace("(0, 3, 2, 1)", "(0, 3, 1, 2)")),
    "rows are outputs": (
        WEIGHT,
        "weight.reshape(groups, out_group, in_group, taps).transpose(0, 3, 1, 2)",
    ),
    "dilation dropped": ("slice(t * d, t * d + m * s, s)", "slice(t, t + m * s, s)"),
    "stride dropped": ("slice(t * d, t * d + m * s, s)", "slice(t * d, t * d + m)"),
    "output_padding in front": (
        KEPT,
        "slice(p - a, m - p - a) for p, m, a in zip(padding, full, more, strict=True)",
    ),
    "output_padding dropped": (
        KEPT,
        "slice(p, m - p - a) for p, m, a in zip(padding, full, more, strict=True)",
    ),
    "output_padding filled with zeros": (
        "if bias is not None:",
        "if bias is not None:\n            y[..., -1:] -= bias.reshape(out_channels, 1, 1)",
    ),
    "padding dropped": (KEPT, "slice(0, m) for p, m in zip(padding, full, strict=True)"),
    "padding added": (KEPT, "slice(0, m - 2 * p) for p, m in zip(padding, full, strict=True)"),
    "stamps overwrite one another": ("y[view] += stamps", "y[view] = stamps"),
    "bias dropped": ("if bias is not None:", "if False:"),
    "the last block dropped": ("range(0, taps, many)", "range(0, taps - many + 1, many)"),
}


def agree_on_all(module):
    for case in ALL:
        agree(module, case)


def test_equals_torch_on_what_is_sabotaged():
    agree_on_all(recipe)


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        agree_on_all(broken)


@pytest.mark.parametrize(
    "case",
    [
        Case((1, 1), (1,), (1, 1, 1), {}),
        Case((1, 3), (1, 1), (1, 1, 4, 5), {}),
        Case((4, 4), (3, 3), (2, 4, 1, 1), {"padding": 1, "groups": 4}),
        Case((4, 8), (2,), (3, 4, 2), {"groups": 4, "stride": 5, "output_padding": 4}),
        Case((4, 8), (1,), (3, 4, 3), {"padding": 1}),
        Case((4, 6), (3, 2), (0, 4, 5, 7), {"padding": 1}),
        Case((4, 6), (3,), (0, 4, 0), {}),
        Case((4, 6), (3, 2), (4, 5, 7), {"stride": [2], "output_padding": [1], "dilation": [2]}),
    ],
    ids=str,
)
def test_equals_torch_on_axes_of_1_and_0(case):
    agree(recipe, case)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_order_and_the_defaults_are_those_of_torch(n):
    x, weight = torch.randn(2, 4, *(7, 9, 8)[:n]), torch.randn(4, 6, *(3, 2, 4)[:n])
    ours, torchs = (getattr(m, f"conv_transpose{n}d") for m in (recipe, F))
    rest = 4, 1, 3, 2, 5
    bias = np.arange(12, dtype=np.float32)
    reference = torchs(x, weight, torch.from_numpy(bias), *rest)
    assert_parity(ours(x.numpy(), weight.numpy(), bias, *rest), reference, FLOAT32)
    assert_parity(ours(x.numpy(), weight.numpy()), torchs(x, weight), FLOAT32)


def test_undoes_the_sizes_of_a_convolution():
    """It is the gradient of the convolution with the same weight with respect to its input."""
    x = torch.randn(5, 4, 9, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4, 3, 2, dtype=torch.float64)
    y = F.conv2d(x, weight, stride=2, padding=1)
    (gradient,) = torch.autograd.grad(y, x, y.detach())
    ours = conv_transpose2d(y.detach().numpy(), weight.numpy(), None, 2, 1, (0, 0))
    assert_parity(ours, gradient)


def test_integers_are_computed_in_float64():
    y = conv_transpose1d([[1, 2, 3]], [[[1, 10]]], [100])
    np.testing.assert_array_equal(y, [[101, 112, 123, 130]])
    assert y.dtype == np.float64


def test_nothing_it_is_given_changes():
    x, weight, bias = np.ones((2, 4, 7)), np.ones((4, 6, 3)), np.ones(6)
    conv_transpose1d(x, weight, bias, padding=1)
    assert all((values == 1).all() for values in (x, weight, bias))


@pytest.mark.parametrize(
    ("channels", "kernel", "groups"),
    [((16, 16), 5, 1), ((2, 32), 7, 1), ((32, 2), 7, 1), ((32, 32), 5, 32)],
)
def test_memory_is_a_small_multiple_of_the_arrays(channels, kernel, groups):
    """The stamps of all taps at once would be 25 or 49 times y."""
    x = np.ones((2, channels[0], 40, 41))
    weight = np.ones((channels[0], channels[1] // groups, kernel, kernel))
    tracemalloc.start()
    y = conv_transpose2d(x, weight, np.ones(channels[1]), groups=groups)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * (x.nbytes + weight.nbytes + y.nbytes)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/conv_transpose.py") as (module, sizes):
        sizes.update(groups=2, in_channels=6, out_channels=8, kernel=5)
        module.conv_transpose1d(np.ones((7, 6, 9)), np.ones((6, 4, 5)), groups=2)
        sizes.update(kernel=6)
        module.conv_transpose2d(np.ones((6, 9, 9)), np.ones((6, 4, 2, 3)), groups=2)


TENSORFLOW = (
    "is it TensorFlow's, (height, width, out, in)? Take np.moveaxis(weight, (-1, -2), (0, 1))"
)
X_SHAPE, W_SHAPE = (5, 4, 9, 11), (4, 8, 3, 2)


@pytest.mark.parametrize(
    ("x", "weight", "options", "message"),
    [
        *(
            (
                shape,
                weight,
                {},
                f"x has {shape[-3]} channels, shape {shape}, expected 4, one for each row of "
                f"weight {weight}: {slip}",
            )
            for shape, weight, slip in [
                ((9, 11, 4), W_SHAPE, "are the channels last? Take np.moveaxis(x, -1, -3)"),
                (
                    (5, 8, 9, 11),
                    W_SHAPE,
                    "weight has one row per input; is it a convolution's, or was it transposed?",
                ),
                ((5, 6, 9, 11), W_SHAPE, "is it another layer's?"),
            ]
        ),
        *(
            (
                shape,
                W_SHAPE,
                {},
                f"x has shape {shape}, expected (batch, 4, height, width) or (4, height, width), "
                "only the batch may be 0",
            )
            for shape in [(9, 11), (1, 5, 4, 9, 11), (5, 4, 0, 11), (4, 0, 11), (5, 0, 9, 11), ()]
        ),
        *(
            (
                X_SHAPE,
                shape,
                {},
                f"weight has shape {shape}, expected (in_channels, out_channels // groups, "
                "height, width), none of them 0: is it another layer's?",
            )
            for shape in [(4, 8, 3), (4, 8, 3, 2, 2), (4, 8, 0, 2), (4, 0, 3, 2), (4,)]
        ),
        *(
            (
                X_SHAPE,
                W_SHAPE,
                {"groups": groups},
                f"groups is {groups}, but the 4 rows of weight are cut into groups",
            )
            for groups in [3, 0, -2, 8, 2.0, True, None, [2, 2]]
        ),
        *(
            (
                X_SHAPE,
                W_SHAPE,
                {"bias": np.ones(bias), "groups": 2},
                f"bias has shape {bias}, expected (16,) for groups=2 and weight (4, 8, 3, 2): "
                "one for each output channel, and weight has a row per input",
            )
            for bias in [(16, 1, 1), (8,), (4,), (1,), ()]
        ),
        (
            (5, 6, 9, 11),
            (3, 2, 8, 6),
            {},
            "x has 6 channels, shape (5, 6, 9, 11), expected 3, one for each row of weight "
            f"(3, 2, 8, 6): {TENSORFLOW}",
        ),
        (
            (5, 3, 9, 11),
            (3, 3, 8, 3),
            {"bias": np.ones(8)},
            "bias has shape (8,), expected (3,) for groups=1 and weight (3, 3, 8, 3): "
            + TENSORFLOW,
        ),
        *(
            (
                X_SHAPE,
                W_SHAPE,
                {name: value},
                f"{name} is {value!r}, expected an integer from {least} on, "
                "or one for each of height, width",
            )
            for name, value, least in [
                ("stride", 0, 1),
                ("dilation", (1, 0), 1),
                ("padding", -1, 0),
                ("padding", "same", 0),
                ("output_padding", (0, 0, 0), 0),
            ]
        ),
        (
            X_SHAPE,
            W_SHAPE,
            {"output_padding": 1},
            "output_padding is [1, 1], expected less than stride [1, 1] or dilation [1, 1] "
            "on each axis",
        ),
        (
            X_SHAPE,
            W_SHAPE,
            {"output_padding": (1, 2), "stride": 2},
            "output_padding is [1, 2], expected less than stride [2, 2] or dilation [1, 1] "
            "on each axis",
        ),
        (
            (5, 4, 2, 11),
            W_SHAPE,
            {"padding": (2, 0)},
            "padding is [2, 0], which leaves nothing of an output of [4, 12]: "
            "here it cuts so much off either side",
        ),
    ],
)
def test_wrong_input_is_told_what_was_expected_and_the_likely_slip(x, weight, options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        conv_transpose2d(np.ones(x), np.ones(weight), **options)


def test_the_axes_of_the_others_have_their_names():
    with pytest.raises(ValueError, match=re.escape("(batch, 4, length) or (4, length)")):
        conv_transpose1d(np.ones((4,)), np.ones((4, 6, 3)))
    with pytest.raises(ValueError, match=re.escape("or (4, depth, height, width)")):
        recipe.conv_transpose3d(np.ones((4,)), np.ones((4, 6, 3, 3, 3)))


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 4, 0), {}),
        ((4, 0), {}),
        ((2, 4, 2), {"padding": 2}),
        ((2, 4, 2), {"output_padding": 1}),
        ((2, 4, 2), {"output_padding": 3, "stride": 2, "dilation": 3}),
        ((2, 6, 7), {}),
    ],
    ids=str,
)
def test_torch_refuses_what_is_refused(shape, options):
    layer = torch.nn.ConvTranspose1d(4, 6, 3, **options, dtype=torch.float64)
    with pytest.raises(RuntimeError):
        layer(torch.ones(shape, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"x has |padding is "):
        conv_transpose1d(np.ones(shape), **arrays(layer), **options)
