"""Tables of words become cards on a phone, so that the column with the answer is on its screen.

The style sheet lays them out, docs/theme/assets/site.css. It gets the titles of the columns here,
and the elements their roles: a cell that is laid out as a block is no cell to some screen readers.
A table of short cells stays one; it scrolls, and its first column stays. A long name in a cell may
be broken behind its dots; what is copied of it has no such break.
"""

import re
from unicodedata import east_asian_width

from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor
from markdown.treeprocessors import Treeprocessor

ROLES = {
    "thead": "rowgroup",
    "tbody": "rowgroup",
    "tr": "row",
    "th": "columnheader",
    "td": "cell",
}
LONG = 24  # letters, more than two columns of a phone hold; a Chinese character is two
CELL = re.compile(r"<td\b.*?</td>", re.S)
NAME = re.compile(rf"(?<=<code>)[\w.]{{{LONG + 1},}}(?=</code>)")


def width(element):
    """Return how many letters wide the text of an element is."""
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in words(element))


def words(element):
    """Return the text of an element."""
    return "".join(element.itertext()).strip()


def titles(heads):
    """Return the titles of the columns as the style sheet reads them."""
    return "; ".join(f"--head-{i}: {quoted(head)}" for i, head in enumerate(heads, 1))


def quoted(text):
    """Return a string of CSS."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Cards(Treeprocessor):
    """Runs when the cells have their code and links."""

    def run(self, root):
        """Mark the tables that have a long cell."""
        for table in root.iter("table"):
            if max(map(width, table.iter("td")), default=0) > LONG:
                table.set("role", "table")
                table.set("style", titles(words(head) for head in table.iter("th")))
                for part in table.iter():
                    if part.tag in ROLES:
                        part.set("role", ROLES[part.tag])


class Names(Postprocessor):
    """Runs when the tables are HTML."""

    def run(self, text):
        """Let a browser break the long names in cells."""
        return CELL.sub(
            lambda cell: NAME.sub(lambda name: name[0].replace(".", ".<wbr>"), cell[0]), text
        )


class TablesAsCards(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Register behind what is inline."""
        md.treeprocessors.register(Cards(md), "cards", 5)
        md.postprocessors.register(Names(md), "names", -21)


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return TablesAsCards(**kwargs)
