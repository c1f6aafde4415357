"""A .pt or .pth file is numbers and a pickle that says how to look at them: read it without torch.

No pickle is run. Its instructions are interpreted here, and the functions that it may ask for are
the ones of this file. Whatever else it names becomes a stand-in, which holds what the file says.
"""

import io
import itertools
import math
import mmap
import os
import pickletools
import re
import stat
import types
import zipfile
import zlib
from collections import Counter
from collections.abc import MutableMapping
from contextlib import contextmanager
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

# The pickled number that files before 1.6 begin with, as protocol 1 and later ones write it.
LEGACY = b"119547037146038801333356L\n.", b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# What plain pickles begin with: of protocol 2 to 5, or of a dict or a list in 0 and 1.
PICKLES = (
    b"\x80\2",
    b"\x80\3",
    b"\x80\4",
    b"\x80\5",
    b"(dp",
    b"(lp",
    b"}q",
    b"]q",
    b"ccollections\n",
)
MAX_PICKLE = 2**30  # bytes that a pickle may have; ten thousand tensors need 2**20
MAX_STEPS = 2**23  # instructions that it may have; ten thousand tensors need 2**18
SMALL = 2**16  # bytes that a compressed pickle may have, however small its file is
LOAD = "load, of snippets.checkpoints, gives its weights"
MAX_INFLATION = 100  # the bytes that one byte of a compressed file may become


class StandIn:
    """What a file names and what is not rebuilt: inert, and equal to itself alone.

    Attributes
    ----------
    name : str
        The class or the function, as the file names it.
    args : tuple or None
        What it was to be called with; None is the name itself.
    state : object
        What was to become its attributes: the `__dict__` of most objects.
    items : list
        What was to be put into it: items of a list, (key, value) of a dict.
    """

    __slots__ = "built", "kept_args", "kept_items", "kept_state", "name"

    def __init__(self, name, args=None):
        self.name, self.kept_args, self.kept_state, self.kept_items = name, args, None, []
        self.built = None  # the array or dtype of NumPy that came of its state

    args = property(lambda self: with_arrays(self.kept_args))
    state = property(lambda self: with_arrays(self.kept_state))
    items = property(lambda self: with_arrays(self.kept_items))

    def __repr__(self):
        name = escaped(public(self.name))
        return f"the name {name}" if self.kept_args is None else f"a pickled {name}, not rebuilt"


class CheckpointError(ValueError):
    """The reason why a file is not read, in words of this file."""


def load_torch(path: str | PathLike[str]) -> Any:
    """Return what ``torch.load(path, "cpu", weights_only=False)`` does, in NumPy; execute nothing.

    Dicts, lists, tuples, sets and plain values stay as they are nested. Tensors, Parameters and
    NumPy's arrays become arrays, which share memory as they did. bfloat16 and float8 become
    float32, exactly, when they are read: by ``[]``, ``get``, ``values``, ``items`` or ``**`` of
    the dict that holds them. Such an array is a copy, read-only; and so is one whose numbers lie
    at an odd place of the file, as in many of before PyTorch 1.6. A torch.device becomes a string,
    a torch.dtype NumPy's dtype, a torch.Size a tuple, a number of NumPy's one of Python's. Anything
    else becomes a StandIn: it has the name that the file gives, and what the file puts into it. No
    name is looked up or imported.

    Where the file allows, all others are windows on it that load when they are read and never
    write to it: a large file opens at once. Don't change the file while they are in use.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict or other
        What ``torch.save``, or ``pickle.dump`` for arrays, wrote, as it is nested. Of a whole
        model, a StandIn: ``state_dict_of`` gives its weights.

    Raises
    ------
    ValueError
        The file is broken, or of another kind; the message says what.
    """
    return opened(path, read)


def opened(path, read):
    """Return what read makes of a file, which it gets open."""
    check_file(path)
    with open(path, "rb") as file, told_of(path):
        return with_arrays(read(file))


@contextmanager
def told_of(path):
    """Turn whatever goes wrong with a file into a sentence that names it."""
    try:
        yield
    except CheckpointError as error:
        raise ValueError(f"{path}: {escaped(str(error))[:500]}") from error
    except Exception as error:  # whatever broken bytes lead to
        raise ValueError(f"{path}: it is cut off or damaged") from error


