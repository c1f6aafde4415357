"""What lies beside the pages of a built site, and what each page's head says of it.

Whichever builder made the pages, this reads the sources: it writes the downloads, each page as
Markdown, llms.txt, robots.txt and the sitemap, and gives each page its languages, what a screen
reader is told and its policy. Scripts are served without margins and lines of comment, but with
their licence, a /*! comment */.

    python -m docs.extensions.beside site    with SITE_URL in the environment, as for mkdocs
"""

import os
import pathlib
import re
import sys

from docs.extensions import downloads, sources
from docs.extensions.copying import with_buttons
from docs.extensions.languages import introduce, sitemap
from docs.extensions.plain import address, listing, plain
from docs.extensions.policy import with_policy
from docs.extensions.spoken import spoken

MARGIN = re.compile(r"(?:^|\n)\s*(?://.*\n\s*)*")


def write(site, url="", policy=True):
    """Write it all into the folder of a site, which may have one language or both.

    What ``mkdocs serve`` shows has no policy, and its scripts as they are written.
    """
    pages = {}  # {address: address of the Markdown}
    for language, prefix in (("en", ""), ("zh", "zh/")):
        if (site / prefix / "index.html").is_file():
            pages |= write_language(
                site / prefix, language, f"{url}{prefix}" if url else "", prefix
            )
    if url:
        put(site / "robots.txt", f"User-agent: *\nAllow: /\nSitemap: {url}sitemap.xml\n")
        put(site / "sitemap.xml", sitemap(pages, url))
    for path in site.rglob("*.html"):
        there = path.relative_to(site).as_posix().removesuffix("index.html")
        text = path.read_text("utf-8")
        made = downloads.link_titles(
            text, there.rpartition("/")[0], "zh/" * there.startswith("zh/")
        )
        if there in pages:
            made = introduce(made, there, pages, url)
        made = with_buttons(spoken(made))
        if policy:
            made = with_policy(made)
        if made != text:
            put(path, made)
    if policy:
        for path in [*site.glob("assets/*.js"), *site.glob("zh/assets/*.js")]:
            put(path, MARGIN.sub("\n", path.read_text("utf-8")))


def write_language(site, language, url, prefix):
    """Write what one language has, and return {address of each page: of its Markdown}."""
    for uri, path in downloads.offered().items():
        put(site / uri, path.read_bytes())
    for uri, made in downloads.MADE.items():
        put(site / uri, made())
    config = sources.settings(language)
    found = sources.pages(config)
    put(site / "llms.txt", listing(found, config, url))
    pages = {}
    for source in found:
        put(site / address(source.uri), plain(source, language, config, found))
        pages[prefix + page(site, source.uri)] = prefix + address(source.uri)
    return pages


def page(site, uri):
    """Return the address of a source's page, which a builder gives a folder or not."""
    stem = uri.rpartition(".")[0]
    if (site / f"{stem}.html").is_file():
        return f"{stem}.html".removesuffix("index.html")
    return f"{stem}/"


def put(path, content):
    """Write text or bytes, in a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]), os.environ.get("SITE_URL", ""))
