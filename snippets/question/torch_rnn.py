"""The question's network in PyTorch: five Linear layers wired as one gated recurrent cell."""

import torch
from torch import nn


class RNN(nn.Module):
    """The question's class, its names kept; the forward is ours, since the question shows none.

    For every time step t, from ``h = h0``::

        z = sigmoid(dense1(x[t]) + dense2(h))
        n = tanh(dense3(x[t]) + dense4(h))
        h = z * h + (1 - z) * n
        outputs[t] = dense5(h)
    """

    def __init__(self, dim_input, dim_recurrent, dim_output):
        super().__init__()
        self.dim_input = dim_input
        self.dim_recurrent = dim_recurrent
        self.dim_output = dim_output
        self.dense1 = nn.Linear(self.dim_input, self.dim_recurrent)
        self.dense2 = nn.Linear(self.dim_recurrent, self.dim_recurrent, bias=False)
        self.dense3 = nn.Linear(self.dim_input, self.dim_recurrent)
        self.dense4 = nn.Linear(self.dim_recurrent, self.dim_recurrent, bias=False)
        self.dense5 = nn.Linear(self.dim_recurrent, self.dim_output)

    def forward(self, x, h0=None):
        """Map x (..., time, dim_input) to outputs (..., time, dim_output) and the last h."""
        h = x.new_zeros(*x.shape[:-2], self.dim_recurrent) if h0 is None else h0
        outputs = []
        for x_t in x.unbind(-2):
            z = torch.sigmoid(self.dense1(x_t) + self.dense2(h))
            n = torch.tanh(self.dense3(x_t) + self.dense4(h))
            h = z * h + (1 - z) * n
            outputs.append(self.dense5(h))
        return torch.stack(outputs, -2), h
