"""Run what port writes: its text as a module, or its folder as a package."""

import functools
import importlib
import sys
import types
import warnings
from contextlib import contextmanager

from snippets.port import port
from snippets.port.capture import named_inputs
from snippets.port.write import write
from tests.port.models import MODELS, spread, torch


def program_of(graph, ran):
    """Return the forward of the program of a graph, its recipes those of snippets."""
    text, _ = write(graph, ran)
    module = types.ModuleType("snippets.written")
    module.__package__ = "snippets"
    exec(compile(text, "written", "exec"), module.__dict__)
    return module.forward


@contextmanager
def imported(folder):
    """Give the package that was written to a folder."""
    sys.path.insert(0, str(folder.parent))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(folder.name)
    finally:
        sys.path.remove(str(folder.parent))
        for name in [n for n in sys.modules if n.split(".")[0] == folder.name]:
            del sys.modules[name]


@functools.cache
def exported(name):
    """Return a model of tests/port/models.py, its inputs by name, and what torch.export made."""
    make, args = MODELS[name]
    model = spread(make())
    named = named_inputs(model, args, {})
    # As people export: layers are not captured whole. torch.export warns of its own insides.
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        program = torch.export.export(model, args).run_decompositions({})
    return model, named, program


def written_to(tmp_path, model, args, dynamic=None):
    """Return the folder of the program of a model; each call has another."""
    return port(model, args, folder=tmp_path / f"p{len(list(tmp_path.iterdir()))}", dynamic=dynamic)
