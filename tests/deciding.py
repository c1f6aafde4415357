"""Words that decide: rows or columns, first or last, before or after, always or never.

No machine knows which of the two is true, but a page and its twin are written apart: a word of
either must have one of its counterparts, of deciding.yml, in the same block of the other. Some
words stand there as often, so that "two rows and three columns" is not "two rows and three rows".
Of a word and its opposite, neither text may have more of the one and less of the other.
"""

import re

import yaml

from tests import ROOT

WORDS = yaml.safe_load((ROOT / "tests/deciding.yml").read_text("utf-8"))


def any_of(words, english):
    """Return an expression that finds any of these words, in English as whole words."""
    return re.compile(rf"(?i)\b(?:{'|'.join(words)})\b" if english else "|".join(words))


OPPOSITES = [
    (a, [any_of([a], True), any_of([b], True)], [any_of([c], False), any_of([d], False)])
    for a, b, c, d in WORDS.pop("opposites")
]
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


def swapped(page, twin):
    """Return the words that one text has more often, and the opposite of which the other has."""
    found = []
    for words, english, chinese in OPPOSITES:
        pairs = zip(english, chinese, strict=True)
        more, less = [len(a.findall(page)) - len(b.findall(twin)) for a, b in pairs]
        if more * less < 0:
            found.append(f"{words!r} here, its opposite in the other language")
    return found


def undecided(page, twin):
    """Return the words of either text that have no counterpart in the other."""
    pairs = {"english": (page, twin), "chinese": (twin, page)}
    return [
        f"{m[0]!r} has no counterpart in the other language"
        for language, (mine, other) in pairs.items()
        for word, others in RULES[language]
        if (m := word.search(mine)) and not others.search(other)
    ]
