"""The README's Python and curl run as they stand, against a live server."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def curl_commands() -> list[list[str]]:
    lines = (line for block in blocks("bash") for line in block.splitlines())
    return [shlex.split(line) for line in lines if line.startswith("curl ")]


@pytest.mark.parametrize(
    "code", [pytest.param(code, id=code.splitlines()[-1].strip()) for code in blocks("python")]
)
def test_a_python_block_runs_and_prints(rag_server: TritonServer, code: str) -> None:
    here = code.replace("grpc://127.0.0.1:8001", rag_server.grpc_url)
    here = here.replace("http://127.0.0.1:8000", rag_server.http_url)
    done = subprocess.run(
        [sys.executable, "-c", here], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 10


@pytest.mark.parametrize("command", [pytest.param(command, id=command[2]) for command in curl_commands()])
def test_a_curl_command_is_answered(rag_server: TritonServer, command: list[str]) -> None:
    url = command[2].replace("localhost:8000", rag_server.http_url)
    response = httpx2.post(url, json=json.loads(command[command.index("-d") + 1]), timeout=300)
    assert response.status_code == 200, response.text
    assert "ANSWER" in response.text
    assert '"error"' not in response.text
