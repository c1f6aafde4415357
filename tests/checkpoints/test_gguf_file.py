"""``load_gguf`` against files that the gguf package wrote, and against files that lie."""

import struct

import numpy as np
import pytest

from snippets.checkpoints import gguf_metadata, load, load_gguf
from snippets.checkpoints.gguf_file import Blocks, halves_first
from tests import ROOT, SNIPPETS_DIR
from tests.checkpoints.broken import (
    MEMORY,
    assert_broken_ones_are_refused_or_read,
    assert_cut_off_anywhere_is_refused,
    peak,
    refusal,
)
from tests.sabotage import sabotaged

PATH = SNIPPETS_DIR / "checkpoints/gguf_file.py"
DATA = ROOT / "tests/checkpoints/data"


def theirs(name):
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def assert_same_bits(ours, wanted):
    assert (ours.dtype, ours.shape) == (wanted.dtype, wanted.shape)
    assert ours.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("reader", [load, load_gguf])
def test_every_tensor_is_what_the_package_makes_of_it(reader):
    found = reader(DATA / "blocks.gguf")
    assert list(found) == [*theirs("blocks"), "rare"]
    for name, wanted in theirs("blocks").items():
        assert_same_bits(found[name], wanted)


def test_the_metadata():
    found = gguf_metadata(DATA / "blocks.gguf")
    numbers = found.pop("a.numbers")
    assert numbers.tolist() == [1, 2, 300]
    assert found == {
        "general.architecture": "test",
        "general.alignment": 64,
        "a.float": 0.5,
        "a.double": -0.1,
        "a.bool": True,
        "a.long": 2**40,
        "a.negative": -3,
        "a.text": "name, 名字",
        "a.texts": ["a", "", "é"],
    }
    assert all(type(value) in (int, float, bool, str, list) for value in found.values())


def test_a_rare_type_stands_in_with_its_bytes():
    rare = load_gguf(DATA / "blocks.gguf")["rare"]
    assert isinstance(rare, Blocks)
    assert repr(rare) == "IQ2_XS blocks of shape (2, 512), not converted"
    shape, raw = rare.args
    assert (shape, raw.shape, raw.dtype) == ((2, 512), (2 * 2 * 74,), np.uint8)


def test_hugging_face_s_names_and_rows():
    found = load_gguf(DATA / "llama.gguf", hugging_face=True)
    wanted = theirs("llama")
    assert list(found) == list(wanted)
    for name in wanted:
        assert_same_bits(found[name], wanted[name])
    plain = load_gguf(DATA / "llama.gguf")
    assert not np.array_equal(plain["blk.1.attn_q.weight"], wanted[Q])
    assert np.array_equal(plain["blk.1.attn_v.weight"], wanted[Q.replace("q_proj", "v_proj")])


Q = "model.layers.1.self_attn.q_proj.weight"


def test_the_rows_of_each_head():
    assert halves_first(2, np.arange(8)).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pairs.swapaxes(1, 2)", "pairs"),
        ('f"{count}_kv"', "count"),
        ("[::-1]  # told", "  # told"),
        ("begin + offset", "begin"),
        ("range(0, len(blocks), SOME)", "range(0, 1, SOME)"),
    ],
)
def test_a_reader_that_is_wrong_is_found_out(old, new, monkeypatch):
    wrong = sabotaged(PATH, old, new)
    wrong.SOME = 2
    pairs = [("blocks", False), ("llama", True)]
    with pytest.raises((AssertionError, ValueError)):
        compare(wrong, pairs)


def compare(module, pairs):
    for file, names in pairs:
        found = module.load_gguf(DATA / f"{file}.gguf", hugging_face=names)
        for name, wanted in theirs(file).items():
            assert_same_bits(found[name], wanted)


