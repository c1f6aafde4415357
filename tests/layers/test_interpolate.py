"""``interpolate`` against ``F.interpolate`` and the layers, and what it says to wrong arguments."""

import inspect
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers.interpolate import as_floats, interpolate, nearest_pixels
from tests import SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, assert_parity
from tests.sabotage import sabotaged

torch = pytest.importorskip("torch")

PATH = SNIPPETS_DIR / "layers/interpolate.py"
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
MODES = [
    *(("nearest", axes) for axes in (1, 2, 3)),
    *(("nearest-exact", axes) for axes in (1, 2, 3)),
    *((mode, axes) for axes, mode in LINEAR.items()),
    ("bicubic", 2),
]


def random(shape, dtype="float64", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=getattr(torch, dtype))


def agree(shape, function=interpolate, dtype="float64", seed=0, **arguments):
    x = random(shape, dtype, seed)
    tolerance = FLOAT64 if dtype == "float64" else FLOAT32
    tolerance = 0 if "nearest" in arguments["mode"] else tolerance
    reference = torch.nn.functional.interpolate(x, **arguments)
    assert_parity(function(x.numpy(), **arguments), reference, tolerance)


FACTORS = st.sampled_from([2, 1, 3.0, 0.5, 1.5, 2.2, 0.9, 1.1, 4 / 3, 1.7])


@settings(deadline=None, max_examples=120)
@given(
    data=st.data(),
    mode=st.sampled_from(MODES),
    sizes=st.permutations(range(2, 9)),
    corners=st.sampled_from([None, True, False]),
    recompute=st.sampled_from([None, True, False]),
    dtype=st.sampled_from(["float64", "float64", "float32"]),
    seed=st.integers(0, 2**32),
)
def test_equals_torch(data, mode, sizes, corners, recompute, dtype, seed):
    mode, axes = mode
    arguments = {"mode": mode}
    if "nearest" not in mode:
        arguments["align_corners"] = corners
    if data.draw(st.booleans(), label="size"):
        size = st.integers(1, 20)
        arguments["size"] = data.draw(size | st.tuples(*[size] * axes))
    else:
        factors = data.draw(FACTORS | st.tuples(*[FACTORS] * axes))
        arguments |= {"scale_factor": factors, "recompute_scale_factor": recompute}
    agree(tuple(sizes[: axes + 2]), dtype=dtype, seed=seed, **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("Upsample", {"scale_factor": 2}, (3, 2, 4)),
        ("Upsample", {"size": 9}, (3, 2, 4, 5)),
        ("Upsample", {"size": (9, 7), "mode": "bicubic", "align_corners": True}, (3, 2, 4, 5)),
        ("Upsample", {"scale_factor": (1.5, 2.5), "mode": "bilinear"}, (3, 2, 4, 5)),
        ("Upsample", {"scale_factor": 1.3, "recompute_scale_factor": True}, (3, 2, 4, 5, 7)),
        ("UpsamplingNearest2d", {"scale_factor": 3}, (3, 2, 4, 5)),
        ("UpsamplingBilinear2d", {"size": (9, 7)}, (3, 2, 4, 5)),
    ],
)
def test_equals_the_layers(name, arguments, shape):
    x = random(shape)
    layer = getattr(torch.nn, name)(**arguments)
    named = ["size", "scale_factor", "mode", "align_corners", "recompute_scale_factor"]
    ours = interpolate(x.numpy(), *(getattr(layer, argument) for argument in named))
    assert_parity(ours, layer(x))


@pytest.mark.parametrize(("mode", "axes"), MODES)
def test_equals_torch_at_the_limits(mode, axes):
    for shape in [(3, 2, *[1] * axes), (1, 1, 5, 4, 6)[: 2 + axes], (0, 2, 3, 4, 5)[: 2 + axes]]:
        for size in (1, 2, 7):
            agree(shape, mode=mode, size=size)
            if "nearest" not in mode:
                agree(shape, mode=mode, size=size, align_corners=True)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_equals_torch_on_large_images(mode):
    agree((2, 3, 40, 50), mode=mode, size=(90, 60))
    agree((2, 3, 40, 50), mode=mode, scale_factor=(0.7, 2.3))


