"""``load_torch`` against ``torch.load``, and against files that are broken or mean harm."""

import argparse
import collections
import copyreg
import datetime
import enum
import io
import os
import pathlib
import pickle
import re
import resource
import struct
import time
import tracemalloc
import warnings
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

from snippets.checkpoints import torch_file
from snippets.checkpoints.torch_file import LazyDict, StandIn, load_torch, state_dict_of
from tests import ROOT, SNIPPETS_DIR
from tests.checkpoints.fuzz import members_of, report, zipped_again
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")

DAMAGED = "it is cut off or damaged$"
CONTAINERS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def as_numpy(value):
    """Return what load_torch has to make of what torch.load returned."""
    if isinstance(value, torch.Tensor):
        value = value.detach().resolve_conj().resolve_neg()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, dict):
        return type(value)({key: as_numpy(part) for key, part in value.items()})
    if isinstance(value, tuple | list):
        kind = tuple if isinstance(value, tuple) else list
        return kind(map(as_numpy, value))
    return value


def assert_same(ours, theirs):
    """Fail unless the two are equal bit by bit, with types, order and nesting."""
    lazy = type(theirs) in (dict, OrderedDict)
    assert type(ours) is (LazyDict if lazy else type(theirs))
    if isinstance(theirs, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert ours.tobytes() == theirs.tobytes()
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        assert [type(key) for key in ours] == [type(key) for key in theirs]
        assert_same(list(ours.values()), list(theirs.values()))
    elif isinstance(theirs, tuple | list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert ours == theirs


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return "saved.pth"


def assert_read_as_torch_does(path):
    ours = load_torch(path)
    assert_same(ours, as_numpy(torch.load(path, map_location="cpu", weights_only=True)))
    return ours


def assert_same_through(path, value, zipped=True):
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return assert_read_as_torch_does(path)


NUMBERS = "float16 float32 float64 complex64 complex128 int8 int16 int32 int64 uint8 bool bfloat16"


def numbers(dtype, *shape):
    """Return a tensor of random bits: infinities, NaNs, subnormals and -0 among them."""
    dtype = getattr(torch, dtype)
    if dtype == torch.bool:
        return torch.rand(shape) < 0.5
    size = int(np.prod(shape)) * dtype.itemsize
    return torch.randint(0, 256, (size,), dtype=torch.uint8).view(dtype).reshape(shape)


@CONTAINERS
@pytest.mark.parametrize("dtype", NUMBERS.split())
def test_every_dtype(path, dtype, zipped):
    given = {"a": numbers(dtype, 5, 7), "scalar": numbers(dtype), "none": numbers(dtype, 0, 3)}
    assert_same_through(path, given, zipped)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_dtypes_without_a_storage_class(path, dtype):
    given = numbers(dtype, 5, 7)
    assert_same_through(path, [given, given.T])


def test_bfloat16_is_exact(path):
    every = torch.arange(2**16).to(torch.uint16).view(torch.bfloat16)
    ours = assert_same_through(path, every)
    assert (ours.view(np.uint32) >> 16).tolist() == list(range(2**16))


VIEWS = {
    "offset": lambda x: x[1:, 2:],
    "step": lambda x: x[:, ::3],
    "transposed": lambda x: x.mT,
    "permuted": lambda x: x.permute(2, 0, 1),
    "expanded": lambda x: x[:1, :1].expand(9, 5, 6),
    "scalar": lambda x: x[1, 2, 3],
    "diagonal": lambda x: x.diagonal(dim1=1, dim2=2),
    "windows": lambda x: x.flatten().unfold(0, 5, 2),
    "channels last": lambda x: x[None].contiguous(memory_format=torch.channels_last),
    "empty": lambda x: x[:, 2:2],
    "empty beyond": lambda x: x[4:, 5:, 3:3],
    "one long stride": lambda x: x.as_strided((1, 2), (10**6, 1)),
    "last": lambda x: x.as_strided((2, 2), (100, 19)),
}


@CONTAINERS
@pytest.mark.parametrize("name", VIEWS)
def test_views(path, name, zipped):
    assert_same_through(path, VIEWS[name](torch.randn(4, 5, 6)), zipped)


def test_what_shares_a_storage_shares_memory(path):
    base = torch.randn(4, 5)
    whole, turned, row, other = assert_same_through(path, [base, base.T, base[2], base.clone()])
    whole[2, 3] = 7
    assert turned[3, 2] == row[3] == 7
    assert other[2, 3] != 7
    assert torch.load(path)[0][2, 3] != 7  # the file has not changed


@CONTAINERS
def test_lazy_conjugates_and_negatives(path, zipped):
    z = torch.randn(3, 4, dtype=torch.complex64)
    ours = assert_same_through(path, [z, z.conj(), z.T.conj(), z.conj()], zipped)
    assert np.shares_memory(ours[1], ours[3])
    assert not np.shares_memory(ours[0], ours[1])
    assert_same_through(path, z.conj().imag, zipped)  # marked as negated
    assert_same_through(path, z._neg_view().conj(), zipped)
    assert_same_through(path, [torch.randn(3)._neg_view()], zipped)


@CONTAINERS
def test_containers_keep_types_keys_and_order(path, zipped):
    given = {
        "z": [1, -2, 300, 70_000, 2**40, -(2**70), 2.5, True, False, None, "é", "x" * 300],
        "a": (torch.Size([2, 3]), (), (1,), (1, 2), (1, 2, 3, 4), [], {}),
        3: OrderedDict([("y", 1), ("x", torch.ones(2))]),
        None: {1.5: Counter({"a": 2}), True: torch.randn(2, 1).shape},
    }
    assert_same_through(path, given, zipped)


@CONTAINERS
def test_models_and_optimizers(path, zipped):
    model = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 1), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 2, 5)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 3, 5])
    given = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    assert_same_through(path, given | {"scheduler": scheduler.state_dict(), "epoch": 3}, zipped)


@CONTAINERS
def test_parameters_with_and_without_attributes(path, zipped):
    parameter, tensor = torch.nn.Parameter(torch.randn(3)), torch.randn(2)
    parameter.tied = tensor.tied = True
    assert_same_through(path, [torch.nn.Parameter(torch.randn(2)), parameter, tensor], zipped)


def test_torch_s_own_values(path):
    torch.save([torch.device("cpu"), torch.device("cuda", 1), torch.int8, torch.bfloat16], path)
    assert load_torch(path) == [
        "cpu",
        "cuda:1",
        np.dtype("int8"),
        torch_file.READ_LATER["torch.bfloat16"],
    ]


@pytest.mark.filterwarnings("ignore:TypedStorage")
@CONTAINERS
def test_a_bare_storage(path, zipped):
    torch.save(torch.arange(3).storage(), path, _use_new_zipfile_serialization=zipped)
    assert load_torch(path).tolist() == [0, 1, 2]


# Older and rewritten files


def saved(value, zipped=True):
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.arange(2**40, 2**40 + 3)}


