"""Operations that NumPy has no line for, as functions of arrays that change none of them."""

import numpy as np


def put(x, index, values):
    """Return a copy of x with values at index: what ``x[index] = values`` makes of it."""
    x = np.array(x)
    x[index] = values
    return x


def put_add(x, index, values):
    """Return a copy of x with values added at index, as often as it names an entry."""
    x = np.array(x)
    np.add.at(x, index, values)
    return x


def scatter(x, dim, index, values, reduce=None):
    """Return a copy of x with values put along an axis where index says, or reduced into it."""
    x = np.array(x)
    at = list(np.indices(index.shape))
    at[dim] = index
    values = values[tuple(map(slice, index.shape))] if np.ndim(values) else values
    if reduce is None:
        x[tuple(at)] = values
    else:
        reduce.at(x, tuple(at), values)
    return x


def grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    """Return the pixels of x where grid says, between -1 and 1: ``F.grid_sample`` of images."""
    height, width = x.shape[2:]
    batch = np.arange(len(x))[:, None, None]

    def pixels(i, j):  # zeros beyond the border
        inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
        i, j = (np.clip(v, 0, n - 1).astype(int) for v, n in ((i, height), (j, width)))
        found = x.transpose(0, 2, 3, 1)[batch, i, j]
        return found * inside[..., None]

    places = []
    for part, n in ((grid[..., 1], height), (grid[..., 0], width)):
        place = (part + 1) / 2 * (n - 1) if align_corners else ((part + 1) * n - 1) / 2
        places.append(np.clip(place, 0, n - 1) if padding_mode == "border" else place)
    i, j = places
    if mode == "nearest":
        return pixels(np.rint(i), np.rint(j)).transpose(0, 3, 1, 2)
    top, left = np.floor(i), np.floor(j)
    down, right = (i - top)[..., None], (j - left)[..., None]
    upper = pixels(top, left) * (1 - right) + pixels(top, left + 1) * right
    lower = pixels(top + 1, left) * (1 - right) + pixels(top + 1, left + 1) * right
    return (upper * (1 - down) + lower * down).transpose(0, 3, 1, 2)


def topk(x, k, dim=-1, largest=True):
    """Return the k largest (or smallest) along an axis, in order, and where they are."""
    values, order = sort(x, dim, largest)
    return values.take(range(k), dim), order.take(range(k), dim)


def sort(x, dim=-1, descending=False):
    """Return x sorted along an axis, and where each entry was; equal ones keep their order."""
    if descending:  # from behind, so that a stable sort keeps the order of equal ones
        backwards = np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim)
        order = x.shape[dim] - 1 - backwards
    else:
        order = np.argsort(x, dim, kind="stable")
    return np.take_along_axis(x, order, dim), order


def nll_loss(x, target, weight=None, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    """Return how unlikely target is, x the log probabilities of classes: ``F.nll_loss``.

    With ``label_smoothing``, all classes have a share of it: so ``F.cross_entropy`` has it.
    """
    axis = min(1, x.ndim - 1)
    is_counted = target != ignore_index
    target = np.where(is_counted, target, 0)
    weight = np.ones(x.shape[axis], x.dtype) if weight is None else weight
    found = np.take_along_axis(x, np.expand_dims(target, axis), axis).squeeze(axis)
    losses = -weight[target] * found
    if label_smoothing:
        every = -np.moveaxis(x, axis, -1) @ weight / x.shape[axis]
        losses = (1 - label_smoothing) * losses + label_smoothing * every
    losses = np.where(is_counted, losses, 0)
    if reduction == "none":
        return losses
    return np.sum(losses) / (np.sum(weight[target], where=is_counted) if reduction == "mean" else 1)


def multilabel_margin_loss(x, target):
    """Return how much less than 1 the classes of target lead by: those before its first -1."""
    is_class = np.cumprod(target >= 0, axis=-1) > 0
    target = np.where(is_class, target, 0)
    is_named = (is_class[..., None] & (target[..., None] == np.arange(x.shape[-1]))).any(axis=-2)
    gaps = np.maximum(0, 1 + x[..., None, :] - np.take_along_axis(x, target, axis=-1)[..., None])
    counted = is_class[..., None] & ~is_named[..., None, :]
    return np.sum(gaps, axis=(-2, -1), where=counted) / x.shape[-1]


def cosine_embedding_loss(x1, x2, target, margin=0.0):
    """Return how unlike vectors are where target is 1; where it is -1, how alike beyond margin."""
    # Each square has an eps of its own here, otherwise than in F.cosine_similarity.
    square1, square2 = (np.sum(x * x, axis=-1) + 1e-12 for x in (x1, x2))
    cosine = np.sum(x1 * x2, axis=-1) / np.sqrt(square1 * square2)
    apart = np.where(target == -1, np.maximum(0, cosine - margin), 0)
    return np.where(target == 1, 1 - cosine, apart)


def grouped_mm(x, weight, ends):
    """Return rows of x times the matrix of their group; ``ends`` says where each group ends."""
    y = np.zeros((len(x), weight.shape[2]), x.dtype)
    for start, end, matrix in zip([0, *ends], ends, weight, strict=False):
        y[start:end] = x[start:end] @ matrix
    return y


def norm_of(w, path=""):
    """Return what a batch norm below a path holds, in the order in which batch_norm takes it."""
    start = f"{path}." if path else ""
    return [w.get(start + name) for name in ("running_mean", "running_var", "weight", "bias")]


def flat_state(result):
    """Return output, h_n, c_n of ``output, (h_n, c_n)``."""
    output, (h_n, c_n) = result
    return output, h_n, c_n


def checked(shapes, *given, kinds=None):
    """Return inputs as arrays, or say which one has another shape than the program takes.

    ``kinds`` has a letter for each: b for bool, i for integers, f for numbers of any kind.
    """
    sizes, arrays = {}, []
    kinds = kinds or "f" * len(given)
    for (name, shape), array, kind in zip(shapes.items(), given, kinds, strict=True):
        array = np.asarray(array)
        if kind in "bi" and array.dtype.kind not in kind + "u" * (kind == "i"):
            word = {"b": "bool", "i": "int"}[kind]
            raise ValueError(
                f"{name} is {array.dtype}, but this program takes {word}: give "
                f"{name}.astype({word}), if that is what it means"
            )
        words = ", ".join(map(str, shape)) + "," * (len(shape) == 1)
        fits = array.ndim == len(shape) and all(
            n == (sizes.setdefault(word, n) if isinstance(word, str) else word)
            for word, n in zip(shape, array.shape, strict=True)
        )
        if not fits:
            known = "".join(f", {word} is {n}" for word, n in sizes.items() if word in shape)
            raise ValueError(
                f"{name} has shape {array.shape}, but this program takes ({words}){known}; for "
                "other sizes, write it again with port(..., dynamic={...})"
            )
        arrays.append(array)
    return arrays if len(arrays) > 1 else arrays[0]


def limited(holds, condition):
    """Raise unless sizes are such as the program was written for."""
    if not holds:
        raise ValueError(
            f"this program takes sizes with {condition}, since the model does something else with "
            "others: write another one with port"
        )


def fixed(name, given, expected):
    """Raise unless an argument that is no array is the one the program was written for."""
    if given is not expected and given != expected:
        raise ValueError(
            f"{name} is {given!r}, but this program was written for {expected!r}: write another "
            "one with port"
        )
