"""Weights that hold several: the rows are those that torch's own modules compute with."""

import contextlib
import re

import numpy as np
import pytest

from snippets.layers.attention import multi_head_attention
from snippets.layers.transformer import transformer_encoder_layer
from snippets.models import fused_weights
from snippets.models.fused_weights import (
    fuse_attention,
    fuse_encoder_layer,
    split_gate_up_proj,
    split_qkv_proj,
    split_query_key_value,
    weight_of_norm,
)
from snippets.state_dict import under
from tests import ROOT
from tests.models.decoders import MODELS, near
from tests.models.library import NEEDED, load, read_golden
from tests.parity import arrays
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")

NEOX = {"model_type": "gpt_neox", "num_attention_heads": 6}
FALCON = {"model_type": "falcon", "num_attention_heads": 6}
GROUPED = FALCON | {"new_decoder_architecture": True, "num_kv_heads": 2}
KINDS = {
    "gpt_neox": (NEOX, 6, 1),
    "bloom": ({"model_type": "bloom", "n_head": 6}, 6, 1),
    "falcon, as Bloom": (FALCON | {"multi_query": False}, 6, 1),
    "falcon, one key": (FALCON, 1, 6),
    "falcon, groups": (GROUPED, 2, 3),
    "falcon, as many groups as heads": (GROUPED | {"num_kv_heads": None}, 6, 1),
}
HEAD_DIM, HIDDEN = 4, 5


def linears(*shapes, bias=True):
    """Return torch's Linears in float64 and their arrays."""
    layers = [torch.nn.Linear(*shape, bias=bias).double() for shape in shapes]
    return layers, [arrays(layer) for layer in layers]


