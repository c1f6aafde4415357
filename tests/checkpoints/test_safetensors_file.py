"""Our reader and writer of .safetensors against the format's own library, and against torch."""

import json
import re

import numpy as np
import pytest

from snippets.checkpoints import safetensors_file
from snippets.checkpoints.safetensors_file import (
    DTYPES,
    load_safetensors,
    safetensors_header,
    save_safetensors,
)
from tests.checkpoints.broken import MEMORY, mutants, peak, refusal

safetensors = pytest.importorskip("safetensors")
library = pytest.importorskip("safetensors.numpy")

ENTRY = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
DATA = bytes(range(8))


def container(header, data=DATA):
    """Return a file of this header, ONE in it being one entry, and data."""
    header = header if isinstance(header, bytes) else header.encode()
    header = header.replace(b"ONE", ENTRY.encode())
    return len(header).to_bytes(8, "little") + header + data


@pytest.fixture
def write(tmp_path):
    """Return a function that writes bytes into a file and returns its path."""

    def write(data, name="model.safetensors"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def random_bits(shape, code, seed=0):
    """Return an array of any bits at all, NaNs and infinities among them."""
    dtype = np.dtype(code)
    size = int(np.prod(shape)) * dtype.itemsize
    bits = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    return (bits & 1 if dtype.kind == "b" else bits).view(dtype).reshape(shape)


def assert_same(ours, theirs):
    """Compare names and arrays: order, dtype, shape, bits."""
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert type(array) is np.ndarray
        assert (array.dtype, array.shape) == (theirs[name].dtype, theirs[name].shape)
        assert array.tobytes() == theirs[name].tobytes()


ARRAYS = {
    f"{name}.{i}": random_bits(shape, code, i)
    for i, shape in enumerate([(2, 3), (), (0, 4), (7,), (1, 2, 1)])
    for name, code in DTYPES.items()
    if name != "BF16"
}


def test_reads_what_the_library_wrote(tmp_path):
    path = tmp_path / "w"
    library.save_file(ARRAYS, path, {"format": "np"})
    ours = load_safetensors(path)
    assert_same(ours, library.load_file(path))
    assert set(ours) == set(ARRAYS)
    assert all((ours[name].tobytes() == a.tobytes()) for name, a in ARRAYS.items())
    assert not any(a.dtype.hasobject or a.dtype.isnative is False for a in ours.values())


def test_reads_what_torch_wrote(tmp_path):
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    tensors = {
        f"{name}.{i}": torch.from_numpy(random_bits(shape, code, i))
        for i, shape in enumerate([(2, 3), (), (0, 4)])
        for name, code in DTYPES.items()
    }
    halves = [name for name in tensors if name.startswith("BF16")]
    tensors |= {name: tensors[name].view(torch.bfloat16) for name in halves}
    files.save_file(tensors, tmp_path / "w")
    ours = load_safetensors(tmp_path / "w")
    theirs = files.load_file(tmp_path / "w")
    assert [ours[name].dtype for name in halves] == [np.float32] * 3
    assert_same(
        ours, {name: (t.float() if name in halves else t).numpy() for name, t in theirs.items()}
    )


def test_every_bfloat16_is_read_exactly(tmp_path):
    torch = pytest.importorskip("torch")
    bits = np.arange(2**16, dtype=np.uint16)
    header = '{"w":{"dtype":"BF16","shape":[65536],"data_offsets":[0,131072]}}'
    (tmp_path / "w").write_bytes(container(header, bits.astype("<u2").tobytes()))
    ours = load_safetensors(tmp_path / "w")["w"]
    theirs = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).float().numpy()
    assert (ours.view(np.uint32) == theirs.view(np.uint32)).all()
    save_safetensors(tmp_path / "back", {"w": ours}, bfloat16=["w"])
    back = load_safetensors(tmp_path / "back")["w"]
    nan = np.isnan(ours)
    assert (back.view(np.uint32) == ours.view(np.uint32)).all()
    assert nan.any()


def test_arrays_are_copy_on_write_views_of_one_map(write):
    path = write(library.save({"a": np.frombuffer(DATA, "f4"), "b": np.frombuffer(b"abcd", "u1")}))
    before = path.read_bytes()
    arrays = load_safetensors(path)
    assert arrays["a"].base is arrays["b"].base is not None
    arrays["a"][:] = 7
    arrays["b"][0] = 1
    assert path.read_bytes() == before
    assert load_safetensors(path)["b"].tobytes() == b"abcd"


