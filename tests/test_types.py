"""The types of what programs import are true: a checker finds no fault in them.

tests/typed.py uses each as a program does, and says what must come out.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests import ROOT

pytest.importorskip("basedpyright")
if np.lib.NumpyVersion(np.__version__) < "2.0.0":
    pytest.skip("the types are those of NumPy 2", allow_module_level=True)


def errors(folder):
    """Return {file: the lines with an error} in a folder that is laid out as this one."""
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--project", folder]
    told = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    assert told["summary"]["filesAnalyzed"] >= 10
    found = {}
    for one in told["generalDiagnostics"]:
        if one["severity"] == "error":
            found.setdefault(one["file"], set()).add(one["range"]["start"]["line"])
    return found


@pytest.mark.thorough
def test_the_types_are_true():
    assert errors(ROOT) == {}


# A function, where it is, and how its types may be wrong.
WRONG = {
    "under": ("state_dict.py", "-> dict[str, Array]:", "-> list[Array]:"),
    "describe": ("describe.py", "-> str:", "-> list[str]:"),
    "record": ("parity.py", "**named: Any) -> None", "**named: int) -> None"),
    "compare": ("parity.py", "-> list[str]:", "-> list[int]:"),
    "dequantized": ("quantized.py", "-> dict[str, Any]:", "-> list[Any]:"),
    "from_gptq": ("quantized.py", '= "gptq") -> np.ndarray:', '= "gptq") -> list[float]:'),
    "stored": ("storage.py", "-> dict[str, tuple[int, ...]]:", "-> dict[str, int]:"),
    "candidates": ("storage.py", "shape: Iterable[int])", "shape: int)"),
    "load": ("checkpoints/__init__.py", "path: str | PathLike[str]", "path: int"),
    "load_npz": ("checkpoints/npz.py", "-> dict[str, NDArray[Any]]:", "-> dict[str, float]:"),
    "save_npz": ("checkpoints/npz.py", "Mapping[str, ArrayLike]", "list[ArrayLike]"),
    "load_torch": ("checkpoints/torch_file.py", "-> Any:", "-> None:"),
    "state_dict_of": ("checkpoints/torch_file.py", "(model: StandIn)", "(model: str)"),
    "save_safetensors": ("checkpoints/safetensors_file.py", "Iterable[str]", "Iterable[int]"),
    "safetensors_header": (
        "checkpoints/safetensors_file.py",
        "-> dict[str, dict[str, Any]]:",
        "-> dict[str, list[Any]]:",
    ),
    "load_safetensors": (
        "checkpoints/safetensors_file.py",
        "-> dict[str, NDArray[Any]]:",
        "-> dict[str, str]:",
    ),
}


@pytest.mark.thorough
def test_a_wrong_type_is_found(tmp_path):
    """All are planted into one copy; each is told where its function is used."""
    shutil.copytree(ROOT / "snippets", tmp_path / "snippets")
    (tmp_path / "tests").mkdir()
    used = shutil.copy(ROOT / "tests/typed.py", tmp_path / "tests/typed.py")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, old, new in WRONG.values():
        path = tmp_path / "snippets" / name
        code = path.read_text("utf-8")
        assert old in code
        path.write_text(code.replace(old, new, 1), "utf-8")
    wrong = errors(tmp_path)[str(used)]
    for i, line in enumerate(used.read_text("utf-8").splitlines()):
        assert ("assert_type(" in line) == (i in wrong), line
