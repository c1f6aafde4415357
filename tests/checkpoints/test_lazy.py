"""What is converted when it is read: never earlier, never in more memory, always an array."""

import copy
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from snippets.checkpoints import lazy, load, safetensors_file, torch_file
from snippets.state_dict import under
from tests import SNIPPETS_DIR
from tests.checkpoints import test_flax_file as flax
from tests.checkpoints import test_gguf_file as gguf
from tests.checkpoints import test_onnx_file as onnx
from tests.checkpoints.broken import MEMORY, peak
from tests.checkpoints.fuzz import members_of, zipped_again
from tests.sabotage import sabotaged
from tests.test_house import defined

COPIES = pytest.mark.parametrize("module", [lazy, torch_file, safetensors_file])
HALVES = np.array([[0x3F80, 0xC000, 0x3E20], [0, 0x8000, 0x7F80]], np.uint16)
NUMBERS = [[1, -2, 0.15625], [0, -0.0, np.inf]]


@pytest.mark.parametrize("module", [torch_file, safetensors_file])
def test_a_reader_that_is_one_file_has_the_same_text(module):
    shared = defined(Path(lazy.__file__).read_text("utf-8"))
    mine = defined(Path(module.__file__).read_text("utf-8"))
    assert {name: mine.get(name) for name in shared} == shared


def halves(module):
    """Return a LazyDict with an unread tensor, and what counts how often it is read."""
    tensor, reads = module.as_stored(HALVES, "bfloat16"), []

    def make(bits, make=tensor.make):
        reads.append(1)
        return make(bits)

    tensor.make = make
    return module.LazyDict({"w": tensor, "n": 3}), reads


def is_read(value):
    return type(value) is np.ndarray and value.dtype == np.float32 and value.tolist() == NUMBERS


# Every way to come by a value
WAYS = {
    "[]": lambda state: state["w"],
    "get": lambda state: state.get("w"),
    "items": lambda state: dict(state.items())["w"],
    "values": lambda state: next(iter(state.values())),
    "pop": lambda state: state.pop("w"),
    "popitem": lambda state: (state.popitem(), state.popitem())[1][1],
    "setdefault": lambda state: state.setdefault("w"),
    "dict": lambda state: dict(state)["w"],
    "**": lambda state: (lambda **named: named["w"])(**state),
    "{**}": lambda state: {**state}["w"],
    "update": lambda state: (found := {}, found.update(state))[0]["w"],
    "copy": lambda state: state.copy()["w"],
    "copy.copy": lambda state: copy.copy(state)["w"],
    "copy.deepcopy": lambda state: copy.deepcopy(state)["w"],
    "pickle": lambda state: pickle.loads(pickle.dumps(state))["w"],
    "|": lambda state: (state | {"n": 4})["w"],
    "| behind": lambda state: ({"n": 4} | state)["w"],
    "|=": lambda state: (found := {"n": 4}, found.__ior__(state))[1]["w"],
    "match": lambda state: matched(state),
    "renamed": lambda state: state.renamed({"v": "w"})["v"],
    "under": lambda state: under(state.renamed({"a.w": "w"}), "a")["w"],
}


def matched(state):
    match state:
        case {"w": tensor}:
            return tensor


@COPIES
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_a_value_gives_an_array(module, way):
    state, reads = halves(module)
    assert not reads
    assert is_read(WAYS[way](state))


QUIET = {
    "in": lambda state: "w" in state,
    "len": len,
    "list": list,
    "keys": lambda state: list(state.keys()),
    "repr": repr,
    "reversed": lambda state: list(reversed(state)),
    "copy": lambda state: state.copy(),
    "|": lambda state: state | {"b": 1},
    "under": lambda state: under(state.renamed({"a.w": "w", "b": "n"}), "a"),
    "set": lambda state: state.__setitem__("w", 2),
    "del": lambda state: state.__delitem__("w"),
    "clear": lambda state: state.clear(),
    "another": lambda state: state["n"],
}


@COPIES
@pytest.mark.parametrize("way", QUIET)
def test_what_needs_no_value_reads_none(module, way):
    state, reads = halves(module)
    QUIET[way](state)
    assert not reads


