"""nn.GRU and nn.GRUCell in NumPy against torch, and what they say to wrong input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.gru import gru, gru_cell
from tests import SNIPPETS_DIR
from tests.layers.recurrent import (
    DTYPES,
    FULL,
    Recurrent,
    X,
    agree,
    cases,
    step_by_step,
    stored,
    stored_cell,
)
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "layers/gru.py"


class TestGRU(Recurrent):
    kind, layer, cell, gates = "GRU", staticmethod(gru), staticmethod(gru_cell), 3


@settings(deadline=None, max_examples=100)
@given(case=cases())
def test_equals_torch(case):
    agree(gru, case, "GRU")


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
    step_by_step(gru_cell, "GRU", sizes, batched, given_state, seed, dtype, bias=bias)


FROM_H = 'from_h = h @ w_hh + w["bias_hh"]  # (batch'
RESET_FIRST = """from_h = h @ w_hh + w["bias_hh"]
        r = 1 / (1 + np.exp(-(from_x[t] + from_h)[:, :5]))
        from_h[:, 10:] = ((r * h) @ w["weight_hh"][10:].T + w["bias_hh"][10:]) / r  # (batch"""
BIASES_SUMMED = """from_h = h @ w_hh + w["bias_hh"]
        r = 1 / (1 + np.exp(-(from_x[t] + from_h)[:, :5]))
        from_h[:, 10:] += w["bias_hh"][10:] * (1 / r - 1)  # (batch"""
SABOTAGES = {
    "r and z swapped": ("    n = np.tanh(", "    r, z = z, r\n    n = np.tanh("),
    "z flipped": ("n + z * (h - n)", "h + z * (n - h)"),
    "reset forgotten": ("np.tanh(n_x + r * n_h)", "np.tanh(n_x + n_h)"),
    "reset before the product": (FROM_H, RESET_FIRST),
    "the biases of n summed": (FROM_H, BIASES_SUMMED),
    "bias_ih dropped": ('w["weight_ih"], w["bias_ih"])', 'w["weight_ih"], 0)'),
    "bias_hh dropped": (FROM_H, FROM_H.replace(' + w["bias_hh"]', "")),
    ".T skipped": (
        'np.ascontiguousarray(w["weight_hh"].T)',
        'w["weight_hh"].reshape(w["weight_hh"].T.shape)',
    ),
    "backwards from the padding": ("new_h, h)  #", "new_h, new_h)  #"),
    "every layer from the first state": ("h0[len(h_n)]", "h0[0]"),
    "h not carried": (FROM_H, FROM_H.replace("= h", "= 0 * h")),
    "directions swapped": ("in enumerate(layer)", "in enumerate(layer[::-1])"),
    "both directions forwards": ("if backwards else", "if False else"),
    "beyond the lengths not zero": ("np.where(valid[t], new_h, 0)", "new_h"),
    "one step too many": ("if t >= shortest", "if t > shortest"),
    "lengths ignored": ("< lengths[:, None]", "< time + 0 * lengths[:, None]"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    agree(gru, FULL, "GRU")
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        agree(broken.gru, FULL, "GRU")


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/gru.py") as (module, sizes):
        sizes.update(batch=3, time=7, input_size=4, hidden_size=5, num_layers=2, num_directions=2)
        module.gru(X.swapaxes(0, 1), stored(3), batch_first=True, lengths=[4, 7, 2])
        module.gru_cell(X[0], stored_cell(3))
        module.gru_cell(X[0, 0], stored_cell(3))
        sizes.update(batch=1)
        module.gru(X[:, 0], stored(3))


def test_an_update_gate_that_is_nearly_closed_keeps_its_digits():
    # z = sigmoid(-20) is 2.06e-9, of which 1 / 2 + tanh(-10) / 2 would keep nothing in float32.
    weights = {name: np.zeros((3, 1), np.float32) for name in ("weight_ih", "weight_hh")}
    weights |= {name: np.full(3, -10, np.float32) for name in ("bias_ih", "bias_hh")}
    h = gru_cell(np.ones(1, np.float32), weights, np.float32([1e12]))
    np.testing.assert_allclose(h, 1e12 / (1 + np.exp(20)) - 1, rtol=1e-6)  # n is -1
