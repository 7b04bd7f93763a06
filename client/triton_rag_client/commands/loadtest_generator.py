"""What puts the load of `triton-rag loadtest` on: our own generator, or perf_analyzer where it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from triton_rag_client.errors import InvalidRequestError, PerfAnalyzerError
from triton_rag_client.load import find_perf_analyzer
from triton_rag_client.load.perf_analyzer import check_version

if TYPE_CHECKING:
    from triton_rag_client.commands.arguments import Connection
    from triton_rag_client.load import PerfAnalyzer

__all__ = ["chosen_generator"]

_OWN = "or use --generator own"


def chosen_generator(name: str, connection: Connection, *, searches: bool) -> PerfAnalyzer | None:
    """The perf_analyzer to measure with; None for our own generator.

    Args:
        name: `own` or `perf_analyzer`.
        connection: How the server is reached.
        searches: Whether the highest rate is searched, which our own generator does.

    Raises:
        InvalidRequestError: perf_analyzer cannot do what is asked.
        PerfAnalyzerError: There is none, or it is too old.
    """
    if name == "own":
        return None
    asked = "--generator perf_analyzer"
    if searches:
        raise InvalidRequestError(f"{asked} cannot search for --slo: give --rate or --concurrency, {_OWN}")
    if not connection.url.startswith("grpc://"):
        raise InvalidRequestError(
            f"{asked} streams over grpc:// alone, and --url is {connection.url}: {_OWN}"
        )
    if connection.headers:
        raise InvalidRequestError(f"{asked} sends no --header over gRPC: {_OWN}")
    found = find_perf_analyzer(typer.echo)
    if isinstance(found, str):
        raise PerfAnalyzerError(f"{found}; pip install perf-analyzer (needs glibc 2.38), {_OWN}")
    check_version(found)
    return found