@COPIES
def test_it_is_a_dict(module):
    state, _ = halves(module)
    assert isinstance(state, dict)
    assert repr(state) == "{'w': bfloat16 (2, 3), not read yet, 'n': 3}"
    assert str(state.keys()) == "dict_keys(['w', 'n'])"
    assert [*state] == [*state.keys()] == ["w", "n"] == [*reversed(state)][::-1]
    assert (len(state), "n" in state, "x" in state, state.get("x", 5)) == (2, True, False, 5)
    assert state.popitem() == ("n", 3)
    state["m"] = 4
    assert (state | {"m": 5})["m"] == 5
    assert ({"m": 5} | state)["m"] == 4
    del state["w"]
    assert state == {"m": 4}
    state.clear()
    assert not state
    with pytest.raises(KeyError, match=r"^'w'$"):
        state["w"]


@COPIES
def test_an_array_that_is_read_cannot_be_changed_in_vain(module):
    state, reads = halves(module)
    with pytest.raises(ValueError, match="read-only"):
        state["w"][0, 0] = 5
    state["w"] = state["w"] * 2
    assert state["w"][0].tolist() == [2, -4, 0.3125]
    assert len(reads) == 2


@COPIES
def test_lists_and_tuples_are_read_when_they_are_reached(module):
    def tensor():
        return module.as_stored(HALVES, "bfloat16")

    both = tensor()
    inner = module.LazyDict({"w": tensor()})
    items = [both, (1, (tensor(), [tensor()])), "x", inner, both]
    state = module.LazyDict({"list": items, "plain": [1, (2,)]})
    found = state["list"]
    assert found is items is state["list"]
    assert is_read(found[0])
    assert found[0] is found[4]
    assert is_read(found[1][1][0])
    assert is_read(found[1][1][1][0])
    assert found[3] is inner
    assert isinstance(inner.stored("w"), module.Stored)
    assert state["plain"] is state.stored("plain")


@COPIES
def test_lists_within_one_another_end(module):
    items = [module.as_stored(HALVES, "bfloat16")]
    items.append((items, 1))
    for _ in range(60):
        items = [items, items]
    found = module.with_arrays(items)
    for _ in range(60):
        assert found[0] is found[1]
        found = found[0]
    assert is_read(found[0])
    assert found[1][0] is found


@COPIES
@pytest.mark.parametrize("dtype", lazy.CONVERT)
def test_every_number_of_every_dtype(module, dtype):
    torch = pytest.importorskip("torch")
    size = 16 if dtype == "bfloat16" else 8
    bits = np.arange(2**size).astype(f"u{size // 8}")
    theirs = torch.from_numpy(bits.copy()).view(getattr(torch, dtype)).float().numpy()
    tensor = module.as_stored(bits, dtype)
    np.testing.assert_array_equal(tensor.read(), theirs, strict=True)
    signs = np.signbit(tensor.read()) == np.signbit(theirs)
    assert signs[~np.isnan(theirs)].all()
    assert (tensor.shape, tensor.dtype) == (bits.shape, dtype)


SHAPES = {
    "scalar": lambda x: x[2, 3, 1, ...],
    "empty": lambda x: x[:, :0],
    "turned": lambda x: x.T,
    "steps": lambda x: x[::2, 1::2],
    "expanded": lambda x: np.broadcast_to(x[:, :1], (9, *x.shape)),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x.ravel(), 7),
}


@COPIES
@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e5m2"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(module, shape, dtype):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 120, (4, 5, 6)).astype("u2" if dtype == "bfloat16" else "u1")
    view = SHAPES[shape](bits)
    whole = module.as_stored(bits, dtype).read()
    found = module.as_stored(view, dtype).read()
    np.testing.assert_array_equal(found, SHAPES[shape](whole), strict=True)