@pytest.mark.parametrize("spaces", range(8))
def test_a_header_of_any_length_gives_aligned_arrays(write, spaces):
    path = write(container('{"a":ONE}' + " " * spaces))
    array = load_safetensors(path)["a"]
    assert array.flags.aligned
    assert array.tobytes() == DATA
    assert_same(load_safetensors(path), library.load_file(path))


def test_ten_gigabytes_open_at_once(tmp_path):
    size = 10 * 2**30
    with open(tmp_path / "w", "wb") as file:
        header = entry(shape=[size // 4096, 1024], data_offsets=[0, size])
        file.write(container(header.ljust(-(-len(header) // 8) * 8), b""))
        file.truncate(file.tell() + size)
    assert peak(load_safetensors, tmp_path / "w") < MEMORY
    array = load_safetensors(tmp_path / "w")["a"]
    array[-1, -1] = 3
    assert array[-1, -3:].tolist() == [0, 0, 3]


def test_the_header_tells_dtypes_and_metadata(write):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    later = {"dtype": "BF16", "shape": [], "data_offsets": [8, 10]}
    header = {"b": later, "__metadata__": {"format": "pt"}, "a": entry}
    found = safetensors_header(write(container(json.dumps(header), DATA + b"ab")))
    assert list(found.items()) == [("__metadata__", {"format": "pt"}), ("a", entry), ("b", later)]
    assert safetensors_header(write(container("{}", b""))) == {}


def with_field(text):
    return '{"a":' + ENTRY[:-1] + f',"x":{text}}}}}'


# Headers of eight bytes of data that both read, ours and the library.
ACCEPTED = {
    "one array": '{"a":ONE}',
    "white space": ' \n\t\r{ "a" :ONE}\n  ',
    "metadata": '{"__metadata__":{"x":"y"},"a":ONE}',
    "empty metadata": '{"__metadata__":{},"a":ONE}',
    "null for metadata": '{"__metadata__":null,"a":ONE}',
    "further field": with_field('[{"y":-0},null,true,1.5e3]'),
    "large number": with_field("9" * 300),
    "unicode": '{"\u00e4\u96ea":ONE}',
    "escapes": '{"\\u96ea\\n\\ud83d\\ude00":ONE}',
    "no name": '{"":ONE}',
    "other order": '{"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]},'
    '"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}',
    "nothing before": '{"a":ONE,"z":{"dtype":"U8","shape":[3,0],"data_offsets":[0,0]}}',
    "nothing behind": '{"z":{"dtype":"U8","shape":[0],"data_offsets":[8,8]},"a":ONE}',
    "wide, but empty": '{"a":ONE,"z":{"dtype":"U8","shape":[0,65536,65536],"data_offsets":[0,0]}}',
}


@pytest.mark.parametrize("header", ACCEPTED.values(), ids=ACCEPTED)
def test_reads_what_the_library_reads(write, header):
    path = write(container(header))
    theirs = {
        name: np.frombuffer(e["data"], DTYPES[e["dtype"]]).reshape(e["shape"])
        for name, e in safetensors.deserialize(path.read_bytes())
    }
    ours = load_safetensors(path)
    assert_same(ours, {name: theirs[name] for name in ours})
    assert set(ours) == set(theirs)
    assert_same(ours, library.load_file(path))


def entry(**changes):
    return json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes})


def pair(begin, end, size=4):
    return json.dumps(
        {
            "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            "b": {"dtype": "U8", "shape": [size], "data_offsets": [begin, end]},
        }
    )


# Headers of eight bytes of data, and why ours refuses them; so does the library.
REFUSED = {
    "overlap": (pair(3, 8, 5), "'b', data_offsets [3, 8], overlaps what is before it"),
    "same place": (pair(0, 4), "'b', data_offsets [0, 4], overlaps what is before it"),
    "hole": (pair(5, 8, 3), "'b', data_offsets [5, 8], leaves a hole before it"),
    "hole before": (
        entry(shape=[1], data_offsets=[4, 8]),
        "'a', data_offsets [4, 8], leaves a hole before it",
    ),
    "rest": (pair(4, 7, 3), "it describes 7 bytes of data, but the file has 8"),
    "beyond": (pair(4, 9, 5), "it describes 9 bytes of data, but the file has 8"),
    "backwards": (entry(data_offsets=[8, 0]), "'a', data_offsets [8, 0], leaves a hole before it"),
    "negative": (
        entry(data_offsets=[-8, 0]),
        "'a' needs dtype, shape and data_offsets, but has "
        "{'dtype': 'F32', 'shape': [2], 'data_offsets': [-8.0, 0]}",
    ),
    "too short": (entry(shape=[3]), "'a', F32 of shape [3], needs 12 bytes, not 8"),
    "too long": (entry(shape=[1]), "'a', F32 of shape [1], needs 4 bytes, not 8"),
    "other dtype": (entry(dtype="F64"), "'a', F64 of shape [2], needs 16 bytes, not 8"),
    "no dtype": ('{"a":{"shape":[2],"data_offsets":[0,8]}}', "'a' needs dtype"),
    "no shape": ('{"a":{"dtype":"F32","data_offsets":[0,8]}}', "'a' needs dtype"),
    "no offsets": ('{"a":{"dtype":"F32","shape":[2]}}', "'a' needs dtype"),
    "dtype a number": (entry(dtype=4), "'a' needs dtype"),
    "shape a number": (entry(shape=2), "'a' needs dtype"),
    "shape a text": (entry(shape="2"), "'a' needs dtype"),
    "shape true": (entry(shape=[True, 2]), "'a' needs dtype"),
    "shape 2.0": (entry(shape=[2.0]), "'a' needs dtype"),
    "shape 2e0": (entry(shape=[7]).replace("7", "2e0"), "'a' needs dtype"),
    "shape null": (entry(shape=[None]), "'a' needs dtype"),
    "shape -2": (entry(shape=[-2, -1]), "'a' needs dtype"),
    "offset -0": (entry(data_offsets=[7, 8]).replace("7", "-0"), "'a' needs dtype"),
    "three offsets": (entry(data_offsets=[0, 8, 8]), "'a' needs dtype"),
    "one offset": (entry(data_offsets=[8]), "'a' needs dtype"),
    "offsets a mapping": (entry(data_offsets={"0": 8}), "'a' needs dtype"),
    "entry null": ('{"a":null}', "None is no JSON object"),
    "entry a text": ('{"a":"F32"}', "'F32' is no JSON object"),
    "metadata a list": ('{"__metadata__":["x"],"a":ONE}', "['x'] is no JSON object"),
    "metadata a number": (
        '{"__metadata__":{"x":1},"a":ONE}',
        "__metadata__ holds something else than strings",
    ),
    "metadata an array": (
        '{"__metadata__":ONE}',
        "__metadata__ holds something else than strings",
    ),
    "metadata twice": (
        '{"__metadata__":{},"__metadata__":{},"a":ONE}',
        "'__metadata__' occurs twice",
    ),
    "field twice": (with_field("1")[:-2] + ',"dtype":"F32"}}', "'dtype' occurs twice"),
    "a list": ("[]", "the header is no JSON object"),
    "null": ("null", "the header is no JSON object"),
    "no header": ("", "it is no JSON"),
    "no JSON": ("{a}", "it is no JSON"),
    "a comma": ('{"a":ONE,}', ""),
    "cut off": ('{"a":ONE', "it is no JSON"),
    "something behind": ('{"a":ONE}\0', "it is no JSON"),
    "a control character": ('{"a\n":ONE}', "it is no JSON"),
    "NaN": (with_field("NaN"), "it is no JSON"),
    "infinity": (with_field("-Infinity"), "it is no JSON"),
    "out of range": (with_field("1e999"), "a number out of range"),
    "out of range, whole": (with_field("9" * 400), "a number out of range"),
    "half a surrogate": ('{"\\ud800":ONE}', "it is no JSON"),
    "half a surrogate inside": (with_field('"\\udc00"'), "it is no JSON"),
    "a byte order mark": (b'\xef\xbb\xbf{"a":ONE}', "it is no JSON"),
    "Latin-1": (b'{"\xe4":ONE}', "it is no JSON"),
    "a bomb of brackets": ("[" * 100_000, "it is no JSON"),
}


def assert_both_refuse(path, reason=""):
    with pytest.raises(safetensors.SafetensorError):
        safetensors.deserialize(path.read_bytes())
    assert reason in refusal(load_safetensors, path)


@pytest.mark.parametrize(("header", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_the_library_refuses(write, header, reason):
    path = write(container(header))
    assert_both_refuse(path, reason)
    assert refusal(load_safetensors, path).startswith("damaged header: " + reason)


# Read by the library and refused here: its notes call duplicate keys disallowed, and show an entry
# as a JSON object with a dtype in quotes; the other spellings are how its parser happens to work.
STRICTER = {
    "an array twice": '{"a":ONE,"a":ONE}',
    "metadata's key twice": '{"__metadata__":{"a":"b","a":"c"},"a":ONE}',
    "further field's key twice": with_field('{"a":1,"a":2}'),
    "entry a list": '{"a":["F32",[2],[0,8]]}',
    "dtype a mapping": entry(dtype={"F32": None}),
}


@pytest.mark.parametrize("header", STRICTER.values(), ids=STRICTER)
def test_is_stricter_than_the_library_in_these(write, header):
    path = write(container(header))
    assert safetensors.deserialize(path.read_bytes())
    assert refusal(load_safetensors, path).startswith("damaged header: ")


def test_what_only_we_read_is_a_field_that_nobody_reads(write):
    path = write(container(with_field("[" * 200 + "]" * 200)))
    with pytest.raises(safetensors.SafetensorError, match="recursion limit exceeded"):
        safetensors.deserialize(path.read_bytes())
    assert load_safetensors(path)["a"].tobytes() == DATA


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F8_E8M0"])
def test_every_float8_is_read_exactly(write, dtype):
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    header = entry(dtype=dtype, shape=[16, 16], data_offsets=[0, 256])
    path = write(container(header, bytes(range(256))))
    state = load_safetensors(path)
    theirs = files.load_file(path)["a"]
    assert state.stored("a").dtype == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_array_equal(state["a"], theirs.to(torch.float32).numpy(), strict=True)


@pytest.mark.parametrize(("dtype", "shape", "size"), [("F4", [4, 4], 8), ("F6_E2M3", [8], 6)])
def test_a_dtype_that_is_not_known_is_refused_when_it_is_read(write, dtype, shape, size):
    entries = {
        "a": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]},
        "b": {"dtype": "U8", "shape": [1], "data_offsets": [size, size + 1]},
    }
    path = write(container(json.dumps(entries), DATA[:size] + b"x"))
    assert dict(safetensors.deserialize(path.read_bytes()))["a"]["dtype"] == dtype
    state = load_safetensors(path)
    assert state["b"].tolist() == [ord("x")]
    assert (state.stored("a").dtype, state.stored("a").shape) == (dtype, tuple(shape))
    message = f"{path}: 'a' is {dtype}: convert it with PyTorch, by .float()"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        state["a"]
    assert safetensors_header(path)["a"]["dtype"] == dtype


@pytest.mark.parametrize("shape", [[2**63, 4, 0], [0, 2**62, 4], [2**64, 0], [10**30, 0], [0] * 65])
def test_a_shape_that_numpy_has_not_is_refused(write, shape):
    path = write(container(entry(shape=shape, data_offsets=[0, 0]), b""))
    with pytest.raises((safetensors.SafetensorError, ValueError, OverflowError)):
        library.load_file(path)
    assert f"'a', shape {shape}: " in refusal(load_safetensors, path)


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"", 0),
        (b"1234567", int.from_bytes(b"1234567", "little")),
        (b"\3\0\0\0\0\0\0\0{}", 3),
        ((100_000_001).to_bytes(8, "little") + b"{}", 100_000_001),
        (b"\xff" * 8 + b"{}", 2**64 - 1),
    ],
)
def test_a_length_that_cannot_be_is_refused(write, data, length):
    path = write(data)
    assert_both_refuse(path)
    message = (
        f"{path}: a file of {len(data)} bytes cannot have a header of {length} bytes: "
        "was it cut off, or is it another format?"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_safetensors(path)


def test_the_longest_header_is_the_librarys(write, monkeypatch):
    assert safetensors_file.MAX_HEADER == 100_000_000
    path = write(container("{}  ", b""))
    monkeypatch.setattr(safetensors_file, "MAX_HEADER", 4)
    assert load_safetensors(path) == {}
    monkeypatch.setattr(safetensors_file, "MAX_HEADER", 3)
    assert "cannot have a header of 4 bytes" in refusal(load_safetensors, path)


def test_a_file_that_lies_about_its_sizes_costs_no_memory(write):
    path = write(container(entry(shape=[2**40], data_offsets=[0, 2**42])))
    assert peak(refusal, load_safetensors, path) < MEMORY


def small_file():
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(3), "c": np.ones(0)}
    return library.save(arrays, {"format": "pt"})


def test_a_file_cut_off_anywhere_is_refused(write):
    whole = small_file()
    for length in range(len(whole)):
        assert_both_refuse(write(whole[:length]))
    assert_both_refuse(write(whole + b"\0"), "it describes")


def test_fuzz(write):
    whole, read = small_file(), 0
    for data in mutants(whole, head=whole.index(b"   ")):
        path = write(data)
        reason = refusal(load_safetensors, path)
        try:
            theirs = dict(safetensors.deserialize(data))
        except safetensors.SafetensorError:
            assert reason is not None
            continue
        if reason is None:
            read += 1
            ours = load_safetensors(path)
            assert set(ours) == set(theirs)
            for name, e in theirs.items():
                bits = ours[name].view(np.uint32) >> 16 if e["dtype"] == "BF16" else ours[name]
                assert list(ours[name].shape) == e["shape"]
                assert bits.astype(DTYPES[e["dtype"]]).tobytes() == bytes(e["data"])
        else:
            assert re.search("occurs twice|shape .*: |needs dtype", reason), data
    assert read  # damage to names and data goes unseen


STRIDES = {
    "whole": lambda a: a,
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1],
    "a step": lambda a: a[:, ::2],
    "Fortran order": np.asfortranarray,
    "expanded": lambda a: np.broadcast_to(a[0], (3, 5)),
    "big endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
    "a scalar": lambda a: a[0, 0],
    "nothing": lambda a: a[:0],
}


