"""Ask the addresses outside whether they say what the pages quote: ``python -m tests.addresses``.

Prints each address that a page links to, where it stands and what came of it: fetched, with the
words in quotation marks behind the link found there or not, or not reached. It needs a network, so
no test runs it; ``python -m tests.addresses docs/en/layers/lstm.md`` asks for one page alone.
"""

import html
import re
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests import ROOT
from tests.reading import CODE, LINK, blocks, masked, text_of

SOURCES = [p for p in sorted(ROOT.glob("docs/*/**/*")) if p.suffix in {".md", ".ipynb"}]
QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”')
HIDDEN = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->", re.S)
AGENT = {"User-Agent": "Mozilla/5.0 (tests.addresses)"}  # some refuse Python's own
SECONDS = 20


class Address(NamedTuple):
    """An address, the words that a page quotes from it, and where the page does."""

    url: str
    quotes: tuple
    where: str


def addresses(text, page):
    """Return the addresses outside that a page's source links to.

    A quotation belongs to the link before it in the same note; in other blocks, a word in
    quotation marks is often the page's own.
    """
    found = []
    for block in blocks(text):
        code = CODE.sub(masked, block.text)
        links = [m for m in LINK.finditer(code) if re.match("https?:", m["target"])]
        ends = [m.start() for m in links[1:]] + [len(code)]
        for link, end in zip(links, ends, strict=False):
            behind = block.text[link.end() : end] if block.kind == "note" else ""
            quotes = tuple(words(a or b) for a, b in QUOTED.findall(behind))
            found.append(Address(link["target"], quotes, f"{page}:{block.line}"))
    return found


def words(text):
    """Return a text in lower case without what HTML, Markdown and printers do to it."""
    text = html.unescape(re.sub(r"<[^>]*>", "", HIDDEN.sub("", text)))
    text = text.translate(str.maketrans("“”‘’\u00a0", "\"\"'' ", "`*\u200b"))
    return " ".join(text.lower().split()).strip(" .,")


def fetched(url):
    """Return (what came of asking for an address, its text)."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=AGENT), None, SECONDS
        ) as got:
            return "fetched", words(got.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return f"dead: {error.code}", ""
    except OSError as error:
        return f"not reached: {error}", ""


def report(found):
    """Print what came of each address; return how many are dead or lack their words."""
    urls = sorted({address.url.partition("#")[0] for address in found})
    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(urls, pool.map(fetched, urls), strict=True))
    bad = 0
    for url, quotes, where in sorted(found):
        said, text = answers[url.partition("#")[0]]
        lacks = [quote for quote in quotes if said == "fetched" and quote not in text]
        bad += bool(lacks) or said.startswith("dead")
        print(f"{where}: {url}\n    {said}", *(f'lacks "{quote}"' for quote in lacks), sep=", ")
    return bad


if __name__ == "__main__":
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or SOURCES
    pages = [(text_of(path), path.relative_to(ROOT)) for path in chosen]
    sys.exit(report([found for page in pages for found in addresses(*page)]) > 0)
