"""Functions of a program: one for each module class, their names, their arguments."""

import pytest

from snippets.port.capture import arrays_of, calls_of, captured, graph_of, named_inputs
from snippets.port.run import run
from snippets.port.write import write as text_and_modules
from tests.port.models import MODELS, F, floats, nn, spread, torch
from tests.shape_comments import executed


def text(model, args, dynamic=None):
    """Return the text of a model's program."""
    named = named_inputs(model, args, {})
    graph = graph_of(captured(model, args, {}, named, dynamic), model, named, dynamic)
    graph.calls = calls_of(model, args, {})
    return text_and_modules(graph, run(graph, arrays_of(graph, named)))[0]


def test_equal_layers_are_one_function_in_a_loop():
    said = text(spread(MODELS["decoder"][0]()), MODELS["decoder"][1])
    assert said.count("def ") == 3
    assert "    for k in range(4):\n" in said
    assert 'block(under(w, f"layers.{k}"), x' in said
    assert "np.arange(7)[None, :]" in said
    assert "~np.tri(7, 7, dtype=bool)" in said
    assert "q, k, v = np.split(" in said


def test_steps_are_a_loop():
    said = text(spread(MODELS["the question's"][0]()), MODELS["the question's"][1])
    assert "for k in range(3):" in said
    assert "steps[k]" in said
    assert len(said.splitlines()) < 30


class Different(nn.Module):
    """Two layers of one class that do different things, and one that reads a size."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = Part(2), Part(3), Part(2)

    def forward(self, x):
        return self.two(self.one(x)), self.three(x[:, :4])


class Part(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        y = x * self.n
        z = y + x.shape[0]
        w = z.tanh()
        return w * y, w.sum(0)


class Twice(Different):
    def forward(self, x):
        y, total = self.one(x)
        z, other = self.two(y)
        return z + self.three(x)[0], total + other


def test_modules_that_differ_are_functions_of_their_own():
    said = text(Twice().eval(), (floats(3, 4),), {"x": {0: "batch"}})
    assert ["def part(x):" in said, "def part_2(x):" in said, "part_3" in said] == [1, 1, 1]
    assert "batch = x.shape[0]" in said


class Masks(nn.Module):
    """What libraries make of a padding mask, and indices that are no view."""

    def forward(self, mask, x):
        rows, places = torch.arange(2)[:, None, None, None], torch.arange(7)
        seen = mask[rows, places] & torch.ones(1, 1, 7, 1, dtype=torch.bool)
        return seen.expand(2, 1, 7, 7), x[places[:2], places[:2]], x[places[:2], places[:2]] * 2


def test_a_mask_is_what_it_is():
    mask = floats(2, 7) > 0
    said = text(Masks().eval(), (mask, floats(3, 7)), {"mask": None, "x": {0: "rows"}})
    assert "np.broadcast_to(mask[:, None, None, :], (2, 1, 7, 7))" in said
    assert "ones" not in said
    assert "x[np.arange(2), np.arange(2)]" in said
    fixed = text(Masks().eval(), (mask, floats(3, 7)))
    assert "x[np.arange(2), np.arange(2)]" in fixed


class Counts(nn.Module):
    """Gives a module the size of an axis that no array of its has."""

    def __init__(self):
        super().__init__()
        self.one, self.two = Times(), Times()

    def forward(self, x):
        return self.two(self.one(x.sum(0), x.shape[0]), x.shape[0])


class Times(nn.Module):
    def forward(self, x, n):
        y = x * n
        z = y.tanh()
        return z * y


def test_a_size_is_given_where_it_can_not_be_read():
    said = text(Counts().eval(), (floats(3, 4),), {"x": {0: "batch"}})
    assert "def times(x, batch):" in said
    assert "times(x, batch)" in said.partition("def times")[0]


def test_a_first_state_that_is_given_is_kept():
    said = text(nn.GRU(4, 5).double().eval(), (floats(3, 2, 4), floats(1, 2, 5)))
    assert "gru(input, w, hx)" in said


ANY = {"ids": {0: "batch", 1: "time"}}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "dynamic"),
    [("cnn", {"x": {0: "batch"}}), ("decoder", ANY), ("tagger", ANY), ("encoder", None)],
)
def test_shape_comments(tmp_path, name, dynamic):
    make, args = MODELS[name]
    model = spread(make())
    said = text(model, args, dynamic)
    assert name == "encoder" or said.count("  # (") > 2
    path = tmp_path / "port/model.py"
    path.parent.mkdir()
    path.write_text(said.replace("\nfrom .", "\nfrom .."), "utf-8")
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    weights |= {name: buffer.numpy() for name, buffer in model.named_buffers()}
    with executed(path) as (module, sizes):
        sizes.update(batch=len(args[0]), time=args[0].shape[1])
        module.forward(weights, *(x.numpy() for x in args))


class Keyed(nn.Module):
    """Takes a dict whose keys are no names, beside what would be called as they are."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, d, d_a, k):
        x = d["a"] + d["; import os"] * d_a
        for layer in self.layers:
            x = layer(x).tanh()
        return x * k


