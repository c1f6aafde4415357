"""Values in prose are filled: ``{{ keras }}``, ``{{ "%.2f" | format(start.torch.seconds) }}``.

Names are the facts of docs/facts.yml, each with its source and date, and the files of measured
figures, each with its date, versions and command. A page's code is left alone. The expressions are
Jinja's; an unknown name ends the build. ``{{ transpose.rows | rows }}`` is the body of a table.
"""

import functools
import json
import pathlib
import re

import jinja2
import yaml
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

DOCS = pathlib.Path(__file__).parents[1]
FACTS = DOCS / "facts.yml"
# Fences, and comments: hidden examples are code.
CODE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,}).*?^(?P=indent)(?P=ticks)$|<!--.*?-->", re.M | re.S
)
VALUE = re.compile(r"\{\{(.*?)\}\}")


def files():
    """Return the files that values come from."""
    return [FACTS, DOCS / "en/notebooks/speed.json", *sorted(DOCS.glob("measured/*.json"))]


@functools.cache
def read(path, _changed):
    """Return the values of one file, by name."""
    text = path.read_text("utf-8")
    if path == FACTS:
        return {name: fact["value"] for name, fact in yaml.safe_load(text).items()}
    return {path.stem: json.loads(text)}


def known():
    """Return all that a page may name."""
    return {k: v for path in files() for k, v in read(path, path.stat().st_mtime_ns).items()}


def rows(values):
    """Return the rows of a table of Markdown."""
    cells = ([f"{v:,}" if isinstance(v, float) else str(v) for v in row] for row in values)
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def fill(text):
    """Return a page's source, or a part of it, with its values filled in."""
    if "{{" not in text:
        return text
    environment, values = jinja2.Environment(undefined=jinja2.StrictUndefined), known()
    environment.filters["rows"] = rows

    def value(m):
        found = environment.compile_expression(m[1], undefined_to_none=False)(values)
        if isinstance(found, jinja2.Undefined):
            raise ValueError(f"{m[0]}: neither docs/facts.yml nor a file of figures has it")
        return str(found)

    parts, end = [], 0
    for fence in CODE.finditer(text):
        parts += [VALUE.sub(value, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, VALUE.sub(value, text[end:])])


class Filling(Preprocessor):
    """Runs before code is included."""

    def run(self, lines):
        """Return the lines with their values filled in."""
        return fill("\n".join(lines)).split("\n")


class Filled(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Register before the snippets."""
        md.preprocessors.register(Filling(md), "filled", 40)


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return Filled(**kwargs)
