"""Change a script of the theme in one place and see the browser's tests fail.

    python -m tests.mutation docs/theme/assets/search-index.js [seed [mutants]]

The site is built once, and one process with one browser runs the tests named here for each mutant
that lies in it, until one fails. Prints each change that no test notices, of as many as were asked
for, chosen by the seed.
"""

import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests import ROOT, SITE_URL
from tests.conftest import build

SECONDS = 60  # a test that takes longer hangs
BOTH = "test_calculator or (test_inspector and not (axe or thousand or refused))"
# What pytest's -k chooses of the browser's tests.
TESTS = {
    **dict.fromkeys(["axes", "facts", "modules", "stored", "tree", "which"], BOTH),
    **dict.fromkeys(["calculator", "code", "listing", "print"], "test_calculator"),
    **dict.fromkeys(["python", "read", "syntax", "values"], "test_calculator"),
    **dict.fromkeys(["inspect", "reader"], "test_inspector"),
    "copy": "test_copying or test_header or language_switch or reaches_every_control",
    "finder": "test_finder",
    "living-figure": "test_living_figure",
    "search": "test_search.py or keys_of_the_footer",
    "search-index": "test_search.py and not (dialog or phone or marked or loaded)",
}
# What no change is made in: comments, strings, and what stands between slashes behind a sign.
LEFT_ALONE = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"|'[^'\n]*'|(?<=[(=,!] )/(?![/*])(?:\\.|[^/\n\\])+/\w*"
    r"|(?<=[(!])/(?![/*])(?:\\.|[^/\n\\])+/\w*",
    re.S,
)
SWAPS = {
    "===": "!==", "!==": "===", " < ": " <= ", " > ": " >= ", " <= ": " < ", " >= ": " > ",
    " && ": " || ", " || ": " && ", " ?? ": " && ", " + ": " - ", " - ": " + ", " * ": " / ",
    " / ": " * ", " ** ": " * ", "true": "false", "false": "true", ".some(": ".every(",
    ".every(": ".some(", "++": "--", " += ": " -= ", " -= ": " += ", "!": "",
}  # fmt: skip
PLACE = re.compile(
    "|".join(re.escape(sign) for sign in sorted(SWAPS, key=len, reverse=True) if sign != "!")
    + r"|(?<![\w.#$])\d+(?:\.\d+)?(?![\w.])|(?<=[(&|=?] )!(?=\w)|(?<=\()!(?=\w)"
)


def mutants(source):
    """Yield (line, old, new, mutated source)."""
    code = LEFT_ALONE.sub(lambda m: " " * len(m[0]), source)
    for m in PLACE.finditer(code):
        old = m[0]
        new = f"{float(old) + 1:g}" if old[0].isdecimal() else SWAPS[old]
        line = code.count("\n", 0, m.start()) + 1
        yield line, old, new, source[: m.start()] + new + source[m.end() :]


class Again:
    """A plugin of pytest: runs the collected tests for each mutant, until one of them fails."""

    def __init__(self, connection):
        self.connection = connection

    def pytest_runtestloop(self, session):
        order = list(session.items)
        self.connection.send(None)
        while self.connection.recv():
            self.failed = ""
            for item, next_item in zip(list(order), [*order[1:], session], strict=True):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=next_item)
                if self.failed:  # the next mutant is likely to fail here, too
                    order.remove(item)
                    order.insert(0, item)
                    break
                self.connection.send(None)
            session._setupstate.teardown_exact(session)  # the browser and the server stay
            self.connection.send(self.failed)
        return True

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed = report.nodeid


def run(connection, chosen):
    """Run the chosen tests whenever the connection asks for it."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    imported = "ignore::pytest.PytestAssertRewriteWarning"  # by tests.mutation
    options = ["-n0", "--tb=no", "-W", imported, "-k", f"chromium and ({chosen})"]
    pytest.main([*options, str(ROOT / "tests/browser")], plugins=[Again(connection)])


def noticed(there, sources, chosen):
    """Yield for each source the test that fails on the site that has it in this place, or ""."""
    fork, child = multiprocessing.get_context("fork"), None
    for i, source in enumerate(sources):
        there.write_text(source, "utf-8")
        os.utime(there, (time.time() + i,) * 2)  # a browser that has one asks for the next
        if not child:
            connection, end = fork.Pipe()
            child = fork.Process(target=run, args=(end, chosen), daemon=True)
            child.start()
            end.close()
            connection.recv()  # it has found its tests
        connection.send(True)
        answer = None
        while answer is None:
            if connection.poll(SECONDS):
                answer = connection.recv()
            else:  # a loop without an end
                answer = "a hang"
                child.kill()
                child = None
        yield answer
    connection.send(False)
    child.join()


def main(path, seed=0, count=60):
    """Print the survivors of one script, and how many there are."""
    source, begin = path.read_text("utf-8"), time.monotonic()
    found = list(mutants(source))
    chosen = sorted(random.Random(int(seed)).sample(found, min(int(count), len(found))))
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        site = build(Path(folder) / "out-x-in", SITE_URL=SITE_URL)
        os.environ["SITE"] = str(site)
        # The script as it is comes first and last.
        sources = [source, *(mutated for *_, mutated in chosen), source]
        answers = noticed(site / "assets" / path.name, sources, TESTS[path.stem])
        if next(answers):
            sys.exit(f"{path.name}: its tests fail without a mutant")
        for (line, old, new, _), answer in zip(chosen, answers, strict=False):
            if not answer:
                survived += 1
                text = source.split("\n")[line - 1].strip()
                print(f"{path.relative_to(ROOT)}:{line}: {old!r} -> {new!r}: {text}")
        if next(answers):
            sys.exit(f"{path.name}: its tests fail after the mutants")
    seconds = time.monotonic() - begin
    print(
        f"{path.name}: {len(chosen)} of {len(found)} mutants, {survived} survived, {seconds:.0f} s"
    )
    return survived
