"""Transformer layers and stacks in NumPy against torch, and what they say to wrong input."""

import re
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers import transformer as recipes
from snippets.layers.transformer import (
    transformer,
    transformer_decoder,
    transformer_decoder_layer,
    transformer_encoder,
    transformer_encoder_layer,
)
from snippets.state_dict import under
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, arrays, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")

PATH = SNIPPETS_DIR / "layers/transformer.py"
DTYPES = [("float64", FLOAT64), ("float32", FLOAT32)]
ACTIVATIONS = {
    "relu": ("relu", "relu"),
    "gelu": ("gelu", "gelu"),
    "function": (torch.tanh, np.tanh),
}
MASKS = {
    "src_mask": "source source",
    "tgt_mask": "target target",
    "memory_mask": "target source",
    "src_key_padding_mask": "source",
    "tgt_key_padding_mask": "target",
    "memory_key_padding_mask": "source",
}


class Case(NamedTuple):
    """The arguments of one model and of one call."""

    nhead: int = 2
    head_dim: int = 3
    dim_feedforward: int = 7
    layers: tuple = (1, 2)
    final_norm: bool = True
    activation: str = "gelu"
    norm_first: bool = False
    layer_norm_eps: float = 1e-5
    bias: bool = True
    batch_first: bool = False
    batch: int | None = 3
    source: int = 4
    target: int = 5
    masks: dict = {}  # noqa: RUF012, never changed
    seed: int = 0


@st.composite
def cases(draw):
    """Draw sizes that all differ and are above 1, and one of each choice."""
    nhead = draw(st.integers(1, 2))
    head_dim, feedforward, batch, source, target = draw(st.permutations(range(2, 7)))
    kinds = [None, "bool", "float", "each head"]
    return Case(
        nhead=nhead,
        head_dim=head_dim,
        dim_feedforward=feedforward + 10,
        layers=draw(st.sampled_from([(1, 2), (2, 1)])),
        final_norm=draw(st.booleans()),
        activation=draw(st.sampled_from([*ACTIVATIONS])),
        norm_first=draw(st.booleans()),
        layer_norm_eps=draw(st.sampled_from([1e-5, 0.1])),
        bias=draw(st.booleans()),
        batch_first=draw(st.booleans()),
        batch=draw(st.sampled_from([batch, None])),
        source=source,
        target=target,
        masks={
            name: draw(st.sampled_from(kinds[: 4 if " " in axes else 2]))
            for name, axes in MASKS.items()
        },
        seed=draw(st.integers(0, 2**32)),
    )


def build(case, dtype):
    """Return torch's model with all its parameters random."""
    options = case._asdict()
    kept = ("nhead", "dim_feedforward", "norm_first", "layer_norm_eps", "bias", "batch_first")
    with warnings.catch_warnings(action="ignore"):  # why it can't take the fast path
        model = torch.nn.Transformer(
            case.nhead * case.head_dim,
            num_encoder_layers=case.layers[0],
            num_decoder_layers=case.layers[1],
            activation=ACTIVATIONS[case.activation][0],
            **{name: options[name] for name in kept},
            dtype=dtype,
        ).eval()
    for name, values in model.named_parameters():
        if values.ndim == 1:  # biases, and the scales of the norms
            torch.nn.init.normal_(values, mean=float("norm" in name), std=0.5)
    if not case.final_norm:
        model.encoder.norm = model.decoder.norm = None
    return model


def run_torch(case, dtype):
    """Return the model, src, tgt, the masks, and what torch makes of them."""
    torch.manual_seed(case.seed)
    dtype = getattr(torch, dtype)
    model = build(case, dtype)
    lead = [] if case.batch is None else [case.batch]
    src, tgt = (
        torch.randn(time, *lead, model.d_model, dtype=dtype) for time in (case.source, case.target)
    )
    if case.batch_first and lead:
        src, tgt = src.transpose(0, 1), tgt.transpose(0, 1)
    masks = {}
    for name, kind in case.masks.items():
        if kind:
            shape = [getattr(case, axis) for axis in MASKS[name].split()]
            heads = [(case.batch or 1) * case.nhead] if kind == "each head" else []
            shape = (lead if len(shape) == 1 else heads) + shape
            mask = torch.rand(shape) < 0.4
            mask[..., :1] = False
            masks[name] = torch.randn(shape, dtype=dtype) if kind == "float" else mask
    with warnings.catch_warnings(action="ignore"):  # two kinds of masks are deprecated
        reference = model(src, tgt, **masks)
    return model, src, tgt, masks, reference


