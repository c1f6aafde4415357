"""Nothing that REQUIRE names may be missing; the built site, made once for all tests."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from tests import ROOT, SITE_URL

BUILD = """
import sys
sys.modules["torch"] = None
from mkdocs.__main__ import cli
cli(prog_name="mkdocs")
"""


def pytest_configure(config):
    # REQUIRE="torch chromium": a library or a program whose absence fails instead of skipping.
    missing = [
        name
        for name in os.environ.get("REQUIRE", "").split()
        if not importlib.util.find_spec(name) and not shutil.which(name)
    ]
    if missing:
        pytest.exit(f"REQUIRE asks for {missing}, not installed here", returncode=1)
    # A part of the tests covers a part of the snippets; without torch, parity is not tried.
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    selected = config.option.keyword or config.option.markexpr
    if whole and not selected and importlib.util.find_spec("torch"):
        config.option.cov_fail_under = 100


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Let torch compute in one thread: products this small wait longer than they take."""
    if importlib.util.find_spec("torch"):
        importlib.import_module("torch").set_num_threads(1)


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


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Return the folder of the site, built for a sub-path."""
    return build(tmp_path_factory.mktemp("site") / "out-x-in", SITE_URL=SITE_URL)
