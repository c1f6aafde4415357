"""nn.RNN and nn.RNNCell in NumPy against torch, and what they say to wrong input."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.rnn import rnn, rnn_cell
from tests import SNIPPETS_DIR
from tests.layers.recurrent import (
    DTYPES,
    FULL,
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

PATH = SNIPPETS_DIR / "layers/rnn.py"


class TestRNN(Recurrent):
    kind, layer, cell, gates = "RNN", staticmethod(rnn), staticmethod(rnn_cell), 1


@settings(deadline=None, max_examples=100)
@given(case=cases(), how=st.sampled_from(["tanh", "relu"]))
def test_equals_torch(case, how):
    agree(rnn, case, "RNN", call={"nonlinearity": how}, nonlinearity=how)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.permutations(range(2, 8)).map(lambda p: p[:3]),
    batched=st.booleans(),
    bias=st.booleans(),
    given_state=st.booleans(),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from(DTYPES),
    how=st.sampled_from(["tanh", "relu"]),
)
def test_cell_equals_torch_over_steps(sizes, batched, bias, given_state, seed, dtype, how):
    step_by_step(
        rnn_cell,
        "RNN",
        sizes,
        batched,
        given_state,
        seed,
        dtype,
        bias=bias,
        call={"nonlinearity": how},
        nonlinearity=how,
    )


SABOTAGES = {
    ".T skipped": ('np.ascontiguousarray(w["weight_hh"].T)', 'w["weight_hh"]'),
    "bias_ih dropped": ('bias = w["bias_ih"] + w["bias_hh"]', 'bias = w["bias_hh"]'),
    "bias_hh dropped": ('bias = w["bias_ih"] + w["bias_hh"]', 'bias = w["bias_ih"]'),
    "relu for tanh": ('"tanh": np.tanh', '"tanh": lambda v: np.maximum(v, 0)'),
    "backwards from the padding": ("new_h, h)  #", "new_h, new_h)  #"),
    "every layer from the first state": ("h0[len(h_n)]", "h0[0]"),
    "h not carried": ("from_x[t] + h @", "from_x[t] + 0 * h @"),
    "directions swapped": ("in enumerate(layer)", "in enumerate(layer[::-1])"),
    "both directions forwards": ("if backwards else", "if False else"),
    "beyond the lengths not zero": ("np.where(valid[t], new_h, 0)", "new_h"),
    "one step too many": ("if t >= shortest", "if t > shortest"),
    "lengths ignored": ("< lengths[:, None]", "< time + 0 * lengths[:, None]"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    agree(rnn, FULL, "RNN")
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        agree(broken.rnn, FULL, "RNN")


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/rnn.py") as (module, sizes):
        sizes.update(batch=3, time=7, input_size=4, hidden_size=5, num_layers=2, num_directions=2)
        module.rnn(X.swapaxes(0, 1), stored(1), batch_first=True, lengths=[4, 7, 2])
        module.rnn_cell(X[0], stored_cell(1))
        module.rnn_cell(X[0, 0], stored_cell(1))
        sizes.update(batch=1)
        module.rnn(X[:, 0], stored(1))


def test_an_unknown_nonlinearity_is_refused():
    message = say("nonlinearity is 'sigmoid', expected one of ['tanh', 'relu']")
    with pytest.raises(ValueError, match=message):
        rnn(X, stored(1), nonlinearity="sigmoid")
    with pytest.raises(ValueError, match=message):
        rnn_cell(X[0], stored_cell(1), nonlinearity="sigmoid")
