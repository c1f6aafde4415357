"""The copy button takes what tests/pages/test_copying.py runs."""

import pytest

from tests.browser import CHOSEN, each, until
from tests.pages.test_copying import CODE, copied_of


@pytest.mark.firefox
@each([a for a in CHOSEN if "notebooks" not in a])
def test_the_button_copies_what_has_been_run(page, browser_name, base_url, site, address):
    if browser_name == "chromium":  # Firefox has a preference, in conftest.py
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(base_url + address)
    copied = []
    for block in page.locator(f"article {CODE}").all():
        for closed in block.locator("xpath=ancestor::details[not(@open)]").all():
            closed.locator("xpath=./summary").click()
        page.evaluate("navigator.clipboard.writeText('')")
        block.locator(".md-clipboard, .md-code__button[data-md-type=copy]").first.click()
        until(page, "navigator.clipboard.readText()")
        copied.append(page.evaluate("navigator.clipboard.readText()").strip())
    assert copied == copied_of(site, address)
