"""Attention in NumPy against torch, and what it says to wrong input."""

import re
import tracemalloc
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.attention import multi_head_attention, scaled_dot_product_attention
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
sdpa = torch.nn.functional.scaled_dot_product_attention

PATH = SNIPPETS_DIR / "layers/attention.py"
DTYPES = [("float64", FLOAT64), ("float32", FLOAT32)]
MASKS = [None, "bool", "float"]


class Case(NamedTuple):
    """The arguments of one layer and of one call."""

    options: dict = {"embed_dim": 6, "num_heads": 2}  # noqa: RUF012, never changed
    batch: int | None = 3
    target: int = 4
    source: int = 5
    attn_mask: str | None = None
    each_head: bool = False
    key_padding_mask: str | None = None
    call: dict = {}  # noqa: RUF012
    seed: int = 0


@st.composite
def cases(draw):
    """Draw sizes that all differ and are above 1, and one of each choice."""
    num_heads = draw(st.integers(1, 3))
    head_dim, kdim, vdim, batch, target, source = draw(st.permutations(range(2, 8)))
    separate = draw(st.booleans())
    return Case(
        options={
            "embed_dim": num_heads * head_dim,
            "num_heads": num_heads,
            "kdim": kdim if separate else None,
            "vdim": vdim if separate else None,
            "bias": draw(st.booleans()),
            "add_bias_kv": draw(st.booleans()),
            "add_zero_attn": draw(st.booleans()),
            "batch_first": draw(st.booleans()),
        },
        batch=draw(st.sampled_from([batch, None])),
        target=target,
        source=source,
        attn_mask=draw(st.sampled_from(MASKS)),
        each_head=draw(st.booleans()),
        key_padding_mask=draw(st.sampled_from(MASKS)),
        call={"need_weights": draw(st.booleans()), "average_attn_weights": draw(st.booleans())},
        seed=draw(st.integers(0, 2**32)),
    )


def random_mask(kind, shape, dtype):
    """Return a mask that hides no key of index 0, so that no query is left without keys."""
    if kind != "bool":
        return torch.randn(shape, dtype=dtype) if kind else None
    mask = torch.rand(shape) < 0.4
    mask[..., :1] = False
    return mask


def run_torch(case, dtype="float64"):
    """Return the recipe's arguments, and what torch makes of them."""
    torch.manual_seed(case.seed)
    dtype = getattr(torch, dtype)
    layer = torch.nn.MultiheadAttention(**case.options, dtype=dtype).eval()
    for name, values in layer.named_parameters():
        if "bias" in name:  # zero at first
            torch.nn.init.normal_(values)
    lead = [] if case.batch is None else [case.batch]
    heads = [(case.batch or 1) * layer.num_heads] if case.each_head else []
    inputs = []
    for time, features in [
        (case.target, layer.embed_dim),
        (case.source, layer.kdim),
        (case.source, layer.vdim),
    ]:
        x = torch.randn(time, *lead, features, dtype=dtype)
        inputs.append(x.transpose(0, 1) if layer.batch_first and lead else x)
    masks = {
        "attn_mask": random_mask(case.attn_mask, (*heads, case.target, case.source), dtype),
        "key_padding_mask": random_mask(case.key_padding_mask, (*lead, case.source), dtype),
    }
    if torch.bool in (kinds := [m.dtype for m in masks.values() if m is not None]) != kinds[:1]:
        masks = {k: random_mask("bool", m.shape, dtype) for k, m in masks.items()}  # as torch asks
    with torch.no_grad():
        reference = layer(*inputs, **masks, **case.call)
    ours = {
        **dict(zip(("query", "key", "value"), (x.numpy() for x in inputs), strict=True)),
        **{name: mask.numpy() for name, mask in masks.items() if mask is not None},
        **case.call,
        **{k: case.options[k] for k in ("add_zero_attn", "batch_first") if k in case.options},
        "weights": arrays(layer),
        "num_heads": layer.num_heads,
    }
    return ours, reference


def agree(function, case, dtype="float64", tolerance=FLOAT64):
    """Fail unless the recipe and torch agree on a case."""
    arguments, (output, attention) = run_torch(case, dtype)
    ours = function(**arguments)
    assert_parity(ours[0], output, tolerance)
    assert (ours[1] is None) == (attention is None)
    if attention is not None:
        assert_parity(ours[1], attention, tolerance)


