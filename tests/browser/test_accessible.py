"""What axe finds in the pages. In a file of its own: it takes long."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import ADDRESSES, CHOSEN, chosen, each

pytestmark = pytest.mark.thorough

FAULTS = {"resultTypes": ["violations"]}  # to report what is well takes as long as to find it
# What the schemes change is colours: all rules in one of them, contrast in the other.
SCHEMES = {
    "light": ("default", FAULTS),
    "dark": ("slate", FAULTS | {"runOnly": ["color-contrast"]}),
}
# What the chosen pages prove for all: the frame around the text, and the code, which takes longest.
PROVED = [["header"], ["nav"], ["footer"], ["pre"]]
# Of the pieces of code of one kind, in blocks of one kind, the first stands for all: the others
# become plain text.
THIN = """() => {
  const seen = new Set();
  for (const piece of document.querySelectorAll("pre span:not(:has(*))")) {
    const kinds = [];
    for (let e = piece; e; e = e.parentElement) kinds.push(e.className);
    const kind = kinds.join();
    if (seen.has(kind)) piece.replaceWith(piece.textContent);
    seen.add(kind);
  }
}"""


@chosen
def test_axe_finds_nothing(page, base_url, address):
    page.goto(base_url + address)
    page.evaluate(THIN)
    for scheme, (name, rules) in SCHEMES.items():
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("body")).to_have_attribute("data-md-color-scheme", name)
        results = Axe().run(page, options=rules)
        assert results.violations_count == 0, f"{scheme}: {results.generate_report()}"


@pytest.fixture(scope="module")
def reader(browser):
    """Return one page that goes from address to address: a new one would load all scripts anew."""
    page = browser.new_page()
    yield page
    page.close()


# A Chinese twin is built alike, by a test of its own.
@each([a for a in ADDRESSES if a not in CHOSEN and a[:3] != "zh/"])
def test_axe_finds_nothing_in_the_text(reader, base_url, address):
    reader.goto(base_url + address)
    results = Axe().run(reader, context={"exclude": PROVED}, options=FAULTS)
    assert results.violations_count == 0, results.generate_report()
