"""The calculator finds what torch stores; its lines of NumPy give what torch gives."""

import collections
import importlib
import json
import re
from urllib.parse import quote, unquote

import pytest
import yaml
from playwright.sync_api import expect

from docs.extensions.tables import labelled
from snippets.describe import facts
from snippets.state_dict import under
from snippets.storage import (
    LEVELS,
    OPERATIONS,
    REGISTRY,
    evaluate,
    held,
    names_in,
    parsed,
    written,
)
from tests import ROOT
from tests.parity import assert_parity
from tests.test_storage import (
    ARRAYS,
    EXPRESSIONS,
    MODULES,
    VARIANTS,
    build,
    in_storage,
    stored_by_torch,
)

pytestmark = pytest.mark.firefox

ADDRESS = "layers/calculator/"


@pytest.fixture(scope="session")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def calculator(browser, base_url):
    """Return the page of the calculator, one for all tests that leave its address alone."""
    page = browser.new_page()
    page.goto(base_url + ADDRESS)
    yield page
    page.close()


def read(page, texts):
    """Return what the page reads in each text: its layers, and what it does not understand."""
    return page.evaluate("async texts => { await parser(); return texts.map(read); }", texts)


def rows_of(told):
    """Return {name: (shape, kind)} of what the page read, if it understood all of it."""
    assert told["slips"] == []
    rows = [row for group in told["found"] for row in group["rows"]]
    found = {row["name"]: (tuple(row["shape"]), row.get("kind", "parameter")) for row in rows}
    assert len(found) == len(rows)
    return found


# ---- What people paste ----

PASTED = yaml.safe_load((ROOT / "tests/browser/pasted.yml").read_text("utf-8"))


@pytest.fixture(scope="module")
def pasted(calculator):
    """Return what the page reads in each of them, by its name."""
    told = read(calculator, [case["text"] for case in PASTED])
    return {case["name"]: one for case, one in zip(PASTED, told, strict=True)}


@pytest.mark.parametrize("case", PASTED, ids=[case["name"] for case in PASTED])
def test_what_people_paste(pasted, case):
    told = pasted[case["name"]]
    named = any(":" in name for name in case["stores"])  # of several classes
    rows = [
        (f"{group['root']}:{row['name']}" if named else row["name"], row["shape"])
        for group in told["found"]
        for row in group["rows"]
    ]
    assert sorted(rows) == sorted(case["stores"].items())
    said = told["slips"] + told["notes"]
    if "says" in case:
        assert len(said) == len(case["says"]), said
    for text in case.get("says", []):
        assert any(text in one for one in said), said
    assert told["others"] == case.get("others", told["others"])
    assert told["unsure"] == case.get("unsure", [])
    assert told["sum"].startswith(case.get("sum", ""))
    lines = " ".join(group["line"] for group in told["found"])
    assert all(text in lines for text in case.get("line", []))
    assert not any(text in " ".join([lines, *said]) for text in case.get("never", []))
    layers = {group["prefix"]: layers_of(group) for group in told["found"]}
    assert layers == case.get("layers", layers)


def layers_of(group):
    """Return the layers that a group's names and shapes may be."""
    return group["module"]["layers"] if group.get("module") else group.get("layers", [])


def code_of(name, arguments):
    """Return the call that makes a module."""
    parts = []
    for key, value in arguments.items():
        if key in MODULES and value:
            text = code_of(*value)
        elif key in ARRAYS and value:
            text = f"torch.ones({', '.join(map(str, value))})"
        else:
            text = repr(value)
        parts.append(f"{key}={text}")
    return f"nn.{name}({', '.join(parts)})"


# ---- Shapes: every class with all its variants ----

EVERY = [(n, a) for n, all_ in VARIANTS.items() if not n.startswith("Lazy") for a in all_]


@pytest.fixture(scope="session")
def built(torch):
    """Return the module of every class with each of its variants."""
    return [build(torch, name, arguments) for name, arguments in EVERY]


def test_every_class_stores_what_torch_says(calculator, built):
    texts = [code_of(name, arguments) for name, arguments in EVERY]
    assert len(texts) > 600
    for module, text, told in zip(built, texts, read(calculator, texts), strict=True):
        ours = rows_of(told)
        assert ours == stored_by_torch(module), text
        assert list(ours) == list(module.state_dict()), text


def test_every_class_means_what_the_registry_says(calculator):
    """The axes, their labels and what a row is: those of the tables on the pages."""
    texts = [code_of(name, arguments) for name, arguments in EVERY]
    found = calculator.evaluate(
        """texts => texts.map(text => read(text).found.flatMap(({rows}) => rows.map(row =>
             [row.name, labelled(row).map(axis => axis.filter(Boolean).join(" ")).join(", "),
              written(row.axes), row.row])))""",
        texts,
    )
    for (name, arguments), ours in zip(EVERY, found, strict=True):
        expected = [
            [key, labelled(tensor.shape, shape, tensor.stacked)[1:-1], tensor.shape, tensor.row]
            if tensor.shape.startswith("(")
            else [key, ", ".join(map(str, shape)), tensor.shape, tensor.row]
            for key, (shape, tensor) in held(name, **in_storage(arguments)).items()
        ]
        assert ours == expected, name


# ---- Trees: the same in both languages ----

# What the sizes and switches of an expression may be.
KNOWN = {
    **{
        name: 3 + i
        for i, name in enumerate(sorted({n for t in EXPRESSIONS for n in names_in(parsed(t))}))
    },
    "cutoffs": (5, 9, 23),
    "div_value": 3.7,
    "in_features": 200,
    "out_features": (2, 3),
    "mode": "GRU",
    "kdim": None,
    "kernel_size": (5, 7),
    "normalized_shape": [3, 4],
    "cluster": 1,
}
MORE = [
    "(a + b) * c - a",
    "a - (b - c)",
    "(a * b) ** 2 // c",
    "a < b < c and a > 0 or a == b == a",
    "a != b and a is not None",
    "(a, *(b, c), (a,))",
    "'a' if a is b else a",
    "range(b, c)",
    "per_axis(a, 2)",
    "per_axis((a, b), 2)",
    "(a - 9) // b",
]


def comparable(value):
    """Return a value as JSON has it; two powers may differ in their last digit."""
    if isinstance(value, list | tuple | range):
        return [comparable(one) for one in value]
    return round(value, 9) if isinstance(value, float) else value


def walked(page, trees, known):
    """Return [value, text, names] of each tree, as the page walks it."""
    return page.evaluate(
        """([trees, known]) =>
             trees.map(tree => [evaluate(tree, known), written(tree), namesIn(tree)])""",
        [trees, known],
    )


def test_a_tree_means_the_same_in_both_languages(calculator):
    known = KNOWN | {"a": 3, "b": 4, "c": 7}
    texts = sorted(t for t in EXPRESSIONS if not t.endswith(".shape")) + MORE
    found = walked(calculator, [parsed(text) for text in texts], known)
    for text, (value, again, names) in zip(texts, found, strict=True):
        assert comparable(value) == comparable(evaluate(parsed(text), known)), text
        assert names == names_in(parsed(text)), text
        if text.startswith("("):  # axes, which are shown
            assert again == written(parsed(text)), text


def test_both_languages_know_the_same_operations(calculator):
    assert set(calculator.evaluate("Object.keys(OPERATIONS)")) == OPERATIONS.keys()
    assert calculator.evaluate("LEVELS") == LEVELS


