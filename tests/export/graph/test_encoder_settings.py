"""Pooling, normalization and limits are read where sentence-transformers keeps them."""

import json
from pathlib import Path
from typing import Any

import pytest
from triton_rag_export.errors import ModelSourceError, UnsupportedModelError
from triton_rag_export.graph.encoder_settings import EncoderExport, TextSettings, text_settings
from triton_rag_export.graph.model_source import ModelSource

MOST_TOKENS = 512


def decided(folder: Path, settings: EncoderExport | None = None) -> TextSettings:
    return text_settings(ModelSource("tiny", folder), settings or EncoderExport(), MOST_TOKENS)


def write_model(folder: Path, pooling: dict[str, Any], *more: str) -> None:
    kinds = ["Transformer", "Pooling", *more]
    modules = [
        {"path": f"{number}_{kind}", "type": f"some.package.{kind}"} for number, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")


def test_a_folder_that_says_nothing_is_pooled_by_its_mean(tmp_path: Path) -> None:
    assert decided(tmp_path) == TextSettings("mean", normalize=True, max_tokens=MOST_TOKENS, lowercase=False)


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_both_ways_of_writing_the_pooling_are_read(
    config: dict[str, Any], pooling: str, tmp_path: Path
) -> None:
    write_model(tmp_path, config, "Normalize")
    found = decided(tmp_path)
    assert (found.pooling, found.normalize) == (pooling, True)


def test_what_is_asked_for_goes_before_what_the_model_says(tmp_path: Path) -> None:
    write_model(tmp_path, {"pooling_mode": "lasttoken"}, "Normalize")
    found = decided(tmp_path, EncoderExport(pooling="cls", normalize=False, max_tokens=77))
    assert found == TextSettings("cls", normalize=False, max_tokens=77, lowercase=False)


def test_limits_of_sentence_transformers_are_read_and_kept_within_the_positions(tmp_path: Path) -> None:
    path = tmp_path / "sentence_roberta_config.json"
    path.write_text(json.dumps({"max_seq_length": 128, "do_lower_case": True}), encoding="utf-8")
    assert (decided(tmp_path).max_tokens, decided(tmp_path).lowercase) == (128, True)
    path.write_text(json.dumps({"max_seq_length": 4096}), encoding="utf-8")
    assert decided(tmp_path).max_tokens == MOST_TOKENS


@pytest.mark.parametrize("mode", ["max", ["mean", "cls"]])
def test_other_poolings_are_refused_with_what_is_allowed(mode: str | list[str], tmp_path: Path) -> None:
    write_model(tmp_path, {"pooling_mode": mode})
    with pytest.raises(UnsupportedModelError, match=r"allowed are mean and cls; set encoder\.pooling"):
        decided(tmp_path)


@pytest.mark.parametrize("modules", [("LayerNorm",), ("Dense", "Dense"), ("Normalize", "Dense")], ids=str)
def test_other_modules_behind_the_pooling_are_refused_by_name(
    modules: tuple[str, ...], tmp_path: Path
) -> None:
    write_model(tmp_path, {"pooling_mode": "mean"}, *modules)
    with pytest.raises(UnsupportedModelError, match=f"modules Transformer, Pooling, {', '.join(modules)} of"):
        decided(tmp_path)


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelSourceError, match=r"modules\.json cannot be read"):
        decided(tmp_path)


@pytest.mark.parametrize(("name", "normalize"), [("dot", False), ("cosine", True), (None, True)])
def test_vectors_get_length_one_unless_the_model_ranks_by_dot_product(
    tmp_path: Path, name: str | None, normalize: bool
) -> None:
    write_model(tmp_path, {"pooling_mode": "mean"})
    write_comparison(tmp_path, {"similarity_fn_name": name})
    assert decided(tmp_path).normalize is normalize
    assert decided(tmp_path, EncoderExport(normalize=not normalize)).normalize is not normalize


def test_another_comparison_than_by_angle_or_dot_product_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_comparison(tmp_path, {"similarity_fn_name": "manhattan"})
    assert decided(tmp_path).normalize
    assert "compares vectors by manhattan" in caplog.text


@pytest.mark.parametrize(
    ("config", "prefixes"),
    [
        ({"prompts": {"query": "q: ", "document": "d: ", "passage": "p: "}}, ("q: ", "d: ")),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, ("q: ", "p: ")),
        ({"prompts": {"query": "q: "}, "default_prompt_name": None}, ("q: ", "")),
        ({"prompts": {"all": "a: "}, "default_prompt_name": "all"}, ("a: ", "a: ")),
        ({"prompts": None}, ("", "")),
    ],
)
def test_the_prompts_of_a_model_are_its_prefixes_unless_others_are_asked_for(
    tmp_path: Path, config: dict[str, Any], prefixes: tuple[str, str]
) -> None:
    write_comparison(tmp_path, config)
    found = decided(tmp_path)
    assert (found.query_prefix, found.passage_prefix) == prefixes
    asked = decided(tmp_path, EncoderExport(query_prefix="", passage_prefix="mine: "))
    assert (asked.query_prefix, asked.passage_prefix) == ("", "mine: ")


def write_comparison(folder: Path, config: dict[str, Any]) -> None:
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config), encoding="utf-8")
