"""The wire contract: every config.pbtxt, the ensemble maps and the client's names say the same."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput
from triton_rag_client.contract import MODELS, ModelContract
from triton_rag_export.served import SERVED_MODELS, model_repository_folder

ENSEMBLES = ("embed", "retrieve", "rag", "rag_stream")


def read_config(name: str) -> ModelConfig:
    text = (model_repository_folder() / name / "config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, ModelConfig())
