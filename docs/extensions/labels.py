"""What a block of code is and what it needs, in words above it: "wrong · needs torch", "NumPy".

They are text for everybody, screen readers included, and no part of the code: neither the copy
button nor a selection takes them along, and the search passes over them.
"""

import re

from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

# Not the cells of a notebook: each goes on from the ones above it.
BLOCK = re.compile(r'<div class="(language-(?!python cell)[\w -]+) highlight">')
# A block with its result below it: the style sheet could find these itself, by :has(), but then
# looks again whenever anything changes, which takes a phone longer than all its other rules.
ANSWERED = re.compile(
    r' highlight(?=">(?:(?!</pre></div>).)*</pre></div>\s*<div class="language-text result )', re.S
)
WORDS = {
    "wrong": "wrong",
    "right": "right",
    "torch": "needs torch",
    "numpy": "NumPy",
    "console": "shell",
    "result": "result",
    "cited": "quoted",
    "text": "output",
}


def label(classes, words=WORDS):
    """Return the label of a block with these classes, of which the first is its language."""
    language, *others = classes.split()
    told = [words[kind] for kind in ("wrong", "right", "torch") if kind in others]
    if language in {"language-python", "language-pycon"}:
        return told if "torch" in others else [*told, words["numpy"]]
    kind = next((k for k in ("result", "cited") if k in others), language.partition("-")[2])
    return [words[kind]]


class Labels(Postprocessor):
    """Runs when the highlighted code is back in the text."""

    def __init__(self, md, words):
        super().__init__(md)
        self.words = words

    def run(self, text):
        """Return the page with a label in each block, and a class where a result follows."""
        return ANSWERED.sub(" answered highlight", BLOCK.sub(self.labelled, text))

    def labelled(self, block):
        """Return the beginning of one block with its label."""
        told = " · ".join(label(block[1], self.words))
        return f'{block[0]}<span class="needs" data-search-exclude="yes">{told}</span>'


class BlockLabels(Extension):
    """The Markdown extension; ``words`` are those of another language."""

    def __init__(self, **kwargs):
        self.config = {"words": [WORDS, "..."]}
        super().__init__(**kwargs)

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Register after the built-in postprocessors."""
        md.postprocessors.register(Labels(md, self.getConfig("words")), "labels", -20)


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return BlockLabels(**kwargs)
