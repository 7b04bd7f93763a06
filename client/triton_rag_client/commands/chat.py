"""`triton-rag chat`: question after question, each answered from the passages found for it alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from triton_rag_client.commands import arguments as given
from triton_rag_client.errors import ConnectionFailedError, RagError
from triton_rag_client.options import AskOptions
from triton_rag_client.terminal import show_deltas, show_sources

if TYPE_CHECKING:
    from triton_rag_client.client import RagClient

__all__ = ["chat"]


def chat(
    retriever: given.RetrieverName = None,
    passages_k: given.PassagesK = None,
    max_tokens: given.MaxTokens = None,
    min_tokens: given.MinTokens = None,
    temperature: given.Temperature = None,
    top_k: given.TopK = None,
    top_p: given.TopP = None,
    seed: given.Seed = None,
    repetition_penalty: given.RepetitionPenalty = None,
    beams: given.Beams = None,
    length_penalty: given.LengthPenalty = None,
    url: given.Url = given.DEFAULT_URL,
    timeout_s: given.TimeoutS = 120.0,
    headers: given.Headers = None,
    ca_file: given.CaFile = None,
    certificate_file: given.CertificateFile = None,
    key_file: given.KeyFile = None,
) -> None:
    """Ask question after question, each on its own."""
    options = AskOptions(
        retriever=retriever,
        passages_k=passages_k,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
        beams=beams,
        length_penalty=length_penalty,
    )
    connection = given.Connection(url, timeout_s, headers, ca_file, certificate_file, key_file)
    with connection.client() as client:
        if not client.ready():
            raise ConnectionFailedError(
                f"no ready server at {client.url}: start one with `triton-rag serve DIR`, or give --url"
            )
        typer.echo(
            "Each question is searched and answered by itself. Ctrl-C stops an answer, Ctrl-D leaves.",
            err=True,
        )
        while (question := _question()) is not None:
            if question.strip():
                _answer(client, question, options)


def _question() -> str | None:
    """The next line, or None at the end."""
    while True:
        try:
            return input("\n> " if sys.stdin.isatty() else "")
        except EOFError:
            return None
        except KeyboardInterrupt:
            typer.echo("\n(Ctrl-D leaves)", err=True)


def _answer(client: RagClient, question: str, options: AskOptions) -> None:
    deltas = client.stream(question, **options)
    try:
        facts = show_deltas(deltas)
        if facts is not None:
            typer.echo()
            show_sources(facts.passages, facts.passages_used)
    except KeyboardInterrupt:
        typer.echo("\n(stopped)", err=True)
    except RagError as error:
        typer.echo(f"error: {error}", err=True)
    finally:
        deltas.close()
