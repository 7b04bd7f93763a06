"""Each fault that a repository can have is planted in a small one, and lint must name it."""

import json
from pathlib import Path
from typing import Any

import pytest
from export.repository.planting import Change, findings_about, input_of, plant, step_of
from triton_rag_export.errors import RepositoryError
from triton_rag_export.repository import lint


def test_a_fresh_repository_has_no_faults(repository: Path) -> None:
    assert lint(repository) == ()


def test_python_caches_of_a_served_repository_are_no_fault(repository: Path) -> None:
    cache = repository / "generator" / "1" / "__pycache__"
    cache.mkdir(exist_ok=True)  # there when another test ran this code
    (cache / "model.cpython-311.pyc").write_bytes(b"compiled")
    assert lint(repository) == ()


@pytest.mark.parametrize(
    "file",
    [
        "query_encoder/1/encoder.onnx",
        "generator/1/model.py",
        "rag/config.pbtxt",
        "passage_search/1/index.json",
    ],
)
def test_a_missing_file_is_named(repository: Path, file: str) -> None:
    (repository / file).unlink()
    assert "is missing" in findings_about(repository, file)


def test_a_changed_file_is_named_with_both_hashes(repository: Path) -> None:
    path = repository / "prompt_builder/1/prompt.json"
    path.chmod(0o644)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    (finding,) = lint(repository)
    assert str(finding.file) == "prompt_builder/1/prompt.json"
    assert "SHA-256" in finding.problem
    assert "the manifest says" in finding.problem


def test_a_file_of_another_size_is_named_with_both_sizes(repository: Path) -> None:
    path = repository / "prompt_builder/1/prompt.json"
    path.chmod(0o644)
    path.write_text("{}")
    assert any("2 bytes" in finding.problem for finding in lint(repository))


def test_a_file_unknown_to_the_manifest_is_named(repository: Path) -> None:
    (repository / "rag/1/model.py").write_text("")
    assert findings_about(repository, "rag/1/model.py") == ["is not in the manifest"]


def test_a_missing_manifest_is_named_and_the_rest_still_checked(repository: Path) -> None:
    (repository / "manifest.json").unlink()
    problems = plant(repository, "embed", lambda config: config.input[0].ClearField("dims"))
    assert findings_about(repository, "manifest.json")
    assert problems


def test_a_config_that_cannot_be_read_is_named_with_its_line(repository: Path) -> None:
    (repository / "embed/config.pbtxt").write_text('name: "embed"\nmax_batch: 8\n')
    (problem,) = findings_about(repository, "embed/config.pbtxt")
    assert ":2:" in problem


@pytest.mark.parametrize(
    ("ensemble", "step", "kind", "said"),
    [
        ("embed", "query_encoder", "input_map", "input_map of step 'query_encoder' names 'INPUT_IDZ'"),
        ("embed", "query_encoder", "output_map", "output_map of step 'query_encoder' names 'INPUT_IDZ'"),
    ],
)
def test_a_map_to_a_tensor_that_the_step_lacks_is_named(
    repository: Path, ensemble: str, step: str, kind: str, said: str
) -> None:
    def change(config: Any) -> None:
        getattr(step_of(config, step), kind)["INPUT_IDZ"] = "length"

    assert any(said in problem for problem in plant(repository, ensemble, change))


def test_a_map_to_a_tensor_that_nothing_makes_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        step_of(config, "query_encoder").input_map["LENGTH"] = "lenght"

    problems = plant(repository, "embed", change)
    assert any("wants tensor 'lenght' for 'LENGTH', but nothing makes it" in problem for problem in problems)


def test_an_input_that_is_not_mapped_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        del step_of(config, "query_encoder").input_map["LENGTH"]

    assert any(
        "'LENGTH' of step 'query_encoder' is not mapped" in p for p in plant(repository, "embed", change)
    )


def test_a_tensor_made_twice_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        step_of(config, "query_tokenizer").output_map["LENGTH"] = "input_ids"

    assert any("'input_ids' is made by" in problem for problem in plant(repository, "embed", change))


def test_an_output_that_no_step_makes_is_named(repository: Path) -> None:
    problems = plant(
        repository, "embed", lambda config: config.output.add(name="TOKENS", data_type=8, dims=[1])
    )
    assert any("the output of embed wants tensor 'TOKENS'" in problem for problem in problems)


