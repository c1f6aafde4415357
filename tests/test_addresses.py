"""tests/addresses.py, on a server of this machine."""

import http.server
import threading

import pytest

from tests import ROOT
from tests.addresses import SOURCES, addresses, report
from tests.reading import text_of

PAGE = """# Title

A ["word"](https://example.org/a) of ours, "not quoted", and `[b](https://example.org/b)`.[^n]

[^n]: [One]({0}one#part): "The *first* `word`", and “the second”. [Two](../index.md).
    [Three]({0}gone).
"""


@pytest.fixture
def server():
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/one" else 404)
            self.end_headers()
            self.wfile.write(
                b"<p>The <i>first</i>\n <code>word</code></p><!-- the second --><p>The&nbsp;third"
            )

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_links_of_a_page_with_what_it_quotes():
    assert addresses(PAGE.format("https://example.org/"), "p.md") == [
        ("https://example.org/a", (), "p.md:3"),
        ("https://example.org/one#part", ("the first word", "the second"), "p.md:5"),
        ("https://example.org/gone", (), "p.md:5"),
    ]


def test_an_address_is_dead_or_lacks_words_or_is_well(server, capsys):
    found = addresses(PAGE.format(server), "p.md")[1:]
    assert report(found) == 2
    assert capsys.readouterr().out.splitlines() == [
        f"p.md:5: {server}gone",
        "    dead: 404",
        f"p.md:5: {server}one#part",
        '    fetched, lacks "the second"',
    ]
    assert report([found[0]._replace(quotes=("the first word", "the third"))]) == 0


def test_where_there_is_no_network_it_says_so(capsys):
    found = addresses("[here](http://127.0.0.1:1/)", "p.md")
    assert report(found) == 0
    assert "not reached" in capsys.readouterr().out


def test_the_pages_quote():
    found = [a for path in SOURCES for a in addresses(text_of(path), path.relative_to(ROOT))]
    assert sum(bool(address.quotes) for address in found) > 3