def options_of(case):
    """Return what the recipes have to be told of a model."""
    names = ("nhead", "norm_first", "layer_norm_eps", "batch_first")
    options = {name: getattr(case, name) for name in names}
    return options | {"activation": ACTIVATIONS[case.activation][1]}


def agree(module, case, dtype="float64", tolerance=FLOAT64):
    """Fail unless the recipes and torch agree on a case: the model, its stacks, its layers."""
    model, src, tgt, masks, reference = run_torch(case, dtype)
    weights, options = arrays(model), options_of(case)
    ours = {name: mask.numpy() for name, mask in masks.items()}
    x, y = src.numpy(), tgt.numpy()
    assert_parity(module.transformer(x, y, weights, **options, **ours), reference, tolerance)

    first = {name: mask for name, mask in masks.items() if name.startswith("src")}
    rest = {name: mask for name, mask in masks.items() if not name.startswith("src")}
    with warnings.catch_warnings(action="ignore"):
        encoded = model.encoder.layers[0](src, **first)
        decoded = model.decoder.layers[0](tgt, encoded, **rest)
    memory = module.transformer_encoder_layer(
        x, under(weights, "encoder.layers.0"), **options, **{k: ours[k] for k in first}
    )
    assert_parity(memory, encoded, tolerance)
    output = module.transformer_decoder_layer(
        y, memory, under(weights, "decoder.layers.0"), **options, **{k: ours[k] for k in rest}
    )
    assert_parity(output, decoded, tolerance)


@settings(deadline=None, max_examples=30)
@given(case=cases(), dtype=st.sampled_from(DTYPES))
def test_equals_torch(case, dtype):
    agree(recipes, case, *dtype)


@pytest.mark.parametrize(
    "sizes",
    [
        {"batch": 1},
        {"source": 1},
        {"target": 1},
        {"batch": 0},
        {"source": 0},
        {"target": 0},
        {"nhead": 1, "head_dim": 1},
        {"dim_feedforward": 1},
    ],
    ids=str,
)
def test_sizes_one_and_zero(sizes):
    agree(recipes, Case(**sizes))
    agree(recipes, Case(**sizes, batch_first=True, norm_first=True))


def test_stacks_are_told_apart_by_their_names_alone():
    for layers in [(1, 1), (3, 2)]:
        agree(recipes, Case(layers=layers))
    agree(recipes, Case(final_norm=False))


def test_a_stack_of_more_than_ten_layers_keeps_their_order():
    agree(recipes, Case(layers=(11, 1), nhead=1, head_dim=2, dim_feedforward=3))


