"""Capture a model with ``torch.export``: its graph as the data of graph.py.

torch is imported in the functions that need it, so that ``snippets.port`` can be read without.
"""

import collections
import dataclasses
import functools
import inspect
import keyword
import re
import warnings

import numpy as np

from .graph import Array, Called, DType, Graph, Node, PortError, Ref, frames_of
from .guards import guards_of
from .run import print_of
from .whole import whole


def named_inputs(model, args, kwargs):
    """Return the arguments of a call by the names of the model's forward."""
    try:
        bound = inspect.signature(model.forward).bind(*args, **kwargs).arguments
    except TypeError as error:
        raise PortError(f"the model can't be called like this: {error}") from None
    named = {}
    for name, kind in inspect.signature(model.forward).parameters.items():
        if name not in bound:
            continue
        if kind.kind is kind.VAR_KEYWORD:
            named |= bound[name]
        elif kind.kind is kind.VAR_POSITIONAL:
            named |= {f"{name}_{i}": value for i, value in enumerate(bound[name])}
        else:
            named[name] = bound[name]
    return named


def check_model(model, named):
    """Raise unless a model and its example inputs are as a program needs them."""
    import torch
    from torch.utils import _pytree as pytree

    if training := [name for name, module in model.named_modules() if module.training]:
        raise PortError(
            f"{training[0] or 'the model'} is in training mode: dropout is random there, and batch "
            "norm follows the batch; call model.eval() first"
        )
    for name in model.state_dict():
        if not name.isprintable() or set(name) & set("\"'\\"):
            raise PortError(
                f"a parameter is called {name!r}, and torch.export would run this as code: give it "
                "a name without quotes"
            )
    for name in named:
        check_name(name)
    leaves = pytree.tree_leaves(tuple(named.values()))
    for value in [*named.values(), *leaves]:
        if isinstance(value, torch.nn.utils.rnn.PackedSequence):
            raise PortError(
                "a packed sequence is no array: capture the model with padded sequences, and give "
                "their lengths to the recipe, lstm(x, weights, lengths=lengths)"
            )
    tensors = [value for value in leaves if isinstance(value, torch.Tensor)]
    for tensor in [*model.parameters(), *model.buffers(), *tensors]:
        if tensor.device.type != "cpu":
            raise PortError(
                f"the model or an input is on {tensor.device}: call model.cpu(), and .cpu() on "
                "each input"
            )
    if len({id(tensor) for tensor in tensors}) < len(tensors):
        raise PortError(
            "one tensor is given twice as example input, and torch.export would take the two for "
            "one: pass a copy, x.clone()"
        )


def check_name(name):
    """Raise unless an argument may be called so in a program."""
    if not name.isidentifier() or keyword.iskeyword(name) or name in ("w", "np"):
        raise PortError(
            f"an argument of forward is called {name!r}, which the program can't: rename it"
        )


def captured(model, args, kwargs, named, dynamic):
    """Return the ExportedProgram of a model, without operations in place."""
    import torch

    shapes = dynamic_shapes(named, dynamic)
    args, kwargs = copies(args, kwargs)  # torch.export marks them, for good if it fails
    try:
        # torch.export warns of its own insides: what will be deprecated, what an LSTM caches.
        with torch.no_grad(), whole(model), warnings.catch_warnings(action="ignore"):
            program = torch.export.export(model, args, kwargs, dynamic_shapes=shapes)
            return program.run_decompositions({})
    except Exception as error:
        raise PortError(reason_of(error)) from error


def dynamic_shapes(named, dynamic):
    """Return torch.export's dynamic_shapes for {"x": {0: "batch"}}."""
    import torch

    if dynamic is None:
        return None
    if unknown := set(dynamic) - set(named):
        raise PortError(
            f"dynamic names {sorted(unknown)}, but the example inputs are {sorted(named)}"
        )

    def dim(value):
        if isinstance(value, str):
            return torch.export.Dim.DYNAMIC  # whose range torch.export finds out
        return {key: dim(part) for key, part in value.items()} if type(value) is dict else value

    return {name: dim(dynamic.get(name)) for name in named}


