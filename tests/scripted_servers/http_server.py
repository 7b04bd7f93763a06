"""An HTTP server that speaks as Triton does and behaves as its script says."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scripted_servers.script import (
    Script,
    ScriptedError,
    Seen,
    TrickledBody,
    TrickledHead,
    Wait,
    elements,
    raw_bytes,
)
from tritonclient.utils import np_to_triton_dtype

HTTP_STATUS = {
    "UNAVAILABLE": 503,
    "INVALID_ARGUMENT": 400,
    "INTERNAL": 500,
    "NOT_FOUND": 404,
    "DEADLINE_EXCEEDED": 504,
}


class HttpHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path.endswith("/config"):
            self._config()
        elif self.path == "/v2/health/ready":
            self._reply(200 if self.server.script.is_ready else 400, b"")
        else:
            self._reply(
                200,
                json.dumps({"name": "triton", "version": "2.51.0", "extensions": ["parameters"]}).encode(),
            )

    def _config(self) -> None:
        script = self.server.script
        script.configs_asked += 1
        if script.max_rows is None:
            self._reply(403, b'{"error":"This API is restricted, expecting header \'x\'"}')
        else:
            self._reply(200, json.dumps({"max_batch_size": script.max_rows}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            if self.path.endswith("generate_stream"):
                self._stream(self._seen_values(json.loads(body)))
            else:
                self._infer(self._seen_tensors(body))
        except (BrokenPipeError, ConnectionResetError):
            self.server.script.client_left.set()
            self.close_connection = True

    def _seen_values(self, values: dict[str, Any]) -> Seen:
        timeout_us = values.pop("timeout")
        seen = Seen(self.path.split("/")[-2], values, self._names(), timeout_us)
        self.server.script.requests.append(seen)
        return seen

    def _seen_tensors(self, body: bytes) -> Seen:
        size = int(self.headers["inference-header-content-length"])
        header, rest, inputs = json.loads(body[:size]), body[size:], {}
        for tensor in header["inputs"]:
            length = tensor["parameters"]["binary_data_size"]
            inputs[tensor["name"]], rest = elements(tensor["datatype"], rest[:length]), rest[length:]
        assert header["parameters"]["binary_data_output"] is True
        seen = Seen(self.path.split("/")[-2], inputs, self._names(), header["parameters"]["timeout"])
        self.server.script.requests.append(seen)
        return seen

    def _names(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _infer(self, seen: Seen) -> None:
        try:
            outputs = self.server.script.infer(seen)
        except ScriptedError as refusal:
            error = json.dumps({"error": str(refusal)}).encode()
            self._reply(HTTP_STATUS[refusal.code], error)
            return
        if outputs is Wait:
            self._wait()
            return
        if outputs in (TrickledHead, TrickledBody):
            self._trickle(outputs)
            return
        described = [
            {
                "name": name,
                "datatype": np_to_triton_dtype(tensor.dtype),
                "shape": list(tensor.shape),
                "parameters": {"binary_data_size": len(raw_bytes(tensor))},
            }
            for name, tensor in outputs.items()
        ]
        header = json.dumps({"model_name": seen.model, "outputs": described}).encode()
        content = header + b"".join(map(raw_bytes, outputs.values()))
        self._reply(200, content, {"Inference-Header-Content-Length": str(len(header))})

    def _stream(self, seen: Seen) -> None:
        has_begun = False
        try:
            for outputs in self.server.script.stream(seen):
                if outputs is Wait:
                    self._wait()
                    return
                has_begun = has_begun or self._begin(200)
                values = {name: [_json(value) for value in tensor.flat] for name, tensor in outputs.items()}
                self._event({name: value[0] if len(value) == 1 else value for name, value in values.items()})
        except ScriptedError as refusal:
            has_begun = has_begun or self._begin(400)  # whatever the code, as Triton does
            self._event({"error": str(refusal)})
        if not has_begun:
            self._begin(200)
        self.wfile.write(b"0\r\n\r\n")

    def _begin(self, status: int) -> bool:
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        return True

    def _event(self, values: dict[str, Any]) -> None:
        data = b"data: " + json.dumps(values, ensure_ascii=False).encode() + b"\n\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _wait(self) -> None:
        self.close_connection = True
        while not self.server.script.test_ended.wait(0.005):
            with suppress(BlockingIOError):
                if not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    raise ConnectionResetError

    def _trickle(self, part: type) -> None:
        head = b"HTTP/1.1 200 OK\r\n" + (
            b"X-Long: " if part is TrickledHead else b"Content-Length: 9999999\r\n\r\n"
        )
        self.wfile.write(head)
        while not self.server.script.test_ended.wait(0.005):
            self.wfile.write(b"x")

    def _reply(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _json(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value.item() if hasattr(value, "item") else value


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    script: Script
