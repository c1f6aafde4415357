"""The registry against torch.nn, walked both ways: classes, arguments, tensors, shapes, kinds.

It speaks of the pinned torch. On another release the same walk is a report: a skip with the
differences as its reason.
"""

import doctest
import inspect
import itertools
import re
import tomllib
import warnings

import numpy as np
import pytest

from docs.extensions.shapes import HUE, axes
from docs.extensions.tables import options_of
from snippets import storage
from snippets.storage import (
    REGISTRY,
    Child,
    Each,
    Tensor,
    candidates,
    entries,
    held,
    names_in,
    parsed,
    required,
    stored,
    written,
)
from tests import ROOT, SNIPPETS_DIR

PINNED = next(
    requirement.removeprefix("torch==")
    for requirement in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]["test"]
    if requirement.startswith("torch==")
)
BOTH = (True, False)


@pytest.fixture(autouse=True)
def registry_stays_in_order():
    """Keep the order of the registry, which a deleted entry that comes back would change."""
    entries = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(entries)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


# ---- The modules that are built, all sizes different ----


def grid(**options):
    """Return every combination of the options as arguments."""
    return [
        dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())
    ]


def conv(kernels, **more):
    options = grid(
        in_channels=[12], out_channels=[18], kernel_size=kernels, groups=[1, 2, 3], bias=BOTH
    )
    return [*options, *(options[0] | {key: value} for key, value in more.items())]


KERNELS = {1: [5, (5,)], 2: [5, (5, 7)], 3: [5, (5, 7, 2)]}
MORE = {"stride": 3, "dilation": 2}
RECURRENT = {
    "input_size": [5],
    "hidden_size": [7],
    "num_layers": [1, 3],
    "bias": BOTH,
    "bidirectional": BOTH,
    "batch_first": BOTH,
}
CELL = {"input_size": [5], "hidden_size": [7], "bias": BOTH}
NORM = {"num_features": [5], "affine": BOTH, "track_running_stats": BOTH, "bias": BOTH}
TABLE = {"num_embeddings": [7], "embedding_dim": [5], "padding_idx": [None, 3], "sparse": BOTH}
SHAPES = [5, (5,), (5, 3), [5, 3, 2]]
LAYER = {"d_model": [6], "nhead": [2], "dim_feedforward": [7], "bias": BOTH, "norm_first": BOTH}

# A module among the arguments is (class, arguments), for `stored` and for `build` alike.
ENCODER_LAYER = ("TransformerEncoderLayer", {"d_model": 6, "nhead": 2, "dim_feedforward": 7})
DECODER_LAYER = ("TransformerDecoderLayer", {"d_model": 6, "nhead": 2, "dim_feedforward": 7})
NORMS = [None, ("LayerNorm", {"normalized_shape": 6}), ("RMSNorm", {"normalized_shape": 6})]
ENCODER = (
    "TransformerEncoder",
    {"encoder_layer": ENCODER_LAYER, "num_layers": 3, "norm": NORMS[2]},
)
DECODER = ("TransformerDecoder", {"decoder_layer": DECODER_LAYER, "num_layers": 3})

GIVEN = [None, (5,), (3, 5)]  # shapes of arrays that a constructor is given