def reason_of(error):
    """Return what torch.export says, the line of the user's source, and the way out."""
    text = str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    first = first.partition(" For more information")[0].rstrip(".!")
    frames = [f for f in frames_of(text) if "/torch/" not in f.file]
    line = f", {frames[-1]}" if frames else ""
    out = "Write forward so that it does the same operations whatever the numbers are"
    if axis := re.search(r"L(\S+)\.size\(\)\[(\d+)\].* constant \((\d+)\)", text):
        first = f"forward takes axis {axis[2]} of {axis[1][2:-2]} as the number {axis[3]}"
        out = "Leave this axis out of dynamic, or write forward without its size as a number"
    elif "Cache" in first and "not a known type" in first:
        first = "it returns a cache"
        out = "Call it with use_cache=False: kwargs={'use_cache': False}"
    elif "data-dependent" in text:
        first = "what it does depends on the numbers in a tensor"
        out += ": torch.where chooses by them, or take such a number as an argument"
    return f"torch.export can't capture this model: {first}{line}. {out}"


def graph_of(program, model, named, dynamic=None):
    """Return the graph of a ``torch.export.ExportedProgram``.

    Parameters
    ----------
    program : ExportedProgram
    model : torch.nn.Module
    named : dict
        The arguments it was captured with, by the names of forward.
    dynamic : dict, optional
        The names of axes, as ``port`` is given them.

    Returns
    -------
    Graph
    """
    from torch.utils import _pytree as pytree

    specs = program.graph_signature.input_specs, program.graph_signature.output_specs
    if changed := [spec.target for spec in specs[1] if spec.kind.name == "BUFFER_MUTATION"]:
        raise PortError(
            f"forward changes {changed[0]!r}, a buffer of the model, so that a second call returns "
            "something else: take it as an argument and return what it becomes"
        )
    stored, known, nodes, leaves = {}, {}, [], []
    targets = {spec.arg.name: spec.target for spec in specs[0]}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            value = node.meta["val"]
            if targets[node.name] is not None:
                stored[node.name] = targets[node.name]
            elif found := array_of(value):
                known[node.name] = found
                leaves.append(Ref(node.name))
            else:
                leaves.append(value)
        elif node.op == "call_function" and (made := node_of(node)):
            nodes.append(made)
        elif node.op == "output":
            outputs = [plain(v) for v in node.args[0]]
    returned = [v for v, s in zip(outputs, specs[1], strict=True) if s.kind.name == "USER_OUTPUT"]
    inputs = named_inputs(model, *pytree.tree_unflatten(leaves, program.call_spec.in_spec))
    held = model.state_dict()
    tensors = {
        key: held.get(key, program.state_dict.get(key, program.constants.get(key)))
        for key in stored.values()
    } | held
    graph = Graph(
        name=type(model).__name__,
        inputs={name: structure(value) for name, value in inputs.items()},
        known=known,
        nodes=nodes,
        output=structure(pytree.tree_unflatten(returned, program.call_spec.out_spec)),
        weights=stored,
        arrays={key: numpy_of(tensor) for key, tensor in tensors.items()},
        apart=set(tensors) - set(held),
        guards=list(program._guards_code),
    )
    rename_axes(graph, dynamic or {}, ranges_of(program))
    return graph


def ranges_of(program):
    """Return {"s77": (4, None)}, the sizes that an axis may have."""
    found = {}
    for name, range_ in program.range_constraints.items():
        least, most = str(range_.lower), str(range_.upper)
        if least.isdecimal():  # a number out of a tensor has no bounds, and is refused later on
            found[str(name)] = int(least), int(most) if most.isdecimal() else None
    return found


def rename_axes(graph, dynamic, ranges):
    """Give the axes of any size their names in dynamic; torch.export's are s77 and so on."""
    words = {}
    for name, axes in dynamic.items():
        tree = graph.inputs[name]
        for axis, word in (axes or {}).items():
            words[str(graph.known[tree.name].shape[axis])] = getattr(word, "__name__", word)

    def renamed(value):
        if isinstance(value, Array):
            return Array(tuple(map(renamed, value.shape)), value.dtype)
        if isinstance(value, str):
            return re.sub(r"[a-z]\w*", lambda m: words.get(m[0], m[0]), value)
        return value

    graph.known = {name: renamed(value) for name, value in graph.known.items()}
    graph.nodes = [
        dataclasses.replace(node, values=tuple(map(renamed, node.values))) for node in graph.nodes
    ]
    ranges = {renamed(name): sizes for name, sizes in ranges.items()}
    graph.guards = guards_of(graph.guards, ranges, graph.inputs, graph.known)


