"""Every committed notebook, run again: what its cells print now is what the page shows.

A cell tagged ``train`` trains, times or draws what differs by machine: of its outputs the kinds and
the words are compared, and whether each number lies within a factor. A Chinese twin is not run; it
has the code and the outputs of its English page.

    UPDATE=1 pytest tests/pages/test_notebooks.py    writes the new outputs, into the twins too
"""

import contextlib
import copy
import importlib.metadata
import os
import pathlib
import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import v4

from tests.arithmetic import equations, false_equations
from tests.reading import blocks, tables_of, text_of
from tests.shape_comments import shape_comments

ROOT = pathlib.Path(__file__).parents[2]
ENGLISH = sorted(ROOT.glob("docs/en/**/*.ipynb"))
CHINESE = sorted(ROOT.glob("docs/zh/**/*.ipynb"))
TABLE = "text/markdown"
NUMBER = re.compile(r"\d+(?:\.\d+)?")
UPDATE = bool(os.environ.get("UPDATE"))
ENV = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "0"}
ENV["OMP_NUM_THREADS"] = "1"  # threads wait for one another where another test computes

# Put before a cell when that above it has shape comments.
CHECK = """from tests.shape_comments import check_cell as __check__
__check__({source!r}, globals())
"""


def name(path):
    return str(path.relative_to(ROOT))


def read(path):
    return nbformat.reads(path.read_text("utf-8"), as_version=4)


def write(nb, path):
    path.write_text(nbformat.writes(nb) + "\n", "utf-8")


@contextlib.contextmanager
def started(folder):
    """Start a kernel in a folder, and stop it in the end."""
    client = NotebookClient(
        v4.new_notebook(),
        timeout=300,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel(env=os.environ | ENV):
        yield client


def run(path, client=None):
    """Return the notebook with the outputs it has now, run in its own folder if by no client."""
    if client is None:
        with started(path.parent) as client:
            return run(path, client)
    nb = read(path)
    cells = code_cells(nb)
    sources = [cell.source for cell in cells]
    for cell, before in zip(cells, ["", *sources], strict=False):
        cell.outputs = []
        if shape_comments(before):
            cell.source = CHECK.format(source=before) + cell.source
    client.nb = nb
    client.execute(cleanup_kc=False)
    for cell, source in zip(cells, sources, strict=True):
        cell.source = source
    nb.metadata["language_info"] = {"name": "python"}  # not this machine's version
    return nb


def code_cells(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def kinds(outputs):
    """Return what is the same on every machine: the kinds, the words, what a figure says."""
    return [
        (o.output_type, o.get("name"), sorted(o.get("data", {})), NUMBER.sub("", figures(o)), label)
        for o in outputs
        for label in [re.findall('aria-label="[^"]*"', o.get("data", {}).get("image/svg+xml", ""))]
    ]


def figures(output):
    """Return what an output has in words and numbers."""
    return re.sub(r"[ ,]+", " ", output.get("text") or output.get("data", {}).get(TABLE, ""))


def far(old, new):
    """Return the pairs of numbers that lie more than a factor of 30 apart, stored and now.

    A busy machine takes ten times as long; a slip of the point, or of the unit, is more.
    """
    pairs = [
        (float(a), float(b))
        for one, other in zip(old, new, strict=True)
        for a, b in zip(NUMBER.findall(figures(one)), NUMBER.findall(figures(other)), strict=True)
    ]
    return [(a, b) for a, b in pairs if not a / 30 <= b <= a * 30]


def stale_cells(stored, fresh):
    """Say which stored outputs are not the fresh ones."""
    said = []
    for old, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        view = kinds if is_train(old) else list
        if view(old.outputs) != view(new.outputs) or (
            view is kinds and far(old.outputs, new.outputs)
        ):
            said.append(f"cell {old.id}: stored {old.outputs}\nnow {new.outputs}")
    return said


def unlike_cells(english, chinese):
    """Say where a twin's cells are not those of its English page."""
    ours, theirs = english.cells, chinese.cells
    if [cell.cell_type for cell in ours] != [cell.cell_type for cell in theirs]:
        return ["the cells are not of the same types in the same order"]
    said = []
    for ours, theirs in zip(code_cells(english), code_cells(chinese), strict=True):
        for part in ("source", "outputs", "metadata"):
            if ours[part] != theirs[part]:
                said.append(f"cell {ours.id}: another {part}")
    return said


def copy_code(english, chinese):
    """Give a twin the code and the outputs of its English page."""
    for ours, theirs in zip(code_cells(english), code_cells(chinese), strict=True):
        theirs.update({key: value for key, value in ours.items() if key != "id"})


def why_not():
    """Return why outputs can't be compared here: they are those of the pinned versions."""
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / ".ci/constraints.txt").read_text(), re.M))
    for package in ("torch", "numpy", "matplotlib", "pillow"):
        try:
            here = importlib.metadata.version(package).split("+")[0]  # 2.13.0+cpu is 2.13.0
        except importlib.metadata.PackageNotFoundError:
            return f"{package} is not installed"
        if here != pins[package]:
            return f"{package} is {here} here, the stored outputs are those of {pins[package]}"
    return ""


