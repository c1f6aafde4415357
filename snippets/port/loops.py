"""Statements that repeat with an index become a loop."""

import itertools
import re

PLACE = re.compile(r'"[\w.]*"|\[[\d:, ]+\]')  # where an index may stand: x[:, 0]


def rolled(texts, said, index="k"):
    """Yield (indent, text, comment) of statements, those that repeat with an index in a loop."""
    alike, i = [PLACE.sub("", text) for text in texts], 0
    while i < len(texts):
        best = (0, 0, 0, None)
        for period in range(1, (len(texts) - i) // 2 + 1):
            if alike[i] != alike[i + period]:
                continue
            count, places = repeats(texts, i, period)
            best = max(best, ((count - 1) * period, -period, count, places), key=lambda b: b[:2])
        saved, period, count, places = best[0], -best[1], best[2], best[3]
        if saved < 2:
            yield 4, texts[i], said[i]
            i += 1
            continue
        start = next(first for one in places for *_, first in one)
        yield 4, f"for {index} in range({f'{start}, ' if start else ''}{start + count}):", ""
        for j in range(period):
            agree = len({said[i + n * period + j] for n in range(count)}) == 1
            yield 8, with_index(texts[i + j], places[j], index), said[i + j] if agree else ""
        i += count * period


def repeats(texts, i, period):
    """Return how often statements repeat from i on, and where their index is."""
    first, count, places = texts[i : i + period], 1, None
    while True:
        other = texts[i + count * period : i + (count + 1) * period]
        if len(other) < period:
            return count, places
        found = [stepped(a, b, count) for a, b in zip(first, other, strict=True)]
        if None in found or len({n for one in found for *_, n in one}) != 1:
            return count, places
        where = [[place[:2] for place in one] for one in found]
        if places and where != [[place[:2] for place in one] for one in places]:
            return count, places
        places, count = found, count + 1


def stepped(text, other, step):
    """Return the places where a text differs from another by an index, and the index.

    None if they differ otherwise.
    """
    if PLACE.sub("", text) != PLACE.sub("", other):
        return None
    found = []
    for i, (one, two) in enumerate(zip(PLACE.findall(text), PLACE.findall(other), strict=True)):
        ones, twos = re.split(r"(\d+)", one), re.split(r"(\d+)", two)
        if len(ones) != len(twos):
            return None
        for j, (a, b) in enumerate(zip(ones, twos, strict=True)):
            if a != b:
                if not (a.isdecimal() and b.isdecimal() and int(b) - int(a) == step):
                    return None
                found.append((i, j, int(a)))
    return found


def with_index(text, places, index):
    """Return a text with a variable in the place of an index."""
    where = {(i, j) for i, j, _ in places}
    counter = itertools.count()

    def put(match):
        i, pieces = next(counter), re.split(r"(\d+)", match[0])
        marks = [j for j in range(len(pieces)) if (i, j) in where]
        if not marks:
            return match[0]
        is_name = match[0][0] == '"'
        text = "".join(
            (f"{{{index}}}" if is_name else index) if j in marks else p
            for j, p in enumerate(pieces)
        )
        return f"f{text}" if is_name else text

    return PLACE.sub(put, text)
