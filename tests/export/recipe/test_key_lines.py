"""Where keys stand in a TOML text."""

from triton_rag_export.recipe.key_lines import key_lines

TEXT = '''name = "x"   # a comment
"quoted key" = 1
[table]
plain = """
not_a_key = 1
[not_a_table]
"""
after = \'\'\'one line\'\'\'
dotted.key = 2
[ outer . "inner" ] # spaced
last = [
  1,
]
'''


def test_tables_and_keys_are_found_on_their_lines() -> None:
    assert key_lines(TEXT) == {
        ("name",): 1,
        ("quoted key",): 2,
        ("table",): 3,
        ("table", "plain"): 4,
        ("table", "after"): 8,
        ("table", "dotted", "key"): 9,
        ("outer", "inner"): 10,
        ("outer", "inner", "last"): 11,
    }


def test_an_empty_text_has_no_keys() -> None:
    assert key_lines("") == {}


def test_only_line_feeds_end_a_line() -> None:
    assert key_lines('a = "x\u2028y"\r\nb = 1\n') == {("a",): 1, ("b",): 2}
