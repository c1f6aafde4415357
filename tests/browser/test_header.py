"""The header's own controls: the colour scheme, and the drawer that has the pages on a phone."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.thorough

SCHEMES = {"light": "default", "dark": "slate"}
SAYS = {
    "": ["Switch to light mode", "Switch to dark mode", "Switch to system preference"],
    "zh/": ["切换到浅色模式", "切换到深色模式", "跟随系统"],
}


@pytest.fixture
def page(new_context):
    """Return a page whose memory is its own: these tests fill it, and break it."""
    return new_context().new_page()


def is_shown_in(page, scheme):
    """Expect the page in one scheme, its scrollbars and form controls too."""
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", SCHEMES[scheme])
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == scheme


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_system_decides_until_the_reader_does(page, base_url, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(base_url)
    is_shown_in(page, scheme)
    other = "dark" if scheme == "light" else "light"
    page.emulate_media(color_scheme=other)
    is_shown_in(page, other)


@pytest.mark.parametrize("address", SAYS)
def test_the_button_goes_through_three_choices_and_they_are_kept(page, base_url, address):
    page.emulate_media(color_scheme="dark")
    page.goto(base_url + address)
    button = page.locator(".scheme")
    for i, scheme in enumerate(["dark", "light", "dark", "dark"]):
        is_shown_in(page, scheme)
        expect(button).to_have_accessible_name(SAYS[address][i % 3])
        expect(button.locator("svg:visible")).to_have_count(1)
        page.reload()
        is_shown_in(page, scheme)
        button.press("Enter")


def test_a_choice_holds_in_the_other_language(page, base_url):
    page.goto(base_url)
    page.locator(".scheme").click()
    page.locator(".scheme").click()
    is_shown_in(page, "dark")
    page.goto(f"{base_url}zh/layers/lstm/")
    is_shown_in(page, "dark")


@pytest.mark.parametrize(
    "storage",
    ["get: () => { throw new Error() }", "value: {getItem: () => 'slate', setItem: () => {}}"],
)
def test_no_memory_or_another_sites_is_no_matter(page, base_url, storage):
    page.add_init_script(f"Object.defineProperty(window, 'localStorage', {{{storage}}})")
    page.goto(base_url)
    is_shown_in(page, "light")
    page.locator(".scheme").click()
    page.locator(".scheme").click()
    is_shown_in(page, "dark")


def test_a_dark_page_is_dark_before_it_has_content(page, base_url):
    page.emulate_media(color_scheme="dark")
    page.add_init_script("""
      new MutationObserver(() => {
        if (document.querySelector("article")) window.first ??= document.body.dataset.mdColorScheme;
      }).observe(document, { childList: true, subtree: true });
    """)
    page.goto(base_url)
    assert page.evaluate("first") == "slate"


def focused_in_the_drawer(page):
    return page.evaluate("document.activeElement.closest('.md-sidebar--primary') !== null")


@pytest.mark.firefox
@pytest.mark.parametrize("address", ["layers/lstm/", "zh/layers/lstm/"])
def test_the_drawer_opens_and_closes_by_key(page, base_url, address):
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(base_url + address)
    opener = page.get_by_role("button", name={"l": "Navigation", "z": "导航栏"}[address[0]])
    links = page.locator(".md-sidebar--primary a:visible")
    expect(opener).to_have_attribute("aria-expanded", "false")
    expect(links).to_have_count(0)
    is_laid_out = "document.querySelector('.md-sidebar--primary li').checkVisibility()"
    assert not page.evaluate(is_laid_out)
    for _ in range(30):
        page.keyboard.press("Tab")
        assert not focused_in_the_drawer(page)

    for key in ("Enter", "Space"):
        opener.press(key)
        expect(opener).to_have_attribute("aria-expanded", "true")
        assert focused_in_the_drawer(page)
        assert page.evaluate(is_laid_out)
        for _ in range(4):
            page.keyboard.press("Tab")
            assert focused_in_the_drawer(page)
            expect(page.locator(":focus")).to_be_in_viewport()
        page.keyboard.press("Escape")
        expect(opener).to_have_attribute("aria-expanded", "false")
        expect(opener).to_be_focused()
        expect(links).to_have_count(0)