def test_the_zip_of_1_6(path):
    members = members_of(saved(STATE))
    pickled = members["archive/data.pkl"]
    for key in (b"0", b"1"):  # a storage's name was its address
        pickled = pickled.replace(b"X\1\0\0\0" + key, b"X\7\0\0\0" + b"940000" + key)
    old = {"archive/data.pkl": pickled, "archive/version": b"3\n"}
    old |= {f"archive/data/94000{i}{i}": members[f"archive/data/{i}"] for i in (0, 1)}
    old = {
        name.replace("9400011", "9400001").replace("9400000", "9400000"): old[name] for name in old
    }
    write(path, zipped_again(old))
    assert_read_as_torch_does(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_packed_again(path, compression):
    """With a folder as a member, another prefix, nothing aligned."""
    members = {"my/": b""} | {
        name.replace("archive/", "my/"): data for name, data in members_of(saved(STATE)).items()
    }
    write(path, zipped_again(members, compression))
    ours = assert_read_as_torch_does(path)
    assert all(array.flags.aligned for array in ours.values())


def test_big_endian(path):
    members = members_of(saved(STATE))
    for name, dtype in (("archive/data/0", "f4"), ("archive/data/1", "i8")):
        members[name] = np.frombuffer(members[name], dtype).byteswap().tobytes()
    write(path, zipped_again(members | {"archive/byteorder": b"big"}))
    ours = assert_read_as_torch_does(path)
    assert all(array.dtype.isnative for array in ours.values())
    for kind in ("bfloat16", "uint16", "float32"):  # torch.load leaves uint16 unswapped
        given = torch.arange(1000, 1004).to(getattr(torch, kind))
        members = members_of(saved([given, given[1:]])) | {"archive/byteorder": b"big"}
        raw = np.frombuffer(members["archive/data/0"], f"u{given.itemsize}")
        write(path, zipped_again(members | {"archive/data/0": raw.byteswap().tobytes()}))
        assert_same(load_torch(path), as_numpy([given, given[1:]]))


def part(value):
    """Return the instructions that make a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def storage(dtype="FloatStorage", key="0", count=6, more=b""):
    return (
        b"(" + part("storage") + b"ctorch\n" + dtype.encode() + b"\n"
        + part(key) + part("cpu") + part(count) + more + b"tQ"
    )  # fmt: skip


def tensor(
    offset=0, shape=(2, 3), stride=(3, 1), of=None, more=b"\x89N", kind=b"_rebuild_tensor_v2"
):
    view = part(offset) + part(shape) + part(stride) + more
    return b"ctorch._utils\n" + kind + b"\n(" + (of or storage()) + view + b"tR"


def checkpoint(body, **members):
    """Return a zip whose pickle is body, with one storage of six floats."""
    members = {
        "data.pkl": b"\x80\2" + body + b".",
        "data/0": np.arange(6, dtype="f4").tobytes(),
        "version": b"3\n",
    } | members
    return zipped_again({f"x/{name}": data for name, data in members.items()})


def test_the_pieces_above_make_a_checkpoint(path):
    write(path, checkpoint(tensor()))
    assert assert_read_as_torch_does(path).tolist() == [[0, 1, 2], [3, 4, 5]]


PARAMETER = b"ctorch.nn.parameter\nParameter\n"
PAIRS = b"](](U\1aK\1e](U\2\xc3\xa9K\2ee"


@pytest.mark.parametrize(
    "body",
    [
        tensor(kind=b"_rebuild_tensor", more=b""),  # before 0.4
        PARAMETER + b"(" + tensor() + b"tR(\x88\x89Ntb",
        PARAMETER + b"(" + tensor() + b"\x89tR",
        b"ccollections\nOrderedDict\n(" + PAIRS + b"tR",  # Python 2
        b"ccollections\nOrderedDict\n)R}U\x09_metadata]sb",
        b"r\0\1\0\0".join([b"]", b"]j\0\1\0\0a"]),
    ],
)
def test_what_older_versions_wrote(path, body):
    write(path, checkpoint(body))
    assert_read_as_torch_does(path)


# What is refused, by name


def refused(path, data, message):
    """Fail unless the file is refused for this reason, quickly and in little memory."""
    write(path, data)
    before = time.process_time()
    tracemalloc.start()
    try:
        load_torch(path)
    except ValueError as error:
        said = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert re.search(f"^{re.escape(path)}: .*({message})", said)
    assert peak < 2**20 + 8 * len(data)
    assert time.process_time() - before < 3


class Opaque:
    """An object of a class that only its writer has."""

    def __init__(self, *items):
        self.items = items

    def __eq__(self, other):
        return type(other) is Opaque and self.items == other.items

    def __hash__(self):
        return hash(self.items)


class Numbers(list):
    pass


class Table(dict):
    pass


class Kind(enum.Enum):
    GRU = 1


def told(value):
    """Return what a stand-in holds, in plain values."""
    if isinstance(value, StandIn):
        return [value.name, *map(told, (value.args, value.state, value.items))]
    if isinstance(value, list | tuple):
        return type(value)(map(told, value))
    if isinstance(value, dict):
        return {key: told(entry) for key, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


HERE = f"{__name__}."
STATE_OF_NUMBERS = [HERE + "Numbers", (), {"unit": "mm"}, [1, 2]]


def numbers_of(unit):
    numbers = Numbers([1, 2])
    numbers.unit = unit
    return numbers


BESIDE = [
    (argparse.Namespace(lr=0.1), ["argparse.Namespace", (), {"lr": 0.1}, []]),
    (Opaque(1, [2]), [HERE + "Opaque", (), {"items": (1, [2])}, []]),
    (numbers_of("mm"), STATE_OF_NUMBERS),
    (Table(a=1), [HERE + "Table", (), None, [("a", 1)]]),
    (Kind.GRU, [HERE + "Kind", (1,), None, []]),
    (pathlib.PurePosixPath("a/b"), ["pathlib.PurePosixPath", ("a", "b"), None, []]),
    (datetime.date(2026, 1, 2), ["datetime.date", (b"\x07\xea\x01\x02",), None, []]),
    (os.mkdir, ["posix.mkdir", None, None, []]),
    (np.float64(0.5), 0.5),
    (np.float32(0.1), float(np.float32(0.1))),
    (np.int8(-3), -3),
    (np.bool_(True), True),
    (np.complex64(1 + 2j), 1 + 2j),
    (np.str_("é"), "é"),
    (np.bytes_(b"x"), b"x"),
    (np.dtype(">i4"), np.dtype(">i4")),
    (b"", b""),
    (b"\x00\xff", b"\x00\xff"),
    (bytearray(b"\x00\xff"), bytearray(b"\x00\xff")),
    (bytearray(), bytearray()),
    ({1, "a", (2, 3)}, {1, "a", (2, 3)}),
    (set(), set()),
    (frozenset([1.5, None]), frozenset([1.5, None])),
    (1 - 2j, 1 - 2j),
    (collections.defaultdict(list, a=1), {"a": 1}),
    ({b"k": 1, (1, "x"): 2, 1j: 3}, {b"k": 1, (1, "x"): 2, 1j: 3}),
    (-(2**200), -(2**200)),
    ("\ud800", "\ud800"),
]


@CONTAINERS
@pytest.mark.parametrize("protocol", range(1, 6))
def test_what_is_beside_the_weights_hides_none(path, protocol, zipped):
    weights = {"w": torch.randn(2, 3), "b": torch.randn(3).bfloat16()}
    beside = [value for value, _ in BESIDE]
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped}
    torch.save([weights, beside, weights, beside], path, **options)
    ours, rest, again, _ = load_torch(path)
    assert_same(ours, as_numpy(weights))
    assert again is ours
    for one, (value, expected) in zip(rest, BESIDE, strict=True):
        if protocol == 1 and isinstance(value, Numbers | Table):  # what is in it is an argument
            expected = [expected[0], (value,), *expected[2:3], []]
        assert type(told(one)) is type(expected), value
        assert told(one) == expected or isinstance(value, Kind | pathlib.PurePath), value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3)),
        np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(3, dtype=">i2"),
        np.array([1 + 2j, np.nan]),
        np.array(["é", "abc"]),
        np.array([b"x", b"abc"]),
        np.ones((0, 3), "f2"),
        np.array(2.5),
        np.array([True, False]),
    ],
    ids=str,
)
def test_plain_pickles_of_arrays(path, array, protocol):
    given = {"a": array, "b": [array, array.copy()], "rate": np.float32(0.5)}
    write(path, pickle.dumps(given, protocol))
    ours = load_torch(path)
    assert_same(ours, {**given, "rate": 0.5})
    assert ours["a"] is ours["b"][0]
    assert ours["a"].flags.writeable
    if array.size:
        assert ours["a"].strides == pickle.loads(pickle.dumps(given, protocol))["a"].strides


def test_arrays_of_python_2(path):
    """As NumPy 1.16 wrote them under Python 2: text is text or bytes."""
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR(K\1(K\2t"
    dtype = b"cnumpy\ndtype\n(U\2f4K\0K\1tR(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    for numbers in ([1.5, -2], [0.0, 0.0]):  # bytes that are no text, and that are
        raw = np.array(numbers, "f4").tobytes()
        write(path, b"\x80\2}U\1w" + head + dtype + b"\x89U\x08" + raw + b"tbs.")
        assert load_torch(path)["w"].tolist() == numbers


@pytest.mark.parametrize("protocol", range(6))
def test_what_else_numpy_pickles_stands_in(path, protocol):
    record = np.zeros(2, [("a", "f4"), ("b", "i2")])
    given = [np.array([], [("a", object)]), record, record[0], np.datetime64("2026-01-02")]
    given += [np.ma.array([1, 2]), np.dtype("M8[s]"), np.array(["2026-01-02"], "M8[D]"), slice(3)]
    write(path, pickle.dumps([*given, np.ones(3)], protocol))
    *rest, last = load_torch(path)
    assert last.tolist() == [1, 1, 1]
    names = [part.name.removeprefix("numpy.") for part in rest]
    builtins = "builtins" if protocol > 2 else "__builtin__"
    assert names[:4] == ["ndarray", "ndarray", "generic", "generic"]
    assert names[5:] == ["dtype", "ndarray", f"{builtins}.slice"]


def test_the_repr_says_what_a_stand_in_is(path):
    torch.save([torch.nn.Linear(2, 3), os.mkdir, Opaque()], path)
    assert repr(load_torch(path)) == (
        "[a pickled torch.nn.Linear, not rebuilt, the name posix.mkdir, "
        f"a pickled {HERE}Opaque, not rebuilt]"
    )
    one, other = load_torch(path)[0], load_torch(path)[0]
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_control_codes_of_a_file_never_reach_the_terminal(path):
    name = part("\x1b[2J\x1b]0;x\x07\u202e") + part("system")
    write(path, checkpoint(name + b"\x93"))
    assert repr(load_torch(path)) == r"the name \x1b[2J\x1b]0;x\x07\u202e.system"
    refused(path, zipped_again({"\x1b[2J\u202e": b""}), r"a zip without .*\\x1b\[2J\\u202e")
    refused(path, checkpoint(tensor(more=b"\x89N" + part({"\x1b": 1}))), r"a tensor as \\x1b, w")


@pytest.mark.filterwarnings("ignore")
@CONTAINERS
def test_tensors_that_numpy_lacks_stand_in_and_give_their_parts(path, zipped):
    weight = torch.randn(2, 3)
    quantised = torch.quantize_per_tensor(torch.tensor([0.5, 1]), 0.5, 0, torch.qint8)
    given = [quantised, torch.eye(3).to_sparse(), torch.ones(2, device="meta"), torch.strided]
    given = [weight, *given, torch.ones(2, dtype=torch.complex32)]
    torch.save(given, path, _use_new_zipfile_serialization=zipped)
    ours, q, sparse, meta, layout, half = load_torch(path)
    assert_same(ours, weight.numpy())
    assert (q.name, q.args[0].tolist()) == ("torch._utils._rebuild_qtensor", [1, 2])
    indices, values, size, *_ = sparse.args[1]
    assert (indices.tolist(), values.tolist(), size) == ([[0, 1, 2]] * 2, [1, 1, 1], (3, 3))
    assert (meta.name, meta.args[1]) == ("torch._utils._rebuild_meta_tensor_no_storage", (2,))
    assert layout.args == ("torch.strided",)
    assert repr(half) == "a pickled torch.complex32 tensor, not rebuilt"
    assert (half.args[0].nbytes, half.args[1:]) == (8, (0, (2,), (1,)))


@pytest.mark.parametrize("name", [name for name in torch_file.READ_LATER if "float8" in name])
def test_float8_is_exact(path, name):
    every = torch.arange(256).to(torch.uint8).view(getattr(torch, name.removeprefix("torch.")))
    torch.save([every, every.reshape(16, 16).T], path)
    ours, turned = load_torch(path)
    np.testing.assert_array_equal(ours, every.float().numpy(), strict=True)
    np.testing.assert_array_equal(turned, every.float().numpy().reshape(16, 16).T)
    assert (np.signbit(ours) == np.signbit(every.float().numpy()))[~np.isnan(ours)].all()


# A whole model


def whole_model():
    model = torch.nn.Sequential(
        torch.nn.Conv1d(2, 3, 1, bias=False), torch.nn.BatchNorm1d(3), torch.nn.GRU(3, 2)
    )
    model.add_module("none", None)
    model[1].register_buffer("passing", torch.ones(2), persistent=False)
    model.add_module("again", model[0])
    return model


@CONTAINERS
@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_a_whole_model_gives_its_state_dict_and_classes(path, protocol, zipped):
    model = whole_model()
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped}
    torch.save({"model": model, "epoch": 3}, path, **options)
    saved = load_torch(path)
    state, classes = state_dict_of(saved["model"])
    assert_same(state, dict(as_numpy(model.state_dict())))
    assert saved["epoch"] == 3
    modules = model.named_modules(remove_duplicate=False)
    assert classes == {name: f"torch.nn.{type(module).__name__}" for name, module in modules}
    assert list(classes) == ["", "0", "1", "2", "again"]


@pytest.mark.parametrize(
    "model",
    [
        None,
        {"_modules": {}},
        StandIn("a"),
        StandIn("a", ()),
    ],
)
def test_what_is_no_model_has_no_state_dict(model):
    with pytest.raises(ValueError, match=r"^a .* that is not a pickled torch.nn.Module$"):
        state_dict_of(model)


def module_of(**parts):
    module = StandIn("torch.nn.modules.container.Sequential", ())
    parts = {"_parameters": {}, "_buffers": {}, "_modules": {}} | parts
    parts = {kind: LazyDict(own) if type(own) is dict else own for kind, own in parts.items()}
    module.kept_state = LazyDict(parts)
    return module


@pytest.mark.parametrize(
    "parts", [{"_parameters": [1]}, {"_modules": {1: None}}, {"_modules": {"a": 3}}]
)
def test_a_crafted_model_is_no_model(parts):
    with pytest.raises(ValueError, match=r"is not a pickled torch.nn.Module$"):
        state_dict_of(module_of(**parts))


def test_models_within_one_another_end():
    around = module_of()
    around.state["_modules"]["a"] = around
    doubled = module_of(_parameters={"w": np.ones(1)})
    for _ in range(60):
        doubled = module_of(_modules={"a": doubled, "b": doubled})
    for model in (around, doubled):
        begin = time.process_time()
        with pytest.raises(ValueError, match=r"modules contain one another without end$"):
            state_dict_of(model)
        assert time.process_time() - begin < 20


def test_a_key_that_is_slow_to_hash_stands_in(path):
    slow = [(1, (2,)), 2**63, -(2**63) - 1, "x" * 70_000, tuple(range(17)), frozenset([1])]
    torch.save({"w": torch.ones(2)} | dict.fromkeys(slow, 5) | {"set": set(slow)}, path)
    ours = load_torch(path)
    assert ours["w"].tolist() == [1, 1]
    keys = [key for key in ours if isinstance(key, StandIn)]
    assert [key.args[0] for key in keys] == slow
    assert [ours[key] for key in keys] == [5] * 6
    assert repr(keys[0]) == "a pickled key of type tuple, not rebuilt"
    assert {key.args[0] for key in ours["set"]} == set(slow)
    write(path, checkpoint(nested(60)))
    assert list(load_torch(path).values()) == [1]


def test_parameters_were_the_keys_of_old_optimizers(path):
    body = b"}" + PARAMETER + b"(" + tensor() + b"\x88tR}s"
    write(path, checkpoint(body))
    (key,) = load_torch(path)
    assert key.args[0].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"ca\nb\n)R)R", ["operator.call", (["a.b", (), None, []], ()), None, []]),
        (b"ca\nb\n)}\x92", ["a.b", ((), {}), None, []]),
        (b"(ca\nb\nK\1o", ["a.b", (1,), None, []]),
        (b"(K\1ia\nb\n", ["a.b", (1,), None, []]),
        (b"\x8c\1a\x8c\1b\x93", ["a.b", None, None, []]),
        (b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n", None),
        (b"ccollections\nOrderedDict\n)\x81", {}),
        (b"ccopyreg\n_reconstructor\n(ca\nb\nctorch\nTensor\nNtR", None),
        (b"(K\1K\2d", {1: 2}),
        (b"(K\1K\2l", [1, 2]),
        (b"]K\1a2\x86", ([1], [1])),
        (b"K\1K\x020", 1),
        (b"K\1(K\x0200", 1),
        (b"K\1(K\2K\x031", 1),
        (b"(K\1\x91", frozenset([1])),
        (b"\x8f(K\1\x90", {1}),
        (b"c__builtin__\nfrozenset\n]K\1a\x85R", frozenset([1])),
        (b"c_codecs\nencode\nX\2\0\0\0\xc3\xa9X\7\0\0\0latin-1\x86R", b"\xe9"),
    ],
)
def test_every_instruction_has_its_effect(path, body, expected):
    write(path, checkpoint(body))
    ours = load_torch(path)
    if expected is None:
        assert isinstance(ours, StandIn)
    else:
        assert told(ours) == expected


@pytest.mark.parametrize("key", [2**63 - 1, -(2**63)])
def test_keys_of_64_bits(path, key):
    assert_same_through(path, {key: 1})


@pytest.mark.filterwarnings("ignore")
def test_programs_are_refused_by_name(path):
    layer = torch.nn.Linear(2, 3)
    torch.jit.script(layer).save(path)
    with open(path, "rb") as file:
        refused(path, file.read(), "a TorchScript archive, a program")
    torch.package.PackageExporter(path).close()
    with open(path, "rb") as file:
        refused(path, file.read(), "a torch.package, a program")
    for name in ("x/archive_format", "serialized_exported_program.json"):
        refused(path, zipped_again({name: b"", "x/models/model.json": b""}), r"a \.pt2 archive")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty$"),
        (b"<html>", r"torch.save did not write this: it begins with b'<html>'$"),
        (b"\0" * 257 + b"ustar", "a tar, as torch.save wrote before PyTorch 0.1.10"),
        (b"\x80\2}.}.", "a plain pickle that ends at byte 4, and more behind it$"),
        (b"\x80\2K\1Q.", "a plain pickle that refers to something outside of it$"),
        (b"(dp0", "it is cut off or damaged$"),
        (b"\2" + bytes(7) + b"{}", r"a .safetensors file: read it with load_safetensors$"),
        (b"\2" + bytes(6) + b"\1{}", "torch.save did not write this"),
        (b"\2" + bytes(7), "torch.save did not write this"),
        (zipped_again({"a.npy": b"", "b.npy": b""}), r"an .npz file, of np.savez: read it with np"),
        (
            zipped_again({"a.npy": b"", "b": b""}),
            r"a zip without one data.pkl, .* \['a.npy', 'b'\]",
        ),
        (zipped_again({"data.pkl": b""}), "a zip without one data.pkl"),
        (zipped_again({"x/data.pkl": b"", "y/data.pkl": b""}), "a zip without one data.pkl"),
        (b"PK\3\4", "it is cut off or damaged$"),
    ],
)
def test_other_files_are_refused_by_name(path, data, message):
    refused(path, data, message)


def test_two_files_in_one(path):
    """As a .distcp of torch.distributed.checkpoint is, one zip for each tensor."""
    refused(
        path, saved(STATE) + saved([1]), r"\d+ bytes stand before its zip: several files in one"
    )
    write(path, saved(STATE, zipped=False) + saved([1]))
    assert_read_as_torch_does(path)


def test_folders_are_told_apart(path):
    os.mkdir(path)
    for name, told in [
        ("a", "a folder: load one of the files in it, ['a']"),
        ("data.pkl", "a folder, a .pt file that was unpacked: load, of snippets"),
        ("__0_0.distcp", "a folder of torch.distributed.checkpoint: load, of snippets"),
    ]:
        with open(f"{path}/{name}", "wb"), pytest.raises(ValueError, match=re.escape(told)):
            load_torch(path)


def test_a_missing_file_is_a_missing_file(path):
    with pytest.raises(FileNotFoundError):
        load_torch(path)


# Nothing is executed


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


class Deep:
    def __reduce__(self):
        return OrderedDict, ([["a", Harm()]],)


HARM = {
    "reduce": pickle.dumps(Harm(), 2)[2:-1],
    "nested": pickle.dumps({"a": [OrderedDict(b=(Harm(),))]}, 2)[2:-1],
    "in arguments": pickle.dumps(Deep(), 2)[2:-1],
    "inst": b"(S'harmed'\niposix\nmkdir\n",
    "obj": b"(cposix\nmkdir\nS'harmed'\no",
    "extension": b"\x83\xff\x7f(S'harmed'\ntR",
    "long extension": b"\x84\xff\x7f\0\0(S'harmed'\ntR",
    "stack global": b"Vposix\nVmkdir\n\x93(S'harmed'\ntR",
    "dotted": b"\x80\4Vcollections\nV_sys.modules\n\x93\x940Vposix\nVmkdir\n\x93(S'harmed'\ntR",
    "list build": b"cbuiltins\nlist\n(cbuiltins\nmap\n(cposix\nmkdir\n(S'harmed'\nltRtR",
    "protocol 5": pickle.dumps(Harm(), 5)[2:-1],
    "protocol 0": pickle.dumps(Harm(), 0)[:-1],
    "array of objects": pickle.dumps(np.array([None, [Harm()]], object), 2)[2:-1],
}


@pytest.fixture
def extension():
    copyreg.add_extension("posix", "mkdir", 0x7FFF)
    yield
    copyreg.remove_extension("posix", "mkdir", 0x7FFF)


@pytest.fixture
def harmless(path, extension):
    yield
    assert not os.path.exists("harmed")


@pytest.mark.usefixtures("path", "extension")
@pytest.mark.parametrize("kind", HARM)
def test_the_payloads_are_live(kind):
    pickle.loads(b"\x80\2" + HARM[kind] + b".")
    assert os.path.exists("harmed")


@pytest.mark.usefixtures("harmless")
@pytest.mark.parametrize("kind", HARM)
def test_no_payload_is_executed(path, kind):
    if "extension" in kind:
        refused(path, checkpoint(HARM[kind]), "its pickle has EXT")
    else:
        write(path, checkpoint(HARM[kind]))
        assert "posix.mkdir" in str(told(load_torch(path)))


@pytest.mark.usefixtures("harmless")
@pytest.mark.parametrize("where", range(1, 5))
def test_no_payload_is_executed_in_any_pickle_of_a_legacy_file(path, where):
    stream = io.BytesIO(saved(STATE, zipped=False))
    pickles, start = [], 0
    for _ in range(5):
        list(torch_file.pickletools.genops(stream))
        pickles.append(stream.getvalue()[start : stream.tell()])
        start = stream.tell()
    pickles[where] = b"\x80\2" + HARM["reduce"] + b"."
    write(path, b"".join(pickles) + stream.read())
    if where == 2:  # of what system wrote it: not asked
        assert_same(load_torch(path), as_numpy(STATE))
        return
    said = {1: "not of version 1001", 3: "is no tensor's|is not there", 4: DAMAGED}
    with pytest.raises(ValueError, match=said[where]):
        load_torch(path)


HOOK = b"ctorch._tensor\n_rebuild_from_type_v2\n"


@pytest.mark.usefixtures("harmless")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (HOOK + b"(" + part("mkdir") + b"ctorch\nTensor\n)}tR", "puts a str where"),
        (b"ctorch\nfloat32\n)R", "puts a dtype where"),
        (part("a") + b")R", "puts a str where"),
        (b"ccollections\nOrderedDict\n]R", "puts a list where"),
        (b"]}b", "puts a list where"),
        (b"ccollections\nOrderedDict\n}b", "puts a function where"),
        (b"N}b", "puts a NoneType where"),
        (b")K\1a", "puts a tuple where"),
        (b")(K\1e", "puts a tuple where"),
        (b"]K\1K\2s", "puts a list where"),
        (b"](K\1K\2u", "puts a list where"),
        (b"}(K\1u", DAMAGED),
        (b"ccollections\nOrderedDict\n(" + part(((1, 2),)) + b"tR", "puts a tuple where"),
        (b"ccollections\nCounter\n(" + part([1]) + b"tR", "puts a list where"),
        (b"ctorch\ndevice\n(]tR", DAMAGED),
        (b"P0\n", "its pickle has PERSID at byte 2, which weights never need$"),
        (b"(K\1Q", "something outside that is no plain storage"),
        (b"\x82\1", "its pickle has EXT1 at byte 2"),
        (b"\x97", "its pickle has NEXT_BUFFER at byte 2"),
    ],
)
def test_instructions_are_kept_to_their_purpose(path, body, message):
    refused(path, checkpoint(body), message)


# Tensors that would look where nothing is theirs


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (tensor(offset=1), "a tensor reads number 6 of a storage of 6$"),
        (tensor(shape=(3, 3)), "a tensor reads number 8 of a storage of 6$"),
        (tensor(stride=(4, 1)), "a tensor reads number 6 of a storage of 6$"),
        (tensor(offset=6, shape=(), stride=()), "a tensor reads number 6 of a storage of 6$"),
        (tensor(shape=(2**62, 4), stride=(4, 1)), "a tensor reads number"),
        (tensor(offset=2**64), "a tensor reads number"),
        (tensor(offset=-1), "not all counts"),
        (tensor(shape=(-2, 3)), "not all counts"),
        (tensor(stride=(-3, 1), offset=5), "not all counts"),
        (tensor(stride=(3.0, 1)), "not all counts"),
        (tensor(shape=(True, 3)), "not all counts"),
        (tensor(shape=(2,)), "not two tuples of one length"),
        (tensor(shape=[2, 3]), "not two tuples of one length"),
        (tensor(stride=[3, 1]), "not two tuples of one length"),
        (tensor(shape=(1,) * 65, stride=(1,) * 65), "not two tuples of one length"),
        (tensor(shape=(2**62,) * 9, stride=(0,) * 9), DAMAGED),
        (tensor(of=part("xx")), "puts a str where"),
        (tensor(of=tensor()), "puts a tensor where"),
        (tensor(of=tensor(), kind=b"_rebuild_tensor_v3"), DAMAGED),
        (tensor(more=b"\x89N" + part({"x": True})), "marks a tensor as x, which"),
        (tensor(more=b"\x89N" + part([1])), "puts a list where"),
        (tensor(of=storage(count=5)), "storage '0' has 6 of float32, the pickle says 5 of float32"),
        (tensor(of=storage(count=-1)), "no plain storage"),
        (tensor(of=storage(count=2**70)), "the pickle says 1180591620717411303424"),
        (tensor(of=storage("CharStorage")), "has 24 of int8, the pickle says 6 of int8"),
        (
            tensor(of=storage("IntStorage")) + tensor(),
            "has 6 of int32, the pickle says 6 of float32",
        ),
        (tensor(of=storage("ComplexDoubleStorage")), "24 bytes are no whole number of complex128"),
        (tensor(of=storage(key="1")), "its pickle needs 'data/1', and there is no such member$"),
        (tensor(of=storage(key="../version")), r"needs 'data/\.\./version', and"),
        (tensor(of=storage(more=part(("0", 0, 6)))), "no plain storage"),
        (tensor(of=storage(more=b"NN")), "no plain storage"),
    ],
)
def test_no_tensor_looks_beyond_its_storage(path, body, message):
    refused(path, checkpoint(body), message)


def test_uint16_of_an_odd_number_of_bytes(path):
    of = storage("UntypedStorage", count=5).replace(b"ctorch\n", b"ctorch.storage\n")
    body = tensor(of=of, more=b"\x89Nctorch\nuint16\n", kind=b"_rebuild_tensor_v3")
    refused(path, checkpoint(body, **{"data/0": b"12345"}), "5 bytes are no whole number of uint16")


# Sizes that lie, bombs


def nested(count):
    """Return a dict with a key of nested tuples that takes 2**count steps to hash."""
    return b"}K\1" + b"q\0h\0\x86" * count + b"K\1s"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"X\xff\xff\xff\x7fabc", DAMAGED),
        (b"T\xff\xff\xff\x7fabc", DAMAGED),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc", DAMAGED),
        (b"\x8b\xff\xff\xff\x7fabc", DAMAGED),
        (b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f", DAMAGED),
        (b"Nr\xff\xff\xff\xffjf\xff\xff\xff", DAMAGED),
        (b"I" + b"9" * 10000 + b"\n", DAMAGED),
        (b"h\0", DAMAGED),
        (b"R", DAMAGED),
        (b"t", DAMAGED),
        (b"u", DAMAGED),
        (b"q\0", DAMAGED),
        (b"", DAMAGED),
    ],
)
def test_pickles_that_lie(path, body, message):
    refused(path, checkpoint(body), message)


def test_a_small_pickle_can_not_ask_for_many_copies(path):
    pairs = part([[key, 2] for key in range(500)]) + b"\x85r\0\0\1\0"
    again = b"ccollections\nOrderedDict\nj\0\0\1\0R" * 500
    write(
        path,
        checkpoint(
            pairs
            + again
            + b"ccollections\nCounter\n}K\1K\2s\x85q\1Rccollections\nCounter\nh\1R\x86"
        ),
    )
    tracemalloc.start()
    first, second = load_torch(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert (first, second) == (Counter({1: 2}), Counter())


def test_a_small_pickle_can_not_ask_for_large_copies(path, monkeypatch):
    text = part("x" * 10_000) + b"q\x60"
    encode = b"0c_codecs\nencode\nh\x60\x85R"
    asked = "asks for more copies than the file has bytes$"
    refused(path, pickled(text + encode * 3000), asked)
    raw = text + encode + b"q\x60" + part(np.dtype("S10000")) + b"q\x61"
    refused(path, pickled(raw + b"0cnumpy._core.multiarray\nscalar\nh\x61h\x60\x86R" * 3000), asked)
    array = b"0cnumpy._core.numeric\n_frombuffer\n(h\x60h\x61)tR"
    refused(path, pickled(raw + array * 3000), asked)
    refused(path, pickled(text + b"0(c_codecs\nencode\nh\x60o" * 3000), asked)
    refused(path, pickled(text + b"0(h\x60i_codecs\nencode\n" * 3000), asked)
    head = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\1btR"
    state = b"(K\1M\x10'\x85" + OBJECTS + b"\x89](" + b"N" * 10_000 + b"etq\x62"
    refused(path, pickled(state + (b"0" + head + b"h\x62b") * 300), asked)
    refused(path, pickled(b"(" + b"N" * 17 + b"tq\0ctorch\nSize\nh\0R"), "a function with 17")
    refused(path, pickled(text + b"h\0\x93"), "it needs a name of 20001 letters$")
    monkeypatch.setattr(torch_file, "MAX_STEPS", 50)
    refused(path, pickled(b"N" * 50), "has more than 50 instructions$")


HALF = storage("BFloat16Storage", count=2**15)
WHOLE = tensor(0, (2**15,), (1,), HALF) + b"q\x70"


@pytest.mark.parametrize(
    "again",
    [b"]%ba", b"](%be", b"(%bl", b"(%bt", b"%b\x85", b"(](%bel"],
    ids=["APPEND", "APPENDS", "LIST", "TUPLE", "TUPLE1", "nested"],
)
def test_a_small_file_can_not_ask_for_many_reads(path, again):
    """What is in a list or a tuple is read at once; each of these is the whole storage anew."""
    raw = {"data/0": bytes(2**16)}
    refused(path, checkpoint(b"(" + again.replace(b"%b", WHOLE) * 9 + b"l", **raw), "more copies")
    write(path, checkpoint(b"(" + again.replace(b"%b", WHOLE) * 2 + b"l", **raw))
    load_torch(path)
    tied = part([]) + b"(" + b"".join(part(n) + WHOLE for n in range(99)) + b"u"
    write(path, checkpoint(tied.replace(b"]", b"}"), **raw))  # in a dict, one is read at a time
    assert load_torch(path)[98].shape == (2**15,)
    write(path, checkpoint(WHOLE + b"0(" + b"h\x70" * 99 + b"l", **raw))
    assert load_torch(path)[98].shape == (2**15,)  # one tensor, however often it is there


def test_no_bfloat16_is_conjugated_or_negated(path):
    for flag in "conj", "neg":
        more = b"\x89N" + part({flag: True})
        body = tensor(of=HALF.replace(part(2**15), part(12)), more=more)
        refused(path, checkpoint(body), "it marks a tensor of bfloat16 as conj or neg$")


def test_a_counter_counts(path):
    refused(
        path, checkpoint(b"ccollections\nCounter\n}K\1" + tensor() + b"s\x85R"), "puts a tensor"
    )


def pickled(body):
    return b"\x80\2" + body + b"."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"cnumpy._core.numeric\n_frombuffer\n(C\3abc%b(K\2ttR", "float32 does not fit its 3 b"),
        (b"cnumpy._core.numeric\n_frombuffer\n(C\4abcd%bK\1tR", "float32 does not fit its 4"),
        (b"cnumpy._core.numeric\n_frombuffer\n(C\4abcd%b(J\xff\xff\xff\xffttR", "does not fit"),
        (b"c_codecs\nencode\nX\1\0\0\0aX\3\0\0\0rot\x86R", "an encoding that pickle never"),
        (b"c_codecs\nencode\nK\1\x85R", "puts a int where"),
        (b"c__builtin__\nset\nK\1\x85\x85R", "puts a tuple where"),
        (b"K\1K\2\x93", "puts a int where"),
        (b"cnumpy.core.multiarray\n_reconstruct\nK\1\x85R", "puts a int where"),
        (b"ctorch\nSize\n)}\x92", "puts a function where"),
    ],
)
def test_arrays_and_bytes_that_lie(path, body, message):
    refused(path, pickled(body.replace(b"%b", part(np.dtype("f4")))), message)


def test_deep_and_recursive_lists_are_built_without_recursion(path):
    write(path, checkpoint(b"]" * 50_000 + b"a" * 49_999))
    deep = load_torch(path)
    depth = 0
    while deep:
        (deep,) = deep
        depth += 1
    assert depth == 49_999
    write(path, checkpoint(b"]q\0h\0a"))
    (inside,) = recursive = load_torch(path)
    assert inside is recursive


def test_nested_rebuilding_ends(path):
    refused(path, checkpoint((HOOK + b"(") * 2 + b"N" + b"}tR" * 2), f"puts a|{DAMAGED}")
    deep = b"(" + HOOK + b"N"
    body = HOOK + deep * 3000 + b")" + b"}t" * 3000 + b"R"
    refused(path, checkpoint(body), f"puts a|{DAMAGED}")


def test_zip_bombs(path):
    members = {
        "x/data.pkl": b"\x80\2" + tensor(of=storage(count=2**22)) + b".",
        "x/data/0": bytes(2**24),
    }
    data = zipped_again(members, zipfile.ZIP_DEFLATED)
    refused(path, data, r"16777\d+ bytes are packed into \d+: a zip bomb")
    empty = {"x/data.pkl": b"\x80\2" + b"}" * 2**17 + b".", "x/pad": os.urandom(90_000)}
    refused(
        path,
        zipped_again(empty, zipfile.ZIP_DEFLATED),
        "its pickle, unpacked, is longer than the file",
    )
    liar = data.replace(struct.pack("<I", 2**24), struct.pack("<I", 24))
    refused(path, liar, "'x/data/0' has not the 24 bytes the zip tells of")


def test_a_pickle_is_read_no_further_than_its_limit(path, monkeypatch):
    monkeypatch.setattr(torch_file, "MAX_PICKLE", 50)
    write(path, checkpoint(b"N" * 47))
    assert load_torch(path) is None
    refused(path, checkpoint(b"N" * 48), DAMAGED)
    refused(path, saved(STATE, zipped=False), DAMAGED)


def test_a_message_is_not_as_long_as_its_cause(path):
    write(path, zipped_again({"y" * 60_000: b""}))
    with pytest.raises(ValueError, match="a zip without") as error:
        load_torch(path)
    assert len(str(error.value)) < 600


def entry_of(data, name):
    """Return where the central directory has the entry of a member."""
    return data.rindex(name) - 46


def damaged(data, name, where, value):
    at = entry_of(data, name) + where
    return data[:at] + value + data[at + len(value) :]


GOOD = checkpoint(tensor())


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (8, b"\1\0", "'x/data/0' is encrypted, or neither"),
        (10, struct.pack("<H", zipfile.ZIP_BZIP2), "'x/data/0' is encrypted, or neither"),
        (10, struct.pack("<H", zipfile.ZIP_DEFLATED), f"{DAMAGED}|has not the 24"),
        (20, struct.pack("<I", 25), "ends beyond the zip's last member|does not lie where"),
        (20, struct.pack("<I", 23), "'x/data/0' has not the 24 bytes"),
        (20, b"\xfe\xff\xff\xff", "ends beyond|does not lie where"),
        (24, struct.pack("<I", 2**30), "'x/data/0' has not the 1073741824 bytes"),
        (42, struct.pack("<I", 0), "does not lie where the zip says"),
        (42, struct.pack("<I", 1), "does not lie where the zip says"),
        (42, b"\xfe\xff\xff\xff", "does not lie where the zip says"),
    ],
)
def test_zips_that_lie(path, where, value, message):
    refused(path, damaged(GOOD, b"x/data/0", where, value), message)


def test_a_last_member_that_reaches_into_the_directory(path):
    data = damaged(GOOD, b"x/version", 20, struct.pack("<II", 3, 3))
    refused(path, data, "'x/version' ends beyond the zip's last member")


def test_a_member_that_is_there_twice(path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr("x/data.pkl", b"\x80\2N.")
    refused(path, stream.getvalue(), "'x/data.pkl' is in the zip twice")


def test_an_unknown_byte_order(path):
    refused(
        path, checkpoint(tensor(), byteorder=b"pdp"), "its byte order is neither little nor big$"
    )


LEGACY = saved(STATE["a"], zipped=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\x80\2M\xe9\3", b"\x80\2M\xea\3", "a legacy file, but not of version 1001"),
        (
            struct.pack("<q", 6) + LEGACY[-24:],
            struct.pack("<q", 5) + LEGACY[-24:],
            "has not the 6 numbers",
        ),
        (
            struct.pack("<q", 6) + LEGACY[-24:],
            struct.pack("<q", -1) + LEGACY[-24:],
            "has not the 6 numbers",
        ),
        (LEGACY[-24:], LEGACY[-24:-1], r"cut off: it needs \d+ bytes and has \d+"),
    ],
)
def test_legacy_files_that_lie(path, old, new, message):
    assert LEGACY.count(old) == 1
    refused(path, LEGACY.replace(old, new, 1), message)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (part([]), "storage '.*' is not there$"),
        (part(["a"]), "storage 'a' is no tensor's$"),
        (part([1]), "a int where"),
    ],
)
def test_legacy_storages_that_are_not_there(path, keys, message):
    start = LEGACY.rindex(b"\x80\2")
    end = len(LEGACY) - 32
    refused(path, LEGACY[: start + 2] + keys + b"." + LEGACY[end:], message)


@CONTAINERS
def test_cut_off_at_every_byte(path, zipped):
    beside = [np.ones(2), np.float64(3), argparse.Namespace(a={1}, b=b"x"), Opaque]
    data = saved({"a": torch.arange(6.0), "b": torch.ones(2).bfloat16(), "c": beside}, zipped)
    write(path, data)
    for size in reversed(range(len(data))):
        os.truncate(path, size)
        with pytest.raises(ValueError, match=r"^saved\.pth: "):
            load_torch(path)


def test_a_plain_pickle_cut_off_at_every_byte(path):
    data = pickle.dumps({"a": np.arange(6.0), "b": Opaque(np.float32(1), {2})}, 4)
    for size in range(1, len(data)):
        write(path, data[:size])
        with pytest.raises(ValueError, match=r"^saved\.pth: "):
            load_torch(path)


JOBLIB = (ROOT / "tests/checkpoints/data/arrays.joblib").read_bytes()


def of_joblib(path, data=JOBLIB, module=torch_file):
    """Return what stands in a file of joblib's."""
    write(path, data)
    return dict(module.load_torch(path))


def test_arrays_that_joblib_put_into_the_pickle(path):
    found = of_joblib(path)
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    wanted = {"fc.weight": weight, "turned": np.arange(6.0).reshape(2, 3), "empty": np.ones((0, 2))}
    wanted |= {"scalar": np.array(2.5), "steps": np.array(3), "again": weight}
    (part,) = found.pop("parts")
    assert (part.tolist(), part.dtype) == ([0, 1, 2], ">i4")
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, strict=name != "steps")