@pytest.mark.parametrize("final_norm", [True, False])
def test_padded_positions_are_computed_where_the_fast_path_zeroes_them(final_norm):
    case = Case(batch_first=True, masks={"src_key_padding_mask": "bool"}, activation="relu")
    torch.manual_seed(0)
    encoder = build(case._replace(final_norm=final_norm, layers=(2, 1)), torch.float64).encoder
    padded = torch.tensor([[False] * 4, [False, False, True, True], [False, False, False, True]])
    src = torch.randn(3, 4, 6).double()
    slow = encoder(src, src_key_padding_mask=padded)
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):  # nested tensors are new
        fast = encoder(src, src_key_padding_mask=padded)
    ours = transformer_encoder(
        src.numpy(),
        arrays(encoder),
        nhead=2,
        batch_first=True,
        src_key_padding_mask=padded.numpy(),
    )
    assert_parity(ours, slow)
    assert_parity(ours[~padded], fast[~padded])
    filled = encoder.norm.bias if final_norm else torch.zeros(6).double()
    assert_parity(fast[padded].numpy(), filled.expand(3, 6))


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_sequence_of_padding_alone_is_finite_as_in_torch(batch_first):
    # The output of attention is its bias then. The fast path of one layer gives NaN: grad is on.
    torch.manual_seed(0)
    layer = build(Case(batch_first=batch_first), torch.float64).encoder.layers[0]
    src = torch.randn(3, 3, 6).double()
    padded = torch.eye(3, dtype=torch.bool) | torch.tensor([[True], [False], [False]])
    ours = transformer_encoder_layer(
        src.numpy(),
        arrays(layer),
        nhead=2,
        activation="gelu",
        batch_first=batch_first,
        src_key_padding_mask=padded.numpy(),
    )
    assert_parity(ours, layer(src, src_key_padding_mask=padded))


def test_nothing_it_is_given_changes():
    model, src, tgt, masks, _ = run_torch(FULL, "float64")
    ours = {name: mask.numpy() for name, mask in masks.items()}
    given = {"src": src.numpy(), "tgt": tgt.numpy(), **arrays(model), **ours}
    before = {name: values.copy() for name, values in given.items()}
    weights = {name: given[name] for name in arrays(model)}
    transformer(given["src"], given["tgt"], weights, **options_of(FULL), **ours)
    for name, values in given.items():
        np.testing.assert_array_equal(values, before[name])


def test_the_defaults_are_those_of_torch():
    model, src, tgt, _, reference = run_torch(Case(activation="relu"), "float64")
    weights, x, y = arrays(model), src.numpy(), tgt.numpy()
    assert_parity(transformer(x, y, weights, nhead=2), reference)
    memory = transformer_encoder(x, under(weights, "encoder"), nhead=2)
    assert_parity(memory, model.encoder(src))
    assert_parity(transformer_decoder(y, memory, under(weights, "decoder"), nhead=2), reference)
    first = transformer_encoder_layer(x, under(weights, "encoder.layers.0"), nhead=2)
    assert_parity(first, model.encoder.layers[0](src))
    last = transformer_decoder_layer(y, first, under(weights, "decoder.layers.1"), nhead=2)
    assert_parity(last, model.decoder.layers[1](tgt, model.encoder.layers[0](src)))


def test_takes_lists():
    torch.manual_seed(0)
    layer = build(Case(), torch.float64).encoder.layers[0]
    src = torch.randn(4, 6).double()
    weights = {name: values.tolist() for name, values in arrays(layer).items()}
    ours = transformer_encoder_layer(src.tolist(), weights, nhead=2, activation="gelu")
    assert_parity(ours, layer(src))


# Everything at once: what a sabotage is tried on.
FULL = Case(
    layers=(2, 2),
    masks={name: "each head" if " " in axes else "bool" for name, axes in MASKS.items()},
    batch_first=True,
)


def all_of_it(module):
    agree(module, FULL)
    agree(module, FULL._replace(norm_first=True, batch_first=False, layer_norm_eps=0.1))
    agree(module, FULL._replace(activation="relu", masks={}))


