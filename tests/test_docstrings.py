"""Every public function tells its parameters, what it returns, what it raises, and what it equals.

numpydoc reads the docstrings; whether a function raises is read from the code that it calls; the
formula that one begins with is computed.
"""

import ast
import collections
import contextlib
import importlib
import inspect
import operator
import re

import numpy as np
import pytest

from tests import SNIPPETS_DIR

validate = pytest.importorskip("numpydoc.validate").validate
docscrape = pytest.importorskip("numpydoc.docscrape")

# Sections and their order; parameters complete, in order, with a type; Returns where it returns.
CODES = {"GL06", "GL07", "GL08", "SS01", "SS03", "PR01", "PR02", "PR03", "PR10", "RT01"}
PROGRAMS = {
    "checkpoints": ["load"],
    "checkpoints.distributed_folder": ["load_distributed"],
    "checkpoints.exported_file": ["load_exported"],
    "checkpoints.flax_file": ["load_flax"],
    "checkpoints.gguf_file": ["gguf_metadata", "load_gguf"],
    "checkpoints.npz": ["load_npz", "save_npz"],
    "checkpoints.onnx_file": ["load_onnx"],
    "checkpoints.package_file": ["load_package"],
    "checkpoints.paddle_file": ["load_paddle"],
    "checkpoints.safetensors_file": [
        "load_safetensors",
        "safetensors_header",
        "save_safetensors",
    ],
    "checkpoints.sharded": ["load_sharded"],
    "checkpoints.torch_file": ["load_torch", "state_dict_of"],
    "checkpoints.torchscript_file": ["load_torchscript"],
    "checkpoints.unpacked_folder": ["load_unpacked"],
    "describe": ["describe", "facts"],
    "families": ["family_of", "settings_of"],
    "lora": ["merged"],
    "parity": ["compare", "padded", "record", "unseen"],
    "quantized": [
        "dequantized",
        "from_awq",
        "from_bitsandbytes_4bit",
        "from_bitsandbytes_int8",
        "from_compressed_tensors",
        "from_gptq",
        "from_qtensor",
    ],
    "state_dict": ["under"],
    "storage": ["candidates", "stored"],
}
# What they call with names out of the registry, would raise for others.
RAISE_NOTHING = {"candidates", "describe", "facts"}
FACE = re.compile(r"(?:``nn\.\w+``|Return [^.]+): see ``(\w+)``\.")
CHECKS = "# What refuses wrong input"


def recipes(stem):
    """Return the functions above the checks of a file that are no mere steps of others."""
    module = importlib.import_module(f"snippets.layers.{stem}")
    above = inspect.getsource(module).partition(CHECKS)[0]
    functions = [f for _, f in inspect.getmembers(module, inspect.isfunction)]
    here = [f for f in functions if f"\ndef {f.__name__}(" in above]
    named = collections.Counter(re.findall(r"\w+", above))
    told = re.compile(rf"{FACE.pattern}|.*\n    Parameters\n.*", re.S)
    return [f for f in here if told.fullmatch(f.__doc__ or "") or named[f.__name__] == 1]


STEMS = sorted(path.stem for path in SNIPPETS_DIR.glob("layers/[!_]*.py"))
RECIPES = [f for stem in STEMS for f in recipes(stem)]
FUNCTIONS = RECIPES + [
    getattr(importlib.import_module(f"snippets.{module}"), name)
    for module, names in PROGRAMS.items()
    for name in names
]


def raises(function):
    """Return whether a function, or one of the snippets that it calls, raises."""
    reached, todo = set(), [function]
    while todo:
        one = todo.pop()
        reached.add(one)
        nodes = list(ast.walk(ast.parse(inspect.getsource(one))))
        if any(isinstance(node, ast.Raise) for node in nodes):
            return True
        called = [one.__globals__.get(node.id) for node in nodes if isinstance(node, ast.Name)]
        todo += [f for f in called if inspect.isfunction(f) and f not in reached]
    return False


def family(function):
    """Return the function that tells all of this one, whose docstring says no more than so."""
    said = FACE.fullmatch(function.__doc__ or "")
    return function.__globals__[said[1]] if said else None


def names_of(function):
    return list(inspect.signature(function).parameters)


def faults(function):
    """Return what is missing in the docstring of a function."""
    if whole := family(function):
        told = [name for name in names_of(whole) if name in names_of(function)]
        return faults(whole) if told == names_of(function) else [f"{told} are told"]
    found = validate(f"{function.__module__}.{function.__qualname__}")["errors"]
    said = [text for code, text in found if code in CODES]
    told = bool(docscrape.get_doc_object(function)["Raises"])
    if told != (raises(function) and function.__name__ not in RAISE_NOTHING):
        said.append("it raises and has no Raises, or the other way round")
    return said


def twins(function):
    """Return the names that See Also has."""
    function = family(function) or function
    seen = docscrape.get_doc_object(function)["See Also"]
    return [name for names, _ in seen for name, _ in names]


