"""Rows of layers: they call the recipes."""

import math

from ..graph import PortError
from .call import PLACES, dtype_of, fixed


def recurrent(kind, **more):
    """Return the row of an LSTM, a GRU or an RNN: its weights by the names of ``state_dict()``."""

    def row(call):
        names = [v.name for v in call.get("params")]
        layers, sides = call.get("num_layers"), 2 if call.get("bidirectional") else 1
        parts = ["weight_ih", "weight_hh"] + ["bias_ih", "bias_hh"] * call.get("has_biases")
        parts += ["weight_hr"] * (len(names) != layers * sides * len(parts))
        wanted = [
            f"{part}_l{k}{side}"
            for k in range(layers)
            for side in ["", "_reverse"][:sides]
            for part in parts
        ]
        prefixes = {call.keys.get(n, n).removesuffix(w) for n, w in zip(names, wanted, strict=True)}
        if len(prefixes) == 1:
            path = prefixes.pop()[:-1]
            weights = f"under(w, {path!r})" if path else "w"
        else:
            pairs = (f"{w!r}: params[{i}]" for i, w in enumerate(wanted))
            weights = f"{{{', '.join(pairs)}}}"
        state = "(hx[0], hx[1])" if kind == "lstm" else "hx"
        text = f"{kind}(input, {weights}, {state}, batch_first=batch_first"
        text += "".join(f", {key}={value!r}" for key, value in more.items()) + ")"
        if kind == "lstm":
            text = f"flat_state({text})"
        head = "input, hx, params, has_biases, num_layers, dropout, train, bidirectional"
        return f"{head}, batch_first: {text}"

    return row


def cell(kind, **more):
    """Return the row of one step of a recurrent layer."""
    short = "'weight_ih': w_ih, 'weight_hh': w_hh"
    said = f"{short}, 'bias_ih': b_ih, 'bias_hh': b_hh"
    options = "".join(f", {key}={value!r}" for key, value in more.items())

    def row(call):
        weights = said if call.get("b_ih") is not None else short
        state = "(hx[0], hx[1])" if kind == "lstm_cell" else "hx"
        head = "input, hx, w_ih, w_hh, b_ih=None, b_hh=None"
        return f"{head}: {kind}(input, {{{weights}}}, {state}{options})"

    return row


def attended(call):
    """Return scaled dot product attention, its scale only where it is another than usual."""
    head = "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None"
    scale, size = call.get("scale"), call.of("query").shape[-1]
    usual = scale is None or (isinstance(size, int) and math.isclose(scale, size**-0.5))
    more = "" if usual else ", scale=scale"
    return (
        f"{head}, enable_gqa=False: scaled_dot_product_attention(query, key, value, "
        f"attn_mask=attn_mask, is_causal=is_causal{more}, enable_gqa=enable_gqa)"
    )


def interpolated(mode):
    """Return the row of F.interpolate: the size is that of the result."""

    def row(call):
        size = tuple(fixed(call.out.shape[2:]))
        corners = ", align_corners=True" if call.get("align_corners") else ""
        factors = call.get("scale_factors")
        old = call.of("input").shape[2:]
        how = f"size={size}"
        if (
            factors
            and not corners
            and [n * f for n, f in zip(old, factors, strict=True)] != list(size)
        ):
            how = f"scale_factor={tuple(factors)}"
        head = ", ".join(call.args)
        return f"{head}: interpolate(input, {how}, mode={mode!r}{corners})"

    return row


def weight_normed(call):
    """Return g * v / |v|, the norm over all axes but one."""
    kept = None if call.get("dim", 0) == -1 else call.axis(of="v")  # -1 is none, not the last
    axes = tuple(i for i in range(call.ndim("v")) if i != kept)
    return f"v, g, dim=0: v * (g / np.sqrt((v * v).sum(axis={axes}, keepdims=True)))"


def instance_normed(call):
    """Return instance norm, which takes the statistics of x unless told otherwise."""
    stats = "None, None" if call.get("use_input_stats") else "running_mean, running_var"
    return (
        "input, weight=None, bias=None, running_mean=None, running_var=None, "
        "use_input_stats=True, momentum=0.1, eps=1e-5, cudnn_enabled=True: "
        f"instance_norm(input, {stats}, weight=weight, bias=bias, eps=eps)"
    )


