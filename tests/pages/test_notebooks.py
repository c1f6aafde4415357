"""Every committed notebook, run again: what its cells print now is what the page shows.

A cell tagged ``train`` trains, times or draws what differs by machine: of its outputs only the
kinds are compared. A Chinese twin is not run; it has the code and the outputs of its English page.

    UPDATE=1 pytest tests/pages/test_notebooks.py    writes the new outputs, into the twins too
"""

import copy
import importlib.metadata
import os
import pathlib
import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import v4

ROOT = pathlib.Path(__file__).parents[2]
ENGLISH = sorted(ROOT.glob("docs/en/**/*.ipynb"))
CHINESE = sorted(ROOT.glob("docs/zh/**/*.ipynb"))
UPDATE = bool(os.environ.get("UPDATE"))
ENV = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "0"}
ENV["OMP_NUM_THREADS"] = "1"  # threads wait for one another where another test computes


def name(path):
    return str(path.relative_to(ROOT))


def read(path):
    return nbformat.read(path, as_version=4)


def write(nb, path):
    path.write_text(nbformat.writes(nb) + "\n", "utf-8")


def run(path):
    """Return the notebook with the outputs it has now, run in its own folder."""
    nb = read(path)
    for cell in code_cells(nb):
        cell.outputs = []
    folder = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        nb, timeout=300, record_timing=False, coalesce_streams=True, resources=folder
    ).execute()
    nb.metadata["language_info"] = {"name": "python"}  # not this machine's version
    return nb


def code_cells(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def kinds(outputs):
    return [(o.output_type, o.get("name"), sorted(o.get("data", {}))) for o in outputs]


def stale_cells(stored, fresh):
    """Say which stored outputs are not the fresh ones."""
    said = []
    for old, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        view = kinds if "train" in old.metadata.get("tags", []) else list
        if view(old.outputs) != view(new.outputs):
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
def same_each_time(monkeypatch):
    for key, value in ENV.items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def only_pinned():
    if reason := why_not():
        pytest.skip(reason)


@pytest.mark.parametrize("path", ENGLISH, ids=name)
@pytest.mark.usefixtures("same_each_time", "only_pinned")
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


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=name)
def test_each_number_in_the_text_is_printed(path):
    """What the text states is tested, because a cell prints it; cells tagged train don't count."""
    nb = read(path)
    printed = " ".join(
        output.get("text", "")
        for cell in code_cells(nb)
        if "train" not in cell.metadata.get("tags", [])
        for output in cell.outputs
    )
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            stated = set(re.findall(r"(?<![a-zA-Z])\d+", cell.source))
            assert stated <= set(re.findall(r"\d+", printed)), f"cell {cell.id}"


# The checker can fail


@pytest.fixture
def small(tmp_path):
    """A notebook of two cells; the one tagged train prints something else each time."""
    path = tmp_path / "small.ipynb"
    tagged = v4.new_code_cell("import time; print(time.time_ns())", metadata={"tags": ["train"]})
    tagged.outputs = [v4.new_output("stream", name="stdout", text="1\n")]
    plain = v4.new_code_cell("print(2 + 2)")
    plain.outputs = [v4.new_output("stream", name="stdout", text="4\n")]
    text = v4.new_markdown_cell("Two and two.")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    write(v4.new_notebook(cells=[text, tagged, plain], metadata={"kernelspec": kernel}), path)
    return path


@pytest.mark.usefixtures("same_each_time")
def test_falsified_output_is_found(small):
    true = run(small)
    assert stale_cells(read(small), true) == []

    false = read(small)
    false.cells[2].outputs[0].text = "5\n"
    assert len(stale_cells(false, true)) == 1


@pytest.mark.usefixtures("same_each_time")
def test_tagged_cell_must_run_and_keep_its_kinds_of_output(small):
    nb = read(small)
    nb.cells[1].source = "pass"
    write(nb, small)
    assert len(stale_cells(nb, run(small))) == 1

    nb.cells[1].source = "1 / 0"
    write(nb, small)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        run(small)


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
