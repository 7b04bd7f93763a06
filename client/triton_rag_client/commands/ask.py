"""`triton-rag ask`: one question, its answer as it is written, and its sources."""

from __future__ import annotations

import dataclasses
import json

import typer

from triton_rag_client.commands import arguments as given
from triton_rag_client.options import AskOptions
from triton_rag_client.terminal import show_deltas, show_sources, waiting

__all__ = ["ask"]


def ask(
    query: given.Query,
    retriever: given.RetrieverName = None,
    passages_k: given.PassagesK = None,
    max_tokens: given.MaxTokens = None,
    temperature: given.Temperature = None,
    top_k: given.TopK = None,
    top_p: given.TopP = None,
    seed: given.Seed = None,
    stop: given.Stop = None,
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
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        stop=stop or None,
    )
    connection = given.Connection(url, timeout_s, headers, ca_file, certificate_file, key_file)
    with connection.client() as client:
        if as_json:
            with waiting("searching, reading, writing …"):
                answer = client.ask(given.query_text(query), **options)
            typer.echo(json.dumps(dataclasses.asdict(answer), ensure_ascii=False))
            return
        facts = show_deltas(client.stream(given.query_text(query), **options))
    if facts is not None:
        typer.echo()
        show_sources(facts.passages, facts.passages_used)
        if facts.finish_reason == "length":
            typer.echo("(the answer was cut at max_tokens; a larger --max-tokens shows more)", err=True)