@settings(deadline=None, max_examples=60)
@given(case=cases(), dtype=st.sampled_from(DTYPES))
def test_equals_torch(case, dtype):
    agree(multi_head_attention, case, *dtype)


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("masked", [{}, {"attn_mask": "bool"}, {"key_padding_mask": "bool"}])
@pytest.mark.parametrize(
    "sizes",
    [
        {"batch": 1},
        {"target": 1},
        {"source": 1},
        {"batch": 0},
        {"target": 0},
        {"source": 0},
        {"options": {"embed_dim": 3, "num_heads": 1}},
        {"options": {"embed_dim": 3, "num_heads": 3}},
        {"options": {"embed_dim": 1, "num_heads": 1, "kdim": 1, "vdim": 2}},
        {"source": 0, "options": {"embed_dim": 6, "num_heads": 2, "add_bias_kv": True}},
    ],
    ids=str,
)
def test_sizes_one_and_zero(sizes, masked, average):
    for need in (True, False):
        if masked and not need and 0 in sizes.values():
            continue  # PyTorch fails to reshape a mask of no elements
        call = {"need_weights": need, "average_attn_weights": average}
        agree(multi_head_attention, Case(**sizes, **masked, call=call))


@pytest.mark.parametrize("masked", [{}, {"attn_mask": "bool"}, {"key_padding_mask": "bool"}])
@pytest.mark.parametrize("average", [True, False])
def test_equals_the_fast_path(masked, average):
    # Self-attention, an even number of heads, batch_first, eval, no grad.
    torch.manual_seed(0)
    layer = torch.nn.MultiheadAttention(6, 2, batch_first=True).double().eval()
    x = torch.randn(3, 4, 6).double()
    kinds = {"attn_mask": (4, 4), "key_padding_mask": (3, 4)}
    masks = {name: random_mask(kind, kinds[name], None) for name, kind in masked.items()}
    with torch.no_grad():
        reference = layer(x, x, x, **masks, average_attn_weights=average)
    ours = multi_head_attention(
        *[x.numpy()] * 3,
        arrays(layer),
        num_heads=2,
        batch_first=True,
        average_attn_weights=average,
        **{name: mask.numpy() for name, mask in masks.items()},
    )
    for array, expected in zip(ours, reference, strict=True):
        assert_parity(array, expected)


def test_asking_for_weights_leaves_the_output_as_it_is():
    arguments, _ = run_torch(Case(attn_mask="bool", key_padding_mask="bool"))
    with_weights, _ = multi_head_attention(**arguments)
    without, none = multi_head_attention(**arguments | {"need_weights": False})
    np.testing.assert_allclose(with_weights, without, rtol=1e-12, atol=1e-15)
    assert none is None


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("name", ["attn_mask", "key_padding_mask"])
def test_a_query_that_sees_no_key_is_nan_or_zero_as_in_torch(name, need_weights, kind):
    torch.manual_seed(0)
    layer = torch.nn.MultiheadAttention(6, 2, batch_first=True).double()
    torch.nn.init.normal_(layer.out_proj.bias)
    x = torch.randn(2, 4, 6).double()
    hidden = torch.zeros((4, 4) if name == "attn_mask" else (2, 4), dtype=torch.bool)
    hidden[1] = True
    mask = hidden if kind == "bool" else torch.zeros(hidden.shape).double().where(~hidden, -np.inf)
    reference = layer(x, x, x, **{name: mask}, need_weights=need_weights)
    ours = multi_head_attention(
        *[x.numpy()] * 3,
        arrays(layer),
        num_heads=2,
        batch_first=True,
        need_weights=need_weights,
        **{name: mask.numpy()},
    )
    blind = np.s_[:, 1] if name == "attn_mask" else np.s_[1]
    if need_weights:
        for array, expected in zip(ours, reference, strict=True):
            nan = expected.isnan().numpy()
            assert nan[blind].all()
            np.testing.assert_array_equal(np.isnan(array), nan)
            assert_parity(array[~nan], expected[~expected.isnan()])
    else:
        assert_parity(ours[0], reference[0])
        assert_parity(ours[0][blind], layer.out_proj.bias.expand(ours[0][blind].shape))


def test_a_mask_of_floats_counts_for_the_dtype_one_of_bools_does_not():
    arguments, _ = run_torch(Case(), "float32")
    for mask in (np.ones((4, 5)), np.eye(4, 5, dtype=bool)):
        output, attention = multi_head_attention(**arguments, attn_mask=mask)
        assert output.dtype == attention.dtype == (np.float32 if mask.dtype == bool else np.float64)
        q, k, v = np.ones((3, 4, 6), np.float32), *np.ones((2, 3, 5, 6), np.float32)
        assert scaled_dot_product_attention(q, k, v, mask).dtype == output.dtype


