"""What the demo saw, written to a folder: `report.json` for programs, `report.md` for people."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from triton_rag_client.load.levels import LevelResult
from triton_rag_client.load.machine import Machine
from triton_rag_client.load.plain_json import plain_json
from triton_rag_client.load.tables import duration, level_table, markdown_table, stage_table

__all__ = ["AskedQuestion", "DemoReport", "write_report"]


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question of the demo and what came back."""

    question: str
    answer: str
    sources: tuple[str, ...]
    first_text_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class DemoReport:
    """Everything the demo saw.

    Attributes:
        repository: The folder that was served.
        machine: What it ran on.
        questions: The questions that were asked one after the other.
        curl: The command that asks the same with curl.
        max_tokens: Longest answer under load.
        seconds: Length of each level of load.
        load_generator: What put the load on, or why it was not perf_analyzer.
        levels: What each level of load gave.
    """

    repository: str
    machine: Machine
    questions: tuple[AskedQuestion, ...]
    curl: str
    max_tokens: int
    seconds: float
    load_generator: str
    levels: tuple[LevelResult, ...]


def write_report(report: DemoReport, folder: Path) -> tuple[Path, Path]:
    """Write both files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    as_json, as_markdown = folder / "report.json", folder / "report.md"
    content = {"created": created, **dataclasses.asdict(report)}
    as_json.write_text(plain_json(content), encoding="utf-8")
    as_markdown.write_text(_markdown(report, created), encoding="utf-8")
    return as_json, as_markdown


def _markdown(report: DemoReport, created: str) -> str:
    machine = report.machine
    where = (
        f"{created}, `{report.repository}`, {machine.processor} ({machine.cores} cores), {machine.system}, "
        f"Python {machine.python}, triton-rag {machine.triton_rag}."
    )
    how = (
        f"Closed loop over `rag_stream`, answers of at most {report.max_tokens} tokens, about "
        f"{report.seconds:g} s a level; latencies are those of whole answers. {report.load_generator}"
    )
    shares = "The generator's share of the time is what the other stages leave of it."
    figures = [markdown_table(level_table(report.levels)), shares, markdown_table(stage_table(report.levels))]
    questions = [_question(asked) for asked in report.questions]
    curl = f"```\n{report.curl}\n```"
    blocks = ["# What the demo saw", where, "## Load", how, *figures]
    return "\n\n".join([*blocks, "## Questions", *questions, "## The same with curl", curl]) + "\n"


def _question(asked: AskedQuestion) -> str:
    sources = "\n".join(f"{number}. {source}" for number, source in enumerate(asked.sources, start=1))
    times = f"first text after {duration(asked.first_text_s)}, all after {duration(asked.seconds)}"
    answer = "\n".join(f"> {line}".rstrip() for line in asked.answer.strip().splitlines())
    return f"**{asked.question}** ({times})\n\n{answer}\n\n{sources}"
