"""``load_flax`` against files that flax.serialization wrote, and against msgpack that lies."""

import struct

import numpy as np
import pytest

from snippets.checkpoints import load, load_flax
from tests import ROOT, SNIPPETS_DIR
from tests.checkpoints.broken import (
    MEMORY,
    assert_broken_ones_are_refused_or_read,
    assert_cut_off_anywhere_is_refused,
    peak,
    refusal,
)
from tests.sabotage import sabotaged

PATH = SNIPPETS_DIR / "checkpoints/flax_file.py"
DATA = ROOT / "tests/checkpoints/data"
with np.load(DATA / "tree.npz") as file:
    THEIRS = dict(file)


def arrays_of(tree, prefix=""):
    for name, part in tree.items():
        if isinstance(part, dict):
            yield from arrays_of(part, f"{prefix}{name}/")
        elif isinstance(part, np.ndarray):
            yield f"{prefix}{name}", part


def assert_same(tree):
    found = dict(arrays_of(tree))
    assert list(found) == list(THEIRS)
    for name, wanted in THEIRS.items():
        assert (found[name].dtype, found[name].shape) == (wanted.dtype, wanted.shape)
        assert found[name].tobytes() == wanted.tobytes()


@pytest.mark.parametrize("reader", [load, load_flax])
def test_every_array_is_flax_s(reader):
    assert_same(reader(DATA / "tree.msgpack"))


def test_what_is_no_array():
    found = load(DATA / "tree.msgpack")["values"]
    assert dict(found) == {
        "step": 7,
        "big": 2**40,
        "negative": -300,
        "rate": 0.1,
        "none": None,
        "yes": True,
        "z": 1 + 2j,
        "text": "é" * 40,
        "list": {"0": 1, "1": -2, "2": 70_000},
    }


def test_an_array_that_flax_cut():
    assert b"__msgpack_chunked_array__" in (DATA / "cut.msgpack").read_bytes()
    found = load(DATA / "cut.msgpack")["w"]
    assert np.array_equal(found, np.arange(12.0).reshape(3, 4))


def test_an_array_of_bfloat16_that_flax_cut(path):
    one, two = ([[1], "bfloat16", bits] for bits in (b"\x80\x3f", b"\0\x40"))
    path.write_bytes(chunked({"0": 2}, one, two))
    assert load(path)["w"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("code & 31", "code & 7"),
        ("np.ndarray(shape", "np.ndarray(shape[::-1]"),
    ],
)
def test_a_reader_that_is_wrong_is_found_out(old, new):
    wrong = sabotaged(PATH, old, new)
    with pytest.raises((AssertionError, ValueError)):
        assert_same(wrong.load_flax(DATA / "tree.msgpack"))


# Bytes of our own


