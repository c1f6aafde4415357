"""Write a PyTorch model as a NumPy program: ``port(model, args)`` returns its folder."""

import keyword
import pathlib
import shutil
import tempfile

from .check import cases, check_program
from .graph import PortError
from .package import write_package
from .pt2 import graph_of_file
from .run import run
from .write import write

__all__ = ["PortError", "port", "port_file"]


def port(model, args, kwargs=None, folder="my_model", dynamic=None, *, safetensors=False):
    """Write the NumPy program of a PyTorch model, and compare it with the model.

    The folder is a Python package that needs NumPy alone::

        from my_model import load, forward
        outputs = forward(load(), x)

    Parameters
    ----------
    model : torch.nn.Module
        In ``eval()``, on the CPU.
    args : tuple
        Example inputs, as the model is called with them, several in one tuple; one tensor may
        stand without a tuple.
    kwargs : dict, optional
        Those that are given by name.
    folder : str or path
        Where the program is written. Its last part is the name it is imported by.
    dynamic : dict, optional
        The axes that may have any size: ``{"x": {0: "batch", 1: "time"}}``, or what
        ``torch.export`` takes as ``dynamic_shapes``. Without it, the program takes the sizes of
        the example alone, and says so.
    safetensors : bool
        Whether the weights are written as weights.safetensors instead of weights.npz.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    PortError
        A ValueError: the model does what a program can't, or its outputs differ. Nothing is
        written then.
    """
    from .capture import arrays_of, calls_of, captured, check_model, graph_of, named_inputs

    folder = free_folder(folder)
    args = tuple(args) if isinstance(args, tuple | list) else (args,)
    kwargs = {} if kwargs is None else kwargs
    if not isinstance(kwargs, dict):
        raise PortError(
            f"kwargs is a {type(kwargs).__name__}, not a dict: give several inputs in one tuple, "
            "port(model, (x, y))"
        )
    named = named_inputs(model, args, kwargs)
    check_model(model, named)
    graph = graph_of(captured(model, args, kwargs, named, dynamic), model, named, dynamic)
    graph.calls = calls_of(model, args, kwargs)
    arrays = arrays_of(graph, named)
    small = {}
    for guard, recorded in cases(model, args, kwargs, named, graph):
        small.setdefault(guard, []).append(recorded)
    large = small.pop("")
    graph.guards = [guard for guard in graph.guards if guard not in small]
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        draft = pathlib.Path(temporary) / folder.name
        write_program(draft, graph, arrays, large[0], safetensors)
        check_program(draft, large[1:])
        if wrong := [guard for guard, those in small.items() if not agrees(draft, those)]:
            graph.guards += wrong
            shutil.rmtree(draft)
            write_program(draft, graph, arrays, large[0], safetensors)
        put(draft, folder)
    return folder


def port_file(path, folder="my_model"):
    """Write the NumPy program of what ``torch.export.save`` wrote, without torch.

    Nothing of the file is executed. It holds no outputs, so that the program is not compared with
    the model, and says so.

    Parameters
    ----------
    path : str or path
        A .pt2 of ``torch.export.save(program.run_decompositions({}), path)``.
    folder : str or path
        As in ``port``.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    PortError
        A ValueError: the file is broken, or holds what a program can't be.
    """
    folder = free_folder(folder)
    graph, arrays = graph_of_file(path)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        draft = pathlib.Path(temporary) / folder.name
        write_program(draft, graph, arrays, None)
        put(draft, folder)
    return folder


def put(draft, folder):
    """Move what was written to its place."""
    if folder.exists():
        folder.rmdir()
    shutil.move(draft, folder)


def write_program(folder, graph, arrays, recorded, safetensors=False):
    """Write the folder of a graph's program; ``arrays`` are its example inputs."""
    text, modules = write(graph, run(graph, arrays))
    write_package(folder, text, graph, modules, recorded, safetensors)


def agrees(folder, recordings):
    """Return whether a program gives what was recorded; not where the model gives nothing."""
    if None in recordings:
        return False
    try:
        check_program(folder, recordings)
    except PortError:
        return False
    return True


def free_folder(folder):
    """Return the path of a folder that a program can be written to, or say why it can't."""
    folder = pathlib.Path(folder).absolute()
    if not folder.name.isidentifier() or keyword.iskeyword(folder.name):
        raise PortError(
            f"the folder is {folder.name!r}, but Python imports the program by this name: letters, "
            "digits and underscores, no keyword"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PortError(f"{folder} exists and is not empty: give another folder, or remove it")
    if not folder.parent.is_dir():
        raise PortError(f"{folder.parent} does not exist: make it first")
    return folder
