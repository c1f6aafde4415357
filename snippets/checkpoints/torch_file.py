"""A .pt or .pth file is numbers and a pickle that says how to look at them: read it without torch.

No pickle is run. Its instructions are interpreted here, only those that torch.save writes for
weights, and the functions that it may ask for are the ones of this file.
"""

import io
import mmap
import pickletools
import types
import zipfile
import zlib
from collections import Counter, OrderedDict
from os import PathLike
from typing import Any

import numpy as np

LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled number that files before 1.6 begin with
BFLOAT16 = np.dtype([("bfloat16", np.uint16)])  # NumPy has none; its numbers come as float32
MAX_PICKLE = 2**26  # bytes that a pickle may have; ten thousand tensors need 2**20
MAX_INFLATION = 100  # the bytes that one byte of a compressed file may become


def load_torch(path: str | PathLike[str]) -> Any:
    """Return what ``torch.load(path, map_location="cpu", weights_only=True)`` does, in NumPy.

    Dicts, lists and tuples stay as they are nested. Tensors and Parameters become arrays, which
    share memory as they did, and bfloat16 becomes float32, exactly. A torch.device becomes a
    string, a torch.dtype NumPy's dtype, a torch.Size a tuple.

    Where the file allows, the arrays are windows on it that load when they are read and never
    write to it: a large file opens at once. Don't change the file while they are in use.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict or other
        What ``torch.save`` wrote, as it is nested.

    Raises
    ------
    ValueError
        The file is broken, or holds what is not a weight; the message says what.
    """
    with open(path, "rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            if data[:4] == b"PK\x03\x04":
                return read_zip(file, data)
            if LEGACY in data[:32]:
                return read_legacy(file, data)
            raise ValueError(what_file_this_is(data))
        except Exception as error:  # whatever a broken file leads to
            kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
            raise ValueError(f"{path}: {kind}{str(error)[:500]}") from error


# The two containers


def read_zip(file, data):
    """Return the object in a zip, as torch.save writes since PyTorch 1.6."""
    members = zip_members(file, data)
    folders = {name.split("/")[0] for name in members if name.count("/") == 1}
    folders = [folder for folder in folders if f"{folder}/data.pkl" in members]
    if len(folders) != 1 or f"{folders[0]}/constants.pkl" in members:
        raise ValueError(what_zip_this_is(members))

    def member(name):
        return zip_member(data, *members[f"{folders[0]}/{name}"])

    def storage(saved_id):
        dtype, key, count = storage_id(saved_id)
        if key not in storages:
            storages[key] = as_storage(member(f"data/{key}"), dtype, order)
        return check_storage(storages[key], dtype, key, count)

    storages, order = {}, "<"
    if f"{folders[0]}/byteorder" in members:
        order = {b"little": "<", b"big": ">"}[member("byteorder").tobytes()]
    return unpickle(io.BytesIO(member("data.pkl")[:MAX_PICKLE]), BUILDERS, storage)


def zip_members(file, data):
    """Return {name: (where its bytes begin, its entry)} of a zip whose members lie apart."""
    found, end = {}, 0
    with zipfile.ZipFile(file) as archive:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
            header = data[entry.header_offset : entry.header_offset + 30]
            lengths = header[26:28], header[28:30]  # of the name, of the padding
            start = entry.header_offset + 30 + sum(int.from_bytes(n, "little") for n in lengths)
            if header[:4] != b"PK\x03\x04" or entry.header_offset < end:
                raise ValueError(f"{entry.filename!r} does not lie where the zip says")
            end = start + entry.compress_size
            if end > archive.start_dir:
                raise ValueError(f"{entry.filename!r} ends beyond the zip's last member")
            if entry.filename in found:
                raise ValueError(f"{entry.filename!r} is there twice")
            found[entry.filename] = start, entry
    inflated = sum(entry.file_size for _, entry in found.values() if entry.compress_type)
    if inflated > MAX_INFLATION * len(data):
        raise ValueError(f"{inflated} bytes are packed into {len(data)}: a zip bomb")
    return found


def zip_member(data, start, entry):
    """Return the bytes of one member, a window on the file if it is stored as it is."""
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename!r} is encrypted, or neither stored nor deflated")
    found = window(data, start, entry.compress_size)
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS).decompress
        found = np.frombuffer(bytearray(inflate(found, entry.file_size + 1)), np.uint8)
    if found.size != entry.file_size:
        raise ValueError(f"{entry.filename!r} has not the {entry.file_size} bytes the zip tells of")
    return found


def what_file_this_is(data):
    """Say what a file is that is neither container."""
    if data[257:262] == b"ustar":
        return "a tar, as torch.save wrote before PyTorch 0.1.10: save it again with torch"
    if data[5:9] == b"\0\0\0{":
        return "a .safetensors file: read it with load_safetensors"
    return f"torch.save did not write this: it begins with {data[:16]!r}"


