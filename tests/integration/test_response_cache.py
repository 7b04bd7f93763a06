"""Triton's response cache before `rag`: options are part of what a reply is kept by.

A drawn answer without SEED is another one each time, so that two equal ones are one reply of the cache.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from triton_rag_client import RagClient
from triton_rag_export.repository import read_config, write_config
from triton_rag_server import TritonServer, find_tritonserver

pytestmark = pytest.mark.integration

QUESTION = "How do I join two path components?"
DRAWN = {"max_tokens": 24, "temperature": 2.0}


@pytest.fixture(scope="module")
def cached(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RagClient]:
    own = Path(shutil.copytree(repository, tmp_path_factory.mktemp("cached") / "repository"))
    config = read_config(own / "rag" / "config.pbtxt")
    config.response_cache.enable = True
    write_config(config, own / "rag" / "config.pbtxt")
    arguments = [f"--cache-directory={find_tritonserver().caches}", "--cache-config=local,size=16777216"]
    with TritonServer(own, extra_arguments=arguments) as server, RagClient(server.grpc_url) as client:
        yield client


def test_a_reply_with_log_probabilities_is_not_served_from_one_without(cached: RagClient) -> None:
    plain = cached.ask(QUESTION, **DRAWN)
    assert cached.ask(QUESTION, **DRAWN) == plain
    asked = cached.ask(QUESTION, **DRAWN, logprobs=True)
    assert asked.text != plain.text
    assert len(asked.logprobs) == asked.answer_tokens
    assert cached.ask(QUESTION, **DRAWN, logprobs=True) == asked


def test_options_of_equal_bytes_do_not_share_a_reply(cached: RagClient) -> None:
    answers = [cached.ask(QUESTION, **DRAWN, **{name: 9}) for name in ("passages_k", "min_tokens", "top_k")]
    answers.append(cached.ask(QUESTION, **DRAWN, stop_tokens=[9]))
    assert len({answer.text for answer in answers}) == len(answers)
