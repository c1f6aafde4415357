"""Our reader and writer of .npz against NumPy's, and against files that lie."""

import io
import re
import struct
import warnings
import zipfile

import numpy as np
import pytest

from snippets.checkpoints import npz
from snippets.checkpoints.npz import load_npz, save_npz
from tests.checkpoints.broken import MEMORY, mutants, peak, refusal

ARRAYS = {
    "encoder.0.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "a/b/c": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "scalar": np.array(3),
    "nothing": np.zeros((0, 3), np.float16),
    "big endian": np.arange(3, dtype=">f8"),
    "complex": np.ones(2, np.complex128),
    "bool": np.array([True, False]),
    "text": np.array(["ab", "c"]),
    "record": np.zeros(2, [("x", "f4"), ("y", "i2")]),
    "w.npy": np.ones(1),
    "\u96ea": np.ones(2),
    "": np.ones(3),
}


def assert_same(ours, theirs):
    """Compare names and arrays: order, dtype, shape, bits."""
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert type(array) is np.ndarray
        assert (array.dtype, array.shape) == (theirs[name].dtype, theirs[name].shape)
        assert array.tobytes() == theirs[name].tobytes()
        assert array.flags.writeable
        assert array.flags.aligned


def numpys(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_what_numpy_wrote(tmp_path, save):
    path = tmp_path / "w.npz"
    save(path, **ARRAYS)
    ours = load_npz(path)
    assert_same(ours, numpys(path))
    assert list(ours) == list(ARRAYS)
    assert ours["a/b/c"].flags.f_contiguous
    save(path)
    assert load_npz(path) == {}


def test_numpy_reads_what_we_wrote(tmp_path):
    path = tmp_path / "no extension"
    arrays = ARRAYS | {
        "file": np.arange(6).reshape(2, 3).T,
        "allow_pickle": np.arange(5)[::-2],
        "list": [1, 2],
    }
    save_npz(path, arrays)
    assert list(tmp_path.iterdir()) == [path]
    theirs = numpys(path)
    assert_same(load_npz(path), theirs)
    for name, array in arrays.items():
        assert theirs[name].flags.c_contiguous
        assert theirs[name].dtype == np.asarray(array).dtype
        assert theirs[name].tolist() == np.asarray(array).tolist()


def test_torch_takes_what_we_read(tmp_path):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    state = model.state_dict()
    save_npz(tmp_path / "w", {name: t.numpy() for name, t in state.items()})
    back = {name: torch.from_numpy(a) for name, a in load_npz(tmp_path / "w").items()}
    assert list(back) == list(state)
    assert all(back[name].equal(t) for name, t in state.items())


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"w": [None]}, "'w' holds Python objects, which .npz would have to pickle"),
        ({"w": np.zeros(1, "O,f4")}, "'w' holds Python objects, which .npz would have to pickle"),
        ({3: [1]}, "3 is no name that .npz can hold"),
        ({"a\0b": [1]}, "'a\\x00b' is no name that .npz can hold"),
    ],
)
def test_what_npz_cannot_hold_is_not_written(tmp_path, arrays, reason):
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        save_npz(tmp_path / "w", arrays)
    assert not list(tmp_path.iterdir())


def npy(header, data=bytes(8), version=(1, 0)):
    """Return an .npy file of this header, as text, and data."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header.encode() + data


def head(shape="(2,)", descr="'<f4'", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes members into an archive and returns its path."""

    def write(members, compression=zipfile.ZIP_STORED):
        path = tmp_path / "model.npz"
        with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a name that comes twice
            for name, data in members:
                archive.writestr(name, data)
        return path

    return write


