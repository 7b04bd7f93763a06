"""A piece of an answer as Triton's tensors: those that `config.pbtxt` promises, each of one row."""

import numpy as np
import pytest
from generation import Delta, TokenLogprob, response_outputs
from google.protobuf import text_format
from triton_rag_export.served import model_repository_folder
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig
from tritonclient.utils import np_to_triton_dtype

SAID = Delta("für", "", 7, 2, (TokenLogprob(5, -0.25), TokenLogprob(2**31 - 1, -40.5)))
OF_THE_REQUEST = ("PASSAGE", "REQUEST_KEY")
OUTPUTS = {
    tensor.name: tensor
    for tensor in text_format.Parse(
        (model_repository_folder() / "generator" / "config.pbtxt").read_text(encoding="utf-8"), ModelConfig()
    ).output
    if not tensor.name.startswith(OF_THE_REQUEST)
}


@pytest.mark.parametrize("delta", [SAID, Delta("", "stop", 7, 2)])
def test_names_types_and_shapes_are_those_of_the_configuration(delta: Delta) -> None:
    outputs = response_outputs(delta)
    assert set(outputs) == set(OUTPUTS)
    for name, tensor in outputs.items():
        served = DataType.Name(OUTPUTS[name].data_type).replace("STRING", "BYTES")
        assert f"TYPE_{np_to_triton_dtype(tensor.dtype)}" == served, name
        rows, length = tensor.shape
        assert rows == 1
        assert OUTPUTS[name].dims[0] in (length, -1), name


def test_tokens_and_their_log_probabilities_stand_at_the_same_places() -> None:
    outputs = response_outputs(SAID)
    assert outputs["TOKEN_IDS"].tolist() == [[5, 2**31 - 1]]
    assert outputs["TOKEN_LOGPROBS"].tolist() == [[-0.25, -40.5]]
    assert outputs["ANSWER_DELTA"].item() == "für".encode()


def test_an_error_is_an_output_of_its_own() -> None:
    outputs = response_outputs(Delta("", "", 0, 0), "out of tea", "UNAVAILABLE")
    assert (outputs["ERROR"].item(), outputs["ERROR_STATUS"].item()) == (b"out of tea", b"UNAVAILABLE")
    assert outputs["TOKEN_IDS"].shape == outputs["TOKEN_LOGPROBS"].shape == (1, 0)
    assert outputs["TOKEN_IDS"].dtype == np.int32
