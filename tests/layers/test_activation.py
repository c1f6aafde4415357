"""Each activation against torch.nn.functional and its torch.nn class, and what wrong input gets."""

import ast
import inspect
import itertools
import math
import re
import tracemalloc

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snippets.layers import activation
from snippets.storage import REGISTRY
from tests import ROOT, SNIPPETS_DIR
from tests.parity import FLOAT32, FLOAT64, assert_parity
from tests.sabotage import sabotaged
from tests.shape_comments import executed

torch = pytest.importorskip("torch")
PATH = SNIPPETS_DIR / "layers/activation.py"

# The class of torch.nn by the name of the function, and arguments to try besides the defaults.
CLASSES = {
    "celu": ("CELU", {"alpha": [0.5, 3.0, -2.0]}),
    "elu": ("ELU", {"alpha": [0.5, 3.0, -2.0]}),
    "gelu": ("GELU", {"approximate": ["none", "tanh"]}),
    "glu": ("GLU", {"dim": [-3, -1, 0, 1]}),
    "hardshrink": ("Hardshrink", {"lambd": [0.0, 1.5]}),
    "hardsigmoid": ("Hardsigmoid", {}),
    "hardswish": ("Hardswish", {}),
    "hardtanh": ("Hardtanh", {"min_val": [-2.5, 0.0], "max_val": [0.5, 3.0]}),
    "identity": ("Identity", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": [-0.2, 0.0, 3.0]}),
    "log_softmax": ("LogSoftmax", {"dim": [-3, -1, 0, 1, 2]}),
    "logsigmoid": ("LogSigmoid", {}),
    "mish": ("Mish", {}),
    "relu": ("ReLU", {}),
    "relu6": ("ReLU6", {}),
    "rrelu": ("RReLU", {"lower": [0.25, -1.0], "upper": [0.5, 2.0]}),
    "selu": ("SELU", {}),
    "sigmoid": ("Sigmoid", {}),
    "silu": ("SiLU", {}),
    "softmax": ("Softmax", {"dim": [-3, -1, 0, 1, 2]}),
    "softmax2d": ("Softmax2d", {}),
    "softmin": ("Softmin", {"dim": [-3, -1, 0, 1, 2]}),
    "softplus": ("Softplus", {"beta": [0.5, 2, -1.5], "threshold": [1, 4.0, -2]}),
    "softshrink": ("Softshrink", {"lambd": [0.0, 1.5]}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
    "tanhshrink": ("Tanhshrink", {}),
    "threshold": ("Threshold", {"threshold": [-1.0, 0.5], "value": [-7.0, 2.5]}),
}
REQUIRED = {"log_softmax", "softmax", "softmin", "threshold"}
ALONG = {"glu", "log_softmax", "softmax", "softmax2d", "softmin"}
ELEMENTWISE = sorted(CLASSES.keys() - ALONG)


def torchs(name, x, arguments):
    """Return what the class of torch.nn gives, in eval mode."""
    return getattr(torch.nn, CLASSES[name][0])(**arguments).eval()(torch.from_numpy(x))


def agree(recipe, name, x, arguments, tolerance=FLOAT64):
    assert_parity(recipe(x, **arguments), torchs(name, x, arguments), tolerance)


@st.composite
def cases(draw):
    name = draw(st.sampled_from(sorted(CLASSES)))
    options = CLASSES[name][1]
    given = name in REQUIRED or draw(st.booleans())
    arguments = {key: draw(st.sampled_from(v)) for key, v in options.items()} if given else {}
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.normal(scale=3, size=draw(st.permutations([2, 4, 6])))
    # Half of the numbers lie where the bends are: it matters to which side a bend belongs.
    return name, np.where(rng.random(x.shape) < 0.5, np.round(2 * x) / 2, x), arguments


@settings(deadline=None, max_examples=400)
@given(case=cases())
def test_equals_torch(case):
    name, x, arguments = case
    agree(getattr(activation, name), name, x, arguments)
    agree(getattr(activation, name), name, x.astype(np.float32), arguments, FLOAT32)


def test_every_class_is_here():
    mine = {name for name, layer in REGISTRY.items() if layer.recipe == "activation"}
    assert mine == {cls for cls, _ in CLASSES.values()} | {"PReLU"}


# The two last are old names. A class without arguments shows Module's, or takes anything.
NOT_OURS = {"inplace", "args", "kwargs", "min_value", "max_value"}


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_and_defaults_are_those_of_torch(name):
    parameters = inspect.signature(getattr(torch.nn, CLASSES[name][0])).parameters.values()
    theirs = {p.name: p.default for p in parameters if p.name not in NOT_OURS}
    parameters = list(inspect.signature(getattr(activation, name)).parameters.values())
    ours = {p.name: p.default for p in parameters[1:]}
    if name in REQUIRED:
        assert list(ours.items()) == [(key, inspect.Parameter.empty) for key in theirs]
    else:
        assert list(ours.items()) == list(theirs.items())


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - {"identity", "softmax2d"}))
def test_the_function_of_torch_takes_the_same_arguments(name):
    x = np.random.default_rng(0).normal(scale=3, size=(2, 4, 6))
    values = [options[0] for options in CLASSES[name][1].values()]
    arguments = dict(zip(CLASSES[name][1], values, strict=True))
    function = getattr(torch.nn.functional, name)
    reference = function(torch.from_numpy(x), **arguments)
    assert_parity(getattr(activation, name)(x, *values), reference)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_any_shape(name):
    arguments = {key: options[0] for key, options in CLASSES[name][1].items()}
    for shape in [(), (1,), (0,), (3, 0), (0, 3), (1, 1, 1)]:
        agree(getattr(activation, name), name, np.full(shape, -0.75), arguments)


