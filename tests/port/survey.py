"""Port models that nobody here wrote.

    OPENBLAS_NUM_THREADS=1 python -m tests.port.survey [library or model ...]

Needs torchvision, timm and transformers. Each model runs in a process of its own, and what is
found is written to docs/measured/survey.json after each; a model that is there is not run again
unless it is named. Their order is drawn by a seed, so that a survey that is stopped is a sample.
Times are those of one core, so that they hold on a busy machine, too.

With ``--short`` it runs a few of each library again and fails if one is not what the file says.
"""

import collections
import importlib.metadata
import json
import multiprocessing
import os
import pathlib
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import date

import numpy as np
import torch

from snippets.parity import leaves
from snippets.port import PortError, capture, port
from tests import ROOT
from tests.port.libraries import LARGEST, MODELS, TOO_LARGE
from tests.port.programs import imported

PATH = ROOT / "docs/measured/survey.json"
COMMAND = "OPENBLAS_NUM_THREADS=1 python -m tests.port.survey"
SECONDS, MINUTES, BYTES = 60, 20, 7 * 2**30  # of one core, by the clock, of memory, for one model
SHORT, QUICK = 8, 10  # so many of each library, of those that take less than so many seconds
BOUNDS = {"double": 1e-11, "mixed": 1e-6, "single": 1e-5}  # of the largest number
GAINS = 1.0, 0.4  # how far weights are spread; an error grows with each layer, too
STATES = ["wrong", "fails", "differs", "refused", "not captured", "not run"]


def spread(model, args, kwargs, seed, gain=1.0):
    """Spread the weights, so that each shows, and give norms the statistics of an input."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                fan_in = parameter[0].numel()
                parameter.normal_(0, gain * (1.5 / fan_in) ** 0.5)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
        norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.momentum = None
            norm.reset_running_stats()
            norm.train()
        if norms:
            model(*args, **kwargs)
    return model.eval()


def called(make):
    """Return the first of the models and inputs of ``make`` that runs, in float64 if it does."""
    error = None
    for model, args, kwargs in make():
        model.eval()
        if sum(p.numel() for p in model.parameters()) > LARGEST:
            raise ValueError(TOO_LARGE)
        for kind in (torch.float64, torch.float32):

            def cast(x, kind=kind):
                return x.to(kind) if torch.is_tensor(x) and x.is_floating_point() else x

            given = torch.utils._pytree.tree_map(cast, (args, kwargs))
            try:
                with torch.no_grad():
                    model.to(kind)(*given[0], **given[1])
            except Exception as other:
                error = error or other
            else:
                return model, *given
    raise error or ValueError("nothing to call it with")


def distance(package, weights, model, args, kwargs):
    """Return how far a program is from the model, relative to the largest number of an output."""
    with torch.no_grad():
        expected = dict(leaves("output", model(*args, **kwargs)))
    named = package_inputs(package, args, kwargs)
    found = 0.0
    for name, ours in leaves("output", package.forward(weights, **named)):
        theirs = np.asarray(expected[name])
        if theirs.dtype.kind not in "fc":
            found = max(found, float(not np.array_equal(ours, theirs)))
        elif theirs.size:
            with np.errstate(all="ignore"):
                gap = np.abs(ours - theirs)[
                    ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
                ]
            scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=1e-300)
            found = max(found, float(gap.max(initial=0) / scale))
    return found


def package_inputs(package, args, kwargs):
    """Return the inputs of a model as arrays, by the names of the program's forward."""
    words = list(package.forward.__code__.co_varnames[1 : package.forward.__code__.co_argcount])
    arrays = torch.utils._pytree.tree_map(
        lambda x: x.numpy().copy() if torch.is_tensor(x) else x, (args, kwargs)
    )
    return dict(zip(words, arrays[0], strict=False)) | arrays[1]


def cpu():
    """Return the seconds of a core that this process and those it waited for have used."""
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


