"""What the tests of the recurrent layers share: random layers, PyTorch's answer, the refusals."""

import re
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity

DTYPES = [("float64", FLOAT64), ("float32", FLOAT32)]


class Case(NamedTuple):
    """The arguments of one layer and of one call."""

    input_size: int
    hidden_size: int
    batch: int | None
    time: int
    options: dict
    batch_first: bool
    lengths: list | None
    given_state: bool
    seed: int


@st.composite
def cases(draw, projected=False):
    """Draw sizes that all differ and are above 1, several steps, ragged lengths."""
    proj_size, hidden, *sizes = draw(st.permutations(range(2, 9)))[:5]
    if projected:
        proj_size, hidden = sorted([proj_size, hidden])
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
    }
    if projected:
        options["proj_size"] = draw(st.sampled_from([0, proj_size]))
    features, batch, time = sizes
    batched = draw(st.booleans())
    ragged = st.none() | st.lists(st.integers(1, time), min_size=batch, max_size=batch)
    return Case(
        input_size=features,
        hidden_size=hidden,
        batch=batch if batched else None,
        time=time,
        options=options,
        batch_first=draw(st.booleans()),
        lengths=draw(ragged) if batched else None,
        given_state=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32)),
    )


# Everything at once: what a sabotage is tried on.
FULL = Case(
    input_size=4,
    hidden_size=5,
    batch=3,
    time=7,
    options={"num_layers": 2, "bidirectional": True},
    batch_first=True,
    lengths=[4, 7, 2],
    given_state=True,
    seed=0,
)


def run_torch(case, kind, dtype="float64", **options):
    """Return the weights, x and state of a layer as arrays, and what torch makes of them."""
    torch = pytest.importorskip("torch")
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.manual_seed(case.seed)
    dtype = getattr(torch, dtype)
    layer = getattr(torch.nn, kind)(
        case.input_size,
        case.hidden_size,
        batch_first=case.batch_first,
        dtype=dtype,
        **(case.options | options),
    )
    lead = [case.time] if case.batch is None else [case.time, case.batch]
    x = torch.randn(*lead, case.input_size, dtype=dtype)
    if case.batch_first and case.batch is not None:
        x = x.transpose(0, 1)
    state = None
    if case.given_state:
        count = layer.num_layers * (1 + layer.bidirectional)
        state = torch.randn(count, *lead[1:], layer.proj_size or layer.hidden_size, dtype=dtype)
        if kind == "LSTM":
            state = state, torch.randn(count, *lead[1:], layer.hidden_size, dtype=dtype)
    with torch.no_grad():
        if case.lengths is None:
            output, last = layer(x, state)
        else:
            packed = pack_padded_sequence(x, case.lengths, case.batch_first, enforce_sorted=False)
            output, last = layer(packed, state)
            output, _ = pad_packed_sequence(output, case.batch_first, total_length=case.time)
    if kind == "LSTM" and state:
        state = tuple(s.numpy() for s in state)
    elif state is not None:
        state = state.numpy()
    return arrays(layer), x.numpy(), state, flat(output, last)


def flat(output, last):
    """Return output, h_n or output, h_n, c_n as one tuple."""
    return (output, *last) if isinstance(last, tuple) else (output, last)


def assert_all_parity(ours, reference, tolerance=FLOAT64):
    """Fail unless each array has parity with its reference."""
    for array, expected in zip(ours, reference, strict=True):
        assert_parity(array, expected, tolerance)


def agree(function, case, kind, dtype="float64", tolerance=FLOAT64, call=None, **options):
    """Fail unless the recipe and torch agree on a case."""
    weights, x, state, reference = run_torch(case, kind, dtype, **options)
    ours = function(
        x, weights, state, batch_first=case.batch_first, lengths=case.lengths, **(call or {})
    )
    assert_all_parity(flat(*ours), reference, tolerance)


