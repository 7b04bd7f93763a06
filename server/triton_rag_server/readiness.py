"""Whether a server is ready, asked over plain HTTP."""

import http.client
import json

__all__ = ["is_ready"]

_TIMEOUT_S = 2.0


def is_ready(host: str, http_port: int, metrics_port: int, name: str) -> bool:
    """Whether the server of this name is ready and all of its ports answer.

    The name (`--id`) tells it from another server that listens on a port which it failed to get.
    """
    return (
        _get(host, http_port, "/v2/health/ready") is not None
        and _name(host, http_port) == name
        and _get(host, metrics_port, "/metrics") is not None
    )


def _name(host: str, port: int) -> str | None:
    body = _get(host, port, "/v2")
    try:
        return None if body is None else str(json.loads(body)["name"])
    except (ValueError, KeyError, TypeError):
        return None


def _get(host: str, port: int, path: str) -> bytes | None:
    """The body of a successful answer to `GET path`, else None."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if response.status == http.client.OK else None