# ---- Relatively, over all numbers there are ----

N = mpmath.mpf
mpmath.mp.dps = 40


def above(x):
    return max(x, N(0))


def below(x):
    return min(x, N(0))


def near(x, limit):
    return min(max(x, N(-limit)), N(limit))


SLOPE = mpmath.sqrt(2 / mpmath.pi)
EXACT = {
    "celu": lambda x: above(x) + mpmath.expm1(below(x)),
    "elu": lambda x: above(x) + mpmath.expm1(below(x)),
    "gelu": lambda x: x * mpmath.erfc(near(-x / mpmath.sqrt(2), 99)) / 2,
    "gelu tanh": lambda x: x / (1 + mpmath.exp(-2 * SLOPE * (x + N(0.044715) * x**3))),
    "hardshrink": lambda x: x if abs(x) > 0.5 else N(0),
    "hardsigmoid": lambda x: above(near(x, 3) + 3) / 6,
    "hardswish": lambda x: x * above(near(x, 3) + 3) / 6,
    "hardtanh": lambda x: near(x, 1),
    "leaky_relu": lambda x: above(x) + N(0.01) * below(x),
    "logsigmoid": lambda x: below(x) - mpmath.log1p(mpmath.exp(-abs(x))),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(min(x, N(99))))),
    "relu": above,
    "relu6": lambda x: min(above(x), N(6)),
    "selu": lambda x: N(1.0507009873554805) * (
        above(x) + N(1.6732632423543772) * mpmath.expm1(below(x))
    ),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "softplus": lambda x: x if x > 20 else mpmath.log1p(mpmath.exp(x)),
    "softshrink": lambda x: x - near(x, 0.5),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanh": mpmath.tanh,
    "tanhshrink": lambda x: x - mpmath.tanh(x) if abs(x) > 1e-9 else x**3 / 3,
}  # fmt: skip

# Where PyTorch's own digits are lost, and the relative error measured there.
LOST = {
    ("gelu", "float64"): (-8.0, 0.018),  # all of them from -8.3 on: 1 + erf(x / sqrt(2))
    ("gelu", "float32"): (-5.0, 0.04),
    ("gelu tanh", "float64"): (-7.0, 0.0069),
    ("gelu tanh", "float32"): (-4.5, 0.0079),
    ("tanhshrink", "float64"): (1e-6, 7.8e-5),
    ("tanhshrink", "float32"): (1e-3, 0.048),
    ("hardswish", "float64"): (1e308, np.inf),  # it multiplies by 6 first
    ("hardswish", "float32"): (2e38, np.inf),
    ("silu", "float64"): (-711.0, 1.0),  # exp(-x) is inf, and the result 0; ours, too
    ("silu", "float32"): (-90.0, 1.0),
}
TOLERANCES = {"float64": FLOAT64, "float32": FLOAT32}


