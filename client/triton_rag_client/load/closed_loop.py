"""Our own load generator, closed loop: each of n workers asks, waits for the whole answer, asks again."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

from triton_rag_client.client import RagClient
from triton_rag_client.errors import RagError
from triton_rag_client.load.records import RequestRecord

__all__ = ["run_closed_loop"]


def run_closed_loop(
    url: str,
    questions: Sequence[str],
    *,
    concurrency: int,
    max_tokens: int,
    seconds: float = 0.0,
) -> list[RequestRecord]:
    """Stream answers for a while.

    Args:
        url: Address of the server, as for `RagClient`.
        questions: Asked in this order, and again from the first when they are used up.
        concurrency: How many requests run at any time.
        max_tokens: Longest answer, in tokens.
        seconds: For how long new requests are sent; each worker sends at least one, and all are waited for.
    """
    questions_left = _Shared(cycle(questions))
    stopped = threading.Event()
    with RagClient(url) as client, ThreadPoolExecutor(concurrency) as workers:
        deadline_s = time.monotonic() + seconds

        def work() -> list[RequestRecord]:
            records = [_ask(client, questions_left.take(), max_tokens, stopped)]
            while time.monotonic() < deadline_s and not stopped.is_set():
                records.append(_ask(client, questions_left.take(), max_tokens, stopped))
            return records

        try:
            results = [workers.submit(work) for _ in range(concurrency)]
            return [record for result in results for record in result.result()]
        finally:
            stopped.set()


class _Shared:
    """An iterator that threads take from in turn."""

    def __init__(self, values: Iterator[str]) -> None:
        self._values = values
        self._lock = threading.Lock()

    def take(self) -> str:
        with self._lock:
            return next(self._values)


def _ask(client: RagClient, question: str, max_tokens: int, stopped: threading.Event) -> RequestRecord:
    start_s = time.monotonic()
    first_text_s = None
    responses = 0
    error = None
    try:
        for delta in client.stream(question, max_tokens=max_tokens):
            if delta.text:
                first_text_s = first_text_s or time.monotonic()
                responses += 1
            if stopped.is_set():
                error = "stopped"
                break
    except RagError as failure:
        error = type(failure).__name__
    return RequestRecord(start_s, first_text_s, time.monotonic(), responses, error)
