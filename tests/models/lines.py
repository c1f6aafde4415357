"""How many lines a written program has, and the model that is written by hand.

    python -m tests.models.lines

writes docs/measured/lines.json anew, in the environment of the extra `models`. Both are run on the
same model and inputs; axes of batch and time are free. Counted are the lines of the statements that
run: of ``forward`` and of all that it calls in model.py, or by hand in the snippet, blocks.py and
rotary.py. So by hand no line counts that another config or a cache needs. On neither side count
recipes, what hands out the weights, imports, constants, docstrings, comments, and what refuses
wrong input.
"""

import ast
import json
import sys
import tempfile
from datetime import date
from pathlib import Path

from tests import ROOT
from tests.models.decoders import MODELS
from tests.test_docstrings import CHECKS

PATH = ROOT / "docs/measured/lines.json"
BOUND = 1.5  # times the lines of a person
WEIGHTS = {"parts_of"}  # hands out the weights, as `under` does for a program: on neither side
# The family in tests/models/test_ported.py, and its name on the page.
COUNTED = {
    "resnet18": "ResNet-18",
    "bert": "BERT",
    "gpt2": "GPT-2",
    "llama": "Llama",
    "vit": "ViT",
}


def statements(code):
    """Yield the lines of each statement in the functions of a module that compute.

    Of one that holds others, a loop or the function itself, those above them.
    """
    text = code.split("\n")
    for function in ast.parse(code.partition(CHECKS)[0]).body:
        if isinstance(function, ast.FunctionDef) and function.name not in WEIGHTS:
            for node in ast.walk(function):
                if isinstance(node, ast.stmt) and not is_left_out(node):
                    inside = getattr(node, "body", None)
                    end = inside[0].lineno if inside else node.end_lineno + 1
                    lines = range(node.lineno, end)
                    yield {n for n in lines if not text[n - 1].lstrip().startswith("#")}


def is_left_out(node):
    """Return whether a statement is a docstring, or where a written program refuses."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        return getattr(node.value.func, "id", "") == "checked"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def counted(paths, run):
    """Return how many lines of some files run."""
    ran = {str(path): set() for path in paths}

    def trace(frame, event, _):
        lines = ran.get(frame.f_code.co_filename)
        if lines is not None:  # a call is at the line of def
            lines.add(frame.f_lineno)
            return trace
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return sum(
        len(lines)
        for path in paths
        for lines in statements(path.read_text("utf-8"))
        if not ran[str(path)].isdisjoint(lines)
    )


def row(family, folder, monkeypatch):
    """Return a row of the page's table: the lines of the program, those by hand, how many times."""
    from tests.models.test_ported import ported

    stem, program, ours = ported(family, folder, monkeypatch)
    written = counted([folder / f"ported_{family}/model.py"], program)
    by_hand = counted([MODELS / f"{name}.py" for name in (stem, "blocks", "rotary")], ours)
    return [COUNTED[family], written, by_hand, f"{written / by_hand:.2f}"]


if __name__ == "__main__":
    import pytest

    from tests.models import library

    with tempfile.TemporaryDirectory() as folder:
        rows = [row(family, Path(folder), pytest.MonkeyPatch()) for family in COUNTED]
    loaded = {name: library.load(name) for name in ("transformers", "torchvision")}
    versions = {name: one.__version__.partition("+")[0] for name, one in loaded.items()}
    figures = {"date": f"{date.today():%B %Y}", "versions": versions, "rows": rows}
    PATH.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    print(*rows, sep="\n")