def arrays_of(graph, named):
    """Return the example inputs as arrays, by the names of their values in the graph."""
    from torch.utils import _pytree as pytree

    places = pytree.tree_leaves(tuple(graph.inputs.values()))
    tensors = pytree.tree_leaves(tuple(named.values()))
    return {
        place.name: numpy_of(tensor)
        for place, tensor in zip(places, tensors, strict=True)
        if isinstance(place, Ref)
    }


def copies(*given):
    """Return nested arguments with copies of their tensors."""
    import torch

    return torch.utils._pytree.tree_map_only(torch.Tensor, torch.clone, given)


def calls_of(model, args, kwargs):
    """Return what each module is called with and returns: {its place in a stack: a Called}.

    A value of the graph whose print is the same gets this name in the program, and this place
    among the results.
    """
    import torch
    from torch.utils import _pytree as pytree

    calls, times, running = {}, collections.Counter(), []

    def prints(named):
        return {
            name: print_of(numpy_of(value))
            for name, value in named.items()
            if isinstance(value, torch.Tensor)
        }

    def begin(path, module, args, kwargs):
        place = path + (f"@{times[path]}" if times[path] else "")
        times[path] += 1
        running.append(place)
        try:
            given = inspect.signature(module.forward).bind(*args, **kwargs).arguments
        except TypeError:  # the call itself says so
            return
        given = {name: value for name, value in given.items() if name.isidentifier()}
        calls[place] = Called(prints(given))

    def end(module, args, output):
        leaves = dict(enumerate(pytree.tree_leaves(output)))
        calls[running.pop()].returned = list(prints(leaves).values())

    hooks = []
    for path, module in model.named_modules():
        begun = functools.partial(begin, path)
        hooks.append(module.register_forward_pre_hook(begun, with_kwargs=True))
        hooks.append(module.register_forward_hook(end))
    args, kwargs = copies(args, kwargs)  # a forward may change them
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def node_of(node):
    """Return a Node of one of torch.fx's; None for one that takes a part of another."""
    if str(node.target) == "<built-in function getitem>":
        return None
    target = name_of(node.target)
    if hasattr(node.target, "_schema"):
        words = [a.name for a in node.target._schema.arguments]
    else:
        words = "ab"
    args = dict(zip(words, map(plain, node.args), strict=False))
    args |= {key: plain(v) for key, v in node.kwargs.items()}
    value = node.meta.get("val")
    is_several = isinstance(value, tuple | list)
    names, values = (node.name,), (array_of(value) or size_of(value),)
    if is_several:
        parts = {user.args[1]: user.name for user in node.users}
        names = tuple(parts.get(i, "") for i in range(len(value)))
        values = tuple(map(array_of, value))
    stack = []
    for key, (path, cls) in (node.meta.get("nn_module_stack") or {}).items():
        if not key.startswith("_empty"):
            again = "@" + key.rsplit("@", 1)[1] if "@" in key else ""
            stack.append((path + again, cls if isinstance(cls, str) else cls.__qualname__))
    frames = frames_of(node.meta.get("stack_trace"))
    return Node(target, args, names, values, is_several, tuple(stack), frames)


def name_of(target):
    """Return "aten.add.Tensor" or "operator.mul" for what a node calls."""
    if hasattr(target, "_schema"):
        return str(target)
    return f"operator.{target.__name__}"


def plain(value):
    """Return an argument of torch.fx as numbers, Refs and DTypes."""
    kind = type(value).__name__
    if kind == "Node":
        return Ref(value.name)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if kind == "dtype":
        return DType(str(value).removeprefix("torch."))
    if value is None or isinstance(value, bool | int | float | complex | str):
        return value
    return str(value)  # a device, a layout: no recipe asks for it


def size_of(value):
    """Return the words of a size, "2*batch"; None for what is none."""
    return None if value is None or hasattr(value, "shape") else str(value)


def array_of(value):
    """Return what is known of a tensor; None for what is none."""
    if not hasattr(value, "shape"):
        return None
    shape = tuple(int(n) if str(n).isdecimal() else str(n) for n in value.shape)
    return Array(shape, str(value.dtype).removeprefix("torch."))


def numpy_of(tensor):
    """Return a copy of a tensor as an array; bfloat16 becomes float32, exactly."""
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return np.array(tensor.resolve_conj().resolve_neg().numpy())


def structure(value):
    """Return what a model returns as tuples, lists and dicts of Refs and constants."""
    if isinstance(value, Ref) or value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "items"):
        return {str(key): structure(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [structure(part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    raise PortError(
        f"the model returns a {type(value).__name__}, which a program without torch has not: "
        "return its tensors in a tuple or a dict"
    )
