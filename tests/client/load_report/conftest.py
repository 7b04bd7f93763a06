from pathlib import Path

import pytest
from triton_rag_client.load.results import LoadTestResults, read_results

CAPTURED = Path(__file__).parent / "captured_results.json"  # of the default repository, --concurrency 1,4,8


@pytest.fixture(scope="session")
def results() -> LoadTestResults:
    """A real run of the default repository."""
    return read_results(CAPTURED)
