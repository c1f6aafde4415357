"""The fences and hidden set-up of a page's Markdown, at any depth of indentation."""

import platform
import re
import textwrap
from typing import NamedTuple

import numpy as np
from packaging.specifiers import SpecifierSet

from docs.extensions.named_snippets import pasted, source_of
from docs.extensions.tables import LISTS
from tests import ROOT, SNIPPETS_DIR

ENGLISH, CHINESE = (sorted((ROOT / "docs" / folder).rglob("*.md")) for folder in ("en", "zh"))
PAGES = ENGLISH + CHINESE

FENCE = re.compile(
    r"^(?P<indent>[ \t>]*)(?P<ticks>`{3,}|~{3,})(?P<info>[^\n`]*)\n"
    r"(?P<body>.*?)^(?P=indent)(?P=ticks)[ \t]*$",
    re.M | re.S,
)
HIDDEN = re.compile(
    r"^(?P<indent>[ \t]*)<!--[ \t]*\n(?P<body>[ \t]*>>> .*?)^[ \t]*-->", re.M | re.S
)
INCLUDE = re.compile(r'--8<-- "(?P<path>[^":]+)(?::(?P<name>[\w.,]+))?"\n')

# Tables filled from the registry, proved in tests/pages/test_tables.py.
TABLES = {"stored", *LISTS}


class Fence(NamedTuple):
    """One fenced block: where it begins, its language, classes, dedented text and title."""

    line: int
    language: str
    classes: frozenset
    text: str
    title: str = ""


def fences(page):
    """Return the fences of a page, in order."""
    found = []
    for m in FENCE.finditer(page):
        language, *classes = re.sub(r'\w+="[^"]*"|[{}.]', " ", m["info"]).split() or [""]
        body = re.sub(rf"^{re.escape(m['indent'])}", "", m["body"], flags=re.M)
        title = "".join(re.findall(r'title="([^"]*)"', m["info"]))
        found.append(Fence(line_of(page, m.start()), language, frozenset(classes), body, title))
    return found


def hidden(page):
    """Return the hidden set-up of a page, `<!--` alone on its line before `>>>`, as fences."""
    return [
        Fence(line_of(page, m.start()), "pycon", frozenset({"hidden"}), textwrap.dedent(m["body"]))
        for m in HIDDEN.finditer(page)
    ]


def included(fence):
    """Return the code that a fence includes from snippets/, None if it is not one include."""
    m = INCLUDE.fullmatch(fence.text)
    if not m:
        return None
    code = (SNIPPETS_DIR / m["path"]).read_text("utf-8")
    if not m["path"].endswith(".py"):  # what port wrote, as it is
        return code
    return source_of(code, m["name"]) if m["name"] else pasted(code)


def wrong_blocks(page):
    """Return [(wrong block, its results)]: one result, or one for each of some versions."""
    found = []
    for block in fences(page):
        if "wrong" in block.classes:
            found.append((block, []))
        elif "result" in block.classes and found:
            found[-1][1].append(block)
    return found


def holds_here(title):
    """Return whether a result with this title, such as "NumPy < 2.2", is that of this machine."""
    name, _, versions = title.partition(" ")
    installed = {"": "0", "NumPy": np.__version__, "Python": platform.python_version()}
    return SpecifierSet(versions).contains(installed[name])


def as_shown(printed):
    """Return a text as a page shows it: without a terminal's bold, tabs and trailing blanks."""
    plain = re.sub(r"\x1b\[\d*m", "", printed).expandtabs(4)
    return "\n".join(line.rstrip() for line in plain.rstrip().splitlines())


def line_of(page, position):
    """Return the number of the line that position lies in."""
    return page.count("\n", 0, position) + 1