def step_by_step(function, kind, sizes, batched, given_state, seed, dtype, call=None, **options):
    """Fail unless the recipe of a cell and torch agree over three steps."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    exact, tolerance = getattr(torch, dtype[0]), dtype[1]
    features, hidden, batch = sizes
    cell = getattr(torch.nn, kind + "Cell")(features, hidden, dtype=exact, **options)
    lead = [batch] if batched else []
    reference = ours = None
    if given_state:
        reference = torch.randn(*lead, hidden, dtype=exact)
        ours = reference.numpy()
        if kind == "LSTM":
            cells = torch.randn(*lead, hidden, dtype=exact)
            reference, ours = (reference, cells), (ours, cells.numpy())
    for x in torch.randn(3, *lead, features, dtype=exact):
        with torch.no_grad():
            reference = cell(x, reference)
        ours = function(x.numpy(), arrays(cell), ours, **(call or {}))
        pair = isinstance(ours, tuple)
        assert_all_parity(ours if pair else [ours], reference if pair else [reference], tolerance)


X = np.random.default_rng(1).normal(size=(7, 3, 4))


def stored(gates, proj_size=0, num_layers=2, ends=("", "_reverse")):
    """Return weights of a layer of 4 features and 5 hidden units, of so many gates."""
    rng, weights = np.random.default_rng(0), {}
    h_out = proj_size or 5
    for k in range(num_layers):
        for end in ends:
            shapes = {
                "weight_ih": (gates * 5, len(ends) * h_out if k else 4),
                "weight_hh": (gates * 5, h_out),
                "bias_ih": (gates * 5,),
                "bias_hh": (gates * 5,),
            }
            if proj_size:
                shapes["weight_hr"] = (proj_size, 5)
            for part, shape in shapes.items():
                weights[f"{part}_l{k}{end}"] = rng.uniform(-0.4, 0.4, shape)
    return weights


def stored_cell(gates):
    """Return weights of a cell of 4 features and 5 hidden units."""
    weights = stored(gates, num_layers=1, ends=[""])
    return {name.removesuffix("_l0"): w for name, w in weights.items()}


def say(text):
    """Return a pattern for this very text."""
    return re.escape(text)


NO_SHAPES = [(9, 7), (9,), (0,), (0, 0), (), (4, 5, 4)]


class Recurrent:
    """Tests that every recurrent recipe passes; a subclass names the layer, its cell, its gates."""

    kind = layer = cell = gates = None

    def weights(self):
        return stored(self.gates)

    def without(self, name):
        weights = self.weights()
        del weights[name]
        return weights

    def state(self, *shape):
        """Return a state of ones."""
        return (np.ones(shape), np.ones(shape)) if self.kind == "LSTM" else np.ones(shape)

    def test_float32_stays_float32(self):
        agree(self.layer, FULL, self.kind, "float32", FLOAT32)
        agree(self.layer, FULL._replace(given_state=False), self.kind, "float32", FLOAT32)

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d[0])
    def test_equals_torch_over_many_steps(self, dtype):
        agree(self.layer, FULL._replace(time=1000, lengths=None), self.kind, *dtype)

    @pytest.mark.parametrize(
        "change",
        [
            {"time": 1, "lengths": [1, 1, 1]},
            {"batch": 1, "lengths": [4]},
            {"input_size": 1},
            {"hidden_size": 1},
            {"input_size": 1, "hidden_size": 1, "batch": 1, "time": 1, "lengths": None},
            {"batch": 0, "lengths": None},
        ],
        ids=str,
    )
    def test_sizes_of_one_and_a_batch_of_none(self, change):
        agree(self.layer, FULL._replace(**change), self.kind)

    def test_lengths_of_no_rows_are_none_though_torch_cannot_pack_them(self):
        output, _ = self.layer(X[:, :0], self.weights(), lengths=[])
        assert output.shape == (7, 0, 10)

    @pytest.mark.parametrize("batch", [0, 1])
    def test_cell_takes_a_batch_of_none_and_of_one(self, batch):
        step_by_step(self.cell, self.kind, (4, 5, batch), True, True, 0, DTYPES[0])

    def test_what_lies_beyond_the_lengths_is_not_read(self):
        padded = X.copy()
        padded[4:, 0], padded[2:, 2] = np.nan, np.nan
        first = flat(*self.layer(X, self.weights(), lengths=[4, 7, 2]))
        second = flat(*self.layer(padded, self.weights(), lengths=[4, 7, 2]))
        for one, other in zip(first, second, strict=True):
            assert np.isfinite(other).all()
            np.testing.assert_array_equal(one, other)

    def test_nothing_it_is_given_changes(self):
        weights, x, state = self.weights(), X.copy(), self.state(4, 3, 5)
        self.layer(x, weights, state, lengths=[4, 7, 2])
        self.cell(x[0], stored_cell(self.gates), self.state(3, 5))
        assert (x == X).all()
        assert (np.asarray(state) == 1).all()
        assert all((weights[name] == w).all() for name, w in self.weights().items())

    def test_takes_lists_of_integers_and_an_open_npz(self, tmp_path):
        np.savez(tmp_path / "model.npz", **self.weights())
        with np.load(tmp_path / "model.npz") as file:
            output, _ = self.layer([[1, 2, 3, 4]] * 7, file)
        again, _ = self.layer(np.tile([1.0, 2, 3, 4], (7, 1)), self.weights())
        np.testing.assert_array_equal(output, again)

    @pytest.mark.parametrize("part", ["weight_ih", "weight_hh", "bias_ih", "bias_hh"])
    @pytest.mark.parametrize("end", ["_l0_reverse", "_l1", "_l1_reverse"])
    def test_a_missing_weight_is_named(self, part, end):
        missing = part + end
        if missing in ("weight_ih_l0_reverse", "weight_ih_l1"):
            return  # then there is no second direction, no second layer
        with pytest.raises(KeyError, match=rf"lack \['{missing}'\]; they have \['weight_ih_l0', "):
            self.layer(X, self.without(missing))

    @pytest.mark.parametrize("missing", ["weight_ih_l0_reverse", "weight_ih_l1"])
    def test_what_belongs_to_a_missing_weight_is_too_many(self, missing):
        with pytest.raises(ValueError, match=r"weights have \['.*besides .*another layer's"):
            self.layer(X, self.without(missing))

    def test_names_of_others_are_shown(self):
        prefixed = {f"net.{name}": w for name, w in self.weights().items()}
        message = r"lack \['weight_hh_l0', .*'bias_hh_l0'\]; .* \['net\.weight_ih_l0'.*own names"
        with pytest.raises(KeyError, match=message):
            self.layer(X, prefixed)
        with pytest.raises(KeyError, match=r"lack \['weight_hh_l0', 'weight_ih_l0'\]; .* \[\]"):
            self.layer(X, {})
        with pytest.raises(KeyError, match=r"lack \['weight_hh', .* they have \['weight_ih_l0'"):
            self.cell(X[0], self.weights())

    def test_weights_without_their_names_are_refused(self):
        message = (
            "weights are a list, expected a mapping from names to arrays: take state_dict() as"
        )
        with pytest.raises(TypeError, match=say(message)):
            self.layer(X, list(self.weights().values()))
        with pytest.raises(TypeError, match=say(message)):
            self.cell(X[0], list(stored_cell(self.gates).values()))

    def test_weights_one_level_below_are_found(self):
        slip = "they have ['net', 'step']. Other names lie below ['net']: is it weights['net']?"
        with pytest.raises(KeyError, match=say(slip)):
            self.layer(X, {"net": self.weights(), "step": np.ones(())})

    def test_what_is_no_number_is_refused(self):
        message = "OrderedDict of dtype object given, expected an array of numbers: was one of its"
        with pytest.raises(ValueError, match=say(message)):
            self.layer(X, self.weights() | {"bias_hh_l1": OrderedDict(bias=np.ones(5))})

    def test_a_surplus_weight_is_named(self):
        with pytest.raises(ValueError, match=r"weights have \['fc\.weight'\] besides"):
            self.layer(X, self.weights() | {"fc.weight": np.ones((3, 5))})
        with pytest.raises(ValueError, match=r"weights have \['weight_hr'\] besides"):
            self.cell(X[0], stored_cell(self.gates) | {"weight_hr": np.ones((2, 5))})

    @pytest.mark.parametrize("name", stored(1))
    def test_a_transposed_weight_is_recognised(self, name):
        weights = self.weights()
        weights[name] = weights[name].T
        given = weights[name].shape
        if given == given[::-1]:
            return  # nothing shows it: a bias, the square weight_hh of nn.RNN
        message = f"{name} has shape {given}, expected {given[::-1]}: PyTorch stores one row per"
        with pytest.raises(ValueError, match=say(message) + ".*transposed"):
            self.layer(X, weights)

    @pytest.mark.parametrize("gates", [1, 2, 3, 4])
    def test_another_number_of_gates_is_recognised(self, gates):
        if gates == self.gates:
            return
        name = {1: "is this an nn.RNN", 3: "is this a GRU", 4: "is this an LSTM"}.get(gates)
        slip = f"it has {gates} * hidden_size rows, not {self.gates}; {name}?"
        expected = f"expected {(self.gates * 5, 5)}: {slip if name else 'is it another layer'}"
        with pytest.raises(ValueError, match=say(f"_hh_l0 has shape {(gates * 5, 5)}, {expected}")):
            self.layer(X, stored(gates))
        with pytest.raises(ValueError, match=say(f"_hh has shape {(gates * 5, 5)}, {expected}")):
            self.cell(X[0], stored_cell(gates))

    @pytest.mark.parametrize("shape", NO_SHAPES)
    def test_a_misshapen_weight_is_named(self, shape):
        for name in stored(1):
            with pytest.raises(ValueError, match=r"_l\d\w* has shape \(.*\), expected \(.*\): "):
                self.layer(X, self.weights() | {name: np.ones(shape)})
        for name in stored_cell(1):
            with pytest.raises(ValueError, match=r"\w+ has shape \(.*\), expected \(.*\): "):
                self.cell(X[0], stored_cell(self.gates) | {name: np.ones(shape)})

    def test_other_columns_are_no_other_number_of_gates(self):
        rows = self.gates * 5
        message = f"weight_ih_l1 has shape ({rows}, 7), expected ({rows}, 10): is it another layer"
        with pytest.raises(ValueError, match=say(message)):
            self.layer(X, self.weights() | {"weight_ih_l1": np.ones((rows, 7))})

    def test_an_input_size_of_zero_is_refused_as_torch_refuses_it(self):
        rows = self.gates * 5
        message = f"weight_ih_l0 has shape ({rows}, 0), expected ({rows}, 1): "
        with pytest.raises(ValueError, match=say(message)):
            self.layer(X, self.weights() | {"weight_ih_l0": np.ones((rows, 0))})

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((4,), "expected (time, batch, 4) or (time, 4): a single step is a sequence of one"),
            ((2, 7, 3, 4), "expected (time, batch, 4) or (time, 4): a single step is"),
            ((7, 9), "expected 4 features in its last axis: is it another layer's?"),
            ((4, 3, 7), "expected 4 features in its last axis: are the axes in another order?"),
            ((0, 3, 4), "no time step: PyTorch refuses it too"),
            ((0, 4), "no time step: PyTorch refuses it too"),
        ],
    )
    def test_a_wrong_x_is_told_what_was_expected(self, shape, message):
        with pytest.raises(ValueError, match=say(f"x has shape {shape}, {message}")):
            self.layer(np.ones(shape), self.weights())

    def test_batch_first_is_told_its_own_axes(self):
        with pytest.raises(ValueError, match=say("expected (batch, time, 4) or (time, 4)")):
            self.layer(np.ones(4), self.weights(), batch_first=True)
        with pytest.raises(ValueError, match=say("x has shape (3, 0, 4), no time step")):
            self.layer(np.ones((3, 0, 4)), self.weights(), batch_first=True)

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((2, 3, 4), "expected (batch, 4) or (4,): a cell takes one step; is this a sequence?"),
            ((), "expected (batch, 4) or (4,): a cell takes one step"),
            ((5,), "expected 4 features in its last axis: is it another layer's?"),
        ],
    )
    def test_a_wrong_x_of_a_cell_is_told_what_was_expected(self, shape, message):
        with pytest.raises(ValueError, match=say(f"x has shape {shape}, {message}")):
            self.cell(np.ones(shape), stored_cell(self.gates))

    @pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (2, 3, 5), (4, 3, 4), (4, 1, 5)])
    def test_a_wrong_state_is_told_what_was_expected(self, shape):
        with pytest.raises(ValueError, match=say(f"state has shape {shape}, expected (4, 3, 5): ")):
            self.layer(X, self.weights(), self.state(*shape))

    def test_the_state_of_one_sequence_has_no_batch_axis(self):
        with pytest.raises(ValueError, match=say("state has shape (4, 1, 5), expected (4, 5)")):
            self.layer(X[:, 0], self.weights(), self.state(4, 1, 5))

    @pytest.mark.parametrize("shape", [(5,), (1, 5), (1, 3, 5)])
    def test_a_wrong_state_of_a_cell_is_told_what_was_expected(self, shape):
        with pytest.raises(ValueError, match=say(f"state has shape {shape}, expected (3, 5)")):
            self.cell(X[0], stored_cell(self.gates), self.state(*shape))

    @pytest.mark.parametrize(
        "lengths",
        [[4, 7], [4, 7, 8], [0, 7, 2], [4, 7, -1], [4, 7, 2.5], [[4, 7, 2]], 4, [4, 7, np.nan], []],
        ids=str,
    )
    def test_wrong_lengths_are_told_what_was_expected(self, lengths):
        message = r"lengths are .*, expected 3 integers from 1 to 7, one a row of x \(7, 3, 4\): is"
        with pytest.raises(ValueError, match=message):
            self.layer(X, self.weights(), lengths=lengths)

    def test_many_wrong_lengths_are_not_all_shown(self):
        shown = "lengths are [0, 0, 0, ..., 0, 0, 0], expected 3 integers from 1 to 7"
        with pytest.raises(ValueError, match=say(shown)):
            self.layer(X, self.weights(), lengths=np.zeros(1000, int))

    def test_lengths_need_a_batch_axis(self):
        message = "lengths need a batch axis, but x has shape (7, 4): cut x instead"
        with pytest.raises(ValueError, match=say(message)):
            self.layer(X[:, 0], self.weights(), lengths=[7])