def numbers(dtype):
    """Return numbers of all sizes that the dtype has, more of them where the curves are."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    sizes = np.linspace(info.minexp, info.maxexp - 1, 64).astype(int)
    everywhere = np.ldexp(rng.uniform(1, 2, 64), sizes)
    tails = rng.uniform(0, -1.1 * math.log(info.tiny), 128)
    told = [0.5, 1, 3, 6, 20, *(x for (_, of), (x, _) in LOST.items() if of == dtype)]
    x = np.concatenate([everywhere, tails, rng.uniform(0, 8, 128), told])
    return np.concatenate([x, -x]).astype(dtype)


def split(name):
    """Return the function's name and its arguments."""
    name, _, approximate = name.partition(" ")
    return name, {"approximate": approximate} if approximate else {}


def errors(name, x):
    """Return the relative errors of ours and PyTorch's, for x whose exact value is normal."""
    info = np.finfo(x.dtype)
    exact = [EXACT[name](N(number)) for number in x.tolist()]
    normal = [i for i, y in enumerate(exact) if info.tiny <= abs(y) <= info.max]
    function, arguments = split(name)
    return [
        np.array([float(abs(N(y[i].item()) / exact[i] - 1)) for i in normal])
        for y in (getattr(activation, function)(x, **arguments), torchs(function, x, arguments))
    ]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", EXACT)
def test_a_tail_keeps_its_digits(name, dtype):
    """Or, where PyTorch's has lost them, is at least as close; and that is listed."""
    ours, theirs = errors(name, numbers(dtype))
    assert (ours <= np.maximum(TOLERANCES[dtype], theirs)).all()
    assert (theirs.max() > TOLERANCES[dtype]) == ((name, dtype) in LOST)


@pytest.mark.parametrize(("name", "dtype"), LOST)
def test_where_pytorch_has_lost_its_digits(name, dtype):
    x, error = LOST[name, dtype]
    (ours,), (theirs,) = errors(name, np.array([x], dtype))
    np.testing.assert_allclose(theirs, error, rtol=0.2)
    assert ours <= theirs


def test_every_elementwise_function_is_measured():
    assert {split(name)[0] for name in EXACT} == {*ELEMENTWISE} - {"identity", "rrelu", "threshold"}


@pytest.mark.parametrize("approximate", CLASSES["gelu"][1]["approximate"])
def test_gelu_of_more_numbers_than_it_takes_at_once(approximate):
    x = np.linspace(-5, 5, 3 * 2**15 + 6).reshape(3, -1).T
    agree(activation.gelu, "gelu", x, {"approximate": approximate})


