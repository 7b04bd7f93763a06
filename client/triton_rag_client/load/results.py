"""Everything that a load test found, as one value: what JSON keeps and what the report shows."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_rag_client.errors import ClientSetupError
from triton_rag_client.load.levels import LevelResult
from triton_rag_client.load.limit import Limit
from triton_rag_client.load.machine import Machine
from triton_rag_client.load.plain_json import from_plain, plain_json
from triton_rag_client.load.server_facts import ServerFacts

__all__ = ["AskedQuestion", "LoadTestResults", "read_results", "write_json", "write_results"]


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that was asked alone, and what came back.

    Attributes:
        question: The question.
        answer: Its answer.
        sources: Titles of the passages.
        first_text_s: Time to the first text.
        seconds: Time to the whole answer.
    """

    question: str
    answer: str
    sources: tuple[str, ...]
    first_text_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LoadTestResults:
    """What a load test found, and on what.

    Attributes:
        created: When, in ISO 8601.
        command: What ran it.
        url: The server's address.
        generator_machine: What sent the requests.
        max_tokens: Longest answer, in tokens.
        seconds: For how long each level sent requests.
        distinct_questions: How many different questions were asked.
        slo: The targets; None without.
        limit: What a search found; None without one.
        levels: The levels that are complete.
        server: The server.
        load_generator: What put the load on, where that needs words.
        asked: Questions that were asked one after the other before the load.
        curl: The command that asks the first of them with curl; empty without.
    """

    created: str
    command: str
    url: str
    generator_machine: Machine
    max_tokens: int
    seconds: float
    distinct_questions: int
    slo: str | None
    limit: Limit | None
    levels: tuple[LevelResult, ...]
    server: ServerFacts
    load_generator: str = ""
    asked: tuple[AskedQuestion, ...] = ()
    curl: str = ""


def write_results(results: LoadTestResults, path: Path) -> None:
    """Write them as JSON, in a folder that is made if it is missing.

    Raises:
        ClientSetupError: The file cannot be written.
    """
    write_json(dataclasses.asdict(results), path)


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write results of any kind as JSON, in a folder that is made if it is missing.

    Raises:
        ClientSetupError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(plain_json(content), encoding="utf-8")
    except OSError as error:
        raise ClientSetupError(f"{path} cannot be written ({error}); name another file or folder") from error


def read_results(path: Path) -> LoadTestResults:
    """What `write_results` wrote.

    Raises:
        ClientSetupError: The file cannot be read, or holds something else; the message says where.
    """
    try:
        return from_plain(LoadTestResults, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ClientSetupError(f"{path} holds no results of a load test ({error})") from error
