"""What the tests of the recurrent layers share: random layers, and PyTorch's answer for them."""

from typing import NamedTuple

import pytest
from hypothesis import strategies as st

from tests.parity import FLOAT64, arrays, assert_parity


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
