"""The built site in a real browser."""

from tests import ROOT, address_of

ADDRESSES = [
    address_of(p)
    for language in ("en", "zh")
    for p in sorted((ROOT / "docs" / language).rglob("*"))
    if p.suffix in {".md", ".ipynb"}
]
# The Chinese pages come from the same templates: where the text plays no part, two stand for all.
ALIKE = [a for a in ADDRESSES if not a.startswith("zh/") or a in {"zh/", "zh/notebooks/speakers/"}]
