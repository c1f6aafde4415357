"""``cosine_similarity`` and ``pairwise_distance`` against torch."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.distance import cosine_similarity, pairwise_distance
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
functional = torch.nn.functional
PATH = SNIPPETS_DIR / "layers/distance.py"
DTYPES = st.sampled_from([("float64", FLOAT64), ("float32", FLOAT32)])
# Pairs of shapes that broadcast, the features in any axis.
SHAPES = [
    *(((3,), (3,)), ((5, 3), (5, 3)), ((5, 3), (3,)), ((3,), (5, 3)), ((1, 3), (5, 3))),
    *(((5, 1), (5, 3)), ((4, 1, 3), (5, 3)), ((4, 1, 3), (4, 5, 3)), ((2, 1, 5, 1), (4, 1, 3))),
    *(((1, 1), (1, 1)), ((0, 3), (0, 3)), ((4, 0, 3), (4, 1, 3))),
]


def vectors(shapes, seed, dtype, scale=1.0):
    """Return two random tensors and the same as arrays."""
    torch.manual_seed(seed)
    pair = [scale * torch.randn(shape, dtype=getattr(torch, dtype)) for shape in shapes]
    return pair, [x.numpy() for x in pair]


@settings(deadline=None, max_examples=100)
@given(
    shapes=st.sampled_from([*SHAPES, ((5, 0), (5, 0))]),
    data=st.data(),
    eps=st.sampled_from([None, 1e-8, 0.5, 2.0]),
    seed=st.integers(0, 2**32),
    dtype=DTYPES,
)
def test_cosine_similarity_equals_torch(shapes, data, eps, seed, dtype):
    rank = len(np.broadcast_shapes(*shapes))
    arguments = {"dim": data.draw(st.integers(-rank, rank - 1))}
    arguments |= {} if eps is None else {"eps": eps}
    theirs, ours = vectors(shapes, seed, dtype[0])
    reference = functional.cosine_similarity(*theirs, **arguments)
    # Of vectors that are nearly orthogonal, the products cancel.
    terms = functional.cosine_similarity(*(x.abs() for x in theirs), **arguments)
    assert_parity(cosine_similarity(*ours, **arguments), reference, dtype[1], terms)


P = [1, 2, 3, 0.5, 1.5, 0, np.inf]


@settings(deadline=None, max_examples=100)
@given(
    shapes=st.sampled_from(SHAPES),
    p=st.sampled_from(P),
    eps=st.sampled_from([1e-6, 0.0, 0.5]),
    keepdim=st.booleans(),
    seed=st.integers(0, 2**32),
    dtype=DTYPES,
)
def test_pairwise_distance_equals_torch(shapes, p, eps, keepdim, seed, dtype):
    theirs, ours = vectors(shapes, seed, dtype[0])
    arguments = {"p": p, "eps": eps, "keepdim": keepdim}
    reference = functional.pairwise_distance(*theirs, **arguments)
    assert_parity(pairwise_distance(*ours, **arguments), reference, dtype[1])


@pytest.mark.parametrize("name", ["cosine_similarity", "pairwise_distance"])
def test_float16_is_computed_in_float32(name):
    """The squares of these vectors are larger than any float16."""
    theirs, _ = vectors([(5, 64), (5, 64)], 0, "float32", scale=100)
    theirs = [x.half() for x in theirs]
    ours = {"cosine_similarity": cosine_similarity, "pairwise_distance": pairwise_distance}[name](
        *(x.numpy() for x in theirs)
    )
    reference = getattr(functional, name)(*theirs)
    assert_parity(ours, reference, 2e-3)


def test_defaults_are_torchs():
    theirs, ours = vectors([(4, 3, 5)] * 2, 0, "float64", 1e-6)
    assert_parity(cosine_similarity(*ours), functional.cosine_similarity(*theirs))
    assert_parity(pairwise_distance(*ours), functional.pairwise_distance(*theirs))
    tiny, same = vectors([(4, 3, 5)] * 2, 0, "float64", 1e-8)
    assert_parity(cosine_similarity(*same), functional.cosine_similarity(*tiny))


@pytest.mark.parametrize("p", P)
def test_equal_rows_are_as_far_apart_as_in_torch(p):
    (x, _), (same, _) = vectors([(4, 3)] * 2, 0, "float64")
    assert_parity(pairwise_distance(same, same, p), functional.pairwise_distance(x, x, p))
    ours = pairwise_distance(same, same, p, 0)
    assert_parity(ours, functional.pairwise_distance(x, x, p, 0))


@pytest.mark.parametrize("p", [1, 2, 0, 0.5])
def test_distance_without_features_is_torchs(p):
    theirs, ours = vectors([(5, 0)] * 2, 0, "float64")
    assert_parity(pairwise_distance(*ours, p), functional.pairwise_distance(*theirs, p))


def test_cosine_with_a_vector_of_zeros_is_0():
    zeros, ones = torch.zeros(2, 3), torch.ones(2, 3)
    for pair in [(zeros, ones), (ones, zeros), (zeros, zeros)]:
        reference = functional.cosine_similarity(*pair)
        ours = cosine_similarity(*(x.numpy() for x in pair))
        np.testing.assert_array_equal(ours, [0, 0])
        assert_parity(ours, reference)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64"])
def test_mixed_dtypes_promote_before_anything_is_multiplied(dtype):
    x1, x2 = np.ones((2, 3), np.float32), np.full((2, 3), 100, dtype)  # squares beyond int8
    cosine = cosine_similarity(x1, x2)
    np.testing.assert_allclose(cosine, [1, 1], 1e-6)
    distance = pairwise_distance(x1, x2)
    np.testing.assert_allclose(distance, np.full(2, 99 * 3**0.5), 1e-6)
    assert cosine.dtype == distance.dtype == np.result_type(x1, x2)


SABOTAGES = {
    "not divided by the norms": ("y = dot / ", "y = dot + 0 * "),
    "divided by the squares": ("np.sqrt(square2)", "square2"),
    "eps added to a norm": ("np.maximum(np.sqrt(square1), eps)", "(np.sqrt(square1) + eps)"),
    "eps for the squares": ("np.sqrt(square1), eps", "np.sqrt(square1), eps**0.5"),
    "no eps": ("np.maximum(np.sqrt(square2), eps)", "np.sqrt(square2)"),
    "along the last axis": ("np.moveaxis(x, dim, -1)", "np.moveaxis(x, -1, -1)"),
    "no eps in the difference": (" + float(eps)  #", "  #"),
    "eps twice": ("np.linalg.norm(difference", "eps + np.linalg.norm(difference"),
    "x2 - x1": ("np.subtract(x1, x2)", "np.subtract(x2, x1)"),
    "always the 2-norm": ("(difference, float(p),", "(difference, 2,"),
}


def example(module):
    # 1e-8 shows at the one scale, 1e-6 at the other.
    theirs, ours = vectors([(4, 5, 5)] * 2, 0, "float64", 1e-8)
    assert_parity(module.cosine_similarity(*ours), functional.cosine_similarity(*theirs))
    theirs, ours = vectors([(4, 5, 5)] * 2, 0, "float64", 1e-4)
    assert_parity(module.pairwise_distance(*ours, 3), functional.pairwise_distance(*theirs, 3))


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    old, new = SABOTAGES[name]
    example(sabotaged(PATH, old, old))
    with pytest.raises(AssertionError):
        example(sabotaged(PATH, old, new))


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/distance.py") as (module, sizes):
        sizes.update(features=3)
        module.pairwise_distance(np.ones((5, 3)), np.ones((4, 5, 3)))


def test_nothing_it_is_given_changes():
    x1, x2 = np.full((5, 3), 2.0), np.full((5, 3), 3.0)
    cosine_similarity(x1, x2)
    pairwise_distance(x1, x2)
    assert (x1 == 2).all()
    assert (x2 == 3).all()


@pytest.mark.parametrize(
    ("shape", "dim", "slip"),
    [
        ((3,), 1, "of two single vectors, it is dim=0"),
        ((3,), -2, "of two single vectors, it is dim=0"),
        ((5, 3), 2, "is a batch axis missing?"),
        ((5, 3), -3, "is a batch axis missing?"),
        ((), 0, "is a batch axis missing?"),
    ],
)
def test_an_axis_that_is_not_there_is_told(shape, dim, slip):
    message = f"x1 and x2 broadcast to shape {shape}, without an axis {dim}: {slip}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cosine_similarity(np.ones(shape), np.ones(shape[-1:]), dim)


def test_shapes_that_do_not_broadcast_are_numpys_errors():
    with pytest.raises(ValueError, match="mismatch"):
        cosine_similarity(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="broadcast"):
        pairwise_distance(np.ones((2, 3)), np.ones((2, 4)))
