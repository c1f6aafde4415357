"""``under`` against the submodules of live torch, and what it says to a wrong prefix."""

import re
import subprocess
import sys

import pytest

from snippets.state_dict import under
from tests import ROOT

STATE = {"encoder.lstm.weight": 1, "encoder.lstm.bias": 2, "encoder.lstm2.weight": 3, "scale": 4}


def test_is_what_the_submodule_holds():
    nn = pytest.importorskip("torch").nn
    model = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.LSTM(3, 2), nn.Linear(2, 5)))
    for name, module in list(model.named_modules())[1:]:
        ours = under(model.state_dict(), name)
        assert list(ours) == list(module.state_dict())
        assert all((ours[key] == values).all() for key, values in module.state_dict().items())


def test_a_name_that_only_begins_alike_is_left_out():
    assert under(STATE, "encoder.lstm") == {"weight": 1, "bias": 2}
    assert under(STATE, "encoder") == {"lstm.weight": 1, "lstm.bias": 2, "lstm2.weight": 3}


@pytest.mark.parametrize(
    ("prefix", "close"),
    [
        ("encoder.lstn", "['encoder.lstm', 'encoder.lstm2', 'encoder']"),
        ("encoder.lstm.", "['encoder.lstm', 'encoder.lstm2', 'encoder']"),
        ("scale", "['encoder', 'encoder.lstm', 'encoder.lstm2']"),
        ("", "['encoder', 'encoder.lstm', 'encoder.lstm2']"),
    ],
)
def test_a_prefix_that_is_not_there_is_told_what_is_close(prefix, close):
    with pytest.raises(
        KeyError, match=re.escape(f"nothing lies below {prefix!r}; close are {close}")
    ):
        under(STATE, prefix)


def test_a_recipe_that_needs_it_loads_nothing_of_the_registry():
    code = "import snippets.layers.transformer, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    ours = {name for name in loaded.stdout.split() if name.startswith("snippets.")}
    assert {name for name in ours if not name.startswith("snippets.layers")} == {
        "snippets.state_dict"
    }