def batch_normed(call):
    """Return batch norm with the statistics of the batch itself."""
    axes = (0, *range(2, call.ndim("input")))
    mean, var = (f"input.{name}(axis={axes})" for name in ("mean", "var"))
    return (
        "input, weight, bias, training, momentum, eps: "
        f"(batch_norm(input, {mean}, {var}, weight=weight, bias=bias, eps=eps), 0, 0)"
    )


def bagged(call):
    """Return the sum, the mean or the largest of each bag of ids."""
    mode = ["sum", "mean", "max"][call.get("mode", 0)]
    padding = call.get("padding_idx")
    more = "" if padding in (None, -1) else f", padding_idx={padding}"
    return (
        "weight, indices, offsets, scale_grad_by_freq=False, mode=0, sparse=False, "
        "per_sample_weights=None, include_last_offset=False, padding_idx=None: "
        f"(embedding_bag(indices, weight, offsets, mode={mode!r}, "
        f"per_sample_weights=per_sample_weights, include_last_offset=include_last_offset{more}), "
        "0, 0, 0)"
    )


def soft(name):
    """Return the row of a softmax, in another dtype if one is given."""

    def row(call):
        wider = call.get("dtype") and call.get("dtype").name != call.of("self").dtype
        x = f"self.astype({dtype_of(call)})" if wider else "self"
        return f"self, dim, dtype=None, half_to_float=False: {name}({x}, dim)"

    return row


def grid_sampled(call):
    """Return pixels between pixels, where a grid says."""
    modes = call.get("interpolation_mode", 0), call.get("padding_mode", 0)
    if max(modes) > 1 or call.ndim("input") != 4:
        raise PortError("only images, modes bilinear and nearest, zeros or border have a line")
    options = ", mode='nearest'" if call.get("interpolation_mode", 0) else ""
    options += ", padding_mode='border'" if call.get("padding_mode", 0) else ""
    return (
        "input, grid, interpolation_mode=0, padding_mode=0, align_corners=False: "
        f"grid_sample(input, grid{options}, align_corners=align_corners)"
    )


def attention(call):
    """Return nn.MultiheadAttention, which whole.py captures as one operation."""
    weights = f"under(w, {call.get('path')!r})" if call.get("path") else "w"
    names = ["key_padding_mask", "attn_mask", "add_zero_attn", "batch_first"]
    options = "".join(f", {name}={name}" for name in names)
    text = f"multi_head_attention(query, key, value, {weights}, num_heads=num_heads{options}"
    if "average_attn_weights" in call.args:
        text += ", average_attn_weights=average_attn_weights)"
    else:
        text += ", need_weights=False)[0]"
    return f"{', '.join(call.args)}: {text}"


def transformer(side, first):
    """Return the row of a transformer layer, which whole.py captures as one operation."""

    def row(call):
        weights = f"under(w, {call.get('path')!r})" if call.get("path") else "w"
        names = [name for name in call.args if name not in ("src", "tgt", "memory", "path")]
        options = "".join(f", {name}={name}" for name in names)
        return f"{', '.join(call.args)}: transformer_{side}_layer({first}, {weights}{options})"

    return row


def whole_recurrent(name):
    """Return the row of a recurrent layer, which whole.py captures as one operation."""

    def row(call):
        weights = f"under(w, {call.get('path')!r})" if call.get("path") else "w"
        state = ""
        if call.get("hx") is not None:
            state = ", (hx, cx)" if name == "lstm" else ", hx"
        text = f"{name}(input, {weights}{state}, batch_first=batch_first"
        text += ", nonlinearity=nonlinearity)" if name == "rnn" else ")"
        return f"{', '.join(call.args)}: {f'flat_state({text})' if name == 'lstm' else text}"

    return row


def grouped(call):
    """Return the product of groups of rows with a matrix for each: a mixture of experts."""
    if (call.ndim("self"), call.ndim("mat2")) != (2, 3) or call.get("bias") is not None:
        raise PortError("only rows of one array, a matrix for each group, have a line")
    return "self, mat2, offs, bias=None, out_dtype=None: grouped_mm(self, mat2, offs)"


