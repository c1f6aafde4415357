"""Change a script of the theme in one place and see the browser's tests fail.

    python -m tests.mutation docs/theme/assets/search-index.js [seed [mutants]]

The site is built once; each mutant lies in it while the tests named here run, in Chromium. Prints
each change that no test notices, of as many as were asked for, chosen by the seed.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import ROOT, SITE_URL
from tests.conftest import build

TESTS = {
    "search-index.js": ["search"],
    "search.js": ["search", "accessible"],
    **{
        f"{name}.js": ["calculator"]
        for name in [
            "axes",
            "calculator",
            "code",
            "listing",
            "print",
            "python",
            "read",
            "stored",
            "syntax",
            "values",
        ]
    },
    "finder.js": ["finder"],
    **{f"{name}.js": ["inspector"] for name in ("facts", "inspect", "modules", "reader", "which")},
    "living-figure.js": ["living_figure"],
    "copy.js": ["copying"],
    "tree.js": ["accessible", "header"],
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


def noticed(folder, name):
    """Return whether a test of a script fails on the site in a folder."""
    said = [str(ROOT / f"tests/browser/test_{stem}.py") for stem in TESTS[name]]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-k", "chromium"]
    environment = os.environ | {"SITE": str(folder)}
    done = subprocess.run(
        [*command, *said], cwd=ROOT, env=environment, capture_output=True, timeout=600
    )
    return done.returncode != 0


def main(path, seed=0, count=60):
    """Print the survivors of one script, and how many there are."""
    source = path.read_text("utf-8")
    found = list(mutants(source))
    chosen = sorted(random.Random(int(seed)).sample(found, min(int(count), len(found))))
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        site = build(Path(folder) / "out-x-in", SITE_URL=SITE_URL)
        there = site / "assets" / path.name
        if noticed(site, path.name):
            sys.exit(f"{path.name}: its tests fail without a mutant")
        for line, old, new, mutated in chosen:
            there.write_text(mutated, "utf-8")
            if not noticed(site, path.name):
                survived += 1
                print(
                    f"{path.relative_to(ROOT)}:{line}: {old!r} -> {new!r}: {text_at(source, line)}"
                )
    print(f"{path.name}: {len(chosen)} of {len(found)} mutants, {survived} survived")
    return survived


def text_at(source, line):
    """Return a line without its margin."""
    return source.split("\n")[line - 1].strip()
