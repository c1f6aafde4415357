"""The site's one hook: two languages from one command, and what no Markdown extension can reach."""

import pathlib
import re

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.structure.files import File
from mkdocs.structure.toc import get_toc

from docs.extensions.notebooks import polish

ROOT = pathlib.Path(__file__).parents[2]
OTHER = {"en": "zh", "zh": "en"}


def on_config(config):
    """Give the footer the versions that the pages are checked with."""
    constraints = (ROOT / ".ci/constraints.txt").read_text("utf-8")
    config.extra["checked"] = {
        package: re.search(rf"^(?:# )?{package}[= ]+([\d.]+)", constraints, re.M | re.I)[1]
        for package in ("torch", "numpy", "python")
    }
    return config


def on_files(files, config):
    """Offer downloads on both sites: the snippets, and what docs/en/notebooks holds."""
    downloads = [(ROOT, path) for path in sorted(ROOT.glob("snippets/*/*.py"))]
    downloads += [(ROOT / "docs/en", path) for path in sorted(ROOT.glob("docs/en/notebooks/*"))]
    for folder, path in downloads:
        uri = path.relative_to(folder).as_posix()
        if path.suffix in {".py", ".npz", ".pt", ".txt"} and not files.get_file_from_path(uri):
            files.append(File(uri, str(folder), config.site_dir, config.use_directory_urls))
    return files


def on_page_content(html, page, files, **_):
    """Bring a notebook's HTML into the shape of the other pages."""
    if page.file.src_uri.endswith(".ipynb"):
        html, tokens = polish(html, page, files)
        page.toc = get_toc(tokens)
        page.title = tokens[0]["name"]
    return html


def on_page_context(context, page, config, **_):
    """Tell the language switch this page's address in the other language, or that one's home."""
    twin = ROOT / "docs" / OTHER[config.theme["language"]] / page.file.src_uri
    context["twin"] = page.url if twin.exists() else ""
    return context


def on_post_build(config):
    """Build the Chinese site into the English one."""
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
