"""Math as MathML at build time: arithmatex finds it, math-core converts it; no JavaScript."""

import html
import re

from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor
from math_core import LatexToMathML

MATH = re.compile(r'<(span|div) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', re.S)
TEX = LatexToMathML(annotation=False, fancy_error=False)


def convert(match):
    """Return the MathML of one formula; bad LaTeX raises and so fails the build."""
    block = match[1] == "div"
    formula = TEX.convert_with_local_state(html.unescape(match[2]), displaystyle=block)
    # In WebKit a formula takes no overflow: the box around it scrolls.
    return f'<div class="formula">{formula}</div>' if block else formula


class ToMathML(Postprocessor):
    """Runs after arithmatex."""

    def run(self, text):
        """Return the page with its formulas converted."""
        return MATH.sub(convert, text)


class MathML(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Register after the built-in postprocessors."""
        md.postprocessors.register(ToMathML(md), "mathml", -10)


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return MathML(**kwargs)
