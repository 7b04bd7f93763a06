"""A served repository gets the same figures as one in this process."""

import json
from pathlib import Path

import pytest
from export.conftest import SmallBuild
from export.evaluate.test_evaluate import QUESTIONS, Counter, questions_file
from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate import evaluate
from triton_rag_server import TritonServer


@pytest.mark.integration
def test_a_server_gets_the_figures_of_this_process(small_build: SmallBuild, tmp_path: Path) -> None:
    repository, path = small_build.report.repository, questions_file(tmp_path, *QUESTIONS)
    here = evaluate(repository, path, Counter(), with_answers=True)
    with TritonServer(repository) as server:
        there = evaluate(repository, path, Counter(), with_answers=True, url=server.grpc_url)
        refused = questions_file(tmp_path, {"question": "x" * 9000, "passage_id": "sorting"})
        with pytest.raises(EvaluationError, match="QUERY"):
            evaluate(repository, refused, Counter(), url=server.grpc_url)
    assert json.dumps(there.retrieval) == json.dumps(here.retrieval)
    assert there.answers == here.answers


def test_an_http_address_is_refused_with_what_to_give(small_build: SmallBuild, tmp_path: Path) -> None:
    path = questions_file(tmp_path, *QUESTIONS)
    with pytest.raises(EvaluationError, match="give the gRPC one"):
        evaluate(small_build.report.repository, path, Counter(), url="http://localhost:8000")


def test_a_server_that_is_not_there_is_named(small_build: SmallBuild, tmp_path: Path) -> None:
    path = questions_file(tmp_path, *QUESTIONS)
    with pytest.raises(EvaluationError, match=r"127\.0\.0\.1:9 did not answer"):
        evaluate(small_build.report.repository, path, Counter(), url="grpc://127.0.0.1:9")
