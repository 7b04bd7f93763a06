"""What the generator does stands on Triton's own metrics endpoint."""

import re
import threading

import httpx2
import pytest
from triton_rag_client import RagClient
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

TRIES, PAUSE_S = 40, 0.5


def read_metrics(server: TritonServer) -> dict[str, float]:
    lines = httpx2.get(server.metrics_url).text.splitlines()
    named = (line.rsplit(" ", 1) for line in lines if line.startswith("triton_rag_generator_"))
    return {name.partition("{")[0]: float(value) for name, value in named}


def test_an_answer_shows_in_the_metrics(rag_server: TritonServer, client: RagClient) -> None:
    before = read_metrics(rag_server)
    answer = client.ask("What is a lambda?", max_tokens=12)
    wanted = before["triton_rag_generator_answer_tokens_total"] + answer.answer_tokens
    for _ in range(TRIES):  # they are published once a second
        after = read_metrics(rag_server)
        if after["triton_rag_generator_answer_tokens_total"] >= wanted:
            break
        threading.Event().wait(PAUSE_S)
    assert after["triton_rag_generator_answer_tokens_total"] >= wanted
    assert after["triton_rag_generator_first_token_seconds_total"] > 0
    assert after["triton_rag_generator_slots"] == 8
    assert after["triton_rag_generator_cache_bytes"] > 0


def test_the_log_says_once_what_the_generator_takes_of_memory(rag_server: TritonServer) -> None:
    figures = r"weights [\d,.]+ MB, caches [\d,.]+ MB, activations at most [\d,.]+ MB, together [\d,.]+ MB"
    assert len(re.findall(f"generator: {figures}", rag_server.read_log())) == 1
