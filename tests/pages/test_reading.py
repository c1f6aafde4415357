"""Promise 2: what is read is checked: numbers, arithmetic, names, shapes, tables, links.

A number stands in code or a table of its section, or is filled. A name in inline code is one
that code here, NumPy or PyTorch has, or is listed. A twin is held against its page elsewhere.
"""

import builtins
import collections
import functools
import json
import keyword
import posixpath
import re

import numpy as np
import pytest
import yaml

from docs.extensions.shapes import HUE
from docs.extensions.tables import table
from tests import ROOT, SNIPPETS, address_of
from tests.arithmetic import equations, false_equations
from tests.fences import FENCE, PAGES, fences, included
from tests.reading import FRONT, MATH, blocks, cells_of, rows_below, text_of

NOTEBOOKS = sorted((ROOT / "docs").glob("*/notebooks/*.ipynb"))
TESTS = ROOT  # what a lie's page is judged by, wherever that page lies
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
INTEGERS = re.compile(r"\((?:\d+(?: \w+)?, ?)*\d*(?: \w+)?,?\)")
HEADING = re.compile(r"^##? .*\{ #([\w-]+)", re.M)
# Names that no code here has: {name: where it is from}.
NAMES = yaml.safe_load((ROOT / "tests/pages/names.yml").read_text("utf-8"))


def shown(fence):
    """Return the text that a fence shows: its own, what it includes, or the table it becomes."""
    if fence.language == "stored":
        return table(fence.text)
    return included(fence) or fence.text


@functools.cache
def evidence(path):
    """Return {section: the text of its fences, hidden set-up and tables}, "" for the whole page."""
    text = text_of(path)
    heads = [(m.start(), m[1]) for m in HEADING.finditer(text)]
    found = collections.defaultdict(str)

    def add(start, proof):
        section = next((name for begin, name in reversed(heads) if begin <= start), "")
        for name in {section, ""}:
            found[name] += proof + "\n"

    for m in FENCE.finditer(text):
        for fence in fences(m[0] + "\n"):
            add(m.start(), shown(fence))
    for m in re.finditer(
        MATH.pattern + r"|(?<=^## )\d(?=\.)|^[ \t]*<!--[ \t]*\n.*?-->|^[ \t]*\|[^\n]*\|$",
        text,
        re.S | re.M,
    ):
        add(m.start(), m[0])
    found[""] += cells_of(path)
    return found


def unproved_numbers(path):
    """Return [(line, number)] of the numbers in prose that no code or table near them has.

    Near is the section, or one that the block links to. What is said of the whole page, before the
    second section or in a title or note, may stand anywhere on it.
    """
    proofs, found = evidence(path), []
    first, *_ = HEADING.findall(text_of(path)) or [""]
    for block in blocks(text_of(path)):
        if block.kind != "row":
            whole = block.kind in ("front", "tag", "heading", "note") or block.section == first
            whole = whole or path.suffix == ".ipynb"  # has a test of its own
            linked = [to[1:] for _, to in block.links if to.startswith("#")]
            near = [""] if whole else [block.section, *linked]
            proved = " ".join(
                [proofs[section] for section in near]
                + block.code
                + [said for said, *_ in equations(block.text)]
            )
            found += [
                (block.line, number)
                for number in block.numbers
                if not re.search(rf"(?<![\w.]){re.escape(number)}(?!\w|\.\d)", proved)
            ]
    return found


def false_arithmetic(path):
    """Return [(line, equation)] of those that do not hold, in the text or in a comment."""
    text = text_of(path)
    said = [(block.line, block.text.replace("`", "")) for block in blocks(text)]
    said += [
        (fence.line, comment)
        for fence in fences(text)
        if fence.language in ("python", "pycon")
        for comment in re.findall(r"#(.*)", fence.text)
    ]
    return [(line, equation) for line, text in said for equation in false_equations(text)]


@functools.cache
def known():
    """Return the names that code here, Python, NumPy and PyTorch have."""
    torch = pytest.importorskip("torch")
    places = [builtins, np, np.ndarray, torch, torch.Tensor, torch.nn, torch.nn.functional]
    places += [torch.nn.Module, torch.nn.utils, torch.nn.init, dict, str, list]
    found = {name for place in places for name in dir(place)} | set(keyword.kwlist) | set(HUE)
    for path in SNIPPETS:
        found |= set(IDENTIFIER.findall(path.read_text("utf-8")))
    return found


def unknown_names(path):
    """Return [(line, code, names)] of the inline code with names that nothing has."""
    here = known() | set(IDENTIFIER.findall(evidence(path)[""])) | NAMES.keys()
    found = []
    for block in blocks(text_of(path)):
        for code in block.code:
            names = [name for name in IDENTIFIER.findall(code) if name not in here]
            names += [name for name in dotted(code) if not exists(name)]
            if names:
                found.append((block.line, code, names))
    return found


