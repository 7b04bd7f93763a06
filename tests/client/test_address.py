from __future__ import annotations

import pytest
from triton_rag_client import ClientSetupError, RagClient, TlsFiles
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
@pytest.mark.parametrize("headers", [{"x": "ü"}, {"x": "a\nb"}, {"ü": "x"}])
def test_headers_that_cannot_be_sent_are_named(scheme, headers):
    with pytest.raises(ClientSetupError, match="header"):
        RagClient(f"{scheme}://host", headers=headers)
