from triton_rag_client.load import LevelResult, LoadSummary
from triton_rag_client.load.tables import duration, level_table, markdown_table, stage_table

NAN = float("nan")
ONE = LevelResult(
    1,
    "perf_analyzer",
    LoadSummary(20, 0, 10.0, 2.0, 0.45, 0.6, 0.7, 0.085),
    {"generator": 0.9, "query_encoder": 0.1},
)
EIGHT = LevelResult(8, "triton-rag", LoadSummary(0, 3, 9.0, 0.0, NAN, NAN, NAN, NAN), {"generator": 1.0})


def test_a_level_is_a_row_with_units() -> None:
    heading, row, failed = level_table((ONE, EIGHT))
    assert dict(zip(heading, row, strict=True)) == {
        "at a time": "1",
        "requests/s": "2.00",
        "p50": "450 ms",
        "p95": "600 ms",
        "p99": "700 ms",
        "first token": "85 ms",
        "requests": "20",
        "failed": "0",
        "measured by": "perf_analyzer",
    }
    assert failed[2:6] == ("–", "–", "–", "–")


def test_shares_have_a_column_a_level() -> None:
    assert stage_table((ONE, EIGHT)) == (
        ("share of the time", "1 at a time", "8 at a time"),
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
