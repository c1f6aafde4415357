"""The tensors that the spellings of snippets/port/operations.py speak of, and layers."""

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


def examples(dtype=torch.float64):
    """Return the tensors by their names; their sizes differ, so that no axis is another."""
    normal = torch.Generator().manual_seed(0)

    def floats(*shape):
        return torch.randn(*shape, generator=normal, dtype=dtype)

    return {
        "x": floats(2, 3, 4),
        "y": floats(2, 3, 4),
        "p": floats(2, 3, 4).abs() + 0.1,  # positive
        "t": floats(2, 3, 4).sigmoid(),  # between 0 and 1
        "mask": floats(2, 3, 4) > 0,
        "other_mask": floats(2, 3, 4) > 0,
        "n": torch.randint(-9, 9, (2, 3, 4), generator=normal),
        "m": torch.randint(1, 5, (2, 3, 4), generator=normal),
        "ids": torch.randint(0, 3, (2, 5, 4), generator=normal),
        "i": torch.tensor([2, 0]),
        "a": floats(3, 4),
        "b": floats(4, 5),
        "c": floats(3, 5),
        "u": floats(4),
        "v": floats(4),
        "many": floats(2, 3, 4),
        "other": floats(2, 4, 5),
        "sums": floats(2, 3, 5),
        "weight": floats(6, 4),
        "bias": floats(6),
        "both": floats(6, 4, 4),
        "line": floats(2, 4, 9),
        "image": floats(2, 4, 8, 9),
        "volume": floats(2, 4, 5, 6, 7),
        "kernel1": floats(6, 4, 3),
        "kernel2": floats(6, 4, 3, 5),
        "kernel3": floats(6, 4, 3, 5, 1),
        "back1": floats(4, 6, 3),
        "back2": floats(4, 6, 3, 2),
        "back3": floats(4, 6, 3, 2, 3),
        "mean": floats(4),
        "var": floats(4).abs() + 0.5,
        "g": floats(6, 1),
        "z": torch.complex(floats(2, 3, 4), floats(2, 3, 4)),
        "edges": torch.linspace(-1, 1, 5, dtype=dtype),
        # It takes bfloat16 alone, and these sums are exact in it.
        "rows": torch.eye(8)[[3, 1, 5]].bfloat16(),
        "stack": torch.arange(128.0).reshape(2, 8, 8).bfloat16(),
        "ends": torch.tensor([1, 3], dtype=torch.int32),
        "grid": floats(2, 5, 6, 2).tanh() * 1.3,  # a little beyond the border
    }


def own(layer):
    """Return a class of a layer's own: whole.py leaves these as they are."""
    return type(layer.__name__, (layer,), {})


def layers():
    """Return the layers by their names."""
    torch.manual_seed(0)
    made = {
        "lstm": own(nn.LSTM)(4, 5, 2, bidirectional=True, batch_first=True),
        "projected": own(nn.LSTM)(4, 5, proj_size=2, bias=False),
        "gru": own(nn.GRU)(4, 5),
        "rnn": own(nn.RNN)(4, 5),
        "relu_rnn": own(nn.RNN)(4, 5, nonlinearity="relu"),
        "bag": nn.EmbeddingBag(20, 5, mode="mean"),
        "lstm_cell": nn.LSTMCell(4, 5),
        "gru_cell": nn.GRUCell(4, 5, bias=False),
        "rnn_cell": nn.RNNCell(4, 5),
        "relu_cell": nn.RNNCell(4, 5, nonlinearity="relu"),
    }
    return {name: layer.double().eval() for name, layer in made.items()}
