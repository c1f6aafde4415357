"""What holds of each published model here, whichever family it is."""

import ast
import importlib
import json
import operator
import re
import shutil
from doctest import DocTestParser
from pathlib import Path

import numpy as np
import pytest

from docs.extensions.filled import fill
from docs.extensions.joined import joined, stems
from snippets import parity
from snippets.families import norm_of
from tests import ROOT
from tests.fences import fences
from tests.models.decoders import MODELS
from tests.models.library import GOLDEN, NEEDED, load, read_golden
from tests.test_docstrings import CHECKS, faults, twins

STEMS = stems()
PAGES = [folder for folder in (ROOT / "docs/en/models", ROOT / "docs/zh/models") if folder.exists()]
KINDS = "decode", "prefill", "embed"
FUNCTIONS = [
    getattr(module, name)
    for module in (importlib.import_module(f"snippets.models.{stem}") for stem in STEMS)
    for name in ("forward", "generate")
    if hasattr(module, name)
]


def computing(code):
    """Return the lines that compute: no imports, docstrings, comments, constants or checks."""
    lines = set()
    for node in ast.parse(code.partition(CHECKS)[0]).body:
        if isinstance(node, ast.FunctionDef):
            body = [part for part in node.body if not isinstance(part, ast.Expr)]
            for part in [node.args, *body]:
                told = [n for n in ast.walk(part) if hasattr(n, "lineno")]
                lines |= {n for one in told for n in range(one.lineno, one.end_lineno + 1)}
            lines.add(node.lineno)
    return len(lines)


@pytest.mark.parametrize("stem", STEMS)
def test_a_model_computes_in_few_lines(stem):
    assert 20 < computing((MODELS / f"{stem}.py").read_text("utf-8")) <= 120


def test_lines_that_compute_are_counted():
    code = '"""Doc."""\nimport numpy\n\nA = 1\n\n\ndef f(\n    x,\n):\n    """Doc."""\n'
    assert computing(code + "    y = (\n        x\n    )  # why\n    return y\n") == 6


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_a_docstring_is_complete(function):
    assert faults(function) == []


@NEEDED
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_a_model_names_what_it_equals(function):
    assert twins(function)
    for name in twins(function):
        package, _, rest = name.partition(".")
        assert operator.attrgetter(rest)(load(package))


@pytest.mark.parametrize("stem", STEMS)
def test_golden_arrays_say_what_made_them(stem):
    with np.load(GOLDEN / f"{stem}.npz") as file:
        package, version, *command = str(file["made"]).split()
    assert f"{' '.join(command)}" == f"python -m tests.models.library {stem}"
    constraints = (ROOT / ".ci/constraints.txt").read_text("utf-8").split()
    assert f"{package}=={version.removesuffix(':')}" in constraints


def test_the_index_names_each_page_and_what_it_takes():
    """Those of docs/en/models/index.md are the types of the golden configurations.

    torchvision has none.
    """
    pages = {}
    for page in PAGES:
        text = (page / "index.md").read_text("utf-8")
        for types, stem in re.findall(r"^\| (`.+`) \| \[.+\]\((\w+)\.md\) \|", text, re.M):
            pages.setdefault(page, {})[stem] = set(re.findall(r"`([\w-]+)`", types))
    golden = {
        stem: {config.get("model_type") for config, _, _ in read_golden(stem).values()} - {None}
        for stem in STEMS
    }
    assert pages == dict.fromkeys(PAGES, golden)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_figures_of_the_index_are_those_measured(page):
    measured = json.loads((ROOT / "docs/measured/models.json").read_text("utf-8"))
    text = fill((page / "index.md").read_text("utf-8"))
    text = text.partition("{ #speed }")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[1:] for line in text.split("\n") if line.startswith("| ")][2:]
    sides = "NumPy", "torch"
    told = [[f"{measured['speed'][kind][side]:.0f}" for side in sides] for kind in KINDS]
    told.append([f"{measured['first'][side]['seconds']:.1f} s" for side in sides])
    told += [[f"{measured[kind][side]:.0f} MB" for side in sides] for kind in ("bfloat16", "disk")]
    assert [[cell.strip(" |") for cell in row] for row in rows] == told
    assert set(measured["speed"]) == set(KINDS)


@NEEDED
@pytest.mark.filterwarnings("ignore")  # of the libraries, on models this small
def test_a_family_has_the_norms_of_its_library():
    from tests.models.names import models

    for kind, _, model in models():
        weights = {part: getattr(part, "weight", None) for part in model.modules()}
        norms = [part for part, weight in weights.items() if getattr(weight, "ndim", 0) == 1]
        classes = {type(part).__name__ for part in norms}
        theirs = {"RMSNorm" if RMS.search(name) else name for name in classes}
        norm = norm_of(model.state_dict())
        assert theirs == {norm} if norm else len(theirs) > 1, kind


RMS = re.compile("RMSNorm$|^T5LayerNorm$")


@NEEDED
def test_the_pages_read_tokens_as_they_say(tmp_path, monkeypatch):
    tokenizers = load("tokenizers")
    monkeypatch.chdir(tmp_path)
    words = dict.fromkeys(["Hello", "I", "am", ",", "[UNK]"])
    for n, name in enumerate(words):
        words[name] = n
    model = tokenizers.models.WordLevel(words, "[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    shown = [
        fence.text
        for page in PAGES
        for path in page.glob("*.md")
        for fence in fences(path.read_text("utf-8"))
        if fence.text.startswith("tokenizer = ")
    ]
    assert shown
    written = np.array([[0, 1]])
    for code in shown:
        path = Path(re.search(r'"(.+?\.json)"', code)[1])
        path.parent.mkdir(exist_ok=True)
        tokenizer.save(str(path))
        given = {"generate": lambda *_: written, "weights": {}, "config": {}, "tokens": written}
        namespace = {"tokenizers": tokenizers, "np": np} | given
        exec(code, namespace)
        assert "text = " not in code or namespace["text"] == "Hello I"
        rows = [4, 1] if "mask = " in code else [4]
        assert "ids = " not in code or namespace["ids"].shape == (len(rows), 4)
        assert "mask = " not in code or namespace["mask"].sum(axis=1).tolist() == rows


# What softmax cancels, and what no output depends on.
NO_MATTER = re.compile(r"\b(k|key)(_proj)?\.bias$|^pooler\.|\.num_batches_tracked$")


@NEEDED
@pytest.mark.parametrize("stem", STEMS)
def test_what_a_page_records_and_compares_proves_every_weight(stem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    shutil.copytree(ROOT / "docs/en/models" / stem, stem)
    Path(f"{stem}.py").write_bytes(joined(stem))
    names = vars(parity) | {"torch": load("torch"), "transformers": load()}
    blocks = fences((ROOT / f"docs/en/models/{stem}.md").read_text("utf-8"))
    for block in [block for block in blocks if block.language == "pycon"][:2]:
        for example in DocTestParser().get_examples(block.text):
            exec(example.source, names)
    recording, comparing = (block.text for block in blocks if '"recorded.npz"' in block.text)
    exec(recording, names)
    exec(comparing, names)
    # ViT's and ResNet's pages take torchvision's file first.
    held = "theirs" if "theirs" in names else "weights"
    sound = names[held]
    for name, value in sound.items():
        if not NO_MATTER.search(name):
            names[held] = sound | {name: parity.broken(np.asarray(value))}
            with pytest.raises(AssertionError, match=r"^output/\w+ differs"):
                exec(comparing, names)
