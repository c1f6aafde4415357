"""While `mkdocs serve` runs, a change makes anew the pages that it concerns, and no others."""

import copy
import json

import pytest
from mkdocs.commands.build import build
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

from docs.extensions import memory

HOOK = """
import pathlib
from docs.extensions.memory import index_once, render_once

def on_config(config):
    index_once(config.plugins["material/search"].search_index)

def on_pre_page(page, **_):
    render_once(page, pathlib.Path("snippets").absolute())
    return page
"""
CONFIG = {
    "site_name": "small",
    "theme": {"name": "material", "font": False},
    "plugins": ["material/search"],
    "hooks": ["hook.py"],
    "markdown_extensions": {"docs.extensions.named_snippets": {"base_path": ["snippets"]}},
    "validation": {"anchors": "warn"},
}
FILES = {
    "hook.py": HOOK,
    "snippets/one.py": "one = 'first'\n",
    "docs/index.md": '# First\n\n[Other](other.md#there)\n\n    --8<-- "one.py"\n',
    "docs/other.md": "# Other\n\n## There\n\nText.\n",
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a function that builds a small site and returns the pages that it made anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "PAGES", {})
    monkeypatch.setattr(memory, "ENTRIES", {})
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    anew, render = [], Page.render

    def rendered(page, config, files):
        anew.append(page.file.src_uri)
        render(page, config, files)

    monkeypatch.setattr(Page, "render", rendered)

    def made():
        anew.clear()
        config = MkDocsConfig(config_file_path=str(tmp_path / "mkdocs.yml"))
        config.load_dict(copy.deepcopy(CONFIG))
        assert config.validate() == ([], [])
        build(config)
        return list(anew)

    assert made() == ["index.md", "other.md"]
    return made


def entries(folder):
    """Return {address: text} of the search index."""
    index = json.loads((folder / "site/search/search_index.json").read_text("utf-8"))
    return {entry["location"]: entry["text"] for entry in index["docs"]}


def test_nothing_changed_nothing_is_made_and_all_is_there(small, tmp_path):
    site, found = tmp_path / "site", entries(tmp_path)
    before = {path: path.read_text("utf-8") for path in site.rglob("*.html")}
    assert small() == []
    assert {path: path.read_text("utf-8") for path in site.rglob("*.html")} == before
    assert entries(tmp_path) == found


@pytest.mark.parametrize(
    ("name", "old", "new", "made", "address"),
    [
        ("docs/other.md", "Text", "changed", ["other.md"], "other/#there"),
        ("docs/index.md", "# First\n", "# First\nchanged\n", ["index.md"], ""),
        ("snippets/one.py", "first", "changed", ["index.md"], ""),
    ],
)
def test_a_change_shows_on_its_page_and_is_found(small, tmp_path, name, old, new, made, address):
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace(old, new))
    assert small() == made
    assert "changed" in (tmp_path / "site" / address.split("#")[0] / "index.html").read_text()
    assert "changed" in entries(tmp_path)[address]


def test_an_anchor_that_goes_is_missed_by_the_page_that_was_not_made_anew(small, tmp_path, caplog):
    (tmp_path / "docs/other.md").write_text("# Other\n\n## Elsewhere\n")
    assert small() == ["other.md"]
    assert "does not contain an anchor '#there'" in caplog.text


def test_a_page_that_goes_is_missed(small, tmp_path, caplog):
    (tmp_path / "docs/other.md").unlink()
    assert small() == ["index.md"]
    assert "the target 'other.md' is not found" in caplog.text
