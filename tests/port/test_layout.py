"""Lines that are not too long."""

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
    assert wrapped("    x = " + "a" * 120, "") == ["    x = " + "a" * 120]