def test_a_file_of_before_joblib_aligned_numbers(path):
    aligned = b"numpy_array_alignment_bytes"
    data = pickled_array(b"X\x1b\0\0\0" + aligned + b"K\x10", b"\3\xff\xff\xff")
    assert of_joblib(path, data)["w"].tolist() == [1, 2]
    assert of_joblib(path, pickled_array(b"", b""))["w"].tolist() == [1, 2]


def pickled_array(told, padding, dtype=b"cnumpy\ndtype\nX\2\0\0\0f4\x85R(K\3X\1\0\0\0<NNNtb"):
    """Return a pickle of one array as joblib writes it."""
    state = b"X\5\0\0\0shapeK\2\x85X\5\0\0\0dtype" + dtype + told
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + state + b"ub"
    return b"\x80\3}X\1\0\0\0w" + wrapper + padding + np.array([1, 2], "<f4").tobytes() + b"s."


OBJECTS = b"cnumpy\ndtype\nX\2\0\0\0O8\x85R(K\3X\1\0\0\0|NNNtb"  # the dtype


def nested_in_joblib(*pickles):
    """Return a file of joblib whose arrays of objects are these pickles."""
    begin, end = b"\x80\3}X\1\0\0\0w", np.array([1, 2], "<f4").tobytes() + b"s."
    one = pickled_array(b"", b"", OBJECTS).removeprefix(begin).removesuffix(end)
    return b"\x80\3](" + b"".join(one + inner for inner in pickles) + b"e."


