"""The sources of one language's pages, read without any site builder: mkdocs.yml and Markdown."""

import pathlib
import re
from typing import NamedTuple

import nbformat
import yaml

from docs.extensions.notebooks import as_markdown, title_of

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = {"en": "mkdocs.yml", "zh": "mkdocs.zh.yml"}
FRONT_MATTER = re.compile(r"---\n(.*?\n)---\n+(.*)", re.S)


class Source(NamedTuple):
    """One page: where it lies, its part of the site, what it says of itself, its Markdown."""

    uri: str
    part: str
    title: str
    description: str
    text: str


class Loader(yaml.SafeLoader):
    """Reads a file of settings as data: names of Python and of the environment are None."""


Loader.add_constructor("!ENV", lambda loader, node: None)
Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def settings(language):
    """Return the settings of a language's site."""
    own = yaml.load((ROOT / CONFIGS[language]).read_text("utf-8"), Loader)
    return merged(settings("en"), own) if own.pop("INHERIT", None) else own


def merged(below, above):
    """Return nested settings, those above before those below."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    both = {key: merged(below[key], above[key]) for key in below.keys() & above.keys()}
    return below | above | both


def pages(config):
    """Return the sources of all pages that the navigation lists, in its order."""
    return [
        source(uri, part, config)
        for entry in config["nav"]
        for part, below in entry.items()
        for uri in leaves(below)
    ]


def leaves(nav):
    """Yield the paths that a part of the navigation lists, at any depth."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from leaves(entry)


def source(uri, part, config):
    """Return the source at a path of the navigation."""
    path = ROOT / config["docs_dir"] / uri
    if path.suffix == ".ipynb":
        about = nbformat.read(path, as_version=4).metadata
        text = as_markdown(path)
        title = title_of(text)
    else:
        front, text = FRONT_MATTER.fullmatch(path.read_text("utf-8")).groups()
        about = yaml.safe_load(front)
        title = about["title"]
    return Source(uri, part, title, about["description"], text)