WRONG = {
    "three gates": ("LSTMCell", ["weight_ih", "shape", 1, 1], 3),
    "another operation": ("Conv2d", ["weight", "shape", 2, 0], "*"),
    "another name": ("Linear", ["weight", "shape", 2], "out_features"),
    "another condition": ("GroupNorm", ["bias", "when", 0], "or"),
    "the other comparison": ("MultiheadAttention", ["in_proj_weight", "when", 0], "!="),
}


# Puts a node into the tree of a tensor, and returns what was there.
PLANT = """([name, [tensor, ...way], planted]) => {
  let node = classes.get(name).holds.find(entry => entry.name === tensor);
  for (const step of way.slice(0, -1)) node = node[step];
  const before = node[way.at(-1)];
  node[way.at(-1)] = planted;
  return before;
}"""


@pytest.mark.parametrize(("name", "way", "planted"), WRONG.values(), ids=WRONG)
def test_a_wrong_node_is_caught(calculator, built, name, way, planted):
    """The shapes come from the page's tree, and from nothing else."""
    chosen = [i for i, (one, _) in enumerate(EVERY) if one == name]
    texts = [code_of(*EVERY[i]) for i in chosen]
    theirs = [stored_by_torch(built[i]) for i in chosen]
    assert [rows_of(told) for told in read(calculator, texts)] == theirs
    before = calculator.evaluate(PLANT, [name, way, planted])
    wrong = read(calculator, texts)
    calculator.evaluate(PLANT, [name, way, before])
    assert [rows_of(told) for told in wrong] != theirs


# Of what print() leaves out, what decides what is stored.
TURNED = {"add_bias_kv", "kdim", "vdim", "weight", "pos_weight", "_random_samples"}


def test_every_class_is_read_as_it_prints_itself(calculator, built):
    modules = [
        module
        for module, (name, arguments) in zip(built, EVERY, strict=True)
        if not any(arguments.get(key) for key in TURNED) and not name.endswith("Base")
    ]
    assert len(modules) > 400
    for module, told in zip(modules, read(calculator, [repr(m) for m in modules]), strict=True):
        assert rows_of(told) == stored_by_torch(module), repr(module)


WRITTEN = [
    "nn.Linear(12, 100)",
    "nn.Linear(16 * 5 * 5, 120, False)",
    "nn.Conv2d(4, 16, 3, 2, 1, 1, 2, False)",
    "nn.ConvTranspose2d(4, 16, (3, 5), 2, 1, 1, 2, False)",
    "nn.RNN(5, 7, 2, 'relu', False)",
    "nn.LSTM(5, 7, 2, False, True, 0.1, True, 3)",
    "nn.GRU(5, 7, 2, True, False, 0.0, True)",
    "nn.LSTMCell(5, 7, False)",
    "nn.BatchNorm2d(6, 1e-3, 0.1, False)",
    "nn.BatchNorm1d(6, affine=False, track_running_stats=False)",
    "nn.LayerNorm([6, 3], 1e-6, True, False)",
    "nn.LayerNorm(6, elementwise_affine=False)",
    "nn.GroupNorm(2, 6, bias=False)",
    "nn.PReLU()",
    "nn.Embedding(10, 3, padding_idx=0)",
    "nn.EmbeddingBag(10, 3, mode='sum')",
    "nn.MultiheadAttention(12, 3, 0.1, False, True, False, 5, 7)",
    "nn.TransformerDecoderLayer(12, 3, 20, bias=False)",
    "nn.Transformer(12, 3, 1, 2, dim_feedforward=20)",
    "nn.AdaptiveLogSoftmaxWithLoss(200, 23, cutoffs=[3, 7], div_value=3.7)",
    "nn.BCEWithLogitsLoss(pos_weight=torch.ones(3, 4))",
    "nn.Linear(3, 2, device='cpu', dtype=torch.float64)",
    "nn.Linear(3, 2).double().eval()",
    "torch.nn.Bilinear(\n    3,  # one\n    4,\n    out_features=2,\n)",
    "nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Dropout(0.1), nn.Linear(4, 2)))",
    "nn.Sequential(*[nn.Linear(3, 3) for i in range(4)])",
    "nn.Sequential(OrderedDict([('a', nn.Linear(3, 4)), ('b', nn.PReLU(4))]))",
    "nn.ModuleDict({'a': nn.Linear(3, 4), 'b': nn.GRU(4, 5)})",
    "nn.ModuleList([nn.Linear(2**k, 3 if k else 7 // 2) for k in range(3)])",
    "nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 7), 2, norm=nn.LayerNorm(6))",
    "nn.Sequential(nn.Linear(3, -(-7 // 2)))",
    "nn.Linear(1_000, int_)",
]
NAMES = {"OrderedDict": collections.OrderedDict, "int_": 3}


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("code", WRITTEN)
def test_a_layer_is_read_as_python_reads_it(torch, calculator, code):
    module = eval(code, {"torch": torch, "nn": torch.nn} | NAMES)
    (told,) = read(calculator, [f"int_ = 3\n{code}"])
    assert rows_of(told) == stored_by_torch(module)


