"""What a reply means that is not as it should be, byte by byte and without a server."""

from __future__ import annotations

import json

import numpy as np
import pytest
from triton_rag_client import InvalidRequestError, ProtocolError, ServerError, UnavailableError
from triton_rag_client.contract import MODELS
from triton_rag_client.core.grpc_wire import GrpcWire
from triton_rag_client.core.http_wire import HttpHead, HttpReply, HttpWire
from triton_rag_client.core.requests import ask_call, embed_calls, stream_call
from tritonclient.grpc import service_pb2

CALL = embed_calls(["q"], 1)[0]
STREAM = stream_call("q", {})
EVENT_STREAM = HttpHead(200, {"content-type": "text/event-stream; charset=utf-8"})
VALUES = {
    "ANSWER_DELTA": "x",
    "FINISH_REASON": "",
    "PROMPT_TOKENS": 1,
    "ANSWER_TOKENS": 1,
    "TOKEN_IDS": [],
    "TOKEN_LOGPROBS": [],
    "PASSAGES_USED": 1,
    "PASSAGE_ID": ["a", "b"],
    "PASSAGE_TITLE": ["a", "b"],
    "PASSAGE_SOURCE": ["a", "b"],
    "PASSAGE_TEXT": ["a", "b"],
    "PASSAGE_SCORE": [1, 0.5],
}


def http_reply(content: bytes, header_length: object = None) -> HttpReply:
    headers = {} if header_length is None else {"inference-header-content-length": str(header_length)}
    return HttpReply(HttpHead(200, headers), content)


@pytest.mark.parametrize(
    "reply",
    [
        http_reply(b""),
        http_reply(b"<html>Welcome</html>"),
        http_reply(b'{"outputs": []}', "many"),
        http_reply(b'{"outputs": [', 13),
        http_reply(b"[]", 2),
        http_reply(
            b'{"outputs": [{"name": "EMBEDDING", "datatype": "FP32", "shape": [1, 1], "data": [1]}]}', 85
        ),
    ],
)
def test_an_http_reply_that_is_not_of_triton_is_told_as_such(reply):
    with pytest.raises(ProtocolError, match="is a Triton server of this repository's version at the address"):
        HttpWire().infer_reply(CALL, reply)


def test_a_redirect_is_not_followed_but_told():
    with pytest.raises(ProtocolError, match="HTTP status 302"):
        HttpWire().infer_reply(CALL, HttpReply(HttpHead(302, {}), b""))


def test_metadata_of_something_else_are_told_as_such():
    with pytest.raises(ProtocolError, match="cannot be read"):
        HttpWire().server_metadata(http_reply(b'{"name": "nginx"}'))


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"error": "in ensemble 'rag_stream', QUERY is ''"}, InvalidRequestError, "^QUERY is ''$"),
        ({"error": "Exceeds maximum queue size"}, UnavailableError, "maximum queue size"),
        ({"ANSWER_DELTA": 3}, ProtocolError, "ANSWER_DELTA is 3"),
        ({"PASSAGE_SCORE": ["1"]}, ProtocolError, "PASSAGE_SCORE"),
    ],
)
def test_every_event_is_checked(change, error, said):
    reader = HttpWire().stream_reader(STREAM, EVENT_STREAM)
    with pytest.raises(error, match=said):
        list(reader.feed(b"data: " + json.dumps({**VALUES, **change}).encode() + b"\n\n"))


@pytest.mark.parametrize("event", [b"data: {}\n\n", b"data: [1]\n\n", b"data: {\n\n", b"data: [DONE]\n\n"])
def test_an_event_that_is_not_of_triton_is_told_as_such(event):
    with pytest.raises(ProtocolError):
        list(HttpWire().stream_reader(STREAM, EVENT_STREAM).feed(event))


def test_deltas_before_an_error_in_the_same_piece_come_out_first():
    good = b"data: " + json.dumps(VALUES).encode() + b"\n\n"
    bad = b'data: {"error": "it went wrong"}\n\n'
    replies = HttpWire().stream_reader(STREAM, EVENT_STREAM).feed(good + bad)
    assert next(replies).text("ANSWER_DELTA") == "x"
    with pytest.raises(ServerError, match="it went wrong"):
        next(replies)


def test_a_refused_stream_is_told_when_its_body_is_complete():
    reader = HttpWire().stream_reader(STREAM, HttpHead(503, {"content-type": "application/json"}))
    assert [*reader.feed(b'{"error":'), *reader.feed(b' "not now"}')] == []
    with pytest.raises(UnavailableError, match="not now"):
        reader.end()


def test_a_stream_of_a_server_without_codes_is_told_by_its_text():
    text = "9 requests run or wait; allowed: 8 run and 1 wait; ask again later"
    reader = GrpcWire().stream_reader(STREAM, None)
    with pytest.raises(UnavailableError, match="run or wait"):
        list(reader.feed(service_pb2.ModelStreamInferResponse(error_message=text)))


def test_a_grpc_reply_without_raw_contents_is_told_as_such():
    response = service_pb2.ModelInferResponse()
    response.outputs.add(name="EMBEDDING", datatype="FP32", shape=[1, 3])
    with pytest.raises(ProtocolError, match="1 outputs, but the bytes of 0"):
        GrpcWire().infer_reply(CALL, response)


def test_both_wires_send_the_same_bytes():
    options = {"max_tokens": 3, "stop": ["a", "b"], "stop_tokens": [1], "temperature": 0.5, "logprobs": True}
    call = ask_call("ü", options)
    message = GrpcWire().infer_request(call, 2.0).message
    request = HttpWire().infer_request(call, 2.0)
    size = int(request.headers["inference-header-content-length"])
    header = json.loads(request.content[:size])
    assert request.content[size:] == b"".join(message.raw_input_contents)
    assert [tensor["name"] for tensor in header["inputs"]] == [tensor.name for tensor in message.inputs]
    assert header["parameters"]["timeout"] == message.parameters["timeout"].int64_param == 2_000_000


def test_no_time_left_is_not_sent_as_no_limit():
    assert GrpcWire().infer_request(CALL, 1e-9).message.parameters["timeout"].int64_param == 1


def test_inputs_have_the_types_and_shapes_of_the_contract():
    options = {"retriever": "bm25", "passages_k": 1, "seed": 1, "stop": ["a", "b"], "top_p": 1.0}
    options |= {"min_tokens": 1, "repetition_penalty": 1.5, "stop_tokens": [1, 2], "logprobs": False}
    options |= {"beams": 1, "length_penalty": 1.0}
    call = ask_call("q", options)
    contract = {tensor.name: tensor for tensor in MODELS["rag"].inputs}
    for tensor in call.inputs:
        assert tensor.data_type == contract[tensor.name].data_type
        assert tensor.shape == (1, *(2 if size == -1 else size for size in contract[tensor.name].dims))
    assert np.frombuffer(call.inputs[3].raw, "<i8") == [1]
