"""The client of plain HTTP servers, against a real small one."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from triton_rag_client.errors import ConnectionFailedError, DeadlineExceededError, ProtocolError, ServerError
from triton_rag_client.load.json_client import JsonClient
from triton_rag_client.results import Delta, Passage

PASSAGE = {"id": "1", "title": "zip()", "source": "docs", "text": "It zips.", "score": 0.5}
REPLY = {
    "answer": "It zips.",
    "passages": [PASSAGE],
    "prompt_tokens": 9,
    "answer_tokens": 3,
    "finish_reason": "length",
}


class Server:
    """Gives one reply, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status, self.body = 200, json.dumps(REPLY)
        self.may_reply = threading.Event()
        self.may_reply.set()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(200 if self.path == "/ready" else 404, "{}")

            def do_POST(self) -> None:
                server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                server.may_reply.wait(60)
                self._reply(server.status, server.body)

            def _reply(self, status: int, body: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *words: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever)
    thread.start()
    yield server
    server.may_reply.set()
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def asked(url: str, timeout_s: float = 30.0) -> list[Delta]:
    async def ask() -> list[Delta]:
        async with JsonClient(url, timeout_s=timeout_s) as client:
            assert await client.ready()
            return [delta async for delta in client.stream("zip?", max_tokens=3, retriever="dense")]

    return asyncio.run(ask())


def test_an_answer_is_one_delta(server: Server) -> None:
    (delta,) = asked(server.url)
    assert (delta.text, delta.prompt_tokens, delta.answer_tokens) == ("It zips.", 9, 3)
    assert (delta.passages, delta.passages_used) == ((Passage(**PASSAGE),), 1)
    assert delta.finish_reason == "length"
    assert server.asked == [{"question": "zip?", "max_tokens": 3}]


def test_an_error_of_the_server_is_told_with_what_it_says(server: Server) -> None:
    server.status, server.body = 500, "out of memory"
    with pytest.raises(ServerError, match=r"status 500 \(out of memory\)"):
        asked(server.url)


@pytest.mark.parametrize(
    "body", ["", "[]", '{"answer": "x"}', json.dumps({**REPLY, "passages": [{"id": 1}]})]
)
def test_an_answer_that_lacks_something_is_refused(server: Server, body: str) -> None:
    server.body = body
    with pytest.raises(ProtocolError, match="its answer lacks what it should have"):
        asked(server.url)


def test_a_server_that_is_not_there_and_one_that_is_too_slow_are_told_apart(server: Server) -> None:
    with pytest.raises(ConnectionFailedError):
        asked("http://127.0.0.1:1")
    server.may_reply.clear()
    with pytest.raises(DeadlineExceededError):
        asked(server.url, timeout_s=0.5)