@COPIES
@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn"])
def test_reading_takes_its_result_and_no_more(module, dtype):
    bits = np.zeros((1000, 2000), "u2" if dtype == "bfloat16" else "u1")
    assert peak(module.as_stored(bits, dtype).read) < 4 * bits.size + bits.nbytes + 2**17
    many = np.broadcast_to(bits[0], (2**40, 2000))
    assert peak(module.as_stored(many, dtype).read) < MEMORY
    few = np.lib.stride_tricks.as_strided(bits, (2**20, 2**20), (1, 1))
    assert peak(module.as_stored(few, dtype).read) < 12 * 2**20


# Numbers that do not lie where the processor wants them

FLOATS = np.arange(2**20, dtype=np.float32).reshape(1024, 1024)


def odd_zip(data):
    """Return a zip packed again, under a folder of such a name that the numbers lie so."""
    members = {name.partition("/")[2]: member for name, member in members_of(data).items()}
    for folder in ("a", "ab", "abc", "abcd"):
        found = zipped_again({f"{folder}/{name}": member for name, member in members.items()})
        if found.index(FLOATS.tobytes()) % 4:
            break
    return found


def saved_by_torch(kind):
    """Return a file with the weight w, and its fourth row where views are kept."""
    torch = pytest.importorskip("torch")
    weight, stream = torch.from_numpy(FLOATS), io.BytesIO()
    model = torch.nn.Module()
    model.w, model.forward = torch.nn.Parameter(weight), lambda x: x @ model.w
    state, x = {"w": weight, "row": weight[3]}, torch.ones(2, 1024)
    match kind:
        case "script":
            torch.jit.save(torch.jit.trace(model, x), stream)
        case "exported":
            torch.export.save(torch.export.export(model, (x,)), stream)
        case "legacy":
            torch.save(state, stream, _use_new_zipfile_serialization=False)
        case "zip":
            torch.save(state, stream)
    return stream.getvalue()


def odd_legacy():
    data = saved_by_torch("legacy")
    spaces = 1 + -data.index(FLOATS.tobytes()) % 4  # behind "row", which is written out
    old, new = b"X\3\0\0\0row", b"X" + (3 + spaces).to_bytes(4, "little") + b"row" + b" " * spaces
    return data.replace(old, new)


def odd_safetensors():
    header = {"w": {"dtype": "F32", "shape": FLOATS.shape, "data_offsets": [0, FLOATS.nbytes]}}
    text = json.dumps(header).encode()
    text += b" " * (1 + -len(text) % 4)
    return len(text).to_bytes(8, "little") + text + FLOATS.tobytes()


def odd_big_endian():
    members = members_of(saved_by_torch("zip")) | {"archive/byteorder": b"big"}
    return zipped_again(members | {"archive/data/0": FLOATS.byteswap().tobytes()})


def odd_gguf():
    tensors = [gguf.info("w", FLOATS.shape, 0, 1)]
    return gguf.a_file(tensors, data=b"\0" + FLOATS.tobytes())


def odd_flax():
    array = flax.extension(1, [[*FLOATS.shape], "float32", FLOATS.tobytes()])
    return flax.tree_of(array)


def odd_onnx():
    return onnx.model(onnx.tensor("w", dims=FLOATS.shape, raw=FLOATS.tobytes()))


ODD = {
    "zip": lambda: odd_zip(saved_by_torch("zip")),
    "TorchScript": lambda: odd_zip(saved_by_torch("script")),
    ".pt2": lambda: odd_zip(saved_by_torch("exported")),
    "legacy": odd_legacy,
    "big-endian": odd_big_endian,
    "safetensors": odd_safetensors,
    "GGUF": odd_gguf,
    "Flax": odd_flax,
    "ONNX": odd_onnx,
}


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated
@pytest.mark.parametrize("form", ODD)
def test_numbers_at_an_odd_place_are_copied_when_they_are_read(tmp_path, form):
    path = tmp_path / "w"
    path.write_bytes(ODD[form]())
    load(path)
    assert peak(load, path) < 2**19
    state = load(path)
    assert isinstance(state.stored("w"), (lazy.Stored, torch_file.Stored, safetensors_file.Stored))
    assert (state.stored("w").shape, state.stored("w").dtype) == (FLOATS.shape, "float32")
    assert peak(state.get, "w") < FLOATS.nbytes + 2**14
    found = state["w"]
    np.testing.assert_array_equal(found, FLOATS, strict=True)
    assert found.flags.aligned
    assert found.dtype.isnative
    assert not found.flags.writeable
    for name in state.keys() - {"w"}:
        if "row" in name:
            assert peak(state.get, name) < 2**16
            np.testing.assert_array_equal(state[name], FLOATS[3], strict=True)


