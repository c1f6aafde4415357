"""What the models have in common: padding, windows, the cache, and what is refused."""

import re

import numpy as np
import pytest

from snippets.models import blocks
from snippets.models.blocks import (
    activation_of,
    generate_tokens,
    keys_seen,
    last_tokens,
    parts_of,
    read_config,
    read_tokens,
    remember,
    token_positions,
)
from tests.models.decoders import MODELS, near
from tests.shape_comments import executed

torch = pytest.importorskip("torch")

MASK = np.array([[1, 1, 1, 1, 0], [0, 0, 1, 1, 1]]).astype(bool)


def test_padding_has_no_position_of_its_own():
    assert token_positions(MASK, 5).tolist() == [[0, 1, 2, 3, 3], [0, 0, 0, 1, 2]]
    assert token_positions(MASK, 2).tolist() == [[3, 3], [1, 2]]


def test_a_query_sees_what_is_before_it_and_itself():
    seen = keys_seen(MASK, 2)
    assert seen.astype(int).tolist() == [
        [[[1, 1, 1, 1, 0], [1, 1, 1, 1, 0]]],
        [[[0, 0, 1, 1, 0], [0, 0, 1, 1, 1]]],
    ]


def test_a_window_counts_tokens_and_the_query_is_one_of_them():
    assert keys_seen(MASK, 2, window=2).astype(int).tolist() == [
        [[[0, 0, 1, 1, 0], [0, 0, 1, 1, 0]]],
        [[[0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]],
    ]


def test_the_last_token_is_found_on_either_side_of_padding():
    x = np.arange(10).reshape(2, 5, 1)
    assert last_tokens(x, MASK)[..., 0].tolist() == [[3], [9]]
    assert last_tokens(x[:, 3:], MASK)[..., 0].tolist() == [[3], [9]]


def test_the_cache_grows_in_time():
    cache = []
    k, v = np.ones((2, 3, 4, 5)), np.zeros((2, 3, 4, 5))
    assert remember(None, 0, k, v) == (k, v)
    remember(cache, 0, k, v)
    remember(cache, 1, k, v)
    grown = remember(cache, 0, k[:, :, :1], v[:, :, :1])
    assert grown is cache[0]
    assert [a.shape for pair in cache for a in pair] == [(2, 3, 5, 5)] * 2 + [(2, 3, 4, 5)] * 2
    assert grown[0].all()
    assert not grown[1].any()


def test_a_draw_is_from_the_softmax_of_what_the_temperature_divides():
    logits = np.log([0.7, 0.2, 0.1])

    def forward(ids, *_, **__):
        return np.broadcast_to(logits, (len(ids), 1, 3))

    ids, rng = np.zeros((9000, 1), int), np.random.default_rng(0)
    drawn = generate_tokens(forward, ids, {}, {}, 1, None, 2.0, rng)
    weight = np.exp(logits / 2)
    share = np.bincount(drawn[:, 0], minlength=3) / 9000
    assert np.abs(share - weight / weight.sum()).max() < 0.02


def test_activations_are_those_of_torch():
    x = np.linspace(-6, 6, 999)
    t, F = torch.from_numpy(x), torch.nn.functional
    tanh = F.gelu(t, approximate="tanh")
    for name, reference in {
        "gelu": F.gelu(t),
        "gelu_new": tanh,
        "gelu_pytorch_tanh": tanh,
        "quick_gelu": t * torch.sigmoid(1.702 * t),
        "relu": F.relu(t),
        "silu": F.silu(t),
        "swish": F.silu(t),
    }.items():
        near(activation_of(name)(x), reference.numpy())


def test_shape_comments():
    with executed(MODELS / "blocks.py") as (module, sizes):
        sizes.update(batch=2, time=3, source=5, steps=4, rows=6, out_features=7)
        sizes.update(num_heads=8, head_dim=9, hidden_size=10)
        module.project(np.ones((2, 3, 10)), np.ones((7, 10)))
        module.join_heads(module.cut_heads(np.ones((2, 3, 72)), 9))
        module.token_positions(MASK, 3)
        module.keys_seen(MASK, 3, window=2)
        cache = [(np.ones((2, 8, 2, 9)),) * 2]
        module.remember(cache, 0, *[np.ones((2, 8, 3, 9))] * 2)
        module.last_tokens(np.ones((2, 3, 10)), MASK)
        chosen = module.generate_tokens(counting, [[1, 2], [2, 3]], {}, {}, 4, None, 0, None)
    assert chosen.tolist() == [[3, 4, 5, 6], [4, 5, 6, 7]]


def counting(ids, weights, config, *, attention_mask, cache, last):
    """Return logits whose largest is the next number."""
    assert last
    assert attention_mask.all()
    cache.append(ids)
    assert attention_mask.shape[1] == sum(kept.shape[1] for kept in cache)
    return np.eye(20)[ids[:, -1:] + 1]


class Late(dict):
    """Weights that say which were read."""

    def __init__(self, weights):
        super().__init__(weights)
        self.read = []

    def __getitem__(self, name):
        self.read.append(name)
        return super().__getitem__(name)


SHAPES = {"wte.weight": (3, 2), "h.0.weight": (2, 4), "h.0.bias": (4,), "head.weight": (3, 2)}
WEIGHTS = {name: np.zeros(shape) for name, shape in SHAPES.items()}


def test_only_the_part_that_is_asked_for_is_read():
    weights = Late(WEIGHTS)
    part = parts_of(weights, SHAPES)
    assert weights.read == []
    assert list(part("h.0")) == ["weight", "bias"]
    assert weights.read == ["h.0.weight", "h.0.bias"]


def test_names_may_have_a_start_and_what_is_optional_may_be_missing():
    started = {f"model.{name}": array for name, array in WEIGHTS.items()}
    del started["model.head.weight"]
    part = parts_of(started, SHAPES, "model.", ["head.weight"])
    assert part("head") == {}
    assert part("wte")["weight"].shape == (3, 2)
    part = parts_of(started | {"head.weight": WEIGHTS["head.weight"]}, SHAPES, "model.")
    assert part("head")["weight"].shape == (3, 2)


def refused(message, function, *arguments, **options):
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        function(*arguments, **options)
    assert str(info.value) == message


def without(*names):
    return {name: array for name, array in WEIGHTS.items() if name not in names}


def test_weights_without_names_are_refused():
    message = "weights are a list, expected a mapping from names to arrays: load_safetensors(path)"
    refused(message, parts_of, [], SHAPES)


def test_missing_weights_are_named():
    refused(
        "weights lack ['h.0.bias', 'head.weight']: is config.json of this checkpoint, are all of "
        "its files read, and has it a head?",
        parts_of,
        without("h.0.bias", "head.weight"),
        SHAPES,
    )
    refused(
        "weights lack ['wte.weight', 'h.0.weight', 'h.0.bias', 'head.weight']: it is there as "
        "'net.model.wte.weight': take under(weights, 'net.model')",
        parts_of,
        {f"net.model.{name}": array for name, array in WEIGHTS.items()},
        SHAPES,
    )


def test_surplus_weights_are_named():
    refused(
        "weights have ['score.weight'], which config.json does not speak of: is it of another "
        "model or task?",
        parts_of,
        WEIGHTS | {"score.weight": np.zeros((2, 2)), "h.0.mask": np.zeros(1)},
        SHAPES,
        computed="mask$",
    )


def test_a_wrong_shape_is_named():
    for shape, slip in [
        ((4, 2), "was it transposed? Take it as it is stored"),
        ((2, 5), "is config.json another checkpoint's?"),
    ]:
        weights = WEIGHTS | {"h.0.weight": np.zeros(shape)}
        message = f"h.0.weight has shape {shape}, expected (2, 4): {slip}"
        refused(message, parts_of(weights, SHAPES), "h.0")


def test_a_config_is_the_dict_of_its_file():
    refused(
        "config is a str, expected the dict of config.json: json.loads(text), or config.to_dict()",
        read_config,
        "{}",
        ["gpt2"],
        [],
        {},
    )
    refused(
        "model_type is None, expected gpt2 or gpt3: is config.json another model's?",
        read_config,
        {},
        ["gpt2", "gpt3"],
        [],
        {},
    )
    refused(
        "config lacks ['n_embd', 'n_head'], which nothing stored tells: take config.json as it is",
        read_config,
        {"model_type": "gpt2", "n_head": None, "n_layer": 0},
        ["gpt2"],
        ["n_embd", "n_head", "n_layer"],
        {},
    )
    given = {"model_type": "gpt2", "eps": 0.1}
    assert read_config(given, ["gpt2"], [], {"eps": 1, "inner": 2}) == given | {"inner": 2}


@pytest.mark.parametrize(
    ("ids", "slip"),
    [
        (np.zeros(3, int), "int64 of shape (3,), expected integers (batch, time): is it one "
         "sequence, ids[None]?"),
        (np.zeros((1, 3)), "float64 of shape (1, 3), expected integers (batch, time): are they "
         "token ids?"),
    ],
)  # fmt: skip
def test_ids_are_a_batch_of_integers(ids, slip):
    refused(f"ids are {slip}", read_tokens, ids)


def test_a_mask_covers_the_ids_and_the_cache():
    ids = np.zeros((2, 3), int)
    refused(
        "attention_mask has shape (2, 1, 3), expected (2, 3): as ids",
        read_tokens,
        ids,
        np.ones((2, 1, 3)),
    )
    cache = [(np.ones((2, 5, 4, 6)),) * 2]
    assert read_tokens(ids, None, cache)[1].shape == (2, 7)
    refused(
        "attention_mask has shape (2, 3), expected (2, 7): with 4 tokens in the cache, it covers "
        "them too",
        read_tokens,
        ids,
        np.ones((2, 3)),
        cache,
    )
    refused(
        "ids have 1 sequences, but the cache 2: begin each batch with cache=[]",
        read_tokens,
        ids[:1],
        None,
        cache,
    )


@pytest.mark.parametrize("hidden", [-np.inf, "no"])
def test_a_mask_holds_1_and_0(hidden):
    mask = np.array([[hidden, 0, 0]])
    refused(
        f"attention_mask holds {mask.tolist()}, expected 1 for tokens and 0 for padding: "
        "is it one to be added to the scores?",
        read_tokens,
        np.zeros((1, 3), int),
        mask,
    )


def test_steps_and_temperature_are_numbers_from_0():
    given = counting, [[1]], {}, {}
    refused(
        "steps is -1, expected how many tokens to generate", generate_tokens, *given, -1, None, 0, 0
    )
    refused(
        "steps is 2.0, expected how many tokens to generate",
        generate_tokens,
        *given,
        2.0,
        None,
        0,
        0,
    )
    refused(
        "temperature is -1, expected 0, the likeliest, or more",
        generate_tokens,
        *given,
        2,
        None,
        -1,
        0,
    )
    refused(
        "the activation is 'sine', expected one of ['gelu', 'gelu_new', 'gelu_pytorch_tanh', "
        "'quick_gelu', 'relu', 'silu', 'swish']",
        blocks.activation_of,
        "sine",
    )
