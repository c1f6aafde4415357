"""Let the libraries that quantise make small layers, and say what they hold.

    python -m tests.checkpoints.quantizers fp8 mxfp4

writes the layers of these functions into data/quantized.npz, in an environment with torch and the
library: transformers 5.12.1, bitsandbytes 0.50.2, compressed-tensors 0.20.1 or, of which a few
files are enough and are taken as they are, auto-gptq 0.7.1 and autoawq 0.2.9. The ordinary tests
read that file and need none of them.
"""

import importlib
import sys
import types
from importlib.util import find_spec

import numpy as np
import torch

from tests import ROOT
from tests.models.library import leave_out_kernels

DATA = ROOT / "tests/checkpoints/data/quantized.npz"


def part_of(package, name):
    """Return a module of a package without running the package's own ``__init__``."""
    folders = find_spec(package).submodule_search_locations
    sys.modules[package] = types.ModuleType(package)
    sys.modules[package].__path__ = folders
    return importlib.import_module(f"{package}.{name}")


def gptq():
    """Yield layers of AutoGPTQ: their weight is what they make of the unit vectors."""
    qlinear = part_of("auto_gptq", "nn_modules.qlinear.qlinear_cuda")
    for bits in (2, 3, 4, 8):
        linear = torch.nn.Linear(64, 96, bias=False)
        groups = torch.arange(64) // 16
        groups = groups[torch.randperm(64)] if bits == 4 else groups
        zeros = torch.randint(1, 2**bits, (96, 4)).float()
        scales = (torch.rand(96, 4) / 2**bits).half().float()
        layer = qlinear.QuantLinear(bits, 16, 64, 96, False, weight_dtype=torch.float32)
        lowest = (scales * -zeros)[:, groups]
        linear.weight.data = lowest + torch.rand(96, 64) * scales[:, groups] * (2**bits - 1)
        layer.pack(linear, scales, zeros, groups.int())
        yield f"GPTQ, {bits} bits", layer.state_dict(), layer(torch.eye(64)).T


def awq():
    """Yield a layer of AutoAWQ."""
    gemm = part_of("awq", "modules.linear.gemm")
    linear = torch.nn.Linear(64, 96, bias=False)
    zeros = torch.randint(0, 16, (4, 96))
    scales = (torch.rand(4, 96) / 16).half().float()
    layer = gemm.WQLinear_GEMM.from_linear(linear, 4, 16, False, scales, zeros)
    named = {name: getattr(layer, name) for name in ("qweight", "qzeros", "scales")}
    yield "AWQ", named, gemm.dequantize_gemm(layer.qweight, layer.qzeros, scales, 4, 16).T


def bitsandbytes():
    """Yield layers of bitsandbytes: NF4 and FP4, their scales plain and quantised, and int8."""
    import bitsandbytes as bnb

    for kind in ("nf4", "fp4"):
        for nested in (False, True):
            weight = torch.randn(33, 65)  # an odd number of numbers
            data = bnb.nn.Params4bit(weight, False, quant_type=kind, compress_statistics=nested)
            layer = bnb.nn.Linear4bit(65, 33, False, compute_dtype=torch.float32)
            layer.weight = data
            layer = layer.to("cpu")
            theirs = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
            yield f"bitsandbytes, {kind}{', nested' * nested}", layer.state_dict(), theirs
    layer = bnb.nn.Linear8bitLt(65, 33, False, has_fp16_weights=False).to("cpu")
    stored = layer.state_dict()
    theirs = bnb.functional.int8_vectorwise_dequant(stored["weight"], stored["SCB"])
    yield "bitsandbytes, int8", stored, theirs


