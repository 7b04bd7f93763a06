import numpy as np
import pytest
from generation import OPTION_NAMES, GenerationOptions, OptionError, ServingSettings
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

SETTINGS = ServingSettings(max_tokens=100, default_max_tokens=20)


def parse(**values: np.ndarray) -> GenerationOptions:
    return GenerationOptions.parse(values, SETTINGS)


def int32(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


def fp32(value: float) -> np.ndarray:
    return np.array([[value]], np.float32)


def strings(*values: str | bytes) -> np.ndarray:
    return np.array([[value.encode() if isinstance(value, str) else value for value in values]], np.object_)


def test_absent_options_have_their_defaults() -> None:
    assert parse() == GenerationOptions(
        max_tokens=20,
        temperature=0.0,
        top_k=0,
        top_p=1.0,
        seed=None,
        stop=(),
        min_tokens=0,
        repetition_penalty=1.0,
        stop_tokens=frozenset(),
        logprobs=False,
        beams=1,
        length_penalty=1.0,
    )


def test_all_options_are_read_as_triton_brings_them() -> None:
    options = parse(
        MAX_TOKENS=int32(100),
        TEMPERATURE=fp32(0.5),
        TOP_K=int32(40),
        TOP_P=fp32(0.25),
        SEED=np.array([[2**63 - 1]], np.int64),
        STOP=strings("\n\n", "Frage:", "。"),
        MIN_TOKENS=int32(100),
        REPETITION_PENALTY=fp32(1.25),
        STOP_TOKENS=int32(7, 0, 7),
        LOGPROBS=np.array([[True]]),
    )
    assert options == GenerationOptions(
        100, 0.5, 40, 0.25, 2**63 - 1, ("\n\n", "Frage:", "。"), 100, 1.25, frozenset({0, 7}), True
    )


def test_beam_search_is_read_as_triton_brings_it() -> None:
    options = parse(BEAMS=int32(8), LENGTH_PENALTY=fp32(-0.5), STOP_TOKENS=int32(7))
    assert options == GenerationOptions(20, beams=8, length_penalty=-0.5, stop_tokens=frozenset({7}))


@pytest.mark.parametrize(
    ("name", "value", "given_value", "allowed"),
    [
        ("TEMPERATURE", fp32(0.5), "0.5", "allowed: 0 with BEAMS above 1"),
        ("TOP_K", int32(5), "5", "allowed: 0 with BEAMS above 1"),
        ("TOP_P", fp32(0.5), "0.5", "allowed: 1 with BEAMS above 1"),
        ("SEED", np.array([[7]], np.int64), "7", "allowed: none with BEAMS above 1"),
        ("STOP", strings("END"), "END", "allowed: none with BEAMS above 1"),
        ("LOGPROBS", np.array([[True]]), "True", "allowed: false with BEAMS above 1"),
    ],
)
def test_what_beam_search_does_not_know_is_refused_beside_it(
    name: str, value: np.ndarray, given_value: str, allowed: str
) -> None:
    with pytest.raises(OptionError, match=f"{name} is .*{given_value}.*; {allowed}"):
        parse(BEAMS=int32(2), **{name: value})


def test_a_penalty_on_length_is_refused_without_beam_search() -> None:
    with pytest.raises(OptionError, match=r"LENGTH_PENALTY is 0\.5; allowed: 1 unless BEAMS is above 1"):
        parse(LENGTH_PENALTY=fp32(0.5))


def test_the_limits_of_the_penalty_may_be_given_as_32_bits() -> None:
    assert parse(REPETITION_PENALTY=fp32(0.1)).repetition_penalty == pytest.approx(0.1)
    assert parse(REPETITION_PENALTY=fp32(10)).repetition_penalty == 10


def test_fewest_tokens_are_at_most_the_default_of_most_where_that_is_not_given() -> None:
    assert parse(MIN_TOKENS=int32(20)).min_tokens == 20
    with pytest.raises(
        OptionError, match=r"MIN_TOKENS is 21; allowed: a whole number from 0 to 20 \(MAX_TOKENS\)"
    ):
        parse(MIN_TOKENS=int32(21))


@pytest.mark.parametrize(
    ("name", "value", "given_value", "allowed"),
    [
        ("MAX_TOKENS", int32(0), "0", "1 to 100"),
        ("MAX_TOKENS", int32(101), "101", "1 to 100"),
        ("MAX_TOKENS", int32(-(2**31)), "-2147483648", "1 to 100"),
        ("MAX_TOKENS", int32(1, 2), "2 values", "one value"),
        ("MAX_TOKENS", fp32(3.5), "3.5", "1 to 100"),
        ("TEMPERATURE", fp32(-0.1), "-0.1", "0 to 2"),
        ("TEMPERATURE", fp32(float("nan")), "nan", "0 to 2"),
        ("TEMPERATURE", fp32(float("inf")), "inf", "0 to 2"),
        ("TEMPERATURE", strings("warm"), "b'warm'", "a number"),
        ("TOP_K", int32(-1), "-1", "0 to 1000"),
        ("TOP_K", int32(1001), "1001", "0 to 1000"),
        ("TOP_P", fp32(0.0), "0", "above 0, up to 1"),
        ("TOP_P", fp32(float("nan")), "nan", "above 0, up to 1"),
        ("TOP_P", fp32(1.01), "1.01", "above 0, up to 1"),
        ("SEED", np.array([[-1]], np.int64), "-1", "0 to 9223372036854775807"),
        ("STOP", strings(""), "0 characters", "1 to 64"),
        ("STOP", strings("x" * 65), "65 characters", "1 to 64"),
        ("STOP", strings(*"abcdefghi"), "9 strings", "at most 8"),
        ("STOP", strings(b"\xff\xfe"), r"b'\xff\xfe'", "UTF-8"),
        ("STOP", int32(5), "5", "strings"),
        ("MIN_TOKENS", int32(-1), "-1", "0 to 20"),
        ("MIN_TOKENS", int32(1, 2), "2 values", "one value"),
        ("REPETITION_PENALTY", fp32(0.0), "0", "0.1 to 10"),
        ("REPETITION_PENALTY", fp32(-1.2), "-1.2", "0.1 to 10"),
        ("REPETITION_PENALTY", fp32(10.01), "10.01", "0.1 to 10"),
        ("REPETITION_PENALTY", fp32(float("nan")), "nan", "0.1 to 10"),
        ("REPETITION_PENALTY", fp32(float("inf")), "inf", "0.1 to 10"),
        ("STOP_TOKENS", int32(*range(17)), "17 token ids", "at most 16"),
        ("STOP_TOKENS", int32(5, -1), "-1", "from 0"),
        ("STOP_TOKENS", fp32(1.5), "1.5", "whole numbers"),
        ("STOP_TOKENS", strings("END"), "b'END'", "token ids"),
        ("LOGPROBS", int32(1), "1", "true or false"),
        ("LOGPROBS", np.array([[True, True]]), "2 values", "one value"),
        ("BEAMS", int32(0), "0", "1 to 8"),
        ("BEAMS", int32(9), "9", "1 to 8"),
        ("BEAMS", fp32(2), "2.0", "a whole number"),
        ("LENGTH_PENALTY", fp32(-2.1), "-2.1", "-2 to 5"),
        ("LENGTH_PENALTY", fp32(5.1), "5.1", "-2 to 5"),
        ("LENGTH_PENALTY", fp32(float("nan")), "nan", "-2 to 5"),
        ("LENGTH_PENALTY", strings("long"), "b'long'", "a number"),
    ],
)
def test_a_wrong_value_is_refused_with_name_value_and_range(
    name: str, value: np.ndarray, given_value: str, allowed: str
) -> None:
    with pytest.raises(OptionError) as caught:
        parse(**{name: value})
    message = str(caught.value)
    assert message.startswith(name)
    assert given_value in message
    assert allowed in message


arrays = st.sampled_from([np.int32, np.int64, np.float32, np.bool_]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
) | st.lists(st.binary(max_size=70) | st.text(max_size=70), max_size=10).map(
    lambda values: np.array(values, np.object_)
)


@given(values=st.dictionaries(st.sampled_from(OPTION_NAMES), arrays))
def test_whatever_comes_is_either_refused_or_within_the_limits(values: dict[str, np.ndarray]) -> None:
    try:
        options = parse(**values)
    except OptionError:
        return
    assert 1 <= options.max_tokens <= 100
    assert 0 <= options.temperature <= 2
    assert 0 <= options.top_k <= 1000
    assert 0 < options.top_p <= 1
    assert options.seed is None or 0 <= options.seed < 2**63
    assert all(1 <= len(string) <= 64 for string in options.stop)
    assert 0 <= options.min_tokens <= options.max_tokens
    assert 0.1 <= options.repetition_penalty <= 10
    assert len(options.stop_tokens) <= 16
    assert all(token_id >= 0 for token_id in options.stop_tokens)
    assert options.logprobs in (True, False)
    assert 1 <= options.beams <= 8
    assert -2 <= options.length_penalty <= 5
