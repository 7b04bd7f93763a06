"""Every error of the layers below is one of ours, and everything public is exported."""

from __future__ import annotations

import ast
import http
import re
import ssl
from pathlib import Path

import grpc
import httpx2
import pytest
import triton_rag_client
from triton_rag_client import address, errors, options, results
from triton_rag_client.core import grpc_wire, http_errors
from triton_rag_client.core.unnamed_errors import kind_of, more_exact_kind
from triton_rag_client.core.wire import failure
from triton_rag_client.transport.http_client import http_library_failure

ALL_ERRORS = [getattr(errors, name) for name in errors.__all__]
NOT_SAID_BY_A_SERVER = {
    errors.RagError,
    errors.ClientSetupError,
    errors.RowsRefusedError,
    errors.PerfAnalyzerError,
    errors.RateNotSentError,
    errors.SloUnreachableError,
}


def all_subclasses(kind):
    return {kind}.union(*(all_subclasses(child) for child in kind.__subclasses__()))


TRANSPORT_ERRORS = sorted(all_subclasses(httpx2.TransportError), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("module", [errors, results, options, address])
def test_every_public_name_is_exported(module):
    hidden = {"Address", "parse_address"}  # how the clients read their url
    assert set(module.__all__) - hidden <= set(triton_rag_client.__all__)


def test_the_package_exports_what_it_says_and_nothing_else():
    source = Path(triton_rag_client.__file__).read_text(encoding="utf-8")
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    imported = [alias.name for node in imports for alias in node.names]
    assert sorted(triton_rag_client.__all__) == sorted(imported)


def test_the_tree_is_drawn_as_it_is():
    branches = re.findall(r"^([│├└─ ]*)(\w+Error) ", errors.__doc__, re.MULTILINE)
    assert sorted(name for _, name in branches) == sorted(errors.__all__)
    for indent, name in branches:
        depth = sum(parent in ALL_ERRORS for parent in getattr(errors, name).__mro__)
        assert len(indent) == 4 * (depth - 1), name


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_grpc_status_is_one_of_our_errors(code):
    error = grpc_wire.grpc_failure(code, "in ensemble 'rag', it went wrong\n\nAt:\n  model.py(3)")
    assert type(error) is grpc_wire.STATUS_ERRORS[code]
    assert str(error).startswith("it went wrong")
    assert "\n" not in str(error)


@pytest.mark.parametrize("status", [status for status in http.HTTPStatus if status != 200] + [499, 599, 999])
def test_every_http_status_is_one_of_our_errors(status):
    error = http_errors.http_failure(status, b'{"error":"it went wrong"}')
    family = {4: errors.InvalidRequestError, 5: errors.ServerError}.get(status // 100, errors.ProtocolError)
    assert type(error) is http_errors.STATUS_ERRORS.get(status, family)
    assert str(error).startswith("it went wrong")


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[1]", b'{"detail": "x"}', b"\xff"])
def test_a_body_that_is_not_of_triton_still_gives_a_clear_error(body):
    assert "HTTP status 502" in str(http_errors.http_failure(502, body))


def test_only_unavailable_is_sent_again():
    assert {error for error in ALL_ERRORS if error.is_retryable} == {
        errors.UnavailableError,
        errors.ConnectionFailedError,
    }


@pytest.mark.parametrize("kind", TRANSPORT_ERRORS)
def test_every_transport_error_of_httpx2_is_one_of_ours(kind):
    error = http_library_failure(kind("it went wrong"))
    expected = {
        httpx2.TimeoutException: errors.DeadlineExceededError,
        httpx2.NetworkError: errors.ConnectionFailedError,
        httpx2.RemoteProtocolError: errors.ConnectionFailedError,
        httpx2.ProxyError: errors.ConnectionFailedError,
    }
    wanted = [ours for theirs, ours in expected.items() if issubclass(kind, theirs)]
    assert type(error) is (wanted[0] if wanted else errors.ProtocolError)


def test_an_error_of_the_socket_that_the_http_library_lets_through_is_a_failed_connection():
    for kind in (ssl.SSLError, ConnectionResetError):
        assert type(http_library_failure(kind("it went wrong"))) is errors.ConnectionFailedError
    assert type(http_library_failure(TimeoutError())) is errors.DeadlineExceededError


@pytest.mark.parametrize("kind", [error for error in ALL_ERRORS if error not in NOT_SAID_BY_A_SERVER])
def test_what_a_server_said_is_told_with_what_to_do(kind):
    said = str(failure(kind, "it went wrong."))
    assert said.startswith("it went wrong")
    assert kind is errors.InvalidRequestError or "; " in said


@pytest.mark.parametrize(
    ("text", "is_started", "kind"),
    [
        ("[request id: <id_unknown>] Exceeds maximum queue size", False, errors.UnavailableError),
        (
            "9 requests run or wait; allowed: 8 run and 1 wait; ask again later",
            False,
            errors.UnavailableError,
        ),
        ("Stub process 'generator_0_0' is not healthy.", False, errors.ServerError),
        ("Failed to process the request(s) for model 'x'", False, errors.ServerError),
        ("MAX_TOKENS is -1; allowed: 1 to 512", False, errors.InvalidRequestError),
        ("QUERY is 'Exceeds maximum queue size'; ask again", False, errors.InvalidRequestError),
        (
            "in ensemble 'rag_stream', generation failed in this step (ValueError: queue full); ask again",
            False,
            errors.ServerError,
        ),
        ("something", True, errors.ServerError),
    ],
)
def test_an_error_without_a_code_is_told_by_its_text(text, is_started, kind):
    assert kind_of(text, is_started=is_started) is kind


def generator_texts(*kinds: str) -> list[str]:
    """The texts with which the generator raises these errors, as its source has them."""
    folder = Path(__file__).resolve().parents[2] / "model_repository" / "generator" / "1" / "generation"
    nodes = [node for path in folder.glob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    texts = []
    for call in calls:
        if call.func.id in kinds and call.args:
            text = call.args[0]
            parts = text.values if isinstance(text, ast.JoinedStr) else [text]
            texts.append("".join(part.value if isinstance(part, ast.Constant) else "7" for part in parts))
    return texts


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (("QueueFullError", "EngineClosedError"), errors.UnavailableError),
        (("StepError",), errors.ServerError),
        (("DeadlineError",), errors.DeadlineExceededError),
    ],
)
def test_what_the_generator_says_is_known_without_its_code(theirs, ours):
    texts = generator_texts(*theirs)
    assert texts != []
    for text in texts:
        said = text.replace("7: 7", "ValueError: 7")
        assert kind_of(f"in ensemble 'rag_stream', {said}", is_started=False) is ours, said


@pytest.mark.parametrize(
    ("kind", "text", "more_exact"),
    [
        (
            errors.ModelNotFoundError,
            "Request for unknown model: 'rag' has no available versions",
            errors.UnavailableError,
        ),
        (
            errors.ModelNotFoundError,
            "Request for unknown model: 'rag' is not found",
            errors.ModelNotFoundError,
        ),
        (
            errors.RequestCancelledError,
            "the request was not answered within its timeout of 2 s, after 7 tokens of the answer",
            errors.DeadlineExceededError,
        ),
    ],
)
def test_a_text_may_say_more_than_its_code(kind, text, more_exact):
    assert more_exact_kind(kind, text) is more_exact
    assert kind_of(text, is_started=True) is more_exact or kind is more_exact
