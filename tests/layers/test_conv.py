"""The convolutions against torch, their memory, and what they say to wrong input."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers import conv as recipe
from snippets.layers.conv import conv1d, conv2d
from tests import SNIPPETS_DIR
from tests.layers import convolutions
from tests.layers.convolutions import Case
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
F = torch.nn.functional

PATH = SNIPPETS_DIR / "layers/conv.py"
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def agree(module, case, *precision):
    """Fail unless the recipe in a module and torch agree on a case."""
    convolutions.agree(lambda n: getattr(module, f"conv{n}d"), "Conv", case, *precision)


@st.composite
def cases(draw):
    """Draw a layer and an input that it takes; sizes that are free differ and are above 1."""
    n = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    in_group, out_group = draw(st.permutations(range(1, 7)))[:2]

    def each(least, most):
        return draw(st.lists(st.integers(least, most), min_size=n, max_size=n))

    kernel, dilation = each(1, 4), each(1, 3)
    padding = draw(st.sampled_from(["same", "valid", "each", "one"]))
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    stride = [1] * n if padding == "same" else each(1, 3)
    both = {"same": [0] * n, "valid": [0] * n, "one": each(0, 3)[:1] * n}.get(padding, each(0, 3))
    options = {
        "stride": stride[0] if len(set(stride)) == 1 else tuple(stride),
        "padding": {"each": tuple(both), "one": both[0]}.get(padding, padding),
        "dilation": tuple(dilation),
        "groups": groups,
        "padding_mode": mode,
    }
    sizes = []
    for k, d, p, more in zip(
        kernel, dilation, both, draw(st.permutations(range(1, 6))), strict=False
    ):
        span = d * (k - 1) + 1
        p = span // 2 if padding == "same" else p
        sizes.append(max(span - 2 * p, p if mode in ("reflect", "circular") else 0) + more)
    lead = draw(st.sampled_from([(), (2,), (7,)]))
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
    shape=(5, 6, 9, 11),
    options={"stride": (2, 3), "padding": (1, 2), "dilation": (2, 3), "groups": 2},
)
SAME = Case((4, 6), (4, 2), (3, 4, 7, 8), {"padding": "same"})
MODES = [
    Case((2, 3), (3,), (5, 2, 7), {"padding": 2, "padding_mode": mode})
    for mode in ("reflect", "replicate", "circular")
]
SQUARE = Case((4, 4), (3, 3), (5, 4, 6, 7), {})
# Two blocks of lines, of groups, of images, the second one smaller.
BLOCKS = [
    Case((3, 2), (9, 9), (3, 50, 46), {}),
    Case((3, 6), (9, 9), (3, 50, 46), {"groups": 3}),
    Case((1, 2), (9, 9), (3, 1, 50, 46), {}),
]
ALL = [FULL, SAME, *MODES, SQUARE, *BLOCKS]

X = "x = x.reshape(batch, groups, in_group, *padded)"
Y = "y = y.reshape(batch, out_channels, *sizes)"
ROWS = "weight.reshape(shape)"
SABOTAGES = {
    "kernel flipped": (ROWS, "weight.reshape(groups, -1, taps)[..., ::-1].reshape(shape)"),
    "kernel turned": (ROWS, "weight.swapaxes(-2, -1).reshape(shape)"),
    "groups ignored": (X, X + "[:, [0] * groups]"),
    "channels interleaved": (X, "x = x.reshape(batch, in_group, groups, *padded).swapaxes(1, 2)"),
    "rows interleaved": (Y, "y = y.swapaxes(1, 2).reshape(batch, out_channels, *sizes)"),
    "weight transposed": (ROWS, "weight.swapaxes(0, 1).reshape(shape)"),
    ".T skipped": (
        ROWS,
        "weight.reshape(groups, in_group, out_group, taps).swapaxes(1, 2).reshape(shape)",
    ),
    "taps before channels": (
        ROWS,
        "weight.reshape(groups, out_group, in_group, taps).swapaxes(2, 3).reshape(shape)",
    ),
    "dilation dropped": ("slice(0, e, d)", "slice(0, (e - 1) // d + 1)"),
    "stride dropped": ("slice(None, None, s) for s in stride", "slice(0, m) for m in sizes"),
    "padding side swapped for same": ("((e - 1) // 2, e // 2)", "(e // 2, (e - 1) // 2)"),
    "padding only in front": ("(p, p) for p", "(2 * p, 0) for p"),
    "padding of another mode": ("CONV_MODES[mode])", '"constant")'),
    "reflect repeats the edge": ('"reflect": "reflect"', '"reflect": "symmetric"'),
    "bias dropped": ("if bias is not None:\n            y", "if False:\n            y"),
    "bias overwritten": ("y += bias", "y[:] = bias"),
    "the last block dropped": ("range(0, count, ", "range(0, max(1, count - 1), "),
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
        Case((4, 8), (2,), (3, 4, 2), {"groups": 4, "stride": 5}),
        Case((4, 6), (3, 2), (0, 4, 5, 7), {"padding": 1}),
        Case((4, 6), (3,), (0, 4, 5), {"padding": 1, "padding_mode": "circular"}),
        Case((4, 6), (3,), (0, 4, 0), {"padding": 2}),
        Case((4, 6), (3,), (4, 2), {"padding": 2, "padding_mode": "circular"}),
        Case((4, 6), (3,), (4, 3), {"padding": 2, "padding_mode": "reflect"}),
        Case((4, 6), (5,), (4, 1), {"padding": 5, "padding_mode": "replicate"}),
        Case((4, 6), (4,), (4, 3), {"padding": "same", "padding_mode": "reflect"}),
        Case((4, 6), (4,), (4, 1), {"padding": "same"}),
        Case((4, 6), (3, 2), (4, 5, 7), {"stride": [2], "dilation": [2]}),
    ],
    ids=str,
)
def test_equals_torch_on_axes_of_1_and_0(case):
    agree(recipe, case)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_order_and_the_defaults_are_those_of_torch(n):
    x, weight = torch.randn(2, 4, *(7, 9, 8)[:n]), torch.randn(6, 2, *(3, 2, 4)[:n])
    ours, torchs = (getattr(m, f"conv{n}d") for m in (recipe, F))
    rest = 3, 1, 2, 2
    bias = np.arange(6, dtype=np.float32)
    reference = torchs(x, weight, torch.from_numpy(bias), *rest)
    assert_parity(ours(x.numpy(), weight.numpy(), bias, *rest), reference, FLOAT32)
    x = x[:, :2]
    assert_parity(ours(x.numpy(), weight.numpy()), torchs(x, weight), FLOAT32)


@pytest.mark.parametrize("padding", [2, (1, 2), "same", "valid"], ids=str)
def test_takes_arguments_from_an_npz_file(padding):
    """There, each is an array, and an array is not one word or the other."""
    x, weight = np.ones((2, 4, 7, 9)), np.ones((6, 2, 3, 2))
    arguments = {"stride": (1, 1), "padding": padding, "dilation": (1, 2), "groups": 2}
    arrays = {name: np.array(value) for name, value in arguments.items()}
    found = conv2d(x, weight, **arrays)
    np.testing.assert_array_equal(found, conv2d(x, weight, **arguments))


def test_integers_are_computed_in_float64():
    y = conv1d([[1, 2, 3, 4]], [[[1, 10]]], [100])
    np.testing.assert_array_equal(y, [[121, 132, 143]])
    assert y.dtype == np.float64


def test_nothing_it_is_given_changes():
    x, weight, bias = np.ones((2, 4, 7)), np.ones((6, 4, 3)), np.ones(6)
    conv1d(x, weight, bias, padding=1)
    assert all((values == 1).all() for values in (x, weight, bias))


@pytest.mark.parametrize(
    ("channels", "kernel", "groups"),
    [((16, 16), 5, 1), ((2, 32), 7, 1), ((32, 2), 7, 1), ((32, 32), 5, 32)],
)
def test_memory_is_a_small_multiple_of_the_arrays(channels, kernel, groups):
    """The columns of im2col would be 25 or 49 times x."""
    x = np.ones((2, channels[0], 40, 41))
    weight = np.ones((channels[1], channels[0] // groups, kernel, kernel))
    tracemalloc.start()
    y = conv2d(x, weight, np.ones(channels[1]), padding="same", groups=groups)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * (x.nbytes + weight.nbytes + y.nbytes)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/conv.py") as (module, sizes):
        sizes.update(groups=2, in_channels=6, out_channels=8, kernel=5)
        module.conv1d(np.ones((7, 6, 9)), np.ones((8, 3, 5)), groups=2)
        sizes.update(kernel=6)
        module.conv2d(np.ones((6, 9, 9)), np.ones((8, 3, 2, 3)), groups=2)


TENSORFLOW = (
    "is it TensorFlow's, (height, width, in, out)? Take np.moveaxis(weight, (-1, -2), (0, 1))"
)


def say(message):
    return f"^{re.escape(message)}$"


@pytest.mark.parametrize(
    ("x", "weight", "options", "message"),
    [
        (
            (5, 9, 11, 4),
            (8, 4, 3, 2),
            {},
            "x has 9 channels, shape (5, 9, 11, 4), expected 4 for groups=1 and "
            "weight (8, 4, 3, 2): are the channels last? Take np.moveaxis(x, -1, -3)",
        ),
        (
            (5, 9, 11),
            (8, 1, 3, 2),
            {},
            "x has 5 channels, shape (5, 9, 11), expected 1 for groups=1 and "
            "weight (8, 1, 3, 2): is this a batch without a channel axis? Take x[:, None]",
        ),
        (
            (5, 8, 9, 11),
            (6, 4, 3, 2),
            {},
            "x has 8 channels, shape (5, 8, 9, 11), expected 4 for groups=1 and "
            "weight (6, 4, 3, 2): was the layer made with groups=2?",
        ),
        (
            (5, 8, 9, 11),
            (8, 6, 3, 2),
            {},
            "x has 8 channels, shape (5, 8, 9, 11), expected 6 for groups=1 and weight "
            "(8, 6, 3, 2): weight has one row per output; is it a transposed convolution's?",
        ),
        (
            (5, 8, 9, 11),
            (7, 4, 3, 2),
            {},
            "x has 8 channels, shape (5, 8, 9, 11), expected 4 for groups=1 and "
            "weight (7, 4, 3, 2): is it another layer's?",
        ),
        (
            (5, 3, 9, 11),
            (8, 1, 3, 2),
            {},
            "x has 3 channels, shape (5, 3, 9, 11), expected 1 for groups=1 and "
            "weight (8, 1, 3, 2): is it another layer's?",
        ),
        (
            (5, 9, 11),
            (8, 4, 3, 2),
            {},
            "x has 5 channels, shape (5, 9, 11), expected 4 for groups=1 and "
            "weight (8, 4, 3, 2): is it another layer's?",
        ),
        (
            (5, 1, 9, 11),
            (7, 4, 3, 2),
            {},
            "x has 1 channels, shape (5, 1, 9, 11), expected 4 for groups=1 and "
            "weight (7, 4, 3, 2): is it another layer's?",
        ),
        *(
            (
                shape,
                (8, 4, 3, 2),
                {},
                f"x has shape {shape}, expected (batch, 4, height, width) or (4, height, width), "
                "only the batch may be 0",
            )
            for shape in [(9, 11), (1, 5, 4, 9, 11), (5, 4, 0, 11), (5, 0, 9, 11), ()]
        ),
        *(
            (
                (5, 4, 9, 11),
                shape,
                {},
                f"weight has shape {shape}, expected "
                f"(out_channels, in_channels // groups, height, width), none of them 0: {slip}",
            )
            for shape, slip in [
                ((8, 4, 3), "is it a Conv1d's?"),
                ((8, 4, 3, 2, 2), "is it a Conv3d's?"),
                ((8, 4, 0, 2), "is it a Conv2d's?"),
                ((0, 4, 3, 2), "is it a Conv2d's?"),
                ((8, 4), "is it a Linear's?"),
            ]
        ),
        *(
            (
                (5, 4, 9, 11),
                (8, 4, 3, 2),
                {"groups": groups},
                f"groups is {groups}, but the 8 rows of weight are cut into groups",
            )
            for groups in [3, 0, -2, 16, 2.0, True, None, [2, 2]]
        ),
        *(
            (
                (5, 4, 9, 11),
                (8, 4, 3, 2),
                {"bias": np.ones(bias)},
                f"bias has shape {bias}, expected (8,), one for each row of weight "
                "(8, 4, 3, 2): is it another layer's?",
            )
            for bias in [(8, 1, 1), (4,), (1,), ()]
        ),
        (
            (5, 4, 9, 11),
            (3, 3, 4, 8),
            {},
            "x has 4 channels, shape (5, 4, 9, 11), expected 3 for groups=1 and "
            f"weight (3, 3, 4, 8): {TENSORFLOW}",
        ),
        (
            (5, 4, 9, 11),
            (2, 2, 2, 8),
            {"groups": 2, "bias": np.ones(8)},
            "bias has shape (8,), expected (2,), one for each row of weight "
            f"(2, 2, 2, 8): {TENSORFLOW}",
        ),
        (
            (5, 3, 9, 11),
            (3, 3, 3, 16),
            {"padding": 1},
            "x has sizes (9, 11), padded (11, 13), but the kernel covers (3, 16): " + TENSORFLOW,
        ),
        *(
            (
                (5, 4, 9, 11),
                (8, 4, 3, 2),
                {name: value},
                f"{name} is {value!r}, expected an integer from {least} on, "
                "or one for each of height, width",
            )
            for name, value, least in [
                ("stride", 0, 1),
                ("stride", (1, 2, 3), 1),
                ("stride", 1.0, 1),
                ("dilation", (1, 0), 1),
                ("padding", -1, 0),
                ("padding", "full", 0),
                ("padding", None, 0),
                ("padding", (), 0),
            ]
        ),
        (
            (5, 4, 9, 11),
            (8, 4, 3, 2),
            {"padding": "same", "stride": (1, 2)},
            "padding is 'same', but stride is [1, 2]: only 1 keeps a size",
        ),
        (
            (5, 4, 9, 11),
            (8, 4, 3, 2),
            {"padding_mode": "symmetric"},
            "padding_mode is 'symmetric', expected one of zeros, reflect, replicate, circular",
        ),
        (
            (5, 4, 2, 11),
            (8, 4, 3, 2),
            {"padding": (2, 1), "padding_mode": "reflect"},
            "x has sizes (2, 11), too small for reflect padding of [(2, 2), (1, 1)]",
        ),
        (
            (5, 4, 2, 11),
            (8, 4, 3, 2),
            {"padding": (3, 1), "padding_mode": "circular"},
            "x has sizes (2, 11), too small for circular padding of [(3, 3), (1, 1)]",
        ),
        (
            (5, 4, 9, 11),
            (8, 4, 3, 2),
            {"stride": True},
            "stride is True, expected an integer from 1 on, or one for each of height, width",
        ),
        (
            (5, 4, 2, 11),
            (8, 4, 3, 2),
            {"padding": (1, 0), "dilation": 2},
            "x has sizes (2, 11), padded (4, 11), but the kernel covers (5, 3): "
            "is x too small, or are its axes in another order?",
        ),
    ],
)
def test_wrong_input_is_told_what_was_expected_and_the_likely_slip(x, weight, options, message):
    with pytest.raises(ValueError, match=say(message)):
        conv2d(np.ones(x), np.ones(weight), **options)


def test_the_axes_moved_of_a_tensorflow_kernel_make_pytorchs():
    kernel, x = np.ones((3, 2, 4, 8)), np.ones((5, 4, 9, 11))
    with pytest.raises(ValueError, match=re.escape("np.moveaxis(weight, (-1, -2), (0, 1))")):
        conv2d(x, kernel)
    weight = np.moveaxis(kernel, (-1, -2), (0, 1))
    assert weight.shape == (8, 4, 3, 2)
    assert conv2d(x, weight).shape == (5, 8, 7, 10)


def test_no_message_prints_an_array():
    x, weight, array = np.ones((5, 4, 9, 11)), np.ones((8, 4, 3, 2)), np.ones((16, 64))
    for name in ["stride", "padding", "dilation", "groups"]:
        with pytest.raises(ValueError, match=f"^{name} is array") as error:
            conv2d(x, weight, **{name: array})
        assert len(str(error.value)) < 150


def test_the_axes_of_the_others_have_their_names():
    with pytest.raises(ValueError, match=re.escape("(batch, 4, length) or (4, length)")):
        conv1d(np.ones((4,)), np.ones((6, 4, 3)))
    with pytest.raises(ValueError, match=re.escape("or (4, depth, height, width)")):
        recipe.conv3d(np.ones((4,)), np.ones((6, 4, 3, 3, 3)))


@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((2, 4, 0), (3,), {"padding": 2}),
        ((0, 4, 0), (3,), {"padding": 1}),
        ((0, 4, 0), (1,), {"padding": 1, "padding_mode": "replicate"}),
        ((2, 4, 2), (3,), {}),
        ((2, 4, 0), (1,), {"padding_mode": "circular"}),
        ((2, 4, 2), (1,), {"padding": 2, "padding_mode": "reflect"}),
        ((2, 4, 2), (1,), {"padding": 3, "padding_mode": "circular"}),
        ((2, 5, 7), (3,), {}),
    ],
    ids=str,
)
def test_torch_refuses_what_is_refused(shape, kernel, options):
    layer = torch.nn.Conv1d(4, 6, kernel, **options)
    with pytest.raises(RuntimeError):
        layer(torch.ones(shape))
    with pytest.raises(ValueError, match="x has "):
        conv1d(np.ones(shape, np.float32), **arrays(layer), **options)
