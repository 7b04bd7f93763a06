"""Which server a run measured: its version, the versions of its models, and whether it is this machine's."""

import ipaddress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

__all__ = ["ServerFacts", "read_server_facts"]

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server.

    Attributes:
        name: What it calls itself; empty where it was not asked.
        version: Its version; empty where it was not asked.
        models: Name to versions of the models it has ready, as in `1` or `1, 2`.
        is_local: Whether its address is one of this machine's own.
    """

    name: str = ""
    version: str = ""
    models: dict[str, str] = field(default_factory=dict)
    is_local: bool = False


def read_server_facts(url: str) -> ServerFacts:
    """What a server says of itself; over `grpc://` only, and where it says nothing, its place alone.

    Args:
        url: Its address.
    """
    is_local = _is_local(url)
    if not url.startswith("grpc://"):
        return ServerFacts(is_local=is_local)
    import tritonclient.grpc as triton  # grpc takes seconds to import; --help need not wait for it
    from tritonclient.utils import InferenceServerException

    client = triton.InferenceServerClient(url.removeprefix("grpc://"))
    try:
        server: Any = client.get_server_metadata(client_timeout=_PATIENCE_S)
        # Of the models that are loaded; the repository's index is refused where the server loads all itself.
        statistics: Any = client.get_inference_statistics(client_timeout=_PATIENCE_S)
    except InferenceServerException:  # a proxy or a restricted protocol keeps it to itself
        return ServerFacts(is_local=is_local)
    finally:
        client.close()
    versions: dict[str, list[str]] = {}
    for model in statistics.model_stats:
        versions.setdefault(model.name, []).append(model.version)
    models = {name: ", ".join(sorted(found)) for name, found in sorted(versions.items())}
    return ServerFacts(server.name, server.version, models, is_local)


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
