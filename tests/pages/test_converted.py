"""What docs/extensions/notebooks.py makes of a notebook, as Markdown and as the page it becomes."""

import re
import subprocess
import sys

import markdown
import nbformat
import pytest
from lxml import html
from nbformat import v4

from docs.extensions.notebooks import as_markdown, linked, title_of
from tests import ROOT
from tests.built import select

SVG = (
    '<svg viewBox="0 0 9 9" role="img" aria-label="a square"><style>*{fill: red}</style>'
    '<defs><clipPath id="c"><path id="p" d="M0 0"/></clipPath></defs>\n\n<g id="axes_1">'
    '<use xlink:href="#p" style="stroke: #000000"/><path clip-path="url(#c)" d="M1 1"/>'
    """<text style="font-size: 12px; font-family: 'A', 'B'; fill: #0f766e">out</text></g></svg>"""
)
EXTENSIONS = ["attr_list", "toc", "pymdownx.highlight", "pymdownx.details", "pymdownx.superfences"]
EXTENSIONS += [f"docs.extensions.{name}" for name in ("shapes", "labels", "finish")]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A small notebook that has one of everything."""
    plot = v4.new_output("display_data", {"image/svg+xml": SVG})
    out = v4.new_output("stream", name="stdout", text="a < b\n")
    nb = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# Rows & outputs { #rows }\n\n[This](small.ipynb), [w](w.npz)"),
            v4.new_code_cell("x = 1 < 2  # (batch, in_features)", outputs=[out]),
            v4.new_code_cell("plot()", outputs=[plot], metadata={"tags": ["train"]}),
            v4.new_markdown_cell("*A square, `(2 out, 3 in)`.*"),
            v4.new_code_cell("a()\n\nb()", outputs=[plot], metadata={"tags": ["hide-input"]}),
        ],
    )
    path = tmp_path_factory.mktemp("notebook") / "small.ipynb"
    nbformat.write(nb, path)
    return path


@pytest.fixture
def page(path):
    text = linked(as_markdown(path, "Code"), path.name)
    config = {"pymdownx.highlight": {"pygments_lang_class": True}}
    made = markdown.markdown(text, extensions=EXTENSIONS, extension_configs=config)
    return html.document_fromstring(made)


def test_its_title_is_its_first_heading(path):
    assert title_of(as_markdown(path)) == "Rows & outputs"
    assert title_of("text\n\n# A title\n\n# Another\n") == "A title"


def test_hidden_code_opens_on_a_click(page, path):
    (details,) = page.iter("details")
    assert details.findtext("summary") == "Code"
    assert details.find(".//code").text_content() == "a()\n\nb()\n"
    assert list(details.itersiblings("figure"))
    assert "???" not in as_markdown(path)


def test_code_is_as_on_other_pages_without_a_label(page):
    code, *_ = select(page, "div.language-python.highlight > pre > span + code")
    assert code.text_content() == "x = 1 < 2  # (batch, in_features)\n"
    assert select(code, ".axis.in")[0].text == "in_features"
    assert not select(page, ".language-python .needs")


def test_an_output_is_the_result_of_the_block_above_it(page):
    output, *_ = select(page, ".highlight.answered + .result.output > pre > code")
    assert output.text_content() == "a < b\n"


def test_tagged_cell_says_so(page):
    assert len(select(page, ".highlight.train")) == 1
    assert len(select(page, "figure.output.train")) == 1


def test_plots_are_inline_with_ids_of_their_own(page):
    ids = page.xpath("//svg//@id")
    assert ids == ["plot-1-c", "plot-1-p", "plot-2-c", "plot-2-p"]
    _, plot = page.iter("svg")
    assert plot.get("aria-label") == "a square"
    use = plot.find(".//use")
    assert use.get("xlink:href") == "#plot-2-p"
    assert use.get("style") == "stroke: currentColor"
    assert plot.find(".//text").get("style") == "font-size: 12px; fill: #0f766e"
    assert plot.find(".//*[@clip-path]").get("clip-path") == "url(#plot-2-c)"


def test_italics_after_a_plot_are_its_caption(page):
    (caption,) = page.iter("figcaption")
    assert caption.getparent().get("class") == "output train"
    assert caption.text_content() == "A square, (2 out, 3 in)."
    assert select(caption, ".axis.out")


def test_links_to_data_download_it(page):
    links = {a.get("href"): "download" in a.attrib for a in select(page, "p a")}
    assert links == {"small.ipynb": True, "w.npz": True}


def test_printed_by_the_command(path):
    command = [sys.executable, "-m", "docs.extensions.notebooks", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == as_markdown(path)


def test_jupyters_styles_and_scripts_are_not_in_the_site(site):
    pages = list(site.glob("**/notebooks/*/index.html"))
    assert len(pages) == len(list(ROOT.glob("docs/*/notebooks/*.ipynb")))
    for page in pages:
        assert not re.search(r"jp-|clipboard-copy|mathjax|In\s*\[", page.read_text("utf-8"), re.I)
