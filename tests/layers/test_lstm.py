"""nn.LSTM and nn.LSTMCell in NumPy against torch, and what they say to wrong input."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.lstm import lstm, lstm_cell, sigmoid
from tests import SNIPPETS_DIR
from tests.layers.recurrent import FULL, agree, assert_all_parity, cases, run_torch
from tests.parity import FLOAT32, FLOAT64, arrays
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "layers/lstm.py"
DTYPES = [("float64", FLOAT64), ("float32", FLOAT32)]


@settings(deadline=None, max_examples=150)
@given(case=cases(projected=True))
def test_equals_torch(case):
    agree(lstm, case, "LSTM")


@pytest.mark.parametrize("proj_size", [0, 2])
def test_float32_stays_float32(proj_size):
    agree(lstm, FULL, "LSTM", *DTYPES[1], proj_size=proj_size)
    agree(lstm, FULL._replace(given_state=False), "LSTM", *DTYPES[1], proj_size=proj_size)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d[0])
def test_equals_torch_over_many_steps(dtype):
    agree(lstm, FULL._replace(time=300, lengths=None), "LSTM", *dtype)


@pytest.mark.parametrize(
    "change",
    [
        {"time": 1, "lengths": [1, 1, 1]},
        {"batch": 1, "lengths": [7]},
        {"input_size": 1},
        {"hidden_size": 1},
        {"input_size": 1, "hidden_size": 1, "batch": 1, "time": 1, "lengths": None},
        {"batch": 0, "lengths": None},
    ],
    ids=str,
)
def test_sizes_of_one_and_a_batch_of_none(change):
    agree(lstm, FULL._replace(**change), "LSTM")


def test_lengths_of_no_rows_are_none_though_torch_cannot_pack_them():
    weights, x, state, _ = run_torch(FULL._replace(batch=0, lengths=None), "LSTM")
    output, (h_n, c_n) = lstm(x, weights, state, batch_first=True, lengths=[])
    assert output.shape == (0, 7, 10)
    assert h_n.shape == c_n.shape == (4, 0, 5)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.permutations(range(2, 8)).map(lambda p: p[:3]),
    batched=st.booleans(),
    bias=st.booleans(),
    given_state=st.booleans(),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from(DTYPES),
)
def test_cell_equals_torch_over_steps(sizes, batched, bias, given_state, seed, dtype):
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    kind = getattr(torch, dtype[0])
    features, hidden, batch = sizes
    cell = torch.nn.LSTMCell(features, hidden, bias=bias, dtype=kind)
    lead = [batch] if batched else []
    reference = tuple(torch.randn(2, *lead, hidden, dtype=kind)) if given_state else None
    ours = reference and tuple(s.numpy() for s in reference)
    for x in torch.randn(3, *lead, features, dtype=kind):
        with torch.no_grad():
            reference = cell(x, reference)
        ours = lstm_cell(x.numpy(), arrays(cell), ours)
        assert_all_parity(ours, reference, dtype[1])


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (4,)])
def test_cell_takes_a_batch_of_none_and_of_one(shape):
    torch = pytest.importorskip("torch")
    cell = torch.nn.LSTMCell(4, 5).double()
    x = torch.randn(shape).double()
    with torch.no_grad():
        reference = cell(x)
    assert_all_parity(lstm_cell(x.numpy(), arrays(cell)), reference)


SABOTAGES = {
    "f and i swapped": ("i, f, g, o = np.split", "f, i, g, o = np.split"),
    "g and o swapped": ("i, f, g, o = np.split", "i, f, o, g = np.split"),
    "bias_ih dropped": ('.T + w["bias_ih"] + w["bias_hh"]  # (time', '.T + w["bias_hh"]  # (time'),
    "bias_hh dropped": ('.T + w["bias_ih"] + w["bias_hh"]  # (time', '.T + w["bias_ih"]  # (time'),
    ".T skipped": ('from_x[t] + h @ w["weight_hh"].T', 'from_x[t] + h @ w["weight_hh"]'),
    "gates split along the batch": ("np.split(gates, GATES, axis=-1)", "np.split(gates, GATES)"),
    "h not carried": ("h = np.where(inside[t], new_h, h)", "h = h"),
    "c not carried": ("c = np.where(inside[t], new_c, c)", "c = c"),
    "tanh of c forgotten": ("sigmoid(o) * np.tanh(c), c", "sigmoid(o) * c, c"),
    "directions swapped": ("in enumerate(layer)", "in enumerate(layer[::-1])"),
    "both directions forwards": ("if backwards else", "if False else"),
    "backwards from the padding": (
        "np.where(inside[t], new_c, c)",
        "np.where(inside[t] | bool(backwards), new_c, c)",
    ),
    "beyond the lengths not zero": ("np.where(inside[t], h, 0)", "h"),
    "every layer from the first state": ("h_0[k], c_0[k]", "h_0[0], c_0[0]"),
    "lengths ignored": ("< lengths[:, None]", "< len(x) + 0 * lengths[:, None]"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    agree(lstm, FULL, "LSTM")
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        agree(broken.lstm, FULL, "LSTM")


def test_forgotten_projection_is_caught():
    agree(lstm, FULL, "LSTM", proj_size=2)
    broken = sabotaged(PATH, 'new_h @ w["weight_hr"].T', "new_h[:, :2]")
    with pytest.raises(AssertionError, match="off by"):
        agree(broken.lstm, FULL, "LSTM", proj_size=2)


def stored(gates=4, proj_size=0, num_layers=2, ends=("", "_reverse"), bias=True):
    """Return weights of LSTM(4, 5, 2, bidirectional=True), or nearly."""
    rng, weights = np.random.default_rng(0), {}
    h_out = proj_size or 5
    for k in range(num_layers):
        for end in ends:
            shapes = {
                "weight_ih": (gates * 5, len(ends) * h_out if k else 4),
                "weight_hh": (gates * 5, h_out),
                **({"bias_ih": (gates * 5,), "bias_hh": (gates * 5,)} if bias else {}),
                **({"weight_hr": (proj_size, 5)} if proj_size else {}),
            }
            for part, shape in shapes.items():
                weights[f"{part}_l{k}{end}"] = rng.uniform(-0.4, 0.4, shape)
    return weights


CELL = {name.removesuffix("_l0"): w for name, w in stored(num_layers=1, ends=[""]).items()}
X = np.random.default_rng(1).normal(size=(7, 3, 4))


def test_shape_comments():
    with executed(PATH) as (module, sizes):
        sizes.update(batch=3, time=7, input_size=4, hidden_size=5, num_layers=2, num_directions=2)
        sizes.update(h_out=5)
        module.lstm(X, stored())
        module.lstm_cell(X[0], CELL)
        module.lstm_cell(X[0, 0], CELL)
        sizes.update(h_out=2, proj_size=2)
        module.lstm(X.swapaxes(0, 1), stored(proj_size=2), batch_first=True, lengths=[4, 7, 2])
        sizes.update(batch=1)
        module.lstm(X[:, 0], stored(proj_size=2))


def test_what_lies_beyond_the_lengths_is_not_read():
    padded = X.copy()
    padded[4:, 0], padded[2:, 2] = np.nan, np.nan
    first = lstm(X, stored(), lengths=[4, 7, 2])
    second = lstm(padded, stored(), lengths=[4, 7, 2])
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert np.isfinite(second[0]).all()


def test_nothing_it_is_given_changes():
    weights, x, state = stored(), X.copy(), (np.ones((4, 3, 5)), np.ones((4, 3, 5)))
    lstm(x, weights, state, lengths=[4, 7, 2])
    lstm_cell(x[0], CELL, (state[0][0], state[1][0]))
    assert (x == X).all()
    assert all((s == 1).all() for s in state)
    assert all((weights[name] == w).all() for name, w in stored().items())


def test_takes_lists_of_integers_and_an_open_npz(tmp_path):
    np.savez(tmp_path / "model.npz", **stored())
    with np.load(tmp_path / "model.npz") as file:
        output, _ = lstm([[1, 2, 3, 4]] * 7, file)
    np.testing.assert_array_equal(output, lstm(np.tile([1.0, 2, 3, 4], (7, 1)), stored())[0])
    ones = {name: np.ones_like(w, dtype=int) for name, w in CELL.items()}
    assert lstm_cell([1, 2, 3, 4], ones)[0].dtype == np.float64


@pytest.mark.parametrize("v", [-1e308, -1e3, 0.0, 1e3, 1e308])
def test_sigmoid_never_overflows(v):
    assert sigmoid(np.float64(v)) == (np.sign(v) + 1) / 2


def say(text):
    return re.escape(text)


def without(*names):
    return {name: w for name, w in stored().items() if name not in names}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({f"lstm.{n}": w for n, w in stored().items()}, "lack ['weight_hh_l0', 'weight_ih_l0', "),
        (without("weight_hh_l1"), "lack ['weight_hh_l1']; they have ['weight_ih_l0', "),
        (without("bias_hh_l1_reverse"), "lack ['bias_hh_l1_reverse']"),
        (without("weight_ih_l1_reverse"), "lack ['weight_ih_l1_reverse']"),
        (CELL, "lack ['weight_hh_l0', 'weight_ih_l0', 'bias_ih_l0', 'bias_hh_l0']"),
        ({}, "lack ['weight_hh_l0', 'weight_ih_l0']; they have []"),
    ],
)
def test_a_missing_weight_is_named(weights, message):
    with pytest.raises(KeyError) as error:
        lstm(X, weights)
    assert message in error.value.args[0]


def test_a_missing_weight_of_a_cell_is_named():
    with pytest.raises(KeyError, match=r"lack \['weight_hh', .* they have \['weight_ih_l0'"):
        lstm_cell(X[0], stored())


@pytest.mark.parametrize(
    "weights",
    [
        stored() | {"fc.weight": np.ones((3, 5))},
        without("weight_ih_l0_reverse"),
        without("weight_ih_l1"),
        stored() | {"weight_hr_l1": np.ones((2, 5))},
    ],
)
def test_a_surplus_weight_is_named(weights):
    with pytest.raises(ValueError, match=r"weights have \['.*besides .*another layer's"):
        lstm(X, weights)


def test_a_projection_is_no_cell():
    with pytest.raises(ValueError, match=r"weights have \['weight_hr'\] besides"):
        lstm_cell(X[0], CELL | {"weight_hr": np.ones((2, 5))})


@pytest.mark.parametrize("proj_size", [0, 2])
@pytest.mark.parametrize("part", ["weight_ih", "weight_hh", "weight_hr"])
@pytest.mark.parametrize("end", ["_l0", "_l0_reverse", "_l1"])
def test_a_transposed_weight_is_recognised(part, end, proj_size):
    weights = stored(proj_size=proj_size)
    if (name := part + end) not in weights:
        return
    weights[name] = weights[name].T
    given = weights[name].shape
    message = say(f"{name} has shape {given}, expected {given[::-1]}: ") + ".*transposed"
    with pytest.raises(ValueError, match=message):
        lstm(X, weights)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        (3, "(15, 5), expected (20, 5): its rows make 3 of 4 gates; is this a GRU?"),
        (1, "(5, 5), expected (20, 5): its rows make 1 of 4 gates; is this an nn.RNN?"),
        (2, "(10, 5), expected (20, 5): is it another layer's?"),
    ],
)
def test_another_number_of_gates_is_recognised(gates, message):
    with pytest.raises(ValueError, match=say(f"weight_hh_l0 has shape {message}")):
        lstm(X, stored(gates))


@pytest.mark.parametrize("name", stored(proj_size=2))
@pytest.mark.parametrize("shape", [(9, 7), (9,), (0,), (0, 0), (), (4, 5, 4)])
def test_a_misshapen_weight_is_named(name, shape):
    weights = stored(proj_size=2) | {name: np.ones(shape)}
    with pytest.raises(ValueError, match=r"\w+_l\d\w* has shape \(.*\), expected \(.*\): "):
        lstm(X, weights)


@pytest.mark.parametrize("name", CELL)
@pytest.mark.parametrize("shape", [(9, 7), (9,), (0,), (0, 0), (), (4, 5, 4)])
def test_a_misshapen_weight_of_a_cell_is_named(name, shape):
    with pytest.raises(ValueError, match=r"\w+ has shape \(.*\), expected \(.*\): "):
        lstm_cell(X[0], CELL | {name: np.ones(shape)})


@pytest.mark.parametrize("shape", [(20, 0), (0, 4)])
def test_sizes_of_zero_are_refused_as_torch_refuses_them(shape):
    with pytest.raises(ValueError, match=r"weight_ih_l0 has shape .*, expected \(20, 1\)"):
        lstm(X, stored() | {"weight_ih_l0": np.ones(shape)})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4,), "x has shape (4,), expected (time, batch, 4) or (time, 4): a single step is"),
        ((2, 7, 3, 4), "x has shape (2, 7, 3, 4), expected (time, batch, 4) or (time, 4): "),
        ((7, 9), "x has shape (7, 9), expected 4 features in its last axis: is it another"),
        ((4, 3, 7), "x has shape (4, 3, 7), expected 4 features in its last axis: are the axes"),
        ((0, 3, 4), "x has shape (0, 3, 4), no time step: PyTorch refuses it too"),
        ((0, 4), "x has shape (0, 4), no time step: PyTorch refuses it too"),
    ],
)
def test_a_wrong_x_is_told_what_was_expected(shape, message):
    with pytest.raises(ValueError, match=say(message)):
        lstm(np.ones(shape), stored())


def test_batch_first_is_told_its_own_axes():
    with pytest.raises(ValueError, match=say("expected (batch, time, 4) or (time, 4)")):
        lstm(np.ones(4), stored(), batch_first=True)
    with pytest.raises(ValueError, match=say("x has shape (3, 0, 4), no time step")):
        lstm(np.ones((3, 0, 4)), stored(), batch_first=True)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 4), "x has shape (2, 3, 4), expected (batch, 4) or (4,): a cell takes one step"),
        ((), "x has shape (), expected (batch, 4) or (4,): a cell takes one step"),
        ((5,), "x has shape (5,), expected 4 features in its last axis: is it another"),
    ],
)
def test_a_wrong_x_of_a_cell_is_told_what_was_expected(shape, message):
    with pytest.raises(ValueError, match=say(message)):
        lstm_cell(np.ones(shape), CELL)


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (2, 3, 5), (4, 3, 4), (4, 1, 5)])
@pytest.mark.parametrize("which", [0, 1])
def test_a_wrong_state_is_told_what_was_expected(shape, which):
    state = [np.ones((4, 3, 5)), np.ones((4, 3, 5))]
    state[which] = np.ones(shape)
    message = f"{'hc'[which]} of state has shape {shape}, expected (4, 3, 5): "
    with pytest.raises(ValueError, match=say(message)):
        lstm(X, stored(), state)


def test_the_two_states_of_a_projection_differ():
    with pytest.raises(ValueError, match=say("h of state has shape (4, 3, 5), expected (4, 3, 2)")):
        lstm(X, stored(proj_size=2), (np.ones((4, 3, 5)), np.ones((4, 3, 5))))


def test_the_state_of_one_sequence_has_no_batch_axis():
    with pytest.raises(ValueError, match=say("h of state has shape (4, 1, 5), expected (4, 5)")):
        lstm(X[:, 0], stored(), (np.ones((4, 1, 5)), np.ones((4, 1, 5))))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (np.ones((2, 3, 5)), "state is a ndarray, expected the pair (h, c)"),
        ((np.ones((3, 5)),), "state is a tuple, expected the pair (h, c)"),
        ((np.ones(5), np.ones((3, 5))), "h of state has shape (5,), expected (3, 5): "),
    ],
)
def test_a_wrong_state_of_a_cell_is_told_what_was_expected(state, message):
    with pytest.raises(ValueError, match=say(message)):
        lstm_cell(X[0], CELL, state)


@pytest.mark.parametrize(
    "lengths",
    [[4, 7], [4, 7, 8], [0, 7, 2], [4, 7, -1], [4, 7, 2.5], [[4, 7, 2]], 4, [4, 7, np.nan], []],
    ids=str,
)
def test_wrong_lengths_are_told_what_was_expected(lengths):
    message = r"lengths are .*, expected 3 integers from 1 to 7, one a row of x \(7, 3, 4\): is"
    with pytest.raises(ValueError, match=message):
        lstm(X, stored(), lengths=lengths)


def test_lengths_need_a_batch_axis():
    message = "lengths need a batch axis, but x has shape (7, 4): cut x instead"
    with pytest.raises(ValueError, match=say(message)):
        lstm(X[:, 0], stored(), lengths=[7])
