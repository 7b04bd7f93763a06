"""An exported encoder gives sentence-transformers' vectors, and the same bits alone and in any batch."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from export.graph.conftest import PARAGRAPHS, ExportedEncoder, exported
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tiny_encoders import TinyEncoder, save_tiny_encoder
from transformers import AutoModel
from triton_rag_export.compress import FactorizedLinear, save_compressed
from triton_rag_export.compress.model_parts import head_units, neuron_units
from triton_rag_export.compress.pruning import cut_units
from triton_rag_export.errors import ModelSourceError, UnsupportedModelError
from triton_rag_export.graph.encoder import EncoderExport, export_encoder
from triton_rag_export.graph.model_source import ModelSource, resolve_model

AWKWARD_TEXTS = (
    *PARAGRAPHS,
    "lambda",
    "",
    " \t\n",
    "?!",
    "字典把键映射到值。",
    "مرحبا بالعالم",
    "e\u0301a\u0300 \U0001f600\U0001f1e9\U0001f1ea \u200b\u0000",
    "[SEP] </s> [MASK]",
    "word " * 3000,
    "x" * 5000,
)

TINY = (
    TinyEncoder(),
    TinyEncoder(pooling="cls", normalize=False, heads=5, activation="relu"),
    TinyEncoder(family="roberta", pooling="cls"),
    TinyEncoder(family="roberta", width=48, heads=4, inner=64, activation="gelu_new"),
    TinyEncoder(family="xlm-roberta", heads=2, normalize=False),
    TinyEncoder(family="distilbert"),
    TinyEncoder(family="mpnet", positions=41, max_seq_length=37),
    TinyEncoder(family="electra", heads=6),
)


def reference_vectors(folder: Path, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    model = SentenceTransformer(str(folder), device="cpu")
    vectors: npt.NDArray[np.float32] = model.encode(
        list(texts), convert_to_numpy=True, show_progress_bar=False
    )
    return vectors.astype(np.float64)


def vectors_of(encoder: ExportedEncoder, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    return encoder.encoder.encode_ragged(encoder.tokenizer.encode_texts(texts)).astype(np.float64)


def cosines(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    found: npt.NDArray[np.float64] = (ours * theirs).sum(axis=1) / lengths
    return found


@pytest.fixture(scope="module")
def minilm_vectors(minilm: ModelSource) -> npt.NDArray[np.float64]:
    return reference_vectors(minilm.folder, AWKWARD_TEXTS)


@pytest.fixture(scope="module", params=TINY, ids=lambda tiny: f"{tiny.family}-{tiny.pooling}-{tiny.heads}")
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExportedEncoder:
    folder = save_tiny_encoder(request.param, tmp_path_factory.mktemp("tiny"))
    asked = EncoderExport(normalize=request.param.normalize)
    return exported(resolve_model(str(folder)), asked, tmp_path_factory.mktemp("exported"))


def test_fp32_gives_the_vectors_of_sentence_transformers(
    minilm_fp32: ExportedEncoder, minilm_vectors: npt.NDArray[np.float64]
) -> None:
    ours = vectors_of(minilm_fp32, AWKWARD_TEXTS)
    np.testing.assert_allclose(ours, minilm_vectors, atol=1e-5)
    assert cosines(ours, minilm_vectors).min() >= 0.9999


def test_calibrated_int8_is_close_to_sentence_transformers(
    minilm_int8: ExportedEncoder, minilm_vectors: npt.NDArray[np.float64]
) -> None:
    found = cosines(vectors_of(minilm_int8, AWKWARD_TEXTS), minilm_vectors)
    assert found[: len(PARAGRAPHS)].min() >= 0.998
    assert found[-2:].min() >= 0.996  # one word, and one letter, over and over
    assert found.min() >= 0.99  # two or three tokens: no mean over many evens the rounding out
    assert found.mean() >= 0.997


def test_int8_reports_how_close_it_is_to_fp32(minilm_int8: ExportedEncoder) -> None:
    report = minilm_int8.report
    assert (report.built_by, report.precision, report.calibrated) == ("hand", "int8", True)
    assert report.to_torch.least >= 0.9999
    assert report.to_fp32 is not None
    assert report.to_fp32.mean >= 0.999
    assert report.size_bytes < 25_000_000


def test_int8_without_calibration_texts_is_exported_and_measured(minilm: ModelSource, tmp_path: Path) -> None:
    report = export_encoder(minilm, EncoderExport(precision="int8"), tmp_path)
    assert not report.calibrated
    assert report.to_fp32 is not None
    assert report.to_fp32.mean >= 0.99


def test_fp16_halves_the_file_and_keeps_the_vectors(minilm: ModelSource, tmp_path: Path) -> None:
    report = export_encoder(minilm, EncoderExport(precision="fp16"), tmp_path)
    assert report.size_bytes < 46_000_000
    assert report.to_fp32 is not None
    assert report.to_fp32.least >= 0.9999


def test_the_families_of_bert_give_the_vectors_of_sentence_transformers(tiny: ExportedEncoder) -> None:
    assert tiny.report.built_by == "hand"
    texts = [text[:1000] for text in AWKWARD_TEXTS]
    ours, theirs = vectors_of(tiny, texts), reference_vectors(tiny.source.folder, texts)
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
    assert cosines(ours, theirs).min() >= 0.9999


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_vector_has_the_same_bits_alone_and_in_any_batch(
    precision: str, request: pytest.FixtureRequest
) -> None:
    encoder = request.getfixturevalue(f"minilm_{precision}")
    check_bits(encoder, examples=15, most_texts=8)


def test_awkward_shapes_have_the_same_bits_alone_and_in_any_batch(tiny: ExportedEncoder) -> None:
    check_bits(tiny, examples=40)


def test_awkward_shapes_in_int8_have_the_same_bits_alone_and_in_any_batch(tmp_path: Path) -> None:
    for number, shape in enumerate((TINY[0], TINY[1])):
        source = resolve_model(str(save_tiny_encoder(shape, tmp_path / f"model{number}")))
        (tmp_path / f"out{number}").mkdir()
        settings_ = EncoderExport(precision="int8", calibration_texts=PARAGRAPHS)
        check_bits(exported(source, settings_, tmp_path / f"out{number}"), examples=40)


def check_bits(encoder: ExportedEncoder, examples: int, most_texts: int = 24) -> None:
    """Texts of any lengths and ids: alone, together, and through padded buckets of any width."""
    limits = encoder.encoder.settings
    lengths = st.lists(st.integers(1, limits.max_tokens), min_size=1, max_size=most_texts)

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(lengths, st.integers(0, 4), st.integers(0, 2**31))
    def check(lengths: list[int], wider: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        rows = [generator.integers(4, limits.vocabulary_size, length).astype(np.int32) for length in lengths]
        alone = np.stack([encoder.encoder.encode_ragged([row])[0] for row in rows])
        np.testing.assert_array_equal(encoder.encoder.encode_ragged(rows), alone)
        width = max(lengths) + wider
        padded = np.stack([np.pad(row, (0, width - len(row)), constant_values=limits.pad_id) for row in rows])
        padded_vectors = encoder.encoder.encode(padded, np.array(lengths, dtype=np.int32))
        np.testing.assert_array_equal(padded_vectors, alone)

    check()


def test_a_family_that_is_not_covered_is_exported_by_torch_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save_tiny_encoder(TinyEncoder(family="albert"), tmp_path / "model")
    (tmp_path / "out").mkdir()
    with caplog.at_level(logging.WARNING):
        found = exported(resolve_model(str(folder)), EncoderExport(precision="int8"), tmp_path / "out")
    assert (found.report.built_by, found.report.precision) == ("torch", "fp32")
    assert "albert" in caplog.text
    assert "exported by torch in FP32" in caplog.text
    texts = [text[:1000] for text in AWKWARD_TEXTS]
    assert cosines(vectors_of(found, texts), reference_vectors(folder, texts)).min() >= 0.9999
    check_bits(found, examples=10)


def test_the_fingerprint_tells_encoders_apart(
    minilm_fp32: ExportedEncoder, minilm_int8: ExportedEncoder
) -> None:
    one, other = minilm_fp32.encoder.fingerprint, minilm_int8.encoder.fingerprint
    assert one["weights"] == other["weights"]
    assert {key for key in one if one[key] != other[key]} == {"graph", "precision"}
    asked = {"pooling", "normalize", "query_prefix", "passage_prefix", "max_tokens", "dim"}
    assert set(one) == {"weights", "graph", "precision", *asked}


def test_the_same_export_gives_the_same_fingerprint(tmp_path: Path) -> None:
    source = resolve_model(str(save_tiny_encoder(TinyEncoder(), tmp_path / "model")))
    fingerprints = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        asked = EncoderExport(precision="int8", calibration_texts=PARAGRAPHS)
        fingerprints.append(exported(source, asked, tmp_path / name).encoder.fingerprint)
    assert fingerprints[0] == fingerprints[1]


def test_prefixes_and_limits_reach_what_is_served(tmp_path: Path) -> None:
    source = resolve_model(str(save_tiny_encoder(TinyEncoder(), tmp_path / "model")))
    (tmp_path / "out").mkdir()
    asked = EncoderExport(query_prefix="query: ", max_tokens=20, max_query_characters=99)
    found = exported(source, asked, tmp_path / "out")
    plain = found.tokenizer.encode_texts(["query: What?"])[0]
    tokenized = found.tokenizer.encode([b"What?"])
    np.testing.assert_array_equal(tokenized.input_ids[0, : tokenized.lengths[0]], plain)
    assert found.tokenizer.settings.buckets == (8, 16, 20)
    assert found.tokenizer.settings.max_query_characters == 99


@pytest.mark.parametrize("max_tokens", [2, 51])
def test_a_limit_that_the_model_has_no_positions_for_is_refused(max_tokens: int, tmp_path: Path) -> None:
    source = resolve_model(str(save_tiny_encoder(TinyEncoder(), tmp_path / "model")))
    with pytest.raises(ModelSourceError, match=rf"max_tokens {max_tokens}.*3 to 50"):
        export_encoder(source, EncoderExport(max_tokens=max_tokens), tmp_path)


def test_a_pooling_that_is_not_covered_is_refused(tmp_path: Path) -> None:
    source = resolve_model(str(save_tiny_encoder(TinyEncoder(pooling="max"), tmp_path / "model")))
    with pytest.raises(UnsupportedModelError, match="pools by max: allowed are mean and cls"):
        export_encoder(source, EncoderExport(), tmp_path)


def test_a_model_without_normalization_ranks_as_in_sentence_transformers(tmp_path: Path) -> None:
    folder = save_tiny_encoder(TinyEncoder(normalize=False), tmp_path / "model")
    prompts = {"prompts": {"query": "find: ", "document": "text: "}, "similarity_fn_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    (tmp_path / "out").mkdir()
    ours = exported(resolve_model(str(folder)), EncoderExport(), tmp_path / "out")
    reference = SentenceTransformer(str(folder), device="cpu")
    queries, passages = list(PARAGRAPHS[:2]), [*PARAGRAPHS, "lists", "字典", "a b c d e f g h", "?" * 30]
    expected = reference.similarity(
        reference.encode_query(queries, show_progress_bar=False),
        reference.encode_document(passages, show_progress_bar=False),
    ).numpy()
    tokenized = ours.tokenizer.encode([query.encode() for query in queries])
    vectors = ours.encoder.encode(tokenized.input_ids, tokenized.lengths)
    prefix = str(ours.encoder.fingerprint["passage_prefix"])
    scores = vectors @ vectors_of(ours, [prefix + text for text in passages]).T
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_array_equal(np.argsort(-scores), np.argsort(-expected))


@pytest.mark.parametrize("key", ["query_prefix", "passage_prefix"])
def test_a_prefix_that_leaves_no_room_for_a_text_is_refused(key: str, tmp_path: Path) -> None:
    source = resolve_model(str(save_tiny_encoder(TinyEncoder(), tmp_path / "model")))
    with pytest.raises(ModelSourceError, match=rf"encoder\.{key} takes 42 tokens.*reads 40"):
        export_encoder(source, EncoderExport(**{key: "x" * 40}), tmp_path)


def test_int8_of_a_small_corpus_is_checked_on_more_than_its_texts(tmp_path: Path) -> None:
    source = resolve_model(str(save_tiny_encoder(TinyEncoder(), tmp_path / "model")))
    asked = EncoderExport(precision="int8", calibration_texts=PARAGRAPHS[:2])
    report = export_encoder(source, asked, tmp_path)
    assert report.to_fp32 is not None
    assert report.to_fp32.texts >= 6


def test_an_encoder_with_fewer_heads_or_factors_is_exported_as_it_is(tmp_path: Path) -> None:
    folder = save_tiny_encoder(TinyEncoder(heads=5), tmp_path / "plain")
    model = AutoModel.from_pretrained(folder)
    (units, *_), (neurons, *_) = head_units(model), neuron_units(model)
    cut_units(model, units, [0, 2, 3])
    cut_units(model, neurons, list(range(21)))
    name = "encoder.layer.1.output.dense"
    model.set_submodule(name, FactorizedLinear.nearest(model.get_submodule(name), 9))
    (folder / "model.safetensors").unlink()
    save_compressed(model, folder)
    (tmp_path / "exported").mkdir()

    export = exported(resolve_model(str(folder)), EncoderExport(), tmp_path / "exported")

    assert export.report.built_by == "hand"
    tokens = export.tokenizer.encode_texts(PARAGRAPHS[:1])[0]
    with torch.inference_mode():
        rows = model.eval()(torch.from_numpy(tokens.astype(np.int64))[None]).last_hidden_state[0]
    expected = torch.nn.functional.normalize(rows.mean(0), dim=0).numpy()
    np.testing.assert_allclose(export.encoder.encode_ragged([tokens])[0], expected, atol=1e-5)
