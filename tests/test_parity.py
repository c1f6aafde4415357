"""``record`` on live torch models of every shape of output, ``compare`` on all that can differ."""

import re
import warnings
from collections import UserDict

import numpy as np
import pytest

import snippets.parity
from snippets.layers.gru import gru
from snippets.layers.lstm import lstm
from snippets.layers.rnn import rnn
from snippets.parity import TOLERANCES, compare, padded, record, unseen
from tests import SNIPPETS_DIR, parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "parity.py"


def read(path):
    with np.load(path) as file:
        return dict(file)


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch


@pytest.fixture
def recording(tmp_path):
    """Return a function that records a call and returns what was written."""

    def call(model, /, *inputs, **named):
        record(tmp_path / "recorded.npz", model, *inputs, **named)
        return read(tmp_path / "recorded.npz")

    return call


def calling(torch, forward, **layers):
    """Return a model of these layers, in eval(), with a function of (model, ...) as forward."""
    model = torch.nn.Module()
    for name, layer in layers.items():
        model.add_module(name, layer)
    model.forward = lambda *inputs, **named: forward(model, *inputs, **named)
    return model.eval()


def same(array, tensor):
    np.testing.assert_array_equal(array, tensor.detach().numpy(), strict=True)


# record


def test_holds_inputs_layers_and_output_in_order(torch, recording):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sequential(torch.nn.Tanh())).eval()
    x = torch.randn(2, 4)
    recorded = recording(model, x)
    assert list(recorded) == ["input/0", "layer/0", "layer/1.0", "layer/1", "output"]
    same(recorded["input/0"], x)
    same(recorded["layer/0"], model[0](x))
    same(recorded["output"], model(x))


def test_a_layer_called_again_is_numbered(torch, recording):
    model = calling(torch, lambda m, x: m.fc(m.fc(m.fc(x))), fc=torch.nn.Linear(3, 3))
    recorded = recording(model, x := torch.randn(2, 3))
    assert list(recorded) == ["input/0", "layer/fc", "layer/fc#2", "layer/fc#3", "output"]
    same(recorded["layer/fc#2"], model.fc(model.fc(x)))


def test_a_layer_under_two_names_is_recorded_once(torch, recording):
    layer = torch.nn.Linear(3, 3)
    recorded = recording(torch.nn.Sequential(layer, layer).eval(), torch.randn(2, 3))
    assert list(recorded) == ["input/0", "layer/0", "layer/0#2", "output"]


def test_parts_of_tuples_lists_and_dicts_are_named(torch, recording):
    def forward(m, x, pair, *, mask, scale):
        y, (h, c) = m.lstm(x)
        return {"y": y, "states": [h, c], "none": None, "text": "skipped", "steps": len(x)}

    model = calling(torch, forward, lstm=torch.nn.LSTM(3, 2))
    x, one = torch.randn(4, 3), torch.ones(1)
    pair = [one, UserDict(none=None)]
    recorded = recording(model, x, pair, mask=torch.tensor([True]), scale=UserDict(by=np.ones(2)))
    lstm = ["layer/lstm/0", "layer/lstm/1/0", "layer/lstm/1/1"]
    assert list(recorded) == [
        *["input/0", "input/1/0", "input/mask", "input/scale/by", *lstm],
        *["output/y", "output/states/0", "output/states/1", "output/steps"],
    ]
    same(recorded["output/states/1"], model.lstm(x)[1][1])
    assert recorded["input/mask"].dtype == bool
    assert recorded["output/steps"] == 4


def test_arguments_may_have_the_names_of_ours(torch, recording):
    model = calling(torch, lambda m, path, model: path + model)
    recorded = recording(model, path=torch.ones(2), model=torch.ones(2))
    assert list(recorded) == ["input/path", "input/model", "output"]


def test_packed_sequences_are_recorded(torch, recording):
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(3, 2), torch.randn(1, 2)])
    recorded = recording(torch.nn.GRU(2, 4).eval(), packed)
    assert list(recorded) == ["input/0/0", "input/0/1", "output/0/0", "output/0/1", "output/1"]


def test_what_works_in_place_changes_nothing_recorded(torch, recording):
    layers = {"fc": torch.nn.Linear(3, 2), "act": torch.nn.ReLU(inplace=True)}

    def forward(m, x, array):
        array += 1
        return m.act(m.fc(x.mul_(2)))

    model = calling(torch, forward, **layers)
    x, array = torch.randn(5, 3), np.ones(1)
    before = x.clone()
    recorded = recording(model, x, array)
    same(recorded["input/0"], before)
    assert recorded["input/1"] == 1
    same(recorded["layer/fc"], model.fc(2 * before))
    assert recorded["layer/fc"].min() < 0 <= recorded["layer/act"].min()