@COPIES
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["<i8", ">f4"])
def test_every_shape_at_an_odd_place(module, shape, dtype):
    whole = np.arange(120, dtype=dtype).reshape(4, 5, 6)
    odd = np.ndarray(whole.shape, dtype, b" " * (dtype == "<i8") + whole.tobytes(), dtype == "<i8")
    tensor = module.as_aligned(SHAPES[shape](odd))
    assert np.dtype(tensor.dtype).name == np.dtype(dtype).name
    wanted = SHAPES[shape](whole.astype(whole.dtype.newbyteorder("=")))
    np.testing.assert_array_equal(module.with_arrays(tensor), wanted, strict=True)
    assert module.as_aligned(whole.astype("f4")).dtype == np.float32
    many = np.broadcast_to(odd[0, 0], (2**40, 6))
    assert peak(module.as_aligned(many).read) < MEMORY


TEN_GIGABYTES = 10 * 2**30


def sparse(path, form):
    """Write ten gigabytes of bfloat16 that take no place on the disk."""
    torch = pytest.importorskip("torch")
    layers, rows = 160, TEN_GIGABYTES // 160 // 2 // 4096
    if form == "safetensors":
        step = rows * 4096 * 2
        header = ",".join(
            f'"{i}.weight":{{"dtype":"BF16","shape":[{rows},4096],'
            f'"data_offsets":[{i * step},{(i + 1) * step}]}}'
            for i in range(layers)
        )
        header = f"{{{header}}}".encode()
        with open(path, "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(file.tell() + layers * step)
        return
    tensor = torch.empty(rows, 4096, dtype=torch.bfloat16, device="meta")
    with torch.serialization.skip_data():
        state = {f"{i}.weight": torch.empty_like(tensor, device="cpu") for i in range(layers)}
        torch.save(state, path)


@pytest.mark.parametrize("form", ["pt", "safetensors"])
def test_ten_gigabytes_of_bfloat16_open_at_once(tmp_path, form):
    path = tmp_path / "large"
    sparse(path, form)
    assert path.stat().st_size > TEN_GIGABYTES
    assert path.stat().st_blocks * 512 < 2**24
    assert peak(load, path) < 2**22
    state = load(path)
    tensor = state.stored("9.weight")
    assert (tensor.shape, tensor.dtype) == ((8192, 4096), "bfloat16")
    assert peak(state.get, "9.weight") < 4 * 8192 * 4096 + 2**17
    assert not state["9.weight"].any()


LAZY = SNIPPETS_DIR / "checkpoints/lazy.py"
ITER = "        return dict.__iter__(self)\n"
MISTAKES = {
    "dict's own get": (
        "get, items, values = READING.get,",
        "_, items, values = 0,",
        WAYS,
        "get",
    ),
    "dict's own pop": (
        "pop, setdefault, update = READING.pop,",
        "_, setdefault, update = 0,",
        WAYS,
        "pop",
    ),
    "dict's own iterator": (ITER, f"{ITER}    __iter__ = dict.__iter__\n", WAYS, "dict"),
    "a raw last value": ("return key, with_arrays(value)", "return key, value", WAYS, "popitem"),
    "read to be copied": ("    def copy", "    def copied", QUIET, "copy"),
    "read to be united": ("def __or__", "def union", QUIET, "|"),
    "read to be renamed": ("{new: self.stored(name)", "{new: self[name]", QUIET, "under"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_tests_notice(mistake):
    old, new, ways, way = MISTAKES[mistake]
    state, reads = halves(sabotaged(LAZY, old, new))
    try:
        found = ways[way](state)
    except AttributeError:
        return
    assert reads if ways is QUIET else not is_read(found)
