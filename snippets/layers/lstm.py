"""nn.LSTM and nn.LSTMCell in NumPy: the rows of a weight are four gates, stacked i, f, g, o."""

import numpy as np


def lstm(x, weights, state=None, *, batch_first=False, lengths=None):
    """Run ``nn.LSTM`` over sequences, with the weights as ``state_dict()`` holds them.

    Parameters
    ----------
    x : array (time, batch, input_size); (batch, time, input_size) if batch_first
        Or one sequence, (time, input_size).
    weights : mapping of str to array
        For layer k = 0, 1, ..., and with ``_reverse`` at the end for a second direction:

            weight_ih_l{k}  (4 * hidden_size, input_size)
            weight_hh_l{k}  (4 * hidden_size, h_out)
            bias_ih_l{k}, bias_hh_l{k}  (4 * hidden_size,), all or none
            weight_hr_l{k}  (proj_size, hidden_size), with a projection

        ``h_out`` is ``proj_size`` with a projection, else ``hidden_size``. From layer 1 on,
        ``input_size`` is ``num_directions * h_out``.
    state : (h_0, c_0), optional
        Arrays (num_layers * num_directions, batch, h_out) and (..., batch, hidden_size),
        whatever batch_first; no batch axis for one sequence. Zeros if not given.
    batch_first : bool
        As the layer was made.
    lengths : integers (batch,), optional
        How many steps of each row count, in any order: what packing means in PyTorch.

    Returns
    -------
    output : array, axes as in x, the last one num_directions * h_out
        Zero beyond each length.
    (h_n, c_n) : arrays, shaped as state
        The state after each row's own last step; backwards, after its first.

    Raises
    ------
    TypeError, KeyError, ValueError
        The weights are no mapping; one is missing; one is too many, or a shape, a dtype or a
        length is wrong.

    See Also
    --------
    torch.nn.LSTM
    """
    x, layers, (h_0, c_0), valid, form = read_recurrent(
        x, weights, lstm_pair(state), 4, batch_first, lengths
    )
    h_n, c_n = [], []
    with np.errstate(over="ignore", invalid="ignore"):  # inf - inf is NaN in silence, as in torch
        for layer in layers:
            outputs = []
            for backwards, w in enumerate(layer):
                k = len(h_n)
                output, h, c = lstm_direction(x, w, h_0[k], c_0[k], valid, backwards)
                outputs.append(output)
                h_n.append(h)
                c_n.append(c)
            x = np.concatenate(outputs, axis=-1)  # (time, batch, num_directions * h_out)
    output, h_n, c_n = recurrent_results(x, h_n, c_n, **form)
    return output, (h_n, c_n)


def lstm_direction(x, w, h, c, valid, backwards):
    """Run one layer over all steps; return its outputs, its last h and its last c."""
    bias = w["bias_ih"] + w["bias_hh"]
    from_x = recurrent_inputs(x, w["weight_ih"], bias)  # (time, batch, 4 * hidden_size)
    # A single row is as fast with a view. More rows are up to twice as fast with a copy.
    w_hh = w["weight_hh"].T if len(h) == 1 else np.ascontiguousarray(w["weight_hh"].T)
    shortest = valid.all(axis=(1, 2)).sum()
    output = [None] * len(x)
    for t in reversed(range(len(x))) if backwards else range(len(x)):
        gates = from_x[t] + h @ w_hh  # (batch, 4 * hidden_size)
        new_h, new_c = lstm_step(gates, c)  # (batch, hidden_size)
        if "weight_hr" in w:
            new_h = new_h @ w["weight_hr"].T  # (batch, proj_size)
        output[t] = new_h  # (batch, h_out)
        if t >= shortest:  # a row that is over keeps its state
            new_h = np.where(valid[t], new_h, h)  # (batch, h_out)
            new_c = np.where(valid[t], new_c, c)  # (batch, hidden_size)
            output[t] = np.where(valid[t], new_h, 0)  # (batch, h_out)
        h, c = new_h, new_c
    return np.array(output), h, c  # (time, batch, h_out), (batch, h_out), (batch, hidden_size)


def lstm_step(gates, c):
    """Return h and c after one step."""
    size = c.shape[-1]
    g = np.tanh(gates[..., 2 * size : 3 * size])  # (..., hidden_size)
    # The sigmoid of all four blocks in one go is faster than of three, though g has no use for it.
    gates = 1 / (1 + np.exp(-gates))  # (..., 4 * hidden_size)
    i, f, o = gates[..., :size], gates[..., size : 2 * size], gates[..., 3 * size :]
    c = f * c + i * g  # (..., hidden_size)
    return o * np.tanh(c), c  # (..., hidden_size)


def recurrent_inputs(x, weight_ih, bias):
    """Return what the inputs add to the gates: one product for all steps."""
    time, batch, features = x.shape
    from_x = x.reshape(time * batch, features) @ weight_ih.T
    from_x += bias
    return from_x.reshape(time, batch, len(weight_ih))


