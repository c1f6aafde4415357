"""``nn.Linear`` in plain NumPy, its weight as ``state_dict()`` holds it."""

import math

import numpy as np


def linear(x, weight, bias=None):
    """Return ``x @ weight.T + bias``: one output for each row of the weight.

    Parameters
    ----------
    x : array, (..., in_features)
        Any leading axes, or none.
    weight : array, (out_features, in_features)
        As stored.
    bias : array, (out_features,), optional
        None for a layer made with ``bias=False``.

    Raises
    ------
    ValueError
        A shape does not fit. A transposed square weight fits: compare with
        PyTorch's outputs.
    """
    x = np.asarray(x)  # (..., in_features)
    weight = np.asarray(weight)  # (out_features, in_features)
    check_shapes(x.shape, weight.shape, None if bias is None else np.shape(bias))
    y = x @ weight.T  # (..., out_features)
    return y if bias is None else y + np.asarray(bias)  # (..., out_features)


def check_shapes(x, weight, bias):
    """Raise a ValueError with the likely slip if one of the three shapes is wrong."""
    if len(weight) != 2:
        row = "is it a bias, or one row, weight[None]?"
        slip = row if len(weight) == 1 else "is it another kind of layer's?"
        expected = "(out_features, in_features)"
        raise ValueError(f"weight has shape {weight}, expected {expected}: {slip}")

    out_features, in_features = weight
    if not x:
        slip = "is it a single number?"
        raise ValueError(f"x has shape (), expected (..., {in_features}): {slip}")
    if x[-1] != in_features:
        # A bias has one axis, so no transpose can hide in it: it tells out_features.
        if x[-1] == out_features and bias in (None, (in_features,)):
            slip = (
                "PyTorch stores Linear weights as (out_features, in_features); "
                "was this one transposed?"
            )
        elif len(x) > 2 and math.prod(x[1:]) == in_features:
            slip = f"{'*'.join(map(str, x[1:]))} = {in_features}: take x.reshape(len(x), -1)"
        elif in_features in x:
            slip = f"x has shape {x}; are its axes in another order?"
        else:
            slip = f"this layer reads {in_features}; is x or the weight another layer's?"
        raise ValueError(
            f"weight has shape {weight}, but x has {x[-1]} features in its last axis: {slip}"
        )

    if bias not in (None, (out_features,)):
        slip = "was an axis added?" if out_features in bias else "is it another layer's?"
        raise ValueError(
            f"bias has shape {bias}, expected {(out_features,)}, one for each row of weight: {slip}"
        )
