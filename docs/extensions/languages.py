"""The two languages of the site know each other: each page its twin, the sitemap both.

An address here is that of an HTML file in the site, without ``index.html``; the Chinese ones begin
with ``zh/``.
"""

import html
import posixpath
import re

ENGLISH = "english-site"  # where the Chinese site believes the pages without a twin to be
SWITCH = re.compile(r'href="[^"]*"(?= hreflang="[^"]*" lang="[^"]*" class="language-switch")')
LINK = '<link rel="alternate " {} href="{}">'  # the space: see docs/theme/partials/found.html


def twin(address):
    """Return the address that a page has in the other language, if it is there."""
    return address.removeprefix("zh/") if address.startswith("zh/") else f"zh/{address}"


def languages(address, pages, url):
    """Return {language: absolute address} of a page that both languages have, otherwise {}."""
    if not url or twin(address) not in pages:
        return {}
    english, chinese = sorted([address, twin(address)], key=lambda a: a.startswith("zh/"))
    return {"en": url + english, "zh-Hans": url + chinese, "x-default": url + english}


def relative(target, address):
    """Return the link from the page at an address to another address."""
    link = posixpath.relpath(target or ".", posixpath.dirname(address) or ".")
    return f"{link}/" if target.endswith("/") or not target else link


def introduce(text, address, pages, url):
    """Return the HTML of a page that names its Markdown and its languages, and links to its twin.

    ``pages`` is {address: address of the Markdown} of all pages.
    """
    links = [LINK.format('type="text/markdown"', relative(pages[address], address))]
    for language, href in languages(address, pages, url).items():
        links.append(LINK.format(f'hreflang="{language}"', href))
    if links[0] not in text:
        text = text.replace("</head>", "\n".join([*links, "</head>"]), 1)
    if twin(address) in pages:
        link = relative(twin(address), address)
        index = "index.html" if link.endswith("/") else ""  # named where no server finds it
        text = SWITCH.sub(lambda home: f'href="{link}{index if index in home[0] else ""}"', text)
    return re.sub(rf'href="((?:\.\./)*){ENGLISH}/', r'hreflang="en" href="\1../', text)


def sitemap(pages, url):
    """Return the sitemap of both languages."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        ' xmlns:xhtml="http://www.w3.org/1999/xhtml">',
    ]
    for address in sorted(pages):
        lines.append(f"<url><loc>{html.escape(url + address)}</loc>")
        for language, href in languages(address, pages, url).items():
            lines.append(
                f'<xhtml:link rel="alternate" hreflang="{language}" href="{html.escape(href)}"/>'
            )
        lines.append("</url>")
    return "\n".join([*lines, "</urlset>\n"])