def lstm_cell(x, weights, state=None):
    """Run ``nn.LSTMCell``, one step.

    Parameters
    ----------
    x : array (batch, input_size) or (input_size,)
    weights : mapping of str to array
        weight_ih (4 * hidden_size, input_size), weight_hh (4 * hidden_size, hidden_size), and
        bias_ih, bias_hh (4 * hidden_size,), both or neither.
    state : (h, c), optional
        Two arrays (batch, hidden_size) or (hidden_size,); zeros if not given.

    Returns
    -------
    h, c : arrays, shaped as state

    Raises
    ------
    TypeError, KeyError, ValueError
        As of ``lstm``.

    See Also
    --------
    torch.nn.LSTMCell
    """
    x, w, (h, c), dtype = read_recurrent_cell(x, weights, lstm_pair(state), 4)
    with np.errstate(over="ignore", invalid="ignore"):
        gates = x @ w["weight_ih"].T + w["bias_ih"] + w["bias_hh"]  # (..., 4 * hidden_size)
        h, c = lstm_step(gates + h @ w["weight_hh"].T, c)  # (..., hidden_size)
    return h.astype(dtype, copy=False), c.astype(dtype, copy=False)


# What refuses wrong input


def read_recurrent(x, weights, states, gates, batch_first, lengths):
    """Return a layer's arrays as it computes with them, or say which one is wrong and why.

    They are x (time, batch, input_size), the weights of [layer][direction], the states with a
    batch axis, which steps of each row count; then what ``recurrent_results`` has to know.
    """
    check_mapping(weights)
    num_layers = 1
    while f"weight_ih_l{num_layers}" in weights:
        num_layers += 1
    sides = ["", "_reverse"] if "weight_ih_l0_reverse" in weights else [""]
    ends = [[f"_l{k}{side}" for side in sides] for k in range(num_layers)]
    projected = ["weight_hr"] if gates == 4 and "weight_hr_l0" in weights else []
    (x, *states), layers, dtype = recurrent_arrays([x, *states], weights, ends, gates, projected)
    w = layers[0][0]
    features = w["weight_ih"].shape[1]
    if x.ndim not in (2, 3):
        axes = "(batch, time, {0})" if batch_first else "(time, batch, {0})"
        raise ValueError(
            f"x has shape {x.shape}, expected {axes.format(features)} or (time, {features}): "
            "a single step is a sequence of one"
        )
    check_features(x, features)
    time, *batch = x.shape[:-1]
    if batch_first and batch:
        time, batch = batch[0], [time]
    if time == 0:
        raise ValueError(f"x has shape {x.shape}, no time step: PyTorch refuses it too")
    states = recurrent_states(states, (num_layers * len(sides), *batch), w, gates)
    lengths = read_lengths(lengths, x, time, batch)
    valid = np.arange(time)[:, None, None] < lengths[:, None]  # (time, batch, 1)
    is_batched = x.ndim == 3
    if not is_batched:
        x, states = x[:, None], [values[:, None] for values in states]
    elif batch_first:
        x = x.swapaxes(0, 1)  # (time, batch, input_size)
    form = {"is_batched": is_batched, "batch_first": batch_first, "dtype": dtype}
    return x, layers, states, valid, form


def recurrent_results(output, *last, is_batched, batch_first, dtype):
    """Return the output and the last states with the axes that x has, in the result's dtype."""
    output = output.astype(dtype, copy=False)
    last = [np.array(states, dtype) for states in last]
    if not is_batched:
        return output[:, 0], *(states[:, 0] for states in last)
    return output.swapaxes(0, 1) if batch_first else output, *last


def read_recurrent_cell(x, weights, states, gates):
    """Return x, the weights and the states of one step, or say which one is wrong and why."""
    check_mapping(weights)
    (x, *states), [[w]], dtype = recurrent_arrays([x, *states], weights, [[""]], gates, [])
    features = w["weight_ih"].shape[1]
    if x.ndim not in (1, 2):
        raise ValueError(
            f"x has shape {x.shape}, expected (batch, {features}) or ({features},): "
            "a cell takes one step; is this a sequence?"
        )
    check_features(x, features)
    return x, w, recurrent_states(states, x.shape[:-1], w, gates), dtype


def recurrent_arrays(given, weights, ends, gates, projected):
    """Return the arrays given, the weights whose names have these ends, the result's dtype."""
    biased = ["bias_ih", "bias_hh"] if any("bias" in name for name in weights) else []
    parts = [*projected, "weight_hh", "weight_ih", *biased]
    names = [part + end for layer in ends for end in layer for part in parts]
    check_names(weights, names)
    arrays, dtype = as_floats(*given, *(weights[name] for name in names), kinds="fc")
    given, arrays = arrays[: len(given)], dict(zip(names, arrays[len(given) :], strict=True))

    # weight_hh (or weight_hr) tells the sizes: its shorter side is h_out, even if transposed.
    sides = [max(1, side) for side in arrays[names[0]].shape[-2:]] or [1]
    h_out = min(sides)
    hidden = max(sides) if projected else h_out
    rows = gates * hidden
    cells = []
    for k, layer in enumerate(ends):
        size = arrays["weight_ih" + layer[0]].size // rows if k == 0 else len(layer) * h_out
        expected = {
            "weight_hr": (h_out, hidden),
            "weight_hh": (rows, h_out),
            "weight_ih": (rows, max(1, size)),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }
        for end in layer:
            for part in parts:
                check_recurrent_shape(part + end, arrays[part + end].shape, expected[part], gates)
        cells.append([{part: arrays[part + end] for part in parts} for end in layer])
    return given, [[{"bias_ih": 0, "bias_hh": 0} | w for w in layer] for layer in cells], dtype


