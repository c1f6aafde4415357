"""GGUF, the file of llama.cpp: names, metadata, and weights in blocks that become float32."""

import math
import re
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from .gguf_blocks import CONVERT
from .lazy import LazyDict, Stored, as_aligned
from .torch_file import CheckpointError, StandIn, mapped, opened, window

# What ggml calls a type: (its name, the numbers of a block, its bytes)
TYPES = {
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
PLAIN = {0: "<f4", 1: "<f2", 24: "i1", 25: "<i2", 26: "<i4", 27: "<i8", 28: "<f8"}
STRING, ARRAY = 8, 9
VALUES = ["u1", "i1", "<u2", "<i2", "<u4", "<i4", "<f4", "?", STRING, ARRAY, "<u8", "<i8", "<f8"]
SOME = 2**12  # blocks that are converted at a time


class Blocks(StandIn):
    """A tensor of blocks that are not converted here: ``args`` is its shape and its bytes."""

    __slots__ = ()

    def __repr__(self):
        return f"{self.name} blocks of shape {self.args[0]}, not converted"


def load_gguf(path: str | PathLike[str], *, hugging_face: bool = False) -> dict[str, Any]:
    """Return ``{name: array}``; blocks become float32 when an entry is read.

    Parameters
    ----------
    path : str or path
    hugging_face : bool, optional
        Give the names that Hugging Face's checkpoints have, and the rows of q and k in their
        order. For the architectures of HEADS.

    Returns
    -------
    dict of str to array
        Shapes as PyTorch has them, (out_features, in_features). A tensor of a rarer block type
        is a StandIn.

    Raises
    ------
    ValueError
        The file is broken, or has an architecture whose names are not known.
    """
    return opened(path, partial(read_gguf, hugging_face))


def gguf_metadata(path: str | PathLike[str]) -> dict[str, Any]:
    """Return what the file says of the model: its architecture, sizes, vocabulary.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict of str to value
        Numbers, bools and strings; lists of strings; of numbers, arrays.

    Raises
    ------
    ValueError
        The file is broken.
    """
    return opened(path, lambda file: dict(read_header(mapped(file))[0]))


def read_gguf(hugging_face, file):
    """Return the tensors of a file."""
    data = mapped(file)
    metadata, tensors, end = read_header(data)
    alignment = metadata.get("general.alignment", 32)
    if alignment < 1:
        raise CheckpointError(f"an alignment of {alignment} bytes")
    begin = -(-end // alignment) * alignment
    found = LazyDict()
    for name, (shape, kind, offset) in tensors.items():
        found[name] = tensor(data, begin + offset, name, shape, kind)
    return with_names(found, metadata) if hugging_face else found


def tensor(data, start, name, shape, kind):
    """Return a tensor: a window on the file where NumPy has its type."""
    if kind in PLAIN:
        dtype = np.dtype(PLAIN[kind])
        raw = window(data, start, math.prod(shape) * dtype.itemsize)
        return as_aligned(raw.view(dtype).reshape(shape))
    if kind not in TYPES:
        raise CheckpointError(f"{name!r} has the type {kind}, which ggml had not")
    label, per, size = TYPES[kind]
    if not shape or shape[-1] % per:
        raise CheckpointError(f"{name!r} of shape {shape} has no whole blocks of {per} {label}")
    raw = window(data, start, math.prod(shape) // per * size)
    if label not in CONVERT:
        return Blocks(label, (shape, raw))
    return Stored(shape, label, raw.reshape(-1, size), partial(dequantize, label, shape))


def dequantize(label, shape, blocks):
    """Return the float32 of blocks, ``(blocks, bytes)``, some at a time."""
    result = np.empty((len(blocks), math.prod(shape) // max(len(blocks), 1)), np.float32)
    with np.errstate(all="ignore"):  # a scale may be infinite
        for begin in range(0, len(blocks), SOME):
            result[begin : begin + SOME] = CONVERT[label](blocks[begin : begin + SOME])
    return result.reshape(shape)


# The names of Hugging Face's checkpoints

# Whether llama.cpp changes the order of the rows of q and k, as it does where its rotary embedding
# turns neighbours: 0 with 1, 2 with 3. Hugging Face's turns each with one half a head away.
HEADS = {"llama": True, "qwen2": False, "qwen3": False}
NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def with_names(tensors, metadata):
    """Return the tensors under Hugging Face's names, q and k in their order."""
    architecture = metadata.get("general.architecture")
    if architecture not in HEADS:
        raise CheckpointError(f"only the names of {[*HEADS]} are known, not of {architecture!r}")
    count = f"{architecture}.attention.head_count"
    heads = {"attn_q": metadata.get(count)}
    heads["attn_k"] = metadata.get(f"{count}_kv", heads["attn_q"])
    found = LazyDict()
    for name in tensors:
        layer, kind, end = re.fullmatch(r"(?:blk\.(\d+)\.)?(.*?)(\.\w+)?", name).groups()
        part = tensors.stored(name)
        if HEADS[architecture] and kind in heads:
            part = in_halves(name, part, heads[kind])
        if kind == "output":
            name = f"lm_head{end}"
        elif kind in NAMES:
            name = f"model.{f'layers.{layer}.' if layer else ''}{NAMES[kind]}{end}"
        found[name] = part
    return found


def in_halves(name, part, heads):
    """Return q or k with the rows of each head in Hugging Face's order, once it is read."""
    rows = (part.args[0] if isinstance(part, Blocks) else part.shape)[0]
    if not isinstance(heads, int) or heads < 1 or rows % (2 * heads):
        raise CheckpointError(f"{name!r} has {rows} rows, which are not those of {heads} heads")
    if isinstance(part, Blocks):
        shape, raw = part.args
        return Blocks(part.name, (shape, halves_first(heads, raw.reshape(rows, -1)).reshape(-1)))
    if isinstance(part, Stored):
        make = part.make
        return Stored(part.shape, part.dtype, part.raw, lambda raw: halves_first(heads, make(raw)))
    return Stored(part.shape, str(part.dtype), part, partial(halves_first, heads))


def halves_first(heads, array):
    """Return the rows 0, 2, 4, ... of each head, then 1, 3, 5, ..."""
    pairs = array.reshape(heads, -1, 2, *array.shape[1:])
    return pairs.swapaxes(1, 2).reshape(array.shape)


# The header


def read_header(data):
    """Return the metadata, ``{name: (shape, type, offset)}``, and where they end."""
    magic, version, tensors, pairs = np.frombuffer(data, HEAD, 1)[0].tolist()
    if magic != b"GGUF":
        raise CheckpointError(f"not a GGUF file: it begins with {magic!r}")
    if version not in (2, 3):
        other = "big-endian" if version % 2**16 == 0 else f"of version {version}"
        raise CheckpointError(f"a GGUF file {other}: convert it with the package gguf")

    metadata, infos, at = {}, {}, HEAD.itemsize
    for _ in range(pairs):
        key, at = string(data, at)
        kind, at = number(data, at, "<u4")
        metadata[key], at = value(data, at, kind)
    for _ in range(tensors):
        name, at = string(data, at)
        axes, at = number(data, at, "<u4")
        shape = window(data, at, 8 * axes).view("<u8")[::-1]  # told from the last axis on
        at += 8 * axes
        kind, at = number(data, at, "<u4")
        offset, at = number(data, at, "<u8")
        if axes > 32 or name in infos:
            raise CheckpointError(f"{name!r} is there twice, or has {axes} axes")
        infos[name] = tuple(shape.tolist()), kind, offset
    return metadata, infos, at


HEAD = np.dtype([("magic", "S4"), ("version", "<u4"), ("tensors", "<u8"), ("pairs", "<u8")])


def number(data, at, code):
    """Return a number, and where it ends."""
    size = np.dtype(code).itemsize
    return window(data, at, size).view(code)[0].item(), at + size


def string(data, at):
    """Return a text, and where it ends."""
    end = at + 8 + int.from_bytes(data[at : at + 8], "little")
    if end > len(data):
        raise CheckpointError(f"cut off: it needs {end} bytes and has {len(data)}")
    return data[at + 8 : end].decode("utf-8", "backslashreplace"), end


def value(data, at, kind):
    """Return a value of the metadata, and where it ends."""
    if kind == STRING:
        return string(data, at)
    if kind != ARRAY:
        return number(data, at, VALUES[kind])
    kind, at = number(data, at, "<u4")
    count, at = number(data, at, "<u8")
    if kind not in (STRING, ARRAY):
        size = count * np.dtype(VALUES[kind]).itemsize
        return window(data, at, size).view(VALUES[kind]), at + size
    found = []
    for _ in range(count):
        one, at = value(data, at, kind)
        found.append(one)
    return found, at