def state_dict_of(model: StandIn) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the state_dict of a model that was saved whole, and the class of each module.

    Parameters
    ----------
    model : StandIn
        What ``load_torch`` returns for ``torch.save(model, path)``.

    Returns
    -------
    state : dict of str to array
        What ``model.state_dict()`` has: arrays under their names, in its order.
    classes : dict of str to str
        The class of each module of ``model.named_modules()``; the name of the whole is ``""``.

    Raises
    ------
    ValueError
        It is not a model, or its modules contain one another without end.

    See Also
    --------
    torch.nn.Module.state_dict : the same for a live model.
    """
    state, classes, todo, left = LazyDict(), {}, [("", model)], MAX_STEPS
    while todo:
        prefix, module = todo.pop()
        parameters, buffers, modules = parts_of_module(module)
        classes[prefix.removesuffix(".")] = public(module.name)
        left -= sum(len(prefix) + len(name) + 1 for name in [*parameters, *buffers, *modules])
        if left < 0:
            raise ValueError("this model's modules contain one another without end")
        for own in parameters, buffers:
            for name in own:
                if own.stored(name) is not None:
                    state[prefix + name] = own.stored(name)
        inner = [(f"{prefix}{name}.", part) for name, part in modules.items() if part is not None]
        todo += reversed(inner)
    return state, classes


def parts_of_module(module):
    """Return the parameters, the buffers that are saved, and the modules of a pickled module."""
    state = module.state if isinstance(module, StandIn) else None
    state = state if isinstance(state, LazyDict) else LazyDict()
    parts = [state.get(kind) for kind in ("_parameters", "_buffers", "_modules")]
    if not all(isinstance(part, LazyDict) and all(type(n) is str for n in part) for part in parts):
        raise ValueError(f"a {type(module).__name__} that is not a pickled torch.nn.Module")
    passing = state.get("_non_persistent_buffers_set")
    passing = passing if isinstance(passing, set) else ()
    parts[1] = parts[1].renamed({name: name for name in parts[1] if name not in passing})
    return parts


def public(name):
    """Return the name under which PyTorch shows a class: torch.nn.Linear."""
    return re.sub(r"^torch\.nn\.modules\.\w+\.", "torch.nn.", name)


def escaped(text):
    """Return text without what would steer a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def check_file(path):
    """Refuse what is no file: to open a pipe would wait for ever."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path}: a folder{what_folder_this_is(sorted(os.listdir(path)))}")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: this is a pipe or a device: copy what it gives into a file")


# Tensors that are read when you ask for them: the same text as in lazy.py


class Stored:
    """A tensor as a file keeps it: ``read()`` makes an array of it.

    Parameters
    ----------
    shape : tuple of int
        Of the array that it becomes.
    dtype : str
        What the file calls its numbers: ``"bfloat16"``.
    raw : array
        Its bits, a window on the file.
    make : callable
        The function that makes an array of raw.
    """

    __slots__ = "dtype", "make", "raw", "shape"

    def __init__(self, shape, dtype, raw, make):
        self.shape, self.dtype, self.raw, self.make = shape, dtype, raw, make

    def __repr__(self):
        return f"{self.dtype} {self.shape}, not read yet"

    def read(self):
        """Return the array. It is read-only: the next one that is read would not have a change."""
        array = self.make(self.raw)
        array.flags.writeable = False
        return array


READING: Any = MutableMapping  # all its methods that hand out values go through []


class LazyDict(dict):
    """A dict whose tensors become arrays when you ask for them, each time anew."""

    __slots__ = ()
    get, items, values = READING.get, READING.items, READING.values
    pop, setdefault, update = READING.pop, READING.setdefault, READING.update
    __eq__ = READING.__eq__

    def __iter__(self):  # its own: dict(self) would not ask for the values otherwise
        return dict.__iter__(self)

    def __getitem__(self, key):
        return with_arrays(dict.__getitem__(self, key))

    def popitem(self):
        """Remove the last entry and return it."""
        key, value = dict.popitem(self)
        return key, with_arrays(value)

    def stored(self, key):
        """Return a value as it is kept: an unread tensor has a shape and a dtype."""
        return dict.__getitem__(self, key)

    def renamed(self, names):
        """Return the entries of ``{new name: name}`` under their new names, unread."""
        return LazyDict({new: self.stored(name) for new, name in names.items()})

    def copy(self):
        """Return the same entries, unread."""
        return self.renamed({name: name for name in self})

    def __or__(self, other):
        found = self.copy()
        found.update(other)
        return found


def with_arrays(value):
    """Return a value with all tensors of it read: in lists in their place, in tuples anew."""
    if isinstance(value, Stored):
        return value.read()
    if type(value) not in (list, tuple):
        return value
    became, todo = {}, [(value, False)]  # {id: (part, what it becomes)}: each is done once
    while todo:
        part, inner_done = todo.pop()
        inner = part if type(part) in (list, tuple) else ()
        if inner_done:
            arrays = [became[id(one)][1] for one in inner]
            if any(new is not old for new, old in zip(arrays, inner, strict=True)):
                if type(part) is list:
                    part[:] = arrays
                else:
                    became[id(part)] = part, tuple(arrays)
        elif id(part) not in became:
            became[id(part)] = part, part.read() if isinstance(part, Stored) else part
            todo += [(part, True), *((one, False) for one in inner)]
    return became[id(value)][1]


# The containers


def read(file):
    """Return the object in an open file."""
    data = mapped(file)
    if data[:4] == b"PK\x03\x04":
        return read_zip(file, data)
    if any(magic in data[:32] for magic in LEGACY):
        return read_legacy(file, data)
    if data[:16].startswith(PICKLES):
        return read_pickle(file, data)
    raise CheckpointError(what_file_this_is(data))


def mapped(file):
    """Return the bytes of an open file, which are read when they are used."""
    if not os.fstat(file.fileno()).st_size:
        raise CheckpointError("it is empty")
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def read_zip(file, data):
    """Return the object in a zip, as torch.save writes since PyTorch 1.6."""
    members = zip_members(file, data)
    folders = {name.split("/")[0] for name in members if name.count("/") == 1}
    folders = [folder for folder in folders if f"{folder}/data.pkl" in members]
    if len(folders) != 1 or is_program(members):
        raise CheckpointError(what_zip_this_is(members))

    member, size = member_of(members, folders[0], data), max(len(data), SMALL)
    order = member("byteorder") if f"{folders[0]}/byteorder" in members else b"little"
    storage = storage_of(lambda key: member(f"data/{key}"), order)
    return unpickle(io.BytesIO(member("data.pkl", size)[:MAX_PICKLE]), BUILDERS, storage, size)


def member_of(members, folder, data):
    """Return the function that gives the bytes of a member of a zip's folder."""

    def member(name, most=math.inf):
        if f"{folder}/{name}" not in members:
            raise CheckpointError(f"its pickle needs {name!r}, and there is no such member")
        start, entry = members[f"{folder}/{name}"]
        if entry.file_size > most:
            raise CheckpointError("its pickle, unpacked, is longer than the file: a zip bomb")
        return zip_member(data, start, entry)

    return member


