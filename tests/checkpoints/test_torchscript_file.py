"""``load_torchscript`` against the state_dict of ``torch.jit.load``, and against broken files."""

import re

import numpy as np
import pytest

from snippets.checkpoints import StandIn, load, load_torchscript
from tests import SNIPPETS_DIR
from tests.checkpoints.broken import (
    assert_broken_ones_are_refused_or_read,
    assert_cut_off_anywhere_is_refused,
    refusal,
)
from tests.checkpoints.fuzz import members_of, zipped_again
from tests.checkpoints.same import assert_same
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated
PATH = SNIPPETS_DIR / "checkpoints/torchscript_file.py"


class Model(torch.nn.Module):
    """Parameters behind buffers and modules, views, tensors that are no weights."""

    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.arange(6.0).reshape(2, 3).T)
        self.inner = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
        self.scale = torch.nn.Parameter(torch.randn(3))
        self.register_buffer("passing", torch.randn(2), persistent=False)
        self.register_buffer("low", torch.randn(2, 3).bfloat16())
        self.register_buffer("none", None)
        self.rnn = torch.nn.LSTM(3, 2)
        self.again = self.inner[0]
        self.no_weight = torch.ones(2)
        self.sizes = [1, 2]

    def forward(self, x):
        return self.inner(x) * self.scale + self.no_weight.sum()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "w.pt"
    # A class that another test has scripted would be called ___torch_mangle_0 here.
    torch._C._jit_clear_class_registry()
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    torch.jit._state._clear_class_state()
    torch.jit.save(torch.jit.script(Model()), path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, saved):
    (tmp_path / "w.pt").write_bytes(saved)
    return tmp_path / "w.pt"


@pytest.mark.parametrize("reader", [load, load_torchscript])
def test_the_state_dict_of_a_script(path, reader):
    assert_same(reader(path), torch.jit.load(path).state_dict())


def test_a_trace(path):
    layer = torch.nn.Linear(4, 2)
    torch.jit.save(torch.jit.trace(layer, torch.ones(1, 4), check_trace=False), path)
    assert_same(load(path), layer.state_dict())


def test_two_classes_of_one_name(path):
    """The second is in a folder ``___torch_mangle_0``."""

    class Model(torch.nn.Module):
        def __init__(self, inner=None):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(2))
            self.other, self.inner = torch.ones(1), inner

        def forward(self, x):
            return x * self.weight * self.other

    model = Model(torch.nn.ModuleList([Model(), torch.nn.Linear(2, 2)]))
    torch.jit.save(torch.jit.script(model), path)
    assert any("mangle" in name for name in members_of(path.read_bytes()))
    assert_same(load(path), torch.jit.load(path).state_dict())


def test_a_frozen_module_gives_its_constants(path):
    layer = torch.nn.Linear(2, 3).eval()
    torch.jit.save(torch.jit.freeze(torch.jit.script(layer)), path)
    assert len(torch.jit.load(path).state_dict()) == 0
    state = {"CONSTANTS.c0": layer.weight, "CONSTANTS.c1": layer.bias}
    assert_same(load(path), state)
    code = [text for name, text in members_of(path.read_bytes()).items() if name.endswith(".py")]
    assert b"CONSTANTS.c0, CONSTANTS.c1" in b"".join(code)  # as the code of the file calls them


def test_a_quantised_layer_gives_what_it_packs(path):
    layer = torch.nn.Sequential(torch.nn.Linear(2, 3))
    quantised = torch.ao.quantization.quantize_dynamic(layer, dtype=torch.qint8)
    torch.jit.save(torch.jit.script(quantised), path)
    theirs, bias = quantised.state_dict()["0._packed_params._packed_params"]
    ours = load(path)
    assert list(ours) == ["0._packed_params._packed_params"]
    weight, ours_bias = ours.popitem()[1]
    assert isinstance(weight, StandIn)
    assert np.array_equal(weight.args[0].reshape(3, 2), theirs.int_repr().numpy())
    assert np.array_equal(ours_bias, bias.detach().numpy())


def test_before_1_5_the_source_names_no_buffers(path):
    """Then all tensors of a module count, as they do for torch."""
    layer = torch.nn.BatchNorm1d(3)
    torch.jit.save(torch.jit.script(layer), path)
    rewrite(path, lambda name, data: BUFFERS.sub(b"", data) if name.endswith(".py") else data)
    assert_same(load(path), layer.state_dict())


BUFFERS = re.compile(rb"^  __buffers__ = .*\n", re.M)


def rewrite(path, change):
    members = members_of(path.read_bytes())
    changed = {name: change(name, data) for name, data in members.items()}
    path.write_bytes(zipped_again({n: data for n, data in changed.items() if data is not None}))


def test_a_class_that_is_no_module_has_no_weights(path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), path)
    rewrite(path, lambda name, data: data.replace(b"Linear(Module)", b"Linear(object)"))
    assert load(path) == {}


def test_big_endian_numbers(path):
    layer = torch.nn.Linear(2, 3)
    torch.jit.save(torch.jit.script(layer), path)

    def turned(name, data):
        if name.endswith("byteorder"):
            return b"big"
        return np.frombuffer(data, "<f4").astype(">f4").tobytes() if "/data/" in name else data

    rewrite(path, turned)
    assert_same(load(path), layer.state_dict())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("names is None or name in names", "True"),
        ("parameters + buffers", "parameters"),
        ('"data/"', '"constants/"'),
        ("todo += reversed(inner)", "todo += inner"),
    ],
)
def test_a_reader_that_is_wrong_is_found_out(path, old, new):
    wrong = sabotaged(PATH, old, new)
    with pytest.raises((AssertionError, ValueError)):
        assert_same(wrong.load_torchscript(path), torch.jit.load(path).state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, d: None if n.endswith("s.pkl") else d, "no TorchScript archive: it has ['w/.d"),
        (lambda n, d: b"\x80\2N." if n.endswith("data.pkl") else d, "its pickle holds no module"),
        (lambda n, d: None if n.endswith(".py") else d, "its pickle needs 'code/__torch__"),
        (lambda n, d: b"huge" if n.endswith("byteorder") else d, "its byte order is neither"),
        (lambda n, d: LOOP if n.endswith("data.pkl") else d, "its modules contain one another"),
        (lambda n, d: b"x" if n.endswith("data.pkl") else d, "it is cut off or damaged"),
    ],
)
def test_files_that_lie(path, change, message):
    rewrite(path, change)
    assert refusal(load_torchscript, path).startswith(message)


LOOP = b"\x80\2c__torch__.torch.nn.modules.linear\nLinear\n)\x81q\0}(Vinner\nh\0ub."


def test_harm_is_not_done(path, tmp_path):
    harm = b"cposix\nmkdir\nV%s\n\x85R" % str(tmp_path / "harmed").encode()
    pickle = b"\x80\2c__torch__.torch.nn.modules.linear\nLinear\n)\x81}Vscale\n" + harm + b"sb."
    rewrite(path, lambda name, data: pickle if name.endswith("data.pkl") else data)
    load(path)
    assert not (tmp_path / "harmed").exists()


def test_cut_off_or_broken(path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), path)
    rewrite(path, lambda name, data: None if "debug" in name or "id" in name else data)
    assert_cut_off_anywhere_is_refused(load, path, 7)
    assert_broken_ones_are_refused_or_read(load, path)
