"""What the page says of the speed of written programs is what was measured."""

import json

import pytest

from tests import ROOT

pytest.importorskip("torch")
from tests.benchmarks.port import COMMAND, FILE, MODELS, RUNS, rows_of

FOUND = json.loads(FILE.read_text("utf-8"))


def test_the_table_is_what_was_measured():
    assert FOUND["rows"] == rows_of(FOUND["models"])
    assert FOUND["command"] == COMMAND
    assert list(FOUND["models"]) == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_ratio_is_that_of_the_two_times(name):
    found = FOUND["models"][name]
    assert set(RUNS) - set(found["milliseconds"]) <= {RUNS[-1]}
    ours, theirs = (found["milliseconds"][run] for run in ("NumPy", "torch"))
    assert found["ratio"] == pytest.approx(ours / theirs, rel=0.2)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_tells_the_command(language):
    assert COMMAND in (ROOT / f"docs/{language}/port/write-it.md").read_text("utf-8")
