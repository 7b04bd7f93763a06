"""Whether a server answers, asked over plain HTTP."""

import http.client
import json

__all__ = ["is_ready", "server_name"]

_TIMEOUT_S = 2.0


def is_ready(host: str, port: int) -> bool:
    """Whether `GET /v2/health/ready` says yes."""
    status, _ = _get(host, port, "/v2/health/ready")
    return status == http.client.OK


def server_name(host: str, port: int) -> str | None:
    """What the server at `port` calls itself (`--id`), or None when none answers."""
    status, body = _get(host, port, "/v2")
    if status != http.client.OK:
        return None
    try:
        return str(json.loads(body)["name"])
    except (ValueError, KeyError, TypeError):
        return None


def answers(host: str, port: int, path: str) -> bool:
    """Whether something answers `GET path` with success."""
    status, _ = _get(host, port, path)
    return status == http.client.OK


def _get(host: str, port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
