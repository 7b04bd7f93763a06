from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_client.contract import TensorContract
from triton_rag_client.core.tensors import OutputTensor, decode_tensor, decode_values, encode_tensor
from triton_rag_client.errors import InvalidRequestError, ProtocolError

STRINGS = TensorContract("STOP", "BYTES", (-1,))
VALUES = {
    "BOOL": st.booleans(),
    "BYTES": st.text(st.characters(exclude_categories=["Cs"])),
    "FP32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
}


def sent_back(tensor) -> OutputTensor:
    return OutputTensor(tensor.name, tensor.data_type, tensor.shape, tensor.raw)


@given(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(VALUES[kind]))))
def test_what_is_encoded_decodes_to_the_same(kind_and_values):
    kind, values = kind_and_values
    contract = TensorContract("X", kind, (-1,))
    tensor = encode_tensor(contract, values, rows=1)
    assert decode_tensor(contract, sent_back(tensor)).tolist() == [values]
    assert decode_values(contract, list(tensor.values)).tolist() == [values]


def test_values_of_one_row_can_be_repeated_in_every_row():
    tensor = encode_tensor(STRINGS, ["a", "ü"], rows=2, each_row=True)
    assert tensor.shape == (2, 2)
    assert decode_tensor(STRINGS, sent_back(tensor)).tolist() == [["a", "ü"], ["a", "ü"]]


def test_numbers_of_numpy_are_numbers():
    assert encode_tensor(TensorContract("X", "INT32", (1,)), [np.int64(3)], rows=1).values == (3,)
    assert encode_tensor(TensorContract("X", "FP32", (1,)), [np.float32(0.5)], rows=1).values == (0.5,)


def test_nan_survives():
    vectors = np.array([[np.nan, 1.0]], dtype=np.float32)
    decoded = decode_tensor(
        TensorContract("E", "FP32", (2,)), OutputTensor("E", "FP32", (1, 2), vectors.tobytes())
    )
    np.testing.assert_array_equal(decoded, vectors)


@pytest.mark.parametrize("raw", [b"\x05\x00\x00\x00abc", b"\x05\x00", b"\x01\x00\x00\x00a" * 2, b""])
def test_bytes_that_do_not_hold_what_the_shape_says_are_refused(raw):
    with pytest.raises(ProtocolError, match="cannot be read"):
        decode_tensor(TensorContract("ANSWER", "BYTES", (1,)), OutputTensor("ANSWER", "BYTES", (1, 1), raw))


@pytest.mark.parametrize(
    ("data_type", "dims", "value"),
    [
        ("BOOL", (1,), 1),
        ("BYTES", (1,), 3),
        ("INT32", (1,), "3"),
        ("INT32", (1,), [1, 2]),
        ("FP32", (-1,), None),
    ],
)
def test_json_against_the_contract_is_refused(data_type, dims, value):
    with pytest.raises(ProtocolError, match="should be"):
        decode_values(TensorContract("X", data_type, dims), value)


def test_a_long_value_is_shortened_in_the_message():
    with pytest.raises(InvalidRequestError, match=r"^STOP is b'x{50,56}…: it must be a string$"):
        encode_tensor(STRINGS, [b"x" * 100_000], rows=1)
