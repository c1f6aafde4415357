"""What a screen reader is told: headings, languages, landmarks, in the built site."""

import re

import pytest

from docs.extensions.spoken import spoken
from tests.browser import chosen
from tests.built import article, parsed, select


@chosen
def test_a_heading_is_read_without_the_sign_that_links_to_it(site, address):
    signs = select(article(site, address), ".headerlink")
    assert signs
    assert {(s.get("aria-hidden"), s.get("tabindex")) for s in signs} == {("true", "-1")}


@chosen
def test_no_landmark_is_called_collapsed(site, address):
    page = parsed(site / address / "index.html")
    assert not select(page, "nav[aria-expanded]")
    landmarks = [nav for nav in select(page, ".md-sidebar nav") if nav.get("role") != "none"]
    kinds = {nav.get("class").split()[1] for nav in landmarks}
    assert kinds == {"md-nav--primary", "md-nav--secondary"}
    lists = select(page, ".md-nav__list[aria-labelledby]")
    assert lists
    for named in lists:
        assert page.get_element_by_id(named.get("aria-labelledby")).tag == "label"


def test_a_page_has_one_name_for_its_language(site):
    page = parsed(site / "index.html")
    (switch,) = select(page, ".language-switch")
    there = parsed(site / "zh/index.html")
    assert there.get("lang") == switch.get("lang") == switch.get("hreflang") == "zh-Hans"
    assert page.get("lang") == "en"


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
    assert len(select(page, 'pre[lang="en"]')) > 10
    english = [e.text_content() for e in select(page, "[lang=en]")]
    assert not [text for text in english if re.search("[\u4e00-\u9fff]", text)]