# Files of our own, tensor by tensor


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def field(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def info(name, dims, kind=0, offset=0):
    counts = struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
    return text(name) + counts + struct.pack("<IQ", kind, offset)


def a_file(tensors=(), fields=(), data=b"", version=3, count=None):
    count = len(tensors) if count is None else count
    head = struct.pack("<4sIQQ", b"GGUF", version, count, len(fields))
    head += b"".join([*fields, *tensors])
    return head + bytes(-len(head) % 32) + data


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.gguf"


def head_count(count, architecture="llama"):
    return [
        field("general.architecture", 8, text(architecture)),
        field(f"{architecture}.attention.head_count", 4, struct.pack("<I", count)),
    ]


def test_q_of_any_type_has_its_rows_in_order(path):
    """Plain, and of a block type that is not converted."""
    rows = np.arange(4, dtype=np.float32)
    raw = np.repeat(np.arange(4, dtype=np.uint8), 66)
    tensors = [info("blk.0.attn_q.bias", [4]), info("blk.0.attn_k.weight", [256, 4], 16, 32)]
    data = rows.tobytes() + bytes(16) + raw.tobytes()
    path.write_bytes(a_file(tensors, head_count(1), data))
    found = load_gguf(path, hugging_face=True)
    assert found["model.layers.0.self_attn.q_proj.bias"].tolist() == [0, 2, 1, 3]
    _, raw = found["model.layers.0.self_attn.k_proj.weight"].args
    assert raw[::66].tolist() == [0, 2, 1, 3]


def test_qwen_keeps_its_rows_and_other_names_stay(path):
    tensors = [
        info("blk.3.attn_q.weight", [2, 4]),
        info("rope_freqs.weight", [8]),
        info("odd", [1]),
    ]
    data = np.arange(8, dtype=np.float32).tobytes()
    path.write_bytes(a_file(tensors, head_count(1, "qwen2"), data))
    found = load_gguf(path, hugging_face=True)
    assert list(found) == ["model.layers.3.self_attn.q_proj.weight", "rope_freqs.weight", "odd"]
    assert found["model.layers.3.self_attn.q_proj.weight"].ravel().tolist() == list(range(8))


def test_numbers_at_an_odd_place(path):
    data = b"\0" + np.arange(3, dtype="<f4").tobytes()
    path.write_bytes(a_file([info("w", [3], 0, 1)], data=data))
    assert load_gguf(path)["w"].tolist() == [0, 1, 2]
    assert load_gguf(path)["w"].flags.aligned


def test_the_data_begin_where_the_alignment_says(path):
    fields = [field("general.alignment", 4, struct.pack("<I", 256))]
    path.write_bytes(a_file([W], fields).ljust(256, b"\1") + bytes(12))
    assert load_gguf(path)["w"].tolist() == [0, 0, 0]


def test_shapes_without_numbers_and_without_axes(path):
    path.write_bytes(a_file([info("a", [32, 0], 2), info("b", [], 0)], data=bytes(4)))
    found = load_gguf(path)
    assert (found["a"].shape, found["b"].shape) == ((0, 32), ())


def test_values_of_all_kinds_nested(path):
    inner = struct.pack("<IQ", 5, 2) + struct.pack("<2i", -1, 2)
    nested = struct.pack("<IQ", 9, 1) + inner
    kinds = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 10: "Q", 11: "q", 12: "d"}
    fields = [field(str(k), k, struct.pack(f"<{code}", 7)) for k, code in kinds.items()]
    fields += [field("no", 7, b"\0"), field("nested", 9, nested), field("odd", 8, text(b"\xff"))]
    path.write_bytes(a_file(fields=fields))
    found = gguf_metadata(path)
    assert [found.pop(str(k)) for k in kinds] == [7] * len(kinds)
    assert found.pop("nested")[0].tolist() == [-1, 2]
    assert found == {"no": False, "odd": "\\xff"}


