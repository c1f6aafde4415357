"""pytest runs the doctests of every page, top to bottom, in one namespace and folder a page."""

import linecache
import os
import pathlib
import posixpath
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from unittest import SkipTest

from sybil import Example, Region, Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.example import SybilFailure
from sybil.parsers.abstract.doctest import DocTestStringParser

from docs.extensions.downloads import MODELS
from tests import ROOT, SNIPPETS_DIR
from tests.comments import check
from tests.fences import INCLUDE, fences, hidden, included
from tests.reading import rows_below


def without_torch(example):
    """Stand in for the evaluator where torch is missing."""
    raise SkipTest("the page's blocks need torch")


def remember(name, code):
    """Have Python find code by a name, as if it were a file: port reads the names that it has."""
    linecache.cache[name] = len(code), None, code.splitlines(True), name
    return name


def define(example):
    """Run the code that a fence includes, so that the examples below it can use its names."""
    name = remember(f"{example.path}, line {example.line}", example.parsed)
    exec(compile(example.parsed, name, "exec"), example.namespace)


def define_rows(example):
    """Give hidden examples the table below them: a row as the list of its cells."""
    example.namespace["rows"] = example.parsed


def compare_written(example):
    """Hold what a block shows against the file of its title, which the examples above it wrote."""
    path, shown = example.parsed
    made = pathlib.Path(path).read_text("utf-8")
    if os.environ.get("UPDATE"):
        shown.write_text(made, "utf-8")
    assert shown.read_text("utf-8") == made, f"{path}: run pytest with UPDATE=1"


class Commented(DocTestEvaluator):
    """Runs an example, then holds its comments against what came out."""

    def __init__(self):
        super().__init__()
        self.block, self.sizes = None, {}

    def __call__(self, example):
        path, example.path = example.path, f"{example.path}, line {example.line}"
        remember(f"<doctest {example.path}[0]>", example.parsed.source)
        problem = super().__call__(example)
        example.path = path
        if problem:
            return problem
        block = example.region.block
        if block is not self.block:
            self.block, self.sizes = block, {}
        parsed = example.parsed
        check(parsed.source, parsed.want, example.namespace, self.sizes, block.text)
        return ""


def run_block(example):
    """Run what a block has, one after another: a test for each would take longer than all of it."""
    for region in example.parsed:
        line = example.document.text.count("\n", 0, region.start) + 1
        one = Example(example.document, line, example.column, region, example.namespace)
        if problem := region.evaluator(one):
            raise SybilFailure(one, problem)


class Examples:
    """Finds the examples of a page's pycon fences and hidden set-up, and the code it includes."""

    doctests = DocTestStringParser(Commented())

    def __call__(self, document):
        starts = [0] + [m.end() for m in re.finditer("\n", document.text)]
        blocks = sorted(fences(document.text) + hidden(document.text), key=lambda f: f.line)
        torchless = not find_spec("torch") and any("torch" in f.classes for f in blocks)
        tables = rows_below(document.text)
        found = 0
        for block in blocks:
            if block.language == "pycon":
                regions = list(self.doctests(block.text, document.path))
                lines = [block.line + region.parsed.lineno for region in regions]
                found += len(regions)
                end = block.line + block.text.count("\n")
                for line, rows in tables:  # hidden examples have the table below them
                    if "hidden" in block.classes and 0 < line - end <= 3:
                        give = Region(0, 0, rows, define_rows)
                        regions, lines = [give, *regions], [block.line - 1, *lines]
            elif "written" in block.classes:
                shown = SNIPPETS_DIR / INCLUDE.fullmatch(block.text)["path"]
                regions, lines = [Region(0, 0, (block.title, shown), compare_written)], [block.line]
            elif code := included(block):
                regions, lines = [Region(0, 0, code, define)], [block.line]
            else:
                continue
            for region, line in zip(regions, lines, strict=True):
                region.start = starts[line]  # the line on the page, though the block be indented
                region.end = document.text.index("\n", region.start)
                region.block = block
                if torchless:
                    region.evaluator = without_torch
            if regions:
                yield Region(regions[0].start, regions[-1].end, regions, run_block)
        wanted = len(re.findall(r"^[ \t>]*>>> ", document.text, re.M))
        assert found == wanted, f"{document.path}: {wanted} prompts, but {found} examples run"


def enter_folder(namespace):
    """Give a page an empty folder with what the notebooks and models offer for download."""
    namespace["__folder__"] = os.getcwd(), tempfile.TemporaryDirectory()
    os.chdir(namespace["__folder__"][1].name)
    sys.path.insert(0, os.getcwd())  # what port writes there can be imported
    for file in ROOT.glob("docs/en/notebooks/*.npz"):
        shutil.copy(file, ".")
    for folder in ROOT.glob("docs/en/models/*/"):
        shutil.copytree(folder, folder.name)
    for uri, made in MODELS.items():
        pathlib.Path(posixpath.basename(uri)).write_bytes(made())


def leave_folder(namespace):
    """Go back to where pytest was called."""
    was, folder = namespace["__folder__"]
    sys.path.remove(os.getcwd())
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(os.getcwd()):
            del sys.modules[name]
    os.chdir(was)
    folder.cleanup()


# A Chinese twin has the same code, by a test of its own.
PAGES = Sybil(
    parsers=[Examples()],
    patterns=["*.md"],
    excludes=["zh/*.md", "zh/*/*.md"],
    setup=enter_folder,
    teardown=leave_folder,
)
pytest_collect_file = PAGES.pytest()