def check_recurrent_shape(name, given, expected, gates):
    """Raise with the likely slip unless a weight has the shape expected."""
    if given == expected:
        return
    others = {1: "an nn.RNN", 3: "a GRU", 4: "an LSTM"}  # the same names
    found = gates * given[0] / expected[0] if given and given[1:] == expected[1:] else 0
    if given == expected[::-1]:
        slip = "PyTorch stores one row per output; was this one transposed?"
    elif found in others:
        slip = f"it has {found:.0f} * hidden_size rows, not {gates}; is this {others[found]}?"
    else:
        slip = "is it another layer's?"
    raise ValueError(f"{name} has shape {given}, expected {expected}: {slip}")


def check_features(x, features):
    """Raise with the likely slip unless the last axis of x has as many features as expected."""
    if x.shape[-1] != features:
        slip = "are the axes in another order?" if features in x.shape else "is it another layer's?"
        raise ValueError(
            f"x has shape {x.shape}, expected {features} features in its last axis: {slip}"
        )


def recurrent_states(states, lead, w, gates):
    """Return h, and c where there is one; zeros if they are not given."""
    rows, h_out = w["weight_hh"].shape
    names = ["the hidden state"] if len(states) == 1 else ["h of state", "c of state"]
    checked = []
    for name, values, size in zip(names, states, [h_out, rows // gates], strict=False):
        shape = (*lead, size)
        values = np.zeros(shape, w["weight_hh"].dtype) if values is None else values
        if values.shape != shape:
            raise ValueError(
                f"{name} has shape {values.shape}, expected {shape}: of a layer, "
                f"(num_layers * num_directions, batch, {size}), also if batch_first"
            )
        checked.append(values)
    return checked


def read_lengths(lengths, x, time, batch):
    """Return how many steps of each row count, or say what is wrong with the lengths."""
    if lengths is None:
        return np.full(batch or 1, time)
    lengths = np.asarray(lengths)
    if not batch:
        raise ValueError(f"lengths need a batch axis, but x has shape {x.shape}: cut x instead")
    if lengths.shape != tuple(batch) or not np.isin(lengths, range(1, time + 1)).all():
        shown = np.array2string(lengths, separator=", ", threshold=10)
        raise ValueError(
            f"lengths are {shown}, expected {batch[0]} integers from 1 to {time}, "
            f"one a row of x {x.shape}: is batch_first right?"
        )
    return lengths


def check_mapping(weights):
    """Raise unless the weights come under their names."""
    if not hasattr(weights, "keys"):
        raise TypeError(
            f"weights are a {type(weights).__name__}, expected a mapping from names to arrays: "
            "take state_dict() as it is"
        )


def check_names(weights, required):
    """Raise unless the weights have the names required, and no others."""
    if missing := [name for name in required if name not in weights]:
        nested = [name for name in weights if hasattr(weights[name], "keys")]
        slip = "Take state_dict()'s own names, without the name of the module before them"
        if nested:
            slip = f"Other names lie below {nested}: is it weights[{nested[0]!r}]?"
        raise KeyError(f"weights lack {missing}; they have {list(weights)}. {slip}")
    if surplus := [name for name in weights if name not in required]:
        raise ValueError(f"weights have {surplus} besides {required}: are they another layer's?")


def as_floats(*given, kinds="f"):
    """Return the arrays in the dtype to compute in, and the dtype of the result.

    They decide together. float16 is computed in float32, integers and bools in float64.
    None stays None. Complex numbers are taken where kinds is "fc".
    """
    arrays = [None if a is None else np.asarray(a) for a in given]
    dtype, *others = {a.dtype for a in arrays if a is not None}
    if not others and dtype.char in "fd" and dtype.isnative:
        return arrays, dtype  # nearly always, and what follows costs as much as a small product
    for a, array in zip(given, arrays, strict=True):
        if array is not None and array.dtype.kind not in "biu" + kinds:
            what = f"{type(a).__name__} of dtype {array.dtype}"
            slip = ": was one of its entries meant?" if hasattr(a, "keys") else ""
            real = "real " if kinds == "f" else ""
            raise ValueError(f"{what} given, expected an array of {real}numbers{slip}")
    dtype = np.result_type(*(a.dtype for a in arrays if a is not None)).newbyteorder("=")
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    wide = np.promote_types(dtype, np.float32)
    return [None if a is None else a.astype(wide, copy=False) for a in arrays], dtype


def lstm_pair(state):
    """Return h and c of a state, None twice if there is none."""
    if state is None:
        return None, None
    pair = isinstance(state, (tuple, list)) and len(state) == 2
    if not pair or any(values is None for values in state):
        raise ValueError(f"state is a {type(state).__name__}, expected the pair (h, c)")
    return state