@pytest.mark.parametrize("change", STRIDES.values(), ids=STRIDES)
@pytest.mark.parametrize("code", ["f4", "i8", "?", "c8"])
def test_writes_what_the_library_writes(tmp_path, change, code):
    array = change(random_bits((4, 5), code))
    arrays = {
        "w.weight": array,
        'b"\n\u96ea\x7f\x1f': np.ones(3, np.int8),
        "A": np.zeros(2, np.float16),
    }
    contiguous = {
        k: np.asarray(a, np.asarray(a).dtype.newbyteorder("="), order="C")
        for k, a in arrays.items()
    }
    for metadata in [None, {"format": "pt"}]:
        library.save_file(contiguous, tmp_path / "theirs", metadata)
        save_safetensors(tmp_path / "ours", arrays, metadata=metadata)
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
        assert_same(load_safetensors(tmp_path / "ours"), library.load_file(tmp_path / "ours"))


def test_writes_every_dtype_in_the_librarys_order(tmp_path):
    library.save_file(ARRAYS, tmp_path / "theirs")
    save_safetensors(tmp_path / "ours", ARRAYS)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    save_safetensors(tmp_path / "ours", {})
    assert (tmp_path / "ours").read_bytes() == library.save({})


def test_torch_reads_what_we_wrote(tmp_path):
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    state = model.state_dict()
    save_safetensors(tmp_path / "w", {name: t.numpy() for name, t in state.items()})
    back = files.load_file(tmp_path / "w")
    assert set(back) == set(state)
    assert all(back[name].equal(t) for name, t in state.items())
    model.load_state_dict(back)