VARIANTS = {
    "Linear": grid(in_features=[5], out_features=[3], bias=BOTH),
    "Bilinear": grid(in1_features=[5], in2_features=[7], out_features=[3], bias=BOTH),
    "Embedding": grid(**TABLE, max_norm=[None, 1.0], _freeze=BOTH),
    "EmbeddingBag": grid(**TABLE, mode=["sum", "mean", "max"], include_last_offset=BOTH),
    **{f"Conv{n}d": conv(kernels, padding="same", **MORE) for n, kernels in KERNELS.items()},
    **{f"ConvTranspose{n}d": conv(kernels, padding=2, **MORE) for n, kernels in KERNELS.items()},
    "RNN": grid(**RECURRENT, nonlinearity=["tanh", "relu"]),
    "LSTM": grid(**RECURRENT, proj_size=[0, 3]),
    "GRU": grid(**RECURRENT),
    "RNNBase": grid(**RECURRENT, proj_size=[0, 3], mode=["LSTM", "GRU", "RNN_TANH", "RNN_RELU"]),
    "RNNCell": grid(**CELL, nonlinearity=["tanh", "relu"]),
    "LSTMCell": grid(**CELL),
    "GRUCell": grid(**CELL),
    "RNNCellBase": grid(**CELL, num_chunks=[1, 3, 4]),
    **{f"BatchNorm{n}d": [{"num_features": 5}, *grid(**NORM)] for n in (1, 2, 3)},
    "SyncBatchNorm": [{"num_features": 5}, *grid(**NORM)],
    **{f"InstanceNorm{n}d": [{"num_features": 5}, *grid(**NORM)] for n in (1, 2, 3)},
    "LayerNorm": grid(normalized_shape=SHAPES, elementwise_affine=BOTH, bias=BOTH),
    "RMSNorm": grid(normalized_shape=SHAPES, elementwise_affine=BOTH),
    "GroupNorm": grid(num_groups=[2], num_channels=[6], affine=BOTH, bias=BOTH),
    "PReLU": grid(num_parameters=[1, 5]),
    "MultiheadAttention": grid(
        embed_dim=[6],
        num_heads=[2],
        bias=BOTH,
        add_bias_kv=BOTH,
        add_zero_attn=BOTH,
        kdim=[None, 6, 5],
        vdim=[None, 6, 7],
    ),
    "TransformerEncoderLayer": [{"d_model": 6, "nhead": 2}, *grid(**LAYER)],
    "TransformerDecoderLayer": [{"d_model": 6, "nhead": 2}, *grid(**LAYER)],
    "TransformerEncoder": grid(encoder_layer=[ENCODER_LAYER], num_layers=[1, 3], norm=NORMS),
    "TransformerDecoder": grid(decoder_layer=[DECODER_LAYER], num_layers=[1, 3], norm=NORMS),
    "Transformer": [
        {},
        *grid(**LAYER, num_encoder_layers=[0, 1, 3], num_decoder_layers=[0, 2]),
        *grid(
            d_model=[6],
            nhead=[3],
            num_encoder_layers=[1],
            custom_encoder=[None, ENCODER],
            custom_decoder=[None, DECODER],
        ),
    ],
    "AdaptiveLogSoftmaxWithLoss": grid(
        in_features=[200],
        n_classes=[23],
        cutoffs=[[5], [3, 7, 11], (2, 13)],
        div_value=[4.0, 2, 1.5, 3.7],
        head_bias=BOTH,
    ),
    "LinearCrossEntropyLoss": grid(
        in_features=[5], num_classes=[7], out_features=[(), (2, 3)], bias=BOTH, weight=[None, (7,)]
    ),
    "MultiMarginLoss": grid(weight=GIVEN[:2]),
    "BCEWithLogitsLoss": grid(weight=GIVEN, pos_weight=GIVEN),
    **{
        name: grid(weight=GIVEN)
        for name in (
            "BCELoss",
            "CrossEntropyLoss",
            "MultiLabelSoftMarginLoss",
            "NLLLoss",
            "NLLLoss2d",
        )
    },
    **{
        f"FractionalMaxPool{n}d": grid(
            kernel_size=[2], output_size=[3], _random_samples=[None, (5, 7, n)]
        )
        for n in (2, 3)
    },
}
VARIANTS |= {f"Lazy{name}": VARIANTS[name] for name in storage.LAZY}

ARRAYS = {"weight", "pos_weight", "_random_samples"}
MODULES = {
    "encoder_layer",
    "decoder_layer",
    "norm",
    "custom_encoder",
    "custom_decoder",
    "module",
}

# What a class that stores nothing needs to be made; 2 for every other required argument.
NEEDED = {"Unflatten": {"unflattened_size": (2,)}, "DataParallel": {"module": ("ReLU", {})}}


def variants(torch, name):
    """Return the arguments to build a class with: its own variants, then every switch turned."""
    parameters = inspect.signature(getattr(torch.nn, name).__init__).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)][1:]
    needed = {p.name: 2 for p in named if p.default is p.empty} | NEEDED.get(name, {})
    first, *rest = VARIANTS.get(name, [needed])
    turned = [{p.name: not p.default} for p in named if isinstance(p.default, bool)]
    turned += [{p.name: p.default / 2 + 0.1} for p in named if isinstance(p.default, float)]
    if name not in VARIANTS:  # with an array it might store one after all
        turned += [{p.name: (2, 3)} for p in named if p.name in ARRAYS]
    return [first, *rest, *(first | one for one in turned)]


