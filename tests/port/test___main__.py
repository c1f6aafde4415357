"""``python -m snippets.port model.pt2 my_model`` needs no torch, and says what is not proved."""

import re
import subprocess
import sys

from snippets.parity import record
from tests.port.models import MODELS
from tests.port.programs import exported, imported
from tests.port.test_pt2 import command, saved

ALONE = """
import sys
sys.modules["torch"] = None
from snippets.port.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_command_needs_no_torch_and_says_that_nothing_is_proved(tmp_path):
    path, folder = saved("mlp", tmp_path), tmp_path / "mlp"
    done = subprocess.run(
        [sys.executable, "-c", ALONE, path, folder], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "compared it with nothing: the file holds no outputs" in done.stdout
    assert "compared with\nnothing" in (folder / "__init__.py").read_text("utf-8")
    record(tmp_path / "recorded.npz", exported("mlp")[0], *MODELS["mlp"][1])
    with imported(folder) as package:
        run_main = __import__("mlp.port.replay").port.replay.main
        assert run_main(package.load, package.forward, folder, []) == 1
        arguments = ["--against", tmp_path / "recorded.npz"]
        assert run_main(package.load, package.forward, folder, arguments) == 0


def test_the_command_says_what_is_wrong(tmp_path, capsys, monkeypatch):
    (tmp_path / "no.pt2").write_bytes(b"no zip")
    assert command(monkeypatch, tmp_path / "no.pt2", tmp_path / "no") == 1
    assert re.search(r"no.pt2: it is cut off, damaged, or no file", capsys.readouterr().err)
    assert command(monkeypatch, tmp_path / "nothing.pt2", tmp_path / "no") == 1
    assert re.search(r"nothing.pt2 does not exist", capsys.readouterr().err)
    assert not (tmp_path / "no").exists()
    assert command(monkeypatch, "--help") == 0
    assert "executes nothing of the file" in capsys.readouterr().out
