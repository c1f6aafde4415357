"""Promise 4: what a reader copies runs, page by page, block by block, where nothing else is."""

import io
import json
import shutil
import subprocess
import sys
import zipfile

import pytest

from docs.extensions.downloads import ARCHIVE, packed
from docs.extensions.joined import joined, stems
from tests import ROOT, address_of
from tests.built import article, select
from tests.fences import PAGES, as_shown, holds_here

# Reads pages, a line each: a folder and blocks [[code, alone, packages it may not import]]. Writes
# what each block prints or raises. A page has a namespace of its own, not a process: to load torch
# takes longer than to run a page.
RUNNER = """
import builtins, contextlib, io, json, linecache, os, sys

real_import, hidden = builtins.__import__, ()

def import_what_is_there(name, *args, **kwargs):
    if name.split(".")[0] in hidden:
        raise ModuleNotFoundError(f"No module named {name!r}")
    return real_import(name, *args, **kwargs)

builtins.__import__ = import_what_is_there
for line in sys.stdin:
    folder, blocks = json.loads(line)
    os.chdir(folder)
    sys.path.insert(0, folder)  # snippets.zip where the page offers it, and what a block writes
    page, results = {"__name__": "__main__"}, []
    for i, (code, alone, hidden) in enumerate(blocks):
        printed, name = io.StringIO(), f"block {i}"
        linecache.cache[name] = len(code), None, code.splitlines(True), name  # as in a file
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(code, name, "exec"), {"__name__": "__main__"} if alone else page)
            except Exception as error:
                print(f"{type(error).__name__}: {error}")
                raised = True
            else:
                raised = False
        results.append([raised, printed.getvalue().rstrip()])
    hidden = ()
    sys.path.remove(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(folder):
            del sys.modules[name]
    print(json.dumps(results), flush=True)
"""

CODE = ":is(.language-python, .language-pycon)"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs the blocks of one page, in a folder with the files offered."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", RUNNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    unpacked = tmp_path_factory.mktemp("unpacked")  # once, so that Python compiles it once
    zipfile.ZipFile(io.BytesIO(packed())).extractall(unpacked)

    def run_page(blocks):
        folder = tmp_path_factory.mktemp("page")
        if not all("snippets" in hidden for _, _, hidden in blocks):
            (folder / "snippets").symlink_to(unpacked / "snippets")
        for file in ROOT.glob("docs/en/notebooks/*.npz"):
            shutil.copy(file, folder)
        for model in ROOT.glob("docs/en/models/*/"):
            shutil.copytree(model, folder / model.name)
            (folder / f"{model.name}.py").write_bytes(joined(model.name))
        print(json.dumps([str(folder), blocks]), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    with process:
        yield run_page
        process.stdin.close()


def copied(text, console):
    """Return what the copy button of a block takes: of a console, its prompt lines."""
    if not console:
        return text
    lines, before = [], ""
    for line in text.split("\n"):
        goes_on = before and (line == "..." or line.startswith("... "))
        prompt = line[:3] if line.startswith(">>>") or goes_on else ""
        if prompt == ">>>" and before == "...":
            lines.append("")  # a REPL ends a block at an empty line
        if prompt:
            lines.append(line[4:])
        before = prompt
    return "\n".join(lines)


def whole(block):
    """Return the code of a block, what is folded below it included."""
    return "".join(code.text_content() for code in block.iter("code"))


def code_of(block):
    """Return what is copied of a block."""
    return copied(whole(block), "language-pycon" in block.classes).strip()


def run_of(block):
    """Return what is run of a block; of one that was written, whether it is what it is told."""
    if "written" in block.classes:
        path = select(block, ".filename")[0].text
        return f"assert open({path!r}).read().strip() == {code_of(block)!r}"
    return code_of(block)


def hidden_from(code, classes, page):
    """Return the packages that a block may not import.

    A page whose blocks import snippets offers the archive with them, or a model as one file.
    """
    offers = select(page, f'a[href$="{ARCHIVE}"]') and "from snippets" in code
    missing = [stem for stem in stems() if not select(page, f'a[href="{stem}.py"]')]
    return missing + ["snippets"] * (not offers) + ["torch"] * ("torch" not in classes)


def copied_of(site, address):
    """Return what is copied of each block of a page."""
    return [code_of(block) for block in select(article(site, address), CODE)]


def blocks_of(site, address):
    """Return [[code, alone, hidden packages]] of a page's blocks, and the results it shows."""
    page = article(site, address)
    blocks = []
    for block in select(page, CODE):
        code = run_of(block)
        hidden = hidden_from(code, block.classes, page)
        blocks.append([code, "wrong" in block.classes, hidden])
    results = [
        result.find(".//code").text_content().strip()
        for result in select(page, ".result")
        if holds_here("".join(title.text for title in select(result, ".filename")))
    ]
    return blocks, results


# A Chinese twin has the same code, by its own test: one stands for all.
ADDRESSES = [a for a in map(address_of, PAGES) if not a.startswith("zh/") or a == "zh/"]


def in_time(address):
    """Leave the page that captures models, as its doctests do, to the thorough run."""
    marks = pytest.mark.thorough if address == "port/write-it/" else ()
    return pytest.param(address, marks=marks)


@pytest.mark.parametrize("address", [in_time(a) for a in ADDRESSES])
def test_the_blocks_of_a_page_run_as_copied(site, run, address):
    pytest.importorskip("torch")
    blocks, shown = blocks_of(site, address)
    shown = iter(shown)
    for (code, alone, _), (raised, printed) in zip(blocks, run(blocks), strict=True):
        assert code
        assert "\n>>>" not in f"\n{code}"  # a docstring may have some, indented
        if alone:
            assert as_shown(printed) == next(shown)
        else:
            assert not raised, f"{code}\n{printed}"


def test_nothing_else_is_there(run):
    hidden = ["snippets", "torch"]
    blocks = [["import snippets", False, hidden], ["import torch.nn", False, hidden]]
    blocks += [
        ["x = 1", True, []],
        ["x", False, []],
        ["import numpy", False, hidden],
        ["y = 1", False, []],
    ]
    assert [raised for raised, _ in run(blocks)] == [True, True, False, True, False, False]
    assert run([["y", False, []], ["open('w', 'w')", False, []]]) == [
        [True, "NameError: name 'y' is not defined"],
        [False, ""],
    ]
    assert run([["open('w')", False, []]])[0][0]
