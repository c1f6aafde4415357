"""Plant lies in pages and see them noticed.

    python -m tests.mutation docs [seed [lies [page ...]]]

Each round plants one lie in one page, in a process of its own that reads the page with it, and
runs all that is said of that page but what needs the built site. No hash counts. Prints the share
noticed, by kind and by where it stood, and each survivor.
"""

import collections
import io
import multiprocessing
import os
import random
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import sybil.document

from tests import ROOT, fences
from tests.fences import FENCE, PAGES
from tests.reading import ANCHOR, CODE, FRONT, LINK

CHILDREN = 2
TIMEOUT = 120
TESTS = [
    "test_reading.py::test_what_is_read_is_proved",
    "test_reading.py::test_arithmetic_holds",
    "test_fences.py::test_every_fence_is_proved",
    "test_fences.py::test_wrong_code_goes_wrong_as_shown",
    "test_fences.py::test_the_fix_has_been_run",
    "test_tables.py::test_shapes_in_tables_are_torchs",
    "test_twins.py::test_page_and_twin_say_the_same_block_by_block[{}]",
]
PYTEST = [
    *("-x", "-q", "--import-mode=importlib", "-o", "addopts=", "-p", "no:cacheprovider"),
    *("-p", "no:unraisableexception", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
]
OPPOSITES = [
    ("row", "column"), ("rows", "columns"), ("first", "last"), ("before", "after"),
    ("input", "output"), ("inputs", "outputs"), ("larger", "smaller"), ("more", "less"),
    ("always", "never"), ("left", "right"), ("upper", "lower"), ("above", "below"),
    ("每行", "每列"), ("一行", "一列"), ("第一", "最后"), ("之前", "之后"), ("输入", "输出"),
    ("更大", "更小"), ("更多", "更少"), ("总是", "从不"), ("左", "右"),
]  # fmt: skip
NAMES = [
    ("nn.LSTM", "nn.GRU"), ("nn.Linear", "nn.Bilinear"), ("nn.Conv2d", "nn.ConvTranspose2d"),
    ("nn.BatchNorm2d", "nn.LayerNorm"), ("nn.RNN", "nn.LSTM"), ("nn.Embedding", "nn.Linear"),
    ("weight_ih", "weight_hh"), ("bias_ih", "bias_hh"), ("in_features", "out_features"),
    ("in_channels", "out_channels"), ("hidden_size", "input_size"), ("running_mean", "running_var"),
    ("weight", "bias"), ("batch", "time"), ("height", "width"), (".T", ""), ("dim=0", "dim=1"),
    ("axis=0", "axis=1"), ("load_torch", "load_npz"), ("np.load", "np.save"),
]  # fmt: skip


class Lie(NamedTuple):
    """One falsification: the page, what it is, where it stands, and the text before and after."""

    path: Path
    kind: str
    place: str
    line: int
    old: str
    new: str
    source: str


def places(text):
    """Yield (place, start, end) of all that is read or run of a page's source."""
    end = 0
    if front := FRONT.match(text):
        for m in re.finditer(r"^(?:title|description): .*", front[0], re.M):
            yield "front", *m.span()
        end = front.end()
    for fence in FENCE.finditer(text, end):
        yield from prose_places(text, end, fence.start())
        end = fence.end()
        start = fence.start("body")
        if "--8<--" in fence["body"]:
            continue
        if fence["info"].startswith("figure"):
            yield "label", *fence.span("body")
            continue
        code = re.search(r"\b(?:pycon|python)\b", fence["info"])
        for m in re.finditer(r".+", fence["body"]):
            line = m[0].strip()
            span = start + m.start(), start + m.end()
            runs = code and ("pycon" not in fence["info"] or line.startswith((">>>", "...")))
            comment = m[0].find("  # ") if runs else -1
            if comment >= 0:
                yield "code", span[0], span[0] + comment
                yield "comment", span[0] + comment, span[1]
            else:
                yield ("code" if runs else "output"), *span
    yield from prose_places(text, end, len(text))


def prose_places(text, start, end):
    """Yield the places between two fences, line by line."""
    hidden = [m.span() for m in re.finditer(r"<!--.*?-->", text[start:end], re.S)]
    for m in re.finditer(r".+", text[start:end]):
        if any(a <= m.start() < b for a, b in hidden) or ANCHOR.fullmatch(m[0]):
            continue
        kind = {"#": "heading", "|": "table"}.get(m[0].strip()[0], "prose")
        stop = ANCHOR.search(m[0]) if kind == "heading" else None
        yield kind, start + m.start(), start + (m.start() + stop.start() if stop else m.end())


def lies(path):
    """Yield every lie of a page."""
    text = path.read_text("utf-8")
    others = sorted({m["target"] for m in LINK.finditer(text) if m["target"].endswith(".md")})
    for place, start, end in places(text):
        part = text[start:end]
        read = place not in ("code", "output", "comment")
        links = [m.span("target") for m in LINK.finditer(part)] if read else []
        codes = [m.span("code") for m in CODE.finditer(part)] if read else []

        def inside(at, spans):
            return any(a <= at < b for a, b in spans)

        def lie(kind, a, b, new, place=place, start=start):
            begin, finish = start + a, start + b
            line = text.count("\n", 0, begin) + 1
            source = text[:begin] + new + text[finish:]
            return Lie(path, kind, place, line, text[begin:finish], new, source)

        for m in re.finditer(r"(?<![\w.#-])\d+(?:\.\d+)*(?![\w.]*\w)", part):
            if not inside(m.start(), links):
                digit = str((int(m[0][-1]) + 1) % 10)
                kind = "number in code" if inside(m.start(), codes) else "number"
                yield lie(kind, *m.span(), m[0][:-1] + digit)
        for m in re.finditer(r"\((\d+(?: \w+)?), (\d+(?: \w+)?)\)", part):
            if m[1] != m[2] and place != "code":
                yield lie("swapped sizes", *m.span(), f"({m[2]}, {m[1]})")
        for pair in OPPOSITES if read else []:
            for old, new in (pair, pair[::-1]):
                pattern = rf"\b{old}\b" if old.isascii() else old
                for m in re.finditer(pattern, part):
                    if not inside(m.start(), links + codes):
                        yield lie("word", *m.span(), new)
        for pair in NAMES:
            for old, new in (pair, pair[::-1]):
                for m in re.finditer(rf"(?<![\w.]){re.escape(old)}(?!\w)", part) if old else []:
                    if inside(m.start(), codes) or not read:
                        yield lie("name", *m.span(), new)
        for a, b in links:
            to = part[a:b].partition("#")[0]
            for other in [o for o in others if o.partition("#")[0] != to][:1]:
                yield lie("link", a, b, other)


def run(lie):
    """Run what is said of the lie's page; the child's exit code tells whether it was noticed."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    original = Path.read_text

    def read_text(path, *args, **kwargs):
        return lie.source if Path(path) == lie.path else original(path, *args, **kwargs)

    Path.read_text = read_text
    sybil.document.open = lambda path, **_: io.StringIO(read_text(Path(path), "utf-8"))
    language, *_ = lie.path.relative_to(ROOT / "docs").parts
    fences.PAGES = [lie.path]
    fences.ENGLISH = [lie.path] if language == "en" else []
    source = lie.path.relative_to(ROOT / "docs" / language).as_posix()
    said = [f"tests/pages/{test.format(source)}" for test in TESTS]
    os._exit(pytest.main([*PYTEST, *said, *([str(lie.path)] if language == "en" else [])]))


def noticed(chosen):
    """Yield (lie, whether a test noticed it), each tried in a process of its own."""
    fork = multiprocessing.get_context("fork")
    waiting, running = list(chosen), []
    while waiting or running:
        while waiting and len(running) < CHILDREN:
            lie = waiting.pop()
            child = fork.Process(target=run, args=(lie,))
            child.start()
            running.append((lie, child, time.monotonic() + TIMEOUT))
        time.sleep(0.02)
        for lie, child, end in list(running):
            if time.monotonic() > end:
                child.kill()
                child.join()
            if not child.is_alive():
                running.remove((lie, child, end))
                yield lie, child.exitcode != 0


def truth(path):
    """Return a page as it is, as a lie that changes nothing: no test may notice it."""
    return Lie(path, "none", "none", 0, "", "", path.read_text("utf-8"))


def main(seed=0, count=200, *names):
    """Plant lies chosen by the seed, one a page and round; print survivors and what was noticed."""
    chance = random.Random(int(seed))
    pages = {path: list(lies(path)) for path in map(Path.resolve, map(Path, names or PAGES))}
    chosen = []
    while len(chosen) < int(count):
        for path in chance.sample(list(pages), len(pages)):
            kinds = sorted({(lie.kind, lie.place) for lie in pages[path]})
            if kinds and len(chosen) < int(count):
                kind = chance.choice(kinds)  # else most would be numbers in outputs
                chosen.append(chance.choice([x for x in pages[path] if (x.kind, x.place) == kind]))
    untrue = [truth(path) for path in sorted({lie.path for lie in chosen})]
    for lie, found in noticed(untrue):
        if found:
            sys.exit(f"{lie.path.relative_to(ROOT)}: its tests fail without a lie")
    told = collections.defaultdict(list)
    for lie, found in noticed(chosen):
        for group in (lie.kind, lie.place, lie.path.relative_to(ROOT / "docs").parts[0], "all"):
            told[group].append(found)
        if not found:
            name = lie.path.relative_to(ROOT)
            print(f"{name}:{lie.line}: {lie.kind} in {lie.place}: {lie.old!r} -> {lie.new!r}")
    for group, results in sorted(told.items()):
        print(f"{group:16} {sum(results):4} of {len(results):4} noticed")
    return not all(told["all"])
