"""Options of `triton-rag loadtest`, and the loads that they describe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from triton_rag_client.commands.contestants import contestant_at, naive_contestant
from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load.arrivals import Arrivals
from triton_rag_client.load.loads import ClosedLoop, OpenLoop
from triton_rag_client.load.questions import python_questions, read_questions, zipf_repeated

if TYPE_CHECKING:
    from collections.abc import Callable

    from triton_rag_client.commands.arguments import Connection
    from triton_rag_client.load.comparison import Contestant
    from triton_rag_client.load.loads import Load
    from triton_rag_client.options import Retriever

__all__ = [
    "Against",
    "AnswerTokens",
    "ArrivalsName",
    "Concurrencies",
    "JsonFile",
    "Precision",
    "Questions",
    "Rates",
    "Repeats",
    "Rounds",
    "Seconds",
    "Seed",
    "Servers",
    "SloText",
    "Zipf",
    "asked_questions",
    "check_compared",
    "check_repeats",
    "contestants",
    "loads",
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


def asked_questions(file: Path | None, zipf: float | None, seed: int) -> tuple[str, ...]:
    """What is asked, in this order.

    Raises:
        InvalidRequestError: The file is not one of questions.
    """
    questions = python_questions() if file is None else read_questions(file)
    return questions if zipf is None else zipf_repeated(questions, zipf, seed=seed)


def contestants(
    servers: list[str] | None,
    against: Literal["naive"] | None,
    connection: Connection,
    max_tokens: int,
    retriever: Retriever | None,
) -> tuple[Contestant] | tuple[Contestant, Contestant]:
    """What is measured: one server, or two that are compared.

    Args:
        servers: The arguments; without one it is the connection's address.
        against: What a repository is compared with.
        connection: How servers are reached.
        max_tokens: Longest answer that is asked for.
        retriever: How passages are found; the naive server has dense retrieval alone, so that it is compared
            with that unless another is named.

    Raises:
        ClientSetupError: Something that the naive server needs is not here.
        InvalidRequestError: They are not one or two servers, or not what `against` can be compared with.
    """
    named = servers or [connection.url]
    if against is not None:
        if len(named) != 1 or "://" in named[0]:
            raise InvalidRequestError(
                f"--against {against} is given {' and '.join(named)}: it takes one folder that "
                "`triton-rag build` wrote, with whose models and passages both answer"
            )
        naive = naive_contestant(Path(named[0]), max_tokens, connection.timeout_s)
        return naive, contestant_at(replace(connection, url=named[0]), max_tokens, retriever or "dense")
    found = [contestant_at(replace(connection, url=server), max_tokens, retriever) for server in named]
    match found:
        case [only]:
            return (only,)
        case [first, second]:
            return first, second
    raise InvalidRequestError(f"{len(named)} servers are given: allowed are one, or two to compare")


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


def loads(
    concurrency: str | None, rates: str | None, arrivals: Arrivals, seed: int, *, is_search: bool
) -> tuple[Load, ...]:
    """The loads that are asked for: of `--concurrency`, then of `--rate`; a search needs none.

    Raises:
        InvalidRequestError: One of them is not a list of numbers in its range.
    """
    found = _closed_loops(concurrency) if concurrency is not None else ()
    found += _open_loops(rates, arrivals, seed) if rates is not None else ()
    return found if found or is_search else _closed_loops(_DEFAULT_CONCURRENCIES)


def check_compared(loads: tuple[Load, ...]) -> None:
    """See to it that there is the same load for both servers of a comparison.

    Raises:
        InvalidRequestError: There is none: `--slo` alone searches one.
    """
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
