"""Nothing that REQUIRE names may be missing; the built site, made once for all tests.

A whole run leaves out what is marked thorough, and says how much: `.ci/run` has it, too.
"""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from filelock import FileLock
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from tests import ROOT, SITE_URL

BUILD = """
import sys
sys.modules["torch"] = None
from mkdocs.__main__ import cli
cli(prog_name="mkdocs")
"""

# The same examples in each run; CONTRIBUTING.md has the command that tries others.
settings.register_profile("same", derandomize=True)
settings.register_profile("free", derandomize=False)
settings.load_profile("same")


def pytest_configure(config):
    # REQUIRE="torch firefox-esr": a library or a program whose absence fails instead of skipping.
    missing = [
        name
        for name in os.environ.get("REQUIRE", "").split()
        if not importlib.util.find_spec(name) and not shutil.which(name)
    ]
    if missing:
        pytest.exit(f"REQUIRE asks for {missing}, not installed here", returncode=1)
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if whole and not (config.option.keyword or config.option.markexpr):
        config.option.markexpr = "not thorough"
    # In each process that runs tests, before coverage starts there, which slows the import. In one
    # thread: products this small wait longer than they take. tests.mutation has no plugins.
    runs = hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)
    if runs and importlib.util.find_spec("torch"):
        importlib.import_module("torch").set_num_threads(1)


class OneProcessParses(LoadFileScheduling):
    """A file's tests in one process; those of the built pages too, since each page is parsed."""

    def _split_scope(self, nodeid):
        return re.sub(r"^(tests/pages)/.*", r"\1", super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return OneProcessParses(config, log)


# One process builds the site while the other has what needs none; the browser finds it built, and
# the pages' examples, the smallest pieces, end both at the same time.
ORDER = ["tests/browser/test_offline.py", "tests/pages", "tests", "tests/browser", "docs"]


def place(item):
    """Return where in the ORDER an item stands: the longest beginning counts."""
    return ORDER.index(max(filter(item.nodeid.startswith, ORDER), key=len))


@pytest.hookimpl(trylast=True)  # pytest itself puts together what shares a browser
def pytest_collection_modifyitems(config, items):
    """Put the files in order; trace no snippets where only their pages are looked at."""
    items.sort(key=place)
    if getattr(config.option, "cov_source", None):
        for item in items:
            if item.nodeid.startswith(("tests/browser", "tests/pages")):
                item.add_marker("no_cover")


def build(folder, **environment):
    """Build the site into a folder, with --strict and without torch."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def built_once(tmp_path_factory, name, **environment):
    """Build the site into a folder that all processes of pytest-xdist share."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / name / "out-x-in"
    with FileLock(shared / f"{name}.lock"):
        done = shared / f"{name}.done"
        if not done.exists():
            build(folder, **environment)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Return the folder of the site, built for a sub-path; or that which tests.scripts built."""
    if there := os.environ.get("SITE"):
        return pathlib.Path(there)
    return built_once(tmp_path_factory, "site", SITE_URL=SITE_URL)
