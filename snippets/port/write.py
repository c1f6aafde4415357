"""Write the lines of a graph as a program: its imports, its shapes, its functions."""

import ast

from .functions import Writer
from .graph import single_place
from .layout import function_lines
from .lines import recipes, text_of, tree_of


def write(graph, ran):
    """Return the text of a program, and the modules of snippets that it calls."""
    writer = Writer(graph, ran)
    functions = writer.program()
    nodes = [n for function in functions for s in function.body for n in ast.walk(s)]
    called = {getattr(getattr(node, "func", None), "id", "") for node in nodes}
    called |= {getattr(n.value, "id", "") for n in nodes if isinstance(n, ast.keyword)}
    modules = {}
    for name in called & set(recipes()):
        modules.setdefault(recipes()[name], []).append(name)
    imports = [
        f"from .{module} import {', '.join(sorted(names))}"
        for module, names in sorted(modules.items())
    ]
    shapes = text_of(tree_of(writer.shapes()))
    place = single_place(graph)
    said = f'"""Computes in float32 inside, first in {place}, as the model does."""\n'
    parts = [said] if place else []
    parts += ["import numpy as np", "", *imports, "", f"SHAPES = {shapes}"]
    for function in functions:
        parts += ["", "", *function_lines(function)]
    return "\n".join(parts) + "\n", set(modules)
