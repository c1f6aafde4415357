"""The table of test_every_recipe.py: every recipe, the arrays it is given, and torch's own call.

A file of recipes has a block of its own. A row says what is called and with what; the test
does the rest. Sizes differ, so that no axis stands for another.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from snippets.layers import activation

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

MISSING |= {"gru"}


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

MISSING |= {"lstm"}


# ---- padding ----

MISSING |= {"padding"}


# ---- pooling ----

MISSING |= {"pooling"}


# ---- rms_norm ----

MISSING |= {"rms_norm"}


# ---- rnn ----

MISSING |= {"rnn"}


# ---- shuffle ----

MISSING |= {"shuffle"}


# ---- transformer ----

MISSING |= {"transformer"}
