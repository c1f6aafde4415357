"""Promise 4: what a reader copies runs, page by page, block by block, in an empty process."""

import json
import shutil
import subprocess
import sys

import pytest
from bs4 import BeautifulSoup

from tests import ROOT, address_of
from tests.fences import PAGES

# Runs blocks [[code, alone, packages it may not import]] and prints what each prints or raises.
RUNNER = """
import builtins, contextlib, io, json, sys

real_import, hidden = builtins.__import__, ()

def import_what_is_there(name, *args, **kwargs):
    if name.split(".")[0] in hidden:
        raise ModuleNotFoundError(f"No module named {name!r}")
    return real_import(name, *args, **kwargs)

builtins.__import__ = import_what_is_there
page, results = {"__name__": "__main__"}, []
for code, alone, hidden in json.load(sys.stdin):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "block", "exec"), {"__name__": "__main__"} if alone else page)
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
            raised = True
        else:
            raised = False
    results.append([raised, printed.getvalue().rstrip()])
json.dump(results, sys.stdout)
"""

CODE = ":is(.language-python, .language-pycon)"


def run(blocks, folder):
    """Run blocks in an empty process, in a folder with the files that the pages offer."""
    for file in ROOT.glob("docs/en/notebooks/*.npz"):
        shutil.copy(file, folder)
    process = subprocess.run(
        [sys.executable, "-I", "-c", RUNNER],
        input=json.dumps(blocks),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def copied(page):
    """Return [(classes, what the copy button puts on the clipboard)] of a page's blocks."""
    found = []
    for block in page.locator(f"article {CODE}").all():
        for closed in block.locator("xpath=ancestor::details[not(@open)]").all():
            closed.locator("summary").click()
        page.evaluate("navigator.clipboard.writeText('')")
        block.locator(".md-clipboard, .md-code__button[data-md-type=copy]").first.click()
        page.wait_for_function("navigator.clipboard.readText().then(text => text)")
        found.append(
            (block.get_attribute("class").split(), page.evaluate("navigator.clipboard.readText()"))
        )
    return found


# A Chinese twin has the same code, by its own test, and the same button: one stands for all.
ADDRESSES = [a for a in map(address_of, PAGES) if not a.startswith("zh/") or a == "zh/"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_blocks_of_a_page_run_as_copied(page, context, base_url, site, tmp_path, address):
    pytest.importorskip("torch")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(base_url + address)
    blocks = copied(page)
    soup = BeautifulSoup((site / address / "index.html").read_text("utf-8"), "html.parser")
    assert len(blocks) == len(soup.select(f"article {CODE}"))
    shown = iter([result.get_text().strip() for result in soup.select("article .result code")])
    results = run(
        [
            [code, "wrong" in classes, ["snippets"] + ["torch"] * ("torch" not in classes)]
            for classes, code in blocks
        ],
        tmp_path,
    )
    for (classes, code), (raised, printed) in zip(blocks, results, strict=True):
        assert code.strip()
        assert ">>>" not in code
        if "wrong" in classes:
            assert "\n".join(line.rstrip() for line in printed.splitlines()) == next(shown)
        else:
            assert not raised, f"{code}\n{printed}"


def test_the_process_is_empty(tmp_path):
    hidden = ["snippets", "torch"]
    blocks = [["import snippets", False, hidden], ["import torch.nn", False, hidden]]
    blocks += [["x = 1", True, []], ["x", False, []], ["import numpy", False, hidden]]
    assert [raised for raised, _ in run(blocks, tmp_path)] == [True, True, False, True, False]