W = info("w", [3])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GGUG" + a_file()[4:], "not a GGUF file: it begins with b'GGUG'"),
        (a_file(version=1), "a GGUF file of version 1: convert it with the package gguf"),
        (a_file(version=3 << 24), "a GGUF file big-endian: convert it with the package gguf"),
        (a_file([W]), "cut off: it needs"),
        (a_file([W, W], data=bytes(12)), "'w' is there twice, or has 1 axes"),
        (a_file([info("w", [1] * 33)], data=bytes(4)), "'w' is there twice, or has 33 axes"),
        (a_file([info("w", [2**40, 2**40])]), "cut off: it needs"),
        (a_file([info("w", [3], 99)], data=bytes(99)), "'w' has the type 99, which ggml had not"),
        (a_file([info("w", [31], 2)], data=bytes(99)), "'w' of shape (31,) has no whole blocks"),
        (a_file([info("w", [], 2)], data=bytes(99)), "'w' of shape () has no whole blocks of 32"),
        (a_file(fields=[field("general.alignment", 4, bytes(4))]), "an alignment of 0 bytes"),
        (a_file(fields=[field("general.alignment", 8, text("a"))]), "it is cut off or damaged"),
        (a_file(count=2**60), "cut off: it needs"),
        (a_file(fields=[field("a", 9, struct.pack("<IQ", 8, 2**60))]), "cut off: it needs"),
        (a_file(fields=[field("a", 9, struct.pack("<IQ", 0, 2**60))]), "cut off: it needs"),
        (a_file(fields=[text("a") + struct.pack("<I", 13)]), "it is cut off or damaged"),
        (
            a_file(fields=[field("a", 9, struct.pack("<IQ", 9, 1) * 5000)]),
            "it is cut off or damaged",
        ),
        (b"GGUF\3\0\0\0", "it is cut off or damaged"),
    ],
)
def test_files_that_lie(path, data, message):
    path.write_bytes(data)
    assert refusal(load_gguf, path).startswith(message)
    assert peak(refusal, load_gguf, path) < MEMORY


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "only the names of ['llama', 'qwen2', 'qwen3'] are known, not of None"),
        (
            head_count(4, "bert"),
            "only the names of ['llama', 'qwen2', 'qwen3'] are known",
        ),
        (head_count(3), "'blk.0.attn_q.weight' has 4 rows, which are not those of 3 heads"),
        (head_count(0), "'blk.0.attn_q.weight' has 4 rows, which are not those of 0 heads"),
        (head_count(1)[:1], "'blk.0.attn_q.weight' has 4 rows, which are not those of None heads"),
    ],
)
def test_names_that_can_not_be_mapped(path, fields, message):
    path.write_bytes(a_file([info("blk.0.attn_q.weight", [2, 4])], fields, bytes(32)))
    assert refusal(lambda path: load_gguf(path, hugging_face=True), path).startswith(message)


def test_only_what_is_read_is_converted(path):
    """Opening takes the memory of the names; one entry takes its result and some blocks."""
    blocks = 2**16
    path.write_bytes(a_file([info("w", [32 * blocks], 8)], data=bytes(34 * blocks)))
    assert peak(load_gguf, path) < MEMORY
    state = load_gguf(path)
    assert peak(lambda: state["w"]) < 32 * blocks * 4 + 2 * MEMORY
    assert state["w"].shape == (32 * blocks,)


def test_a_large_vocabulary_opens_at_once(path):
    words = [text(f"word{n}") for n in range(50_000)]
    path.write_bytes(
        a_file(fields=[field("t", 9, struct.pack("<IQ", 8, 50_000) + b"".join(words))])
    )
    assert gguf_metadata(path)["t"][-1] == "word49999"
    assert load_gguf(path) == {}


def test_cut_off_or_broken(path):
    path.write_bytes((DATA / "llama.gguf").read_bytes())
    assert_broken_ones_are_refused_or_read(lambda p: load_gguf(p, hugging_face=True), path, 1000)
    path.write_bytes((DATA / "blocks.gguf").read_bytes().rstrip(b"\0"))
    assert_cut_off_anywhere_is_refused(load, path, 3)
    assert_broken_ones_are_refused_or_read(load, path, 1500)
