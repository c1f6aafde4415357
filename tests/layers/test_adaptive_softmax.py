"""``adaptive_log_prob`` and ``adaptive_predict`` against AdaptiveLogSoftmaxWithLoss."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.adaptive_softmax import adaptive_log_prob, adaptive_predict
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
PATH = SNIPPETS_DIR / "layers/adaptive_softmax.py"


def case(batch=11, dtype="float64", seed=0, scale=1.0, **arguments):
    """Return an input, the weights, and what log_prob and predict of torch give."""
    torch.manual_seed(seed)
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(**arguments, dtype=getattr(torch, dtype))
    x = scale * torch.randn(batch, arguments["in_features"], dtype=layer.head.weight.dtype)
    with torch.no_grad():
        if layer.head.bias is not None:
            layer.head.bias *= scale
        return x.numpy(), arrays(layer), layer.log_prob(x), layer.predict(x)


def agree(log_prob, predict, case, tolerance=FLOAT64):
    x, weights, log_probs, classes = case
    assert_parity(log_prob(x, weights), log_probs, tolerance)
    ours = predict(x, weights)
    assert ours.dtype == np.int64
    np.testing.assert_array_equal(ours, classes)


@settings(deadline=None, max_examples=60)
@given(
    in_features=st.integers(256, 270),
    cutoffs=st.sets(st.integers(1, 13), min_size=1, max_size=4).map(sorted),
    more=st.integers(1, 6),
    div_value=st.sampled_from([1.5, 2, 4.0]),
    head_bias=st.booleans(),
    batch=st.integers(2, 12),
    scale=st.sampled_from([1.0, 8.0]),
    seed=st.integers(0, 2**32),
)
def test_equals_torch(cutoffs, more, **arguments):
    arguments |= {"cutoffs": cutoffs, "n_classes": cutoffs[-1] + more}
    agree(adaptive_log_prob, adaptive_predict, case(**arguments))
    agree(adaptive_log_prob, adaptive_predict, case(**arguments, dtype="float32"), FLOAT32)


FULL = case(
    batch=30, scale=8.0, in_features=16, n_classes=15, cutoffs=[3, 7], div_value=2, head_bias=True
)


def test_the_full_case_has_classes_of_all_kinds():
    """The sabotages speak of a projection that is square as well: 8 of 16, 8 classes of 15."""
    classes = FULL[3].numpy()
    assert (classes < 3).any()
    assert ((classes >= 3) & (classes < 7)).any()
    assert (classes >= 7).any()


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch": 0},
        {"batch": 1},
        {"cutoffs": [1], "n_classes": 2},
        {"in_features": 1, "div_value": 1},
        {"cutoffs": [3, 4, 5]},
    ],
    ids=str,
)
def test_size_one_and_no_rows(arguments):
    sizes = {"in_features": 16, "n_classes": 9, "cutoffs": [3, 5], "div_value": 2}
    agree(adaptive_log_prob, adaptive_predict, case(**sizes | arguments))


def test_large_numbers_do_not_overflow():
    sizes = {"in_features": 16, "n_classes": 9, "cutoffs": [3, 5], "div_value": 2}
    agree(adaptive_log_prob, adaptive_predict, case(**sizes, scale=1e6))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_cluster_that_sees_nothing_is_even():
    """PyTorch rounds its size down, to none if div_value is large."""
    x, weights, *_ = wanted = case(in_features=16, n_classes=9, cutoffs=[3], div_value=17)
    assert weights["tail.0.0.weight"].shape == (0, 16)
    agree(adaptive_log_prob, adaptive_predict, wanted)
    rare = adaptive_log_prob(x, weights)[:, 3:]
    np.testing.assert_allclose(rare, np.broadcast_to(rare[:, :1], rare.shape))


RARE = FULL[1] | {"head.bias": np.array([0.0, 0, 0, 90, 90])}
FREQUENT = FULL[1] | {"head.bias": np.array([90.0, 90, 90, 0, 0])}


@pytest.mark.parametrize("weights", [RARE, FREQUENT], ids=["rare", "frequent"])
def test_all_rows_alike(weights):
    """PyTorch has a branch for each."""
    x = FULL[0]
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 15, [3, 7], 2, True, dtype=torch.float64)
    layer.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})
    with torch.no_grad():
        reference = layer.predict(torch.from_numpy(x))
    assert ((reference < 3) == (weights is FREQUENT)).all()
    np.testing.assert_array_equal(adaptive_predict(x, weights), reference)


def test_probabilities_sum_to_one():
    x, weights, *_ = FULL
    np.testing.assert_allclose(np.exp(adaptive_log_prob(x, weights)).sum(axis=1), 1)


def test_it_takes_lists_and_changes_nothing():
    x, weights, log_probs, _ = FULL
    before = {name: weight.copy() for name, weight in weights.items()}
    ours = adaptive_log_prob(x.tolist(), {name: w.tolist() for name, w in weights.items()})
    assert_parity(ours, log_probs)
    adaptive_predict(x, weights)
    assert all((weights[name] == before[name]).all() for name in before)


SABOTAGES = {
    "tail clusters swapped": ("in enumerate(clusters)", "in enumerate(clusters[::-1])"),
    "cluster rows swapped": ("head[:, frequent + i, None]", "head[:, -1 - i, None]"),
    "cluster log-probability dropped": ("head[:, frequent + i, None] + own", "own"),
    "a cluster's own dropped": (
        "head[:, frequent + i, None] + own",
        "head[:, frequent + i, None] + 0 * own",
    ),
    "clusters first": ("frequent = len(weight) - len(clusters)\n", "frequent = 0\n"),
    "softmax over the batch": ("seen @ wide.T, 1)", "seen @ wide.T, 0)"),
    "no softmax in the cluster": ("log_shares(seen @ wide.T, 1)", "seen @ wide.T"),
    "projection transposed": ("seen @ wide.T", "seen @ wide"),
    "head bias dropped": ("x @ weight.T + bias, 1)", "x @ weight.T, 1)"),
    "predict: head bias dropped": ("(x @ weight.T + bias).argmax", "(x @ weight.T).argmax"),
    "predict: the head's row": ("classes[rare] =", "_ ="),
    "predict: one cluster closed": (
        ">= len(weight) - len(clusters)",
        "> len(weight) - len(clusters)",
    ),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    agree(adaptive_log_prob, adaptive_predict, FULL)
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        agree(broken.adaptive_log_prob, broken.adaptive_predict, FULL)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/adaptive_softmax.py") as (module, sizes):
        sizes.update(batch=30, in_features=16, div_value=2, n_clusters=1, cutoffs=[3, 7], cluster=0)
        one = {name: w for name, w in RARE.items() if "tail.1" not in name}
        one |= {"head.weight": one["head.weight"][:4], "head.bias": one["head.bias"][:4]}
        module.adaptive_log_prob(FULL[0], one)
        module.adaptive_predict(FULL[0], one)


SHAPES = {
    "head.weight": (5, 16),
    "head.bias": (5,),
    "tail.0.0.weight": (8, 16),
    "tail.0.1.weight": (6, 8),
    "tail.1.0.weight": (4, 16),
    "tail.1.1.weight": (7, 4),
}
SLIP = "add an axis to one row, x[None]; flatten leading ones, x.reshape(-1, in_features)"


@pytest.mark.parametrize(
    ("x", "changes", "message"),
    [
        ((16,), {}, f"x has shape (16,), expected (batch, in_features): {SLIP}"),
        ((2, 3, 16), {}, f"x has shape (2, 3, 16), expected (batch, in_features): {SLIP}"),
        (
            (2, 16),
            {"head.weight": (16, 5)},
            "head.weight has shape (16, 5), but is given 16 features: was this one transposed?",
        ),
        (
            (2, 15),
            {},
            "head.weight has shape (5, 16), but is given 15 features: is it another layer's?",
        ),
        (
            (2, 16),
            {"head.weight": (16,)},
            "head.weight has shape (16,), but is given 16 features: is it another layer's?",
        ),
        (
            (2, 16),
            {"tail.1.0.weight": (16, 4)},
            "tail.1.0.weight has shape (16, 4), but is given 16 features: was this one transposed?",
        ),
        (
            (2, 16),
            {"tail.0.1.weight": (8, 6)},
            "tail.0.1.weight has shape (8, 6), but is given 8 features: was this one transposed?",
        ),
        (
            (2, 16),
            {"tail.0.1.weight": (7, 4)},
            "tail.0.1.weight has shape (7, 4), but is given 8 features: is it another layer's?",
        ),
        (
            (2, 16),
            {"head.weight": (2, 16)},
            "head.weight has 2 rows, expected one for each of 2 clusters and more for the "
            "frequent classes: is it another layer's?",
        ),
        (
            (2, 16),
            {"head.bias": (3,)},
            "head.bias has shape (3,), expected (5,), one for each row of head.weight: "
            "is it another layer's?",
        ),
        (
            (2, 16),
            {"tail.3.0.weight": (2, 16)},
            f"weights have ['tail.3.0.weight'] besides {[n for n in SHAPES if n != 'head.bias']}: "
            "are they another layer's?",
        ),
    ],
)
@pytest.mark.parametrize("recipe", [adaptive_log_prob, adaptive_predict])
def test_what_does_not_fit_gets_the_likely_slip(recipe, x, changes, message):
    weights = {name: np.ones(shape) for name, shape in (SHAPES | changes).items()}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        recipe(np.ones(x), weights)


def test_weights_are_a_mapping():
    message = r"^weights are a list, expected a mapping .*: take state_dict\(\) itself$"
    with pytest.raises(ValueError, match=message):
        adaptive_log_prob(np.ones((2, 16)), [np.ones((4, 16))])


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["head.weight", "tail.0.0.weight"], ["tail.0.1.weight"]),
        (["head.weight"], ["tail.0.0.weight", "tail.0.1.weight"]),
        (
            ["tail.0.0.weight", "tail.0.1.weight", "tail.1.0.weight"],
            ["head.weight", "tail.1.1.weight"],
        ),
        (["out.head.weight"], ["head.weight", "tail.0.0.weight", "tail.0.1.weight"]),
    ],
)
def test_a_missing_weight_is_named(given, missing):
    message = (
        f"weights lack {missing}; they have {given}. "
        "Take state_dict()'s own names, without the name of the module before them"
    )
    with pytest.raises(KeyError) as error:
        adaptive_log_prob(np.ones((2, 16)), dict.fromkeys(given, 0))
    assert error.value.args == (message,)