def test_gelu_needs_a_few_times_the_memory_of_x():
    x = np.ones((8, 2**16), np.float32)
    tracemalloc.start()
    activation.gelu(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * x.nbytes


# ---- Along an axis ----

INF = np.inf
ROWS = {
    "a mask": [0.5, -INF, 1.5, -INF],
    "all but one": [-INF, -INF, -3.0],
    "all": [-INF, -INF, -INF],
    "infinity": [1.0, INF, 2.0],
    "two infinities": [INF, INF, 2.0],
    "both infinities": [INF, -INF],
    "NaN": [1.0, np.nan],
    "large": [1e308, -1e308, 0.0],
    "equal and large": [1e308, 1e308],
    "equal and small": [-1e308, -1e308],
    "far apart": [-1000.0, 0.0, -1001.0],
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_of_large_numbers_infinity_and_nan(name, row):
    """Without a warning, unlike NumPy's own: a mask of -inf is no mistake."""
    x = np.array([row, row[::-1]])
    y = getattr(activation, name)(x, 1)
    np.testing.assert_allclose(y, torchs(name, x, {"dim": 1}), rtol=1e-11)


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
def test_each_row_has_its_own_largest_number(name):
    x = torch.tensor([[1.0, 2.0], [2001.0, 2003.0], [-3000.0, -3001.0]], dtype=torch.float64)
    reference = getattr(torch.nn.functional, name)(x, dim=1)
    assert_parity(getattr(activation, name)(x.numpy(), dim=1), reference)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (0, 3), (3, 1), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_of_any_shape(name, shape):
    for dim in range(-len(shape), max(len(shape), 1)):
        agree(getattr(activation, name), name, np.full(shape, -0.75), {"dim": dim})


@pytest.mark.parametrize("shape", [(5, 2, 3), (4, 5, 2, 3), (0, 5, 2, 3), (4, 0, 2, 3)], ids=str)
def test_softmax2d_is_over_the_channels(shape):
    x = np.random.default_rng(0).normal(size=shape)
    agree(activation.softmax2d, "softmax2d", x, {})


@pytest.mark.parametrize("shape", [(2,), (4, 0), (0, 4), (2, 1), (1, 6)], ids=str)
def test_glu_of_any_shape(shape):
    for dim in (dim for dim in range(-len(shape), len(shape)) if shape[dim] % 2 == 0):
        agree(activation.glu, "glu", np.full(shape, -0.75), {"dim": dim})


# ---- PReLU ----


def prelu_twins(shape, num_parameters, seed=0, dtype="float64"):
    """Return the outputs of the recipe and of torch on random slopes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(dtype)
    weight = rng.uniform(-1, 1, num_parameters).astype(dtype)
    layer = torch.nn.PReLU(num_parameters)
    layer.weight.data = torch.from_numpy(weight)
    return activation.prelu(x, weight), layer(torch.from_numpy(x))


@settings(deadline=None, max_examples=40)
@given(
    shape=st.integers(2, 5).flatmap(lambda n: st.permutations(range(2, 7)).map(lambda p: p[:n])),
    shared=st.booleans(),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([("float64", FLOAT64), ("float32", FLOAT32)]),
)
def test_prelu_equals_torch(shape, shared, seed, dtype):
    assert_parity(*prelu_twins(shape, 1 if shared else shape[1], seed, dtype[0]), dtype[1])


@pytest.mark.parametrize(
    ("shape", "num_parameters"),
    [
        ((), 1),
        ((5,), 1),
        ((0,), 1),
        ((2, 0), 1),
        ((2, 0), 0),
        ((0, 3), 3),
        ((2, 3, 0), 3),
        ((1, 3), 3),
        ((2, 1, 3), 1),
    ],
)
def test_prelu_of_any_shape(shape, num_parameters):
    assert_parity(*prelu_twins(shape, num_parameters))


@pytest.mark.parametrize(
    ("x", "weight", "message"),
    [
        (
            (2, 4, 4, 3),
            (3,),
            "weight has shape (3,), but x (2, 4, 4, 3) has 4 channels: "
            "the channels are axis 1; are the axes of x in another order?",
        ),
        (
            (3,),
            (3,),
            "weight has shape (3,), but x (3,) has 1 channels: "
            "the channels are axis 1; are the axes of x in another order?",
        ),
        (
            (2, 3),
            (3, 1),
            "weight has shape (3, 1), but x (2, 3) has 3 channels: was an axis added?",
        ),
        ((2, 3), (), "weight has shape (), but x (2, 3) has 3 channels: was an axis added?"),
        (
            (2, 3),
            (5,),
            "weight has shape (5,), but x (2, 3) has 3 channels: is it another layer's?",
        ),
        (
            (2, 0),
            (5,),
            "weight has shape (5,), but x (2, 0) has 0 channels: is it another layer's?",
        ),
    ],
)
def test_prelu_says_what_does_not_fit(x, weight, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        activation.prelu(np.ones(x), np.ones(weight))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("gelu", {"approximate": True}, 'approximate is True, expected "none" or "tanh"'),
        ("gelu", {"approximate": "erf"}, 'approximate is \'erf\', expected "none" or "tanh"'),
        ("hardtanh", {"min_val": 2, "max_val": 1}, "min_val is 2, max_val 1: were they swapped?"),
        ("softshrink", {"lambd": -1}, "lambd is -1, expected 0 or more: is its sign right?"),
        ("celu", {"alpha": 0}, "alpha is 0, expected another number: x is divided by it"),
        ("glu", {}, "x has shape (4, 3), its axis -1 an odd size: is dim another axis?"),
        ("glu", {"dim": 5}, "x has shape (4, 3), without an axis 5: is a batch axis missing?"),
        ("softmax2d", {}, "x has shape (4, 3), expected 3 or 4 axes: use softmax(x, dim)"),
    ],
)
def test_what_torch_refuses_is_refused(name, arguments, message):
    x = np.ones((4, 3))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(activation, name)(x, **arguments)
    if arguments.get("approximate") is not True:  # PyTorch has a TypeError there
        with pytest.raises((RuntimeError, ValueError, AssertionError, IndexError)):
            torchs(name, x, arguments)


def test_a_single_number_has_no_halves():
    with pytest.raises(ValueError, match=r"^x is a single number, expected an axis with two halv"):
        activation.glu(1.0)
    with pytest.raises(RuntimeError):
        torch.nn.functional.glu(torch.tensor(1.0))


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_softmax_without_dim_takes_the_axis_that_torch_takes(name, shape):
    x = np.random.default_rng(0).normal(size=shape)
    assert_parity(
        getattr(activation, name)(x, None), getattr(torch.nn.functional, name)(torch.tensor(x))
    )


def test_hardtanh_may_have_one_value():
    np.testing.assert_array_equal(activation.hardtanh([-1.0, 5.0], 2, 2), [2, 2])


@pytest.mark.parametrize(
    ("dtype", "lowest", "error"),
    [("f8", -37, 1e-12), ("f4", -3, 5e-7), ("f4", -12, 5e-6)],  # v**2 / 2 is rounded, and grows
)
def test_the_share_is_exact_far_below(dtype, lowest, error):
    x = np.linspace(lowest, 8, 5001).astype(dtype)
    assert np.abs(activation.normal_share(x) / shares(x) - 1).max() < error


def test_a_term_of_the_series_counts_far_below():
    x = np.linspace(-37, 8, 5001)
    few = sabotaged(PATH, "POINTS, LINE, 18", "POINTS, LINE, 14").normal_share(x)
    assert np.abs(few / shares(x) - 1).max() > 1e-12


def shares(x):
    """Return the normal distribution's share below each x, by math.erfc."""
    return np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.tolist()])