BEFORE_MASKS = "own_masks, other_masks = ("
SABOTAGES = {
    "norm first, always": ("        if norm_first:", "        if True:"),
    "norm last, always": ("        if norm_first:", "        if False:"),
    "norms in the wrong order": ("enumerate(blocks, start=1)", "zip((2, 1, 3), blocks)"),
    "one norm for all": ("enumerate(blocks, start=1)", "((1, block) for block in blocks)"),
    "x not added": ("x = transformer_norm(x + block(x)", "x = transformer_norm(block(x)"),
    "x not added, norm first": ("x = x + block(transformer_norm", "x = block(transformer_norm"),
    "attention left out": ("(src, [attend, feed_forward]", "(src, [lambda x: 0 * x, feed_forward]"),
    "blocks exchanged": ("[attend, feed_forward]", "[feed_forward, attend]"),
    "memory before own": (
        "[attend, attend_to_memory, feed_forward]",
        "[attend_to_memory, attend, feed_forward]",
    ),
    "attentions exchanged": ("own, other = under(", "other, own = under("),
    "memory for queries": ("attention(x, memory, memory, other", "attention(x, x, x, other"),
    "mask of memory forgotten": (BEFORE_MASKS, 'masks["memory_mask"] = None\n    ' + BEFORE_MASKS),
    "padding of tgt forgotten": (
        BEFORE_MASKS,
        'masks["tgt_key_padding_mask"] = None\n    ' + BEFORE_MASKS,
    ),
    "padding of memory forgotten": (
        BEFORE_MASKS,
        'masks["memory_key_padding_mask"] = None\n    ' + BEFORE_MASKS,
    ),
    "padding of src forgotten": (
        '"key_padding_mask": masks["src_key_padding_mask"]',
        '"key_padding_mask": None',
    ),
    "the encoder's mask forgotten": ('"src_mask": mask', '"src_mask": None'),
    "gelu by tanh": ('"gelu": gelu', '"gelu": lambda x: gelu(x, "tanh")'),
    "no activation": ("linear(activation(hidden)", "linear(hidden"),
    "activations exchanged": ('{"relu": relu, "gelu": gelu}', '{"relu": gelu, "gelu": relu}'),
    "eps forgotten": ("**w, eps=eps)", "**w)"),
    "eps of the end forgotten": ('weights, "norm", eps) if', 'weights, "norm", 1e-5) if'),
    "final norm dropped": ('if "norm.weight" in weights else x', "if False else x"),
    "only the first layer": ("while any(", "while False and any("),
    "always the first layer": ('under(weights, f"layers.{k}")', 'under(weights, "layers.0")'),
    "src for memory": ("decoder(tgt, memory, under", "decoder(tgt, src, under"),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    broken = sabotaged(PATH, *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        all_of_it(broken)


def test_what_sabotages_are_tried_on_agrees():
    all_of_it(recipes)


def test_shape_comments():
    case = Case()
    model, src, tgt, _, _ = run_torch(case, "float64")
    with executed(SNIPPETS_DIR / "layers/transformer.py") as (module, sizes):
        sizes.update(d_model=6, dim_feedforward=7)
        for norm_first in (True, False):
            module.transformer(
                src.numpy(), tgt.numpy(), arrays(model), nhead=2, norm_first=norm_first
            )


OWN_NAMES = 'Take the names below one layer\'s own: under(state, "encoder.layers.0")'


def weights_of(kind="encoder.layers.0", **case):
    return under(arrays(build(Case(**case), torch.float32)), kind)


def refused(message, call, *arguments, error=ValueError, **options):
    with pytest.raises(error) as info:
        call(*arguments, **options)
    assert info.value.args == (message,)


def test_weights_without_their_names_are_refused():
    message = (
        "weights are a list, expected a mapping from names to arrays: take state_dict() as it is"
    )
    x, weights = np.ones((4, 3, 6)), [*weights_of().values()]
    for call in (transformer_encoder_layer, transformer_encoder):
        refused(message, call, x, weights, nhead=2, error=TypeError)
    for call in (transformer_decoder_layer, transformer_decoder, transformer):
        refused(message, call, x, x, weights, nhead=2, error=TypeError)


def test_a_mask_is_named_as_it_was_given():
    mask = np.zeros((4, 4), int)
    message = (
        "src_mask has dtype int64, expected bool or float: make it bool, and look up "
        "whether True keeps a key or hides it"
    )
    x = np.ones((4, 3, 6))
    refused(message, transformer_encoder_layer, x, weights_of(), nhead=2, src_mask=mask)


@pytest.mark.parametrize(
    "missing", [["linear1.bias"], ["norm2.weight"], ["self_attn.in_proj_bias"]]
)
def test_missing_weights_are_named(missing):
    weights = {name: values for name, values in weights_of().items() if name not in missing}
    message = f"weights lack {missing}; they have {list(weights)}. {OWN_NAMES}"
    x = np.ones((4, 3, 6))
    refused(message, transformer_encoder_layer, x, weights, nhead=2, error=KeyError)


def test_a_missing_weight_of_a_decoder_layer_is_named():
    weights = weights_of("decoder.layers.0")
    del weights["multihead_attn.in_proj_weight"]
    message = (
        f"weights lack ['multihead_attn.in_proj_weight']; they have {list(weights)}. {OWN_NAMES}"
    )
    x = np.ones((4, 3, 6))
    refused(message, transformer_decoder_layer, x, x, weights, nhead=2, error=KeyError)


def test_a_memory_that_is_all_padding_makes_no_nan():
    torch.manual_seed(0)
    layer = torch.nn.TransformerDecoderLayer(6, 2, 7, dtype=torch.float64).eval()
    tgt, memory = torch.randn(5, 3, 6).double(), torch.randn(4, 3, 6).double()
    padding = torch.zeros(3, 4, dtype=torch.bool)
    padding[1] = True
    reference = layer(tgt, memory, memory_key_padding_mask=padding)
    ours = transformer_decoder_layer(
        tgt.numpy(),
        memory.numpy(),
        arrays(layer),
        nhead=2,
        memory_key_padding_mask=padding.numpy(),
    )
    assert_parity(ours, reference)


def test_the_weights_of_a_decoder_layer_are_not_an_encoder_layers():
    weights = weights_of("decoder.layers.0", bias=False)
    names = [f"self_attn.{kind}.weight" for kind in ("in_proj", "out_proj")]
    names[0] = "self_attn.in_proj_weight"
    names += [f"{part}.weight" for part in ("linear1", "linear2", "norm1", "norm2")]
    surplus = ["multihead_attn.in_proj_weight", "multihead_attn.out_proj.weight", "norm3.weight"]
    message = f"weights have {surplus} besides {names}: are they another layer's?"
    refused(message, transformer_encoder_layer, np.ones((4, 3, 6)), weights, nhead=2)


def test_a_stack_without_its_first_layer():
    weights = weights_of("encoder", bias=False)
    moved = {name.replace("layers.0", "layers.5"): values for name, values in weights.items()}
    surplus = [name for name in moved if "layers.5" in name]
    message = (
        f"weights have {surplus} besides what lies below ['layers.0.', 'norm.']: "
        "is a layer missing? "
        'Of a whole model, take its part: under(state, "encoder")'
    )
    refused(message, transformer_encoder, np.ones((4, 3, 6)), moved, nhead=2)


def test_a_norm_without_a_weight():
    weights = weights_of("encoder")
    del weights["norm.weight"]
    message = (
        "weights have ['norm.bias'] besides what lies below ['layers.0.']: is a layer missing? "
        'Of a whole model, take its part: under(state, "encoder")'
    )
    refused(message, transformer_encoder, np.ones((4, 3, 6)), weights, nhead=2)


def test_other_weights_of_the_model():
    weights = arrays(build(Case(), torch.float32)) | {"fc.weight": np.ones((2, 6))}
    message = (
        "weights have ['fc.weight'] besides what lies below ('encoder.', 'decoder.'): "
        "are they the model's?"
    )
    refused(message, transformer, np.ones((4, 3, 6)), np.ones((5, 3, 6)), weights, nhead=2)


def test_an_unknown_activation():
    message = "activation is 'tanh', expected relu, gelu or a function"
    x = np.ones((4, 3, 6))
    refused(message, transformer_encoder_layer, x, weights_of(), nhead=2, activation="tanh")


@pytest.mark.parametrize("norm_first", [True, False])
def test_wrong_features_are_told_by_the_part_that_reads_them(norm_first):
    with pytest.raises(ValueError, match=re.escape("has shape (4, 3, 7), expected ")):
        transformer_encoder_layer(np.ones((4, 3, 7)), weights_of(), nhead=2, norm_first=norm_first)