def test_docstrings_are_complete():
    found = {function.__name__: faults(function) for function in FUNCTIONS}
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize("function", RECIPES, ids=lambda f: f.__name__)
def test_a_recipe_names_what_it_equals(function):
    torch = pytest.importorskip("torch")
    names = twins(function)
    assert names
    for name in names:
        assert operator.attrgetter(name.removeprefix("torch."))(torch)


def added(a, b=1):
    """Return the sum.

    Parameters
    ----------
    a, b : array

    Returns
    -------
    array
    """
    return a + b


def refused(x):
    if x is None:
        raise ValueError("x is missing")


def test_what_is_missing_is_found(monkeypatch):
    assert faults(added) == []
    doc = added.__doc__
    for old, new in {
        "a, b : array": "b, a : array",
        "a, b :": "a :",
        "a, b : ": "a, b, c : ",
        "Returns\n    -------\n    array\n": "",
        "the sum.": "the sum",
    }.items():
        assert old in doc
        monkeypatch.setattr(added, "__doc__", doc.replace(old, new))
        assert faults(added) != []
    monkeypatch.setattr(added, "__doc__", None)
    assert faults(added) != []


def test_what_raises_is_found():
    assert raises(refused)
    assert not raises(added)
    assert raises(FUNCTIONS[-1])  # which calls what calls what raises


def one_axis(b):
    """``nn.Added1d``: see ``added``."""


def test_a_face_has_the_arguments_of_its_family():
    assert faults(one_axis) == []
    one_axis.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in ("b", "a")]
    )
    assert faults(one_axis) == ["['a', 'b'] are told"]


# ---- The formula that a docstring begins with is what the code computes ----


RNG = np.random.default_rng(0)


def drawn(**shapes):
    """Return positive numbers of these shapes, by name."""
    return {name: RNG.uniform(0.5, 2, shape) for name, shape in shapes.items()}


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)


PAIR = drawn(x1=4, x2=4)
FORMULA = re.compile(r"Return ``(.+?)``")
ROW = drawn(x=(1, 6), weight=6, bias=6) | {"eps": 0.1}
NORM = {"sqrt": np.sqrt, "mean": ROW["x"].mean(), "var": ROW["x"].var()}
RUNNING = drawn(running_mean=6, running_var=6)
# By the recipe: what it is given, and what its formula names besides.
MEANT = {
    "linear": (drawn(x=(5, 3), weight=(3, 3), bias=3), {}),
    "embedding": (drawn(weight=(4, 3)) | {"ids": np.array([2, 0, 3])}, {}),
    "bilinear": (drawn(input1=3, input2=3, weight=(1, 3, 3), bias=1), {"k": 0}),
    "scaled_dot_product_attention": (
        drawn(query=(3, 3), key=(3, 3), value=(3, 2), attn_mask=(3, 3), scale=()),
        {"softmax": softmax},
    ),
    "cosine_similarity": (
        PAIR | {"dim": 0},
        {"norm1": np.linalg.norm(PAIR["x1"]), "norm2": np.linalg.norm(PAIR["x2"])},
    ),
    "layer_norm": (ROW | {"normalized_shape": 6}, NORM),
    "rms_norm": (
        drawn(x=(1, 6), weight=6) | {"eps": 0.1, "normalized_shape": 6},
        {"sqrt": np.sqrt, "mean": np.mean},
    ),
    "group_norm": (ROW | {"num_groups": 1}, NORM),
    "instance_norm": (ROW | drawn(weight=1, bias=1) | {"x": ROW["x"][None]}, NORM),
    "batch_norm": (
        ROW | RUNNING,
        NORM | {"mean": RUNNING["running_mean"], "var": RUNNING["running_var"]},
    ),
    "local_response_norm": (
        drawn(k=(), alpha=(), beta=()) | {"x": ROW["x"][None], "size": 1},
        {"mean_square": ROW["x"] ** 2},
    ),
    "lp_pool_nd": (
        {"x": ROW["x"], "n": 1, "norm_type": 3, "kernel_size": 6, "stride": 1, "ceil_mode": False},
        {"p": 3},
    ),
}
STATED = {f.__name__: (f, m[1]) for f in RECIPES if (m := FORMULA.match(f.__doc__ or ""))}


def holds(name, formula):
    """Return whether a recipe computes this."""
    given, besides = MEANT[name]
    with np.errstate(all="ignore"):  # of a wrong one
        result = eval(formula, given | besides)
    return np.allclose(STATED[name][0](**given), result)


@pytest.mark.parametrize("name", STATED)
def test_a_recipe_computes_the_formula_of_its_docstring(name):
    formula = STATED[name][1]
    assert holds(name, formula)
    for old, new in {".T": "", "+": "-", " * ": " / ", " / ": " * ", " @ ": " * "}.items():
        for place in re.finditer(re.escape(old), formula):
            wrong = formula[: place.start()] + new + formula[place.end() :]
            with contextlib.suppress(ValueError):  # shapes that do not fit
                assert not holds(name, wrong), wrong
