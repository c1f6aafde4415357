"""The five hues can be read on both papers, and told apart by every kind of eye."""

import itertools
import pathlib
import re

import numpy as np
import pytest

CSS = (pathlib.Path(__file__).parents[2] / "docs/theme/assets/site.css").read_text("utf-8")
HUES = ("out", "in", "batch", "hidden", "kernel")

# Material's page and code backgrounds; slate's are hsl(225, 15%, 14%) and hsl(225, 15%, 18%).
PAPER = {"default": ("#ffffff", "#f5f5f5"), "slate": ("#1e2129", "#272a35")}

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}

# In Oklab a just noticeable difference is about 0.02; thin text deserves three of them.
APART = 0.06


def linear(hex_):
    """Return the linear RGB of "#rrggbb"."""
    c = np.array([int(hex_[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """Return the contrast ratio of WCAG 2."""
    dark, light = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (one, other))
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb):
    """Return Oklab coordinates, lightness included, of linear RGB."""
    lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(lab) @ np.cbrt(np.array(lms) @ np.clip(rgb, 0, 1))


def distance(one, other, eye):
    """Return how far apart two colours lie for an eye."""
    return np.linalg.norm(np.subtract(*(oklab(EYES[eye] @ linear(c)) for c in (one, other))))


def palette(css, scheme):
    """Return {hue: "#rrggbb"} of a scheme; each property is defined once."""
    block = re.search(rf'\[data-md-color-scheme="{scheme}"\] {{([^}}]*--axis-out:[^}}]*)}}', css)[1]
    found = re.findall(r"--axis-(\w+): (#[0-9a-f]{6});", block)
    assert [name for name, _ in found] == list(HUES)
    return dict(found)


def check(hues, papers):
    """Raise AssertionError at a hue that cannot be read, or two that cannot be told apart."""
    for (hue, colour), paper in itertools.product(hues.items(), papers):
        assert contrast(colour, paper) >= 4.5, f"{hue} on {paper}"
    for (one, other), eye in itertools.product(itertools.combinations(hues, 2), EYES):
        assert distance(hues[one], hues[other], eye) >= APART, f"{one} and {other}, {eye}"


@pytest.mark.parametrize("scheme", PAPER)
def test_hues_are_legible_and_distinct(scheme):
    check(palette(CSS, scheme), PAPER[scheme])


@pytest.mark.parametrize("scheme", PAPER)
def test_code_colours_are_legible(scheme):
    blocks = re.findall(rf'\[data-md-color-scheme="{scheme}"\] {{([^}}]*)}}', CSS)
    colours = re.findall(r"--code-\w+: (#[0-9a-f]{6});", "".join(blocks))
    assert len(colours) == 3
    for colour, paper in itertools.product(colours, PAPER[scheme]):
        assert contrast(colour, paper) >= 4.5, f"{colour} on {paper}"


def test_each_hue_is_defined_once_a_scheme():
    assert all(len(re.findall(rf"--axis-{hue}:", CSS)) == 2 for hue in HUES)


def test_plots_are_mapped_from_the_light_palette():
    for hue, colour in palette(CSS, "default").items():
        for what in ("fill", "stroke"):
            assert f'[style*="{what}: {colour}"] {{ {what}: var(--axis-{hue}) !important; }}' in CSS


@pytest.mark.parametrize(
    ("hue", "colour", "message"),
    [
        ("out", "#5eead4", "out on #ffffff"),  # too pale
        ("kernel", "#0f766e", "out and kernel, normal"),  # the same
        ("batch", "#0b7261", "out and batch, normal"),  # nearly
        ("kernel", "#a8560f", "in and kernel"),
        ("hidden", "#0e7490", "out and hidden"),  # told apart, but not by every eye
    ],
)
def test_a_bad_palette_is_found(hue, colour, message):
    with pytest.raises(AssertionError, match=message):
        check(palette(CSS, "default") | {hue: colour}, PAPER["default"])


def test_known_values():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert oklab(linear("#ffffff")) == pytest.approx([1, 0, 0], abs=1e-6)
    # Red and green of one lightness: plain to most, hardly there in deuteranopia.
    assert distance("#c0504d", "#7a7a00", "normal") > 2 * distance(
        "#c0504d", "#7a7a00", "deuteranopia"
    )
