"""Pooling in NumPy against torch, and what it says to wrong sizes."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers import pooling
from tests import ROOT, SNIPPETS_DIR
from tests.fences import fences, included
from tests.parity import FLOAT32, FLOAT64, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
F = torch.nn.functional

PATH = SNIPPETS_DIR / "layers/pooling.py"
RNG = np.random.default_rng(0)
SIZES = {1: (11,), 2: (7, 9), 3: (6, 5, 7)}
AXES = [1, 2, 3]
DTYPES = st.sampled_from([("float64", FLOAT64), ("float32", FLOAT32)])


def agree(name, x, *args, tolerance=FLOAT64, module=pooling, **kwargs):
    """Fail unless the recipe returns what torch does, values within tolerance, indices exactly."""
    x, *arrays = (torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in (x, *args))
    tensors = {k: torch.from_numpy(v) for k, v in kwargs.items() if isinstance(v, np.ndarray)}
    reference = getattr(F, name)(x, *arrays, **kwargs | tensors)
    ours = getattr(module, name)(x.numpy(), *args, **kwargs)
    if not isinstance(reference, tuple):
        assert_parity(ours, reference, tolerance)
        return
    assert_parity(ours[0], reference[0], tolerance)
    assert ours[1].dtype == np.int64
    np.testing.assert_array_equal(ours[1], reference[1].numpy())


def refuses(name, *args, **kwargs):
    """Fail unless both torch and the recipe refuse."""
    with pytest.raises(TORCH_REFUSES):
        getattr(F, name)(*(torch.from_numpy(a) if hasattr(a, "dtype") else a for a in args))
    with pytest.raises(ValueError, match=r"x has|is |expected|fit"):
        getattr(pooling, name)(*args, **kwargs)


def inputs(n, seed, dtype="float64", ties=False, batched=True):
    """Return an array of distinct sizes, all negative: padding with 0 would show."""
    rng = np.random.default_rng(seed)
    shape = (*([2] if batched else []), 3, *SIZES[n])
    values = rng.integers(-4, 0, shape) if ties else rng.normal(-5, 1, shape)
    return values.astype(dtype)


def per_axis(n, *between):
    """Draw one integer, or one for each of n axes."""
    number = st.integers(*between)
    return number | st.tuples(*[number] * n)


def halves(kernel_size, n):
    """Draw a padding of at most half the kernel."""
    sizes = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * n
    return st.tuples(*(st.integers(0, k // 2) for k in sizes))


COMMON = {
    "n": st.sampled_from(AXES),
    "seed": st.integers(0, 2**32),
    "dtype": DTYPES,
    "ties": st.booleans(),
    "batched": st.booleans(),
    "data": st.data(),
}


@settings(deadline=None, max_examples=50)
@given(**COMMON, ceil_mode=st.booleans(), return_indices=st.booleans())
def test_max_pool(n, seed, dtype, ties, batched, data, ceil_mode, return_indices):
    kernel_size = data.draw(per_axis(n, 1, 3))
    arguments = {
        "stride": data.draw(st.none() | per_axis(n, 1, 4)),
        "padding": data.draw(halves(kernel_size, n)),
        "dilation": data.draw(per_axis(n, 1, 2)),
        "ceil_mode": ceil_mode,
        "return_indices": return_indices,
    }
    x = inputs(n, seed, dtype[0], ties, batched)
    agree(f"max_pool{n}d", x, kernel_size, tolerance=dtype[1], **arguments)


@settings(deadline=None, max_examples=50)
@given(**COMMON, ceil_mode=st.booleans(), count_include_pad=st.booleans())
def test_avg_pool(n, seed, dtype, ties, batched, data, ceil_mode, count_include_pad):
    kernel_size = data.draw(per_axis(n, 1, 4))
    arguments = {
        "stride": data.draw(st.none() | per_axis(n, 1, 4)),
        "padding": data.draw(halves(kernel_size, n)),
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
    }
    if n > 1:
        arguments["divisor_override"] = data.draw(st.sampled_from([None, 3, -2]))
    x = inputs(n, seed, dtype[0], ties, batched)
    agree(f"avg_pool{n}d", x, kernel_size, tolerance=dtype[1], **arguments)


@settings(deadline=None, max_examples=30)
@given(**COMMON, norm_type=st.sampled_from([1, 2, 2.5, 4, -1, np.inf, -np.inf]))
def test_lp_pool(n, seed, dtype, ties, batched, data, norm_type):
    kernel_size = data.draw(st.integers(1, 4) if n == 1 else per_axis(n, 1, 4))
    stride = data.draw(st.none() | per_axis(n, 1, 4))
    ceil_mode = data.draw(st.booleans())
    x = inputs(n, seed, dtype[0], ties, batched)
    x = np.abs(x) if norm_type in (2.5, -1) else x + 5
    agree(f"lp_pool{n}d", x, norm_type, kernel_size, stride, ceil_mode, tolerance=dtype[1])


@pytest.mark.parametrize("norm_type", [3, 2.5])
def test_lp_pool_keeps_the_sign_and_so_returns_nan(norm_type):
    x = np.array([[1.0, 2.0, -3.0, 1.0, -1.0, -2.0]])
    reference = F.lp_pool1d(torch.from_numpy(x), norm_type, 2).numpy()
    assert np.isnan(reference).tolist() == [[False, True, True]]
    np.testing.assert_allclose(pooling.lp_pool1d(x, norm_type, 2), reference, rtol=1e-14)


def test_lp_pool_scales_a_window_that_runs_out_of_x():
    x = np.array([[3.0, 4.0, 5.0]])
    agree("lp_pool1d", x, 2, 2, ceil_mode=True)
    np.testing.assert_allclose(pooling.lp_pool1d(x, 2, 2, ceil_mode=True), [[5, 50**0.5]])


@settings(deadline=None, max_examples=30)
@given(**COMMON)
def test_adaptive_pools(n, seed, dtype, ties, batched, data):
    number = st.integers(0, 12) | st.none() if n > 1 else st.integers(0, 12)
    output_size = data.draw(st.integers(0, 12) | st.tuples(*[number] * n))
    x = inputs(n, seed, dtype[0], ties, batched)
    agree(f"adaptive_avg_pool{n}d", x, output_size, tolerance=dtype[1])
    agree(f"adaptive_max_pool{n}d", x, output_size, tolerance=dtype[1])
    agree(f"adaptive_max_pool{n}d", x, output_size, return_indices=True, tolerance=dtype[1])


@settings(deadline=None, max_examples=30)
@given(**COMMON, ceil_mode=st.booleans(), whole=st.booleans())
def test_max_unpool(n, seed, dtype, ties, batched, data, ceil_mode, whole):
    kernel_size = data.draw(per_axis(n, 1, 3))
    stride = data.draw(st.none() | per_axis(n, 1, 4))
    padding = data.draw(halves(kernel_size, n))
    x = inputs(n, seed, dtype[0], ties, batched)
    pool = getattr(pooling, f"max_pool{n}d")
    found = pool(x, kernel_size, stride, padding, ceil_mode=ceil_mode, return_indices=True)
    sizes = x.shape if whole and batched else x.shape[-n:]
    agree(f"max_unpool{n}d", *found, kernel_size, stride, padding, sizes, tolerance=dtype[1])


@pytest.mark.parametrize("n", AXES)
def test_max_unpool_to_the_smallest_size(n):
    x = inputs(n, 0)
    x = x[(..., *(slice(size - size % 2) for size in SIZES[n]))]
    found = getattr(pooling, f"max_pool{n}d")(x, 2, return_indices=True)
    agree(f"max_unpool{n}d", *found, 2)
    x = x[(..., *[slice(1, None)] * n)]
    found = getattr(pooling, f"max_pool{n}d")(x, 3, 2, 1, return_indices=True)
    agree(f"max_unpool{n}d", *found, 3, 2, 1)


@settings(deadline=None, max_examples=50)
@given(**COMMON | {"n": st.sampled_from([2, 3])}, return_indices=st.booleans())
def test_fractional_max_pool(n, seed, dtype, ties, batched, data, return_indices):
    kernel_size = data.draw(per_axis(n, 1, 2))
    if data.draw(st.booleans()):
        sizes = {"output_size": data.draw(per_axis(n, 0, 3))}
    else:
        sizes = {"output_ratio": data.draw(st.tuples(*[st.sampled_from([0.1, 0.4, 0.6])] * n))}
    x = inputs(n, seed, dtype[0], ties, batched)
    samples = np.random.default_rng(seed).random((2 if batched else 1, 3, n)).astype(dtype[0])
    arguments = {"return_indices": return_indices, "_random_samples": samples, **sizes}
    agree(f"fractional_max_pool{n}d", x, kernel_size, tolerance=dtype[1], **arguments)


def test_fractional_ratio_may_be_one_number():
    module = torch.nn.FractionalMaxPool2d(2, output_ratio=0.5, _random_samples=torch.rand(2, 3, 2))
    x = torch.randn(2, 3, 7, 9)
    samples = module.state_dict()["_random_samples"].numpy()
    ours = pooling.fractional_max_pool2d(x.numpy(), 2, output_ratio=0.5, _random_samples=samples)
    assert_parity(ours, module(x), FLOAT32)


def test_fractional_samples_may_be_too_many():
    x, samples = inputs(2, 0), np.random.default_rng(0).random((5, 3, 2))
    agree("fractional_max_pool2d", x, 2, 3, _random_samples=samples)
    agree("fractional_max_pool2d", x[0], 2, 3, _random_samples=samples)


@pytest.mark.parametrize("n", AXES)
@pytest.mark.parametrize(
    ("name", "args", "arguments"),
    [
        ("max_pool", (2,), {}),
        ("max_pool", (2,), {"return_indices": True}),
        ("avg_pool", (2,), {}),
        ("lp_pool", (2, 2), {}),
        ("adaptive_avg_pool", (3,), {}),
        ("adaptive_max_pool", (3,), {"return_indices": True}),
    ],
)
def test_empty_batch_and_sizes_of_1(name, args, arguments, n):
    for shape in [(0, 3), (1, 1), (1,)]:
        agree(f"{name}{n}d", np.ones((*shape, *SIZES[n])), *args, **arguments)
    agree(f"{name}{n}d", np.ones((2, 3, *[1] * n)), *(1 for _ in args), **arguments)


@pytest.mark.parametrize("n", AXES)
def test_empty_batch_unpooled(n):
    x = np.ones((0, 3, *SIZES[n]))
    agree(f"max_unpool{n}d", x, x.astype(int), 2)


@pytest.mark.parametrize("n", [2, 3])
def test_empty_batch_at_fractions(n):
    agree(
        f"fractional_max_pool{n}d",
        np.ones((0, 3, *SIZES[n])),
        2,
        2,
        _random_samples=np.ones((0, 3, n)),
    )


@pytest.mark.parametrize("n", AXES)
@pytest.mark.parametrize("name", ["max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool"])
def test_refuses_as_torch_does(name, n):
    refuses(f"{name}{n}d", np.ones(SIZES[n]), 2)
    refuses(f"{name}{n}d", np.ones((1, 2, 3, *SIZES[n])), 2)
    refuses(f"{name}{n}d", np.ones((2, 3, *SIZES[n][1:], 0)), 2)
    if "adaptive" in name:
        refuses(f"{name}{n}d", np.ones((2, 3, *SIZES[n])), -1)
        refuses(f"{name}{n}d", np.ones((2, 3, *SIZES[n])), (2,) * (n + 1))
    else:
        refuses(f"{name}{n}d", np.ones((2, 0, *SIZES[n])), 2)
        for args in [(0,), (-1,), (2, 0), (3, 1, 2), (3, 1, -1), (13,), ((2,) * (n + 1),)]:
            refuses(f"{name}{n}d", np.ones((2, 3, *SIZES[n])), *args)


@pytest.mark.parametrize("dilation", [0, -1])
def test_refuses_a_dilation_below_1(dilation):
    refuses("max_pool2d", np.ones((2, 3, 7, 9)), 3, 1, 1, dilation)


def test_padding_is_half_of_the_kernel_whatever_the_dilation():
    refuses("max_pool2d", np.ones((2, 3, 7, 9)), 3, 1, 2, 2)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_only_avg_pool3d_refuses_a_kernel_larger_than_x_even_if_padded(size):
    refuses("avg_pool3d", np.ones((2, 6, 6, size)), 5, 1, 2)
    agree("avg_pool2d", np.ones((2, 6, size)), 5, 1, 2)
    agree("max_pool3d", np.ones((2, 6, 6, size)), 5, 1, 2)
    agree("avg_pool3d", np.ones((2, 6, 6, size)), (5, 5, size), 1, (2, 2, size // 2))


@pytest.mark.parametrize("n", AXES)
def test_nan_wins(n):
    x = inputs(n, 0)
    x.reshape(6, -1)[:, ::13] = np.nan
    x.reshape(6, -1)[:, 5::17] = np.nan
    x[0, 0] = -np.inf
    arguments = {"return_indices": True}
    for name, args in [(f"max_pool{n}d", (3, 2, 1)), (f"adaptive_max_pool{n}d", (4,))]:
        reference = getattr(F, name)(torch.from_numpy(x), *args, **arguments)
        assert np.isnan(reference[0].numpy()).any()
        for ours, theirs in zip(
            getattr(pooling, name)(x, *args, **arguments), reference, strict=True
        ):
            np.testing.assert_array_equal(ours, theirs.numpy())
        alone = getattr(pooling, name)(x, *args)
        np.testing.assert_array_equal(alone, reference[0].numpy())


def test_a_window_of_padding_alone():
    """PyTorch returns -inf, and an index that is not in x: 1 of 1."""
    values, indices = F.max_pool1d(torch.ones(1, 1), 2, 1, 1, 2, return_indices=True)
    assert (values.tolist(), indices.tolist()) == ([[-np.inf]], [[1]])
    values, indices = pooling.max_pool1d(np.ones((1, 1)), 2, 1, 1, 2, return_indices=True)
    assert (values.tolist(), indices.tolist()) == ([[-np.inf]], [[-1]])


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8"])
def test_max_pool_of_integers(dtype):
    x = RNG.integers(0, 100, (2, 3, 7, 9)).astype(dtype)
    for values in [x, x - x.max() - 1 if dtype != "uint8" else x]:
        values = values.astype(dtype)
        agree("max_pool2d", values, 3, 2, 1, return_indices=True)
        agree("max_pool2d", values, 3, 2, 1)


def test_avg_pool_of_integers_keeps_the_fraction():
    x = [[1, 2, 3, 5]]
    assert F.avg_pool1d(torch.tensor(x), 2).tolist() == [[1, 4]]
    assert pooling.avg_pool1d(x, 2).tolist() == [[1.5, 4]]
    bytes_ = np.full((1, 4), 200, np.uint8)
    assert pooling.avg_pool1d(bytes_, 2).tolist() == [[200, 200]]
    assert pooling.adaptive_avg_pool1d(bytes_, 3).tolist() == [[200, 200, 200]]


def test_takes_lists():
    found = pooling.max_pool1d([[1, 3, 2, 5]], [2], [1], [1], return_indices=True)
    assert [a.tolist() for a in found] == [[[1, 3, 3, 5, 5]], [[0, 1, 1, 3, 3]]]
    assert pooling.lp_pool1d([[3, 4]], 2, 2).tolist() == [[5]]
    assert pooling.max_unpool1d([[7]], [[1]], 2).tolist() == [[0, 7]]
    samples = [[[0.5, 0.5]]]
    assert pooling.fractional_max_pool2d([[[1, 2], [3, 4]]], 1, 1, _random_samples=samples) == 4


@pytest.mark.parametrize("kernel_size", [1, 2])
def test_nothing_it_is_given_changes_or_is_shared(kernel_size):
    x = np.ones((2, 3, 4, 6))
    values, indices = pooling.max_pool2d(x, kernel_size, return_indices=True)
    results = [
        values,
        indices,
        pooling.max_pool2d(x, kernel_size),
        pooling.avg_pool2d(x, kernel_size),
        pooling.adaptive_avg_pool2d(x, 4),
        pooling.adaptive_max_pool2d(x, 4),
        pooling.max_unpool2d(values, indices, kernel_size),
    ]
    for result in results:
        result[:] = 7
    assert (x == 1).all()
    assert (values == 7).all()


def test_of_equal_indices_the_last_wins():
    agree("max_unpool1d", np.array([[1.0, 2.0]]), np.array([[1, 1]]), 2)


SAMPLES = np.random.default_rng(0).random((2, 3, 3))
ROUNDED = np.full((2, 3, 2), 0.8, np.float32)  # in float64, another window starts elsewhere
WAYS = {
    "max": ("max_pool2d", (3, (2, 4), 1, 2), {"ceil_mode": True, "return_indices": True}),
    "max, no indices": ("max_pool3d", ((3, 2, 2), None, 1), {}),
    "max of windows in the right padding": ("max_pool2d", (2, 3, 1), {"ceil_mode": True}),
    "avg": ("avg_pool2d", ((3, 4), 2, 1, True), {}),
    "avg, padding not counted": ("avg_pool2d", ((3, 2), 2, 1, True, False), {}),
    "avg, divisor": ("avg_pool2d", (3, None, 1), {"divisor_override": 5}),
    "lp": ("lp_pool2d", (2, (3, 2), 2, True), {}),
    "lp, maximum": ("lp_pool2d", (np.inf, 3), {}),
    "lp, minimum": ("lp_pool2d", (-np.inf, 3), {}),
    "adaptive avg": ("adaptive_avg_pool2d", ((3, None),), {}),
    "adaptive max": ("adaptive_max_pool2d", ((3, 4),), {"return_indices": True}),
    "fractional 2": (
        "fractional_max_pool2d",
        (2, (4, 5)),
        {"return_indices": True, "_random_samples": SAMPLES[..., :2].copy()},
    ),
    "fractional, one window": (
        "fractional_max_pool2d",
        (2, (1, 4)),
        {"_random_samples": SAMPLES[..., :2].copy()},
    ),
    "fractional, float32": (
        "fractional_max_pool2d",
        (1, (4, 5)),
        {"_random_samples": ROUNDED},
    ),
    "fractional 3": (
        "fractional_max_pool3d",
        (2,),
        {"output_ratio": (0.5, 0.6, 0.45), "_random_samples": SAMPLES},
    ),
}


def check(way, module=pooling):
    name, args, arguments = WAYS[way]
    x = inputs(int(name[-2]), 0, ties=True)
    if "float32" in way:
        x = np.arange(6 * 8, dtype=np.float32).reshape(6, 8)[None, None] + np.zeros(
            (2, 3, 1, 1), "f"
        )
    agree(name, x + 2 if "lp" in way else x, *args, module=module, **arguments)


def unpooled(module=pooling):
    x = inputs(2, 0)
    found = pooling.max_pool2d(x, 2, 3, 1, return_indices=True)
    agree("max_unpool2d", *found, 2, 3, 1, x.shape, module=module)
    found = pooling.max_pool2d(x, 3, 2, 1, return_indices=True)
    agree("max_unpool2d", *found, 3, 2, 1, module=module)


SABOTAGES = {
    "padded with 0": ("max", "constant_values=lowest", "constant_values=0"),
    "places in the padded x": (
        "max",
        "np.arange(math.prod(sizes)).reshape(sizes), edges",
        "np.arange(math.prod(sizes)).reshape(sizes) + 1, edges",
    ),
    "the last of equals": ("max", "(value > best)", "(value >= best)"),
    "no ceil": ("max", "(s - 1 if ceil_mode else 0)", "0"),
    "always ceil": ("max, no indices", "(s - 1 if ceil_mode else 0)", "s - 1"),
    "a window in the right padding": (
        "max of windows in the right padding",
        "windows -= 1",
        "pass",
    ),
    "stride is 1 by default": (
        "max, no indices",
        "stride, padding, dilation, ceil_mode)\n    # Padding",
        "stride or 1, padding, dilation, ceil_mode)\n    # Padding",
    ),
    "dilation forgotten": ("max", "slice(d * i, d * i + last + 1, s)", "slice(i, i + last + 1, s)"),
    "padding counted though told not to": (
        "avg, padding not counted",
        "left if count_include_pad else 0",
        "left",
    ),
    "padding not counted": ("avg", "left if count_include_pad else 0", "0"),
    "what ceil_mode adds counted": (
        "avg",
        "ones = np.pad(ones, rest)",
        "ones = np.pad(ones, rest, constant_values=1)",
    ),
    "divisor ignored": ("avg, divisor", "total / float(divisor_override)", "total"),
    "no root": ("lp", " ** (1 / p)\n", "\n"),
    "mean for sum": ("lp", 'mean * math.prod(pool_axes("kernel_size", kernel_size, n))', "mean"),
    "inf without abs": ("lp, maximum", "sign * np.abs(x)", "x"),
    "-inf as inf": ("lp, minimum", "math.copysign(1, p)", "1"),
    "windows of in // out": (
        "adaptive avg",
        "-(-(i + 1) * size // output)",
        "(i + 1) * (size // output)",
    ),
    "windows that do not overlap": (
        "adaptive avg",
        "-(-(i + 1) * size // output)",
        "(i + 1) * size // output",
    ),
    "adaptive sizes swapped": ("adaptive max", "outputs[axis]\n", "outputs[-1 - axis - n]\n"),
    "None is 1": ("adaptive avg", "size if outputs[axis] is None", "1 if outputs[axis] is None"),
    "the first axis first": ("adaptive max", "range(-1, -n - 1, -1)", "range(-n, 0)"),
    "samples not swapped": ("fractional 2", "samples[::-1] if n == 2 else samples", "samples"),
    "samples always swapped": (
        "fractional 3",
        "samples[::-1] if n == 2 else samples",
        "samples[::-1]",
    ),
    "steps all alike": ("fractional 2", "- (first * step).astype(int)", "- 0 * i.astype(int)"),
    "steps in another dtype": (
        "fractional, float32",
        "number = samples.dtype.type",
        "number = np.float64",
    ),
    "the last window not at the end": (
        "fractional, one window",
        "starts[:, -1:] = size - kernel_size",
        "pass",
    ),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_caught(name):
    way, *change = SABOTAGES[name]
    check(way)
    broken = sabotaged(PATH, *change)
    with pytest.raises((AssertionError, ValueError)):
        check(way, broken)


UNPOOL_SABOTAGES = {
    "output_size ignored": ("smallest if output_size is None else", "smallest if True else"),
    "padding forgotten": ("+ k - 2 * p\n", "+ k\n"),
    "one padding": ("+ k - 2 * p\n", "+ k - p\n"),
    "filled with ones": ("np.zeros((*lead, places)", "np.ones((*lead, places)"),
}


@pytest.mark.parametrize("name", UNPOOL_SABOTAGES)
def test_sabotage_of_unpooling_is_caught(name):
    unpooled()
    broken = sabotaged(PATH, *UNPOOL_SABOTAGES[name])
    with pytest.raises((AssertionError, ValueError)):
        unpooled(broken)


def test_powers_of_small_integers_do_not_wrap_around():
    x = np.full((1, 1, 4), 200, np.uint8)
    np.testing.assert_allclose(pooling.lp_pool1d(x, 2, 4), [[[400]]])


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/pooling.py") as (module, sizes):
        sizes.update(length=4)
        module.adaptive_avg_pool1d(inputs(1, 0), 4)
        sizes.update(depth=4, height=2, width=5, planes=6, length=3)
        module.adaptive_avg_pool2d(inputs(2, 0), (2, 5))
        module.adaptive_avg_pool3d(inputs(3, 0), (4, 2, 5))
        module.fractional_max_pool2d(inputs(2, 0), 2, 3, _random_samples=SAMPLES[..., :2])


TORCH_REFUSES = (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError)
X = np.ones((2, 3, 7, 9))
INDICES = np.zeros((2, 3, 7, 9), int)
MESSAGES = [
    (
        "max_pool2d",
        (np.ones((7, 9)), 2),
        "x has shape (7, 9), expected (batch, channels, height, width) or "
        "(channels, height, width): are the channels missing, x[None]?",
    ),
    (
        "max_pool1d",
        (X, 2),
        "x has shape (2, 3, 7, 9), expected (batch, channels, length) or (channels, length): "
        "is it another layer's?",
    ),
    (
        "avg_pool3d",
        (np.ones(7), 2),
        "x has shape (7,), expected (batch, channels, depth, height, width) or "
        "(channels, depth, height, width): is it another layer's?",
    ),
    (
        "max_pool2d",
        (np.ones((2, 0, 7, 9)), 2),
        "x has shape (2, 0, 7, 9): PyTorch takes no empty axis but the batch",
    ),
    (
        "adaptive_avg_pool2d",
        (np.ones((2, 3, 7, 0)), 2),
        "x has shape (2, 3, 7, 0): PyTorch takes no empty axis but the batch",
    ),
    (
        "max_pool2d",
        (X, (2, 2, 2)),
        "kernel_size is (2, 2, 2), expected an integer from 1, or 2 of them",
    ),
    ("max_pool2d", (X, 2, (1, 0)), "stride is (1, 0), expected an integer from 1, or 2 of them"),
    ("max_pool2d", (X, 3, 1, -1), "padding is -1, expected an integer from 0, or 2 of them"),
    ("max_pool2d", (X, 3, 1, 1, 0), "dilation is 0, expected an integer from 1, or 2 of them"),
    ("max_pool2d", (X, 3, 1, (0, 2)), "padding is 2, expected at most 1, half of kernel_size 3"),
    (
        "max_pool2d",
        (X, 4, 1, 1, 3),
        "x has shape (2, 3, 7, 9): an axis of 7, padded with 1 at both ends, holds no window of 4, "
        "which with dilation 3 reaches over 10",
    ),
    (
        "avg_pool3d",
        (np.ones((2, 3, 7, 9)), 5, 1, 2),
        "kernel_size is 5, but x has shape (2, 3, 7, 9): "
        "in three dimensions PyTorch takes no mean of more than x has, with padding or not",
    ),
    (
        "avg_pool2d",
        (X, 2, None, 0, False, True, 0),
        "divisor_override is 0: None divides by the size of each window",
    ),
    ("max_pool2d", (X, 2.0), "kernel_size is 2.0, expected an integer from 1, or 2 of them"),
    ("avg_pool2d", (X, 2, 2, 0.5), "padding is 0.5, expected an integer from 0, or 2 of them"),
    ("adaptive_avg_pool2d", (X, 2.0), "output_size is 2.0, expected 2 integers from 0, or one"),
    ("lp_pool2d", (X, 0, 2), "norm_type is 0, expected one number, not 0"),
    (
        "max_pool2d",
        (X + 0j, 2),
        "ndarray of dtype complex128 given, expected an array of real numbers",
    ),
    ("adaptive_max_pool2d", (X, -1), "output_size is -1, expected 2 integers from 0, or one"),
    (
        "adaptive_avg_pool2d",
        (X, (1, 2, 3)),
        "output_size is (1, 2, 3), expected 2 integers from 0, or one",
    ),
    (
        "max_unpool2d",
        (X, INDICES[0], 2),
        "indices have shape (3, 7, 9) and hold int64, expected integers of shape (2, 3, 7, 9), "
        "that of x",
    ),
    (
        "max_unpool2d",
        (X, X, 2),
        "indices have shape (2, 3, 7, 9) and hold float64, expected integers of shape "
        "(2, 3, 7, 9), that of x",
    ),
    (
        "max_unpool2d",
        (X, INDICES + 252, 2),
        "indices reach from 252 to 252, but an output of (14, 18) has 252 places: "
        "is output_size that of x before the pooling?",
    ),
    (
        "max_unpool2d",
        (X, INDICES - 1, 2),
        "indices reach from -1 to -1, but an output of (14, 18) has 252 places: "
        "is output_size that of x before the pooling?",
    ),
    *(
        (
            "max_unpool2d",
            (X, INDICES, 2, None, padding, size),
            f"output_size is {size}, expected 2 sizes, or a shape with batch and channels: "
            f"each less than the stride (2, 2) from {smallest}, and none below 0",
        )
        for padding, size, smallest in [
            (0, (12, 18), (14, 18)),
            (0, (14, 20), (14, 18)),
            (0, (3, 14, 18), (14, 18)),
            (0, (14,), (14, 18)),
            (8, None, (-2, 2)),
        ]
    ),
]


@pytest.mark.parametrize(("name", "args", "message"), MESSAGES)
def test_a_wrong_size_is_told_what_was_expected(name, args, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(pooling, name)(*args)
    with pytest.raises(TORCH_REFUSES):
        getattr(F, name)(*(torch.from_numpy(a) if hasattr(a, "dtype") else a for a in args))


@pytest.mark.parametrize(
    ("sizes", "samples", "message"),
    [
        ({}, np.ones((2, 3, 2)), "give output_size or output_ratio"),
        (
            {"output_size": 7},
            np.ones((2, 3, 2)),
            "7 windows of 2 do not fit into 7: they start in different places",
        ),
        (
            {"output_size": 3},
            np.ones((1, 3, 2)),
            "_random_samples have shape (1, 3, 2), expected (2, 3, 2): "
            "one for each axis of each channel",
        ),
        (
            {"output_size": 3},
            np.ones((2, 3, 3)),
            "_random_samples have shape (2, 3, 3), expected (2, 3, 2): "
            "one for each axis of each channel",
        ),
        (
            {"output_ratio": (0.5, 0.5, 0.5)},
            np.ones((2, 3, 2)),
            "output_ratio is (0.5, 0.5, 0.5), expected a number from 0, or 2 of them",
        ),
        (
            {"output_size": 3},
            np.ones((2, 3, 2), np.float32),
            "_random_samples are float32, expected float64, as x: "
            "in another dtype a window may start somewhere else",
        ),
    ],
)
def test_wrong_fractions_are_told_what_was_expected(sizes, samples, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pooling.fractional_max_pool2d(X, 2, _random_samples=samples, **sizes)
    with pytest.raises((RuntimeError, ValueError)):
        F.fractional_max_pool2d(
            torch.from_numpy(X), 2, _random_samples=torch.from_numpy(samples), **sizes
        )


def test_a_ratio_is_not_negative():
    with pytest.raises(ValueError, match=r"^output_ratio is -0.1, expected a number from 0"):
        pooling.fractional_max_pool2d(X, 2, output_ratio=-0.1, _random_samples=np.ones((2, 3, 2)))


@pytest.mark.parametrize("sample", [-0.1, 1.1, np.nan])
def test_a_sample_is_a_number_from_0_to_1(sample):
    samples = np.full((2, 3, 2), sample)
    message = f"_random_samples reach from {sample} to {sample}, expected 0 to 1"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pooling.fractional_max_pool2d(X, 2, 3, _random_samples=samples)


def test_samples_of_integers_are_numbers():
    for samples in [np.zeros((2, 3, 2), int), np.zeros((2, 3, 2), bool)]:
        ours = pooling.fractional_max_pool2d(X.astype(int), 2, 3, _random_samples=samples)
        assert ours.tolist() == np.ones((2, 3, 3, 3)).tolist()


@pytest.mark.parametrize("n", [2, 3])
def test_fractional_max_pool_refuses_no_channels(n):
    x, samples = np.ones((2, 0, *SIZES[n])), np.ones((2, 0, n))
    name = f"fractional_max_pool{n}d"
    with pytest.raises(RuntimeError, match="non-zero size"):
        getattr(F, name)(torch.from_numpy(x), 2, 3, _random_samples=torch.from_numpy(samples))
    with pytest.raises(ValueError, match="PyTorch takes no empty axis but the batch"):
        getattr(pooling, name)(x, 2, 3, _random_samples=samples)


def test_fractional_max_pool3d_wants_one_to_spare():
    x, samples = np.ones((1, 1, 6, 6, 6)), np.ones((1, 1, 3))
    agree("fractional_max_pool3d", x, 2, 4, _random_samples=samples)
    agree("fractional_max_pool2d", x[:, :, 0], 2, 5, _random_samples=samples[..., :2].copy())
    with pytest.raises(RuntimeError, match="too large"):
        F.fractional_max_pool3d(
            torch.from_numpy(x), 2, 5, _random_samples=torch.from_numpy(samples)
        )
    with pytest.raises(ValueError, match="5 windows of 2 do not fit into 6"):
        pooling.fractional_max_pool3d(x, 2, 5, _random_samples=samples)


@pytest.mark.parametrize("n", AXES)
def test_defaults(n):
    x = inputs(n, 0)
    found = pooling.__dict__[f"max_pool{n}d"](x, 2, return_indices=True)
    for name, args in [
        ("max_pool", (2,)),
        ("avg_pool", (2,)),
        ("avg_pool", (3, None, 1)),
        ("lp_pool", (4, 2)),
        ("adaptive_max_pool", (2,)),
    ]:
        agree(f"{name}{n}d", x, *args)
    if n > 1:
        agree(f"fractional_max_pool{n}d", x, 2, 2, _random_samples=SAMPLES[..., :n].copy())
    with pytest.raises(ValueError, match=r"indices reach"):
        pooling.__dict__[f"max_unpool{n}d"](found[0], found[1] + 10**6, 2)


NAMES = [name for name in vars(pooling) if re.fullmatch(r"\w+_(un)?pool[123]d", name)]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_torch(name):
    ours = list(inspect.signature(getattr(pooling, name)).parameters.values())
    if inspect.isbuiltin(getattr(F, name)):
        told = re.search(r"\((input, .*?)\) ->", getattr(F, name).__doc__)[1]
        assert re.sub(r"^x", "input", ", ".join(map(str, ours))) == told
        return
    theirs = getattr(F, f"{name}_with_indices", None) or getattr(F, name)
    theirs = list(inspect.signature(theirs).parameters.values())
    assert [p.name for p in ours[1:]] == [p.name for p in theirs[1:]]
    required = [p.default for p in ours[1:] if p.name != "_random_samples"]
    assert required == [p.default for p in theirs[1:] if p.name != "_random_samples"]


def test_there_is_a_recipe_for_every_pooling():
    assert set(NAMES) == {name for name in vars(F) if re.fullmatch(r"[a-z]\w*_(un)?pool\dd", name)}


BLOCKS = [
    included(fence)
    for fence in fences((ROOT / "docs/en/layers/pooling.md").read_text("utf-8"))
    if fence.title == "pooling.py"
]


def test_the_page_shows_the_whole_file_in_blocks_of_one_screen_or_two():
    defined = [name for name, f in vars(pooling).items() if inspect.isfunction(f)]
    shown = [name for block in BLOCKS for name in re.findall(r"^def (\w+)", block, re.M)]
    assert sorted(shown) == sorted(defined)
    assert all(block.count("\n") < 90 for block in BLOCKS[:-1])


@pytest.mark.parametrize(
    ("family", "call", "result"),
    [
        (0, "max_pool2d([[[1, 2], [4, 3]]], 2, return_indices=True)", "[[[4]]] [[[2]]]"),
        (1, "avg_pool2d([[[1, 2], [4, 3]]], 2)", "[[[2.5]]]"),
        (3, "adaptive_avg_pool2d([[[1, 2], [4, 3]]], 1)", "[[[2.5]]]"),
        (5, "max_unpool2d([[[4]]], [[[2]]], 2)", "[[[0 0]\n  [4 0]]]"),
        (6, "fractional_max_pool2d([[[1, 2]]], 1, 1, _random_samples=[[[0.5, 0.5]]])", "[[[2]]]"),
    ],
)
def test_a_family_needs_its_own_block_and_the_last_two(family, call, result):
    """As the page says."""
    pasted = re.search(r"^import.*?(?=^def)", BLOCKS[0], re.M | re.S)[0]
    pasted += "\n\n".join([BLOCKS[family], *BLOCKS[-2:]])
    module = {}
    exec(pasted, module)
    found = eval(call, module)
    assert " ".join(str(a) for a in (found if isinstance(found, tuple) else (found,))) == result


def test_ceil_mode_one_argument_too_early_is_no_padding():
    with pytest.raises(ValueError, match=r"^padding is True, expected an integer from 0"):
        pooling.max_pool2d(X, 2, 2, True)
