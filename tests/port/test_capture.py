"""What torch.export captures, and what is refused: where it is in the source, a way out."""

import inspect
import re

import pytest

from snippets.port import PortError, port
from snippets.port.capture import calls_of, reason_of
from tests import ROOT
from tests.port.models import F, floats, nn, torch  # noqa: F401, a refused code is evaluated
from tests.port.programs import imported


class Of(nn.Module):
    """A model that is one function of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.fc = nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x, y=None):
        return self.function(self, x, y)


def refusal(function, *args, tmp_path, **options):
    """Return what port says of a model that is a function."""
    with pytest.raises(PortError) as told:
        port(Of(function).double().eval(), args, folder=tmp_path / "refused", **options)
    assert isinstance(told.value, ValueError)
    assert not list(tmp_path.iterdir())
    return str(told.value)


def counted(self, x):
    self.count += 1
    return x + self.count


def at_most_7(x):
    torch._check(x.argmax().item() <= 7)
    return x


X = floats(3, 4)
# {what forward returns: (example inputs, what is told)}
REFUSED = {
    "F.dropout(x)": ((X,), "dropout.default.*live.*eval"),
    "torch.lgamma(x)": ((X,), "aten.lgamma.default.*line.*row"),
    "x if x.sum() > 0 else -x": ((X,), "can't capture.*depends on the numbers.*torch.where"),
    "x + torch.rand_like(x)": ((X,), "random numbers.*pass them"),
    "counted(self, x)": ((X,), "'count', a buffer.*argument"),
    "x + y": ((X, X), "given twice.*clone"),
    "x.data": ((nn.utils.rnn.pack_sequence([X]),), "packed sequence.*lengths"),
    "slice(x)": ((X,), "capture"),
    "x[0]": ((), "called like this"),
    "-x": ((X.to("meta"),), "on meta.*cpu"),
    "at_most_7(x)": ((X,), "aten.item.default.*line.*row"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_what_is_refused(tmp_path, code):
    args, told = REFUSED[code]
    function = eval(f"lambda self, x, y: {code}", globals())
    assert re.search(told, refusal(function, *args, tmp_path=tmp_path))


def test_the_page_shows_what_is_refused():
    text = (ROOT / "docs/en/port/write-it.md").read_text("utf-8")
    table = text.partition("tests/port/test_capture.py -->")[2].partition("\n## ")[0]
    told = [code for row in table.splitlines() for code in re.findall("`(.+?)`", row)[:1]]
    assert [code for code in told if "x" in code] == list(REFUSED)[:7]


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), Gamma())

    def forward(self, x):
        return self.inner(x)


class Gamma(nn.Module):
    def forward(self, x):
        return torch.lgamma(x)


def test_the_module_and_the_line_are_the_users(tmp_path):
    line = inspect.getsourcelines(Gamma)[1] + 2
    place = re.escape(f"in inner.1 (Gamma), {__file__}, line {line}: return torch.lgamma(x)")
    with pytest.raises(PortError, match=place):
        port(Deep().eval(), (X.float(),), folder=tmp_path / "refused")


def test_training_mode_is_refused(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    with pytest.raises(PortError, match="the model is in training mode"):
        port(model, (X.float(),), folder=tmp_path / "refused")
    model.eval()[1].train()
    with pytest.raises(PortError, match="1 is in training mode"):
        port(model, (X.float(),), folder=tmp_path / "refused")


def test_several_inputs_are_one_tuple(tmp_path):
    said = "kwargs is a Tensor, not a dict: give several inputs in one tuple"
    with pytest.raises(PortError, match=said):
        port(Every().eval(), X, X + 1, folder=tmp_path / "refused")


def test_dynamic_names_inputs(tmp_path):
    said = refusal(lambda self, x, y: x, X, tmp_path=tmp_path, dynamic={"z": {0: "batch"}})
    assert "dynamic names ['z'], but the example inputs are ['x']" in said


class Counted(nn.Module):
    def forward(self, x):
        for i in range(x.shape[0]):
            x = x * i
        return x


def test_a_size_that_is_taken_as_a_number_is_named(tmp_path):
    with pytest.raises(PortError, match=r"takes axis 0 of x as the number 3.*out of dynamic"):
        port(Counted().eval(), (X,), folder=tmp_path / "refused", dynamic={"x": {0: "batch"}})


def test_a_cache_is_left_out():
    said = "Found <class 'transformers.DynamicCache'> in output, which is not a known type. If"
    assert "it returns a cache. Call it with use_cache=False" in reason_of(ValueError(said))


class Branch(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


def test_a_branch_on_numbers_is_told_with_its_line(tmp_path):
    line = inspect.getsourcelines(Branch)[1] + 2
    place = re.escape(f"a tensor, {__file__}, line {line}: if x.sum() > 0:. Write forward")
    with pytest.raises(PortError, match=place):
        port(Branch().eval(), (X,), folder=tmp_path / "refused")


class Every(nn.Module):
    """Takes arguments in every way that Python has."""

    def forward(self, x, *more, scale=1.0, **named):
        for one in (*more, *named.values()):
            x = x + scale * one
        return {"sum": x, "none": None, "parts": (x, [x.shape[0], 2])}


def test_every_kind_of_argument(tmp_path):
    args, kwargs = (X, X + 1, X + 2), {"scale": 0.5, "first": X + 3}
    folder = port(Every().eval(), args, kwargs, folder=tmp_path / "every")
    with imported(folder) as package:
        assert list(inspect.signature(package.forward).parameters) == [
            "w", "x", "more_0", "more_1", "scale", "first",
        ]  # fmt: skip
        arrays = [x.numpy() for x in (*args, kwargs["first"])]
        outputs = package.forward({}, *arrays[:3], 0.5, arrays[3])
        with pytest.raises(ValueError, match="scale is 2, but"):
            package.forward({}, *arrays[:3], 2, arrays[3])
    assert abs(outputs["sum"] - Every()(*args, **kwargs)["sum"].numpy()).max() < 1e-11
    assert outputs["none"] is None
    assert outputs["parts"][1] == [3, 2]


class Box:
    def __init__(self, x):
        self.x = x


def test_what_is_returned_is_plain(tmp_path):
    torch.utils._pytree.register_pytree_node(
        Box, lambda box: ([box.x], None), lambda parts, _: Box(*parts)
    )
    said = refusal(lambda self, x, y: Box(x), X, tmp_path=tmp_path)
    assert "the model returns a Box" in said


def test_bfloat16_weights_are_computed_in_float32(tmp_path):
    model = nn.Linear(4, 3).eval().to(torch.bfloat16)
    folder = port(model, (X.to(torch.bfloat16),), folder=tmp_path / "half")
    with imported(folder) as package:
        assert package.load()["weight"].dtype == "float32"


def test_an_axis_of_any_size(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Flatten(1, 2)).eval()
    dynamic = {"input": {0: "batch"}}
    folder = port(model, (torch.randn(2, 5, 4),), folder=tmp_path / "any", dynamic=dynamic)
    with imported(folder) as package:
        for batch in (1, 2, 7):
            x = torch.randn(batch, 5, 4)
            ours = package.forward(package.load(), x.numpy())
            assert abs(ours - model(x).detach().numpy()).max() < 1e-5
        with pytest.raises(ValueError, match=r"input has shape \(2, 6, 4\), but .*\(batch, 5, 4\)"):
            package.forward(package.load(), torch.randn(2, 6, 4).numpy())


@pytest.mark.parametrize("name", ['"]; import os; w["', "' + os + '", "a\\", "a\n"])
def test_a_name_that_torch_would_run_is_refused(tmp_path, name):
    model = nn.Linear(4, 4)
    model.register_parameter(name, nn.Parameter(torch.ones(1)))
    with pytest.raises(PortError, match="would run this as code"):
        port(model.eval(), (X.float(),), folder=tmp_path / "refused")


@pytest.mark.parametrize("name", ["w", "a b", "class"])
def test_an_argument_is_called_as_python_calls_one(tmp_path, name):
    with pytest.raises(PortError, match=f"called {name!r}"):
        port(Every().eval(), (X,), {name: X + 1}, folder=tmp_path / "refused")


class Halved(nn.Module):
    """A size that is more than a product of axes."""

    def forward(self, x, other):
        return x.reshape(x.shape[0] * 2, -1), x.new_ones(x.shape[0] // 2 + 1), other


def test_sizes_are_computed(tmp_path):
    dynamic = {"x": {0: torch.export.Dim("batch", min=3)}}
    other = torch.ones(2, dtype=torch.int64)
    folder = port(Halved().eval(), (X, other), folder=tmp_path / "halved", dynamic=dynamic)
    with imported(folder) as package:
        outputs = package.forward({}, floats(7, 4).numpy(), other.numpy())
    assert [len(output) for output in outputs] == [14, 4, 2]


def test_a_call_that_does_not_fit_says_so_itself():
    with pytest.raises(TypeError, match=r"forward\(\) missing"):
        calls_of(nn.Tanh(), (), {})
