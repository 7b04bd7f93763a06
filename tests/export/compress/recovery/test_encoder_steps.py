"""Steps over encoders, from folder to folder: smaller encoders that are served, and recover."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from export.compress.distil_encoder.tiny_data import (
    OTHERS,
    PASSAGES,
    QUERIES,
    tiny_data,
    tiny_teacher,
    tiny_training,
)
from export.compress.recovery.killed import KilledAt
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer
from triton_rag_export.compress import FactorizedLinear
from triton_rag_export.compress.distil_encoder import EncoderDistillation, TorchEncoder, run
from triton_rag_export.compress.distil_encoder.token_texts import TextTokenizer, encoded
from triton_rag_export.compress.model_parts import layer_linears
from triton_rag_export.compress.outcome import Progress, StepOutcome
from triton_rag_export.compress.quantization import fake_quantized
from triton_rag_export.compress.recovery import (
    LowRankEncoderSettings,
    PruneEncoderSettings,
    QuantizeEncoderSettings,
    encoder,
    factorize_encoder,
    prune_encoder,
    quantize_encoder,
)
from triton_rag_export.graph.encoder import EncoderExport, export_encoder
from triton_rag_export.graph.model_source import load_encoder_model, resolve_model
from triton_rag_export.graph.quantization_aware import is_quantization_aware

TEXTS = [*QUERIES, *PASSAGES, *OTHERS]
RECOVERY = EncoderDistillation(training=tiny_training(learning_rate=1e-3))
HALF = {"heads": 0.4, "neurons": 0.5, "neuron_multiple": 1}


def loaded(folder: Path) -> Any:
    return load_encoder_model(resolve_model(str(folder)))


def parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def vectors(folder: Path, *, in_int8: bool = False) -> np.ndarray:
    source = resolve_model(str(folder))
    encoder = TorchEncoder.load(source).eval()
    tokenizer = TextTokenizer(source, encoder.text, encoder.text.max_tokens)
    ids = tokenizer.encode(TEXTS)
    if not in_int8:
        return encoded(encoder, ids, tokenizer.pad_id)
    with fake_quantized(encoder.transformer):
        return encoded(encoder, ids, tokenizer.pad_id)


def served_vectors(folder: Path, graph: Path) -> np.ndarray:
    graph.mkdir()
    export_encoder(resolve_model(str(folder)), EncoderExport(), graph)
    return QueryEncoder.load(graph).encode_ragged(QueryTokenizer.load(graph).encode_texts(TEXTS))


def closeness(folder: Path, teacher: Path, **settings: bool) -> float:
    return float((vectors(folder, **settings) * vectors(teacher)).sum(axis=1).mean())


def test_a_student_of_another_width_is_taught_pruned_and_served(tmp_path: Path) -> None:
    teacher = tiny_teacher(tmp_path / "teacher", width=36)
    narrow = tiny_teacher(tmp_path / "narrow", heads=5)
    settings = EncoderDistillation(student=str(narrow), training=tiny_training())
    run(teacher, tmp_path / "student", settings, data=tiny_data(), workplace=tmp_path / "work")
    prune_encoder(
        tmp_path / "student",
        tmp_path / "pruned",
        PruneEncoderSettings(**HALF, recovery=RECOVERY),
        data=tiny_data(),
        workplace=tmp_path / "again",
    )
    for folder, least in (("student", 0.7), ("pruned", 0.5)):
        found = vectors(tmp_path / folder)
        assert found.shape == (len(TEXTS), 36)
        assert closeness(tmp_path / folder, teacher) > least
        np.testing.assert_allclose(
            served_vectors(tmp_path / folder, tmp_path / f"{folder}-graph"), found, atol=1e-4
        )


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_a_pruned_encoder_is_smaller_recovers_and_is_served(family: str, tmp_path: Path) -> None:
    source = tiny_teacher(tmp_path / "model", family=family, heads=5)
    seen = list[Progress]()
    for name, recover in (("cut", False), ("pruned", True)):
        outcome = prune_encoder(
            source,
            tmp_path / name,
            PruneEncoderSettings(**HALF, stages=2 if recover else 1, recover=recover, recovery=RECOVERY),
            data=tiny_data(),
            workplace=tmp_path / "work",
            report=seen.append,
        )

    assert parameters(loaded(tmp_path / "pruned")) == parameters(loaded(tmp_path / "cut"))
    assert parameters(loaded(tmp_path / "pruned")) < parameters(loaded(source))
    assert outcome.notes[:2] == ("4 of 10 heads gone", "36 of 74 neurons gone")
    assert outcome.best_quality == seen[-1].quality
    trained = [progress.step for progress in seen if not progress.preparing]
    assert trained == [*range(1, 31)] * 2
    lost = [1 - closeness(tmp_path / name, source) for name in ("cut", "pruned")]
    assert lost[1] < 0.5 * lost[0]
    served = served_vectors(tmp_path / "pruned", tmp_path / "graph")
    np.testing.assert_allclose(served, vectors(tmp_path / "pruned"), atol=1e-5)


def test_pruning_that_was_killed_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    source = tiny_teacher(tmp_path / "model")
    training = tiny_training(steps=12, checkpoint_every=2)
    recovery = EncoderDistillation(dropout=0.1, training=training)
    settings = PruneEncoderSettings(
        neurons=0.5, neuron_multiple=1, weights="unstructured", sparsity=0.4, stages=2, recovery=recovery
    )

    def prune(name: str, report=lambda progress: None) -> Path:
        work = tmp_path / f"{name}-work"
        prune_encoder(source, tmp_path / name, settings, data=tiny_data(), workplace=work, report=report)
        return tmp_path / name

    with pytest.raises(KeyboardInterrupt):
        prune("killed", KilledAt(update=9))  # in the second stage
    resumed, whole = loaded(prune("killed")).state_dict(), loaded(prune("whole")).state_dict()

    assert resumed.keys() == whole.keys()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in resumed.items())


def test_a_factorized_encoder_has_the_size_that_was_asked_for_and_is_served(tmp_path: Path) -> None:
    source = tiny_teacher(tmp_path / "model")
    cut, recovered = (
        LowRankEncoderSettings(size=0.6, rank_multiple=1, recover=recover, recovery=RECOVERY)
        for recover in (False, True)
    )

    for name, settings in (("cut", cut), ("recovered", recovered)):
        factorize_encoder(source, tmp_path / name, settings, data=tiny_data(), workplace=tmp_path / "work")

    before, after = (parameters(loaded(folder)) for folder in (source, tmp_path / "recovered"))
    assert 0.59 * before < after <= 0.6 * before
    lost = [1 - closeness(tmp_path / name, source) for name in ("cut", "recovered")]
    assert lost[1] < 0.5 * lost[0]
    served = served_vectors(tmp_path / "recovered", tmp_path / "graph")
    np.testing.assert_allclose(served, vectors(tmp_path / "recovered"), atol=1e-5)


def test_factors_that_follow_the_activations_are_closer_than_those_of_a_plain_svd(tmp_path: Path) -> None:
    source = tiny_teacher(tmp_path / "model")
    settings = LowRankEncoderSettings(size=0.75, rank_multiple=1, recover=False, recovery=RECOVERY)
    factorize_encoder(source, tmp_path / "aware", settings, data=tiny_data(), workplace=tmp_path / "work")
    aware, plain = loaded(tmp_path / "aware"), loaded(source)
    for name in layer_linears(aware):
        if isinstance(factors := aware.get_submodule(name), FactorizedLinear):
            plain.set_submodule(name, FactorizedLinear.nearest(plain.get_submodule(name), factors.rank))

    def distance(model: Any) -> float:
        tokens = torch.arange(4, 30)[None]
        with torch.no_grad():
            expected, found = (each(tokens).last_hidden_state for each in (loaded(source), model))
        return float((found - expected).norm())

    assert distance(aware) < distance(plain)


def test_training_for_int8_makes_int8_better(tmp_path: Path) -> None:
    source = tiny_teacher(tmp_path / "model", width=32, heads=4, inner=64)
    training = tiny_training(steps=40, learning_rate=2e-4)
    settings = QuantizeEncoderSettings(EncoderDistillation(cosine=1.0, similarity=0.0, training=training))

    quantize_encoder(source, tmp_path / "trained", settings, data=tiny_data(), workplace=tmp_path / "work")

    assert is_quantization_aware(loaded(tmp_path / "trained"))
    before, after = (1 - closeness(folder, source, in_int8=True) for folder in (source, tmp_path / "trained"))
    assert after < 0.9 * before


def test_stages_share_what_their_teachers_vectors_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are computed once, however many trainings learn from them."""
    monkeypatch.setattr(encoder, "train_student", lambda *_: StepOutcome(training_flops=7.0))
    outcome = prune_encoder(
        tiny_teacher(tmp_path / "model"),
        tmp_path / "pruned",
        PruneEncoderSettings(neurons=0.5, stages=4, importance="magnitude", recovery=RECOVERY),
        data=tiny_data(),
        workplace=tmp_path / "work",
    )
    (noted,) = (tmp_path / "work").glob("teacher-*.json")
    done = json.loads(noted.read_text())
    assert done["flops"] > 0
    assert outcome.training_flops == pytest.approx(4 * 7.0 + done["flops"])
    assert outcome.training_seconds == pytest.approx(done["seconds"])