def test_a_mask_of_float16_is_added_in_float32():
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 4, 6)).astype(np.float16)
    mask = np.triu(np.full((4, 4), -np.inf, np.float16), 1)
    ours = scaled_dot_product_attention(q, k, v, mask)
    exact = [a.astype(np.float32) for a in (q, k, v)]
    expected = scaled_dot_product_attention(*exact, is_causal=True).astype(np.float16)
    assert ours.dtype == np.float16
    np.testing.assert_array_equal(ours, expected)


# scaled_dot_product_attention


@st.composite
def dot_products(draw):
    """Draw query, key, value and the keyword arguments, in float64."""
    sizes = draw(st.permutations(range(2, 9)))
    batch, heads, target, source, head_dim, value_dim, groups = sizes
    grouped = draw(st.booleans())
    lead = (batch, heads) if grouped else draw(st.sampled_from([(), (heads,), (batch, heads)]))
    torch.manual_seed(draw(st.integers(0, 2**32)))
    query_lead = (*lead[:-1], heads * min(groups, 3)) if grouped else lead
    arrays = [
        torch.randn(*axes).double()
        for axes in (
            (*query_lead, target, head_dim),
            (*lead, source, head_dim),
            (*lead, source, value_dim),
        )
    ]
    options = {"enable_gqa": grouped, "scale": draw(st.none() | st.floats(-2, 2))}
    shapes = [(target, source), (*query_lead, target, source), (1, source), (target, 1)]
    kind = draw(st.sampled_from([*MASKS, "causal"]))
    if kind == "causal":
        options["is_causal"] = True
    elif kind:
        mask = random_mask(kind, draw(st.sampled_from(shapes)), torch.float64)
        options["attn_mask"] = ~mask if kind == "bool" else mask
    return arrays, options


def numpy_of(options):
    return {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in options.items()}


@settings(deadline=None, max_examples=60)
@given(case=dot_products(), dtype=st.sampled_from(DTYPES))
def test_dot_product_attention_equals_torch(case, dtype):
    inputs, options = case
    exact = getattr(torch, dtype[0])
    inputs = [x.to(exact) for x in inputs]
    mask = options.get("attn_mask")
    if mask is not None and mask.dtype != torch.bool:
        options["attn_mask"] = mask.to(exact)
    ours = scaled_dot_product_attention(*[x.numpy() for x in inputs], **numpy_of(options))
    assert_parity(ours, sdpa(*inputs, **options), dtype[1])


# A mask of the wrong meaning, the order of the heads, a missing scale: each on one call.
def grouped_dot_product(function):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 6, 4, 2), torch.randn(3, 2, 5, 2), torch.randn(3, 2, 5, 7)
    keep = ~random_mask("bool", (4, 5), None)
    for options in ({"attn_mask": keep}, {"is_causal": True}):
        expected = sdpa(q.double(), k.double(), v.double(), enable_gqa=True, **options)
        inputs = [x.double().numpy() for x in (q, k, v)]
        assert_parity(function(*inputs, enable_gqa=True, **numpy_of(options)), expected)


@pytest.mark.parametrize(
    "shape", [(4, 6), (6, 4), (4, 0), (0, 4), (1, 5), (5, 1)], ids="{0[0]} on {0[1]}".format
)
@pytest.mark.parametrize("masked", [{}, {"is_causal": True}, {"attn_mask": True}])
def test_dot_product_attention_at_sizes_one_and_zero(shape, masked):
    target, source = shape
    if "attn_mask" in masked:
        masked = {"attn_mask": torch.ones(shape, dtype=torch.bool)}
    for lead, (head_dim, value_dim) in product([(2, 3), (0, 3), (2, 0)], [(5, 7), (0, 7), (5, 0)]):
        q = torch.randn(*lead, target, head_dim).double()
        k = torch.randn(*lead, source, head_dim).double()
        v = torch.randn(*lead, source, value_dim).double()
        ours = scaled_dot_product_attention(q.numpy(), k.numpy(), v.numpy(), **numpy_of(masked))
        assert_parity(ours, sdpa(q, k, v, **masked))


