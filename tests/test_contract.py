"""The wire contract: every config.pbtxt, the ensemble maps and the client's names say the same."""

import pytest
from google.protobuf import text_format
from query_tokenization import OPTIONS
from triton_rag_client.contract import MODELS, ModelContract, TensorContract
from triton_rag_export.served import SERVED_MODELS, model_repository_folder
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput

CONFIGS = {
    path.parent.name: text_format.Parse(path.read_text(encoding="utf-8"), ModelConfig())
    for path in sorted(model_repository_folder().glob("*/config.pbtxt"))
}
ENSEMBLES = {name: config for name, config in CONFIGS.items() if config.platform == "ensemble"}
KSERVE_NAMES = {"TYPE_STRING": "BYTES"}


def data_type(tensor: ModelInput | ModelOutput) -> str:
    name = DataType.Name(tensor.data_type)
    return KSERVE_NAMES.get(name, name.removeprefix("TYPE_"))


def tensor_of_step(model: str, tensor: str) -> ModelInput | ModelOutput:
    config = CONFIGS[model]
    return next(found for found in [*config.input, *config.output] if found.name == tensor)


def fits(config: ModelInput | ModelOutput, contract: TensorContract) -> bool:
    """Whether type and shape agree; where the client says -1, any length will do."""
    return data_type(config) == contract.data_type and all(
        ours in (theirs, -1) for ours, theirs in zip(contract.dims, config.dims, strict=True)
    )


def test_the_served_models_are_all_there_and_named_after_their_folders() -> None:
    assert set(CONFIGS) == {*SERVED_MODELS, *MODELS}
    assert {name: config.name for name, config in CONFIGS.items()} == {name: name for name in CONFIGS}


@pytest.mark.parametrize("contract", MODELS.values(), ids=lambda contract: contract.name)
def test_the_client_knows_every_tensor_of_an_ensemble(contract: ModelContract) -> None:
    config = CONFIGS[contract.name]
    assert config.platform == "ensemble"
    assert config.max_batch_size == contract.max_rows
    assert [tensor.name for tensor in config.input] == [tensor.name for tensor in contract.inputs]
    assert {tensor.name for tensor in config.output} == {tensor.name for tensor in contract.outputs}
    for ours, theirs in zip(contract.inputs, config.input, strict=True):
        assert fits(theirs, ours), ours
        assert theirs.optional == ours.optional, ours
    outputs = {tensor.name: tensor for tensor in config.output}
    for ours in contract.outputs:
        assert fits(outputs[ours.name], ours), ours


@pytest.mark.parametrize("name", sorted(ENSEMBLES))
def test_an_ensemble_joins_tensors_of_one_type_and_shape(name: str) -> None:
    config = ENSEMBLES[name]
    pool = {tensor.name: (tensor.data_type, list(tensor.dims)) for tensor in config.input}
    for step in config.ensemble_scheduling.step:
        for tensor, joined in step.input_map.items():
            wanted = tensor_of_step(step.model_name, tensor)
            assert pool[joined] == (wanted.data_type, list(wanted.dims)), f"{step.model_name}.{tensor}"
        for tensor, joined in step.output_map.items():
            made = tensor_of_step(step.model_name, tensor)
            pool[joined] = (made.data_type, list(made.dims))
    for output in config.output:
        assert pool[output.name] == (output.data_type, list(output.dims)), output.name


@pytest.mark.parametrize("name", sorted(ENSEMBLES))
def test_an_ensemble_feeds_every_input_that_a_step_requires(name: str) -> None:
    for step in ENSEMBLES[name].ensemble_scheduling.step:
        required = {tensor.name for tensor in CONFIGS[step.model_name].input if not tensor.optional}
        assert required <= set(step.input_map), step.model_name


def test_what_steps_tell_each_other_about_a_stream_stays_inside() -> None:
    inside = {"REQUEST_KEY", "ERROR", "ERROR_STATUS"}
    assert inside <= {tensor.name for tensor in CONFIGS["generator"].output}
    assert not inside & {tensor.name for tensor in CONFIGS["rag_stream"].output}


@pytest.mark.parametrize("name", [name for name in SERVED_MODELS if name != "stream_watch"])
def test_a_step_batches_dynamically_and_bounds_its_queue(name: str) -> None:
    config = CONFIGS[name]
    assert config.max_batch_size > 0
    assert config.dynamic_batching.default_queue_policy.max_queue_size > 0


def test_the_watch_over_streams_is_asked_about_every_response_in_order() -> None:
    """Dynamic batching answers cancelled requests itself, and lets an ensemble get responses out of order."""
    config = CONFIGS["stream_watch"]
    assert not config.HasField("dynamic_batching")
    assert [group.count for group in config.instance_group] == [1]


def test_the_first_step_of_every_ensemble_knows_the_options_from_what_nobody_reads() -> None:
    optional = {tensor.name for config in ENSEMBLES.values() for tensor in config.input if tensor.optional}
    assert set(OPTIONS) == optional
    assert {config.ensemble_scheduling.step[0].model_name for config in ENSEMBLES.values()} == {
        "query_tokenizer"
    }


def test_options_mean_the_same_in_every_model_that_takes_them() -> None:
    seen: dict[str, tuple[int, list[int], bool]] = {}
    for config in CONFIGS.values():
        for tensor in config.input:
            if tensor.optional and tensor.name.isupper():
                meaning = (tensor.data_type, list(tensor.dims), tensor.optional)
                assert seen.setdefault(tensor.name, meaning) == meaning, f"{config.name}.{tensor.name}"