def dotted(code):
    """Return the names of NumPy and PyTorch in a piece of inline code."""
    return re.findall(r"(?<![\w.])(?:np|torch|nn|F)(?:\.[A-Za-z]\w*)+", code)


@functools.cache
def exists(name):
    """Return whether NumPy or PyTorch has a dotted name."""
    torch = pytest.importorskip("torch")
    roots = {"np": np, "torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    first, *others = name.split(".")
    place = roots[first]
    for other in others:
        if not hasattr(place, other):
            return name in NAMES
        place = getattr(place, other)
    return True


def sizes(code):
    """Return the integers of a shape: (100, 12) for "(100 out, 12 in)", None if it has others."""
    if not INTEGERS.fullmatch(code) or not re.search(r"\d", code):
        return None
    return tuple(map(int, re.findall(r"\d+", re.sub(r"(?<=\d) \w+", "", code))))


@functools.cache
def shapes_of(text):
    """Return all tuples of integers in a text."""
    return {s for m in INTEGERS.finditer(text) if (s := sizes(m[0]))}


def unproved_shapes(path):
    """Return [(line, shape)] of the shapes in inline code that nothing on the page has."""
    proofs = shapes_of(evidence(path)[""])
    found = []
    for block in blocks(text_of(path)):
        if block.kind != "row":
            calls = {s for code in block.code for s in stored_by(code)}
            found += [
                (block.line, code)
                for code in block.code
                if sizes(code) and sizes(code) not in (proofs if not calls else calls | proofs)
            ]
    return found


@functools.cache
def stored_by(code):
    """Return the shapes that a module stores which inline code makes: "nn.Linear(12, 100)"."""
    torch = pytest.importorskip("torch")
    if not re.fullmatch(r"(?:torch\.)?nn\.[A-Z]\w+\([^()]*(?:\([\d, ]*\)[^()]*)*\)", code):
        return set()
    try:
        with torch.device("meta"):
            module = eval(code, {"nn": torch.nn, "torch": torch})
    except (NameError, TypeError):  # written with names: nn.Linear(in, out)
        return set()
    return {tuple(values.shape) for values in module.state_dict().values()}


def unproved_tables(path):
    """Return the lines of the tables that nothing proves.

    Proofs are the module whose shapes it lists, hidden examples that walk its `rows`, a test that
    reads the English page, named above it, or arithmetic in each row.
    """
    text = text_of(path)
    proved = {line for line, _ in rows_below(text)}
    found, before = [], 0
    for block in (b for b in blocks(text) if b.kind == "row"):
        if block.line > before + 1:  # the head of a table
            top, rows = block.line, []
            proof = text.split("\n")[top - 3 : top - 1]
            ok = any(map(proves, proof, [path.name] * 2)) or top in proved
            found.append([top, ok, rows])
        else:
            rows.append(any(equations(block.text.replace("`", ""))))
        before = block.line + (block.line == top)  # the rule below the head is no block
    return [top for top, ok, rows in found if not ok and not all(rows)]


def proves(line, page):
    """Return whether a line above a table of a page names what proves it."""
    tested = re.fullmatch(r"<!-- proved: (tests/[\w/]+\.py) -->", line)
    if tested:
        return f"/{page}" in (TESTS / tested[1]).read_text("utf-8")
    return line.startswith("<!-- shapes:")


STOP = {"the", "of", "in", "to", "is", "and", "it", "its", "for", "are", "an", "as", "with", "what"}


def words(text):
    """Return what a link and the title it leads to may share: words, pairs of Chinese signs."""
    latin = {w.lower()[:5] for w in re.findall(r"[A-Za-z_]{2,}", text)} - STOP
    chinese = re.findall(r"[\u4e00-\u9fff]+", text)
    return latin | {run[i : i + 2] for run in chinese for i in range(max(1, len(run) - 1))}


@functools.cache
def front(path):
    """Return the front matter of a page, or a notebook's metadata."""
    text = path.read_text("utf-8")
    notebook = path.suffix == ".ipynb"
    return json.loads(text)["metadata"] if notebook else yaml.safe_load(FRONT.match(text)[1])


@functools.cache
def told_by(path, anchor):
    """Return (words, inline code) by which a link may name a page, or the section at an anchor."""
    told, found = front(path), blocks(text_of(path))
    if anchor:
        heads = [b for b in found if b.kind == "heading"]
        (head,) = [b for b in heads if re.search(rf"\{{ #{re.escape(anchor)}[ }}]", b.text)]
        below = [b.line for b in heads if b.line > head.line]
        inside = [b for b in found if head.line <= b.line < min(below, default=1e9)]
        names = [head.text, anchor]
    else:
        inside = found
        names = [told.get("title", ""), *[b.text for b in found if b.kind == "heading"][:1]]
        names += [told.get("description", ""), path.stem]
    code = {name for b in inside for piece in b.code for name in IDENTIFIER.findall(piece)}
    return words(" ".join([*names, *told.get("tags", [])])), code


def odd_links(path):
    """Return [(line, text, target)] of the links whose text says nothing of where they lead."""
    found = []
    language = path.relative_to(ROOT / "docs").parts[0]
    for block in blocks(text_of(path)):
        for text, target in block.links:
            to, _, anchor = target.partition("#")
            if re.match(r"\w+:", target) or (to and not to.endswith((".md", ".ipynb"))):
                continue
            if to == path.name and not anchor:  # a notebook to download
                continue
            there = path
            if to:
                there = ROOT / posixpath.normpath((path.parent / to).relative_to(ROOT).as_posix())
                if not there.exists():
                    there = ROOT / "docs/en" / there.relative_to(ROOT / "docs" / language)
            try:
                names, code = told_by(there, anchor)
            except (ValueError, FileNotFoundError):
                found.append((block.line, text, f"{target} does not exist"))
                continue
            said = set(IDENTIFIER.findall(" ".join(re.findall(r"`([^`]+)`", text))))
            if not words(text) & names and not said & code:
                found.append((block.line, text, target))
    return found


def odd_notes(path):
    """Return the names of notes that are not both told and used."""
    text = FENCE.sub("", text_of(path))
    told = set(re.findall(r"^[ \t]*\[\^([\w-]+)\]:", text, re.M))
    return sorted(told ^ set(re.findall(r"\[\^([\w-]+)\](?!:)", text)))


CHECKS = [
    false_arithmetic,
    unproved_numbers,
    unknown_names,
    unproved_shapes,
    unproved_tables,
    odd_links,
    odd_notes,
]


@pytest.mark.parametrize("path", PAGES + NOTEBOOKS, ids=address_of)
def test_what_is_read_is_proved(path):
    found = {check.__name__: check(path) for check in CHECKS}
    assert {name: lines for name, lines in found.items() if lines} == {}


TRUE = """---
title: T
---

## Linear { #linear }

`nn.Linear(12, 100)` stores `(100 out, 12 in)`, 100 rows of `weight`. [Linear maps](#linear) are
read by `np.dot`, and 4 * 3 = 12.

```pycon
>>> 12 * 100
1200
```

| a | b |
| --- | --- |
| one | 4 · 3 = 12 |
"""


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (unproved_numbers, "100 rows", "101 rows"),
        (unproved_numbers, "title: T", "title: T 13"),
        (unproved_shapes, "(100 out, 12 in)", "(12 in, 100 out)"),
        (unproved_shapes, "nn.Linear(12, 100)", "nn.Linear(12, 107)"),
        (unknown_names, "`weight`", "`wieght`"),
        (unknown_names, "np.dot", "np.weight"),
        (unproved_tables, "| one | 4 · 3 = 12 |", "| one | 12 |"),
        (odd_links, "[Linear maps]", "[Other things]"),
        (odd_links, "(#linear)", "(#lstm)"),
        (odd_notes, "np.dot`", "np.dot`[^dot]"),
    ],
)
def test_a_lie_is_found(check, old, new, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "docs/en").mkdir(parents=True)
    for name, text in (("true", TRUE), ("lie", TRUE.replace(old, new))):
        (tmp_path / f"docs/en/{name}.md").write_text(text)
    assert check(tmp_path / "docs/en/true.md") == []
    assert check(tmp_path / "docs/en/lie.md")


@pytest.mark.parametrize(
    ("text", "false"),
    [
        ("(400, 12) = (4 * 100, 12), 0·1 + 3·2 + 1·3 + 20 = 29", 0),
        ("4 * 99 = 396 = 3 * 133", 1),
        ("(400, 12) = (4 * 100, 13)", 1),
        ("200 = 3 directions * 100; 4 = 2 层 * 2", 1),
        ("1 / 1.5 = 0.667，2000 * 1000 * 8 bytes = 16 MB, sigmoid(71) = 1", 0),
        ("1 / 1.5 = 0.665", 1),
        ("√(15 + 1) = 5", 1),
        ("x = 3 + 4, 2² : 2¹ = 4/8", 0),
    ],
)
def test_false_arithmetic_is_found(text, false):
    assert len(false_equations(text)) == false
