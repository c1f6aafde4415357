"""The graph in what ``torch.export.save`` wrote, read without torch; nothing of it is executed.

Every name in it has to be a name, every number a number, before it becomes part of a program.
"""

import ast
import json
import re

import numpy as np

from ..checkpoints.exported_file import DTYPES, read_weights
from ..checkpoints.inside import read_inside
from ..checkpoints.torch_file import (
    SMALL,
    CheckpointError,
    mapped,
    member_of,
    with_arrays,
    zip_members,
)
from .capture import check_name, rename_axes
from .graph import Array, DType, Graph, Node, PortError, Ref, frames_of, refs
from .operations import NOTHING, RANDOM, SIZES, TABLE

SAVE = "torch.export.save(torch.export.export(model, args).run_decompositions({}), path)"
LARGE = 1000  # how many times as large as the file a value of its graph may be


def graph_of_file(path):
    """Return the graph of a .pt2, and its example inputs.

    Parameters
    ----------
    path : str or path
        Of ``torch.export.save(program.run_decompositions({}), path)``.

    Returns
    -------
    graph : Graph
    inputs : dict of str to array
        By the names of their values in the graph.

    Raises
    ------
    PortError
        The file is broken, of another kind, or holds what a program can't be.
    """
    try:
        with open(path, "rb") as file:
            return read_graph(file)
    except FileNotFoundError:
        raise PortError(f"{path} does not exist") from None
    except PortError as error:
        raise PortError(f"{path}: {error}") from None
    except CheckpointError as error:
        raise PortError(f"{path}: {str(error)[:500]}") from None
    except Exception as error:  # whatever broken bytes lead to
        raise PortError(
            f"{path}: it is cut off, damaged, or no file of torch.export.save of PyTorch 2.13: "
            f"save it once more, {SAVE}"
        ) from error


def read_graph(file):
    """Return the graph in an open zip, and its example inputs."""
    data = mapped(file)
    members = zip_members(file, data)
    models = [name for name in members if re.fullmatch(r"[^/]+/models/[^/]+\.json", name)]
    if len(models) != 1:
        raise PortError(f"no file of torch.export.save with one program in it: save one, {SAVE}")
    folder, _, name = models[0].removesuffix(".json").split("/")
    member, size = member_of(members, folder, data), max(len(data), SMALL)
    told = json.loads(bytes(member(f"models/{name}.json", size)))
    stored = {
        part: read_weights(member, f"{name}_{part}_config.json", size, f"data/{part}/")
        for part in ("weights", "constants")
        if f"{folder}/data/{part}/{name}_{part}_config.json" in members
    }
    stored = {part: {key: s[key] for key in s} for part, s in stored.items()}  # bfloat16, too
    given = with_arrays(read_inside(member(f"data/sample_inputs/{name}.pt")))
    return graph_of(told, stored.get("weights", {}), stored.get("constants", {}), given, size)


def graph_of(told, state, constants, given, size):
    """Return the graph that a file's JSON tells of, and its example inputs.

    ``state`` and ``constants`` are the arrays in the file, ``given`` its example's args and kwargs,
    and ``size`` is the number of its bytes.
    """
    module = told["graph_module"]
    graph, (call,) = module["graph"], [c for c in module["module_call_graph"] if c["fqn"] == ""]
    weights, known, leaves = {}, {}, []
    for spec in module["signature"]["input_specs"]:
        (kind, one) = next(iter(spec.items()))
        if kind in ("parameter", "buffer", "tensor_constant"):
            weights[named(one["arg"]["name"])] = one[f"{kind}_name"]
        elif kind == "constant_input":
            leaves.append(argument(one["value"]))
        elif kind == "user_input":
            leaves.append(argument(one["arg"]))
            known |= {n: array_of(graph["tensor_values"][n]) for n in refs(leaves[-1])}
        else:
            raise PortError(f"an input is a {kind}, which a program without torch has not")
    outputs = []
    for spec in module["signature"]["output_specs"]:
        (kind, one) = next(iter(spec.items()))
        if kind != "user_output":
            raise PortError(
                f"the model changes what it is given or what it holds ({kind}): take it as an "
                "argument, and return what it becomes"
            )
        outputs.append(argument(one["arg"]))
    signature = call["signature"]
    args, kwargs = built(json.loads(signature["in_spec"])[1], iter(leaves))
    inputs = dict(zip(signature["forward_arg_names"], args, strict=False)) | kwargs
    for name in inputs:
        check_name(name)
    nodes = [node_of(node, graph) for node in graph["nodes"]]
    used = {name for node in nodes for name in refs(node.args)} | set(refs(outputs))
    for node in nodes:
        check_node(node)
        if node.is_several:
            node.names = tuple(name if name in used else "" for name in node.names)
    made = Graph(
        name=next((node.stack[0][1] for node in nodes if node.stack), "").rpartition(".")[2],
        inputs=inputs,
        known=known,
        nodes=nodes,
        output=built(json.loads(signature["out_spec"])[1], iter(outputs)),
        weights=weights,
        arrays=state | {key: constants[key] for key in weights.values() if key not in state},
        apart=set(weights.values()) - set(state),
        guards=list(told["guards_code"]),
        limit=LARGE * size,
    )
    ranges = {k: (v["min_val"], v["max_val"]) for k, v in told["range_constraints"].items()}
    rename_axes(made, words_of(inputs, known), ranges)
    arrays = zip(places(inputs), places(given_by_name(given, inputs)), strict=True)
    return made, {ref.name: np.asarray(a) for ref, a in arrays if isinstance(ref, Ref)}


