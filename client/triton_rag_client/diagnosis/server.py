"""The server and the load generator: found, complete, and fit for this Python."""

import platform
import sys
from collections.abc import Iterator

from triton_rag_server import ServerError, TritonInstallation
from triton_rag_server.embedded import PYTHONS
from triton_rag_server.find import installed_tritonserver, stub_python
from triton_rag_server.libraries import check_libraries

from triton_rag_client.diagnosis.finding import Finding, State
from triton_rag_client.load.perf_analyzer_program import installed_perf_analyzer

__all__ = ["check_server"]


def check_server() -> Iterator[Finding]:
    """How tritonserver and perf_analyzer stand; nothing is downloaded or written."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    installation = installed_tritonserver()
    if installation is None:
        yield Finding(
            "tritonserver", State.NOTE, "the embedded one is fetched by the first start (75 MB, once)"
        )
        yield _stub(python if python in PYTHONS else None, python)
    else:
        yield _libraries(installation)
        yield _stub(stub_python(installation.stub), python)
    yield _perf_analyzer()


def _libraries(installation: TritonInstallation) -> Finding:
    try:
        check_libraries([installation.program], installation.environment)
        if installation.stub.is_file():
            check_libraries([installation.stub], installation.environment)
    except ServerError as error:
        cause, _, advice = str(error).partition(": ")
        return Finding("tritonserver", State.MISSING, f"{installation.program}: {cause}", advice)
    return Finding("tritonserver", State.OK, f"{installation.program} ({installation.origin})")


def _stub(found: str | None, python: str) -> Finding:
    if found == python:
        return Finding("Python backend", State.OK, f"runs models in Python {python}")
    if found is None:
        advice = f"make a virtual environment with Python {' or '.join(PYTHONS)}"
        return Finding("Python backend", State.MISSING, f"none for Python {python}", advice)
    advice = f"install the models' packages for Python {found} too, or serve --tritonserver embedded"
    return Finding("Python backend", State.NOTE, f"runs models in Python {found}, this is {python}", advice)


def _perf_analyzer() -> Finding:
    found = installed_perf_analyzer()
    if found is not None:
        return Finding("perf_analyzer", State.OK, f"{found.program} ({found.origin})")
    if platform.machine() == "x86_64":
        return Finding("perf_analyzer", State.NOTE, "fetched by the first load test (13 MB, once)")
    return Finding("perf_analyzer", State.NOTE, "none for this machine: our own load generator is used")
