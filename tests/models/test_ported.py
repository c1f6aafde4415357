"""A model written by hand and the program that port writes agree: each tests the other."""

import functools
import json
import re

import numpy as np
import pytest

from docs.extensions.filled import fill
from snippets.models import bert, gpt2, llama, resnet, vit
from snippets.port import port
from tests import ROOT
from tests.models import library, lines, test_bert, test_gpt2, test_llama, test_resnet, test_vit
from tests.models.decoders import near
from tests.models.library import NEEDED, in_float64
from tests.port.programs import imported
from tests.test_docstrings import CHECKS

IDS = np.random.default_rng(0).integers(0, 19, (2, 7))
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 36, 28))


def words(model):
    """Return what goes into a model of texts: it remembers nothing from call to call."""
    model.config.use_cache = False
    return {"input_ids": IDS}


def pixels(model):
    """Return what goes into a model of images: of torchvision, not by name."""
    return {"x": IMAGES[..., :12, :12] if hasattr(model, "class_token") else IMAGES}


def resnet18():
    """Return torchvision's own, of full size."""
    model = library.load("torchvision").models.resnet18()
    return test_resnet.lived(model, spread=True).eval().double()


FAMILIES = {
    "gpt2": (test_gpt2.model_of, words, library.stored, gpt2),
    "llama": (test_llama.model_of, words, library.stored, llama),
    "bert": (lambda: test_bert.model_of("bert"), words, library.stored, bert),
    "resnet": (test_resnet.torchvision_of, pixels, test_resnet.stored, resnet),
    "resnet18": (resnet18, pixels, test_resnet.stored, resnet),
    "vit": (test_vit.torchvision_of, pixels, test_vit.stored, vit),
}


def ported(family, folder, monkeypatch):
    """Return the name of a snippet, what runs the program of a model, and what runs the snippet.

    Texts are of any length. Both run with one text less than the program was written with.
    """
    import torch

    made, given, stored, module = FAMILIES[family]
    with in_float64(monkeypatch):
        model = made()
        inputs = given(model)
        config, weights = stored(model)
    tensors = {name: torch.tensor(array) for name, array in inputs.items()}
    free = {name: {0: "batch"} | ({1: "time"} if module in WORDS else {}) for name in inputs}
    where = port(model, (), tensors, folder=folder / f"ported_{family}", dynamic=free)
    (name,) = inputs
    array = inputs[name][:1, :5] if module in WORDS else inputs[name][:1]

    def program():
        with imported(where) as written:
            return written.forward(written.load(), **{name: array})

    return (
        module.__name__.rpartition(".")[2],
        program,
        functools.partial(module.forward, array, weights, config),
    )


WORDS = gpt2, llama, bert


@NEEDED
@pytest.mark.parametrize("family", FAMILIES)
def test_both_agree(family, tmp_path, monkeypatch):
    _, program, ours = ported(family, tmp_path, monkeypatch)
    found = program()
    found = next(iter(found.values())) if isinstance(found, dict) else found
    found = found[0] if isinstance(found, tuple | list) else found
    near(found, ours(), 1e-5 if family == "llama" else 1e-11)  # its RoPE is computed in float32


def told():
    """Return the figures that the page has."""
    return json.loads(lines.PATH.read_text("utf-8"))


@NEEDED
@pytest.mark.parametrize("family", lines.COUNTED)
def test_a_program_has_few_lines_beside_those_by_hand(family, tmp_path, monkeypatch):
    name, written, by_hand, times = lines.row(family, tmp_path, monkeypatch)
    (before,) = [row for row in told()["rows"] if row[0] == name]
    assert float(times) <= lines.BOUND
    assert written <= before[1], "python -m tests.models.lines writes the page's figures"
    assert by_hand == before[2], "python -m tests.models.lines writes the page's figures"


def test_the_page_tells_the_lines():
    figures = told()["rows"]
    assert [name for name, *_ in figures] == list(lines.COUNTED.values())
    for _, written, by_hand, times in figures:
        assert times == f"{written / by_hand:.2f}"
        assert float(times) <= lines.BOUND
    for language in ("en", "zh"):
        text = (ROOT / f"docs/{language}/models/index.md").read_text("utf-8")
        table = fill(text.partition("{ #lines }")[2].partition("\n## ")[0])
        rows = [re.findall(r"[\w.-]+", row) for row in table.split("\n") if row.startswith("| ")]
        assert rows[2:] == [[str(cell) for cell in row] for row in figures]


def test_what_runs_is_counted(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        '"""Doc."""\n\nimport math\n\nSIZE = 3\n\n\ndef forward(\n    x,\n    twice=False,\n):\n'
        '    """Doc.\n\n    More.\n    """\n    x = checked({}, x)\n    if twice:\n'
        "        x = 2 * x\n    for _ in range(SIZE):\n        # why\n        x = half(\n"
        "            x,\n        )\n    return x\n\n\ndef half(x):\n    return x / 2\n\n\n"
        f"def other(x):\n    return x\n\n\n{CHECKS}\n\n\ndef checked(sizes, x):\n    return x\n",
        "utf-8",
    )
    names = {}
    exec(compile(path.read_text("utf-8"), path, "exec"), names)
    assert lines.counted([path], lambda: names["forward"](1.0)) == 4 + 1 + 1 + 3 + 1 + 2
    assert lines.counted([path], lambda: names["forward"](1.0, True)) == 13
