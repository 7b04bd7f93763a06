"""No two passages have one id: the message says which documents are to be told apart."""

import pytest
from tokenizers import Tokenizer
from triton_rag_export.corpus import Document, cut_passages, refuse_repeated_ids
from triton_rag_export.errors import CorpusError


def test_a_piece_with_the_id_of_another_document_is_refused_with_both(word_tokenizer: Tokenizer) -> None:
    documents = [
        Document("a", "", "the quick brown fox jumps over the lazy dog " * 4, "line 1"),
        Document("a#2", "", "short", "line 2"),
    ]
    passages = cut_passages(documents, word_tokenizer, passage_tokens=16, overlap_tokens=0)
    with pytest.raises(CorpusError, match=r'"a#2": one of the document "a" \(line 1\), .* "a#2" \(line 2\)'):
        refuse_repeated_ids(passages)


def test_distinct_ids_are_taken(word_tokenizer: Tokenizer) -> None:
    documents = [Document("a", "", "the lazy dog " * 20, "x"), Document("b", "", "short", "x")]
    passages = cut_passages(documents, word_tokenizer, passage_tokens=16, overlap_tokens=4)
    refuse_repeated_ids(passages)
    assert len({passage.id for passage in passages}) == len(passages) > 2
