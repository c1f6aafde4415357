"""nn.Bilinear in NumPy: each output has a matrix, with a weight for every pair of inputs."""

import numpy as np


def bilinear(input1, input2, weight, bias=None):
    """Return ``input1 @ weight[k] @ input2 + bias[k]`` for each output k.

    Parameters
    ----------
    input1 : array (..., in1_features)
    input2 : array (..., in2_features)
        The leading axes are those of input1; they don't broadcast.
    weight : array (out_features, in1_features, in2_features)
        As stored.
    bias : array (out_features,), optional
        None for a layer made with ``bias=False``.

    Returns
    -------
    array (..., out_features)

    Raises
    ------
    ValueError
        A shape does not fit.

    See Also
    --------
    torch.nn.Bilinear, torch.nn.functional.bilinear
    """
    (input1, input2, weight, bias), dtype = as_floats(input1, input2, weight, bias, kinds="fc")
    bias_shape = None if bias is None else bias.shape
    check_bilinear(input1.shape, input2.shape, weight.shape, bias_shape)
    y = np.empty((*input1.shape[:-1], len(weight)), weight.dtype)  # (..., out_features)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN without a warning, as in PyTorch
        # One output at a time: all at once, there would be out_features copies of input2.
        for k, matrix in enumerate(weight):
            from_1 = input1 @ matrix  # (..., in2_features)
            y[..., k] = (from_1 * input2).sum(axis=-1)
        if bias is not None:
            y += bias
    return y.astype(dtype, copy=False)  # (..., out_features)


# What refuses wrong input


def check_bilinear(input1, input2, weight, bias):
    """Raise a ValueError with the likely slip if one of the four shapes is wrong."""
    if len(weight) != 3 or 0 in weight[1:]:
        expected = "(out_features, in1_features, in2_features)"
        raise ValueError(f"weight has shape {weight}, expected {expected}")
    out_features, *features = weight
    given = [*input1[-1:], *input2[-1:]]
    if given != features:
        slip = (
            "are input1 and input2 swapped?"
            if given == features[::-1]
            else "is it another layer's?"
        )
        raise ValueError(
            f"input1 has shape {input1} and input2 {input2}, but weight {weight} reads "
            f"{features[0]} and {features[1]} features in their last axes: {slip}"
        )
    if input1[:-1] != input2[:-1]:
        raise ValueError(
            f"input1 has shape {input1} and input2 {input2}, expected the same leading axes: "
            "they don't broadcast"
        )
    if bias not in (None, (out_features,)):
        raise ValueError(f"bias has shape {bias}, expected {(out_features,)}, one for each output")


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
