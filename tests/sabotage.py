"""A parity test shows that it can fail: break a snippet in one place and see it caught."""

import types

from tests import ROOT


def sabotaged(path, old, new):
    """Return the module at path with the one place that reads old reading new."""
    source = path.read_text("utf-8")
    assert source.count(old) == 1, f"{path.name} has {old!r} {source.count(old)} times"
    module = types.ModuleType(f"sabotaged_{path.stem}")
    module.__package__ = ".".join(path.parent.relative_to(ROOT).parts)  # for what it imports
    exec(compile(source.replace(old, new), f"sabotaged {path.name}", "exec"), module.__dict__)
    return module
