"""The fast network gives what the clear one gives, and refuses what it refuses."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.question import fast_rnn, numpy_rnn
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

FAST = SNIPPETS_DIR / "question/fast_rnn.py"
DTYPES = st.sampled_from([np.float32, np.float64])


def weights(dim_input, dim_recurrent, dim_output, seed=0, dtype=np.float64):
    """Return the question's weights at the scale PyTorch initialises."""
    sizes = {"dim_input": dim_input, "dim_recurrent": dim_recurrent, "dim_output": dim_output}
    rng = np.random.default_rng(seed)
    return {
        name: rng.uniform(-0.4, 0.4, [sizes[axis] for axis in axes]).astype(dtype)
        for name, axes in numpy_rnn.SHAPES.items()
    }


def assert_same(ours, clear, tolerance=FLOAT64):
    """Fail unless both returned arrays have the clear one's shape, dtype and values."""
    for a, b in zip(ours, clear, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max(initial=0))


@settings(deadline=None, max_examples=150)
@given(
    sizes=st.tuples(*[st.integers(1, 9)] * 3),
    lead=st.sampled_from([(), (0,), (1,), (2,), (10,)]),
    time=st.integers(1, 12),
    part=st.integers(1, 600),
    wide=st.tuples(DTYPES, DTYPES, DTYPES | st.none()),
    other=st.tuples(st.sampled_from(list(numpy_rnn.SHAPES)), DTYPES),
    scale=st.sampled_from([1, 1e-30, 1e30]),
    seed=st.integers(0, 2**32),
)
def test_equals_the_clear_one(sizes, lead, time, part, wide, other, scale, seed):
    rng = np.random.default_rng(seed)
    state = weights(*sizes, seed, wide[0])
    state[other[0]] = state[other[0]].astype(other[1])
    x = (scale * rng.normal(size=(*lead, time, sizes[0]))).astype(wide[1])
    h0 = None if wide[2] is None else rng.normal(size=(*lead, sizes[1])).astype(wide[2])
    clear = numpy_rnn.RNN(state)(x, h0)
    tolerance = FLOAT32 if np.float32 in (*wide, other[1]) else FLOAT64
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_rnn, "CACHED", part)
        assert_same(fast_rnn.RNN(state)(x, h0), clear, tolerance)


@pytest.mark.parametrize("shape", [(0, 7, 4), (2, 0, 4), (0, 4)])
def test_empty_input_gives_empty_output_and_the_state_it_was_given(shape):
    state, x, h0 = weights(4, 5, 3), np.ones(shape), np.ones((*shape[:-2], 5))
    assert_same(fast_rnn.RNN(state)(x, h0), numpy_rnn.RNN(state)(x, h0))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", FLOAT64), ("float32", FLOAT32)])
@pytest.mark.parametrize("lead", [(), (3,)])
def test_equals_torch_over_many_steps(lead, dtype, tolerance):
    torch = pytest.importorskip("torch")
    from snippets.question import torch_rnn

    torch.manual_seed(0)
    model = torch_rnn.RNN(12, 100, 6).to(getattr(torch, dtype))
    x = torch.randn(*lead, 2000, 12, dtype=getattr(torch, dtype))
    h0 = torch.randn(*lead, 100, dtype=x.dtype)
    with torch.no_grad():
        reference = model(x, h0)
    ours = fast_rnn.RNN(arrays(model))(x.numpy(), h0.numpy())
    for a, b in zip(ours, reference, strict=True):
        assert_parity(a, b, tolerance)


SABOTAGES = {
    "an update gate that is not halved": ("z / 2, n", "z, n"),
    "gates exchanged": ("vstack([z / 2, n])", "vstack([n, z / 2])"),
    "a bias left out": ("steps[:, -1] = 1", "steps[:, -1] = 0"),
    "the last bias left out": (' + self.state["dense5.bias"]', ""),
    "x before h": (
        'z = np.column_stack([w["dense2.weight"], w["dense1.weight"]',
        'z = np.column_stack([w["dense1.weight"], w["dense2.weight"]',
    ),
    "z and 1 - z exchanged": ("subtract(h, n, h_next)", "subtract(n, h, h_next)"),
    "a part that forgets": ("                h = h_next\n", ""),
    "a part that starts over": ("x[start : start + length]", "x[:length]"),
}


@pytest.mark.parametrize(("old", "new"), SABOTAGES.values(), ids=SABOTAGES)
def test_the_comparison_catches(old, new):
    module = sabotaged(FAST, old, new)
    module.CACHED = 50
    state, x = weights(4, 5, 3), np.random.default_rng(1).normal(size=(2, 7, 4))
    with pytest.raises(AssertionError):
        assert_same(module.RNN(state)(x), numpy_rnn.RNN(state)(x))


