"""nn.GRU and nn.GRUCell in NumPy: the rows of a weight are three gates, stacked r, z, n."""

import numpy as np


def gru(x, weights, h0=None, *, batch_first=False, lengths=None):
    """Run ``nn.GRU`` over sequences, with the weights as ``state_dict()`` holds them.

    Layers, directions and biases are read off the names and shapes.

    Parameters
    ----------
    x : array (time, batch, input_size); (batch, time, input_size) if batch_first
        Or one sequence, (time, input_size).
    weights : mapping of str to array
        For layer k = 0, 1, ..., and once more with ``_reverse`` if there are two directions:

            weight_ih_l{k}  (3 * hidden_size, input_size)
            weight_hh_l{k}  (3 * hidden_size, hidden_size)
            bias_ih_l{k}, bias_hh_l{k}  (3 * hidden_size,), all or none

        From layer 1 on, ``input_size`` is ``num_directions * hidden_size``.
    h0 : array (num_layers * num_directions, batch, hidden_size), optional
        Whatever batch_first; no batch axis for one sequence. Zeros if not given.
    lengths : integers (batch,), optional
        How many steps of each row count, in any order: what packing means in PyTorch.

    Returns
    -------
    output : array, axes as in x, the last one num_directions * hidden_size
        Zero beyond each length.
    h_n : array, shaped as h0
        The state after each row's own last step; backwards, after its first.

    Raises
    ------
    KeyError
        A weight is missing.
    ValueError
        There is a weight too many, or a shape or a length is wrong.
    """
    layers = read_gru_layers(weights)
    x, h0, lengths = check_gru_input(x, layers, h0, batch_first, lengths)
    alone = x.ndim == 2
    if alone:
        x, h0 = x[:, None], h0[:, None]
    elif batch_first:
        x = x.swapaxes(0, 1)  # (time, batch, input_size)
    inside = np.arange(len(x))[:, None, None] < lengths[:, None]  # (time, batch, 1)
    h_n = []
    for layer in layers:
        outputs = []
        for backwards, w in enumerate(layer):
            output, h = gru_direction(x, w, h0[len(h_n)], inside, backwards)
            outputs.append(output)
            h_n.append(h)
        x = np.concatenate(outputs, axis=-1)  # (time, batch, num_directions * hidden_size)
    h_n = np.stack(h_n)  # (num_layers * num_directions, batch, hidden_size)
    if alone:
        return x[:, 0], h_n[:, 0]
    return x.swapaxes(0, 1) if batch_first else x, h_n


def gru_direction(x, w, h, inside, backwards):
    """Run one layer over all steps; return its outputs and its last state."""
    from_x = recurrent_inputs(x, w["weight_ih"], w["bias_ih"])  # (time, batch, 3 * hidden_size)
    w_hh = recurrent_weight(w["weight_hh"], len(h))  # (hidden_size, 3 * hidden_size)
    shortest = inside.all(axis=(1, 2)).sum()
    output = [None] * len(x)
    for t in reversed(range(len(x))) if backwards else range(len(x)):
        from_h = h @ w_hh + w["bias_hh"]  # (batch, 3 * hidden_size)
        output[t] = new_h = gru_step(from_x[t], from_h, h)  # (batch, hidden_size)
        if t >= shortest:  # a row that is over keeps its state
            new_h = np.where(inside[t], new_h, h)  # (batch, hidden_size)
            output[t] = np.where(inside[t], new_h, 0)  # (batch, hidden_size)
        h = new_h
    return np.array(output), h  # (time, batch, hidden_size), (batch, hidden_size)


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


def gru_cell(x, weights, h=None):
    """Run ``nn.GRUCell``, one step.

    Parameters
    ----------
    x : array (batch, input_size) or (input_size,)
    weights : mapping of str to array
        weight_ih (3 * hidden_size, input_size), weight_hh (3 * hidden_size, hidden_size), and
        bias_ih, bias_hh (3 * hidden_size,), both or neither.
    h : array (batch, hidden_size) or (hidden_size,), optional
        Zeros if not given.

    Returns
    -------
    h : array (batch, hidden_size) or (hidden_size,)

    Raises
    ------
    KeyError
        A weight is missing.
    ValueError
        There is a weight too many, or a shape is wrong.
    """
    w = read_gru_cell(weights)
    x, h = check_gru_step(x, w, h)
    from_x = x @ w["weight_ih"].T + w["bias_ih"]  # (..., 3 * hidden_size)
    from_h = h @ w["weight_hh"].T + w["bias_hh"]  # (..., 3 * hidden_size)
    return gru_step(from_x, from_h, h)  # (..., hidden_size)


def gru_step(from_x, from_h, h):
    """Return h after one step."""
    size = h.shape[-1]
    n_x, n_h = from_x[..., 2 * size :], from_h[..., 2 * size :]  # (..., hidden_size)
    # One call for the two blocks of r and z is faster than two.
    r_z = logistic(from_x[..., : 2 * size] + from_h[..., : 2 * size])  # (..., 2 * hidden_size)
    r, z = r_z[..., :size], r_z[..., size:]  # (..., hidden_size)
    n = np.tanh(n_x + r * n_h)  # (..., hidden_size)
    # This is (1 - z) * n + z * h, with one operation less.
    return n + z * (h - n)  # (..., hidden_size)