# Statements, and an expression in the end, whose value is a size.
SIZES = [
    "7 // 2 + 7 % 4 - -2",
    "-7 // 2 + 9",
    "-7 % 4",
    "2**3 + (1 << 3) + (9 >> 1)",
    "(6 & 3) + (6 | 3)",
    "int(7 / 2 * 2)",
    "[3, 4] * 2 == [3, 4, 3, 4] and 5",
    "len([1, 2] * 2 + [3])",
    "len(2 * (1,))",
    "len('ab' + 'c' * 2)",
    "5 if 'ab' + 'c' == 'abc' else 6",
    "5 if 2 <= 2 < 3 >= 3 else 6",
    "5 if 2 < 2 else 6",
    "5 if 2 <= 2 else 6",
    "5 if 3 > 3 else 6",
    "5 if 3 >= 3 else 6",
    "4 if 1 < 3 < 2 else 8",
    "4 if 5 < 3 < 9 else 8",
    "4 if 1 < 3 < 5 else 8",
    "5 if 2 in [1, 2] else 6",
    "5 if 3 not in (1, 2) else 6",
    "5 if 'b' in 'abc' else 6",
    "5 if 'k' in {'k': 1} else 6",
    "5 if 'k' not in {'k': 1} else 6",
    "5 if None is None else 6",
    "5 if True == 1 else 6",
    "5 if (1, 2) == (1, 2) else 6",
    "3 if [] else 4",
    "3 if [0] else 4",
    "3 if {} else 4",
    "3 if {'a': 0} else 4",
    "3 if '' else 4",
    "3 if nn.Sequential() else 4",
    "3 if nn.Sequential(nn.ReLU()) else 4",
    "3 if not 0 else 4",
    "(0 or 5) + (2 and 3)",
    "{**{'a': 3}, 'b': 4}['a']",
    "({'a': 3} | {'a': 4})['a']",
    "[*range(3), 7][3]",
    "[3, 4, 5, 6][-2]",
    "[3, 4, 5, 6][1:3][1]",
    "[3, 4, 5, 6][::2][1]",
    "a = [3, 4]; a.append(5); a.extend((6, 7)); a.insert(1, 9); a[1] + a[-1] + len(a)",
    "a = [3, 4, 5]; a.pop() * 10 + len(a)",
    "a = [3, 4, 5]; a.pop(0) * 10 + a[0]",
    "a = [3, 4, 5]; a.pop(1) * 10 + len(a)",
    "a = [3, 4, 5]; a.reverse(); a[0]",
    "a = [3, 4]; b = a.copy(); b.append(5); 10 * len(a) + len(b)",
    "a = [3, 4]; b = a; b.append(5); len(a)",
    "[7, 8, 9].index(9) + 3",
    "[7, 8, 7].count(7)",
    "a = [3, 4]; a += [5]; len(a)",
    "a = [3, 4]; a[0] = 8; a[0]",
    "a = 3; a += 4; a *= 2; a -= 1; a //= 2; a",
    "{'a': 3}.get('a', 4)",
    "{'a': 3}.get('b', 4)",
    "sum(k * v for k, v in {2: 3, 4: 5}.items())",
    "sum({2: 3, 4: 5}.keys()) * 10 + sum({2: 3, 4: 5}.values())",
    "d = {'a': 3}; e = d.copy(); e['a'] = 4; d['a'] * 10 + e['a']",
    "d = {'a': 3}; d.pop('a') * 10 + len(d)",
    "d = {'a': 3}; d.pop('b', 5) * 10 + len(d)",
    "d = {'a': 3}; d.setdefault('a', 4) * 10 + d.setdefault('b', 5)",
    "d = {'a': 3}; d.update({'a': 4}, b=5); d['a'] * 10 + d['b']",
    "len('AbC'.lower()) if 'AbC'.lower() == 'abc' and 'AbC'.upper() == 'ABC' else 9",
    "int(' 12 '.strip())",
    "5 if 'resnet50'.startswith('res') and not 'resnet50'.endswith('res') else 6",
    "5 if 'vit'.startswith(('res', 'vit')) else 6",
    "int('8, 9'.split(', ')[1])",
    "int(' 8  9 '.split()[1])",
    "int('a12'.replace('a', ''))",
    "round(2.5) * 10 + round(3.5)",
    "round(2.6)",
    "int(round(2.567, 1) * 10)",
    "int(-3.7) + 9",
    "int(3.7)",
    "int(True) + 2",
    "int('12')",
    "int() + 3",
    "bool(3) + 2",
    "len(str(123))",
    "abs(-3)",
    "max(3, 4, 1) * 10 + min(3, 4, 1)",
    "max([3, 4])",
    "sum([3, 4]) + sum((1, 2))",
    "sum(x for x in range(4))",
    "len(range(2, 9, 3)) * 10 + range(2, 9, 3)[1]",
    "len(range(5))",
    "len(range(5, 2)) + 3",
    "int(f'''{1}2''')",
    "[3, 4, 5, 6][-3:-1][1] * 10 + len([3, 4, 5][-9:2])",
    "a = 3, 4; 5 if isinstance(a, tuple) else 6",
    "n = 1; while n < 9: n *= 2; n",
    "n = 1; for i in range(2, 5): n *= i; n",
    "n = 1; for i in 2, 3: n *= i; n",
    "(a, b), c = (2, 3), 4; a * 100 + b * 10 + c",
    "[a, b] = 2, 3; a * 10 + b",
    "a = b = 3; a + b",
    "a = *range(2), 7; len(a) * 10 + a[2]",
    "a = [3, 4, 5]; a[0:2] = [7]; a[0] * 10 + len(a)",
    "def pair(): return 2, 3; a, b = pair(); a * 10 + b",
    "x = 'a' 'bc'; len(x)",
    "int(float(3) * 2)",
    "range(9, 2, -3)[1]",
    "len(list(range(3))) + len(tuple([1]))",
    "len(set([3, 3, 4]))",
    "sum(i * x for i, x in enumerate([3, 4], 1))",
    "sum(i * x for i, x in enumerate([3, 4]))",
    "sum(i * x for i, x in enumerate([3, 4], start=2))",
    "sum(a * b for a, b in zip([3, 4], (5, 6, 7)))",
    "list(reversed([3, 4]))[0]",
    "sorted([4, 3, 5])[0]",
    "sorted(['b', 'a'])[0] == 'a' and 5",
    "3 if all([1, 0]) else 4",
    "3 if all([1, 2]) else 4",
    "3 if any([0, 0]) else 4",
    "3 if any([0, 2]) else 4",
    "dict(a=3)['a']",
    "dict([('a', 3)], b=4)['a']",
    "dict({'a': 3}, b=4)['b']",
    "dict(zip('ab', (3, 4)))['b']",
    "import math; math.ceil(2.1) + math.floor(2.9) * 10",
    "import math; int(math.sqrt(16) + math.log2(8) + math.log10(100) + math.log(8, 2))",
    "import math; math.prod([2, 3]) * 10 + math.gcd(6, 4)",
    "import math; int(math.pow(2, 3)) + int(math.exp(0)) + int(math.log(1))",
    "3 if isinstance(2, int) else 4",
    "3 if isinstance(2.5, int) else 4",
    "3 if isinstance(2.5, float) else 4",
    "3 if isinstance('a', str) else 4",
    "3 if isinstance(2, str) else 4",
    "3 if isinstance((1,), tuple) else 4",
    "3 if isinstance([1], tuple) else 4",
    "3 if isinstance([1], (list, tuple)) else 4",
    "3 if isinstance(True, bool) else 4",
    "3 if isinstance({}, dict) else 4",
    "3 if isinstance(nn.ReLU(), nn.ReLU) else 4",
    "3 if isinstance(nn.ReLU(), nn.Module) else 4",
    "import copy; a = [[3], 4]; b = copy.deepcopy(a); b[0].append(5); len(a[0]) * 10 + len(b[0])",
    "import itertools; len(list(itertools.product([1, 2], [3, 4, 5])))",
    "import itertools; list(itertools.product([1, 2], [3, 4]))[2][1]",
    "import itertools; len(list(itertools.chain([1], [2, 3])))",
    "len({3, 3, 4})",
    "len([x for x in range(6) if x % 2])",
    "sum([a * b for a in (1, 2) for b in (3, 4)])",
    "{k: v for k, v in [('a', 3), ('b', 4)]}['b']",
    "(lambda a, b=3: a * b)(4)",
    "len(f'{3}x{12}')",
    "int(f'{1}{2}')",
    "0x10 + 0b11 + 1_0",
    "(n := 4) + n",
    "len({x % 2 for x in range(4)})",
    "3 if 'resnet'.endswith(('x', 'net')) else 4",
]
# Of these it says that it does not know them, rather than a wrong number.
NOT_KNOWN = [
    "int('12'.strip('2'))",
    "len('a,b,c'.split(',', 1))",
    "sorted([4, 3, 5], reverse=True)[0]",
    "max([3, -4], key=abs) + 9",
    "max([], default=3)",
    "'abc'.find('c')",
    "a = [4, 3]; a.sort(); a[0]",
    "a = [4, 3]; a.remove(4); a[0]",
    "d = {'a': 3}; d.popitem(); len(d) + 3",
    "len('abc'.replace('a', n))",
]
TENSORS = [
    "torch.zeros(3, 4)",
    "torch.ones((3, 4))",
    "torch.empty([3, 4])",
    "torch.randn(size=(3, 4))",
    "torch.full((3, 4), 2.0)",
    "torch.tensor([[1.0, 2, 3], [4, 5, 6]])",
    "torch.tensor([])",
    "torch.tensor([[1.0, 2]])",
    "torch.zeros(2, 3).unsqueeze(-2)",
    "torch.tensor(3.0)",
    "torch.eye(3)",
    "torch.eye(3, 4)",
    "torch.arange(5.0)",
    "torch.arange(2.0, 7)",
    "torch.arange(1, 8, 3.0)",
    "torch.linspace(0, 1, 5)",
    "torch.linspace(0, 1, steps=5)",
    "torch.normal(0.0, 1.0, (3, 4))",
    "torch.normal(0.0, 1.0, size=(3, 4))",
    "torch.randint(0, 9, (3, 4)).float()",
    "torch.randint(9, size=(3, 4)).float()",
    "torch.zeros(3, 4).t()",
    "torch.zeros(3, 4).T",
    "torch.zeros(2, 3, 4).transpose(0, 2)",
    "torch.zeros(2, 3, 4).transpose(-1, -2)",
    "torch.zeros(2, 3, 4).permute(2, 0, 1)",
    "torch.zeros(2, 3, 4).permute(-1, 0, 1)",
    "torch.zeros(2, 3, 4).view(6, 4)",
    "torch.zeros(2, 3, 4).view(-1, 4)",
    "torch.zeros(2, 3, 4).reshape((3, -1))",
    "torch.zeros(2, 3).unsqueeze(0)",
    "torch.zeros(2, 3).unsqueeze(-1)",
    "torch.zeros(2, 1, 3, 1).squeeze()",
    "torch.zeros(2, 1, 3, 1).squeeze(1)",
    "torch.zeros(2, 1, 3).squeeze(0)",
    "torch.zeros(2, 1, 3, 1).squeeze(-1)",
    "torch.zeros(2, 3).repeat(3, 2)",
    "torch.zeros(2, 3).repeat(4, 3, 2)",
    "torch.zeros(1, 3).expand(2, -1)",
    "torch.zeros(1, 3).expand(5, 2, 3)",
    "torch.zeros(2, 3, 4).flatten()",
    "torch.zeros(2, 3) + torch.zeros(3)",
    "torch.zeros(2, 1) * torch.zeros(3)",
    "torch.zeros(3) / 2",
    "2 - torch.zeros(3)",
    "torch.zeros(4, 1, 3) + torch.zeros(2, 3)",
    "torch.zeros(2, 3)**2",
    "torch.cat([torch.zeros(2, 3), torch.zeros(4, 3)])",
    "torch.cat((torch.zeros(2, 3), torch.zeros(2, 4)), dim=1)",
    "torch.cat((torch.zeros(2, 3), torch.zeros(2, 4)), -1)",
    "torch.stack([torch.zeros(2, 3)] * 4)",
    "torch.stack([torch.zeros(2, 3)] * 4, dim=-1)",
    "torch.stack([torch.zeros(2, 3)] * 4, 1)",
    "torch.zeros_like(torch.zeros(2, 3))",
    "torch.permute(torch.zeros(2, 3, 4), (2, 0, 1))",
    "torch.transpose(torch.zeros(2, 3), 0, 1)",
    "torch.zeros(2, 3).clone().detach()",
    "torch.zeros(2, 3).sqrt().mul(2)",
    "torch.Tensor(2, 3)",
    "torch.rand(nn.Linear(3, 2).weight.shape)",
    "torch.zeros(*[2, 3])",
    "torch.zeros(torch.zeros(2, 3).shape[1], torch.zeros(2, 3).size(0))",
]