def test_the_model_may_require_grad_and_does_not_change(torch, recording):
    model = torch.nn.Linear(3, 2).eval()
    x = torch.randn(4, 3, requires_grad=True)
    same(recording(model, x)["output"], model(x))
    assert model(x).requires_grad


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_widened_exactly_and_remembered(torch, recording, half):
    dtype = getattr(torch, half)
    model = torch.nn.Linear(3, 2).to(dtype).eval()
    x = torch.tensor([[1.0, 2**-14, -0.0]], dtype=dtype)
    recorded = recording(model, x)
    assert list(recorded) == ["input/0", "output", half]
    assert recorded[half].tolist() == ["input/0", "output"]
    same(recorded["input/0"], x.float())
    same(recorded["output"], model(x).float())


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "complex64", "uint8"])
def test_other_dtypes_are_kept(torch, recording, dtype):
    recorded = recording(torch.nn.Identity().eval(), torch.ones(2, dtype=getattr(torch, dtype)))
    assert {name: a.dtype for name, a in recorded.items()} == {"input/0": dtype, "output": dtype}


def test_lazy_conjugates_and_negatives_are_recorded(torch, recording):
    x = torch.tensor([1 + 2j])
    model = calling(torch, lambda m, x, y: x)
    recorded = recording(model, x.conj(), x.conj().imag)
    assert recorded["output"] == 1 - 2j
    assert recorded["input/1"] == -2


def test_a_padded_batch_inside_an_encoder_is_recorded(torch, recording):
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 2).eval()
    x, hidden = torch.randn(2, 5, 8), torch.arange(5) >= torch.tensor([[5], [3]])
    # torch says once in a process that nested tensors are new.
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        output = model(x, src_key_padding_mask=hidden)
        recorded = recording(model, x, src_key_padding_mask=hidden)
    np.testing.assert_allclose(recorded["output"], output, atol=1e-6)
    assert recorded["layer/layers.1"].shape == (2, 5, 8)
    assert not recorded["layer/layers.1"][1, 3:].any()
    np.testing.assert_array_equal(recorded["layer/layers.1"], recorded["output"])


def hooks_of(model):
    return [hook for module in model.modules() for hook in module._forward_hooks]


def test_hooks_are_gone_afterwards(torch, recording):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()).eval()
    recording(model, torch.ones(1, 3))
    assert hooks_of(model) == []


def test_hooks_are_gone_when_forward_raises(torch, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)).eval()
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        record(tmp_path / "recorded.npz", model, torch.ones(1, 3))
    assert hooks_of(model) == []
    assert list(tmp_path.iterdir()) == []


def test_hooks_of_others_stay_and_are_obeyed(torch, recording):
    model = torch.nn.Sequential(torch.nn.ReLU()).eval()
    model[0].register_forward_hook(lambda module, inputs, output: output + 1)
    assert recording(model, torch.ones(2))["layer/0"].tolist() == [2, 2]
    assert len(hooks_of(model)) == 1


@pytest.mark.parametrize(("part", "named"), [("", "the model"), ("1.0", "1.0")])
def test_training_mode_is_refused(torch, recording, part, named):
    model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Dropout())).eval()
    model.get_submodule(part).train()
    message = (
        f"{named} is in training mode: dropout is random there, and batch norm follows the batch; "
        "call model.eval() first"
    )
    with pytest.raises(ValueError, match=whole(message)):
        recording(model, torch.ones(2))


def test_an_output_without_a_tensor_is_refused(torch, recording):
    with pytest.raises(ValueError, match=whole("the model returned a set without a tensor in it")):
        recording(calling(torch, lambda m, x: {x}), torch.ones(2))


# compare

RECORDED = {
    "input/0": np.array([1, 2]),
    "layer/a": np.array([[1.0, -8.0], [0.5, 0.0]]),
    "layer/b": np.zeros((0, 3), np.float32),
    "output": np.array([0.25, 0.5], np.float32),
}


def whole(text):
    """Match a message to its end."""
    return "^" + re.escape(text) + "$"


def test_names_all_that_agree_in_the_order_of_the_recording():
    assert compare(RECORDED, RECORDED) == list(RECORDED)
    ours = {name: RECORDED[name] for name in ("output", "layer/a")}
    assert compare(RECORDED, ours) == ["layer/a", "output"]


def test_takes_an_open_npz_and_lists(tmp_path):
    np.savez(tmp_path / "recorded.npz", **RECORDED)
    with np.load(tmp_path / "recorded.npz") as file:
        assert compare(file, {"layer/a": [[1.0, -8.0], [0.5, 0.0]]}) == ["layer/a"]


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64"])
@pytest.mark.parametrize("scale", [1e-6, 8.0])
def test_tolerance_is_relative_to_the_largest_number(dtype, scale):
    recorded = {"output": np.array([1e-3, -scale], dtype)}
    margin = TOLERANCES[dtype] * max(scale, 1e-3)
    for part, wrong in ((0.9, False), (1.1, True)):
        ours = {"output": recorded["output"] + np.array([part * margin, 0], dtype)}
        if wrong:
            with pytest.raises(
                AssertionError, match=r"^output differs: off by .* at \(0,\), where"
            ):
                compare(recorded, ours)
        else:
            compare(recorded, ours)


