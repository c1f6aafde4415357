"""The built site in a real browser."""

import pytest

from tests import ROOT, address_of

ADDRESSES = [
    address_of(p)
    for language in ("en", "zh")
    for p in sorted((ROOT / "docs" / language).rglob("*"))
    if p.suffix in {".md", ".ipynb"}
]
# Between them these have every kind of element that the site has: what depends on the kind alone is
# tried on them, what depends on the text on every page. A whole run takes the first of them alone.
FIRST = ["", "layers/bilinear/", "zh/notebooks/speakers/"]
CHOSEN = [
    *FIRST,
    "layers/",
    "layers/calculator/",
    "layers/inspect/",
    "layers/local-response-norm/",
    "notebooks/speakers/",
    "notebooks/speed/",
    "port/errors/",
    "port/find-your-way/",
    "port/write-it/",
    "why/memory-and-strides/",
    "zh/",
]


def each(addresses, first=FIRST):
    """Parametrize a test by address; a whole run leaves out those that are not among the first."""
    rest = pytest.mark.thorough
    given = [pytest.param(a, marks=[] if a in first else rest) for a in addresses]
    return pytest.mark.parametrize("address", given)


chosen = each(CHOSEN)


def until(page, expression):
    """Wait until a JavaScript expression, or the promise that it is, holds in a page.

    Playwright's own wait_for_function evaluates a string, which the pages' policy refuses.
    """
    page.evaluate(
        f"""() => new Promise((done, fail) => {{
          const look = async () => ((await ({expression})) ? done() : setTimeout(look, 20));
          setTimeout(() => fail(new Error("not within five seconds")), 5000);
          look();
        }})"""
    )
