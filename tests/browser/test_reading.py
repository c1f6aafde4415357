"""The site as people use it: any scheme, any width, keyboard, no JavaScript, nobody called."""

import re

import pytest
from playwright.sync_api import expect

from docs.extensions.finish import COLOURS
from tests.browser import ADDRESSES, chosen, each, until

pytestmark = pytest.mark.thorough


@chosen
def test_no_click_calls_another_host_or_logs_an_error(page, base_url, address):
    called, said = [], []
    page.on("request", lambda request: called.append(request.url))
    page.on("console", lambda message: said.append((message.type, message.text)))
    page.on("pageerror", lambda error: said.append(("error", str(error))))
    page.goto(base_url + address)
    page.wait_for_load_state("networkidle")
    for control in page.query_selector_all("button, summary, label"):
        if control.is_visible() and control.is_enabled():
            control.click(force=True)
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")  # what a label has led into takes a / as text
    page.keyboard.press("/")
    page.keyboard.type("weight")
    expect(page.locator(".md-search-result__item").first).to_be_visible()
    assert len(called) > 3
    assert [url for url in called if not url.startswith((base_url, "data:", "blob:"))] == []
    assert [text for kind, text in said if kind == "error"] == []


@pytest.fixture(scope="module")
def phones(browser):
    """Return {whether it runs JavaScript: a small phone}, one for all pages."""
    small = {"width": 320, "height": 640}
    opened = {js: browser.new_page(viewport=small, java_script_enabled=js) for js in (True, False)}
    yield opened
    for page in opened.values():
        page.close()


SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries())
    shifts.push([value, ...sources.map(({ node }) => node?.className)]);
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_when_the_scripts_come_late(page, base_url, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.add_init_script(SHIFTS)
    page.route("**/*.js", lambda route: None)
    page.goto(base_url + "notebooks/speakers/", wait_until="commit")
    until(page, "performance.getEntriesByName('first-contentful-paint').length")
    page.unroute("**/*.js")  # lets go what was held
    until(page, "document.querySelector('.js .md-code__button')")
    page.wait_for_timeout(200)
    assert page.evaluate("shifts") == []


def test_material_does_not_get_to_know_the_article(page, base_url):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{base_url}notebooks/speed/")
    for scrolls in (".md-typeset__scrollwrap", ".highlight code"):
        until(page, f"document.querySelector('{scrolls}[tabindex]')")
    assert not page.locator("article [data-md-component], article pre[id]").count()
    assert not page.locator(".md-typeset__scrollwrap .md-typeset__scrollwrap").count()


LOOKS = """kinds => kinds.map((kind) => {
  const token = Object.assign(document.createElement("span"), { className: kind });
  document.querySelector(".highlight code").append(token);
  const { color, backgroundColor, font, textDecoration, userSelect } = getComputedStyle(token);
  return [color, backgroundColor, font, textDecoration, userSelect].join("; ");
})"""


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_tokens_that_become_one_element_look_alike(page, base_url, color_scheme):
    page.emulate_media(color_scheme=color_scheme)
    page.goto(f"{base_url}layers/linear/")
    looks = [set(page.evaluate(LOOKS, kinds)) for kinds in COLOURS]
    assert [len(look) for look in looks] == [1] * len(COLOURS)
    assert len(set().union(*looks)) == len(COLOURS)


def slides(page, address):
    """Return whether a page is wider than the phone that shows it."""
    page.goto(address)
    return page.evaluate("document.scrollingElement.scrollWidth") != 320


@each(ADDRESSES, first=ADDRESSES)
def test_no_page_scrolls_sideways_on_a_small_phone(phones, base_url, address):
    assert not slides(phones[False], base_url + address)


@chosen  # JavaScript puts a box around each table
def test_no_script_makes_a_page_scroll_sideways(phones, base_url, address):
    assert not slides(phones[True], base_url + address)


@chosen
def test_without_javascript_the_page_is_all_there(new_context, base_url, address):
    page = new_context(java_script_enabled=False).new_page()
    page.goto(base_url + address)
    expect(page.locator("article h1")).to_be_visible()
    for kind in ("article pre", "article table", "article svg", "article math"):
        for item in page.locator(kind).all():
            hidden = item.locator(
                "xpath=ancestor::details[not(@open)] | ancestor-or-self::*[@hidden]"
            )
            if not hidden.count():
                expect(item).to_be_visible()
    page.locator("nav.md-tabs a, .md-nav--primary a").first.click()
    expect(page.locator("article h1")).to_be_visible()


def focused(page):
    """Return the focused element: a key for it, whether it can be seen, whether it shows focus."""
    return page.evaluate(
        """() => {
          const e = document.activeElement, s = getComputedStyle(e);
          const box = e.getBoundingClientRect();
          const all = [...document.querySelectorAll("*")];
          return [all.indexOf(e), box.width > 0 && box.height > 0 && s.visibility == "visible",
                  s.outlineStyle != "none" && parseFloat(s.outlineWidth) > 0];
        }"""
    )


@chosen
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(page, base_url, address):
    page.goto(base_url + address)
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, summary, input:not(.md-toggle)")]
          .filter(e => e.checkVisibility({visibilityProperty: true}))
          .filter(e => e.tabIndex >= 0 && !e.disabled)
          .filter(e => e.type != "radio" || e.checked)
          .map(e => [...document.querySelectorAll("*")].indexOf(e))"""
    )
    reached, hidden = [], []
    for _ in range(3 * len(wanted) + 20):
        page.keyboard.press("Tab")
        key, visible, outlined = focused(page)
        if key in reached:
            break
        reached.append(key)
        if key in wanted and not (visible and outlined):
            hidden.append(page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    unreached = [
        page.evaluate("i => document.querySelectorAll('*')[i].outerHTML.slice(0, 120)", i)
        for i in set(wanted) - set(reached)
    ]
    assert unreached == []
    assert hidden == []
    in_order = [key for key in reached if key in wanted]
    assert in_order == sorted(in_order)  # as they stand in the page: frame, text, footer


@pytest.mark.parametrize("address", ["", "layers/bilinear/", "zh/notebooks/speakers/"])
def test_the_first_key_skips_to_the_text(page, base_url, address):
    page.goto(base_url + address)
    page.keyboard.press("Tab")
    expect(page.locator(".md-skip")).to_be_focused()
    assert focused(page)[1:] == [True, True]
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('article') !== null")


@pytest.mark.parametrize(("prefix", "word"), [("", "lstm"), ("zh/", "门的顺序")])
def test_the_keys_of_the_footer_do_what_it_says(page, base_url, prefix, word):
    page.goto(f"{base_url}{prefix}layers/linear/")
    keys = page.locator(".keys kbd").all_inner_texts()
    assert keys == ["/", "↑", "↓", "Enter", "p", "n"]
    field, first = page.locator(".md-search__input"), page.locator(".md-search-result__link").first
    for key in ["s", "f", "/"]:
        page.keyboard.press(key)
        expect(field).to_be_focused()
        expect(page.locator("#__search")).to_be_checked()
        page.keyboard.press("Escape")
        expect(field).not_to_be_focused()
    for key, relation in [("n", "next"), ("p", "prev")]:
        there = page.locator(f"link[rel={relation}]").evaluate("link => link.href")
        page.keyboard.press(key)
        page.wait_for_url(there)
    page.keyboard.press("/")
    field.fill(word)
    expect(first).to_contain_text("LSTM", timeout=20_000)  # the index is read and built
    page.keyboard.press("ArrowDown")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base_url}{prefix}layers/lstm/**")


@pytest.mark.firefox
@chosen
def test_the_language_switch_leads_to_the_same_page(page, base_url, address):
    page.goto(base_url + address)
    page.locator(".language-switch").click()
    other = address.removeprefix("zh/") if address.startswith("zh/") else f"zh/{address}"
    there = other if other in ADDRESSES else ("zh/" if other.startswith("zh/") else "")
    expect(page).to_have_url(re.compile(re.escape(base_url + there) + "$"))
    expect(page.locator("html")).to_have_attribute(
        "lang", "zh-Hans" if there.startswith("zh/") else "en"
    )


@pytest.mark.firefox
@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("layers/lstm/#numpy", "zh/layers/lstm/#numpy"),
        ("zh/layers/calculator/#nn.Linear(3,%202)", "layers/calculator/#nn.Linear(3,%202)"),
    ],
)
def test_the_language_switch_keeps_what_is_behind_the_number_sign(page, base_url, address, there):
    page.goto(base_url + address)
    page.locator(".language-switch").press("Enter")
    expect(page).to_have_url(base_url + there)


@each([a for a in ADDRESSES if "models/" in a], first=["models/llama/"])
def test_a_table_of_tensors_is_no_wider_than_the_text(page, base_url, address):
    page.goto(base_url + address)
    for table in page.locator(".md-typeset__scrollwrap").all():
        assert table.evaluate("box => box.scrollWidth <= box.clientWidth")


@pytest.mark.parametrize(
    "address", ["layers/lstm/", "zh/port/errors/", "zh/models/gpt2/", "layers/"]
)
def test_on_a_phone_a_table_of_words_has_its_last_column_on_the_screen(page, base_url, address):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(base_url + address)
    tables = page.locator("article table[role]")
    assert tables.count()
    for table in tables.all():
        assert table.evaluate("t => t.closest('.md-typeset__scrollwrap').scrollWidth") <= 390
        last = table.locator("tbody tr").first.locator("td").last
        assert last.evaluate("cell => cell.getBoundingClientRect().right") <= 390
        heads = table.locator("th").all_text_contents()
        shown = last.evaluate("cell => getComputedStyle(cell, '::before').content")
        assert shown.startswith(f'"{heads[-1].strip()}"')
        assert table.get_by_role("columnheader").count() == len(heads)
        rows = table.locator("tbody tr")
        assert table.get_by_role("row").count() == rows.count() + 1


def test_on_a_phone_the_calculator_shows_all_that_it_computes(page, base_url):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{base_url}layers/calculator/")
    page.locator(".calculator textarea").fill("self.bn = nn.BatchNorm2d(3)")
    row = page.locator(".calculated tr:not(.module)", has_text="bn.running_var")
    expect(row).to_be_visible()
    cells = row.get_by_role("cell").all()
    heads = [cell.evaluate("cell => getComputedStyle(cell, '::before').content") for cell in cells]
    titles = [f'"{title}" / ""' for title in page.get_by_role("columnheader").all_inner_texts()]
    assert heads == titles[1:]
    for cell in cells:
        assert cell.evaluate("cell => cell.getBoundingClientRect().right") <= 390
    for part in ("table", ".module th"):  # a card has one line above it
        expect(page.locator(f".calculated {part}").first).to_have_css("border-top-width", "0px")


def test_a_table_that_scrolls_keeps_its_first_column(page, base_url):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{base_url}notebooks/speed/")
    box = page.locator(".md-typeset__scrollwrap").first
    box.evaluate("box => { box.scrollLeft = 60; }")
    head = box.locator("th").first
    left = "e => e.getBoundingClientRect().left"
    assert box.evaluate("box => box.scrollLeft") == 60
    assert head.evaluate(left) == box.evaluate(left)


def test_without_javascript_the_calculator_says_that_it_shows_an_example(new_context, base_url):
    page = new_context(java_script_enabled=False).new_page()
    for address, said in [("", "needs JavaScript"), ("zh/", "需要 JavaScript")]:
        page.goto(f"{base_url}{address}layers/calculator/")
        note = page.locator(".calculated noscript p")
        expect(note).to_be_visible()
        expect(note).to_contain_text("self.lstm = nn.LSTM(12, 100)")
        expect(note).to_contain_text(said)
        expect(page.locator("form.calculator")).to_be_hidden()


def test_the_copy_button_leaves_the_edge_of_its_block(page, base_url):
    page.goto(base_url)
    for kind in (".wrong", ".right"):
        button = page.locator(f".sides > {kind} .md-code__nav").first
        assert button.evaluate("nav => getComputedStyle(nav).backgroundColor") == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("address", ["", "layers/lstm/", "zh/why/memory-and-strides/"])
def test_the_text_of_a_figure_is_as_large_as_the_page_s(page, base_url, address):
    page.goto(base_url + address)
    drawn = page.locator("figure.figure svg").first.evaluate(
        "svg => 16 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width"
    )
    text = page.locator("article p").first.evaluate("p => parseFloat(getComputedStyle(p).fontSize)")
    assert drawn == pytest.approx(text, rel=0.05)


@pytest.mark.parametrize("address", ["", "zh/"])
def test_the_search_field_says_what_it_takes(page, base_url, address):
    page.goto(base_url + address)
    field = page.locator(".md-search__input")
    expect(field).to_have_attribute("placeholder", re.compile("Error|报错"))
    field.evaluate("f => { f.value = f.placeholder; f.style.fontSize = '.72rem'; }")
    assert field.evaluate("f => f.scrollWidth <= f.clientWidth")  # to its end


@pytest.mark.firefox
def test_a_link_opens_what_it_leads_to(page, base_url):
    page.goto(f"{base_url}layers/pooling/")
    place = page.locator("article details [id]").first
    page.goto(f"{base_url}layers/pooling/#{place.get_attribute('id')}")
    # New browsers open it themselves. Others only tell that the address is another.
    page.evaluate("""() => {
      document.querySelector("details:has(:target)").open = false;
      dispatchEvent(new HashChangeEvent("hashchange"));
    }""")
    expect(place).to_be_in_viewport()


def test_on_paper_nothing_is_folded_cut_off_or_there_to_be_clicked(page, base_url):
    page.set_viewport_size({"width": 680, "height": 960})  # A4 between its margins
    page.goto(f"{base_url}port/errors/")
    expect(page.locator("article button").first).to_be_visible()
    page.emulate_media(media="print", color_scheme="dark")
    frame = page.locator("nav:visible, button:visible, header:visible, footer:visible")
    expect(frame).to_have_count(0)
    page.goto(f"{base_url}layers/pooling/")
    for shown, kind in [(False, "summary + .highlight:last-child"), (True, "p")]:
        folded = page.locator(f"article details > {kind}")
        assert folded.count()
        for block in folded.all():
            expect(block).to_be_visible(visible=shown)  # nobody types in what is code alone
    page.goto(f"{base_url}port/errors/")
    cut = """() => [...document.querySelectorAll("article pre > code")]
      .filter(code => code.scrollWidth > code.clientWidth).length"""
    assert page.evaluate(cut) == 0
    assert page.evaluate("document.scrollingElement.scrollWidth") == 680
    paper, ink = (
        "getComputedStyle(document.body).backgroundColor",
        "getComputedStyle(document.body).color",
    )
    assert page.evaluate(f"[{paper}, {ink}]") == ["rgb(255, 255, 255)", "rgba(0, 0, 0, 0.87)"]


@pytest.mark.firefox
def test_chinese_punctuation_keeps_its_half_em(page, base_url):
    page.goto(f"{base_url}zh/")
    width = """kerning => {
      const text = document.createElement("span");
      text.style.fontKerning = kerning;
      text.textContent = "，。：（）";
      document.querySelector("article p").append(text);
      return text.getBoundingClientRect().width;
    }"""
    assert page.evaluate(width, "auto") == page.evaluate(width, "none")


@pytest.mark.parametrize("width", [960, 1280])
def test_the_ring_around_the_search_ends_before_the_window_does(page, base_url, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(base_url)
    field = page.locator(".md-search__input")
    page.keyboard.press("/")
    right = field.evaluate("""field => {
      const { outlineWidth, outlineOffset } = getComputedStyle(field);
      const ring = parseFloat(outlineWidth) + parseFloat(outlineOffset);
      return field.getBoundingClientRect().right + ring;
    }""")
    assert right <= width


@pytest.mark.only_browser("chromium")  # Firefox, driven so, emulates no forced colours
def test_icons_are_seen_in_forced_colours(page, base_url):
    page.emulate_media(forced_colors="active")
    page.goto(f"{base_url}layers/linear/")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for icon in [".md-code__button", "details > summary", ".md-nav__icon"]:
        drawn = page.locator(icon).first.evaluate(
            "e => getComputedStyle(e, '::after').backgroundColor"
        )
        assert drawn not in (ground, "rgba(0, 0, 0, 0)"), icon


def test_on_a_phone_a_line_that_goes_on_fades(page, base_url):
    """The shade lies at the edge of the block, its cover at the end of the line."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{base_url}port/write-it/")
    code = page.locator(".written code").first
    assert code.evaluate("code => code.scrollWidth > code.clientWidth")
    ground = code.evaluate("code => getComputedStyle(code).backgroundAttachment")
    assert ground == "local, scroll"
