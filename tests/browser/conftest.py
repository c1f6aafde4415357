"""Debian's Chromium and Firefox, or those that CHROMIUM and FIREFOX name, on the served site."""

import functools
import http.server
import os
import shutil
import threading

import pytest

PROGRAMS = {
    # Without windows it takes a third of the time.
    "chromium": ["chromium-headless-shell", "chromium"],
    "firefox": ["firefox-esr"],
}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]


PREFERENCES = {
    "dom.events.testing.asyncClipboard": True,  # a test may read the clipboard
    "widget.gtk.overlay-scrollbars.enabled": True,  # as Chromium's, without a width
    "ui.useOverlayScrollbars": 1,
}


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    """Run a test in Chromium, and one that is marked so in Firefox, too."""
    marked = metafunc.definition.get_closest_marker
    both = marked("firefox") and not marked("only_browser")
    metafunc.config.option.browser = ["chromium", "firefox"] if both else ["chromium"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Leave the second browser to the thorough run."""
    for item in items:
        if (
            getattr(item, "callspec", None)
            and item.callspec.params.get("browser_name") == "firefox"
        ):
            item.add_marker("thorough")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, browser_name):
    """Start the browser that is installed; Playwright's own would be a download."""
    named = os.environ.get(browser_name.upper())
    program = named or next(filter(None, map(shutil.which, PROGRAMS[browser_name])), None)
    if not program:
        pytest.skip(f"no {PROGRAMS[browser_name]} here; {browser_name.upper()} can name one")
    own = {"args": QUIET}
    if browser_name == "firefox":  # by WebDriver BiDi: what else Playwright speaks, its build knows
        own = {"channel": "moz-firefox", "firefox_user_prefs": PREFERENCES}
    return browser_type_launch_args | {"executable_path": program} | own


@pytest.fixture(scope="session")
def started(playwright):
    """Return {name: browser}: both stay open, whichever the next file takes."""
    browsers = {}
    yield browsers
    for browser in browsers.values():
        browser.close()


@pytest.fixture(scope="session")
def browser(started, browser_name, launch_browser):
    """Return the browser of a name, started when it is first asked for."""
    if browser_name not in started:
        started[browser_name] = launch_browser()
    return started[browser_name]


@pytest.fixture(scope="session")
def shared(browser):
    """Return the context of all pages that need none of their own: scripts are compiled once."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def page(shared):
    """Return a page that remembers nothing of the pages before it."""
    page = shared.new_page()
    yield page
    page.evaluate("localStorage.clear()")
    page.close()


@pytest.fixture(scope="session")
def base_url(site):
    """Serve the site as a host of static pages does, and return its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def send_error(self, code, *_):
            self.send_response(code)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((site / "404.html").read_bytes())

    handler = functools.partial(Quiet, directory=site.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{site.name}/"
        server.shutdown()