def build(torch, name, arguments):
    """Return the module of torch.nn; a lazy one after its first input."""
    made = {}
    for key, value in arguments.items():
        if key in MODULES and value:
            value = build(torch, *value)
        elif key in ARRAYS and value:
            value = torch.ones(value)
        made[key] = value
    cls = getattr(torch.nn, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has opinions on some of the combinations
        if not name.startswith("Lazy"):
            with torch.device("meta"):  # shapes are all that is asked, so nothing is allocated
                return cls(**made)
        inferred = made.pop(next(iter(REGISTRY[name].arguments)))
        module = cls(**made)
        n = int(name[-2]) if name[-2].isdecimal() else 0
        module(torch.ones(2, inferred, *[9] * n))
    assert type(module) is getattr(torch.nn, name.removeprefix("Lazy"))
    return module


def in_storage(arguments):
    """Return the arguments as `stored` takes them: an array for a shape."""
    return {
        key: np.ones(value) if key in ARRAYS and value else value
        for key, value in arguments.items()
    }


# ---- The walk ----


def stored_by_torch(module):
    """Return {name: (shape, kind)} of a module, in the order of its state_dict()."""
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    assert not parameters.keys() & buffers.keys()
    state = module.state_dict()
    assert state.keys() == parameters.keys() | buffers.keys()
    return {
        name: (tuple(values.shape), "parameter" if name in parameters else "buffer")
        for name, values in state.items()
    }


def classes(torch):
    """Return the names of all module classes of torch.nn."""
    return {
        name
        for name, cls in vars(torch.nn).items()
        if inspect.isclass(cls) and issubclass(cls, torch.nn.Module)
    }


def differences(torch, names):
    """Return what the registry and torch.nn disagree on, one line each."""
    found = []
    for name in sorted(names):
        if name not in REGISTRY:
            found.append(f"{name}: not in the registry")
        elif name not in classes(torch):
            found.append(f"{name}: not in torch.nn")
        else:
            found += different_arguments(torch, name) + different_tensors(torch, name)
    return found


def signature(torch, name):
    """Return {argument: default} of a constructor."""
    passes_on = name in ("RNN", "LSTM", "GRU")  # (*args, **kwargs), for RNNBase
    cls = torch.nn.RNNBase if passes_on else getattr(torch.nn, name)
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    found = {p.name: p.default for p in parameters}
    if passes_on:
        del found["mode"]
    if name == "RNN":  # its fourth, by position too
        items = list(found.items())
        found = dict([*items[:3], ("nonlinearity", "tanh"), *items[3:]])
    if name in ("RNN", "GRU"):
        del found["proj_size"]  # refused
    if name.startswith("Lazy"):
        return {next(iter(REGISTRY[name].arguments)): required} | found
    return found


def different_arguments(torch, name):
    """Return where the constructor's arguments or their defaults are not the registry's."""
    layer = REGISTRY[name]
    if not layer.arguments:
        return []
    theirs = {
        key: default.__name__ if inspect.isfunction(default) else default
        for key, default in signature(torch, name).items()
        if key not in ("device", "dtype")
    }
    if list(theirs) != list(layer.arguments):
        return [f"{name}: the arguments are {list(theirs)}, not {list(layer.arguments)}"]
    found = [
        f"{name}: {key} is {theirs[key]} by default, not {default}"
        for key, default in layer.arguments.items()
        if default != theirs[key]
    ]
    unknown = set(layer.other) - theirs.keys()
    return found + [f"{name}: it has no argument {key}" for key in unknown]


def different_tensors(torch, name):
    """Return where the tensors of a class, over all its variants, are not the registry's."""
    found, present, absent = [], set(), set()
    everything = set(map(repr, entries(name)))
    for arguments in variants(torch, name):
        call = f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())})"
        try:
            theirs = stored_by_torch(build(torch, name, arguments))
            ours = {
                key: (shape, tensor.kind)
                for key, (shape, tensor) in held(name, **in_storage(arguments)).items()
            }
        except Exception as error:  # one of the two does not take what the other takes
            found.append(f"{call}: {type(error).__name__}: {error}")
            continue
        for key in theirs.keys() | ours.keys():
            if ours.get(key) != theirs.get(key):
                found.append(f"{call}: {key} is {theirs.get(key)}, not {ours.get(key)}")
        if ours.keys() == theirs.keys() and list(ours) != list(theirs):
            found.append(f"{call}: the order is {list(theirs)}, not {list(ours)}")
        known = storage.known_of(name, in_storage(arguments))
        exist = list(storage.existing(REGISTRY[name].holds, known))
        here = {repr(entry) for entry, _, _ in exist}
        if len({full for _, full, _ in exist}) < len(exist):
            found.append(f"{call}: two entries are the same tensor")
        present |= here
        absent |= everything - here
    found += [f"{name}: {entry} is in no variant" for entry in everything - present]
    found += [
        f"{name}: {entry.name} is in every variant, though when {entry.when}"
        for entry in entries(name)
        # Every network has a first layer.
        if entry.when not in ("True", "k == 0") and repr(entry) not in absent
    ]
    return found


def check(torch, version, names):
    """Fail at a difference on the pinned release, report it on another."""
    found = differences(torch, names)
    if version.split("+")[0] != PINNED:
        pytest.skip(f"a report: torch {version}, not {PINNED}, differs in {found or 'nothing'}")
    assert not found


def test_the_registry_is_torchs(torch):
    check(torch, torch.__version__, classes(torch) | REGISTRY.keys())


def test_another_release_gets_a_report(torch, monkeypatch):
    monkeypatch.delitem(REGISTRY, "Linear")
    with pytest.raises(
        pytest.skip.Exception, match=r"torch 9.9, not .*Linear: not in the registry"
    ):
        check(torch, "9.9", ["Linear"])
    with pytest.raises(pytest.skip.Exception, match="differs in nothing"):
        check(torch, "9.9", ["ReLU"])
    with pytest.raises(AssertionError):
        check(torch, f"{PINNED}+cpu", ["Linear"])


