from functools import cache

import pytest
from generation.detokenizer import Detokenizer, special_token_ids
from hypothesis import given
from hypothesis import strategies as st
from model_repository.generator.tiny_tokenizers import KINDS
from tokenizers import Tokenizer

each_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def tokenizer_of(kind: str) -> Tokenizer:
    return KINDS[kind]()


def deltas(tokenizer: Tokenizer, token_ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(tokenizer, special_token_ids(tokenizer))
    return [*map(detokenizer.push, token_ids), detokenizer.flush()]


@each_kind
@given(data=st.data())
def test_pieces_joined_are_what_decoding_all_ids_gives(kind: str, data: st.DataObject) -> None:
    tokenizer = tokenizer_of(kind)
    unknown = tokenizer.get_vocab_size() + 5  # a model's head may be wider than its tokenizer
    token_ids = data.draw(st.lists(st.integers(0, unknown), max_size=40))
    assert "".join(deltas(tokenizer, token_ids)) == tokenizer.decode(token_ids)


@each_kind
@given(text=st.text(max_size=60))
def test_any_text_comes_back_as_decoding_all_ids_gives_it(kind: str, text: str) -> None:
    tokenizer = tokenizer_of(kind)
    token_ids = tokenizer.encode(text).ids
    assert "".join(deltas(tokenizer, token_ids)) == tokenizer.decode(token_ids)


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback"])
@given(text=st.text(st.characters(exclude_characters="\ufffd", exclude_categories=["Cs"]), max_size=60))
def test_no_piece_of_valid_text_holds_a_replacement_character(kind: str, text: str) -> None:
    tokenizer = tokenizer_of(kind)
    assert all("\ufffd" not in delta for delta in deltas(tokenizer, tokenizer.encode(text).ids))


def test_a_character_comes_once_its_last_byte_is_there() -> None:
    tokenizer = tokenizer_of("byte_fallback")
    token_ids = [tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in "€".encode()]
    after = tokenizer.token_to_id("▁a")
    assert deltas(tokenizer, [*token_ids, after]) == ["", "", "", "€ a", ""]


def test_spaces_between_words_are_neither_lost_nor_doubled() -> None:
    tokenizer = tokenizer_of("unigram")
    token_ids = tokenizer.encode("over the lazy dog").ids
    assert "".join(deltas(tokenizer, token_ids)) == "over the lazy dog"


def test_bytes_that_never_become_a_character_come_at_the_end_as_decode_gives_them() -> None:
    tokenizer = tokenizer_of("byte_level")
    token_ids = tokenizer.encode("a€").ids[:-1]
    assert deltas(tokenizer, token_ids)[-1] == "\ufffd"


def test_special_tokens_and_ids_without_a_token_give_no_text() -> None:
    tokenizer = tokenizer_of("byte_level")
    end = tokenizer.token_to_id("<|im_end|>")
    word = tokenizer.encode("x").ids
    assert deltas(tokenizer, [end, *word, 10_000, end, *word]) == ["", "x", "", "", "x", ""]
