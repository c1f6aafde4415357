"""Write a program's folder: what it runs on, and nothing else."""

import ast
import pathlib

from ..checkpoints import save_npz, save_safetensors
from .graph import single_place

SNIPPETS = pathlib.Path(__file__).parents[1]

INIT = '''"""{title}.

    from {name} import load, forward
    outputs = forward(load(), ...)

{proof}

Written by snippets.port. The recipes are MIT-0; the weights are your own.
"""

import pathlib

import numpy as np

from .model import forward

__all__ = ["forward", "load"]


def load():
    """Return the weights under their names in ``state_dict()``, and what is stored besides."""
    weights = {{}}
    for path in pathlib.Path(__file__).parent.glob("[cw]*s.npz"):  # constants.npz, weights.npz
        with np.load(path) as file:
            weights |= file
{more}    return weights
'''

PROVED = """``python -m {name}`` compares it with what PyTorch gave. Its outputs
were equal to PyTorch's when it was written."""

UNPROVED = """It was written from a file that holds no outputs, and compared with
nothing. ``python -m {name} --against recorded.npz`` does so, with what
``snippets.parity.record`` recorded where PyTorch is."""

SAFETENSORS = """    path = pathlib.Path(__file__).parent / "weights.safetensors"
    stored = load_safetensors(path)
    weights |= {key: stored[key] for key in stored}
"""

MAIN = '''"""Run a recording: see port/replay.py."""

import pathlib
import sys

from . import forward, load
from .port.replay import main

if __name__ == "__main__":
    sys.exit(main(load, forward, pathlib.Path(__file__).parent, sys.argv[1:]))
'''


def write_package(folder, text, graph, modules, recorded, safetensors=False):
    """Write the folder of a program.

    Parameters
    ----------
    folder : path
        It is made.
    text : str
        The program, model.py.
    graph : Graph
        Its weights and its class.
    modules : set of str
        The modules of snippets that it calls, "layers.linear".
    recorded : dict or None
        What goes into recorded.npz. Without it, the program says that it is not proved.
    safetensors : bool
        Whether the weights are a .safetensors, instead of a .npz.
    """
    folder.mkdir(parents=True)
    name = folder.name
    title = f"{graph.name} in NumPy" if graph.name.isidentifier() else "A model in NumPy"
    proof = (UNPROVED if recorded is None else PROVED).format(name=name)
    init = INIT.format(title=title, name=name, proof=proof, more=SAFETENSORS * safetensors)
    if safetensors:
        modules = {*modules, "checkpoints.safetensors_file"}
        line = "from .checkpoints.safetensors_file import load_safetensors\n"
        init = init.replace("from .model", f"{line}from .model")
    (folder / "__init__.py").write_text(init, "utf-8")
    (folder / "__main__.py").write_text(main_of(graph), "utf-8")
    (folder / "model.py").write_text(text, "utf-8")
    held = {k: v for k, v in graph.arrays.items() if k not in graph.apart}
    if safetensors:
        save_safetensors(folder / "weights.safetensors", held)
    else:
        save_npz(folder / "weights.npz", held)
    if graph.apart:
        save_npz(folder / "constants.npz", {key: graph.arrays[key] for key in sorted(graph.apart)})
    if recorded is not None:
        save_npz(folder / "recorded.npz", recorded)
    for module in closure({*modules, "port.replay"}):
        path = folder / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        if path.parent != folder:
            (path.parent / "__init__.py").touch()
        source = SNIPPETS / f"{module.replace('.', '/')}.py"
        path.write_bytes(source.read_bytes())


def main_of(graph):
    """Return __main__.py; a model that computes in float32 all the same agrees less closely."""
    place = single_place(graph)
    if place is None:
        return MAIN
    line = f'TOLERANCES["float64"] = 1e-6  # it computes in float32, first in {place}\n'
    main = MAIN.replace("from .port.replay", "from .parity import TOLERANCES\nfrom .port.replay")
    return main.replace("\nif __name__", f"\n{line}\nif __name__")


def closure(modules):
    """Return modules of snippets and all that they import, relatively."""
    found, todo = set(), [*modules]
    while todo:
        module = todo.pop()
        if module in found:
            continue
        found.add(module)
        source = (SNIPPETS / f"{module.replace('.', '/')}.py").read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.level:
                above = module.split(".")[: -node.level]
                todo.append(".".join([*above, node.module]))
    return found
