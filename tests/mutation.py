"""Change a snippet in one place and see its test fail: ``python -m tests.mutation [snippet ...]``.

With two numbers behind them, a seed and how many, as many mutants of each are drawn.
``python -m tests.mutation docs`` plants lies in the pages instead: tests/lies.py. A script of the
theme is changed, too: tests/scripts.py.

Prints every change that no test notices, a survivor. One process imports torch and forks a child
for each mutant, in which the snippet's import gives the mutant. What reads the snippet's file
(shape comments, sabotages) would see the original, so it is left out.
"""

import ast
import gc
import importlib.machinery
import multiprocessing
import os
import random
import re
import sys
import time
from pathlib import Path

import hypothesis
import pytest
import torch

from tests import ROOT, SNIPPETS, SNIPPETS_DIR

CHILDREN = 2
SHARED = "blocks", "rotary"  # which the models call: the tests of all of them are theirs, too
PYTEST = [
    *("-x", "-q", "--import-mode=importlib", "-o", "addopts=", "-p", "no:cacheprovider"),
    *("-p", "no:unraisableexception", "-p", "_hypothesis_pytestplugin"),
    *("-k", "not shape_comments and not sabotage"),
]
SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


def changed(node, **fields):
    """Return the text of a node with other fields."""
    return ast.unparse(type(node)(**(vars(node) | fields)))


def replacements(node):
    """Yield (part of the node, text to put there): every mutant of a node itself."""
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPS:
        yield node, changed(node, op=SWAPS[type(node.op)]())
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            swapped = [*node.ops[:i], SWAPS[type(op)](), *node.ops[i + 1 :]]
            yield node, changed(node, ops=swapped)
    elif isinstance(node, ast.UnaryOp):
        yield node, ast.unparse(node.operand)
    elif isinstance(node, ast.Constant | ast.JoinedStr):
        value = getattr(node, "value", "f")
        if isinstance(value, bool):
            yield node, str(not value)
        elif isinstance(value, int | float):
            yield from ((node, repr(value + step)) for step in (1, -1))
        elif isinstance(value, str) and value:
            yield node, "''"
    elif isinstance(node, ast.Call):
        for i in range(len(node.keywords)):
            yield node, changed(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node, ast.unparse(node.value)
    elif isinstance(node, ast.IfExp):
        yield from ((node, ast.unparse(branch)) for branch in (node.body, node.orelse))
    elif isinstance(node, ast.If | ast.While):
        yield node.test, f"not ({ast.unparse(node.test)})"
    elif isinstance(node, ast.comprehension):
        yield from ((test, "True") for test in node.ifs)
    elif isinstance(node, ast.Return) and node.value:
        yield node.value, "None"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield node, "None"


def targets(node):
    """Yield the nodes below a node, without docstrings and the parts of f-strings."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            yield child
            if not isinstance(child, ast.JoinedStr):
                yield from targets(child)


def mutants(source):
    """Yield ("line:column", old, new, mutated source)."""
    data = source.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in targets(ast.parse(source)):
        for part, new in replacements(node):
            begin = starts[part.lineno - 1] + part.col_offset
            end = starts[part.end_lineno - 1] + part.end_col_offset
            mutated = data[:begin] + f"({new})".encode() + data[end:]
            where = f"{part.lineno}:{part.col_offset + 1}"
            yield where, ast.unparse(part), new, mutated.decode()


def run(path, source):
    """Run the tests of the snippet at path, which reads source; the child's exit code tells."""
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(loader, name):
        mine = Path(loader.path) == path
        return compile(source, str(path), "exec") if mine else original(loader, name)

    importlib.machinery.SourceFileLoader.get_code = get_code
    for name in [name for name in sys.modules if re.match(r"(?:snippets|docs|tests)\b", name)]:
        del sys.modules[name]  # what imports the mutant is imported again
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os._exit(pytest.main([*PYTEST, *map(str, tests_of(path))]))


def tests_of(path):
    """Return the files of tests that a snippet's mutants have to pass, its own one first."""
    folder = ROOT / "tests" / path.parent.relative_to(SNIPPETS_DIR)
    own = folder / f"test_{'load' if path.stem == '__init__' else path.stem}.py"  # the readers'
    more = sorted(folder.glob("test_*.py")) if path.stem in SHARED else []
    return [own, *(test for test in more if test != own)]


def exit_codes(path, sources, timeout):
    """Return the exit code of each source's tests, -9 where they took too long."""
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=run, args=(path, source)) for source in sources]
    running = {}
    for child in [*children, None]:
        while len(running) == CHILDREN or (running and child is None):
            time.sleep(0.01)
            for one in [one for one in running if time.monotonic() > running[one]]:
                one.kill()
            running = {one: end for one, end in running.items() if one.is_alive()}
        if child:
            child.start()
            running[child] = time.monotonic() + timeout
    return [child.exitcode for child in children]


def report(path, seed=0, some=None):
    """Print the survivors of one snippet, or of some of its mutants; return how many there are."""
    source, begin = path.read_text("utf-8"), time.monotonic()
    name = path.relative_to(ROOT)
    if exit_codes(path, [source], 600) != [0]:
        sys.exit(f"{name}: its tests fail without a mutant")
    timeout = 10 + 10 * (time.monotonic() - begin)
    found = list(mutants(source))
    if some is not None:
        found = random.Random(seed).sample(found, min(some, len(found)))
    codes = exit_codes(path, [mutated for *_, mutated in found], timeout)
    for (where, old, new, _), code in zip(found, codes, strict=True):
        if code == 0:
            print(f"{name}:{where}: {old} -> {new}")
    survived, hung, seconds = codes.count(0), codes.count(-9), time.monotonic() - begin
    print(f"{name}: {len(codes)} mutants, {survived} survived, {hung} hung, {seconds:.0f} s")
    return survived


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.reconfigure(line_buffering=True)
    if sys.argv[1:] and sys.argv[1].endswith(".js"):
        from tests import scripts

        sys.exit(scripts.main(Path(sys.argv[1]).resolve(), *sys.argv[2:]) > 0)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.freeze()  # what is imported here, no child goes through again
    # The same examples for every mutant, and no search for the smallest that fails.
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None, phases=phases)
    hypothesis.settings.load_profile("mutation")
    if sys.argv[1:2] == ["docs"]:
        from tests import lies

        sys.exit(lies.main(*sys.argv[2:]))
    numbers = [int(given) for given in sys.argv[1:] if given.isdecimal()]
    named = [Path(given).resolve() for given in sys.argv[1:] if not given.isdecimal()]
    sys.exit(sum(report(path, *numbers) for path in named or SNIPPETS) > 0)
