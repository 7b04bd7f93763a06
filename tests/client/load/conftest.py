"""A real Triton over a toy of the pipeline: the names and types of `rag_stream`, words instead of a model."""

from collections.abc import Iterator

import pytest
from toy_pipeline import write_toy_pipeline
from triton_rag_server import TritonServer


@pytest.fixture(scope="session")
def toy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with TritonServer(write_toy_pipeline(tmp_path_factory.mktemp("toy"))) as server:
        yield server
