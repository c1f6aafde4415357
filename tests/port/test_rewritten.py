"""What several lines are together: products of flat rows, and batch norms."""

import pytest

from tests.port.models import floats, nn, spread, torch
from tests.port.test_functions import text


class Flat(nn.Module):
    """x @ weight + bias, as GPT-2's Conv1D has it, and what looks like it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 5))
        self.bias = nn.Parameter(torch.ones(5))
        self.rows = nn.Parameter(torch.ones(6, 5))

    def forward(self, x):
        flat = x.reshape(-1, 4)
        return (
            torch.addmm(self.bias, flat, self.weight).view(2, 3, 5),
            torch.mm(x.reshape(6, 4), self.weight).view(2, 3, 5),
            torch.addmm(self.rows, flat, self.weight).view(2, 3, 5),
            torch.addmm(self.bias * 2, flat, self.weight).view(3, 2, 5),
            torch.mm(flat * 2, self.weight).view(2, 3, 5),
        )


def test_a_product_of_flat_rows_is_that_of_the_array():
    said = text(spread(Flat()), (floats(2, 3, 4),))
    assert 'x @ w["weight"] + w["bias"]' in said
    assert '= x @ w["weight"]\n' in said
    assert 'w["rows"] + flat @ w["weight"]' in said
    assert said.count("x @ ") == 2


def test_a_product_that_is_read_twice_stays_flat():
    class Twice(Flat):
        def forward(self, x):
            flat = torch.mm(x.reshape(6, 4), self.weight)
            return flat.view(2, 3, 5), flat

    assert ".reshape(6, 4) @" in text(spread(Twice()), (floats(2, 3, 4),))


class Normed(nn.Module):
    """Batch norms of all kinds; one is called by a module that does not hold it."""

    def __init__(self):
        super().__init__()
        self.first, self.bare = nn.BatchNorm1d(4), nn.BatchNorm1d(4, affine=False)
        self.call = Call()

    def forward(self, x):
        x = self.bare(self.first(x)) * 2
        return self.call(x, self.first)


class Call(nn.Module):
    def forward(self, x, norm):
        y = norm(x * 2).tanh()
        z = y * x
        return z.sin() + y


def test_what_a_batch_norm_holds_is_one_argument():
    said = text(spread(Normed()), (floats(3, 4),))
    assert '*norm_of(w, "first")' in said
    assert '*norm_of(w, "bare")' in said
    assert 'w["first.running_mean"]' in said  # below no path of the module that calls it


class Own(nn.BatchNorm1d):
    """One that is the whole model of a part."""

    def forward(self, x):
        y = super().forward(x)
        z = y * x
        return y.tanh() * z + y


def test_a_module_that_is_a_batch_norm_reads_its_own():
    said = text(spread(nn.Sequential(Own(4), Own(4))), (floats(3, 4),))
    assert "*norm_of(w))" in said
    assert "norm_of" not in text(spread(Own(4)), (floats(3, 4),))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_depthwise_convolution_has_as_many_groups_as_channels(groups):
    said = text(spread(nn.Conv1d(4, 4, 3, groups=groups)), (floats(2, 4, 9),))
    assert ('groups=len(w["weight"])' in said) == (groups == 4)
    assert ("groups=2" in said) == (groups == 2)
