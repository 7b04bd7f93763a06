"""Cutting: nothing is lost, nothing is too long, spans are right, and cuts fall where a reader would cut."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from triton_rag_export.corpus import Document, Passage, cut_passages, whole_passages

# fmt: off
PIECES = [
    "The quick brown fox.", "os.path.join", "第50届超级碗。", "\n\n", "\n", " ", "\u0000", "e\u0301",
    "😀👨\u200d👩\u200d👧", "हिन्दी", "ภาษาไทย", "[SEP]", "x" * 150, "½ﬁ", "\u200b", "…", "!?",
    "a_b(c, *d)", "\r\n", "\t",
]
# fmt: on
AWKWARD = st.one_of(st.text(max_size=400), st.lists(st.sampled_from(PIECES), max_size=80).map("".join))
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def document(text: str) -> Document:
    return Document("doc", "Title", text, "source")


def cut(text: str, tokenizer: Tokenizer, passage_tokens: int = 16, overlap_tokens: int = 4) -> list[Passage]:
    return cut_passages(
        [document(text)], tokenizer, passage_tokens=passage_tokens, overlap_tokens=overlap_tokens
    )


def count(tokenizer: Tokenizer, text: str) -> int:
    counter = Tokenizer.from_str(tokenizer.to_str())
    counter.no_truncation()
    counter.no_padding()
    counter.encode_special_tokens = True
    return len(counter.encode(text, add_special_tokens=False))


@MANY
@given(text=AWKWARD, overlap=st.integers(0, 15))
def test_every_character_that_is_not_blank_lies_in_a_passage(
    tokenizer: Tokenizer, text: str, overlap: int
) -> None:
    covered = {
        place for passage in cut(text, tokenizer, 16, overlap) for place in range(passage.start, passage.end)
    }
    assert [c for place, c in enumerate(text) if place not in covered and not c.isspace()] == []


@MANY
@given(text=AWKWARD, overlap=st.integers(0, 15))
def test_no_passage_is_longer_than_asked_when_it_stands_alone(
    tokenizer: Tokenizer, text: str, overlap: int
) -> None:
    assert all(count(tokenizer, passage.text) <= 16 for passage in cut(text, tokenizer, 16, overlap))


@MANY
@given(text=AWKWARD)
def test_spans_give_the_text_and_move_forward(tokenizer: Tokenizer, text: str) -> None:
    passages = cut(text, tokenizer)
    assert all(
        passage.text == text[passage.start : passage.end] == passage.text.strip() for passage in passages
    )
    assert [passage.start for passage in passages] == sorted({passage.start for passage in passages})
    assert [passage.end for passage in passages] == sorted({passage.end for passage in passages})


def test_a_short_document_is_one_passage_under_its_own_id(word_tokenizer: Tokenizer) -> None:
    (passage,) = cut("  The dog.\n", word_tokenizer)
    assert passage == Passage("doc", "doc", "Title", "The dog.", "source", 2, 10)


def test_pieces_are_numbered_from_one(word_tokenizer: Tokenizer) -> None:
    passages = cut("The quick brown fox jumps over the lazy dog. " * 4, word_tokenizer)
    assert [passage.id for passage in passages] == [f"doc#{n}" for n in range(1, len(passages) + 1)]
    assert {passage.document_id for passage in passages} == {"doc"}


def test_a_cut_prefers_the_end_of_a_paragraph_then_of_a_sentence(word_tokenizer: Tokenizer) -> None:
    sentence = "The dog returns the list."
    limit = 3 * count(word_tokenizer, sentence) - 2
    by_sentence = cut(f"{sentence} {sentence} {sentence}", word_tokenizer, limit, 0)
    assert [passage.text for passage in by_sentence] == [f"{sentence} {sentence}", sentence]
    by_paragraph = cut(
        f"{sentence}\n\nThe dog. The dog. {sentence}", word_tokenizer, count(word_tokenizer, sentence) + 8, 0
    )
    assert by_paragraph[0].text.startswith(sentence)
    assert by_paragraph[0].text.endswith(".")


def test_neighbours_overlap_by_whole_words_up_to_the_limit(word_tokenizer: Tokenizer) -> None:
    text = "the lazy dog jumps over the quick brown fox and " * 8
    passages = cut(text, word_tokenizer, 24, 8)
    for left, right in pairwise(passages):
        shared = text[right.start : left.end]
        assert 0 < count(word_tokenizer, shared) <= 8
        assert text[right.start - 1].isspace()


def test_text_without_spaces_overlaps_too(word_tokenizer: Tokenizer) -> None:
    passages = cut("黑豹队的防守只丢了" * 6, word_tokenizer, 16, 4)
    assert all(left.end - right.start == 4 for left, right in pairwise(passages))


def test_blank_documents_give_no_passage(word_tokenizer: Tokenizer) -> None:
    assert cut(" \n\t ", word_tokenizer) == []


def test_documents_are_cut_in_their_order_over_many_batches(word_tokenizer: Tokenizer) -> None:
    documents = [Document(str(n), "", f"The dog {n}", "") for n in range(150)]
    passages = cut_passages(documents, word_tokenizer, passage_tokens=16, overlap_tokens=0)
    assert [passage.document_id for passage in passages] == [str(n) for n in range(150)]


def test_an_overlap_as_long_as_the_passage_is_refused(word_tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="overlap_tokens = 16: allowed are 0 to 15"):
        cut("text", word_tokenizer, 16, 16)


def test_whole_passages_keep_ids_and_text() -> None:
    assert whole_passages([document(" any text ")]) == [
        Passage("doc", "doc", "Title", " any text ", "source", 0, 10)
    ]


@MANY
@given(title_words=st.integers(0, 60))
def test_a_long_title_leaves_the_encoder_shorter_passages(tokenizer: Tokenizer, title_words: int) -> None:
    long = Document("doc", "fox " * title_words, "The quick brown fox jumps over the lazy dog. " * 12, "x")
    passages = cut_passages([long], tokenizer, passage_tokens=40, overlap_tokens=20, read_tokens=48)
    title = count(tokenizer, f"{long.title}\n") if long.title else 0
    longest = max(count(tokenizer, passage.text) for passage in passages)
    assert longest <= min(40, max(16, 48 - title))
    assert longest > min(40, max(16, 48 - title)) // 2


def test_no_piece_begins_within_a_word(tokenizer: Tokenizer) -> None:
    text = "The quick brown fox jumps over the lazy dog and returns the sorted list " * 6
    for passage in cut(text, tokenizer, 24, 8)[1:]:
        assert text[passage.start - 1] == " "
