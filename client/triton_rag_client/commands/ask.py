"""`triton-rag ask`: one question, its answer as it is written, and its sources."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import typer

from triton_rag_client.commands import arguments as given
from triton_rag_client.options import AskOptions
from triton_rag_client.terminal import show_deltas, show_logprobs, show_sources, waiting

if TYPE_CHECKING:
    from triton_rag_client.client import RagClient
    from triton_rag_client.results import Delta

__all__ = ["ask"]


def ask(
    query: given.Query,
    retriever: given.RetrieverName = None,
    passages_k: given.PassagesK = None,
    max_tokens: given.MaxTokens = None,
    min_tokens: given.MinTokens = None,
    temperature: given.Temperature = None,
    top_k: given.TopK = None,
    top_p: given.TopP = None,
    seed: given.Seed = None,
    repetition_penalty: given.RepetitionPenalty = None,
    stop: given.Stop = None,
    stop_tokens: given.StopTokens = None,
    logprobs: given.Logprobs = False,
    beams: given.Beams = None,
    length_penalty: given.LengthPenalty = None,
    as_json: given.AsJson = False,
    url: given.Url = given.DEFAULT_URL,
    timeout_s: given.TimeoutS = 120.0,
    headers: given.Headers = None,
    ca_file: given.CaFile = None,
    certificate_file: given.CertificateFile = None,
    key_file: given.KeyFile = None,
) -> None:
    """Ask a question: the answer is streamed, with its sources."""
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
        stop=stop or None,
        stop_tokens=stop_tokens or None,
        logprobs=logprobs or None,
        beams=beams,
        length_penalty=length_penalty,
    )
    connection = given.Connection(url, timeout_s, headers, ca_file, certificate_file, key_file)
    with connection.client() as client:
        if as_json:
            _print_json(client, query, options)
            return
        facts = show_deltas(client.stream(given.query_text(query), **options))
    if facts is not None:
        _show_facts(facts)


def _print_json(client: RagClient, query: str, options: AskOptions) -> None:
    with waiting("searching, reading, writing …"):
        answer = client.ask(given.query_text(query), **options)
    typer.echo(json.dumps(dataclasses.asdict(answer), ensure_ascii=False))


def _show_facts(facts: Delta) -> None:
    typer.echo()
    show_sources(facts.passages, facts.passages_used)
    show_logprobs(facts.logprobs)
    if facts.finish_reason == "length":
        typer.echo("(the answer was cut at max_tokens; a larger --max-tokens shows more)", err=True)
