"""The Chinese twin of a page: not stale, built alike, and saying the same block by block.

Its front matter has `source: HASH`, of the English text that it translates, and `own: HASH`, of its
own: who edits either looks at both.
"""

import hashlib
import json
import os
import re
from itertools import zip_longest
from urllib.parse import urljoin

import nbformat
import pytest
from lxml import html

from docs.extensions.tables import LISTS
from tests import ROOT, address_of
from tests.built import article
from tests.deciding import miscounted, swapped, undecided
from tests.fences import TABLES, Fence, fences, hidden
from tests.reading import FILLED, blocks, text_of

# In prose: nn.Linear, weight_ih, W.T, and the values of a figure.
IDENTIFIER = re.compile(r"\bnn\.\w+|\b\w+_\w+|\b\w+\.T\b|\{\w+\}", re.A)
# English in a Chinese text: four words or more.
QUOTED = re.compile(r"[A-Za-z][\w'’.-]*(?:,? [A-Za-z][\w'’.-]*){3,}", re.A)
EN, ZH = ROOT / "docs/en", ROOT / "docs/zh"
SOURCES = sorted(p.relative_to(EN) for p in [*EN.rglob("*.md"), *EN.rglob("*.ipynb")])


def hash_of(text):
    """Return the hash that a twin's front matter holds."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def own_text(path):
    """Return what a second look at a twin reads: its text without the hashes that it holds."""
    return re.sub(r"^(?:source|own): .*\n", "", text_of(path), flags=re.M)


def hashes_of(path):
    """Return the hashes that a twin holds: of the English that it translates, and its own."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        meta = json.loads(text)["metadata"]
        return {name: meta.get(name) for name in ("source", "own")}
    found = dict(re.findall(r"^(source|own): (\w+)$", text.partition("\n---\n")[0], re.M))
    return {name: found.get(name) for name in ("source", "own")}


def stamp(path, fresh):
    """Write fresh hashes into a twin."""
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata |= fresh
        path.write_text(nbformat.writes(notebook) + "\n", "utf-8")
        return
    lines = "".join(f"{name}: {value}\n" for name, value in fresh.items())
    front, _, rest = own_text(path).partition("\n---\n")
    path.write_text(f"{front}\n{lines}---\n{rest}", "utf-8")


def structure(article, address=""):
    """Return what a page and its twin have in common: anchors, code, tables and links.

    A link leads to the same page, in English where that has no twin.
    """
    return {
        "headings": [(h.tag, h.get("id")) for h in article.iter("h1", "h2", "h3", "h4")],
        "code": [pre.text_content() for pre in article.iter("pre")],
        "inline": {code.text_content() for code in article.xpath(".//code[not(ancestor::pre)]")},
        "tables": [
            [len(row.xpath(".//th | .//td")) for row in table.iter("tr")]
            for table in article.iter("table")
        ],
        "links": sorted(
            urljoin(f"/{address}", a.get("href")).replace("/zh/", "/")
            for a in article.iterfind(".//a[@href]")
            if "headerlink" not in a.classes
        ),
        "figures": len(article.findall(".//figure")),
    }


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_the_twin_is_built_alike(site, source):
    if not (ZH / source).exists():
        pytest.skip(f"no Chinese twin yet: {source}")
    addresses = [address_of(folder / source) for folder in (ZH, EN)]
    twin, page = (structure(article(site, address), address) for address in addresses)
    assert twin == page


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_page_and_twin_were_read_together(source):
    if not (ZH / source).exists():
        pytest.skip(f"no Chinese twin yet: {source}")
    fresh = {"source": hash_of(text_of(EN / source)), "own": hash_of(own_text(ZH / source))}
    if os.environ.get("UPDATE"):
        stamp(ZH / source, fresh)
    held = hashes_of(ZH / source)
    changed = [name for name in fresh if held[name] != fresh[name]]
    assert not changed, "read both again, then UPDATE=1 pytest tests/pages/test_twins.py"


def test_every_chinese_page_is_a_twin():
    twins = {p.relative_to(ZH) for p in [*ZH.rglob("*.md"), *ZH.rglob("*.ipynb")]}
    assert twins <= set(SOURCES)


