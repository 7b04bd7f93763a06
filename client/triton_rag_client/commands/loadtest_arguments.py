"""Options of `triton-rag loadtest`, and the loads that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load.arrivals import Arrivals
from triton_rag_client.load.loads import ClosedLoop, OpenLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from triton_rag_client.load.loads import Load

__all__ = [
    "Against",
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
    "Rounds",
    "Seconds",
    "Seed",
    "Servers",
    "SloText",
    "Zipf",
    "asked_loads",
    "check_compared",
    "check_repeats",
]

_DEFAULT_CONCURRENCIES = "1,4,8"
_MOST_CONCURRENCY = 4096
_MOST_RATE_PER_S = 1_000_000

Servers: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SERVER",
        help="Instead of --url: an address, or a folder that `triton-rag build` wrote, which is served for "
        "the test. Two of them are compared.",
    ),
]
Rounds: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Of a comparison: turns of each server, A B A B …; intervals need two.")
]
Against: TypeAlias = Annotated[
    Literal["naive"] | None,
    typer.Option(
        help="Compare the repository with the server that one writes in an afternoon (FastAPI, "
        "sentence-transformers, transformers), which gets the same models and passages."
    ),
]
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


def asked_loads(
    concurrency: str | None, rates: str | None, arrivals: Arrivals, seed: int, *, searches: bool
) -> tuple[Load, ...]:
    """The loads of `--concurrency`, then those of `--rate`; with neither the default ones, or none to search.

    Raises:
        InvalidRequestError: One of them is not a list of allowed numbers.
    """
    if concurrency is None and rates is None and not searches:
        concurrency = _DEFAULT_CONCURRENCIES
    loads = _closed_loops(concurrency) if concurrency is not None else ()
    return loads + (_open_loops(rates, arrivals, seed) if rates is not None else ())


def _closed_loops(text: str) -> tuple[Load, ...]:
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


def _open_loops(text: str, arrivals: Arrivals, seed: int) -> tuple[Load, ...]:
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


def check_compared(loads: tuple[Load, ...], generator: str, report: Path | None) -> None:
    """See to it that there is the same load for both servers of a comparison, and nothing for one alone.

    Raises:
        InvalidRequestError: There is no load, since `--slo` alone searches one, or something for one server.
    """
    if generator != "own":
        raise InvalidRequestError(
            f"--generator {generator} measures one server: to compare two, leave it out"
        )
    if report is not None:
        raise InvalidRequestError(f"--report {report} is of one server: to compare two, give --json")
    if not loads:
        raise InvalidRequestError(
            "--slo alone searches the highest rate of one server: to compare two under one load, give "
            "--concurrency or --rate"
        )


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
