"""`Embedding` and `Pooling`: from token ids to rows and from rows to vectors, each text by itself."""

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from export.operators import Operators
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.graph.bert_weights import NormWeights
from triton_rag_export.graph.linear import Floats, Precision, quantize_weight
from triton_rag_export.graph.onnx_builder import GraphBuilder
from triton_rag_export.graph.text_nodes import Pooling, pooling_node, text_embedding_node

WORDS, PLACES, EPSILON = 50, 40, 1e-5
LENGTHS = st.lists(st.integers(1, PLACES), min_size=1, max_size=9)
widths = pytest.mark.parametrize("width", [1, 15, 16, 37, 64])


def table(rows: int, width: int, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def norm_of(width: int) -> NormWeights:
    return NormWeights(*table(2, width, seed=3))


def embedding_session(
    operators: Operators, width: int, precision: Precision = "fp32"
) -> onnxruntime.InferenceSession:
    graph = GraphBuilder("embedding")
    ids, lengths = (graph.input(name, np.int32, [name]) for name in ("ids", "lengths"))
    made = text_embedding_node(
        graph,
        ids,
        lengths,
        words=table(WORDS, width, seed=1),
        positions=table(PLACES, width, seed=2),
        norm=norm_of(width),
        epsilon=EPSILON,
        precision=precision,
    )
    graph.output(made, np.float32, ["tokens", width])
    return operators.session(graph)


def pooling_session(
    operators: Operators, width: int, pooling: Pooling, *, normalize: bool
) -> onnxruntime.InferenceSession:
    graph = GraphBuilder("pooling")
    rows = graph.input("rows", np.float32, ["tokens", width])
    lengths = graph.input("lengths", np.int32, ["texts"])
    pooling_node(graph, rows, lengths, pooling, normalize=normalize, output="vectors")
    graph.output("vectors", np.float32, ["texts", width])
    return operators.session(graph)


def embedded(ids: npt.NDArray[np.int32], lengths: list[int], words: Floats) -> npt.NDArray[np.float64]:
    """Word and position, normalized, in doubles."""
    places = np.concatenate([np.arange(length) for length in lengths])
    sums = words[ids].astype(np.float64) + table(PLACES, words.shape[1], seed=2)[places]
    centred = sums - sums.mean(axis=1, keepdims=True)
    norm = norm_of(words.shape[1])
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON) * norm.scale
    return np.asarray(scaled + norm.bias)


def stored(words: Floats, precision: Precision) -> Floats:
    if precision == "int8":
        table, scale = quantize_weight(words.T)
        return (table * scale).T
    return words.astype(np.float16 if precision == "fp16" else np.float32).astype(np.float32)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@widths
def test_rows_are_words_and_places_normalized(width: int, precision: Precision, each_rank: Operators) -> None:
    session, words = embedding_session(each_rank, width, precision), table(WORDS, width, seed=1)

    @given(LENGTHS, st.integers(0, 1000))
    def check(lengths: list[int], seed: int) -> None:
        ids = np.random.default_rng(seed).integers(0, WORDS, sum(lengths)).astype(np.int32)
        (found,) = session.run(None, {"ids": ids, "lengths": np.array(lengths, np.int32)})
        np.testing.assert_allclose(found, embedded(ids, lengths, stored(words, precision)), atol=1e-4)

    check()


@pytest.mark.parametrize(
    ("ids", "lengths", "message"),
    [
        ([0, 1, WORDS], [3], "Embedding: token 2 has the id 50; allowed: 0 to 49"),
        ([0, -1, 5], [3], "Embedding: token 1 has the id -1; allowed: 0 to 49"),
        ([0] * (PLACES + 1), [PLACES + 1], "Embedding: text 0 has 41 tokens; allowed: 1 to 40"),
        ([0, 1, 2], [3, 0], "Embedding: text 1 has 0 tokens; allowed: 1 or more"),
        ([0, 1, 2], [2], "Embedding: the texts have 2 tokens, the input 3"),
        ([0, 1, 2], [2, 2], "Embedding: the texts have 4 tokens, the input 3"),
    ],
)
def test_ids_and_lengths_that_do_not_fit_are_refused(
    ids: list[int], lengths: list[int], message: str, operators: Operators
) -> None:
    with pytest.raises(Exception, match=message):
        embedding_session(operators, 16).run(
            None, {"ids": np.array(ids, np.int32), "lengths": np.array(lengths, np.int32)}
        )


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
@widths
def test_a_text_has_the_same_vector_alone_and_in_company(
    width: int, pooling: Pooling, normalize: bool, each_rank: Operators
) -> None:
    session = pooling_session(each_rank, width, pooling, normalize=normalize)

    @given(LENGTHS, st.integers(0, 1000))
    def check(lengths: list[int], seed: int) -> None:
        rows = table(sum(lengths), width, seed)
        (found,) = session.run(None, {"rows": rows, "lengths": np.array(lengths, np.int32)})
        for own, vector in zip(np.split(rows, np.cumsum(lengths)[:-1]), found, strict=True):
            wanted = own.astype(np.float64).mean(axis=0) if pooling == "mean" else own[0].astype(np.float64)
            if normalize:
                wanted = wanted / np.linalg.norm(wanted)
            np.testing.assert_allclose(vector, wanted, rtol=1e-4, atol=1e-5)
            (alone,) = session.run(None, {"rows": own, "lengths": np.array([len(own)], np.int32)})
            np.testing.assert_array_equal(alone[0], vector)

    check()


def test_a_vector_of_zeros_stays_zeros_and_no_number_stays_in_its_text(operators: Operators) -> None:
    session = pooling_session(operators, 16, "mean", normalize=True)
    rows = np.zeros((3, 16), np.float32)
    rows[1, 4] = np.nan
    (found,) = session.run(None, {"rows": rows, "lengths": np.ones(3, np.int32)})
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], np.zeros((2, 16), np.float32))


def test_rows_that_belong_to_no_text_are_refused(operators: Operators) -> None:
    session = pooling_session(operators, 16, "cls", normalize=False)
    with pytest.raises(Exception, match="Pooling: the texts have 2 tokens, the input 3"):
        session.run(None, {"rows": np.zeros((3, 16), np.float32), "lengths": np.array([2], np.int32)})