WHOLE = {
    "transformers.grouped_mm_fallback.default": "input, weight, offs: "
    "grouped_mm(input, weight, offs)",
    **{f"port.{name}.default": whole_recurrent(name) for name in ("rnn", "gru", "lstm")},
    "port.attention_output.default": attention,
    "port.multi_head_attention.default": attention,
    "port.transformer_encoder_layer.default": transformer("encoder", "src"),
    "port.transformer_decoder_layer.default": transformer("decoder", "tgt, memory"),
}


def conv(n, option="stride=2"):
    """Return the row of a convolution; one that is depthwise has a group for each row of weight."""

    def row(call):
        is_depthwise = call.get("groups", 1) == call.of("weight").shape[0] > 1
        is_stored = call.args["weight"].name in call.keys
        groups = "len(weight)" if is_depthwise and is_stored else "groups"
        return (
            "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1: "
            f"conv{n}d(input, weight, bias=bias, stride=stride, padding=padding, "
            f"dilation=dilation, groups={groups})"
        )

    return f"F.conv{n}d({PLACES[n]}, kernel{n}, bias, {option})", row


def conv_transpose(n):
    """Return the row of a transposed convolution."""
    return (
        f"F.conv_transpose{n}d({PLACES[n]}, back{n}, bias, stride=2)",
        "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1: "
        f"conv_transpose{n}d(input, weight, bias=bias, stride=stride, padding=padding, "
        "output_padding=output_padding, groups=groups, dilation=dilation)",
    )


def max_pool(n, more=""):
    """Return the row of a maximum over windows; an empty stride is that of the windows."""

    def row(call):
        stride = ", stride=stride" if call.get("stride") not in (None, []) else ""
        if call.get("stride") == call.get("kernel_size"):
            stride = ""
        return (
            "self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False: "
            f"max_pool{n}d(self, kernel_size{stride}, padding=padding, dilation=dilation, "
            f"ceil_mode=ceil_mode{more})"
        )

    return row


def avg_pool(n):
    """Return the row of a mean over windows."""

    def row(call):
        stride = ", stride=stride" if call.get("stride") not in (None, []) else ""
        if call.get("stride") == call.get("kernel_size"):
            stride = ""
        divisor = ", divisor_override=divisor_override" if n > 1 else ""
        return (
            "self, kernel_size, stride=None, padding=0, ceil_mode=False, "
            "count_include_pad=True, divisor_override=None: "
            f"avg_pool{n}d(self, kernel_size{stride}, padding=padding, ceil_mode=ceil_mode, "
            f"count_include_pad=count_include_pad{divisor})"
        )

    return row


def activation(name, more="", aten=None, spelling=None):
    """Return the row of an activation."""
    pairs = [pair.strip().partition("=") for pair in more.split(",") if pair]
    head = ", ".join(["self"] + [f"{key}={value}" for key, _, value in pairs])
    passed = "".join(f", {key}={key}" for key, _, _ in pairs)
    row = spelling or f"F.{name}(x)", f"{head}: {name}(self{passed})"
    return {f"aten.{aten or name}.default": row}


def rrelu(call):
    """Return a leaky ReLU of the mean slope."""
    if call.get("training"):
        raise PortError("only what is not in training has a line: call model.eval()")
    bounds = "lower=0.125, upper=0.3333333333333333"
    return f"self, {bounds}, training=False: rrelu(self, lower=lower, upper=upper)"


