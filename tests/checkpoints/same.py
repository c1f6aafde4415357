"""When two checkpoints are equal: what torch makes of one, and what a reader here does."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")


def as_numpy(value):
    """Return what torch gives as the readers here give it: bfloat16 and float8 as float32."""
    if isinstance(value, dict):
        return {key: as_numpy(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_numpy(part) for part in value]
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().resolve_conj().resolve_neg()
    wide = value.dtype is torch.bfloat16 or (value.is_floating_point() and value.itemsize == 1)
    return (value.float() if wide else value).numpy()


def assert_same(ours, theirs):
    """Fail unless ours is what torch gives: the same names in order, the same bits."""
    theirs = as_numpy(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        ours, theirs = [ours[name] for name in theirs], list(theirs.values())
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(theirs, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert np.array_equal(ours, theirs, equal_nan=theirs.dtype.kind in "fc")
    else:
        assert ours == theirs
