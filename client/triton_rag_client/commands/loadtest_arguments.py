"""Options of `triton-rag loadtest`, and the loads that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load.arrivals import Arrivals
from triton_rag_client.load.loads import ClosedLoop, OpenLoop
from triton_rag_client.load.questions import python_questions, read_questions, zipf_repeated

if TYPE_CHECKING:
    from collections.abc import Callable

    from triton_rag_client.load.loads import Load

__all__ = [
    "AnswerTokens",
    "ArrivalsName",
    "Concurrencies",
    "JsonFile",
    "Precision",
    "Questions",
    "Rates",
    "Repeats",
    "ReportFolder",
    "Seconds",
    "Seed",
    "SloText",
    "Zipf",
    "asked_questions",
    "check_repeats",
    "closed_loops",
    "open_loops",
]

DEFAULT_CONCURRENCIES = "1,4,8"
_MOST_CONCURRENCY = 4096
_MOST_RATE_PER_S = 1_000_000

Concurrencies: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="N,...",
        help="Closed loop: so many requests at any time.  [default: 1,4,8 without --rate and --slo]",
    ),
]
Rates: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--rate",
        metavar="RATE,...",
        help="Open loop: so many requests a second, timed from when each should have been sent.",
    ),
]
ArrivalsName: TypeAlias = Annotated[
    Arrivals, typer.Option(help="Of an open loop: at random, as users come, or at even distances.")
]
SloText: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--slo",
        metavar="TARGETS",
        help="Such as 'p95<500ms,ttft<200ms'. Alone, it searches the highest rate that keeps them; with "
        "--rate or --concurrency, goodput counts the requests that met them all.",
    ),
]
Precision: TypeAlias = Annotated[
    float, typer.Option(min=0.01, max=0.5, help="The search for --slo ends at a rate this share too high.")
]
Repeats: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Runs of each rate of the search at most; an odd number.")
]
Seconds: TypeAlias = Annotated[
    float,
    typer.Option(min=0.1, help="For how long each run sends requests; a search takes longer runs if needed."),
]
AnswerTokens: TypeAlias = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]
Questions: TypeAlias = Annotated[
    Path | None,
    typer.Option(help='JSON lines of {"question": "…"}.  [default: 200 questions about Python]'),
]
Zipf: TypeAlias = Annotated[
    float | None,
    typer.Option(
        min=0, max=10, help="Repeat questions by Zipf's law with this exponent.  [default: each in turn]"
    ),
]
Seed: TypeAlias = Annotated[int, typer.Option(help="Of random arrivals and repetitions.")]
JsonFile: TypeAlias = Annotated[
    Path | None, typer.Option("--json", help="Write the results to this file too.")
]
ReportFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Write report.html, a page with plots that needs nothing else, report.md and results.json "
        "there (extra `report`).",
    ),
]


def asked_questions(file: Path | None, zipf: float | None, seed: int) -> tuple[str, ...]:
    """What is asked, in this order.

    Raises:
        InvalidRequestError: The file is not one of questions.
    """
    questions = python_questions() if file is None else read_questions(file)
    return questions if zipf is None else zipf_repeated(questions, zipf, seed=seed)


def closed_loops(text: str) -> tuple[Load, ...]:
    """The loads of `--concurrency`.

    Raises:
        InvalidRequestError: It is not a list of numbers from 1 to 4096.
    """
    found = _numbers(
        "--concurrency",
        text,
        int,
        f"whole numbers from 1 to {_MOST_CONCURRENCY}, as in 1,4,8",
        _MOST_CONCURRENCY,
    )
    return tuple(ClosedLoop(int(value)) for value in found)


def open_loops(text: str, arrivals: Arrivals, seed: int) -> tuple[Load, ...]:
    """The loads of `--rate`.

    Raises:
        InvalidRequestError: It is not a list of numbers above 0, to a million.
    """
    found = _numbers(
        "--rate",
        text,
        float,
        f"requests a second above 0, to {_MOST_RATE_PER_S}, as in 0.5,2,8",
        _MOST_RATE_PER_S,
    )
    return tuple(OpenLoop(value, arrivals, seed) for value in found)


def check_repeats(repeats: int) -> None:
    """See to it that most of them can agree.

    Raises:
        InvalidRequestError: The number is even.
    """
    if repeats % 2 == 0:
        raise InvalidRequestError(f"--repeats is {repeats}: allowed are odd numbers, of which most agree")


def _numbers(option: str, text: str, read: Callable[[str], float], allowed: str, most: int) -> list[float]:
    try:
        found = [read(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < value <= most for value in found):
        raise InvalidRequestError(f"{option} is {text!r}: allowed are {allowed}")
    return found
