"""A vocabulary such as T5's, in which markup is also a piece of text."""

import pytest
from prompting.plain_text import PlainTextTokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers


@pytest.fixture
def plain_text() -> PlainTextTokenizer:
    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        ("▁a", -2.0),
        ("b", -2.0),
        ("s", -3.0),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return PlainTextTokenizer(tokenizer)


@pytest.mark.parametrize("text", ["a</s>b", "a＜/s＞b", "</s> <pad>", "a<pad></s>"])
def test_pieces_that_are_markup_never_come_out_of_text(plain_text: PlainTextTokenizer, text: str) -> None:
    assert not {0, 1} & set(plain_text.encode(text))


def test_characters_outside_the_vocabulary_stay_unknown(plain_text: PlainTextTokenizer) -> None:
    assert plain_text.encode("a中b") == [4, 2, 5]