def test_counts(torch):
    """The figures that the pages give."""
    holds = {name: set() for name in REGISTRY}
    for name in REGISTRY:
        for arguments in variants(torch, name):
            holds[name] |= {t.kind for _, t in held(name, **in_storage(arguments)).values()}
    parametric = {name for name, kinds in holds.items() if "parameter" in kinds}
    lazy = {name for name in parametric if name.startswith("Lazy")}
    bases = {"RNNBase", "RNNCellBase"}
    assert len(REGISTRY) == 163
    assert len(parametric) == 50
    assert len(lazy) == 13
    assert bases <= parametric
    assert len(parametric - lazy - bases) == 35
    assert sum(kinds == {"buffer"} for kinds in holds.values()) == 9


# ---- Sabotage: each is caught ----


def changed(name, i, /, **fields):
    """Return a layer whose i-th stored thing has other fields."""
    layer = REGISTRY[name]
    holds = list(layer.holds)
    holds[i] = holds[i]._replace(**fields)
    return layer._replace(holds=tuple(holds))


def changed_each(each, ending, **fields):
    """Return an Each whose entries with such a shape's end have other fields."""
    return each._replace(
        holds=tuple(e._replace(**fields) if e.shape.endswith(ending) else e for e in each.holds)
    )


SABOTAGE = {
    "transposed": ("Linear", changed("Linear", 0, shape="(in_features, out_features)")),
    "groups forgotten": (
        "Conv2d",
        changed("Conv2d", 0, shape="(out_channels, in_channels, *kernel_size)"),
    ),
    "groups on the wrong side": ("ConvTranspose1d", REGISTRY["Conv1d"]),
    "three gates": ("LSTMCell", changed("LSTMCell", 0, shape="(3 * hidden_size, input_size)")),
    "always packed": (
        "MultiheadAttention",
        changed("MultiheadAttention", 3, when="True"),
    ),
    "two at once": (
        "LSTM",
        REGISTRY["LSTM"]._replace(
            holds=(changed_each(REGISTRY["LSTM"].holds[0], "hidden_size)", when="True"),)
        ),
    ),
    "vdim forgotten": (
        "MultiheadAttention",
        changed("MultiheadAttention", 0, when="kdim != embed_dim"),
    ),
    "bias without a condition": ("Linear", changed("Linear", 1, when="True")),
    "a condition that is always met": ("Linear", changed("Linear", 0, when="in_features > 0")),
    "a parameter called a buffer": ("PReLU", changed("PReLU", 0, kind="buffer")),
    "a buffer called a parameter": ("BatchNorm1d", changed("BatchNorm1d", 2, kind="parameter")),
    "another name": ("Embedding", changed("Embedding", 0, name="weights")),
    "a child of another class": (
        "TransformerEncoderLayer",
        changed(
            "TransformerEncoderLayer", 3, of="RMSNorm", arguments={"normalized_shape": "d_model"}
        ),
    ),
    "a child's bias": (
        "TransformerDecoderLayer",
        changed("TransformerDecoderLayer", 0, arguments={"embed_dim": "d_model"}),
    ),
    "another order": ("Linear", REGISTRY["Linear"]._replace(holds=REGISTRY["Linear"].holds[::-1])),
    "a tensor too many": (
        "Linear",
        REGISTRY["Linear"]._replace(
            holds=(*REGISTRY["Linear"].holds, Tensor("scale", "(out_features,)", "one output"))
        ),
    ),
    "a tensor that never is": (
        "Linear",
        REGISTRY["Linear"]._replace(
            holds=(
                *REGISTRY["Linear"].holds,
                Tensor("scale", "(out_features,)", "one output", "out_features < 0"),
            )
        ),
    ),
    "a tensor too few": ("GroupNorm", REGISTRY["GroupNorm"]._replace(holds=())),
    "a tensor where none is": (
        "ReLU",
        REGISTRY["ReLU"]._replace(holds=(Tensor("weight", "(1,)", "the slope"),)),
    ),
    "another default": ("InstanceNorm2d", REGISTRY["BatchNorm2d"]),
    "an unknown argument": ("Linear", REGISTRY["Linear"]._replace(other=("stride",))),
    "an argument too few": (
        "PReLU",
        REGISTRY["PReLU"]._replace(arguments={"num_parameters": 1}, other=()),
    ),
    "arguments in another order": (
        "GroupNorm",
        REGISTRY["GroupNorm"]._replace(
            arguments=dict(reversed(REGISTRY["GroupNorm"].arguments.items()))
        ),
    ),
    "another default of what is not stored": (
        "LayerNorm",
        REGISTRY["LayerNorm"]._replace(arguments=REGISTRY["LayerNorm"].arguments | {"eps": 1e-6}),
    ),
    "an argument that decides, passed over": (
        "Linear",
        REGISTRY["Linear"]._replace(other=("bias",)),
    ),
    "a class that does not exist": ("Linear4d", REGISTRY["Linear"]),
}


