"""What docs/extensions/beside.py does for the pages of any builder: here, the built site's own."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from docs.extensions.languages import ENGLISH, introduce
from tests import ROOT, SITE_URL

HEAD = re.compile(r'<link rel="alternate " [^>]*>\n|\n      <meta http-equiv="Content-Security.*?>')
SWITCH = re.compile(r'href="[^"]*"(?= hreflang="[^"]*" lang="[^"]*" class="language-switch")')
TITLE = re.compile(r'(<span class="filename">)<a [^>]*>([\w.]+)</a>')


def files(site):
    return {p.relative_to(site).as_posix(): p.read_bytes() for p in site.rglob("*") if p.is_file()}


def run(site):
    command = [sys.executable, "-m", "docs.extensions.beside", site]
    environment = os.environ | {"SITE_URL": SITE_URL}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


@pytest.fixture
def bare(site, tmp_path):
    """A copy of the built site with the pages alone, as a builder without the hook leaves them."""
    bare = shutil.copytree(site, tmp_path / "bare")
    for prefix in (bare, bare / "zh"):
        shutil.rmtree(prefix / "snippets")
        (prefix / "snippets.zip").unlink()
        for name in ("llms.txt", *(path.name for path in prefix.glob("*.md"))):
            (prefix / name).unlink()
    for name in ("sitemap.xml", "robots.txt"):
        (bare / name).unlink()
    for path in [*bare.glob("*/**/*.md"), *bare.glob("zh/notebooks/*.npz")]:
        path.unlink()
    for path in (ROOT / "docs/theme/assets").glob("*.js"):
        shutil.copy(path, bare / "assets")
    for path in bare.rglob("*.html"):
        text = TITLE.sub(r"\1\2", HEAD.sub("", path.read_text("utf-8")))
        if path.name != "404.html":  # it has no twin
            text = SWITCH.sub('href="elsewhere"', text)
        path.write_text(text, "utf-8")
    return bare


@pytest.mark.thorough
def test_the_command_writes_all_of_it(site, bare):
    wanted = files(site)
    assert files(bare).keys() != wanted.keys()
    run(bare)
    made = files(bare)
    assert made.keys() == wanted.keys()
    assert [name for name in wanted if made[name] != wanted[name]] == []


@pytest.mark.thorough
def test_a_second_run_changes_nothing(site, tmp_path):
    again = shutil.copytree(site, tmp_path / "again")
    run(again)
    assert files(again) == files(site)


PAGES = {"layers/conv/": "layers/conv.md", "zh/layers/conv/": "zh/layers/conv.md", "": "index.md"}
SWITCH_HOME = '<a href="./zh/" hreflang="zh-Hans" lang="zh-Hans" class="language-switch">'


@pytest.mark.parametrize(
    ("address", "led"),
    [("layers/conv/", "../../zh/layers/conv/"), ("", "./zh/")],
)
def test_the_switch_leads_to_the_twin_or_home(address, led):
    text = introduce(f"</head>{SWITCH_HOME}", address, PAGES, "")
    assert re.findall('href="([^"]*)" hreflang', text) == [led]


def test_the_switch_names_the_file_where_the_site_is_read_without_a_server():
    switch = SWITCH_HOME.replace("zh/", "zh/index.html", 1)
    text = introduce(f"</head>{switch}", "", {"": "index.md", "zh/": "zh/index.md"}, "")
    assert re.findall('href="([^"]*)" hreflang', text) == ["zh/index.html"]


@pytest.mark.parametrize(
    ("link", "led"),
    [(f"../../{ENGLISH}/layers/lstm/#stored", "../../../layers/lstm/#stored"), ("../gru/", None)],
)
def test_a_link_to_a_page_without_a_twin_leads_to_the_english_one(link, led):
    text = introduce(f'</head><a href="{link}">', "zh/layers/conv/", PAGES, "")
    assert text.endswith(f'<a hreflang="en" href="{led}">' if led else f'<a href="{link}">')


def test_without_an_address_of_its_own_a_page_names_its_markdown_alone():
    text = introduce("</head>", "zh/layers/conv/", PAGES, "")
    assert text == '<link rel="alternate " type="text/markdown" href="../conv.md">\n</head>'