def programs(cases, call):
    """Return the programs of cases, whose last expression goes into a call."""
    found = []
    for case in cases:
        *before, last = ["import copy, itertools, math", *case.split("; ")]
        found.append("\n".join([*before, f"layer = {call.format(last)}"]))
    return found


def test_an_expression_means_what_python_means(torch, calculator):
    texts = programs(SIZES, "nn.Linear({}, 2)")
    texts += programs(TENSORS, "nn.ParameterList([nn.Parameter({})])")
    for text, told in zip(texts, read(calculator, texts), strict=True):
        names = {"torch": torch, "nn": torch.nn}
        exec(text, names)
        assert rows_of(told) == stored_by_torch(names["layer"]), text


def test_what_is_not_known_of_python_is_said(calculator):
    texts = programs(NOT_KNOWN, "nn.Linear({}, 2)")
    for text, told in zip(texts, read(calculator, texts), strict=True):
        assert told["slips"], text
        assert [row["name"] for group in told["found"] for row in group["rows"]] == ["bias"], text


CLASS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        hidden = 8
        self.size = 2 * hidden  # not stored
        self.embedding = nn.Embedding(11, hidden)
        self.lstm = nn.LSTM(hidden, self.size, num_layers=2)
        layer = nn.TransformerEncoderLayer(self.size, 2, dim_feedforward=20)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.scale = nn.Parameter(torch.ones(3, 4))
        self.fc = torch.nn.Linear(
            in_features=self.size,
            out_features=9,
        )
    def forward(self, x):
        return self.fc(x)
"""


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_a_class_is_read_from_its_source(torch, calculator):
    names = {}
    exec(CLASS, names)
    (told,) = read(calculator, [CLASS])
    expected = stored_by_torch(names["Net"]())
    assert rows_of(told) == expected
    assert "scale" in expected  # which print() does not show


DEFAULTS = """
class Net(nn.Module):
    def __init__(self, n_in, hidden=8, *, layers: int = 2, sizes=(4, 5), act=nn.ReLU,
                 name: str = "a,b", out=2 * len([1, 2]),
                 bias: dict[str, bool] = False, last=unknown):
        self.rnn = nn.GRU(sizes[1], hidden, layers, bias=bias)
        self.act = act()
        self.fc = nn.Linear(hidden, out)
