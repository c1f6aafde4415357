"""``embedding`` and ``embedding_bag`` against torch, which may change its weight in place."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.embedding import embedding, embedding_bag
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
PATH = SNIPPETS_DIR / "layers/embedding.py"
MODES = ["mean", "sum", "max"]
DTYPES = st.sampled_from([("float64", FLOAT64), ("float32", FLOAT32)])
NORMS = st.none() | st.tuples(st.floats(0.3, 3), st.sampled_from([2.0, 1, 3, 0.5, np.inf, 0]))


def vocabulary(kind, seed, sizes, dtype="float64", norm=None, **arguments):
    """Return a layer as PyTorch initialises it, its row of padding_idx not zero, and its array."""
    torch.manual_seed(seed)
    max_norm, norm_type = norm or (None, 2.0)
    arguments |= {"max_norm": max_norm, "norm_type": norm_type, "dtype": getattr(torch, dtype)}
    layer = kind(*sizes, **arguments)
    torch.nn.init.normal_(layer.weight)
    # A copy: with max_norm, the layer changes its own.
    return layer, {"weight": arrays(layer)["weight"], "max_norm": max_norm, "norm_type": norm_type}


SIZES = st.permutations(range(2, 9)).map(lambda p: p[:2])
SEEDS = st.integers(0, 2**32)


@settings(deadline=None, max_examples=60)
@given(
    sizes=SIZES,
    lead=st.sampled_from([(), (1,), (10,), (10, 11), (3, 10, 11), (0,), (10, 0)]),
    padding_idx=st.sampled_from([None, 1, -1]),
    norm=NORMS,
    seed=SEEDS,
    dtype=DTYPES,
)
def test_embedding_equals_torch(sizes, lead, padding_idx, norm, seed, dtype):
    layer, ours = vocabulary(
        torch.nn.Embedding, seed, sizes, dtype[0], norm, padding_idx=padding_idx
    )
    ids = torch.randint(sizes[0], lead)
    assert_parity(embedding(ids.numpy(), **ours), layer(ids), dtype[1])


@settings(deadline=None, max_examples=120)
@given(
    sizes=SIZES,
    lengths=st.lists(st.integers(0, 5), max_size=6),
    padding_idx=st.sampled_from([None, 0, 1, -1, -2]),
    norm=NORMS,
    mode=st.sampled_from(MODES),
    weighted=st.booleans(),
    last=st.booleans(),
    seed=SEEDS,
    dtype=DTYPES,
)
def test_bags_of_several_lengths_equal_torch(
    sizes, lengths, padding_idx, norm, mode, weighted, last, seed, dtype
):
    same = {"mode": mode, "padding_idx": padding_idx, "include_last_offset": last}
    layer, ours = vocabulary(torch.nn.EmbeddingBag, seed, sizes, dtype[0], norm, **same)
    ids = torch.randint(sizes[0], (sum(lengths),))
    offsets = torch.tensor([0, *lengths]).cumsum(0)[: len(lengths) + last]
    factors = (
        torch.randn(len(ids), dtype=layer.weight.dtype) if weighted and mode == "sum" else None
    )
    reference = layer(ids, offsets, per_sample_weights=factors)
    if factors is not None:
        same["per_sample_weights"] = factors.numpy()
    assert_parity(
        embedding_bag(ids.numpy(), offsets=offsets.numpy(), **ours, **same), reference, dtype[1]
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding_idx", [None, 2])
@pytest.mark.parametrize("shape", [(5, 6), (5, 1), (1, 6), (1, 1), (0, 6)])
def test_bags_of_one_length_equal_torch(shape, padding_idx, mode):
    same = {"mode": mode, "padding_idx": padding_idx}
    layer, ours = vocabulary(torch.nn.EmbeddingBag, 0, (4, 3), norm=(1.0, 2.0), **same)
    ids = torch.randint(4, shape)
    factors = torch.randn(shape).double() if mode == "sum" else None
    reference = layer(ids, per_sample_weights=factors)
    if factors is not None:
        same["per_sample_weights"] = factors.numpy()
    assert_parity(embedding_bag(ids.numpy(), **ours, **same), reference)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 3), (4, 1)])
def test_sizes_of_1_equal_torch(sizes):
    layer, ours = vocabulary(torch.nn.Embedding, 0, sizes)
    ids = torch.zeros(5, dtype=torch.int64)
    assert_parity(embedding(ids.numpy(), **ours), layer(ids))
    bags, ours = vocabulary(torch.nn.EmbeddingBag, 0, sizes)
    assert_parity(embedding_bag(ids.numpy()[None], **ours), bags(ids[None]))


@pytest.mark.parametrize(("sizes", "count"), [((4, 0), 5), ((0, 3), 0)])
def test_zero_sizes_equal_torch(sizes, count):
    weight, ids = torch.zeros(sizes), torch.zeros(count, dtype=torch.int64)
    reference = torch.nn.functional.embedding(ids, weight)
    assert_parity(embedding(ids.numpy(), weight.numpy()), reference)


def test_bag_defaults_are_torchs():
    ids, weight = torch.tensor([[0, 2], [3, 3]]), torch.randn(4, 3).double() * 5
    functional = torch.nn.functional
    for max_norm in [None, 1.0]:
        ours = embedding_bag(ids.numpy(), weight.numpy().copy(), max_norm=max_norm)
        reference = functional.embedding_bag(ids, weight.clone(), max_norm=max_norm)
        assert_parity(ours, reference)
        ours = embedding(ids.numpy(), weight.numpy().copy(), max_norm)
        assert_parity(ours, functional.embedding(ids, weight.clone(), max_norm=max_norm))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_any_integers_are_ids(dtype):
    weight = np.arange(12.0).reshape(4, 3)
    ids, offsets = np.array([3, 1], dtype), np.array([0, 1, 1], dtype)
    np.testing.assert_array_equal(embedding(ids, weight), weight[[3, 1]])
    bags = embedding_bag(ids, weight, offsets, padding_idx=-1)
    np.testing.assert_array_equal(bags, [[0, 0, 0], [0, 0, 0], [3, 4, 5]])


def test_a_row_as_long_as_max_norm_stays():
    weight = np.array([[3.0, 4.0]])
    np.testing.assert_array_equal(embedding([0], weight, max_norm=5.0), [[3, 4]])


def test_nothing_it_is_given_changes():
    weight, ids, offsets, factors = (
        np.full((4, 3), 9.0),
        np.ones(5, int),
        np.zeros(1, int),
        np.ones(5),
    )
    embedding(ids, weight, max_norm=1.0)
    embedding_bag(ids, weight, offsets, 1.0, 2, "sum", factors, False, 0)
    embedding(np.array(1), weight)[:] = 0
    assert (weight == 9).all()
    assert (ids == 1).all()
    assert (offsets == 0).all()
    assert (factors == 1).all()


def example(module, mode, padding_idx=None, max_norm=None):
    """Compare bags of lengths 0, 3, 0, 0, 2, 0 with torch."""
    same = {"mode": mode, "padding_idx": padding_idx}
    norm = max_norm and (max_norm, 3.0)
    layer, ours = vocabulary(torch.nn.EmbeddingBag, 1, (4, 4), norm=norm, **same)
    ids, offsets = torch.tensor([1, 3, 2, 2, 0]), torch.tensor([0, 0, 3, 3, 3, 5])
    factors = torch.randn(5).double() if mode == "sum" else None
    reference = layer(ids, offsets, per_sample_weights=factors)
    if factors is not None:
        same["per_sample_weights"] = factors.numpy()
    assert_parity(
        module.embedding_bag(ids.numpy(), offsets=offsets.numpy(), **ours, **same), reference
    )
    layer, ours = vocabulary(torch.nn.Embedding, 1, (4, 4), norm=norm)
    assert_parity(module.embedding(ids.numpy(), **ours), layer(ids))


CASES = {
    "mean": {"mode": "mean"},
    "padded": {"mode": "mean", "padding_idx": 2},
    "padded from the end": {"mode": "mean", "padding_idx": -2},
    "weighted": {"mode": "sum"},
    "max": {"mode": "max"},
    "shrunk": {"mode": "mean", "max_norm": 1.5},
}
SABOTAGES = {
    "a column instead of a row": ("weighted", "rows = weight[ids]", "rows = weight.T[ids]"),
    "bags of columns": ("weighted", "rows = weight[ids.ravel()]", "rows = weight.T[ids.ravel()]"),
    "an empty bag takes the next row": ("mean", "full = counts > 0", "full = counts > -1"),
    "sum for mean": ("mean", 'if mode == "mean":', "if False:"),
    "sum for max": ("max", 'np.maximum if mode == "max" else np.add', "np.add"),
    "padding counted by the mean": ("padded", "np.maximum(counts, 1)", "np.maximum(lengths, 1)"),
    "padding not left out": ("padded", "rows, bag = rows[kept], bag[kept]", "pass"),
    "negative padding_idx not found": ("padded from the end", " % len(weight)", ""),
    "per_sample_weights forgotten": ("weighted", "factors.reshape(-1, 1)", "1.0"),
    "rows scaled up to max_norm too": ("shrunk", "norm > max_norm", "norm > 0"),
    "max_norm of the wrong norm": ("shrunk", "rows, float(norm_type), axis", "rows, 2, axis"),
    "max_norm caps each number": (
        "shrunk",
        "return rows *",
        "return np.minimum(rows, max_norm) + 0 *",
    ),
    "without PyTorch's 1e-7": ("shrunk", "(norm + 1e-7)", "norm"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    case, old, new = SABOTAGES[name]
    example(sabotaged(PATH, old, old), **CASES[case])
    with pytest.raises((AssertionError, ValueError, IndexError)):
        example(sabotaged(PATH, old, new), **CASES[case])


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/embedding.py") as (module, sizes):
        sizes.update(batch=2, time=4, num_ids=8, num_embeddings=5, embedding_dim=3)
        weight = np.ones((5, 3))
        for shape in [(), (8,), (2, 4)]:
            module.embedding(np.ones(shape, int), weight, 1.0)
        ids = np.ones((2, 4), int)
        module.embedding_bag(ids, weight, None, 1.0, 2, "sum", np.ones((2, 4)), padding_idx=0)
        module.embedding_bag(ids, weight)


W = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("ids", "weight", "message"),
    [
        ([1], W[0], "weight has shape (3,), expected (num_embeddings, embedding_dim)"),
        ([1], W[None], "weight has shape (1, 4, 3), expected (num_embeddings, embedding_dim)"),
        ([1.0], W, "ids are float64, expected integers: was it made without dtype=int?"),
        ([], W, "ids are float64, expected integers: was it made without dtype=int?"),
        ([True], W, "ids are bool, expected integers: was it made without dtype=int?"),
        (
            W,
            np.ones((4, 3), int),
            "ids are float64, expected integers: are ids and weight swapped?",
        ),
    ],
)
def test_wrong_ids_are_told_the_likely_slip(ids, weight, message):
    for recipe in [embedding, embedding_bag]:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            recipe(ids, weight)


@pytest.mark.parametrize(
    ("low", "high", "dim", "slip"),
    [
        (-1, 2, 3, "PyTorch refuses a negative id, NumPy would count it from the end"),
        (-1, 9, 3, "PyTorch refuses a negative id, NumPy would count it from the end"),
        (1, 4, 3, "do they count from 1?"),
        (0, 4, 3, "are they another vocabulary's?"),
        (2, 5, 3, "are they another vocabulary's?"),
        (2, 5, 6, "was it transposed?"),
        (2, 6, 6, "are they another vocabulary's?"),
    ],
)
def test_ids_without_a_row_are_told_the_likely_slip(low, high, dim, slip):
    message = f"ids run from {low} to {high}, but weight (4, {dim}) has 4 rows: {slip}"
    for recipe in [embedding, embedding_bag]:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            recipe([[high, low]], np.ones((4, dim)))


@pytest.mark.parametrize(
    ("ids", "arguments", "message"),
    [
        ([[1]], {"mode": "avg"}, "mode is 'avg', expected 'mean', 'sum' or 'max'"),
        (
            [[1]],
            {"per_sample_weights": [[1]]},
            "per_sample_weights need mode='sum', but mode is 'mean'",
        ),
        (
            [[1, 2]],
            {"mode": "sum", "per_sample_weights": [1, 2]},
            "per_sample_weights have shape (2,), expected that of ids, (1, 2)",
        ),
        ([[1]], {"padding_idx": 4}, "padding_idx is 4, but weight has 4 rows"),
        ([[1]], {"padding_idx": -5}, "padding_idx is -5, but weight has 4 rows"),
        (1, {}, "ids have shape (), expected (batch, time) or (num_ids,)"),
        ([[[1]]], {}, "ids have shape (1, 1, 1), expected (batch, time) or (num_ids,)"),
        (np.ones((5, 0), int), {}, "ids have shape (5, 0), expected (batch, time) or (num_ids,)"),
        ([[1]], {"offsets": [0]}, "ids have shape (1, 1), bags already: leave out the offsets"),
        ([1, 2], {}, "ids have shape (2,), so they need offsets: is it one bag, ids[None]?"),
        ([1], {"offsets": [0.0]}, "offsets are float64 of shape (1,), expected integers (batch,)"),
        ([1], {"offsets": [[0]]}, "offsets are int64 of shape (1, 1), expected integers (batch,)"),
    ],
)
def test_wrong_bags_are_told_the_likely_slip(ids, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        embedding_bag(ids, W, **arguments)


@pytest.mark.parametrize(
    ("offsets", "last"),
    [
        *((offsets, False) for offsets in [[1], [0, 2, 1], [0, 3], [0, -1], []]),
        *((offsets, True) for offsets in [[0, 1], [0, 3], [0, 2, 1, 2], [1, 2], [0], []]),
    ],
)
def test_wrong_offsets_are_told_the_likely_slip(offsets, last):
    expected = f"expected 0 first{', 2 last' if last else ''}, never falling"
    slip = "are they lengths? np.cumsum(lengths) - lengths"
    message = f"offsets are {offsets} for 2 ids, {expected}: {slip}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        embedding_bag([1, 2], W, np.array(offsets, int), include_last_offset=last)
