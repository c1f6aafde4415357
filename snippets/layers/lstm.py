"""nn.LSTM and nn.LSTMCell in NumPy: the rows of a weight are four gates, stacked i, f, g, o."""

import numpy as np


def lstm(x, weights, state=None, *, batch_first=False, lengths=None):
    """Run ``nn.LSTM`` over sequences, with the weights as ``state_dict()`` holds them.

    Layers, directions, biases and projection are read off the names and shapes.

    Parameters
    ----------
    x : array (time, batch, input_size); (batch, time, input_size) if batch_first
        Or one sequence, (time, input_size).
    weights : mapping of str to array
        For layer k = 0, 1, ..., and once more with ``_reverse`` if there are two directions:

            weight_ih_l{k}  (4 * hidden_size, input_size)
            weight_hh_l{k}  (4 * hidden_size, h_out)
            bias_ih_l{k}, bias_hh_l{k}  (4 * hidden_size,), all or none
            weight_hr_l{k}  (proj_size, hidden_size), with a projection

        ``h_out`` is ``proj_size`` with a projection, else ``hidden_size``. From layer 1 on,
        ``input_size`` is ``num_directions * h_out``.
    state : (h_0, c_0), optional
        Arrays (num_layers * num_directions, batch, h_out) and (..., batch, hidden_size),
        whatever batch_first; no batch axis for one sequence. Zeros if not given.
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
    KeyError
        A weight is missing.
    ValueError
        There is a weight too many, or a shape or a length is wrong.
    """
    layers = read_lstm_layers(weights)
    x, h_0, c_0, lengths = check_lstm_input(x, layers, state, batch_first, lengths)
    alone = x.ndim == 2
    if alone:
        x, h_0, c_0 = x[:, None], h_0[:, None], c_0[:, None]
    elif batch_first:
        x = x.swapaxes(0, 1)  # (time, batch, input_size)
    inside = np.arange(len(x))[:, None, None] < lengths[:, None]  # (time, batch, 1)
    h_n, c_n = [], []
    for layer in layers:
        outputs = []
        for backwards, w in enumerate(layer):
            k = len(h_n)
            output, h, c = lstm_direction(x, w, h_0[k], c_0[k], inside, backwards)
            outputs.append(output)
            h_n.append(h)
            c_n.append(c)
        x = np.concatenate(outputs, axis=-1)  # (time, batch, num_directions * h_out)
    h_n = np.stack(h_n)  # (num_layers * num_directions, batch, h_out)
    c_n = np.stack(c_n)  # (num_layers * num_directions, batch, hidden_size)
    if alone:
        return x[:, 0], (h_n[:, 0], c_n[:, 0])
    return x.swapaxes(0, 1) if batch_first else x, (h_n, c_n)


def lstm_direction(x, w, h, c, inside, backwards):
    """Run one layer over all steps; return its outputs, its last h and its last c."""
    bias = w["bias_ih"] + w["bias_hh"]
    from_x = recurrent_inputs(x, w["weight_ih"], bias)  # (time, batch, 4 * hidden_size)
    w_hh = recurrent_weight(w["weight_hh"], len(h))  # (h_out, 4 * hidden_size)
    shortest = inside.all(axis=(1, 2)).sum()
    output = [None] * len(x)
    for t in reversed(range(len(x))) if backwards else range(len(x)):
        gates = from_x[t] + h @ w_hh  # (batch, 4 * hidden_size)
        new_h, new_c = lstm_step(gates, c)  # (batch, hidden_size)
        if "weight_hr" in w:
            new_h = new_h @ w["weight_hr"].T  # (batch, proj_size)
        output[t] = new_h  # (batch, h_out)
        if t >= shortest:  # a row that is over keeps its state
            new_h = np.where(inside[t], new_h, h)  # (batch, h_out)
            new_c = np.where(inside[t], new_c, c)  # (batch, hidden_size)
            output[t] = np.where(inside[t], new_h, 0)  # (batch, h_out)
        h, c = new_h, new_c
    return np.array(output), h, c  # (time, batch, h_out), (batch, h_out), (batch, hidden_size)


def recurrent_inputs(x, weight_ih, bias):
    """Return what the inputs add to the gates: one product for all steps."""
    time, batch, features = x.shape
    x = x.reshape(time * batch, features)
    # In the dtype of the sum, which then needs no second large array.
    from_x = x.astype(np.result_type(x, bias), copy=False) @ weight_ih.T
    from_x += bias
    return from_x.reshape(time, batch, len(weight_ih))