def storage_of(raw, order):
    """Return the function that finds what a pickle refers to; raw gives the bytes of a key."""
    storages, order = {}, ORDERS.get(bytes(order))
    if not order:
        raise CheckpointError("its byte order is neither little nor big")

    def storage(saved_id):
        dtype, key, count = storage_id(saved_id)
        if key not in storages:
            storages[key] = Storage(raw(key), dtype, order)
        return check_storage(storages[key], dtype, key, count)

    return storage


def zip_members(file, data):
    """Return {name: (where its bytes begin, its entry)} of a zip whose members lie apart."""
    found, end = {}, 0
    with zipfile.ZipFile(file) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
        if entries and entries[0].header_offset:
            raise CheckpointError(
                f"{entries[0].header_offset} bytes stand before its zip: several files in one, as "
                "in a .distcp, which is a part of a folder of torch.distributed.checkpoint?"
            )
        for entry in entries:
            header = data[entry.header_offset : entry.header_offset + 30]
            lengths = header[26:28], header[28:30]  # of the name, of the padding
            start = entry.header_offset + 30 + sum(int.from_bytes(n, "little") for n in lengths)
            if header[:4] != b"PK\x03\x04" or entry.header_offset < end:
                raise CheckpointError(f"{entry.filename!r} does not lie where the zip says")
            end = start + entry.compress_size
            if end > archive.start_dir:
                raise CheckpointError(f"{entry.filename!r} ends beyond the zip's last member")
            if entry.filename in found:
                raise CheckpointError(f"{entry.filename!r} is in the zip twice")
            found[entry.filename] = start, entry
    inflated = sum(entry.file_size for _, entry in found.values() if entry.compress_type)
    if inflated > MAX_INFLATION * len(data):
        raise CheckpointError(f"{inflated} bytes are packed into {len(data)}: a zip bomb")
    return found


def zip_member(data, start, entry):
    """Return the bytes of one member, a window on the file if it is stored as it is."""
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CheckpointError(f"{entry.filename!r} is encrypted, or neither stored nor deflated")
    found = window(data, start, entry.compress_size)
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS).decompress
        found = np.frombuffer(bytearray(inflate(found, entry.file_size + 1)), np.uint8)
    if found.size != entry.file_size:
        raise CheckpointError(
            f"{entry.filename!r} has not the {entry.file_size} bytes the zip tells of"
        )
    return found


def what_file_this_is(data):
    """Say what a file is that is neither container."""
    if data[257:262] == b"ustar":
        return "a tar, as torch.save wrote before PyTorch 0.1.10: save it again with torch"
    if data[5:9] == b"\0\0\0{":
        return "a .safetensors file: read it with load_safetensors"
    return f"torch.save did not write this: it begins with {data[:16]!r}"


def is_program(names):
    """Return whether a zip holds a program: torch.jit.save, torch.package, torch.export."""
    marks = "/constants.pkl", "/.data/extern_modules", "archive_format", "exported_program.json"
    return any(name.endswith(marks) for name in names)


def what_zip_this_is(names):
    """Say what a zip is that is no checkpoint."""
    if all(name.endswith(".npy") for name in names):
        return "an .npz file, of np.savez: read it with np.load"
    if any(name.endswith("/.data/extern_modules") for name in names):
        return f"a torch.package, a program: {LOAD}"
    if any(name.endswith("/constants.pkl") for name in names):
        return f"a TorchScript archive, a program: {LOAD}"
    if is_program(names):
        return f"a .pt2 archive of torch.export, a program: {LOAD}"
    return f"a zip without one data.pkl, so not of torch.save; it has {sorted(names)[:5]}"


def what_folder_this_is(names):
    """Say what a folder is, to follow the words "a folder"."""
    if ".metadata" in names or any(name.endswith(".distcp") for name in names):
        return f" of torch.distributed.checkpoint: {LOAD}"
    if "data.pkl" in names:
        return f", a .pt file that was unpacked: {LOAD}"
    return f": load one of the files in it, {names[:5]}"


