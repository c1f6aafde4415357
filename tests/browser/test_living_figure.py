"""The living figure says what NumPy computes at each of its sizes, whatever points at it."""

import gzip
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import yaml
from playwright.sync_api import expect

from docs.extensions.figures import rows_are_outputs
from tests import ROOT
from tests.browser import ADDRESSES
from tests.built import article, select
from tests.fences import fences

pytestmark = [pytest.mark.firefox, pytest.mark.thorough]
# Of Firefox, Playwright has no touches and no page without JavaScript.
by_chromium = pytest.mark.only_browser("chromium")

HOMES = {"": "docs/en/index.md", "zh/": "docs/zh/index.md"}
SCRIPT = "living-figure.js"

# Goes through all sizes and, with all rows, through those of the first 8 by 3; ends where it began.
EVERY_SIZE = """async (sizes) => {
  const figure = document.querySelector(".living");
  const text = (selector) => figure.querySelector(selector).innerText.replace(/\\s+/g, " ").trim();
  const found = [];
  for (const [n_out, n_in, row] of sizes) {
    for (const [name, size] of [["out", n_out], ["in", n_in]]) {
      figure.querySelector(`[name=${name}]`).value = size;
    }
    figure.dispatchEvent(new Event("input"));
    figure.querySelectorAll("[type=radio]")[row].click();
    found.push({
      drawing: figure.querySelector("svg g").outerHTML,
      described: figure.querySelector("desc").textContent,
      heights: [figure, ...figure.querySelectorAll(".highlight, .sum, svg, .sizes")]
        .map((e) => e.getBoundingClientRect().height),
      sum: text(".sum"), right: text(".numbers"), work: text(".right > span:not(.needs)"),
      shapes: [text(".right .shape"), text(".wrong .shape")],
      verdict: text(".wrong output"), wrong: text(".wrong div.either"),
      rows: [...figure.querySelectorAll("[type=radio]")].filter((e) => !e.hidden).length,
    });
  }
  return found;
}"""
SIZES = [(n_out, n_in) for n_out in range(1, 9) for n_in in range(1, 9)]
STATES = [(n_out, n_in, (3 * n_out + n_in) % n_out) for n_out, n_in in SIZES]
STATES += [(8, 8, row) for row in range(8)] + [(5, 3, 1)]


def labels_of(address):
    """Return the lines of the fence that a home page draws its figure from."""
    page = (ROOT / HOMES[address]).read_text("utf-8")
    (source,) = (f.text for f in fences(page) if f.language == "figure")
    return yaml.load(source, yaml.BaseLoader)


