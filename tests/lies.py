"""Plant lies in pages and see them noticed.

    python -m tests.mutation docs [seed [lies [page ...]]]

Each round plants one lie in one page or notebook, in a process of its own that reads the page with
it, and runs all that is said of that page but what needs the built site. No hash counts, nor does a
stored copy: the code of a twin is held against its page, that of a page is run. Prints the share
noticed, by kind and by where it stood, and each survivor.
"""

import collections
import contextlib
import copy
import io
import json
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import sybil.document
from _pytest.config import apply_warning_filters

from docs import conftest
from docs.extensions.filled import known
from tests import ROOT
from tests.arithmetic import equations
from tests.fences import FENCE
from tests.pages import (
    test_fences,
    test_figures,
    test_notebooks,
    test_reading,
    test_tables,
    test_twins,
)
from tests.reading import ANCHOR, CODE, FILLED, FRONT, LINK

CHILDREN = 2
TIMEOUT = 900  # a busy machine takes minutes for the longest page
PYTEST = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]
PAGES = [*test_reading.PAGES, *test_notebooks.ENGLISH, *test_notebooks.CHINESE]
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
    """One falsification: the file, what it is, its line, the text before and after, the file."""

    path: Path
    kind: str
    line: int
    old: str
    new: str
    source: str


def pieces(path):
    """Yield (what it is, its text, the function that gives the file with another text there)."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        yield "page", text, lambda new: new
        return
    notebook = json.loads(text)

    def piece(kind, *keys):
        held = notebook
        for key in keys:
            held = held[key]

        def changed(new):
            other = copy.deepcopy(notebook)
            holder = other
            for key in keys[:-1]:
                holder = holder[key]
            holder[keys[-1]] = new
            return json.dumps(other)

        return kind, "".join(held), changed

    yield piece("front", "metadata", "description")
    for i, cell in enumerate(notebook["cells"]):
        yield piece("page" if cell["cell_type"] == "markdown" else "code", "cells", i, "source")
        # What is timed or trained is compared within a factor.
        outputs = [] if "train" in cell["metadata"].get("tags", []) else cell.get("outputs", [])
        for j, output in enumerate(outputs):
            if "text" in output:
                yield piece("output", "cells", i, "outputs", j, "text")
            elif "text/markdown" in output.get("data", {}):
                yield piece("output", "cells", i, "outputs", j, "data", "text/markdown")


def places(text, kind="page"):
    """Yield (place, start, end) of all that is read or run of a piece."""
    if kind == "page":
        yield from page_places(text)
    for m in re.finditer(r".+", text if kind != "page" else ""):
        comment = re.search(r"(?:^|  )# ", m[0]) if kind == "code" else None
        middle = m.start() + comment.start() if comment else m.end()
        yield from ((kind, m.start(), middle), ("comment", middle, m.end()))


def page_places(text):
    """Yield the places of a page's source."""
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
            elif fence["info"].startswith("stored"):
                yield ("label" if re.match(r"[^(|]+(?:: | = )", line) else "code"), *span
            else:
                yield ("code" if runs else "output"), *span
    yield from prose_places(text, end, len(text))


def prose_places(text, start, end):
    """Yield the places between two fences, line by line."""
    hidden = [m.span() for m in re.finditer(r"<!--.*?-->", text[start:end], re.S)]
    for m in re.finditer(r".+", text[start:end]):
        if any(a <= m.start() < b for a, b in hidden) or ANCHOR.fullmatch(m[0]):
            continue
        kind = {"#": "heading", "|": "table"}.get(m[0].strip()[:1], "prose")
        stop = ANCHOR.search(m[0]) if kind == "heading" else None
        yield kind, start + m.start(), start + (m.start() + stop.start() if stop else m.end())


def swaps(part, place, path, targets):
    """Yield (kind, start, end, new) of the lies in a part of a text, as prose would have them."""
    read = place not in ("code", "output", "comment")
    links = [m.span("target") for m in LINK.finditer(part)] if read else []
    codes = [m.span("code") for m in CODE.finditer(part)] if read else []
    fills = [m.span() for m in FILLED.finditer(part)] if read else []
    sums = [said for said, *_ in equations(part.replace("`", ""))] if read else []

    def inside(at, spans):
        return any(a <= at < b for a, b in spans)

    for m in re.finditer(r"(?<![\w.#-])\d+(?:\.\d+)*(?![\w.]*\w)", part):
        if not inside(m.start(), links + fills):
            digit = str((int(m[0][-1]) + 1) % 10)
            coded = inside(m.start(), codes)
            shape = coded and re.search(r"\([^()`]*$", part[: m.start()])
            kind = "shape" if shape else "number in code" if coded else "number"
            if any(re.search(rf"(?<![\w.]){re.escape(m[0])}(?![\w.]*\w)", said) for said in sums):
                kind = "arithmetic"
            yield kind, *m.span(), m[0][:-1] + digit
    for m in re.finditer(r"\((\d+(?: \w+)?), (\d+(?: \w+)?)\)", part):
        if m[1] != m[2] and place != "code":
            yield "shape", *m.span(), f"({m[2]}, {m[1]})"
    for pair in OPPOSITES if read else []:
        for old, new in (pair, pair[::-1]):
            for m in re.finditer(rf"\b{old}\b" if old.isascii() else old, part):
                if not inside(m.start(), links + codes + fills):
                    yield "word", *m.span(), new
    for pair in NAMES:
        for old, new in (pair, pair[::-1]):
            apart = r"(?<![\w.])" if old[:1].isalpha() else ""  # the .T of W.T is no word
            for m in re.finditer(rf"{apart}{re.escape(old)}(?!\w)", part) if old else []:
                if inside(m.start(), codes) or not read:
                    yield "name", *m.span(), new
    for a, b in links:
        to, _, anchor = part[a:b].partition("#")
        for other in targets:
            there, _, section = other.partition("#")
            if (there, bool(section)) != (to, bool(anchor)) or (to == "" and section != anchor):
                yield "link", a, b, other
                break
    names = sorted(known())
    for a, b in fills:
        name = re.search(r"[a-z]\w*", part[a:b].replace("format", "      "))
        if name and name[0] in names:
            other = names[names.index(name[0]) - 1]
            yield "filled", a, b, part[a:b].replace(name[0], other, 1)