@pytest.mark.parametrize(("name", "layer"), SABOTAGE.values(), ids=SABOTAGE)
def test_a_wrong_registry_is_caught(torch, monkeypatch, name, layer):
    assert name not in REGISTRY or not differences(torch, [name])
    monkeypatch.setitem(REGISTRY, name, layer)
    assert differences(torch, [name])


@pytest.mark.parametrize("name", ["Linear", "Transformer", "ReLU"])
def test_a_missing_class_is_caught(torch, monkeypatch, name):
    monkeypatch.delitem(REGISTRY, name)
    assert differences(torch, [name]) == [f"{name}: not in the registry"]


def test_a_new_class_is_caught(torch, monkeypatch):
    monkeypatch.setattr(torch.nn, "Trilinear", torch.nn.Bilinear, raising=False)
    assert classes(torch) - REGISTRY.keys() == {"Trilinear"}
    assert differences(torch, ["Trilinear"]) == ["Trilinear: not in the registry"]


# ---- What the words of the registry say ----

TENSORS = [
    (name, entry) for name in REGISTRY for entry in entries(name) if isinstance(entry, Tensor)
]


def test_a_class_has_a_recipe_or_a_reason():
    wrong = [name for name, layer in REGISTRY.items() if bool(layer.recipe) == bool(layer.reason)]
    assert wrong == []


def test_every_recipe_has_its_file_and_its_page_and_every_file_is_a_recipe():
    stems = {layer.recipe for layer in REGISTRY.values() if layer.recipe}
    files = {path.stem for path in SNIPPETS_DIR.glob("layers/*.py")} - {"__init__"}
    pages = {path.stem for path in (ROOT / "docs/en/layers").glob("*.md")}
    pages -= {"index", "calculator", "inspect"}
    assert stems == files == {page.replace("-", "_") for page in pages}


@pytest.mark.parametrize("shape", sorted({tensor.shape for _, tensor in TENSORS}))
def test_axes_are_in_the_glossary(shape):
    words = set(names_in(parsed(shape)))
    if shape.startswith("("):
        assert words <= HUE.keys()
        assert axes(shape) or shape == "()"
    else:  # as the array given
        assert shape == f"{words.pop()}.shape"
    assert written(parsed(shape)) == shape


def random_module(torch, name, *args, **kwargs):
    torch.manual_seed(0)
    return getattr(torch.nn, name)(*args, **kwargs).double().eval().requires_grad_(False)


ROWS = [
    ("one output", "Linear", (5, 3), (4, 5), -1),
    ("one output channel", "Conv1d", (4, 6, 2), (3, 4, 5), 1),
    ("one output channel", "Conv2d", (4, 6, 2), (3, 4, 5, 5), 1),
    ("one output channel", "Conv3d", (4, 6, 2), (3, 4, 2, 3, 4), 1),
    ("one channel", "BatchNorm1d", (5,), (3, 5), 1),
    ("one channel", "BatchNorm2d", (5,), (3, 5, 2, 2), 1),
    ("one channel", "GroupNorm", (2, 6), (3, 6, 4), 1),
    ("one channel", "PReLU", (5,), (3, 5, 4), 1),
    ("one feature", "LayerNorm", (5,), (3, 5), 1),
    ("one feature", "RMSNorm", (5,), (3, 5), 1),
]


@pytest.mark.parametrize(("row", "name", "arguments", "shape", "axis"), ROWS)
def test_a_row_belongs_to_one_output(torch, row, name, arguments, shape, axis):
    module = random_module(torch, name, *arguments)
    x = torch.randn(shape).double()
    before = module(x)
    for tensor in entries(name):
        assert tensor.row.startswith(row) or tensor.shape == "()"
        values = module.state_dict()[tensor.name]
        for j in range(len(values) if values.dim() else 0):
            kept = values[j].clone()
            values[j] += 0.5
            moved = (module(x) != before).movedim(axis, 0).flatten(1).any(1)
            values[j] = kept
            assert moved.nonzero().flatten().tolist() == [j]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_row_of_a_transposed_convolution_belongs_to_one_input(torch, n):
    name = f"ConvTranspose{n}d"
    assert entries(name)[0].row.startswith("one input channel")
    module = random_module(torch, name, 4, 6, 2, groups=2)
    for j in range(4):
        x = torch.zeros(1, 4, *[3] * n).double()
        x[:, j] = torch.randn(x[:, j].shape)
        before = module(x)
        module.weight[torch.arange(4) != j] += 0.5
        assert torch.equal(module(x), before)
        module.weight[j] += 0.5
        assert not torch.equal(module(x), before)


def test_a_row_of_an_embedding_belongs_to_one_id(torch):
    assert entries("Embedding")[0].row.startswith("one id")
    module = random_module(torch, "Embedding", 7, 5)
    assert torch.equal(module(torch.tensor(3)), module.weight[3])


