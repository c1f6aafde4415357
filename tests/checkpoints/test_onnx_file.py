"""``load_onnx`` against what onnx.numpy_helper makes of a model, and against files that lie."""

import numpy as np
import pytest

from snippets.checkpoints import StandIn, load, load_onnx
from tests import ROOT, SNIPPETS_DIR
from tests.checkpoints.broken import (
    MEMORY,
    assert_broken_ones_are_refused_or_read,
    assert_cut_off_anywhere_is_refused,
    peak,
    refusal,
)
from tests.sabotage import sabotaged

PATH = SNIPPETS_DIR / "checkpoints/onnx_file.py"
DATA = ROOT / "tests/checkpoints/data"
with np.load(DATA / "types.npz") as file:
    THEIRS = dict(file)


def assert_same(found):
    assert list(found) == [*THEIRS, "INT4", "STRING"]
    for name, wanted in THEIRS.items():
        assert (found[name].dtype, found[name].shape) == (wanted.dtype, wanted.shape)
        assert found[name].tobytes() == wanted.tobytes()


@pytest.mark.parametrize("reader", [load, load_onnx])
def test_every_initializer_is_what_the_package_makes_of_it(reader):
    found = reader(DATA / "types.onnx")
    assert_same(found)
    assert isinstance(found["INT4"], StandIn)
    assert (found["INT4"].name, found["INT4"].args[0]) == ("onnx.TensorProto.22", (2,))
    assert found["STRING"].args[0] == (1,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('16: "<u2", 14: "<f4"', '16: "<u2", 14: "<f8"'),
        ("<< shift", "<< 0"),
        ('10: "<u2"', '10: "<f2"'),
    ],
)
def test_a_reader_that_is_wrong_is_found_out(old, new):
    wrong = sabotaged(PATH, old, new)
    with pytest.raises((AssertionError, ValueError)):
        assert_same(wrong.load_onnx(DATA / "types.onnx"))


# Bytes of our own


def varint(number):
    more = number >> 7
    return bytes([number & 127 | 128]) + varint(more) if more else bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name="w", kind=1, dims=(2,), **others):
    parts = [field(1, n) for n in dims] + [field(2, kind), field(8, name.encode())]
    numbers = {"raw": 9, "floats": 4, "integers": 7}
    parts += [field(numbers[key], value) for key, value in others.items() if key in numbers]
    for key, value in others.get("external", {}).items():
        parts.append(field(13, field(1, key.encode()) + field(2, value.encode())))
    return b"".join(parts)


def model(*tensors):
    return field(1, 8) + field(2, b"test") + field(7, b"".join(field(5, t) for t in tensors))


TWO = np.array([1.5, -2], "<f4").tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.onnx"


def test_lists_that_are_packed_or_not(path):
    packed = field(1, varint(1) + varint(2)) + field(2, 1) + field(8, b"p") + field(9, TWO)
    alone = field(1, 1) + field(1, 2) + field(2, 1) + field(8, b"a")
    alone += b"".join(varint(4 << 3 | 5) + TWO[at : at + 4] for at in (0, 4))
    doubles = field(1, 1) + field(2, 11) + field(8, b"d")
    doubles += varint(10 << 3 | 1) + np.float64(0.1).tobytes()
    path.write_bytes(model(packed, alone, doubles))
    found = load(path)
    assert found["p"].tolist() == found["a"].tolist() == [[1.5, -2]]
    assert found["d"].tolist() == [0.1]


def test_negative_numbers_have_ten_bytes(path):
    path.write_bytes(model(tensor(kind=3, dims=[2], integers=varint(2**64 - 5) + varint(7))))
    assert load(path)["w"].tolist() == [-5, 7]
    assert load(path)["w"].dtype == np.int8


def test_numbers_beside_the_model(path):
    (path.parent / "data").mkdir()
    (path.parent / "data/w.bin").write_bytes(b"....." + TWO + b"...")
    where = {"location": "data/w.bin", "offset": "5", "length": "8"}
    path.write_bytes(model(tensor(external=where)))
    assert load(path)["w"].tolist() == [1.5, -2]
    assert load(path)["w"].flags.aligned
    (path.parent / "all").write_bytes(TWO)
    path.write_bytes(model(tensor(external={"location": "all"})))
    assert load(path)["w"].tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (field(1, 1) + field(2, b"x"), "protobuf without the graph of an ONNX model: is it of"),
        (
            field(1, 9) + field(2, b"") + field(502, b"x"),
            "this is a Core ML model: read it with core",
        ),
        (field(1, 1) + field(7, 3), "protobuf without the graph of an ONNX model"),
        (field(1, 1) + b"\x3b", "protobuf has no wire type 3"),
        (field(1, 1) + b"\x3a\x7f", "cut off: a field ends at byte 131, its message at 4"),
        (field(1, 1) + b"\x3a" + b"\xff" * 11, "protobuf has no number of more than 10 bytes"),
        (model(tensor(raw=b"abc")), "'w' of shape (2,) has not 3 bytes"),
        (model(tensor(dims=[2**40, 2**40], raw=TWO)), "'w' of shape (1099511627776, 10995116277"),
        (model(tensor(dims=[2**63], raw=TWO)), "'w' of shape (9223372036854775808,) has not 8"),
        (model(tensor(floats=TWO[:7])), "it is cut off or damaged"),
        (model(tensor(external={"location": "../w"})), "'../w' would lie outside of the folder"),
        (model(tensor(external={"location": "no"})), "'no' is not in the folder: was it not down"),
    ],
)
def test_files_that_lie(path, data, message):
    path.write_bytes(data)
    assert refusal(load_onnx, path).startswith(message)
    assert peak(refusal, load_onnx, path) < MEMORY


def test_cut_off_or_broken(path):
    path.write_bytes(model(tensor(raw=TWO), tensor("v", floats=TWO)))
    assert_cut_off_anywhere_is_refused(load, path)
    assert_broken_ones_are_refused_or_read(load, path)
    path.write_bytes((DATA / "types.onnx").read_bytes())
    assert_broken_ones_are_refused_or_read(load, path)
