"""A program is its imports, its shapes and its functions."""

from tests.port.models import MODELS, spread
from tests.port.test_functions import text


def test_imports_come_first_then_the_shapes():
    said = text(spread(MODELS["cnn"][0]()), MODELS["cnn"][1])
    imports, _, rest = said.partition("\n\nSHAPES = ")
    assert imports.splitlines()[0] == "import numpy as np"
    assert "from .layers.conv import conv2d" in imports
    assert rest.startswith('{"x": (2, 3, 8, 10)}\n')
