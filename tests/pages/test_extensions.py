"""The site's Markdown extensions: axes get hues, includes their names, formulas MathML."""

import json
import pathlib
import re
import subprocess
import sys
import zipfile

import markdown
import numpy as np
import pytest
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pymdownx.snippets import SnippetMissingError

from docs.extensions import downloads, hook, languages, sources
from docs.extensions.named_snippets import pasted
from docs.extensions.shapes import AXES, axes, colour_shapes
from snippets.describe import facts
from tests import ROOT, SNIPPETS_DIR

MATH = ["pymdownx.arithmatex", "docs.extensions.mathml"]
CONFIG = {
    "pymdownx.arithmatex": {"generic": True},
    "docs.extensions.named_snippets": {"base_path": [str(SNIPPETS_DIR)], "check_paths": True},
}


def convert(text, *extensions):
    """Return the HTML of a page that has these extensions."""
    used = {name: CONFIG[name] for name in extensions if name in CONFIG}
    return markdown.markdown(text, extensions=extensions, extension_configs=used)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ("(out, in)", [("out", "", "out"), ("in", "", "in")]),
        ("(100 out, 12 in)", [("100", "out", "out"), ("12", "in", "in")]),
        ("(4 * hidden_size,)", [("4 * hidden_size", "", "hidden")]),
        ("(..., time, 1)", [("...", "", None), ("time", "", "batch"), ("1", "", None)]),
        ("(out, in / groups, *kernel)", [("out", "", "out"), ("in / groups", "", "in")]),
    ],
)
def test_axes_have_the_hue_of_their_first_word(shape, found):
    assert axes(shape)[: len(found)] == found


@pytest.mark.parametrize("code", ["(x, y)", "(5, 12)", "()", "(out, y)", "(mean)"])
def test_other_code_is_left_alone(code):
    assert not axes(code)
    assert colour_shapes(f"<code>{code}</code>") == f"<code>{code}</code>"


def test_a_word_has_one_hue():
    words = [word for words in AXES.values() for word in words]
    assert len(words) == len(set(words))


def test_shapes_are_marked_up_in_text_and_in_comments():
    text = convert("Stored `(100 out, 12 in)`.", "docs.extensions.shapes")
    assert text.count('<span class="axis out">100 <sub>out</sub></span>') == 1
    comment = '<span class="c1"># (batch, in_features)</span>'
    assert '<span class="axis in">in_features</span>' in colour_shapes(comment)


def test_a_long_name_in_a_cell_may_be_broken_behind_its_dots():
    long, short = "encoder.layers.0.self_attn.weight", "layers.0.norm.weight"
    page = f"| `{long}`, `{short}` |\n| --- |\n| `{long}`, `{short}` |\n\n`{long}`\n"
    html = markdown.markdown(page, extensions=["tables", "docs.extensions.cards"])
    broken = long.replace(".", ".<wbr>")
    assert re.findall(r"<code>(.*?)</code>", html) == [long, short, broken, short, long]


def test_a_formula_becomes_mathml():
    assert "<math" in convert(r"\(y = xA^T\)", *MATH)


def test_bad_latex_raises():
    with pytest.raises(Exception, match="nocommand"):
        convert(r"\(\nocommand{x}\)", *MATH)


def include(path):
    return convert(f'--8<-- "question/{path}"', "docs.extensions.named_snippets")


def test_a_method_is_included_by_its_name_and_dedented():
    text = include("torch_rnn.py:RNN.forward")
    assert text.startswith("<p>def forward(self, x, h0=None):")
    assert "dim_input)" in text
    assert "super()" not in text


def test_a_file_is_included_without_its_relative_imports():
    text = convert('--8<-- "layers/transformer.py"', "docs.extensions.named_snippets")
    assert "import numpy as np" in text
    assert "from ." not in text
    code = "import numpy as np\n\nfrom ..a import b\nfrom .linear import linear\n\nG = 3\n"
    assert pasted(code) == "import numpy as np\n\n\nG = 3\n"


def test_a_file_is_included_without_its_command():
    code = 'def main():\n    run()\n\n\nif __name__ == "__main__":\n    import sys\n    main()\n'
    assert pasted(code) == "def main():\n    run()\n"
    assert "__main__" not in convert('--8<-- "describe.py"', "docs.extensions.named_snippets")


def test_several_names_are_included_in_their_order():
    text = convert(
        '```\n--8<-- "layers/pooling.py:import,pool_axes,max_pool1d"\n```',
        "docs.extensions.named_snippets",
        "fenced_code",
    )
    begins = ["import functools\nimport itertools", "import numpy as np", "\n\n\ndef pool_axes("]
    places = [text.index(begin) for begin in [*begins, "\n\n\ndef max_pool1d("]]
    assert places == sorted(places)
    assert text.count("def ") == 2