"""


def test_an_argument_of_init_has_its_default(torch, calculator):
    (told,) = read(calculator, [DEFAULTS])
    expected = {
        f"{name}.{key}": shape
        for name, module in [
            ("rnn", torch.nn.GRU(5, 8, 2, bias=False)),
            ("fc", torch.nn.Linear(8, 4)),
        ]
        for key, shape in stored_by_torch(module).items()
    }
    assert rows_of(told) == expected


@pytest.mark.parametrize(("name", "named"), [("n_in", "n_in"), ("last", "unknown")])
def test_an_argument_of_init_without_a_known_default_is_named(calculator, name, named):
    (told,) = read(calculator, [f"{DEFAULTS}        self.head = nn.Linear({name}, 3)"])
    (slip,) = told["slips"]
    assert slip.startswith(f"Line 9: {named} is a name")


def whole_models(torch):
    nn = torch.nn
    from snippets.question.torch_rnn import RNN

    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels, affine=False)
            )

    class Resnet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 7, stride=2, padding="same" if False else 3)
            self.layers = nn.ModuleList(Block(8) for _ in range(12))
            self.heads = nn.ModuleDict({"a b": nn.Linear(8, 3), "two": nn.Linear(8, 2)})
            self.attention = nn.MultiheadAttention(8, 2, bias=False)

    class Listed(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.free = nn.ParameterList(torch.ones(2, i + 3) for i in range(n))
            self.named = nn.ParameterDict({"a": torch.ones(()), "b": torch.ones(3, 1, 2)})

    return [
        RNN(3, 4, 2),
        Resnet(),
        nn.DataParallel(Resnet()),
        Listed(1),
        Listed(3),
        nn.Transformer(8, 2, 3, 2, 16),
        nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(3, 4)), nn.Linear(4, 5)), nn.Flatten()),
        nn.AdaptiveLogSoftmaxWithLoss(200, 23, [5, 7]),
        nn.LinearCrossEntropyLoss(3, 4, bias=True),
        nn.Sequential(nn.Conv2d(3, 4, 3, padding="same", padding_mode="circular")),
    ]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_whole_models_are_read_as_they_print_themselves(torch, calculator):
    models = whole_models(torch)
    for model, told in zip(models, read(calculator, [str(m) for m in models]), strict=True):
        assert rows_of(told) == stored_by_torch(model), model


# ---- Names with shapes: what describe says ----


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_names_with_shapes_are_told_as_describe_tells_them(torch, calculator, built):
    # Every class with each of its variants, in models of 40 layers
    models = [torch.nn.Sequential(*built[i : i + 40]) for i in range(0, len(built), 40)]
    states = [
        {name: values for name, values in model.state_dict().items() if " " not in name}
        for model in [*whole_models(torch), *models]
    ]
    texts = [
        "\n".join(f"{name} {values.dtype} {tuple(values.shape)}" for name, values in state.items())
        for state in states
    ]
    for state, told in zip(states, read(calculator, texts), strict=True):
        (expected,) = facts(state)["states"]
        rows = {row["name"]: row for group in told["found"] for row in group["rows"]}
        for row in expected["tensors"]:
            ours = rows[row["name"]] | {key: row[key] for key in ("dtype", "bytes")}
            assert ours == json.loads(json.dumps(row))
        modules = {module["name"]: module for module in reversed(expected["modules"])}
        for group in told["found"]:
            if group.get("module"):
                assert group["module"] == json.loads(json.dumps(modules[group["module"]["name"]]))


def test_what_is_listed_twice_is_two_models(calculator):
    (told,) = read(calculator, ["fc.weight (3, 2)\nfc.weight (4, 2)\nfc.bias (4,)"])
    assert [layers_of(group) for group in told["found"]] == [["Linear without bias"], ["Linear"]]


LISTED = """fc.weight (9, 100)
fc.bias (9,)
lstm.weight_ih_l0 (400, 12)
lstm.weight_hh_l0 (400, 100)
lstm.bias_ih_l0 (400,)
lstm.bias_hh_l0 (400,)
ids int64 (1, 50)"""


def test_names_with_shapes_are_drawn_with_their_layers(page, base_url):
    page.goto(base_url + ADDRESS)
    page.locator(".calculator textarea").fill(LISTED)
    table = page.locator(".calculated table")
    heading = table.locator(".module", has=page.get_by_role("link", name="nn.LSTM"))
    expect(heading).to_contain_text('output, (h_n, c_n) = lstm(x, under(state, "lstm"))')
    expect(heading).to_contain_text("rows from the top: i, f, g, o")
    row = table.locator("tr", has=page.get_by_text("fc.weight", exact=True)).last
    expect(row.locator("td").first).to_have_text("(9 out, 100 in)")
    expect(row.locator("td").last).to_contain_text("Linear (out_features, in_features)")
    expect(row.locator("td").last).to_contain_text("one row is: one output: a weight for every")
    expect(table.locator("tr").last).to_contain_text("? integers, which no weight of torch.nn is")


def test_an_error_is_drawn_with_its_layers(page, base_url):
    page.goto(base_url + ADDRESS)
    said = "size mismatch for up.weight: copying a param with shape torch.Size([8, 4, 3]) from "
    said += "checkpoint, the shape in current model is torch.Size([8, 5, 3])."
    page.locator(".calculator textarea").fill(said)
    headings = page.locator(".calculated .module")
    expect(headings).to_have_count(2)
    for heading in headings.all():
        expect(heading.get_by_role("link")).to_have_text("nn.ConvTranspose1d")
        expect(heading).to_contain_text("ConvTranspose1d, by its name")
        expect(heading).not_to_contain_text("without bias")


# ---- Lines: what they give ----

SEQUENCE = [(5, 3, 4)]
LINES = [
    ("nn.Linear(4, 3)", [(5, 4)]),
    ("nn.Linear(4, 3, bias=False)", [(5, 4)]),
    ("nn.Bilinear(4, 3, 2)", [(5, 4), (5, 3)]),
    ("nn.Embedding(7, 4, max_norm=0.5, norm_type=1.0)", "ids"),
    ("nn.EmbeddingBag(7, 4)", "ids"),
    ("nn.EmbeddingBag(7, 4, mode='sum', padding_idx=2)", "ids"),
    ("nn.Conv1d(4, 6, 3, 2, 1, groups=2)", [(2, 4, 9)]),
    ("nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding='valid', bias=False)", [(2, 4, 9, 8)]),
    ("nn.Conv2d(4, 6, 3, padding='same', padding_mode='circular')", [(2, 4, 9, 8)]),
    ("nn.Conv3d(4, 6, 3, dilation=2)", [(2, 4, 6, 7, 8)]),
    ("nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2)", [(2, 4, 5)]),
    ("nn.ConvTranspose2d(4, 6, 3, dilation=2, bias=False)", [(2, 4, 5, 6)]),
    ("nn.ConvTranspose3d(4, 6, 2)", [(2, 4, 3, 4, 5)]),
    ("nn.RNN(4, 6)", SEQUENCE),
    ("nn.RNN(4, 6, 2, nonlinearity='relu', batch_first=True)", SEQUENCE),
    ("nn.LSTM(4, 6)", SEQUENCE),
    ("nn.LSTM(4, 6, 2, bias=False, bidirectional=True, batch_first=True)", SEQUENCE),
    ("nn.LSTM(4, 6, proj_size=2)", SEQUENCE),
    ("nn.GRU(4, 6, num_layers=2)", SEQUENCE),
    ("nn.RNNCell(4, 6, nonlinearity='relu')", [(5, 4)]),
    ("nn.LSTMCell(4, 6)", [(5, 4)]),
    ("nn.GRUCell(4, 6, bias=False)", [(5, 4)]),
    ("nn.BatchNorm1d(4)", [(5, 4)]),
    ("nn.BatchNorm2d(4, eps=0.1, affine=False)", [(5, 4, 2, 3)]),
    ("nn.BatchNorm3d(4, bias=False)", [(5, 4, 2, 3, 2)]),
    ("nn.BatchNorm1d(4, track_running_stats=False)", [(5, 4)]),
    ("nn.InstanceNorm1d(4, affine=True)", [(5, 4, 3)]),
    ("nn.InstanceNorm2d(4, affine=True, bias=False)", [(5, 4, 3, 2)]),
    ("nn.InstanceNorm3d(4, affine=True, track_running_stats=True)", [(5, 4, 3, 2, 2)]),
    ("nn.LayerNorm(4)", SEQUENCE),
    ("nn.LayerNorm((3, 4), eps=1e-8, bias=False)", SEQUENCE),
    ("nn.RMSNorm(4, eps=0.1)", SEQUENCE),
    ("nn.RMSNorm([3, 4])", SEQUENCE),
    ("nn.GroupNorm(2, 4)", [(5, 4, 3)]),
    ("nn.GroupNorm(2, 4, eps=0.1, bias=False)", [(5, 4, 3)]),
    ("nn.PReLU(4)", [(5, 4)]),
    ("nn.MultiheadAttention(4, 2)", [(5, 3, 4), (6, 3, 4), (6, 3, 4)]),
    ("nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True)", SEQUENCE * 3),
    (
        "nn.MultiheadAttention(4, 2, kdim=5, vdim=3, batch_first=True)",
        [(3, 5, 4), (3, 6, 5), (3, 6, 3)],
    ),
    ("nn.TransformerEncoderLayer(4, 2, 7)", SEQUENCE),
    ("nn.TransformerEncoderLayer(4, 2, 7, activation='gelu', norm_first=True)", SEQUENCE),
    ("nn.TransformerEncoderLayer(4, 2, 7, activation=F.gelu, batch_first=True)", SEQUENCE),
    ("nn.TransformerDecoderLayer(4, 2, 7, layer_norm_eps=0.1)", [(5, 3, 4), (6, 3, 4)]),
    ("nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 7, norm_first=True), 2)", SEQUENCE),
    (
        "nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 7), 2, nn.LayerNorm(4))",
        [(5, 3, 4), (6, 3, 4)],
    ),
    ("nn.Transformer(4, 2, 1, 2, 7)", [(6, 3, 4), (5, 3, 4)]),
    ("nn.AdaptiveLogSoftmaxWithLoss(20, 13, [5, 7], head_bias=True)", [(5, 20)]),
]
INPUTS = re.compile(r"\b(x|ids|input1|input2|query|key|value|src|tgt|memory)(?=[,)])")


def random_state(torch, module):
    """Give a module's parameters and buffers random numbers of their scale."""
    for name, values in module.state_dict().items():
        if name.endswith("running_var"):
            values.copy_(torch.rand(values.shape) + 0.5)
        elif values.is_floating_point():
            values.add_(0.3 * torch.randn(values.shape))
    return module


