"""``load_paddle`` against files that paddle.save wrote."""

import pickle

import numpy as np
import pytest

from snippets.checkpoints import load, load_paddle
from tests import ROOT
from tests.checkpoints.broken import refusal

DATA = ROOT / "tests/checkpoints/data"
with np.load(DATA / "paddle.npz") as file:
    THEIRS = dict(file)


@pytest.mark.parametrize("reader", [load, load_paddle])
def test_the_state_dict_of_paddle(reader):
    found = reader(DATA / "w.pdparams")
    assert list(found) == list(THEIRS)
    for name, wanted in THEIRS.items():
        assert (found[name].dtype, found[name].shape) == (wanted.dtype, wanted.shape)
        assert found[name].tobytes() == wanted.tobytes()


def test_bfloat16_is_among_them():
    with open(DATA / "w.pdparams", "rb") as file:
        kept = pickle.load(file)
    assert [name for name, array in kept.items() if getattr(array, "dtype", "") == np.uint16]


def test_other_pickles_are_not_of_paddle(tmp_path):
    (tmp_path / "w").write_bytes(pickle.dumps({"w": np.ones(2, np.uint16)}))
    assert load(tmp_path / "w")["w"].dtype == np.uint16
    assert refusal(load_paddle, tmp_path / "w").startswith(
        "it has no 'StructuredToParameterName@@'"
    )
    (tmp_path / "w").write_bytes(pickle.dumps([1]))
    assert "paddle.save" in refusal(load_paddle, tmp_path / "w")
