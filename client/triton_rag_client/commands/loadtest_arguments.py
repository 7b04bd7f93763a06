"""Options of `triton-rag loadtest`, and the loads that they describe."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load.arrivals import Arrivals
from triton_rag_client.load.corpus_questions import draw_corpus_questions
from triton_rag_client.load.loads import ClosedLoop, OpenLoop
from triton_rag_client.load.questions import python_questions, read_questions, zipf_repeated
from triton_rag_client.terminal import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from triton_rag_client.async_client import AsyncRagClient
    from triton_rag_client.load.loads import Load

__all__ = [
    "AnswerTokens",
    "ArrivalsName",
    "Concurrencies",
    "GeneratorName",
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
    "asked_loads",
    "asked_questions",
    "check_repeats",
    "closed_loops",
    "open_loops",
]

_DEFAULT_CONCURRENCIES = "1,4,8"
_MOST_CONCURRENCY = 4096
_MOST_RATE_PER_S = 1_000_000
_CORPUS_QUESTIONS = 200
_MOST_CORPUS_QUESTIONS = 10_000

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
GeneratorName: TypeAlias = Annotated[
    Literal["own", "perf_analyzer"],
    typer.Option(
        help="What puts the load on: our own generator, or NVIDIA's perf_analyzer, found on PATH or fetched; "
        "it needs grpc:// without TLS and headers, and one request that fails ends it."
    ),
]
Questions: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|corpus[:N]",
        help='JSON lines of {"question": "…"}; or corpus: N (200) titles and first sentences of passages '
        "that the server's retrieve finds.  [default: 200 questions about Python]",
    ),
]
Zipf: TypeAlias = Annotated[
    float | None,
    typer.Option(
        min=0, max=10, help="Repeat questions by Zipf's law with this exponent.  [default: each in turn]"
    ),
]
Seed: TypeAlias = Annotated[int, typer.Option(help="Of random arrivals, repetitions and draws.")]
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


def asked_questions(
    source: str | None, zipf: float | None, seed: int, make_client: Callable[[], AsyncRagClient]
) -> tuple[str, ...]:
    """What is asked, in this order.

    Args:
        source: A file, or `corpus[:N]`; None for those about Python.
        zipf: Exponent of their repetition; None for each in turn.
        seed: Of what is drawn.
        make_client: Gives a client of the server whose corpus it is.

    Raises:
        InvalidRequestError: The file is not one of questions, or the corpus gives none.
        RagError: The server whose corpus it is does not answer.
    """
    if source is None:
        questions = python_questions()
    elif source.split(":", 1)[0] == "corpus":
        questions = asyncio.run(_corpus_questions(_corpus_count(source), seed, make_client))
    else:
        questions = read_questions(Path(source))
    return questions if zipf is None else zipf_repeated(questions, zipf, seed=seed)


def asked_loads(
    concurrency: str | None, rates: str | None, arrivals: Arrivals, seed: int, *, searches: bool
) -> tuple[Load, ...]:
    """The loads of `--concurrency`, then those of `--rate`; with neither the default ones, or none to search.

    Raises:
        InvalidRequestError: One of them is not a list of allowed numbers.
    """
    if concurrency is None and rates is None and not searches:
        concurrency = _DEFAULT_CONCURRENCIES
    loads = closed_loops(concurrency) if concurrency is not None else ()
    return loads + (open_loops(rates, arrivals, seed) if rates is not None else ())


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


def _corpus_count(source: str) -> int:
    _, colon, number = source.partition(":")
    if not colon:
        return _CORPUS_QUESTIONS
    count = int(number) if number.isdecimal() else 0
    if not 1 <= count <= _MOST_CORPUS_QUESTIONS:
        raise InvalidRequestError(
            f"--questions is {source!r}: allowed are corpus:1 to corpus:{_MOST_CORPUS_QUESTIONS}, or a file "
            f"(./{source} where it has this name)"
        )
    return count


async def _corpus_questions(
    count: int, seed: int, make_client: Callable[[], AsyncRagClient]
) -> tuple[str, ...]:
    with waiting("drawing questions from the corpus …"):
        async with make_client() as client:
            questions = await draw_corpus_questions(client, count, seed=seed)
    if len(questions) < count:
        typer.echo(f"the corpus gave {len(questions)} different questions, not {count}")
    return questions


def _numbers(option: str, text: str, read: Callable[[str], float], allowed: str, most: int) -> list[float]:
    try:
        found = [read(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < value <= most for value in found):
        raise InvalidRequestError(f"{option} is {text!r}: allowed are {allowed}")
    return found
