"""Search is a front door: an error pasted whole, a Chinese phrase."""

import re

import pytest
from playwright.sync_api import expect

from tests import address_of
from tests.fences import ENGLISH, fences

# {error message shown on an English page: the addresses it is shown at}
ERRORS = {}
for path in ENGLISH:
    for block in fences(path.read_text("utf-8")):
        error = "cited" in block.classes or ("result" in block.classes and "Error: " in block.text)
        if error:
            ERRORS.setdefault(block.text.strip(), []).append(address_of(path))


@pytest.fixture(scope="module")
def homes(browser, base_url):
    """Return {language: its home}, opened once: the index takes longest."""
    opened = {"en": browser.new_page(), "zh": browser.new_page()}
    opened["en"].goto(base_url)
    opened["zh"].goto(f"{base_url}zh/")
    yield opened
    for page in opened.values():
        page.close()


def find(page, query):
    """Paste a query into the search and return the addresses of the pages found, best first."""
    page.keyboard.press("/")
    page.locator(".md-search__input").fill("")
    expect(page.locator(".md-search-result__meta")).to_have_text(re.compile("Type|键入"))
    page.locator(".md-search__input").fill(query)
    expect(page.locator(".md-search-result__meta")).to_have_text(re.compile(r"\d|No |没有"))
    links = page.locator(".md-search-result__item > .md-search-result__link").all()
    return [re.split(r"[?#]", link.get_attribute("href"))[0] for link in links]


@pytest.mark.parametrize("message", ERRORS, ids=lambda message: message[:50])
def test_an_error_pasted_whole_leads_to_its_page(homes, base_url, message):
    best = find(homes["en"], message)[0]
    assert best in [base_url + address for address in ERRORS[message]]


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("方阵", "zh/why/square-trap/"),
        ("方阵陷阱", "zh/why/square-trap/"),
        ("转置", "zh/why/square-trap/"),
        ("权重形状", "zh/why/rows-are-outputs/"),
        ("对应一个", "zh/why/rows-are-outputs/"),  # from the middle of its title
    ],
)
def test_a_chinese_word_finds_its_page(homes, base_url, query, address):
    assert base_url + address in find(homes["zh"], query)[:3]


def test_a_number_at_the_end_is_no_beginning(homes):
    assert find(homes["en"], "range 1")


def test_nonsense_finds_nothing(homes):
    assert find(homes["en"], "qwertzuiop") == []


COUNT = """
window.posted = [];
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  posted.push(message.type);
  return post.call(this, message, ...rest);
};
"""


def test_the_index_is_loaded_and_built_only_for_who_searches(page, base_url):
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.add_init_script(COUNT)
    page.goto(base_url)
    page.wait_for_load_state("networkidle")
    assert "search_index.json" not in asked
    assert page.evaluate("posted") == []
    page.keyboard.press("/")
    page.wait_for_function("posted[0] === 0")
    assert "search_index.json" in asked
