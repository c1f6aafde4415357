"""Promise 3: a recipe equals PyTorch."""

import numpy as np

FLOAT64 = 1e-11
FLOAT32 = 1e-5


def assert_parity(ours, reference, tolerance=FLOAT64, terms=None):
    """Fail unless ours has the reference's shape and dtype and is within tolerance of its scale.

    Its scale is that of the terms where they may cancel. Finiteness comes first: a NaN on both
    sides would compare as equal or as nothing at all.
    """
    reference = reference.detach().numpy()
    ours_is, torchs_is = (f"{a.dtype} {a.shape}" for a in (ours, reference))
    assert ours_is == torchs_is, f"ours is {ours_is}, PyTorch's is {torchs_is}"
    assert np.isfinite(reference).all(), "the reference is not finite"
    assert np.isfinite(ours).all(), "ours is not finite"
    error = np.abs(ours - reference).max(initial=0)
    scale = np.abs(reference if terms is None else terms.numpy()).max(initial=0)
    assert error <= tolerance * scale, f"off by {error:.2g}, at a scale of {scale:.2g}"


def arrays(module):
    """Return a module's state_dict() as NumPy arrays, under PyTorch's names."""
    return {name: values.numpy().copy() for name, values in module.state_dict().items()}
