"""Rotary positions turn pairs, half a head apart; config.json says how fast."""

import numpy as np
import pytest

from snippets.models.rotary import llama3_frequencies, read_rope, rotary, turn_halves
from tests.models.decoders import MODELS
from tests.shape_comments import executed

POSITIONS = np.arange(7)[None]
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 40,
}


def turned(x, rope):
    return turn_halves(x, *rotary(POSITIONS, x.shape[-1], rope))


def test_a_pair_is_half_a_head_apart_and_turns_by_its_position():
    x = np.zeros((1, 1, 7, 4))
    x[..., 0] = 1
    y = turned(x, read_rope({}, None))[0, 0]
    np.testing.assert_allclose(y[:, 0], np.cos(np.arange(7)))
    np.testing.assert_allclose(y[:, 2], np.sin(np.arange(7)))
    assert not y[:, [1, 3]].any()


def test_a_score_depends_on_the_distance_alone():
    rng = np.random.default_rng(0)
    q, k = (np.broadcast_to(rng.normal(size=6), (1, 1, 7, 6)) for _ in range(2))
    q, k = (turned(a, read_rope({}, None))[0, 0] for a in (q, k))
    scores = q @ k.T
    for distance in range(-6, 7):
        assert np.ptp(np.diagonal(scores, distance)) < 1e-12


def test_float32_stays():
    cos, sin = rotary(POSITIONS, 4, read_rope({}, None))
    assert turn_halves(np.ones((1, 2, 7, 4), np.float32), cos, sin).dtype == np.float32


def test_linear_scaling_slows_all_alike():
    slow = read_rope({"rope_theta": 100.0}, {"type": "linear", "factor": 2.0})
    plain = read_rope({"rope_theta": 100.0}, None)
    np.testing.assert_allclose(rotary(2 * POSITIONS, 6, slow), rotary(POSITIONS, 6, plain))


def test_llama3_slows_what_turns_less_than_once_and_keeps_what_turns_often():
    turns = np.array([6.0, 4.0, 2.5, 1.0, 0.2])
    frequencies = turns * 2 * np.pi / 40
    slowed = llama3_frequencies(frequencies, LLAMA3) / frequencies
    np.testing.assert_allclose(slowed, [1, 1, (1 + 1 / 8) / 2, 1 / 8, 1 / 8])


def test_both_ways_to_write_it_are_read():
    new = read_rope({"rope_parameters": 1}, {"rope_type": "default", "rope_theta": 5e5})
    old = read_rope({"rope_theta": 5e5}, None)
    assert new["rope_theta"] == old["rope_theta"] == 5e5
    assert read_rope({}, {})["rope_theta"] == 1e4
    given = {k: v for k, v in LLAMA3.items() if k != "original_max_position_embeddings"}
    rope = read_rope({"max_position_embeddings": 99}, given)
    assert rope["original_max_position_embeddings"] == 99
    assert read_rope({"max_position_embeddings": 99}, LLAMA3) == LLAMA3 | {"rope_theta": 1e4}


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="rope_type is 'yarn', expected one of ") as info:
        read_rope({}, {"rope_type": "yarn", "factor": 4.0})
    assert str(info.value) == (
        "rope_type is 'yarn', expected one of ['default', 'linear', 'llama3']: the others change "
        "the frequencies in ways that are not written here"
    )
    with pytest.raises(ValueError, match="rope_type 'llama3' needs") as info:
        read_rope({}, {"rope_type": "llama3", "factor": 4.0})
    assert str(info.value) == (
        "rope_type 'llama3' needs ['low_freq_factor', 'high_freq_factor'] in config.json"
    )


def test_shape_comments():
    with executed(MODELS / "rotary.py") as (module, sizes):
        sizes.update(batch=2, time=3, num_heads=5, head_dim=8)
        cos, sin = module.rotary(np.ones((2, 3), int), 8, read_rope({}, None))
        module.turn_halves(np.ones((2, 5, 3, 8)), cos, sin)
