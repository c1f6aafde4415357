"""What a checkpoint names is read within its folder, and nowhere else."""

import os
import zipfile

import numpy as np
import pytest

from snippets.checkpoints.inside import Inside, inside, path_inside
from snippets.checkpoints.torch_file import CheckpointError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in/data").mkdir(parents=True)
    (tmp_path / "in/data/0").write_bytes(b"abc")
    (tmp_path / "in/empty").touch()
    (tmp_path / "out").write_bytes(b"secret")
    return tmp_path / "in"


def test_the_bytes_of_a_file(folder):
    assert inside(folder, "data/0").tobytes() == b"abc"
    assert inside(folder, "empty").shape == (0,)
    found = inside(folder, "data/0")
    found[0] = 0
    assert (folder / "data/0").read_bytes() == b"abc"


@pytest.mark.parametrize("name", ["../out", "/out", "data/../../out", "a\\b", "C:x", "", "."])
def test_what_lies_outside_is_refused(folder, name):
    with pytest.raises(CheckpointError, match="would lie outside of the folder"):
        path_inside(folder, name)


@pytest.mark.parametrize("name", ["no", "data", "pipe", "broken"])
def test_what_is_no_file_is_missing(folder, name):
    os.mkfifo(folder / "pipe")
    os.symlink("nowhere", folder / "broken")
    with pytest.raises(CheckpointError, match="is not in the folder: was it not downloaded"):
        path_inside(folder, name)


def test_a_link_is_followed(folder):
    """Hugging Face's cache keeps each file elsewhere, under its hash."""
    os.symlink("../out", folder / "link")
    assert inside(folder, "link").tobytes() == b"secret"


def test_zipfile_reads_bytes_as_a_file(tmp_path):
    np.savez(tmp_path / "w", a=np.ones(3))
    raw = (tmp_path / "w.npz").read_bytes()
    with zipfile.ZipFile(Inside(raw)) as ours, zipfile.ZipFile(tmp_path / "w.npz") as theirs:
        assert ours.namelist() == theirs.namelist() == ["a.npy"]
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(Inside(b"PK"))
