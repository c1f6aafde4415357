"""The site's one hook: two languages from one command, and what no Markdown extension can reach."""

import io
import json
import pathlib
import re
import zipfile

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.structure.files import File
from mkdocs.structure.toc import get_toc
from mkdocs.utils import get_relative_url, write_file

from docs.extensions.memory import index_once, render_once
from docs.extensions.notebooks import PERMALINK, polish
from docs.extensions.plain import address, listing, plain
from docs.extensions.policy import with_policy

ROOT = pathlib.Path(__file__).parents[2]
OTHER = {"en": "zh", "zh": "en"}
SNIPPETS = sorted(ROOT.glob("snippets/**/*.py"))
TITLE = re.compile(r'<span class="filename">([\w.]+)</span>')
DATA = re.compile(r'href="(?!https?:)[^"#]+\.(?:ipynb|npz|pt|zip)"')  # nothing to read in a browser
# Names, signs and the space between: ink on paper, as without a span of its own. That is a third of
# a page's elements, which a phone need not lay out.
INK = re.compile(r'<span class="(?:n|nb|no|bp|vm|kc|w|p|o)">([^<]*)</span>')
BLOCK = re.compile(r"<pre><span></span><code>(.*?)</code>", re.S)
ARCHIVE = "snippets.zip"
ENGLISH = "english-site"  # where the Chinese site believes the pages without a twin to be

OPTIONS = {"policy": True}


class Untranslated(File):
    """An English page without a Chinese twin: links lead to it, nothing is built of it."""

    def is_documentation_page(self):
        """Keep MkDocs from making a page of it."""
        return False

    def copy_file(self, dirty=False):
        """Keep MkDocs from copying it, too."""


def on_startup(command, **_):
    """Remember `mkdocs serve`, which reloads its pages by inline scripts that no hash foresees."""
    OPTIONS["policy"] = OPTIONS["policy"] and command != "serve"


def on_config(config):
    """Give the footer the versions that the pages are checked with."""
    constraints = (ROOT / ".ci/constraints.txt").read_text("utf-8")
    config.extra["checked"] = {
        package: re.search(rf"^(?:# )?{package}[= ]+([\d.]+)", constraints, re.M | re.I)[1]
        for package in ("torch", "numpy", "python")
    }
    return config


def on_pre_build(config):
    """Have a page read for the search index only if it is another than it was."""
    index_once(config.plugins["material/search"].search_index)


def on_files(files, config):
    """Offer downloads on both sites: the snippets, and what docs/en/notebooks holds."""
    downloads = [(ROOT, path) for path in SNIPPETS]
    downloads += [(ROOT / "docs/en", path) for path in sorted(ROOT.glob("docs/en/notebooks/*"))]
    for folder, path in downloads:
        uri = path.relative_to(folder).as_posix()
        offered = path.suffix in {".py", ".npz", ".pt", ".json", ".txt"}
        if offered and not files.get_file_from_path(uri):
            files.append(File(uri, str(folder), config.site_dir, config.use_directory_urls))
    archive = File(ARCHIVE, None, config.site_dir, config.use_directory_urls)
    archive.content_bytes = packed()
    files.append(archive)
    if config.theme["language"] == "zh":
        add_untranslated(files, config)
    return files


