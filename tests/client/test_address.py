from __future__ import annotations

import re
from pathlib import Path

import pytest
from triton_rag_client import AsyncRagClient, ClientSetupError, RagClient, TlsFiles
from triton_rag_client.address import parse_address


@pytest.mark.parametrize(
    ("url", "wire", "is_secure", "target", "whole"),
    [
        ("grpc://host", "grpc", False, "host:8001", "grpc://host:8001"),
        ("grpc://host:9/", "grpc", False, "host:9", "grpc://host:9"),
        ("grpcs://host", "grpc", True, "host:8001", "grpcs://host:8001"),
        ("http://host", "http", False, "host:8000", "http://host:8000"),
        ("https://host/triton/", "http", True, "host:443", "https://host:443/triton"),
        ("http://[::1]:8000", "http", False, "[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_url_says_wire_security_and_target(url, wire, is_secure, target, whole):
    address = parse_address(url)
    assert (address.wire, address.is_secure, address.target, address.url) == (wire, is_secure, target, whole)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:8001",
        "localhost",
        "ftp://host",
        "grpc://",
        "grpc://host:x",
        "grpc://host:99999",
        "grpc://host/path",
        "http://host?x=1",
        "http://user@host",
        "http://[::1",
        None,
        3,
    ],
)
def test_what_is_no_url_is_refused_with_what_to_give(url):
    with pytest.raises(ClientSetupError, match="give grpc://HOST:PORT"):
        RagClient(url)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
@pytest.mark.parametrize("kind", [RagClient, AsyncRagClient])
def test_tls_files_for_an_address_without_tls_are_refused(scheme, kind):
    with pytest.raises(ClientSetupError, match=f"not encrypted.*ca.pem.*give {scheme}s://"):
        kind(f"{scheme}://host", tls=TlsFiles(ca_file=Path("ca.pem")))


@pytest.mark.parametrize("scheme", ["grpcs", "https"])
def test_tls_files_that_cannot_be_used_are_named(scheme, tmp_path):
    with pytest.raises(ClientSetupError, match=r"nowhere\.pem cannot be read"):
        RagClient(f"{scheme}://host", tls=TlsFiles(ca_file=tmp_path / "nowhere.pem"))
    (tmp_path / "bad.pem").write_text("not PEM")
    with pytest.raises(ClientSetupError, match="PEM format"):
        RagClient(f"{scheme}://host", tls=TlsFiles(ca_file=tmp_path / "bad.pem"))
    with pytest.raises(ClientSetupError, match="belong together"):
        TlsFiles(certificate_file=tmp_path / "bad.pem")


@pytest.mark.parametrize("scheme", ["grpc", "http"])
@pytest.mark.parametrize("kind", [RagClient, AsyncRagClient])
@pytest.mark.parametrize(
    "headers",
    [
        *({"x": value} for value in ("ü", "a\nb", "a\tb", " a", "a ", "\x7f", b"bytes", None)),
        *({name: "x"} for name in ("ü", "", "a b", "a:b", "a\n", "(a)", 3)),
    ],
)
def test_headers_that_cannot_be_sent_are_named(scheme, kind, headers):
    (name,) = headers
    with pytest.raises(ClientSetupError, match=f"header {re.escape(repr(name))}"):
        kind(f"{scheme}://host", headers=headers)


@pytest.mark.parametrize("name", ["token-bin", "Token-Bin", "grpc-timeout", "a~b"])
def test_names_that_grpc_keeps_or_does_not_know_are_refused_there_alone(name):
    with pytest.raises(ClientSetupError, match="gRPC"):
        RagClient("grpc://host", headers={name: "x"})
    RagClient("http://host", headers={name: "x"}).close()