def given_by_name(given, inputs):
    """Return an example's args and kwargs by the names of forward."""
    args, kwargs = given
    return dict(zip(inputs, args, strict=False)) | {k: kwargs[k] for k in [*inputs][len(args) :]}


def places(value):
    """Yield the leaves of nested inputs."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        yield value
        return
    for part in value:
        yield from places(part)


def words_of(inputs, known):
    """Return names for the axes of any size, whose names no file holds."""
    found, taken = {}, {}
    for name, value in inputs.items():
        if not isinstance(value, Ref):
            continue
        for axis, size in enumerate(known[value.name].shape):
            if isinstance(size, str):
                word = f"size_{axis}" if axis else "batch"
                word = word if taken.setdefault(word, size) == size else f"{name}_{word}"
                found.setdefault(name, {})[axis] = word
    return found


def node_of(node, graph):
    """Return a Node of one in the JSON."""
    target = str(node["target"]).removeprefix("torch.ops.").removeprefix("_")
    args = {named(i["name"]): argument(i["arg"]) for i in node["inputs"]}
    made = node["outputs"]
    is_several = len(made) > 1 or "as_tensors" in (made or [{}])[0]
    if is_several and len(made) == 1:
        made = [{"as_tensor": one} for one in made[0]["as_tensors"]]
    names, values = [], []
    for one in made:
        (kind, about) = next(iter(one.items()))
        if kind == "as_tensor":
            names.append(named(about["name"]))
            values.append(array_of(graph["tensor_values"][names[-1]]))
        else:
            names.append(named(about["as_name"]))
            table = graph[{"as_sym_int": "sym_int_values"}.get(kind, "sym_bool_values")]
            values.append(str(size_of(table[names[-1]])))
    meta = node.get("metadata", {})
    stack = []
    for module in filter(None, meta.get("nn_module_stack", "").split(";")):
        key, path, cls = module.split(",", 2)
        if not key.startswith("_empty"):
            stack.append((path + ("@" + key.rsplit("@", 1)[1] if "@" in key else ""), cls))
    return Node(
        target,
        args,
        tuple(names) or ("",),
        tuple(values) or (None,),
        is_several,
        tuple(stack),
        frames_of(meta.get("stack_trace")),
    )


def check_node(node):
    """Raise unless a node is one that programs are made of."""
    name = node.target.split(".")[1]
    is_known = node.target in TABLE or node.target in SIZES or node.target in NOTHING
    if not is_known and name not in RANDOM and "dropout" not in name:
        raise PortError(
            f"{node.where()}: this operation has no row in snippets/port/operations.py. If the "
            f"file was saved without run_decompositions, save it once more: {SAVE}"
        )


def named(name):
    """Return a name in the file, if it is one."""
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
        raise PortError(f"a value is called {str(name)[:80]!r}, which is no name")
    return name


def argument(told):
    """Return an argument as numbers, Refs and DTypes."""
    (kind, value) = next(iter(told.items()))
    if kind in READ:
        return READ[kind](value)
    if kind.endswith("s") and kind[:-1] in READ:
        return [READ[kind[:-1]](one) for one in value]
    raise PortError(f"an argument is told {kind}: control flow, or an object of its own")


def symbol(told):
    """Return a size: a number, or the value that computes it."""
    return Ref(named(told["as_name"])) if "as_name" in told else argument(told)


def text(value):
    """Return a string that can be nothing else: a mode, or an equation of einsum."""
    if not re.fullmatch(r"[\w .,>-]*", value):
        raise PortError(f"an argument is {value[:80]!r}: no mode, and no equation")
    return value


READ = {
    "as_none": lambda value: None,
    "as_int": int,
    "as_bool": bool,
    "as_float": float,
    "as_string": text,
    "as_tensor": lambda value: Ref(named(value["name"])),
    "as_optional_tensor": argument,
    "as_scalar_type": lambda value: DType(DTYPES[value]),
    "as_sym_int": symbol,
    "as_sym_bool": symbol,
    "as_sym_float": symbol,
    "as_device": lambda value: None,
    "as_layout": lambda value: None,
    "as_memory_format": lambda value: None,
}


def array_of(told):
    """Return what is known of a tensor."""
    return Array(tuple(map(size_of, told["sizes"])), DTYPES[told["dtype"]])


def size_of(told):
    """Return a size, or the text of its expression: "2*s77"."""
    (kind, value) = next(iter(told.items()))
    if kind != "as_expr":
        return int(value)
    return said(ast.parse(value["expr_str"], mode="eval").body)


def said(tree):
    """Return the text of an expression that sympy wrote as calls: Mul(Integer(2), Symbol('s'))."""
    name, args = tree.func.id, tree.args
    if name == "Symbol":
        return named(args[0].value)
    if name == "Integer":
        return str(int(ast.literal_eval(args[0])))
    signs = {"Mul": "*", "Add": " + ", "FloorDiv": "//", "Mod": " % ", "PythonMod": " % "}
    parts = [said(arg) for arg in args]
    if name not in signs:
        return f"{named(name)}({', '.join(parts)})"
    whole = signs[name].join(parts)
    return whole if name == "Mul" else f"({whole})"


def built(spec, leaves):
    """Return nested tuples, lists and dicts of leaves, as a spec of PyTorch's pytree tells."""
    kind = spec["type"]
    if kind is None:
        return next(leaves)
    parts = [built(child, leaves) for child in spec["children_spec"]]
    if kind in ("builtins.tuple", "builtins.list"):
        return tuple(parts) if kind == "builtins.tuple" else parts
    keys = json.loads(spec["context"])
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise PortError(f"the model takes or returns a {kind}: use tuples, lists and dicts")
    return dict(zip(keys, parts, strict=True))
