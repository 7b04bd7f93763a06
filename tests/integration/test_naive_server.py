"""The naive server that we are compared with gives the same kind of answer: same passages, same prompt."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import time
from pathlib import Path

import pytest
import torch
import uvicorn
from passage_search import PassageStore
from prompting import PromptBuilder, PromptPassage
from triton_rag_client import RagClient
from triton_rag_client.load.json_client import JsonClient
from triton_rag_export.build import build
from triton_rag_export.evaluate.pipeline import version_folder
from triton_rag_export.recipe import load_recipe
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = ("How long can I return goods?", "  Which of these is about shipping?\n")


@pytest.fixture(scope="module")
def naive_server():
    spec = importlib.util.spec_from_file_location("naive_server", ROOT / "benchmarks" / "naive_server.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A repository over the few passages of the example."""
    out = tmp_path_factory.mktemp("naive") / "example"
    build(load_recipe(ROOT / "recipes" / "jsonl-corpus.toml"), out)
    return out


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(scope="module")
def rag(naive_server, example, vectors):
    return naive_server.load(example, vectors)


def test_the_next_start_finds_the_vectors_of_the_passages(naive_server, rag, example, vectors):
    assert len(list(vectors.iterdir())) == 1
    assert torch.equal(naive_server.load(example, vectors).vectors, rag.vectors)
    assert torch.allclose(rag.vectors.norm(dim=1), torch.ones(len(rag.vectors)))


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_prompt_is_the_repositorys_to_the_token(rag, example, question):
    store = PassageStore.load(version_folder(example, "passage_search"))
    passages = [store[row] for row in range(3)]
    builder = PromptBuilder.load(version_folder(example, "prompt_builder"))
    built = builder.build(question, [PromptPassage(found.title, found.text) for found in passages], 32)
    assert built.passages_used == 3
    assert rag.token_ids(rag.chat(question, passages))["input_ids"][0].tolist() == built.ids.tolist()


def test_both_servers_find_the_same_passages_and_read_as_many_tokens(naive_server, rag, example):
    question = QUESTIONS[0]
    server = uvicorn.Server(uvicorn.Config(naive_server.application(rag), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        delta = asyncio.run(naive_answer(f"http://127.0.0.1:{port}", question))
    finally:
        server.should_exit = True
        thread.join()
    with TritonServer(example) as triton, RagClient(triton.grpc_url) as client:
        answer = client.ask(question, max_tokens=8, retriever="dense")
    assert [found.id for found in delta.passages] == [found.id for found in answer.passages]
    for ours, naive in zip(answer.passages, delta.passages, strict=True):
        assert (naive.title, naive.text, naive.source) == (ours.title, ours.text, ours.source)
        assert naive.score == pytest.approx(ours.score, abs=0.05)  # INT8 and FP32
    assert delta.prompt_tokens == answer.prompt_tokens
    assert 1 <= delta.answer_tokens <= 8
    assert delta.text


async def naive_answer(url: str, question: str):
    async with JsonClient(url, timeout_s=120) as client:
        assert await client.ready()
        (delta,) = [delta async for delta in client.stream(question, max_tokens=8)]
        return delta
