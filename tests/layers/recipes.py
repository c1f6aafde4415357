"""The table of test_every_recipe.py: every recipe, the arrays it is given, and torch's own call.

A file of recipes has a block of its own. A row says what is called and with what; the test
does the rest. Sizes differ, so that no axis stands for another.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from snippets.layers import activation, gru, lstm, rnn
from tests.layers.recurrent import stored, stored_cell

torch = pytest.importorskip("torch")
F = torch.nn.functional

normal = np.random.default_rng(0).normal


@dataclass(frozen=True)
class Row:
    """One call of a recipe, and the same call of torch.

    Parameters
    ----------
    recipe : function
        Called with the arrays and the options by name.
    arrays : dict
        What it reads. The floats, all float64 here, get the dtype under test; ids, masks and
        lengths stay integers or bools. The weights of a mapping are a dict in the dict.
    torchs : function
        Called with tensors in the same order, and the options by name.
    options : dict
        Numbers, words and tuples of them.
    empty : dict or str
        The shapes of x and the like when there is nothing in them. Without it, axis 0 of the
        first array is 0. A str says why there is no such call.
    keeps : str
        The kinds of numbers that come back as they are, "biu" for bools and integers.
    is_complex : bool
        Whether complex numbers are taken; otherwise they are refused.
    unlike : dict
        A check by name, and why PyTorch's answer is none to be compared with: the test then
        wants torch to raise, or to answer otherwise.
    """

    recipe: Callable
    arrays: dict
    torchs: Callable
    options: dict = field(default_factory=dict)
    empty: dict | str = field(default_factory=dict)
    keeps: str = ""
    is_complex: bool = False
    unlike: dict = field(default_factory=dict)


# Files whose rows are not here yet.
MISSING = set()
TABLE = {}


# ---- activation ----

MISSING |= {"activation"}
TABLE |= {
    "activation.sigmoid": Row(activation.sigmoid, {"x": normal(size=(3, 4))}, torch.sigmoid),
}


# ---- adaptive_softmax ----

MISSING |= {"adaptive_softmax"}


# ---- attention ----

MISSING |= {"attention"}


# ---- batch_norm ----

MISSING |= {"batch_norm"}


# ---- bilinear ----

MISSING |= {"bilinear"}


# ---- conv ----

MISSING |= {"conv"}


# ---- conv_transpose ----

MISSING |= {"conv_transpose"}


# ---- distance ----

MISSING |= {"distance"}


# ---- embedding ----

MISSING |= {"embedding"}


# ---- flatten ----

MISSING |= {"flatten"}


# ---- fold ----

MISSING |= {"fold"}


# ---- group_norm ----

MISSING |= {"group_norm"}


# ---- gru ----

TABLE |= {
    "gru.gru": Row(
        gru.gru,
        {"x": normal(size=(7, 3, 4)), "weights": stored(3), "h0": normal(size=(4, 3, 5))},
        lambda x, w, h: torch.gru(x, h, [*w.values()], True, 2, 0.0, False, True, False),
        empty={"x": (7, 0, 4), "h0": (4, 0, 5)},
        is_complex=True,
    ),
    "gru.gru_cell": Row(
        gru.gru_cell,
        {"x": normal(size=(3, 4)), "weights": stored_cell(3), "h": normal(size=(3, 5))},
        lambda x, w, h: torch.gru_cell(x, h, *w.values()),
        empty={"x": (0, 4), "h": (0, 5)},
        is_complex=True,
    ),
}


# ---- instance_norm ----

MISSING |= {"instance_norm"}


# ---- interpolate ----

MISSING |= {"interpolate"}


# ---- layer_norm ----

MISSING |= {"layer_norm"}


# ---- linear ----

MISSING |= {"linear"}


# ---- local_response_norm ----

MISSING |= {"local_response_norm"}


# ---- lstm ----


def torchs_lstm(x, w, state):
    with warnings.catch_warnings(action="ignore"):  # that oneDNN has no projections
        return torch.lstm(x, state, [*w.values()], True, 2, 0.0, False, True, False)


TABLE |= {
    "lstm.lstm": Row(
        lstm.lstm,
        {
            "x": normal(size=(7, 3, 4)),
            "weights": stored(4, proj_size=2),
            "state": (normal(size=(4, 3, 2)), normal(size=(4, 3, 5))),
        },
        torchs_lstm,
        empty={"x": (7, 0, 4), "state": ((4, 0, 2), (4, 0, 5))},
        is_complex=True,
    ),
    "lstm.lstm_cell": Row(
        lstm.lstm_cell,
        {
            "x": normal(size=(3, 4)),
            "weights": stored_cell(4),
            "state": (normal(size=(3, 5)), normal(size=(3, 5))),
        },
        lambda x, w, state: torch.lstm_cell(x, state, *w.values()),
        empty={"x": (0, 4), "state": ((0, 5), (0, 5))},
        is_complex=True,
    ),
}


# ---- padding ----

MISSING |= {"padding"}


# ---- pooling ----

MISSING |= {"pooling"}


# ---- rms_norm ----

MISSING |= {"rms_norm"}


# ---- rnn ----

TABLE |= {
    "rnn.rnn": Row(
        rnn.rnn,
        {"x": normal(size=(7, 3, 4)), "weights": stored(1), "h0": normal(size=(4, 3, 5))},
        lambda x, w, h: torch.rnn_tanh(x, h, [*w.values()], True, 2, 0.0, False, True, False),
        empty={"x": (7, 0, 4), "h0": (4, 0, 5)},
        is_complex=True,
    ),
    "rnn.rnn, relu": Row(
        rnn.rnn,
        {"x": normal(size=(7, 3, 4)), "weights": stored(1), "h0": normal(size=(4, 3, 5))},
        lambda x, w, h, nonlinearity: torch.rnn_relu(
            x, h, [*w.values()], True, 2, 0.0, False, True, False
        ),
        {"nonlinearity": "relu"},
        empty={"x": (7, 0, 4), "h0": (4, 0, 5)},
    ),
    "rnn.rnn_cell": Row(
        rnn.rnn_cell,
        {"x": normal(size=(3, 4)), "weights": stored_cell(1), "h": normal(size=(3, 5))},
        lambda x, w, h: torch.rnn_tanh_cell(x, h, *w.values()),
        empty={"x": (0, 4), "h": (0, 5)},
        is_complex=True,
    ),
}


# ---- shuffle ----

MISSING |= {"shuffle"}


# ---- transformer ----

MISSING |= {"transformer"}
