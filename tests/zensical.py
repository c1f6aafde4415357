"""Builds the English pages with Zensical, and says what they lack of those that MkDocs builds.

Zensical follows Material for MkDocs, which ends on 5 May 2027. It knows neither plugins nor hooks:
notebooks go in as Markdown, docs/extensions/beside.py writes what lies beside the pages.

    python -m tests.zensical    makes an environment of its own; nothing fails, whatever is missing
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections import Counter

import yaml

from docs.extensions import beside, sources
from docs.extensions.notebooks import as_markdown, linked
from tests import ROOT
from tests.built import article, outside


def prepare(folder):
    """Copy what Zensical builds from, each notebook with a page of Markdown in its place."""
    for name in ("docs", "snippets"):
        shutil.copytree(ROOT / name, folder / name)
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    (folder / "mkdocs.yml").write_text(config.replace(".ipynb\n", ".md\n"), "utf-8")
    english = folder / "docs/en"
    for path in english.rglob("*.md"):
        text = path.read_text("utf-8")
        path.write_text(re.sub(r"(\]\([^)\s]*)\.ipynb\b", r"\1.md", text), "utf-8")
    settings = sources.settings("en")
    for source in sources.pages(settings):
        path = english / source.uri
        if path.suffix == ".ipynb":
            told = {"title": source.title, "description": source.description}
            text = linked(as_markdown(path, settings["extra"]["code"]), path.name)
            front = yaml.safe_dump(told, allow_unicode=True)
            path.with_suffix(".md").write_text(f"---\n{front}---\n\n{text}", "utf-8")


def build(folder):
    """Build with both, and return the folders of their sites: (MkDocs, Zensical)."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    wanted = ["zensical", "math-core", "numpy"]
    constraints = ROOT / ".ci/constraints.txt"
    subprocess.run([python, "-m", "pip", "install", "-q", "-c", constraints, *wanted], check=True)
    prepare(folder / "tree")
    subprocess.run([python, "-m", "zensical", "build"], cwd=folder / "tree", check=True)
    beside.write(folder / "tree/site")
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", folder / "mkdocs"]
    subprocess.run(mkdocs, cwd=ROOT, check=True)
    return folder / "mkdocs", folder / "tree/site"


def kinds(site, page):
    """Return how many elements of each name and class a page's article has."""
    elements = outside(article(site, page), "svg", "math")
    return Counter(".".join([e.tag, *sorted(e.classes)]) for e in elements)


def missing(old, new):
    """Yield what the English pages of an old site have and those of a new one have not."""
    files = {path.relative_to(old).as_posix() for path in old.rglob("*") if path.is_file()}
    gone = sorted(
        name
        for name in files
        if not name.startswith(("zh/", "assets/javascripts/", "assets/stylesheets/"))
        and not (new / name).exists()
    )
    yield from (f"no file {name}" for name in gone)
    lost = {}
    pages = [name.removesuffix("index.html") for name in files if name.endswith("/index.html")]
    for page in sorted(["", *pages]):
        if page.startswith("zh/") or f"{page}index.html" in gone:
            continue
        words, found = (article(site, page).text_content().split() for site in (old, new))
        if words != found:
            yield f"{page or 'home'}: text differs, {len(words)} words and {len(found)}"
        for kind, count in (kinds(old, page) - kinds(new, page)).items():
            lost.setdefault(kind, []).append((count, page))
    for kind, places in sorted(lost.items(), key=lambda item: -len(item[1])):
        count = sum(count for count, _ in places)
        yield f"{count} of <{kind}> on {len(places)} pages, as on {places[0][1] or 'home'}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = list(missing(*build(pathlib.Path(folder))))
    print("\n".join(found) or "nothing is missing")
