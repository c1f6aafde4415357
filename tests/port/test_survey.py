"""What the page says of the survey is what the survey found."""

import json

import pytest

from tests import ROOT

pytest.importorskip("torch")
from tests.port.survey import COMMAND, PATH, refusals, rows_of, state, summary, told, turns

FOUND = json.loads(PATH.read_text("utf-8"))


def test_the_table_counts_the_models():
    assert FOUND["summary"] == summary(FOUND["models"])
    assert FOUND["rows"] == rows_of(FOUND["summary"], FOUND["there"])
    assert FOUND["refusals"] == refusals(FOUND["models"])


def test_none_is_wrong():
    assert [n for m in FOUND["models"].values() for n, v in m.items() if "wrong" in v] == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"lines": 9, "seconds": 1.0, "error": 0.0}, "equal"),
        ({"lines": 9, "seconds": 1.0, "error": 1.0, "wrong": 1.0}, "wrong"),
        ({"refused": "why"}, "refused"),
        ({"not captured": "why"}, "not captured"),
    ],
)
def test_what_becomes_of_a_model_in_one_word(found, expected):
    assert state(found) == expected


def test_what_is_told_names_no_folder_of_a_machine():
    error = ValueError("no row in snippets/port/operations.py, /home/me/lib/net.py, line 3")
    assert told(error) == "ValueError: no row in snippets/port/operations.py, net.py, line 3"


def test_shares_are_of_what_is_captured():
    equal, refused = {"lines": 8, "seconds": 2.0, "export": 1.5, "error": 0.0}, {"refused": "why"}
    models = {"a": equal, "b": equal, "c": refused, "d": {"not captured": "why"}}
    figures = summary({"one": models, "two": {"a": {"not run": "why"}}})
    assert figures["one"]["captured"] == 3
    assert figures["one"]["share"] == 66.7
    assert figures["all"]["models"] == 5
    assert figures["two"]["captured"] == 0
    rows = rows_of(figures, {"one": 9, "two": 2})
    assert rows[0] == ["one", 9, 4, 3, "2\u00a0(66.7\u00a0%)", 8, 2.0]
    assert rows[-1][:3] == ["**all**", 11, 4]


def test_what_is_refused_is_told_by_its_operation():
    refused = {"refused": "aten.lgamma.default in fc (Linear), net.py, line 3: no row"}
    assert refusals({"one": {"b": refused, "a": {"not run": "why"}}}) == [
        ["one", "b", "aten.lgamma.default"]
    ]


def test_a_survey_that_is_stopped_has_some_of_all():
    order = list(turns([[1, 2, 3, 4], ["a", "b"]]))
    assert sorted(map(str, order)) == ["1", "2", "3", "4", "a", "b"]
    assert [type(one) for one in order] == [int, str, int, int, str, int]
    assert order == list(turns([[1, 2, 3, 4], ["a", "b"]]))
    assert order != [1, "a", 2, 3, "b", 4]


def test_ci_runs_a_part_of_it():
    assert f"{COMMAND} --short" in (ROOT / ".ci/run").read_text("utf-8")