def packed(value):
    """Return msgpack, the longest form of each."""
    if isinstance(value, dict):
        parts = [packed(one) for pair in value.items() for one in pair]
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(parts)
    if isinstance(value, list):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(packed, value))
    if isinstance(value, str):
        return b"\xdb" + struct.pack(">I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    return b"\xd3" + struct.pack(">q", value)


def extension(kind, value):
    raw = packed(value)
    return b"\xc9" + struct.pack(">IB", len(raw), kind) + raw


def tree_of(raw):
    return b"\x81\xa1w" + raw


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.msgpack"


def test_long_forms_and_short_ones(path):
    path.write_bytes(packed({"a": [-5, "b"], "c": {"d": b"e"}}))
    found = load(path)
    assert (found["a"], found["c"]["d"].tobytes()) == ([-5, "b"], b"e")
    path.write_bytes(tree_of(b"\x94\x7f\xff\xd0\x80\xca" + struct.pack(">f", 0.5)))
    assert load(path)["w"] == [127, -1, -128, 0.5]


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
def test_extensions_of_a_fixed_size_are_not_of_flax(path, size):
    codes = {1: b"\xd4", 2: b"\xd5", 4: b"\xd6", 8: b"\xd7", 16: b"\xd8"}
    path.write_bytes(tree_of(codes[size] + b"\xff" + bytes(size)))
    assert "an extension that Flax has not" in refusal(load, path)


def test_a_number_of_numpy_s(path):
    path.write_bytes(tree_of(extension(3, [[], "float32", np.float32(0.5).tobytes()])))
    assert load(path)["w"] == np.float32(0.5)


def test_numbers_at_an_odd_place_and_none(path):
    array = [[2], "float64", np.array([1.0, 2]).tobytes()]
    for space in range(9):
        path.write_bytes(b"\x82\xa1s" + packed("x" * space) + tree_of(extension(1, array))[1:])
        assert load(path)["w"].tolist() == [1, 2]
        assert load(path)["w"].flags.aligned
    path.write_bytes(tree_of(extension(1, [[0, 2], "float32", b""])))
    assert load(path)["w"].shape == (0, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tree_of(b"\xc1"), "msgpack has no code 193"),
        (tree_of(b"\1\1"), "msgpack that ends at byte 4, and more behind it"),
        (b"\x91\1", "msgpack of another program: it is no dict"),
        (b"\x81\xc0\1", "msgpack of another program: a key is neither text nor a number"),
        (tree_of(extension(4, [])), "msgpack of another program: it has an extension that Flax"),
        (tree_of(b"\xc7\1\1\1\1"), "it is cut off or damaged"),
        (tree_of(b"\xc7\2\1\1\1"), "msgpack of another program: it has an extension that Flax"),
        (
            tree_of(extension(1, [[2], "float32", b"abc"])),
            "an array of float32, [2], has",
        ),
        (tree_of(extension(1, [[-1], "float32", b""])), "an array of shape [-1]"),
        (tree_of(extension(1, ["a", "float32", b""])), "an array of shape 'a'"),
        (tree_of(extension(1, [[2**40, 2**40], "int8", b""])), "an array of int8, [1099511627776,"),
        (tree_of(extension(1, [[1], "object", bytes(8)])), "an array of 'object', which is not kn"),
        (tree_of(extension(1, [[1], "float999", bytes(8)])), "it is cut off or damaged"),
        (tree_of(b"\xdd\xff\xff\xff\xff"), "it is cut off or damaged"),
        (tree_of(b"\xc6\xff\xff\xff\xff"), "cut off: it needs"),
        (tree_of(b"\x91" * 9999), "it is cut off or damaged"),
        (packed({"w": {"__msgpack_chunked_array__": 1}}), "it is cut off or damaged"),
    ],
)
def test_files_that_lie(path, data, message):
    path.write_bytes(data)
    assert refusal(load_flax, path).startswith(message)
    assert peak(refusal, load_flax, path) < MEMORY


def test_only_what_is_read_is_converted(path):
    path.write_bytes(tree_of(extension(1, [[2**20], "bfloat16", bytes(2**21)])))
    assert peak(load, path) < MEMORY
    assert load(path)["w"].dtype == np.float32


def test_cut_off_or_broken(path):
    for name in ("cut", "tree"):
        path.write_bytes((DATA / f"{name}.msgpack").read_bytes())
        assert_cut_off_anywhere_is_refused(load, path)
        assert_broken_ones_are_refused_or_read(load, path)


def chunked(shape, *arrays):
    """Return an array as Flax cuts it."""
    parts = [packed("__msgpack_chunked_array__"), packed(1), packed("shape"), packed(shape)]
    chunks = b"".join(packed(str(i)) + extension(1, array) for i, array in enumerate(arrays))
    head = b"\xdf" + struct.pack(">I", len(arrays))
    return tree_of(b"\x83" + b"".join(parts) + packed("chunks") + head + chunks)


def test_chunks_are_put_together_when_they_are_read(path):
    half = [[2**19], "float32", np.arange(2**19, dtype="<f4").tobytes()]
    path.write_bytes(chunked({"0": 2, "1": 2**19}, half, half))
    assert peak(load, path) < MEMORY
    state = load(path)
    assert (state.stored("w").shape, state.stored("w").dtype) == ((2, 2**19), "float32")
    assert peak(state.get, "w") < 3 * 2**21 + 2**16
    assert state["w"][1, 5] == 5


@pytest.mark.parametrize(
    ("shape", "second"),
    [
        ({"0": 3}, [[2], "float32", bytes(8)]),
        ({"0": -2, "1": -2}, [[2], "float32", bytes(8)]),
        ({"0": "a"}, [[2], "float32", bytes(8)]),
        (dict.fromkeys(map(str, range(33)), 1) | {"0": 4}, [[2], "float32", bytes(8)]),
        ({"0": 4}, [[2], "int32", bytes(8)]),
    ],
)
def test_chunks_that_are_no_whole(path, shape, second):
    path.write_bytes(chunked(shape, [[2], "float32", bytes(8)], second))
    assert refusal(load, path).startswith("an array of shape (")
