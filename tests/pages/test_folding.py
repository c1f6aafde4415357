"""What refuses wrong input is folded on the pages, and part of the file all the same."""

import markdown
import pytest

from tests import address_of
from tests.built import article, select
from tests.fences import PAGES, fences, included
from tests.pages.test_copying import whole

MARK = "# What refuses wrong input"
FILE = f"def f(x):\n    return x < 1\n\n\n{MARK}\n\n\ndef check(x):\n    pass\n"
EXTENSIONS = ["pymdownx.highlight", "pymdownx.superfences", "docs.extensions.folding"]


def convert(code, language="python"):
    return markdown.markdown(
        f"```{language}\n{code}```",
        extensions=EXTENSIONS,
        extension_configs={"pymdownx.highlight": {"pygments_lang_class": True}},
    )


def test_the_second_part_is_folded():
    first, _, second = convert(FILE).partition('<details class="checks">')
    assert MARK not in first
    assert "<summary>checks, 5 lines</summary>" in second
    assert "check" in second


@pytest.mark.parametrize(
    ("code", "language"),
    [
        (FILE.replace(MARK, "# What else"), "python"),
        (FILE, "text"),
        (f'"""\n{MARK}\n"""\n', "python"),
    ],
)
def test_nothing_else_is_folded(code, language):
    assert "<details" not in convert(code, language)


def shown_whole(page):
    """Yield the code of each whole file that a page shows and folds."""
    for fence in fences(page.read_text("utf-8")):
        code = included(fence) if fence.language == "python" else None
        if code and f"\n{MARK}\n" in code:
            yield code


FOLDING = [page for page in PAGES if any(shown_whole(page))]


@pytest.mark.parametrize("page", FOLDING, ids=address_of)
def test_both_parts_together_are_the_file(site, page):
    blocks = [
        next(e for e in checks.iterancestors() if "highlight" in e.classes)
        for checks in select(article(site, address_of(page)), ".checks")
    ]
    assert [whole(block) for block in blocks] == list(shown_whole(page))
    assert all(MARK not in block.find(".//code").text_content() for block in blocks)


LONGEST = 80  # lines of one file that a page shows unasked


@pytest.mark.parametrize("page", PAGES, ids=address_of)
def test_no_page_shows_a_file_for_screens(site, page):
    unasked = article(site, address_of(page)).xpath(".//pre[not(ancestor::details[not(@open)])]")
    shown = [pre.text_content() for pre in unasked]
    assert [code[:60] for code in shown if code.count("\n") > LONGEST] == []
