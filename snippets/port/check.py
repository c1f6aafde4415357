"""Compare a written program with the model it was written from, where torch can't be imported."""

import itertools
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from ..checkpoints import save_npz
from ..parity import HALVES, as_array, leaves
from .graph import PortError, Ref
from .guards import holds

# Runs `python -m name ...` where torch can't be imported.
ALONE = """
import runpy, sys
sys.modules["torch"] = None
name = sys.argv.pop(1)
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""


def cases(model, args, kwargs, named, graph):
    """Yield recordings of a model: of its example inputs, of fresh ones, and of other sizes.

    Parameters
    ----------
    model : torch.nn.Module
    args, kwargs
        As the model is called.
    named : dict
        The same by the names of forward.
    graph : Graph

    Yields
    ------
    guard : str
        "" for those that the program has to give; else a condition that they don't hold, since
        torch.export takes for granted that no size is 1: the program may need it or not.
    recorded : dict or None
        As ``snippets.parity.record`` writes it, without the layers; None if the model takes none.
    """
    import torch
    from torch.utils import _pytree as pytree

    from .capture import named_inputs

    rng = np.random.default_rng(0)
    tensors = pytree.tree_leaves(tuple(named.values()))
    places = pytree.tree_leaves(tuple(graph.inputs.values()))
    shapes = [graph.known[p.name].shape if isinstance(p, Ref) else () for p in places]
    as_given = sizes_of(shapes, tensors)
    for case, (guard, sizes) in enumerate(tried(as_given, graph)):
        new = {
            id(t): fresh(t, shape, sizes, rng) if case else t.clone()
            for t, shape in zip(tensors, shapes, strict=True)
            if isinstance(t, torch.Tensor)
        }
        given, options = pytree.tree_map(
            lambda leaf, new=new: new.get(id(leaf), leaf), (args, kwargs)
        )
        recorded = recording("input", named_inputs(model, given, options))
        with torch.no_grad():
            try:
                recorded |= recording("output", model(*given, **options))
            except Exception as error:
                if guard:  # the model itself takes no such size
                    yield from [(guard, None)] * (guard in graph.guards)
                    continue
                raise PortError(f"the model fails on inputs like its example: {error}") from error
        yield guard, recorded


def tried(sizes, graph):
    """Yield the sizes of each case: as given, twice; two others; those where something is 1."""
    yield "", sizes
    yield "", sizes
    steps = (
        {word: n + step * (1 + i) for i, (word, n) in enumerate(sizes.items())}
        for step in range(1, 200)
    )
    good = (other for other in steps if all(holds(guard, other) for guard in graph.guards))
    if sizes:
        yield from (("", other) for other in itertools.islice(good, 2))
    for word in sizes:
        small = sizes | {word: 1}
        if all(holds(guard, small) for guard in graph.guards):
            yield f"{word} > 1", small
    for guard in filter(is_doubtful, graph.guards):
        small = [sizes | {word: n} for word in sizes for n in range(1, 10)]
        small = [one for one in small if not holds(guard, one)]
        rest = [other for other in graph.guards if other != guard]
        yield from ((guard, one) for one in small if all(holds(other, one) for other in rest))


def is_doubtful(guard):
    """Return whether a condition says no more than that something is not 1."""
    return guard.endswith(" != 1")


def recording(name, value):
    """Return what an .npz says of inputs or outputs, halves as float32 and named as halves."""
    arrays, halves = {}, {half: [] for half in HALVES}
    for part, leaf in leaves(name, value):
        arrays[part], dtype = as_array(leaf)
        if dtype in halves:
            halves[dtype].append(part)
    return arrays | {half: names for half, names in halves.items() if names}


def sizes_of(shapes, tensors):
    """Return the size of each axis of any size in the example."""
    sizes = {}
    for shape, tensor in zip(shapes, tensors, strict=True):
        for word, size in zip(shape, getattr(tensor, "shape", ()), strict=True):
            if isinstance(word, str) and word.isidentifier():
                sizes[word] = int(size)
    return sizes


def fresh(tensor, shape, sizes, rng):
    """Return another tensor of this kind: as large, and of a set if it looks like one."""
    import torch

    shape = [eval(n, {}, dict(sizes)) if isinstance(n, str) else n for n in shape]
    if tensor.is_complex():
        made = rng.normal(size=shape) + 1j * rng.normal(size=shape)
        return torch.from_numpy(made).to(tensor.dtype)
    seen = tensor.detach().double()
    kinds = torch.unique(seen) if seen.numel() else seen.new_zeros(1)
    if tensor.is_floating_point() and len(kinds) > 2:
        scale = float(seen.std())
        made = torch.from_numpy(rng.normal(float(seen.mean()), scale, shape))
        made = made.clamp(float(seen.min()), float(seen.max()))  # a chance stays one
    elif len(kinds) <= 2:
        made = kinds[torch.from_numpy(rng.integers(0, len(kinds), shape))]
    else:
        made = torch.from_numpy(rng.integers(int(seen.min()), int(seen.max()) + 1, shape))
    return made.to(tensor.dtype).reshape(shape)


def check_program(folder, recordings):
    """Raise unless a program gives what was recorded, in a process without torch."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = [folder / "recorded.npz"]
        for i, recorded in enumerate(recordings):
            paths.append(pathlib.Path(temporary) / f"{i}.npz")
            save_npz(paths[-1], recorded)
        command = [sys.executable, "-c", ALONE, folder.name, "--against", *paths]
        done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if not line.endswith(" agrees")]
        last = done.stderr.strip().splitlines()[-1:]
        raise PortError(
            f"the program was written, but it does not give what the model gives: "
            f"{'; '.join(said + last)}"
        )