def test_imaginary_parts_count():
    recorded = {"output": np.array([1 + 2j])}
    with pytest.raises(AssertionError, match=r"^output differs: off by 4 at \(0,\)"):
        compare(recorded, {"output": recorded["output"].conj()})


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_compared_by_its_own_tolerance(half):
    recorded = {"a": np.float32([1.0]), "b": np.float32([1.0]), half: np.array(["b"])}
    ours = {"b": np.float32([1 + 0.9 * TOLERANCES[half]])}
    assert compare(recorded, ours) == ["b"]
    for name, off in (("b", 1.1 * TOLERANCES[half]), ("a", 0.9 * TOLERANCES[half])):
        with pytest.raises(AssertionError, match=f"^{name} differs: off by"):
            compare(recorded, {name: np.float32([1 + off])})


def test_tolerances_are_those_of_the_house_and_some_eps(torch):
    assert TOLERANCES["float64"] == TOLERANCES["complex128"] == parity.FLOAT64
    assert TOLERANCES["float32"] == TOLERANCES["complex64"] == parity.FLOAT32
    for half in ("float16", "bfloat16"):
        assert 3.5 < TOLERANCES[half] / torch.finfo(getattr(torch, half)).eps < 4.5


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_stays_within_its_tolerance(torch, half):
    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 6, enable_nested_tensor=False).eval()
    model, x = model.to(getattr(torch, half)), torch.randn(3, 7, 32).to(getattr(torch, half))
    with torch.no_grad():
        recorded, ours = model(x).float(), model.float()(x.float())
    half = {half: ["output"]}
    assert compare({"output": recorded.numpy()} | half, {"output": ours.numpy()}) == ["output"]


ZEROS = np.zeros(2)
NAN, INF = np.array([np.nan, 0.0]), np.array([1, -np.inf])


@pytest.mark.parametrize(
    ("recorded", "ours", "message"),
    [
        (np.ones(2), [1.5, -1.0], "off by 2 at (1,), where the largest number is 1"),
        (np.full((2, 1), -4.0), [[-4.0], [0]], "off by 4 at (1, 0), where the largest number is 4"),
        (np.float64(3), 4.0, "off by 1 at (), where the largest number is 3"),
        (ZEROS, [0, 1e-30], "off by 1e-30 at (1,), where the largest number is 0"),
        (ZEROS, ZEROS[:1], "ours is float64 (1,), recorded is float64 (2,)"),
        (ZEROS, ZEROS[None], "ours is float64 (1, 2), recorded is float64 (2,)"),
        (ZEROS, np.float32(ZEROS), "ours is float32 (2,), recorded is float64 (2,)"),
        (ZEROS, [0, 0], "ours is int64 (2,), recorded is float64 (2,)"),
        (NAN, NAN, "1 of 2 values of recorded are NaN or infinite"),
        (INF, INF, "1 of 2 values of recorded are NaN or infinite"),
        (ZEROS, NAN, "1 of 2 values of ours are NaN or infinite"),
        (ZEROS, INF, "1 of 2 values of ours are NaN or infinite"),
        (np.array([1, 2, 3]), [1, 0, 0], "2 of 3 values are not equal"),
        (np.array([True, False]), [False, False], "1 of 2 values are not equal"),
        (np.uint8([0]), np.uint8([255]), "1 of 1 values are not equal"),
        (np.int64([2**60]), np.int64([2**60 + 1]), "1 of 1 values are not equal"),
    ],
)
def test_a_difference_is_described(recorded, ours, message):
    with pytest.raises(AssertionError, match=whole(f"output differs: {message}")):
        compare({"output": recorded}, {"output": ours})


def test_the_first_difference_is_named_and_what_agrees_before_it():
    ours = RECORDED | {"layer/a": RECORDED["layer/a"] + 1, "output": RECORDED["output"] + 1}
    message = (
        "layer/a differs, input/0 before it agrees: off by 1 at (0, 0), "
        "where the largest number is 8"
    )
    with pytest.raises(AssertionError, match=whole(message)):
        compare(RECORDED, ours)
    del ours["layer/a"]
    with pytest.raises(
        AssertionError, match=r"^output differs, layer/b before it agrees: off by 1"
    ):
        compare(RECORDED, ours)


@pytest.mark.parametrize(
    ("name", "close"), [("layer/c", ["layer/b", "layer/a"]), ("??", list(RECORDED))]
)
def test_a_name_that_was_not_recorded_is_told_what_is_close(name, close):
    message = f"nothing was recorded as {name!r}; close are {close}"
    with pytest.raises(KeyError, match=re.escape(message)):
        compare(RECORDED, {"output": 0, name: 0})


