"""Promise 1: every code block has been run. pycon fences run in docs/conftest.py."""

import ast
import contextlib
import io
import re
from doctest import DocTestParser, Example
from itertools import zip_longest

import pytest

from tests import ROOT, address_of
from tests.comments import check
from tests.fences import (
    ENGLISH,
    PAGES,
    TABLES,
    as_shown,
    fences,
    holds_here,
    included,
    wrong_blocks,
)

# What no test can run, each with its reason: {page: {first line of the fence: reason}}.
TOKENS = "the package tokenizers is not installed here; tests/models/test_every_model.py runs it"
LIBRARY = "transformers is not installed here; tests/models/test_every_model.py runs it"
MODELS = {
    **dict.fromkeys(("gpt2", "llama", "gemma", "mamba"), "ForCausalLM"),
    **dict.fromkeys(("vit", "resnet"), "ForImageClassification"),
    **dict.fromkeys(("bert", "clip"), ""),
    "t5": "ForSeq2SeqLM",
    "whisper": "ForSpeechSeq2Seq",
}
NOT_RUN = {
    **{
        f"models/{name}.md": {
            f'model = transformers.AutoModel{head}.from_pretrained("{name}", '
            "dtype=torch.float32)": LIBRARY,
            'recorded = dict(np.load("recorded.npz"))': LIBRARY,
        }
        for name, head in MODELS.items()
    },
    "models/index.md": {"python -m tests.benchmarks.models": "takes some minutes"},
    "port/load-a-checkpoint.md": {
        'with h5py.File("model.weights.h5") as file:': "tests/checkpoints/judges.py runs it",
        'reader = tf.train.load_checkpoint("model")': "TensorFlow is too large for the tests",
    },
    "why/memory-and-strides.md": {
        "OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.transpose": "takes half a minute",
    },
    "port/drop-torch.md": {
        "python -m tests.benchmarks": "takes some minutes",
        "python -c \"from question.serve import server; server('speakers.npz').serve_forever()\"": (
            "serves until it is stopped; tests/question/test_serve.py runs these files alone"
        ),
    },
    "port/errors.md": dict.fromkeys(
        [
            "ValueError: Layer dense_2 weight shape (1280, 5) is not compatible with provided"
            " weight shape (5, 1280).",
            'For parameter "kernel" in "/", the given initializer is expected to generate shape'
            " (12, 100), but the existing parameter it received has shape (100, 12).",
        ],
        "the package is not installed by the tests",
    )
    | {
        "SafetensorError: Error while deserializing header: HeaderTooLarge": (
            "an older release of the package says so; the block above runs the installed one"
        ),
    },
}
for name in MODELS.keys() - {"vit", "resnet"}:
    line = f'tokenizer = tokenizers.Tokenizer.from_file("{name}/tokenizer.json")'
    NOT_RUN[f"models/{name}.md"][line] = TOKENS
LISTED = {
    (f"docs/{language}/{page}", line)
    for language in ("en", "zh")
    for page, lines in NOT_RUN.items()
    if (ROOT / "docs" / language / page).exists()
    for line in lines
}


def outcome(code):
    """Return what the code prints, and the error that it ends with, as one text.

    The comment behind a statement says what came out of it.
    """
    printed, namespace, sizes = io.StringIO(), {"__name__": "__main__"}, {}
    with contextlib.redirect_stdout(printed):
        try:
            for part in ast.parse(code).body:
                before = printed.tell()
                exec(compile(ast.Module([part], []), "block", "exec"), namespace)
                source = "\n".join(code.split("\n")[part.lineno - 1 : part.end_lineno])
                check(source, printed.getvalue()[before:], namespace, sizes, code)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=printed)
    return as_shown(printed.getvalue())


def problems(text, page=""):
    """Return what is wrong with the fences of a page, apart from what their doctests show."""
    found = []
    blocks = fences(text)
    for block, following in zip_longest(blocks, blocks[1:]):
        shows = following if following and "result" in following.classes else None
        wrong = "wrong" in block.classes
        if block.language == "python":
            code = block.text if wrong else included(block)
            if wrong and shows is None:
                found.append((block.line, "a wrong block is followed by its result"))
            elif code is None:
                found.append((block.line, "python is included, or marked wrong and run"))
            if included(block) and ("torch" in block.classes) != ("import torch" in code):
                found.append((block.line, "the class torch stands where torch is imported"))
        elif block.language == "pycon":
            if "import torch" in block.text and "torch" not in block.classes:
                found.append((block.line, "the class torch is missing"))
            parts = DocTestParser().parse(block.text)
            if any(p.options if isinstance(p, Example) else p.strip() for p in parts):
                found.append((block.line, "a text that is no example, or one with options"))
        elif "result" in block.classes:
            before = blocks[blocks.index(block) - 1].classes if block is not blocks[0] else ()
            another = "result" in before and block.title
            if "wrong" not in before and not another:
                found.append((block.line, "a result follows the wrong block it belongs to"))
        elif (
            block.language not in TABLES | {"figure"}
            and (page, block.text.split("\n")[0]) not in LISTED
        ):
            found.append((block.line, f"{block.language or 'a bare fence'} is not listed"))
    return found


