"""LoRA: a trained change of a weight, as two small matrices: ``merged(weight, A, B, scale)``."""

import numpy as np


def merged(weight, A, B, scale):
    """Return the weight with the change that LoRA trained: ``weight + scale * B @ A``.

    Parameters
    ----------
    weight : array (out_features, in_features)
    A : array (r, in_features)
        ``lora_A.weight`` of the file.
    B : array (out_features, r)
        ``lora_B.weight``.
    scale : float
        ``lora_alpha / r`` of adapter_config.json, ``lora_alpha / sqrt(r)`` with ``use_rslora``.

    Returns
    -------
    ndarray
        (out_features, in_features), of the weight's dtype. float16 is computed in float32.

    Raises
    ------
    ValueError
        The shapes do not fit one another.

    See Also
    --------
    torch.nn.Linear : has such a weight; ``merge_and_unload`` of peft does this for a model.
    """
    weight, down, up = (np.asarray(array) for array in (weight, A, B))
    check_lora(weight.shape, down.shape, up.shape)
    wide = np.promote_types(weight.dtype, np.float32)
    change = up.astype(wide) @ down.astype(wide)  # (out_features, in_features)
    return (weight + wide.type(scale) * change).astype(weight.dtype)


# What refuses wrong input


def check_lora(weight, down, up):
    """Refuse shapes that do not fit one another."""
    if len(down) == len(up) == 2 and down[0] == up[1]:
        change = up[0], down[1]
        if weight == change:
            return
        turned = "; is this a Conv1D, which keeps (in_features, out_features)? Give weight.T"
        raise ValueError(
            f"weight has shape {weight}, but B @ A has {change}" + turned * (weight == change[::-1])
        )
    raise ValueError(
        f"A has shape {down} and B {up}, expected (r, in_features) and (out_features, r)"
    )