@contextmanager
def exports():
    """Give a list of the seconds of a core that torch.export takes meanwhile."""
    captured, spent = capture.captured, []

    def timed(*args):
        begun = cpu()
        program = captured(*args)
        spent.append(cpu() - begun)
        return program

    capture.captured = timed
    try:
        yield spent
    finally:
        capture.captured = captured


def surveyed(make):
    """Return what becomes of one model, of smaller weights where numbers get too large."""
    found = surveyed_with(make, GAINS[0])
    return surveyed_with(make, GAINS[1]) if "differs" in found else found


def surveyed_with(make, gain):
    """Return what becomes of one model whose weights are spread so much."""
    torch.manual_seed(0)
    try:
        model, args, kwargs = called(make)
        model = spread(model, args, kwargs, 0, gain)
    except Exception as error:
        return {"not run": told(error)}
    begun = cpu()
    with tempfile.TemporaryDirectory() as temporary, exports() as spent:
        try:
            folder = port(model, args, kwargs, folder=pathlib.Path(temporary) / "ported")
        except PortError as error:
            kind = "not captured" if "torch.export can't capture" in str(error) else "refused"
            return {"differs" if "does not give what" in str(error) else kind: told(error)}
        found = {
            "lines": len((folder / "model.py").read_text("utf-8").splitlines()),
            "seconds": round(cpu() - begun, 1),
            "export": round(sum(spent), 1),
        }
        # The same program must hold for other weights.
        spread(model, args, kwargs, 1, gain)
        with imported(folder) as package:
            single = "TOLERANCES" in (folder / "__main__.py").read_text("utf-8")
            state = {k: v.detach().numpy() for k, v in model.state_dict().items()}
            error = distance(package, package.load() | state, model, args, kwargs)
    is_double = any(t.dtype == torch.float64 for t in [*model.state_dict().values(), *args])
    bound = BOUNDS["single" if not is_double else "mixed" if single else "double"]
    return found | {"error": float(f"{error:.1e}")} | ({} if error <= bound else {"wrong": error})


def told(error):
    """Return what an exception says in one short line that names no folder of a machine."""
    text = str(error) if isinstance(error, PortError) else f"{type(error).__name__}: {error}"
    text = re.sub(r"(?<!\w)/\S+/(?=[\w.]+\.py)", "", text)
    return re.sub(r"0x[0-9a-f]+", "0x", " ".join(text.split()))[:260]


def limited(make, pipe):
    """Run one model within its limits, and send what becomes of it."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout = sys.stderr = nowhere
        try:
            pipe.send(surveyed(make))
        except BaseException as error:  # a fault of the port itself counts, too
            pipe.send({"fails": told(error)})


def warm():
    """Load what the first capture loads, so that no model's time has it."""
    layer = torch.nn.Linear(2, 2).eval()
    torch.export.export(layer, (torch.ones(2, 2),)).run_decompositions({})