@pytest.mark.parametrize("hidden", range(1, 20))
def test_the_weight_starts_a_cache_line_and_has_its_columns_one_after_another(hidden):
    weight = fast_rnn.RNN(weights(4, hidden, 3)).weight
    assert weight.ctypes.data % 64 == 0
    assert weight.flags.f_contiguous


def test_shape_comments():
    with executed(SNIPPETS_DIR / "question/fast_rnn.py") as (module, sizes):
        sizes.update(batch=2, time=7, dim_input=4, dim_recurrent=5, dim_output=3)
        module.RNN(weights(4, 5, 3))(np.ones((2, 7, 4)))


@pytest.mark.parametrize("lead", [(), (2,)])
def test_steps_make_the_sequence(lead):
    state, x = weights(4, 5, 3), np.random.default_rng(1).normal(size=(*lead, 7, 4))
    rnn, h, outputs = fast_rnn.RNN(state), None, []
    for t in range(7):
        output, h = rnn.step(x[..., t, :], h)
        outputs.append(output)
    assert_same((np.stack(outputs, -2), h), numpy_rnn.RNN(state)(x))


def test_steps_leave_no_memory_behind():
    rnn, x_t, h = fast_rnn.RNN(weights(4, 5, 3)), np.ones(4), None
    tracemalloc.start()
    for _ in range(200):
        _, h = rnn.step(x_t, h)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(2000):
        _, h = rnn.step(x_t, h)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1000  # bytes; one float a step would be 16 000


@pytest.mark.thorough
def test_a_long_batch_takes_little_memory_besides_its_outputs():
    rnn, x = fast_rnn.RNN(weights(12, 100, 6)), np.ones((64, 1000, 12))
    tracemalloc.start()
    outputs, _ = rnn(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * outputs.nbytes + 2e6  # the hidden states of all steps would be 51 MB


def test_nothing_it_is_given_changes_and_nothing_is_shared():
    state, x, h0 = weights(4, 5, 3), np.ones((7, 4)), np.ones(5)
    rnn = fast_rnn.RNN(state)
    before, h_n = rnn(x, h0)
    again, _ = rnn(2 * x, h0)
    np.testing.assert_array_equal(before, rnn(x, h0)[0])
    assert (x == 1).all()
    assert (h0 == 1).all()
    assert not np.shares_memory(before, again)
    assert not np.shares_memory(h_n, h0)
    state["dense2.weight"][:] = 0
    np.testing.assert_array_equal(before, rnn(x, h0)[0])


@pytest.mark.parametrize(
    "slip",
    [
        lambda state: [],
        lambda state: {},
        lambda state: state | {"dense2.bias": np.ones(5)},
        lambda state: state | {"dense1.weight": state["dense1.weight"].T},
        lambda state: state | {"dense5.bias": np.full(3, np.nan)},
    ],
)
def test_a_wrong_state_is_refused_as_by_the_clear_one(slip):
    state = slip(weights(4, 5, 3))
    with pytest.raises((TypeError, KeyError, ValueError)) as clear:
        numpy_rnn.RNN(state)
    with pytest.raises(clear.type) as fast:
        fast_rnn.RNN(state)
    assert str(fast.value) == str(clear.value)


@pytest.mark.parametrize(
    ("x", "h0"),
    [
        (np.ones(4), None),
        (np.ones((4, 7)), None),
        (np.ones((2, 3, 7, 4)), None),
        (["a"], None),
        (np.ones((7, 4)), np.ones(4)),
    ],
)
def test_wrong_input_is_refused_as_by_the_clear_one(x, h0):
    state = weights(4, 5, 3)
    with pytest.raises(ValueError) as clear:  # noqa: PT011, the message is compared below
        numpy_rnn.RNN(state)(x, h0)
    with pytest.raises(ValueError) as fast:  # noqa: PT011
        fast_rnn.RNN(state)(x, h0)
    assert str(fast.value) == str(clear.value)


@pytest.mark.parametrize("shape", [(), (5,), (7, 5), (2, 7, 4)])
def test_a_wrong_step_is_told_what_was_expected(shape):
    message = f"x_t has shape {shape}, expected (4,) or (batch, 4): one step has no axis for time"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fast_rnn.RNN(weights(4, 5, 3)).step(np.ones(shape))


def test_a_step_of_words_is_refused():
    with pytest.raises(ValueError, match=r"^x_t has dtype <U1, expected real numbers$"):
        fast_rnn.RNN(weights(4, 5, 3)).step(["a"] * 4)
