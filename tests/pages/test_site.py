"""Promise 5 and the links: the built site calls nobody, and nothing in it is dead."""

import functools
import gzip
import posixpath
import re
import zipfile
from collections import Counter
from urllib.parse import unquote, urlsplit

import pytest

from docs.extensions.downloads import MADE
from tests import ROOT, SITE_URL, address_of
from tests.browser import ADDRESSES, CHOSEN
from tests.built import article, outside, parsed, select
from tests.fences import PAGES, TABLES, fences, included

LOADS = {"src", "srcset", "data", "poster"}
NOT_LOADED = {"canonical", "alternate", "prev", "next", "edit"}
CSS_URL = re.compile(r"""(?:url\(|@import\s+)["']?([^"')\s;]+)""")


def pages(site):
    """Return {address: parsed page} of a built site."""
    return {path.relative_to(site).as_posix(): parsed(path) for path in site.rglob("*.html")}


def resolve(site, address, link):
    """Return (file, anchor) that a link on the page at address leads to."""
    parts = urlsplit(link)
    path = unquote(parts.path)
    if path.startswith(urlsplit(SITE_URL).path):  # on the 404 page, which has no address
        target = path.removeprefix(urlsplit(SITE_URL).path)
    else:
        target = posixpath.join(posixpath.dirname(address), path) if path else address
    target = posixpath.normpath(target)
    if (site / target).is_dir():
        target = posixpath.normpath(posixpath.join(target, "index.html"))
    return target, unquote(parts.fragment)


def problems(site):
    """Return what the built site loads from elsewhere, and its dead links and doubled ids."""
    parsed = pages(site)
    ids = {address: page.xpath("//@id") for address, page in parsed.items()}
    found = []
    for address, page in parsed.items():
        doubled = [name for name, count in Counter(ids[address]).items() if count > 1]
        found += [f"{address}: id {name} is doubled" for name in doubled]
        for element in page.iter("*"):
            name, given = element.tag, element.attrib
            loads = [given[key] for key in LOADS & set(given)]
            stylesheet = name == "link" and not NOT_LOADED & set(given.get("rel", "").split())
            if stylesheet or name in {"image", "use"}:
                loads.append(given.get("href") or given["xlink:href"])
            styles = given.get("style", "") + (element.text if name == "style" else "")
            loads += CSS_URL.findall(styles)
            links = loads + ([given["href"]] if name == "a" and given.get("href") else [])
            for link in links:
                parts = urlsplit(link)
                if parts.scheme == "data":
                    continue
                if parts.netloc:
                    if link in loads:
                        found.append(f"{address}: loads {link}")
                    continue
                target, anchor = resolve(site, address, link)
                if not (site / target).is_file():
                    found.append(f"{address}: {link} is dead")
                elif anchor and target in ids and anchor not in ids[target]:
                    found.append(f"{address}: {link} has no such anchor")
    for path in site.rglob("*.css"):
        for link in CSS_URL.findall(path.read_text("utf-8")):
            if urlsplit(link).netloc:
                found.append(f"{path.name}: loads {link}")
            elif urlsplit(link).scheme != "data" and not (path.parent / link).is_file():
                found.append(f"{path.name}: {link} is dead")
    return found


def test_the_site_calls_nobody_and_no_link_is_dead(site):
    assert problems(site) == []


@pytest.mark.parametrize("home", ["", "zh/"])
def test_every_page_is_reached_from_the_text_of_another(site, home):
    """The menu aside, which a phone folds."""
    mine = [a for a in ADDRESSES if a.startswith("zh/") == bool(home)]
    reached = {
        there
        for address in mine
        for link in select(article(site, address), "a[href]:not(.md-content__button)")
        for there, _ in [resolve(site, f"{address}index.html", link.get("href"))]
        if there != f"{address}index.html"
    }
    assert [a for a in mine if f"{a}index.html" not in reached and a != home] == []


def test_both_languages_are_built(site):
    assert (site / "index.html").is_file()
    assert (site / "zh/index.html").is_file()


