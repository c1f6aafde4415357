"""One law for all recipes: dtypes, layouts, NaN, aliasing, warnings. The table is recipes.py."""

import contextlib
import importlib
import inspect
import itertools
import pkgutil

import numpy as np
import pytest

from snippets import layers
from tests.layers.recipes import TABLE, Row
from tests.parity import FLOAT32, FLOAT64

torch = pytest.importorskip("torch")

CHECKS = "# What refuses wrong input\n"


# ---- The arrays of a row ----


def mapped(function, *trees):
    """Return a tree of arrays: what the function makes of those at each place of the trees."""
    first = trees[0]
    if isinstance(first, dict):
        return {name: mapped(function, *(tree[name] for tree in trees)) for name in first}
    if isinstance(first, tuple):
        return tuple(mapped(function, *branches) for branches in zip(*trees, strict=True))
    return function(*trees)


def leaves(tree):
    """Return the arrays of a dict of dicts, or of a result: an array, or tuples of them."""
    if tree is None:
        return []
    if isinstance(tree, dict | tuple | list):
        branches = tree.values() if isinstance(tree, dict) else tree
        return [leaf for branch in branches for leaf in leaves(branch)]
    return [tree]


def is_float(a):
    return a.dtype.kind == "f"


def given(row, dtype="float64"):
    """Return new arrays of a row, its floats in this dtype."""
    return mapped(lambda a: a.astype(dtype) if is_float(a) else a.copy(), row.arrays)


def called(row, arrays, options=None):
    return row.recipe(**arrays, **(row.options if options is None else options))


def torchs(row, arrays):
    """Return what torch makes of copies of the arrays, as arrays; torch changes some of them."""
    tensors = mapped(lambda a: torch.from_numpy(a.copy()), arrays)
    with torch.no_grad():
        return [y.numpy() for y in leaves(row.torchs(*tensors.values(), **row.options))]


def assert_same(ours, reference, tolerance):
    """Fail unless all results agree in dtype and shape, in NaN and infinity, and in numbers."""
    ours, reference = leaves(ours), leaves(reference)
    assert [(y.dtype, y.shape) for y in ours] == [(y.dtype, y.shape) for y in reference]
    for y, expected in zip(ours, reference, strict=True):
        finite = np.abs(expected[np.isfinite(expected)])
        scale = float(finite.max(initial=0))
        np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance * scale)


def replaced(arrays, number, new):
    """Return the arrays with the float array of this number, in their order, replaced."""
    count = -1

    def replace(a):
        nonlocal count
        count += is_float(a)
        return new(a) if is_float(a) and count == number else a

    return mapped(replace, arrays)


def numbers_of_floats(row):
    """Return the number of each float array, in their order."""
    return range(sum(is_float(a) for a in leaves(row.arrays)))


# ---- Which recipes there are ----


def modules():
    names = [module.name for module in pkgutil.iter_modules(layers.__path__)]
    return [importlib.import_module(f"snippets.layers.{name}") for name in names]


def names_in(code):
    """Return the names that code looks up, in the functions inside it too."""
    inside = [const for const in code.co_consts if inspect.iscode(const)]
    return set(code.co_names).union(*map(names_in, inside))


def recipes(module):
    """Return the recipes of a file: what stands above its checks, and is no mere step of others.

    A recipe has the sections of a docstring; what no other function calls is one, too.
    """
    above, marked, _ = inspect.getsource(module).partition(CHECKS)
    assert marked, f"{module.__name__} has no line {CHECKS.strip()!r}"
    functions = [f for _, f in inspect.getmembers(module, inspect.isfunction)]
    here = [f for f in functions if f.__module__ == module.__name__]
    used = set().union(*(names_in(f.__code__) for f in here))
    return {
        f
        for f in here
        if f"\ndef {f.__name__}(" in above
        and not f.__name__.endswith("_nd")  # of 1d, 2d, 3d
        and ("See Also" in (f.__doc__ or "") or f.__name__ not in used)
    }


