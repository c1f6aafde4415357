"""A notebook as Markdown, so that its page is made as every other page is.

Texts and tables stay as they are, code and printed outputs become fences, plots their SVG.
mkdocs-jupyter has a page for each notebook and puts the notebook beside it; Jupyter's own HTML
would bring 574 kB of styles and scripts to each page.

    python -m docs.extensions.notebooks docs/en/notebooks/speed.ipynb    prints it
"""

import functools
import re
import sys
import textwrap

import nbformat
from bs4 import BeautifulSoup

FONT = re.compile(r"font-family: [^;]*;?\s*")
POINTER = re.compile(r"#([^)\"']+)")


def as_markdown(path, word=""):
    """Return the Markdown of a notebook.

    With a word, the code of a cell tagged ``hide-input``, as one that draws a table is, opens on a
    click on that word. A cell tagged ``train`` says so in the classes of what it has.
    """
    found, plots = [], 0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            found.append(cell.source)
            continue
        tags = cell.metadata.get("tags", [])
        train = " train" if "train" in tags else ""
        code = fence(".python .cell" + train.replace(" ", " ."), cell.source)
        if word and "hide-input" in tags:
            code = f'??? "{word}"\n\n{textwrap.indent(code, "    ")}'
        found.append(code)
        for output in cell.outputs:
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/svg+xml" in data:
                plots += 1
                drawn = plot(data["image/svg+xml"], f"plot-{plots}-")
                found.append(f'<figure class="output{train}">{drawn}</figure>')
            elif "text/markdown" in data:
                found.append(data["text/markdown"])
            else:
                found.append(fence(".text .result .output", data["text/plain"]))
    return "\n\n".join(found) + "\n"


def title_of(markdown):
    """Return the title of a notebook's Markdown: its first heading, without the id it asks for."""
    return re.search(r"^# (.+?)(?: \{ #[\w-]+ \})?$", markdown, re.M)[1]


def fence(info, text):
    """Return a fence with a text, empty lines at its end left out."""
    text = text.rstrip("\n")
    return f"``` {{ {info} }}\n{text}\n```"


def linked(text, name):
    """Return Markdown whose links to its own notebook lead to the file, and not to the page."""
    return re.sub(rf"\[([^\]]+)\]\({re.escape(name)}\)", rf'<a href="{name}">\1</a>', text)


@functools.cache  # a page, its Markdown and its twin have the same
def plot(drawing, prefix):
    """Return a plot in one line, in the page's font and colours, its ids beginning with prefix.

    The notes and styles of matplotlib go: a style in a drawing is one of the whole page.
    """
    svg = BeautifulSoup(drawing, "html.parser").svg
    own_ids(svg, prefix)
    for element in svg.select("[style]"):
        style = FONT.sub("", element["style"])
        element["style"] = style.replace("#000000", "currentColor")
    for element in svg(["metadata", "style"]):
        element.decompose()
    return re.sub(r">\s+<", "><", str(svg))


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


def pointers(element):
    """Return the attributes that point to an id: links, and values like ``url(#id)``."""
    return {
        key: value
        for key, value in element.attrs.items()
        if isinstance(value, str)
        and (value.startswith("url(#") or (key.endswith("href") and value.startswith("#")))
    }


if __name__ == "__main__":
    print(as_markdown(sys.argv[1]), end="")
