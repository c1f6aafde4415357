"""Quantised weights against what the libraries make of the same bytes, and against the bits.

``tests/checkpoints/quantizers.py`` had the libraries write data/quantized.npz.
"""

import contextlib
import json
import re
import warnings

import numpy as np
import pytest

from snippets import quantized
from snippets.checkpoints import StandIn, load_torch
from snippets.checkpoints.lazy import LazyDict, as_aligned
from snippets.describe import facts
from snippets.quantized import (
    dequantized,
    from_awq,
    from_bitsandbytes_4bit,
    from_bitsandbytes_int8,
    from_compressed_tensors,
    from_fp8,
    from_gptq,
    from_mxfp4,
    from_qtensor,
)
from snippets.state_dict import under
from tests import ROOT, SNIPPETS_DIR
from tests.sabotage import sabotaged
from tests.shape_comments import executed

PATH = SNIPPETS_DIR / "quantized.py"
with np.load(ROOT / "tests/checkpoints/data/quantized.npz") as file:
    ARRAYS = dict(file)
LAYERS = {name[:-1]: ARRAYS[name] for name in ARRAYS if name.endswith("/")}
FUNCTIONS = {
    "GPTQ": "from_gptq",
    "AWQ": "from_awq",
    "compressed-tensors": "from_compressed_tensors",
    "bitsandbytes, int8": "from_bitsandbytes_int8",
    "bitsandbytes": "from_bitsandbytes_4bit",
    "FP8": "from_fp8",
    "MXFP4": "from_mxfp4",
}


def stored(layer):
    """Return the tensors of a layer as its library stores them."""
    start = f"{layer}/"
    return {
        k.removeprefix(start): v for k, v in ARRAYS.items() if k.startswith(start) and k != start
    }


def function_of(layer, module=quantized):
    """Return the function for a layer."""
    name = layer if layer in FUNCTIONS else layer.partition(",")[0]
    return getattr(module, FUNCTIONS[name])


def same(ours, theirs):
    return ours.dtype == theirs.dtype == np.float32 and np.array_equal(ours, theirs)


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_is_what_its_library_makes_of_it(layer):
    ours = function_of(layer)(stored(layer))
    assert same(ours, LAYERS[layer])
    assert ours.flags.c_contiguous
    assert len(np.unique(ours)) > 50


# ---- By the bits: a reference in integers of Python, number by number ----

RNG = np.random.default_rng(0)


