"""A notebook's page, brought into the shape of the others.

mkdocs-jupyter gives each page Jupyter's own markup with 574 kB of styles and scripts. Of that we
keep the text, the code and the outputs, and write them as Markdown pages have them.
"""

import base64
import html
import logging
import posixpath
import re
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from markdown.extensions.toc import nest_toc_tokens, slugify, unique

from docs.extensions.shapes import colour_shapes

LOG = logging.getLogger("mkdocs.docs.extensions.notebooks")

SVG = "data:image/svg+xml;base64,"
PARTS = ".jp-MarkdownOutput, .jp-InputArea-editor pre, .jp-OutputArea-output"
EXPLICIT_ID = re.compile(r"\s*\{\s*#([\w-]+)\s*\}\s*$")
FONT = re.compile(r"font-family: [^;]*;?\s*")
POINTER = re.compile(r"#([^)\"']+)")


def polish(text, page=None, files=None, code="Code"):
    """Return a notebook's HTML as the theme expects it, and the tokens of its table of contents.

    Given the page and MkDocs' files, relative links lead to where the files are in the site. The
    code of a cell tagged ``hide-input``, as one that draws a table is, opens on a click on the word
    that code says.
    """
    soup = BeautifulSoup(text, "html.parser")
    for element in soup(["style", "script"]):
        element.decompose()
    for number, image in enumerate(soup.select(f'.jp-OutputArea-output img[src^="{SVG}"]'), 1):
        drawing = base64.b64decode(image["src"].removeprefix(SVG)).decode()
        plot = BeautifulSoup(drawing, "html.parser").svg
        own_ids(plot, f"plot-{number}-")
        follow_page(plot)
        image.replace_with(plot)
    tokens = headings(soup)
    if page:
        for a in soup.select(".jp-MarkdownOutput a[href]"):
            a["href"] = address(a["href"], page, files)
    parts = [part(element, code) for element in soup.select(PARTS)]
    return captions(colour_shapes("\n".join(parts))), tokens


def part(element, word):
    """Return the HTML of one text, one cell's code or one output; word opens hidden code."""
    classes = element["class"] if element.has_attr("class") else []
    inner = element.decode_contents().strip("\n")
    if "jp-MarkdownOutput" in classes:
        return inner
    train = " train" if element.find_parent(class_="celltag_train") else ""
    if element.name == "pre":
        code = inner.removeprefix("<span></span>")
        block = (
            f'<div class="language-python highlight{train}">'
            f"<pre><span></span><code>{code}\n</code></pre></div>"
        )
        hidden = element.find_parent(class_="celltag_hide-input")
        return f"<details><summary>{word}</summary>{block}</details>" if hidden else block
    if element.svg:
        drawing = re.sub(r">\s+<", "><", str(element.svg))
        return f'<figure class="output{train}">{drawing}</figure>'
    if element.pre:
        inner = f"<pre><code>{element.pre.decode_contents()}</code></pre>"
    return f'<div class="output no-copy{train}">{inner}</div>'


def captions(text):
    """Make a text in italics that follows a figure its caption."""
    return re.sub(
        r"</figure>\n<p><em>((?:(?!</?p>).)*)</em></p>",
        r"<figcaption>\1</figcaption></figure>",
        text,
        flags=re.S,
    )


def headings(soup):
    """Give each heading its id and its permalink, as Markdown's toc does; return the tokens.

    A heading that ends in ``{ #id }`` asks for that id.
    """
    tokens, used = [], set()
    for heading in soup.select(".jp-MarkdownOutput :is(h1, h2, h3, h4, h5, h6)"):
        for link in heading.select(".anchor-link"):
            link.decompose()
        asked = EXPLICIT_ID.search(heading.get_text())
        if asked:
            last = heading.find_all(string=True)[-1]
            last.replace_with(EXPLICIT_ID.sub("", last))
        name = heading.get_text().strip()
        heading["id"] = unique(asked[1] if asked else slugify(name, "-"), used)
        link = soup.new_tag("a", href=f"#{heading['id']}", title="Permanent link")
        link["class"] = "headerlink"
        link.string = "¶"
        heading.append(link)
        level = int(heading.name[1])
        tokens.append({"level": level, "id": heading["id"], "name": html.escape(name, quote=False)})
    return nest_toc_tokens(tokens)


def own_ids(svg, prefix):
    """Leave a plot only the ids that it uses, and make them its own: a page has several plots."""
    elements = [svg, *svg.find_all(True)]
    used = {
        name
        for element in elements
        for value in pointers(element).values()
        for name in POINTER.findall(value)
    }
    for element in elements:
        for key, value in pointers(element).items():
            element[key] = POINTER.sub(rf"#{prefix}\1", value)
        if element.get("id") in used:
            element["id"] = prefix + element["id"]
        elif element.has_attr("id"):
            del element["id"]
    for group in svg("g"):
        if not group.attrs:
            group.unwrap()


def follow_page(svg):
    """Draw what is black in the text's colour, and text in the page's font.

    The notes and styles of matplotlib go.
    """
    for element in svg.select("[style]"):
        style = FONT.sub("", element["style"])
        element["style"] = style.replace("#000000", "currentColor")
    for element in svg(["metadata", "style"]):  # a style in a drawing is one of the whole page
        element.decompose()


def pointers(element):
    """Return the attributes that point to an id: links, and values like ``url(#id)``."""
    return {
        key: value
        for key, value in element.attrs.items()
        if isinstance(value, str)
        and (value.startswith("url(#") or (key.endswith("href") and value.startswith("#")))
    }


def address(href, page, files):
    """Return where a link of the notebook's folder leads in the site, and warn if nowhere."""
    scheme, host, path, _, fragment = urlsplit(href)
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), path))
    if scheme or host or not path or target == page.file.src_uri:
        return href  # the notebook itself: mkdocs-jupyter copies it into the page's folder
    file = files.get_file_from_path(target)
    if file:
        found = file.url_relative_to(page.url)
    else:
        LOG.warning("%s links to %s, which is not there", page.file.src_uri, href)
        return href
    return f"{found}#{fragment}" if fragment else found