@pytest.mark.parametrize("module", modules(), ids=lambda m: m.__name__.rpartition(".")[2])
def test_every_recipe_is_in_the_table(module):
    ours = {row.recipe for row in TABLE.values() if row.recipe.__module__ == module.__name__}
    assert ours == recipes(module)


# ---- The law ----


@contextlib.contextmanager
def told(what):
    """Say which of the cases of a loop a failure is of."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"This was the case: {what}")
        raise


DTYPES = [("float64", FLOAT64), ("float32", FLOAT32)]


def equals_torch(name):
    """In dtype as well; and a warning would be an error here."""
    row = TABLE[name]
    for dtype, tolerance in DTYPES:
        with told(dtype):
            arrays = given(row, dtype)
            assert_same(called(row, arrays), torchs(row, arrays), tolerance)


def strided(a):
    """Return a view of every other number of every other row, and so on."""
    wide = np.zeros([2 * size for size in a.shape], a.dtype)
    wide[(slice(1, None, 2),) * a.ndim] = a
    return wide[(slice(1, None, 2),) * a.ndim]


def read_only(a):
    a.flags.writeable = False
    return a


class Subclass(np.ndarray):
    """An array that would stay one of its class, if nobody took care."""


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "negative strides": lambda a: np.flip(np.flip(a).copy()),
    "strides": strided,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": read_only,
    "list": np.ndarray.tolist,
    "tensor": torch.from_numpy,
    "masked array": lambda a: np.ma.masked_array(a, mask=np.ones(a.shape, bool)),
    "subclass": lambda a: a.view(Subclass),
}


def it_does_not_matter_how_an_array_is_stored(name):
    """Lists, tensors and masked arrays are what np.asarray makes of them."""
    row = TABLE[name]
    plain = called(row, given(row))
    for layout, stored in LAYOUTS.items():
        with told(layout):
            ours = called(row, mapped(stored, given(row)))
            assert_same(ours, plain, FLOAT64)
            for y in leaves(ours):
                assert type(y) in (np.ndarray, y.dtype.type), f"the result is a {type(y)}"
                assert y.dtype.isnative


def float16_is_computed_in_float32_and_rounded_once(name):
    row = TABLE[name]
    half = given(row, "float16")
    ours = called(row, half)
    in_float32 = called(row, mapped(lambda a: a.astype("f4") if is_float(a) else a, half))
    rounded = [y.astype("float16") if is_float(y) else y for y in leaves(in_float32)]
    assert_same(ours, rounded, 0)
    compare(row, {"float16"}, half, ours, 2e-3)


def compare(row, checks, arrays, ours, tolerance):
    """Compare with torch; where the row says that it is unlike, fail if it is not."""
    if not checks & row.unlike.keys():
        assert_same(ours, torchs(row, arrays), tolerance)
        return
    try:
        theirs = torchs(row, arrays)
    except (RuntimeError, ValueError, IndexError, TypeError):
        return
    with pytest.raises(AssertionError):
        assert_same(ours, theirs, tolerance)


def in_numpys(option):
    """Return an option with its numbers as NumPy's scalars."""
    if isinstance(option, tuple | list):
        return type(option)(in_numpys(each) for each in option)
    if isinstance(option, bool):
        return np.bool_(option)
    if isinstance(option, int):
        return np.int64(option)
    return np.float64(option) if isinstance(option, float) else option


def numpys_scalars_as_arguments_do_not_widen(name):
    row = TABLE[name]
    options = {key: in_numpys(option) for key, option in row.options.items()}
    for dtype in ["float32", "float16"]:
        with told(dtype):
            arrays = given(row, dtype)
            assert_same(called(row, arrays, options), called(row, arrays), 0)


def the_arrays_decide_together(name):
    """One of float64 makes float64 of float32, of any shape."""
    row = TABLE[name]
    for number in numbers_of_floats(row):
        with told(f"float array {number}"):
            arrays = replaced(given(row, "float32"), number, lambda a: a.astype("float64"))
            if row.strict:
                with pytest.raises(ValueError, match="expected float"):
                    called(row, arrays)
                continue
            widened = mapped(lambda a: a.astype("float64") if is_float(a) else a, arrays)
            assert_same(called(row, arrays), called(row, widened), FLOAT32)


