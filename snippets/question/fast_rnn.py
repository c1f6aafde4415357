"""The question's network in NumPy, as fast as NumPy goes: the numbers of ``numpy_rnn.py``."""

import numpy as np
from numpy import add, matmul, multiply, subtract, tanh  # looked up once a name, not twice

from .numpy_rnn import check_input, check_numbers, check_state

CACHED = 2**16  # numbers, so that what a few steps read and make stays in the cache


class RNN:
    """Five Linear layers wired as one gated recurrent cell; mirrors ``torch_rnn.RNN``.

    It takes, gives and refuses what ``numpy_rnn.RNN`` does. For every time step it makes one
    matrix product and one tanh::

        gates = tanh(weight @ [h, x[t], 1])
        z = gates[:dim_recurrent] / 2 + 1 / 2
        n = gates[dim_recurrent:]
        h = (h - n) * z + n

    where ``weight`` holds the first four layers, ``[dense2, dense1, bias1] / 2`` above
    ``[dense4, dense3, bias3]``: sigmoid(v) is tanh(v / 2) / 2 + 1 / 2, and halving a number costs
    it no digit.

    Parameters
    ----------
    state : mapping of str to array
        As ``numpy_rnn.RNN`` takes it. The weights are copied.

    Raises
    ------
    TypeError, KeyError, ValueError
        As ``numpy_rnn.RNN`` raises them.
    """

    def __init__(self, state):
        self.state = w = check_state(state)
        z = np.column_stack([w["dense2.weight"], w["dense1.weight"], w["dense1.bias"]])
        n = np.column_stack([w["dense4.weight"], w["dense3.weight"], w["dense3.bias"]])
        # Columns one after another: for a single sequence BLAS reads them so in the least time.
        self.weight = aligned_columns(np.vstack([z / 2, n]))

    def __call__(self, x, h0=None):
        """Run the network over a sequence.

        Parameters
        ----------
        x : array (time, dim_input) or (batch, time, dim_input)
        h0 : array (dim_recurrent,) or (batch, dim_recurrent), optional
            The hidden state before the first step; zeros if not given.

        Returns
        -------
        outputs : array (time, dim_output) or (batch, time, dim_output)
        h_n : array (dim_recurrent,) or (batch, dim_recurrent)
            The hidden state after the last step.

        Raises
        ------
        ValueError
            x or h0 has another shape, or is not numeric.
        """
        x, h = check_input(x, h0, self.state)
        if x.ndim == 2:
            outputs, h_n = self.run(x[None], h[None])
            return outputs[0], h_n[0]
        return self.run(x, h)

    def step(self, x_t, h=None):
        """Run the network over one step of a sequence that has no end yet.

        Parameters
        ----------
        x_t : array (dim_input,) or (batch, dim_input)
        h : array (dim_recurrent,) or (batch, dim_recurrent), optional
            The hidden state that the step before returned; zeros if not given.

        Returns
        -------
        output : array (dim_output,) or (batch, dim_output)
        h : array (dim_recurrent,) or (batch, dim_recurrent)
            The hidden state for the next step.

        Raises
        ------
        ValueError
            x_t or h has another shape, or is not numeric.
        """
        x_t = check_numbers("x_t", x_t)
        dim_input = self.state["dense1.weight"].shape[1]
        if x_t.ndim not in (1, 2) or x_t.shape[-1] != dim_input:
            raise ValueError(
                f"x_t has shape {x_t.shape}, expected ({dim_input},) or (batch, {dim_input}): "
                "one step has no axis for time"
            )
        outputs, h = self(x_t[..., None, :], h)
        return outputs[..., 0, :], h

    def run(self, x, h):
        """Run over checked arrays, x (batch, time, dim_input) and h (batch, dim_recurrent)."""
        batch, time, dim_input = x.shape
        dim_recurrent = h.shape[1]
        narrow = np.result_type(x, h, self.weight)
        dtype = np.promote_types(narrow, np.float32)  # float16 is computed in float32
        weight = self.weight.astype(dtype, order="K", copy=False)
        product = weight.dot  # of a small product, dot has less to prepare than matmul
        half = np.array(0.5, dtype)  # a Python float would be converted at every step

        # The batch comes last, so that each gate is one piece of memory.
        x = x.transpose(1, 2, 0)  # (time, dim_input, batch)
        dense5 = self.state["dense5.weight"].astype(dtype, copy=False)
        outputs = np.empty((time, len(dense5), batch), dtype)
        gates = np.empty((2 * dim_recurrent, batch), dtype)
        z, n = gates[:dim_recurrent], gates[dim_recurrent:]

        # Of a long sequence, so many steps at a time as the processor's cache can hold. Within a
        # step nothing is allocated: the last argument says where the result goes.
        rows = dim_recurrent + dim_input + 1
        part = max(1, CACHED // (rows * max(1, batch)))
        steps = np.empty((min(part, time) + 1, rows, batch), dtype)
        hidden, inputs = steps[:, :dim_recurrent], steps[:, dim_recurrent:-1]
        steps[:, -1] = 1
        h = h.T  # (dim_recurrent, batch)
        for start in range(0, time, part):
            length = min(part, time - start)
            hidden[0], inputs[:length] = h, x[start : start + length]
            states = hidden[1 : length + 1]
            for step, h_next in zip(steps, states, strict=False):
                product(step, gates)
                tanh(gates, gates)
                multiply(z, half, z)
                add(z, half, z)
                subtract(h, n, h_next)
                multiply(h_next, z, h_next)
                add(h_next, n, h_next)
                h = h_next
            matmul(dense5, states, outputs[start : start + length])
        outputs = outputs.transpose(2, 0, 1) + self.state["dense5.bias"]
        return outputs.astype(narrow, copy=False), h.T.astype(narrow)


def aligned_columns(weight):
    """Return a copy, its columns one after another from the start of a cache line on.

    NumPy's own arrays start anywhere, and a product takes a third longer where reading one piece of
    a column touches two cache lines.
    """
    line = 64  # bytes
    memory = np.empty(weight.nbytes + line, np.uint8)
    start = -memory.ctypes.data % line
    copy = memory[start : start + weight.nbytes].view(weight.dtype).reshape(weight.shape, order="F")
    copy[:] = weight
    return copy
