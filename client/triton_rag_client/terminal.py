"""What the commands write: plain text that any pipe takes; a spinner only on a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from triton_rag_client.results import Delta, Passage, TokenLogprob

__all__ = ["printable", "show_deltas", "show_logprobs", "show_sources", "waiting"]


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show a spinner while something takes its time."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def printable(text: str) -> str:
    """The text without control characters: what comes from a corpus must not steer a terminal."""
    return "".join(
        character
        if character in "\n\t" or not (character < " " or "\x7f" <= character <= "\x9f")
        else "\ufffd"
        for character in text
    )


def show_deltas(deltas: Iterable[Delta]) -> Delta | None:
    """Write an answer as it comes; the facts of all its deltas, in one."""
    stream = iter(deltas)
    with waiting("searching, reading …"):
        first = last = next(stream, None)
    logprobs: list[TokenLogprob] = []
    while last is not None:
        typer.echo(printable(last.text), nl=False)
        logprobs += last.logprobs
        following = next(stream, None)
        if following is None:
            break
        last = following
    typer.echo()
    if first is None or last is None:
        return None
    return replace(
        last,
        text="",
        passages=first.passages,
        passages_used=first.passages_used,
        logprobs=tuple(logprobs),
    )


def show_sources(passages: Iterable[Passage], used: int) -> None:
    """Write the numbered sources of an answer."""
    for number, passage in enumerate(passages, start=1):
        title = printable(passage.title or passage.id)
        source = (
            f" – {printable(passage.source)}" if passage.source and passage.source != passage.title else ""
        )
        dropped = "" if number <= used else "  (did not fit into the prompt)"
        typer.echo(f"[{number}] {title}{source}  (score {passage.score:.3f}){dropped}")


def show_logprobs(logprobs: Sequence[TokenLogprob]) -> None:
    """Write how sure the model was of an answer's tokens; nothing when it was not asked."""
    if logprobs:
        values = [each.logprob for each in logprobs]
        mean = sum(values) / len(values)
        typer.echo(
            f"log-probability of {len(values)} tokens: {mean:.3f} in the mean, {min(values):.3f} at least"
        )
