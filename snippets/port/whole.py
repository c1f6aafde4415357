"""Capture recurrent, attention and transformer layers whole: one node each, which a recipe runs.

``torch.export`` would take attention apart into thirty operations, and fix the length that a
recurrent layer runs over. Here the layers call an operation of ours meanwhile, which does nothing
but tell the shapes; ``rows/layers.py`` has its line.
"""

import functools
import inspect
from contextlib import contextmanager

RECURRENT = ["rnn", "gru", "lstm"]
MASKS = {
    "encoder": ["src_mask", "src_key_padding_mask"],
    "decoder": ["tgt_mask", "memory_mask", "tgt_key_padding_mask", "memory_key_padding_mask"],
}


@functools.cache
def operations():
    """Return the operations by the names of their recipes."""
    import torch

    library = torch.library.Library("port", "DEF")
    attention = (
        "Tensor query, Tensor key, Tensor value, str path, int num_heads, Tensor? "
        "key_padding_mask, Tensor? attn_mask, bool add_zero_attn, bool batch_first"
    )
    options = "int nhead, str activation, bool norm_first, float layer_norm_eps, bool batch_first"
    schemas = {
        "attention_output": f"{attention}) -> Tensor",
        "multi_head_attention": f"{attention}, bool average_attn_weights) -> (Tensor, Tensor)",
    }
    for side, first in {"encoder": "src", "decoder": "tgt, Tensor memory"}.items():
        masks = "".join(f", Tensor? {mask}" for mask in MASKS[side])
        schema = f"Tensor {first}, str path, {options}{masks}) -> Tensor"
        schemas[f"transformer_{side}_layer"] = schema
    sizes = "str path, int hidden_size, int proj_size, int layers, bool batch_first"
    for name, state in {"rnn": "", "gru": "", "lstm": ", Tensor? cx"}.items():
        made = "(Tensor, Tensor, Tensor)" if state else "(Tensor, Tensor)"
        more = ", str nonlinearity" if name == "rnn" else ""
        schemas[name] = f"Tensor input, Tensor? hx{state}, {sizes}{more}) -> {made}"
    for name, schema in schemas.items():
        library.define(f"{name}({schema}")
        torch.library.register_fake(f"port::{name}", fakes(name), lib=library)
    return {name: getattr(torch.ops.port, name) for name in schemas}, library


def fakes(name):
    """Return the function that tells the shapes of what an operation makes."""
    if name in RECURRENT:
        return functools.partial(recurrent_shapes, name == "lstm")
    if name != "multi_head_attention":
        return lambda first, *rest: first.new_empty(first.shape)

    def attended(query, key, value, path, heads, mask, other, zero, batch_first, averaged):
        time = 0 if query.ndim == 2 or not batch_first else 1
        sizes = [query.shape[time], key.shape[time] + zero]
        sizes = [*([] if averaged else [heads]), *sizes]
        if query.ndim == 3:
            sizes = [query.shape[1 - time], *sizes]
        return query.new_empty(query.shape), query.new_empty(sizes)

    return attended


def recurrent_shapes(is_lstm, x, *rest):
    """Return the output of a recurrent layer, the last states of all its layers and directions."""
    _, hidden_size, proj_size, layers, batch_first, *_ = rest[1 + is_lstm :]
    directions, layers = 1 + (layers < 0), abs(layers)
    batch = [x.shape[1 - batch_first]] if x.ndim == 3 else []
    states = [[layers * directions, *batch, n] for n in (proj_size or hidden_size, hidden_size)]
    sizes = [*x.shape[:-1], directions * (proj_size or hidden_size)]
    return tuple(map(x.new_empty, [sizes, *states[: 1 + is_lstm]]))


@contextmanager
def whole(model):
    """Have the recurrent, attention and transformer layers of a model captured whole."""
    import torch

    kinds = {
        getattr(torch.nn, name.upper()): functools.partial(recurrent, name) for name in RECURRENT
    }
    kinds |= {
        torch.nn.MultiheadAttention: attention,
        torch.nn.TransformerEncoderLayer: functools.partial(layer, "encoder"),
        torch.nn.TransformerDecoderLayer: functools.partial(layer, "decoder"),
    }
    changed = []
    for path, module in model.named_modules():
        forward = kinds[type(module)](path, module) if type(module) in kinds else None
        if forward and "forward" not in vars(module) and is_plain(module):
            module.forward = forward
            changed.append(module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def is_plain(module):
    """Return whether modules have no hooks and no parametrizations, which a recipe would miss."""
    return not any(
        one._forward_hooks or one._forward_pre_hooks or hasattr(one, "parametrizations")
        for one in module.modules()
    )


def recurrent(name, path, module):
    """Return a forward of nn.LSTM, nn.GRU or nn.RNN that is one operation."""
    layers = -module.num_layers if module.bidirectional else module.num_layers
    options = [path, module.hidden_size, module.proj_size, layers, module.batch_first]
    options += [module.nonlinearity] if name == "rnn" else []

    def forward(input, hx=None):
        if type(input).__name__ == "PackedSequence":
            return type(module).forward(module, input, hx)
        states = (hx or (None, None)) if name == "lstm" else [hx]
        output, *states = operations()[0][name](input, *states, *options)
        return output, tuple(states) if name == "lstm" else states[0]

    return forward


def attention(path, module):
    """Return a forward of nn.MultiheadAttention that is one operation."""
    if module.bias_k is not None:
        return None
    names = inspect.signature(module.forward)

    def forward(*args, **kwargs):
        bound = names.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        first = [given[name] for name in ("query", "key", "value")]
        rest = [path, module.num_heads, given["key_padding_mask"], given["attn_mask"]]
        rest += [module.add_zero_attn, module.batch_first]
        if not given["need_weights"]:
            return operations()[0]["attention_output"](*first, *rest), None
        averaged = given["average_attn_weights"]
        return operations()[0]["multi_head_attention"](*first, *rest, averaged)

    return forward


def layer(side, path, module):
    """Return a forward of a transformer layer that is one operation; None if it is not usual."""
    import torch

    norms = [one for name, one in module.named_children() if name.startswith("norm")]
    activations = {torch.nn.functional.relu: "relu", torch.nn.functional.gelu: "gelu"}
    activation = activations.get(module.activation)
    is_usual = all(type(norm) is torch.nn.LayerNorm for norm in norms)
    if not activation or not is_usual or len({norm.eps for norm in norms}) > 1:
        return None
    names = inspect.signature(module.forward)
    options = [module.self_attn.num_heads, activation, module.norm_first, norms[0].eps]
    options.append(module.self_attn.batch_first)

    def forward(*args, **kwargs):
        given = names.bind(*args, **kwargs).arguments
        first = [given[name] for name in ("src", "tgt", "memory") if name in given]
        masks = [given.get(name) for name in MASKS[side]]
        return operations()[0][f"transformer_{side}_layer"](*first, path, *options, *masks)

    return forward
