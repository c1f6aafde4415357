"""What a row sees of one call, and what rows of all kinds need."""

import math
from dataclasses import dataclass

from ..graph import PortError, Ref


@dataclass(frozen=True)
class Call:
    """One call of an operation: what a row that is a function sees of it.

    Parameters
    ----------
    args : dict
        As in a Node.
    known : dict of str to Array
        What is known of the values it refers to.
    out : Array or None
        What is known of its (first) result.
    keys : dict of str to str
        The names in ``state_dict()`` of the values that are stored.
    """

    args: dict
    known: dict
    out: object
    keys: dict

    def get(self, name, default=None):
        """Return an argument, or its default."""
        return self.args.get(name, default)

    def of(self, name):
        """Return the Array of an argument that is a tensor."""
        return self.known[self.args[name].name]

    def ndim(self, name):
        """Return the number of axes of an argument."""
        return len(self.of(name).shape)

    def axis(self, name="dim", default=0, of="self"):
        """Return an axis, counted from the front."""
        return self.get(name, default) % max(1, self.ndim(of))


def unary(*names, of="x"):
    """Return the rows of functions that have one name in both libraries."""
    return {f"aten.{n}.default": (f"torch.{n}({of})", f"self: np.{n}(self)") for n in names}


def both(operation, spelling, numpy, kinds=("Tensor", "Scalar")):
    """Return the rows of an operation whose second operand, {}, is a tensor or a number."""
    other = {"Tensor": "y", "Scalar": "0.5"}
    return {f"aten.{operation}.{kind}": (spelling.format(other[kind]), numpy) for kind in kinds}


def index(axis, ndim, text):
    """Return the index that takes ``text`` of one axis, from whichever end is nearer."""
    if axis <= ndim - 1 - axis or axis < 2:
        return ":, " * axis + text
    return "..., " + text + ", :" * (ndim - 1 - axis)


def p_norm(sizes, order, more):
    """Return the text of the p-norm of absolute values; ``more`` names its axes."""
    if order == 0:
        return f"np.sum({sizes} != 0{more})"
    if abs(order) == math.inf:
        return f"np.{'max' if order > 0 else 'min'}({sizes}{more})"
    if order == 2:
        return f"np.sqrt(np.sum({sizes} ** 2{more}))"
    return f"np.sum({sizes} ** {order!r}{more}) ** {1 / order!r}"


def fixed(sizes):
    """Return sizes, or say that one of them is that of an axis of any size."""
    if any(isinstance(n, str | Ref) for n in sizes):
        raise PortError("this needs a fixed size: leave its axis out of dynamic")
    return sizes


def dtype_of(call):
    """Return the text of the result's dtype."""
    return numpy_dtype(call.out.dtype)


def numpy_dtype(name):
    """Return the text of a dtype of PyTorch; bfloat16 is computed in float32."""
    name = {"bfloat16": "float32", "bool": "bool"}.get(name, name)
    return name if name == "bool" else f"np.{name}"


PLACES = {1: "line", 2: "image", 3: "volume"}
