"""A model as one file: its own code first, then all that it calls, each name once.

A reader who has this file needs NumPy alone: the recipes, what the models have in common and the
readers of their files are in it. It is cut from the tested files; no line of them is changed.
"""

import ast
import functools
import pathlib
from typing import NamedTuple

SNIPPETS = pathlib.Path(__file__).parents[2] / "snippets"
FOLDER = "models/folder.py", "read_folder"
# torchvision has no folder, but a file.
FILE = "checkpoints/torch_file.py", "load_torch"
READERS = {"resnet": [FILE, FOLDER], "vit": [FILE, FOLDER]}
MARK = "# What refuses wrong input"
HEAD = '''"""{title}

All that it calls is below it, so that it needs NumPy alone. Joined from the files of Out × In, a
part under the name of each: they are compared with the libraries themselves. MIT-0.
"""

{imports}
'''


class Part(NamedTuple):
    """A statement of a module: the lines from the one before it on, its names, those it uses."""

    text: str
    defined: set
    used: set


def stems():
    """Return the names of the models: files that have a forward."""
    files = sorted(SNIPPETS.glob("models/*.py"))
    return [path.stem for path in files if "\ndef forward(" in path.read_text("utf-8")]


@functools.cache
def joined(stem):
    """Return the one file of a model, as bytes."""
    files = {name: (SNIPPETS / name).read_text("utf-8") for name in files_of(stem)}
    parts = {name: parts_of(code) for name, code in files.items()}
    model = next(iter(files))
    roots = {name for part in parts[model] for name in part.defined}
    roots |= {name for _, name in READERS.get(stem, [FOLDER])}
    called = all_called(roots, [part for own in parts.values() for part in own])
    known, kept = set(), []
    for name, own in parts.items():
        text = chosen(own, called - known)
        known |= {name for part in own for name in part.defined}
        kept.append(f"# {'-' * (97 - len(name))} {name}\n\n\n{text}\n")
    title = ast.get_docstring(ast.parse(files[model]))
    head = HEAD.format(title=title, imports=imports(files.values(), called))
    return "\n".join([head, "\n\n".join(kept)]).encode()


def files_of(stem):
    """Return the files that a model is joined from, its own one first."""
    model, readers = f"models/{stem}.py", READERS.get(stem, [FOLDER])
    return list(dict.fromkeys([model, *below([model, *(name for name, _ in readers)])]))


def below(names):
    """Return files and all that they import from beside them, what is imported first."""
    found = []
    for name in names:
        path = SNIPPETS / name
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = path.parents[node.level - 1]
                imported = folder.joinpath(*node.module.split(".")).with_suffix(".py")
                found += below([imported.relative_to(SNIPPETS).as_posix()])
        found.append(name)
    return list(dict.fromkeys(found))


def parts_of(code):
    """Return the statements of a module, without its docstring and its imports."""
    lines, nodes = code.split("\n"), ast.parse(code).body
    ends = [node.end_lineno for node in nodes]
    return [
        Part("\n".join(lines[begin : node.end_lineno]), names_of(node), used_by(node))
        for begin, node in zip(ends, nodes[1:], strict=False)
        if not isinstance(node, ast.Import | ast.ImportFrom)
    ]


def names_of(node):
    """Return the names that a statement of a module defines, or changes: ``SHORT.maxstring``."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {name.id for target in targets for name in ast.walk(target) if hasattr(name, "id")}


def used_by(node):
    """Return the names that a statement uses."""
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def all_called(names, parts):
    """Return names with all that their parts use, and what these use, and so on."""
    todo, found = set(names), set()
    while todo:
        found |= todo
        todo = {name for part in parts if part.defined & found for name in part.used} - found
    return found


def chosen(parts, names):
    """Return the parts that define one of some names, as they stand in their file."""
    texts, refuses = [], False
    for part in parts:
        refuses = refuses or MARK in part.text
        if part.defined & names:
            texts += [f"\n\n{MARK}"] * (refuses and MARK not in part.text) + [part.text]
            refuses = False
    return "\n".join(texts).strip("\n")


def imports(codes, names):
    """Return the imports of some files that bind one of some names, NumPy's below the others."""
    lines, parts = set(), {}
    for node in [node for code in codes for node in ast.parse(code).body]:
        bound = [one for one in getattr(node, "names", []) if (one.asname or one.name) in names]
        if isinstance(node, ast.Import) and bound:
            lines.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for one in bound:
                if one.asname:
                    lines.add(f"from {node.module} import {ast.unparse(one)}")
                else:
                    parts.setdefault(node.module, set()).add(one.name)
    lines |= {f"from {module} import {', '.join(sorted(told))}" for module, told in parts.items()}
    of_numpy = {line for line in lines if "numpy" in line}
    blocks = [sorted(some, key=in_order) for some in (lines - of_numpy, of_numpy)]
    return "\n\n".join("\n".join(block) for block in blocks)


def in_order(line):
    """Sort ``import`` before ``from``, then by module."""
    return line.startswith("from"), line
