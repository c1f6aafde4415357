"""Rotary positions turn pairs, half a head apart; config.json says how fast."""

import math

import numpy as np
import pytest

from snippets.models.rotary import (
    llama3_frequencies,
    read_rope,
    rope_frequencies,
    rotary,
    turn_halves,
)
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
    rope = read_rope({"max_position_embeddings": 99}, LLAMA3)
    assert {name: rope[name] for name in LLAMA3} == LLAMA3
    rope = read_rope({"original_max_position_embeddings": 7}, LLAMA3)  # Phi-3 writes it there
    assert rope["original_max_position_embeddings"] == 7


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}


def test_yarn_keeps_what_turns_often_and_slows_what_does_not():
    rope = read_rope({}, YARN | {"beta_fast": 4})
    plain = rope_frequencies(16, read_rope({}, None), 1)
    kept = rope_frequencies(16, rope, 1) / plain
    assert kept[0] == 1
    assert kept[-1] == 1 / 4
    assert (np.diff(kept) <= 0).all()
    exact = rope_frequencies(16, rope | {"truncate": False}, 1) / plain
    assert 0.01 < np.abs(exact - kept).max() < 0.5
    turns = 64 * plain / (2 * np.pi)  # in a text as long as in training; 4 are kept, 1 is slowed
    slowed = np.clip(np.log(4 / turns) / np.log(4), 0, 1)
    np.testing.assert_allclose(exact, 1 - slowed + slowed / 4)


def test_where_yarn_has_no_room_between_it_jumps():
    rope = read_rope({}, YARN | {"beta_fast": 2, "beta_slow": 2, "truncate": False})
    kept = rope_frequencies(8, rope, 1) / rope_frequencies(8, read_rope({}, None), 1)
    assert set(kept.round(12)) == {1, 1 / 4}


def test_what_scales_the_tables():
    assert read_rope({}, None)["attention_factor"] == 1
    assert read_rope({}, YARN)["attention_factor"] == 0.1 * math.log(4) + 1
    both = read_rope({}, YARN | {"mscale": 2.0, "mscale_all_dim": 0.5})["attention_factor"]
    assert both == (0.2 * math.log(4) + 1) / (0.05 * math.log(4) + 1)
    assert read_rope({}, YARN | {"mscale": 2.0})["attention_factor"] == 0.1 * math.log(4) + 1
    assert read_rope({}, YARN | {"attention_factor": 0.7})["attention_factor"] == 0.7
    assert read_rope({}, YARN | {"factor": 0.5})["attention_factor"] == 1
    longest = read_rope({"max_position_embeddings": 256}, YARN | {"factor": None})
    assert longest["factor"] == 4
    cos, _ = rotary(POSITIONS, 4, longest)
    np.testing.assert_allclose(cos[0, 0, 0], longest["attention_factor"])


@pytest.mark.parametrize("kind", ["longrope", "dynamic"])
def test_a_text_as_long_as_in_training_turns_as_it_did(kind):
    given = {"rope_type": kind, "factor": 2.0, "short_factor": [1, 2], "long_factor": [3, 4]}
    rope = read_rope({"max_position_embeddings": 4, "original_max_position_embeddings": 4}, given)
    within, beyond = (rotary(np.arange(length)[None], 4, rope)[1][0, 0, 1] for length in (4, 5))
    trained = rope_frequencies(4, rope, 1)
    np.testing.assert_allclose(within, np.sin(trained) * rope["attention_factor"])
    assert np.abs(beyond - within).max() > 0.001
    exact = np.sin(rope_frequencies(4, rope, 5)) * rope["attention_factor"]
    np.testing.assert_allclose(beyond, exact)


def test_a_factor_for_each_pair():
    given = {"rope_type": "longrope", "factor": 4.0, "long_factor": [1], "short_factor": [1, 2]}
    rope = read_rope({"max_position_embeddings": 64, "rope_theta": 1e4}, given)
    with pytest.raises(
        ValueError, match=r"short_factor of config.json has shape \(2,\), expected"
    ) as info:
        rotary(np.arange(3)[None], 6, rope)
    assert "expected (3,): one for each pair of features of a head" in str(info.value)


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="rope_type is 'proportional', expected one of ") as info:
        read_rope({}, {"rope_type": "proportional", "factor": 4.0})
    assert str(info.value) == (
        "rope_type is 'proportional', expected one of ['default', 'linear', 'llama3', 'dynamic', "
        "'yarn', 'longrope']: the others change the frequencies in ways that are not written here"
    )
    with pytest.raises(ValueError, match="rope_type 'llama3' needs") as info:
        read_rope({"max_position_embeddings": 64}, {"rope_type": "llama3", "factor": 4.0})
    assert str(info.value) == (
        "rope_type 'llama3' needs ['low_freq_factor', 'high_freq_factor'] in config.json"
    )
    with pytest.raises(ValueError, match=r"needs \['max_position_embeddings'\] in config.json"):
        read_rope({}, {"rope_type": "dynamic", "factor": 4.0})
    with pytest.raises(ValueError, match=r"'yarn' needs \['factor'\] in config.json"):
        read_rope({"original_max_position_embeddings": 64}, {"rope_type": "yarn"})
    for kind in ("yarn", "longrope"):
        given = {"rope_type": kind, "factor": 4.0, "long_factor": [1], "short_factor": [1]}
        with pytest.raises(ValueError, match=r"needs \['original_max_position_embeddings'\]"):
            read_rope({}, given)
    for config, given in (
        ({"partial_rotary_factor": 0.5}, {}),
        ({}, {"partial_rotary_factor": 0.5}),
    ):
        with pytest.raises(ValueError, match="partial_rotary_factor is") as info:
            read_rope(config, given)
        assert str(info.value) == (
            "partial_rotary_factor is 0.5, expected 1: all of a head turns here"
        )


def test_shape_comments():
    with executed(MODELS / "rotary.py") as (module, sizes):
        sizes.update(batch=2, time=3, num_heads=5, head_dim=8)
        cos, sin = module.rotary(np.ones((2, 3), int), 8, read_rope({}, None))
        module.turn_halves(np.ones((2, 5, 3, 8)), cos, sin)
