"""A tiny encoder, exported once."""

from pathlib import Path

import pytest
from tiny_encoders import TinyEncoder, save_tiny_encoder
from triton_rag_export.graph.encoder import EncoderExport, export_encoder
from triton_rag_export.graph.model_source import resolve_model


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    model = save_tiny_encoder(TinyEncoder(), tmp_path_factory.mktemp("model"))
    export_encoder(resolve_model(str(model)), EncoderExport(), folder)
    return folder