@pytest.mark.parametrize(
    "data",
    [
        npy(head()),
        npy(head(), version=(2, 0)),
        npy(head("(2L,)")),
        npy(head("(1, 2)", fortran="True") + " " * 30 + "\n"),
        npy(head("()", "'|S8'")),
        npy(head("(2,)", "[('x', '<f4')]")),
    ],
    ids=["plain", "version 2", "Python 2", "padded", "bytes", "record"],
)
def test_reads_the_headers_that_numpy_reads(write, data):
    path = write([("w.npy", data)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = numpys(path)
    assert_same(load_npz(path), theirs)


OBJECTS = io.BytesIO()
np.save(OBJECTS, np.array([{"w": 1}]), allow_pickle=True)

REFUSED = {
    "objects": (
        [("w.npy", OBJECTS.getvalue())],
        "'w' holds Python objects, and unpickling can run code: "
        "save numbers, one array a name, np.savez(path, **state)",
    ),
    "objects inside": ([("w.npy", npy(head("(1,)", "'O'")))], "'w' holds Python objects"),
    "lies: too many": (
        [("w.npy", npy(head("(3,)")))],
        "'w', float32 of shape (3,), does not fit its 8 bytes",
    ),
    "lies: petabytes": (
        [("w.npy", npy(head("(1000000000, 1000000)")))],
        "'w', float32 of shape (1000000000, 1000000), does not fit its 8 bytes",
    ),
    "lies: too few": (
        [("w.npy", npy(head("(1,)")))],
        "'w', float32 of shape (1,), does not fit its 8 bytes",
    ),
    "negative": (
        [("w.npy", npy(head("(-2, -1)")))],
        "'w', float32 of shape (-2, -1), does not fit its 8 bytes",
    ),
    "no width": ([("w.npy", npy(head("(10000000000,)", "'S0'"), b""))], "'w', |S0 of shape"),
    "true": ([("w.npy", npy(head("(True, 2)")))], ""),
    "a product": ([("w.npy", npy(head("(1,) * 3")))], "malformed node or string"),
    "65 axes": ([("w.npy", npy(head(str((1,) * 65)), bytes(4)))], "maximum supported dimension"),
    "version 3": (
        [("w.npy", npy(head(), version=(3, 0)))],
        "'w' has an array header of version (3, 0)",
    ),
    "no header": ([("w.npy", npy("", b""))], "Cannot parse header"),
    "an expression": ([("w.npy", npy("__import__('os').abort()"))], "malformed node or string"),
    "a bomb of brackets": ([("w.npy", npy("(" * 9000))], ""),
    "a bomb of signs": ([("w.npy", npy("-" * 9000 + "1"))], ""),
    "long header": ([("w.npy", npy(" " * 50_000))], "Header info length"),
    "another dtype": ([("w.npy", npy(head(descr="'no'")))], "descr is not a valid dtype"),
    "no array": ([("w.npy", b"hello, world")], "the magic string is not correct"),
    "empty": ([("w.npy", b"")], "EOF: reading magic string"),
    "another member": (
        [("w.npy", npy(head())), ("readme.txt", b"")],
        "'readme.txt' is no array: its name does not end in .npy",
    ),
    "a name twice": ([("w.npy", npy(head())), ("w.npy", npy(head()))], "'w' occurs twice"),
}


@pytest.mark.parametrize(("members", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_damaged_is_refused(write, members, reason):
    path = write(members)
    assert refusal(load_npz, path).startswith(reason)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(write, method):
    path = write([("w.npy", npy(head()))], method)
    assert refusal(load_npz, path) == "'w' is compressed in a way that NumPy does not write"


def encrypted(data):
    return data.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0")


def test_an_encrypted_member_is_refused(write):
    path = write([("w.npy", npy(head()))])
    path.write_bytes(encrypted(path.read_bytes()))
    assert "encrypted" in refusal(load_npz, path)


def test_an_error_without_words_gets_its_name(write, monkeypatch):
    path = write([])

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(npz, "read_members", fail)
    assert refusal(load_npz, path) == "MemoryError"


def test_a_bomb_is_refused_before_it_is_unpacked(write, monkeypatch):
    size = 2**22
    monkeypatch.setattr(npz, "ANYWAY", size)
    data = npy(head(f"({size},)", "'|u1'"), bytes(size))
    fits = size - (len(data) - size)
    path = write([("w.npy", npy(head(f"({fits},)", "'|u1'"), bytes(fits)))], zipfile.ZIP_DEFLATED)
    assert load_npz(path)["w"].shape == (fits,)
    path = write([("w.npy", data)], zipfile.ZIP_DEFLATED)
    packed = path.stat().st_size
    assert peak(refusal, load_npz, path) < MEMORY
    assert refusal(load_npz, path) == (
        f"its {packed} bytes unpack to {len(data)}: "
        "np.load reads it, if you trust where it comes from"
    )


def test_what_compresses_a_little_is_read(write, monkeypatch):
    data = npy(head("(4000,)", "'|u1'"), bytes(range(250)) * 16)
    path = write([("w.npy", data)], zipfile.ZIP_DEFLATED)
    ratio = len(data) // path.stat().st_size
    assert (npz.RATIO, npz.ANYWAY) == (100, 2**26)
    monkeypatch.setattr(npz, "ANYWAY", 0)
    monkeypatch.setattr(npz, "RATIO", ratio + 1)
    assert load_npz(path)["w"].shape == (4000,)
    monkeypatch.setattr(npz, "RATIO", ratio)
    assert "unpack to" in refusal(load_npz, path)


def test_a_size_that_the_archive_invents_costs_no_memory(write):
    path = write([("w.npy", npy(head("(16000000,)"), b""))])
    data = path.read_bytes()
    told = len(npy(head("(16000000,)"), b""))
    lie = struct.pack("<II", told, told + 64_000_000)
    path.write_bytes(data.replace(struct.pack("<II", told, told), lie))
    assert refusal(load_npz, path)
    assert peak(refusal, load_npz, path) < MEMORY + 64_000_000


def test_a_wrong_checksum_is_refused(write):
    path = write([("w.npy", npy(head(), b"abcdefgh"))])
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"abcdefgi"))
    assert "CRC" in refusal(load_npz, path)


def test_large_arrays_are_read_in_chunks(tmp_path, monkeypatch):
    arrays = {"w": np.arange(1000, dtype=np.int32), "v": np.arange(16, dtype=np.int32)}
    np.savez_compressed(tmp_path / "w.npz", **arrays)
    for chunk in (64, 1000, 4000):
        monkeypatch.setattr(npz, "CHUNK", chunk)
        assert_same(load_npz(tmp_path / "w.npz"), arrays)
    monkeypatch.undo()
    np.savez(tmp_path / "w.npz", w=np.zeros(2**22))
    assert peak(load_npz, tmp_path / "w.npz") < 2**25 + 4 * MEMORY


def small_file(tmp_path, save=np.savez):
    save(tmp_path / "small.npz", a=np.arange(6.0).reshape(2, 3), b=np.array(3))
    return (tmp_path / "small.npz").read_bytes()


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    whole, path = small_file(tmp_path), tmp_path / "w"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert refusal(load_npz, path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_fuzz(tmp_path, save):
    path = tmp_path / "w"
    for data in mutants(small_file(tmp_path, save)):
        path.write_bytes(data)
        if refusal(load_npz, path) is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = numpys(path)
            assert_same(load_npz(path), theirs)


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        load_npz("nowhere.npz")