@pytest.mark.parametrize("path", ENGLISH, ids=address_of)
def test_wrong_code_goes_wrong_as_shown(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code, results in wrong_blocks(path.read_text("utf-8")):
        for name in ("torch", "safetensors"):
            if re.search(rf"^(?:import|from) {name}\b", code.text, re.M):
                pytest.importorskip(name)
        (shown,) = (result for result in results if holds_here(result.title))
        assert outcome(code.text) == shown.text.rstrip("\n"), f"line {code.line}"


def promised(text):
    """Return the code that a page sets apart as the fix."""
    return re.findall(r"^`(?:\w+ = )?([^`]+)`\n\{ \.fix \}", text, re.M)


@pytest.mark.parametrize("path", PAGES, ids=address_of)
def test_every_fence_and_fix_is_proved(path):
    text = path.read_text("utf-8")
    assert problems(text, path.relative_to(ROOT).as_posix()) == []
    run = "\n".join(included(f) or f.text for f in fences(text) if "wrong" not in f.classes)
    assert [code for code in promised(text) if code not in run] == []


def test_a_fix_is_found():
    assert promised("`y = x @ W + b`\n{ .fix }\n") == ["x @ W + b"]


def test_what_is_listed_exists():
    there = {
        (path.relative_to(ROOT).as_posix(), fence.text.split("\n")[0])
        for path in PAGES
        for fence in fences(path.read_text("utf-8"))
    }
    assert there >= LISTED


WRONG = """``` { .python .wrong }
1 / 0
```

``` { .text .result }
ZeroDivisionError: division by zero
```
"""


def test_good_fences_have_no_problem():
    assert problems(WRONG) == []
    assert problems("no fence\n") == []
    assert problems('```python\n--8<-- "question/numpy_rnn.py"\n```\n') == []
    assert problems('!!! note\n\n    ``` { .pycon title="x" }\n    >>> 1\n    1\n    ```\n') == []


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1\n```\n",
        "    ```python\n    x = 1\n    ```\n",
        '```python\nx = 1\n--8<-- "question/numpy_rnn.py"\n```\n',
        '```python\n--8<-- "question/torch_rnn.py"\n```\n',
        "```pycon\n>>> import torch\n```\n",
        "```pycon\nx = 1\n```\n",
        "```pycon\n>>> x\n1\n\nand more\n```\n",
        "```pycon\n>>> 1 + 1  # doctest: +SKIP\n3\n```\n",
        WRONG.split("\n\n")[0] + "\n",
        WRONG.split("\n\n")[1],
        "```console\n$ pip install\n```\n",
        "```\nx\n```\n",
        "~~~js\nx\n~~~\n",
    ],
)
def test_a_fence_that_proves_nothing_is_found(text):
    assert problems(text)


def test_a_wrong_block_with_another_result_is_found():
    ((code, (shown,)),) = wrong_blocks(WRONG)
    assert outcome(code.text) == shown.text.rstrip()
    assert outcome(code.text.replace("1 / 0", "print(1)")) != shown.text.rstrip()


def test_a_result_of_some_versions_is_that_of_this_machine():
    old, new = (WRONG.split("\n\n")[1].replace("result", f'result title="{t}"') for t in "<>")
    text = WRONG.split("\n\n")[0] + "\n\n" + old.replace("<", "Python < 3") + "\n"
    text += new.replace(">", "Python >= 3")
    assert problems(text) == []
    ((_, results),) = wrong_blocks(text)
    assert [(r.title, holds_here(r.title)) for r in results] == [
        ("Python < 3", False),
        ("Python >= 3", True),
    ]
    assert holds_here("")
    assert holds_here("NumPy < 1.26") is False
    assert problems(text.replace(' title="Python >= 3"', ""))  # two results, and which is it?


def test_a_text_is_compared_as_it_is_shown():
    assert as_shown("\x1b[1mbold\x1b[0m \n\t(1)\n\n") == "bold\n    (1)"


GOOD = """
<!--
>>> hidden = 3
-->

=== "Tab"

    !!! note

        ```pycon
        >>> hidden + 1
        4
        ```
"""
# Pages with a doctest that is false, or that escapes.
BAD = {
    "another": GOOD.replace("4\n", "5\n"),
    "dots": GOOD.replace("hidden + 1\n        4", "[1, 2, 3]\n        [1...]"),
    "hidden": GOOD.replace("hidden = 3", "hidden = 4"),
    "bare": re.sub("```.*", "", GOOD),
    "python": GOOD.replace("```pycon", "```python"),
    "note": GOOD.replace("<!--\n", "<!-- note\n"),
}


def test_doctests_run_at_any_depth_and_a_false_or_escaping_one_fails(pytester, monkeypatch):
    """docs/conftest.py collects and runs them, with their hidden set-up."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest((ROOT / "docs/conftest.py").read_text("utf-8"))
    pytester.makefile(".md", good=GOOD, **BAD)
    run = pytester.runpytest_subprocess(
        "-rpfE",
        "--continue-on-collection-errors",
        "--import-mode=importlib",
        f"--rootdir={pytester.path}",
    )
    ended = re.findall(r"^(PASSED|FAILED|ERROR) (\w+)\.md", run.stdout.str(), re.M)
    assert [outcome for outcome, page in ended if page == "good"] == ["PASSED", "PASSED"]
    assert {page for outcome, page in ended if outcome != "PASSED"} == BAD.keys()
