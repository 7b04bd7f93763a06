"""Words: identifiers whole and in parts, scripts without spaces in pairs, and no text that breaks it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passage_search import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Sort the LIST!", ["sort", "the", "list"]),
        ("os.path.join", ["os.path.join", "os", "path", "join"]),
        ("max_k", ["max_k", "max", "k"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("serveForever2", ["serveforever2", "serve", "forever2"]),
        ("__init__", ["__init__", "init"]),
        ("end. Next", ["end", "next"]),
        ("3.11", ["3.11", "3", "11"]),
        ("Größe STRASSE Straße", ["grösse", "strasse", "strasse"]),
        ("ﬁle Ｆｕｌｌ", ["file", "full"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("超级碗", ["超", "级", "碗", "超级", "级碗"]),
        ("第50届", ["第", "50", "届"]),
        ("カタカナABC", ["カ", "タ", "カ", "ナ", "カタ", "タカ", "カナ", "abc"]),
        ("ไทย", ["ไ", "ท", "ย", "ไท", "ทย"]),
        ("한국 말", ["한", "국", "한국", "말"]),
        ("「東京」、大阪。", ["東", "京", "東京", "大", "阪", "大阪"]),
        ("", []),
        (" .,;_ — 😀 \u0000", []),
    ],
)
def test_words_of_any_script(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text())
def test_no_letter_or_digit_is_lost_and_no_word_is_empty(text: str) -> None:
    words = words_of(text)
    assert all(words)
    kept = set("".join(words))
    normalized = unicodedata.normalize("NFKC", text).casefold()
    assert len(text) > 64 or {c for c in normalized if c.isalnum()} <= kept


def test_endless_words_are_cut() -> None:
    assert [len(word) for word in words_of("x" * 10_000)] == [64]
