"""A gRPC server that speaks as Triton does and behaves as its script says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from scripted_servers.script import Script, ScriptedError, Seen, Wait, elements, raw_bytes
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype

if TYPE_CHECKING:
    import numpy as np


class GrpcServicer(service_pb2_grpc.GRPCInferenceServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    def _seen(self, request: Any, context: grpc.ServicerContext) -> Seen:
        raw = zip(request.inputs, request.raw_input_contents, strict=True)
        inputs = {tensor.name: elements(tensor.datatype, data) for tensor, data in raw}
        headers = {pair.key: pair.value for pair in context.invocation_metadata()}
        seen = Seen(request.model_name, inputs, headers, request.parameters["timeout"].int64_param)
        self.script.requests.append(seen)
        context.add_callback(self.script.client_left.set)
        return seen

    def _response(self, outputs: dict[str, np.ndarray]) -> Any:
        response = service_pb2.ModelInferResponse()
        for name, tensor in reversed(outputs.items()):  # Triton's order is its own
            response.outputs.add(name=name, datatype=np_to_triton_dtype(tensor.dtype), shape=tensor.shape)
            response.raw_output_contents.append(raw_bytes(tensor))
        return response

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        try:
            outputs = self.script.infer(self._seen(request, context))
        except ScriptedError as refusal:
            context.abort(grpc.StatusCode[refusal.code], str(refusal))
        if outputs is Wait:
            self.script.test_ended.wait()
            context.abort(grpc.StatusCode.CANCELLED, "the test has ended")
        return self._response(outputs)

    def ModelStreamInfer(self, requests: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        for request in requests:
            try:
                for outputs in self.script.stream(self._seen(request, context)):
                    if outputs is Wait:
                        self.script.test_ended.wait()
                        return
                    yield service_pb2.ModelStreamInferResponse(infer_response=self._response(outputs))
            except ScriptedError as refusal:
                if refusal.code == "":  # as Triton does
                    yield service_pb2.ModelStreamInferResponse(error_message=str(refusal))
                    return
                context.abort(grpc.StatusCode[refusal.code], str(refusal))
            last = service_pb2.ModelInferResponse()
            last.parameters["triton_final_response"].bool_param = True
            yield service_pb2.ModelStreamInferResponse(infer_response=last)

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.script.configs_asked += 1
        if self.script.max_rows is None:  # as Triton says it
            context.abort(
                grpc.StatusCode.UNAVAILABLE, "This protocol is restricted, expecting header 'triton-grpc-x'"
            )
        response = service_pb2.ModelConfigResponse()
        response.config.max_batch_size = self.script.max_rows
        return response

    def ServerReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ServerReadyResponse(ready=self.script.is_ready)

    def ServerMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ServerMetadataResponse(name="triton", version="2.51.0", extensions=["parameters"])
