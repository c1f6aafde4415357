"""The readers against the libraries whose formats they read, in an environment of its own.

pip install -c .ci/constraints.txt -e '.[judges]'
python -m tests.checkpoints.judges          compares files that are made now
python -m tests.checkpoints.judges write    writes tests/checkpoints/data, for the other tests
"""

import sys
from pathlib import Path

import numpy as np

from snippets.checkpoints.gguf_blocks import CONVERT
from snippets.checkpoints.gguf_file import PLAIN, TYPES, Blocks, gguf_metadata, load_gguf

DATA = Path(__file__).parent / "data"
METADATA = {
    "general.alignment": ("uint32", 64),
    "a.float": ("float32", 0.5),
    "a.double": ("float64", -0.1),
    "a.bool": ("bool", True),
    "a.long": ("uint64", 2**40),
    "a.negative": ("int64", -3),
    "a.text": ("string", "name, 名字"),
    "a.texts": ("array", ["a", "", "é"]),
    "a.numbers": ("array", [1, 2, 300]),
}


def gguf_types(gguf):
    """Return all types of the library, {name: (type, numbers, bytes of a block)}."""
    return {t.name: (t, *gguf.GGML_QUANT_SIZES[t]) for t in gguf.GGMLQuantizationType}


def random_blocks(rng, rows, size):
    """Return bytes, without an infinite or large scale wherever a block has its scales."""
    return rng.integers(0, 64, (rows, size), dtype=np.uint8)


def write_gguf(path, rng, blocks=random_blocks):
    """Write a tensor of each type with the gguf package, and return what it makes of it."""
    import gguf

    writer = gguf.GGUFWriter(path, "test")
    for name, (kind, value) in METADATA.items():
        getattr(writer, f"add_{kind}")(name, value)
    writer.data_alignment = METADATA["general.alignment"][1]
    wanted = {}
    for name, (kind, _, size) in gguf_types(gguf).items():
        if name in CONVERT and name != "BF16":
            raw = blocks(rng, 6, size).reshape(3, -1)
            writer.add_tensor(name, raw, raw_dtype=kind)
            wanted[name] = gguf.quants.dequantize(raw, kind)
    bits = rng.integers(0, 2**16, (3, 5), dtype=np.uint16)
    writer.add_tensor("BF16", bits.view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    wanted["BF16"] = gguf.quants.dequantize(bits.view(np.uint8), gguf.GGMLQuantizationType.BF16)
    for code in PLAIN.values():
        array = rng.integers(-99, 99, (2, 3, 4)).astype(code)
        writer.add_tensor(f"plain {code}", array)
        wanted[f"plain {code}"] = array
    kind = gguf.GGMLQuantizationType.IQ2_XS
    raw = rng.integers(0, 256, (2, 2 * 74), dtype=np.uint8)
    writer.add_tensor("rare", raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return wanted, raw


def write_llama(path, rng, kind="F32"):
    """Write the weights of a small Llama as llama.cpp's converter does; return Hugging Face's."""
    import gguf

    def turned(weight, heads):  # LlamaModel.permute of convert_hf_to_gguf.py
        rows = weight.shape[0]
        halves = weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:])
        return halves.swapaxes(1, 2).reshape(weight.shape)

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    layer = "model.layers.1"
    shapes = {
        "model.embed_tokens": (7, 32),
        f"{layer}.input_layernorm": (32,),
        f"{layer}.self_attn.q_proj": (24, 32),
        f"{layer}.self_attn.k_proj": (12, 32),
        f"{layer}.self_attn.v_proj": (12, 32),
        f"{layer}.self_attn.o_proj": (32, 64),
        f"{layer}.post_attention_layernorm": (32,),
        f"{layer}.mlp.gate_proj": (5, 32),
        f"{layer}.mlp.up_proj": (5, 32),
        f"{layer}.mlp.down_proj": (32, 32),
        "model.norm": (32,),
        "lm_head": (7, 32),
    }
    wanted = {}
    for name, shape in shapes.items():
        weight = rng.standard_normal(shape, np.float32)
        written = gguf.GGMLQuantizationType["F32" if len(shape) == 1 else kind]
        raw = gguf.quants.quantize(weight, written)
        wanted[f"{name}.weight"] = gguf.quants.dequantize(raw, written)
        heads = {"q_proj": 4, "k_proj": 2}.get(name.rpartition(".")[2])
        raw = turned(raw, heads) if heads else raw
        writer.add_tensor(f"{names.get_name(name)}.weight", raw, raw_dtype=written)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return wanted


def same_bits(ours, theirs):
    """Fail unless two arrays are equal bit by bit."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert ours.tobytes() == theirs.tobytes()


def judge_gguf(folder):
    """Compare every type with the gguf package, for random bytes and the others of a file."""
    import gguf

    rng = np.random.default_rng(0)
    sizes = {t.value: (t.name, *gguf.GGML_QUANT_SIZES[t]) for t in gguf.GGMLQuantizationType}
    assert {kind: sizes[kind] for kind in TYPES} == TYPES
    assert set(sizes) == set(TYPES) | set(PLAIN)
    for name, (kind, per, size) in gguf_types(gguf).items():
        if name in CONVERT:
            raw = rng.integers(0, 256, (20_000, size), dtype=np.uint8)  # infinities and NaN, too
            with np.errstate(all="ignore"):
                ours, theirs = CONVERT[name](raw), gguf.quants.dequantize(raw, kind)
            same_bits(ours, theirs.reshape(-1, per))
            print(f"gguf {name}: {ours.size:,} numbers, bit for bit")
    wanted, raw = write_gguf(folder / "w.gguf", rng)
    found = load_gguf(folder / "w.gguf")
    for name, theirs in wanted.items():
        same_bits(found[name], theirs)
    assert isinstance(found["rare"], Blocks)
    assert found["rare"].args[0] == (2, 512)
    same_bits(found["rare"].args[1], raw.reshape(-1))
    fields = gguf.GGUFReader(folder / "w.gguf").fields
    for name, value in gguf_metadata(folder / "w.gguf").items():
        theirs = fields[name].contents()
        assert np.array_equal(value, theirs), name
    for kind in ("F32", "Q8_0"):
        theirs = write_llama(folder / "llama.gguf", rng, kind)
        ours = load_gguf(folder / "llama.gguf", hugging_face=True)
        assert list(ours) == list(theirs)
        for name, wanted in theirs.items():
            same_bits(ours[name], wanted)
    print(f"gguf: {len(found)} tensors and {len(fields)} fields of a file")


def write():
    """Write the files that the other tests read."""
    wanted, _ = write_gguf(DATA / "blocks.gguf", np.random.default_rng(0))
    np.savez_compressed(DATA / "blocks.npz", **wanted)
    wanted = write_llama(DATA / "llama.gguf", np.random.default_rng(0), "Q8_0")
    np.savez_compressed(DATA / "llama.npz", **wanted)


def main(folder):
    """Compare all."""
    judge_gguf(folder)


if __name__ == "__main__":
    import tempfile

    if sys.argv[1:] == ["write"]:
        write()
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
