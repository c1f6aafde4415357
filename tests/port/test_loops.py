"""What repeats with an index becomes a loop."""

import pytest

from snippets.port.loops import rolled


def loop(*texts):
    return [(indent, text) for indent, text, _ in rolled(list(texts), [""] * len(texts))]


def test_what_repeats_with_an_index_is_a_loop():
    assert loop('x = f(w["a.0.b"])', 'x = f(w["a.1.b"])', 'x = f(w["a.2.b"])') == [
        (4, "for k in range(3):"),
        (8, 'x = f(w[f"a.{k}.b"])'),
    ]
    assert loop('x = f(s[3], w["a.3"])', "y", 'x = f(s[4], w["a.4"])', "y")[1:] == [
        (8, 'x = f(s[k], w[f"a.{k}"])'),
        (8, "y"),
    ]
    assert loop("a.append(x[:, 0, :])", "a.append(x[:, 1, :])", "a.append(x[:, 2, :])") == [
        (4, "for k in range(3):"),
        (8, "a.append(x[:, k, :])"),
    ]


def test_the_index_is_called_otherwise_where_k_is_taken():
    texts = ['k = f(k, w["a.0"])', 'k = f(k, w["a.1"])', 'k = f(k, w["a.2"])']
    assert [text for _, text, _ in rolled(texts, [""] * 3, "k_")] == [
        "for k_ in range(3):",
        'k = f(k, w[f"a.{k_}"])',
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ['f(w["a.0"])', 'f(w["a.2"])', 'f(w["a.3"])'],  # a step of two
        ['f(w["a.0"], s[1])', 'f(w["a.1"], s[2])', 'f(w["a.2"], s[3])'],  # two indices
        ['f(w["a.0"])', 'f(w["a.0.1"])', 'f(w["a.2"])'],
        ['f(w["a.b"])', 'f(w["a.c"])', 'f(w["a.d"])'],
        ["f(0)", "f(1)", "f(2)"],  # numbers that are no index
        ["f(x[:, 0])", "f(x[:, :])", "f(x[:, 2])"],
        ["f(x[0:2])", "f(x[2:4])", "f(x[4:6])"],
        ["f(x)", "f(x)", "f(x)"],
        ['f(w["a.0"], w["b.0"])', 'f(w["a.1"], w["b.0"])', 'f(w["a.2"], w["b.2"])'],
        ['f(w["0"], w["7"])', 'f(w["1"], w["7"])', 'f(w["2"], w["8"])'],
    ],
)
def test_what_repeats_otherwise_is_none(texts):
    assert [indent for indent, _ in loop(*texts)] == [4] * len(texts) or "range(2)" in str(
        loop(*texts)
    )