def test_a_step_that_is_not_there_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        step_of(config, "query_encoder").model_name = "encoder"

    assert "step 'encoder' is not in the repository" in plant(repository, "embed", change)


def test_another_data_type_is_named_on_both_sides(repository: Path) -> None:
    def change(config: Any) -> None:
        input_of(config, "QUERY").data_type = 8

    problems = plant(repository, "embed", change)
    assert any("gives TYPE_INT32" in problem and "wants TYPE_STRING" in problem for problem in problems)


def test_another_shape_is_named_on_both_sides(repository: Path) -> None:
    def change(config: Any) -> None:
        config.output[0].dims[0] = 7

    problems = plant(repository, "embed", change)
    assert any("gives [-1, 30]" in problem and "wants [-1, 7]" in problem for problem in problems)


def test_a_step_without_the_batch_dimension_is_named(repository: Path) -> None:
    plant(repository, "query_encoder", lambda config: setattr(config, "max_batch_size", 0))
    problems = findings_about(repository, "embed/config.pbtxt")
    assert any("'input_ids'" in problem and "batch dimension" in problem for problem in problems)


def test_an_ensemble_that_takes_larger_batches_than_a_step_is_named(repository: Path) -> None:
    problems = plant(repository, "embed", lambda config: setattr(config, "max_batch_size", 99))
    assert any("max_batch_size 99 is more than step 'query_tokenizer' takes (16)" in p for p in problems)


def test_an_optional_tensor_that_a_step_needs_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        input_of(config, "QUERY").optional = True

    assert any("'QUERY' is optional, but" in problem for problem in plant(repository, "embed", change))


def test_an_ensemble_that_carries_warmup_is_named(repository: Path) -> None:
    problems = plant(repository, "embed", lambda config: config.model_warmup.add(name="x"))
    assert "an ensemble may not carry model_warmup" in problems


def test_an_index_of_another_encoder_is_named_with_the_field(repository: Path) -> None:
    path = repository / "passage_search/1/index.json"
    settings = json.loads(path.read_text())
    settings["encoder"]["pooling"] = "cls"
    path.chmod(0o644)
    path.write_text(json.dumps(settings))
    (problem,) = findings_about(repository, "passage_search/1/index.json")
    assert "pooling (index: 'cls', encoder: 'mean')" in problem


def test_a_response_cache_on_a_stream_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        config.response_cache.enable = True

    for model in ("generator", "rag_stream"):
        assert any("response_cache is on" in problem for problem in plant(repository, model, change))


def test_a_stream_mixed_with_what_comes_once_is_named(repository: Path) -> None:
    def change(config: Any) -> None:
        del step_of(config, "generator").output_map["PASSAGE_ID"]
        step_of(config, "passage_search").output_map["PASSAGE_ID"] = "PASSAGE_ID"
        step_of(config, "prompt_builder").input_map["PASSAGE_ID"] = "PASSAGE_ID"
        step_of(config, "generator").input_map["PASSAGE_ID"] = "PASSAGE_ID"

    problems = plant(repository, "rag_stream", change)
    assert any("the output takes tensors of no stream and the stream of 'generator'" in p for p in problems)


def test_a_step_without_dynamic_batching_is_named(repository: Path) -> None:
    problems = plant(repository, "query_encoder", lambda config: config.ClearField("dynamic_batching"))
    assert any("dynamic_batching" in problem for problem in problems)


def test_a_model_without_a_version_is_named(repository: Path) -> None:
    (repository / "embed" / "1").rename(repository / "embed" / "one")
    assert "has no version folder" in findings_about(repository, "embed")


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="holds no models"):
        lint(tmp_path)
    with pytest.raises(RepositoryError, match="is not a folder"):
        lint(tmp_path / "nothing")


def test_ensembles_that_contain_each_other_are_named(repository: Path) -> None:
    def becomes(step: str, ensemble: str) -> Change:
        return lambda config: setattr(step_of(config, step), "model_name", ensemble)

    assert plant(repository, "embed", becomes("query_encoder", "retrieve"))
    assert plant(repository, "retrieve", becomes("query_encoder", "embed"))
