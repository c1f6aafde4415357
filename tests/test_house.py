"""The house keeps its order: who imports whom, and one proof for each snippet."""

import ast
import subprocess
import sys

import pytest

from tests import ROOT, SNIPPETS, SNIPPETS_DIR, proof_of

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


@pytest.mark.parametrize("name", NAMES)
def test_snippets_import_numpy_and_the_standard_library(name):
    packages = imported((SNIPPETS_DIR / name).read_text("utf-8")) - set(sys.stdlib_module_names)
    assert packages <= (
        {"torch"} if name in TORCH else {"numpy", "torch"} if name in TORCH_INSIDE else {"numpy"}
    )


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


@pytest.mark.parametrize("path", SNIPPETS, ids=lambda p: p.name)
def test_every_snippet_has_its_test(path):
    assert "def test_" in proof_of(path)


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