def flat(values):
    """Return arrays and tensors in tuples as one list."""
    if not isinstance(values, tuple):
        return [values]
    return [one for value in values for one in flat(value)]


def given_by(line, recipe, inputs, state):
    """Return what a line of NumPy gives."""
    module = importlib.import_module(f"snippets.layers.{recipe}")
    names = {"state": state, "under": under, "nhead": 2, "num_heads": 2}
    names |= dict(zip(INPUTS.findall(line), inputs, strict=True))
    return eval(line.split(" = ", 1)[1], vars(module) | names)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(("code", "shapes"), LINES, ids=[code for code, _ in LINES])
def test_a_line_gives_what_torch_gives(torch, calculator, code, shapes):
    torch.manual_seed(0)
    names = {"nn": torch.nn, "F": torch.nn.functional}
    module = random_state(torch, eval(code, names).double().eval())
    if shapes == "ids":
        inputs = [torch.tensor([[0, 2, 6], [5, 1, 2]])]
    else:
        inputs = [torch.randn(shape).double() for shape in shapes]
    with torch.no_grad():
        run = module.log_prob if "Adaptive" in code else module
        expected = [one for one in flat(run(*inputs)) if one is not None]
    state = {name: values.numpy() for name, values in module.state_dict().items()}
    below = {f"net.fc.{name}": values for name, values in state.items()}
    recipe = REGISTRY[type(module).__name__].recipe
    # As it is written, as a part of a model, and, where that says all, as it is printed.
    forms = [(code, state), (f"self.net.fc = {code}", below)]
    told = REGISTRY[type(module).__name__].silent
    if not any(f"{key}=" in code for key in told):
        forms.append((f"Net(\n  (net): Part(\n    (fc): {module}\n  )\n)", below))
    for (_, arrays), found in zip(forms, read(calculator, [f for f, _ in forms]), strict=True):
        (group,) = found["found"]
        ours = flat(given_by(group["line"], recipe, [i.numpy() for i in inputs], arrays))
        assert len(ours) == len(expected)
        for mine, theirs in zip(ours, expected, strict=True):
            assert_parity(mine, theirs)


def test_every_class_with_a_recipe_and_tensors_has_a_line_tried():
    tried = " ".join(code for code, _ in LINES)
    stores = {n for n, layer in REGISTRY.items() if layer.recipe and layer.holds}
    assert stores == {n for n, layer in REGISTRY.items() if layer.use}
    # Their line is BatchNorm's; theirs is drawn at random.
    untried = {"SyncBatchNorm", "FractionalMaxPool2d", "FractionalMaxPool3d"}
    assert {name for name in stores if f"nn.{name}(" not in tried} == untried


def test_a_line_is_as_short_as_it_can_be(calculator):
    for text, line in [
        ("self.fc = nn.Linear(3, 2)", 'y = linear(x, state["fc.weight"], state["fc.bias"])'),
        ("nn.GRU(3, 2, dropout=0.1)", "output, h_n = gru(x, state)"),
        (
            "self.conv = nn.Conv2d(3, 2, 3, stride=(2, 2), padding=1, dilation=1)",
            'y = conv2d(x, state["conv.weight"], state["conv.bias"], stride=2, padding=1)',
        ),
        ("nn.BatchNorm1d(3, affine=False, track_running_stats=False)", None),
        (
            "nn.InstanceNorm1d(3, affine=True)",
            'y = instance_norm(x, weight=state["weight"], bias=state["bias"])',
        ),
        (
            "nn.FractionalMaxPool2d(2, 3, _random_samples=torch.ones(5, 7, 2))",
            "y = fractional_max_pool2d(x, 2, output_size=3,"
            ' _random_samples=state["_random_samples"])',
        ),
    ]:
        (told,) = read(calculator, [text])
        assert [group["line"] for group in told["found"]] == [line][: line is not None]


# ---- What it does not understand ----

SLIPS = [
    ("nn.Liner(3, 2)", "Line 1: Liner is no class of torch.nn, the nearest is Linear."),
    ("\n\nnn.Linear(3)", "Line 3: Linear needs out_features"),
    ("nn.Linear(3, 2, bais=True)", "Line 1: Linear has no argument bais, the nearest is bias"),
    ("nn.Linear(3, 2", "Line 1: this bracket is never closed: ("),
    ("nn.Linear(3, 2))", "Line 1: not understood: )"),
    ("nn.Linear(3, 2]", "Line 1: "),
    ("nn.Linear(3,\n2 4)", "Line 2: not understood: 4"),
    ("nn.Linear(3, hidden)", "Line 1: hidden is a name. Write its value"),
    ("nn.Linear(3, config.hidden)", "Line 1: config.hidden is a name. Write its value"),
    ("nn.Linear(3, 2.5)", "Line 1: weight can't have the shape (2.5, 3): write whole numbers"),
    (
        "nn.Linear(3, -2)",
        "Line 1: weight can't have the shape (-2, 3): write whole numbers from 0 on",
    ),
    ("nn.Linear('3', 2)", 'Line 1: weight can\'t have the shape (2, "3")'),
    ("nn.Linear(1, 2, 3, 4, 5, 6)", "Line 1: Linear takes fewer arguments: in_features"),
    ("nn.MultiheadAttention(12)", "Line 1: MultiheadAttention needs num_heads"),
    ("nn.LazyLinear(3)", "Line 1: LazyLinear has no shapes before its first call"),
    ("Net(\n  (a): LazyConv2d(0, 3)\n)", "Line 2: LazyConv2d has no shapes before its first"),
    ("nn.Sequential(3)", "Line 1: Sequential takes modules, not 3"),
    ("3 + 4", "Line 1: this is no layer: 7"),
    ("nn.Linear(3,", "Line 1: this bracket is never closed: ("),
    ("x =", "Line 1: something is missing at the end"),
    ("MyBlock(64)", "Line 1: MyBlock is no class of torch.nn"),
    ("constructor(64)", "Line 1: constructor is no class of torch.nn"),
    ("nn.Linear(3, 2, __proto__=4)", "Line 1: Linear has no argument __proto__"),
    ("nn.Linear(3, toString)", "Line 1: toString is a name"),
    ("Net(\n  (a): Linear(in_features=3)\n)", "Line 2: Linear needs out_features"),
    ("Net(\n  (a): Linear(in_features=3, out_features=2\n)", "Line 2: this bracket is never"),
    ("Net(\n  (a): ReLU()\n)\n)", "Line 4: a bracket too many"),
    ("Net(\n  (a): FrozenNorm(64)\n)", "FrozenNorm (line 2)"),
    ("Net(\n  (a): MultiheadAttention()\n)", "MultiheadAttention() prints no sizes"),
    ("nn.ModuleList([nn.Linear(2, 2) for i in range(10**9)])", "Line 1: this is too much"),
    ("nn.Transformer(num_encoder_layers=100000)", "This is too much"),
    ("Net(\n  (0-999999999): 9 x Linear(in_features=3, out_features=2)\n)", "This is too much"),
]


