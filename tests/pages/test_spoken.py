"""What a screen reader is told: headings, languages, landmarks, in the built site."""

import re

import pytest

from docs.extensions.spoken import spoken
from tests.browser import chosen
from tests.built import parsed


@chosen
def test_a_heading_is_read_without_the_sign_that_links_to_it(site, address):
    signs = parsed(site / address / "index.html").select("article .headerlink")
    assert signs
    assert {(sign["aria-hidden"], sign["tabindex"]) for sign in signs} == {("true", "-1")}


@chosen
def test_no_landmark_is_called_collapsed(site, address):
    page = parsed(site / address / "index.html")
    assert not page.select("nav[aria-expanded]")
    landmarks = [nav for nav in page.select(".md-sidebar nav") if nav.get("role") != "none"]
    assert {nav["class"][1] for nav in landmarks} == {"md-nav--primary", "md-nav--secondary"}
    lists = page.select(".md-nav__list[aria-labelledby]")
    assert lists
    for named in lists:
        assert page.select(f"label#{named['aria-labelledby']}")


def test_a_page_has_one_name_for_its_language(site):
    page = parsed(site / "index.html")
    (switch,) = page.select(".language-switch")
    there = parsed(site / "zh/index.html")
    assert there.html["lang"] == switch["lang"] == switch["hreflang"] == "zh-Hans"
    assert page.html["lang"] == "en"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<pre><code>mat shapes cannot be</code></pre>", '<pre lang="en">'),
        ("<pre><code>mat shapes cannot be # 形状</code></pre>", "<pre>"),
        ("<code>size mismatch for fc</code>", '<code lang="en">'),
        ("<code>x @ W.T + b</code>", "<code>"),
        ("<blockquote><p>The weights are here</blockquote>", '<blockquote lang="en">'),
    ],
)
def test_english_on_a_chinese_page_is_said_to_be_english(text, said):
    assert said in spoken(f'<html lang="zh">{text}')
    assert "lang" not in spoken(text)


def test_the_errors_of_a_chinese_page_are_english(site):
    page = parsed(site / "zh/port/errors/index.html")
    assert len(page.select('pre[lang="en"]')) > 10
    assert not [e for e in page.select("[lang=en]") if re.search("[\u4e00-\u9fff]", e.get_text())]
