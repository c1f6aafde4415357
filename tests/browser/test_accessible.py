"""What axe finds in the pages, in both schemes. In a file of its own: it is half of the time."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import ALIKE

SCHEMES = {"light": "default", "dark": "slate"}


@pytest.mark.parametrize("address", ALIKE)
def test_axe_finds_nothing(page, base_url, address):
    page.goto(base_url + address)
    for scheme, name in SCHEMES.items():
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("body")).to_have_attribute("data-md-color-scheme", name)
        results = Axe().run(page)
        assert results.violations_count == 0, f"{scheme}: {results.generate_report()}"
