"""A file's second part, which refuses wrong input, is folded below the first, which computes.

What a snippet refuses stands below one line, ``# What refuses wrong input``. A page shows what is
above it and folds the rest; both are one block to look at, to copy and to download.
"""

import re

from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

MARK = '<span class="c1"># What refuses wrong input</span>'
BLOCK = re.compile(
    r'(?P<open><div class="language-python[\w -]* highlight">(?:(?!</pre>).)*?<code>)'
    rf"(?P<computes>(?:(?!</code>).)*?\n)(?P<refuses>\n*{re.escape(MARK)}(?:(?!</code>).)*)"
    r"(?P<close></code></pre>)",
    re.S,
)
WORDS = "checks, {} lines"


class Folding(Postprocessor):
    """Runs when the highlighted code is back in the text."""

    def __init__(self, md, words):
        super().__init__(md)
        self.words = words

    def run(self, text):
        """Return the page with the second part of each such block folded."""
        return BLOCK.sub(self.folded, text)

    def folded(self, block):
        """Return one block with its second part folded."""
        refuses = block["refuses"]
        told = self.words.format(refuses.strip().count("\n") + 1)
        return (
            f"{block['open']}{block['computes']}{block['close']}"
            f'<details class="checks"><summary>{told}</summary>'
            f"<pre><span></span><code>{refuses}{block['close']}</details>"
        )


class FoldedChecks(Extension):
    """The Markdown extension; ``words`` are those of another language."""

    def __init__(self, **kwargs):
        self.config = {"words": [WORDS, "What the fold says, {} for the number of lines."]}
        super().__init__(**kwargs)

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Register after the labels."""
        md.postprocessors.register(Folding(md, self.getConfig("words")), "folding", -21)


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return FoldedChecks(**kwargs)