def read_pickle(file, data):
    """Return the object of a file that is one plain pickle, as of a dict of arrays."""

    def storage(_saved_id):
        raise CheckpointError("a plain pickle that refers to something outside of it")

    stream = mmap.mmap(file.fileno(), min(len(data), MAX_PICKLE), access=mmap.ACCESS_READ)
    found = unpickle(stream, BUILDERS, storage, len(data))
    if stream.tell() < len(data):
        raise CheckpointError(
            f"a plain pickle that ends at byte {stream.tell()}, and more behind it"
        )
    return found


def read_legacy(file, data):
    """Return the object in a stream of pickles and numbers, PyTorch 0.1.10 to 1.5."""
    stream = mmap.mmap(file.fileno(), min(len(data), MAX_PICKLE), access=mmap.ACCESS_READ)
    _magic, version, _system = (unpickle(stream, {}, storage_id, len(data)) for _ in range(3))
    if version != 1001:
        raise CheckpointError("a legacy file, but not of version 1001")
    begin, told, storages = stream.tell(), {}, {}

    def note(saved_id):
        if is_module(saved_id):
            return saved_id[1]
        dtype, key, count = storage_id(saved_id)
        told[key] = dtype, count
        return np.empty(0)

    def storage(saved_id):
        if is_module(saved_id):
            return saved_id[1]
        dtype, key, count = storage_id(saved_id)
        if key not in storages:
            raise CheckpointError(f"storage {key!r} is not there")
        return check_storage(storages[key], dtype, key, count)

    # The numbers stand behind the pickle: a first look at it tells what they are.
    noting = BUILDERS | dict.fromkeys(TENSORS, lambda storage, *_: storage)
    unpickle(stream, noting, note, len(data))
    keys = unpickle(stream, {}, storage_id, len(data))
    position = stream.tell()
    for key in keys:
        check_is(str, key)
        if key not in told:
            raise CheckpointError(f"storage {key!r} is no tensor's")
        dtype, count = told[key]
        if window(data, position, 8).tobytes() != count.to_bytes(8, "little"):
            raise CheckpointError(f"storage {key!r} has not the {count} numbers it should")
        raw = window(data, position + 8, count * dtype.itemsize)
        storages[key] = Storage(raw, dtype, "<")
        position += 8 + raw.size
    stream.seek(begin)
    return unpickle(stream, BUILDERS, storage, len(data))


def is_module(saved_id):
    """Return whether an old pickle refers to a class, which it puts beside its source."""
    match saved_id:
        case ("module", StandIn(), *_):
            return True
    return False


def window(data, start, size):
    """Return size bytes of the file."""
    if start + size > len(data):
        raise CheckpointError(f"cut off: it needs {start + size} bytes and has {len(data)}")
    return np.frombuffer(data, np.uint8, size, start) if size else np.empty(0, np.uint8)


# Storages and the tensors that look at them


class Storage(Stored):
    """The numbers of one storage, flat: what a pickle can only get from the file, not forge."""

    __slots__ = "made", "numbers", "order", "told"

    def __init__(self, raw, dtype, order):
        self.told, self.order, self.made = dtype, order, {}
        self.numbers = raw_numbers(raw, dtype, order)
        super().__init__(self.numbers.shape, name_of(dtype), raw, None)

    def read(self):
        """Return the numbers of a storage that was saved by itself."""
        return with_arrays(as_tensor(self.numbers, self.told))


def storage_id(saved_id):
    """Return the dtype, the key and the count that a pickle tells of a storage."""
    match saved_id:
        case ("storage", np.dtype() as dtype, str(key), _, int(count), *view) if count >= 0:
            if view in ([], [None]):
                return dtype, key, count
    raise CheckpointError("it refers to something outside that is no plain storage")


def raw_numbers(raw, dtype, order):
    """Return bytes as numbers, a window on them."""
    if raw.size % dtype.itemsize:
        raise CheckpointError(f"{raw.size} bytes are no whole number of {name_of(dtype)}")
    if dtype.names:  # bits, which as_tensor knows how to convert
        return raw.view(dtype[0].newbyteorder(order))
    return raw.view(dtype.newbyteorder(order))


def as_tensor(numbers, dtype):
    """Return numbers as they are, an unread tensor of those that have to be converted."""
    return as_stored(numbers, dtype.names[0]) if dtype.names else as_aligned(numbers)


def check_storage(storage, dtype, key, count):
    """Return the storage, if it is what the pickle says."""
    if (storage.told, *storage.shape) != (dtype, count):
        raise CheckpointError(
            f"storage {key!r} has {storage.shape[0]} of {storage.dtype}, the pickle says {count} "
            f"of {name_of(dtype)}"
        )
    return storage


def name_of(dtype):
    """Return the name of a dtype, also of one that NumPy has not."""
    return (dtype.names or [dtype.name])[0]