# ---- Sabotage: each is caught ----

BENDS = np.random.default_rng(0).permutation(np.arange(-24, 24) / 4).reshape(2, 4, 6)

SABOTAGES = {
    "gelu: tanh for exact": ("gelu", 'if approximate == "none"', 'if approximate == "exact"'),
    "gelu: exact for tanh": ("gelu", "0.044715 * x**2", "0.0446 * x**2"),
    "gelu: the tail for its complement": (
        "gelu",
        "y -= v * normal_tail(v)",
        "y -= v * (1 - normal_tail(v))",
    ),
    "gelu: too few terms": ("gelu", "SERIES[:terms]", "SERIES[: terms - 9]"),
    "softmax: the last axis": ("softmax", "e / e.sum(axis=dim", "e / e.sum(axis=-1"),
    "log_softmax: the last axis": (
        "log_softmax",
        "np.exp(v)).sum(axis=dim",
        "np.exp(v)).sum(axis=-1",
    ),
    "log_softmax: the largest forgotten": (
        "log_softmax",
        "        others += np.sum(v == 0, axis=dim, keepdims=True, dtype=v.dtype) - 1\n",
        "",
    ),
    "softmax2d: the rows": ("softmax2d", "softmax(x, -3)", "softmax(x, -2)"),
    "softmin: the sign": ("softmin", "softmax(-x, dim).astype", "softmax(x, dim).astype"),
    "glu: the wrong half": ("glu", "first * logistic(second)", "logistic(first) * second"),
    "glu: every other one": ("glu", "np.split(x, 2, axis=dim)", "x[..., ::2], x[..., 1::2]"),
    "leaky_relu: the sign": ("leaky_relu", "x, slope * x)", "x, -slope * x)"),
    "prelu: the last axis": ("prelu", "if axis == 1", "if axis == x.ndim - 1"),
    "prelu: the first weight": ("prelu", "weight.reshape(channels)", "weight[0]"),
    "threshold: at the threshold": ("threshold", "x <= threshold", "x < threshold"),
    "threshold: moved": ("threshold", "x <= threshold", "x <= threshold + 0.5"),
    "hardshrink: at lambd": ("hardshrink", "x <= lambd", "x < lambd"),
    "hardshrink: at -lambd": ("hardshrink", "x >= -lambd", "x > -lambd"),
    "softplus: at the threshold": ("softplus", "v > float(threshold)", "v >= float(threshold)"),
    "softplus: the threshold of x": ("softplus", "np.where(v > float", "np.where(x > float"),
    "softplus: not over beta": ("softplus", "(-np.abs(v)))) / beta", "(-np.abs(v))))"),
    "hardsigmoid: moved": ("hardsigmoid", "np.clip(x + 3", "np.clip(x + 2.5"),
    "rrelu: not the mean": ("rrelu", "(lower + upper) / 2", "lower"),
    "celu: not over alpha": ("celu", "np.minimum(x, 0) / alpha", "np.minimum(x, 0)"),
    "selu: no scale": ("selu", "1.0507009873554805 * ", ""),
}


