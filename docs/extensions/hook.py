"""What the site asks of MkDocs besides Markdown: two languages at once, notebooks as pages."""

import pathlib

import nbformat
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.structure.files import File

from docs.extensions import beside, downloads
from docs.extensions.languages import ENGLISH
from docs.extensions.memory import color_once, index_once, render_once
from docs.extensions.notebooks import as_markdown, linked, title_of

ROOT = pathlib.Path(__file__).parents[2]
OPTIONS = {"policy": True}


class Elsewhere(File):
    """What links may lead to, though MkDocs neither makes a page of it nor copies it."""

    def is_documentation_page(self):
        """Keep MkDocs from making a page of it."""
        return False

    def copy_file(self, dirty=False):
        """Keep MkDocs from copying it, too."""


class Notebook(File):
    """A notebook as MkDocs has every other page; the File of mkdocs-jupyter is none."""

    def is_documentation_page(self):
        """Have MkDocs make a page of it."""
        return True


def on_startup(command, **_):
    """Remember `mkdocs serve`, which reloads its pages by inline scripts that no hash foresees."""
    OPTIONS["policy"] = OPTIONS["policy"] and command != "serve"
    color_once()


def on_pre_build(config):
    """Have a page read for the search index only if it is another than it was."""
    index_once(config.plugins["material/search"].search_index)


def on_files(files, config):
    """Let links find the notebooks, the downloads, and the pages that have no Chinese twin."""
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            files.remove(file)
            folder = config.docs_dir
            files.append(Notebook(file.src_uri, folder, config.site_dir, config.use_directory_urls))
    folder = ROOT / "docs/en"
    elsewhere = [*downloads.MADE, *downloads.offered()]
    if config.theme["language"] == "zh":
        elsewhere += [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.md"))]
    for uri in elsewhere:
        if not files.get_file_from_path(uri):
            given = uri, str(folder), config.site_dir, config.use_directory_urls
            file = Elsewhere(*given)
            if uri.endswith(".md"):
                file.url = f"{ENGLISH}/{File(*given).url}"
            files.append(file)
    return files


def on_pre_page(page, **_):
    """Have the page rendered, and only if it is another than it was."""
    render_once(page, ROOT / "snippets")
    return page


def on_page_markdown(markdown, page, config, **_):
    """Make Markdown of a notebook; tell the search what search engines are told, behind the tags.

    A notebook has its description and its tags in its metadata.
    """
    path = pathlib.Path(page.file.abs_src_path)
    if path.suffix == ".ipynb":
        markdown = linked(as_markdown(path, config.extra["code"]), path.name)
        page.meta = nbformat.read(path, as_version=4).metadata | {"title": title_of(markdown)}
    told = [page.title, page.meta.get("title", ""), page.meta.get("description", "")]
    page.meta["tags"] = page.meta.get("tags", []) + told
    return markdown


def on_post_template(output_content, template_name, config):
    """Keep MkDocs from writing a sitemap, and a 404 for one language: both serve the two."""
    zh = config.theme["language"] == "zh"
    return "" if zh or template_name == "sitemap.xml" else output_content


def on_post_build(config):
    """Build the Chinese site into the English one, then what lies beside the pages of both."""
    if config.theme["language"] == "en":
        zh = load_config(
            str(ROOT / "mkdocs.zh.yml"),
            site_dir=f"{config.site_dir}/zh",
            site_url=f"{config.site_url}zh/" if config.site_url else "",
            strict=config.strict,
        )
        zh.plugins.on_startup(command="build", dirty=False)
        build(zh)
        zh.plugins.on_shutdown()
        beside.write(pathlib.Path(config.site_dir), config.site_url or "", OPTIONS["policy"])
