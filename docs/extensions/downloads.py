"""What can be downloaded: snippets, all of them as a zip, models as one file, notebooks' data."""

import functools
import io
import pathlib
import posixpath
import re
import zipfile

from docs.extensions.joined import joined, stems

ROOT = pathlib.Path(__file__).parents[2]
SNIPPETS = sorted(ROOT.glob("snippets/**/*.py"))
DATA = {".npz", ".pt", ".pth", ".json", ".txt", ".safetensors"}
ARCHIVE = "snippets.zip"
MAIN = """\
import sys

from snippets.describe import main

sys.exit(main(prog="describe.pyz"))
"""
TITLE = re.compile(r'<span class="filename">([\w.]+)</span>')


def offered():
    """Return {address: path} of the files that both sites offer beside their pages."""
    files = {path.relative_to(ROOT).as_posix(): path for path in SNIPPETS}
    docs = ROOT / "docs/en"
    for path in sorted([*docs.glob("notebooks/*"), *docs.glob("models/*/*")]):
        if path.suffix in DATA | {".py"}:
            files[path.relative_to(docs).as_posix()] = path
    return files


@functools.cache
def packed():
    """Return the folder of the snippets as a zip, the same bytes each time."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [ROOT / "snippets/LICENSE", *SNIPPETS]:
            entry = zipfile.ZipInfo(path.relative_to(ROOT).as_posix())  # without today's date
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return found.getvalue()


@functools.cache
def program():
    """Return ``describe`` as one file that Python runs, the same bytes each time."""
    files = [path for path in SNIPPETS if path.parent.name in ("snippets", "checkpoints")]
    found = io.BytesIO(b"#!/usr/bin/env python3\n")
    found.seek(0, io.SEEK_END)
    with zipfile.ZipFile(found, "a", zipfile.ZIP_DEFLATED) as archive:
        entries = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files}
        entries["LICENSE"] = (ROOT / "snippets/LICENSE").read_bytes()
        for name, raw in {"__main__.py": MAIN.encode(), **entries}.items():
            archive.writestr(zipfile.ZipInfo(name), raw, zipfile.ZIP_DEFLATED, 9)
    return found.getvalue()


# Beside the page of each model, and its tiny folder.
MODELS = {f"models/{stem}/{stem}.py": functools.partial(joined, stem) for stem in stems()}
MADE = {ARCHIVE: packed, "describe.pyz": program} | MODELS


def link_titles(html, page, site=""):
    """Return the HTML of a page in a folder, the title of a block a link to its file in a site."""

    def linked(title):
        whole = [uri for uri in MODELS if uri.endswith(f"/{title[1]}")]
        for uri in whole + [path.relative_to(ROOT).as_posix() for path in SNIPPETS]:
            if posixpath.basename(uri) == title[1]:
                file = site + uri
                link = posixpath.relpath(file, page or ".")
                return f'<span class="filename"><a href="{link}" download>{title[1]}</a></span>'
        return title[0]

    return TITLE.sub(linked, html)