def packed(numbers, bits):
    """Return rows of words that hold the numbers of each row, the lowest bits first."""
    rows = []
    for row in np.asarray(numbers).tolist():
        whole = sum(number << i * bits for i, number in enumerate(row))
        size = 4 * -(-len(row) * bits // 32)
        rows.append(np.frombuffer(whole.to_bytes(size, "little"), "<i4"))
    return np.array(rows)


def a_gptq(bits, version, groups):
    """Return a layer of 32 rows of 64 numbers as GPTQModel writes it, and its weight."""
    q, zeros = RNG.integers(0, 2**bits, (32, 64)), RNG.integers(0, 2**bits, (4, 32))
    zeros[:, ::5] = 0
    scales = RNG.random((4, 32)).astype(np.float16)
    qzeros = packed(zeros, bits)
    if version == "gptq":  # its convert_gptq_v2_to_v1_format: whole words less 1 in each number
        one = sum(1 << place for place in range(0, 32, bits))
        qzeros = (qzeros.view(np.uint32).astype(np.int64) - one & 0xFFFFFFFF).astype(np.uint32)
    weights = {"qweight": packed(q, bits).T, "qzeros": qzeros.view(np.int32), "scales": scales}
    return weights | groups, q, zeros, scales


GROUPS = {
    "neighbours": ({}, np.arange(64) // 16),
    "not said": ({"g_idx": np.full(64, -1, np.int32)}, np.arange(64) // 16),
    "others": ({"g_idx": np.arange(64, dtype=np.int32) * 7 % 4}, np.arange(64) * 7 % 4),
}


@pytest.mark.parametrize("version", ["gptq", "gptq_v2"])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("groups", GROUPS)
def test_gptq_with_zero_points_of_0(bits, version, groups):
    given, group = GROUPS[groups]
    weights, q, zeros, scales = a_gptq(bits, version, given)
    want = [
        [
            np.float32(scales[group[i], o]) * np.float32(q[o, i] - zeros[group[i], o])
            for i in range(64)
        ]
        for o in range(32)
    ]
    assert same(from_gptq(weights, checkpoint_format=version), np.array(want))


def test_words_of_the_other_byte_order():
    weights, *_ = a_gptq(4, "gptq", {})
    swapped = {name: values.astype(values.dtype.newbyteorder()) for name, values in weights.items()}
    assert same(from_gptq(swapped), from_gptq(weights))


def test_gptq_of_another_version_is_one_step_beside():
    weights, _, _, scales = a_gptq(4, "gptq_v2", {})
    right = from_gptq(weights, checkpoint_format="gptq_v2")
    wrong = from_gptq(weights)
    assert 0.1 < np.abs(right - wrong).max() <= 15 * scales.max()


def test_the_order_of_awq():
    """One word: its lowest four bits are column 0, the next ones column 2."""
    word = sum(column << 4 * place for place, column in enumerate([0, 2, 4, 6, 1, 3, 5, 7]))
    weights = {
        "qweight": np.array([[word]], np.uint32).view(np.int32),
        "qzeros": np.zeros((1, 1), np.int32),
        "scales": np.ones((1, 8), np.float16),
    }
    assert from_awq(weights).tolist() == [[0], [1], [2], [3], [4], [5], [6], [7]]


@pytest.mark.parametrize("bits", range(1, 9))
def test_numbers_that_cross_words(bits):
    q = RNG.integers(0, 2**bits, (3, 37))
    weights = {
        "weight_packed": packed(q, bits),
        "weight_scale": np.ones((3, 1), np.float32),
        "weight_shape": np.array([3, 37]),
    }
    assert from_compressed_tensors(weights).tolist() == (q - 2 ** (bits - 1)).tolist()


def test_groups_of_compressed_tensors_that_are_no_neighbours():
    q, group = RNG.integers(0, 16, (3, 32)), np.arange(32) * 3 % 4
    scale = RNG.random((3, 4)).astype(np.float32)
    weights = {
        "weight_packed": packed(q, 4),
        "weight_scale": scale,
        "weight_shape": np.array([3, 32]),
        "weight_g_idx": group.astype(np.int32),
    }
    assert same(from_compressed_tensors(weights), (q - 8).astype(np.float32) * scale[:, group])


def a_4bit(**said):
    """Return a layer whose scales are quantised in blocks of 4, and its weight."""
    places, bytes_of_scales = RNG.integers(0, 16, (5, 9)), RNG.integers(0, 256, 6, np.uint8)
    table, steps = (RNG.standard_normal(n).astype(np.float32) for n in (16, 256))
    scales = RNG.random(2).astype(np.float32)
    flat = [*places.ravel().tolist(), 0]
    said = {"shape": [5, 9], "blocksize": 8, "nested_blocksize": 4, "nested_offset": 0.5} | said
    want = []
    for i, place in enumerate(flat[:45]):
        scale = steps[bytes_of_scales[i // 8]] * scales[i // 8 // 4] + np.float32(0.5)
        want.append(table[place] * scale)
    return {
        "weight": np.array(
            [[a << 4 | b] for a, b in zip(flat[::2], flat[1::2], strict=True)], np.uint8
        ),
        "weight.absmax": bytes_of_scales,
        "weight.quant_map": table,
        "weight.nested_absmax": scales,
        "weight.nested_quant_map": steps,
        "weight.quant_state.bitsandbytes__nf4": np.frombuffer(json.dumps(said).encode(), np.uint8),
    }, np.reshape(want, (5, 9))


def test_blocks_of_blocks():
    weights, want = a_4bit()
    assert same(from_bitsandbytes_4bit(weights), want)


def test_blocks_that_are_cut_off():
    """As DeepSeek's kv_a_proj_with_mqa has them: five scales for 576 rows."""
    weight = RNG.standard_normal((9, 14)).astype(np.float32)
    scales = RNG.random((3, 2)).astype(np.float32)
    want = [[weight[i, j] * scales[i // 4, j // 8] for j in range(14)] for i in range(9)]
    given = {"weight": weight, "weight_scale_inv": scales}
    assert same(from_fp8(given, weight_block_size=(4, 8)), np.array(want))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_scale_for_all(shape):
    weight = RNG.standard_normal((300, 200)).astype(np.float32)
    given = {"weight": weight, "weight_scale_inv": np.full(shape, 0.1, np.float32)}
    assert same(from_fp8(given), weight * np.float32(0.1))


def test_scales_that_are_exponents():
    weight, powers = np.ones((1, 4), np.float32), np.array([[0, 126, 254, 255]], np.uint8)
    given = {"weight": weight, "weight_scale_inv": powers}
    want = np.array([[2.0**-127, 0.5, 2.0**127, np.nan]], np.float32)
    np.testing.assert_array_equal(from_fp8(given, weight_block_size=(1, 1)), want)


def test_the_sixteen_numbers_of_four_bits():
    """The first of two is in the lower bits; sign, two bits of exponent, one of mantissa."""
    given = {"_blocks": np.arange(0, 256, 17, np.uint8)[None, None], "_scales": [[127]]}
    given["_scales"] = np.array(given["_scales"], np.uint8)
    numbers = from_mxfp4(given)[0, ::2]
    want = [
        (-1) ** sign * (0.5 * low if not high else 2 ** (high - 1) * (1 + low / 2))
        for sign in (0, 1)
        for high in range(4)
        for low in (0, 1)
    ]
    assert numbers.tolist() == want
    assert np.signbit(numbers).tolist() == [False] * 8 + [True] * 8


# ---- PyTorch's own ----


@pytest.fixture(scope="module")
def of_torch(tmp_path_factory):
    """Return what load gives of quantised tensors and layers, and what torch makes of them."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):  # that all of it is deprecated
        x = torch.randn(4, 3)
        scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1, 2, 3])
        whole = torch.quantize_per_tensor(x, 0.1, 3, torch.qint8)
        model = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Linear(3, 2))
        small = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)
        tensors = {
            "int8": whole,
            "uint8": torch.quantize_per_tensor(x, 0.1, 100, torch.quint8),
            "int32": torch.quantize_per_tensor(x, 1e-6, -7, torch.qint32),
            "columns": torch.quantize_per_channel(x, scales, zeros, 1, torch.qint8),
            "rows": torch.quantize_per_channel(x.T.contiguous(), scales, zeros, 0, torch.qint8),
            "turned": whole.t(),
            "a part": whole[1:, 1:],
        }
    path = tmp_path_factory.mktemp("quantized") / "w.pt"
    torch.save({"tensors": tensors, "small": small.state_dict()}, path)
    theirs = {name: tensor.dequantize().numpy() for name, tensor in tensors.items()}
    for i, layer in enumerate(small):
        theirs[f"{i}.weight"] = layer.weight().dequantize().numpy()
        theirs[f"{i}.bias"] = layer.bias().detach().numpy()
    return load_torch(path), theirs


@pytest.mark.parametrize("name", ["int8", "uint8", "int32", "columns", "rows", "turned", "a part"])
def test_tensors_of_torch(of_torch, name):
    ours, theirs = of_torch
    assert same(from_qtensor(ours["tensors"][name]), theirs[name])


def test_layers_of_quantize_dynamic(of_torch):
    ours, theirs = of_torch
    small = dequantized(ours["small"])
    assert list(small) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    for name in small:
        assert same(small[name], theirs[name])


def test_a_weight_that_is_a_quantised_tensor(of_torch):
    """As layers with a scale of their own keep it."""
    tensor = of_torch[0]["tensors"]["rows"]
    assert same(dequantized({"conv.weight": tensor})["conv.weight"], of_torch[1]["rows"])


# ---- Whole models ----


def test_a_state_dict_of_all_libraries():
    """Each weight is computed when it is read; what is not quantised stays."""
    state = {"embed.weight": np.ones((3, 2), np.float32)}
    for i, layer in enumerate(LAYERS):
        start = f"layers.{i}.{'weight' * (layer == 'MXFP4')}"
        state |= {f"{start}{name}": values for name, values in stored(layer).items()}
        state[f"layers.{i}.bias"] = np.ones(7)
    found = dequantized(state)
    names = [f"layers.{i}.{name}" for i in range(len(LAYERS)) for name in ("weight", "bias")]
    assert list(found) == ["embed.weight", *names]
    assert found["embed.weight"] is state["embed.weight"]
    for i, layer in enumerate(LAYERS):
        name = f"layers.{i}.weight"
        assert found.stored(name).shape == LAYERS[layer].shape
        assert same(found[name], LAYERS[layer])
        assert same(under(found, f"layers.{i}")["weight"], LAYERS[layer])


def test_a_model_that_is_one_layer():
    assert list(dequantized(stored("AWQ"))) == ["weight"]
    assert list(dequantized(stored("bitsandbytes, nf4"))) == ["weight"]


def test_the_version_of_gptq():
    weights, *_ = a_gptq(4, "gptq_v2", {})
    found = dequantized(weights, checkpoint_format="gptq_v2")
    assert same(found["weight"], from_gptq(weights, checkpoint_format="gptq_v2"))


def test_the_blocks_of_fp8():
    given = {f"fc.{name}": values for name, values in stored("FP8, float").items()}
    given = {name: values[:2, :3] for name, values in given.items()}
    found = dequantized(given, weight_block_size=(1, 1))
    assert same(found["fc.weight"], given["fc.weight"] * given["fc.weight_scale_inv"])


def test_float8_of_a_file(tmp_path):
    torch = pytest.importorskip("torch")
    state = {name: torch.from_numpy(values) for name, values in stored("FP8, ue8m0").items()}
    state["weight"] = state["weight"].to(torch.float8_e4m3fn)
    state["weight_scale_inv"] = state["weight_scale_inv"].to(torch.float8_e8m0fnu)
    torch.save(state, tmp_path / "w.pt")
    found = dequantized(load_torch(tmp_path / "w.pt"))
    assert same(found["weight"], LAYERS["FP8, ue8m0"])


def test_the_experts_keep_their_names():
    given = {f"mlp.experts.gate_up_proj{name}": part for name, part in stored("MXFP4").items()}
    bias = {"mlp.experts.gate_up_proj_bias": np.ones((3, 7))}
    found = dequantized(given | bias)
    assert list(found) == ["mlp.experts.gate_up_proj", "mlp.experts.gate_up_proj_bias"]
    assert same(found["mlp.experts.gate_up_proj"], LAYERS["MXFP4"])
    ((told,),) = [facts(given)["states"]]
    first, second = told["tensors"]
    told_of = "MXFP4 of (3, 7, 64) (experts, out_features, in_features), packed along in_features"
    assert first["what"] == told_of
    assert second["what"] == "MXFP4's scales for mlp.experts.gate_up_proj"
    assert [one["name"] for one in told["computed"]] == ["mlp.experts.gate_up_proj"]


def test_the_names_of_openai():
    start = "block.0.mlp.mlp1_weight"
    given = {f"{start}.{name[1:]}": part for name, part in stored("MXFP4").items()}
    found = dequantized(given | {"block.0.mlp.mlp1_bias": np.ones((3, 7))})
    assert list(found) == [start, "block.0.mlp.mlp1_bias"]
    assert found.stored(start).shape == (3, 7, 64)
    assert same(found[start], LAYERS["MXFP4"])
    assert same(from_mxfp4(under(given, start)), LAYERS["MXFP4"])
    (told,) = facts(given)["states"]
    assert told["tensors"][0]["what"].startswith("MXFP4 of (3, 7, 64) (experts, ")
    assert told["tensors"][1]["what"] == f"MXFP4's scales for {start}"


@pytest.mark.parametrize("kind", ["blocks", "halves"])
def test_experts_of_fp8_in_one_tensor(kind):
    """As transformers' FP8Experts has them."""
    layer, name = f"FP8, experts, {kind}", "mlp.experts.gate_up_proj"
    given = {part.replace("weight", name): values for part, values in stored(layer).items()}
    assert list(given) == [name, f"{name}_scale_inv"]
    more = {f"{name}_activation_scale": np.ones(2), "mlp.experts.down_proj": np.ones((2, 3, 4))}
    found = dequantized(given | more)
    assert list(found) == [name, "mlp.experts.down_proj"]
    assert found.stored(name).shape == (2, 384, 256)
    assert same(found[name], LAYERS[layer])
    (told,) = facts(given | more)["states"]
    whats = [row["what"] for row in told["tensors"][:3]]
    assert whats == [
        "FP8 of (2, 384, 256) (experts, out_features, in_features), a number a byte",
        f"FP8's scales for {name}",
        f"FP8's scale of the inputs for {name}",
    ]


def test_experts_of_fp8_in_small_blocks():
    given = {"x": RNG.standard_normal((2, 5, 7)), "x_scale_inv": RNG.random((2, 2, 3))}
    given = {name: values.astype(np.float32) for name, values in given.items()}
    found = dequantized(given, weight_block_size=(3, 3))["x"]
    scales = given["x_scale_inv"].repeat(3, 1)[:, :5].repeat(3, 2)[:, :, :7]
    assert same(found, given["x"] * scales)
    one = np.array([2, 3], np.float32).reshape(2, 1, 1)
    assert same(from_fp8({"weight": given["x"], "weight_scale_inv": one}), given["x"] * one)
    whole = {"weight": given["x"], "weight_scale_inv": np.full((1, 1), 2, np.float32)}
    assert same(from_fp8(whole), given["x"] * np.float32(2))


def test_a_shape_at_an_odd_place_of_the_file_is_read():
    layer = "compressed-tensors, 4 bits, group, symmetric"
    state = stored(layer)
    odd = np.frombuffer(b" " + state["weight_shape"].tobytes(), np.uint8)[1:].view(np.int64)
    assert not odd.flags.aligned
    found = dequantized(LazyDict(state | {"weight_shape": as_aligned(odd)}))
    assert same(found["weight"], LAYERS[layer])


def test_scales_in_bfloat16_are_read_with_the_weight(tmp_path):
    torch = pytest.importorskip("torch")
    layer = "compressed-tensors, 4 bits, group, symmetric"
    state = {name: torch.from_numpy(values) for name, values in stored(layer).items()}
    state["weight_scale"] = state["weight_scale"].bfloat16()
    torch.save(state, tmp_path / "w.pt")
    scale = state["weight_scale"].float().numpy()
    want = from_compressed_tensors(stored(layer) | {"weight_scale": scale})
    assert same(dequantized(load_torch(tmp_path / "w.pt"))["weight"], want)


def test_a_storage_that_was_saved_by_itself_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    storage = torch.arange(3, dtype=torch.uint8).untyped_storage()
    torch.save({"x": storage, "a.weight": torch.ones(2, 3)}, tmp_path / "w.pt")
    assert dequantized(load_torch(tmp_path / "w.pt"))["x"].tolist() == [0, 1, 2]


def test_describe_tells_the_bytes_that_are_stored():
    state = {f"fc.{name}": values for name, values in stored("AWQ").items()}
    (told,) = facts(dequantized(state))["states"]
    (row,) = told["tensors"]
    assert (row["shape"], row["layers"][0]["layer"]) == ([96, 64], "Linear without bias")
    assert told["bytes"] == sum(values.nbytes for values in stored("AWQ").values())


@pytest.mark.parametrize(
    "state",
    [
        {"weight": np.ones((3, 2), np.float32), "bias": np.ones(3)},
        {"qweight": np.ones((3, 2)), "scales": np.ones(3)},
        {"qweight": np.ones((3, 2)), "scales": np.ones(3), "qzeros": "text"},
        {"xqweight": np.ones((3, 8)), "xscales": np.ones((3, 8)), "xqzeros": np.ones((3, 1))},
        {"qweight": np.ones((3, 9)), "scales": np.ones((3, 8)), "qzeros": np.ones((3, 1))},
        {"qweight": np.ones((3, 8)), "scales": np.ones((3, 8)), "qzeros": np.ones((3, 0))},
        {"weight": np.ones(3, np.int8), "SCB": np.ones(3)},
        {"weight": np.ones(3), "weight_scale_inv": np.ones(3)},
        {"weight": np.ones((3, 2)), "weight_scale_inv": "text"},
        {"down": np.ones((3, 2)), "down_scale_inv": np.ones((1, 1, 1))},
        {"down": np.ones((3, 2)), "down_scale_inv": np.ones((1, 1))},
        {"down": np.ones((3, 2, 4)), "down_scale_inv": np.ones((1, 1))},
        {"down.blocks": np.ones((3, 1, 16)), "down.scales": np.ones((3, 2))},
        {"down_blocks": np.ones((3, 1, 16)), "down_scales": np.ones((3, 2))},
        {"down_blocks": np.ones((3, 1, 8)), "down_scales": np.ones((3, 1))},
        {"down_blocks": np.ones((1, 16)), "down_scales": np.ones(1)},
        {"weight_packed": np.ones(3), "weight_scale": np.ones(3), "weight_shape": np.ones(2)},
        {"_packed_params._packed_params": (StandIn("f", ()), None)},
        {"weight": StandIn("torch._utils._rebuild_qtensor", None)},
        a_4bit(blocksize=0)[0],
        a_4bit(shape=[5, -9])[0],
        a_4bit()[0] | {"weight.quant_state.bitsandbytes__nf4": np.frombuffer(b"[1]", np.uint8)},
        a_4bit()[0] | {"weight.quant_state.bitsandbytes__nf4": np.frombuffer(b"\xff{", np.uint8)},
        a_4bit()[0] | {"weight.quant_state.bitsandbytes__nf4": np.ones(3)},
    ],
)
def test_what_no_library_quantised_stays(state):
    found = dequantized(state)
    assert list(found) == list(state)
    assert all(found[name] is state[name] for name in state)


# ---- What is refused ----

NF4, INT8 = stored("bitsandbytes, nf4"), stored("bitsandbytes, int8")
NF4_NESTED = stored("bitsandbytes, nf4, nested")
GPTQ, AWQ = stored("GPTQ, 4 bits"), stored("AWQ")
PACKED = stored("compressed-tensors, 4 bits, group, with zero points")
FP8, MXFP4 = stored("FP8, float"), stored("MXFP4")
STORAGE, ZERO = np.zeros(6, np.int8), StandIn("torch.per_tensor_affine")


def qtensor(*args):
    return StandIn("torch._utils._rebuild_qtensor", args)


REFUSED = [
    (from_gptq, {}, "no qweight, which GPTQ stores, in []"),
    (from_gptq, AWQ, "GPTQ packs in_features alone; was this written by AWQ?"),
    (from_gptq, GPTQ | {"qweight": np.ones((8, 96))}, "a matrix of int32, this has shape (8, 96)"),
    (from_gptq, GPTQ | {"qweight": np.ones(8, np.int32)}, "a matrix of int32, this has shape (8,)"),
    (from_gptq, GPTQ | {"qzeros": GPTQ["qzeros"][:3]}, "no number of bits fits"),
    (from_gptq, GPTQ | {"qzeros": GPTQ["qweight"]}, "no number of bits fits"),
    (
        from_gptq,
        GPTQ | {"scales": GPTQ["scales"][0]},
        "scales has shape (96,), not that of a matrix",
    ),
    (from_gptq, GPTQ | {"g_idx": GPTQ["g_idx"] + 1}, "g_idx has shape (64,), for 64 inputs in 4"),
    (from_gptq, GPTQ | {"g_idx": GPTQ["g_idx"][1:]}, "g_idx has shape (63,), for 64 inputs"),
    (from_awq, GPTQ, "AWQ packs eight of out_features into a word; was this written by GPTQ"),
    (from_awq, AWQ | {"qzeros": AWQ["qweight"]}, "AWQ packs eight of out_features"),
    (
        from_awq,
        AWQ | {"qweight": AWQ["qweight"][:63]},
        "63 inputs make no 4 groups of one size: is g_idx missing?",
    ),
    (from_compressed_tensors, PACKED | {"weight_shape": np.array([40, 9])}, "do not tell how many"),
    (from_compressed_tensors, PACKED | {"weight_shape": np.array([39, 80])}, "do not tell"),
    (
        from_compressed_tensors,
        PACKED | {"weight_scale": np.ones((39, 5))},
        "weight_scale has shape",
    ),
    (from_compressed_tensors, PACKED | {"weight_scale": np.ones((40, 5, 1))}, "weight_scale has"),
    (
        from_compressed_tensors,
        PACKED | {"weight_zero_point": np.ones((4, 5), np.int8)},
        "zero_point",
    ),
    (
        from_bitsandbytes_int8,
        INT8 | {"weight_format": np.uint8(1)},
        "weight_format is 1, the order",
    ),
    (from_bitsandbytes_int8, INT8 | {"weight": np.ones((33, 65))}, "a Linear8bitLt stores int8"),
    (from_bitsandbytes_int8, INT8 | {"SCB": np.ones(65)}, "one number of SCB for each row"),
    (
        from_bitsandbytes_4bit,
        {k: v for k, v in NF4.items() if "state" not in k},
        "no weight.quant_st",
    ),
    (from_bitsandbytes_4bit, NF4 | {"weight": np.ones(1073)}, "another bnb_4bit_quant_storage?"),
    (from_bitsandbytes_4bit, NF4 | {"weight": NF4["weight"][1:]}, "1072 numbers of uint8 for 2145"),
    (from_bitsandbytes_4bit, NF4 | {"weight.quant_map": np.ones(15)}, "a table of 15"),
    (from_bitsandbytes_4bit, NF4 | {"weight.absmax": np.ones(33)}, "33 scales for 2145 numbers in"),
    (from_bitsandbytes_4bit, NF4_NESTED | {"weight.absmax": np.ones(34)}, "34 numbers of float64"),
    (from_bitsandbytes_4bit, a_4bit(blocksize=0)[0], "no JSON of a shape and a blocksize"),
    (from_fp8, {"weight": FP8["weight"]}, "no weight_scale_inv, which FP8 stores, in ['weight']"),
    (from_fp8, FP8 | {"weight": np.ones(3)}, "weight has shape (3,), not that of a matrix"),
    (
        from_fp8,
        FP8 | {"weight": np.ones((3, 2), np.uint8)},
        "weight has dtype uint8: FP8 is float8",
    ),
    (
        from_fp8,
        FP8 | {"weight": FP8["weight"].T},
        "weight has shape (384, 256), in blocks of 128 by 128 that is (3, 2), but weight_scale_inv"
        " (2, 3): is weight_block_size of config.json another?",
    ),
    (
        from_fp8,
        {"weight": np.ones((2, 1, 300)), "weight_scale_inv": np.ones((2, 3, 1))},
        "weight has shape (2, 1, 300), in blocks of 128 by 128 that is (2, 1, 3), but weight_scale",
    ),
    (from_mxfp4, {"_scales": MXFP4["_scales"]}, "no _blocks, which MXFP4 stores, in ['_scales']"),
    (from_mxfp4, MXFP4 | {"_blocks": MXFP4["_blocks"][..., :8]}, "_blocks has shape (3, 7, 2, 8)"),
    (from_mxfp4, MXFP4 | {"_scales": np.ones((3, 7, 2))}, "_scales (3, 7, 2) and float64: MXFP4"),
    (from_mxfp4, {k: v[0, 0] for k, v in MXFP4.items()}, "_blocks has shape (2, 16)"),
    (from_qtensor, np.ones(3), "is no quantised tensor of PyTorch"),
    (from_qtensor, qtensor(STORAGE, -1, (2,), (1,), (ZERO, 0.1, 0)), "is no quantised tensor"),
    (from_qtensor, qtensor(STORAGE, 0, (7,), (0,), (ZERO, 0.1, 0)), "for a storage of 6 numbers"),
    (from_qtensor, qtensor(STORAGE, 0, (6,), (2,), (ZERO, 0.1, 0)), "reaches beyond its storage"),
    (from_qtensor, qtensor(STORAGE, 0, (6,), (1,), (ZERO, "a", 0)), "are no scale and zero point"),
    (
        from_qtensor,
        qtensor(STORAGE, 0, (6,), (1,), (ZERO, np.ones(5), np.ones(5), 0)),
        "are no scale and zero point of a tensor of shape (6,)",
    ),
]


@pytest.mark.parametrize(("function", "weights", "why"), REFUSED)
def test_what_does_not_fit_is_refused(function, weights, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        function(weights)


def test_an_unknown_version_of_gptq_is_refused():
    with pytest.raises(ValueError, match="checkpoint_format is 'v3', not 'gptq' or 'gptq_v2'"):
        from_gptq(GPTQ, checkpoint_format="v3")


# ---- These tests can fail ----


def right(module):
    """Return whether a module makes of each layer what it should."""
    for layer, theirs in LAYERS.items():
        if not same(function_of(layer, module)(stored(layer)), theirs):
            return False
    weights, want = a_4bit()
    gptq, *_ = a_gptq(4, "gptq", {})
    return same(module.from_bitsandbytes_4bit(weights), want) and same(
        module.from_gptq(gptq), from_gptq(gptq)
    )


def test_the_module_as_it_is_is_right():
    assert right(quantized)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[0, 4, 1, 5, 2, 6, 3, 7]", "[0, 2, 4, 6, 1, 3, 5, 7]"),
        ("+ np.uint32((2**32 - 1) // (2**bits - 1))", "+ np.uint32(0)"),
        ("zeros = zeros + 1", "zeros = zeros + 0"),
        (
            "from_words(qweight.T, bits, in_features)",
            "from_words(qweight.T, bits, in_features)[:, ::-1]",
        ),
        ("scales.T[:, group]", "scales.T[:, np.sort(group)]"),
        ("zeros.T[:, group]", "zeros.T[:, np.sort(group)]"),
        ('bitorder="little"', 'bitorder="big"'),
        ("in_order(qzeros)[group]", "from_words(qzeros, 4, scales.shape[1])[group]"),
        ("2 ** (bits - 1), np.int16", "2 ** (bits - 1) - 1, np.int16"),
        ("from_words(zero_point.T, bits, out_features).T", "zeros"),
        ("zeros += zero_point", "zeros -= zero_point"),
        ("np.float32(1 / 127)", "np.float32(1 / 128)"),
        ("largest[:, None] *", "1 *"),
        ("[pairs.ravel() >> 4, pairs.ravel() & 15]", "[pairs.ravel() & 15, pairs.ravel() >> 4]"),
        ('said["nested_blocksize"])\n        absmax', 'said["blocksize"])\n        absmax'),
        ('+ np.float32(said["nested_offset"])', "+ 0"),
        ("[..., :out_features, :]", "[..., :out_features, :][..., ::-1, :]"),
        ("max(out_features // 2, 1)", "max(out_features // 3, 1)"),
        ("[(rows, columns), *halves]", "[(rows, columns)]"),
        ("return weight * scales", "return weight / scales"),
        ("[blocks & 15, blocks >> 4]", "[blocks >> 4, blocks & 15]"),
        ("2.0 ** (n - 127)", "2.0 ** (n - 128)"),
        ("2, 3, 4, 6, -0.0", "2, 3, 4, 5, -0.0"),
    ],
)
def test_a_mistake_is_found_out(old, new):
    with contextlib.suppress(ValueError, IndexError):  # shapes that no longer fit
        assert not right(sabotaged(PATH, old, new))


def test_shape_comments():
    with executed(SNIPPETS_DIR / "quantized.py") as (module, sizes):
        sizes.update(in_features=64, out_features=96, groups=4)
        module.from_gptq(GPTQ)
        module.from_awq(AWQ)
        sizes.update(in_features=80, out_features=40, groups=5)
        module.from_compressed_tensors(PACKED)
        sizes.update(in_features=384, out_features=256)
        module.from_fp8(FP8)
        sizes.update(in_features=64, groups=2)
        module.from_mxfp4(MXFP4)
