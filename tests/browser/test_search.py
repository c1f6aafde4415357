"""Search is a front door: a pasted error, a Chinese phrase."""

from playwright.sync_api import expect

from tests import address_of
from tests.fences import PAGES, fences

ERRORS = [
    (address_of(path), block.text.strip())
    for path in PAGES
    if not address_of(path).startswith("zh/")
    for block in fences(path.read_text("utf-8"))
    if "result" in block.classes and "Error: " in block.text
]


def find(page, query):
    """Type a query into the search and return the addresses of the results, best first."""
    page.keyboard.press("/")
    page.locator(".md-search__input").fill(query)
    expect(page.locator(".md-search-result__meta")).to_have_text(
        __import__("re").compile(r"\d|找到|没有")
    )
    return [a.get_attribute("href") for a in page.locator(".md-search-result__link").all()]
