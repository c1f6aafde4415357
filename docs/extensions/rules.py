"""The rules of ``describe`` and of ``load`` as data for the inspector, calculator and finder."""

import ast
import functools
import inspect
import pickletools

import numpy as np

from snippets import checkpoints, describe, families, quantized, which_layer
from snippets.checkpoints import (
    exported_file,
    gguf_blocks,
    gguf_file,
    inside,
    npz,
    paddle_file,
    safetensors_file,
    sharded,
    torch_file,
    torchscript_file,
)
from snippets.storage import parsed


@functools.cache
def rules():
    """Return the rules; bytes as text, one letter for each."""
    return of_layers() | of_names() | of_files()


def of_layers():
    """Return what ``which_layer.py`` decides by."""
    holds = which_layer.CONV1D_HOLDS.values()
    return {
        "clues": [[*clue, parsed(when)] for *clue, when in which_layer.CLUES],
        "families": [family._asdict() for family in families.FAMILIES],
        "rare": sorted(which_layer.RARE),
        "seldom": sorted(which_layer.SELDOM),
        "switches": sorted(which_layer.SWITCHES),
        "usual": sorted(which_layer.USUAL),
        "modules": which_layer.MODULES,
        "counted": which_layer.COUNTED,
        "conv1d": {
            "layer": which_layer.CONV1D,
            "holds": [{"name": t.name, "shape": parsed(t.shape), "row": t.row} for t in holds],
        },
    }


def of_names():
    """Return what ``describe.py`` knows names by, and what it says."""
    return {
        "fused": describe.FUSED.pattern,
        "inside": describe.INSIDE.pattern,
        "inside_parts": describe.INSIDE_PARTS,
        "wrappers": describe.WRAPPERS,
        "old_names": describe.OLD_NAMES,
        "parts": describe.PARTS,
        "how": describe.HOW,
        "most": describe.MOST,
        "count": describe.COUNT,
        "averaged": describe.AVERAGED,
        "averages": describe.AVERAGES,
        "of_averages": sorted(describe.OF_AVERAGES),
        "like": describe.LIKE,
        "lora": describe.LORA.pattern,
        "lora_parts": describe.LORA_PARTS,
        "merged": describe.MERGED,
        "integers": describe.INTEGERS,
        "scale_names": describe.SCALE_NAMES.pattern,
        "settings": families.SETTINGS.pattern,
        "quantized": [
            {
                "library": kind.library,
                "parts": kind.parts | kind.others,
                "needed": list(kind.parts),
                "shape": kind.shape.__name__,
                "weight": kind.weight,
            }
            for kind in quantized.KINDS
        ],
        "quantized_names": [quantized.KNOWN_BY.pattern, quantized.KNOWN_EXPERTS.pattern],
        "dequantized": describe.DEQUANTIZED,
        "experts": describe.EXPERTS,
        "matrix": describe.MATRIX,
    }


def of_files():
    """Return what the readers of ``snippets/checkpoints`` know files by."""
    types = {
        kind: [label, per, size, label in gguf_blocks.CONVERT]
        for kind, (label, per, size) in gguf_file.TYPES.items()
    }
    builders = {name: builder(name, made) for name, made in torch_file.BUILDERS.items()}
    plain = {name: np.dtype(code).name for name, code in safetensors_file.DTYPES.items()}
    return {
        "others": [[where, text(magic), *said] for where, magic, *said in checkpoints.OTHERS],
        "texts": [[0, text(start), *said] for start, *said in checkpoints.TEXTS],
        "json": checkpoints.JSON,
        "section": checkpoints.SECTION,
        "table": text(checkpoints.TABLE),
        "data": checkpoints.DATA.pattern,
        "tensorflow": checkpoints.TENSORFLOW,
        "flax": text(checkpoints.FLAX.pattern),
        "onnx": text(checkpoints.ONNX.pattern),
        "files": checkpoints.FILES,
        "paddle": paddle_file.NAMES,
        "pickles": [text(start) for start in torch_file.PICKLES],
        "legacy": [text(magic) for magic in torch_file.LEGACY],
        "script_class": torchscript_file.CLASS.pattern,
        "script_packed": torchscript_file.PACKED,
        "exported_before": sorted(exported_file.BEFORE),
        "exported_config": exported_file.CONFIG,
        "exported_dtypes": exported_file.DTYPES,
        "exported_weights": exported_file.WEIGHTS,
        "opcodes": {op.code: [op.name, op.arg and op.arg.name] for op in pickletools.opcodes},
        "pushed": sorted(torch_file.PUSHED),
        "builders": builders,
        "max_steps": torch_file.MAX_STEPS,
        "max_inflation": torch_file.MAX_INFLATION,
        "small": torch_file.SMALL,
        "later": list(torch_file.CONVERT),
        "safetensors": plain | safetensors_file.LATER,
        "packed": safetensors_file.PACKED,
        "max_header": safetensors_file.MAX_HEADER,
        "npz_ratio": npz.RATIO,
        "npz_anyway": npz.ANYWAY,
        "gguf_types": types,
        "gguf_values": gguf_file.VALUES,
        "gguf_plain": {kind: np.dtype(code).name for kind, code in gguf_file.PLAIN.items()},
        "sentences": list(
            dict.fromkeys(one for module in READERS for one in Sentences(module).found)
        ),
    }


READERS = [
    checkpoints,
    exported_file,
    gguf_file,
    inside,
    npz,
    safetensors_file,
    sharded,
    torch_file,
    torchscript_file,
]


def builder(name, made):
    """Return which dtype or function stands for a name in a pickle; a lambda by that name."""
    if isinstance(made, np.dtype):
        return torch_file.name_of(made)
    return name.rpartition(".")[2] if made.__name__ == "<lambda>" else made.__name__


class Sentences(ast.NodeVisitor):
    """What a reader says of files: its strings, {!r} or {} where a value goes."""

    def __init__(self, module):
        self.found = []
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.FunctionDef):
                self.visit(node)

    def visit_Expr(self, node):
        """Leave out docstrings."""

    def visit_Constant(self, node):
        """Take a string of several words."""
        if isinstance(node.value, str) and node.value.count(" ") > 1:
            self.found.append(node.value)

    def visit_JoinedStr(self, node):
        """Take an f-string, without the path that it begins with."""
        parts = [
            part.value
            if isinstance(part, ast.Constant)
            else "{!r}"
            if part.conversion > 0
            else "{}"
            for part in node.values
        ]
        self.found.append("".join(parts).removeprefix("{}: "))


def text(raw):
    """Return bytes as text, one letter for each."""
    return raw.decode("latin-1")
