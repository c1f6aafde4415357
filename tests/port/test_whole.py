"""Recurrent, attention and transformer layers are one line each, for any length."""

import numpy as np
import pytest

from snippets.parity import leaves
from snippets.port import PortError, port
from snippets.port.whole import whole
from tests.port.models import F, floats, nn, spread, torch
from tests.port.programs import imported, written_to


class Sequence(nn.Module):
    """A layer between two others, given what ``call`` says."""

    def __init__(self, layer, call=None):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(8, 3)
        self.call = call or (lambda layer, x, mask: layer(x))

    def forward(self, x, mask):
        made = self.call(self.layer, x, mask)
        first, *rest = made if isinstance(made, tuple) else (made,)
        return (self.head(first), *rest)


def masked(name):
    return lambda layer, x, mask: layer(x, **{name: mask})


def attends(**options):
    return lambda layer, x, mask: layer(x, x, x, key_padding_mask=mask, **options)


LAYERS = {
    "lstm": (nn.LSTM(8, 4, 2, batch_first=True, bidirectional=True), None, "lstm("),
    "projected": (nn.LSTM(8, 9, proj_size=8), None, "lstm("),
    "gru": (nn.GRU(8, 8, batch_first=True), None, "gru(x, under(w, "),
    "rnn": (nn.RNN(8, 8, nonlinearity="relu"), None, 'nonlinearity="relu")'),
    "states": (
        nn.LSTM(8, 8, batch_first=True),
        lambda layer, x, mask: layer(x, layer(x)[1]),
        "lstm(",
    ),
    "attention": (
        nn.MultiheadAttention(8, 2, batch_first=True), attends(), "multi_head_attention(",
    ),
    "no weights": (
        nn.MultiheadAttention(8, 2, batch_first=True), attends(need_weights=False), "need_weights",
    ),
    "all heads": (
        nn.MultiheadAttention(8, 2, batch_first=True, add_zero_attn=True),
        attends(average_attn_weights=False),
        "average_attn_weights=False",
    ),
    "encoder": (
        nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True),
        masked("src_key_padding_mask"),
        "norm_first=True",
    ),
    "decoder": (
        nn.TransformerDecoderLayer(8, 2, 12, activation=F.gelu, batch_first=True),
        lambda layer, x, mask: layer(x, x + 1, memory_key_padding_mask=mask),
        'activation="gelu"',
    ),
}  # fmt: skip
MASK = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
DYNAMIC = {"x": {0: "batch", 1: "time"}, "mask": {0: "batch", 1: "time"}}


@pytest.mark.thorough
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_any_length_is_one_line(tmp_path, name):
    layer, call, said = LAYERS[name]
    model = spread(Sequence(layer, call))
    folder = written_to(tmp_path, model, (floats(2, 5, 8), MASK), DYNAMIC)
    text = (folder / "model.py").read_text("utf-8")
    assert said in text
    assert text.count("softmax") == text.count("swapaxes") == 0
    x, mask = floats(3, 4, 8, seed=3), torch.tensor([[False] * 4, [False] * 3 + [True]] * 2)[:3]
    with imported(folder) as package:
        ours = package.forward(package.load(), x.numpy(), mask.numpy())
    theirs = dict(leaves("output", model(x, mask)))
    for name, one in leaves("output", ours):
        assert np.abs(one - theirs[name].detach().numpy()).max() < 1e-11


@pytest.mark.thorough
def test_layers_alone(tmp_path):
    attention = spread(nn.MultiheadAttention(8, 2, kdim=5))
    lstm = spread(nn.LSTM(8, 4))
    folder = written_to(tmp_path, lstm, (floats(5, 8),), {"input": {0: "time"}})
    with imported(folder) as package:
        ours, (h_n, _) = package.forward(package.load(), floats(3, 8).numpy())
    assert np.abs(ours - lstm(floats(3, 8))[0].detach().numpy()).max() < 1e-11
    assert h_n.shape == (1, 4)
    args = floats(5, 8), floats(6, 5), floats(6, 8)
    text = (written_to(tmp_path, attention, args) / "model.py").read_text("utf-8")
    assert "multi_head_attention(query, key, value, w, num_heads=2)" in text


class Other(nn.LSTM):
    """A class of its own may do anything."""


def silu_layer():
    return nn.TransformerEncoderLayer(8, 2, 12, activation=F.silu)


def two_eps():
    layer = nn.TransformerEncoderLayer(8, 2, 12)
    layer.norm2.eps = 1e-3
    return layer


def hooked():
    layer = nn.GRU(8, 8)
    layer.register_forward_hook(lambda module, args, result: result)
    return layer


@pytest.mark.parametrize(
    "make",
    [lambda: Other(8, 8), silu_layer, two_eps, hooked,
     lambda: nn.MultiheadAttention(8, 2, add_bias_kv=True)],
)  # fmt: skip
def test_what_is_not_usual_is_captured_as_it_is(make):
    layer = make()
    with whole(nn.Sequential(layer)):
        assert "forward" not in vars(layer)


def test_layers_are_as_they_were_afterwards():
    layer = nn.LSTM(8, 8)
    with whole(nn.Sequential(layer)):
        assert "forward" in vars(layer)
    assert "forward" not in vars(layer)


def test_packed_sequences_are_refused(tmp_path):
    def packs(layer, x, mask):
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True)
        return layer(packed)[0].data

    model = Sequence(nn.LSTM(8, 8, batch_first=True), packs).eval()
    with pytest.raises(PortError):
        port(model, (floats(2, 5, 8).float(), MASK), folder=tmp_path / "refused")