def test_nothing_to_compare_is_refused():
    message = f"ours is empty: give at least one of {list(RECORDED)}"
    with pytest.raises(ValueError, match=whole(message)):
        compare(RECORDED, {})


# compare, with a tolerance and a mask


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex64"])
def test_rtol_takes_the_place_of_the_tolerance(dtype):
    recorded = {"output": np.array([1e-3, -8.0], dtype)}
    for off, agrees in ((0.9 * 0.02 * 8, True), (1.1 * 0.02 * 8, False)):
        ours = {"output": recorded["output"] + np.array([off, 0], dtype)}
        if agrees:
            assert compare(recorded, ours, rtol=0.02) == ["output"]
        else:
            with pytest.raises(AssertionError, match=r"^output differs: off by"):
                compare(recorded, ours, rtol=0.02)


def test_rtol_may_be_stricter_and_nothing_at_all():
    recorded = {"output": np.float32([1]), "half": np.float32([1]), "bfloat16": np.array(["half"])}
    for name in ("output", "half"):
        ours = {name: np.nextafter(recorded[name], np.float32(2))}
        assert compare(recorded, ours)
        with pytest.raises(AssertionError, match=f"^{name} differs"):
            compare(recorded, ours, rtol=0)


def test_rtol_is_not_for_integers():
    with pytest.raises(AssertionError, match="1 of 2 values are not equal"):
        compare({"output": np.array([100, 2])}, {"output": np.array([101, 2])}, rtol=0.5)


@pytest.mark.parametrize("rtol", [-1e-9, 1, 2.0, np.nan])
def test_an_rtol_that_means_nothing_is_refused(rtol):
    message = f"rtol is {rtol}: a part of the largest number, below 1, or zeros agree"
    with pytest.raises(ValueError, match=whole(message)):
        compare(RECORDED, RECORDED, rtol=rtol)


MASK = np.array([[True, True, False], [True, False, False]])  # (batch, time)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 2)])
def test_only_what_the_mask_lets_count_is_compared(dtype, shape):
    recorded = np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype)
    for place in np.ndindex(MASK.shape):
        ours = recorded.copy()
        ours[place] = 0
        if MASK[place]:
            with pytest.raises(AssertionError, match=r"^output differs"):
                compare({"output": recorded}, {"output": ours}, mask=MASK)
        else:
            assert compare({"output": recorded}, {"output": ours}, mask=MASK) == ["output"]


def test_what_does_not_count_is_neither_nan_nor_the_largest_number():
    recorded, ours = np.where(MASK, 1.0, np.nan), np.where(MASK, 1.0, 1e30)
    assert compare({"output": recorded}, {"output": ours}, mask=MASK.tolist()) == ["output"]
    recorded = np.where(MASK, 1.0, 1e30)
    ours = recorded - 2 * MASK
    with pytest.raises(
        AssertionError, match=r"off by 2 at \(0, 0\), where the largest number is 1"
    ):
        compare({"output": recorded}, {"output": ours}, mask=MASK)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([1, 0], "mask is int64, not bool: give True where numbers count"),
        ([0.0, -np.inf], "mask is float64, not bool: give True where numbers count"),
        ([False, False], "mask is False everywhere: nothing would be compared"),
        (
            [True] * 3,
            "layer/a is (2, 2), the mask is (3,), not its first axes: compare it in a call of "
            "its own",
        ),
        (
            np.ones((2, 2, 1), bool),
            "layer/a is (2, 2), the mask is (2, 2, 1), not its first axes: compare it in a call of "
            "its own",
        ),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(mask, message):
    with pytest.raises(ValueError, match=whole(message)):
        compare(RECORDED, {"layer/a": RECORDED["layer/a"]}, mask=mask)


# padded


def test_shape_comments():
    packed = {"x/0": np.arange(10).reshape(5, 2), "x/1": np.array([3, 2])}
    with executed(SNIPPETS_DIR / "parity.py") as (module, sizes):
        sizes.update(time=2, batch=3)
        module.padded(packed, "x")


@pytest.mark.parametrize("lengths", [[3, 1], [4], [1, 3, 2], [2, 4, 4, 1]])
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_a_packed_sequence_is_padded_as_torch_does_it(torch, recording, lengths, enforce_sorted):
    lengths = sorted(lengths, reverse=True) if enforce_sorted else lengths
    rows = [torch.randn(length, 2) for length in lengths]
    packed = torch.nn.utils.rnn.pack_sequence(rows, enforce_sorted=enforce_sorted)
    model = torch.nn.GRU(2, 5).eval()
    recorded = recording(model, packed)
    for name, sequence in (("input/0", packed), ("output/0", model(packed)[0])):
        x, of = padded(recorded, name)
        right, right_of = torch.nn.utils.rnn.pad_packed_sequence(sequence)
        np.testing.assert_allclose(x, right.detach(), atol=1e-6)
        np.testing.assert_array_equal(of, right_of)
        assert x.dtype == np.float32