LAYERS = {
    # ---- layers ----
    "aten.linear.default": (
        "F.linear(x, weight, bias)",
        "input, weight, bias=None: linear(input, weight, bias=bias)",
    ),
    "aten._grouped_mm.default": (
        "torch._grouped_mm(rows, stack, offs=ends).double()",
        grouped,
    ),
    "aten.bilinear.default": (
        "F.bilinear(x, y, both, bias)",
        "input1, input2, weight, bias=None: bilinear(input1, input2, weight, bias=bias)",
    ),
    "aten.embedding.default": (
        "F.embedding(ids, weight)",
        "weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False: "
        "embedding(indices, weight)",
    ),
    **{f"aten.conv{n}d.default": conv(n) for n in (1, 2, 3)},
    **{f"aten.conv{n}d.padding": conv(n, "padding='same'") for n in (1, 2, 3)},
    "aten.conv_transpose1d.default": conv_transpose(1),
    "aten.conv_transpose2d.input": conv_transpose(2),
    "aten.conv_transpose3d.input": conv_transpose(3),
    "aten._native_batch_norm_legit_no_training.default": (
        "F.batch_norm(image, mean, var, u, v)",
        "input, weight, bias, running_mean, running_var, momentum, eps: (batch_norm(input, "
        "running_mean, running_var, weight=weight, bias=bias, eps=eps), 0, 0)",
    ),
    "aten._native_batch_norm_legit.no_stats": (
        "torch.ops.aten._native_batch_norm_legit(image, u, v, True, 0.1, 1e-5)[0]",
        batch_normed,
    ),
    "aten.native_layer_norm.default": (
        "torch.ops.aten.native_layer_norm(x, [4], u, v, 1e-5)[0]",
        "input, normalized_shape, weight, bias, eps: "
        "(layer_norm(input, normalized_shape, weight=weight, bias=bias, eps=eps), 0, 0)",
    ),
    "aten.native_group_norm.default": (
        "torch.ops.aten.native_group_norm(image, u, v, 2, 4, 72, 2, 1e-5)[0]",
        "input, weight, bias, N, C, HxW, group, eps: "
        "(group_norm(input, group, weight=weight, bias=bias, eps=eps), 0, 0)",
    ),
    "aten._fused_rms_norm.default": (
        "torch.ops.aten._fused_rms_norm(x, [4], u, 1e-5)[0]",
        "input, normalized_shape, weight, eps: "
        "(rms_norm(input, normalized_shape, weight=weight, eps=eps), 0)",
    ),
    "aten.embedding_bag.padding_idx": ("bag(ids[:, 0])", bagged),
    "aten._embedding_bag.default": ("torch.ops.aten._embedding_bag(weight, i, i * 0)[0]", bagged),
    "aten.instance_norm.default": ("F.instance_norm(image)", instance_normed),
    "aten.layer_norm.default": (
        "F.layer_norm(x, (4,), u, v)",
        "input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True: "
        "layer_norm(input, normalized_shape, weight=weight, bias=bias, eps=eps)",
    ),
    "aten.group_norm.default": (
        "F.group_norm(image, 2, u, v)",
        "input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True: "
        "group_norm(input, num_groups, weight=weight, bias=bias, eps=eps)",
    ),
    "aten.rms_norm.default": (
        "F.rms_norm(x, (4,), u)",
        "input, normalized_shape, weight=None, eps=None: "
        "rms_norm(input, normalized_shape, weight=weight, eps=eps)",
    ),
    "aten._weight_norm.default": ("torch._weight_norm(weight, g)", weight_normed),
    "aten.lstm.input": ("lstm(x)", recurrent("lstm")),
    "aten.gru.input": ("gru(x)", recurrent("gru")),
    "aten.rnn_tanh.input": ("rnn(x)", recurrent("rnn")),
    "aten.rnn_relu.input": (
        "relu_rnn(x)",
        recurrent("rnn", nonlinearity="relu"),
    ),
    "aten.lstm_cell.default": ("lstm_cell(a)", cell("lstm_cell")),
    "aten.gru_cell.default": ("gru_cell(a)", cell("gru_cell")),
    "aten.rnn_tanh_cell.default": ("rnn_cell(a)", cell("rnn_cell")),
    "aten.rnn_relu_cell.default": (
        "relu_cell(a)",
        cell("rnn_cell", nonlinearity="relu"),
    ),
    "aten.scaled_dot_product_attention.default": (
        "F.scaled_dot_product_attention(x, y, t)",
        attended,
    ),
    **activation("relu"),
    **activation("relu6"),
    **activation("sigmoid"),
    **activation("silu"),
    **activation("mish"),
    **activation("selu"),
    **activation("hardswish"),
    **activation("hardsigmoid"),
    **activation("gelu", "approximate='none'"),
    **activation("softplus", "beta=1, threshold=20"),
    **activation("leaky_relu", "negative_slope=0.01"),
    **activation("hardtanh", "min_val=-1.0, max_val=1.0"),
    **activation("threshold", "threshold=0, value=0", spelling="F.threshold(x, 0.1, 20)"),
    **activation("celu", "alpha=1.0"),
    **activation("glu", "dim=-1"),
    "aten.rrelu.default": ("F.rrelu(x)", rrelu),
    **activation("logsigmoid", aten="log_sigmoid"),
    "aten.elu.default": (
        "F.elu(x)",
        "self, alpha=1.0: elu(self, alpha=alpha)",
    ),
    "aten.prelu.default": ("F.prelu(x, u[:3])", "self, weight: prelu(self, weight)"),
    **{
        f"aten.{name}": (spelling, soft(name.strip("_").partition(".")[0]))
        for name, spelling in {
            "softmax.int": "x.softmax(-1)",
            "log_softmax.int": "x.log_softmax(-1)",
            "_softmax.default": "torch._softmax(x, -1, False)",
            "_log_softmax.default": "torch._log_softmax(x, -1, False)",
        }.items()
    },
    **{
        f"aten.max_pool{n}d.default": (f"F.max_pool{n}d({PLACES[n]}, 2)", max_pool(n))
        for n in (1, 2, 3)
    },
    **{
        f"aten.{name}.default": (
            f"F.max_pool{n}d({PLACES[n]}, 2, return_indices=True)",
            max_pool(n, ", return_indices=True"),
        )
        for n in (1, 2, 3)
        for name in [f"max_pool{n}d_with_indices"]
    },
    **{
        f"aten.adaptive_max_pool{n}d.default": (
            f"F.adaptive_max_pool{n}d({PLACES[n]}, 2, return_indices=True)",
            f"self, output_size: adaptive_max_pool{n}d(self, output_size, return_indices=True)",
        )
        for n in (1, 2, 3)
    },
    **{
        f"aten._adaptive_avg_pool{n}d.default": (
            f"torch.ops.aten._adaptive_avg_pool{n}d({PLACES[n]}, {[2] * n})",
            f"self, output_size: adaptive_avg_pool{n}d(self, output_size)",
        )
        for n in (2, 3)
    },
    **{
        f"aten.avg_pool{n}d.default": (f"F.avg_pool{n}d({PLACES[n]}, 2)", avg_pool(n))
        for n in (1, 2, 3)
    },
    **{
        f"aten.adaptive_avg_pool{n}d.default": (
            f"F.adaptive_avg_pool{n}d({PLACES[n]}, 2)",
            f"self, output_size: adaptive_avg_pool{n}d(self, output_size)",
        )
        for n in (1, 2, 3)
    },
    "aten.pixel_shuffle.default": (
        "F.pixel_shuffle(image, 2)",
        "self, upscale_factor: pixel_shuffle(self, upscale_factor)",
    ),
    "aten.pixel_unshuffle.default": (
        "F.pixel_unshuffle(image[:, :, :, :8], 2)",
        "self, downscale_factor: pixel_unshuffle(self, downscale_factor)",
    ),
    **{
        f"aten.{name}.default": (
            f"torch.ops.aten.{name}(image, 2)",
            "self, groups: channel_shuffle(self, groups)",
        )
        for name in ("channel_shuffle", "native_channel_shuffle")
    },
    **{
        f"aten.{name}{n}d.vec": (
            f"F.interpolate({PLACES[n]}, scale_factor=2, mode={mode!r})",
            interpolated(mode),
        )
        for mode, name, sizes in [
            ("nearest", "upsample_nearest", (1, 3)),
            ("nearest-exact", "_upsample_nearest_exact", (1, 2, 3)),
            ("linear", "upsample_linear", (1,)),
            ("trilinear", "upsample_trilinear", (3,)),
            ("bicubic", "upsample_bicubic", (2,)),
        ]
        for n in sizes
    },
    "aten.grid_sampler.default": (
        "F.grid_sample(image, grid, align_corners=False)",
        grid_sampled,
    ),
    "aten.grid_sampler_2d.default": (
        "torch.ops.aten.grid_sampler_2d(image, grid, 0, 1, True)",
        grid_sampled,
    ),
    "aten.upsample_nearest2d.vec": (
        "F.interpolate(image, scale_factor=2)",
        interpolated("nearest"),
    ),
    "aten.upsample_bilinear2d.vec": (
        "F.interpolate(image, scale_factor=2, mode='bilinear')",
        interpolated("bilinear"),
    ),
}
