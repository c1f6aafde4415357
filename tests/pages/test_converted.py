"""What docs/extensions/notebooks.py makes of a notebook, as Markdown and as the page it becomes."""

import re
import subprocess
import sys

import markdown
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from docs.extensions.notebooks import as_markdown, linked, title_of
from tests import ROOT

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
def soup(path):
    text = linked(as_markdown(path, "Code"), path.name)
    config = {"pymdownx.highlight": {"pygments_lang_class": True}}
    html = markdown.markdown(text, extensions=EXTENSIONS, extension_configs=config)
    return BeautifulSoup(html, "html.parser")


def test_its_title_is_its_first_heading(path):
    assert title_of(as_markdown(path)) == "Rows & outputs"
    assert title_of("text\n\n# A title\n\n# Another\n") == "A title"


def test_hidden_code_opens_on_a_click(soup, path):
    (details,) = soup("details")
    assert details.summary.get_text() == "Code"
    assert details.code.get_text() == "a()\n\nb()\n"
    assert details.find_next_sibling("figure")
    assert "???" not in as_markdown(path)


def test_code_is_as_on_other_pages_without_a_label(soup):
    code = soup.select_one("div.language-python.highlight > pre > span + code")
    assert code.get_text() == "x = 1 < 2  # (batch, in_features)\n"
    assert code.select_one(".axis.in").get_text() == "in_features"
    assert not soup.select(".language-python .needs")


def test_an_output_is_the_result_of_the_block_above_it(soup):
    output = soup.select_one(".highlight.answered + .result.output > pre > code")
    assert output.get_text() == "a < b\n"


def test_tagged_cell_says_so(soup):
    assert len(soup.select(".highlight.train")) == len(soup.select("figure.output.train")) == 1


def test_plots_are_inline_with_ids_of_their_own(soup):
    ids = [element["id"] for element in soup.select("svg [id]")]
    assert ids == ["plot-1-c", "plot-1-p", "plot-2-c", "plot-2-p"]
    plot = soup.select("svg")[1]
    assert plot["aria-label"] == "a square"
    assert plot.use["xlink:href"] == "#plot-2-p"
    assert plot.use["style"] == "stroke: currentColor"
    assert plot.find("text")["style"] == "font-size: 12px; fill: #0f766e"
    assert plot.select_one("[clip-path]")["clip-path"] == "url(#plot-2-c)"


def test_italics_after_a_plot_are_its_caption(soup):
    (caption,) = soup("figcaption")
    assert caption.parent["class"] == ["output", "train"]
    assert caption.get_text() == "A square, (2 out, 3 in)."
    assert caption.select_one(".axis.out")


def test_links_to_data_download_it(soup):
    links = {a["href"]: a.has_attr("download") for a in soup.select("p a")}
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
