"""A program takes the sizes that the model treats as it treated the example's, and no others."""

import numpy as np
import pytest

from snippets.port import PortError, port
from snippets.port.graph import Array, Ref
from snippets.port.guards import guards_of, holds
from tests.port.models import floats, nn, torch
from tests.port.programs import imported

KNOWN = {"x": Array(("batch", 3), "float32"), "y": Array(("batch", "time"), "float32")}
INPUTS = {"x": Ref("x"), "pair_0": (Ref("y"),)}
X, Y = "L['x'].size()[0]", "L['pair'][0][0].size()[1]"


@pytest.mark.parametrize(
    ("conditions", "ranges", "guards"),
    [
        ([f"{X} > 3"], {}, ["batch > 3"]),
        ([f"{X} > 3"], {"batch": (4, None)}, ["batch > 3"]),  # the range says the same
        ([], {"batch": (2, None), "time": (3, 9)}, ["time >= 3", "time <= 9"]),
        ([], {"u0": (0, None), "batch": (3, None)}, ["batch >= 3"]),  # u0 is found in the data
        ([f"{Y} == {Y}", f"{X} != 7"], {}, ["batch != 7"]),
        ([f"{X}**2 > 50"], {}, ["batch**2 > 50"]),
        ([f"{X}*{Y} < 4096"], {}, ["batch*time < 4096"]),
        ([f"(3*{X}) % 6 == 0", f"6*({X} // 2) == 3*{X}"], {}, ["(3*batch) % 6 == 0"]),
        ([f"{X} % ({X} // 2) == 0"], {}, ["batch % (batch // 2) == 0"]),
    ],
)
def test_conditions_in_the_words_of_the_sizes(conditions, ranges, guards):
    assert guards_of(conditions, ranges, INPUTS, KNOWN) == guards


def test_of_more_axes_than_can_be_tried_all_conditions_are_kept():
    known = KNOWN | {"z": Array(tuple(f"n{i}" for i in range(12)), "float32")}
    guards = guards_of([f"{X} > 3", f"{X} > 3"], {"batch": (4, None)}, INPUTS, known)
    assert guards == ["batch > 3", "batch >= 4"]


def test_what_can_not_be_said_is_refused():
    with pytest.raises(PortError, match=r"'z' is none of its arguments: give each by its name"):
        guards_of(["L['z'].size()[0] > 3"], {}, INPUTS, KNOWN)
    assert holds("max(1, batch // 2) != 1", {"batch": 4})
    assert not holds("max(1, batch // 2) != 1", {"batch": 3})
    with pytest.raises(PortError, match=r"unless Max\(batch, 3\) > 4, which no line of NumPy"):
        guards_of([f"Max({X}, 3) > 4"], {}, INPUTS, KNOWN)
    for long in (f"9**9**9 > {X}", f"({X} + 9)**9 > 3", f"1 << {X} > 3", f"'a'*{X} != 'b'"):
        with pytest.raises(PortError, match="which no line of NumPy says"):
            guards_of([long], {}, INPUTS, KNOWN)
    assert not holds("batch % (batch // 2) == 0", {"batch": 1})


class Of(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, y):
        return self.function(x, y)


BRANCHES = {
    "a length": lambda x, y: x if x.shape[0] > 3 else x * 2,
    "squeeze": lambda x, y: (x.squeeze(), y[1]),
    "parity": lambda x, y: x * 2 if x.shape[0] % 2 == 0 else x,
    "two lengths": lambda x, y: x if x.shape[0] > y.shape[0] else x * 2,
    "one": lambda x, y: x if x.shape[0] > 1 else x * 2,
    "none": lambda x, y: (x + y[0], y * 3),
}


SLOW = [pytest.param(name, marks=pytest.mark.thorough) for name in [*BRANCHES][2:]]


@pytest.mark.parametrize("name", [*[*BRANCHES][:2], *SLOW])
def test_each_size_gives_the_models_answer_or_an_error(tmp_path, name):
    model = Of(BRANCHES[name]).eval()
    dynamic = {"x": {0: "batch"}, "y": {0: "rows"}}
    folder = port(model, (floats(6, 3), floats(4, 3)), folder=tmp_path / "of", dynamic=dynamic)
    answered = 0
    with imported(folder) as package:
        for batch in range(1, 9):
            x, y = floats(batch, 3, seed=batch), floats(4, 3)
            with torch.no_grad():
                expected = model(x, y)
            try:
                ours = package.forward({}, x.numpy(), y.numpy())
            except ValueError:
                continue
            answered += 1
            expected = expected if isinstance(expected, tuple) else (expected,)
            ours = ours if isinstance(ours, tuple) else (ours,)
            for one, other in zip(ours, expected, strict=True):
                assert np.array_equal(one, other.numpy())
    assert answered >= (8 if name == "none" else 4)


HALVES = {
    "needless": lambda x, y: x * 2 if (x.shape[0] // 2) != 1 else x + x,
    "needed": lambda x, y: x * 2 if (x.shape[0] // 2) != 1 else x,
    "not taken": lambda x, y: x * 2 if (x.shape[0] // 2) != 1 else x @ y @ x,
}


@pytest.mark.parametrize("name", HALVES)
def test_what_is_1_is_refused_only_where_it_matters(tmp_path, name):
    model, dynamic = Of(HALVES[name]).eval(), {"x": {0: "batch"}, "y": None}
    port(model, (floats(6, 3), floats(5, 5)), folder=tmp_path / "of", dynamic=dynamic)
    said = (tmp_path / "of/model.py").read_text("utf-8")
    assert ("!= 1" in said) == (name != "needless")