def what_zip_this_is(names):
    """Say what a zip is that is no checkpoint."""
    if all(name.endswith(".npy") for name in names):
        return "an .npz file, of np.savez: read it with np.load"
    if any(name.endswith("/constants.pkl") for name in names):
        return "a TorchScript archive, a program: save the state_dict() of the module instead"
    if any("archive_format" in name or "exported_program" in name for name in names):
        return "a .pt2 archive of torch.export, a program: save a state_dict() instead"
    return f"a zip without one data.pkl, so not of torch.save; it has {sorted(names)[:5]}"


def read_legacy(file, data):
    """Return the object in a stream of pickles and numbers, PyTorch 0.1.10 to 1.5."""
    stream = mmap.mmap(file.fileno(), min(len(data), MAX_PICKLE), access=mmap.ACCESS_READ)
    _magic, version, _system = (unpickle(stream, {}, storage_id) for _ in range(3))
    if version != 1001:
        raise ValueError("a legacy file, but not of version 1001")
    begin, told, storages = stream.tell(), {}, {}

    def note(saved_id):
        dtype, key, count = storage_id(saved_id)
        told[key] = dtype, count
        return np.empty(0)

    def storage(saved_id):
        dtype, key, count = storage_id(saved_id)
        return check_storage(storages[key], dtype, key, count)

    # The numbers stand behind the pickle: a first look at it tells what they are.
    unpickle(stream, BUILDERS | dict.fromkeys(TENSORS, lambda storage, *_: storage), note)
    keys = unpickle(stream, {}, storage_id)
    position = stream.tell()
    for key in keys:
        check_is(str, key)
        dtype, count = told[key]
        if window(data, position, 8).tobytes() != count.to_bytes(8, "little"):
            raise ValueError(f"storage {key!r} has not the {count} numbers it should")
        raw = window(data, position + 8, count * dtype.itemsize)
        storages[key] = as_storage(raw, dtype, "<")
        position += 8 + raw.size
    stream.seek(begin)
    return unpickle(stream, BUILDERS, storage)


def window(data, start, size):
    """Return size bytes of the file."""
    if start + size > len(data):
        raise ValueError(f"cut off: it needs {start + size} bytes and has {len(data)}")
    return np.frombuffer(data, np.uint8, size, start) if size else np.empty(0, np.uint8)


# Storages and the tensors that look at them


class Storage(np.ndarray):
    """The numbers of one storage, flat: what a pickle can only get from the file, not forge."""


def storage_id(saved_id):
    """Return the dtype, the key and the count that a pickle tells of a storage."""
    match saved_id:
        case ("storage", np.dtype() as dtype, str(key), _, int(count), *view) if count >= 0:
            if view in ([], [None]):
                return dtype, key, count
    raise ValueError("it refers to something outside that is no plain storage")


def as_storage(raw, dtype, order):
    """Return the bytes of a storage as numbers of this machine's byte order."""
    found = as_numbers(raw, dtype, order).view(Storage)
    found.told, found.raw, found.order, found.made = dtype, raw, order, {}
    return found


