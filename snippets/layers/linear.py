"""``nn.Linear`` in plain NumPy, its weight as ``state_dict()`` holds it."""

import math

import numpy as np


def linear(x, weight, bias=None):
    """Return ``x @ weight.T + bias``: one output for each row of the weight.

    Parameters
    ----------
    x : array (..., in_features)
        Any leading axes, or none.
    weight : array (out_features, in_features)
        As stored.
    bias : array (out_features,), optional
        None for a layer made with ``bias=False``.

    Returns
    -------
    array (..., out_features)

    Raises
    ------
    ValueError
        A shape does not fit. A transposed square weight fits: compare with
        PyTorch's outputs.

    See Also
    --------
    torch.nn.Linear, torch.nn.functional.linear
    """
    (x, weight, bias), dtype = as_floats(x, weight, bias, kinds="fc")
    check_linear(x.shape, weight.shape, None if bias is None else bias.shape)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN without a warning, as in PyTorch
        y = x @ weight.T  # (..., out_features)
        if bias is not None:
            y += bias
    return y.astype(dtype, copy=False)  # (..., out_features)


# What refuses wrong input


def check_linear(x, weight, bias):
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
