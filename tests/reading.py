"""What is read of a page, block by block: headings, paragraphs, items, rows of tables, labels.

A page and its twin have the same blocks, so what holds of one (a number, a name, a link, a word
that decides) can be asked of the other, wherever the sentence puts it.
"""

import functools
import json
import re
import textwrap
from typing import NamedTuple

import yaml

from docs.extensions.filled import fill
from docs.extensions.tables import table
from tests.fences import FENCE

FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.S)
COMMENT = re.compile(r"<!--.*?-->", re.S)
# Only for the HTML: a bare tag, an attribute list.
MARKS = re.compile(r"^\s*(?:<[^>]*>|\{[^}]*\})\s*$")
DATA = re.compile(r'\bdata-[\w-]+="([^"]+)"')  # what a script shows
RULE = re.compile(r"^\s*\|[ :|-]+\|\s*$")
STARTS = re.compile(r"(?P<kind>#+ |[-*] |\d+\. |\||\[\^|\?{3}|!{3}|={3})")
KINDS = {"#": "heading", "|": "row", "[": "note", "?": "title", "!": "title", "=": "title"}
FILLED = re.compile(r"\{\{.*?\}\}")
CODE = re.compile(r"(?<!`)(`{1,2})(?!`)(?P<code>.+?)(?<!`)\1(?!`)")
LINK = re.compile(r"\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+(?:\([^()]*\))?)\)")
ANCHOR = re.compile(r"\s*\{[ :][^{}]*\}\s*$")
MATH = re.compile(r"\\\(.*?\\\)|\$\$.*?\$\$")
HIDDEN_TABLE = re.compile(
    r"^[ \t]*<!--[ \t]*\n[ \t]*>>> .*?^[ \t]*-->\n\n?(?P<rows>(?:^[ \t]*\|[^\n]*(?:\n|\Z))+)",
    re.M | re.S,
)
TABLE = re.compile(r"(?P<rows>(?:^[ \t]*\|[^\n]*(?:\n|\Z))+)", re.M)
CELLS = re.compile(r"(?<!\\)\|")
NUMBER = re.compile(r"(?<![\w.\-#])[-−]?\d+(?:\.\d+)*(?:e-?\d+)?(?![\w.]*\d|D\b)")


class Block(NamedTuple):
    """One block: its line, what it is, its text, and the id of the section it stands in."""

    line: int
    kind: str
    text: str
    section: str

    @property
    def code(self):
        """The inline code, in order."""
        return [m["code"] for m in CODE.finditer(self.text)]

    @property
    def links(self):
        """The links, as (text, target), in order."""
        found = LINK.finditer(CODE.sub(masked, self.text))
        return [(self.text[slice(*m.span("text"))], m["target"]) for m in found]

    @property
    def formulas(self):
        """The formulas, in order."""
        return MATH.findall(self.text)

    @property
    def prose(self):
        """The text without code, targets of links and formulas."""
        text = FILLED.sub(" ", ANCHOR.sub("", self.text))
        text = LINK.sub(lambda m: m["text"], CODE.sub(" ` ", text))
        text = re.sub(r"</?[a-z]+\b", " ", text)  # an <output> is none of the text's words
        return re.sub(r"\[\^[\w-]+\]", "", MATH.sub(" ", text))

    @property
    def numbers(self):
        """The numbers in the prose, in order, without separators of thousands."""
        prose = re.sub(r"(?<=\d)[,  ](?=\d{3}\b)", "", self.prose)
        return [n.replace("−", "-").removeprefix("-") for n in NUMBER.findall(prose)]


def masked(code):
    """Return inline code as a text of the same kind that is no link."""
    return "`" + re.sub(r"[\[\]()]", "_", code["code"]) + "`"


def text_of(path):
    """Return what is read of a page's source: of a notebook, its description and Markdown."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return text
    notebook = json.loads(text)
    cells = [c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown"]
    front = f"---\ndescription: {json.dumps(notebook['metadata']['description'])}\n---\n"
    return "\n\n".join([front, *map("".join, cells)])


def cells_of(path):
    """Return the code of a notebook and what it prints; nothing of a page."""
    text = path.read_text("utf-8")
    cells = json.loads(text)["cells"] if path.suffix == ".ipynb" else []
    outputs = [o for c in cells for o in c.get("outputs", ())]
    printed = [o.get("text", o.get("data", {}).get("text/markdown", "")) for o in outputs]
    return "\n".join(map("".join, [*(c["source"] for c in cells if "outputs" in c), *printed]))


@functools.cache
def blocks(text):
    """Return the blocks of a page's source, in order; nobody changes the list."""
    found = []
    if front := FRONT.match(text):
        meta = yaml.safe_load(front[1])
        told = [("front", meta.get(key)) for key in ("title", "description")]
        told += [("tag", tag) for tag in meta.get("tags", [])]
        found += [Block(1, kind, t, "") for kind, t in told if t]
        text = "\n" * front[0].count("\n") + text[front.end() :]
    text = COMMENT.sub(lambda m: re.sub(r"[^\n]", "", m[0]), text)
    for fence in FENCE.finditer(text):
        if fence["info"] == "stored":
            line = text.count("\n", 0, fence.start()) + 1
            rows = table(textwrap.dedent(fence["body"])).splitlines()[2:]
            found += [Block(line, "label", CELLS.split(row)[3].strip(), "") for row in rows]
    text = FENCE.sub(lambda m: labels(m) if m["info"] == "figure" else blank(m), text)
    section, kind, lines, first = "", "text", [], 1

    def close():
        if lines:
            found.append(Block(first, kind, " ".join(lines), section))
            lines.clear()

    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        start = STARTS.match(stripped)
        if not stripped or MARKS.match(line) or RULE.match(line):
            close()
            told = DATA.findall(line) if MARKS.match(line) else []
            found += [Block(number, "label", text, section) for text in told]
            continue
        if start or stripped.startswith("\0"):
            close()
            kind = KINDS.get(stripped[0], "item") if start else "label"
        elif not lines:
            kind = "text"
        if kind == "heading" and start["kind"] in ("# ", "## "):
            section = "".join(re.findall(r"\{ #([\w-]+)", stripped))
        if not lines:
            first = number
        lines.append(stripped.removeprefix("\0"))
        if kind in ("heading", "row", "label"):
            close()
    close()
    return found


def rows_below(text):
    """Return [(line, rows)] of the tables below hidden examples, a row as the list of its cells."""
    return tables_of(text, HIDDEN_TABLE)


def tables_of(text, which=TABLE):
    """Return [(line, rows)] of the tables of a page, a row as the list of its cells."""
    text = FENCE.sub(blank, text)
    found = []
    for m in which.finditer(text):
        lines = fill(m["rows"]).strip("\n").split("\n")
        cells = [[c.strip() for c in CELLS.split(line.strip()[1:-1])] for line in lines]
        line = text.count("\n", 0, m.start("rows")) + 1
        found.append((line, [cells[0], *cells[2:]]))
    return found


def labels(fence):
    """Return the labels of a figure without their keys, each a line, in place of its fence."""
    body = re.sub(r"^draw: .*", " ", fence["body"])  # the drawing's name is no label
    lines = (re.sub(r"^(?! )(\w+: )?", "\0", line) for line in body.splitlines())
    return "\n" + "\n".join(lines) + "\n"


def blank(fence):
    """Return the empty lines that keep the place of a fence."""
    return "\n" * fence[0].count("\n")
