"""The offline build: a folder opened as file://, search included. It knows no SITE_URL."""

import posixpath
import re
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from tests.browser.inspected import safetensors
from tests.conftest import built_once

pytestmark = pytest.mark.thorough  # a second build of the site

LINK = re.compile(r'(?:href|src)="([^"#]+)')


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return the folder of the offline build: the one that README.md describes."""
    return built_once(tmp_path_factory, "offline", OFFLINE="true", SITE_URL="")


@pytest.fixture(scope="module")
def reader(browser, folder):
    """Return (a page for all tests, what its console said)."""
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append((message.type, message.text)))
    page.on("pageerror", lambda error: said.append(("error", str(error))))
    yield page, said
    page.close()


def test_every_link_leads_to_a_file(folder):
    dead = []
    pages = [path for path in folder.rglob("*.html") if path.name != "404.html"]
    for path in pages:
        for link in set(LINK.findall(path.read_text("utf-8"))):
            target = posixpath.normpath(path.parent / unquote(link.partition("?")[0]))
            if (
                not re.match(r"https?:|data:", link)
                and target not in pages
                and not (path.parent / unquote(link)).is_file()
            ):
                dead.append((path.relative_to(folder), link))
    assert len(pages) > 70
    assert dead == []


def test_nothing_says_an_address_that_nobody_gave(folder):
    for path in folder.rglob("*.html"):
        assert not re.search(r'canonical|og:url|og:image|hreflang="x-', path.read_text("utf-8"))
    assert not (folder / "robots.txt").exists()
    assert "://" not in (folder / "llms.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("start", "query", "found"),
    [
        ("index.html", "mismatch in its core dimension 0", "port/errors.html"),
        ("layers/linear.html", "mismatch in its core dimension 0", "port/errors.html"),
        ("zh/notebooks/speakers.html", "方阵陷阱", "zh/why/square-trap.html"),
    ],
)
def test_search_works_from_a_folder(reader, folder, start, query, found):
    page, said = reader
    said.clear()
    page.goto((folder / start).as_uri())
    page.keyboard.press("/")
    page.locator(".md-search__input").fill(query)
    page.locator(".md-search-result__link").first.click()
    expect(page).to_have_url(re.compile(re.escape((folder / found).as_uri())))
    expect(page.locator("article h1")).to_be_visible()
    assert [text for kind, text in said if kind == "error"] == []


def test_a_checkpoint_is_read_from_a_folder(reader, folder, tmp_path):
    page, said = reader
    said.clear()
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors('{"fc.bias":ONE}'))
    page.goto((folder / "layers/inspect.html").as_uri())
    page.set_input_files("#checkpoint", path)
    expect(page.locator(".inspected output")).to_have_text(
        "model.safetensors: 2 numbers in 1 tensor, 8\xa0B."
    )
    expect(page.locator(".inspected tbody th[scope=row]")).to_have_text("fc.bias")
    assert [text for kind, text in said if kind == "error"] == []


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("class A(nn.Module):\n    def __init__(self):\n        self.a = nn.GRU(2, 3)", "nn.GRU"),
        ("Net(\n  (a): PReLU(num_parameters=1)\n)", "nn.PReLU"),
        ("a.weight_ih (3, 4)\na.weight_hh (3, 3)", "nn.RNNCell"),
    ],
    ids=["code", "a print", "names with shapes"],
)
def test_the_calculator_reads_from_a_folder(reader, folder, text, layer):
    page, said = reader
    said.clear()
    page.goto((folder / "layers/calculator.html").as_uri())
    page.locator(".calculator textarea").fill(text)
    link = page.locator(".calculated .module").get_by_role("link", name=layer, exact=True)
    assert link.get_attribute("href").startswith("file:")
    assert [text for kind, text in said if kind == "error"] == []


def test_a_reader_gets_around_a_folder(reader, folder):
    page, said = reader
    said.clear()
    page.goto((folder / "index.html").as_uri())
    for name, there in [
        ("Notebooks", "notebooks/speakers.html"),
        ("中文", "zh/notebooks/speakers.html"),
        ("层", "zh/layers/index.html"),
        ("English", "layers/index.html"),
        ("Port", "port/write-it.html"),
    ]:
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page).to_have_url((folder / there).as_uri())
    page.goto((folder / "layers/linear.html").as_uri())
    page.locator("a[download]").first.click()  # shown: from file:// a browser does not save
    expect(page).to_have_url((folder / "snippets/layers/linear.py").as_uri())
    assert [text for kind, text in said if kind == "error"] == []