PAGE = """<article><h2 id="a">A</h2><p><a href="../b/">b</a> <code>W.T</code></p><pre>x = 1</pre>
<table><tr><th>p</th><th>q</th></tr></table></article>"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id="a"', 'id="_1"'),
        ("h2", "h3"),
        ("../b/", "../c/"),
        ("W.T", "W"),
        ("x = 1", "x = 2"),
        ("<th>q</th>", ""),
        ("<pre>x = 1</pre>", ""),
    ],
)
def test_a_difference_in_structure_is_found(old, new):
    page, translated, other = (
        structure(html.fragment_fromstring(text))
        for text in (PAGE, PAGE.replace(">A<", ">甲<"), PAGE.replace(old, new))
    )
    assert page == translated
    assert page != other


@pytest.mark.parametrize("link", ["../b/", "../../../layers/b/"])
def test_a_link_may_lead_to_the_english_page(link):
    page, twin = (html.fragment_fromstring(PAGE.replace("../b/", to)) for to in ("../b/", link))
    assert structure(twin, "zh/layers/a/")["links"] == structure(page, "layers/a/")["links"]


def test_a_stale_twin_is_found(tmp_path):
    twin = tmp_path / "twin.md"
    twin.write_text("---\ntitle: T\n---\n\nText\n")
    assert hashes_of(twin) == {"source": None, "own": None}
    fresh = {"source": hash_of("English"), "own": hash_of(own_text(twin))}
    stamp(twin, fresh)
    assert hashes_of(twin) == fresh
    assert hash_of(own_text(twin)) == fresh["own"]
    twin.write_text(twin.read_text().replace("Text", "Other text"))
    assert hash_of(own_text(twin)) != fresh["own"]


def numbers_of(block):
    """Return the numbers of a block in order, a value to be filled in as its name."""
    return block.numbers + FILLED.findall(block.text)


def differences(page, twin):
    """Return what the blocks of a page and its twin have that the other has not, with its line."""
    # A language has tags of its own: other words that its readers use.
    ours, theirs = ([b for b in blocks(text) if b.kind != "tag"] for text in (page, twin))
    if [b.kind for b in ours] != [b.kind for b in theirs]:
        kinds = zip(ours, theirs, strict=False)
        first = next((b for a, b in kinds if a.kind != b.kind), theirs[-1])
        return [(first.line, "other blocks than the page")]
    found = []
    for a, b in zip(ours, theirs, strict=True):
        if numbers_of(a) != numbers_of(b):
            found.append((b.line, f"numbers {numbers_of(a)} and {numbers_of(b)}"))
        if a.formulas != b.formulas:
            found.append((b.line, f"formulas {a.formulas} and {b.formulas}"))
        if a.code != b.code:
            found.append((b.line, f"code {a.code} and {b.code}"))
        if IDENTIFIER.findall(a.prose) != IDENTIFIER.findall(b.prose):
            found.append((b.line, f"names {IDENTIFIER.findall(a.prose)}"))
        quoted = [words for words in QUOTED.findall(b.prose) if words not in a.prose]
        if quoted:
            found.append((b.line, f"the page does not have {quoted}"))
        if [to for _, to in a.links] != [to for _, to in b.links]:
            found.append((b.line, f"links {a.links} and {b.links}"))
        ours, its = (re.sub(r"\{\w+\}", "", block.prose) for block in (a, b))
        for title in {text for text, _ in a.links} & {text for text, _ in b.links}:  # of a paper
            ours, its = ours.replace(title, ""), its.replace(title, "")
        deciding = miscounted(ours, its) + undecided(ours, its) + swapped(ours, its)
        found += [(b.line, said) for said in deciding]
    return found


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_page_and_twin_say_the_same_block_by_block(source):
    if not (ZH / source).exists():
        pytest.skip(f"no Chinese twin yet: {source}")
    assert differences(text_of(EN / source), text_of(ZH / source)) == []


DIRECTIVE = re.compile(r"<!-- .*? -->")


def told(fence):
    """Return what a fence has in every language: all of it, but for words of a table or figure."""
    text = fence.text
    if fence.language == "stored":
        text = text.split("\n")[0]
    elif fence.language in TABLES:  # without the column titles, and the words of another language
        lines = text.strip().partition("\n\n")[0].split("\n")[1:]
        text = lines if fence.language == "stored-calculator" else []
    elif fence.language == "figure":
        text = re.findall(r"^\w[\w.]*:|(?<=^draw: ).*|(?<=^norm: ).*|(?<=^gates: ).*", text, re.M)
    return fence._replace(line=0, text=text)


def unlike_fences(page, twin):
    """Return the lines of a twin's fences and comments that are not those of its page, in order."""
    twin = twin.replace("docs/zh/", "docs/en/")  # a proof that reads its own page
    found = []
    for part in (fences, hidden):
        ours, theirs = part(page), part(twin)
        pairs = zip_longest(ours, theirs, fillvalue=Fence(0, "none", frozenset(), ""))
        found += [b.line for a, b in pairs if told(a) != told(b)]
    for fence in fences(twin):
        words = fence.text.rpartition("\n\n")[2] if fence.language in LISTS else ""
        pairs = re.findall(r"^(.+?) = (.+)$", words, re.M)
        english = [(re.sub(r"\{\w+\}", "", text), words) for text, words in pairs]
        found += [fence.line for text, words in english if undecided(text, words)]
    if DIRECTIVE.findall(page) != DIRECTIVE.findall(twin):
        found.append(0)
    return found


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_twin_has_the_fences_of_its_page(source):
    if source.suffix == ".md" and (ZH / source).exists():
        assert unlike_fences(text_of(EN / source), text_of(ZH / source)) == []


