import json
from pathlib import Path

import pytest
from triton_rag_client.commands.demo_report import AskedQuestion, DemoReport, write_report
from triton_rag_client.load import ClosedLoop, LevelResult, RequestRecord, summarize
from triton_rag_client.load.machine import Machine


@pytest.fixture
def report() -> DemoReport:
    summary = summarize([RequestRecord(0.0, 0.0, (0.085,), 0.45), RequestRecord(0.0, 0.0, (0.085,), 0.6)])
    return DemoReport(
        repository="build/python-docs",
        machine=Machine.this(),
        questions=(AskedQuestion("What is a list?", "A list [1].\nIt holds.", ("list", "tuple"), 0.2, 1.5),),
        curl="curl -s http://127.0.0.1:8000",
        max_tokens=32,
        seconds=10.0,
        load_generator="perf_analyzer is that of PATH.",
        levels=(
            LevelResult(ClosedLoop(1), "perf_analyzer", summary, {"generator": 0.9, "query_encoder": 0.1}),
        ),
    )


def test_the_json_holds_everything_and_no_nan(report: DemoReport, tmp_path: Path) -> None:
    as_json, _ = write_report(report, tmp_path / "new")
    content = json.loads(as_json.read_text(), parse_constant=pytest.fail)
    assert content["levels"][0]["load"] == {"concurrency": 1}
    assert content["levels"][0]["summary"]["latency_s"]["p50"] == pytest.approx(0.45, rel=0.001)
    assert content["levels"][0]["summary"]["tokens_per_s"] is None
    assert content["levels"][0]["stage_shares"] == {"generator": 0.9, "query_encoder": 0.1}
    assert content["questions"][0]["sources"] == ["list", "tuple"]
    assert content["machine"]["cores"] >= 1


def test_the_markdown_has_the_tables_the_answers_and_the_command(report: DemoReport, tmp_path: Path) -> None:
    _, as_markdown = write_report(report, tmp_path)
    text = as_markdown.read_text()
    assert "| 1 at a time | 3.33 | 450 ms | 600 ms | 600 ms | 85 ms | 2 | 0 | perf_analyzer |" in text
    assert "| generator | 90.0% |" in text
    assert "**What is a list?** (first text after 200 ms, all after 1.50 s)" in text
    assert "> A list [1].\n> It holds.\n\n1. list\n2. tuple" in text
    assert "```\ncurl -s http://127.0.0.1:8000\n```" in text


def test_writing_it_again_replaces_it(report: DemoReport, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    write_report(report, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.md"]
