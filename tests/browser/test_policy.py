"""What the pages' policy refuses: whatever a page would load from another host, or has written in.

That it refuses nothing of the site's own is told by the console, in test_reading.py.
"""

import pytest
from playwright.sync_api import expect

from tests.browser import until

pytestmark = pytest.mark.thorough

ELSEWHERE = "https://elsewhere.example/"
INJECTED = {
    "img-src": "document.body.append(Object.assign(new Image(), {src: url}))",
    "script-src-elem": "add('script', {src: url})",
    "style-src-elem": "add('link', {rel: 'stylesheet', href: url})",
    "frame-src": "add('iframe', {src: url})",
    "object-src": "add('object', {data: url})",
    "connect-src": "fetch(url).catch(() => 0)",
    "font-src": "new FontFace('other', `url(${url})`).load().catch(() => 0)",
    "form-action": "add('form', {action: url}).submit()",
    "base-uri": "add('base', {href: url})",
    "script-src-attr": "document.body.setAttribute('onclick', '1')",
    "script-src": "setTimeout('1')",
}
SET_UP = """
window.url = "https://elsewhere.example/";
window.refused = [];
window.add = (name, has) => {
  const element = Object.assign(document.createElement(name), has);
  document.body.append(element);
  return element;
};
addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
"""


@pytest.fixture(scope="module")
def home(browser):
    """Return one page for all that is injected."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("directive", INJECTED)
def test_what_is_injected_is_refused(home, base_url, directive):
    reached = []
    home.route(f"{ELSEWHERE}**", lambda route: reached.append(route.abort()))
    home.goto(base_url)
    home.evaluate(SET_UP)
    home.evaluate(f"() => {{ {INJECTED[directive]} }}")
    until(home, "refused.length")
    assert home.evaluate("refused") == [directive]
    assert reached == []


@pytest.mark.parametrize("address", ["nothing", "zh/layers/nothing/at/all/"])
def test_the_page_of_what_is_not_there_helps(page, base_url, address):
    said = []
    page.on("console", lambda message: said.append(message.text))
    assert page.goto(base_url + address).status == 404
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(page.get_by_role("heading", name="没有这个页面")).to_be_visible()
    links = [link.evaluate("a => a.href") for link in page.locator("article a").all()]
    assert len(links) == 8
    assert all(page.request.get(link).ok for link in links)
    assert len(said) == 1, said
    assert "404" in said[0]


def test_who_looks_for_what_is_not_there_can_search(page, base_url):
    page.goto(f"{base_url}layers/nothing/")
    page.keyboard.press("/")
    page.keyboard.type("weight")
    expect(page.locator(".md-search-result__item").first).to_be_visible(timeout=15_000)
