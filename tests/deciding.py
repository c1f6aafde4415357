"""Words that decide: rows or columns, first or last, before or after, always or never.

No machine knows which of the two is true, but a page and its twin are written apart: a word of
either must have one of its counterparts, of deciding.yml, in the same block of the other. Some
words stand there as often, so that "two rows and three columns" is not "two rows and three rows".
"""

import re

import yaml

from tests import ROOT

WORDS = yaml.safe_load((ROOT / "tests/deciding.yml").read_text("utf-8"))


def any_of(words, english):
    """Return an expression that finds any of these words, in English as whole words."""
    return re.compile(rf"(?i)\b(?:{'|'.join(words)})\b" if english else "|".join(words))


COUNTED = [
    (words, any_of([words], True), any_of([others], False))
    for words, others in WORDS.pop("counted")
]
RULES = {
    language: [
        (any_of(r["words"], language == "english"), any_of(r["others"], language != "english"))
        for r in rules
    ]
    for language, rules in WORDS.items()
}


def miscounted(page, twin):
    """Return the words that the texts do not have equally often."""
    counts = [(w, len(a.findall(page)), len(b.findall(twin))) for w, a, b in COUNTED]
    return [
        f"{w!r} stands here {m} times, in the other language {n}" for w, m, n in counts if m != n
    ]


def undecided(page, twin):
    """Return the words of either text that have no counterpart in the other."""
    pairs = {"english": (page, twin), "chinese": (twin, page)}
    return [
        f"{m[0]!r} has no counterpart in the other language"
        for language, (mine, other) in pairs.items()
        for word, others in RULES[language]
        if (m := word.search(mine)) and not others.search(other)
    ]
