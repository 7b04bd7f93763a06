"""What the demo saw, written to a folder: `report.json` for programs, `report.md` for people."""

import dataclasses
import json
import math
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from triton_rag_client.load.levels import LevelResult
from triton_rag_client.load.tables import duration, level_table, markdown_table, stage_table

__all__ = ["AskedQuestion", "DemoReport", "Machine", "write_report"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures were measured on."""

    processor: str
    cores: int
    system: str
    python: str
    triton_rag: str

    @classmethod
    def this(cls) -> "Machine":
        """The machine that this runs on."""
        return cls(
            _processor(),
            os.cpu_count() or 1,
            platform.platform(),
            platform.python_version(),
            version("triton-rag"),
        )


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
    content = {"created": created, **_without_nan(dataclasses.asdict(report))}
    as_json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
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


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _without_nan(value: Any) -> Any:
    """The value with null where there is no number: NaN is not allowed in JSON."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