def alone(make):
    """Return what becomes of one model in a process of its own."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=limited, args=(make, theirs))
    process.start()
    theirs.close()
    try:
        found = ours.recv() if ours.poll(60 * MINUTES) else None
    except EOFError:
        found = None
    process.terminate()
    process.join()
    return found or {"not run": f"more than {SECONDS} seconds or {BYTES // 2**30} GB"}


def turns(lists):
    """Yield an entry of each list in turn, drawn by a seed: one that is stopped has some of all."""
    lists = [random.Random(0).sample(one, len(one)) for one in lists]
    share = [(i / len(one), k, x) for k, one in enumerate(lists) for i, x in enumerate(one)]
    yield from (x for *_, x in sorted(share, key=lambda entry: entry[:2]))


def read():
    """Return what was found so far, {library: {model: what became of it}}."""
    if not PATH.exists():
        return {}
    return json.loads(PATH.read_text("utf-8"))["models"]


def summary(models):
    """Return the figures of a table: for each library, and for all."""
    rows = {}
    # A name may occur in two libraries.
    every = {(library, name): v for library, m in models.items() for name, v in m.items()}
    for library, found in [*models.items(), ("all", every)]:
        count = collections.Counter(state(v) for v in found.values())
        done = [v for v in found.values() if "seconds" in v]
        shares = [v["export"] / v["seconds"] for v in done if "export" in v]
        captured = len(found) - count["not run"] - count["not captured"]
        rows[library] = {
            "models": len(found),
            "not run": count["not run"],
            "not captured": count["not captured"],
            "captured": captured,
            "equal": count["equal"],
            "share": round(100 * count["equal"] / captured, 1) if captured else 0.0,
            "refused": count["refused"] + count["differs"] + count["fails"],
            "wrong": count["wrong"],
            "lines": round(statistics.median(v["lines"] for v in done)) if done else 0,
            "seconds": round(statistics.median(v["seconds"] for v in done), 1) if done else 0.0,
            "export": round(100 * statistics.median(shares)) if shares else 0,
        }
    return rows


def refusals(models):
    """Return the rows of the table of what is refused: the library, the model, the operation."""
    return [
        [library, name, found["refused"].split()[0].rstrip(":,")]
        for library, each in models.items()
        for name, found in sorted(each.items())
        if "refused" in found
    ]


def rows_of(figures, there):
    """Return the rows of the table on the page; ``there`` is how many models a library has."""
    return [
        [
            library if library != "all" else "**all**",
            there.get(library, sum(there.values())),
            found["models"] - found["not run"],
            found["captured"],
            f"{found['equal']}\u00a0({found['share']}\u00a0%)",  # on one line
            found["lines"],
            found["seconds"],
        ]
        for library, found in figures.items()
    ]


def save(models, there):
    """Write what was found, a model a line; ``there`` is how many models a library has."""
    names = ("torch", "torchvision", "timm", "transformers", "numpy")
    head = {
        "date": date.today().strftime("%B %Y"),
        "command": COMMAND,
        "versions": {name: importlib.metadata.version(name) for name in names},
        "there": there,
        "bounds": BOUNDS,
        "summary": summary(models),
        "rows": rows_of(summary(models), there),
        "refusals": refusals(models),
    }
    text = json.dumps(head, indent=1)[:-2] + ',\n "models": {\n'
    parts = []
    for library, found in models.items():
        rows = (f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(found.items()))
        parts.append(f"  {json.dumps(library)}: {{\n" + ",\n".join(rows) + "\n  }")
    temporary = PATH.with_suffix(".tmp")
    temporary.write_text(text + ",\n".join(parts) + "\n }\n}\n", "utf-8")
    temporary.replace(PATH)


def state(found):
    """Return what became of a model in one word."""
    return next((word for word in STATES if word in found), "equal")


def main(names):
    """Survey models, and write what is found after each."""
    torch.set_num_threads(1)
    warm()
    models = read()
    lists = {library: [(library, *one) for one in every()] for library, every in MODELS.items()}
    there = {library: len(every) for library, every in lists.items()}
    for library, name, make in turns(lists.values()):
        if library in names or name in names or (not names and name not in models.get(library, {})):
            found = alone(make)
            print(time.strftime("%H:%M"), library, name, found, flush=True)
            models = read()
            models.setdefault(library, {})[name] = found
            save(models, there)


def short():
    """Run some models again; return how many are not what the file says they are."""
    torch.set_num_threads(1)
    warm()
    drifted = 0
    for library, known in read().items():
        quick = [name for name, found in known.items() if found.get("seconds", 0) < QUICK]
        makers = dict(MODELS[library]())
        for name in quick[:: max(1, len(quick) // SHORT)]:
            found = alone(makers[name])
            now, before = ((state(one), one.get("lines")) for one in (found, known[name]))
            print(
                library, name, *now, "" if now == before else f"was {before}: {found}", flush=True
            )
            drifted += now != before
    return drifted


if __name__ == "__main__":
    if sys.argv[1:] == ["--short"]:
        sys.exit(short() > 0)
    main(sys.argv[1:])
