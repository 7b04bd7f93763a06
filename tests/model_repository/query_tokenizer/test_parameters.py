"""Parameters of a request: an option that is misspelt is refused, what Triton reads itself is not."""

import json

import pytest
from query_tokenization import OPTIONS, UnknownParameterError, check_parameters


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("temperature", "temperature is no option; did you mean TEMPERATURE?"),
        ("max_new_tokens", "max_new_tokens is no option; did you mean MAX_TOKENS?"),
        ("topk", "topk is no option; did you mean TOP_K?"),
        ("k", f"k is no option; options are {', '.join(OPTIONS)}"),
        ("", "is no option; options are"),
        ("TEMPERATURE", "TEMPERATURE came as a parameter; give it as an input, to a model that has an input"),
    ],
)
def test_an_unknown_parameter_is_told_what_may_have_been_meant(name: str, said: str) -> None:
    with pytest.raises(UnknownParameterError) as caught:
        check_parameters(json.dumps({"timeout": 5, name: 0.7}))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "id",
        "timeout",
        "priority",
        "sequence_id",
        "sequence_start",
        "sequence_end",
        "headers",
        "binary_data_output",
        "triton_enable_empty_final_response",
        "x-request-id",
    ],
)
def test_what_triton_reads_and_headers_that_it_forwards_are_let_through(name: str) -> None:
    check_parameters(json.dumps({name: 1}))


@pytest.mark.parametrize("parameters", ["", "{}"])
def test_a_request_needs_no_parameters(parameters: str) -> None:
    check_parameters(parameters)