def compressed_tensors():
    """Yield what compressed-tensors packs: a scale for all, for a row or for a group."""
    from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    for bits, strategy, size in ((4, "group", 16), (3, "channel", None), (8, "tensor", None)):
        for symmetric in (True, False):
            given = {"num_bits": bits, "strategy": strategy, "group_size": size}
            args = QuantizationArgs(**given, symmetric=symmetric)
            scheme = QuantizationScheme(targets=["Linear"], weights=args)
            shape = {"group": (40, 5), "channel": (40, 1), "tensor": (1,)}[strategy]
            state = {"weight": torch.randn(40, 80), "weight_scale": torch.rand(shape) / 2**bits}
            if not symmetric:
                lowest, end = -(2 ** (bits - 1)), 2 ** (bits - 1)
                state["weight_zero_point"] = torch.randint(lowest, end, shape, dtype=torch.int8)
            stored = PackedQuantizationCompressor.compress(state, scheme)
            theirs = PackedQuantizationCompressor.decompress(stored, scheme)["weight"]
            kind = "symmetric" if symmetric else "with zero points"
            yield f"compressed-tensors, {bits} bits, {strategy}, {kind}", stored, theirs


def fp8():
    """Yield layers of transformers' FP8, of 2 by 3 blocks: scales are floats, or powers of 2."""
    from transformers.integrations.finegrained_fp8 import Fp8Dequantize, Fp8Quantize

    for scale_fmt in ("float", "ue8m0"):
        config = types.SimpleNamespace(weight_block_size=(128, 128), scale_fmt=scale_fmt)
        library = types.SimpleNamespace(quantization_config=config)
        # So that the file is small, the same numbers again and again, no two blocks alike.
        weight = torch.randn(251).repeat(392)[: 256 * 384].reshape(256, 384)
        weight *= torch.rand(2, 3).repeat_interleave(128, 0).repeat_interleave(128, 1)
        stored = Fp8Quantize(library).convert({"weight": weight})
        theirs = Fp8Dequantize(library)._dequantize_one(*stored.values(), torch.float32)
        yield f"FP8, {scale_fmt}", {name: part.float() for name, part in stored.items()}, theirs


def fp8_experts():
    """Yield experts in one tensor: a scale for each block, and for each half of the rows."""
    from transformers.integrations.finegrained_fp8 import Fp8Dequantize, Fp8Quantize

    for kind, size in (("blocks", (128, 128)), ("halves", (192, 256))):
        config = types.SimpleNamespace(weight_block_size=size, scale_fmt="float")
        library = types.SimpleNamespace(quantization_config=config)
        weight = torch.randn(251).repeat(784)[: 2 * 384 * 256].reshape(2, 384, 256)
        weight *= torch.rand(2, 6, 1).repeat_interleave(64, 1)
        stored = Fp8Quantize(library).convert({"gate_up_proj": weight})
        theirs = Fp8Dequantize(library)._dequantize_one(*stored.values(), torch.float32)
        stored = {name.replace("gate_up_proj", "weight"): part for name, part in stored.items()}
        yield f"FP8, experts, {kind}", {n: part.float() for n, part in stored.items()}, theirs


def mxfp4():
    """Yield experts of GPT-OSS, whose (in, out) is turned round."""
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    blocks = torch.randint(0, 256, (3, 7, 2, 16), dtype=torch.uint8)
    scales = torch.randint(110, 140, (3, 7, 2), dtype=torch.uint8)
    theirs = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
    yield "MXFP4", {"_blocks": blocks, "_scales": scales}, theirs.transpose(1, 2)


def main():
    """Write what they store and what they make of it: ``"name/tensor"``, ``"name/"``."""
    torch.manual_seed(0)
    leave_out_kernels()  # compressed-tensors imports all of transformers
    with np.load(DATA) as file:
        arrays = dict(file)
    for makers in sys.argv[1:]:
        for name, stored, theirs in globals()[makers]():
            arrays[f"{name}/"] = theirs.detach().float().numpy()
            arrays |= {f"{name}/{key}": values.numpy() for key, values in stored.items()}
    np.savez_compressed(DATA, **arrays)


if __name__ == "__main__":
    main()