def as_numbers(raw, dtype, order):
    """Return bytes as numbers, without a copy where they lie as NumPy wants them."""
    if raw.size % dtype.itemsize:
        raise ValueError(f"{raw.size} bytes are no whole number of {dtype}")
    if dtype == BFLOAT16:  # the upper half of a float32
        return (raw.view(f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    found = raw.view(dtype.newbyteorder(order))
    if not found.flags.aligned:
        found = raw.copy().view(found.dtype)
    return found.astype(dtype, copy=False)


def check_storage(storage, dtype, key, count):
    """Return the storage, if it is what the pickle says."""
    if (storage.told, storage.size) != (dtype, count):
        given = f"{storage.size} of {storage.told}"
        raise ValueError(f"storage {key!r} has {given}, the pickle says {count} of {dtype}")
    return storage


def rebuild_tensor(storage, offset, shape, stride, _grad=None, _hooks=None, flags=None):
    """Return a tensor: a window on its storage, begun at offset, stepping by stride."""
    check_is(Storage, storage)
    conj, neg = check_flags(flags or {})
    if (conj, neg) not in storage.made:
        numbers = np.conj(storage) if conj else storage
        storage.made[conj, neg] = -numbers if neg else numbers
    return view(storage.made[conj, neg], offset, shape, stride)


def check_flags(flags):
    """Return whether a tensor is marked as conjugated, as negated: PyTorch computes both late."""
    check_is(dict, flags)
    if not flags.keys() <= {"conj", "neg"}:
        raise ValueError(f"it marks a tensor as {sorted(flags)[0]:.50}, which is not conj or neg")
    return "conj" in flags, "neg" in flags


def rebuild_tensor_v3(storage, offset, shape, stride, _grad, _hooks, dtype):
    """Return a tensor of a dtype that torch has no storage class for."""
    check_is(Storage, storage)
    if dtype not in storage.made:
        storage.made[dtype] = as_numbers(storage.raw, dtype, storage.order)
    return view(storage.made[dtype], offset, shape, stride)


def view(storage, offset, shape, stride):
    """Return the window on a storage, if it lies inside."""
    if not type(shape) is type(stride) is tuple or not len(shape) == len(stride) <= 64:
        raise ValueError("a tensor's shape and stride are not two tuples of one length")
    if any(type(n) is not int or n < 0 for n in (offset, *shape, *stride)):
        raise ValueError("a tensor's offset, shape and stride are not all counts")
    if 0 in shape:
        return np.empty(shape, storage.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if last >= storage.size:
        raise ValueError(f"a tensor reads number {last} of a storage of {storage.size}")
    size = storage.itemsize
    return np.ndarray(shape, storage.dtype, storage, offset * size, [size * n for n in stride])


# The pickle


def unpickle(stream, allowed, storage):
    """Return the object of one pickle, interpreting only what torch.save writes for weights.

    allowed maps the names of functions and types to what stands for them here; storage returns
    what a reference to a storage refers to.
    """
    stack, marks, memo = [], [], {}

    def since_mark():
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for opcode, arg, position in pickletools.genops(stream):
        match opcode.name:
            case "BINPUT" | "LONG_BINPUT":
                memo[arg] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[arg])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(arg)
            case "SHORT_BINSTRING":  # from Python 2
                stack.append(arg.encode("latin-1").decode("utf-8"))
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                check_is(list, stack[-1])
                stack[-1].append(item)
            case "APPENDS":
                items = since_mark()
                check_is(list, stack[-1])
                stack[-1].extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                set_items(stack[-1], [(key, value)])
            case "SETITEMS":
                items = since_mark()
                set_items(stack[-1], zip(items[::2], items[1::2], strict=True))
            case "GLOBAL":
                name = arg.replace(" ", ".")
                if name not in allowed:
                    raise ValueError(f"it needs {name:.200}, {why_not(name)}")
                stack.append(allowed[name])
            case "BINPERSID":
                stack.append(storage(stack.pop()))
            case "REDUCE":
                args = stack.pop()
                stack.append(call(stack.pop(), args))
            case "BUILD":  # a state_dict's _metadata, a Parameter's requires_grad: not weights
                stack.pop()
                check_is((OrderedDict, np.ndarray), stack[-1])
            case "PROTO" | "STOP" if arg in (2, None):
                pass
            case name:
                given = f"{name} {arg}" if name == "PROTO" else name
                raise ValueError(f"torch.save never writes {given} (byte {position} of its pickle)")
    return stack.pop()


def why_not(name):
    """Say what a name is that a pickle may not use."""
    if name.startswith("torch.") and name[6:].replace("_", "").isalnum() and name.islower():
        return "a dtype that NumPy lacks"
    return KNOWN.get(name, "which is no weight: save model.state_dict() instead")


def check_is(kinds, value):
    """Refuse a value of another type."""
    if not isinstance(value, kinds):
        raise ValueError(f"its pickle puts a {type(value).__name__} where that makes no sense")


def call(function, args):
    """Return function(*args); the only functions within a pickle's reach are BUILDERS."""
    check_is(types.FunctionType, function)
    check_is(tuple, args)
    return function(*args)


def set_items(target, pairs):
    """Put pairs into a dict. Crafted long or nested keys could take ages to hash."""
    check_is(dict, target)
    for key, value in pairs:
        if type(key) not in (str, int, float, bool, type(None)):
            raise ValueError(f"a dict has a key of type {type(key).__name__}")
        if type(key) is int and not -(2**63) <= key < 2**63:
            raise ValueError("a dict has an integer of more than 64 bits for a key")
        target[key] = value


def ordered_dict(pairs=()):
    """Return an OrderedDict; pairs are there if Python 2 wrote the file."""
    found = OrderedDict()
    if pairs:
        check_is(list, pairs)
        set_items(found, pairs)
        pairs.clear()  # used once, so that a small file can't ask for a thousand copies
    return found


def counter(counts):
    """Return a Counter, as learning rate schedulers store."""
    check_is(dict, counts)
    found = Counter(counts)
    counts.clear()
    return found


def device(kind, index=None):
    """Return the name of a torch.device."""
    return f"{kind:.20}" if index is None else f"{kind:.20}:{index:d}"


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
}
DTYPES = [*STORAGES.values(), "uint16", "uint32", "uint64"]
# All that a pickle may name, and what stands for it here.
BUILDERS = (
    TENSORS
    | {f"torch.{name}Storage": np.dtype(dtype) for name, dtype in STORAGES.items()}
    | {f"torch.{dtype}": np.dtype(dtype) for dtype in DTYPES}
    | {
        "torch.BFloat16Storage": BFLOAT16,
        "torch.bfloat16": BFLOAT16,
        "torch.storage.UntypedStorage": np.dtype(np.uint8),
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
        "torch.nn.parameter.Parameter": lambda tensor, *_: tensor,
        "torch._tensor._rebuild_from_type_v2": lambda function, _, args, *_state: call(
            function, args
        ),
        "torch.Tensor": np.ndarray,
        "torch.Size": lambda size: size,
        "torch.device": device,
        "collections.OrderedDict": ordered_dict,
        "collections.Counter": counter,
    }
)
KNOWN = {
    "torch._utils._rebuild_qtensor": "a quantised tensor: save its dequantize() instead",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor: save its to_dense() instead",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor on meta, which has no numbers",
}
