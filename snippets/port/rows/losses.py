"""Rows of losses: a number for each pair, their mean, or their sum."""


def reduced(text, call):
    """Return the text of losses, of their mean, or of their sum."""
    return [text, f"np.mean({text})", f"np.sum({text})"][call.get("reduction", 1)]


def loss(text, options="", given="self, target"):
    """Return the row of a loss of what is given, most often of x and target."""

    def row(call):
        made = text if call.get("weight") is None else f"weight * ({text})"
        return f"{given}, weight=None, reduction=1{options}: {reduced(made, call)}"

    return row


def divergence(call):
    """Return what target says more than x, a logarithm; target may be one, too."""
    text = "np.where(target == 0, 0, target * np.log(np.where(target == 0, 1, target))) "
    text += "- target * self"
    if call.get("log_target"):
        text = "np.exp(target) * (target - self)"
    return loss(text, ", log_target=False")(call)


def likelihood(x, options=""):
    """Return the row of the loss of classes, of which x has the log probabilities."""

    def row(call):
        ignored = "" if call.get("ignore_index", -100) == -100 else ", ignore_index=ignore_index"
        how = ["none", "mean", "sum"][call.get("reduction", 1)]
        return (
            f"self, target, weight=None, reduction=1, ignore_index=-100{options}: nll_loss({x}, "
            f"target, weight=weight{ignored}, "
            f"label_smoothing={call.get('label_smoothing', 0.0)}, reduction={how!r})"
        )

    return row


def cross_entropy(call):
    """Return the loss of what softmax makes of x; target is classes, or their probabilities."""
    axis = min(1, call.ndim("self") - 1)
    x, options = f"log_softmax(self, {axis})", ", label_smoothing=0.0"
    if call.of("target").shape != call.of("self").shape:
        return likelihood(x, options)(call)
    target = "target"
    if call.get("label_smoothing"):
        target = f"((1 - label_smoothing) * target + label_smoothing / self.shape[{axis}])"
    if call.get("weight") is not None:
        more = ", None" * (call.ndim("self") - 2)
        x += f" * weight[:{more}]" if more else " * weight"
    text = reduced(f"-np.sum({target} * {x}, axis={axis})", call)
    return f"self, target, weight=None, reduction=1, ignore_index=-100{options}: {text}"


def ranking(call):
    """Return how much less than margin input1 is above input2; where target is -1, below it."""
    text = "target * (input1 - input2)"
    text = f"np.maximum(0, {'margin - ' if call.get('margin') else '-'}{text})"
    return loss(text, ", margin=0.0", "input1, input2, target")(call)


def triplet(call):
    """Return how much less than margin negative is farther from anchor than positive is."""

    def distance(a, b):
        return f"pairwise_distance({a}, {b}, p=p, eps=eps)"

    far = distance("anchor", "negative")
    if call.get("swap"):
        far = f"np.minimum({far}, {distance('positive', 'negative')})"
    text = f"np.maximum(0, margin + {distance('anchor', 'positive')} - {far})"
    options = ", margin=1.0, p=2.0, eps=1e-6, swap=False"
    return loss(text, options, "anchor, positive, negative")(call)


def poisson(call):
    """Return what a rate, or its logarithm, says of counts."""
    text = "np.exp(input) - target * input"
    if not call.get("log_input"):
        text = "input - target * np.log(input + eps)"
    if call.get("full"):  # Stirling's formula of log(target!)
        least = "np.maximum(target, 1)"
        more = f"target * np.log({least}) - target + 0.5 * np.log(2 * np.pi * {least})"
        text += f" + np.where(target > 1, {more}, 0)"
    return loss(text, ", log_input=True, full=False, eps=1e-8", "input, target")(call)


GAP = "np.abs(self - target)"
LOSSES = {
    "aten.mse_loss.default": ("F.mse_loss(x, y)", loss("(self - target) ** 2")),
    "aten.l1_loss.default": ("F.l1_loss(x, y, reduction='sum')", loss(GAP)),
    "aten.smooth_l1_loss.default": (
        "F.smooth_l1_loss(x, y, reduction='none', beta=0.5)",
        loss(
            f"np.where({GAP} < beta, {GAP} ** 2 / (2 * beta), {GAP} - beta / 2)",
            ", beta=1.0",
        ),
    ),
    "aten.huber_loss.default": (
        "F.huber_loss(x, y, delta=0.5)",
        loss(
            f"np.where({GAP} <= delta, {GAP} ** 2 / 2, delta * ({GAP} - delta / 2))",
            ", delta=1.0",
        ),
    ),
    "aten.soft_margin_loss.default": (
        "F.soft_margin_loss(x, y.sign())",
        loss("np.logaddexp(0, -target * self)"),
    ),
    "aten.binary_cross_entropy.default": (
        "F.binary_cross_entropy(t, t.flip(0), weight=p)",
        loss(
            "-target * np.maximum(np.log(self), -100) "
            "- (1 - target) * np.maximum(np.log1p(-self), -100)"
        ),
    ),
    "aten.binary_cross_entropy_with_logits.default": (
        "F.binary_cross_entropy_with_logits(x, t, reduction='sum')",
        loss("(1 - target) * self + np.logaddexp(0, -self)"),
    ),
    "aten.kl_div.default": ("F.kl_div(x, t, reduction='sum')", divergence),
    "aten.cross_entropy_loss.default": ("F.cross_entropy(a[:2], i)", cross_entropy),
    "aten.nll_loss_nd.default": ("F.nll_loss(a[:2].log_softmax(1), i)", likelihood("self")),
    "aten.multilabel_margin_loss.default": (
        "F.multilabel_margin_loss(a[:2], n[0, :2] % 4)",
        loss("multilabel_margin_loss(self, target)"),
    ),
    "aten.hinge_embedding_loss.default": (
        "F.hinge_embedding_loss(x, y.sign())",
        loss(
            "np.where(target != -1, self, 0) "
            "+ np.where(target != 1, np.maximum(0, margin - self), 0)",
            ", margin=1.0",
        ),
    ),
    "aten.cosine_embedding_loss.default": (
        "F.cosine_embedding_loss(a, a + 1, mean[:3].sign())",
        loss(
            "cosine_embedding_loss(input1, input2, target, margin=margin)",
            ", margin=0.0",
            "input1, input2, target",
        ),
    ),
    "aten.margin_ranking_loss.default": ("F.margin_ranking_loss(x, y, n.sign())", ranking),
    "aten.triplet_margin_loss.default": ("F.triplet_margin_loss(x, y, t)", triplet),
    "aten.poisson_nll_loss.default": ("F.poisson_nll_loss(x, p)", poisson),
}
