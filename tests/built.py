"""The HTML of the built site, parsed once for all tests of a process: nobody changes it."""

import functools

from bs4 import BeautifulSoup, NavigableString


@functools.cache
def parsed(path):
    """Return the parsed HTML of one file."""
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def article(site, address):
    """Return the article of the page at an address."""
    return parsed(site / address / "index.html").article


def outside(element, *names):
    """Yield what lies below an element, except what lies inside elements of these names."""
    for child in element.children:
        yield child
        if not isinstance(child, NavigableString) and child.name not in names:
            yield from outside(child, *names)