def test_what_joblib_pickles_apart_is_read(path):
    found = of_joblib(path, (ROOT / "tests/checkpoints/data/objects.joblib").read_bytes())
    assert (found["classes"].tolist(), found["classes"].dtype) == (["cat", "dog"], object)
    assert found["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    rows = found["rows"]
    assert (rows.shape, rows[0].tolist()) == ((3, 2), ["cat", 3])
    assert (rows[1, 0], rows[1, 1].tolist()) == (None, [0, 1, 2])
    assert rows[2, 0].name == "argparse.Namespace"
    assert rows[2, 0].state == {"rate": 0.5}
    assert [one.tolist() for one in rows[2, 1]] == [[1, 1], 2.5]
    assert found["last"].tolist() == [7, 8]


@pytest.mark.usefixtures("harmless")
def test_no_payload_is_executed_in_what_joblib_pickles_apart(path):
    write(path, nested_in_joblib(b"\x80\2" + HARM["reduce"] + b"."))
    assert str(load_torch(path)) == "[a pickled posix.mkdir, not rebuilt]"


def test_pickles_within_a_pickle_share_its_limits(path, monkeypatch):
    inner = part("x" * 10_000) + b"q\x60" + b"0c_codecs\nencode\nh\x60\x85R" * 3
    write(path, nested_in_joblib(*[pickled(inner)] * 4))
    assert [len(one) for one in load_torch(path)] == [10_000] * 4
    encoded = part("x" * 10_000) + b"q\x60" + b"0c_codecs\nencode\nh\x60\x85R" * 7
    refused(path, nested_in_joblib(*[pickled(encoded)] * 4), "asks for more copies")
    deep = pickled(b"N")
    for _ in range(3000):
        deep = nested_in_joblib(deep)
    refused(path, deep, DAMAGED)
    monkeypatch.setattr(torch_file, "MAX_STEPS", 200)
    many = nested_in_joblib(*[pickled(b"N" + b"0N" * 40)] * 2)
    refused(path, many, "has more than 200 instructions$")


OBJECT_ARRAYS = {
    "plain": np.array([["cat", 3], [None, b"a"], [1j, 0.5]], object),
    "fortran": np.asfortranarray(np.array([["cat", 3], [None, 2**70]], object)),
    "empty": np.empty((0, 2), object),
    "scalar": np.array(None, object),
    "short in the file": np.full(10_000, None),
    "nested": np.array([np.array([1, None], object), [1, (2, "b")], {"k": 5}], object),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", OBJECT_ARRAYS)
def test_arrays_of_objects(path, kind, protocol):
    given = OBJECT_ARRAYS[kind]
    write(path, pickle.dumps({"a": given, "again": [given]}, protocol))
    ours = load_torch(path)
    assert (ours["a"].dtype, ours["a"].shape) == (object, given.shape)
    assert str(ours["a"].tolist()) == str(given.tolist())
    assert ours["a"] is ours["again"][0]


@CONTAINERS
def test_tensors_in_an_array_of_objects_are_read(path, zipped):
    given = np.empty(3, object)
    whole, half = torch.arange(3.0), torch.arange(3).bfloat16()
    given[:] = [[whole, half], (1, (half,)), {"k": half}]
    torch.save({"a": given}, path, _use_new_zipfile_serialization=zipped)
    both, (_, (inner,)), by_name = load_torch(path)["a"]
    for array in (*both, inner, by_name["k"]):
        np.testing.assert_array_equal(array, np.arange(3, dtype=np.float32), strict=True)


@pytest.mark.parametrize(
    "shape", ["K\3\x85", "K\xff\x85", "(Nt", "(J\xff\xff\xff\xffJ\xfe\xff\xff\xfft"]
)
def test_an_array_of_objects_that_lies(path, shape):
    head = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\1btR"
    state = b"(K\1" + shape.encode("latin-1") + OBJECTS + b"\x89" + part([1, 2]) + b"tb"
    refused(path, pickled(head + state), "an array of objects does not fit its 2 elements$")
    many = b"(" + b"K\1" * 33 + b"t"
    state = b"(K\1" + many + OBJECTS + b"\x89" + part([1]) + b"tb"
    refused(path, pickled(head + state), "an array of objects does not fit its 1 elements$")


def test_a_file_of_joblib_cut_off_at_every_byte(path):
    for size in range(20, len(JOBLIB)):
        write(path, JOBLIB[:size])
        with pytest.raises(ValueError, match=r"^saved\.pth: "):
            load_torch(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("stream.read(stream.read(1)[0])", "stream.read(1)"),
        ("max(count, 0)), dtype, shape, order)", 'max(count, 0)), dtype, shape, "C")'),
    ],
)
def test_joblib_read_wrongly_is_noticed(path, old, new):
    module = sabotaged(SNIPPETS_DIR / "checkpoints/torch_file.py", old, new)
    try:
        found = of_joblib(path, module=module)
    except ValueError:
        return
    assert not all(np.array_equal(found[name], array) for name, array in of_joblib(path).items())


def test_broken_files_neither_run_nor_hang_nor_fill_the_memory():
    told = report(300)
    assert told["tried"] == told["read"] + told["refused"] == 300
    assert told["refused"] > 100
    assert (told["hung"], told["executed"], told["other"]) == (0, [], [])
    assert told["slowest_ms"] < 3000
    assert told["peak_growth_kb"] < 50_000


# Large files


def test_a_file_of_ten_gigabytes_opens_at_once(path):
    count = 10 * 2**30 // 4
    head = zipped_again(
        {"x/data.pkl": b"\x80\2" + tensor(0, (count,), (1,), storage(count=count)) + b"."}
    )
    central = head.index(b"PK\1\2")
    name, padding = b"x/data/0", 64 - (central + 30 + 8) % 64
    lengths = len(name), padding
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, 0, 0, *lengths) + name
    local += bytes(padding)
    sizes = struct.pack("<HHQQ", 1, 16, 4 * count, 4 * count)
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1,
        len(name), len(sizes), 0, 0, 0, 0, central,
    )  # fmt: skip
    directory = head[central : head.index(b"PK\5\6")] + entry + name + sizes
    start = central + len(local) + 4 * count
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, len(directory), start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + len(directory), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, len(directory), 2**32 - 1, 0)
    with open(path, "wb") as file:
        file.write(head[:central] + local)
        file.seek(start)
        file.write(directory + end64 + locator + end)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    array = load_torch(path)
    assert time.perf_counter() - begin < 1
    assert (array.nbytes, array[0], array[-1]) == (10 * 2**30, 0, 0)
    array[-1] = 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000
