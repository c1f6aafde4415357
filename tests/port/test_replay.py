"""``python -m my_model`` replays a recording."""

import numpy as np
import pytest

from snippets.parity import record
from snippets.port.replay import inputs_of, main
from tests.port.models import floats, nn

MODEL = nn.Linear(4, 3).double().eval()
WEIGHTS = {name: tensor.numpy() for name, tensor in MODEL.state_dict().items()}


def forward(w, x, more=None):
    return x @ w["weight"].T + w["bias"]


@pytest.fixture
def folder(tmp_path):
    record(tmp_path / "recorded.npz", MODEL, floats(2, 4))
    return tmp_path


def replayed(folder, *arguments, forward=forward):
    return main(lambda: WEIGHTS, forward, folder, list(arguments))


def test_a_recording_agrees(folder, capsys):
    assert replayed(folder) == 0
    assert replayed(folder, "--against", folder / "recorded.npz") == 0
    assert capsys.readouterr().out == "output agrees\n" * 2


def test_another_number_does_not(folder, capsys):
    assert replayed(folder, forward=lambda w, x: 2 * forward(w, x)) == 1
    assert "output differs: off by" in capsys.readouterr().out


def test_an_output_that_is_missing_does_not(folder, capsys):
    assert replayed(folder, forward=lambda w, x: (forward(w, x),)) == 1
    assert capsys.readouterr().out == "output is missing\n"


def test_a_recording_without_outputs_does_not(tmp_path, capsys):
    np.savez(tmp_path / "recorded.npz", **{"input/0": floats(2, 4).numpy()})
    assert replayed(tmp_path) == 1


def test_without_a_recording_nothing_is_proved(tmp_path, capsys):
    assert replayed(tmp_path) == 1
    assert "give one that PyTorch made" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--against"], ["recorded.npz"]])
def test_usage(folder, capsys, arguments):
    assert replayed(folder, *arguments) == 2
    assert "[--against recorded.npz ...]" in capsys.readouterr().out


def test_nested_inputs():
    entries = {"input/0/1": 3, "input/0/0": 2, "input/more/key": 4, "output": 5}
    recorded = {name: np.array(n) for name, n in sorted(entries.items())}
    assert inputs_of(recorded, ["x"]) == {"x": (2, 3), "more": {"key": 4}}
