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


def shown_whole(path):
    """Yield the code of each whole file that a page shows and folds."""
    for fence in fences(path.read_text("utf-8")):
        code = included(fence) if fence.language == "python" else None
        if code and f"\n{MARK}\n" in code:
            yield code


LONGEST = 80  # lines of one file that a page shows unasked


@pytest.mark.parametrize("path", PAGES, ids=address_of)
def test_a_page_shows_what_computes_and_folds_the_rest(site, path):
    """Both parts together are the file, and no part is shown for screens."""
    built = article(site, address_of(path))
    blocks = [
        next(e for e in checks.iterancestors() if "highlight" in e.classes)
        for checks in select(built, ".checks")
    ]
    assert [whole(block) for block in blocks] == list(shown_whole(path))
    assert all(MARK not in block.find(".//code").text_content() for block in blocks)
    unasked = built.xpath(".//pre[not(ancestor::details[not(@open)])]")
    shown = [pre.text_content() for pre in unasked]
    assert [code[:60] for code in shown if code.count("\n") > LONGEST] == []
