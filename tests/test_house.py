"""The house keeps its order: who imports whom, and one proof for each snippet."""

import ast
import re
import subprocess
import sys

import pytest

from tests import ROOT, SNIPPETS, SNIPPETS_DIR, proof_of
from tests.fences import fences
from tests.parity import FLOAT32, arrays, assert_parity

TORCH = {"question/torch_rnn.py"}
# They import torch in the functions that are given a model of it.
TORCH_INSIDE = {"port/capture.py", "port/check.py", "port/whole.py"}
NAMES = [p.relative_to(SNIPPETS_DIR).as_posix() for p in SNIPPETS]


def imported(code):
    """Return the top-level packages that code imports from outside."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


def allowed(name):
    """Return the packages that a snippet may import besides the standard library."""
    if name in TORCH:
        return {"torch"}
    return {"numpy", "torch"} if name in TORCH_INSIDE else {"numpy"}


def test_snippets_import_numpy_and_the_standard_library():
    packages = {name: imported((SNIPPETS_DIR / name).read_text("utf-8")) for name in NAMES}
    besides = {n: found - sys.stdlib_module_names - allowed(n) for n, found in packages.items()}
    assert {name: found for name, found in besides.items() if found} == {}


def test_an_import_anywhere_is_found():
    assert imported("def f():\n    import torch.nn as nn\n    from jax import numpy") == {
        "torch",
        "jax",
    }


def imports_without_torch(modules):
    """Import modules in a process where torch cannot be imported; return the finished process."""
    code = f"import sys; sys.modules['torch'] = None\nimport {', '.join(modules)}"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def module(name):
    return "snippets." + name.removesuffix(".py").replace("/", ".")


def test_snippets_import_with_torch_made_unimportable():
    process = imports_without_torch([module(name) for name in NAMES if name not in TORCH])
    assert process.returncode == 0, process.stderr


def test_torch_is_really_unimportable_there():
    process = imports_without_torch([module("question/torch_rnn.py")])
    assert "ModuleNotFoundError" in process.stderr


def defined(code):
    """Return {name: source} of the functions, classes and constants of a module."""
    found = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.Assign):
            found |= {ast.unparse(target): ast.unparse(node) for target in node.targets}
    return found


def clashes(codes):
    """Return the names that two modules define differently."""
    merged, found = {}, set()
    for mine in map(defined, codes):
        found |= {name for name in mine if merged.get(name, mine[name]) != mine[name]}
        merged |= mine
    return found


def test_recipes_can_be_pasted_into_one_file():
    layers = sorted((SNIPPETS_DIR / "layers").glob("[!_]*.py"))
    assert clashes(path.read_text("utf-8") for path in layers) == set()


def test_the_files_of_describe_can_be_pasted_into_one():
    names = ["storage", "which_layer", "families", "quantized", "describe", "state_dict", "lora"]
    assert clashes((SNIPPETS_DIR / f"{name}.py").read_text("utf-8") for name in names) == set()


def test_a_clash_of_names_is_found():
    assert clashes(["def f(x):\n    return x", "def f(x):\n    return -x", "G = 3"]) == {"f"}
    assert clashes(["def f(x):\n    return x", "def f(x):\n    # same\n    return x"]) == set()
    assert clashes(["G = 3", "G = 4"]) == {"G"}


def test_every_snippet_has_its_test():
    assert [path.name for path in SNIPPETS if "def test_" not in proof_of(path)] == []


README = (ROOT / "README.md").read_text("utf-8")


def test_the_readmes_rule_is_true():
    torch = pytest.importorskip("torch")
    layer, x, sizes = torch.nn.Linear(3, 2), torch.randn(5, 3), {"out": 2, "in": 3}
    ((stored, rule),) = re.findall(r"is stored `\((.+?)\)`.* In NumPy, `(.+?)`", README)
    state = arrays(layer)
    assert state["weight"].shape == tuple(sizes[axis] for axis in stored.split(", "))
    names = {"x": x.numpy(), "W": state["weight"], "b": state["bias"]}
    exec(rule, names)
    assert_parity(names["y"], layer(x), FLOAT32)


def test_the_readmes_commands_are_those_that_ci_runs():
    run = (ROOT / ".ci/run").read_text("utf-8").replace("-q -c .ci/constraints.txt ", "")
    read, prove, cpu, _ = (block.text.strip() for block in fences(README))
    install, serve = read.split(" && ")
    assert serve == "mkdocs serve"
    for command in [install, *prove.split(" && ")]:
        assert re.search(rf"(?:^| ){re.escape(command)}$", run, re.M), command
    pinned = re.findall(r'"(torch==.+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert cpu.split()[:3] == ["pip", "install", *pinned]


def test_workflows_are_well_formed():
    workflows = sorted(ROOT.glob(".github/workflows/*.yml"))
    check = ["check_jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows]
    process = subprocess.run([sys.executable, "-m", *check], capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(command):
    process = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout + process.stderr