def test_leading_axes_broadcast():
    q, k, v = torch.randn(2, 3, 4, 5), torch.randn(3, 6, 5), torch.randn(1, 3, 6, 7)
    ours = scaled_dot_product_attention(q.numpy(), k.numpy(), v.numpy())
    assert_parity(ours, sdpa(q, k, v), FLOAT32)


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_sees_no_key_is_zero_as_in_torch(kind):
    q, k, v = (torch.randn(2, 4, 6).double() for _ in range(3))
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[1] = False
    if kind == "float":
        mask = torch.zeros(4, 4).double().where(mask, -np.inf)
    ours = scaled_dot_product_attention(q.numpy(), k.numpy(), v.numpy(), mask.numpy())
    assert_parity(ours, sdpa(q, k, v, mask))
    assert (ours[:, 1] == 0).all()
    assert (ours[:, 0] != 0).all()


@pytest.mark.parametrize("size", [1e4, 1e150])
def test_large_scores_do_not_overflow(size):
    q, k, v = np.array([[size]]), np.array([[1.0], [2.0], [-3.0]]), np.array([[1.0], [2.0], [3.0]])
    np.testing.assert_array_equal(scaled_dot_product_attention(q, k, v), [[2.0]])
    np.testing.assert_array_equal(scaled_dot_product_attention(-q, k, v), [[3.0]])


def test_lists_are_taken():
    weights = {"in_proj_weight": [[0], [0], [2]], "out_proj.weight": [[3]]}
    x, mask = [[1.0], [2.0], [4.0]], [[True, False, False]]
    output, attention = multi_head_attention([[1]], x, x, weights, num_heads=1, attn_mask=mask)
    np.testing.assert_array_equal(output, [[(2 + 4) / 2 * 2 * 3]])
    np.testing.assert_array_equal(attention, [[0, 0.5, 0.5]])


def test_dot_product_attention_takes_lists():
    out = scaled_dot_product_attention([[0]], [[1], [2]], [[3], [5]], [[True, True]])
    np.testing.assert_array_equal(out, [[4.0]])


# Everything at once: what a sabotage is tried on.
FULL = Case(
    options={
        "embed_dim": 6,
        "num_heads": 2,
        "add_bias_kv": True,
        "add_zero_attn": True,
        "batch_first": True,
    },
    attn_mask="bool",
    each_head=True,
    key_padding_mask="bool",
)
PER_HEAD = FULL._replace(call={"average_attn_weights": False})
SEPARATE = FULL._replace(options=FULL.options | {"kdim": 8, "vdim": 9, "batch_first": False})


# More queries than one block has, and fewer than two.
LONG = FULL._replace(target=300, call={"need_weights": False})


