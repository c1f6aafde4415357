"""Rotary positions in NumPy, by config.json: pairs of features turn by an angle each."""

import math

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
    frequencies = rope_frequencies(head_dim, rope, positions.max(initial=0) + 1)
    angles = positions[:, None, :, None] * frequencies  # (batch, 1, time, head_dim // 2)
    return np.cos(angles) * rope["attention_factor"], np.sin(angles) * rope["attention_factor"]


def rope_frequencies(head_dim, rope, length):
    """Return the angles by which the pairs turn from a token to the next one."""
    base, kind = rope["rope_theta"], rope["rope_type"]
    if kind == "dynamic":
        grown = max(length / rope["max_position_embeddings"], 1)
        base = base * (rope["factor"] * (grown - 1) + 1) ** (head_dim / (head_dim - 2))
    frequencies = base ** -(np.arange(0, head_dim, 2) / head_dim)
    if kind == "linear":
        return frequencies / rope["factor"]
    if kind == "llama3":
        return llama3_frequencies(frequencies, rope)
    if kind == "yarn":
        return yarn_frequencies(frequencies, rope)
    if kind == "longrope":
        long = length > rope["original_max_position_embeddings"]
        return frequencies / pair_factors(rope, "long_factor" if long else "short_factor", head_dim)
    return frequencies


def llama3_frequencies(frequencies, rope):
    """Return frequencies of which the slow ones are slower by a factor, those between partly."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] * frequencies / (2 * np.pi)
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return kept * frequencies + (1 - kept) * frequencies / rope["factor"]


def yarn_frequencies(frequencies, rope):
    """Return frequencies of which the first are kept, the last slower by a factor."""
    size, base = 2 * len(frequencies), rope["rope_theta"]
    lengths = [rope["original_max_position_embeddings"] / (2 * math.pi * n) for n in rope["turns"]]
    first, last = (size * math.log(n) / (2 * math.log(base)) for n in lengths)
    if rope.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, size - 1)
    slowed = np.clip((np.arange(size // 2) - first) / (last - first or 0.001), 0, 1)
    return (1 - slowed) * frequencies + slowed * frequencies / rope["factor"]


def turn_halves(x, cos, sin):
    """Return x with feature i and feature i + head_dim // 2 turned together."""
    a, b = np.split(x, 2, axis=-1)  # (batch, num_heads, time, head_dim // 2)
    cos, sin = cos.astype(x.dtype), sin.astype(x.dtype)
    turned = [a * cos - b * sin, b * cos + a * sin]
    return np.concatenate(turned, axis=-1)  # (batch, num_heads, time, head_dim)


# What refuses wrong input


ORIGINAL = "original_max_position_embeddings"  # or else max_position_embeddings
ROPE_NEEDS = {
    "default": [],
    "linear": ["factor"],
    "llama3": ["factor", "low_freq_factor", "high_freq_factor", ORIGINAL],
    "dynamic": ["factor", "max_position_embeddings"],
    "yarn": ["factor", ORIGINAL],
    "longrope": ["long_factor", "short_factor", "factor", ORIGINAL],
}


def pair_factors(rope, name, head_dim):
    """Return the factor of each pair of features, or say how many there should be."""
    if np.shape(rope[name]) != (head_dim // 2,):
        raise ValueError(
            f"{name} of config.json has shape {np.shape(rope[name])}, expected {(head_dim // 2,)}: "
            "one for each pair of features of a head"
        )
    return rope[name]


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
    longest = rope["max_position_embeddings"] = config.get("max_position_embeddings")
    rope[ORIGINAL] = config.get(ORIGINAL) or rope.get(ORIGINAL) or longest
    if rope["rope_type"] in ("yarn", "longrope") and rope.get("factor") is None and longest:
        rope["factor"] = longest / rope[ORIGINAL]
    if missing := [name for name in ROPE_NEEDS[rope["rope_type"]] if rope.get(name) is None]:
        raise ValueError(f"rope_type {rope['rope_type']!r} needs {missing} in config.json")
    part = rope.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1
    if part != 1:
        raise ValueError(f"partial_rotary_factor is {part}, expected 1: all of a head turns here")
    rope["turns"] = rope.get("beta_fast") or 32, rope.get("beta_slow") or 1
    if rope.get("attention_factor") is None:
        rope["attention_factor"] = attention_factor(rope)
    return rope


def attention_factor(rope):
    """Return what the library takes for both tables, where config.json does not say it."""
    kind, growth = rope["rope_type"], math.log(max(rope.get("factor") or 1, 1))
    if kind == "longrope":
        return math.sqrt(1 + growth / math.log(rope["original_max_position_embeddings"]))
    if kind == "yarn":
        own, all_of_it = rope.get("mscale"), rope.get("mscale_all_dim")
        above, below = (own, all_of_it) if own and all_of_it else (1, 0)
        return (0.1 * above * growth + 1) / (0.1 * below * growth + 1)
    return 1.0