# PyTorch computes in the precision of x, and rounds to float32 before the floor. For images with
# two axes of together 128 pixels or less it computes in float32 throughout.
WHERE_PRECISION_DECIDES = [
    ("nearest", (1, 1, 2), {"size": 82}),
    ("nearest", (1, 1, 2), {"size": 98}),
    ("nearest", (1, 1, 1, 2), {"size": (1, 82)}),
    ("nearest", (1, 1, 1, 2), {"size": (46, 82)}),
    ("nearest", (1, 1, 1, 2), {"size": (47, 82)}),
    ("nearest", (1, 1, 375, 1), {"size": (507, 1)}),
    ("nearest", (1, 1, 1, 1, 2), {"size": (1, 1, 82)}),
    ("nearest", (1, 1, 31), {"scale_factor": 1.3}),
    ("nearest", (1, 1, 31, 32), {"scale_factor": 1.3}),
    ("nearest-exact", (1, 1, 2), {"size": 49}),
    ("nearest-exact", (1, 1, 1, 2), {"size": (1, 41)}),
    ("nearest-exact", (1, 1, 1, 382), {"size": (1, 641)}),
    ("nearest-exact", (1, 1, 16), {"scale_factor": 1.3}),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("mode", "shape", "arguments"), WHERE_PRECISION_DECIDES)
def test_equals_torch_where_precision_decides(mode, shape, arguments, dtype):
    agree(shape, mode=mode, dtype=dtype, **arguments)


def always_in_float64(old, new, factor, mode, small, dtype):
    at = np.arange(new) + (0.5 if mode == "nearest-exact" else 0)
    scale = old / new if factor is None else 1 / factor
    return np.minimum((at * scale).astype(int), old - 1)


def always_in_float32(old, new, factor, mode, small, dtype):
    return nearest_pixels(old, new, factor, mode, small, np.float32)


@pytest.mark.parametrize(("mode", "shape", "arguments"), WHERE_PRECISION_DECIDES)
def test_precision_does_decide(mode, shape, arguments, monkeypatch):
    x = random(shape)
    reference = torch.nn.functional.interpolate(x, mode=mode, **arguments).numpy()
    wrong = []
    for always in (always_in_float64, always_in_float32):
        monkeypatch.setitem(interpolate.__globals__, "nearest_pixels", always)
        ours = interpolate(x.numpy(), mode=mode, **arguments)
        wrong += [always] if not np.array_equal(ours, reference) else []
    assert wrong


@pytest.mark.parametrize("old", [2, 3, 5])
@pytest.mark.parametrize("factor", [1.1, 2.2, 2.3])
def test_a_size_that_stays_or_doubles_is_exact_in_small_images_only(old, factor):
    for shape in [(1, 1, old), (1, 1, old, old), (1, 1, old, 100), (1, 1, old, old, old)]:
        for mode in ("nearest", "nearest-exact"):
            agree(shape, mode=mode, scale_factor=factor)


def test_torch_does_not_agree_with_itself():
    # The same numbers in another memory layout, and the second row is another one.
    x = torch.arange(3.0).reshape(1, 1, 3, 1).expand(1, 4, 3, 130).contiguous()
    rows = [
        torch.nn.functional.interpolate(layout, scale_factor=(2.2, 1.0))[0, 0, :, 0].tolist()
        for layout in (x, x.to(memory_format=torch.channels_last))
    ]
    assert rows == [[0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]]
    ours = interpolate(x.numpy(), scale_factor=(2.2, 1.0))[0, 0, :, 0]
    assert ours.tolist() == rows[0]


def test_no_pixel_beyond_the_last():
    n = 2**23 + 2  # its middle, n - 0.5, is n in float32
    assert nearest_pixels(n, n, None, "nearest-exact", False, np.float32)[-1] == n - 1


def test_dtypes():
    x = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3)
    reference = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=2)
    assert_parity(interpolate(x, scale_factor=2), reference, 0)
    assert interpolate(x.tolist(), scale_factor=2).tolist() == reference.tolist()
    assert interpolate(x, scale_factor=2, mode="bilinear").dtype == np.float64
    assert interpolate(x.tolist(), scale_factor=2, mode="bilinear").dtype == np.float64
    numpys = np.array([1.5, 2])  # NumPy's own float64 does not widen a float32
    assert interpolate(np.float32(x), scale_factor=numpys, mode="bicubic").dtype == np.float32


def test_nothing_it_is_given_changes():
    x = np.ones((1, 1, 2, 3))
    for mode in ("nearest", "bilinear"):
        interpolate(x, size=(2, 3), mode=mode)[:] = 0
    assert x.all()