@functools.cache
def zipped(path):
    """Return how many bytes a host sends of a file."""
    return len(gzip.compress(path.read_bytes()))


def weight(site, address):
    """Return the bytes of a page with its styles and scripts, zipped."""
    page = parsed(site / address / "index.html")
    loads = page.xpath("//link[@rel='stylesheet']/@href | //script/@src")
    assert len(loads) > 4
    files = [resolve(site, f"{address}index.html", load)[0] for load in loads]
    return sum(zipped(site / file) for file in [f"{address}index.html", *files])


def test_a_page_with_its_styles_and_scripts_weighs_little(site):
    weights = {address: weight(site, address) for address in ADDRESSES}
    heavy = {a: w for a, w in weights.items() if w > (200e3 if "notebooks/" in a else 150e3)}
    assert heavy == {}


def kinds(site, address):
    """Return the elements of a page's article with their classes, those within code left out."""
    elements = outside(article(site, address), "pre", "math", "svg")
    kinds = {(e.tag, *sorted(e.classes)) for e in elements}
    return {kind for kind in kinds if "axis" not in kind}  # hues have tests of their own


def test_the_chosen_pages_have_every_kind_of_element(site):
    found = {address: kinds(site, address) for address in ADDRESSES}
    tried = set().union(*(found[address] for address in CHOSEN))
    assert {address: new - tried for address, new in found.items() if new - tried} == {}


def the_language_switch_leads_to_the_same_page_or_home(site, path):
    address = address_of(path)
    (switch,) = select(parsed(site / address / "index.html"), ".language-switch")
    other = address.removeprefix("zh/") if address.startswith("zh/") else f"zh/{address}"
    known = {address_of(p) for p in PAGES}
    there = other if other in known else "zh/"
    led = resolve(site, f"{address}index.html", switch.get("href"))
    assert led == (f"{there}index.html", "")


def source_of(target):
    """Return the file that a download is to be, byte for byte: a notebook is its language's own."""
    language, path = ("zh", target[3:]) if target.startswith("zh/") else ("en", target)
    if path.endswith(".ipynb"):
        folder, name = posixpath.split(path)
        return ROOT / "docs" / language / posixpath.dirname(folder) / name
    return ROOT / ("docs/en" if path.startswith(("notebooks/", "models/")) else "") / path


def downloads(site, address):
    """Return {file of the site that is no page: whether its links download it} of a page."""
    found = {}
    for a in select(article(site, address), "a[href]"):
        target, _ = resolve(site, f"{address}index.html", a.get("href"))
        if not urlsplit(a.get("href")).netloc and not target.endswith(".html"):
            found[target] = found.get(target, True) and "download" in a.attrib
    return found


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_download_is_the_tested_file(site, address):
    found = downloads(site, address)
    for target in found:
        if target.removeprefix("zh/") in MADE:  # packed, tested where they are run
            continue
        assert (site / target).read_bytes() == source_of(target).read_bytes(), target
    if "notebooks/" in address:
        name = address.rstrip("/").rpartition("/")[2]
        assert found[f"{address}{name}.ipynb"]


@pytest.mark.parametrize("prefix", ["", "zh/"])
def test_the_archive_holds_the_tested_files(site, prefix):
    with zipfile.ZipFile(site / f"{prefix}snippets.zip") as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    files = [*ROOT.glob("snippets/**/*.py"), ROOT / "snippets/LICENSE"]
    assert packed == {f.relative_to(ROOT).as_posix(): f.read_bytes() for f in files}


def no_block_escapes_the_fences(site, path):
    page = article(site, address_of(path))
    blocks = fences(path.read_text("utf-8"))
    shown = []
    for pre in page.xpath(".//pre[not(parent::details)]"):
        parts = [pre, *pre.xpath("following-sibling::details/pre")]
        shown.append([word for part in parts for word in part.text_content().split()])
    code = [f for f in blocks if f.language not in TABLES | {"figure"}]
    assert shown == [(included(f) or f.text).split() for f in code]
    figures = [f for f in blocks if f.language == "figure"]
    assert len(select(page, "figure svg")) == len(figures)


