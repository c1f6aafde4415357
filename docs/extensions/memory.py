"""What a process has made once of the same text is not made again.

`mkdocs serve` makes every page of both sites anew at each change, which takes ten seconds; nearly
all of it is rendering Markdown and reading the result for the search index. A page comes from
memory while all that it is made of is as it was.
"""

import copy
import functools
import pathlib
import re

import pygments
import pymdownx.highlight
from mkdocs.structure.pages import Page

from docs.extensions import filled, tables

INCLUDED = re.compile(r'--8<-- "([\w/.-]+?\.\w+)[:"]')
DRAWING = re.compile(r"<svg\b.*?</svg>", re.S)
END = re.compile(
    r"</(?:td|th|caption|figcaption|label|textarea|output|div|button)>|</code>(?=<code>)|<br ?/?>"
)
COLORS = re.compile(r'<span class="[^"]*">([^<]*)</span>')  # of code: nothing to find by
PAGES = {}
ENTRIES = {}
COLORED = {}


def color_once():
    """Make SuperFences remember how it colored a piece of code: a twin has that of its page."""
    pymdownx.highlight.highlight = color


def color(code, lexer, formatter):
    """Return what Pygments makes of the code, from memory if it was asked before."""
    given = code, type(lexer), repr(lexer.options), type(formatter), repr(formatter.options)
    if given not in COLORED:
        COLORED[given] = pygments.highlight(code, lexer, formatter)
    return COLORED[given]


def render_once(page, snippets):
    """Make the page's render() MkDocs' own, that of a notebook too, and remember what it did.

    The snippets lie in that folder.
    """
    page.render = functools.partial(render, page, snippets)


def render(page, snippets, config, files):
    """Give the page the content that it had when it was made of the same, or make it anew."""
    path = page.file.abs_src_path
    parts = made_of(page, snippets, config, files)
    known, state = PAGES.get(path, (None, None))
    if known != parts:
        before = dict(vars(page))
        Page.render(page, config, files)
        state = {k: v for k, v in vars(page).items() if k not in before or before[k] is not v}
        PAGES[path] = parts, state
    vars(page).update(state)
    links = state.get("links_to_anchors") or {}  # by File, which each build has its own of
    there = {files.get_file_from_path(file.src_uri): found for file, found in links.items()}
    page.links_to_anchors = {file: found for file, found in there.items() if file}


def made_of(page, snippets, config, files):
    """Return all that decides what the page will be, but for the site's own Python."""
    path = pathlib.Path(page.file.abs_src_path)
    names = INCLUDED.findall(page.markdown)
    return (
        path.read_bytes(),
        [(snippets / name).read_bytes() for name in names if (snippets / name).is_file()],
        [path.read_bytes() for path in [*filled.files(), *tables.DOCS.glob("words.*.yml")]],
        [(file.src_uri, file.url) for file in files],
        repr((config.markdown_extensions, config.mdx_configs, config.validation)),
    )


def index_once(index):
    """Make a search index remember the entries of each page."""
    index.add_entry_from_context = functools.partial(add, index, index.add_entry_from_context)


def add(index, anew, page):
    """Add the page's entries to the index, from memory where its content is as it was."""
    path, parts = page.file.abs_src_path, (page.content, page.title, page.meta)
    known, entries = ENTRIES.get(path, (None, None))
    if known != parts:
        count = len(index.entries)
        read = copy.copy(page)
        read.content = readable(page.content)
        anew(read)
        entries = index.entries[count:]
        ENTRIES[path] = parts, entries
    else:
        index.entries += entries


def readable(html):
    """Return a page's HTML for the search: without drawings and colors, no cell glued to the next.

    To read it with the colors takes three times as long.
    """
    html = COLORS.sub(r"\1", DRAWING.sub(" ", html))
    return END.sub(r"\g<0> ", html)