def numbers(a, dtype):
    """Return small numbers that all dtypes hold, in place of floats."""
    return np.rint(3 * np.abs(a)).astype(dtype) if is_float(a) else a


def integers_and_bools_are_computed_in_float64(name):
    """Unless the operation keeps them; then they are those of float64, none wrapped around."""
    row = TABLE[name]
    for dtype in ["int64", "uint8", "int8", "bool"]:
        with told(dtype):
            integers = mapped(lambda a, dtype=dtype: numbers(a, dtype), row.arrays)
            floats = mapped(lambda a: a.astype(float), integers)
            floats = mapped(lambda a, b: b if is_float(a) else a, row.arrays, floats)
            ours, expected = called(row, integers), called(row, floats)
            if np.dtype(dtype).kind in row.keeps:
                expected = [y.astype(dtype) if is_float(y) else y for y in leaves(expected)]
            assert_same(ours, expected, FLOAT64)


def as_complex(a):
    return a + 0.5j * a[::-1] if a.ndim else a + 0.5j


def complex_numbers_are_taken_or_refused(name):
    row = TABLE[name]
    for number in numbers_of_floats(row):
        with told(f"float array {number}"):
            arrays = replaced(given(row), number, as_complex)
            if row.is_complex:
                all_complex = mapped(lambda a: a + 0j if a.dtype.kind in "fc" else a, arrays)
                assert_same(called(row, arrays), torchs(row, all_complex), FLOAT64)
            else:
                with pytest.raises(ValueError, match="complex"):
                    called(row, arrays)


NO_NUMBERS = {
    "words": lambda a: np.full(a.shape, "word"),
    "objects": lambda a: a.astype(object),
    "dates": lambda a: np.full(a.shape, "2020-01-01", "datetime64[D]"),
    "a dict": lambda a: {"weight": a},
}


def what_is_no_number_is_refused_in_a_sentence(name):
    row = TABLE[name]
    for number, what in itertools.product(numbers_of_floats(row), NO_NUMBERS):
        with told(f"{what} for float array {number}"):
            with pytest.raises(ValueError, match="expected") as error:
                called(row, replaced(given(row), number, NO_NUMBERS[what]))
            assert len(str(error.value)) < 200


def nan_and_infinity_go_where_torchs_go(name):
    """In silence, too: a warning would be an error here."""
    row = TABLE[name]
    cases = itertools.product(numbers_of_floats(row), [np.nan, np.inf, -np.inf], DTYPES)
    for number, value, (dtype, tolerance) in cases:
        with told(f"{value} in float array {number}, {dtype}"):
            arrays = given(row, dtype)
            spoilt = [a for a in leaves(arrays) if is_float(a)][number]
            if spoilt.size:
                spoilt.flat[spoilt.size // 2] = value
            if number in row.strict:
                with pytest.raises(ValueError, match="expected"):
                    called(row, arrays)
                continue
            checks = {str(value), f"{value} in {number}"}
            compare(row, checks, arrays, called(row, arrays), tolerance)


def emptied(a, shape):
    """Return zeros of this shape, or of these shapes for a tuple of arrays."""
    if isinstance(a, tuple):
        return tuple(map(emptied, a, shape))
    return np.zeros(shape, a.dtype)


def empty(name):
    row = TABLE[name]
    if isinstance(row.empty, str):  # why there is no such call
        return
    arrays = given(row)
    shapes = row.empty
    if not shapes:
        first, a = next(iter(arrays.items()))
        shapes = {first: (0, *a.shape[1:])}
    arrays |= {key: emptied(arrays[key], shape) for key, shape in shapes.items()}
    compare(row, {"empty"}, arrays, called(row, arrays), FLOAT64)


def nothing_is_changed_and_nothing_shared(name):
    """What comes back is new memory, all of it writeable."""
    row = TABLE[name]
    for dtype in ["float64", "float32", "float16", "int64", ">f8"]:
        with told(dtype):
            integers = mapped(lambda a: numbers(a, "int64"), row.arrays)
            arrays = integers if dtype == "int64" else given(row, dtype)
            before = mapped(np.copy, arrays)
            results = [y for y in leaves(called(row, arrays)) if isinstance(y, np.ndarray)]
            for a, b in zip(leaves(arrays), leaves(before), strict=True):
                np.testing.assert_array_equal(a, b, err_msg="an argument has changed")
                shared = any(np.shares_memory(a, y) for y in results)
                assert not shared, "a result shares memory with an argument"
            assert all(y.flags.writeable for y in results)


LAW = [
    equals_torch,
    it_does_not_matter_how_an_array_is_stored,
    float16_is_computed_in_float32_and_rounded_once,
    numpys_scalars_as_arguments_do_not_widen,
    the_arrays_decide_together,
    integers_and_bools_are_computed_in_float64,
    complex_numbers_are_taken_or_refused,
    what_is_no_number_is_refused_in_a_sentence,
    nan_and_infinity_go_where_torchs_go,
    empty,
    nothing_is_changed_and_nothing_shared,
]


@pytest.mark.parametrize("name", TABLE)
def test_a_recipe_keeps_the_law(name):
    for article in LAW:
        with told(article.__name__):
            article(name)


# ---- Each check can fail ----

BROKEN = {
    "another number": (equals_torch, lambda x: 2 * x + 1.1),
    "another dtype": (equals_torch, lambda x: np.float64(2 * x + 1)),
    "a list is doubled": (
        it_does_not_matter_how_an_array_is_stored,
        lambda x: np.asarray(x * 2) + 1,
    ),
    "a mask stays": (
        it_does_not_matter_how_an_array_is_stored,
        lambda x: np.ma.asarray(x) * 2 + 1,
    ),
    "float16 is rounded at each step": (
        float16_is_computed_in_float32_and_rounded_once,
        lambda x: x * 1.1 * 3.3 + 0.7,
    ),
    "a scalar widens": (
        numpys_scalars_as_arguments_do_not_widen,
        lambda x, scale: (2 * x + 1).astype("f8" if isinstance(scale, np.float64) else x.dtype),
    ),
    "the second decides": (
        the_arrays_decide_together,
        lambda x, y: (x + y).astype(y.dtype),
    ),
    "small integers stay": (integers_and_bools_are_computed_in_float64, lambda x: x + x + 1),
    "complex numbers pass": (complex_numbers_are_taken_or_refused, lambda x: 2 * x + 1),
    "objects pass": (
        what_is_no_number_is_refused_in_a_sentence,
        lambda x: np.asarray(x, object),
    ),
    "NaN becomes 0": (
        nan_and_infinity_go_where_torchs_go,
        lambda x: 2 * np.nan_to_num(x, posinf=np.inf, neginf=-np.inf) + 1,
    ),
    "a warning of NumPy": (
        nan_and_infinity_go_where_torchs_go,
        lambda x: 2 * x + 1 + 0 * np.sin(x),
    ),
    "nothing has no maximum": (empty, lambda x: 2 * x + 1 + 0 * x.max()),
    "x itself": (nothing_is_changed_and_nothing_shared, np.asarray),
    "x is changed": (nothing_is_changed_and_nothing_shared, lambda x: np.add(x, 1, out=x) * 2),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_recipe_fails(what, monkeypatch):
    check, recipe = BROKEN[what]
    options = {"scale": 1.0} if what == "a scalar widens" else {}
    x = np.linspace(-2, 3, 12).reshape(3, 4)
    arrays = {"x": x, "y": x + 1} if what == "the second decides" else {"x": x}
    row = Row(recipe, arrays, lambda x: 2 * x + 1, options)
    monkeypatch.setitem(TABLE, "broken", row)
    with pytest.raises((AssertionError, pytest.fail.Exception, Warning, ValueError, TypeError)):
        check("broken")


def test_a_recipe_without_a_row_fails(monkeypatch):
    monkeypatch.delitem(TABLE, "bilinear")
    with pytest.raises(AssertionError):
        test_every_recipe_is_in_the_table(importlib.import_module("snippets.layers.bilinear"))