FENCES = """
<!-- shapes: nn.Linear(3, 2) -->

``` { .pycon .torch title="a.py" }
>>> 1 + 1  # two
2
```

<!--
>>> assert rows
-->

```stored
nn.Linear(3, 2)
weight: WORD
```

```figure
draw: gates
title: WORD
gates: r z n
```

```stored-classes
| WORD |
one input = 一个输入
```
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1 + 1", "1 + 2"),
        ("two", "three"),
        ("\n2\n", "\n3\n"),
        (" .torch", ""),
        ("a.py", "b.py"),
        ("assert rows", "assert 1"),
        ("<!-- shapes: nn.Linear(3, 2)", "<!-- shapes: nn.Linear(2, 3)"),
        ("\nnn.Linear(3, 2)", "\nnn.Linear(2, 3)"),
        ("draw: gates", "draw: heads"),
        ("r z n", "z r n"),
        ("stored-classes", "stored-reasons"),
        ("一个输入", "一个输出"),
    ],
)
def test_a_twin_with_another_fence_is_found(old, new):
    page, twin = FENCES, FENCES.replace("WORD", "词")
    assert unlike_fences(page, twin) == []
    assert unlike_fences(page, twin.replace(old, new))


ENGLISH = """# The first axis, in 3 rows { #axis }

Each of the 12 columns of `W` is an input, and [none is an output](b.md) before \\(t = 1\\).

Above the last row, and before or after it. A tiny one; yours is larger, too.
"""
CHINESE = """# 第一个轴，共 3 行 { #axis }

`W` 的 12 列，每个对应一个输入，在 \\(t = 1\\) 之前[没有哪个是输出](b.md)。

最后一行的上面，在它之前或之后。这一个极小；你的也更大。
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3 rows", "4 rows"),
        ("12", "13"),
        ("`W`", "`V`"),
        ("b.md", "c.md"),
        ("t = 1", "t = 2"),
        ("input", "input of nn.GRU"),
        ("first", "last"),
        ("rows", "columns"),
        ("columns", "rows"),
        ("is an input", "is an output"),
        ("before", "after"),
        ("Above", "Below"),
        ("3 行", "4 行"),
        ("第一个", "最后一个"),
        ("行", "列"),
        ("12 列", "12 行"),
        ("之前", "之后"),
        ("一个输入", "一个输出"),
        ("larger", "smaller"),
        ("or after", "or before"),
        ("或之后", "或之前"),
        ("\n\nEach", "\n\n- Each"),
    ],
)
def test_a_twin_that_says_something_else_is_found(old, new):
    assert differences(ENGLISH, CHINESE) == []
    page, twin = ENGLISH.replace(old, new), CHINESE
    if page == ENGLISH:
        twin = CHINESE.replace(old, new)
    assert differences(page, twin)