def peak_of(shape, size):
    """Return the memory that it takes at once, in entries."""
    x = np.ones(shape)
    tracemalloc.start()
    interpolate(x, size=size, mode="bilinear")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / x.itemsize


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 1, 8, 4000), (4000, 8)), ((1, 1, 4000, 8), (8, 4000))]
)
def test_nothing_in_between_is_larger_than_both_ends(shape, size):
    assert peak_of(shape, size) < 8 * (8 * 4000)


SABOTAGES = {
    "pixels by their edges": ("(at + 0.5) * scale - 0.5", "at * scale"),
    "corners ignored": ("return (old - 1) / max(new - 1, 1)", "return old / new"),
    "the factor ignored": ("else 1 / factor", "else old / new"),
    "the factor upside down": ("else 1 / factor", "else factor"),
    "recompute ignored": ("if recompute or scale_factor is None", "if scale_factor is None"),
    "nearest rounded": ("at.astype(int)", "np.rint(at).astype(int)"),
    "nearest-exact as nearest": ("(0.5 if mode", "(0 if mode"),
    "nearest as nearest-exact": ('== "nearest-exact" else 0)', '== "nearest-exact" else 0.5)'),
    "bicubic cut at the first pixel": ("left = np.floor(at)", "left = np.floor(at.clip(0))"),
    "one tap too far": ("[-1, 0, 1, 2]", "[0, 1, 2, 3]"),
    "small images as large ones": ("sum(sizes) <= 128", "False"),
    "weights exchanged": ("[1 - t, t]", "[t, 1 - t]"),
    "another bicubic": ("a=-0.75", "a=-0.5"),
    "zeros beyond the edge": ("pixels.clip(0, old - 1)", "pixels % old"),
    "size rounded up": ("int(n * factor)", "int(np.ceil(n * factor))"),
    "sizes turned round": ("for n in given]", "for n in given[::-1]]"),
    "a size that stays keeps its factor": ('if mode != "bicubic" and new == old', "if False"),
    "bicubic too drops it": ('if mode != "bicubic" and new == old', "if new == old"),
}


def check_all(function):
    for mode, axes in MODES:
        more = [{}] if "nearest" in mode else [{"align_corners": True}, {"align_corners": False}]
        for corners in more:
            for arguments in [
                {"size": (7, 9, 4)[:axes]},
                {"scale_factor": (2.5, 0.7, 1.3)[:axes]},
                {"scale_factor": 1.1},
                {"scale_factor": 2.15},
                {"scale_factor": 1.7, "recompute_scale_factor": True},
            ]:
                agree((2, 3, 5, 6, 7)[: 2 + axes], function, mode=mode, **arguments, **corners)


def test_what_sabotage_is_caught_by_holds():
    check_all(interpolate)


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    with pytest.raises((AssertionError, ValueError)):
        check_all(sabotaged(PATH, *SABOTAGES[name]).interpolate)


NAMES = "['nearest', 'nearest-exact', 'linear', 'bilinear', 'bicubic', 'trilinear']"


def other_rank(shape, mode, counts):
    return (
        f"x has shape {shape}, expected (batch, channels, ...) with {counts} more for mode {mode}: "
        "is the batch missing, or is it another mode?"
    )


REFUSED = [
    ((3, 5), {"size": 7}, other_rank((3, 5), "nearest", "1 or 2 or 3")),
    ((2,) * 6, {"size": 7}, other_rank((2,) * 6, "nearest", "1 or 2 or 3")),
    (
        (3, 4, 5),
        {"size": 7, "mode": "bilinear"},
        other_rank((3, 4, 5), "bilinear", "2"),
    ),
    (
        (3, 4, 5),
        {"size": 7, "mode": "bicubic"},
        other_rank((3, 4, 5), "bicubic", "2"),
    ),
    (
        (2, 3, 4, 5),
        {"size": 7, "mode": "linear"},
        other_rank((2, 3, 4, 5), "linear", "1"),
    ),
    (
        (2, 3, 4, 5),
        {"size": 7, "mode": "trilinear"},
        other_rank((2, 3, 4, 5), "trilinear", "3"),
    ),
    ((2, 3, 5), {"size": 7, "mode": "cubic"}, f"mode is 'cubic', expected one of {NAMES}"),
    (
        (2, 3, 5),
        {"size": 7, "align_corners": False},
        "align_corners is False, but mode nearest takes none",
    ),
    (
        (2, 3, 5),
        {"size": 7, "mode": "nearest-exact", "align_corners": True},
        "align_corners is True, but mode nearest-exact takes none",
    ),
    ((2, 3, 5), {}, "give size or scale_factor, not None and None"),
    ((2, 3, 5), {"size": 7, "scale_factor": 2}, "give size or scale_factor, not 7 and 2"),
    (
        (2, 3, 5),
        {"size": 7, "recompute_scale_factor": True},
        "give size or scale_factor (recompute_scale_factor needs the second), not 7 and None",
    ),
    ((2, 3, 4, 5), {"size": (7,)}, "size is [7], expected 2, one an axis of x (2, 3, 4, 5)"),
    (
        (2, 3, 4, 5),
        {"scale_factor": (2, 2, 2)},
        "scale_factor is [2, 2, 2], expected 2, one an axis of x (2, 3, 4, 5)",
    ),
    *(
        (shape, arguments, f"x has shape {shape}, new sizes {sizes}: expected 1 or more each")
        for shape, arguments, sizes in [
            ((2, 3, 5), {"scale_factor": 0.1}, [0]),
            ((2, 3, 5), {"scale_factor": -1}, [-5]),
            ((2, 3, 5, 4), {"size": (7, 0)}, [7, 0]),
            ((2, 0, 5), {"size": 7}, [7]),
            ((2, 3, 0), {"size": 7}, [7]),
            ((2, 3, 0), {"size": 7, "mode": "linear"}, [7]),
        ]
    ),
]


