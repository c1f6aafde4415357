"""The reference NumPy RNN against its torch twin, and what it says to wrong input."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.question import fast_rnn
from snippets.question.numpy_rnn import RNN, sigmoid
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.shape_comments import executed

SHAPES = {
    "dense1.weight": (5, 4),
    "dense1.bias": (5,),
    "dense2.weight": (5, 5),
    "dense3.weight": (5, 4),
    "dense3.bias": (5,),
    "dense4.weight": (5, 5),
    "dense5.weight": (3, 5),
    "dense5.bias": (3,),
}


@pytest.fixture
def state():
    """Weights of RNN(4, 5, 3) at the scale PyTorch initialises."""
    rng = np.random.default_rng(0)
    return {name: rng.uniform(-0.4, 0.4, shape) for name, shape in SHAPES.items()}


def twins(sizes, lead, time, given_h0, seed, dtype="float64"):
    """Return (outputs, h_n) of the NumPy port and of torch, on the same random weights."""
    torch = pytest.importorskip("torch")
    from snippets.question import torch_rnn

    torch.manual_seed(seed)
    model = torch_rnn.RNN(*sizes).to(getattr(torch, dtype))
    x = torch.randn(*lead, time, sizes[0], dtype=getattr(torch, dtype))
    h0 = torch.randn(*lead, sizes[1], dtype=x.dtype) if given_h0 else None
    with torch.no_grad():
        reference = model(x, h0)
    return RNN(arrays(model))(x.numpy(), None if h0 is None else h0.numpy()), reference


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.permutations(range(2, 9)).map(lambda p: p[:3]),
    lead=st.sampled_from([(), (1,), (10,)]),
    time=st.integers(1, 20),
    given_h0=st.booleans(),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([("float64", FLOAT64), ("float32", FLOAT32)]),
)
def test_equals_torch(sizes, lead, time, given_h0, seed, dtype):
    for ours, reference in zip(*twins(sizes, lead, time, given_h0, seed, dtype[0]), strict=True):
        assert_parity(ours, reference, dtype[1])


@pytest.mark.parametrize(
    ("sizes", "dtype", "tolerance"),
    [
        ((12, 100, 6), "float32", FLOAT32),
        ((1, 1, 1), "float64", FLOAT64),
        pytest.param((12, 100, 6), "float64", FLOAT64, marks=pytest.mark.thorough),
        pytest.param((1, 1, 1), "float32", FLOAT32, marks=pytest.mark.thorough),
    ],
)
def test_equals_torch_over_many_steps(sizes, dtype, tolerance):
    for ours, reference in zip(*twins(sizes, (2,), 10_000, True, 0, dtype), strict=True):
        assert_parity(ours, reference, tolerance)


def transposed(name):
    return lambda state: state | {name: state[name].T}


def exchanged(a, b):
    return lambda state: state | {a: state[b], b: state[a]}


def without(name):
    return lambda state: state | {name: 0 * state[name]}


@pytest.mark.parametrize(
    "sabotage",
    [
        transposed("dense2.weight"),
        transposed("dense4.weight"),
        exchanged("dense1.weight", "dense3.weight"),
        exchanged("dense2.weight", "dense4.weight"),
        *(without(name) for name in SHAPES if name.endswith("bias")),
    ],
)
def test_parity_catches_what_no_shape_shows(state, sabotage):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).normal(size=(2, 7, 4))
    reference, _ = RNN(state)(x)
    assert_parity(reference, torch.from_numpy(reference))
    with pytest.raises(AssertionError, match="off by"):
        assert_parity(RNN(sabotage(state))(x)[0], torch.from_numpy(reference))


def test_shape_comments(state):
    with executed(SNIPPETS_DIR / "question/numpy_rnn.py") as (module, sizes):
        sizes.update(batch=2, time=7, dim_input=4, dim_recurrent=5, dim_output=3)
        module.RNN(state)(np.ones((2, 7, 4)))
        module.RNN(state)(np.ones((7, 4)))


def test_a_batch_is_its_sequences_side_by_side(state):
    x = np.random.default_rng(1).normal(size=(2, 7, 4))
    outputs, h_n = RNN(state)(x)
    for i, sequence in enumerate(x):
        alone, h = RNN(state)(sequence)
        np.testing.assert_allclose(alone, outputs[i], rtol=1e-12)
        np.testing.assert_allclose(h, h_n[i], rtol=1e-12)


@pytest.mark.parametrize("shape", [(0, 7, 4), (2, 0, 4), (0, 4)])
def test_empty_input_gives_empty_output_and_the_state_it_was_given(state, shape):
    h0 = np.ones((*shape[:-2], 5))
    outputs, h_n = RNN(state)(np.ones(shape), h0)
    assert outputs.shape == (*shape[:-1], 3)
    np.testing.assert_array_equal(h_n, h0)


def test_nothing_it_is_given_changes(state):
    x, h0 = np.ones((7, 4)), np.ones(5)
    before = {name: w.copy() for name, w in state.items()}
    RNN(state)(x, h0)
    assert (x == 1).all()
    assert (h0 == 1).all()
    assert all((state[name] == w).all() for name, w in before.items())


def test_takes_an_open_npz(state, tmp_path):
    np.savez(tmp_path / "model.npz", **state)
    with np.load(tmp_path / "model.npz") as file:
        outputs, _ = RNN(file)(np.ones((7, 4)))
    np.testing.assert_array_equal(outputs, RNN(state)(np.ones((7, 4)))[0])


@pytest.mark.parametrize("v", [-1e308, -1e3, 0.0, 1e3, 1e308])
def test_sigmoid_never_overflows(v):
    assert sigmoid(np.float64(v)) == (np.sign(v) + 1) / 2


def test_integers_count_as_float64(state):
    whole = {name: np.round(10 * w) for name, w in state.items()}
    x = np.arange(28).reshape(7, 4) % 3
    expected = RNN(whole)(x.astype(float))
    ours = RNN({name: w.astype(np.int8) for name, w in whole.items()})(x)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float64


@pytest.mark.parametrize("wide", ["x", "h0", *SHAPES])
def test_one_float64_makes_everything_float64(state, wide):
    def narrow(name, values):
        return values if name == wide else values.astype(np.float32)

    rnn = RNN({name: narrow(name, w) for name, w in state.items()})
    outputs, _ = rnn(narrow("x", np.ones((7, 4))), narrow("h0", np.ones(5)))
    assert outputs.dtype == np.float64


@pytest.mark.parametrize("network", [RNN, fast_rnn.RNN])
def test_float16_is_computed_in_float32_and_rounded_once(state, network):
    half = {name: w.astype(np.float16) for name, w in state.items()}
    single = {name: w.astype(np.float32) for name, w in half.items()}
    x, h0 = np.random.default_rng(1).normal(size=(2, 50, 4)).astype(np.float16), np.ones((2, 5))
    for given_h0 in (None, h0.astype(np.float16)):
        ours = network(half)(x, given_h0)
        exact = network(single)(x.astype(np.float32), given_h0)
        for a, b in zip(ours, exact, strict=True):
            assert a.dtype == np.float16
            np.testing.assert_array_equal(a, b.astype(np.float16))


@pytest.mark.parametrize("network", [RNN, fast_rnn.RNN])
@pytest.mark.parametrize("dtype", [">f8", ">f4"])
def test_what_comes_back_is_in_native_byte_order(state, network, dtype):
    for a in network(state)(np.ones((7, 4), dtype), np.ones(5, dtype)):
        assert a.dtype.isnative


def test_the_network_keeps_its_own_copy(state):
    rnn, x = RNN(state), np.ones((7, 4))
    before, _ = rnn(x)
    state["dense1.weight"][:] = 0
    np.testing.assert_array_equal(rnn(x)[0], before)


def test_the_last_state_is_never_the_first_array(state):
    h0 = np.ones(5)
    _, h_n = RNN(state)(np.ones((0, 4)), h0)
    assert not np.shares_memory(h0, h_n)


def whole(text):
    """Match a message to its end."""
    return "^" + re.escape(text) + "$"


@pytest.mark.parametrize("state", [[], None, "model.npz", iter(())], ids=lambda s: type(s).__name__)
def test_what_is_no_mapping_is_refused(state):
    with pytest.raises(
        TypeError, match=r"^state is a \w+, expected a mapping: take state_dict\(\)$"
    ):
        RNN(state)


def test_missing_weights_are_named(state):
    renamed = {f"module.{name}": w for name, w in state.items()}
    message = f"lacks {list(SHAPES)}; it has {list(renamed)}. Take state_dict()'s own names"
    with pytest.raises(KeyError, match=re.escape(message)):
        RNN(renamed)
    del state["dense5.bias"]
    with pytest.raises(KeyError, match=re.escape("lacks ['dense5.bias']")):
        RNN(state)


def test_a_surplus_weight_is_named(state):
    message = f"state has ['dense2.bias'] besides {list(SHAPES)}: is it another model's?"
    with pytest.raises(ValueError, match=whole(message)):
        RNN(state | {"dense2.bias": np.ones(5)})


@pytest.mark.parametrize("name", ["dense1.weight", "dense3.weight", "dense5.weight"])
def test_a_transposed_weight_is_recognised(state, name):
    message = (
        f"{name} has shape {SHAPES[name][::-1]}, expected {SHAPES[name]}: PyTorch stores Linear "
        "weights as (out_features, in_features); was this one transposed?"
    )
    with pytest.raises(ValueError, match=whole(message)):
        RNN(state | {name: state[name].T})


OTHER = "dense1.bias and dense5.bias tell the sizes; is one of the three another layer's?"


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("extra", [(), (1,)])
def test_a_misshapen_weight_is_named(state, name, extra):
    given = (*(n + 6 for n in SHAPES[name]), *extra)
    with pytest.raises(ValueError, match=rf"^dense\d\.\w+ has shape .*: {re.escape(OTHER)}$"):
        RNN(state | {name: np.ones(given)})


@pytest.mark.parametrize("name", SHAPES)
def test_an_axis_too_many_is_found_though_the_size_fits(state, name):
    shape = SHAPES[name]
    message = f"{name} has shape {(*shape, 1)}, expected {shape}: {OTHER}"
    with pytest.raises(ValueError, match=whole(message)):
        RNN(state | {name: state[name][..., None]})


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_weight_that_is_not_finite_is_named(state, name, value):
    state[name].flat[-1] = value
    message = f"{name} has NaN or infinite values: did the training diverge?"
    with pytest.raises(ValueError, match=whole(message)):
        RNN(state)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array(["0.5"]), "has dtype <U3, expected real numbers"),
        (np.array([{}]), "has dtype object, expected real numbers"),
        (np.ones(5, bool), "has dtype bool, expected real numbers"),
        (np.ones(5, complex), "has dtype complex128, expected real numbers"),
        ([[1.0], [1.0, 2.0]], "cannot be read as an array: setting an array element"),
    ],
)
def test_what_is_no_number_is_refused(state, values, message):
    with pytest.raises(ValueError, match="^" + re.escape(f"dense3.bias {message}")):
        RNN(state | {"dense3.bias": values})
    with pytest.raises(ValueError, match="^" + re.escape(f"x {message}")):
        RNN(state)(values)
    with pytest.raises(ValueError, match="^" + re.escape(f"h0 {message}")):
        RNN(state)(np.ones((7, 4)), values)


def test_a_tensor_that_requires_grad_is_refused_with_torchs_reason(state):
    torch = pytest.importorskip("torch")
    bias = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match=r"^dense5\.bias cannot be .*requires grad"):
        RNN(state | {"dense5.bias": bias})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4,), "expected (time, 4) or (batch, time, 4): a single step is x[None]"),
        ((2, 3, 7, 4), "expected (time, 4) or (batch, time, 4): is there an axis too many?"),
        ((7, 9), "expected 4 features in its last axis: the model reads 4 at every step"),
        ((7, 3), "expected 4 features in its last axis: the model reads 4 at every step"),
        ((4, 7), "expected 4 features in its last axis: are the axes in another order?"),
        ((2, 4, 7), "expected 4 features in its last axis: are the axes in another order?"),
    ],
)
def test_a_wrong_x_is_told_what_was_expected(state, shape, message):
    with pytest.raises(ValueError, match=whole(f"x has shape {shape}, {message}")):
        RNN(state)(np.ones(shape))


@pytest.mark.parametrize("shape", [(5,), (1, 2, 5), (2, 4), (2, 7, 5)])
def test_a_wrong_h0_is_told_what_was_expected(state, shape):
    message = (
        f"h0 has shape {shape}, expected (2, 5): "
        "one state a sequence, without an axis for time or layers"
    )
    with pytest.raises(ValueError, match=whole(message)):
        RNN(state)(np.ones((2, 7, 4)), np.ones(shape))
