"""Tables filled from the registry of what each layer stores.

```stored
nn.Linear(12, 100)
weight: what one output reads of the input
```

The first line makes the module. The others, where a page has better words than the registry or
another language, say what one row of a tensor is.

```stored-names
name | shape | class
```

lists every tensor, ``stored-classes`` every class with its page and ``stored-reasons`` those that
have none; the line is the column titles. Below it, another language has its words for what is in
the first column of the last two: ``batch norm = 批归一化``.

``stored-inspector`` is the form of docs/theme/assets/inspect.js, with the rules of ``describe`` as
its data; its line is the column titles, and below it are the words of another language. Those for
what both forms say of tensors are in a file of their own.

``stored-calculator`` is the form of docs/theme/assets/calculator.js, with the registry as its data.
Its lines are column titles, and an example, each layer with its line of NumPy; after an empty line
come the words of another language. ``stored-calculated`` links the classes that it computes.
"""

import ast
import functools
import html
import importlib
import inspect
import json
import math
import pathlib
import re
import textwrap

import yaml
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

from docs.extensions.cards import titles
from docs.extensions.rules import of_layers, of_names, rules
from docs.extensions.shapes import HUE, LABELS
from snippets.storage import (
    REGISTRY,
    Each,
    Tensor,
    entries,
    held,
    layer_of,
    names_in,
    parsed,
    pattern,
    required,
)

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>stored[a-z-]*)\n(?P<source>.*?)^(?P=indent)```$", re.M | re.S
)
STACKED = {("q", "k", "v"): "qkv"}  # all others are gates
WORDS = ("parameter", "in general", "one row is", "buffer")
EXAMPLE = "This is an example, {model}. A model of your own needs JavaScript."
DOCS = pathlib.Path(__file__).parents[1]
ASSETS = DOCS / "theme/assets"
TENSORS = [ASSETS / f"{name}.js" for name in ("which", "facts", "modules")]
CALCULATOR = [
    ASSETS / f"{name}.js"
    for name in ("stored", "print", "listing", "values", "python", "code", "read", "calculator")
]
# What is said in words, and each text with a value to be filled in.
SAID = re.compile(
    r'\b(?:say\(|new S(?:lip|aid)\([^,]+, |\btell\([^,]+, )"([^"]+)"|"([^"$\n]*\{\w+\}[^"$\n]*)"'
)
TOTAL = "{parameters} parameters in {tensors} tensors."
INSPECTOR = [ASSETS / f"{name}.js" for name in ("reader", "inspect")]
FORM = (
    "A checkpoint, or all files of one that comes in several:",
    "Or a folder:",
    "Or drop it anywhere on this page.",
    "Only names with",
    "Order",
    "Save as",
    "To read a file here needs JavaScript. Without it, run {command}.",
)
ORDERS = {"": "as in the file", "bytes": "largest first", "name": "by name"}
SAVES = {"json": "JSON", "csv": "CSV", "md": "Markdown"}
NAMED = "every name", "every other name", "some names"
LABEL = "Your `print(model)`, or the layers of its `__init__`:"


def module_of(call):
    """Return (class, arguments by name) of "nn.Linear(12, 100)"."""
    call = ast.parse(call, mode="eval").body
    name = call.func.attr
    given = zip(layer_of(name).arguments, call.args, strict=False)
    named = {k.arg: k.value for k in call.keywords}
    pairs = (dict(given) | named).items()
    return name, {
        key: module_of(ast.unparse(value))
        if isinstance(value, ast.Call)
        else ast.literal_eval(value)
        for key, value in pairs
    }


def labelled(axes, shape, stacked):
    """Return "(400 gates, 12 in)" of "(4 * hidden_size, input_size)" and (400, 12)."""
    tree = parsed(axes)
    parts = list(tree[1:]) if tree[0] == "tuple" else [tree]
    parts[-1:] *= len(shape) - len(parts) + 1  # *kernel_size is several axes
    labels = [label(part) for part in parts]
    if stacked:
        labels[0] = STACKED.get(stacked, "gates")
    found = [f"{size} {said}".strip() for size, said in zip(shape, labels, strict=True)]
    return f"({', '.join(found)})"


def label(axis):
    """Return the word for an axis: a name, a multiple or a group of it; "" for another."""
    match axis:
        case str(name) | ("spread", name) | ("*", int(), str(name)) | ("//", name, "groups"):
            return LABELS.get(name, name)
    # In the adaptive softmax, sums and powers.
    words = [LABELS[name] for name in names_in(axis) if name in ("cutoffs", "div_value")]
    return words[0] if words else ""


def table(source, words=WORDS, translated=False):
    """Return the Markdown table of one fence; translated if no English text may remain."""
    call, *lines = source.strip().split("\n")
    own = dict(line.split(": ", 1) for line in lines)
    parameter, general, row, buffer = words
    rows = [f"| {parameter} | `{call}` | {row} |", "| --- | --- | --- |"]
    name, arguments = module_of(call)
    for full, (shape, tensor) in held(name, **arguments).items():
        kind = f" ({buffer})" if tensor.kind == "buffer" else ""
        if translated and full not in own:
            raise ValueError(f"the table of {call} needs words for a row of {full}")
        said = own.pop(full, tensor.row)
        numbers = labelled(tensor.shape, shape, tensor.stacked)
        in_general = f"<br>{general} `{tensor.shape}`" if shape else ""
        rows.append(f"| `{full}`{kind} | `{numbers}`{in_general} | {said} |")
    if own or len(rows) == 2:
        raise ValueError(f"{call} stores no {', '.join(own) or 'tensor'}")
    return "\n".join(rows) + "\n"


def link(name):
    """Return a class as a link to the page that runs it."""
    return f"[`nn.{name}`]({page_of(name)}.md)"


def page_of(name):
    """Return the stem of the page that runs a class."""
    return layer_of(name).recipe.replace("_", "-")


def tensors():
    """Return [(class, Tensor)] of all that the classes with a recipe store themselves."""
    return [
        (name, entry)
        for name, layer in REGISTRY.items()
        for entry in (entries(name) if layer.recipe else ())
        if isinstance(entry, Tensor)
    ]


def names_table(source, translated=False):
    """Return the table of all tensors by name and shape, and what the finder needs as data."""
    columns, _ = words_below(source, (), translated)
    found = {}
    for name, tensor in tensors():
        found.setdefault((tensor.name, tensor.shape), []).append(link(name))
    rows = [columns, "| --- | --- | --- |"]
    for (name, axes), classes in sorted(found.items(), key=lambda item: order(*item[0])):
        rows.append(f"| `{name}` | `{axes}` | {', '.join(classes)} |")
    data = {key: of_layers()[key] for key in ("clues", "rare", "seldom")}
    data["tensors"] = [
        [name, pattern(tensor), parsed(tensor.shape), parsed(tensor.when), layer_of(name).spatial]
        for name, tensor in tensors()
    ]
    return "\n".join(rows) + f"\n\n{data_script('stored', data)}"


def data_script(name, data):
    """Return data for a page's script. In it, "<" would end the element, or begin a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def order(name, axes):
    """Sort by name, and then the shapes with fewer axes first."""
    return name, axes.count(","), axes


def words_below(source, texts, translated, shared=()):
    """Return the column titles, and {text: words for it}; translated if every text needs some."""
    columns, *lines = source.strip().split("\n")
    own = dict(shared) | dict(line.split(" = ", 1) for line in lines)
    if unknown := own.keys() - set(texts):
        raise ValueError(f"no table below {columns} has {sorted(unknown)}")
    if translated and (missing := set(texts) - own.keys()):
        raise ValueError(f"the table below {columns} needs words for {sorted(missing)}")
    return columns, own


def grouped(source, translated, key, cell):
    """Return the table of all classes for which key gives a text, by that text."""
    found = {}
    for name, layer in REGISTRY.items():
        if key(layer):
            found.setdefault(key(layer), []).append(f"`nn.{name}`")
    columns, own = words_below(source, found, translated)
    rows = [
        f"| {cell(text, own.get(text, text))} | {', '.join(sorted(names))} |"
        for text, names in sorted(found.items())
    ]
    return "\n".join([columns, "| --- | --- |", *rows]) + "\n"


def classes_table(source, translated=False):
    """Return the table of all pages with the classes that they run."""
    return grouped(source, translated, lambda layer: layer.recipe.replace("_", " "), page_link)


def page_link(recipe, words):
    """Return a link to the page of a recipe."""
    return f"[{words}]({recipe.replace(' ', '-')}.md)"


def reasons_table(source, translated=False):
    """Return the table of the classes without a recipe, by the reason."""
    return grouped(source, translated, lambda layer: layer.reason, lambda _, words: words)


def options_of(layer):
    """Return {parameter: default} of the recipe in a class's line; [] where it must be given."""
    recipe = importlib.import_module(f"snippets.layers.{layer.recipe}")
    function = re.search(r"= (\w+)\(", layer.use)[1]
    parameters = dict(inspect.signature(getattr(recipe, function)).parameters)
    if parameters.pop("options", None):  # which go to each of the layers
        parameters |= inspect.signature(recipe.transformer_encoder_layer).parameters
    return {key: [] if p.default is p.empty else p.default for key, p in parameters.items()}


def exported(entry):
    """Return what a class holds as JSON takes it, what goes without saying left out."""
    if isinstance(entry, Each):
        return {
            "index": all_parsed(entry.indices),
            "holds": [exported(inner) for inner in entry.holds],
        }
    usual = {"when": True, "stacked": (), "kind": "parameter", "arguments": {}}
    told = entry._asdict() | {"when": parsed(entry.when)}
    if isinstance(entry, Tensor):
        told["shape"] = parsed(entry.shape)
    else:
        told["arguments"] = all_parsed(entry.arguments)
    return {key: value for key, value in told.items() if usual.get(key) != value}


def all_parsed(expressions):
    """Return the tree of each expression."""
    return {key: parsed(expression) for key, expression in expressions.items()}


def split_call(use):
    """Return ["y = linear(", ["x", "weight", "bias"]] of "y = linear(x, weight, bias)"."""
    before, inputs = re.fullmatch(r"(.*\()(.*)\)", use).groups()
    return [before, inputs.split(", ")]


@functools.cache
def registry():
    """Return the registry as data for the calculator."""
    classes = {}
    for name, layer in REGISTRY.items():
        told = {
            "arguments": {k: v for k, v in layer.arguments.items() if v is not required},
            "order": list(layer.arguments),
            "other": layer.other,
            "derived": all_parsed(layer.derived),
            "holds": [exported(entry) for entry in layer.holds],
            "silent": layer.silent,
            "prints": layer.prints,
            "recipe": layer.recipe,
            "spatial": layer.spatial,
            "reason": layer.reason,
            "use": split_call(layer.use) if layer.use else [],
            "options": options_of(layer) if layer.use else {},
        }
        classes[name] = {key: value for key, value in told.items() if value}
    stacked = {",".join(blocks): label for blocks, label in STACKED.items()}
    return {"classes": classes, "labels": LABELS, "hues": HUE, "stacked": stacked}


def calculator(source, translated=False, shared=(), example=EXAMPLE):
    """Return the form, its example as a table, and the registry as data."""
    model, _, below = source.strip().partition("\n\n")
    columns, *lines = model.split("\n")
    _, words = words_below(f"{columns}\n{below}".strip(), said(), translated, shared)

    def say(text, **values):
        return words.get(text, text).format(**values)

    bodies, numbers, count = [], 0, 0
    for made, used in zip(lines[::2], lines[1::2], strict=True):
        target, call = made.removeprefix("self.").split(" = ", 1)
        name, arguments = module_of(call)
        used = html.escape(used, quote=False)
        rows = [
            f'<tr class="module"><th colspan="4" scope="rowgroup"><div><code>nn.{name}</code> '
            f"<code>{target}</code><br><code>{used}</code></div></th></tr>"
        ]
        for full, (shape, tensor) in held(name, **arguments).items():
            size = math.prod(shape)
            numbers, count = numbers + size, count + 1
            blocks = say("from the top: {blocks}", blocks=",\u00a0".join(tensor.stacked))
            rows.append(
                f'<tr><th scope="row"><code>{target}.{full}</code></th>'
                f"<td><code>{labelled(tensor.shape, shape, tensor.stacked)}</code><br>"
                f"{say('in general')} <code>{tensor.shape}</code></td>"
                f"<td>{size:,}</td>"
                f"<td>{say(tensor.row)}{f'<br>{blocks}' if tensor.stacked else ''}</td></tr>"
            )
        bodies.append(f"<tbody>{''.join(rows)}</tbody>")
    heads = "".join(
        f'<th scope="col">{title.strip()}</th>' for title in columns.strip("|").split("|")
    )
    on_a_phone = html.escape(titles(columns.strip("| ").split(" | ")))
    total = say(TOTAL, parameters=f"{numbers:,}", tensors=count)
    title = re.sub("`(.+?)`", r"<code>\1</code>", say(LABEL))
    text = html.escape("\n".join(lines[::2]))
    made = ", ".join(f"<code>{line}</code>" for line in lines[::2])
    data = registry() | {"words": words}
    return (
        f'<form class="calculator"><label for="model">{title}</label>'
        f'<textarea id="model" rows="3" spellcheck="false" autocomplete="off" autocapitalize="off"'
        f' aria-describedby="total">{text}</textarea></form>\n'
        f'<div class="calculated"><noscript><p>{example.format(model=made)}</p></noscript>'
        f'<output id="total" for="model">{total}</output>'
        '<ul aria-live="polite"></ul>'
        f'<table role="table" style="{on_a_phone}"><thead><tr>{heads}</tr></thead>'
        f"{''.join(bodies)}</table></div>\n"
        f"{data_script('registry', data)}"
        f"{data_script('rules', of_layers() | of_names())}"
    )


def said():
    """Return every text that the calculator shows, in English."""
    return list(dict.fromkeys([LABEL, *of_tensors(), *texts_in(CALCULATOR)]))


def of_tensors():
    """Return every text that is said of tensors: of their rows, and by their names and shapes."""
    known = of_layers() | of_names()
    parts = [
        f"{kind.partition(',')[0]}'s {said} for"
        for kind, (_, others, _) in known["parts"].items()
        for said in others.values()
    ]
    whole = [kind.partition(",")[0] for kind in known["parts"]]
    return [
        *(t.row for name in REGISTRY for t in entries(name) if isinstance(t, Tensor)),
        *(holds["row"] for holds in known["conv1d"]["holds"]),
        "family",
        *(clue for _, clue, *_ in known["clues"]),
        *parts,
        *(f"{kind}'s directions" if kind == "weight_norm" else kind for kind in whole),
        *known["how"].values(),
        *(known[key] for key in ("integers", "matrix", "averaged", "merged", "dequantized")),
        *(said for kind in known["quantized"] for said in kind["parts"].values()),
        *known["lora_parts"].values(),
        *(part for family in known["families"] for part in family["rows"].split("; ")),
        *NAMED,
        *texts_in(TENSORS),
    ]


def texts_in(scripts):
    """Return every text that scripts say, but those that are a value alone."""
    script = "\n".join(path.read_text("utf-8") for path in scripts)
    told = (a or b for a, b in SAID.findall(script))
    return [text for text in told if not re.fullmatch(r"\{\w+\}", text)]


def calculated(source, translated=False):
    """Return links to the pages of the classes that the calculator has a line for."""
    return ", ".join(link(name) for name, layer in REGISTRY.items() if layer.use) + "\n"


def inspector(source, translated=False, shared=()):
    """Return the form that takes a checkpoint, an empty table, and the rules as data."""
    columns, words = words_below(source, shown(), translated, shared)

    def say(text):
        return html.escape(words.get(text, text))

    heads = "".join(
        f'<th scope="col">{title.strip()}</th>' for title in columns.strip("|").split("|")
    )
    orders = "".join(f'<option value="{key}">{say(text)}</option>' for key, text in ORDERS.items())
    saves = " ".join(
        f'<button type="button" value="{kind}">{name}</button>' for kind, name in SAVES.items()
    )
    choose, folder, drop, filtered, ordered, save, no_script = map(say, FORM)
    no_script = no_script.format(command="<code>python -m snippets.describe model.pth</code>")
    return (
        f'<form class="inspector" hidden><label for="checkpoint">{choose}</label>'
        '<input type="file" id="checkpoint" multiple>'
        f'<label for="folder">{folder}</label>'
        f'<input type="file" id="folder" webkitdirectory><span>{drop}</span></form>\n'
        f"<div><noscript><p>{no_script}</p></noscript></div>\n"
        '<div class="inspected" hidden>'
        '<output for="checkpoint folder"></output><ul></ul>'
        f'<form hidden><label>{filtered} <input type="search" name="filter" autocomplete="off">'
        f'</label> <label>{ordered} <select name="sort">{orders}</select></label> '
        f"<span>{save} {saves}</span></form>"
        f'<table role="table" hidden><thead><tr>{heads}</tr></thead></table>'
        '<button type="button" class="md-button more" hidden></button></div>\n'
        f"{data_script('registry', registry() | {'words': words})}"
        f"{data_script('rules', rules())}"
    )


def shown():
    """Return every text that the inspector shows, in English."""
    return list(dict.fromkeys([*FORM, *ORDERS.values(), *of_tensors(), *texts_in(INSPECTOR)]))


LISTS = {
    "stored-inspector": inspector,
    "stored-names": names_table,
    "stored-calculator": calculator,
    "stored-calculated": calculated,
    "stored-classes": classes_table,
    "stored-reasons": reasons_table,
}


class Expand(Preprocessor):
    """Replaces the fences before any other is read."""

    def __init__(self, md, options):
        super().__init__(md)
        self.options = options

    def run(self, lines):
        """Return the page's lines with tables in place of the fences."""
        return FENCE.sub(self.expand, "\n".join(lines)).split("\n")

    def expand(self, fence):
        """Return what stands in place of one fence, as far from the margin."""
        return textwrap.indent(
            self.made(fence["kind"], textwrap.dedent(fence["source"])), fence["indent"]
        )

    def made(self, kind, source):
        """Return the table, the list or the form of one kind of fence."""
        words, translated, example, shared = self.options.values()
        if kind == "stored":
            return table(source, words, translated)
        own = {"stored-calculator": [shared, example], "stored-inspector": [shared]}
        return LISTS[kind](source, translated, *own.get(kind, []))


class Tables(Extension):
    """The Markdown extension; ``words`` are the column titles and what a buffer is called."""

    def __init__(self, **kwargs):
        self.config = {
            "words": [WORDS, "..."],
            "translated": [False, "..."],
            "example": [EXAMPLE, "What the calculator says without JavaScript."],
            "said": ["", "A file of docs/ with words for what the forms say of tensors."],
        }
        super().__init__(**kwargs)

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Register behind the includes and before the fences."""
        md.preprocessors.register(Expand(md, self.options()), "stored", 28)

    def options(self):
        """Return the configuration, with the words that its file has."""
        told = self.getConfigs()
        words = yaml.safe_load((DOCS / told["said"]).read_text("utf-8")) if told["said"] else {}
        return told | {"said": words}


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return Tables(**kwargs)