@pytest.mark.parametrize("name", ["input/0/0", "layer/0", "pair", "floats", "output"])
def test_what_is_not_packed_is_refused(name):
    recorded = {"input/0/0": np.ones((4, 2)), "input/0/1": np.array([2, 1, 1])}
    recorded |= {"pair/0": np.ones((4, 2)), "pair/1": np.array([2, 1])}
    recorded |= {"floats/0": np.ones((2, 2)), "floats/1": np.ones(2), "output": np.ones(3)}
    recorded |= {"layer/0/1": np.array([1])}
    message = f"no PackedSequence was recorded as {name!r}: look at {list(recorded)}"
    with pytest.raises(ValueError, match=whole(message)):
        padded(recorded, name)
    assert padded(recorded, "input/0")[1].tolist() == [3, 1]


# unseen


def linears(w):
    """Return what two layers make of the rows of w["x"], the second only of what is positive."""
    h = np.maximum(w["x"] @ w["a.weight"].T + w["a.bias"], 0)
    return {"layer/a": h, "output": h @ w["b.weight"].T}


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    shapes = {"x": (6, 4), "a.weight": (5, 4), "a.bias": (5,), "b.weight": (3, 5)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def test_all_weights_are_seen(weights):
    assert unseen(linears(weights), linears, weights) == {}


@pytest.mark.parametrize(
    "value", [np.zeros(5), np.ones(5), np.zeros(5, np.float32), [0, 0, 0, 0, 0]]
)
def test_a_weight_whose_rows_are_equal_is_broken_all_the_same(weights, value):
    weights |= {"a.bias": value}
    assert unseen(linears(weights), linears, weights) == {}


def test_a_port_that_is_wrong_is_not_tried(weights):
    recorded = linears(weights)
    with pytest.raises(AssertionError, match=r"^output differs, layer/a before it agrees"):
        unseen(recorded, linears, weights | {"b.weight": -weights["b.weight"]})


@pytest.mark.parametrize("value", [np.ones((2, 3)), np.array(7), np.array([True, True])])
def test_what_is_never_read_is_unseen(weights, value):
    weights |= {"left": value}
    why = {"left": "nothing that was compared depends on it"}
    assert unseen(linears(weights), linears, weights) == why


def test_what_is_not_compared_is_unseen(weights):
    found = unseen(linears(weights), lambda w: {"layer/a": linears(w)["layer/a"]}, weights)
    assert found == {"b.weight": "nothing that was compared depends on it"}


@pytest.mark.parametrize("value", [np.array([False, True]), np.array([True, True]), np.array(2)])
def test_integers_and_bools_that_are_read_are_seen(weights, value):
    def run(w):
        return linears(w) | {"input/0": 3.0 * w["chosen"]}

    weights |= {"chosen": value}
    assert unseen(run(weights), run, weights) == {}


def test_a_port_that_refuses_a_broken_weight_has_seen_it(weights):
    def run(w):
        return linears(w) | {"input/0": np.eye(3)[w["ids"]]}

    weights |= {"ids": np.array([2])}
    assert unseen(run(weights), run, weights) == {}


def test_a_weight_that_meets_zeros_is_told(weights):
    weights |= {"a.bias": np.full(5, -100.0)}  # no unit of the first layer is ever positive
    assert unseen(linears(weights), linears, weights)["b.weight"] == (
        "it meets zeros, or ends in them: record other inputs"
    )


def test_a_weight_smaller_than_rounding_is_told(weights):
    weights |= {"a.bias": np.arange(5) * 1e-14}
    why = "it changes no more than rounding does: record float64"
    assert unseen(linears(weights), linears, weights) == {"a.bias": why}


def test_a_tied_twin_is_named(weights):
    weights |= {"copy": weights["b.weight"], "other": np.ones((3, 5))}
    assert unseen(linears(weights), linears, weights) == {
        "copy": "it equals b.weight, which is read in its place: tied, or a copy",
        "other": "nothing that was compared depends on it",
    }


@pytest.mark.parametrize("prefix", ["key", "attn.k_proj", "layers.0.linear_keys", "to_k", "k"])
def test_a_key_bias_cannot_matter(torch, recording, prefix):
    q, k, v = (torch.nn.Linear(4, 5).double() for _ in "qkv")

    def forward(m, x):
        return torch.nn.functional.scaled_dot_product_attention(m.q(x), m.k(x), m.v(x))

    model = calling(torch, forward, q=q, k=k, v=v)
    recorded = recording(model, torch.randn(2, 3, 4).double())
    names = {"q": "query", "k": prefix, "v": "value"}
    weights = {f"{names[name[0]]}{name[1:]}": p.numpy() for name, p in model.state_dict().items()}

    def run(w):
        x = recorded["input/0"]
        q, k, v = (x @ w[f"{n}.weight"].T + w[f"{n}.bias"] for n in names.values())
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(5)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        return {"output": scores / scores.sum(-1, keepdims=True) @ v}

    why = "a key bias: all scores of a query grow by the same, and softmax cancels it"
    assert unseen(recorded, run, weights) == {f"{prefix}.bias": why}


@pytest.mark.parametrize(
    "name", ["monkey.bias", "k.weight", "query.bias", "key.bias_k", "weight_hh_l0"]
)
def test_other_names_have_no_such_excuse(weights, name):
    beside = {"monkey.weight": 1.0, "key.weight": 1.0, "k.bias": 1.0, "weight_ih_l0": 1.0}
    weights |= beside | {name: np.array(2.0)}

    def run(w):
        return linears(w) | {"input/0": np.array([w[n] for n in beside if n != name])}

    why = {name: "nothing that was compared depends on it"}
    assert unseen(run(weights), run, weights) == why


def test_a_key_bias_beside_a_weight_that_nothing_reads_has_no_excuse(weights):
    weights |= {"key.weight": np.eye(3), "key.bias": np.arange(3.0)}
    nothing = "nothing that was compared depends on it"
    found = unseen(linears(weights), linears, weights)
    assert found == {"key.weight": nothing, "key.bias": nothing}
    del weights["key.weight"]
    assert unseen(linears(weights), linears, weights) == {"key.bias": nothing}


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_reverse_direction_of_which_the_last_step_is_read(torch, recording, kind):
    layer = getattr(torch.nn, kind)(3, 4, bidirectional=True).double()
    model = calling(torch, lambda m, x: m.lstm(x)[0][-1], lstm=layer)
    recorded = recording(model, torch.randn(5, 2, 3).double())
    recipe = {"RNN": rnn, "GRU": gru, "LSTM": lstm}[kind]
    weights = parity.arrays(layer)

    def last(w):
        return {"output": recipe(recorded["input/0"], w)[0][-1]}

    why = (
        "the reverse direction begins at the last step, from a state of zeros, and no other "
        "step of it was compared"
    )
    assert unseen(recorded, last, weights) == {"weight_hh_l0_reverse": why}

    def whole_sequence(w):
        return {"layer/lstm/0": recipe(recorded["input/0"], w)[0]}

    assert unseen(recorded, whole_sequence, weights) == {}


def test_unseen_takes_the_tolerance_and_the_mask_of_the_comparison(weights):
    recorded = linears(weights)
    ours = {name: values * (1 + 1e-4) for name, values in recorded.items()}
    counts = np.array([True] * 5 + [False])
    ours["output"][5] = np.nan

    def run(w):
        found = linears(w)
        return {name: found[name] + ours[name] - recorded[name] for name in found}

    assert unseen(recorded, run, weights, rtol=1e-3, mask=counts) == {}
    for options in ({"rtol": 1e-3}, {"mask": counts}):
        with pytest.raises(AssertionError, match="differs"):
            unseen(recorded, run, weights, **options)
    with pytest.raises(ValueError, match=r"^mask is False everywhere"):
        unseen(recorded, run, weights, mask=counts & False)


# Both together: a recording, a port of it, and one mistake at a time.

SLIPS = {
    "a square weight not transposed": ("layer/2", lambda w: w | {"2.weight": w["2.weight"].T}),
    "a bias forgotten": ("layer/0", lambda w: w | {"0.bias": 0 * w["0.bias"]}),
    "an affine forgotten": ("layer/1", lambda w: w | {"1.weight": np.ones_like(w["1.weight"])}),
    "two layers exchanged": (
        "layer/2",
        lambda w: w | {f"{i}.{n}": w[f"{6 - i}.{n}"] for i in (2, 4) for n in ("weight", "bias")},
    ),
}


def port(x, w):
    """The network of test_the_layer_with_the_slip_is_named in NumPy, all that it computes."""
    seen = {"layer/0": x @ w["0.weight"].T + w["0.bias"]}
    h = seen["layer/0"] - seen["layer/0"].mean(-1, keepdims=True)
    h = h / np.sqrt((h * h).mean(-1, keepdims=True) + 1e-5)
    seen["layer/1"] = h * w["1.weight"] + w["1.bias"]
    seen["layer/2"] = seen["layer/1"] @ w["2.weight"].T + w["2.bias"]
    seen["layer/3"] = np.maximum(seen["layer/2"], 0)
    seen["output"] = seen["layer/3"] @ w["4.weight"].T + w["4.bias"]
    return seen


@pytest.fixture(params=["float64", "float32"])
def ported(request, torch, recording):
    """Return a recording and the weights of its model, none of them left at 0 or 1."""
    nn = torch.nn
    layers = nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 3), nn.ReLU(inplace=True)
    model = nn.Sequential(*layers, nn.Linear(3, 3)).to(getattr(torch, request.param)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    recorded = recording(model, torch.randn(5, 4, dtype=getattr(torch, request.param)))
    return recorded, parity.arrays(model)


def test_a_port_agrees(ported):
    recorded, w = ported
    ours = port(recorded["input/0"], w)
    assert compare(recorded, ours) == ["layer/0", "layer/1", "layer/2", "layer/3", "output"]


@pytest.mark.parametrize("slip", SLIPS)
def test_the_layer_with_the_slip_is_named(ported, slip):
    recorded, w = ported
    layer, make = SLIPS[slip]
    with pytest.raises(AssertionError, match=f"^{layer} differs"):
        compare(recorded, port(recorded["input/0"], make(w)))


SABOTAGES = {
    "no copy": (".numpy().copy()", ".numpy()"),
    "hooks left": (".remove)", ".__repr__)"),
    "calls not counted": ("calls.get(name, 0) + 1", "1"),
    "halves forgotten": ("if dtype in halves:", "if False:"),
    "named arguments not kept": ('    keep("input", named)\n', ""),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(torch, tmp_path, name):
    def holds(module):
        fc, act = torch.nn.Linear(3, 3), torch.nn.ReLU(inplace=True)
        torch.nn.init.normal_(fc.weight)
        model = calling(torch, lambda m, x, y: m.act(m.fc(m.fc(x + y))), fc=fc, act=act)
        x, y = torch.randn(5, 3), torch.ones(5, 3).bfloat16()
        module.record(tmp_path / "recorded.npz", model, x, y=y)
        recorded = read(tmp_path / "recorded.npz")
        assert (recorded["layer/fc#2"] < 0).any()
        assert (recorded["input/y"] == 1).all()
        assert recorded["bfloat16"].tolist() == ["input/y"]
        assert hooks_of(model) == []

    holds(snippets.parity)
    with pytest.raises((AssertionError, KeyError)):
        holds(sabotaged(PATH, *SABOTAGES[name]))


def comparison_holds(module):
    """State what compare does with a tolerance and a mask."""
    recorded, mask = {"x": np.array([[8.0, 1.0], [2.0, 3.0]])}, np.array([True, False])
    agree = {"x": recorded["x"] * (1 + 1e-4)}
    wild = {"x": np.array([[8.0, 1.0], [np.nan, 900.0]])}
    assert module.compare(recorded, agree, rtol=1e-3) == ["x"]
    assert module.compare(recorded, wild, mask=mask) == ["x"]
    assert refuses(module.compare, recorded, agree)
    assert refuses(module.compare, recorded, agree, rtol=1e-5)
    assert refuses(module.compare, recorded, wild)
    assert refuses(module.compare, recorded, wild, mask=~mask)
    # Of what counts, the largest number is 3, not 8.
    assert refuses(module.compare, recorded, {"x": recorded["x"] + 5e-3}, rtol=1e-3, mask=~mask)
    assert refuses(module.compare, {"n": np.array([1000])}, {"n": np.array([1001])}, rtol=0.5)
    zeros = {"x": np.zeros((2, 2))}
    for options in ({"rtol": 1}, {"rtol": -1e-9}, {"mask": mask & False}, {"mask": mask * 1}):
        assert refuses(module.compare, zeros, zeros, **options)
    assert refuses(module.compare, recorded, recorded, mask=np.ones((2, 1), bool))


def unseen_holds(module):
    """State the reason that unseen gives for each weight that does not matter."""
    weights = {
        "fc": np.array([[1.0, 2.0], [3.0, 5.0]]),
        "tied": np.array([[1.0, 2.0], [3.0, 5.0]]),
        "zeros": np.array([4.0, 5.0]),
        "small": np.array([4.0, 5.0]),
        "never": np.array([6.0, 7.0]),
        "key.weight": np.array([1.0, 3.0]),
        "key.bias": np.array([1.0, 2.0]),
        "query.weight": np.array([2.0, 4.5]),
        "query.bias": np.array([1.0, 2.5]),
    }

    def run(w):
        x = w["fc"] + w["key.weight"] + w["query.weight"]
        return {"x": x + 0 * w["zeros"] + 1e-16 * w["small"]}

    assert module.unseen(run(weights), run, weights) == {
        "tied": "it equals fc, which is read in its place: tied, or a copy",
        "zeros": "it meets zeros, or ends in them: record other inputs",
        "small": "it changes no more than rounding does: record float64",
        "never": "nothing that was compared depends on it",
        "key.bias": "a key bias: all scores of a query grow by the same, and softmax cancels it",
        "query.bias": "nothing that was compared depends on it",
    }
    equal = {"fc": np.ones(2), "flag": np.array([True, True])}
    read = {"x": np.ones(2), "y": np.array([True, True])}
    assert module.unseen(read, lambda w: {"x": w["fc"], "y": w["flag"]}, equal) == {}
    # The second row does not count, and a thousandth is rounding.
    slight = {"fc": np.array([1.0, 1.0001]), "rest": np.array([2.0, 3.0])}
    recorded = {"x": np.array([2.0, np.nan]), "y": np.array([1.0, 1.0])}

    def rows(w):
        return {"x": np.array([2, w["rest"][0]]), "y": w["fc"]}

    assert module.unseen(recorded, rows, slight, mask=np.array([True, False]), rtol=1e-3) == {
        "fc": "it changes no more than rounding does: record float64",
        "rest": "nothing that was compared depends on it",
    }


def padding_holds(module):
    """State what a PackedSequence of three rows of lengths 1, 3 and 3 becomes."""
    packed = {"p/0": np.arange(1.0, 8.0), "p/1": np.array([3, 2, 2]), "p/3": np.array([2, 0, 1])}
    rows, lengths = module.padded(packed, "p")
    assert lengths.tolist() == [1, 3, 3]
    assert rows.T.tolist() == [[3, 0, 0], [1, 4, 6], [2, 5, 7]]
    in_order = {name: packed[name] for name in ("p/0", "p/1")}
    assert module.padded(in_order, "p")[1].tolist() == [3, 3, 1]
    for no in ({}, packed | {"p/1": np.array([3, 2])}, packed | {"p/1": np.array([3.0, 2.0, 2.0])}):
        assert refuses(module.padded, no, "p").startswith("no PackedSequence")


def refuses(function, *given, **options):
    """Return what a call says that fails in one of the ways that are documented, or ""."""
    try:
        function(*given, **options)
    except (AssertionError, KeyError, ValueError) as error:
        return str(error)
    return ""


MORE_SABOTAGES = {
    "rtol not taken": (comparison_holds, "tolerance if rtol is None else rtol", "tolerance"),
    "rtol for integers": (comparison_holds, "if tolerance is None:", "if tolerance is rtol:"),
    "rtol of 1": (comparison_holds, "not 0 <= rtol < 1", "not 0 <= rtol <= 1"),
    "a negative rtol": (comparison_holds, "not 0 <= rtol < 1", "not rtol < 1"),
    "mask not taken": (comparison_holds, "None if mask is None else what_counts(mask)", "None"),
    "mask the other way": (comparison_holds, "np.where(mask, a, np", "np.where(~mask, a, np"),
    "ours not masked": (
        comparison_holds,
        "ours, recorded = (np.where(",
        "_, recorded = (np.where(",
    ),
    "an empty mask": (comparison_holds, "if not mask.any():", "if False:"),
    "a mask of numbers": (comparison_holds, "if mask.dtype != bool:", "if False:"),
    "the largest of all": (
        comparison_holds,
        "    for whose, array in",
        "    recorded[0, 0] = 8\n    ours[0, 0] = 8\n    for whose, array in",
    ),
    "any mask fits": (
        comparison_holds,
        "if recorded.shape[: mask.ndim] != mask.shape:",
        "if False:",
    ),
    "rtol not handed on": (
        unseen_holds,
        "{**weights, **changed}), rtol=rtol, m",
        "{**weights, **changed}), m",
    ),
    "mask not handed on": (
        unseen_holds,
        "**changed}), rtol=rtol, mask=mask)",
        "**changed}), rtol=rtol)",
    ),
    "not broken": (unseen_holds, "return value[::-1]", "return value"),
    "equal rows not broken": (unseen_holds, "not np.array_equal(value, value[::-1])", "True"),
    "bools not broken": (unseen_holds, "return ~value", "return value"),
    "any name is a key's": (unseen_holds, "(?:k|keys?)", r"\w+"),
    "no name is a key's": (unseen_holds, "(?:k|keys?)", "kk"),
    "no twins": (unseen_holds, "twin := next(filter(matters, twins), None)", "twin := None"),
    "a twin that nothing reads": (
        unseen_holds,
        "next(filter(matters, twins), None)",
        "next(iter(weights))",
    ),
    "zeros for rounding": (unseen_holds, "same = all(", "same = not all("),
    "zeros not tried": (unseen_holds, "np.full_like(value, np.nan)", "value"),
    "order not restored": (padding_holds, 'recorded.get(f"{name}/3", slice(None))', "slice(None)"),
    "lengths in another order": (padding_holds, "mask.sum(0)[order]", "mask.sum(0)"),
    "lengths of steps": (padding_holds, "mask.sum(0)", "mask.sum(1)"),
    "batch first": (padding_holds, "rows[mask] = data", "rows.T[mask.T] = data"),
    "anything is packed": (padding_holds, 'steps.dtype.kind != "i" or ', ""),
    "any sum": (padding_holds, " or data.shape[:1] != (steps.sum(),)", ""),
}


@pytest.mark.parametrize("name", MORE_SABOTAGES)
def test_sabotage_of_the_comparison_is_caught(name):
    holds, *change = MORE_SABOTAGES[name]
    holds(snippets.parity)
    with pytest.raises((AssertionError, IndexError, ValueError, TypeError)):
        holds(sabotaged(PATH, *change))
