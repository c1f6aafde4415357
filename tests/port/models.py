"""Small models that programs are written from, with weights that show errors."""

import pytest

from snippets.question.torch_rnn import RNN

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


def spread(model, seed=0):
    """Return a model in float64 and eval mode, its weights and statistics spread out."""
    random = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=random, dtype=torch.float64)
            tensor.copy_(
                values.abs() + 0.5 if "var" in name else values * max(0.3, 1 / tensor.ndim**2)
            )
    return model


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * 4 * 5, 6)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.conv(x))))
        return self.fc(x.flatten(1))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 5, 2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(10, 4, batch_first=True)
        self.out = nn.Linear(4, 3)

    def forward(self, ids, h0=None):
        x, (h, c) = self.lstm(self.words(ids))
        x, h0 = self.gru(x, h0)
        return {"tags": self.out(x).log_softmax(-1), "states": (h, c, h0)}


class Mean(nn.Module):
    """Two inputs in a tuple, a number among the inputs, constants of its own."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.register_buffer("scale", torch.tensor([1.0, 2, 3, 4, 5, 6]), persistent=False)
        self.fc = nn.Linear(6, 3)

    def forward(self, pair, power=2, *, training=None):
        ids, mask = pair
        x = self.words(ids) * mask[..., None] * self.scale
        x = x.sum(1) / mask.sum(1, keepdim=True)
        x[:, 0] = 0
        return [self.fc(x) ** power, ids]


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, activation="gelu")
    return nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(8), enable_nested_tensor=False)


class Attention(nn.Module):
    """Causal, its mask and positions made as people make them."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x, mask):
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / 8**0.5
        scores = scores.masked_fill(~mask, float("-inf"))
        return self.out(scores.softmax(-1) @ v)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = Attention()
        self.up, self.down = nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, x, mask):
        x = x + self.attention(self.norm(x), mask)
        y = F.gelu(self.up(x), approximate="tanh")
        return x + self.down(y)


class Decoder(nn.Module):
    """Equal layers in a loop, two that differ, positions, a mask, tied weights."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(20, 8), nn.Embedding(9, 8)
        self.register_buffer("ids", torch.arange(9)[None], persistent=False)
        self.layers = nn.ModuleList([Block() for _ in range(4)])
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        time = ids.shape[1]
        mask = torch.ones(time, time, dtype=torch.bool).tril()
        batches = torch.arange(ids.shape[0])[:, None]
        ids = ids[batches, self.ids[:, :time]]
        x = self.words(ids) + self.places(self.ids[:, :time])
        for layer in self.layers:
            x = layer(x, mask[None] & torch.ones(1, 1, time, dtype=torch.bool))
        return self.head(x)


def floats(*shape, seed=1):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=random, dtype=torch.float64)


def ids(*shape):
    return torch.randint(0, 20, shape, generator=torch.Generator().manual_seed(2))


# A model, and its example inputs.
MODELS = {
    "the question's": (lambda: RNN(4, 5, 3), (floats(2, 3, 4),)),
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)), (floats(5, 4),)),
    "cnn": (Cnn, (floats(2, 3, 8, 10),)),
    "tagger": (Tagger, (ids(2, 7),)),
    "mean": (Mean, ((ids(2, 7), floats(2, 7).abs()),)),
    "decoder": (Decoder, (ids(2, 7),)),
    "encoder": (encoder, (floats(2, 5, 8),)),
}
