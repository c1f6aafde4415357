"""The table: each tensor operation of PyTorch, by its overload, as a line of NumPy.

A row is ``"aten.name.overload": (how it is spelled in PyTorch, how in NumPy)``. A test runs the
spelling, with the names of tests/port/examples.py, and compares. The NumPy side is the text of a
lambda whose arguments have the names and the defaults of the operation's schema; ``*size`` writes
the parts of a list as arguments of their own. Where the line depends on the shapes, a function of
the call returns that text.

Results get the dtype that PyTorch's have: ``write.py`` adds ``.astype`` where NumPy's differ.
"""

from .graph import PortError
from .rows.axes import AXES
from .rows.call import Call, numpy_dtype
from .rows.layers import LAYERS, WHOLE
from .rows.losses import LOSSES
from .rows.numbers import NUMBERS
from .rows.shapes import SHAPES

__all__ = ["NOTHING", "SIZES", "TABLE", "Call", "numpy_dtype", "row_of"]

TABLE = NUMBERS | AXES | SHAPES | LAYERS | LOSSES

# Sizes: what torch.export writes for a Python number that depends on a shape.
SIZES = {
    "aten.sym_size.int": "self, dim: self.shape[dim]",
    "operator.add": "a, b: a + b",
    "operator.sub": "a, b: a - b",
    "operator.mul": "a, b: a * b",
    "operator.floordiv": "a, b: a // b",
    "operator.mod": "a, b: a % b",
    "operator.neg": "a: -a",
    "operator.eq": "a, b: a == b",
    "operator.ne": "a, b: a != b",
    "operator.lt": "a, b: a < b",
    "operator.le": "a, b: a <= b",
    "operator.gt": "a, b: a > b",
    "operator.ge": "a, b: a >= b",
}

# What checks and makes nothing: the program checks its inputs itself.
NOTHING = {
    "aten._assert_tensor_metadata.default",
    "aten._assert_scalar.default",
    "aten._assert_async.msg",
    "aten.sym_constrain_range_for_size.default",
    "aten.sym_constrain_range.default",
}

RANDOM = {
    "rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "bernoulli",
    "multinomial", "normal", "normal_functional", "uniform", "randperm", "rrelu_with_noise",
}  # fmt: skip
DROPOUT = {"dropout", "feature_dropout", "alpha_dropout", "native_dropout", "feature_alpha_dropout"}


def row_of(node):
    """Return the text of a node's row, or the function that makes it; says why there is none."""
    name = node.target.split(".")[1] if "." in node.target else node.target
    get = node.args.get
    if get("dropout_p") or (get("train", get("training")) and get("p", get("dropout"))):
        raise PortError(
            f"{node.where()}: this dropout is live, so that each call returns something else; "
            "call model.eval(), give F.dropout training=self.training, and "
            "F.scaled_dot_product_attention dropout_p=0.0"
        )
    if name in DROPOUT:
        return "input, p=0, train=False: input"
    if name in RANDOM:
        raise PortError(
            f"{node.where()}: this draws random numbers; draw them outside and pass them to forward"
        )
    if node.target in SIZES:
        return SIZES[node.target]
    if node.target in WHOLE:
        return WHOLE[node.target]
    if node.target in TABLE:
        return TABLE[node.target][1]
    raise PortError(
        f"{node.where()}: this operation has no row in snippets/port/operations.py; write it with "
        "operations that have one, or add a row"
    )