def lies(path):
    """Yield every lie of a file."""
    for what, text, changed in pieces(path):
        targets = sorted({m["target"] for m in LINK.finditer(text) if ":" not in m["target"]})
        first = re.search(r"^## ", text, re.M)
        for place, start, end in places(text, what):
            for kind, a, b, new in swaps(text[start:end], place, path, targets):
                begin, finish = start + a, start + b
                if place in ("code", "output", "comment") or (
                    place in ("table", "label") and kind != "word"
                ):
                    kind = place
                elif place == "front":
                    kind = "description"
                elif kind == "word" and place == "table":
                    kind = "word in a table"
                elif kind == "word" and path.suffix == ".md":
                    kind += " on a first screen" if first and begin < first.start() else ""
                line = text.count("\n", 0, begin) + 1
                source = changed(text[:begin] + new + text[finish:])
                yield Lie(path, kind, line, text[begin:finish], new, source)


def judge(path, kind):
    """Run all that is said of a page; what fails, raises."""
    language, *_ = path.relative_to(ROOT / "docs").parts
    source = path.relative_to(ROOT / "docs" / language)
    test_reading.test_what_is_read_is_proved(path)
    test_twins.test_page_and_twin_say_the_same_block_by_block(source)
    if path.suffix == ".ipynb":
        test_notebooks.test_each_number_in_the_text_stands_in_a_cell_near_it(path)
        if language == "zh":
            test_notebooks.test_twin_has_the_code_and_outputs_of_its_english_page(path)
        elif kind in ("code", "output", "comment"):
            test_notebooks.test_stored_outputs_are_true(path)
        return
    test_fences.test_every_fence_and_fix_is_proved(path)
    test_tables.test_the_tables_of_a_page_are_torchs(path)
    test_figures.test_every_figure_of_a_page_is_drawn(path)
    if source.as_posix() == "layers/calculator.md" and language == "en":
        test_tables.test_the_layers_of_the_calculators_example_fit()
    if language == "zh":
        test_twins.test_a_twin_has_the_fences_of_its_page(source)
        return
    document = conftest.PAGES.parse(path)
    conftest.PAGES.setup(document.namespace)
    for example in document.examples():
        example.evaluate()
    conftest.PAGES.teardown(document.namespace)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        test_fences.test_wrong_code_goes_wrong_as_shown(path, folder, monkeypatch)


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
    apply_warning_filters(PYTEST["ini_options"]["filterwarnings"], [])
    code = 1
    with contextlib.suppress(Exception):
        judge(lie.path, lie.kind)
        code = 0
    os._exit(code)


def noticed(chosen):
    """Yield (lie, whether a test noticed it), each tried in a process of its own."""
    fork = multiprocessing.get_context("fork")
    waiting, running = list(chosen)[::-1], []
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
    return Lie(path, "none", 0, "", "", path.read_text("utf-8"))


def main(seed=0, count=200, *names):
    """Plant lies chosen by the seed, one a page and round; print survivors and what was noticed."""
    chance = random.Random(int(seed))
    pages = {path: list(lies(path)) for path in map(Path.resolve, map(Path, names or PAGES))}
    chosen = []
    while len(chosen) < int(count):
        for path in chance.sample(list(pages), len(pages)):
            kinds = sorted({lie.kind for lie in pages[path]})
            if kinds and len(chosen) < int(count):
                kind = chance.choice(kinds)  # else most would be numbers in outputs
                chosen.append(chance.choice([x for x in pages[path] if x.kind == kind]))
    for lie, found in noticed(map(truth, sorted({lie.path for lie in chosen}))):
        if found:
            sys.exit(f"{lie.path.relative_to(ROOT)}: its tests fail without a lie")
    told = collections.defaultdict(list)
    for lie, found in noticed(chosen):
        language, *_ = lie.path.relative_to(ROOT / "docs").parts
        for group in (lie.kind, f"{lie.kind}, {language}", language, "all"):
            told[group].append(found)
        if not found:
            name = lie.path.relative_to(ROOT)
            print(f"{name}:{lie.line}: {lie.kind}: {lie.old!r} -> {lie.new!r}")
    for group, results in sorted(told.items()):
        print(f"{group:28} {sum(results):4} of {len(results):4} noticed")
    return not all(told["all"])
