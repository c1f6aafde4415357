"""An axis keeps its colour: shapes in inline code and in shape comments get their axes marked up.

``(out_features, in_features)`` and ``(100 out, 12 in)`` are shapes; AXES is the site's one
glossary of axis names. A word that is not in it leaves the code as it is.
"""

import html
import re

from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

# What a layer's channels or features are counted by, num_features, has the hue of the outputs
# of the layer before it, whose bias has the same axis. An Embedding's row is an input.
AXES = {
    "out": [
        "out", "out_features", "dim_output", "out_channels", "num_features", "num_channels",
        "normalized_shape", "num_parameters", "num_classes", "cutoffs", "n_clusters",
        "embedding_dim", "dim", "channels", "features",
    ],
    "in": [
        "in", "in_features", "in1_features", "in2_features", "input_size", "dim_input",
        "in_channels", "num_embeddings", "ids", "in1", "in2", "kdim", "vdim",
        "vocab_size", "type_vocab_size", "num_mel_bins",
    ],
    "batch": [
        "batch", "time", "length", "depth", "height", "width", "rows", "columns", "num_ids",
        "target", "source", "planes", "steps", "n_positions", "max_position_embeddings",
        "max_source_positions", "max_target_positions", "relative_attention_num_buckets",
    ],
    "hidden": [
        "hidden", "hidden_size", "dim_recurrent", "groups", "heads", "num_directions", "proj_size",
        "gate_size", "num_chunks", "embed_dim", "div_value", "cluster", "h_out", "num_layers",
        "gates", "qkv", "embed", "proj", "d_model", "dim_feedforward", "feedforward",
        "num_groups", "num_heads", "head_dim", "value_dim", "n_embd", "n_inner", "n_head",
        "intermediate_size", "embedding_size", "num_attention_heads", "num_key_value_heads",
        "encoder_ffn_dim", "decoder_ffn_dim", "d_ff", "inner", "projection_dim", "state_size",
        "time_step_rank",
    ],
    "kernel": ["kernel", "kernel_size", "kh", "kw", "r", "conv_kernel"],
}  # fmt: skip
HUE = {name: hue for hue, names in AXES.items() for name in names}

# The word beside a number, where it is shorter than the axis's name.
LABELS = {
    "out_features": "out",
    "out_channels": "out",
    "in_features": "in",
    "in1_features": "in1",
    "in2_features": "in2",
    "input_size": "in",
    "in_channels": "in",
    "num_embeddings": "ids",
    "embedding_dim": "dim",
    "hidden_size": "hidden",
    "proj_size": "proj",
    "embed_dim": "embed",
    "kernel_size": "kernel",
    "num_features": "channels",
    "num_channels": "channels",
    "num_parameters": "channels",
    "normalized_shape": "features",
    "dim_feedforward": "feedforward",
    "cutoffs": "out",
    "div_value": "proj",
}

LONG = 28  # characters, more than a column of a table should take
CODE = re.compile(r"<code>(\([^<>()]*\))</code>")
COMMENT = re.compile(r'(<span class="c1">#\s*)(\([^<>]*\))(</span>)')
LABELLED = re.compile(r"(\d+) ([a-z_][a-z_0-9]*)")
NAME = re.compile(r"[a-z_][a-z_0-9]*")


def axes(shape):
    """Return [(text, name, hue)] of the axes of "(4 * hidden_size, 12 in)", None if it is no shape.

    name is the label of a number ("12 in"), otherwise empty.
    """
    found = []
    for axis in filter(None, (part.strip() for part in shape[1:-1].split(","))):
        label = LABELLED.fullmatch(axis)
        names = NAME.findall(axis)
        if any(name not in HUE for name in names):
            return None
        text, name = label.groups() if label else (axis, "")
        found.append((text, name, HUE[names[0]] if names else None))
    return found if any(hue for _, _, hue in found) else None


def mark_up(shape):
    """Return the HTML of one shape, each axis in a span of its hue, or None if it is no shape."""
    found = axes(html.unescape(shape))
    if not found:
        return None
    spans = []
    for text, name, hue in found:
        label = f" <sub>{name}</sub>" if name else ""
        axis = html.escape(text) + label
        spans.append(f'<span class="axis {hue}">{axis}</span>' if hue else axis)
    return f"({', '.join(spans)}{',' if len(spans) == 1 else ''})"


def coloured(match):
    """Return the HTML of inline code; a long shape may be broken between its axes."""
    marked = mark_up(match[1])
    kind = "shape long" if len(match[1]) > LONG else "shape"
    return f'<code class="{kind}">{marked}</code>' if marked else match[0]


def colour_shapes(text):
    """Mark up the shapes in a page's HTML."""
    text = CODE.sub(coloured, text)
    return COMMENT.sub(lambda m: m[1] + (mark_up(m[2]) or m[2]) + m[3], text)


class Colour(Postprocessor):
    """Runs last, when the highlighted code is back in the text."""

    def run(self, text):
        """Return the page with its shapes marked up."""
        return colour_shapes(text)


class Shapes(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Register after the built-in postprocessors."""
        md.postprocessors.register(Colour(md), "shapes", -20)


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return Shapes(**kwargs)