def blocks(name, module):
    """Return [{gate: its rows}] of the stacked tensors of a module, in the registry's order."""
    state = {key: values.numpy() for key, values in module.state_dict().items()}
    return [
        dict(zip(tensor.stacked, np.split(state[tensor.name], len(tensor.stacked)), strict=True))
        for tensor in entries(name)
        if tensor.stacked
    ]


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_gates_of_the_lstm(torch):
    module = random_module(torch, "LSTMCell", 5, 7)
    x, h, c = (torch.randn(3, n).double() for n in (5, 7, 7))
    w_ih, w_hh, b_ih, b_hh = blocks("LSTMCell", module)
    gate = {k: x.numpy() @ w_ih[k].T + b_ih[k] + h.numpy() @ w_hh[k].T + b_hh[k] for k in w_ih}
    c_next = sigmoid(gate["f"]) * c.numpy() + sigmoid(gate["i"]) * np.tanh(gate["g"])
    np.testing.assert_allclose(
        sigmoid(gate["o"]) * np.tanh(c_next), module(x, (h, c))[0], rtol=1e-11
    )


def test_gates_of_the_gru(torch):
    module = random_module(torch, "GRUCell", 5, 7)
    x, h = (torch.randn(3, n).double() for n in (5, 7))
    w_ih, w_hh, b_ih, b_hh = blocks("GRUCell", module)
    a = {k: x.numpy() @ w_ih[k].T + b_ih[k] for k in w_ih}
    b = {k: h.numpy() @ w_hh[k].T + b_hh[k] for k in w_ih}
    z = sigmoid(a["z"] + b["z"])
    n = np.tanh(a["n"] + sigmoid(a["r"] + b["r"]) * b["n"])
    np.testing.assert_allclose((1 - z) * n + z * h.numpy(), module(x, h), rtol=1e-11)


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_layers_stack_their_gates_as_cells_do(torch, cell):
    """The first layer's tensors, put into a cell, do the first step."""
    whole, one = random_module(torch, cell, 5, 7), random_module(torch, f"{cell}Cell", 5, 7)
    one.load_state_dict({k.removesuffix("_l0"): v for k, v in whole.state_dict().items()})
    x = torch.randn(3, 5).double()
    h = one(x)[0] if cell == "LSTM" else one(x)
    torch.testing.assert_close(whole(x[None])[0][0], h, rtol=1e-11, atol=0)
    gates = {e.stacked for e in entries(cell) if not e.name.startswith("weight_hr")}
    assert gates == {e.stacked for e in entries(f"{cell}Cell")}


def test_packed_projections_of_attention(torch):
    """A module with separate projections, given the packed blocks, computes the same."""
    packed = random_module(torch, "MultiheadAttention", 6, 2, add_bias_kv=True)
    torch.nn.init.normal_(packed.in_proj_bias)
    weight, _ = blocks("MultiheadAttention", packed)
    query, key, value = (torch.randn(n, 6).double() for n in (3, 4, 4))
    # The module itself never takes both forms of one size, the function does.
    args = [6, 2, None, packed.in_proj_bias, packed.bias_k, packed.bias_v, False, 0.0]
    separate = {f"{k}_proj_weight": torch.tensor(weight[k]) for k in ("q", "k", "v")}
    ours = torch.nn.functional.multi_head_attention_forward(
        *(t[:, None] for t in (query, key, value)),
        *args,
        packed.out_proj.weight,
        packed.out_proj.bias,
        training=False,
        use_separate_proj_weight=True,
        **separate,
    )[0][:, 0]
    torch.testing.assert_close(ours, packed(query, key, value)[0], rtol=1e-11, atol=0)


def test_the_old_cross_map_normalisation_never_drops_the_first_channel(torch):
    assert "other numbers" in REGISTRY["CrossMapLRN2d"].reason
    x = torch.rand(2, 9, 3, 3).double()
    old = torch.nn.CrossMapLRN2d(5, alpha=0.5)(x)
    new = torch.nn.LocalResponseNorm(5, alpha=0.5)(x)
    assert (old != new).movedim(1, 0).flatten(1).any(1)[3:].all()
    for channel in range(9):
        window = {0, *range(max(channel - 2, 0), min(channel + 3, 9))}
        total = sum(x[:, i] ** 2 for i in window)
        expected = x[:, channel] * (1 + 0.5 / 5 * total) ** -0.75
        torch.testing.assert_close(old[:, channel], expected, rtol=1e-11, atol=0)


@pytest.mark.parametrize(
    "name",
    [name for name, layer in REGISTRY.items() if layer.reason.startswith("training only: ret")],
)
def test_what_returns_its_input(torch, name):
    x = torch.rand(2, 3, *[4] * (int(name[-2]) if name[-1] == "d" else 1))
    assert torch.equal(getattr(torch.nn, name)().eval()(x), x)


# ---- The line that runs a layer ----

USED = [name for name, layer in REGISTRY.items() if layer.use]