def logistic(v):
    """Return the sigmoid of v: also its small half to the last digits."""
    with np.errstate(over="ignore"):  # exp(-v) may be inf; 1 / inf is the right 0
        return 1 / (1 + np.exp(-v))


def read_gru_layers(weights):
    """Return the weights of [layer][direction], or say which one is wrong and why."""
    num_layers = 1
    while f"weight_ih_l{num_layers}" in weights:
        num_layers += 1
    sides = ["", "_reverse"] if "weight_ih_l0_reverse" in weights else [""]
    ends = [[f"_l{k}{side}" for side in sides] for k in range(num_layers)]
    return read_gru(weights, ends)


def read_gru_cell(weights):
    """Return the weights of a cell, or say which one is wrong and why."""
    return read_gru(weights, [[""]])[0][0]


def read_gru(weights, ends):
    """Return the arrays whose names have these ends, under the names of a cell."""
    biased = ["bias_ih", "bias_hh"] if any("bias" in name for name in weights) else []
    parts = ["weight_hh", "weight_ih", *biased]
    names = [part + end for layer in ends for end in layer for part in parts]
    if missing := [name for name in names if name not in weights]:
        raise KeyError(
            f"weights lack {missing}; they have {list(weights)}. "
            "Take state_dict()'s own names, without the name of the module before them"
        )
    if surplus := [name for name in weights if name not in names]:
        raise ValueError(f"weights have {surplus} besides {names}: are they another layer's?")

    # weight_hh tells the sizes: its shorter side is hidden_size, even if it was transposed.
    arrays = {name: np.asarray(weights[name]) for name in names}
    hidden = max(1, min(arrays[names[0]].shape[-2:], default=1))
    rows = 3 * hidden
    cells = []
    for k, layer in enumerate(ends):
        size = arrays["weight_ih" + layer[0]].size // rows if k == 0 else len(layer) * hidden
        expected = {
            "weight_hh": (rows, hidden),
            "weight_ih": (rows, max(1, size)),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }
        for end in layer:
            for part in parts:
                check_gru_shape(part + end, arrays[part + end].shape, expected[part])
        cells.append([{p: arrays[p + end] for p in parts} for end in layer])
    return [[{"bias_ih": 0, "bias_hh": 0} | w for w in layer] for layer in cells]


def check_gru_shape(name, given, expected):
    """Raise with the likely slip unless a weight has the shape expected."""
    if given == expected:
        return
    others = {1: "an nn.RNN", 4: "an LSTM"}  # the same names
    gates = 3 * given[0] / expected[0] if given and given[1:] == expected[1:] else 0
    if given == expected[::-1]:
        slip = "PyTorch stores one row per output; was this one transposed?"
    elif gates in others:
        slip = f"it has {gates:.0f} * hidden_size rows, not 3; is this {others[gates]}?"
    else:
        slip = "is it another layer's?"
    raise ValueError(f"{name} has shape {given}, expected {expected}: {slip}")


def check_gru_input(x, layers, h0, batch_first, lengths):
    """Return x, h0 and lengths as arrays, or say which one is wrong and why."""
    w = layers[0][0]
    features, hidden = w["weight_ih"].shape[1], w["weight_hh"].shape[1]
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

    h0 = check_gru_state(h0, (len(layers) * len(layers[0]), *batch, hidden), x.dtype)
    if lengths is None:
        return x, h0, np.full(batch or 1, time)
    lengths = np.asarray(lengths)
    if not batch:
        raise ValueError(f"lengths need a batch axis, but x has shape {x.shape}: cut x instead")
    if lengths.shape != tuple(batch) or not np.isin(lengths, range(1, time + 1)).all():
        raise ValueError(
            f"lengths are {lengths.tolist()}, expected {batch[0]} integers from 1 to {time}, "
            f"one a row of x {x.shape}: is batch_first right?"
        )
    return x, h0, lengths


def check_gru_step(x, w, h):
    """Return x and h of one step as arrays, or say which one is wrong and why."""
    features, hidden = w["weight_ih"].shape[1], w["weight_hh"].shape[1]
    x = np.asarray(x)
    if x.ndim not in (1, 2):
        raise ValueError(
            f"x has shape {x.shape}, expected (batch, {features}) or ({features},): "
            "a cell takes one step; is this a sequence?"
        )
    check_features(x, features)
    return x, check_gru_state(h, (*x.shape[:-1], hidden), x.dtype)


def check_features(x, features):
    """Raise with the likely slip unless the last axis of x has as many features as expected."""
    if x.shape[-1] != features:
        slip = "are the axes in another order?" if features in x.shape else "is it another layer's?"
        raise ValueError(
            f"x has shape {x.shape}, expected {features} features in its last axis: {slip}"
        )


def check_gru_state(h, shape, dtype):
    """Return the hidden state as an array, or say what is wrong with it and why."""
    h = np.zeros(shape, dtype) if h is None else np.asarray(h)
    if h.shape != shape:
        raise ValueError(
            f"the hidden state has shape {h.shape}, expected {shape}: of a layer, "
            "(num_layers * num_directions, batch, hidden_size), also if batch_first"
        )
    return h
