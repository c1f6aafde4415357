"""What docs/extensions/notebooks.py makes of a notebook, here of the HTML of mkdocs-jupyter."""

import re
from types import SimpleNamespace

import nbformat
import pytest
from bs4 import BeautifulSoup
from mkdocs.structure.files import File, Files
from mkdocs.structure.toc import get_toc
from nbformat import v4

from docs.extensions import notebooks

SVG = (
    '<svg viewBox="0 0 9 9" role="img" aria-label="a square"><style>*{fill: red}</style>'
    '<defs><clipPath id="c"><path id="p" d="M0 0"/></clipPath></defs><g id="axes_1">'
    '<use xlink:href="#p" style="stroke: #000000"/><path clip-path="url(#c)" d="M1 1"/>'
    """<text style="font-size: 12px; font-family: 'A', 'B'; fill: #0f766e">out</text></g></svg>"""
)


@pytest.fixture(scope="module")
def polished(tmp_path_factory):
    """The page and the tokens of a small notebook that has one of everything."""
    convert = pytest.importorskip("mkdocs_jupyter.convert")
    plot = v4.new_output("display_data", {"image/svg+xml": SVG})
    out = v4.new_output("stream", name="stdout", text="a < b\n")
    nb = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# Rows & outputs\n\n`(100 out, 12 in)`"),
            v4.new_code_cell("x = 1 < 2  # (batch, in_features)", outputs=[out]),
            v4.new_markdown_cell("## 方阵陷阱 { #square-trap }\n\n[weights](w.npz)"),
            v4.new_markdown_cell("## Twice\n\n### Twice"),
            v4.new_code_cell("plot()", outputs=[plot], metadata={"tags": ["train"]}),
            v4.new_markdown_cell("*A square, `(2, 2)`.*"),
            v4.new_code_cell("plot()", outputs=[plot], metadata={"tags": ["hide-input"]}),
        ],
        metadata={"kernelspec": {"display_name": "", "language": "python", "name": "python3"}},
    )
    path = tmp_path_factory.mktemp("polish") / "small.ipynb"
    nbformat.write(nb, path)
    return notebooks.polish(convert.nb2html(str(path), allow_errors=False))


@pytest.fixture
def soup(polished):
    return BeautifulSoup(polished[0], "html.parser")


def test_jupyters_styles_scripts_and_wrappers_are_gone(polished):
    assert not re.search(r"<style|<script|jp-|clipboard|mathjax|In\s*\[", polished[0], re.I)
    assert len(polished[0]) < 5000


def test_hidden_code_opens_on_a_click(soup):
    (details,) = soup("details")
    assert details.summary.get_text() == "Code"
    assert details.code.get_text() == "plot()\n"
    assert details.find_next_sibling("figure")


def test_code_is_as_material_styles_it(soup):
    code = soup.select_one("div.language-python.highlight > pre > span + code")
    assert code.get_text() == "x = 1 < 2  # (batch, in_features)\n"
    assert code.select_one(".axis.in").get_text() == "in_features"


def test_output_is_text_without_a_copy_button(soup):
    assert soup.select_one("div.output.no-copy > pre > code").get_text() == "a < b\n"


def test_tagged_cell_says_so(soup):
    assert len(soup.select(".highlight.train")) == len(soup.select("figure.output.train")) == 1


def test_headings_have_ids_and_permalinks(soup):
    ids = [heading["id"] for heading in soup(["h1", "h2", "h3"])]
    assert ids == ["rows-outputs", "square-trap", "twice", "twice_1"]
    assert soup.h2.get_text() == "方阵陷阱¶"
    assert soup.h2.select_one("a.headerlink[title='Permanent link']")["href"] == "#square-trap"


def test_table_of_contents_is_nested(polished):
    (top,) = get_toc(polished[1])
    assert top.title == "Rows &amp; outputs"
    assert [child.url for child in top.children] == ["#square-trap", "#twice"]
    assert [child.url for child in top.children[1].children] == ["#twice_1"]


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
    assert soup.select_one("figure.train > figcaption").get_text() == "A square, (2, 2)."
    assert len(soup.select("figcaption")) == 1


# Links

PAGE = SimpleNamespace(
    url="notebooks/speakers/", file=SimpleNamespace(src_uri="notebooks/speakers.ipynb")
)


@pytest.fixture
def files():
    uris = "notebooks/speakers.npz", "notebooks/speakers.ipynb", "why/square-trap.md"
    return Files([File(uri, "docs/en", "site", use_directory_urls=True) for uri in uris])


@pytest.mark.parametrize(
    ("href", "found"),
    [
        ("speakers.npz", "../speakers.npz"),
        ("speakers.ipynb", "speakers.ipynb"),  # mkdocs-jupyter puts it into the page's folder
        ("../why/square-trap.md#test", "../../why/square-trap/#test"),
        ("#here", "#here"),
        ("https://pytorch.org/a.md", "https://pytorch.org/a.md"),
    ],
)
def test_link_leads_to_the_file(href, found, files):
    assert notebooks.address(href, PAGE, files) == found


@pytest.mark.parametrize("href", ["missing.npz", "../why/missing.md"])
def test_link_to_nothing_is_a_warning(href, files, caplog):
    notebooks.address(href, PAGE, files)
    assert href in caplog.text