PRINTS = [name for name, layer in REGISTRY.items() if layer.prints]


@pytest.mark.parametrize("name", PRINTS)
def test_what_print_always_tells_by_name(torch, name):
    for arguments in VARIANTS[name]:
        printed = build(torch, name, arguments).extra_repr()
        assert all(f"{key}=" in printed for key in REGISTRY[name].prints), printed


def test_what_has_a_recipe_and_stores_something_has_a_line():
    assert {name for name, layer in REGISTRY.items() if layer.recipe and layer.holds} == set(USED)


@pytest.mark.parametrize("name", USED)
def test_a_line_calls_its_recipe(name):
    """With inputs first, then tensors and arguments of the class, in the recipe's order."""
    layer = REGISTRY[name]
    inputs = re.search(r"\((\w[^()]*)\)$", layer.use)[1].split(", ")
    assert list(options_of(layer))[: len(inputs)] == inputs
    stores = {tensor.name for tensor in entries(name)} | {"weights"}
    given = [key for key in inputs if key in stores | set(layer.arguments)]
    assert given == inputs[len(inputs) - len(given) :]
    assert given


# Another value of an argument than its default, for what is no number and no switch.
OTHERWISE = {
    "activation": "gelu",
    "kdim": 5,
    "max_norm": 1.0,
    "mode": "sum",
    "nonlinearity": "relu",
    "padding_mode": "circular",
    "padding_idx": 1,
    "vdim": 5,
    "weight": (7,),
    "pos_weight": (7,),
    "out_features": (2,),
    "_random_samples": (5, 7, 2),
}


PRINTING = [n for n, layer in REGISTRY.items() if layer.use or layer.silent]
PRINTING.remove("FractionalMaxPool2d")  # which prints nothing at all
PRINTING.remove("FractionalMaxPool3d")


@pytest.mark.parametrize("name", PRINTING)
def test_what_print_leaves_out(torch, name):
    """Of what decides what is stored, or goes into the line: the rest is in print(module)."""
    layer, first = REGISTRY[name], variants(torch, name)[0]
    plain = {key: first[key] for key, value in layer.arguments.items() if value is required}
    plain |= {"affine": True} if "affine" in layer.arguments else {}
    # What a stack is asked for are its layers' arguments.
    inner = {"TransformerEncoder": "encoder_layer", "TransformerDecoder": "decoder_layer"}.get(name)
    kind, before = plain[inner] if inner else (name, plain)
    told = {*options_of(layer)} if layer.use else set()
    found = set()
    for key, value in REGISTRY[kind].arguments.items():
        size = value is required and key not in ("nhead", "num_heads")
        if key not in told | layer.deciding.keys() or size or key.startswith("custom_"):
            continue
        if isinstance(value, bool):
            other = not before.get(key, value)
        else:
            number = 2 * value or 2 if isinstance(value, int) else 1 if value is required else 0.5
            other = OTHERWISE.get(key, number)
        changed = before | {key: other}
        changed = plain | {inner: (kind, changed)} if inner else changed
        if repr(build(torch, name, changed)) == repr(build(torch, name, plain)):
            found.add(key)
    assert found == set(layer.silent)


# ---- Trees ----


def expressions(entry):
    """Return every expression of what a class holds."""
    if isinstance(entry, Each):
        return [
            *entry.indices.values(),
            *(text for inner in entry.holds for text in expressions(inner)),
        ]
    own = [entry.shape] if isinstance(entry, Tensor) else entry.arguments.values()
    return [entry.when, *own]


EXPRESSIONS = {text for layer in REGISTRY.values() for text in layer.derived.values()} | {
    text for layer in REGISTRY.values() for entry in layer.holds for text in expressions(entry)
}


def operations(tree):
    """Return every operation in a tree."""
    match tree:
        case ("text", _):
            return set()
        case (operation, *given):
            return {operation}.union(*map(operations, given))
    return set()


def test_a_tree_is_made_once_of_numbers_names_and_operations():
    assert parsed("(4 * hidden_size, *kernel_size)") == (
        "tuple",
        ("*", 4, "hidden_size"),
        ("spread", "kernel_size"),
    )
    assert parsed("0 < proj_size < hidden_size") == ("<", 0, "proj_size", "hidden_size")
    assert parsed("4 if mode == 'LSTM' else None") == (
        "if",
        ("==", "mode", ("text", "LSTM")),
        4,
        None,
    )
    assert parsed("True") is parsed("True")
    assert parsed("(a,)") is parsed("(a,)")


@pytest.mark.parametrize(
    "text",
    [
        "(a + b) * c",
        "a * (b + c)",
        "a - (b - c)",
        "a - b - c",
        "a + b * c ** 2",
        "(a * b) ** 2",
        "f()",
    ],
)
def test_brackets_stand_where_they_are_needed(text):
    assert written(parsed(text)) == text


def test_a_text_is_no_name():
    assert names_in(parsed("4 if mode == 'LSTM' else size")) == ["mode", "size"]


