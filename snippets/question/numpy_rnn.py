"""The question's network in plain NumPy, its weights as ``state_dict()`` holds them."""

import numpy as np

SHAPES = {
    "dense1.weight": ("dim_recurrent", "dim_input"),
    "dense1.bias": ("dim_recurrent",),
    "dense2.weight": ("dim_recurrent", "dim_recurrent"),
    "dense3.weight": ("dim_recurrent", "dim_input"),
    "dense3.bias": ("dim_recurrent",),
    "dense4.weight": ("dim_recurrent", "dim_recurrent"),
    "dense5.weight": ("dim_output", "dim_recurrent"),
    "dense5.bias": ("dim_output",),
}


class RNN:
    """Five Linear layers wired as one gated recurrent cell; mirrors ``torch_rnn.RNN``.

    For every time step t, from ``h = h0``::

        z = sigmoid(dense1(x[t]) + dense2(h))
        n = tanh(dense3(x[t]) + dense4(h))
        h = z * h + (1 - z) * n
        outputs[t] = dense5(h)

    where a layer is ``dense(x) = x @ weight.T + bias``; dense2 and dense4 have no bias.

    Parameters
    ----------
    state : mapping of str to array
        The weights under their ``state_dict()`` names, stored as SHAPES says: a dict, or an open
        ``.npz``. They are copied, to the widest dtype among them.

    Raises
    ------
    TypeError, KeyError, ValueError
        The state is no mapping; a weight is missing; one is too many, misshapen, not numeric or
        not finite. A transposed dense2 or dense4 is square and passes: compare with PyTorch's
        outputs.
    """

    def __init__(self, state):
        self.state = check_state(state)

    def __call__(self, x, h0=None):
        """Run the network over a sequence.

        Parameters
        ----------
        x : array (time, dim_input) or (batch, time, dim_input)
        h0 : array (dim_recurrent,) or (batch, dim_recurrent), optional
            The hidden state before the first step; zeros if not given.

        Returns
        -------
        outputs : array (time, dim_output) or (batch, time, dim_output)
        h_n : array (dim_recurrent,) or (batch, dim_recurrent)
            The hidden state after the last step.

        Raises
        ------
        ValueError
            x or h0 has another shape, or is not numeric.
        """
        x, h = check_input(x, h0, self.state)
        x, h, w, dtype = in_one_dtype(x, h, self.state)
        to_z = x @ w["dense1.weight"].T + w["dense1.bias"]  # (..., time, dim_recurrent)
        to_n = x @ w["dense3.weight"].T + w["dense3.bias"]  # (..., time, dim_recurrent)
        hidden = np.empty(to_z.shape, to_z.dtype)  # (..., time, dim_recurrent)
        for t in range(x.shape[-2]):
            z = sigmoid(to_z[..., t, :] + h @ w["dense2.weight"].T)  # (..., dim_recurrent)
            n = np.tanh(to_n[..., t, :] + h @ w["dense4.weight"].T)  # (..., dim_recurrent)
            h = z * h + (1 - z) * n  # (..., dim_recurrent)
            hidden[..., t, :] = h
        outputs = hidden @ w["dense5.weight"].T + w["dense5.bias"]  # (..., time, dim_output)
        return outputs.astype(dtype, copy=False), h.astype(dtype, copy=False)


def sigmoid(v):
    """Return 1 / (1 + exp(-v)): also its small half to the last digits."""
    with np.errstate(over="ignore"):  # exp(-v) may be inf; 1 / inf is the right 0
        return 1 / (1 + np.exp(-v))


# What refuses wrong input


def check_state(state):
    """Return copies of ``RNN``'s weights, of one dtype, or say which one is wrong and why."""
    if not hasattr(state, "keys"):
        raise TypeError(f"state is a {type(state).__name__}, expected a mapping: take state_dict()")
    missing = [name for name in SHAPES if name not in state]
    surplus = [name for name in state if name not in SHAPES]
    if missing:
        raise KeyError(
            f"state lacks {missing}; it has {list(state)}. Take state_dict()'s own names"
        )
    if surplus:
        raise ValueError(f"state has {surplus} besides {list(SHAPES)}: is it another model's?")

    weights = {name: check_numbers(name, state[name]) for name in SHAPES}
    # A bias has one axis, so no transpose can hide in it: the biases tell the sizes.
    sizes = {
        "dim_recurrent": weights["dense1.bias"].size,
        "dim_output": weights["dense5.bias"].size,
    }
    others = [n for n in weights["dense1.weight"].shape if n != sizes["dim_recurrent"]]
    sizes["dim_input"] = others[0] if others else sizes["dim_recurrent"]
    for name, axes in SHAPES.items():
        given = weights[name].shape
        expected = tuple(sizes[axis] for axis in axes)
        if given != expected:
            slip = (
                "dense1.bias and dense5.bias tell the sizes; is one of the three another layer's?"
            )
            if given == expected[::-1]:
                slip = (
                    "PyTorch stores Linear weights as (out_features, in_features); "
                    "was this one transposed?"
                )
            raise ValueError(f"{name} has shape {given}, expected {expected}: {slip}")
        if not np.isfinite(weights[name]).all():
            raise ValueError(f"{name} has NaN or infinite values: did the training diverge?")
    dtype = np.result_type(*weights.values())
    return {name: weight.astype(dtype) for name, weight in weights.items()}


def check_input(x, h0, weights):
    """Return x and the first hidden state as arrays, or say which one is wrong and why."""
    dim_recurrent, dim_input = weights["dense1.weight"].shape
    x = check_numbers("x", x)
    if x.ndim not in (2, 3):
        slip = "is there an axis too many?" if x.ndim > 3 else "a single step is x[None]"
        raise ValueError(
            f"x has shape {x.shape}, expected (time, {dim_input}) or (batch, time, {dim_input}): "
            + slip
        )
    if x.shape[-1] != dim_input:
        slip = f"the model reads {dim_input} at every step"
        if dim_input in x.shape:
            slip = "are the axes in another order?"
        raise ValueError(
            f"x has shape {x.shape}, expected {dim_input} features in its last axis: {slip}"
        )
    shape = (*x.shape[:-2], dim_recurrent)
    if h0 is None:
        return x, np.zeros(shape, x.dtype)
    h0 = check_numbers("h0", h0)
    if h0.shape != shape:
        raise ValueError(
            f"h0 has shape {h0.shape}, expected {shape}: "
            "one state a sequence, without an axis for time or layers"
        )
    return x, h0.copy()


def check_numbers(name, values):
    """Return values as a floating-point array, or say that they are no real numbers."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} has dtype {array.dtype}, expected real numbers")
    return array if array.dtype.kind == "f" else array.astype(float)


def in_one_dtype(x, h, weights):
    """Return them in the dtype to compute in, float32 for float16, and the result's dtype."""
    dtype = np.result_type(x, h, *weights.values())
    wide = np.promote_types(dtype, np.float32)
    w = {name: weight.astype(wide, copy=False) for name, weight in weights.items()}
    return x.astype(wide, copy=False), h.astype(wide, copy=False), w, dtype