def agree_everywhere(module, name):
    """Compare with torch on all arguments, on numbers with the bends among them, and equal ones."""
    if name == "prelu":
        weight = np.array([0.5, -2, 3, 0.25])
        reference = torch.nn.functional.prelu(*map(torch.from_numpy, (BENDS, weight)))
        assert_parity(module.prelu(BENDS, weight), reference)
        return
    options = CLASSES[name][1]
    for values in itertools.product(*options.values()):
        for x in [BENDS, BENDS / 7, np.ones_like(BENDS)]:
            agree(getattr(module, name), name, x, dict(zip(options, values, strict=True)))


@pytest.mark.parametrize(("name", "old", "new"), SABOTAGES.values(), ids=SABOTAGES)
def test_sabotage_is_caught(name, old, new):
    agree_everywhere(activation, name)
    broken = sabotaged(PATH, old, new)
    with pytest.raises((AssertionError, ValueError)):
        agree_everywhere(broken, name)


def test_shape_comments():
    with executed(SNIPPETS_DIR / "layers/activation.py") as (module, sizes):
        sizes.update(num_parameters=3)
        module.prelu(np.ones((2, 3, 4)), np.ones(3))


# ---- The tables of the page: class, call, formula ----

PAGE = (ROOT / "docs/en/layers/activation.md").read_text("utf-8")
ROWS_OF_PAGE = re.findall(r"^\| `(\w+)`.*? \| `((\w+)\((.+)\))` \| `(.+?)`", PAGE, re.M)
GIVEN = {"weight": "[0.3]", "threshold": "0.5", "value": "-2.0", "dim": "0"}
BARE = re.compile(rf"\b({'|'.join(GIVEN)})(?=[,)])")  # what is given without a default


@pytest.mark.parametrize(("cls", "call", "name", "arguments", "_"), ROWS_OF_PAGE)
def test_a_call_has_the_arguments_and_defaults(cls, call, name, arguments, _):
    assert name == "prelu" or CLASSES[name][0] == cls
    told = inspect.signature(eval(f"lambda {arguments}: 0".replace('"tanh"', '"none"')))
    ours = inspect.signature(getattr(activation, name))
    assert list(told.parameters.values())[1:] == list(ours.parameters.values())[1:]


@pytest.mark.parametrize(("cls", "call", "name", "arguments", "formula"), ROWS_OF_PAGE)
def test_a_formula_is_true(cls, call, name, arguments, formula):
    x = np.array([-7.0, -1.5, -0.75, -0.25, 0.25, 0.75, 1.5, 21.0])
    given = BARE.sub(lambda m: GIVEN[m[1]], call)
    ours = eval(given, vars(activation) | {"x": x[:, None, None] if "2d" in name else x})
    if name in ALONG:
        words = {"exp": np.exp, "log": np.log, "sum": np.sum, "sigmoid": activation.sigmoid}
        words |= {"first_half": lambda x: x[:4], "second_half": lambda x: x[4:]}
        expected = eval(formula, words | {"x": x})
    else:
        keywords = ast.parse(call, mode="eval").body.keywords
        words = vars(mpmath) | {name: np.array(eval(value)).item() for name, value in GIVEN.items()}
        words |= {k.arg: eval(ast.unparse(k.value)) for k in keywords}
        expected = [
            float(eval(formula, words | {"x": mpmath.mpf(number)})) for number in x.tolist()
        ]
    np.testing.assert_allclose(ours.ravel(), expected, rtol=3e-5)


def test_the_tables_have_every_class():
    listed = sorted(row[0] for row in ROWS_OF_PAGE)
    assert listed == sorted([*(cls for cls, _ in CLASSES.values()), "PReLU", "GELU"])
