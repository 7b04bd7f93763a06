from pathlib import Path

import pytest
from triton_rag_client.load.perf_analyzer_report import read_csv, read_models
from triton_rag_client.load.stages import ModelStatistics, stage_shares

# Of perf_analyzer 2.46 over the default repository.
CSV = (Path(__file__).parent / "captured_report.csv").read_text()
PRINTED = (Path(__file__).parent / "captured_report.txt").read_text()


def test_the_figures_of_a_real_csv_have_its_names_and_units() -> None:
    figures = read_csv(CSV)
    assert figures["Concurrency"] == 3
    assert figures["Inferences/Second"] == 0.191221
    assert figures["p50 latency"] == 14_844_491
    assert figures["Server Queue"] == 2


@pytest.mark.parametrize("text", ["", "\n", "Concurrency,Inferences/Second\n", "a,b\nx\n"])
def test_a_csv_without_figures_gives_none(text: str) -> None:
    assert read_csv(text) == {}


def test_each_model_of_a_real_report_has_its_requests_and_their_whole_time() -> None:
    models = read_models(PRINTED, "rag_stream")
    assert models["rag_stream"] == ModelStatistics(9, 9 * 14_065_433_000)
    assert models["passage_search"] == ModelStatistics(9, 9 * 12_249_000)
    assert models["stream_watch"] == ModelStatistics(28, 28 * 15_637_000)
    assert len(models) == 7


def test_the_shares_of_the_stages_follow_from_it() -> None:
    shares = stage_shares({}, read_models(PRINTED, "rag_stream"))
    assert list(shares) == [
        "generator", "query_encoder", "prompt_builder", "passage_search", "query_tokenizer",
    ]  # fmt: skip
    assert shares["query_encoder"] == pytest.approx(24_576 / 14_065_433)
    assert sum(shares.values()) == pytest.approx(1)


def test_versions_of_a_model_count_as_one() -> None:
    row = "      Successful request count: 2\n      Avg request latency: 5 usec (overhead)\n\n"
    printed = f"  Server: \n{row}\n  Composing models: \n  a, version: 1\n{row}  a, version: 2\n{row}"
    assert read_models(printed, "pipeline")["a"] == ModelStatistics(4, 20_000)


@pytest.mark.parametrize("printed", ["", "  Server: \n    Inference count: 9\n", "  Client: \n"])
def test_a_report_without_statistics_gives_none(printed: str) -> None:
    assert read_models(printed, "rag_stream") == {}
