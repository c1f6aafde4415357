"""Quantised weights as ``(out_features, in_features)`` in float32, one function a library."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

# Where AWQ keeps eight neighbours in a word, from its lowest bits: 0, 2, 4, 6, 1, 3, 5, 7
AWQ_ORDER = [0, 4, 1, 5, 2, 6, 3, 7]
# The floats of 4 bits, by their bits: one of sign, two of exponent, one of mantissa
FP4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
# The powers of 2 that a byte stands for
E8M0 = np.array([*(2.0 ** (n - 127) for n in range(255)), np.nan], np.float32)


def from_gptq(weights: Mapping[str, Any], *, checkpoint_format: str = "gptq") -> np.ndarray:
    """Return the weight of a layer of GPTQ: ``scales * (qweight - qzeros)``, group by group.

    Both are packed into words of 32 bits, the lowest bits first: ``qweight`` along
    ``in_features``, its first axis, ``qzeros`` along ``out_features``, its last. The shapes tell
    how many bits a number has. Inputs that share a row of ``scales`` are a group.

    Parameters
    ----------
    weights : mapping of str to array
        ``qweight`` (in_features * bits // 32, out_features), ``qzeros`` (groups, out_features *
        bits // 32), ``scales`` (groups, out_features), and ``g_idx`` (in_features,), the group of
        each input. Without it, neighbours are a group.
    checkpoint_format : {"gptq", "gptq_v2"}
        As in ``quantization_config`` of config.json. ``"gptq"`` stores each zero point minus 1.

    Returns
    -------
    ndarray
        (out_features, in_features), float32.

    Raises
    ------
    ValueError
        A tensor is missing, or the shapes are not those of GPTQ.

    See Also
    --------
    torch.nn.Linear : holds such a weight.
    """
    qweight, qzeros, scales = arrays_of(weights, "GPTQ", "qweight", "qzeros", "scales")
    bits = check_gptq(qweight, qzeros, scales, checkpoint_format)
    in_features, out_features = 32 * len(qweight) // bits, scales.shape[1]
    group = groups_of(weights.get("g_idx"), in_features, len(scales))  # (in_features,)
    numbers = from_words(qweight.T, bits, in_features)  # (out_features, in_features)
    if checkpoint_format == "gptq" and 32 % bits == 0:
        # Each is stored less 1: of a 0, the next in the word lent it.
        qzeros = qzeros.astype(np.uint32) + np.uint32((2**32 - 1) // (2**bits - 1))
    zeros = from_words(qzeros, bits, out_features)  # (groups, out_features)
    if checkpoint_format == "gptq" and 32 % bits:
        zeros = zeros + 1
    return (numbers - zeros.T[:, group]) * scales.T[:, group]


def from_awq(weights: Mapping[str, Any]) -> np.ndarray:
    """Return the weight of a layer of AWQ, 4 bits a number: ``scales * (qweight - qzeros)``.

    Both are packed along ``out_features``, the last axis. A word holds eight neighbours, from its
    lowest bits number 0, 2, 4, 6, 1, 3, 5, 7.

    Parameters
    ----------
    weights : mapping of str to array
        ``qweight`` (in_features, out_features // 8), ``qzeros`` (groups, out_features // 8) and
        ``scales`` (groups, out_features): ``"version": "gemm"`` of config.json.

    Returns
    -------
    ndarray
        (out_features, in_features), float32.

    Raises
    ------
    ValueError
        A tensor is missing, or the shapes are not those of AWQ's version gemm.

    See Also
    --------
    torch.nn.Linear : holds such a weight.
    """
    qweight, qzeros, scales = arrays_of(weights, "AWQ", "qweight", "qzeros", "scales")
    check_awq(qweight, qzeros, scales)
    group = groups_of(None, len(qweight), len(scales))  # (in_features,)

    def in_order(words):
        eights = from_words(words, 4, scales.shape[1]).reshape(len(words), -1, 8)
        return eights[..., AWQ_ORDER].reshape(len(words), -1)  # (..., out_features)

    weight = (in_order(qweight) - in_order(qzeros)[group]) * scales[group]
    return np.ascontiguousarray(weight.T)


def from_compressed_tensors(weights: Mapping[str, Any]) -> np.ndarray:
    """Return the weight of a layer that compressed-tensors packed: ``scale * (packed - zero)``.

    ``weight_packed`` is packed along ``in_features``, its last axis, the lowest bits first;
    ``weight_zero_point`` along ``out_features``, its first. A number that is stored as 0 is the
    lowest, ``-2**(bits - 1)``.

    Parameters
    ----------
    weights : mapping of str to array
        ``weight_packed`` (out_features, in_features * bits / 32), ``weight_shape`` (2,), which is
        (out_features, in_features), and ``weight_scale`` (out_features, groups), or (1,). With a
        zero point also ``weight_zero_point`` (out_features * bits / 32, groups), or unpacked.
        ``weight_g_idx`` (in_features,) is the group of each input, where neighbours are none.

    Returns
    -------
    ndarray
        (out_features, in_features), float32.

    Raises
    ------
    ValueError
        A tensor is missing, or the shapes do not fit ``weight_shape``.

    See Also
    --------
    torch.nn.Linear : holds such a weight.
    """
    names = "weight_packed", "weight_scale", "weight_shape"
    packed, scale, shape = arrays_of(weights, "compressed-tensors", *names)
    bits = check_packed(packed, scale, shape)
    out_features, in_features = shape
    scale = scale.reshape(len(scale), -1)  # (out_features, groups)
    group = groups_of(weights.get("weight_g_idx"), in_features, scale.shape[1])  # (in_features,)
    numbers = from_words(packed, bits, in_features)  # (out_features, in_features)
    zeros = np.full_like(scale, 2 ** (bits - 1), np.int16)  # (out_features, groups)
    if "weight_zero_point" in weights:
        zero_point = np.asarray(weights["weight_zero_point"])
        check_zero_point(zero_point, zeros.shape, bits)
        if zero_point.dtype == np.int32:
            zeros = from_words(zero_point.T, bits, out_features).T
        else:
            zeros += zero_point.reshape(zeros.shape)
    return (numbers - zeros[:, group]) * scale[:, group]


def from_bitsandbytes_int8(weights: Mapping[str, Any]) -> np.ndarray:
    """Return the weight of a ``Linear8bitLt``: ``weight * SCB / 127``, row by row.

    Parameters
    ----------
    weights : mapping of str to array
        ``weight`` (out_features, in_features), int8, and ``SCB`` (out_features,), the largest
        magnitude of each row.

    Returns
    -------
    ndarray
        (out_features, in_features), float32.

    Raises
    ------
    ValueError
        A tensor is missing, or the weight is in the order of a GPU.

    See Also
    --------
    torch.nn.Linear : holds such a weight.
    """
    weight, largest = arrays_of(weights, "bitsandbytes", "weight", "SCB")
    check_int8(weight, largest, weights.get("weight_format", 0))
    return weight * largest[:, None] * np.float32(1 / 127)


def from_bitsandbytes_4bit(weights: Mapping[str, Any]) -> np.ndarray:
    """Return the weight of a ``Linear4bit``, NF4 or FP4: a table's numbers, scaled by blocks.

    Each byte holds two neighbours of the weight, row by row: the first is in its upper four bits.
    They are places in ``quant_map``. A block of neighbours, 64 by default, shares a scale,
    ``absmax``. The scales may be quantised the same way, with a byte each.

    Parameters
    ----------
    weights : mapping of str to array
        ``weight`` (out_features * in_features / 2, 1), uint8, ``weight.absmax`` (blocks,),
        ``weight.quant_map`` (16,), and ``weight.quant_state.bitsandbytes__nf4`` or ``__fp4``, a
        JSON of shape and blocksize; ``weight.nested_absmax`` and ``weight.nested_quant_map``
        where the scales are quantised.

    Returns
    -------
    ndarray
        (out_features, in_features), float32.

    Raises
    ------
    ValueError
        A tensor is missing, or has another size than the JSON says.

    See Also
    --------
    torch.nn.Linear : holds such a weight.
    """
    names = "weight", "weight.absmax", "weight.quant_map"
    pairs, absmax, table = arrays_of(weights, "bitsandbytes", *names)
    said = quant_state(weights)
    if "nested_blocksize" in said:
        names = "weight.nested_absmax", "weight.nested_quant_map"
        scales, steps = arrays_of(weights, "bitsandbytes", *names)
        check_blocks(absmax.size, absmax, steps, scales, said["nested_blocksize"])
        scales = in_blocks(steps[absmax], scales, said["nested_blocksize"])
        absmax = scales + np.float32(said["nested_offset"])
    shape, blocksize = said["shape"], said["blocksize"]
    check_blocks(np.prod(shape, dtype=object), pairs, table, absmax, blocksize)
    places = np.stack([pairs.ravel() >> 4, pairs.ravel() & 15], axis=1)
    return in_blocks(table[places.ravel()[: np.prod(shape)]], absmax, blocksize).reshape(shape)


def from_fp8(
    weights: Mapping[str, Any], *, weight_block_size: tuple[int, int] = (128, 128)
) -> np.ndarray:
    """Return the weight of a layer of FP8: ``weight * weight_scale_inv``, block by block.

    As DeepSeek stores it. A block is a square of the weight, 128 by 128, and has one scale. At the
    right and at the bottom the blocks are cut off. Each number is multiplied by its scale, though
    the name ends in ``_inv``.

    Parameters
    ----------
    weights : mapping of str to array
        ``weight`` (out_features, in_features), float8 that ``load`` has made float32, and
        ``weight_scale_inv``, one number for each block, (out_features / rows, in_features /
        columns), rounded up; or one for the whole weight. In uint8 it is the exponent of a power
        of 2, plus 127. Of experts in one tensor, ``gate_up_proj`` and ``gate_up_proj_scale_inv``
        of a file, both begin with (experts, ...); there, one for each half of the rows will do.
    weight_block_size : (rows, columns)
        As in ``quantization_config`` of config.json.

    Returns
    -------
    ndarray
        (out_features, in_features), or (experts, out_features, in_features), float32.

    Raises
    ------
    ValueError
        A tensor is missing, the weight is no matrix of floats, or there are more or fewer scales
        than blocks.

    See Also
    --------
    torch.nn.Linear : holds such a weight.
    """
    weight, scales = arrays_of(weights, "FP8", "weight", "weight_scale_inv")
    rows, columns = check_fp8(weight, scales, weight_block_size)
    out_features, in_features = weight.shape[-2:]
    scales = from_e8m0(scales.reshape(1, 1) if scales.size == 1 else scales)
    scales = np.repeat(scales, rows, axis=-2)[..., :out_features, :]
    scales = np.repeat(scales, columns, axis=-1)[..., :in_features]  # (..., in_features)
    return weight * scales


def from_mxfp4(weights: Mapping[str, Any]) -> np.ndarray:
    """Return the weights of the experts of GPT-OSS: floats of 4 bits, times powers of 2.

    A byte holds two neighbours along ``in_features``: the first is in its lower four bits. 32
    neighbours share a scale, a byte that is the exponent of a power of 2, plus 127.

    Parameters
    ----------
    weights : mapping of str to array
        ``_blocks`` (experts, out_features, in_features / 32, 16), uint8, and ``_scales``
        (experts, out_features, in_features / 32), uint8: ``gate_up_proj_blocks`` and
        ``gate_up_proj_scales`` of a file, without what both begin with. OpenAI's own file has
        ``mlp1_weight.blocks`` and ``mlp1_weight.scales``: ``blocks`` and ``scales`` will do.

    Returns
    -------
    ndarray
        (experts, out_features, in_features), float32. Hugging Face's ``GptOssExperts`` holds the
        last two axes the other way round, x @ weight.

    Raises
    ------
    ValueError
        A tensor is missing, or the shapes are not those of MXFP4.

    See Also
    --------
    torch.nn.Linear : holds such a weight, of one expert.
    """
    weights = {"_" + name.lstrip("._"): values for name, values in weights.items()}
    blocks, scales = arrays_of(weights, "MXFP4", "_blocks", "_scales")
    check_mxfp4(blocks, scales)
    places = np.stack([blocks & 15, blocks >> 4], axis=-1)  # (..., groups, 16, 2)
    numbers = FP4[places].reshape(*scales.shape, 32)  # (..., groups, 32)
    numbers *= from_e8m0(scales)[..., None]
    return numbers.reshape(*scales.shape[:-1], -1)  # (..., in_features)


def from_qtensor(tensor: Any) -> np.ndarray:
    """Return the numbers of a quantised tensor of PyTorch: ``scale * (stored - zero_point)``.

    Parameters
    ----------
    tensor : StandIn
        What ``load`` returns for it: of a layer that ``quantize_dynamic`` made, the first part of
        ``_packed_params._packed_params``; the second part is its bias.

    Returns
    -------
    ndarray
        Of the tensor's own shape, for a Linear (out_features, in_features), float32.

    Raises
    ------
    ValueError
        The stand-in is no quantised tensor, or reaches beyond its storage.

    See Also
    --------
    torch.dequantize : does the same.
    """
    stored, scale, zero_point, axis = parts_of_qtensor(tensor)
    if axis is not None:
        along = [-1 if i == axis else 1 for i in range(stored.ndim)]
        scale, zero_point = scale.reshape(along), zero_point.reshape(along)
    # In int64: NumPy 1 would subtract one number in the dtype of what is stored.
    return (stored.astype(np.int64) - zero_point).astype(np.float32) * np.asarray(scale, np.float32)


def dequantized(
    state: Mapping[str, Any],
    *,
    checkpoint_format: str = "gptq",
    weight_block_size: tuple[int, int] = (128, 128),
) -> dict[str, Any]:
    """Return a state_dict with the ``weight`` that each quantised layer stands for.

    A weight is computed each time that you read it, so that one layer is in memory at a time. It
    is a ValueError then if its tensors do not fit one another. All other entries stay as they are.

    Parameters
    ----------
    state : mapping of str to array
        What ``load`` returns.
    checkpoint_format : {"gptq", "gptq_v2"}
        As in ``quantization_config`` of config.json; of GPTQ alone.
    weight_block_size : (rows, columns)
        As in ``quantization_config`` of config.json; of FP8 alone.

    Returns
    -------
    dict of str to array
        ``weight`` (out_features, in_features) in the place of the tensors of its layer, float32;
        of experts in one tensor, ``gate_up_proj`` or ``mlp1_weight``, (experts, out_features,
        in_features).

    See Also
    --------
    torch.dequantize : does it for one tensor of PyTorch.
    """
    from .checkpoints.lazy import LazyDict, Stored
    from .checkpoints.sharded import taken_over

    get = getattr(state, "stored", state.__getitem__)
    values = {name: taken_over(get(name)) for name in state}
    layers = quantised_layers(values)
    owner = {prefix + own: prefix for prefix, (_, parts) in layers.items() for own in parts}
    settings = {
        "GPTQ": {"checkpoint_format": checkpoint_format},
        "FP8": {"weight_block_size": weight_block_size},
    }
    found = LazyDict()
    for name, value in values.items():
        prefix = owner.get(name)
        if prefix is None:
            found[name] = value
            continue
        kind, own = layers[prefix]
        weight = prefix + kind.weight
        if weight not in found:
            read = partial(kind.read, **settings.get(kind.library, {}))
            found[weight] = Stored(kind.shape(own), "float32", LazyDict(own), read)
            if PACKED in own:
                found[f"{prefix}bias"] = own[PACKED][1]
    return found


class Kind(NamedTuple):
    """What the layers of a library are known by, and what reads them.

    Parameters
    ----------
    library : str
    parts : dict of str to str
        What each tensor is that such a layer has. The first stands for the weight.
    others : dict of str to str
        What each tensor is that some have, too.
    shape : callable
        What the weight's shape is by these tensors; None if they are not of this kind.
    read : callable
        The function that makes the weight of them.
    weight : str
        The name of the weight, behind what their names begin with.
    """

    library: str
    parts: dict[str, str]
    others: dict[str, str]
    shape: Callable
    read: Callable
    weight: str = "weight"


def shape_of_gptq(own):
    """Return (out_features, in_features), by what is packed and what is not."""
    match shapes(own, "qweight", "qzeros", "scales"):
        case [[rows, columns], [_, packed], [_, out]] if columns == out and packed:
            return out, rows * out // packed
    return None


def shape_of_awq(own):
    """Return (out_features, in_features), by what is packed and what is not."""
    match shapes(own, "qweight", "qzeros", "scales"):
        case [[rows, columns], [_, packed], [_, out]] if columns == packed and 8 * columns == out:
            return out, rows
    return None


def shape_of_compressed(own):
    """Return what weight_shape says."""
    said = getattr(own["weight_shape"], "read", lambda: own["weight_shape"])()
    is_pair = isinstance(said, np.ndarray) and said.dtype.kind == "i" and said.shape == (2,)
    return tuple(said.tolist()) if is_pair else None


def shape_of_int8(own):
    """Return the shape of the weight, which is not packed."""
    match shapes(own, "weight"):
        case [[rows, columns]]:
            return rows, columns
    return None


def shape_of_4bit(own):
    """Return what the JSON says."""
    try:
        return tuple(quant_state(own)["shape"])
    except ValueError:
        return None


def shape_of_fp8(own):
    """Return the shape of the weight, which is not packed; each block has a scale, or all have."""
    match shapes(own, "weight", "weight_scale_inv"):
        case [[rows, columns], [] | [_] | [_, _]]:
            return rows, columns
        case [[experts, rows, columns], [] | [_] | [_, _, _]]:
            return experts, rows, columns
    return None


def shape_of_fp8_experts(own):
    """Return (experts, out_features, in_features), which are not packed."""
    shape = shape_of_fp8(of_one_layer(own)) or ()
    return shape if len(shape) == 3 else None


def from_fp8_experts(own, **options):
    """Return the weights of experts in one tensor, whose name has no end."""
    return from_fp8(of_one_layer(own), **options)


def of_one_layer(own):
    """Return the tensors of experts under the names of a layer."""
    return {f"weight{name}": values for name, values in own.items()}


def shape_of_mxfp4(own):
    """Return (experts, out_features, in_features), of blocks of 16 bytes."""
    match shapes(own, *own):
        case [[*rows, groups, 16], [*of_scales]] if of_scales == [*rows, groups] and rows:
            return *rows, 32 * groups
    return None


def shape_of_packed(own):
    """Return the shape of the weight that PyTorch keeps together with its bias."""
    match own[PACKED]:
        case (weight, _) if is_qtensor(weight):
            return weight.args[2]
    return None


def shape_of_qtensor(own):
    """Return the shape of a weight that is a quantised tensor of PyTorch."""
    return own["weight"].args[2] if is_qtensor(own["weight"]) else None


def from_packed_params(own):
    """Return the weight that PyTorch keeps together with its bias."""
    return from_qtensor(own[PACKED][0])


def from_weight(own):
    """Return the weight that is a quantised tensor of PyTorch."""
    return from_qtensor(own["weight"])


def shapes(own, *names):
    """Return the shapes of these tensors, None of what has none."""
    return [getattr(own[name], "shape", None) for name in names]


PACKED = "_packed_params._packed_params"
GPTQ = {"qweight": "packed along in_features", "qzeros": "zero points", "scales": "scales"}
COMPRESSED = {
    "weight_packed": "packed along in_features",
    "weight_scale": "scales",
    "weight_shape": "shape",
}
INT8 = {"weight": "a row at a time", "SCB": "largest magnitudes"}
FP8 = {"weight": "a number a byte", "weight_scale_inv": "scales"}
FP8_EXPERTS = {"": "a number a byte", "_scale_inv": "scales"}
MXFP4 = {"_blocks": "packed along in_features", "_scales": "scales"}
MXFP4_OPENAI = {".blocks": "packed along in_features", ".scales": "scales"}
FOUR_BITS = {
    "weight": "two numbers a byte",
    "weight.absmax": "scales",
    "weight.quant_map": "table",
}
NESTED = {"weight.nested_absmax": "scales' scales", "weight.nested_quant_map": "scales' table"}
OF_TORCH = {
    "_packed_params.dtype": "dtype",
    "scale": "scale of the outputs",
    "zero_point": "zero point of the outputs",
}
KINDS = [
    Kind("GPTQ", GPTQ, {"g_idx": "groups"}, shape_of_gptq, from_gptq),
    Kind("AWQ", GPTQ | {"qweight": "packed along out_features"}, {}, shape_of_awq, from_awq),
    Kind(
        "compressed-tensors",
        COMPRESSED,
        {"weight_zero_point": "zero points", "weight_g_idx": "groups"},
        shape_of_compressed,
        from_compressed_tensors,
    ),
    Kind(
        "bitsandbytes int8",
        INT8,
        {"weight_format": "order"},
        shape_of_int8,
        from_bitsandbytes_int8,
    ),
    *[
        Kind(
            f"bitsandbytes {code}",
            FOUR_BITS | {f"weight.quant_state.bitsandbytes__{code}": "shape and blocksize"},
            NESTED,
            shape_of_4bit,
            from_bitsandbytes_4bit,
        )
        for code in ("nf4", "fp4")
    ],
    Kind("FP8", FP8, {"activation_scale": "scale of the inputs"}, shape_of_fp8, from_fp8),
    Kind(
        "FP8",
        FP8_EXPERTS,
        {"_activation_scale": "scale of the inputs"},
        shape_of_fp8_experts,
        from_fp8_experts,
        weight="",
    ),
    Kind("MXFP4", MXFP4, {}, shape_of_mxfp4, from_mxfp4, weight=""),
    Kind("MXFP4", MXFP4_OPENAI, {}, shape_of_mxfp4, from_mxfp4, weight=""),
    Kind("PyTorch", {PACKED: "with its bias"}, OF_TORCH, shape_of_packed, from_packed_params),
    Kind("PyTorch", {"weight": "a quantised tensor"}, OF_TORCH, shape_of_qtensor, from_weight),
]


# What is in no other layer, by the end of its name
KNOWN_BY = re.compile(
    r"(|.*\.)(qweight|weight_packed|weight_scale_inv|SCB|weight\.absmax|_packed_params\.\w+)"
)
KNOWN_EXPERTS = re.compile(r"(.*)([._]blocks|_scale_inv)")


def quantised_layers(values):
    """Return {prefix: (Kind, {own name: value})} of the layers that a library quantised."""
    known = [KNOWN_BY.fullmatch(name) or KNOWN_EXPERTS.fullmatch(name) for name in values]
    prefixes = [found[1] for found in known if found]
    prefixes += [name.removesuffix("weight") for name in values if is_qtensor(values[name])]
    return {prefix: fits for prefix in prefixes if (fits := kind_of(values, prefix))}


def kind_of(values, prefix):
    """Return the kind of a layer, and its tensors, or None."""
    for kind in KINDS:
        names = [own for own in kind.parts | kind.others if prefix + own in values]
        own = {name: values[prefix + name] for name in names}
        if own.keys() >= kind.parts.keys() and kind.shape(own):
            return kind, own
    return None


def from_words(words, bits, count):
    """Return the first count numbers of so many bits in the last axis, the lowest bits first."""
    raw = np.ascontiguousarray(words, "<i4").view(np.uint8)
    stream = np.unpackbits(raw, axis=1, bitorder="little")[:, : count * bits]
    planes = stream.reshape(len(words), count, bits)
    return sum(planes[..., i].astype(np.int16) << i for i in range(bits))


def from_e8m0(scales):
    """Return scales, those that are exponents of 2 as the floats that they stand for."""
    return E8M0[scales] if scales.dtype == np.uint8 else scales


def groups_of(given_groups, in_features, groups):
    """Return the group of each input: neighbours, where the file does not say others."""
    if given_groups is not None and -1 not in given_groups:
        return check_groups(np.asarray(given_groups), in_features, groups)
    if in_features % groups:
        raise ValueError(
            f"{in_features} inputs make no {groups} groups of one size: is g_idx missing?"
        )
    return np.arange(in_features) // (in_features // groups)


def in_blocks(numbers, scales, blocksize):
    """Return the numbers, each block of neighbours times its scale."""
    return numbers * np.repeat(scales, blocksize)[: numbers.size]


def is_qtensor(value):
    """Return whether a value is the stand-in of a quantised tensor of PyTorch."""
    match getattr(value, "name", ""), getattr(value, "args", None):
        case "torch._utils._rebuild_qtensor", (np.ndarray(), offset, shape, stride, (_, *_), *_):
            counts = [offset, *shape, *stride] if type(shape) is type(stride) is tuple else [-1]
            return all(type(n) is int and n >= 0 for n in counts) and len(shape) == len(stride)
    return False


# What refuses wrong input


def arrays_of(weights, library, *names):
    """Return the arrays of these names, the float16 among them as float32."""
    if missing := [name for name in names if name not in weights]:
        raise ValueError(f"no {missing[0]}, which {library} stores, in {sorted(weights)}")
    arrays = [np.asarray(weights[name]) for name in names]
    return [a.astype(np.float32) if a.dtype == np.float16 else a for a in arrays]


def check_gptq(qweight, qzeros, scales, checkpoint_format):
    """Refuse what GPTQ does not store; return the bits of a number."""
    if checkpoint_format not in ("gptq", "gptq_v2"):
        raise ValueError(f"checkpoint_format is {checkpoint_format!r}, not 'gptq' or 'gptq_v2'")
    check_words(qweight, qzeros)
    groups, out_features = check_matrix("scales", scales)
    if qweight.shape[1] != out_features:
        raise ValueError(
            f"qweight has shape {qweight.shape}, but scales {scales.shape}: GPTQ packs in_features"
            " alone; was this written by AWQ?"
        )
    fits = [n for n in range(1, 9) if qzeros.shape == (groups, n * out_features / 32)]
    if not fits:
        raise ValueError(
            f"qzeros has shape {qzeros.shape}, but scales {scales.shape}: no number of bits fits"
        )
    return fits[0]


def check_awq(qweight, qzeros, scales):
    """Refuse what AWQ's version gemm does not store."""
    check_words(qweight, qzeros)
    groups, out_features = check_matrix("scales", scales)
    if 8 * qweight.shape[1] != out_features or qzeros.shape != (groups, qweight.shape[1]):
        raise ValueError(
            f"qweight has shape {qweight.shape}, qzeros {qzeros.shape}, scales {scales.shape}: AWQ"
            " packs eight of out_features into a word; was this written by GPTQ, or by a version"
            " other than gemm?"
        )


def check_packed(packed, scale, shape):
    """Refuse what compressed-tensors does not pack; return the bits of a number."""
    check_words(packed)
    rows, columns = map(int, shape)
    bits = [n for n in range(1, 9) if packed.shape == (rows, -(-n * columns // 32))]
    fits = [n for n in bits if n * columns % 32 == 0] or bits
    if len(fits) != 1:
        raise ValueError(
            f"weight_packed has shape {packed.shape}, but weight_shape is {shape.tolist()}: these"
            " do not tell how many bits a number has"
        )
    if scale.ndim not in (1, 2) or len(scale) not in (1, shape[0]):
        raise ValueError(f"weight_scale has shape {scale.shape} for {shape[0]} rows")
    return fits[0]


def check_zero_point(zero_point, shape, bits):
    """Refuse a zero point that is none of each scale."""
    rows, groups = shape
    packed = zero_point.dtype == np.int32
    if (
        zero_point.shape != (-(-rows * bits // 32), groups)
        if packed
        else zero_point.size != rows * groups
    ):
        raise ValueError(f"weight_zero_point has shape {zero_point.shape} for scales of {shape}")


def check_matrix(name, values):
    """Refuse what is no matrix; return its shape."""
    if values.ndim != 2:
        raise ValueError(f"{name} has shape {values.shape}, not that of a matrix")
    return values.shape


def check_words(*packed):
    """Refuse all that are no matrices of 32-bit words."""
    for words in packed:
        if words.dtype.newbyteorder("=") not in (np.int32, np.uint32) or words.ndim != 2:
            raise ValueError(
                f"packed numbers are a matrix of int32, this has shape {words.shape} and dtype"
                f" {words.dtype}"
            )


def quant_state(weights):
    """Return what the JSON says that bitsandbytes keeps in a tensor, if it is one of a weight."""
    start = "weight.quant_state.bitsandbytes__"
    name = next((name for name in weights if name.startswith(start)), start)
    (raw,) = arrays_of(weights, "bitsandbytes", name)
    said = json.loads(raw.tobytes()) if raw.dtype == np.uint8 else None
    match said:
        case {"shape": list(shape), "blocksize": blocksize}:
            counts = [blocksize, said.get("nested_blocksize", 1), *shape]
            if all(type(n) is int and n > 0 for n in counts):
                return said
    raise ValueError(f"{name} is no JSON of a shape and a blocksize: {said}")


def check_groups(group, in_features, groups):
    """Refuse groups that there are not."""
    if group.shape != (in_features,) or not 0 <= group.min() <= group.max() < groups:
        raise ValueError(
            f"g_idx has shape {group.shape}, for {in_features} inputs in {groups} groups: it names"
            " one of them for each input"
        )
    return group


def check_int8(weight, largest, order):
    """Refuse an int8 weight whose rows and columns are not where they belong."""
    if weight.dtype != np.int8 or weight.shape[:1] != largest.shape or weight.ndim != 2:
        raise ValueError(
            f"weight has shape {weight.shape} and dtype {weight.dtype}, SCB {largest.shape}: a"
            " Linear8bitLt stores int8, and one number of SCB for each row"
        )
    if np.any(order):
        raise ValueError(f"weight_format is {order}, the order of a GPU: save it as format 0, row")


def check_fp8(weight, scales, block_size):
    """Refuse scales that are not one for each block; return the rows and columns of a block."""
    if weight.ndim != 3:
        check_matrix("weight", weight)
    if weight.dtype.kind != "f":
        raise ValueError(
            f"weight has dtype {weight.dtype}: FP8 is float8, which load makes float32; was it read"
            " by another reader, as bytes?"
        )
    *experts, out_features, in_features = weight.shape
    if scales.size == 1:
        return out_features, in_features

    def grid(rows, columns):
        return *experts, -(-out_features // rows), -(-in_features // columns)

    rows, columns = block_size
    # Of experts, the gate and what it opens may have one scale each.
    halves = [(out_features, in_features), (max(out_features // 2, 1), in_features)]
    for block in [(rows, columns), *halves] if experts else [(rows, columns)]:
        if scales.shape == grid(*block):
            return block
    raise ValueError(
        f"weight has shape {weight.shape}, in blocks of {rows} by {columns} that is"
        f" {grid(rows, columns)}, but weight_scale_inv {scales.shape}: is weight_block_size of"
        " config.json another?"
    )


def check_mxfp4(blocks, scales):
    """Refuse what MXFP4 does not store."""
    fits = blocks.dtype == scales.dtype == np.uint8 and blocks.shape == (*scales.shape, 16)
    if not fits or scales.ndim < 2:
        raise ValueError(
            f"_blocks has shape {blocks.shape} and dtype {blocks.dtype}, _scales {scales.shape} and"
            f" {scales.dtype}: MXFP4 stores uint8, 16 bytes and one scale for 32 numbers"
        )


def check_blocks(size, numbers, table, scales, blocksize):
    """Refuse numbers, a table and scales that do not fit one another."""
    per_byte = 256 // table.size and {16: 2, 256: 1}.get(table.size, 0)
    if numbers.dtype != np.uint8 or not per_byte or numbers.size != -(-size // per_byte):
        raise ValueError(
            f"{numbers.size} numbers of {numbers.dtype} for {size} places in a table of"
            f" {table.size}: bitsandbytes keeps them as uint8; another bnb_4bit_quant_storage?"
        )
    if scales.size != -(-size // blocksize):
        raise ValueError(f"{scales.size} scales for {size} numbers in blocks of {blocksize}")


def parts_of_qtensor(tensor):
    """Return the numbers that a stand-in holds, its scale, zero point and axis, None for all."""
    if not is_qtensor(tensor):
        raise ValueError(f"{tensor!r} is no quantised tensor of PyTorch")
    storage, offset, shape, stride, quantizer = tensor.args[:5]
    if np.prod(shape, dtype=object) > storage.size:
        raise ValueError(f"a tensor of shape {shape} for a storage of {storage.size} numbers")
    size, last = storage.itemsize, [(n - 1) * step for n, step in zip(shape, stride, strict=True)]
    if all(shape) and offset + sum(last) >= storage.size:
        raise ValueError(
            f"a tensor of shape {shape} and stride {stride} reaches beyond its storage"
        )
    steps = [size * step for step in stride]
    stored = np.ndarray(shape, storage.dtype, storage, size * offset, steps)
    match quantizer:
        case (_, float(scale), int(zero_point)):
            return stored, scale, zero_point, None
        case (_, np.ndarray() as scale, np.ndarray() as zero_point, int(axis)):
            if 0 <= axis < len(shape) and scale.shape == zero_point.shape == shape[axis:][:1]:
                return stored, scale, zero_point, axis
    raise ValueError(f"{quantizer} are no scale and zero point of a tensor of shape {shape}")