@pytest.fixture
def only_pinned():
    if reason := why_not():
        pytest.skip(reason)


def in_time(path):
    """Leave the notebook that trains for ten seconds to the thorough run."""
    return pytest.param(path, marks=pytest.mark.thorough if path.stem == "speakers" else ())


@pytest.mark.parametrize("path", [in_time(path) for path in ENGLISH], ids=name)
@pytest.mark.usefixtures("only_pinned")
def test_stored_outputs_are_true(path):
    fresh = run(path)
    if UPDATE:
        write(fresh, path)
    assert not stale_cells(read(path), fresh)


@pytest.mark.parametrize("path", CHINESE, ids=name)
def test_twin_has_the_code_and_outputs_of_its_english_page(path):
    english = read(ROOT / "docs/en" / path.relative_to(ROOT / "docs/zh"))
    if UPDATE:
        twin = read(path)
        copy_code(english, twin)
        write(twin, path)
    assert not unlike_cells(english, read(path))


@pytest.mark.parametrize("path", ENGLISH, ids=name)
def test_notebook_names_no_machine(path):
    text = path.read_text("utf-8")
    assert str(ROOT) not in text
    assert not re.search(r"/(home|tmp|Users|root)/", text)
    assert read(path).metadata["language_info"] == {"name": "python"}


def is_train(cell):
    return "train" in cell.metadata.get("tags", [])


def printed(cell):
    """Return what a code cell prints or shows as a table, without separators of thousands."""
    texts = [o.get("text") or o.get("data", {}).get(TABLE, "") for o in cell.outputs]
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", "\n".join(texts))


def evidence(cells):
    """Return the code of cells and what they print; a figure measured anew is no evidence."""
    return "\n".join(c.source + "\n" + ("" if is_train(c) else printed(c)) for c in cells)


def around(cells, place):
    """Return the code cells nearest to a text: each way, up to the first with an output."""
    found = []
    for side in (cells[:place][::-1], cells[place + 1 :]):
        for cell in side:
            if cell.cell_type == "code":
                found.append(cell)
                if cell.outputs:
                    break
    return found


def unproved(nb):
    """Return [(cell, number)] of the numbers in texts that no cell near them has.

    The first text is about the whole notebook; a number in inline code stands in any cell.
    """
    found, anywhere = [], evidence(code_cells(nb))
    for place, cell in enumerate(nb.cells):
        if cell.cell_type != "markdown":
            continue
        near = evidence(around(nb.cells, place)) if place else anywhere
        for block in blocks(cell.source):
            sums = " ".join(said for said, *_ in equations(block.text))
            code = [n for piece in block.code for n in re.findall(r"(?<![\w.])\d+(?!\w)", piece)]
            said = [(n, f"{near} {sums}") for n in block.numbers] + [(n, anywhere) for n in code]
            found += [
                (cell.id, number)
                for number, proof in said
                if not re.search(rf"(?<![\w.]){re.escape(number)}(?!\w|\.\d)", proof)
            ]
            found += [(cell.id, equation) for equation in false_equations(block.text)]
    return found


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=name)
def test_each_number_in_the_text_stands_in_a_cell_near_it(path):
    assert unproved(read(path)) == []


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=name)
def test_a_false_number_in_the_first_text_is_found(path):
    nb = read(path)
    text = nb.cells[0].source
    numbers = list(re.finditer(r"(?<![\w.-])\d+(?:\.\d+)*(?![\w.]*\w|\))", text))
    for m in numbers:
        nb.cells[0].source = text[: m.start()] + "7" + text[m.start() :]
        assert unproved(nb), m[0]