def recurrent_weight(weight_hh, batch):
    """Return the transpose that each step multiplies by, as the product reads it fastest."""
    # A single row is as fast with a view. More rows are up to twice as fast with a copy.
    return weight_hh.T if batch == 1 else np.ascontiguousarray(weight_hh.T)


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
    KeyError
        A weight is missing.
    ValueError
        There is a weight too many, or a shape is wrong.
    """
    w = read_lstm_cell(weights)
    x, h, c = check_lstm_step(x, w, state)
    gates = x @ w["weight_ih"].T + w["bias_ih"] + w["bias_hh"]  # (..., 4 * hidden_size)
    return lstm_step(gates + h @ w["weight_hh"].T, c)


def lstm_step(gates, c):
    """Return h and c after one step."""
    size = c.shape[-1]
    g = np.tanh(gates[..., 2 * size : 3 * size])  # (..., hidden_size)
    # One call for all four blocks is faster than three, though g has no use for it.
    gates = logistic(gates)  # (..., 4 * hidden_size)
    i, f, o = gates[..., :size], gates[..., size : 2 * size], gates[..., 3 * size :]
    c = f * c + i * g  # (..., hidden_size)
    return o * np.tanh(c), c  # (..., hidden_size)


def logistic(v):
    """Return the sigmoid of v: also its small half to the last digits."""
    with np.errstate(over="ignore"):  # exp(-v) may be inf; 1 / inf is the right 0
        return 1 / (1 + np.exp(-v))


def read_lstm_layers(weights):
    """Return the weights of [layer][direction], or say which one is wrong and why."""
    num_layers = 1
    while f"weight_ih_l{num_layers}" in weights:
        num_layers += 1
    sides = ["", "_reverse"] if "weight_ih_l0_reverse" in weights else [""]
    ends = [[f"_l{k}{side}" for side in sides] for k in range(num_layers)]
    projected = ["weight_hr"] if "weight_hr_l0" in weights else []
    return read_lstm(weights, ends, projected)


def read_lstm_cell(weights):
    """Return the weights of a cell, or say which one is wrong and why."""
    return read_lstm(weights, [[""]], [])[0][0]


def read_lstm(weights, ends, projected):
    """Return the arrays whose names have these ends, under the names of a cell."""
    biased = ["bias_ih", "bias_hh"] if any("bias" in name for name in weights) else []
    parts = [*projected, "weight_hh", "weight_ih", *biased]
    names = [part + end for layer in ends for end in layer for part in parts]
    if missing := [name for name in names if name not in weights]:
        raise KeyError(
            f"weights lack {missing}; they have {list(weights)}. "
            "Take state_dict()'s own names, without the name of the module before them"
        )
    if surplus := [name for name in weights if name not in names]:
        raise ValueError(f"weights have {surplus} besides {names}: are they another layer's?")

    # weight_hh (or weight_hr) tells the sizes: its shorter side is h_out, even if transposed.
    arrays = {name: np.asarray(weights[name]) for name in names}
    sides = [max(1, side) for side in arrays[names[0]].shape[-2:]] or [1]
    h_out = min(sides)
    hidden = max(sides) if projected else h_out
    rows = 4 * hidden
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
                check_lstm_shape(part + end, arrays[part + end].shape, expected[part])
        cells.append([{p: arrays[p + end] for p in parts} for end in layer])
    return [[{"bias_ih": 0, "bias_hh": 0} | w for w in layer] for layer in cells]


def check_lstm_shape(name, given, expected):
    """Raise with the likely slip unless a weight has the shape expected."""
    if given == expected:
        return
    others = {1: "an nn.RNN", 3: "a GRU"}  # the same names
    gates = 4 * given[0] / expected[0] if given and given[1:] == expected[1:] else 0
    if given == expected[::-1]:
        slip = "PyTorch stores one row per output; was this one transposed?"
    elif gates in others:
        slip = f"it has {gates:.0f} * hidden_size rows, not 4; is this {others[gates]}?"
    else:
        slip = "is it another layer's?"
    raise ValueError(f"{name} has shape {given}, expected {expected}: {slip}")


def check_lstm_input(x, layers, state, batch_first, lengths):
    """Return x, h_0, c_0 and lengths as arrays, or say which one is wrong and why."""
    w = layers[0][0]
    features, (rows, h_out) = w["weight_ih"].shape[1], w["weight_hh"].shape
    x = np.asarray(x)
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

    count = len(layers) * len(layers[0])
    shapes = (count, *batch, h_out), (count, *batch, rows // 4)
    h_0, c_0 = check_lstm_state(state, shapes, x.dtype)
    if lengths is None:
        return x, h_0, c_0, np.full(batch or 1, time)
    lengths = np.asarray(lengths)
    if not batch:
        raise ValueError(f"lengths need a batch axis, but x has shape {x.shape}: cut x instead")
    if lengths.shape != tuple(batch) or not np.isin(lengths, range(1, time + 1)).all():
        raise ValueError(
            f"lengths are {lengths.tolist()}, expected {batch[0]} integers from 1 to {time}, "
            f"one a row of x {x.shape}: is batch_first right?"
        )
    return x, h_0, c_0, lengths


def check_lstm_step(x, w, state):
    """Return x, h and c of one step as arrays, or say which one is wrong and why."""
    features, hidden = w["weight_ih"].shape[1], w["weight_hh"].shape[1]
    x = np.asarray(x)
    if x.ndim not in (1, 2):
        raise ValueError(
            f"x has shape {x.shape}, expected (batch, {features}) or ({features},): "
            "a cell takes one step; is this a sequence?"
        )
    check_features(x, features)
    return x, *check_lstm_state(state, [(*x.shape[:-1], hidden)] * 2, x.dtype)


def check_features(x, features):
    """Raise with the likely slip unless the last axis of x has as many features as expected."""
    if x.shape[-1] != features:
        slip = "are the axes in another order?" if features in x.shape else "is it another layer's?"
        raise ValueError(
            f"x has shape {x.shape}, expected {features} features in its last axis: {slip}"
        )


def check_lstm_state(state, shapes, dtype):
    """Return h and c as arrays, or say which one is wrong and why."""
    if state is None:
        return [np.zeros(shape, dtype) for shape in shapes]
    if not isinstance(state, (tuple, list)) or len(state) != 2:
        raise ValueError(f"state is a {type(state).__name__}, expected the pair (h, c)")
    state = [np.asarray(values) for values in state]
    for name, values, shape in zip("hc", state, shapes, strict=True):
        if values.shape != shape:
            raise ValueError(
                f"{name} of state has shape {values.shape}, expected {shape}: of a layer, "
                "(num_layers * num_directions, batch, features), also if batch_first"
            )
    return state
