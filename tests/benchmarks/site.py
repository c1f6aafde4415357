"""Measure what the built site costs who reads it, and what it costs who writes it.

    python -m tests.benchmarks.site
    LIGHTHOUSE=.../node_modules/.bin/lighthouse python -m tests.benchmarks.site

It builds the site, serves it as GitHub Pages does, with gzip and ten minutes of cache, and opens
one page of each kind in Chromium (`CHROMIUM` names another one). Lighthouse (`npm install
lighthouse@12`, outside of the repository) is run where `LIGHTHOUSE` says. Nothing here is a test.
"""

import functools
import gzip
import http.server
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from playwright.sync_api import sync_playwright

from tests import ROOT
from tests.benchmarks.timing import machine
from tests.browser.conftest import QUIET

PAGES = ["", "layers/lstm/", "layers/attention/", "port/errors/", "port/run-in-numpy/"]
PAGES += ["notebooks/speakers/", "zh/"]
RUNS = 5
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
CATEGORIES = ["performance", "accessibility", "best-practices", "seo"]
# (file, where to put a word, the pages that then have it)
EDITED = [
    ("docs/en/why/rows-are-outputs.md", "\n## ", ["why/rows-are-outputs/"]),
    ("docs/zh/why/rows-are-outputs.md", "\n## ", ["zh/why/rows-are-outputs/"]),
    ("snippets/layers/linear.py", '"""\n', ["layers/linear/", "zh/layers/linear/"]),
]
ZIPPED = {".html", ".css", ".js", ".json", ".svg", ".xml", ".txt"}
# Lighthouse's "slow 4G": round trips of 150 ms, 1.6 Mbit/s down, 750 kbit/s up.
SLOW = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 750e3 / 8,
}
OBSERVE = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => {
  window.largest = list.getEntries().at(-1).startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
"""
SEEN = """() => {
  const sizes = {};
  for (const entry of performance.getEntries()) {
    if (entry.encodedBodySize === undefined) continue;
    const end = new URL(entry.name).pathname.split(".").at(-1);
    const kind = entry.entryType === "navigation" ? "html" : end;
    sizes[kind] = (sizes[kind] ?? 0) + entry.encodedBodySize;
  }
  const [first] = performance.getEntriesByName("first-contentful-paint");
  return { sizes, shift, largest, first: first.startTime };
}"""


class Pages(http.server.SimpleHTTPRequestHandler):
    """What a static host does: gzip, a cache of ten minutes, connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Send a file, zipped where zipping helps."""
        path = pathlib.Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        status = 200 if path.is_file() else 404
        path = path if path.is_file() else pathlib.Path(self.directory, "404.html")
        body, zipped = packed(path)
        self.send_response(status)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep quiet."""


@functools.cache
def packed(path):
    """Return the bytes that a host sends for a file, and whether they are zipped."""
    body, zipped = path.read_bytes(), path.suffix in ZIPPED
    return (gzip.compress(body) if zipped else body), zipped


def build(folder, url):
    """Build the site into a folder; return the seconds it took."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"SITE_URL": url}, check=True)
    return time.perf_counter() - start


def visit(browser, url):
    """Return what Chromium saw of a page on a slow phone: sizes, shifts, milliseconds."""
    page = browser.new_page(viewport={"width": 412, "height": 823})
    page.add_init_script(OBSERVE)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(url, wait_until="networkidle")
    seen = page.evaluate(SEEN)
    page.close()
    return seen


def lighthouse(program, url, *flags):
    """Return the scores of one page, and what keeps them from 100."""
    command = [program, url, "--quiet", "--output=json", *flags]
    command += ["--chrome-flags=--headless --no-sandbox --disable-gpu"]
    env = os.environ | {"CHROME_PATH": CHROMIUM}
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    scores = [round(100 * report["categories"][name]["score"]) for name in CATEGORIES]
    failed = {
        ref["id"]
        for name in CATEGORIES
        for ref in report["categories"][name]["auditRefs"]
        if ref["weight"] and (report["audits"][ref["id"]]["score"] or 0) < 0.9
        if report["audits"][ref["id"]]["scoreDisplayMode"] in {"binary", "numeric"}
    }
    return scores, sorted(failed)


def reloads():
    """Yield (file, seconds from saving it to the server's page having the change, of both)."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, "site")  # what is edited is no one's work
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "tests"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        env = os.environ | {"PYTHONPATH": str(copy)}
        command = [sys.executable, "-m", "mkdocs", "serve", "--quiet", "-a", f"127.0.0.1:{port}"]
        with subprocess.Popen(command, cwd=copy, env=env) as server:
            try:
                wait_for(f"http://127.0.0.1:{port}/", "")
                for file, old, addresses in EDITED:
                    for run in range(3):
                        path, word = copy / file, f"Edited{run}"
                        text = path.read_text("utf-8")
                        path.write_text(text.replace(old, f"{word} {old}", 1), "utf-8")
                        start = time.perf_counter()
                        for address in addresses:
                            wait_for(f"http://127.0.0.1:{port}/{address}", word)
                        yield file, time.perf_counter() - start
            finally:
                server.terminate()


def wait_for(url, word):
    """Return when the page has the word."""
    for _ in range(2000):
        try:
            with urllib.request.urlopen(url) as response:
                if word in response.read().decode():
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} never had {word!r}")


def main():
    """Print the tables."""
    print(*machine(), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        handler = functools.partial(Pages, directory=folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            url = f"http://127.0.0.1:{server.server_port}/"
            print(f"\nbuild: {build(folder, url):.1f} s")
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print_pages(url)
            if os.environ.get("LIGHTHOUSE"):
                print_scores(os.environ["LIGHTHOUSE"], url)
            server.shutdown()
    print("\nfrom saving a file to its pages having the change, s")
    for file, seconds in reloads():
        print(f"{file:38}{seconds:6.1f}", flush=True)


def print_pages(url):
    """Print what each page weighs and how soon it is there on a slow phone."""
    columns = ["html", "css", "js", "all three", "other", "first, s", "largest, s", "shift"]
    print(f"\n{'kB, gzip':22}" + "".join(f"{name:>12}" for name in columns))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for page in PAGES:
            seen = [visit(browser, url + page) for _ in range(RUNS)]
            sizes = {kind: size / 1000 for kind, size in seen[0]["sizes"].items()}
            text = [sizes.pop(kind, 0) for kind in ("html", "css", "js")]
            first, largest = (
                statistics.median(s[moment] for s in seen) / 1000 for moment in ("first", "largest")
            )
            row = "".join(f"{size:12.1f}" for size in [*text, sum(text), sum(sizes.values())])
            shift = max(s["shift"] for s in seen)
            print(f"{page or 'home':22}{row}{first:12.2f}{largest:12.2f}{shift:12.4f}", flush=True)


def print_scores(program, url):
    """Print Lighthouse's scores, on a phone the lowest of some runs; what keeps them from 100."""
    print(f"\n{'Lighthouse':22}" + "".join(f"{name:>16}" for name in CATEGORIES))
    for runs, flags in ((RUNS, ()), (1, ("--preset=desktop",))):
        for page in PAGES:
            told = [lighthouse(program, url + page, *flags) for _ in range(runs)]
            scores = zip(*(scores for scores, _ in told), strict=True)
            row = "".join(f"{min(score):16}" for score in scores)
            failed = sorted(set().union(*(failed for _, failed in told)))
            print(f"{page or 'home':22}{row}", *flags, *failed, flush=True)


if __name__ == "__main__":
    main()