@pytest.fixture(scope="module", params=HOMES)
def home(request, browser, base_url):
    """Return (page, the labels of its figure) of a home page."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(base_url + request.param)
    yield page, labels_of(request.param)
    page.close()


@pytest.fixture(scope="module")
def states(home):
    """Return {(out, in, row): what the figure shows}."""
    return dict(zip(STATES, home[0].evaluate(EVERY_SIZE, STATES), strict=True))


@pytest.fixture(scope="module")
def arrays(home):
    """Return the arrays at their largest."""
    held = json.loads(home[0].locator(".living").get_attribute("data-arrays"))
    return [np.array(held[name]) for name in "WXB"]


def taken(arrays, n_out, n_in):
    weight, x, b = arrays
    return weight[:n_out, :n_in], x[:n_in], b[:n_out]


def filled(label, n_out, n_in, row=0):
    return label.format_map({"out": n_out, "in": n_in, "row": row, "work": n_out * n_in})


def test_the_script_draws_as_the_extension_does(home, states):
    for (n_out, n_in, row), shown in states.items():
        _, still = rows_are_outputs.draw(home[1].get, {"out": n_out, "in": n_in}, row)
        assert ET.canonicalize(shown["drawing"]) == ET.canonicalize("".join(still)), (
            n_out,
            n_in,
            row,
        )
        assert shown["described"] == filled(home[1]["description"], n_out, n_in, row)
        assert shown["rows"] == n_out


def test_the_right_way_is_that_of_numpy(home, states, arrays):
    for (n_out, n_in, row), shown in states.items():
        weight, x, b = taken(arrays, n_out, n_in)
        y = x @ weight.T + b
        assert shown["right"] == str(y.tolist())
        claim, terms, result = re.fullmatch(r"(.*) = (.*) = (\d+)", shown["sum"]).groups()
        assert claim == f"y[{row}] = W[{row}] · x + b[{row}]"
        assert int(result) == y[row]
        assert [eval(term.replace("·", "*")) for term in terms.split(" + ")] == [
            *(weight[row] * x),
            b[row],
        ]
        assert shown["work"] == filled(home[1]["work"], n_out, n_in)
        assert shown["work"].count(str(weight.size))


def test_the_wrong_way_is_that_of_numpy(home, states, arrays):
    seen = set()
    for (n_out, n_in, _), shown in states.items():
        weight, x, b = taken(arrays, n_out, n_in)
        try:
            wrong = x @ weight + b
        except ValueError as error:
            kind, says = "refused", f"ValueError: {error}"
        else:
            differ = int((wrong != x @ weight.T + b).sum())
            # Were some numbers right by chance, the figure would claim too much.
            kind, says = ("silent" if differ else "same"), str(wrong.tolist())
            assert differ == (n_out if n_out > 1 else 0)
        assert (shown["verdict"], shown["wrong"]) == (filled(home[1][kind], n_out, n_in), says)
        seen.add(kind)
    assert seen == {"refused", "silent", "same"}


def named(shape, *names):
    """Return "(5 out, 3 in)" of a shape."""
    axes = ", ".join(f"{n} {name}" for n, name in zip(shape, names, strict=True))
    return f"({axes}{',' * (len(shape) == 1)})"


def test_the_shapes_are_those_of_numpy(states, arrays):
    for (n_out, n_in, _), shown in states.items():
        weight, x, b = taken(arrays, n_out, n_in)
        given, turned = named(x.shape, "in"), named(weight.T.shape, "in", "out")
        made = named((x @ weight.T + b).shape, "out")
        stored = named(weight.shape, "out", "in")
        assert shown["shapes"] == [f"{given} @ {turned} → {made}", f"{given} @ {stored}"]


def test_nothing_moves_at_any_size(home):
    page = home[0]
    for width in (760, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        heights = [shown["heights"] for shown in page.evaluate(EVERY_SIZE, STATES)]
        assert np.ptp(heights, axis=0).max() < 0.1, width  # browsers round to 1/64 of a pixel
        assert page.evaluate("document.scrollingElement.scrollWidth") == width
    page.set_viewport_size({"width": 1280, "height": 800})


def picked(page):
    """Return the row that the figure follows, as the drawing, the buttons and the sum have it."""
    row = page.evaluate("[...document.querySelectorAll('.rows input')].findIndex(e => e.checked)")
    cell = page.locator(f"svg text.out.cell >> nth={row}")
    expect(cell).to_have_class(re.compile("picked"))
    expect(page.locator(".sum")).to_contain_text(f"y[{row}] = W[{row}]")
    expect(page.locator(".sum")).to_contain_text(re.compile(rf" = {cell.text_content()}$"))
    return row


def middle_of(page, row):
    """Return the middle of a row of W as it is drawn."""
    cells = page.locator("svg rect.weight")
    box = cells.nth(row * 3).bounding_box()
    return box["x"] + 1.5 * box["width"], box["y"] + box["height"] / 2


def test_a_mouse_points_at_a_row(home):
    page = home[0]
    for row in (3, 0, 4):
        page.mouse.move(*middle_of(page, row))
        assert picked(page) == row
    page.mouse.move(5, 5)
    assert picked(page) == 4
    y = page.locator("svg rect.out").nth(2).bounding_box()
    page.mouse.move(y["x"] + 5, y["y"] + 5)  # the output points at its row
    assert picked(page) == 2


def test_the_keys_pick_a_row_and_sizes(home):
    page = home[0]
    page.mouse.move(5, 5)
    page.locator(".rows input").nth(1).check()
    for key, row in (("ArrowDown", 2), ("ArrowDown", 3), ("ArrowUp", 2), ("ArrowRight", 3)):
        page.keyboard.press(key)
        assert picked(page) == row
        focused = page.locator(".rows input:focus")
        expect(focused).to_have_role("radio")
        expect(focused).to_have_accessible_name(f"W[{row}]")
        expect(focused).to_have_css("outline-style", "solid")
        over, under = focused.bounding_box(), page.locator("svg rect.weight").nth(3 * row)
        assert over["y"] == pytest.approx(under.bounding_box()["y"], abs=1.5)
        assert over["height"] == pytest.approx(under.bounding_box()["height"], abs=1.5)
    for key in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert picked(page) == 0  # from the last row to the first, none that is not there

    page.keyboard.press("Tab")
    expect(page.locator("[type=range]:focus")).to_have_accessible_name("in_features=3")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[type=range]:focus")).to_have_accessible_name("in_features=4")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    expect(page.locator("[type=range]:focus")).to_have_accessible_name("out_features=8")
    page.locator(".rows input").nth(7).check()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert picked(page) == 0  # the row is gone
    page.evaluate(EVERY_SIZE, [(5, 3, 1)])


def test_what_comes_of_it_is_announced(home):
    page, labels = home
    page.evaluate(EVERY_SIZE, [(3, 3, 2)])
    announced = page.locator("article").get_by_role("status")
    texts = [" ".join(t.inner_text().split()) for t in announced.all() if t.is_visible()]
    assert re.match(r"y\[2\] = W\[2\] · x \+ b\[2\] = .* = \d+$", texts[0])
    assert texts[1:] == [filled(labels["silent"], 3, 3)]
    again = """() => {
      const seen = new MutationObserver(() => {});
      const all = { subtree: true, childList: true, characterData: true };
      seen.observe(document.querySelector(".wrong output"), all);
      document.querySelector(".rows input").click();
      return seen.takeRecords().length;
    }"""
    assert page.evaluate(again) == 0  # another row: the verdict stays as it was, nobody reads it
    group = page.get_by_role("radiogroup")
    expect(group).to_have_accessible_name(labels["rows"])
    page.evaluate(EVERY_SIZE, [(5, 3, 1)])


@pytest.fixture(scope="module")
def phone(browser, base_url):
    """Return the English home page on a small phone."""
    context = browser.new_context(has_touch=True, viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto(base_url)
    yield page
    context.close()


@by_chromium
def test_a_finger_picks_a_row_and_sizes(phone):
    phone.locator(".rows").scroll_into_view_if_needed()
    for row in (3, 0):
        phone.touchscreen.tap(*middle_of(phone, row))
        assert picked(phone) == row
    slider = phone.locator("[name=out]")
    box = slider.bounding_box()
    slider.tap(position={"x": box["width"] - 4, "y": box["height"] / 2})
    assert phone.locator(".rows input:visible").count() == 8
    slider.tap(position={"x": 4, "y": box["height"] / 2})
    assert phone.locator(".rows input:visible").count() == 1


@by_chromium
def test_a_finger_that_scrolls_picks_nothing(phone):
    phone.evaluate(EVERY_SIZE, [(5, 3, 1)])
    phone.locator(".rows").scroll_into_view_if_needed()
    x, y = middle_of(phone, 3)
    touch = phone.context.new_cdp_session(phone)
    for kind, to in (("touchStart", y), ("touchMove", y - 40), ("touchMove", y - 80)):
        at = {"type": kind, "touchPoints": [{"x": x, "y": to}]}
        touch.send("Input.dispatchTouchEvent", at)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert picked(phone) == 1


def test_a_finger_hits_the_smallest_target(phone):
    phone.evaluate(EVERY_SIZE, [(8, 8, 0)])
    targets = phone.locator(".living input:visible").all()
    assert len(targets) == 10
    for target in targets:
        box = target.bounding_box()
        assert round(min(box["width"], box["height"]), 1) >= 24, box


@pytest.mark.parametrize("address", HOMES)
def test_the_first_screen_of_a_phone_has_it_whole_and_nothing_moves(new_context, base_url, address):
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    # The script comes when the page has long been painted.
    page.route(f"**/{SCRIPT}", lambda route: (page.wait_for_timeout(300), route.continue_()))
    page.goto(base_url + address)
    expect(page.locator("[name=in]")).to_be_enabled()
    for part in ("h1", ".fix", ".living svg", ".sum", ".sizes"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] > 0
        assert box["y"] + box["height"] <= 844, part
    shifts = page.evaluate(
        """() => new Promise((done) => {
          const found = [];
          new PerformanceObserver((list) => {
            for (const { node } of list.getEntries().flatMap((entry) => entry.sources)) {
              if (node?.parentElement?.closest("article")) found.push(node.textContent);
            }
          }).observe({type: "layout-shift", buffered: true});
          setTimeout(done, 200, found);
        })"""
    )
    assert shifts == []


@by_chromium
def test_without_javascript_it_is_the_still_figure(new_context, base_url, site):
    page = new_context(java_script_enabled=False).new_page()
    page.goto(base_url)
    expect(page.locator(".living svg")).to_be_visible()
    expect(page.locator(".sum")).to_contain_text("= 2·1 + 0·2 + 1·3 + 4 = 9")
    assert page.locator(".living input:visible").count() == 0
    expect(page.locator(".wrong .either [data-when=refused]").first).to_be_visible()
    assert page.locator("[data-when~=silent]:visible").count() == 0
    disabled = select(article(site, ""), ".living input:not([disabled])")
    assert disabled == []


def test_the_script_is_small_and_loaded_where_the_figure_is(site):
    pages = {a: (site / a / "index.html").read_text("utf-8") for a in ADDRESSES}
    loading = {a for a, page in pages.items() if f'<script src="assets/{SCRIPT}" defer>' in page}
    assert loading == {a for a, page in pages.items() if 'class="figure living"' in page}
    assert loading == set(HOMES)
    assert len(gzip.compress((site / "assets" / SCRIPT).read_bytes())) <= 4096
