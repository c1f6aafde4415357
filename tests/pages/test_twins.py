"""The Chinese twin of a page: not stale, built alike.

Its front matter says `source: HASH`, the hash of the English text that it translates.
"""

import hashlib
import json
import re
from urllib.parse import urljoin

import pytest
from bs4 import BeautifulSoup

from tests import ROOT, address_of
from tests.built import article

EN, ZH = ROOT / "docs/en", ROOT / "docs/zh"
SOURCES = sorted(p.relative_to(EN) for p in [*EN.rglob("*.md"), *EN.rglob("*.ipynb")])


def text_of(path):
    """Return what a translator reads: a page's source, or a notebook's Markdown cells."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def hash_of(text):
    """Return the hash that a twin's front matter holds."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def source_of(path):
    """Return the hash of the English text that a twin says it translates."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        return json.loads(text)["metadata"].get("source")
    match = re.match(r"---\n(?:.*\n)*?source: (\w+)\n", text)
    return match and match[1]


def structure(article, address=""):
    """Return what a page and its twin have in common: anchors, code, tables and links.

    A link leads to the same page, in English where that has no twin.
    """
    return {
        "headings": [(h.name, h.get("id")) for h in article.select("h1, h2, h3, h4")],
        "code": [pre.get_text() for pre in article.select("pre")],
        "inline": {
            code.get_text() for code in article.select("code") if not code.find_parent("pre")
        },
        "tables": [
            [len(row.select("th, td")) for row in table.select("tr")]
            for table in article.select("table")
        ],
        "links": sorted(
            urljoin(f"/{address}", a["href"]).replace("/zh/", "/")
            for a in article.select("a[href]")
            if "headerlink" not in a.get("class", [])
        ),
        "figures": len(article.select("figure")),
    }


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_the_twin_is_fresh_and_built_alike(site, source):
    if not (ZH / source).exists():
        pytest.skip(f"no Chinese twin yet: {source}")
    fresh = hash_of(text_of(EN / source))
    assert source_of(ZH / source) == fresh, f"the twin is stale; brought up to date, it is {fresh}"
    addresses = [address_of(folder / source) for folder in (ZH, EN)]
    twin, page = (structure(article(site, address), address) for address in addresses)
    assert twin == page


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
        structure(BeautifulSoup(html, "html.parser").article)
        for html in (PAGE, PAGE.replace(">A<", ">甲<"), PAGE.replace(old, new))
    )
    assert page == translated
    assert page != other


@pytest.mark.parametrize("link", ["../b/", "../../../layers/b/"])
def test_a_link_may_lead_to_the_english_page(link):
    page, twin = (
        BeautifulSoup(PAGE.replace("../b/", to), "html.parser").article for to in ("../b/", link)
    )
    assert structure(twin, "zh/layers/a/")["links"] == structure(page, "layers/a/")["links"]


def test_a_stale_twin_is_found(tmp_path):
    twin = tmp_path / "twin.md"
    twin.write_text(f"---\ntitle: T\nsource: {hash_of('old')}\n---\n")
    assert source_of(twin) == hash_of("old") != hash_of("new")
    twin.write_text("---\ntitle: T\n---\n")
    assert source_of(twin) is None