def rows_of(module, groups, each):
    """Return q, k and v that a fused weight and bias have, each row told by its place."""
    told = np.arange(groups * (each + 2) * HEAD_DIM).reshape(groups, each + 2, HEAD_DIM)
    parts = (
        [told[h // each, h % each] for h in range(groups * each)],
        [told[g, each] for g in range(groups)],
        [told[g, each + 1] for g in range(groups)],
    )
    return [module[np.concatenate(part)] for part in parts]


def splits(module):
    """Fail unless a module cuts a weight and a bias as the families do."""
    rng = np.random.default_rng(0)
    for config, groups, each in KINDS.values():
        rows = groups * (each + 2) * HEAD_DIM
        for array in (rng.standard_normal((rows, HIDDEN)), rng.standard_normal(rows)):
            cut = module.split_query_key_value(array, config)
            for ours, reference in zip(cut, rows_of(array, groups, each), strict=True):
                np.testing.assert_array_equal(ours, reference)


def test_query_key_value_is_cut_into_heads():
    splits(fused_weights)


def test_qkv_proj_is_three_blocks():
    array = np.arange(10 * HEAD_DIM)[:, None] * np.ones(HIDDEN)
    config = {"num_attention_heads": 6, "num_key_value_heads": 2}
    q, k, v = split_qkv_proj(array, config)
    assert [part[:, 0].tolist() for part in (q, k, v)] == [
        list(range(24)),
        list(range(24, 32)),
        list(range(32, 40)),
    ]
    q, k, v = split_qkv_proj(array[:36], {"num_attention_heads": 3})
    assert len(q) == len(k) == len(v) == 12


def test_gate_is_the_first_half():
    gate, up = split_gate_up_proj(np.arange(6)[:, None])
    assert (gate.ravel().tolist(), up.ravel().tolist()) == ([0, 1, 2], [3, 4, 5])


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("old", [True, False])
def test_the_weight_of_weight_norm(dim, old):
    layer = torch.nn.Conv1d(6, 4, 3, groups=2).double()
    module = torch.nn.utils if old else torch.nn.utils.parametrizations
    with pytest.warns(FutureWarning) if old else contextlib.nullcontext():
        layer = module.weight_norm(layer, dim=dim)
    g, v = [a for name, a in arrays(layer).items() if name != "bias"]
    near(weight_of_norm(g, v), layer.weight.detach().numpy())
    near(weight_of_norm(3 * g, v), 3 * layer.weight.detach().numpy())


def attends(module, bias):
    """Fail unless four Linears and one attention compute the same."""
    torch.manual_seed(0)
    layers, (q, k, v, out) = linears(*[(12, 12)] * 4, bias=True)
    if bias == "not k, as Whisper":
        layers[1].bias, k = None, {"weight": k["weight"]}
    elif bias == "none":
        for layer, part in zip(layers, (q, k, v, out), strict=True):
            layer.bias = None
            del part["bias"]
    elif bias == "out only":
        for layer, part in zip(layers[:3], (q, k, v), strict=True):
            layer.bias = None
            del part["bias"]
    x = torch.randn(2, 5, 12).double()
    heads = [layer(x).unflatten(2, (3, 4)).transpose(1, 2) for layer in layers[:3]]
    mean = torch.nn.functional.scaled_dot_product_attention(*heads)
    reference = layers[3](mean.transpose(1, 2).flatten(2))
    weights = module.fuse_attention(q, k, v, out)
    given = {"num_heads": 3, "need_weights": False, "batch_first": True}
    ours, _ = multi_head_attention(*[x.numpy()] * 3, weights, **given)
    near(ours, reference.detach().numpy())
    assert ("in_proj_bias" in weights) == (bias != "none")


@pytest.mark.parametrize("bias", ["all", "not k, as Whisper", "out only", "none"])
def test_three_linears_go_into_multi_head_attention(bias):
    attends(fused_weights, bias)


@pytest.mark.parametrize("norm_first", [True, False])
def test_parts_go_into_a_transformer_encoder_layer(norm_first):
    options = {"norm_first": norm_first, "batch_first": True, "activation": "gelu"}
    layer = torch.nn.TransformerEncoderLayer(12, 3, 7, **options).double().eval()
    state = arrays(layer)
    w = np.split(state["self_attn.in_proj_weight"], 3)
    b = np.split(state["self_attn.in_proj_bias"], 3)
    three = [{"weight": one, "bias": other} for one, other in zip(w, b, strict=True)]
    attention = fuse_attention(*three, under(state, "self_attn.out_proj"))
    names = ("linear1", "linear2", "norm1", "norm2")
    weights = fuse_encoder_layer(attention, *(under(state, name) for name in names))
    assert weights.keys() == state.keys()
    x = torch.randn(2, 5, 12).double()
    ours = transformer_encoder_layer(x.numpy(), weights, nhead=3, **options)
    near(ours, layer(x).detach().numpy())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_names_all_of_a_layer_of_bert(language):
    text = (ROOT / f"docs/{language}/models/fused-weights.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (`[\w.`, ]+`) \| .*`(?:fuse_attention|norm\d|linear\d)` \|$", text, re.M
    )
    told = {name for row in rows for name in re.findall(r"[\w.]+", row)}
    _, weights, _ = read_golden("bert")["spread"]
    layer = [re.search(r"\blayer\.0\.(.+)\.weight$", name) for name in weights]
    assert told == {found[1] for found in layer if found}


SABOTAGES = {
    "three blocks": (
        "array.reshape(groups, each + 2, -1",
        "array.reshape(1, groups * (each + 2), -1",
    ),
    "the key first": ("[each, each + 1], axis=1)", "[1, 2], axis=1)[::-1]"),
    "always as Bloom": ("groups = 1\n", "groups = heads\n"),
    "groups forgotten": ('groups = config.get("num_kv_heads") or heads', "groups = 1"),
    "one key unless said": ('config.get("multi_query", True)', "True"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    module = sabotaged(MODELS / "fused_weights.py", *SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        splits(module)


def test_k_before_q_is_caught():
    parts = "for part in (q, k, v)])}", "for part in (k, q, v)])}"
    module = sabotaged(MODELS / "fused_weights.py", *parts)
    with pytest.raises(AssertionError):
        attends(module, "all")


@pytest.mark.parametrize(
    ("message", "call"),
    [
        (
            "model_type is 'gpt2', expected gpt_neox, bloom or falcon: others cut their rows in "
            "other ways",
            lambda: split_query_key_value(np.ones((6, 2)), {"model_type": "gpt2"}),
        ),
        (
            "the weight has 5 rows, which are no 18 heads of q, k and v: is config.json another "
            "checkpoint's, or was it transposed?",
            lambda: split_query_key_value(np.ones((5, 72)), NEOX),
        ),
        (
            "the weight has 18 rows, which are no 5 heads of q, k and v: is config.json another "
            "checkpoint's, or was it transposed?",
            lambda: split_qkv_proj(
                np.ones((18, 2)), {"num_attention_heads": 3, "num_key_value_heads": 1}
            ),
        ),
        (
            "g has shape (4, 3), but v (3, 4): is it another layer's?",
            lambda: weight_of_norm(np.ones((4, 3)), np.ones((3, 4))),
        ),
        (
            "the weight has 5 rows, which are no 2 halves: is config.json another checkpoint's, "
            "or was it transposed?",
            lambda: split_gate_up_proj(np.ones((5, 2))),
        ),
        (
            "g has shape (4, 5, 3), but v (4, 1, 1): were g and v exchanged?",
            lambda: weight_of_norm(np.ones((4, 5, 3)), np.ones((4, 1, 1))),
        ),
        (
            "g has shape (1, 3), but v (4, 5, 3): is it another layer's?",
            lambda: weight_of_norm(np.ones((1, 3)), np.ones((4, 5, 3))),
        ),
        (
            "q, k and v have shapes [(4, 3), (2, 3), (2, 3)], expected one: with fewer heads of k "
            "and v, call scaled_dot_product_attention with enable_gqa",
            lambda: fuse_attention(*({"weight": np.ones((n, 3))} for n in (4, 2, 2)), {}),
        ),
    ],
)
def test_what_does_not_fit_is_refused(message, call):
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        call()
    assert str(info.value) == message


# What only the library tells.

SIZES = {"hidden_size": 24, "num_hidden_layers": 1, "vocab_size": 9}


@NEEDED
@pytest.mark.parametrize("kind", KINDS)
def test_the_library_cuts_them_so(kind):
    config = KINDS[kind][0]
    transformers = load()
    name = config["model_type"]
    made = {
        "gpt_neox": transformers.GPTNeoXConfig,
        "bloom": transformers.BloomConfig,
        "falcon": transformers.FalconConfig,
    }[name](**{k: v for k, v in (SIZES | config).items() if k != "model_type"}, intermediate_size=7)
    package = {"gpt_neox": "GPTNeoX", "bloom": "Bloom", "falcon": "Falcon"}[name]
    modules = load(f"transformers.models.{name}.modeling_{name}")
    layer = getattr(modules, f"{package}Attention")(made, 0).double()
    weight = arrays(layer.query_key_value)["weight"]
    x = np.random.default_rng(0).standard_normal((1, 3, 24))
    fused = torch.from_numpy(x @ weight.T)
    if name == "gpt_neox":  # as its forward does
        theirs = fused.view(1, 3, 6, 12).chunk(3, dim=-1)
    elif name == "bloom":
        theirs = [a.transpose(1, 2) for a in layer._reshape(fused)]
    else:
        theirs = layer._split_heads(fused)
    for ours, reference in zip(split_query_key_value(weight, config), theirs, strict=True):
        heads = (x @ ours.T).reshape(1, 3, -1, 4)
        times = reference.shape[2] // heads.shape[2]
        near(heads.repeat(times, axis=2), reference.numpy())


@NEEDED
def test_phi_3_of_the_library():
    transformers = load()
    options = {"num_attention_heads": 6, "num_key_value_heads": 2, "intermediate_size": 7}
    config = transformers.Phi3Config(**SIZES | options, pad_token_id=0)
    modules = load("transformers.models.phi3.modeling_phi3")
    layer = modules.Phi3MLP(config).double()
    gate, up = split_gate_up_proj(arrays(layer.gate_up_proj)["weight"])
    x = np.random.default_rng(0).standard_normal((3, 24))
    act = torch.nn.functional.silu(torch.from_numpy(x @ gate.T)).numpy()
    ours = (act * (x @ up.T)) @ arrays(layer.down_proj)["weight"].T
    near(ours, layer(torch.from_numpy(x)).detach().numpy())
    layer = modules.Phi3Attention(config, 0)
    parts = split_qkv_proj(arrays(layer.qkv_proj)["weight"], config.to_dict())
    assert [part.shape for part in parts] == [(24, 24), (8, 24), (8, 24)]


@NEEDED
def test_weight_norm_of_wav2vec2():
    config = load().Wav2Vec2Config(**SIZES | {"num_conv_pos_embeddings": 5}, num_attention_heads=2,
        num_conv_pos_embedding_groups=2)  # fmt: skip
    modules = load("transformers.models.wav2vec2.modeling_wav2vec2")
    conv = modules.Wav2Vec2PositionalConvEmbedding(config).double().conv
    state = arrays(conv)
    g, v = (state[f"parametrizations.weight.original{i}"] for i in range(2))
    assert (g.shape, v.shape) == ((1, 1, 5), (24, 12, 5))
    near(weight_of_norm(g, v), conv.weight.detach().numpy())


@NEEDED
def test_a_layer_of_bert_is_an_encoder_layer():
    config = load().BertConfig(**SIZES, num_attention_heads=3, intermediate_size=7)
    modules = load("transformers.models.bert.modeling_bert")
    layer = modules.BertLayer(config).double().eval()
    state = arrays(layer)
    own = under(state, "attention.self")
    three = (under(own, name) for name in ("query", "key", "value"))
    weights = fuse_encoder_layer(
        fuse_attention(*three, under(state, "attention.output.dense")),
        *(under(state, name) for name in ("intermediate.dense", "output.dense")),
        *(under(state, name) for name in ("attention.output.LayerNorm", "output.LayerNorm")),
    )
    x = torch.randn(2, 5, 24).double()
    options = {"activation": "gelu", "layer_norm_eps": 1e-12, "batch_first": True}
    ours = transformer_encoder_layer(x.numpy(), weights, nhead=3, **options)
    found = layer(x)
    near(ours, (found[0] if isinstance(found, tuple) else found).detach().numpy())