def test_a_constant_is_included_by_its_name():
    assert include("numpy_rnn.py:SHAPES").startswith("<p>SHAPES = {")


@pytest.mark.parametrize(
    "path", ["torch_rnn.py:RNN.backward", "torch_rnn.py:GRU", "torch_rnn.py:RNN,GRU", "none.py"]
)
def test_an_unknown_name_or_file_raises(path):
    with pytest.raises(SnippetMissingError):
        include(path)


def test_a_link_to_a_page_without_a_twin_finds_it_and_makes_nothing_of_it(tmp_path):
    config = MkDocsConfig()
    config.load_dict({"theme": {"name": "material", "language": "zh"}, "site_dir": "zh"})
    config.docs_dir = "docs/zh"
    twin = File("layers/linear.md", "docs/zh", "zh", use_directory_urls=True)
    files = hook.on_files(Files([twin]), config)
    assert files.get_file_from_path(twin.src_uri) is twin
    assert files.documentation_pages() == [twin]
    conv = files.get_file_from_path("layers/conv.md")
    assert conv.url == f"{languages.ENGLISH}/layers/conv/"
    conv.abs_dest_path = tmp_path / "conv.md"
    conv.copy_file()
    assert not any(tmp_path.iterdir())
    config.theme["language"] = "en"
    assert not hook.on_files(Files([]), config).get_file_from_path("layers/conv.md")


def test_the_footer_names_the_versions_of_the_constraints():
    text = (ROOT / ".ci/constraints.txt").read_text("utf-8")
    found = {
        name: re.search(rf"^(?:# )?{name}[= ]+([\d.]+)", text, re.M | re.I)[1]
        for name in ("torch", "NumPy", "Python")
    }
    checked = sources.settings("en")["extra"]["checked"]
    assert checked == [f"{name} {version}" for name, version in found.items()]


@pytest.mark.parametrize(
    ("title", "page", "site", "link"),
    [
        ("linear.py", "layers/linear", "", "../../snippets/layers/linear.py"),
        ("linear.py", "zh/layers/linear", "zh/", "../../snippets/layers/linear.py"),
        ("numpy_rnn.py", "", "", "snippets/question/numpy_rnn.py"),
        ("gpt2.py", "models/gpt2", "", "gpt2.py"),  # the one file, which runs alone
        ("gpt2.py", "zh/models/gpt2", "zh/", "gpt2.py"),
        ("server.py", "", "", None),
    ],
)
def test_the_title_of_a_block_leads_to_the_file(title, page, site, link):
    html = f'<span class="filename">{title}</span>'
    found = downloads.link_titles(html, page, site)
    linked = f'<span class="filename"><a href="{link}" download>{title}</a></span>'
    assert found == (linked if link else html)


def test_describe_is_one_file_that_needs_numpy_alone(site, tmp_path):
    program = site / "describe.pyz"
    assert program.stat().st_size <= 150_000
    assert (site / "zh/describe.pyz").read_bytes() == program.read_bytes()
    # Isolated, and without the packages that are installed here: NumPy's folders alone.
    for path in pathlib.Path(np.__file__).parents[1].glob("numpy*"):
        (tmp_path / path.name).symlink_to(path)
    np.savez(tmp_path / "model.npz", **{"fc.weight": np.ones((7, 5))})
    given = [program, "--json", tmp_path / "model.npz"]
    script = (
        f"import runpy, sys; sys.path.append({str(tmp_path)!r}); "
        f"sys.argv = {list(map(str, given))!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    run = [sys.executable, "-I", "-S", "-c", script]
    done = subprocess.run(run, cwd=tmp_path, env={}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    with np.load(tmp_path / "model.npz") as file:
        assert json.loads(done.stdout) == facts(dict(file))
    refused = subprocess.run(
        [*run[:-1], script.replace("model.npz", "no.npz")], capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("describe.pyz: ")


def test_the_folder_of_snippets_runs_as_downloaded(site, tmp_path):
    with zipfile.ZipFile(site / "snippets.zip") as archive:
        archive.extractall(tmp_path)
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {p.relative_to(ROOT) for p in [SNIPPETS_DIR / "LICENSE", *downloads.SNIPPETS]}
    assert (site / "zh/snippets.zip").read_bytes() == downloads.packed()
    np.savez(tmp_path / "model.npz", **{"fc.weight": np.ones((7, 5))})
    run = [sys.executable, "-m", "snippets.describe", "model.npz"]
    printed = subprocess.run(run, cwd=tmp_path, env={}, capture_output=True, text=True, check=True)
    assert printed.stdout.startswith(
        "fc.weight  (7, 5)  float64  Linear without bias (out_features, in_"
    )