def test_every_operation_is_used_and_known():
    used = set().union(*(operations(parsed(text)) for text in EXPRESSIONS))
    assert used - {"tuple", "spread"} == storage.OPERATIONS.keys()
    assert set(storage.LEVELS) <= set(storage.SIGNS.values()) <= used


@pytest.mark.parametrize(
    "text",
    [
        "f.g(x)",
        "a.dtype",
        "lambda: 0",
        "-a",
        "not a",
        "a < b == c",
        "[a]",
        "f(x=1)",
        "a / b",
        "a <= b",
    ],
)
def test_what_a_tree_cannot_say_is_refused(text):
    with pytest.raises(
        ValueError, match=re.escape(f"no expression of the registry can be {text!r}")
    ):
        parsed(text)


def test_nothing_in_a_tree_is_looked_up_elsewhere():
    for text in ["__import__('os')", "print(a)", "a.shape", "open"]:
        with pytest.raises(KeyError):
            storage.evaluate(parsed(text), {})


# ---- Its functions ----


def test_docstring():
    assert doctest.testmod(storage) == (0, 1)


def test_a_misspelt_class_gets_close_names():
    with pytest.raises(ValueError, match=r"no class 'Linaer'; close are \['Linear'"):
        stored("Linaer")
    with pytest.raises(ValueError, match="close are none"):
        stored("?")


def test_a_misspelt_argument_gets_the_right_ones():
    with pytest.raises(TypeError, match=r"Linear has no argument \['bais'\]; it has .*'bias'"):
        stored("Linear", in_features=3, out_features=2, bais=False)


def test_a_missing_argument_is_named():
    with pytest.raises(TypeError, match=r"Linear stores what depends on \['out_features'\]"):
        stored("Linear", in_features=3)


def test_a_class_that_stores_nothing_takes_anything():
    assert stored("ReLU", inplace=True) == {}


def test_other_arguments_are_taken():
    assert stored("PReLU", init=0.1, device="cpu", dtype=None) == {"weight": (1,)}


def sizes(key, shape):
    return [(name, found) for name, _, found in candidates(key, shape)]


def test_candidates_for_a_recurrent_weight():
    assert sizes("encoder.weight_ih_l0", (400, 12)) == [
        ("RNN", {"hidden_size": 400, "input_size": 12}),
        ("LSTM", {"hidden_size": 100, "input_size": 12}),
    ]
    assert sizes("weight_hr_l1_reverse", (3, 7)) == [("LSTM", {"proj_size": 3, "hidden_size": 7})]
    rows = {tensor.row for _, tensor, _ in candidates("weight_ih_l2_reverse", (4, 2))}
    assert all("layer below" in row for row in rows)


def test_candidates_for_a_kernel():
    assert sizes("features.0.weight", (18, 4, 5, 7)) == [
        ("Conv2d", {"out_channels": 18}),
        ("ConvTranspose2d", {"in_channels": 18}),
        ("LayerNorm", {}),
        ("RMSNorm", {}),
    ]


def test_candidates_need_the_whole_last_name():
    assert sizes("my_bias_k", (1, 1, 6)) == []
    assert sizes("a.bias_k", (1, 1, 6)) == [("MultiheadAttention", {"embed_dim": 6})]
    assert sizes("a.bias_k", (1, 2, 6)) == []


def test_candidates_of_one_letter_have_one_size():
    assert ("MultiheadAttention", {"embed_dim": 6}) in sizes("a.in_proj_weight", (18, 6))
    assert sizes("a.in_proj_weight", (18, 7)) == []
    assert sizes("a.in_proj_weight", (19, 6)) == []


def test_candidates_for_a_scalar_and_for_a_given_array():
    names = [name for name, _ in sizes("bn.num_batches_tracked", ())]
    assert "BatchNorm1d" in names
    assert ("FractionalMaxPool2d", {}) in sizes("_random_samples", (5, 3, 2))
    assert sizes("weight", ()) == []


def test_candidates_for_a_tail():
    found = sizes("tail.2.1.weight", (5, 9))
    assert found[0] == ("AdaptiveLogSoftmaxWithLoss", {})


@pytest.mark.parametrize("name", [n for n in VARIANTS if REGISTRY[n].recipe])
def test_every_stored_tensor_is_a_candidate(name):
    """What `stored` makes, `candidates` finds again, with its sizes."""
    # A submodule's axes are told in the terms of the module that holds it.
    nested = any(isinstance(entry, Child) for entry in entries(name))
    for arguments in VARIANTS[name]:
        given = in_storage(arguments)
        for key, (shape, tensor) in held(name, **given).items():
            matches = [
                found
                for _, t, found in candidates(key, shape)
                if t == (tensor._replace(shape=t.shape) if nested else tensor)
            ]
            assert matches, key
            if not nested:
                for symbol, size in matches[0].items():
                    assert storage.known_of(name, given)[symbol] == size
