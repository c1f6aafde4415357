"""``pad`` against ``F.pad`` and every padding layer, and what it says to wrong numbers."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snippets.layers.padding import pad
from tests import SNIPPETS_DIR
from tests.parity import assert_parity
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")

PATH = SNIPPETS_DIR / "layers/padding.py"
MODES = ("constant", "reflect", "replicate", "circular")


def random(shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def agree(function, shape, numbers, mode="constant", value=None, dtype=torch.float64, seed=0):
    x = random(shape, dtype, seed)
    reference = torch.nn.functional.pad(x, numbers, mode, value)
    assert_parity(function(x.numpy(), numbers, mode, value), reference, 0)


@settings(deadline=None, max_examples=100)
@given(
    data=st.data(),
    sizes=st.permutations(range(2, 7)),
    axes=st.integers(1, 3),
    lead=st.integers(1, 2),
    mode=st.sampled_from(MODES),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 2**32),
)
def test_equals_torch(data, sizes, axes, lead, mode, dtype, seed):
    shape = tuple(sizes[: lead + axes])
    numbers = []
    for n in shape[: lead - 1 : -1]:
        most = {"reflect": n - 1, "circular": n}.get(mode, n + 2)
        before = data.draw(st.integers(1 - n, most))
        after = data.draw(st.integers(1 - n - min(before, 0), most))
        # Round what is left after the cut, PyTorch goes once at most.
        assume(mode != "circular" or max(before, after) <= n + min(before, 0) + min(after, 0))
        assume(n + before + after >= 1)
        numbers += [before, after]
    value = data.draw(st.sampled_from([None, 2.5])) if mode == "constant" else None
    agree(pad, shape, tuple(numbers), mode, value, dtype, seed)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Zero", "Constant", "Reflection", "Replication", "Circular"])
def test_equals_every_layer(kind, axes):
    named = {"Reflection": "reflect", "Replication": "replicate", "Circular": "circular"}
    value = 7.5 if kind == "Constant" else None
    given_value = () if value is None else (value,)
    for padding in [1, tuple(range(1, 2 * axes + 1))]:
        layer = getattr(torch.nn, f"{kind}Pad{axes}d")(padding, *given_value)
        x = random((3, 2, 8, 9, 7)[: 2 + axes])
        for image in [x, x[0]]:
            ours = pad(image.numpy(), layer.padding, named.get(kind, "constant"), value)
            assert_parity(ours, layer(image), 0)


# Both ends of what each mode takes, and cuts with an addition on the other side.
LIMITS = [
    *(((5, n), (n - 1, n - 1), "reflect") for n in (1, 2, 4)),
    *(((5, n), (n, n), "circular") for n in (1, 2, 4)),
    *(((5, n), (9, 8), "replicate") for n in (1, 2, 4)),
    *(((5, 4), numbers, mode) for numbers in [(-1, 2), (2, -1), (-2, -1)] for mode in MODES),
    *(((5, 4), numbers, mode) for numbers in [(-3, 3), (-5, 3), (3, -5)] for mode in MODES[1:3]),
    ((5, 4), (-3, -1), "circular"),
    ((5, 4), (-2, 2), "circular"),
    ((5, 4), (2, -2), "circular"),
    ((5, 4), (-4, 0), "constant"),
    ((5, 4), (-4, 3), "constant"),
    ((5, 4), (), "constant"),
    ((5, 3, 4, 2), (0, 0, 1, 0), "constant"),
    ((3,), (1, 2), "constant"),
    ((2, 3, 4), (1, 2, 3, 4, 5, 6), "constant"),
    ((0, 4), (1, 1), "constant"),
    ((0,), (1, 1), "constant"),
    *(((0, 3, 4), (1, 1), mode) for mode in MODES),
    *(((0, 2, 3, 4), (1, 1, 2, 2), mode) for mode in MODES),
    ((5, 0, 4), (1, 1), "circular"),
    ((5, 2, 0), (0, 0), "circular"),
]


@pytest.mark.parametrize("case", LIMITS, ids=str)
def test_equals_torch_at_the_limits(case):
    agree(pad, *case)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "complex64"])
def test_keeps_the_dtype(dtype):
    x = np.array([[0, 1, 3]], dtype)
    for mode in MODES:
        reference = torch.nn.functional.pad(torch.from_numpy(x), (1, 1), mode)
        ours = pad(x, (1, 1), mode)
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, reference.numpy())


def test_takes_lists_and_leaves_its_input_alone():
    x = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(pad(x.tolist(), [1, 0], value=9), [[9, 1, 2, 3]])
    for mode in MODES:
        pad(x, (0, 0), mode)[:] = 0
    np.testing.assert_array_equal(x, [[1, 2, 3]])
    assert pad([True], (1, 1)).tolist() == [False, True, False]


FIRST = "widths = [(0, 0)] * (len(shape) - axes) + pairs[::-1]"
SABOTAGES = {
    "first axis first": (FIRST, FIRST.replace("[::-1]", "")),
    "from the first axis on": (FIRST, "widths = pairs[::-1] + [(0, 0)] * (len(shape) - axes)"),
    "before and after exchanged": ("zip(pad[::2], pad[1::2]", "zip(pad[1::2], pad[::2]"),
    "the edge twice, as symmetric": (
        "return n - 1 - abs(n - 1 - abs(i))",
        "return np.minimum(np.where(i < 0, -1 - i, i), 2 * n - 1 - i)",
    ),
    "reflect as replicate": ("return n - 1 - abs(n - 1 - abs(i))", "return i.clip(0, n - 1)"),
    "replicate as circular": ("return i.clip(0, n - 1)", "return i % n"),
    "what was cut comes round": ("max(-before, 0), n - max(-after, 0)", "0, n"),
    "value forgotten": ("0 if value is None else value", "0"),
    "nothing is cut": ("max(-a, 0), n - max(-b, 0)", "0, n"),
}


def check_all(function):
    for mode in MODES:
        value = 3.5 if mode == "constant" else None
        agree(function, (2, 3, 6, 7), (2, 1, 3, 0), mode, value)
        agree(function, (2, 3, 6, 7), (-1, 3, 2, -2), mode, value)


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    check_all(pad)
    with pytest.raises((AssertionError, ValueError)):
        check_all(sabotaged(PATH, *SABOTAGES[name]).pad)


NUMBERS = "expected two integers for each axis padded, the last axis first; x has shape"
LAST = "pad has the last axis first"
MISSING = "is an axis, or a pair of pad, missing?"


def too_much(axis, n, mode, most, numbers):
    return (
        f"axis {axis} of x has {n} entries: {mode} can add at most {most} at each end, "
        f"not {numbers}; {LAST}"
    )


def all_cut(axis, n, numbers):
    return f"axis {axis} of x has {n} entries: {numbers} leaves none; {LAST}"


def other_rank(shape, numbers, mode, axes):
    return (
        f"x has shape {shape}, but pad {numbers} in mode {mode} is for (batch, channels, ...) "
        f"or (channels, ...) with {axes} more: {MISSING}"
    )


REFUSED = [
    ((3,), (1,), "constant", f"pad is (1,), {NUMBERS} (3,)"),
    ((3,), (1, 1, 1, 1), "constant", f"pad is (1, 1, 1, 1), {NUMBERS} (3,)"),
    ((), (1, 1), "reflect", f"pad is (1, 1), {NUMBERS} ()"),
    ((3, 4), 1, "constant", f"pad is (1,), {NUMBERS} (3, 4)"),
    ((3, 4), (1.0, 1), "reflect", f"pad is (1.0, 1.0), {NUMBERS} (3, 4)"),
    ((3, 4), (-2, -3), "constant", all_cut(1, 4, (-2, -3))),
    ((3, 4), (-5, 6), "constant", all_cut(1, 4, (-5, 6))),
    ((3, 4), (0, 0, -4, 0), "constant", all_cut(0, 3, (-4, 0))),
    ((5, 4), (-2, -2), "reflect", all_cut(1, 4, (-2, -2))),
    ((5, 4), (-2, -2), "replicate", all_cut(1, 4, (-2, -2))),
    ((5, 4), (-2, -3), "circular", all_cut(1, 4, (-2, -3))),
    ((5, 4), (4, 0), "reflect", too_much(1, 4, "reflect", 3, (4, 0))),
    ((5, 4), (0, 4), "reflect", too_much(1, 4, "reflect", 3, (0, 4))),
    ((2, 5, 4), (0, 0, 5, 0), "reflect", too_much(1, 5, "reflect", 4, (5, 0))),
    ((5, 4), (5, 0), "circular", too_much(1, 4, "circular", 4, (5, 0))),
    ((1, 4), (-3, 3), "circular", too_much(1, 4, "circular", 1, (-3, 3))),
    ((2, 0), (1, 1), "circular", too_much(1, 0, "circular", 0, (1, 1))),
    *(((3,), (1, 1), mode, other_rank((3,), (1, 1), mode, 1)) for mode in MODES[1:]),
    ((2, 3, 4, 5), (1, 1), "reflect", other_rank((2, 3, 4, 5), (1, 1), "reflect", 1)),
    ((2, 3), (1, 1, 1, 1), "reflect", other_rank((2, 3), (1, 1, 1, 1), "reflect", 2)),
    ((2, 3), (), "replicate", other_rank((2, 3), (), "replicate", 0)),
    (
        (2, 3, 4, 5, 6),
        (1,) * 8,
        "reflect",
        other_rank((2, 3, 4, 5, 6), (1,) * 8, "reflect", 4),
    ),
    *(((0, 4), (1, 1), mode, f"x has shape (0, 4), no entry to {mode}") for mode in MODES[1:3]),
    ((5, 2, 0), (0, 0), "replicate", "x has shape (5, 2, 0), no entry to replicate"),
    ((5, 0, 3), (1, 1), "reflect", "x has shape (5, 0, 3), no entry to reflect"),
    (
        (2, 3),
        (1, 1),
        "edge",
        "mode is 'edge', expected constant, reflect, replicate (np.pad says edge) or circular "
        "(np.pad says wrap)",
    ),
]


@pytest.mark.parametrize(("shape", "numbers", "mode", "message"), REFUSED)
def test_refuses_what_torch_refuses(shape, numbers, mode, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pad(np.ones(shape), numbers, mode)
    with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
        torch.nn.functional.pad(random(shape), numbers, mode)


@pytest.mark.parametrize("value", [-1, 256, np.nan, np.inf])
def test_a_value_that_integers_cannot_hold_is_refused(value):
    x = np.ones((2, 3), np.uint8)
    with pytest.raises(ValueError, match=rf"^value is {value}, but x holds uint8$"):
        pad(x, (1, 1), value=value)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.nn.functional.pad(torch.from_numpy(x), (1, 1), value=value)
    assert pad(x, (1, 0), value=255).tolist() == [[255, 1, 1, 1]] * 2


def test_a_value_is_for_constant():
    with pytest.raises(ValueError, match=r"^value is 2, but mode reflect takes none$"):
        pad(np.ones((2, 3)), (1, 1), "reflect", 2)
    agree(pad, (2, 3), (1, 1), "reflect", 0)


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_refuses_to_cut_an_axis_off_where_torch_answers_with_nothing(mode):
    # PyTorch checks that one of the axes keeps an entry, not that each does.
    reference = torch.nn.functional.pad(random((5, 2, 3, 4)), (-1, -3, 1, 1), mode)
    assert reference.shape == (5, 2, 5, 0)
    with pytest.raises(ValueError, match=f"^{re.escape(all_cut(3, 4, (-1, -3)))}$"):
        pad(np.ones((5, 2, 3, 4)), (-1, -3, 1, 1), mode)


def test_refuses_to_go_round_where_torch_leaves_memory_unwritten():
    # A cut of more than there is: PyTorch gives the size, and whatever lay in the memory.
    assert torch.nn.functional.pad(random((1, 3)), (-4, 2), "circular").shape == (1, 1)
    message = all_cut(1, 3, (-4, 2))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pad(np.ones((1, 3)), (-4, 2), "circular")
