"""Lets the requests in an ensemble end before the server is told to exit.

A tritonserver that got SIGTERM takes no new request, and to it each step of an ensemble is a new request: a
stream, whose last step runs once for every delta, would hang there until the exit timeout. Unloading a model
is gentler, since what runs in it may end. So the ensembles are unloaded first, which needs Triton's explicit
model control; that API is closed to everybody without a key that only this process knows and no client needs.
"""

import http.client
import json
import re
import secrets
import time
from pathlib import Path

__all__ = ["EnsembleDrain"]

_HEADER = "triton-rag-drain"
_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 0.1
_ENSEMBLE = re.compile(r"""^\s*platform\s*:\s*["']ensemble["']""", re.MULTILINE)


class EnsembleDrain:
    """Unloads the ensembles of one repository from its server.

    Args:
        repository: The model repository that the server serves.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._key = secrets.token_hex(16)

    @property
    def arguments(self) -> list[str]:
        """What tritonserver must be started with: explicit model control, all models loaded, a locked API."""
        return [
            "--model-control-mode=explicit",
            "--load-model=*",
            f"--http-restricted-api=model-repository:{_HEADER}={self._key}",
            f"--grpc-restricted-protocol=model-repository:{_HEADER}={self._key}",
        ]

    def drain(self, host: str, http_port: int, timeout_s: float) -> bool:
        """Refuse new requests and wait until those that run have ended.

        Returns:
            Whether they have; False after `timeout_s`, or when the server does not answer.
        """
        give_up_s = time.monotonic() + timeout_s
        try:
            ensembles = self._ensembles()
            for name in ensembles:
                self._post(host, http_port, f"models/{name}/unload")
            while ensembles & self._unloading(host, http_port):
                if time.monotonic() > give_up_s:
                    return False
                time.sleep(_LOOK_EVERY_S)
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return True

    def _ensembles(self) -> set[str]:
        configs = self._repository.glob("*/config.pbtxt")
        return {
            config.parent.name for config in configs if _ENSEMBLE.search(config.read_text("utf-8", "replace"))
        }

    def _unloading(self, host: str, port: int) -> set[str]:
        """Models that still have a request, as the index of the repository tells."""
        models = json.loads(self._post(host, port, "index"))
        return {model["name"] for model in models if model.get("state") == "UNLOADING"}

    def _post(self, host: str, port: int, path: str) -> bytes:
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        try:
            connection.request("POST", f"/v2/repository/{path}", body=b"{}", headers={_HEADER: self._key})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise ValueError(f"{path}: HTTP status {response.status}")
        return body
