"""Encoders with a projection behind their pooling give sentence-transformers' vectors in every precision."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from export.graph.conftest import PARAGRAPHS, exported
from export.graph.test_encoder import cosines, reference_vectors, vectors_of
from tiny_encoders import TinyEncoder, save_tiny_encoder
from triton_rag_export.compress.distil_encoder import TorchEncoder
from triton_rag_export.errors import ModelSourceError, UnsupportedModelError
from triton_rag_export.evaluate.ledger.parameters import count_parameters
from triton_rag_export.graph.encoder import EncoderExport
from triton_rag_export.graph.linear import Precision
from triton_rag_export.graph.model_source import fingerprint, resolve_model

TEXTS = (*PARAGRAPHS, "x", "字典把键映射到值。")


def projected(folder: Path, tiny: TinyEncoder, width: int = 22, *, has_bias: bool = False) -> Path:
    """Write a tiny encoder with a projection of random weights."""
    source = resolve_model(str(save_tiny_encoder(tiny, folder / "plain")))
    plain = TorchEncoder.load(source, EncoderExport(normalize=tiny.normalize))
    torch.manual_seed(4)
    encoder = TorchEncoder(plain.transformer, plain.text, width)
    encoder.projection = torch.nn.Linear(tiny.width, width, bias=has_bias)
    encoder.save(source, folder / "projected")
    return folder / "projected"


@pytest.mark.parametrize(
    ("precision", "least", "tiny", "width"),
    [
        ("fp32", 0.999999, TinyEncoder(), 22),
        ("fp32", 0.999999, TinyEncoder(pooling="cls", normalize=False), 64),
        ("fp32", 0.999999, TinyEncoder(family="albert"), 22),
        ("fp16", 0.99999, TinyEncoder(), 22),
        ("int8", 0.99, TinyEncoder(), 64),
    ],
    ids=lambda value: getattr(value, "family", str(value)),
)
@pytest.mark.parametrize("has_bias", [False, True])
def test_vectors_are_those_of_sentence_transformers(
    precision: Precision, least: float, tiny: TinyEncoder, width: int, tmp_path: Path, *, has_bias: bool
) -> None:
    folder = projected(tmp_path, tiny, width, has_bias=has_bias)
    (tmp_path / "graph").mkdir()
    found = exported(
        resolve_model(str(folder)), EncoderExport(precision, calibration_texts=TEXTS), tmp_path / "graph"
    )
    ours, theirs = vectors_of(found, TEXTS), reference_vectors(folder, TEXTS)
    assert found.report.dim == found.encoder.settings.dim == width
    assert ours.shape == (len(TEXTS), width)
    assert cosines(ours, theirs).min() >= least
    if precision == "fp32":
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    alone = np.concatenate([vectors_of(found, [text]) for text in TEXTS])
    np.testing.assert_array_equal(alone, ours)


def test_a_projection_is_read_back_counted_and_part_of_the_fingerprint(tmp_path: Path) -> None:
    folder = projected(tmp_path, TinyEncoder())
    source = resolve_model(str(folder))
    encoder = TorchEncoder.load(source)
    assert encoder.width == 22
    assert encoder.projection is not None
    plain = resolve_model(str(tmp_path / "plain"))
    assert count_parameters(source, "encoder")[0] == count_parameters(plain, "encoder")[0] + 22 * 30
    before = fingerprint(source)
    with torch.no_grad():
        encoder.projection.weight += 1
    encoder.save(source, folder)
    assert fingerprint(source) != before


def test_a_function_behind_the_projection_is_refused(tmp_path: Path) -> None:
    folder = projected(tmp_path, TinyEncoder())
    config = folder / "2_Dense" / "config.json"
    tanh = "torch.nn.modules.activation.Tanh"
    config.write_text(json.dumps({**json.loads(config.read_text()), "activation_function": tanh}))
    with pytest.raises(UnsupportedModelError, match=r"activation_function '.*Tanh'; allowed: '.*Identity'"):
        TorchEncoder.load(resolve_model(str(folder)))


def test_a_projection_of_another_width_is_refused_with_both(tmp_path: Path) -> None:
    folder = projected(tmp_path, TinyEncoder())
    other = projected(tmp_path / "other", TinyEncoder(width=36))
    weights = Path("2_Dense") / "model.safetensors"
    (folder / weights).write_bytes((other / weights).read_bytes())
    with pytest.raises(ModelSourceError, match=r"linear\.weight is \(22, 36\); allowed: .*, 30\)"):
        TorchEncoder.load(resolve_model(str(folder)))


@pytest.mark.parametrize("content", [b"", b"no tensors"])
def test_a_damaged_projection_is_named(content: bytes, tmp_path: Path) -> None:
    folder = projected(tmp_path, TinyEncoder())
    (folder / "2_Dense" / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelSourceError, match=r"2_Dense/model\.safetensors cannot be read"):
        TorchEncoder.load(resolve_model(str(folder)))
    (folder / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match="pickles are not read"):
        TorchEncoder.load(resolve_model(str(folder)))
