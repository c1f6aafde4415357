"""The command ``python -m snippets.describe``: what it prints, and its exit codes."""

import io
import os
import runpy
import subprocess
import sys

import numpy as np
import pytest

from snippets.describe import main
from snippets.state_dict import describe
from tests import ROOT

SPEAKERS = ROOT / "docs/en/notebooks/speakers.npz"


def run(*arguments, **options):
    command = [sys.executable, "-m", "snippets.describe", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, **options)


def test_it_prints_the_table(capsys):
    assert main([str(SPEAKERS)]) == 0
    with np.load(SPEAKERS) as file:
        assert capsys.readouterr() == (f"{describe(dict(file))}\n", "")


def test_as_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["describe.py", str(SPEAKERS)])
    monkeypatch.delitem(sys.modules, "snippets.describe")
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_module("snippets.describe", run_name="__main__")
    assert capsys.readouterr().out.startswith("dense1.weight  (100, 12)   float32  Linear")


def test_a_file_that_cannot_be_read(tmp_path, capsys):
    there = tmp_path / "page.pth"
    there.write_text("<html>")
    for path, reason in {there: "a web page", tmp_path / "no.pth": "No such file"}.items():
        assert main([str(path)]) == 1
        out, error = capsys.readouterr()
        assert out == ""
        assert error.startswith("python -m snippets.describe: ")
        assert str(path) in error
        assert reason in error


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["a", "b"], 2), (["--help"], 0)])
def test_usage(capsys, arguments, code):
    with pytest.raises(SystemExit, match=f"^{code}$"):
        main(arguments)
    printed = capsys.readouterr()
    assert (printed.err if code else printed.out).startswith(
        "usage: python -m snippets.describe [-h] path\n"
    )


def test_a_character_that_the_terminal_has_not(tmp_path, monkeypatch):
    np.savez(tmp_path / "model.npz", größe=np.ones(3))
    for encoding, name in {"ascii": rb"gr\xf6\xdfe", "utf-8": "größe".encode()}.items():
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", out)
        assert main([str(tmp_path / "model.npz")]) == 0
        assert out.buffer.getvalue().startswith(name + b"  (3,)")
    out = io.StringIO()  # has no encoding
    monkeypatch.setattr(sys, "stdout", out)
    assert main([str(tmp_path / "model.npz")]) == 0
    assert out.getvalue().startswith("größe  (3,)")


def test_a_reader_that_had_enough(monkeypatch):
    """As in ``| head -1``: no message, no failure."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert main([str(SPEAKERS)]) == 0


def test_without_torch_in_a_process_of_its_own(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError")
    process = run(SPEAKERS, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.count(b"\n") == 9
    process = run(tmp_path / "no.pth")
    assert (process.returncode, process.stdout) == (1, b"")
    assert b"Traceback" not in process.stderr


def test_a_file_of_torch(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    model = torch.nn.ModuleDict({"embed": torch.nn.Embedding(9, 4), "head": torch.nn.Linear(4, 9)})
    model["head"].weight = model["embed"].weight
    torch.save({"model": model.state_dict(), "epoch": 3}, tmp_path / "model.pth")
    assert main([str(tmp_path / "model.pth")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("state['model'] is a state_dict:\nembed.weight  (9, 4)  float32")
    assert "\n- embed.weight, head.weight are one array: tied\n" in printed
    assert printed.endswith("Besides:\nstate['epoch']  int 3\n")
