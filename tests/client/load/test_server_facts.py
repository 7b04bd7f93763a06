import pytest
from triton_rag_client.load.server_facts import ServerFacts, read_server_facts
from triton_rag_server import TritonServer


def test_a_server_tells_its_version_and_those_of_its_models(toy_server: TritonServer) -> None:
    facts = read_server_facts(toy_server.grpc_url)
    assert facts.is_local
    assert facts.name
    assert facts.version.split(".")[0].isdecimal()
    assert facts.models["rag_stream"] == "1"


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("http://localhost:8000", True),
        ("https://[::1]:8000", True),
        ("grpcs://127.0.0.2:8001", True),
        ("http://10.0.0.7:8000", False),
        ("https://triton.example", False),
    ],
)
def test_over_other_wires_only_its_place_is_known(url: str, is_local: bool) -> None:
    assert read_server_facts(url) == ServerFacts(is_local=is_local)


def test_a_server_that_says_nothing_is_no_error() -> None:
    assert read_server_facts("grpc://127.0.0.1:1") == ServerFacts(is_local=True)