def long_dot_product(function):
    """Fail unless a function agrees on more queries than one block has."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, time, 3).double() for time in (300, 310, 310))
    mask = torch.randn(300, 1).double() * torch.randn(310).double()
    for call in ({"is_causal": True}, {"attn_mask": mask}):
        with torch.no_grad():
            reference = torch.nn.functional.scaled_dot_product_attention(q, k, v, **call)
        call = {name: np.asarray(value) for name, value in call.items()}
        assert_parity(function(q.numpy(), k.numpy(), v.numpy(), **call), reference)


def all_of_it(module):
    for case in (FULL, PER_HEAD, SEPARATE, LONG):
        agree(module.multi_head_attention, case)
    grouped_dot_product(module.scaled_dot_product_attention)
    long_dot_product(module.scaled_dot_product_attention)


SABOTAGES = {
    "heads interleaved": (
        "x.reshape(batch, time, num_heads, embed_dim // num_heads)",
        "x.reshape(batch, time, embed_dim // num_heads, num_heads).swapaxes(2, 3)",
    ),
    "scale of embed_dim": ("math.sqrt(q.shape[-1])", "math.sqrt(q.shape[-1] * len(q))"),
    "scale forgotten": ("q = q * (1 / math.sqrt(q.shape[-1]))", "pass"),
    "q and k swapped": ("return matrices, np", "return matrices[1::-1] + matrices[2:], np"),
    "packed as q, v, k": ("return matrices, np", "return matrices[::2] + [matrices[1]], np"),
    ".T skipped": ("x @ m.T + b", "x @ (m if m.shape[0] == m.shape[1] else m.T) + b"),
    "mask inverted": ("mask, hides=True", "mask, hides=False"),
    "padding alone": ("        masks.append(attn_mask)\n", ""),
    "padding forgotten": (
        "        masks.append(key_padding_mask.reshape(batch, 1, source))\n",
        "",
    ),
    "masks of heads before batch": (
        "attn_mask.reshape(batch, num_heads, target, source).swapaxes(0, 1)",
        "attn_mask.reshape(num_heads, batch, target, source)",
    ),
    "in_proj_bias dropped": ("x @ m.T + b", "x @ m.T + 0 * b"),
    "out_proj.bias dropped": (' + w.get("out_proj.bias", 0)', ""),
    "bias_k dropped": ('append_key(k, w["bias_k"])', 'append_key(k, 0 * w["bias_k"])'),
    "bias_v dropped": ('append_key(v, w["bias_v"])', 'append_key(v, 0 * w["bias_v"])'),
    "no key of zeros": ("if add_zero_attn", "if False"),
    "zeros before the bias": (
        'k, v = append_key(k, w["bias_k"]), append_key(v, w["bias_v"])',
        "k, v = append_key(k, 0), append_key(v, 0)\n        add_zero_attn = False\n"
        '        k, v = append_key(k, w["bias_k"]), append_key(v, w["bias_v"])',
    ),
    "average dropped": ("kept[0] / len(q)", "kept[0]"),
    "one head for all": ("kept[0] += attention", "pass"),
    "heads and batch exchanged": ("np.stack(kept, axis=1)", "np.stack(kept, axis=0)"),
    "batch and time exchanged": ("x.swapaxes(0, 1) for x in inputs", "x for x in inputs"),
    "output left batch first": ("else output.swapaxes(0, 1), ", "else output, "),
    "softmax over the queries": ("scores.sum(axis=-1", "scores.sum(axis=-2"),
    "keeps and hides confused": ("some, :], hides=False", "some, :], hides=True"),
    "causal the other way": ("where=~seen_by", "where=~seen_by[::-1, ::-1]"),
    "causal to the last key": ("some.start, dtype", "some.start + 1, dtype"),
    "causal from the start of each block": ("some.start, dtype", "0, dtype"),
    "each block with the first one's mask": ("attn_mask[..., some, :]", "attn_mask[..., :256, :]"),
    "one block alone": ("range(0, max(1, target), 256)", "range(0, 1, 256)"),
    "groups tiled": ("a.repeat(query.shape[-3] // a.shape[-3], axis=-3)", "np.tile(a, (3, 1, 1))"),
    "scale forgotten in the function": ("    query = query * scale", "    query = query + 0"),
    "scale of value_dim": ("math.sqrt(query.shape[-1] or 1)", "math.sqrt(value.shape[-1])"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken)


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(sabotaged(PATH, "import math\n", "import math\n"))


def test_memory_is_linear_in_the_queries_if_no_weights_are_asked_for():
    # All scores of one head would be 32 MiB; the inputs and outputs are 0.1 MiB each.
    q = np.ones((1, 2048, 8))
    weights = {"in_proj_weight": np.ones((24, 8)), "out_proj.weight": np.ones((8, 8))}
    attend = {
        "function": lambda: scaled_dot_product_attention(q, q, q),
        "causal": lambda: scaled_dot_product_attention(q, q, q, is_causal=True),
        "layer": lambda: multi_head_attention(
            q, q, q, weights, num_heads=1, need_weights=False, batch_first=True
        ),
    }
    for name, run in attend.items():
        tracemalloc.start()
        run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 12 * 2**20, name


@pytest.mark.parametrize(
    ("average", "limit"), [(None, 0.5), (True, 0.6), (False, 2.3)], ids=["none", "one", "all"]
)
def test_memory_holds_the_weights_of_one_head_unless_asked(average, limit):
    # 8 heads of (1, 256, 256), 4 MiB, where inputs, outputs and weights are 0.1 MiB together.
    x = np.ones((256, 1, 16))
    weights = {"in_proj_weight": np.ones((48, 16)), "out_proj.weight": np.ones((16, 16))}
    call = {"need_weights": average is not None, "average_attn_weights": bool(average)}
    tracemalloc.start()
    multi_head_attention(x, x, x, weights, num_heads=8, **call)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < limit * 8 * 256 * 256 * 8


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/attention.py") as (module, sizes):
        sizes.update(batch=3, target=4, source=5, embed_dim=14, num_heads=2, head_dim=7)
        weights = {"in_proj_weight": np.ones((42, 14)), "out_proj.weight": np.ones((14, 14))}
        x, memory = np.ones((4, 3, 14)), np.ones((5, 3, 14))
        for average in (True, False):
            module.multi_head_attention(
                x, memory, memory, weights, num_heads=2, average_attn_weights=average
            )
        sizes.update(value_dim=6)
        q, k, v = np.ones((3, 2, 4, 7)), np.ones((3, 2, 5, 7)), np.ones((3, 2, 5, 6))
        module.scaled_dot_product_attention(q, k, v, is_causal=True)
        module.scaled_dot_product_attention(q, k, v, np.zeros((4, 5)))


def test_nothing_it_is_given_changes():
    arguments, _ = run_torch(FULL._replace(attn_mask="float", key_padding_mask="float"))
    given = {k: v for k, v in (arguments | arguments["weights"]).items() if hasattr(v, "shape")}
    before = {name: values.copy() for name, values in given.items()}
    multi_head_attention(**arguments)
    scaled_dot_product_attention(*[arguments["query"]] * 3, np.ones((4, 4)))
    for name, values in given.items():
        np.testing.assert_array_equal(values, before[name])


def without(weights, *names):
    return {name: values for name, values in weights.items() if name not in names}


PACKED = {
    "in_proj_weight": np.ones((18, 6)),
    "in_proj_bias": np.ones(18),
    "out_proj.weight": np.ones((6, 6)),
    "out_proj.bias": np.ones(6),
}
THREE = {
    "q_proj_weight": np.ones((6, 6)),
    "k_proj_weight": np.ones((6, 7)),
    "v_proj_weight": np.ones((6, 8)),
    "out_proj.weight": np.ones((6, 6)),
}
OWN_NAMES = "Take state_dict()'s own names, without the name of the module before them"
ANOTHER = "is it another layer's?"
TURNED = "are its axes in another order?"
TRANSPOSED = "PyTorch stores one row per output; was this one transposed?"
BOOL = "expected bool or float: make it bool, and look up whether True keeps a key or hides it"


@pytest.mark.parametrize(
    ("weights", "missing"),
    [
        ({}, ["out_proj.weight", "in_proj_weight"]),
        ({f"attn.{k}": v for k, v in PACKED.items()}, ["out_proj.weight", "in_proj_weight"]),
        (without(PACKED, "out_proj.bias"), ["out_proj.bias"]),
        (without(PACKED, "in_proj_bias"), ["in_proj_bias"]),
        (without(THREE, "v_proj_weight"), ["v_proj_weight"]),
        (PACKED | {"bias_k": np.ones((1, 1, 6))}, ["bias_v"]),
        (PACKED | {"bias_v": np.ones((1, 1, 6))}, ["bias_k"]),
    ],
)
def test_missing_weights_are_named(weights, missing):
    message = f"weights lack {missing}; they have {list(weights)}. {OWN_NAMES}"
    with pytest.raises(KeyError) as error:
        multi_head_attention(*np.ones((3, 4, 2, 6)), weights, num_heads=2)
    assert error.value.args == (message,)


def refused(message, weights=PACKED, query=(4, 2, 6), key=(5, 2, 6), value=None, **options):
    value = key if value is None else value
    arrays = [np.ones(shape) for shape in (query, key, value)]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        multi_head_attention(*arrays, weights, **{"num_heads": 2} | options)


def test_weights_without_their_names_are_refused():
    message = (
        "weights are a list, expected a mapping from names to arrays: take state_dict() as it is"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        multi_head_attention(*np.ones((3, 4, 2, 6)), list(PACKED.values()), num_heads=2)


def test_weights_one_level_below_are_found():
    message = "they have ['attn']. Other names lie below ['attn']: is it weights['attn']?"
    with pytest.raises(KeyError, match=re.escape(message)):
        multi_head_attention(*np.ones((3, 4, 2, 6)), {"attn": PACKED}, num_heads=2)


def test_a_surplus_weight_is_named():
    names = ["out_proj.weight", "in_proj_weight", "in_proj_bias", "out_proj.bias"]
    refused(
        f"weights have ['linear1.weight'] besides {names}: are they another layer's?",
        PACKED | {"linear1.weight": np.ones((7, 6))},
    )


@pytest.mark.parametrize(
    ("weights", "name", "shape", "expected", "slip"),
    [
        (PACKED, "in_proj_weight", (6, 18), (18, 6), TRANSPOSED),
        (PACKED, "in_proj_weight", (24, 6), (18, 6), ANOTHER),
        (PACKED, "in_proj_bias", (6,), (18,), ANOTHER),
        (PACKED, "out_proj.weight", (7, 6), (6, 6), ANOTHER),
        (PACKED, "out_proj.bias", (6, 1), (6,), ANOTHER),
        (PACKED, "in_proj_weight", (), (18, 6), ANOTHER),
        (PACKED | {"bias_v": np.ones((1, 1, 6))}, "bias_k", (6,), (1, 1, 6), ANOTHER),
        (PACKED | {"bias_k": np.ones((1, 1, 6))}, "bias_v", (1, 6), (1, 1, 6), ANOTHER),
        (THREE, "q_proj_weight", (6, 7), (6, 6), ANOTHER),
        (THREE, "k_proj_weight", (7, 6), (6, 7), TRANSPOSED),
        (THREE, "v_proj_weight", (8, 6), (6, 8), TRANSPOSED),
        (THREE, "k_proj_weight", (), (6, 1), ANOTHER),
        (THREE, "v_proj_weight", (), (6, 1), ANOTHER),
    ],
)
def test_a_wrong_weight_is_told_the_likely_slip(weights, name, shape, expected, slip):
    refused(
        f"{name} has shape {shape}, expected {expected}: {slip}", weights | {name: np.ones(shape)}
    )


@pytest.mark.parametrize("shape", [(), (0, 6), (6, 0)])
def test_a_weight_without_a_size_is_told(shape):
    refused(
        f"out_proj.weight has shape {shape}, expected (1, 1): {ANOTHER}",
        THREE | {"out_proj.weight": np.ones(shape)},
    )


@pytest.mark.parametrize("num_heads", [0, 4, 12])
def test_num_heads_divides_embed_dim(num_heads):
    refused(
        f"num_heads is {num_heads}, which does not divide embed_dim, 6: "
        "the weights do not tell it, take it from the model",
        num_heads=num_heads,
    )


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (
            "query has shape (6,), expected (target, batch, 6) or (target, 6): "
            "is it another layer's?",
            {"query": (6,)},
        ),
        (
            f"query has shape (6, 2, 4), expected (target, batch, 6) or (target, 6): {TURNED}",
            {"query": (6, 2, 4)},
        ),
        (
            f"query has shape (2, 4, 7), expected (batch, target, 6) or (target, 6): {ANOTHER}",
            {"query": (2, 4, 7), "batch_first": True},
        ),
        (
            f"key has shape (5, 2, 9), expected (source, batch, 6): {ANOTHER}",
            {"key": (5, 2, 9)},
        ),
        (
            f"key has shape (5, 2, 6), expected (source, 6): {ANOTHER}",
            {"query": (4, 6)},
        ),
        (
            f"value has shape (5, 2, 7), expected (source, batch, 8): {ANOTHER}",
            {"weights": THREE, "key": (5, 2, 7)},
        ),
        (
            "key has shape (5, 2, 6), value has shape (4, 2, 6): only the last axis may differ, "
            "each key has its value",
            {"value": (4, 2, 6)},
        ),
        (
            "query has shape (4, 2, 6), key has shape (5, 3, 6): these are two batches, "
            "in axis 1; is batch_first right?",
            {"key": (5, 3, 6)},
        ),
        (
            "query has shape (4, 2, 6), key has shape (5, 2, 6): these are two batches, "
            "in axis 0; is batch_first right?",
            {"batch_first": True},
        ),
        (
            f"key_padding_mask has dtype int64, {BOOL}",
            {"key_padding_mask": np.ones((2, 5), np.int64)},
        ),
        (f"attn_mask has dtype object, {BOOL}", {"attn_mask": np.full((4, 5), None)}),
        (
            "key_padding_mask has shape (5, 2), expected (batch, source) = (2, 5)",
            {"key_padding_mask": np.ones((5, 2), bool)},
        ),
        (
            "key_padding_mask has shape (1, 5), expected (source,) = (5,)",
            {"query": (4, 6), "key": (5, 6), "key_padding_mask": np.ones((1, 5), bool)},
        ),
        (
            "attn_mask has shape (2, 4, 5), expected (target, source) = (4, 5) or "
            "(batch * num_heads, target, source) = (4, 4, 5)",
            {"attn_mask": np.ones((2, 4, 5))},
        ),
    ],
)
def test_a_wrong_input_is_told_what_was_expected(message, arguments):
    refused(message, **arguments)


@pytest.mark.parametrize(
    ("message", "shapes", "options"),
    [
        (
            "query, key, value have shapes (6,), (5, 6), (5, 7): each needs (..., time, features)",
            [(6,), (5, 6), (5, 7)],
            {},
        ),
        (
            "query, key, value have shapes (4, 6), (5, 7), (5, 7): query and key share the last "
            "axis, key and value the one before it; are the axes (..., time, features)?",
            [(4, 6), (5, 7), (5, 7)],
            {},
        ),
        (
            "query, key, value have shapes (4, 6), (5, 6), (4, 6): query and key share the last "
            "axis, key and value the one before it; are the axes (..., time, features)?",
            [(4, 6), (5, 6), (4, 6)],
            {},
        ),
        (
            "query, key, value have shapes (4, 6), (5, 6), (5, 7): "
            "axis -3 of key and value has to divide the one of query; "
            "are they (batch, heads, time, features)?",
            [(4, 6), (5, 6), (5, 7)],
            {"enable_gqa": True},
        ),
        (
            "query, key, value have shapes (4, 4, 6), (2, 5, 6), (3, 5, 7): "
            "axis -3 of key and value has to divide the one of query; "
            "are they (batch, heads, time, features)?",
            [(4, 4, 6), (2, 5, 6), (3, 5, 7)],
            {"enable_gqa": True},
        ),
        (
            "query, key, value have shapes (4, 4, 6), (0, 5, 6), (2, 5, 7): "
            "axis -3 of key and value has to divide the one of query; "
            "are they (batch, heads, time, features)?",
            [(4, 4, 6), (0, 5, 6), (2, 5, 7)],
            {"enable_gqa": True},
        ),
        (
            "query, key, value have shapes (2, 4, 3, 6), (2, 5, 3, 6), (2, 5, 3, 7): the axes "
            "before the last two differ; "
            "are they (batch, time, heads, features)? Swap axes 1 and 2",
            [(2, 4, 3, 6), (2, 5, 3, 6), (2, 5, 3, 7)],
            {},
        ),
        (
            "query, key, value have shapes (2, 3, 4, 6), (4, 3, 5, 6), (4, 3, 5, 7): the axes "
            "before the last two differ; are they of the same batch?",
            [(2, 3, 4, 6), (4, 3, 5, 6), (4, 3, 5, 7)],
            {},
        ),
        (
            "query, key, value have shapes (3, 4, 6), (2, 4, 6), (2, 4, 7): the axes "
            "before the last two differ; are they of the same batch?",
            [(3, 4, 6), (2, 4, 6), (2, 4, 7)],
            {},
        ),
        (
            "attn_mask has shape (4, 4), which does not broadcast to (2, 4, 3, 3), that of the "
            "scores: are query and key (batch, heads, time, features)?",
            [(2, 4, 3, 6)] * 3,
            {"attn_mask": np.ones((4, 4), bool)},
        ),
        (
            "attn_mask has shape (5, 5), which does not broadcast to (2, 4, 5, 4), that of the "
            "scores: are query and key (batch, heads, time, features)?",
            [(2, 4, 5, 6), (2, 2, 4, 6), (2, 2, 4, 6)],
            {"attn_mask": np.zeros((5, 5)), "enable_gqa": True},
        ),
        (
            "is_causal is a mask of its own: give it or attn_mask, not both",
            [(4, 6), (5, 6), (5, 7)],
            {"is_causal": True, "attn_mask": np.ones((4, 5), bool)},
        ),
        (
            f"attn_mask has dtype int64, {BOOL}",
            [(4, 6), (5, 6), (5, 7)],
            {"attn_mask": np.ones((4, 5), np.int64)},
        ),
    ],
)
def test_dot_product_attention_says_what_is_wrong(message, shapes, options):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        scaled_dot_product_attention(*map(np.ones, shapes), **options)


def test_each_query_has_its_own_largest_score():
    query = torch.tensor([[1.0, 2.0], [1000.0, 2000.0]], dtype=torch.float64)
    key = torch.tensor([[1.0, -1.0], [2.0, 1.0], [1.5, 1.0]], dtype=torch.float64)
    value = torch.tensor([[1.0], [2.0], [5.0]], dtype=torch.float64)
    reference = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    ours = scaled_dot_product_attention(query.numpy(), key.numpy(), value.numpy())
    assert_parity(ours, reference)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [1, 2])
def test_what_is_no_finite_number_is_hidden_by_is_causal_as_in_torch(which, value):
    # As in its kernel for four axes; the one for three axes makes NaN of a hidden score.
    given = list(np.random.default_rng(0).normal(size=(3, 2, 3, 5, 6)))
    given[which][1, 1, 3, 2] = value
    reference = sdpa(*map(torch.from_numpy, given), is_causal=True)
    ours = scaled_dot_product_attention(*given, is_causal=True)
    np.testing.assert_allclose(ours, reference, rtol=1e-11)


def test_heads_are_shared_without_a_batch_axis():
    torch.manual_seed(0)
    query, key = torch.randn(6, 4, 5).double(), torch.randn(2, 3, 5).double()
    value = torch.randn(2, 3, 7).double()
    reference = torch.nn.functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    arrays = (query.numpy(), key.numpy(), value.numpy())
    assert_parity(scaled_dot_product_attention(*arrays, enable_gqa=True), reference)
