"""Retrieval on the hand-written questions about Python, over the default repository as it is served."""

from pathlib import Path

import pytest
from passage_search import PassageStore
from python_questions import answering_passages, read_python_questions, recall_at
from triton_rag_client import RagClient
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

RETRIEVERS = ("dense", "bm25", "hybrid")


@pytest.fixture(scope="module")
def recall_at_5(rag_server: TritonServer, repository: Path) -> dict[str, float]:
    """Recall@5 by retriever."""
    questions = read_python_questions()
    store = PassageStore.load(repository / "passage_search" / "1")
    passages = (store[row] for row in range(len(store)))
    answers = answering_passages(questions, {passage.id: passage.text for passage in passages})
    asked = [question.question for question in questions]
    recall = {}
    with RagClient(rag_server.grpc_url) as client:
        for retriever in RETRIEVERS:
            found = client.retrieve(asked, retriever=retriever, passages_k=5)
            ids = {query: [passage.id for passage in hits] for query, hits in zip(asked, found, strict=True)}
            recall[retriever] = recall_at(5, ids, answers)
    return recall


def test_hybrid_finds_at_least_what_the_better_of_its_two_finds(
    recall_at_5: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        values = ", ".join(f"{retriever} {recall_at_5[retriever]:.3f}" for retriever in RETRIEVERS)
        print(f"\nrecall@5 on {len(read_python_questions())} questions about Python: {values}")
    assert recall_at_5["hybrid"] >= max(recall_at_5["dense"], recall_at_5["bm25"])
