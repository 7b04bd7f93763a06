"""Bad input against the live server, through gRPC and HTTP: a clear error, and nothing else is hurt."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import pytest
from integration.raw_requests import Ask, Refusal, Tensors, text_rows
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

QUERY = "How do I join two path components?"
INVALID = ("INVALID_ARGUMENT", "")  # an error inside a gRPC stream has no status


def number(value: float, dtype: type = np.int32) -> np.ndarray:
    return np.array([[value]], dtype=dtype)


def refusal(ask: Ask, model: str, tensors: Tensors, timeout_us: int = 0) -> Refusal:
    answer = ask(model, tensors, timeout_us)
    assert isinstance(answer, Refusal), f"{model} accepted {tensors}"
    return answer


def post_json(server: TritonServer, path: str, body: dict[str, object]) -> httpx2.Response:
    return httpx2.post(f"{server.http_url}/v2/models/{path}", json=body, timeout=120)


@pytest.fixture(autouse=True)
def server_answers_afterwards(ask: Ask) -> None:
    """Whatever a test sent, the next honest question is answered."""
    yield
    found = ask("retrieve", {"QUERY": text_rows(QUERY)})
    assert not isinstance(found, Refusal)
    assert any(b"join" in text for text in found["PASSAGE_TEXT"])


@pytest.mark.parametrize("model", ["embed", "retrieve", "rag", "rag_stream"])
@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(" \n\t", "empty", id="white space"),
        pytest.param("x" * 100_000, "100000", id="100,000 characters"),
        pytest.param(b"caf\xe9 \xff\xfe", "UTF-8", id="invalid UTF-8"),
    ],
)
def test_a_query_that_is_no_text_is_refused_by_name(
    ask: Ask, model: str, query: str | bytes, words: str
) -> None:
    answer = refusal(ask, model, {"QUERY": text_rows(query)})
    assert answer.status in INVALID
    assert "QUERY" in answer.message
    assert words in answer.message


@pytest.mark.parametrize("model", ["rag", "rag_stream"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param("PASSAGES_K", number(0), id="PASSAGES_K=0"),
        pytest.param("PASSAGES_K", number(-1), id="PASSAGES_K=-1"),
        pytest.param("PASSAGES_K", number(2**31 - 1), id="PASSAGES_K huge"),
        pytest.param("RETRIEVER", text_rows("magic"), id="RETRIEVER unknown"),
        pytest.param("MAX_TOKENS", number(0), id="MAX_TOKENS=0"),
        pytest.param("MAX_TOKENS", number(-5), id="MAX_TOKENS=-5"),
        pytest.param("MAX_TOKENS", number(2**31 - 1), id="MAX_TOKENS huge"),
        pytest.param("TEMPERATURE", number(-0.1, np.float32), id="TEMPERATURE=-0.1"),
        pytest.param("TEMPERATURE", number(1e30, np.float32), id="TEMPERATURE huge"),
        pytest.param("TEMPERATURE", number(float("nan"), np.float32), id="TEMPERATURE NaN"),
        pytest.param("TOP_K", number(-1), id="TOP_K=-1"),
        pytest.param("TOP_K", number(2**31 - 1), id="TOP_K huge"),
        pytest.param("TOP_P", number(0, np.float32), id="TOP_P=0"),
        pytest.param("TOP_P", number(1.5, np.float32), id="TOP_P=1.5"),
        pytest.param("TOP_P", number(float("inf"), np.float32), id="TOP_P infinite"),
        pytest.param("SEED", number(-1, np.int64), id="SEED=-1"),
        pytest.param("STOP", text_rows(""), id="STOP empty"),
        pytest.param("STOP", text_rows("x" * 10_000), id="STOP long"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(
    ask: Ask, model: str, option: str, value: np.ndarray
) -> None:
    answer = refusal(ask, model, {"QUERY": text_rows(QUERY), option: value})
    assert answer.status in INVALID
    assert option in answer.message


WRONG_TENSORS = [
    pytest.param({"QUERY": number(1)}, id="QUERY as INT32"),
    pytest.param({"QUERY": text_rows(QUERY), "MAX_TOKENS": number(8, np.int64)}, id="MAX_TOKENS as INT64"),
    pytest.param({"QUERY": text_rows(QUERY).reshape(1)}, id="QUERY without a batch dimension"),
    pytest.param({"QUERY": np.array([[b"a", b"b"]], np.object_)}, id="two queries in a row"),
    pytest.param({"QUERY": text_rows(QUERY), "TOP_K": np.ones((1, 2), np.int32)}, id="two TOP_K"),
    pytest.param({"QUERY": text_rows("a", "b")}, id="more rows than rag takes"),
    pytest.param({"MAX_TOKENS": number(8)}, id="no QUERY"),
    pytest.param({"QUERY": text_rows(QUERY), "UNKNOWN": number(1)}, id="an unknown tensor"),
]


@pytest.mark.parametrize("tensors", WRONG_TENSORS)
def test_a_wrong_dtype_or_shape_is_refused(ask: Ask, tensors: Tensors) -> None:
    assert refusal(ask, "rag", tensors).status == "INVALID_ARGUMENT"


@pytest.mark.parametrize("tensors", [wrong for wrong in WRONG_TENSORS if wrong.id != "no QUERY"])
def test_a_stream_of_a_wrong_dtype_or_shape_is_refused(ask_grpc: Ask, tensors: Tensors) -> None:
    """The one without a QUERY is left out: Triton 2.51 ends its stream without a response."""
    assert refusal(ask_grpc, "rag_stream", tensors).message


@pytest.mark.parametrize("path", ["rag/generate", "rag_stream/generate_stream"])
@pytest.mark.parametrize(
    "wrong",
    [{"QUERY": 1}, {"QUERY": ["a", "b"]}, {"MAX_TOKENS": "x"}, {"MAX_TOKENS": 1.5}, {"TOP_K": [1, 1]}],
    ids=str,
)
def test_json_of_a_wrong_dtype_or_shape_is_refused(
    rag_server: TritonServer, path: str, wrong: dict[str, object]
) -> None:
    response = post_json(rag_server, path, {"QUERY": QUERY, **wrong})
    assert response.status_code in (400, 500)  # Triton calls JSON of another type an error of its own
    assert response.json()["error"]


@pytest.mark.parametrize("path", ["rag/generate", "rag_stream/generate_stream"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": 0.7}, "temperature is no option; did you mean TEMPERATURE?"),
        ({"parameters": {"max_new_tokens": 8}}, "max_new_tokens is no option; did you mean MAX_TOKENS?"),
        ({"timeout": 1.5}, "timeout is 1.5; allowed: a whole number of microseconds"),
    ],
    ids=str,
)
def test_a_key_that_is_no_option_is_refused_by_name(
    rag_server: TritonServer, path: str, wrong: dict[str, object], said: str
) -> None:
    response = post_json(rag_server, path, {"QUERY": QUERY, **wrong})
    assert response.status_code == 400
    assert said in response.text


def test_an_option_of_another_model_is_refused(rag_server: TritonServer) -> None:
    response = post_json(rag_server, "retrieve/generate", {"QUERY": QUERY, "MAX_TOKENS": 8})
    assert response.status_code == 400
    assert "MAX_TOKENS came as a parameter" in response.text


@pytest.mark.parametrize("path", ["rag/generate", "rag_stream/generate_stream"])
def test_the_keys_of_triton_itself_are_taken(rag_server: TritonServer, path: str) -> None:
    keys = {"id": "7", "timeout": 100_000_000, "priority": 1, "triton_trace": True, "MAX_TOKENS": 2}
    response = post_json(rag_server, path, {"QUERY": QUERY, **keys})
    assert response.status_code == 200
    assert "error" not in response.text


def test_a_request_out_of_time_is_told_so(ask: Ask) -> None:
    answer = refusal(ask, "rag", {"QUERY": text_rows(QUERY)}, timeout_us=1)
    assert answer.status in ("CANCELLED", *INVALID)  # by HTTP, Triton 2.51 says 400 to both
    assert "was not answered within its timeout of 1e-06 s" in answer.message


def test_one_bad_row_leaves_its_neighbours_unhurt(ask: Ask) -> None:
    alone = ask("embed", {"QUERY": text_rows("first question")})
    batch = ask("embed", {"QUERY": text_rows("first question", "", "third question")})
    assert not isinstance(alone, Refusal)
    assert not isinstance(batch, Refusal)
    size = len(alone["EMBEDDING"])
    assert batch["EMBEDDING"][:size] == alone["EMBEDDING"]
    assert batch["ERROR"][0] == b""
    assert b"QUERY" in batch["ERROR"][1]
    assert batch["ERROR"][2] == b""
    assert np.isnan(np.array(batch["EMBEDDING"][size : 2 * size], np.float32)).all()
    assert np.isfinite(np.array(batch["EMBEDDING"][2 * size :], np.float32)).all()


def test_one_bad_option_leaves_its_neighbours_unhurt(ask: Ask) -> None:
    found = ask(
        "retrieve",
        {"QUERY": text_rows(QUERY, QUERY, QUERY), "PASSAGES_K": np.array([[2], [-7], [1]], np.int32)},
    )
    assert not isinstance(found, Refusal)
    assert [error == b"" for error in found["ERROR"]] == [True, False, True]
    assert b"PASSAGES_K" in found["ERROR"][1]
    assert [bool(passage) for passage in found["PASSAGE_ID"]] == [True, True, False, False, True, False]


def test_bad_requests_among_good_ones_fail_alone(ask: Ask) -> None:
    queries = [QUERY, "", "What does a generator expression do?", b"\xff"] * 4
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda query: ask("retrieve", {"QUERY": text_rows(query)}), queries))
    assert [isinstance(answer, Refusal) for answer in answers] == [False, True, False, True] * 4
