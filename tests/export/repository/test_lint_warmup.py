"""Faults of warm-up, planted in a small repository: lint must name each."""

from pathlib import Path
from typing import Any

from export.repository.planting import findings_about, plant


def test_a_step_that_is_not_warmed_is_named(repository: Path) -> None:
    problems = plant(repository, "passage_search", lambda config: config.ClearField("model_warmup"))
    assert "is not warmed: it has no model_warmup" in problems


def test_a_bucket_that_is_not_warmed_is_named(repository: Path) -> None:
    problems = plant(repository, "query_encoder", lambda config: config.model_warmup.pop())
    assert problems == ["is not warmed for buckets 180"]


def test_a_warmup_file_that_is_missing_is_named(repository: Path) -> None:
    (repository / "query_tokenizer/warmup/bucket_8.QUERY").unlink()
    problems = findings_about(repository, "query_tokenizer/warmup/bucket_8.QUERY")
    assert "is missing: a warm-up sample needs it" in problems


def test_a_warmup_file_in_another_form_is_named(repository: Path) -> None:
    (repository / "query_tokenizer/warmup/bucket_8.QUERY").write_text("just text")
    problems = findings_about(repository, "query_tokenizer/warmup/bucket_8.QUERY")
    assert "holds no serialized strings, the sample wants 1" in problems


def test_a_warmup_sample_of_another_shape_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        config.model_warmup[0].inputs["EMBEDDING"].dims[0] = 3

    (problem,) = plant(repository, "passage_search", change)
    assert "sends 'EMBEDDING' as TYPE_FP32 [3], but the model takes TYPE_FP32 [30]" in problem


def test_the_model_that_only_forwards_needs_no_warmup_but_its_target(repository: Path) -> None:
    def change(config: Any) -> None:
        config.parameters["forwards_to"].string_value = "generatorr"

    assert "forwards to 'generatorr', which is not in the repository" in plant(repository, "answer", change)


def test_a_model_that_forwards_to_one_that_is_not_warmed_is_named_too(repository: Path) -> None:
    plant(repository, "generator", lambda config: config.ClearField("model_warmup"))
    for model in ("generator", "answer"):
        assert "is not warmed: it has no model_warmup" in findings_about(repository, f"{model}/config.pbtxt")


def test_a_warmup_sample_that_sends_nothing_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        config.model_warmup[0].batch_size = 0

    (problem,) = plant(repository, "query_encoder", change)
    assert "has batch_size 0: nothing is sent" in problem


def test_a_retriever_that_is_not_warmed_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        (bm25,) = (sample for sample in config.model_warmup if sample.name == "bm25")
        config.model_warmup.remove(bm25)

    assert plant(repository, "passage_search", change) == ["is not warmed for bm25"]


def test_a_tokenizer_that_names_no_buckets_is_named(repository: Path) -> None:
    path = repository / "query_tokenizer/1/query_tokenizer.json"
    path.chmod(0o644)
    path.write_text("{}")
    problems = findings_about(repository, "query_tokenizer/1/query_tokenizer.json")
    assert any(problem.startswith("names no buckets") for problem in problems)
