"""Name the speaker of an utterance over HTTP: NumPy, the standard library, a file of weights."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from .numpy_rnn import RNN

LONGEST = 1_000_000  # bytes of one utterance


def speaker(rnn, body):
    """Return which of the speakers 1 to 6 says [[12 numbers], ...], one list a time step."""
    x = np.array(json.loads(body), float)
    if x.ndim != 2 or not (np.abs(x) < 1e6).all():  # nor is NaN
        raise ValueError("expected one utterance, [[12 numbers], ...], below a million")
    outputs, _ = rnn(x.astype(np.float32))
    return int(outputs[-1].argmax()) + 1


class Speakers(BaseHTTPRequestHandler):
    """Answers an utterance, sent by POST, with {"speaker": 1 to 6} or with what is wrong."""

    def do_POST(self):
        """Answer one request."""
        try:
            length = int(self.headers.get("Content-Length", -1))
            if not 0 <= length <= LONGEST:
                raise ValueError(f"Content-Length is {length}, expected 0 to {LONGEST}")
            status, answer = 200, {"speaker": speaker(self.server.rnn, self.rfile.read(length))}
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            status, answer = 400, {"error": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def server(weights, port=8000):
    """Return a server for this machine alone; weights is the path of the network's ``.npz``."""
    with np.load(weights) as state:
        rnn = RNN(state)
    found = ThreadingHTTPServer(("127.0.0.1", port), Speakers)
    found.rnn = rnn
    return found
