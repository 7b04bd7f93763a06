"""The served tokenizer: buckets, limits, and refusals that leave neighbours unhurt."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from query_tokenization import QueryTokenizer, TokenizerFilesError, TokenizerSettings
from query_tokenization.settings import SETTINGS_FILE, TOKENIZER_FILE, buckets_up_to
from tiny_encoders import byte_tokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SETTINGS = TokenizerSettings(
    buckets=buckets_up_to(40), max_tokens=40, max_query_characters=100, query_prefix="", pad_id=1
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    byte_tokenizer().save(str(folder / TOKENIZER_FILE))
    SETTINGS.write(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> QueryTokenizer:
    return QueryTokenizer.load(folder)


@pytest.mark.parametrize(("characters", "bucket"), [(1, 8), (6, 8), (7, 16), (14, 16), (31, 40), (100, 40)])
def test_rows_are_padded_to_the_smallest_bucket_that_holds_the_longest(
    characters: int, bucket: int, tokenizer: QueryTokenizer
) -> None:
    found = tokenizer.encode([b"a", b"b" * characters])
    assert found.input_ids.shape == (2, bucket)
    assert found.lengths.tolist() == [3, min(characters + 2, 40)]
    assert found.errors == ("", "")
    assert (found.input_ids[0, 3:] == SETTINGS.pad_id).all()


def test_a_query_that_is_too_long_for_the_encoder_keeps_its_last_special_token(
    tokenizer: QueryTokenizer,
) -> None:
    found = tokenizer.encode([b"x" * 90])
    assert found.lengths.tolist() == [40]
    assert found.input_ids[0, [0, -1]].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"", r"QUERY '' is empty: give 1 to 100 characters"),
        (b" \t\n", r"QUERY ' \t\n' is empty: give 1 to 100 characters"),
        ("\u3000\u2003".encode(), "is empty: give 1 to 100 characters"),
        (b"ab\xff", "is not UTF-8 (byte 2 is 0xff): give text in UTF-8"),
        (b"\xed\xa0\x80", "is not UTF-8"),
        (b"z" * 101, "has 101 characters: give 1 to 100"),
    ],
)
def test_a_refused_row_says_why_and_leaves_its_neighbours_unhurt(
    query: bytes, message: str, tokenizer: QueryTokenizer
) -> None:
    found = tokenizer.encode([b"before", query, b"after"])
    assert found.lengths.tolist() == [8, 0, 7]
    assert message in found.errors[1]
    assert len(found.errors[1]) < 200
    alone = tokenizer.encode([b"before"])
    np.testing.assert_array_equal(found.input_ids[0, :8], alone.input_ids[0])


def test_a_limit_counts_characters_not_bytes(tokenizer: QueryTokenizer) -> None:
    assert tokenizer.encode(["字".encode() * 100]).errors == ("",)


@given(st.lists(st.text(max_size=120), min_size=1, max_size=6))
def test_any_text_is_tokenized_or_refused(tokenizer: QueryTokenizer, texts: list[str]) -> None:
    queries = [text.encode("utf-8", "surrogatepass") for text in texts]
    found = tokenizer.encode(queries)
    for query, length, error in zip(queries, found.lengths, found.errors, strict=True):
        assert (length == 0) == bool(error)
        if not error:
            expected = tokenizer.encode_texts([query.decode()])[0]
            assert length == len(expected)


def test_the_query_prefix_stands_before_queries_alone(folder: Path, tmp_path: Path) -> None:
    byte_tokenizer().save(str(tmp_path / TOKENIZER_FILE))
    TokenizerSettings((8, 40), 40, 100, "q: ", 1).write(tmp_path)
    prefixed = QueryTokenizer.load(tmp_path)
    assert prefixed.encode([b"a"]).lengths.tolist() == [6]
    assert len(prefixed.encode_texts(["a"])[0]) == 3


@pytest.mark.parametrize("prefix", ["", "query: "])
def test_a_query_that_leaves_no_token_of_its_own_is_refused(prefix: str, tmp_path: Path) -> None:
    word_tokenizer().save(str(tmp_path / TOKENIZER_FILE))
    TokenizerSettings((8, 40), 40, 100, prefix, 0).write(tmp_path)
    tokenizer = QueryTokenizer.load(tmp_path)
    found = tokenizer.encode([b"a", b"\x01\x02", b"query"])
    assert [bool(length) for length in found.lengths] == [True, False, True]
    assert found.errors[1] == "QUERY holds control characters only: give 1 to 100 characters of text"


@pytest.mark.parametrize("missing", [TOKENIZER_FILE, SETTINGS_FILE])
def test_a_missing_file_is_named(missing: str, tmp_path: Path) -> None:
    byte_tokenizer().save(str(tmp_path / TOKENIZER_FILE))
    SETTINGS.write(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(TokenizerFilesError, match=rf"{missing}.*build the repository again"):
        QueryTokenizer.load(tmp_path)


def test_buckets_end_with_the_longest_query() -> None:
    assert buckets_up_to(256) == (8, 16, 32, 64, 128, 256)
    assert buckets_up_to(384) == (8, 16, 32, 64, 128, 256, 384)
    assert buckets_up_to(5) == (5,)


def word_tokenizer() -> Tokenizer:
    """A tokenizer as BERT's, which drops control characters."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", ":", "a"]
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer
