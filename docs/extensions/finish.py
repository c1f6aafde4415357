"""What a page's HTML becomes last: plots with captions, tables in boxes, light blocks."""

import re

from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

CAPTION = re.compile(r"</figure>\n+<p><em>((?:(?!</?p>).)*)</em></p>", re.S)
DATA = re.compile(r'href="(?!https?:)[^"#]+\.(?:ipynb|npz|pt|zip)"')  # nothing to read in a browser
# Names, signs and the space between: ink on paper, as without a span of its own.
INK = re.compile(r'<span class="(?:n|nb|no|bp|vm|fm|kc|sa|w|p|o)">([^<]*)</span>')
# Kinds that have one colour: side by side, they need one span. Each element less is one less that a
# phone has to lay out.
COLOURS = [
    kinds.split() for kinds in ("k kn ow nc nd ne nf nn", "s1 s2 se si mf mh mi", "c1 go sd")
]
TOKENS = [rf'<span class="(?:{"|".join(kinds)})">[^<]*</span>' for kinds in COLOURS]
RUNS = re.compile("|".join(rf"(?:{token}\s*)+{token}" for token in TOKENS))
INNER = re.compile(r'</span>(\s*)<span class="\w+">')
# A heading is read without the sign that links to it; keys and screen readers have the contents.
LINK = '<a aria-hidden="true" tabindex="-1" class="headerlink"'
BLOCK = re.compile(r"<pre><span></span><code>(.*?)</code>", re.S)
# A table scrolls in a box, which Material's script would put around it in the reader's browser.
TABLE = re.compile(r"<table(?![^>]* class=).*?</table>", re.S)
BOX = r'<div class="md-typeset__scrollwrap"><div class="md-typeset__table">\g<0></div></div>'


def finished(html):
    """Return a page's HTML as the site has it; a text in italics below a plot is its caption."""
    html = CAPTION.sub(r"<figcaption>\1</figcaption></figure>", html)
    html = DATA.sub(r"\g<0> download", html)
    html = html.replace('<a class="headerlink"', LINK)
    html = TABLE.sub(BOX, html)
    html = RUNS.sub(joined, INK.sub(r"\1", html))
    return BLOCK.sub(counted, html)


def joined(run):
    """Return tokens of one colour as one."""
    return INNER.sub(r"\1", run[0])


def counted(block):
    """Tell the style sheet how many lines a block has, if it may well begin below the screen."""
    lines = block[1].count("\n")
    return block[0].replace("<code>", f'<code style="--lines: {lines}">') if lines > 9 else block[0]


class Finish(Postprocessor):
    """Runs after all others."""

    def run(self, text):
        """Return the page as the site has it."""
        return finished(text)


class Finished(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Register after all others."""
        md.postprocessors.register(Finish(md), "finish", -30)


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return Finished(**kwargs)
