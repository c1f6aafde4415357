"""Rows of losses: a number for each pair, their mean, or their sum."""


def loss(text, options=""):
    """Return the row of a loss of x and target."""

    def row(call):
        made = [text, f"np.mean({text})", f"np.sum({text})"][call.get("reduction", 1)]
        if call.get("weight") is not None:
            made = made.replace(text, f"weight * ({text})")
        return f"self, target, weight=None, reduction=1{options}: {made}"

    return row


def divergence(call):
    """Return what target says more than x, a logarithm; target may be one, too."""
    text = "np.where(target == 0, 0, target * np.log(np.where(target == 0, 1, target))) "
    text += "- target * self"
    if call.get("log_target"):
        text = "np.exp(target) * (target - self)"
    return loss(text, ", log_target=False")(call)


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
}