@pytest.mark.parametrize(("text", "slip"), SLIPS, ids=[text for text, _ in SLIPS])
def test_a_slip_is_named_with_its_line(calculator, text, slip):
    (told,) = read(calculator, [text])
    said = told["slips"] + told["notes"] + told["unsure"]
    assert any(one.startswith(slip) for one in said), said
    assert told["found"] == []


@pytest.mark.parametrize(
    ("code", "part", "whole"),
    [
        ("nn.Conv2d(3, 8, 3, groups=2)", "groups", "in_channels"),
        ("nn.ConvTranspose1d(4, 3, 3, groups=2)", "groups", "out_channels"),
        ("nn.GroupNorm(2, 5)", "num_groups", "num_channels"),
        ("nn.MultiheadAttention(5, 2)", "num_heads", "embed_dim"),
        ("nn.TransformerEncoderLayer(5, 2)", "nhead", "d_model"),
    ],
)
def test_what_torch_refuses_is_refused(torch, calculator, code, part, whole):
    with pytest.raises((ValueError, AssertionError)):
        eval(code, {"nn": torch.nn})
    (told,) = read(calculator, [code])
    assert told["slips"] == [f"Line 1: PyTorch refuses this: {part} has to divide {whole}"]


PARAMETRIZED = [
    ("weight_norm", "Linear(3, 2)", ["parametrizations.weight.original0"]),
    ("weight_norm", "Conv2d(3, 2, 5, bias=False)", ["parametrizations.weight.original0"]),
    ("spectral_norm", "Linear(3, 2)", [f"parametrizations.weight.0._{k}" for k in "uv"]),
    ("orthogonal", "Linear(3, 2)", ["parametrizations.weight.0.base"]),
]


def test_a_parametrized_layer_has_other_names(torch, calculator):
    """What the print does not tell, an axis or a size, is left out and said."""
    layers = [
        getattr(torch.nn.utils.parametrizations, norm)(eval(f"torch.nn.{code}"))
        for norm, code, _ in PARAMETRIZED
    ]
    for layer, (_, code, left), told in zip(
        layers, PARAMETRIZED, read(calculator, [str(one) for one in layers]), strict=True
    ):
        (said,) = told["notes"]
        assert "a print does not tell the shape of" in said
        expected = {k: v for k, v in stored_by_torch(layer).items() if k not in left}
        assert rows_of(told) == expected, code


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("self.a = nn.Liner(3, 2)\nself.b = nn.Linear(3, 2)\nself.c = 1 1", ["Line 1", "Line 3"]),
        ("Net(\n  (a): Foo()\n  (b): Linear(in_features=3, out_features=2)", ["Line 1"]),
    ],
)
def test_one_slip_leaves_the_other_lines(calculator, text, lines):
    (told,) = read(calculator, [text])
    assert [said.split(":")[0] for said in told["slips"]] == lines
    assert [row["name"] for group in told["found"] for row in group["rows"]] == [
        "b.weight",
        "b.bias",
    ]


# ---- The page ----


def fill(page, text):
    # As at one go: Playwright types, which takes half a minute for 2,000 lines.
    page.evaluate("text => { box.value = text; box.dispatchEvent(new Event('input')); }", text)
    page.evaluate("clearTimeout(waiting); show()")  # now, and once; it waits for the parser


@pytest.mark.only_browser("chromium")  # Firefox, driven so, always runs scripts
@pytest.mark.parametrize("language", ["zh/", ""])
def test_the_example_is_there_without_javascript(new_context, calculator, base_url, language):
    page = new_context(java_script_enabled=False).new_page()
    for one in (page, calculator):
        one.goto(f"{base_url}{language}{ADDRESS}")
    assert not page.locator(".calculator").is_visible()
    # The note about JavaScript aside, which only one of them has.
    told = """e => [[...e.querySelectorAll("output, table")].map(e => e.innerText.split(/\\s+/)),
                   [...e.querySelectorAll(".axis")].map(e => [e.className, e.textContent])]"""
    still, alive = (p.locator(".calculated table").evaluate(told) for p in (page, calculator))
    assert still == alive
    addresses = calculator.evaluate("Object.fromEntries(pages)")
    for name, layer in REGISTRY.items():
        if layer.use:
            stem = layer.recipe.replace("_", "-")
            assert addresses[f"nn.{name}"] == f"{base_url}{language}layers/{stem}/"
    links = calculator.locator(".calculated a").evaluate_all("links => links.map(a => a.href)")
    assert links == [addresses["nn.LSTM"], addresses["nn.Linear"]]


def test_what_is_typed_is_in_the_address_and_comes_back(calculator, base_url):
    text = "self.a = nn.Linear(3, 2)  # 100 %, ünï & 中文 <b>"
    fill(calculator, text)
    assert unquote(calculator.evaluate("location.hash")) == f"#{text}"
    told = calculator.locator(".calculated").inner_text()
    calculator.goto("about:blank")
    calculator.goto(f"{base_url}{ADDRESS}#{quote(text)}")
    assert calculator.locator(".calculator textarea").input_value() == text
    calculator.evaluate("show()")
    assert calculator.locator(".calculated").inner_text() == told
    assert "8 parameters in 2 tensors." in told
    fill(calculator, "")
    assert calculator.url == base_url + ADDRESS


@pytest.mark.parametrize(
    "fragment", ["%E0%A4%A", "%00%01", "takes", "'\"<>)(", "%3Cimg%20src=x%3E", "__proto__"]
)
def test_a_bad_fragment_is_harmless(calculator, base_url, fragment):
    said = []
    calculator.once("pageerror", lambda error: said.append(str(error)))
    calculator.goto(f"{base_url}{ADDRESS}#{fragment}")
    fill(calculator, "nn.Linear(3, 2)")
    output = calculator.locator(".calculated output")
    assert output.inner_text() == "8 parameters in 2 tensors."
    assert said == []


def test_a_heading_is_no_model(calculator, base_url):
    calculator.goto("about:blank")
    calculator.goto(f"{base_url}{ADDRESS}#takes")
    assert "LSTM" in calculator.locator(".calculator textarea").input_value()


