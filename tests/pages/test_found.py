"""Found from outside: what search engines, social networks and language models read of the site."""

import functools
import html
import re
import struct
import unicodedata
from collections import Counter
from xml.etree import ElementTree

import pytest

from docs.extensions import hook, policy, sources
from docs.extensions.plain import FENCE
from docs.extensions.plain import plain as markdown_of
from tests import ROOT, SITE_URL, address_of
from tests.browser import ADDRESSES
from tests.built import article, parsed, select
from tests.fences import fences
from tests.pages.test_site import resolve

SOURCES = {
    address_of(path): path.relative_to(ROOT / "docs").with_suffix(".md").as_posix()
    for path in sorted((ROOT / "docs").rglob("*"))
    if path.suffix in {".md", ".ipynb"}
}
PLAIN = {address: path.removeprefix("en/") for address, path in SOURCES.items()}
LINK = re.compile(r"`[^`\n]+`|\]\(([^()\s]+)\)")
XML = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}


def columns(text):
    """Return how wide a text is in a list of results: a Chinese character takes two columns."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@functools.cache
def head(site, address):
    """Return (title, {name: content of a meta element}, {(rel, language or type): href})."""
    head = parsed(site / address / "index.html").head
    meta = {m.get("name") or m.get("property"): m.get("content") for m in head.iter("meta")}
    links = {
        (link.get("rel").split()[0], link.get("hreflang") or link.get("type")): link.get("href")
        for link in head.iter("link")
    }
    return head.findtext("title"), meta, links


def languages(address):
    """Return {language: address} of a page that both languages have, otherwise {}."""
    english = address.removeprefix("zh/")
    if f"zh/{english}" not in ADDRESSES:
        return {}
    led = {"en": english, "zh-Hans": f"zh/{english}", "x-default": english}
    return {language: SITE_URL + there for language, there in led.items()}


def a_page_says_what_it_is(site, address):
    title, meta, _ = head(site, address)
    assert 10 <= columns(title.removesuffix(" - Out × In")) <= 70
    assert 100 <= columns(meta["description"]) <= 350
    assert meta["og:title"] == title.removesuffix(" - Out × In")
    assert meta["og:description"] == meta["description"]
    assert meta["og:locale"] == ("zh_CN" if address.startswith("zh/") else "en_US")


@pytest.mark.parametrize("part", [0, 1], ids=["title", "description"])
def test_no_two_pages_say_the_same(site, part):
    said = [(title, meta["description"]) for title, meta, _ in (head(site, a) for a in ADDRESSES)]
    assert [text for text, count in Counter(s[part] for s in said).items() if count > 1] == []


def a_page_names_its_address_in_both_languages(site, address):
    _, meta, links = head(site, address)
    assert links["canonical", None] == meta["og:url"] == SITE_URL + address
    alternate = {key: href for (rel, key), href in links.items() if rel == "alternate"}
    markdown = alternate.pop("text/markdown")
    assert alternate == languages(address)
    assert resolve(site, f"{address}index.html", markdown) == (PLAIN[address], "")


def test_the_picture_of_a_shared_link_is_as_large_as_it_says(site):
    _, meta, _ = head(site, "")
    assert meta["twitter:card"] == "summary_large_image"
    png = (site / meta["og:image"].removeprefix(SITE_URL)).read_bytes()
    size = struct.unpack(">II", png[16:24])
    assert size == (int(meta["og:image:width"]), int(meta["og:image:height"])) == (1200, 630)
    assert len(png) < 100_000
    assert head(site, "zh/")[1]["og:image"] == f"{SITE_URL}zh/assets/card.png"


def test_the_sitemap_lists_the_pages_of_both_languages(site):
    urls = ElementTree.parse(site / "sitemap.xml").findall("s:url", XML)
    listed = {
        url.find("s:loc", XML).text.removeprefix(SITE_URL): {
            link.get("hreflang"): link.get("href") for link in url.findall("x:link", XML)
        }
        for url in urls
    }
    assert len(urls) == len(listed)
    assert listed == {address: languages(address) for address in ADDRESSES}
    assert f"\nSitemap: {SITE_URL}sitemap.xml\n" in (site / "robots.txt").read_text("utf-8")
    assert not list(site.glob("zh/*.xml*"))


@pytest.mark.parametrize("language", ["", "zh/"])
def test_llms_txt_lists_each_page_and_the_other_language(site, language):
    text = (site / language / "llms.txt").read_text("utf-8")
    assert re.match(r"# Out × In\n\n> .+\n\n.+\n\n## ", text)
    (*pages, other) = re.findall(r"^- \[.+\]\((\S+)\)(?:: .+)?$", text, re.M)
    assert len(pages) == text.count("): ")
    ours = [path for a, path in PLAIN.items() if a.startswith("zh/") == bool(language)]
    assert sorted(pages) == sorted(SITE_URL + path for path in ours)
    assert other == SITE_URL + ("llms.txt" if language else "zh/llms.txt")


# Each page as Markdown


@functools.cache
def written(site, address):
    """Return the HTML of a page's article, without its form, a folded block in one piece."""
    page = (site / address / "index.html").read_text("utf-8")
    text = page[page.index("<article") : page.index("</article>")]
    form = r'<div class="(?:calculated|inspected)"[^>]*>.*?</table>'
    text = re.sub(form, "", text, flags=re.S)
    return re.sub(r'</code></pre><details class="checks">.*?<code.*?>', "", text, flags=re.S)


