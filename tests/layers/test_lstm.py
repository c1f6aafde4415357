"""nn.LSTM and nn.LSTMCell in NumPy against torch, and what they say to wrong input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.lstm import lstm, lstm_cell
from tests import SNIPPETS_DIR
from tests.layers.recurrent import (
    DTYPES,
    FULL,
    NO_SHAPES,
    Recurrent,
    X,
    agree,
    cases,
    say,
    step_by_step,
    stored,
    stored_cell,
)
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "layers/lstm.py"


class TestLSTM(Recurrent):
    kind, layer, cell, gates = "LSTM", staticmethod(lstm), staticmethod(lstm_cell), 4


@settings(deadline=None, max_examples=100)
@given(case=cases(projected=True))
def test_equals_torch(case):
    agree(lstm, case, "LSTM")


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
    step_by_step(lstm_cell, "LSTM", sizes, batched, given_state, seed, dtype, bias=bias)


SIZE = "    size = c.shape[-1]\n"
SABOTAGES = {
    "f and i swapped": ("i, f, o = gates", "f, i, o = gates"),
    "g and o swapped": (
        SIZE,
        SIZE + "    gates = gates.reshape(-1, 4, size)[:, [0, 1, 3, 2]]\n"
        "    gates = gates.reshape(-1, 4 * size)\n",
    ),
    "gates interleaved": (
        SIZE,
        SIZE + "    gates = gates.reshape(-1, size, 4).swapaxes(1, 2)\n"
        "    gates = gates.reshape(-1, 4 * size)\n",
    ),
    "bias_ih dropped": ('bias = w["bias_ih"] + w["bias_hh"]', 'bias = w["bias_hh"]'),
    "bias_hh dropped": ('bias = w["bias_ih"] + w["bias_hh"]', 'bias = w["bias_ih"]'),
    ".T skipped": (
        'np.ascontiguousarray(w["weight_hh"].T)',
        'w["weight_hh"].reshape(w["weight_hh"].T.shape)',
    ),
    "c not carried": ("h, c = new_h, new_c", "h = new_h"),
    "tanh of c forgotten": ("o * np.tanh(c), c", "o * c, c"),
    "h runs on beyond the lengths": ("np.where(valid[t], new_h, h)", "new_h"),
    "backwards from the padding": ("new_c, c)  #", "new_c, new_c)  #"),
    "every layer from the first state": ("h_0[k], c_0[k]", "h_0[0], c_0[0]"),
    "h not carried": ("from_x[t] + h @", "from_x[t] + 0 * h @"),
    "directions swapped": ("in enumerate(layer)", "in enumerate(layer[::-1])"),
    "both directions forwards": ("if backwards else", "if False else"),
    "beyond the lengths not zero": ("np.where(valid[t], new_h, 0)", "new_h"),
    "one step too many": ("if t >= shortest", "if t > shortest"),
    "lengths ignored": ("< lengths[:, None]", "< time + 0 * lengths[:, None]"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    agree(lstm, FULL, "LSTM")
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        agree(broken.lstm, FULL, "LSTM")


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/lstm.py") as (module, sizes):
        sizes.update(batch=3, time=7, input_size=4, hidden_size=5, num_layers=2, num_directions=2)
        sizes.update(h_out=5)
        module.lstm(X, stored(4))
        module.lstm_cell(X[0], stored_cell(4))
        module.lstm_cell(X[0, 0], stored_cell(4))
        sizes.update(h_out=2, proj_size=2)
        module.lstm(X.swapaxes(0, 1), stored(4, 2), batch_first=True, lengths=[4, 7, 2])
        sizes.update(batch=1)
        module.lstm(X[:, 0], stored(4, 2))


def projected(proj_size=2):
    return stored(4, proj_size)


def test_projection_in_float32():
    agree(lstm, FULL, "LSTM", *DTYPES[1], proj_size=2)


def test_forgotten_projection_is_caught():
    agree(lstm, FULL, "LSTM", proj_size=2)
    broken = sabotaged(PATH, 'new_h @ w["weight_hr"].T', "new_h[:, :2]")
    with pytest.raises(AssertionError, match="off by"):
        agree(broken.lstm, FULL, "LSTM", proj_size=2)


@pytest.mark.parametrize("shape", NO_SHAPES)
def test_a_misshapen_weight_beside_a_projection_is_named(shape):
    for name in projected():
        with pytest.raises(ValueError, match=r"\w+_l\d\w* has shape \(.*\), expected \(.*\): "):
            lstm(X, projected() | {name: np.ones(shape)})


@pytest.mark.parametrize("name", [name for name in projected() if "weight" in name])
def test_a_transposed_weight_beside_a_projection_is_recognised(name):
    weights = projected()
    weights[name] = weights[name].T
    with pytest.raises(ValueError, match=f"{name} has shape .*transposed"):
        lstm(X, weights)


def test_a_projection_is_in_all_layers_or_in_none():
    weights = projected()
    del weights["weight_hr_l1_reverse"]
    with pytest.raises(KeyError, match=r"lack \['weight_hr_l1_reverse'\]"):
        lstm(X, weights)
    with pytest.raises(ValueError, match=r"have \['weight_hr_l1'\] besides"):
        lstm(X, stored(4) | {"weight_hr_l1": np.ones((2, 5))})


def test_the_two_states_of_a_projection_differ():
    with pytest.raises(ValueError, match=say("h of state has shape (4, 3, 5), expected (4, 3, 2)")):
        lstm(X, projected(), (np.ones((4, 3, 5)), np.ones((4, 3, 5))))


def test_a_wrong_c_is_named():
    with pytest.raises(ValueError, match=say("c of state has shape (3, 5), expected (4, 3, 5)")):
        lstm(X, stored(4), (np.ones((4, 3, 5)), np.ones((3, 5))))


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (np.ones((2, 3, 5)), "ndarray"),
        ((np.ones((3, 5)),), "tuple"),
        ([np.ones((3, 5)), None], "list"),
    ],
)
def test_the_state_is_a_pair(state, kind):
    with pytest.raises(ValueError, match=say(f"state is a {kind}, expected the pair (h, c)")):
        lstm_cell(X[0], stored_cell(4), state)
