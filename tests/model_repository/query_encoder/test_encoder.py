"""The served encoder: what it takes, what it refuses, and that neighbours and threads change no bit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from query_encoding import EncoderFilesError, PaddedRows, QueryEncoder, TokenIdsError
from query_encoding.settings import ENCODER_FILE, GRAPH_FILE


@pytest.fixture(scope="module")
def encoder(encoder_folder: Path) -> QueryEncoder:
    return QueryEncoder.load(encoder_folder, threads=2)


def test_a_row_of_length_zero_is_nan_and_its_neighbours_are_not(encoder: QueryEncoder) -> None:
    rows = np.full((3, 8), 9, dtype=np.int32)
    vectors = encoder.encode(rows, np.array([4, 0, 8], dtype=np.int32))
    assert vectors.shape == (3, encoder.dim)
    assert np.isnan(vectors[1]).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 2]], axis=1), 1, rtol=1e-6)


def test_rows_refused_altogether_are_all_nan(encoder: QueryEncoder) -> None:
    vectors = encoder.encode(np.zeros((2, 8), dtype=np.int32), np.zeros(2, dtype=np.int32))
    assert np.isnan(vectors).all()


def test_a_refused_request_leaves_the_others_unhurt(encoder: QueryEncoder) -> None:
    first = PaddedRows(np.full((2, 8), 9, dtype=np.int32), np.array([0, 5], dtype=np.int32))
    wrong = PaddedRows(np.full((1, 8), 9, dtype=np.int32), np.array([9], dtype=np.int32))
    last = PaddedRows(np.full((1, 16), 7, dtype=np.int32), np.array([12], dtype=np.int32))
    vectors, error, others = encoder.encode_requests([first, wrong, last])
    np.testing.assert_array_equal(vectors, encoder.encode(first.input_ids, first.lengths))
    np.testing.assert_array_equal(others, encoder.encode(last.input_ids, last.lengths))
    assert str(error) == "LENGTH holds 9: allowed are 0 to 8"
    assert encoder.encode_requests([]) == []


def test_no_texts_give_no_vectors(encoder: QueryEncoder) -> None:
    assert encoder.encode_ragged([]).shape == (0, encoder.dim)


def test_what_is_behind_a_length_is_not_read(encoder: QueryEncoder) -> None:
    rows = np.full((1, 16), 12, dtype=np.int32)
    other = rows.copy()
    other[0, 5:] = -1
    lengths = np.array([5], dtype=np.int32)
    np.testing.assert_array_equal(encoder.encode(rows, lengths), encoder.encode(other, lengths))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_bit(threads: int, encoder: QueryEncoder, encoder_folder: Path) -> None:
    generator = np.random.default_rng(5)
    lengths = generator.integers(1, 41, 60)
    rows = [generator.integers(4, 200, length).astype(np.int32) for length in lengths]
    alone = np.concatenate([encoder.encode_ragged([row]) for row in rows])
    other = QueryEncoder.load(encoder_folder, threads=threads)
    np.testing.assert_array_equal(other.encode_ragged(rows), alone)


def test_progress_counts_every_text_once(encoder: QueryEncoder) -> None:
    finished: list[int] = []
    encoder.encode_ragged([np.full(30, 5, dtype=np.int32)] * 50, progress=finished.append)
    assert sum(finished) == 50
    assert len(finished) > 1


@pytest.mark.parametrize(
    ("token", "length", "message"),
    [
        (9, 9, r"LENGTH holds 9: allowed are 0 to 8"),
        (9, -1, r"LENGTH holds -1: allowed are 0 to 8"),
        (10_000, 4, r"INPUT_IDS holds 10000: allowed are 0 to 259"),
        (-3, 4, r"INPUT_IDS holds -3: allowed are 0 to 259"),
    ],
)
def test_values_out_of_range_are_refused_by_name(
    token: int, length: int, message: str, encoder: QueryEncoder
) -> None:
    rows = np.full((1, 8), token, dtype=np.int32)
    with pytest.raises(TokenIdsError, match=message):
        encoder.encode(rows, np.array([length], dtype=np.int32))


def test_texts_longer_than_the_encoder_allows_are_refused(encoder: QueryEncoder) -> None:
    rows = np.full((1, 64), 9, dtype=np.int32)
    with pytest.raises(TokenIdsError, match=r"LENGTH holds 41: allowed are 0 to 40"):
        encoder.encode(rows, np.array([41], dtype=np.int32))


def test_shapes_that_do_not_fit_are_refused(encoder: QueryEncoder) -> None:
    with pytest.raises(TokenIdsError, match="do not fit"):
        encoder.encode(np.zeros((2, 8), dtype=np.int32), np.zeros(3, dtype=np.int32))


def test_an_empty_text_in_bulk_is_refused(encoder: QueryEncoder) -> None:
    with pytest.raises(TokenIdsError, match="text 1 has no tokens: give 1 to 40"):
        encoder.encode_ragged([np.ones(3, dtype=np.int32), np.ones(0, dtype=np.int32)])


@pytest.mark.parametrize("missing", [GRAPH_FILE, ENCODER_FILE])
def test_a_missing_file_is_named(missing: str, encoder_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(encoder_folder, tmp_path / "copy")
    (tmp_path / "copy" / missing).unlink()
    with pytest.raises(EncoderFilesError, match=rf"{missing}.*build the repository again"):
        QueryEncoder.load(tmp_path / "copy")


def test_settings_with_an_unknown_key_are_refused(encoder_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(encoder_folder, tmp_path / "copy")
    path = tmp_path / "copy" / ENCODER_FILE
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "color": 1}), encoding="utf-8"
    )
    with pytest.raises(EncoderFilesError, match="color"):
        QueryEncoder.load(tmp_path / "copy")


def test_the_fingerprint_is_a_copy(encoder: QueryEncoder) -> None:
    encoder.fingerprint["precision"] = "changed"
    assert encoder.fingerprint["precision"] == "fp32"
