"""What is asked of every model that goes on with a text, whatever its family."""

import ast
import sys
from unittest import mock

import numpy as np

from tests import SNIPPETS_DIR
from tests.parity import FLOAT64
from tests.sabotage import sabotaged

MODELS = SNIPPETS_DIR / "models"
ROUNDING = 1e-13  # of the largest number, where two ways add in another order


def near(ours, reference, tolerance=FLOAT64):
    """Fail unless both have one shape and dtype and differ by rounding only."""
    assert (ours.shape, ours.dtype) == (reference.shape, reference.dtype)
    assert np.isfinite(reference).all()
    assert np.isfinite(ours).all()
    error = np.abs(ours - reference).max(initial=0)
    scale = np.abs(reference).max(initial=0)
    assert error <= tolerance * scale, f"off by {error:.2g}, at a scale of {scale:.2g}"


def padding(batch, time, side):
    """Return a mask (batch, time) with another amount of padding in each row, at least a token."""
    count = np.arange(batch)[:, None] % time
    at = np.arange(time) if side == "left" else np.arange(time)[::-1]
    return (at >= count).astype(int) if side else np.ones((batch, time), int)


def positions(mask):
    """Return the positions that the library's generate gives its forward."""
    return np.maximum(np.cumsum(mask, axis=1) - 1, 0)


def cache_equals_whole(model, ids, weights, config, mask=None):
    """Fail unless ids given bit by bit get the logits of all at once."""
    whole = model.forward(ids, weights, config, attention_mask=mask)
    cache, got = [], []
    for some in (slice(0, 4), slice(4, 5), slice(5, None)):
        seen = None if mask is None else mask[:, : some.stop]
        got.append(model.forward(ids[:, some], weights, config, attention_mask=seen, cache=cache))
    got = np.concatenate(got, axis=1)
    real = slice(None) if mask is None else mask > 0
    near(got[real], whole[real], ROUNDING)


def padding_changes_nothing(model, ids, weights, config):
    """Fail unless a sequence alone and one beside longer ones get the same, whatever the pad is."""
    for side in ("left", "right"):
        mask = padding(*ids.shape, side)
        filled = np.where(mask, ids, 1)
        logits = model.forward(filled, weights, config, attention_mask=mask)
        after = model.forward(filled, weights, config, attention_mask=mask, last=True)
        tokens = model.generate(filled, weights, config, 3, attention_mask=mask)
        for row, (text, real) in enumerate(zip(ids, mask, strict=True)):
            alone = model.forward(text[None, real > 0], weights, config)[0]
            near(logits[row, real > 0], alone, ROUNDING)
            near(after[row, 0], alone[-1], ROUNDING)
            one = model.generate(text[None, real > 0], weights, config, 3)
            np.testing.assert_array_equal(tokens[row], one[0])


def agrees(model, config, weights, arrays):
    """Fail unless a model does with a golden case what the library did."""
    mask = arrays["mask"]
    logits = model.forward(arrays["ids"], weights, config, attention_mask=mask)
    near(logits[mask > 0], arrays["logits"][mask > 0])
    if "generated" in arrays:  # where padding is on the right, the library goes on from it
        steps = arrays["generated"].shape[1]
        ids = model.generate(arrays["ids"], weights, config, steps, attention_mask=mask)
        np.testing.assert_array_equal(ids, arrays["generated"])


def files_of(path, found=None):
    """Return {path: text} of a snippet and of all that it imports from beside it."""
    found = {} if found is None else found
    found[path] = path.read_text("utf-8")
    for node in ast.parse(found[path]).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1]
            imported = folder.joinpath(*node.module.split(".")).with_suffix(".py")
            if imported not in found:
                files_of(imported, found)
    return found


def broken(stem, old, new):
    """Return a model with one place of it, or of a file that it imports, reading otherwise."""
    path = MODELS / f"{stem}.py"
    (there,) = [file for file, text in files_of(path).items() if old in text]
    if there == path:
        return sabotaged(path, old, new)
    name = f"snippets.{there.parent.name}.{there.stem}"
    with mock.patch.dict(sys.modules, {name: sabotaged(there, old, new)}):
        return sabotaged(path, *[path.read_text("utf-8")] * 2)
