"""The server of the speakers' network, asked over a socket; and its three files alone."""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.client import HTTPConnection

import numpy as np
import pytest

from snippets.question import serve
from snippets.question.numpy_rnn import RNN
from tests import ROOT, SNIPPETS_DIR

NOTEBOOKS = ROOT / "docs/en/notebooks"


@pytest.fixture(scope="module")
def ask():
    """Return a function that posts a body to a running server; it returns status and answer."""
    with serve.server(NOTEBOOKS / "speakers.npz", port=0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()

        def post(body, **headers):
            connection = HTTPConnection(*server.server_address)
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            assert response.headers["Content-Type"] == "application/json"
            answer = response.status, json.load(response)
            connection.close()
            return answer

        post.address = server.server_address
        yield post
        server.shutdown()


def test_names_whom_the_network_names(ask):
    with (
        np.load(NOTEBOOKS / "japanese-vowels.npz") as data,
        np.load(NOTEBOOKS / "speakers.npz") as state,
    ):
        cases = list(zip(data["x_test"][::10], data["lengths_test"][::10], strict=True))
        outputs = [RNN(state)(x[:length])[0][-1] for x, length in cases]
    answers = [ask(json.dumps(x[:length].tolist())) for x, length in cases]
    assert answers == [(200, {"speaker": int(scores.argmax()) + 1}) for scores in outputs]
    assert {answer["speaker"] for _, answer in answers} == {1, 2, 3, 4, 5, 6}


FORM = "expected one utterance, [[12 numbers], ...], below a million"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("[[1, 2]]", "x has shape (1, 2), expected 12 features"),
        ("[[1], [1, 2]]", "setting an array element with a sequence"),
        ("[]", FORM),
        (json.dumps([[[0] * 12]]), FORM),
        (json.dumps([[float("nan")] * 12]), FORM),
        (json.dumps([[0] * 11 + [-1_000_000]]), FORM),
        (f"[[1{'0' * 400}]]", "int too large to convert to float"),
        ("null", FORM),
        ("{}", "float() argument must be"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        (b"\xff", "'utf-8' codec can't decode"),
    ],
)
def test_what_is_no_utterance_is_told_why(ask, body, message):
    status, answer = ask(body)
    assert status == 400
    assert answer["error"].startswith(message)


@pytest.mark.parametrize("length", ["-1", str(serve.LONGEST + 1), "x"])
def test_a_wrong_length_is_refused_unread(ask, length):
    status, answer = ask(None, **{"Content-Length": length})
    assert status == 400
    assert length in answer["error"]


def test_a_request_without_a_length_is_refused(ask):
    connection = HTTPConnection(*ask.address)
    connection.putrequest("POST", "/")
    connection.endheaders()
    answer = json.load(connection.getresponse())
    connection.close()
    assert answer == {"error": f"Content-Length is -1, expected 0 to {serve.LONGEST}"}


def test_numbers_may_be_nearly_a_million(ask):
    assert ask(json.dumps([[999_999] * 12]))[0] == 200


def test_a_body_may_be_as_long_as_it_says(ask):
    body = json.dumps([[0.5] * 12] * 3)
    assert ask(body + " " * (serve.LONGEST - len(body)))[0] == 200


ALONE = """
import sys
sys.modules["torch"] = None
from question.serve import server, speaker
with server("speakers.npz", 0) as s:
    print(speaker(s.rnn, "[[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]"), "snippets" in sys.modules)
"""


def test_three_files_are_enough(tmp_path):
    (tmp_path / "question").mkdir()
    for file in ("numpy_rnn.py", "serve.py"):
        shutil.copy(SNIPPETS_DIR / "question" / file, tmp_path / "question")
    shutil.copy(NOTEBOOKS / "speakers.npz", tmp_path)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert process.stdout.split()[1:] == ["False"], process.stderr
