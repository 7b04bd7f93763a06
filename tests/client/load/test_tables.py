from triton_rag_client.load import ClosedLoop, LevelResult, OpenLoop, RequestRecord, parse_slo, summarize
from triton_rag_client.load.tables import (
    duration,
    latency_table,
    length_table,
    level_table,
    markdown_table,
    rate_table,
    stage_table,
)

NAN = float("nan")
ANSWERED = RequestRecord(
    0.0, 0.004, (0.085, 0.450), 0.450, prompt_tokens=90, answer_tokens=2, query_characters=17
)
FAILED = RequestRecord(0.0, 0.0, (), 2.0, error="UnavailableError")
ONE = LevelResult(
    ClosedLoop(1), "perf_analyzer", summarize([ANSWERED]), {"generator": 0.9, "query_encoder": 0.1}
)
OPEN = LevelResult(
    OpenLoop(12.5, "constant"),
    "triton-rag",
    summarize([ANSWERED, FAILED, FAILED], parse_slo("p95<1s")),
    {"generator": 1.0},
)


def test_a_level_is_a_row_with_units() -> None:
    heading, row, _ = level_table((ONE, OPEN))
    assert dict(zip(heading, row, strict=True)) == {
        "load": "1 at a time",
        "requests/s": "2.22",
        "p50": "450 ms",
        "p95": "450 ms",
        "p99": "450 ms",
        "first token": "85 ms",
        "requests": "1",
        "failed": "0",
        "measured by": "perf_analyzer",
    }


def test_what_went_through_names_failures_by_kind_and_the_lag_of_the_generator() -> None:
    heading, closed, opened = rate_table((ONE, OPEN))
    assert closed[2] == "–"
    assert dict(zip(heading, opened, strict=True)) == {
        "load": "12.5/s constant",
        "requests/s": "0.50",
        "goodput/s": "0.50",
        "tokens/s": "1.0",
        "prompt tokens": "90 (≤ 90)",
        "answer tokens": "2 (≤ 2)",
        "requests": "1",
        "failed": "2 UnavailableError",
        "sent late (p99)": "4 ms",
    }


def test_each_time_has_a_row_of_percentiles_a_level() -> None:
    nothing = LevelResult(ClosedLoop(8), "triton-rag", summarize([FAILED]), {})
    heading, *rows = latency_table((ONE, nothing))
    assert heading == ("load", "time", "p50", "p90", "p95", "p99", "p99.9", "largest")
    assert [row[1] for row in rows] == ["whole answer", "first token", "between tokens"] * 2
    assert rows[2] == ("1 at a time", "between tokens", *["365 ms"] * 6)
    assert rows[3] == ("8 at a time", "whole answer", *["–"] * 6)


def test_each_length_has_a_row_a_level_and_a_dash_where_it_is_not_known() -> None:
    nothing = LevelResult(ClosedLoop(8), "triton-rag", summarize([FAILED]), {})
    heading, *rows = length_table((ONE, nothing))
    assert heading == ("load", "length", "mean", "p50", "p90", "p95", "p99", "largest")
    assert rows[0] == ("1 at a time", "query, characters", "17.0", *["17"] * 5)
    assert rows[1] == ("1 at a time", "prompt, tokens", "90.0", *["90"] * 5)
    assert rows[2] == ("1 at a time", "answer, tokens", "2.0", *["2"] * 5)
    assert rows[3] == ("8 at a time", "query, characters", *["–"] * 6)


def test_shares_have_a_column_a_level() -> None:
    assert stage_table((ONE, OPEN)) == (
        ("share of the time", "1 at a time", "12.5/s constant"),
        ("generator", "90.0%", "100.0%"),
        ("query_encoder", "10.0%", "–"),
    )


def test_a_duration_has_the_unit_that_fits() -> None:
    assert [duration(0.0123), duration(0.9994), duration(1), duration(NAN)] == [
        "12 ms",
        "999 ms",
        "1.00 s",
        "–",
    ]


def test_a_table_becomes_markdown() -> None:
    assert markdown_table((("a", "b"), ("1", "2"))) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