SPECIAL = [0.0, -0.0, 1.0, 1.00390625, 1.01171875, 1.00390637, np.inf, -np.inf, 3.4e38, -3.4e38]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bfloat16_is_rounded_as_torch_rounds(tmp_path, dtype):
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    with np.errstate(over="ignore"):
        special = np.array(SPECIAL).astype(dtype)
    x = np.concatenate([special, random_bits(20_000, dtype)]).reshape(-1, 2).T
    x = np.concatenate([x, [[1e300], [-1e300]]], 1).astype(dtype) if dtype == np.float64 else x
    arrays = {"b": np.ones(3, np.float32), "x": x, "scalar": dtype(1.0039064)}
    save_safetensors(tmp_path / "w", arrays, bfloat16={"x", "scalar"}, metadata={"format": "pt"})
    ours = files.load_file(tmp_path / "w")
    assert ours["b"].dtype == torch.float32
    for name in ("x", "scalar"):
        want = torch.from_numpy(np.array(arrays[name])).bfloat16()
        assert ours[name].dtype == torch.bfloat16
        assert ours[name].shape == want.shape
        nan = want.isnan()
        assert ours[name].isnan().equal(nan)
        assert (ours[name].view(torch.int16) == want.view(torch.int16))[~nan].all()
    files.save_file(ours, tmp_path / "theirs", {"format": "pt"})
    assert (tmp_path / "w").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_nan_stays_nan(tmp_path):
    bits = np.array([0x7F800001, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FC00000, 0xFF810000], np.uint32)
    arrays = {"x": bits.view(np.float32), "scalar": bits.view(np.float32)[1]}
    save_safetensors(tmp_path / "w", arrays, bfloat16=arrays)
    stored = load_safetensors(tmp_path / "w")["x"].view(np.uint32) >> 16
    assert np.isnan(load_safetensors(tmp_path / "w")["scalar"])
    assert [hex(b) for b in stored] == ["0x7fc0", "0xffff", "0x7fff", "0x7fc0", "0xff81"]


