"""The timeout that `answer` hands on: a whole number of microseconds, or a refusal."""

import json

import pytest
from answering import InvalidTimeoutError, read_timeout_us


def test_the_field_of_the_request_counts_before_its_parameter() -> None:
    assert read_timeout_us(7, json.dumps({"timeout": 5})) == 7
    assert read_timeout_us(0, json.dumps({"timeout": 5})) == 5


@pytest.mark.parametrize("parameters", ["", "{}", '{"timeout": 0}', '{"temperature": 0.7}'])
def test_a_request_may_say_none(parameters: str) -> None:
    assert read_timeout_us(0, parameters) == 0


@pytest.mark.parametrize("timeout", [1.5, 1e30, -1, "7", True, None])
def test_a_timeout_that_is_no_whole_number_is_refused_with_its_value(timeout: object) -> None:
    with pytest.raises(InvalidTimeoutError) as caught:
        read_timeout_us(0, json.dumps({"timeout": timeout}))
    assert f"timeout is {timeout!r}; allowed: a whole number of microseconds" in str(caught.value)
    assert caught.value.status == "INVALID_ARG"