def test_inputs_and_the_index_of_a_loop_have_names_of_their_own():
    x = floats(3, 4)
    said = text(spread(Keyed()), ({"a": x, "; import os": x + 1}, x + 2, x + 3))
    assert '    d_a_, d___import_os, d_a, k = checked(SHAPES, d["a"], d[' in said
    assert "for k_ in range(3):" in said
    assert "* k\n" in said


class Parts(nn.Module):
    """Joins three parts in another order than it makes them in."""

    def forward(self, x):
        last = x.exp().sum(1)
        first = x.sin().sum(1)
        middle = x.cos().sum(1)
        return torch.stack([first, middle, last])


def test_parts_are_joined_in_their_order():
    said = text(Parts().eval(), (floats(3, 4),))
    assert "np.stack([first, middle, last], axis=0)" in said


class Pair(nn.Module):
    """Calls one module for two results, which another is given."""

    def __init__(self):
        super().__init__()
        self.waves, self.mix = Waves(), Mix()

    def forward(self, x, y):
        pair = self.waves(x)
        return self.mix(y, pair) + self.mix(x, self.waves(y))


class Waves(nn.Module):
    def forward(self, x):
        low = x * 2
        cos, sin = (low + x).cos() * low, (low + x).sin() * low
        return cos + low, sin * low


class Mix(nn.Module):
    def forward(self, z, pair):
        cos, sin = pair
        total = z * cos
        return (total + z * sin) * total


@pytest.mark.thorough
def test_results_and_arguments_have_the_names_that_the_model_has():
    said = text(Pair().eval(), (floats(3, 4), floats(3, 4)))
    assert "def waves(x):" in said
    assert "def mix(z, y, x):" in said
    assert "mix_2" not in said


class Overwritten(nn.Module):
    """Names what a call makes of a value that nothing reads later."""

    def __init__(self):
        super().__init__()
        self.one, self.two = Times(), Times()

    def forward(self, x):
        h = x * 2 + 1
        hidden = self.one(h, 2.0)
        return self.two(hidden, 2.0) + x


def test_what_a_call_overwrites_has_the_name_of_its_result():
    said = text(Overwritten().eval(), (floats(3, 4),))
    assert "    hidden = x * 2 + 1\n    hidden = times(hidden" in said


class Both(nn.Module):
    """A mask that is broadcast and then combined, before attention reads it."""

    def forward(self, x, mask):
        wide = mask[:, None].expand(-1, x.shape[1], -1)
        return F.scaled_dot_product_attention(x, x, x, wide & wide.logical_not().logical_not())


def test_a_mask_that_is_combined_is_none_that_is_broadcast():
    said = text(Both().eval(), (floats(2, 3, 4), floats(2, 3) > -1))
    assert "&" in said


class Pool(nn.Module):
    """Returns what it makes in another order than it makes it."""

    def __init__(self):
        super().__init__()
        self.score = nn.Linear(4, 1)

    def forward(self, x):
        weights = self.score(x).softmax(1)
        weights = weights.swapaxes(1, 2)
        context = (weights @ x).tanh()
        context = context + weights.sum()
        return context, weights


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool, self.fc = Pool(), nn.Linear(4, 4)

    def forward(self, x):
        context, weights = self.pool(self.fc(x))
        return {"weights": weights, "context": context.squeeze(1), "k": weights * 2}


def test_results_are_in_the_order_of_the_module():
    model, args = spread(Pooled()), (floats(2, 3, 4),)
    said = text(model, args)
    assert "context, weights = pool(" in said
    assert "return context, weights" in said
    assert '"weights": weights,' in said
    named = named_inputs(model, args, {})
    graph = graph_of(captured(model, args, {}, named, None), model, named)
    unknown, _ = text_and_modules(graph, run(graph, arrays_of(graph, named)))  # no calls
    assert "weights, context = pool(" in unknown
    assert "return weights, context" in unknown


class Packed(nn.Module):
    """Takes apart what it reads, and gives each part a name."""

    def forward(self, x, mask):
        q, k, v = x.unbind(0)
        return (q @ k.T).masked_fill(~mask, 0.0) @ v


def test_what_is_taken_apart_has_its_names():
    said = text(Packed().eval(), (floats(3, 4, 5), floats(4, 4) > 0))
    assert "    q, k, v = x  # (4, 5)" in said
    assert 'x, mask = checked(SHAPES, x, mask, kinds="fb")' in said
