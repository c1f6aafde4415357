"""A model as one file: it needs NumPy alone, and does what the files do that it was joined from."""

import ast
import importlib
import json
import shutil
import subprocess
import sys
import types

import pytest
from sybil.parsers.abstract.doctest import DocTestStringParser

from docs.extensions import joined
from tests import ROOT, SNIPPETS
from tests.fences import fences
from tests.test_house import clashes

STEMS = joined.stems()
# The examples of a page, one after another: what each prints. Nothing but NumPy is there.
RUNNER = """
import contextlib, io, json, sys
sys.path[:] = [".", *sys.path]
sys.modules |= dict.fromkeys(["snippets", "torch"])
page, printed = {}, []
for code in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "page", "single"), page)
    printed.append(out.getvalue())
print(json.dumps(printed))
"""


def module_of(stem):
    """Return the one file of a model as a module."""
    module = types.ModuleType(stem)
    exec(compile(joined.joined(stem), f"{stem}.py", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("stem", STEMS)
def test_the_examples_of_a_page_need_its_file_and_numpy(stem, tmp_path):
    (tmp_path / f"{stem}.py").write_bytes(joined.joined(stem))
    shutil.copytree(ROOT / "docs/en/models" / stem, tmp_path / stem)
    blocks = fences((ROOT / f"docs/en/models/{stem}.md").read_text("utf-8"))
    text = "\n".join(block.text for block in blocks if block.language == "pycon")
    examples = [one.parsed for one in DocTestStringParser(None)(text, stem)]
    codes = json.dumps([example.source for example in examples])
    run = [sys.executable, "-I", "-c", RUNNER]
    done = subprocess.run(run, input=codes, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [example.want for example in examples]


@pytest.mark.parametrize("stem", STEMS)
def test_the_one_file_computes_what_the_library_did(stem):
    importlib.import_module(f"tests.models.test_{stem}").all_of_it(module_of(stem))


def statements(code):
    """Return the statements of a module, without what no program reads."""
    nodes = ast.parse(code).body[1:]
    return [ast.unparse(n) for n in nodes if not isinstance(n, ast.Import | ast.ImportFrom)]


SOURCES = {name for path in SNIPPETS for name in statements(path.read_text("utf-8"))}


@pytest.mark.parametrize("stem", STEMS)
def test_each_statement_is_of_a_snippet_and_there_once(stem):
    found = statements(joined.joined(stem))
    assert set(found) <= SOURCES
    assert len(found) == len(set(found))


@pytest.mark.parametrize("stem", STEMS)
def test_no_name_is_of_two_things(stem):
    names = joined.files_of(stem)
    assert clashes((joined.SNIPPETS / name).read_text("utf-8") for name in names) == set()


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(stem, command):
    run = [sys.executable, "-m", "ruff", *command, "--stdin-filename", f"{stem}.py", "-"]
    done = subprocess.run(run, cwd=ROOT, input=joined.joined(stem), capture_output=True)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
