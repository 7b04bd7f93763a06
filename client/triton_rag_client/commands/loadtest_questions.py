"""What `triton-rag loadtest --questions` asks: a file's, those about Python, or some of the corpus served."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load.corpus_questions import draw_corpus_questions
from triton_rag_client.load.questions import python_questions, read_questions, zipf_repeated
from triton_rag_client.terminal import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from triton_rag_client.async_client import AsyncRagClient

__all__ = ["asked_questions"]

_CORPUS_QUESTIONS = 200
_MOST_CORPUS_QUESTIONS = 10_000


def asked_questions(
    source: str | None,
    zipf: float | None,
    seed: int,
    make_client: Callable[[], AsyncRagClient] | None = None,
) -> tuple[str, ...]:
    """What is asked, in this order.

    Args:
        source: A file, or `corpus[:N]`; None for those about Python.
        zipf: Exponent of their repetition; None for each in turn.
        seed: Of what is drawn.
        make_client: Gives a client of the server whose corpus it is; None where there are two.

    Raises:
        InvalidRequestError: The file is not one of questions, or there is no one corpus, or it gives none.
        RagError: The server whose corpus it is does not answer.
    """
    if source is None:
        questions = python_questions()
    elif source.split(":", 1)[0] == "corpus":
        if make_client is None:
            raise InvalidRequestError(
                f"--questions {source} draws from the corpus of one server: to compare two, give a file"
            )
        questions = asyncio.run(_corpus_questions(_corpus_count(source), seed, make_client))
    else:
        questions = read_questions(Path(source))
    return questions if zipf is None else zipf_repeated(questions, zipf, seed=seed)


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