STORED = {
    2: "weight, bias 权重、偏置",
    1: "one slope a channel 每个通道一个斜率",
    0: "nothing 没有",
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_of_the_port_is_what_the_class_and_the_port_have(language):
    nn = pytest.importorskip("torch.nn")
    path = ROOT / f"docs/{language}/notebooks/port-a-model.ipynb"
    source = "\n".join(cell.source for cell in code_cells(read(path)))
    port = source.partition("def pnet")[2].partition("\n\n")[0]
    ((_, *rows),) = (rows for _, rows in tables_of(text_of(path)))
    for made, stored, written in rows:
        layer = eval(made.strip("`"), {"nn": nn})
        function, *arguments = re.findall("`(.+?)`", written)
        assert f"= {made.strip('`')}\n" in source
        assert stored in STORED[len(layer.state_dict())]
        assert all(re.search(rf"\b{function}\(.*{text}", port) for text in ["", *arguments])
    assert len(rows) == 4


# The checker can fail


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """One kernel for all small notebooks: to start one takes longer than to run them."""
    with started(tmp_path_factory.mktemp("kernel")) as client:
        yield client


@pytest.fixture
def small(tmp_path):
    """A notebook of two cells; the one tagged train prints something else each time."""
    path = tmp_path / "small.ipynb"
    timed = "import time; print(time.time_ns() % 7 + 3)"
    tagged = v4.new_code_cell(timed, metadata={"tags": ["train"]})
    tagged.outputs = [v4.new_output("stream", name="stdout", text="5\n")]
    plain = v4.new_code_cell("print(2 + 2)")
    plain.outputs = [v4.new_output("stream", name="stdout", text="4\n")]
    text = v4.new_markdown_cell("Two and two.")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    write(v4.new_notebook(cells=[text, tagged, plain], metadata={"kernelspec": kernel}), path)
    return path


@pytest.mark.parametrize(("shape", "true"), [("(2 * 1, 3)", True), ("(2 * 2, 3)", False)])
@pytest.mark.parametrize(
    ("place", "after"),
    [("x = numpy.ones((2, 3))", "4"), ("def f():\n    return numpy.ones((2, 3))", "f()")],
)
def test_a_false_shape_in_a_comment_is_found(small, client, place, after, shape, true):
    nb = read(small)
    nb.cells[1].source = f"import numpy\n{place}  # {shape}"
    nb.cells[2].source = after
    write(nb, small)
    with contextlib.nullcontext() if true else pytest.raises(Exception, match="AssertionError"):
        run(small, client)


def test_falsified_output_is_found(small, client):
    true = run(small, client)
    assert stale_cells(read(small), true) == []

    false = read(small)
    false.cells[2].outputs[0].text = "5\n"
    assert len(stale_cells(false, true)) == 1


def test_tagged_cell_must_run_and_keep_its_kinds_of_output(small, client):
    nb = read(small)
    nb.cells[1].source = "pass"
    write(nb, small)
    assert len(stale_cells(nb, run(small, client))) == 1

    nb.cells[1].source = "1 / 0"
    write(nb, small)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        run(small, client)


@pytest.mark.parametrize("text", ["500\n", "seconds: 5\n", "5 6\n"])
def test_a_measured_figure_far_off_is_found(small, client, text):
    true, false = run(small, client), read(small)
    false.cells[1].outputs[0].text = text
    assert len(stale_cells(false, true)) == 1


@pytest.mark.parametrize(
    ("text", "lies"),
    [("Two and two are 4.", 0), ("Two and two are 5.", 1), ("It takes 5 s.", 1), ("3 * 3 = 8", 1)],
)
def test_a_number_that_no_cell_near_prints_is_found(small, text, lies):
    nb = read(small)
    nb.cells.append(v4.new_markdown_cell(text))
    assert len({cell for cell, _ in unproved(nb)}) == lies
    far_away = v4.new_code_cell("print(9)")
    far_away.outputs = [v4.new_output("stream", name="stdout", text="9\n")]
    nb.cells += [far_away, v4.new_markdown_cell("Two and two are 4.")]
    assert unproved(nb)[-1][1] == "4"


@pytest.mark.parametrize("path", ENGLISH, ids=name)
def test_falsified_copy_of_each_notebook_is_found(path):
    true = read(path)
    for number, cell in enumerate(code_cells(true)):
        if cell.outputs and "train" not in cell.metadata.get("tags", []):
            false = copy.deepcopy(true)
            output = code_cells(false)[number].outputs[0]
            if "text" in output:
                output.text += "and more\n"
            else:
                output.data = {mime: data + " " for mime, data in output.data.items()}
            assert len(stale_cells(false, true)) == 1, cell.id


def test_twin_with_one_changed_line_is_found(small):
    english = read(small)
    twin = copy.deepcopy(english)
    twin.cells[0].source = "二加二。"
    assert unlike_cells(english, twin) == []

    twin.cells[2].source = "print(2 * 2)"
    assert len(unlike_cells(english, twin)) == 1
    copy_code(english, twin)
    assert unlike_cells(english, twin) == []

    del twin.cells[0]
    assert len(unlike_cells(english, twin)) == 1