def shown(site, address, tag):
    """Return the texts of all elements of a name in a page's article."""
    text = written(site, address)
    found = re.findall(rf"<{tag}\b.*?</{tag}>", text, re.S)
    return [html.unescape(re.sub("<[^>]+>", "", element)) for element in found]


@functools.cache
def plain(site, address):
    """Return (the Markdown of a page, the same without its fences)."""
    text = (site / PLAIN[address]).read_text("utf-8")
    return text, FENCE.sub("", text)


def the_markdown_has_the_code_of_the_page(site, address):
    text, _ = plain(site, address)
    blocks = [block.split() for block in shown(site, address, "pre")]
    assert [fence.text.split() for fence in fences(text)] == blocks
    assert "--8<--" not in text


def the_markdown_has_the_headings_and_the_tables_of_the_page(site, address):
    _, prose = plain(site, address)
    headings = [heading.removesuffix("¶") for heading in shown(site, address, "h[1-4]")]
    written = re.findall(r"^#+ (.+)$", prose, re.M)
    assert [re.sub(r"[`*\\]", "", text) for text in written] == [
        re.sub(r"[`*\\]", "", text) for text in headings
    ]
    assert len(re.findall(r"^\|(?! --)", prose, re.M)) == len(shown(site, address, "tr"))
    drawings = re.findall(r"^(?:Figure: |图：).+", prose, re.M)
    assert len(drawings) == len(shown(site, address, "figure"))


def the_markdown_has_no_marks_for_html(site, address):
    prose = re.sub(r"`[^`\n]*`", "", plain(site, address)[1])
    assert not re.search(r"<[a-z/!]|\{ ?[#.:]|^[?!=]{3}", prose, re.M)


def anchors(text):
    """Return the anchors that GitHub makes of a Markdown file's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def the_links_of_the_markdown_lead_somewhere(site, address):
    for link in filter(None, LINK.findall(plain(site, address)[1])):
        if not re.match(r"https?:", link):
            target, anchor = resolve(site, PLAIN[address], link)
            assert (site / target).is_file(), link
            assert not anchor or anchor in anchors((site / target).read_text("utf-8")), link
            assert not target.endswith("index.html")


def the_markdown_has_as_many_links_to_sections_as_the_page(site, address):
    written = [link for link in LINK.findall(plain(site, address)[1]) if "#" in link]
    page = select(article(site, address), "p a[href], li a[href], td a[href]")
    ours = [a.get("href") for a in page if not re.match(r"https?:|#fn", a.get("href"))]
    assert len([link for link in written if not link.startswith("http")]) == sum(
        "#" in href for href in ours
    )


def the_markdown_has_no_number_left_to_fill(site, address):
    assert re.findall(r"^(?:Figure: |图：).*\{.*", plain(site, address)[1], re.M) == []


CHECKS = [
    a_page_says_what_it_is,
    a_page_names_its_address_in_both_languages,
    the_markdown_has_the_code_of_the_page,
    the_markdown_has_the_headings_and_the_tables_of_the_page,
    the_markdown_has_no_marks_for_html,
    the_links_of_the_markdown_lead_somewhere,
    the_markdown_has_as_many_links_to_sections_as_the_page,
    the_markdown_has_no_number_left_to_fill,
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_and_its_markdown_can_be_found(site, address):
    for check in CHECKS:
        check(site, address)


def page_of(text, uri="layers/conv.md"):
    return sources.Source(uri, "", "", "", text)


@pytest.mark.parametrize(
    ("link", "led"),
    [
        ("[a gate](lstm.md#gates)", "[a gate](lstm.md#four-gates)"),
        ("[here](#why)", "[here](#why-rows)"),
        ("[rows](../why/gone.md)", None),
        ("[a gate](lstm.md#gate)", None),
        ("[here](#gates)", None),
        ("[data](conv.npz)", None),
    ],
)
def test_a_link_of_the_markdown_leads_to_a_heading_or_says_that_it_is_dead(link, led):
    page = page_of(f"# Conv\n\n{link}\n\n## Why rows? {{ #why }}\n")
    known = [page, page_of("# LSTM\n\n## Four `gates` { #gates data-x }\n", "layers/lstm.md")]
    settings = sources.settings("en")
    if led:
        assert led in markdown_of(page, "en", settings, known)
    else:
        with pytest.raises(ValueError, match=re.escape(f"layers/conv.md: {link} leads nowhere")):
            markdown_of(page, "en", settings, known)


# The policy


def test_every_page_has_a_policy_before_all_that_it_is_about(site):
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        (rule,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="(.*?)">', text)
        assert not re.search("<(script|link|style)", text[: text.index(rule)])
        assert rule.startswith("default-src 'none'; script-src 'self' 'sha256-")
        assert not re.search(r"script-src[^;]*unsafe|https?:|\*", rule)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<p>text</p>", "script-src 'self';"),
        # echo -n 1 | openssl dgst -sha256 -binary | base64
        (
            "<script>1</script>",
            "script-src 'self' 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=';",
        ),
        ('<script type="application/json">1</script>', "script-src 'self';"),
    ],
)
def test_a_policy_allows_the_scripts_that_the_page_has(body, rule):
    assert rule in policy.with_policy(policy.FIRST + body)


def test_served_while_it_is_written_a_page_has_no_policy(monkeypatch):
    monkeypatch.setattr(hook, "OPTIONS", {"policy": True})
    hook.on_startup("build")
    assert hook.OPTIONS["policy"]
    hook.on_startup("serve")
    hook.on_startup("build")  # as the Chinese site within
    assert not hook.OPTIONS["policy"]
