"""The proof: snippets against PyTorch, pages, notebooks, the built site."""

import pathlib

ROOT = pathlib.Path(__file__).parents[1]
SNIPPETS_DIR = ROOT / "snippets"
SNIPPETS = sorted(p for p in SNIPPETS_DIR.rglob("*.py") if p.name != "__init__.py")
SITE_URL = "https://example.org/out-x-in/"


def proof_of(snippet):
    """Return the text of a snippet's own test, found by its stem; rows are tested as one table."""
    if snippet.parent.name == "rows":
        snippet = SNIPPETS_DIR / "port/operations.py"
    folder = ROOT / "tests" / snippet.parent.relative_to(SNIPPETS_DIR)
    return (folder / f"test_{snippet.stem}.py").read_text("utf-8")


def address_of(page):
    """Return the address of a page's source: docs/zh/why/x.md is at zh/why/x/."""
    language, *folders, _ = page.relative_to(ROOT / "docs").parts
    parts = ([] if language == "en" else [language]) + folders
    parts += [] if page.stem == "index" else [page.stem]
    return "".join(f"{part}/" for part in parts)
