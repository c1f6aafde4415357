"""The page that inspects a file has the facts of ``describe --json``, and the sentences of load."""

import ast
import gzip
import json
import re
import struct
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from docs.extensions.rules import of_files
from docs.extensions.tables import ASSETS
from snippets.checkpoints import load
from snippets.describe import config_beside, escaped, facts
from snippets.families import norm_of
from tests import ROOT
from tests.browser import until
from tests.browser.inspected import DATA, TENSOR, hostile, safetensors, sound, torch_zip, zipped
from tests.built import article, parsed

pytestmark = pytest.mark.firefox

ADDRESS = "layers/inspect/"
COUNTING = """
window.handedOut = 0;
const slice = Blob.prototype.slice;
Blob.prototype.slice = function (...ends) {
  const part = slice.apply(this, ends);
  window.handedOut += part.size;
  return part;
};
"""


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Return {name: path} of files of every kind."""
    return sound(pytest.importorskip("torch"), tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def inspector(browser, base_url):
    """Return the page, one for all tests, in which the bytes that a file hands out are counted."""
    page = browser.new_page()
    page.add_init_script(COUNTING)
    page.goto(base_url + ADDRESS)
    yield page
    page.close()


def choose(page, path):
    """Choose a file, or a folder, and return what the page says when it has read it."""
    page.evaluate("latest += 1; output.textContent = ''")
    page.set_input_files("#folder" if path.is_dir() else "#checkpoint", path)
    until(page, "output.textContent && !output.textContent.startsWith('Reading')")
    return page.locator(".inspected output").inner_text().partition(": ")[2]


def folder_in_firefox(page, path):
    """Return whether this is a folder in Firefox: it has folders, WebDriver BiDi files alone."""
    return path.is_dir() and page.context.browser.browser_type.name == "firefox"


LEFT_OUT = "equal"  # that needs the numbers


def told_by_python(path):
    """Return what ``--json`` prints, but what is LEFT_OUT; a config.json lies in a folder alone."""
    told = json.loads(json.dumps(facts(load(path), config_beside(path) if path.is_dir() else None)))
    for state in told["states"]:
        del state[LEFT_OUT]
    return told


# ---- It says what describe says ----

NAMES = [
    "adapter", "arrays.joblib", "arrays.pkl", "averaged.pt", "blocks.gguf", "chain.safetensors",
    "compiled.pt", "configured", "doubtful", "dtypes.pt", "dynamic.pt", "encoder.pt", "frozen.pt",
    "gpt.npz", "holed", "legacy.pth", "llama.gguf", "lora.safetensors", "mixed.pt", "none.npz",
    "objects.joblib", "odd.npz", "packed.npz", "parts.pt", "program.pt2", "protocol.pt",
    "python-2.pkl", "quantized.safetensors", "qwen3.npz", "script.pt", "sharded", "tied.pth",
    "training.ckpt", "transformer.pt", "unordered.safetensors", "w.pdparams", "whole-legacy.pth",
    "whole.pth",
]  # fmt: skip


def test_the_files_are_these(whole):
    assert list(whole) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_the_facts_of_describe_cell_by_cell(inspector, whole, name):
    if folder_in_firefox(inspector, whole[name]):
        pytest.skip("WebDriver BiDi, which drives Firefox, chooses no folder")
    choose(inspector, whole[name])
    told = told_by_python(whole[name])
    assert inspector.evaluate("shown") == told
    rows = [row for state in told["states"] for row in state["tensors"]]
    texts = inspector.evaluate(
        """[...table.querySelectorAll("tbody tr:not(.module, .root)")].map((row) =>
             [...row.cells].map((cell) => [cell.querySelector("code.shape"), cell].map((part) =>
               part?.textContent ?? "")))"""
    )
    for row, [[_, title], [shape, stored], [_, what]] in zip(rows, texts, strict=True):
        assert title == escaped(row["name"])
        assert what.startswith(row["what"])
        if "shape" in row:
            sizes = [int(axis.split()[0]) for axis in shape.strip("(,)").split(",") if axis]
            assert sizes == row["shape"]
            assert f"\xa0{row['dtype']}, " in stored.replace("×", "")
            assert what.endswith(row["row"] if row.get("row") else row["what"])


def test_the_page_knows_the_norms_of_a_family(inspector):
    families = json.loads((ROOT / "tests/models/families.json").read_text("utf-8"))
    names = [list(shapes) for _, shapes in families.values()]
    told = inspector.evaluate("all => all.map(normOf)", names)
    assert told == [norm_of(one) for one in names]


def test_the_sum_is_said(inspector, whole):
    assert choose(inspector, whole["tied.pth"]) == "90 numbers in 6 tensors, 360\xa0B."


def test_the_axes_have_their_colours(inspector, whole):
    choose(inspector, whole["mixed.pt"])
    row = inspector.locator("tr", has=inspector.get_by_text("conv.0.weight", exact=True)).last
    expect(row.locator("td").first.locator(".axis.out")).to_have_text("4 out")
    expect(row.locator("td").last.locator(".axis.kernel")).to_have_text("*kernel_size")


def test_a_line_names_what_is_in_the_file(inspector, whole):
    for name in "mixed.pt", "tied.pth", "training.ckpt", "gpt.npz":
        choose(inspector, whole[name])
        names = {
            r["name"] for state in inspector.evaluate("shown.states") for r in state["tensors"]
        }
        lines = inspector.locator(".module code").all_inner_texts()
        lines = [line for line in lines if " = " in line]
        assert lines
        for line in lines:
            ast.parse(line)
            assert set(re.findall(r'state\["(.*?)"\]', line)) <= names
            for prefix in re.findall(r'under\(state, "(.*?)"\)', line):
                assert any(one.startswith(f"{prefix}.") for one in names)


def test_what_no_file_tells_is_named(inspector, whole):
    choose(inspector, whole["mixed.pt"])
    heading = inspector.locator(".module", has=inspector.get_by_text("attn", exact=True))
    expect(heading).to_contain_text("num_heads=num_heads")
    expect(heading).to_contain_text("no tensor tells num_heads")


NOTES = {
    "gpt.npz": [
        "GPT-2, by its names: all matrices are (in, out), x @ weight; the columns of c_attn are",
        "lm_head.weight is not stored: wte.weight takes its place",
    ],
    "lora.safetensors": ["q.weight: LoRA, the weight is merged(weight, A, B, scale) of lora.py"],
    "averaged.pt": ['below "ema." are the names of the model again', "are one array: tied"],
    "tied.pth": ['every name begins with "module."', "are one array: tied"],
}


@pytest.mark.parametrize("name", NOTES)
def test_what_concerns_several_tensors_is_said(inspector, whole, name):
    choose(inspector, whole[name])
    said = inspector.locator(".inspected > ul li").all_inner_texts()
    for text in NOTES[name]:
        assert any(text in one for one in said), said


# ---- Files that are refused ----


@pytest.mark.thorough
def test_a_file_that_is_refused_gets_the_sentence_of_load(inspector, whole, tmp_path):
    paths = hostile(tmp_path, whole)
    assert len(paths) == 80
    for name, path in paths.items():
        with pytest.raises(ValueError, match=r".") as refused:
            load(path)
        if folder_in_firefox(inspector, path) or name == "nothing":
            continue  # of an empty folder a browser says nothing
        assert choose(inspector, path) == str(refused.value).partition(": ")[2], name
        assert inspector.evaluate("shown.states") == []


def test_a_refusal_is_said_at_once(inspector, tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(b"<!doctype html>")
    assert choose(inspector, path).startswith("this is a web page, saved in the place of the file")


ELSEWHERE = {
    "__0_0.distcp": (
        "a part of a folder of torch.distributed.checkpoint",
        b"PK\3\4" + torch_zip(b""),
    ),
    "package.pt": ("a torch.package", zipped(**{"a/.data/extern_modules": b""})),
    "model.onnx": ("an ONNX model", (DATA / "types.onnx").read_bytes()),
    "flax.msgpack": ("a msgpack of Flax", (DATA / "tree.msgpack").read_bytes()),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_only_describe_reads_says_so(inspector, tmp_path, name):
    what, raw = ELSEWHERE[name]
    (tmp_path / name).write_bytes(raw)
    assert choose(inspector, tmp_path / name) == (
        f"This is {what}. This page does not read it: python -m snippets.describe does."
    )


def test_several_files_need_an_index(inspector, whole):
    inspector.evaluate("output.textContent = ''")
    inspector.set_input_files("#checkpoint", [whole["mixed.pt"], whole["tied.pth"]])
    expect(inspector.locator(".inspected output")).to_contain_text("none is an .index.json")
    inspector.set_input_files("#checkpoint", list(whole["sharded"].iterdir()))
    expect(inspector.locator(".inspected output")).to_contain_text("41 numbers in 4 tensors")


# ---- Nothing is sent, little is read ----


def sparse_safetensors(path, numbers):
    """Write a file whose data is a hole."""
    entry = {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}
    header = json.dumps({"a.weight": entry})
    path.write_bytes(safetensors(header.ljust(-(-len(header) // 8) * 8), 0))
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size + 4 * numbers)


def sparse_torch(path, numbers):
    """Write a zip as of torch.save whose numbers are a hole."""
    pickled = TENSOR % (b"0", b"\2", b"\0", b"\2", b"\1")
    pickled = pickled.replace(b"K\2tQ", b"J" + numbers.to_bytes(4, "little") + b"tQ")
    pickled = b"\x80\2}X\x08\0\0\0a.weight" + pickled[2:-1] + b"s."
    size, at, entries = 4 * numbers, 0, b""
    with open(path, "wb") as file:
        for name, length in {b"a/data.pkl": len(pickled), b"a/data/0": size}.items():
            begin = file.tell()
            sizes = struct.pack("<QQ", length, length)
            pad = -(begin + 54 + len(name)) % 64  # a number that lies askew would be copied
            extra = struct.pack("<HH", 1, 16) + sizes + struct.pack("<HH", 0, pad) + bytes(pad)
            head = struct.pack("<HHHHHIII", 45, 0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1)
            lengths = struct.pack("<HH", len(name), len(extra))
            file.write(b"PK\3\4" + head + lengths + name + extra)
            file.write(pickled) if length < 1000 else file.seek(length, 1)
            more = struct.pack("<HH", 1, 24) + sizes + struct.pack("<Q", begin)
            entries += b"PK\1\2" + struct.pack("<H", 45) + head
            entries += struct.pack("<HHHHHII", len(name), len(more), 0, 0, 0, 0, 2**32 - 1)
            entries += name + more
        at = file.tell()
        file.write(entries)
        end = file.tell()
        file.write(b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2, 2, end - at, at))
        file.write(b"PK\6\7" + struct.pack("<IQI", 0, end, 1))
        file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 2, 2, end - at, 2**32 - 1, 0))


@pytest.mark.parametrize("write", [sparse_safetensors, sparse_torch])
def test_of_five_gigabytes_two_megabytes_are_read(inspector, tmp_path, write):
    path = tmp_path / "large"
    write(path, 5 * 10**9 // 4)
    inspector.evaluate("handedOut = 0")
    choose(inspector, path)
    assert inspector.evaluate("shown") == told_by_python(path)
    assert 0 < inspector.evaluate("handedOut") < 2e6


def test_no_request_is_made(inspector, whole):
    asked = []
    inspector.on("request", lambda request: asked.append(request.url))
    choose(inspector, whole["mixed.pt"])
    inspector.set_input_files("#checkpoint", list(whole["sharded"].iterdir()))
    expect(inspector.locator(".inspected output")).to_contain_text("41 numbers in 4 tensors")
    inspector.locator(".inspected [name=filter]").fill("conv")
    assert asked == []


def test_the_page_may_connect_to_nothing(inspector):
    assert inspector.evaluate("fetch(location.href).then(() => 'sent', () => 'refused')") == (
        "refused"
    )


@pytest.mark.thorough
@pytest.mark.only_browser("chromium")  # Firefox, driven so, chooses no folder
def test_a_folder_of_ten_thousand_files_does_not_freeze_the_page(inspector, tmp_path):
    for i in range(10_000):
        (tmp_path / f"{i}.png").touch()
    (tmp_path / "model.safetensors").write_bytes(safetensors('{"a":ONE}'))
    start = time.monotonic()
    assert choose(inspector, tmp_path).startswith("2 numbers in 1 tensor,")
    assert time.monotonic() - start < 10


# ---- The controls ----


def test_filter_and_order(inspector, whole):
    choose(inspector, whole["mixed.pt"])
    names = inspector.locator(".inspected tbody th[scope=row]")
    inspector.locator(".inspected [name=filter]").fill("BatchNorm")
    assert all(name.startswith("conv.2.") for name in names.all_inner_texts())
    inspector.locator(".inspected [name=filter]").fill("")
    inspector.locator(".inspected [name=sort]").select_option("bytes")
    rows = inspector.evaluate("shown.states[0].tensors")
    sizes = {row["name"]: row["bytes"] for row in rows}
    order = [name.replace("\n", "") for name in names.all_inner_texts()]
    assert [sizes[name] for name in order] == sorted(sizes.values(), reverse=True)
    inspector.locator(".inspected [name=sort]").select_option("name")
    assert names.all_inner_texts() == sorted(order)
    inspector.locator(".inspected [name=sort]").select_option("")
    assert names.all_inner_texts() == [row["name"] for row in rows]


@pytest.mark.only_browser("chromium")
def test_the_table_is_saved(inspector, whole):
    choose(inspector, whole["gpt.npz"])
    saved = {}
    for kind in "JSON", "CSV", "Markdown":
        with inspector.expect_download() as download:
            inspector.get_by_role("button", name=kind).click()
        saved[kind] = download.value.path().read_text("utf-8")
    assert json.loads(saved["JSON"]) == told_by_python(whole["gpt.npz"])
    assert saved["CSV"].splitlines()[:2] == [
        "name,shape,dtype,bytes,what,row,blocks",
        'wte.weight,"(9, 4)",float32,144,'
        '"Embedding (num_embeddings, embedding_dim), by its name",one id: its vector,',
    ]
    assert saved["Markdown"].splitlines()[:3] == [
        "| name | shape | dtype | bytes | what | row | blocks |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| wte.weight | (9, 4) | float32 | 144 |"
        " Embedding (num_embeddings, embedding_dim), by its name | one id: its vector |  |",
    ]


def test_a_long_table_is_drawn_when_asked_for(inspector, tmp_path):
    entries = {
        f"{i}.weight": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(400)
    }
    path = tmp_path / "many.safetensors"
    path.write_bytes(safetensors(json.dumps(entries), 400))
    choose(inspector, path)
    rows = inspector.locator(".inspected tbody th[scope=row]")
    assert rows.count() == 300
    inspector.get_by_role("button", name="Show all 400 rows").click()
    assert rows.count() == 400


def test_a_file_can_be_dropped(inspector):
    inspector.evaluate(
        """raw => {
          output.textContent = "";
          const data = new DataTransfer();
          data.items.add(new File([Uint8Array.from(raw)], "dropped"));
          for (const kind of ["dragenter", "drop"]) {
            dispatchEvent(Object.assign(new Event(kind, {cancelable: true}), {dataTransfer: data}));
          }
        }""",
        list(safetensors('{"a":ONE}')),
    )
    expect(inspector.locator(".inspected output")).to_contain_text(
        "dropped: 2 numbers in 1 tensor,"
    )


@pytest.mark.only_browser("chromium")  # no driver drops files into Firefox
def test_a_folder_can_be_dropped(inspector, whole):
    inspector.evaluate("output.textContent = ''")
    session = inspector.context.new_cdp_session(inspector)
    files = [str(whole["configured"])]
    for kind in "dragEnter", "dragOver", "drop":
        data = {"items": [], "files": files, "dragOperationsMask": 1}
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    expect(inspector.locator(".inspected > ul")).to_contain_text("num_attention_heads 4")
    assert inspector.evaluate("shown") == told_by_python(whole["configured"])


def test_a_file_may_be_chosen_with_its_config(inspector, whole):
    inspector.evaluate("output.textContent = ''")
    inspector.set_input_files("#checkpoint", list(whole["configured"].iterdir()))
    expect(inspector.locator(".inspected output")).to_contain_text("model.safetensors: ")
    assert inspector.evaluate("shown") == told_by_python(whole["configured"])


def test_the_chinese_page_says_it_in_chinese(page, base_url, whole):
    page.goto(f"{base_url}zh/{ADDRESS}")
    for name in "parts.pt", "mixed.pt", "compiled.pt", "averaged.pt", "lora.safetensors", "gpt.npz":
        page.set_input_files("#checkpoint", whole[name])
        expect(page.locator(".inspected output")).to_contain_text(f"{name}: ")
        expect(page.locator(".inspected output")).to_contain_text("个张量")
        text = page.locator(".inspected").inner_text()
        for word in "one row", "by its", " or ", "less likely", "tells", "begins", "tied", "again":
            assert word not in text, name
    expect(page.locator(".inspected")).to_contain_text("根据名字")


@pytest.mark.only_browser("chromium")  # Firefox, driven so, always runs scripts
def test_without_javascript_it_says_what_to_run(new_context, base_url, site):
    page = new_context(java_script_enabled=False).new_page()
    page.goto(base_url + ADDRESS)
    expect(page.locator(".inspector, .inspected")).to_have_count(2)
    assert page.locator(".inspector:visible, .inspected:visible").count() == 0
    said = article(site, ADDRESS).find(".//noscript").text_content()
    assert said.endswith("needs JavaScript. Without it, run python -m snippets.describe model.pth.")


@pytest.mark.thorough
@pytest.mark.only_browser("chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(inspector, whole, scheme):
    inspector.emulate_media(color_scheme=scheme)
    choose(inspector, whole["training.ckpt"])
    results = Axe().run(inspector, options={"resultTypes": ["violations"]})
    assert results.violations_count == 0, results.generate_report()


def test_the_keyboard_reaches_all(inspector, whole):
    choose(inspector, whole["mixed.pt"])
    inspector.locator("#checkpoint").focus()
    reached = []
    for _ in range(6):
        inspector.keyboard.press("Tab")
        reached.append(
            inspector.evaluate("((e) => e.id || e.name || e.value)(document.activeElement)")
        )
    assert reached == ["folder", "filter", "sort", "json", "csv", "md"]


def test_the_scripts_are_this_long(site):
    """What the page has beside the calculator's scripts, as the site serves it."""
    inspector, calculator = (
        [
            script.get("src").split("assets/")[1]
            for script in parsed(site / address / "index.html").iterfind(".//script[@src]")
        ]
        for address in (ADDRESS, "layers/calculator")
    )
    own = [name for name in inspector if name not in calculator]
    assert own == ["reader.js", "inspect.js"]
    source = b"".join((site / "assets" / name).read_bytes() for name in own)
    assert len(gzip.compress(source)) < 16_000


def test_what_a_file_is_refused_with_is_said_in_one_place():
    """The script has some words of a sentence; the rest of it is the readers' in Python."""
    source = (ASSETS / "reader.js").read_text("utf-8")
    asked = re.findall(r'\b(?:fault|said)\("([^"]+)"', source)
    assert len(asked) > 80
    for words in asked:
        assert sum(words in sentence for sentence in of_files()["sentences"]) == 1, words
