"""The readers against the libraries whose formats they read, in an environment of its own.

pip install -c .ci/constraints.txt -e '.[judges]'
python -m tests.checkpoints.judges          compares files that are made now
python -m tests.checkpoints.judges write    writes tests/checkpoints/data, for the other tests
"""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np

from snippets.checkpoints.flax_file import load_flax
from snippets.checkpoints.gguf_blocks import CONVERT
from snippets.checkpoints.gguf_file import PLAIN, TYPES, Blocks, gguf_metadata, load_gguf
from snippets.checkpoints.onnx_file import BITS, load_onnx
from tests import ROOT

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


def flax_tree():
    """Return parameters with each kind of value that Flax writes."""
    import flax.linen
    import jax

    model = flax.linen.Sequential([flax.linen.Dense(3), flax.linen.Dense(2)])
    tree = model.init(jax.random.key(0), np.ones((1, 5), np.float32))
    low = np.array([[1.5, -2, 0.1]], np.float32)
    kinds = "bfloat16 float8_e4m3fn float8_e5m2 float16 float64 int8 uint16 int64 bool complex64"
    tree["kinds"] = {kind: low.astype(jax.numpy.dtype(kind)) for kind in kinds.split()}
    values = {"step": 7, "big": 2**40, "negative": -300, "rate": 0.1, "none": None, "yes": True}
    return tree | {"values": values | {"z": 1 + 2j, "text": "é" * 40, "list": [1, -2, 70_000]}}


def same_tree(ours, theirs):
    """Fail unless nested dicts are equal, the arrays bit by bit; bfloat16 and float8 as float32."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for name, part in theirs.items():
            same_tree(ours[name], part)
    elif hasattr(theirs, "dtype"):
        same_bits(np.asarray(ours), as_float32(np.asarray(theirs)))
    else:
        assert ours == theirs


def judge_flax(folder):
    """Compare with what flax.serialization restores."""
    from flax import serialization

    tree = flax_tree()
    data = serialization.msgpack_serialize(serialization.to_state_dict(tree))
    (folder / "w").write_bytes(data)
    same_tree(load_flax(folder / "w"), serialization.msgpack_restore(data))
    serialization.MAX_CHUNK_SIZE = 16  # bytes, so that arrays are cut as large ones are
    cut = serialization.msgpack_serialize({"w": np.arange(12.0).reshape(3, 4)})
    (folder / "w").write_bytes(cut)
    same_tree(load_flax(folder / "w"), {"w": np.arange(12.0).reshape(3, 4)})
    print(f"flax: {len(data)} bytes, each array bit for bit")
    return data, cut


def onnx_model(onnx, rng):
    """Return a model with an initializer of each type, as raw bytes and as a list of numbers."""
    kinds, made, wanted = onnx.TensorProto.DataType, [], {}
    for kind in sorted(set(BITS) - {14, 15}):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
        array = rng.integers(-2, 3, (2, 3)).astype(dtype)
        for raw in (True, False):
            name = f"{kinds.Name(kind)} {'raw' if raw else 'listed'}"
            values = array.tobytes() if raw else array.ravel().tolist()
            made.append(onnx.helper.make_tensor(name, kind, array.shape, values, raw=raw))
    for kind, dtype in ((14, np.complex64), (15, np.complex128)):
        values = (rng.standard_normal(4) + 1j * rng.standard_normal(4)).astype(dtype)
        made.append(onnx.helper.make_tensor(f"{kind}", kind, [4], values.tolist()))
    made.append(onnx.helper.make_tensor("scalar", 1, [], [2.5]))
    made.append(onnx.helper.make_tensor("none", 1, [0, 3], []))
    wanted = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in made}
    made.append(onnx.helper.make_tensor("INT4", 22, [2], [1, -2]))
    made.append(onnx.helper.make_tensor("STRING", 8, [1], [b"text"]))
    node = onnx.helper.make_node("Identity", ["scalar"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", 1, [])
    graph = onnx.helper.make_graph([node], "graph", [], [out], made)
    return onnx.helper.make_model(graph), wanted


def judge_onnx(folder):
    """Compare with what onnx.numpy_helper makes of each initializer."""
    import onnx

    model, wanted = onnx_model(onnx, np.random.default_rng(0))
    data = model.SerializeToString()
    onnx.save(model, folder / "w.onnx")
    same_tree({name: load_onnx(folder / "w.onnx")[name] for name in wanted}, wanted)
    options = {"save_as_external_data": True, "location": "w.data", "size_threshold": 0}
    onnx.save(model, folder / "w.onnx", **options)
    assert (folder / "w.data").stat().st_size > 100
    same_tree({name: load_onnx(folder / "w.onnx")[name] for name in wanted}, wanted)
    print(f"onnx: {len(wanted)} initializers, bit for bit, also from a file beside the model")
    return data, wanted


def judge_hdf5(folder):
    """Run the lines of the page on a file as Keras nests it."""
    import h5py

    with h5py.File(folder / "model.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.arange(6.0).reshape(3, 2)
        file["layers/dense/vars/1"] = np.ones(2, np.float32)
    page = (ROOT / "docs/en/port/load-a-checkpoint.md").read_text("utf-8")
    code = re.search(r"```[^`]*\n(with h5py\.File\(.*?)```", page, re.S)[1]
    found = {"h5py": h5py}
    exec(code.replace("model.weights.h5", str(folder / "model.weights.h5")), found)
    same_tree(found["state"]["layers/dense/vars/0"], np.arange(6.0).reshape(3, 2))
    same_tree(found["state"]["layers/dense/vars/1"], np.ones(2, np.float32))
    print(f"h5py: {len(found['state'])} arrays by the lines of the page")


def write(folder):
    """Write the files that the other tests read."""
    wanted, _ = write_gguf(DATA / "blocks.gguf", np.random.default_rng(0))
    np.savez_compressed(DATA / "blocks.npz", **wanted)
    wanted = write_llama(DATA / "llama.gguf", np.random.default_rng(0), "Q8_0")
    np.savez_compressed(DATA / "llama.npz", **wanted)
    model, wanted = judge_onnx(folder)
    (DATA / "types.onnx").write_bytes(model)
    low = {name: as_float32(array) for name, array in wanted.items()}
    np.savez_compressed(DATA / "types.npz", **low)
    data, cut = judge_flax(folder)
    (DATA / "tree.msgpack").write_bytes(data)
    (DATA / "cut.msgpack").write_bytes(cut)
    np.savez_compressed(DATA / "tree.npz", **dict(leaves_of(load_flax(DATA / "tree.msgpack"))))


def leaves_of(tree, prefix=""):
    """Yield the path of each array of nested dicts, and the array."""
    for name, part in tree.items():
        if isinstance(part, dict):
            yield from leaves_of(part, f"{prefix}{name}/")
        elif hasattr(part, "dtype"):
            yield f"{prefix}{name}", as_float32(np.asarray(part))


def as_float32(array):
    """Return what a reader here makes of an array: bfloat16 and float8 as float32."""
    low = "float8" in array.dtype.name or array.dtype.name == "bfloat16"
    return array.astype(np.float32) if low else array


def main(folder):
    """Compare all."""
    judge_gguf(folder)
    judge_onnx(folder)
    judge_hdf5(folder)
    if importlib.util.find_spec("flax"):  # with JAX it is large: .ci/run does not install it
        judge_flax(folder)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        (write if sys.argv[1:] == ["write"] else main)(Path(temporary))