def packed():
    """Return the folder of the snippets as a zip, the same bytes each time."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [ROOT / "snippets/LICENSE", *SNIPPETS]:
            entry = zipfile.ZipInfo(path.relative_to(ROOT).as_posix())  # without today's date
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return found.getvalue()


def add_untranslated(files, config):
    """Let links find the pages that have no Chinese twin."""
    folder = ROOT / "docs/en"
    for path in sorted(folder.rglob("*.md")):
        given = (
            path.relative_to(folder).as_posix(),
            str(folder),
            config.site_dir,
            config.use_directory_urls,
        )
        if not files.get_file_from_path(given[0]):
            page = Untranslated(*given)
            page.url = f"{ENGLISH}/{File(*given).url}"
            files.append(page)


def on_page_markdown(markdown, page, config, **_):
    """Tell the search what search engines are told of a page, behind the page's own tags.

    A notebook has its description and its tags in its metadata.
    """
    if page.file.src_uri.endswith(".ipynb"):
        notebook = json.loads(pathlib.Path(page.file.abs_src_path).read_text("utf-8"))
        page.meta = {"description": config.site_description} | notebook["metadata"]
    told = [page.title, page.meta.get("title", ""), page.meta.get("description", "")]
    page.meta["tags"] = page.meta.get("tags", []) + told
    return markdown


def on_pre_page(page, **_):
    """Have the page rendered, and only if it is another than it was."""
    render_once(page, finish, ROOT / "snippets")
    return page


def finish(html, page, files, config):
    """Link the file that a block is; bring a notebook's HTML into the shape of the other pages.

    Links to what has no twin lead to English: MkDocs knows no address outside of a site, and the
    English one lies around the Chinese.
    """
    html = TITLE.sub(lambda title: downloadable(title, page.url), html)
    if page.file.src_uri.endswith(".ipynb"):
        permalink = config.mdx_configs["toc"].get("permalink_title", PERMALINK)
        html, tokens = polish(html, page, files, permalink, config.extra["code"])
        page.toc = get_toc(tokens)
        page.title = tokens[0]["name"]
    html = DATA.sub(r"\g<0> download", html)
    html = BLOCK.sub(counted, INK.sub(r"\1", html))
    return re.sub(rf'href="((?:\.\./)*){ENGLISH}/', r'hreflang="en" href="\1../', html)


def counted(block):
    """Tell the style sheet how many lines a block has, if it may well begin below the screen."""
    lines = block[1].count("\n")
    return block[0].replace("<code>", f'<code style="--lines: {lines}">') if lines > 9 else block[0]


def downloadable(title, url):
    """Return the title of a block as a link to the file of that name, if there is one."""
    for path in SNIPPETS:
        if path.name == title[1]:
            link = get_relative_url(path.relative_to(ROOT).as_posix(), url)
            return f'<span class="filename"><a href="{link}" download>{title[1]}</a></span>'
    return title[0]


def on_env(env, config, files):
    """Write each page as plain Markdown, llms.txt and robots.txt; find each page's languages."""
    written = {"llms.txt": listing(files.get_file_from_path("index.md").page, config)}
    if config.site_url and here(config) == "en":
        written["robots.txt"] = f"User-agent: *\nAllow: /\nSitemap: {config.site_url}sitemap.xml\n"
    for file in files.documentation_pages():
        file.page.languages = languages(file.page, config)
        written[address(file)] = plain(file.page, config, files)
    for path, text in written.items():
        write_file(text.encode(), f"{config.site_dir}/{path}")
    return env


def languages(page, config):
    """Return {language: the address of the page or its twin}, {} without a site_url or a twin."""
    if not (config.site_url and twin(page, config)):
        return {}
    english = config.site_url.removesuffix("zh/") if here(config) == "zh" else config.site_url
    url = "" if page.is_homepage else page.url
    found = {"en": english + url, "zh-Hans": f"{english}zh/{url}"}
    return found | {"x-default": found["en"]}


def here(config):
    """Return the language of the site that is being built."""
    return config.theme["language"]


def twin(page, config):
    """Return whether a page is there in the other language, too."""
    return (ROOT / "docs" / OTHER[here(config)] / page.file.src_uri).exists()


def on_page_context(context, page, config, **_):
    """Tell a page its address in the other language, or that one's home, and its Markdown's."""
    context["twin"] = page.url if twin(page, config) else ""
    context["plain"] = address(page.file)
    return context


def on_post_page(output, **_):
    """Forbid a page to load anything from elsewhere."""
    return with_policy(output) if OPTIONS["policy"] else output


def on_post_template(output_content, template_name, config):
    """Do the same for the 404, which like the sitemap serves both languages: one of each."""
    if here(config) == "zh":
        return ""
    return on_post_page(output_content) if template_name == "404.html" else output_content


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
