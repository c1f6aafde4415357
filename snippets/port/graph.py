"""A model's graph as plain data, read from what ``torch.export`` captured.

The generator reads nothing else: ``pt2.py`` makes the same data of a file, without torch.
"""

import re
from dataclasses import dataclass, field


class PortError(ValueError):
    """What a model does cannot be written in NumPy; says where it does so, and the way out."""


@dataclass(frozen=True)
class Ref:
    """A value of the graph, by its name."""

    name: str


@dataclass(frozen=True)
class DType:
    """A dtype among the arguments of an operation."""

    name: str


@dataclass(frozen=True)
class Array:
    """What is known of a tensor: its shape, with a word for an axis of any size, and its dtype."""

    shape: tuple
    dtype: str


@dataclass(frozen=True)
class Frame:
    """A line of the user's source; its code is "" where Python has no source, as in a console."""

    file: str
    line: int
    function: str
    code: str

    def __str__(self):
        """Return the file, the line and its code, for a message."""
        return f"{self.file}, line {self.line}" + (f": {self.code}" if self.code else "")


@dataclass
class Node:
    """One operation.

    Parameters
    ----------
    target : str
        Its name with its overload, "aten.add.Tensor"; on sizes, "operator.mul".
    args : dict
        Its arguments by the names of its schema: numbers, Refs, DTypes, lists of them. What was
        left at its default is not in it.
    names : tuple of str
        What it makes, "" for a part that nothing uses.
    values : tuple of Array or None
        What is known of each; None for a size.
    is_several : bool
        Whether it makes a tuple.
    stack : tuple of (str, str)
        The modules it is called in, outermost first: path, class. A second call of one ends
        in "@1".
    frames : tuple of Frame
        The lines that led to it, outermost first.
    """

    target: str
    args: dict
    names: tuple
    values: tuple
    is_several: bool = False
    stack: tuple = ()
    frames: tuple = ()

    def where(self):
        """Return the operation, its module and the line of the user's source, for a message."""
        path, cls = self.stack[-1] if self.stack else ("", "")
        module = f" in {path} ({cls.rsplit('.', 1)[-1]})" if path else ""
        frame = next((f for f in reversed(self.frames) if not is_torchs(f.file)), None)
        line = f", {frame}" if frame else ""
        return f"{self.target}{module}{line}"


@dataclass
class Called:
    """What one call of a module was given and returned, as run.py prints arrays.

    Parameters
    ----------
    given : dict of str to tuple
    returned : list of tuple
    """

    given: dict = field(default_factory=dict)
    returned: list = field(default_factory=list)


@dataclass
class Graph:
    """A captured model.

    Parameters
    ----------
    name : str
        Its class.
    inputs : dict
        The arguments of its forward, by name: Refs and constants, nested as they are given.
    known : dict of str to Array
        What is known of each input.
    nodes : list of Node
    output : Ref, constant, or tuple, list and dict of them
    weights : dict of str to str
        The name in ``state_dict()`` of each value that is stored.
    arrays : dict of str to array
        What is stored, under all its names.
    apart : set of str
        Those of them that no ``state_dict()`` holds.
    guards : list of str
        What holds of the sizes, or forward does something else: "batch > 3".
    calls : dict of str to Called
        The calls of modules, by their places in a stack.
    limit : int or None
        How many entries a value may have: a file may ask for any number.
    """

    name: str
    inputs: dict
    known: dict
    nodes: list
    output: object
    weights: dict
    arrays: dict
    apart: set = field(default_factory=set)
    guards: list = field(default_factory=list)
    calls: dict = field(default_factory=dict)
    limit: int | None = None


def single_place(graph):
    """Return where a model of float64 computes in float32 all the same; None if it does not."""
    dtypes = {str(array.dtype) for array in graph.arrays.values()}
    dtypes |= {value.dtype for value in graph.known.values()}
    for node in graph.nodes if "float64" in dtypes else []:
        if "float32" in (getattr(value, "dtype", "") for value in node.values):
            path = node.stack[-1][0] if node.stack else ""
            return re.sub(r"[^\w.]", "", path) or "forward"
    return None


def is_torchs(file):
    """Return whether a line of source is one of PyTorch's own, or stands for one."""
    file = file.replace("\\", "/")
    return "/torch/" in file or file.startswith("torch/") or file.endswith("port/whole.py")


def refs(value):
    """Yield the names of all values that an argument refers to."""
    if isinstance(value, Ref):
        yield value.name
    elif isinstance(value, dict):
        for part in value.values():
            yield from refs(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from refs(part)


TRACE = re.compile(r'File "(.+)", line (\d+), in (.+)(?:\n    (.*))?')


def frames_of(trace):
    """Return the frames of a stack trace."""
    return tuple(Frame(f, int(n), name, code) for f, n, name, code in TRACE.findall(trace or ""))
