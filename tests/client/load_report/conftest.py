from pathlib import Path

import pytest
from triton_rag_client.load.results import LoadTestResults, read_results

CAPTURED = Path(__file__).parent / "captured_results.json"
"""Of the default repository on a busy machine; its command is in it, the folder of the report is another."""


@pytest.fixture(scope="session")
def results() -> LoadTestResults:
    """A real run."""
    return read_results(CAPTURED)