@pytest.mark.parametrize(("shape", "arguments", "message"), REFUSED)
def test_refuses_what_torch_refuses(shape, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        interpolate(np.ones(shape), **arguments)
    with pytest.raises((ValueError, RuntimeError, NotImplementedError)):
        torch.nn.functional.interpolate(random(shape), **arguments)


def test_area_is_another_recipe():
    message = f"mode is 'area', expected one of {NAMES}; area is adaptive average pooling"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        interpolate(np.ones((2, 3, 5)), 7, mode="area")
    x = random((2, 3, 5))
    area = torch.nn.functional.interpolate(x, 7, mode="area")
    assert torch.equal(area, torch.nn.functional.adaptive_avg_pool1d(x, 7))


@pytest.mark.parametrize("read", [lambda x: interpolate(x, 7), as_floats])
def test_what_holds_no_numbers_is_refused(read):
    message = "dict of dtype object given, expected an array of real numbers: was one of its entrie"
    with pytest.raises(ValueError, match=f"^{message}s meant"):
        read({"x": np.ones((2, 3, 5))})


def test_antialias_is_refused_by_its_name():
    message = "antialias is True, but this recipe has only False: it does not smooth what it makes "
    with pytest.raises(ValueError, match=f"^{message}smaller$"):
        interpolate(np.ones((2, 3, 5, 4)), 2, mode="bilinear", antialias=True)


def test_arguments_are_those_of_torch():
    ours, theirs = map(inspect.signature, (interpolate, torch.nn.functional.interpolate))
    assert list(ours.parameters)[1:] == list(theirs.parameters)[1:]
    defaults = [[p.default for p in f.parameters.values()] for f in (ours, theirs)]
    assert defaults[0] == defaults[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("mode", "axes", "arguments"),
    [
        (mode, axes, arguments)
        for mode, axes in MODES
        for arguments in [
            {"size": (4, 5, 6)[:axes]},
            {"size": (4, 5, 6)[:axes], "align_corners": True},
            {"scale_factor": 2},
            {"size": (7, 9, 11)[:axes], "align_corners": True},
            {"size": (2, 3, 3)[:axes]},
        ]
        if not ("nearest" in mode and "align_corners" in arguments)
    ],
)
def test_nan_and_infinity_spread_as_torchs(mode, axes, arguments, value):
    """To the size that x has, too: there a NaN stays where it is."""
    shape = (2, 3, 4, 5, 6)[: axes + 2]
    for place in np.ndindex(shape[2:]):
        x = random(shape)
        x[(0, 1, *place)] = value
        reference = torch.nn.functional.interpolate(x, mode=mode, **arguments).numpy()
        ours = interpolate(x.numpy(), mode=mode, **arguments)
        np.testing.assert_allclose(ours, reference, rtol=1e-10, atol=1e-11)


def test_a_size_is_an_integer():
    for size in (7.0, (7.0,)):
        with pytest.raises(
            ValueError, match=f"^size is {re.escape(str(size))}, expected integers$"
        ):
            interpolate(np.ones((2, 3, 5)), size)
        with pytest.raises(TypeError):
            torch.nn.functional.interpolate(random((2, 3, 5)), size)
