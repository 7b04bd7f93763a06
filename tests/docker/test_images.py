"""What can be said of the images without a Docker daemon: the linters pass, and files and settings agree."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from triton_rag_client.main import app
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile.cpu"
COMPOSE = ROOT / "docker" / "compose.yaml"
PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word, rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    document = YAML(typ="safe").load(COMPOSE)
    (service,) = document["services"].values()
    return dict(service)


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([PROGRAMS / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_is_valid() -> None:
    command = [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_both_stages_start_from_one_pinned_image(instructions: list[tuple[str, str]]) -> None:
    (base,) = [rest for word, rest in instructions if word == "ARG"]
    assert re.fullmatch(r"BASE=python:3\.1[12]\.\d+-slim-bookworm", base)
    assert [rest for word, rest in instructions if word == "FROM"] == ["${BASE} AS build", "${BASE}"]


def test_what_is_copied_is_there_and_sent_to_the_builder(instructions: list[tuple[str, str]]) -> None:
    copies = [shlex.split(rest)[:-1] for word, rest in instructions if word == "COPY"]
    copied = {path for paths in copies if not paths[0].startswith("--from") for path in paths}
    assert all((ROOT / path).exists() for path in copied)
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == copied


def test_it_serves_as_an_ordinary_user_with_a_health_check(instructions: list[tuple[str, str]]) -> None:
    last = dict(instructions)
    assert last["USER"] == "10001:10001"
    assert "/v2/health/ready" in last["HEALTHCHECK"]
    assert "pip uninstall" in last["RUN"]


def test_the_command_of_the_image_is_one_that_the_program_takes(instructions: list[tuple[str, str]]) -> None:
    command = YAML(typ="safe").load(dict(instructions)["CMD"])
    done = CliRunner().invoke(app, ["serve", "--help"])
    assert command[:2] == ["serve", "/models"]
    assert all(word in done.output for word in command if word.startswith("--"))


def test_the_service_gets_memory_to_share_and_nothing_it_does_not_need(service: dict[str, Any]) -> None:
    assert service["shm_size"] == "512m"
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    (mount,) = service["volumes"]
    assert (mount["target"], mount["read_only"]) == ("/models", True)


def test_the_ports_are_open_to_this_machine_only(service: dict[str, Any]) -> None:
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in (8000, 8001, 8002)]


def test_compose_builds_the_image_that_is_described_here(service: dict[str, Any]) -> None:
    context = (COMPOSE.parent / service["build"]["context"]).resolve()
    assert context / service["build"]["dockerfile"] == DOCKERFILE
