"""Retrieval on the hand-written questions about Python, over the default repository as it is served."""

from pathlib import Path

import pytest
from passage_search import PassageStore
from python_questions import PythonQuestion, answering_passages, read_python_questions, recall_at
from triton_rag_client import RagClient
from triton_rag_export.evaluate.pipeline import version_folder
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

RETRIEVERS = ("dense", "bm25", "hybrid")

Found = dict[str, dict[str, list[str]]]


@pytest.fixture(scope="module")
def found(rag_server: TritonServer) -> Found:
    """Ids of the five best passages, by retriever and question."""
    asked = [question.question for question in read_python_questions()]
    with RagClient(rag_server.grpc_url) as client:
        return {
            retriever: {
                question: [passage.id for passage in passages]
                for question, passages in zip(
                    asked, client.retrieve(asked, retriever=retriever, passages_k=5), strict=True
                )
            }
            for retriever in RETRIEVERS
        }


@pytest.fixture(scope="module")
def passages(repository: Path) -> dict[str, str]:
    """The text of every passage by its id."""
    store = PassageStore.load(version_folder(repository, "passage_search"))
    return {passage.id: passage.text for passage in (store[row] for row in range(len(store)))}


@pytest.mark.parametrize(
    ("half", "first", "step"),
    [("all", 0, 1), ("those that nothing was tuned on", 1, 2)],
)
def test_hybrid_finds_at_least_what_the_better_of_its_two_finds(
    found: Found,
    passages: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    half: str,
    first: int,
    step: int,
) -> None:
    questions = read_python_questions()[first::step]
    recall = {retriever: recall_at_5(questions, found[retriever], passages) for retriever in RETRIEVERS}
    with capsys.disabled():
        values = ", ".join(f"{retriever} {recall[retriever]:.3f}" for retriever in RETRIEVERS)
        print(f"\nrecall@5 on {len(questions)} questions about Python ({half}): {values}")
    assert recall["hybrid"] >= max(recall["dense"], recall["bm25"])


def recall_at_5(
    questions: list[PythonQuestion], ids: dict[str, list[str]], passages: dict[str, str]
) -> float:
    answers = answering_passages(questions, passages)
    return recall_at(5, {question.question: ids[question.question] for question in questions}, answers)
