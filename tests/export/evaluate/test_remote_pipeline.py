"""A served repository gets the same figures as one in this process."""

import json
from pathlib import Path

import pytest
from export.conftest import SmallBuild
from export.evaluate.test_evaluate import QUESTIONS, Counter, questions_file
from export.small_build import small_recipe, write_corpus
from triton_rag_client import RagClient
from triton_rag_export.build import build
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


@pytest.mark.integration
def test_a_server_of_small_batches_and_another_index(
    small_build: SmallBuild, repository: Path, tmp_path: Path
) -> None:
    for config in repository.glob("*/config.pbtxt"):
        config.write_text(config.read_text().replace("max_batch_size: 16", "max_batch_size: 3"))
    other = tmp_path / "other"
    other.mkdir()
    write_corpus(other, {"other": ("Other", "Sorting an orange by its juice.")})
    for name in ("encoder", "generator"):
        (other / name).symlink_to(small_build.workshop / name)
    build(small_recipe(other, generator=False), other / "repository", cache=small_build.cache)
    path = questions_file(tmp_path, *QUESTIONS)
    elsewhere = questions_file(other, {"question": "What is sorted?", "passage_id": "other"})
    queries = [f"question {number}" for number in range(7)]
    restricted = ("--grpc-restricted-protocol=model-config:key=x", "--http-restricted-api=model-config:key=x")
    with TritonServer(repository) as server:
        there = evaluate(repository, path, Counter(), url=server.grpc_url)
        with pytest.raises(EvaluationError, match=r"'.*', which this repository's index does not have"):
            evaluate(other / "repository", elsewhere, Counter(), url=server.grpc_url)
        for url in (server.grpc_url, server.http_url):
            with RagClient(url) as client:
                assert client.embed(queries).shape[0] == len(client.retrieve(queries)) == 7
    with TritonServer(small_build.report.repository, extra_arguments=restricted) as server:
        assert evaluate(repository, path, Counter(), url=server.grpc_url).retrieval == there.retrieval
        for url in (server.grpc_url, server.http_url):
            with RagClient(url) as client:
                assert client.embed(queries).shape[0] == 7
    assert there.retrieval == evaluate(repository, path, Counter()).retrieval


def test_an_http_address_is_refused_with_what_to_give(small_build: SmallBuild, tmp_path: Path) -> None:
    path = questions_file(tmp_path, *QUESTIONS)
    with pytest.raises(EvaluationError, match="give the gRPC one"):
        evaluate(small_build.report.repository, path, Counter(), url="http://localhost:8000")


def test_a_server_that_is_not_there_is_named(small_build: SmallBuild, tmp_path: Path) -> None:
    path = questions_file(tmp_path, *QUESTIONS)
    with pytest.raises(EvaluationError, match=r"127\.0\.0\.1:9 did not answer"):
        evaluate(small_build.report.repository, path, Counter(), url="grpc://127.0.0.1:9")
