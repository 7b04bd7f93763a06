"""The build, over tiny real models and a small corpus."""

import json
from pathlib import Path
from typing import Any

import pytest
from export.conftest import SmallBuild
from export.small_build import DOCUMENTS, save_small_models, small_recipe, write_corpus
from tiny_encoders import TinyEncoder, save_tiny_encoder
from triton_rag_export.build import ArtifactCache, build
from triton_rag_export.errors import BuildError, EvaluationError, ExportError
from triton_rag_export.recipe import Recipe
from triton_rag_export.repository import lint, read_config, read_manifest
from triton_rag_export.served import model_repository_folder

ALL_MODELS = {path.parent.name for path in model_repository_folder().glob("*/config.pbtxt")}
RETRIEVAL_MODELS = {"embed", "passage_search", "query_encoder", "query_tokenizer", "retrieve"}
ALL_STEPS = {"passages", "encoder", "vectors", "index", "generator", "prompt"}


class Recorder:
    """Keeps what a build tells."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.notes: dict[str, str] = {}
        self.advances: list[tuple[str, int, int | None]] = []

    def started(self, step: str) -> None:
        self.begun.append(step)

    def advanced(self, step: str, done: int, total: int | None, note: str) -> None:
        self.advances.append((step, done, total))

    def finished(self, step: str, seconds: float, note: str) -> None:
        self.ended.append(step)
        self.notes[step] = note


def models_in(repository: Path) -> set[str]:
    return {path.name for path in repository.iterdir() if path.is_dir()}


def test_a_build_gives_every_model_and_no_fault(small_build: SmallBuild) -> None:
    repository = small_build.report.repository
    assert models_in(repository) == ALL_MODELS
    assert lint(repository) == ()
    assert small_build.report.reused == ()


def test_a_repeated_build_reuses_every_step_and_gives_the_same_files(
    small_build: SmallBuild, tmp_path: Path
) -> None:
    recipe = small_recipe(small_build.workshop)
    report = build(recipe, tmp_path / "again", cache=small_build.cache)
    assert set(report.reused) == ALL_STEPS
    assert report.manifest.files == small_build.report.manifest.files


def test_a_changed_default_of_retrieval_embeds_nothing_again(small_build: SmallBuild, tmp_path: Path) -> None:
    recipe = small_recipe(small_build.workshop)
    changed = recipe.model_copy(update={"retrieval": recipe.retrieval.model_copy(update={"passages_k": 2})})
    report = build(changed, tmp_path / "changed", cache=small_build.cache)
    assert set(report.reused) == ALL_STEPS - {"index"}


def test_without_a_generator_retrieval_alone_is_built(small_build: SmallBuild, tmp_path: Path) -> None:
    recipe = small_recipe(small_build.workshop, generator=False)
    report = build(recipe, tmp_path / "retrieval", cache=small_build.cache)
    assert models_in(report.repository) == RETRIEVAL_MODELS
    assert lint(report.repository) == ()
    assert set(report.manifest.models) == {"encoder"}


def test_int8_says_how_close_it_is_to_fp32(small_build: SmallBuild, tmp_path: Path) -> None:
    recipe = small_recipe(small_build.workshop, generator=False, precision="int8")
    report = build(recipe, tmp_path / "int8", cache=small_build.cache)
    assert report.manifest.quality["encoder"]["to_fp32"]["mean"] > 0.9
    assert report.manifest.graphs["encoder"]["precision"] == "int8"


def test_an_int4_generator_with_an_int8_cache_says_how_close_it_is(
    small_build: SmallBuild, tmp_path: Path
) -> None:
    recipe = small_recipe(small_build.workshop)
    assert recipe.generator is not None
    generator = recipe.generator.model_copy(update={"precision": "int4", "cache": "int8"})

    changed = recipe.model_copy(update={"generator": generator})
    manifest = build(changed, tmp_path / "int4", cache=small_build.cache).manifest

    assert manifest.models["generator"].precision == "int4"
    assert manifest.graphs["generator"]["cache"] == "int8"
    assert manifest.quality["generator"]["kl"] < 0.1
    assert (
        manifest.graphs["generator"]["size_bytes"]
        < small_build.report.manifest.graphs["generator"]["size_bytes"]
    )
    assert lint(tmp_path / "int4") == ()


def test_what_the_recipe_decides_stands_in_the_configs(small_build: SmallBuild) -> None:
    repository = small_build.report.repository
    config = read_config(repository / "passage_search" / "config.pbtxt")
    assert config.max_batch_size == 16
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 32
    assert [list(tensor.dims) for tensor in config.input if tensor.name == "EMBEDDING"] == [[30]]
    serving = json.loads((repository / "generator" / "1" / "serving.json").read_text())
    assert (serving["slots"], serving["max_tokens"], serving["context_tokens"]) == (2, 24, 512)
    assert serving["max_memory_mb"] == 4000


def test_every_step_begins_and_ends_and_embedding_tells_how_far_it_is(
    small_build: SmallBuild, tmp_path: Path
) -> None:
    recorder = Recorder()
    recipe = small_recipe(small_build.workshop, generator=False)
    build(recipe, tmp_path / "out", recorder, cache=ArtifactCache(tmp_path / "cache"))
    assert recorder.begun == recorder.ended
    done = [(done, total) for step, done, total in recorder.advances if step == "embed the passages"]
    assert done[-1][0] == done[-1][1]


def test_a_new_index_over_an_old_repository_is_a_new_version(small_build: SmallBuild, tmp_path: Path) -> None:
    save_small_models(tmp_path)
    write_corpus(tmp_path)
    cache = small_build.cache

    def version() -> set[str]:
        build(small_recipe(tmp_path, generator=False), tmp_path / "out", cache=cache)
        folders = (tmp_path / "out" / "passage_search").iterdir()
        return {path.name for path in folders if path.name.isdigit()}

    assert version() == {"1"}
    assert version() == {"1"}
    write_corpus(tmp_path, DOCUMENTS | {"tuples": ("Tuples", "A tuple cannot be changed.")})
    assert version() == {"2"}
    assert lint(tmp_path / "out") == ()


def test_a_build_that_fails_leaves_the_old_repository(small_build: SmallBuild, tmp_path: Path) -> None:
    save_small_models(tmp_path)
    write_corpus(tmp_path)
    recipe = small_recipe(tmp_path, generator=False)
    build(recipe, tmp_path / "out", cache=small_build.cache)
    before = read_manifest(tmp_path / "out")
    (tmp_path / "corpus.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(ExportError, match=r"corpus\.jsonl"):
        build(recipe, tmp_path / "out", cache=small_build.cache)
    assert read_manifest(tmp_path / "out") == before


def test_a_folder_that_is_not_ours_is_refused_before_any_work(
    small_build: SmallBuild, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    recorder = Recorder()
    with pytest.raises(BuildError, match="not a repository"):
        build(small_recipe(small_build.workshop), tmp_path, recorder, cache=small_build.cache)
    assert recorder.begun == []


def test_retrieval_quality_is_measured_on_judged_data(small_build: SmallBuild, tmp_path: Path) -> None:
    data = tmp_path / "data" / "small"
    data.mkdir(parents=True)
    rows = [{"id": key, "title": title, "text": text} for key, (title, text) in DOCUMENTS.items()]
    (data / "passages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (data / "questions.dev.jsonl").write_text('{"question": "What is stable?", "passage_id": "sorting"}\n')
    recipe = small_recipe(small_build.workshop, generator=False, precision="int8")
    report = build(recipe, tmp_path / "out", cache=small_build.cache, quality_data=tmp_path / "data")
    measured = report.manifest.quality["retrieval"]["small"]
    assert 0.0 <= measured["ndcg_at_10"] <= 1.0
    assert measured["mean_cosine_to_fp32"] > 0.9
    assert (measured["questions"], measured["passages"]) == (1, len(DOCUMENTS))


def test_a_folder_without_judged_data_is_refused(small_build: SmallBuild, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"questions\.dev\.jsonl"):
        build(
            small_recipe(small_build.workshop, generator=False),
            tmp_path / "out",
            cache=small_build.cache,
            quality_data=small_build.workshop,
        )


def changed(recipe: Recipe, table: str, **values: Any) -> Recipe:
    """The recipe with some keys of a table changed."""
    return recipe.model_copy(update={table: getattr(recipe, table).model_copy(update=values)})


@pytest.mark.parametrize("limit", [1, 40, 2000])
def test_another_limit_of_queries_exports_and_embeds_nothing_again(
    small_build: SmallBuild, tmp_path: Path, limit: int
) -> None:
    recipe = changed(small_recipe(small_build.workshop), "serving", max_query_characters=limit)
    report = build(recipe, tmp_path / "out", cache=small_build.cache)
    assert set(report.reused) >= ALL_STEPS - {"prompt"}
    settings = json.loads((tmp_path / "out/query_tokenizer/1/query_tokenizer.json").read_text())
    assert settings["max_query_characters"] == limit


def test_a_long_query_prefix_builds(small_build: SmallBuild, tmp_path: Path) -> None:
    recipe = changed(
        small_recipe(small_build.workshop, generator=False), "encoder", query_prefix="Find what helps here: "
    )
    build(recipe, tmp_path / "out", cache=small_build.cache)
    warmed = {path.name for path in (tmp_path / "out/query_tokenizer/warmup").iterdir()}
    assert "bucket_8.QUERY" not in warmed
    assert "bucket_32.QUERY" in warmed


def test_passages_that_the_encoder_does_not_read_whole_are_refused(
    small_build: SmallBuild, tmp_path: Path
) -> None:
    recipe = changed(small_recipe(small_build.workshop, generator=False), "corpus", passage_tokens=179)
    with pytest.raises(BuildError, match=r"corpus\.passage_tokens = 179: allowed are at most 178"):
        build(recipe, tmp_path / "out", cache=small_build.cache)


def test_passages_that_are_cut_short_are_counted_in_the_note(small_build: SmallBuild, tmp_path: Path) -> None:
    recorder = Recorder()
    recipe = changed(small_recipe(small_build.workshop, generator=False), "corpus", cut="none")
    build(recipe, tmp_path / "out", recorder, cache=small_build.cache)
    assert "1 passages cut short" in recorder.notes["embed the passages"]


def test_files_that_are_not_read_decide_nothing(small_build: SmallBuild, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for key, (title, text) in DOCUMENTS.items():
        (texts / f"{key}.md").write_text(f"# {title}\n{text}\n")
    recipe = changed(
        small_recipe(small_build.workshop, generator=False), "corpus", source="folder", path=texts
    )
    cache = small_build.cache
    build(recipe, tmp_path / "one", cache=cache)
    (texts / ".git").mkdir()
    (texts / ".git" / "HEAD").write_text("ref")
    (texts / "broken.png").symlink_to(tmp_path / "nowhere")
    (texts / "data.bin").write_bytes(b"x")
    assert "passages" in build(recipe, tmp_path / "two", cache=cache).reused


def test_the_same_passages_are_not_embedded_again(small_build: SmallBuild, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("\n" + corpus.read_text())
    recipe = changed(small_recipe(small_build.workshop), "corpus", path=corpus)
    report = build(recipe, tmp_path / "out", cache=small_build.cache)
    assert set(report.reused) == ALL_STEPS - {"passages"}


def test_an_encoder_that_fell_back_to_torch_is_in_fp32_in_the_manifest(tmp_path: Path) -> None:
    save_tiny_encoder(TinyEncoder(family="albert", positions=200, max_seq_length=180), tmp_path / "encoder")
    write_corpus(tmp_path)
    recipe = small_recipe(tmp_path, generator=False, precision="int8")
    report = build(recipe, tmp_path / "out", cache=ArtifactCache(tmp_path / "cache"))
    assert report.manifest.models["encoder"].precision == "fp32"
