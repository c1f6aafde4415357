"""The HTML of the built site, parsed once for all tests of a process: nobody changes it."""

import functools

from lxml import html
from lxml.cssselect import CSSSelector


@functools.cache
def parsed(path):
    """Return the parsed HTML of one file."""
    return html.document_fromstring(path.read_text("utf-8"))


def article(site, address):
    """Return the article of the page at an address."""
    return parsed(site / address / "index.html").find(".//article")


@functools.cache
def selector(css):
    """Return the function that finds what a selector of CSS means."""
    return CSSSelector(css, translator="html")


def select(element, css):
    """Return the elements that a selector of CSS finds in an element, in order."""
    return selector(css)(element)


def outside(element, *names):
    """Yield the elements below an element, except those inside elements of these names."""
    for child in element.iterchildren("*"):
        yield child
        if child.tag not in names:
            yield from outside(child, *names)
