"""Ports chosen so that nobody takes them between the choice and the moment Triton listens.

Triton opens its ports only after every model is loaded, which may be a minute after they were chosen. Each
port is held meanwhile by a socket that is bound but does not listen: the kernel gives a port held so to
nobody who asks for a free one, while Triton, which binds with SO_REUSEADDR as this does, may listen on it.
"""

import errno
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from triton_rag_server.errors import PortInUseError, ServerStartError

__all__ = ["reserved_ports"]


@contextmanager
def reserved_ports(host: str, ports: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Hold ports while a server starts.

    Args:
        host: The address that the server will listen on.
        ports: Port by the name of its service; 0 asks for a free one.

    Yields:
        Port by name, without zeros.

    Raises:
        PortInUseError: Somebody listens on one of them.
        ServerStartError: The address is not one of this machine, or the port is not permitted.
    """
    with ExitStack() as held:
        yield {name: _hold(held, host, port, name) for name, port in ports.items()}


def _hold(held: ExitStack, host: str, port: int, name: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    holder = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"the {name} port {port} on {host} is in use: choose another one, 0 takes a free one, "
                f"or find who has it with: ss -ltnp 'sport = :{port}'"
            ) from error
        raise ServerStartError(
            f"cannot listen on {host} port {port} ({name}): {error.strerror or error}"
        ) from error
    chosen: int = holder.getsockname()[1]
    return chosen