SAYS = {
    "en": {"wrong": "wrong", "right": "right", "torch": "needs torch", "": "NumPy"}
    | {"result": "result", "cited": "quoted", "console": "shell", "text": "output"},
    "zh": {"wrong": "错", "right": "对", "torch": "需要 torch", "": "NumPy"}
    | {"result": "结果", "cited": "引用", "console": "命令行", "text": "输出"},
}


def every_block_says_what_it_needs(site, path):
    says = SAYS[path.relative_to(ROOT / "docs").parts[0]]
    expected = []
    for block in fences(path.read_text("utf-8")):
        if block.language in {"python", "pycon"}:
            needs = "torch" if "torch" in block.classes else ""
            kinds = [kind for kind in ("wrong", "right") if kind in block.classes]
            expected.append(" · ".join(says[kind] for kind in [*kinds, needs]))
        elif block.language not in TABLES | {"figure"}:
            kinds = [kind for kind in ("result", "cited") if kind in block.classes]
            expected.append(says[kinds[0] if kinds else block.language])
    blocks = select(article(site, address_of(path)), "div.highlight > .needs")
    shown = [needs.text for needs in blocks if next(needs.iterancestors("figure"), None) is None]
    assert shown == expected


@pytest.mark.parametrize(("address", "language"), [("", "en"), ("zh/", "zh")])
def test_the_living_figure_says_which_way_is_right(site, address, language):
    words = [e.text for e in select(article(site, address), ".living .highlight > .needs")]
    assert words == [SAYS[language]["right"], SAYS[language]["wrong"]]


def no_reference_is_left_as_text(site, path):
    texts = article(site, address_of(path)).xpath(
        ".//text()[not(ancestor::code or ancestor::math)]"
    )
    assert not re.search(r"\]\[|\[\^|--8<--|\{ [.#]", "".join(texts))


@pytest.mark.parametrize("path", PAGES, ids=address_of)
def test_a_page_is_built_as_it_is_written(site, path):
    the_language_switch_leads_to_the_same_page_or_home(site, path)
    no_block_escapes_the_fences(site, path)
    every_block_says_what_it_needs(site, path)
    no_reference_is_left_as_text(site, path)


GOOD = """<a href="b/#there">b</a><script src="x.js"></script><link rel="stylesheet" href="x.css">
<link rel="canonical" href="https://example.org/"><a href="https://example.org">out</a>"""


def small_site(folder, page):
    (folder / "b").mkdir()
    (folder / "index.html").write_text(page)
    (folder / "b/index.html").write_text('<h1 id="there"></h1><a href="..">up</a>')
    (folder / "x.js").touch()
    (folder / "x.css").write_text("a { background: url(x.js) }")
    return folder


def test_a_good_site_has_no_problem(tmp_path):
    assert problems(small_site(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    "html",
    [
        GOOD + '<script src="https://cdn.example.org/x.js"></script>',
        GOOD + '<script src="//cdn.example.org/x.js"></script>',
        GOOD + '<link rel="preconnect" href="https://fonts.example.org">',
        GOOD + '<img src="https://example.org/x.png">',
        GOOD + "<style>@import 'https://example.org/x.css'</style>",
        GOOD + '<p style="background: url(https://example.org/x.png)"></p>',
        GOOD + '<a href="c/">c</a>',
        GOOD + '<a href="b/#nowhere">b</a>',
        GOOD + '<a href="/b/">absolute, dead under a sub-path</a>',
        GOOD + '<img src="x.png">',
        GOOD + '<p id="a"></p><p id="a"></p>',
        GOOD + '<svg><use xlink:href="#gone"/></svg>',
    ],
)
def test_a_bad_page_is_found(tmp_path, html):
    assert len(problems(small_site(tmp_path, html))) == 1


def test_a_style_sheet_that_calls_somebody_is_found(tmp_path):
    site = small_site(tmp_path, GOOD)
    (site / "x.css").write_text("@font-face { src: url(https://fonts.example.org/x.woff2) }")
    assert problems(site) == ["x.css: loads https://fonts.example.org/x.woff2"]
