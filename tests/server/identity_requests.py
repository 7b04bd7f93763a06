"""Requests to the model that gives back what it gets, and the processes of its server."""

import json
import urllib.error
import urllib.request

import psutil
from triton_rag_server import TritonServer


def infer(server: TritonServer, text: str) -> str:
    tensor = {"name": "IN", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    body = json.dumps({"inputs": [tensor]}).encode()
    with urllib.request.urlopen(f"{server.http_url}/v2/models/identity/infer", data=body) as response:
        return str(json.load(response)["outputs"][0]["data"][0])


def infer_when_it_listens(server: TritonServer, text: str) -> str:
    """Ask until somebody listens: between two lives of a server its port refuses."""
    while True:
        try:
            return infer(server, text)
        except urllib.error.URLError:
            assert not server.wait(0.1)


def family(pid: int) -> list[psutil.Process]:
    """A server and the stubs of its models."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
