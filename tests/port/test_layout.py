"""Lines that are not too long."""

import ast

from snippets.port.layout import wrapped


def test_long_lines_are_cut():
    short = "    x = f(a, b)"
    assert wrapped(short, "  # (2,)") == [short + "  # (2,)"]
    one = f"    x = f({'a' * 60}, {'b' * 28}).T"
    assert wrapped(one, "  # (2, 3)")[1:] == [
        f"        {'a' * 60}, {'b' * 28}",
        "    ).T  # (2, 3)",
    ]
    two = f"    x = f({'a' * 60}, (1, 2), {'b' * 45})"
    assert wrapped(two, "")[1:] == [
        f"        {'a' * 60},",
        "        (1, 2),",
        f"        {'b' * 45},",
        "    )",
    ]
    many = ", ".join("abcdefghij" * 3 + "k")
    listed = wrapped(f"    x = np.concatenate([{many}, {many}], axis=1)", "")
    assert listed[1] == "        ["
    assert listed[-2:] == ["        axis=1,", "    )"]
    assert max(map(len, listed)) <= 100
    sums = " + ".join(["f(a, b)"] * 20)
    for long in (f"x = ({sums}) * 2", f"x = np.mean({sums})", f"x = g({sums},)", f"x = y[{sums}]"):
        assert ast.dump(ast.parse("\n".join(wrapped(long, "")))) == ast.dump(ast.parse(long))
    calls = " + ".join(f"f({letter * 30}, {letter * 18})" for letter in "abcd")
    for end in ("", " + g(x, y)"):
        cut = wrapped(f"    x = {calls}{end}", "  # (2, 3)")
        assert max(map(len, cut)) <= 100
        assert cut[-1].endswith(f"){end}  # (2, 3)")
        assert ast.unparse(ast.parse("\n".join(cut).strip())) == f"x = {calls}{end}"
    plain = f'x = w["{"a" * 60}"] * w["{"b" * 60}"]'
    assert wrapped(plain, "") == [plain]
    name = wrapped(f'x = f({"a" * 60}, w["]; (, ["], {"b" * 40})', "")
    assert name[1:-1] == [f"    {'a' * 60},", '    w["]; (, ["],', f"    {'b' * 40},"]
    assert wrapped("    x = " + "a" * 120, "") == ["    x = " + "a" * 120]
