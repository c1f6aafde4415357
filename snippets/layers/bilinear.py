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
    """
    input1 = np.asarray(input1)  # (..., in1_features)
    input2 = np.asarray(input2)  # (..., in2_features)
    weight = np.asarray(weight)  # (out_features, in1_features, in2_features)
    bias_shape = None if bias is None else np.shape(bias)
    check_bilinear(input1.shape, input2.shape, weight.shape, bias_shape)
    shape = *input1.shape[:-1], len(weight)
    y = np.empty(shape, np.result_type(input1, input2, weight))  # (..., out_features)
    # One output at a time: all at once, there would be out_features copies of input2.
    for k, matrix in enumerate(weight):
        from_1 = input1 @ matrix  # (..., in2_features)
        y[..., k] = (from_1 * input2).sum(axis=-1)
    return y if bias is None else y + np.asarray(bias)  # (..., out_features)


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