def rebuild_tensor(storage, offset, shape, stride, _grad=None, _hooks=None, flags=None):
    """Return a tensor: a window on its storage, begun at offset, stepping by stride."""
    check_is(Storage, storage)
    conj, neg = check_flags(flags or {})
    if (conj or neg) and storage.told.names:
        raise CheckpointError(f"it marks a tensor of {storage.dtype} as conj or neg")
    if (conj, neg) not in storage.made:
        numbers = np.conj(storage.numbers) if conj else storage.numbers
        storage.made[conj, neg] = -numbers if neg else numbers
    return as_tensor(view(storage.made[conj, neg], offset, shape, stride), storage.told)


def check_flags(flags):
    """Return whether a tensor is marked as conjugated, as negated: PyTorch computes both late."""
    check_is(dict, flags)
    if not flags.keys() <= {"conj", "neg"}:
        raise CheckpointError(
            f"it marks a tensor as {sorted(flags)[0]:.50}, which is not conj or neg"
        )
    return "conj" in flags, "neg" in flags


def rebuild_tensor_v3(storage, offset, shape, stride, _grad, _hooks, dtype):
    """Return a tensor of a dtype that torch has no storage class for."""
    check_is(Storage, storage)
    if isinstance(dtype, StandIn):  # complex32, and what is to come
        return StandIn(f"{dtype.name} tensor", (storage, offset, shape, stride))
    check_is(np.dtype, dtype)
    numbers = raw_numbers(storage.raw, dtype, storage.order)
    return as_tensor(view(numbers, offset, shape, stride), dtype)


