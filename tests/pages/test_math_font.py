"""The math font holds what the formulas show, and little else: it is fetched before the text.

To add a sign, cut the font anew from Debian's fonts-lmodern, with its code point among the others:
pyftsubset latinmodern-math.otf --flavor=woff2 --layout-features= --unicodes=U+0020-007E,...
"""

import html
import io
import re
import unicodedata

import pytest
from fontTools.ttLib import TTFont

from tests import ROOT

FONT = ROOT / "docs/theme/assets/lm-math.woff2"
SIGN = re.compile(r"<(m[ino])(?: [^>]*)?>([^<]*)</\1>")


def shown(formulas):
    """Return the signs of formulas; a letter that stands alone is shown in italics."""
    found = set()
    for kind, text in SIGN.findall(formulas):
        text = html.unescape(text)
        alone = kind == "mi" and len(text) == 1 and text.isalpha()
        found |= {italic(text)} if alone else set(text)
    return found - {"\u2061"}  # "function of", which shows nothing


def italic(letter):
    """Return the mathematical italic of a letter, which browsers show for <mi>."""
    if letter == "h":
        return "ℎ"
    name = unicodedata.name(letter)
    kind = "SMALL" if "SMALL" in name else "CAPITAL"
    of = name.rpartition("LETTER ")[2].removesuffix(" SYMBOL")
    if "LUNATE" in name:  # \epsilon
        return unicodedata.lookup("MATHEMATICAL ITALIC EPSILON SYMBOL")
    return unicodedata.lookup(f"MATHEMATICAL ITALIC {kind} {of}")


@pytest.fixture(scope="module")
def held():
    font = TTFont(io.BytesIO(FONT.read_bytes()))
    assert "MATH" in font
    return {chr(point) for point in font.getBestCmap()}


def test_the_font_has_every_sign_of_every_formula(site, held):
    pages = "".join(path.read_text("utf-8") for path in site.rglob("*.html"))
    signs = shown("".join(re.findall(r"<math.*?</math>", pages, re.S)))
    assert signs
    assert signs - held == set()


def test_it_is_small():
    assert FONT.stat().st_size < 40_000


def test_a_missing_sign_is_found(held):
    assert shown("<mi>x</mi><mo>∮</mo><mi>tanh</mi>") - held == {"∮"}
    assert italic("x") == "𝑥"