def test_a_file_can_be_written_over_itself(tmp_path):
    path = tmp_path / "w"
    save_safetensors(path, {"a": np.arange(5000.0), "b": np.ones(3)})
    arrays = load_safetensors(path)
    arrays["b"][0] = 7
    save_safetensors(path, {"b": arrays["b"], "a": arrays["a"][::-1], "c": np.zeros(4)})
    assert arrays["a"].tolist() == list(range(5000))
    back = load_safetensors(path)
    assert (back["a"] == np.arange(5000.0)[::-1]).all()
    assert back["b"].tolist() == [7, 1, 1]


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w"
    save_safetensors(path, {"a": np.ones(3)})
    before = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(safetensors_file.os, "replace", fail)
    with pytest.raises(OSError, match="the disk is full"):
        save_safetensors(path, {"a": np.zeros(3)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_inputs_are_not_changed(tmp_path):
    x = random_bits((3, 4), "f4").T
    before = x.tobytes()
    save_safetensors(tmp_path / "w", {"x": x}, bfloat16=["x"])
    assert x.tobytes() == before


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (
            {"a": np.ones(2, complex)},
            {},
            "'a' is complex128, which the format has not: convert it by .astype",
        ),
        ({"a": [None]}, {}, "'a' is object, which the format has not: convert it by .astype"),
        ({"a": "text"}, {}, "'a' is <U4, which the format has not: convert it by .astype"),
        (
            {"a": np.arange(3)},
            {"bfloat16": ["a"]},
            "'a' is int64: only floats can be written as bfloat16",
        ),
        (
            {"a": np.ones(2)},
            {"bfloat16": ["b"]},
            "bfloat16 names what is not among the arrays: ['b']",
        ),
        (
            {"a": np.ones(2)},
            {"bfloat16": "w.b"},
            "bfloat16 names what is not among the arrays: ['.', 'b', 'w']",
        ),
        ({1: np.ones(2)}, {}, "names and metadata must be str"),
        ({"a": np.ones(2)}, {"metadata": {"epoch": 3}}, "names and metadata must be str"),
        ({"a": np.ones(2)}, {"metadata": {3: "epoch"}}, "names and metadata must be str"),
        (
            {"__metadata__": np.ones(2)},
            {},
            "'__metadata__' is the format's own name: rename this array",
        ),
    ],
)
def test_what_the_format_cannot_hold_is_refused(tmp_path, arrays, options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        save_safetensors(tmp_path / "w", arrays, **options)
    assert not list(tmp_path.iterdir())


def test_a_header_that_no_reader_takes_is_not_written(tmp_path, monkeypatch):
    arrays = {"a": np.ones(2, np.float32)}
    monkeypatch.setattr(safetensors_file, "MAX_HEADER", 55)
    with pytest.raises(ValueError, match="the header would have 56 bytes, more than 55"):
        save_safetensors(tmp_path / "w", arrays)
    monkeypatch.setattr(safetensors_file, "MAX_HEADER", 56)
    save_safetensors(tmp_path / "w", arrays)
    assert load_safetensors(tmp_path / "w")["a"].tolist() == [1, 1]