def view(numbers, offset, shape, stride):
    """Return the window on the numbers of a storage, if it lies inside."""
    if not type(shape) is type(stride) is tuple or not len(shape) == len(stride) <= 64:
        raise CheckpointError("a tensor's shape and stride are not two tuples of one length")
    if any(type(n) is not int or n < 0 for n in (offset, *shape, *stride)):
        raise CheckpointError("a tensor's offset, shape and stride are not all counts")
    if 0 in shape:
        return np.empty(shape, numbers.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if last >= numbers.size:
        raise CheckpointError(f"a tensor reads number {last} of a storage of {numbers.size}")
    size = numbers.itemsize
    return np.ndarray(shape, numbers.dtype, numbers, offset * size, [size * n for n in stride])


# The pickle

# The instructions that put their argument, or something new, on the stack
PUSHED = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"}
PUSHED |= {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"}
PUSHED |= {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
NEW = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": LazyDict,
    "EMPTY_SET": set,
}


class Limits:
    """What a pickle, and each pickle within it, may still ask for."""

    def __init__(self, size):
        self.left, self.counted, self.steps = 4 * size, {}, itertools.count()

    def take(self, count):
        """Take so many bytes of copies."""
        self.left -= count
        if self.left < 0:
            raise CheckpointError("its pickle asks for more copies than the file has bytes")


def unpickle(stream, allowed, storage, size):
    """Return the object of one pickle, which may make no more than a file of size bytes can.

    allowed maps the names of functions and types to what stands for them here; storage returns
    what a reference to a storage refers to. Of a pickle within another, size is the Limits of both.
    """
    stack, marks, memo, names = [], [], {}, {}
    limits = size if isinstance(size, Limits) else Limits(size)

    def since_mark():
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    def named(name):
        if len(name) > 500:
            raise CheckpointError(f"it needs a name of {len(name)} letters")
        return allowed.get(name) or names.setdefault(name, StandIn(name))

    for opcode, arg, position in pickletools.genops(stream):
        if next(limits.steps) >= MAX_STEPS:
            raise CheckpointError(f"its pickle has more than {MAX_STEPS} instructions")
        match opcode.name:
            case name if name in PUSHED:
                stack.append(arg)
            case name if name in NEW:
                stack.append(NEW[name]())
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                memo[arg] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(finished(memo[arg]))
            case "STRING" | "BINSTRING" | "SHORT_BINSTRING":  # from Python 2
                stack.append(python_2(arg.encode("latin-1")))
            case "MARK":
                marks.append(len(stack))
            case "POP" if marks and marks[-1] == len(stack):
                marks.pop()
            case "POP":
                stack.pop()
            case "POP_MARK":
                since_mark()
            case "DUP":
                stack.append(stack[-1])
            case "TUPLE":
                stack.append(tuple(since_mark()))
                limits.take(together(stack[-1], limits.counted))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
                limits.take(together(stack[-1], limits.counted))
            case "LIST":
                stack.append(since_mark())
                limits.take(together(stack[-1], limits.counted))
            case "FROZENSET":
                stack.append(frozenset(map(as_key, since_mark())))
            case "DICT":
                items = since_mark()
                stack.append(LazyDict())
                set_items(stack[-1], zip(items[::2], items[1::2], strict=True))
            case "APPEND":
                item = stack.pop()
                add_items(stack[-1], [item])
                limits.take(together([item], limits.counted))
            case "APPENDS":
                items = since_mark()
                add_items(stack[-1], items)
                limits.take(together(items, limits.counted))
            case "ADDITEMS":
                items = since_mark()
                check_is(set, stack[-1])
                stack[-1].update(map(as_key, items))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                set_items(stack[-1], [(key, value)])
            case "SETITEMS":
                items = since_mark()
                set_items(stack[-1], zip(items[::2], items[1::2], strict=True))
            case "GLOBAL":
                stack.append(named(arg.replace(" ", ".")))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                check_is(str, name)
                check_is(str, module)
                stack.append(named(f"{module}.{name}"))
            case "BINPERSID":
                stack.append(storage(stack.pop()))
            case "REDUCE" | "NEWOBJ":
                args = stack.pop()
                stack.append(call(stack.pop(), args))
                limits.take(copied(stack[-1]))
            case "NEWOBJ_EX":
                keywords, args = stack.pop(), stack.pop()
                check_is(StandIn, stack[-1])
                stack.append(call(stack.pop(), (args, keywords)))
            case "INST":
                stack.append(call(named(arg.replace(" ", ".")), tuple(since_mark())))
                limits.take(copied(stack[-1]))
            case "OBJ":
                function, *args = since_mark()
                stack.append(call(function, tuple(args)))
                limits.take(copied(stack[-1]))
            case "BUILD":
                state = stack.pop()
                stack.append(build(stack.pop(), state))
                if is_joblib(stack[-1]):
                    inner = partial(unpickle, stream, allowed, storage, limits)
                    stack[-1] = joblib_array(stream, stack[-1], inner)
                limits.take(copied(stack[-1]))
            case "PROTO" | "STOP" | "FRAME":
                pass
            case name:
                raise CheckpointError(
                    f"its pickle has {name} at byte {position}, which weights never need"
                )
    return stack.pop()


def finished(value):
    """Return the array or dtype that a stand-in has become since it was put by."""
    return value.built if isinstance(value, StandIn) and value.built is not None else value


def copied(value):
    """Return the bytes that a value has of its own; an object may be one byte of a file."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return value.size
    if isinstance(value, np.ndarray):
        return value.nbytes if value.flags.owndata else 0
    return len(value) if isinstance(value, str | bytes | bytearray) else 0


def together(items, counted):
    """Return the bytes that are read at once when a list or a tuple of these is read."""
    new = {id(one): one for one in items if type(one) is Stored and id(one) not in counted}
    counted |= new
    return sum(min(one.raw.size, span(one.raw)) * one.raw.itemsize for one in new.values())


def python_2(raw):
    """Return a string of Python 2, which may be text or bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def check_is(kinds, value):
    """Refuse a value of another type."""
    if not isinstance(value, kinds):
        what = "tensor" if isinstance(value, np.ndarray | Stored) else type(value).__name__
        what = "dtype" if isinstance(value, np.dtype) else what
        raise CheckpointError(f"its pickle puts a {what} where that makes no sense")


def call(function, args):
    """Return function(*args), a stand-in of it if it is not one of BUILDERS."""
    check_is(tuple, args)
    if isinstance(function, StandIn):
        bare = function.kept_args is None
        return StandIn(function.name, args) if bare else StandIn("operator.call", (function, args))
    check_is(types.FunctionType, function)
    if len(args) > 16:
        raise CheckpointError(f"its pickle calls a function with {len(args)} arguments")
    return function(*args)


def build(target, state):
    """Return target with its state: where NumPy pickles a dtype or an array, that."""
    if isinstance(target, dict | np.ndarray | Stored):  # _metadata, requires_grad: not weights
        return target
    check_is(StandIn, target)
    target.kept_state = state
    match target.name, target.kept_args, state:
        case "numpy.dtype", (str(code), *_), (_, str(order), None, None, None, *_):
            if re.fullmatch("[biufcSU][0-9]{1,9}", code) and re.fullmatch("[<>|=]", order):
                target.built = np.dtype(code).newbyteorder(order)
        case "numpy.ndarray", tuple(), (_, tuple(shape), np.dtype() as dtype, fortran, raw):
            target.built = numpy_array(raw, dtype, shape, "F" if fortran else "C")
        case "numpy.ndarray", tuple(), (_, tuple(shape), dtype, _, list(raw)) if is_object(dtype):
            target.built = object_array(raw, shape)
    return finished(target)


def is_joblib(target):
    """Return whether joblib puts the numbers of an array behind this."""
    return getattr(target, "name", "") == "joblib.numpy_pickle.NumpyArrayWrapper"


def joblib_array(stream, target, inner):
    """Return the array whose numbers stand in the middle of a pickle, as joblib writes it.

    One of objects is a pickle of its own there, which inner reads.
    """
    dtype, shape, order = (target.kept_state.get(key) for key in ("dtype", "shape", "order"))
    if is_object(dtype):
        target.built = inner()
        return target.built
    check_is(np.dtype, dtype)
    if target.kept_state.get("numpy_array_alignment_bytes"):
        stream.read(stream.read(1)[0])  # so many bytes let the numbers begin at an even place
    count = math.prod(shape) * dtype.itemsize
    target.built = numpy_array(stream.read(max(count, 0)), dtype, shape, order)
    return target.built


def is_object(dtype):
    """Return whether a stand-in is NumPy's dtype of objects."""
    match dtype:
        case StandIn(name="numpy.dtype", kept_args=("O" | "O4" | "O8", *_)):
            return True
    return False


def object_array(elements, shape):
    """Return an array of objects: plain values, arrays, stand-ins."""
    fits = len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
    if not fits or math.prod(shape) != len(elements):
        raise CheckpointError(f"an array of objects does not fit its {len(elements)} elements")
    found = np.empty(shape, object)
    flat = found.reshape(-1)
    for i, element in enumerate(with_arrays(elements)):
        flat[i] = element
    return found


def as_key(value):
    """Return a value as a dict's key. Crafted long or nested keys could take ages to hash."""
    parts = value if type(value) is tuple else (value,)
    if len(parts) <= 16 and all(map(is_plain, parts)):
        return value
    return StandIn(f"key of type {type(value).__name__}", (value,))


def is_plain(value):
    """Return whether a value is quick to hash and to compare."""
    if type(value) is int:
        return -(2**63) <= value < 2**63
    if type(value) in (str, bytes):
        return len(value) <= 2**16
    return type(value) in (float, bool, type(None), complex, StandIn)


def set_items(target, pairs):
    """Put pairs into a dict, or by a stand-in."""
    check_is((dict, StandIn), target)
    if isinstance(target, StandIn):
        target.kept_items.extend(pairs)
        return
    for key, value in pairs:
        target[as_key(key)] = value


def add_items(target, items):
    """Append items to a list, or put them by a stand-in."""
    check_is((list, StandIn), target)
    (target.kept_items if isinstance(target, StandIn) else target).extend(items)


# What a pickle may name, and what stands for it here


def ordered_dict(pairs=()):
    """Return a dict for an OrderedDict; pairs are there if Python 2 wrote the file."""
    found = LazyDict()
    if pairs:
        check_is(list, pairs)
        set_items(found, pairs)
        pairs.clear()  # used once, so that a small file can't ask for a thousand copies
    return found


def counter(counts):
    """Return a Counter, as learning rate schedulers store."""
    check_is(dict, counts)
    for number in dict.values(counts):
        check_is(int, number)
    found = Counter(counts)
    counts.clear()
    return found


def a_dict(_default_factory=None):
    """Return a dict, as protocol 2 begins a defaultdict."""
    return LazyDict()


def a_set(items=()):
    """Return a set, of a list that is used once."""
    check_is(list | tuple, items)
    found = set(map(as_key, items))
    if found:
        check_is(list, items)
        items.clear()
    return found


def a_bytes(text="", encoding="latin1"):
    """Return the bytes that protocol 2 keeps as text."""
    if isinstance(text, bytes):
        return text
    check_is(str, text)
    if encoding not in ("latin1", "latin-1"):
        raise CheckpointError(
            "its pickle keeps bytes as text in an encoding that pickle never takes"
        )
    return text.encode("latin-1")


def device(kind, index=None):
    """Return the name of a torch.device."""
    return f"{kind:.20}" if index is None else f"{kind:.20}:{index:d}"


def instance(kind, *args):
    """Return a stand-in of an object that is made of its class, without its __init__."""
    check_is(StandIn, kind)
    return StandIn(kind.name, () if args == (None,) else args)


def numpy_array(raw, dtype, shape, order="C", axes=None):
    """Return an array of NumPy's; None, if it is no array of numbers or text."""
    if not isinstance(raw, bytes | bytearray | str) or not isinstance(dtype, np.dtype):
        return None
    raw = raw.encode() if isinstance(raw, str) else raw  # from Python 2
    fits = type(shape) is tuple and len(shape) <= 32
    fits = fits and all(type(n) is int and 0 <= n < 2**63 for n in shape)
    if not fits or not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(raw):
        raise CheckpointError(f"an array of {dtype} does not fit its {len(raw)} bytes")
    found = np.ndarray(shape, dtype, raw, order="F" if order == "F" else "C").copy("K")
    return found if axes is None else found.transpose(axes)


def numpy_buffer(raw, dtype, shape, order="C", axes=None):
    """Return an array as protocol 5 keeps it."""
    found = numpy_array(raw, dtype, shape, order, axes)
    return StandIn("numpy.ndarray", (raw, dtype, shape, order)) if found is None else found


def numpy_scalar(dtype, raw=None):
    """Return a number or text of NumPy's as one of Python's."""
    found = numpy_array(raw, dtype, ())
    return StandIn("numpy.generic", (dtype, raw)) if found is None else found.item()


def from_bfloat16(bits):
    """Return the float32 whose upper halves the bits are."""
    wide = bits.astype(np.uint32)
    wide <<= np.uint32(16)  # in place: a scalar stays an array
    return wide.view(np.float32)


def from_float8(name, bits):
    """Return the float32 of the bits of a float8."""
    table = float8(name)
    flags = [["readonly"], ["writeonly", "allocate"]]
    options = ["external_loop", "buffered", "zerosize_ok"]  # some thousand numbers at a time
    with np.nditer([bits, None], options, flags, [bits.dtype, np.float32]) as parts:
        for some, numbers in parts:
            numbers[...] = table[some]
        return parts.operands[1]


def float8(name):
    """Return the float32 of each of the 256 numbers of a float8 of torch."""
    bits = np.arange(256)
    if name == "float8_e8m0fnu":
        values, nan = np.ldexp(1.0, bits - 127), [255]
    else:
        exponent_bits, bias, nan = FLOAT8_BITS[name]
        mantissa_bits = 7 - exponent_bits
        exponent = bits % 128 >> mantissa_bits
        mantissa = bits % 2**mantissa_bits + 2**mantissa_bits * (exponent > 0)
        values = np.ldexp(mantissa.astype(float), np.maximum(exponent, 1) - bias - mantissa_bits)
        values = np.where(bits < 128, values, -values)
        if name == "float8_e5m2":
            values[[0x7C, 0xFC]] = np.inf, -np.inf
    values[nan] = np.nan
    return values.astype(np.float32)


# Bits of the exponent, its bias, and which numbers are NaN
FLOAT8_BITS = {
    "float8_e4m3fn": (4, 7, [0x7F, 0xFF]),
    "float8_e4m3fnuz": (4, 8, [0x80]),
    "float8_e5m2": (5, 15, [0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF]),
    "float8_e5m2fnuz": (5, 16, [0x80]),
}
CONVERT = {"bfloat16": from_bfloat16} | {
    name: partial(from_float8, name) for name in [*FLOAT8_BITS, "float8_e8m0fnu"]
}


def as_stored(bits, dtype):
    """Return a tensor of these bits, to be converted when it is read."""
    return Stored(bits.shape, dtype, bits, partial(converted, CONVERT[dtype]))


def as_aligned(numbers):
    """Return numbers, if they lie as the processor wants them; else to be copied when read."""
    if numbers.flags.aligned and numbers.dtype.isnative:
        return numbers
    copied = partial(np.ndarray.astype, dtype=numbers.dtype.newbyteorder("="))
    return Stored(numbers.shape, numbers.dtype.name, numbers, partial(converted, copied))


def converted(convert, bits):
    """Return convert(bits). An expanded tensor has more numbers than there are bits: once each."""
    if bits.size <= span(bits):
        return convert(bits)
    numbers = convert(np.lib.stride_tricks.as_strided(bits, [span(bits)], [bits.itemsize]))
    steps = [numbers.itemsize * step // bits.itemsize for step in bits.strides]
    return np.ndarray(bits.shape, numbers.dtype, numbers, 0, steps)


def span(bits):
    """Return how many numbers lie from the first of bits to the last."""
    last = sum((n - 1) * step for n, step in zip(bits.shape, bits.strides, strict=True))
    return 1 + last // bits.itemsize if bits.size else 0


# What NumPy has not, as its bits: one number is a field, which has the name
READ_LATER = {
    f"torch.{name}": np.dtype([(name, np.uint16 if name == "bfloat16" else np.uint8)])
    for name in CONVERT
}
ORDERS = {b"little": "<", b"big": ">"}
TENSORS = {
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": rebuild_tensor_v3,
}
STORAGES = {
    "Half": "float16",
    "Float": "float32",
    "Double": "float64",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Byte": "uint8",
    "Bool": "bool",
    "QInt8": "int8",
    "QUInt8": "uint8",
    "QInt32": "int32",
}
PLAIN = [*STORAGES.values(), "uint16", "uint32", "uint64"]
PYTHON = {
    "set": a_set,
    "frozenset": lambda items=(): frozenset(a_set(items)),
    "bytes": a_bytes,
    "bytearray": lambda *args: bytearray(a_bytes(*args)),
    "complex": lambda real, imag: complex(real, imag),
    "dict": a_dict,
}
BUILDERS = (
    TENSORS
    | {f"torch.{name}Storage": np.dtype(dtype) for name, dtype in STORAGES.items()}
    | {f"torch.{dtype}": np.dtype(dtype) for dtype in PLAIN}
    | {
        f"{module}.{name}": PYTHON[name]
        for name in PYTHON
        for module in ("builtins", "__builtin__")
    }
    | READ_LATER
    | {
        "torch.BFloat16Storage": READ_LATER["torch.bfloat16"],
        "torch.storage.UntypedStorage": np.dtype(np.uint8),
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
        "torch.nn.parameter.Parameter": lambda tensor, *_: tensor,
        "torch._tensor._rebuild_from_type_v2": lambda function, _, args, *_state: call(
            function, args
        ),
        "torch.Size": lambda size: size,
        "torch.device": device,
        "collections.OrderedDict": ordered_dict,
        "collections.Counter": counter,
        "collections.defaultdict": a_dict,
        "_codecs.encode": a_bytes,
        "copyreg._reconstructor": lambda kind, _base, *args: instance(kind, *args),
        "copy_reg._reconstructor": lambda kind, _base, *args: instance(kind, *args),
        "numpy.core.multiarray._reconstruct": instance,
        "numpy._core.multiarray._reconstruct": instance,
        "numpy.core.multiarray.scalar": numpy_scalar,
        "numpy._core.multiarray.scalar": numpy_scalar,
        "numpy.core.numeric._frombuffer": numpy_buffer,
        "numpy._core.numeric._frombuffer": numpy_buffer,
    }
)
