"""Rotary positions in NumPy, by config.json: pairs of features turn by an angle each."""

import numpy as np


def rotary(positions, head_dim, rope):
    """Return the cosine and sine that ``turn_halves`` takes.

    Parameters
    ----------
    positions : integers (batch, time)
    head_dim : int
    rope : dict
        As ``read_rope`` returns it.
    """
    frequencies = rope["rope_theta"] ** -(np.arange(0, head_dim, 2) / head_dim)
    if rope["rope_type"] == "linear":
        frequencies = frequencies / rope["factor"]
    elif rope["rope_type"] == "llama3":
        frequencies = llama3_frequencies(frequencies, rope)
    angles = positions[:, None, :, None] * frequencies  # (batch, 1, time, head_dim // 2)
    return np.cos(angles), np.sin(angles)


def llama3_frequencies(frequencies, rope):
    """Return frequencies of which the slow ones are slower by a factor, those between partly."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] * frequencies / (2 * np.pi)
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return kept * frequencies + (1 - kept) * frequencies / rope["factor"]


def turn_halves(x, cos, sin):
    """Return x with feature i and feature i + head_dim // 2 turned together."""
    a, b = np.split(x, 2, axis=-1)  # (batch, num_heads, time, head_dim // 2)
    cos, sin = cos.astype(x.dtype), sin.astype(x.dtype)
    turned = [a * cos - b * sin, b * cos + a * sin]
    return np.concatenate(turned, axis=-1)  # (batch, num_heads, time, head_dim)


# What refuses wrong input


ROPE_NEEDS = {
    "default": [],
    "linear": ["factor"],
    "llama3": ["factor", "low_freq_factor", "high_freq_factor"],
}


def read_rope(config, given):
    """Return the rotary part of config.json with its defaults, or say what is unknown in it.

    Version 5 of the library writes "rope_parameters". Before, "rope_theta" stood beside
    "rope_scaling", which was null or had "type" instead of "rope_type".
    """
    rope = {"rope_theta": config.get("rope_theta") or 10000.0} | (given or {})
    rope.setdefault("rope_type", rope.get("type", "default"))
    if rope["rope_type"] not in ROPE_NEEDS:
        raise ValueError(
            f"rope_type is {rope['rope_type']!r}, expected one of {list(ROPE_NEEDS)}: the others "
            "change the frequencies in ways that are not written here"
        )
    if missing := [name for name in ROPE_NEEDS[rope["rope_type"]] if name not in rope]:
        raise ValueError(f"rope_type {rope['rope_type']!r} needs {missing} in config.json")
    rope.setdefault("original_max_position_embeddings", config.get("max_position_embeddings"))
    return rope
