"""Where a server is and how to reach it: the URL, TLS files, headers. Read without touching the network."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from triton_rag_client.errors import ClientSetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Address", "TlsFiles", "parse_address"]

_SCHEMES: Final[Mapping[str, tuple[Literal["grpc", "http"], bool, int]]] = {
    "grpc": ("grpc", False, 8001),
    "grpcs": ("grpc", True, 8001),
    "http": ("http", False, 8000),
    "https": ("http", True, 443),
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files in PEM format for `grpcs://` and `https://`.

    Attributes:
        ca_file: Certificates that sign the server's; the system's own when None (what `ssl` finds, on both
            wires).
        certificate_file: The client's certificate, where the server asks for one; needs `key_file`.
        key_file: Its private key.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ClientSetupError("certificate_file and key_file belong together: give both or neither")

    def contents(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """The bytes of the three files.

        Raises:
            ClientSetupError: A file cannot be read.
        """
        return _content(self.ca_file), _content(self.certificate_file), _content(self.key_file)

    def roots(self) -> bytes | None:
        """The certificates that sign the server's, in PEM format: `ca_file`, or the system's own.

        grpcio brings its own; OpenSSL, and so HTTP, uses these. None where the system has none.

        Raises:
            ClientSetupError: `ca_file` cannot be read.
        """
        if self.ca_file is not None:
            return _content(self.ca_file)
        found = ssl.get_default_verify_paths()
        if found.cafile is not None:
            return _content(Path(found.cafile))
        folder = Path(found.capath or "nowhere")  # files named after a hash, such as 5ed36f99.0
        return b"\n".join(path.read_bytes() for path in sorted(folder.glob("????????.[0-9]"))) or None

    def context(self) -> ssl.SSLContext:
        """A context that checks the server's certificate and name.

        Raises:
            ClientSetupError: A file cannot be read or is not a certificate or key.
        """
        self.contents()
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except ssl.SSLError as error:
            raise ClientSetupError(
                f"{self} does not hold certificates and a key in PEM format: {error}"
            ) from error
        return context


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, taken apart.

    Attributes:
        url: As it was given, with its port.
        wire: `grpc` or `http`.
        is_secure: Whether TLS is used.
        target: `host:port`.
    """

    url: str
    wire: Literal["grpc", "http"]
    is_secure: bool
    target: str


def parse_address(url: str, tls: TlsFiles | None = None) -> Address:
    """Take a URL apart.

    Args:
        url: `grpc://host:port`, `grpcs://`, `http://` or `https://`; the port may be left out (8001 for
            gRPC, 8000 for HTTP, 443 for HTTPS); HTTP may have a path, for a proxy.
        tls: The files that go with it.

    Raises:
        ClientSetupError: It is not such a URL, or the files have no use there.
    """
    wanted = f"{url!r} is not an address of a server: give grpc://HOST:PORT, grpcs://, http:// or https://"
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, AttributeError) as error:
        raise ClientSetupError(f"{wanted} ({error})") from error
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ClientSetupError(wanted)
    wire, is_secure, default_port = _SCHEMES[parts.scheme]
    if tls is not None and tls != TlsFiles() and not is_secure:
        raise ClientSetupError(
            f"{url!r} is not encrypted, so that {tls} would not be used: give {parts.scheme}s://, or no files"
        )
    path = parts.path.rstrip("/")
    if path and wire == "grpc":
        raise ClientSetupError(f"{wanted}; gRPC knows no path, here {path!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    target = f"{host}:{default_port if port is None else port}"
    return Address(f"{parts.scheme}://{target}{path}", wire, is_secure, target)


def _content(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ClientSetupError(f"{path} cannot be read ({error.strerror}); give a PEM file") from error
