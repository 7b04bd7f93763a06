"""The graph on one thread or on many: loaded again only when it is needed, and then once."""

import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from query_encoding import QueryEncoder


@pytest.fixture
def loading_threads(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The thread of each load, in order."""
    threads: list[threading.Thread] = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, *arguments: object, **options: object) -> None:
            threads.append(threading.current_thread())
            super().__init__(*arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    return threads


def test_the_graph_for_many_calls_is_loaded_before_the_threads_that_share_it(
    encoder_folder: Path, loading_threads: list[threading.Thread]
) -> None:
    encoder = QueryEncoder.load(encoder_folder, threads=4)
    texts = [np.full(30, 5, dtype=np.int32)] * 50
    for _ in range(2):
        encoder.encode_ragged(texts)
    assert loading_threads == [threading.current_thread()] * 2


def test_single_calls_load_the_graph_once(
    encoder_folder: Path, loading_threads: list[threading.Thread]
) -> None:
    encoder = QueryEncoder.load(encoder_folder, threads=4)
    encoder.encode_ragged([])
    encoder.encode_ragged([np.full(30, 5, dtype=np.int32)])
    assert len(loading_threads) == 1