def test_a_long_name_leaves_its_shape_room(calculator):
    fill(calculator, "self.layer1_0_first_block_bn1 = nn.BatchNorm2d(64)")
    table = calculator.locator(".calculated table")
    expect(table).to_contain_text("layer1_0_first_block_bn1.num_batches_tracked")
    assert table.evaluate("table => table.offsetWidth <= table.closest('.calculated').clientWidth")


def test_what_is_pasted_is_never_html(calculator):
    evil = "<img src=x onerror='document.title=1'>"
    fill(calculator, evil)
    assert calculator.locator(".calculated img").count() == 0
    for text in (
        f"Net(\n  ({evil}): Linear(in_features=3, out_features=2)\n)",
        f'nn.Conv2d(3, 2, 3, padding_mode="{evil}")',
        f'nn.ModuleDict({{"{evil}": nn.Linear(3, 2)}})',
        f'nn.Linear(3, "{evil}")',
        f'"{evil}"',
    ):
        fill(calculator, text)
        assert "<img" in calculator.locator(".calculated").inner_text()
        assert calculator.locator(".calculated img").count() == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nn.PReLU()", "1 parameter in 1 tensor."),
        ("nn.Linear(3, 2, bias=False)", "6 parameters in 1 tensor."),
        ("fc.weight (2, 3)", "6 numbers in 1 tensor."),
        (
            "Own(\n  (b): PReLU(num_parameters=2)\n)",
            "2 parameters in 1 tensor. 1 module of classes that are not torch.nn's may hold more.",
        ),
    ],
)
def test_one_of_them_is_singular(calculator, text, told):
    fill(calculator, text)
    expect(calculator.locator(".calculated output")).to_contain_text(told)


def test_the_page_shows_what_it_read(calculator):
    fill(calculator, "self.bn = nn.BatchNorm1d(3)\nnn.Liner(2)")
    expect(calculator.locator(".calculated output")).to_have_text(
        "6 parameters in 2 tensors. 7 numbers in 3 buffers. Not all was understood:"
    )
    expect(calculator.locator(".calculated li")).to_have_count(1)
    rows = calculator.locator(".calculated tbody tr:not(.module)").all_inner_texts()
    assert [row.split("\t")[0] for row in rows][2:4] == [
        "bn.running_mean (buffer)",
        "bn.running_var (buffer)",
    ]
    fill(calculator, "")
    expect(calculator.locator(".calculated table")).to_be_hidden()


def test_print_leaves_out_is_said(calculator):
    fill(calculator, "Net(\n  (a): RNN(3, 4)\n)")
    expect(calculator.locator(".calculated small")).to_have_text("print() leaves out nonlinearity")
    fill(calculator, "self.a = nn.RNN(3, 4)")
    expect(calculator.locator(".calculated small")).to_have_count(0)


LONG = (
    "Net(\n  (embeddings): Embedding(10, 8)\n  (h): ModuleList(\n"
    + "".join(
        f"    ({i}): Block(\n      (fc): Linear(in_features=8, out_features=8, bias=True)\n"
        f"      (proj): Linear(in_features=8, out_features={8 + (i == 399)}, bias=True)\n    )\n"
        for i in range(500)
    )
    + "  )\n)"
)


def test_a_long_print_is_folded_and_stays_out_of_the_address(calculator, base_url):
    """Only the 400th of 500 blocks differs."""
    assert LONG.count("\n") > 2000
    fill(calculator, LONG)
    assert calculator.url == base_url + ADDRESS
    alike = calculator.locator(".calculated .alike").all_inner_texts()
    assert [text.strip() for text in alike] == [
        "399 alike, h.0 to h.398. The first one:",
        "100 alike, h.400 to h.499. The first one:",
    ]
    rows = calculator.locator(".calculated tbody tr:not(.module, .alike) th code")
    assert rows.all_inner_texts() == ["embeddings.weight"] + [
        f"h.{i}.{name}.{kind}"
        for i in (0, 399, 400)
        for name in ("fc", "proj")
        for kind in ("weight", "bias")
    ]
    expect(calculator.locator(".calculated output")).to_have_text(
        "72,089 parameters in 2,001 tensors."
        " 501 modules of classes that are not torch.nn's may hold more."
    )


def test_a_long_text_is_read_when_the_typing_pauses(calculator):
    reads = calculator.evaluate(
        """async text => {
          const list = result.querySelector("ul");
          let reads = 0;
          list.replaceChildren = () => reads++;
          for (let i = 0; i < 9; i++) {
            box.value = text + i;
            box.dispatchEvent(new Event("input"));
          }
          const during = reads;
          while (!reads) await new Promise(done => setTimeout(done, 20));
          await new Promise(done => setTimeout(done, 250));
          delete list.replaceChildren;
          return [during, reads];
        }""",
        LONG,
    )
    assert reads == [0, 1]


def test_no_more_rows_are_drawn_than_asked_for(calculator):
    layers = (f"  (fc{i}): Linear(in_features={i + 1}, out_features=2)\n" for i in range(400))
    fill(calculator, f"Net(\n{''.join(layers)})")
    rows = calculator.locator(".calculated tbody tr:not(.module)")
    assert rows.count() == 200  # and 100 titles
    calculator.get_by_role("button", name="Show all 1,200 rows").click()
    expect(rows).to_have_count(800)
    fill(calculator, "nn.Linear(3, 2)")
    expect(rows).to_have_count(2)
    expect(calculator.locator(".calculated button")).to_have_count(0)


def test_a_transposed_weight_has_its_axes_the_other_way_round(calculator):
    fill(calculator, "Net(\n  (c): Conv1D(nf=12, nx=4)\n)")
    row = calculator.locator(".calculated tbody tr:not(.module)").first
    expect(row.locator("td").first).to_have_text(
        "(4 in, 12 out)in general (in_features, out_features)"
    )
    expect(row.locator("td").last).to_have_text("one input: a weight for every output")


def test_classes_that_nobody_makes_are_shown_each_under_its_name(calculator):
    fill(
        calculator,
        "class A(nn.Module):\n    def __init__(self):\n        self.fc = nn.Linear(2, 3)\n"
        "class B(nn.Module):\n    def __init__(self):\n        self.fc = nn.Linear(4, 5)\n",
    )
    assert calculator.locator(".calculated .root").all_inner_texts() == ["A", "B"]


def test_a_guess_is_said(calculator):
    sizes = ("5, 5", "2, 2"), ("5,", "2,")
    a, b = (f"ConvD2(4, 6, groups=1, kernel_size=({k}), stride=({s}))" for k, s in sizes)
    fill(calculator, f"Net(\n  (a): {a}\n  (b): {b}\n)")
    expect(calculator.locator(".calculated .module")).to_have_text(
        ["ConvD2 prints like nn.Conv2d a", "ConvD2 prints like nn.Conv1d b"]
    )


def test_python_is_loaded_for_code_alone(new_context, base_url):
    page = new_context().new_page()
    page.goto(base_url + ADDRESS)
    fill(page, "Net(\n  (fc): Linear(in_features=3, out_features=2)\n)")
    assert page.evaluate("typeof python") == "undefined"
    page.locator(".calculator textarea").fill("nn.Linear(3, 2)")
    expect(page.locator(".calculated output")).to_have_text("8 parameters in 2 tensors.")
    assert page.evaluate("typeof python") == "object"
