"""The question's class prints the question's shapes."""

import pytest

torch = pytest.importorskip("torch")
from snippets.question.torch_rnn import RNN  # noqa: E402, after torch is known to be there


def test_parameters_have_the_shapes_the_question_printed():
    printed = [list(p.shape) for p in RNN(12, 100, 6).parameters()]
    assert printed == [[100, 12], [100], [100, 100], [100, 12], [100], [100, 100], [6, 100], [6]]


def test_the_state_before_the_first_step_is_zero_unless_given():
    model, x = RNN(4, 5, 3), torch.ones(2, 7, 4)
    outputs, h_n = model(x)
    assert outputs.shape == (2, 7, 3)
    assert torch.equal(h_n, model(x, torch.zeros(2, 5))[1])
    assert not torch.equal(h_n, model(x, torch.ones(2, 5))[1])


def test_a_sequence_continues_from_the_state_it_left():
    model, x = RNN(4, 5, 3).double(), torch.randn(2, 7, 4).double()
    whole, h_n = model(x)
    first, h = model(x[:, :3])
    rest, h = model(x[:, 3:], h)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    torch.testing.assert_close(h, h_n)
