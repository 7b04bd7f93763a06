"""What the demo asks, and how it shows the answers."""

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator

import typer

from triton_rag_client.client import RagClient
from triton_rag_client.load.results import AskedQuestion
from triton_rag_client.results import Delta
from triton_rag_client.terminal import printable, show_deltas, show_sources

__all__ = ["QUESTIONS", "ask_and_show", "curl_and_show"]

QUESTIONS = (
    "What does a list comprehension do?",
    "How do I make sure that a file is closed after I have read it?",
    "What is the difference between the is operator and the == operator?",
    "What does the yield expression do in a function?",
    "How do I join parts of a path with os.path.join?",
)
_SHOWN_CHARACTERS = 600


def ask_and_show(client: RagClient, question: str, max_tokens: int) -> AskedQuestion:
    """Ask a question, show its answer as it comes and its sources."""
    typer.echo(f"\n> {question}\n")
    texts: list[str] = []
    first_text_s = float("nan")
    start_s = time.monotonic()

    def noted() -> Iterator[Delta]:
        nonlocal first_text_s
        for delta in client.stream(question, max_tokens=max_tokens):
            if delta.text and not texts:
                first_text_s = time.monotonic() - start_s
            if delta.text:
                texts.append(delta.text)
            yield delta

    result = show_deltas(noted())
    seconds = time.monotonic() - start_s
    passages = result.passages if result is not None else ()
    typer.echo()
    show_sources(passages, result.passages_used if result is not None else 0)
    sources = tuple(passage.title or passage.id for passage in passages)
    return AskedQuestion(question, "".join(texts), sources, first_text_s, seconds)


def curl_and_show(http_url: str, question: str, max_tokens: int) -> str:
    """Show the question as a curl command, run it where there is a curl, and return the command."""
    body = json.dumps({"QUERY": question, "MAX_TOKENS": max_tokens})
    command = ["curl", "-s", "-X", "POST", f"{http_url}/v2/models/rag/generate", "-d", body]
    shown = shlex.join(command)
    typer.echo(f"\n$ {shown}")
    if shutil.which("curl") is None:
        typer.echo("(there is no curl on this machine)")
        return shown
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    reply = printable(done.stdout.strip()) or f"(curl failed with status {done.returncode})"
    more = len(reply) - _SHOWN_CHARACTERS
    typer.echo(reply[:_SHOWN_CHARACTERS] + (f" … ({more} more characters)" if more > 0 else ""))
    return shown
