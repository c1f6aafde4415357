"""Drawings, written in a page as a fence that names the drawing and gives the labels.

A ``figure`` fence holds YAML lines: ``draw``, ``title``, ``description``, perhaps ``caption``, and
the labels the drawing asks for, in the page's language. Each drawing is a module of this folder,
whose draw() returns its height and the pieces of its SVG; every number is computed there.
"""

import html

import yaml
from pymdownx.superfences import SuperFencesException

from docs.extensions.figures import (
    checkpoint_file,
    gates,
    heads,
    norm_axes,
    rows_are_outputs,
    strides,
    transposed_convolution,
)
from docs.extensions.figures.svg import svg

DRAWINGS = {
    "rows-are-outputs": rows_are_outputs,
    "strides": strides,
    "gates": gates,
    "transposed-convolution": transposed_convolution,
    "norm-axes": norm_axes,
    "heads": heads,
    "checkpoint-file": checkpoint_file,
}


def draw(source, language, css_class, options, md, **_):
    """Return the figure of one fence; an unknown drawing or label, or a missing one, raises.

    It raises the one exception that superfences lets through to stop the build.
    """
    # BaseLoader: a label is text, whatever it looks like.
    labels = yaml.load(source, yaml.BaseLoader)
    if not isinstance(labels, dict):
        raise SuperFencesException(f"a figure is lines of 'key: value', not {source!r}")
    name = labels.pop("draw", None)
    if name not in DRAWINGS:
        raise SuperFencesException(
            f"no drawing is called {name!r}; there are {', '.join(DRAWINGS)}"
        )

    def label(key):
        if not labels.get(key):
            raise SuperFencesException(f"the drawing {name} needs the label {key!r}")
        return labels.pop(key)

    title, description = label("title"), label("description")
    caption = labels.pop("caption", "")
    height, pieces = DRAWINGS[name].draw(label)
    md.figures = getattr(md, "figures", 0) + 1
    drawn = svg(height, "".join(pieces), title, description, f"figure-{md.figures}")
    data = ""
    if name == "rows-are-outputs":
        drawn = rows_are_outputs.alive(drawn, label)
        css_class += " living"
        data = rows_are_outputs.attributes()
    if labels:
        raise SuperFencesException(f"the drawing {name} has no label {', '.join(labels)}")
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="{css_class}"{data}>{drawn}{below}</figure>'
