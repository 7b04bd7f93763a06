"""TLS on both wires, with a certificate for localhost that nobody else trusts.

Made by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500
-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1`; its key protects nothing.
"""

from __future__ import annotations

import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from scripted_servers.askers import AsyncAsker, SyncAsker
from scripted_servers.grpc_server import GrpcServicer
from scripted_servers.http_server import HttpHandler, HttpServer
from scripted_servers.script import answer_outputs
from triton_rag_client import ConnectionFailedError, RetryPolicy, TlsFiles
from tritonclient.grpc import service_pb2_grpc

CERTIFICATE = Path(__file__).parent / "tls" / "certificate.pem"
KEY = Path(__file__).parent / "tls" / "key.pem"
SUBJECT_HASH = "ce275665"  # as `openssl x509 -hash` says
OWN = TlsFiles(ca_file=CERTIFICATE)
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def secure_grpc_url(script):
    server = grpc.server(ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(GrpcServicer(script), server)
    credentials = grpc.ssl_server_credentials(
        [(KEY.read_bytes(), CERTIFICATE.read_bytes())], CERTIFICATE.read_bytes(), require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"grpcs://localhost:{port}"
    server.stop(None).wait()


@pytest.fixture
def secure_http_url(script):
    server = HttpServer(("127.0.0.1", 0), HttpHandler)
    server.script = script
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=CERTIFICATE)
    context.load_cert_chain(CERTIFICATE, KEY)
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda request, address: None  # clients that refuse our certificate are the test
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("wire", ["grpc", "http"])
@pytest.mark.parametrize("asker_kind", [SyncAsker, AsyncAsker])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_systems_own_certificates_are_those_of_openssl(
    wire, asker_kind, kind, request, script, monkeypatch, tmp_path
):
    bundle, folder = tmp_path / "bundle.pem", tmp_path / "certificates"
    folder.mkdir()
    name = f"{SUBJECT_HASH}.0"
    (bundle if kind == "file" else folder / name).write_bytes(CERTIFICATE.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    script.infer = lambda seen: answer_outputs("safe")
    tls = TlsFiles(certificate_file=CERTIFICATE, key_file=KEY)
    asker = asker_kind(request.getfixturevalue(f"secure_{wire}_url"), tls=tls, retry=ONCE)
    assert asker.call("ask", "q").text == "safe"
    asker.close()


@pytest.mark.parametrize("wire", ["grpc", "http"])
@pytest.mark.parametrize("asker_kind", [SyncAsker, AsyncAsker])
def test_both_sides_show_their_certificates(wire, asker_kind, request, script):
    script.infer = lambda seen: answer_outputs("safe")
    url = request.getfixturevalue(f"secure_{wire}_url")
    asker = asker_kind(url, tls=TlsFiles(CERTIFICATE, CERTIFICATE, KEY), retry=ONCE)
    assert asker.call("ask", "q").text == "safe"
    asker.close()


@pytest.mark.parametrize("wire", ["grpc", "http"])
@pytest.mark.parametrize("asker_kind", [SyncAsker, AsyncAsker])
@pytest.mark.parametrize("tls", [TlsFiles(), OWN], ids=["unknown authority", "no client certificate"])
def test_a_side_that_is_not_trusted_is_refused(wire, asker_kind, tls, request):
    url = request.getfixturevalue(f"secure_{wire}_url")
    asker = asker_kind(url, tls=tls, retry=ONCE)
    with pytest.raises(ConnectionFailedError):
        asker.call("ask", "q", timeout_s=20)
    asker.close()
