"""Each page as plain Markdown, for who reads without a browser, and llms.txt, which lists them.

It is the page's source, at the same path, so that its links hold: includes and tables written
out, drawings as their descriptions, the labels of a block in words, marks for the HTML left out.
mkdocs-llmstxt goes the other way, from HTML, where drawings and formulas are lost; it knows one
language, no notebooks, and needs a SITE_URL.
"""

import html
import pathlib
import posixpath
import re
import textwrap
from urllib.parse import urljoin

import markdown
import yaml
from markdown.extensions.toc import slugify

from docs.extensions import downloads
from docs.extensions.figures.rows_are_outputs import counted_in

ROOT = pathlib.Path(__file__).parents[2]
SNIPPETS = {"base_path": [str(ROOT / "snippets")], "check_paths": True}
EXPANDED = {
    "docs.extensions.filled": "filled",
    "docs.extensions.named_snippets": "snippet",
    "docs.extensions.tables": "stored",
}
WORDS = {
    "en": {"wrong": "Wrong", "right": "Right", "torch": "Needs torch", "result": "Result"},
    "zh": {"wrong": "错", "right": "对", "torch": "需要 torch", "result": "结果"},
}
SIGNS = {"en": (", ", ":", "Figure: {}"), "zh": ("，", "：", "图：{}")}

# A note or a tab: its title, and the lines indented below it.
FOLDED = re.compile(
    r'^(?:\?{3}\+?|!{3}|={3})[ \w]* "(?P<title>.*)"\n(?P<body>(?: {4}.*\n|\n)+)', re.M
)
PLOT = re.compile(r'^<figure class="output.*?aria-label="(?P<label>.*?)".*</figure>$', re.M)
FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>.*)\n(?P<body>(?s:.*?))^(?P=indent)(?P=ticks)$", re.M
)
NOISE = re.compile(
    r"<!--.*?-->|<(?P<tag>script|form)\b.*?</(?P=tag)>"
    r"|^</?(?:div|section)\b.*?>$|^\{[^\n}]*\}$| \{ #[^\n}]*\}$",
    re.M | re.S,
)
HEADING = re.compile(r"^#+ (?P<words>.+?)(?: \{ #(?P<id>\S+) [^}]*\})?$", re.M)
# A code span, which may look like a link, or a link.
LINK = re.compile(r"`[^`\n]+`|\[(?P<text>(?:`[^`]*`|[^\]`])*)\]\((?P<target>[^()\s]+)\)")


def plain(source, language, config, sources):
    """Return the plain Markdown of a source; sources are those of its language's pages."""
    known = {other.uri: other.text for other in sources}
    text = expanded(source.text, config)
    text = PLOT.sub(lambda m: SIGNS[language][2].format(html.unescape(m["label"])), text)
    text = FOLDED.sub(lambda m: f"{m['title']}\n\n{textwrap.dedent(m['body'])}\n", text)
    parts, end = [], 0
    for m in FENCE.finditer(text):
        parts += [prose(text[end : m.start()], source.uri, known), block(m, language)]
        end = m.end()
    parts.append(prose(text[end:], source.uri, known))
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def expanded(text, config):
    """Return a page's source with the includes and the tables that the site's extensions write."""
    settings = config["markdown_extensions"] | {"docs.extensions.named_snippets": SNIPPETS}
    md = markdown.Markdown(extensions=list(EXPANDED), extension_configs=settings)
    lines = text.split("\n")
    for name in EXPANDED.values():
        lines = md.preprocessors[name].run(lines)
    return "\n".join(lines)


def block(fence, language):
    """Return a fence with its labels as a line above it, or a drawing as its description."""
    between, colon, figure = SIGNS[language]
    name, *classes = re.sub(r'\w+="[^"]*"|[{}.]', " ", fence["info"]).split() or [""]
    if name == "figure":
        labels = yaml.load(fence["body"], yaml.BaseLoader)
        stop, space = (". ", " ") if language == "en" else ("。", "")
        caption = space + labels["caption"] if "caption" in labels else ""
        return figure.format(counted_in(labels["title"] + stop + labels["description"] + caption))
    words = re.findall(r'title="([^"]*)"', fence["info"])
    words += [WORDS[language][name] for name in classes if name in WORDS[language]]
    above = between.join(words) + colon + "\n\n" if words else ""
    code = f"{fence['ticks']}{name}\n{fence['body']}{fence['indent']}{fence['ticks']}"
    return fence["indent"] + above + fence["indent"] * bool(above) + code


def prose(text, uri, known):
    """Return what stands between the fences, without marks for the HTML, its links led right."""
    text = NOISE.sub("", text).replace("<br>", ", ")
    text = LINK.sub(lambda m: link(m, uri, known), text)
    return re.sub(r"\n{3,}", "\n\n", text)


def link(match, uri, known):
    """Return a link with the address that its target has beside this page's Markdown.

    ``known`` is {uri: source} of the pages in the language of this one. A dead link raises.
    """
    target = match["target"]
    if not target or re.match(r"\w+:", target):
        return match[0]
    path, _, section = target.partition("#")
    folder = posixpath.dirname(uri)
    there = posixpath.normpath(posixpath.join(folder, path)) if path else uri
    if path and there == uri:  # a notebook, which lies in its page's folder
        led = posixpath.join(folder, pathlib.PurePath(uri).stem, path)
    elif there in known:
        led, section = address(there), section and anchor(known[there], section)
    elif (english := ROOT / "docs/en" / there).is_file() and there.endswith(".md"):
        led, section = f"../{there}", section and anchor(english.read_text("utf-8"), section)
    else:
        led = there if there in {*downloads.offered(), *downloads.MADE} else None
    if led is None or section is None:
        raise ValueError(f"{uri}: {match[0]} leads nowhere")
    led = posixpath.relpath(f"/site/{led}", f"/site/{folder}") if path else ""
    return f"[{match['text']}]({led}{section and '#'}{section})"


def anchor(text, section):
    """Return the anchor that a reader of plain Markdown makes of a section's heading.

    A section has its own id on the site, ``{ #reasons }``, of which plain Markdown knows nothing.
    """
    for heading in HEADING.finditer(FENCE.sub("", text)):
        words = re.sub(r"[`*]", "", heading["words"])
        if section == (heading["id"] or slugify(words, "-")):
            return re.sub(r"[^\w -]", "", words.strip().lower()).replace(" ", "-")  # as GitHub
    return None


def address(uri):
    """Return where in the site the plain Markdown of a page is."""
    return re.sub(r"\.ipynb$", ".md", uri)


def listing(sources, config, url):
    """Return llms.txt: what the site at a URL is, and its pages, by the parts of the site."""
    other, parts = config["extra"]["language_switch"], {}
    for source in sources:
        line = f"- [{source.title}]({url}{address(source.uri)}): {source.description}"
        parts.setdefault(source.part, []).append(line)
    parts["Optional"] = [f"- [{other['name']}]({urljoin(url, other['home'])}llms.txt)"]
    said = [f"# {config['site_name']}", f"> {config['site_description']}", config["extra"]["plain"]]
    said += ["\n".join([f"## {part}", "", *lines]) for part, lines in parts.items()]
    return "\n\n".join(said) + "\n"
