"""Steps over generators, from folder to folder: smaller models that load, and recover from what was taken."""

import dataclasses
from pathlib import Path

import pytest
import torch
from export.compress.distil_generator.small_distillation import RECIPE, SETTINGS, save_teacher, write_texts
from export.compress.recovery.killed import KilledAt
from triton_rag_export.compress.distil_generator import GeneratorTexts, read_generator_texts
from triton_rag_export.compress.model_parts import layer_linears, neuron_units
from triton_rag_export.compress.outcome import Progress
from triton_rag_export.compress.quantization import fake_quantized
from triton_rag_export.compress.recovery import (
    LowRankGeneratorSettings,
    PruneGeneratorSettings,
    QuantizeGeneratorSettings,
    factorize_generator,
    prune_generator,
    quantize_generator,
)
from triton_rag_export.graph.model_source import (
    is_encoder_decoder,
    load_causal_model,
    load_encoder_decoder_model,
    resolve_model,
)
from triton_rag_export.graph.quantization_aware import is_quantization_aware

FAMILIES = pytest.mark.parametrize("family", ["llama", "t5"])
HALF = {"heads": 0.5, "neurons": 0.5, "neuron_multiple": 8}


@pytest.fixture
def texts(tmp_path: Path) -> GeneratorTexts:
    settings = dataclasses.replace(SETTINGS, texts=(write_texts(tmp_path / "texts.jsonl"),))
    return read_generator_texts(settings, RECIPE)


def loaded(folder: Path):
    source = resolve_model(str(folder))
    return load_encoder_decoder_model(source) if is_encoder_decoder(source) else load_causal_model(source)


def parameters(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def with_training(**changes):
    return dataclasses.replace(SETTINGS, training=dataclasses.replace(SETTINGS.training, **changes))


@FAMILIES
def test_a_pruned_generator_is_smaller_and_was_taught(family: str, texts, tmp_path: Path) -> None:
    source = save_teacher(tmp_path / "model", family)
    settings = PruneGeneratorSettings(**HALF, stages=2, recovery=SETTINGS)
    seen = list[Progress]()

    outcome = prune_generator(
        source, tmp_path / "pruned", settings, data=texts, workplace=tmp_path / "work", report=seen.append
    )

    model, pruned = loaded(source), loaded(tmp_path / "pruned")
    assert parameters(pruned) < parameters(model)
    assert [units.count for units in neuron_units(pruned)] == [24] * len(neuron_units(model))
    assert [progress.step for progress in seen] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ] * 2
    assert set(seen[0].loss_parts) == {"hard", "soft"}
    assert outcome.examples == 12 * SETTINGS.training.batch_size
    assert outcome.training_flops > 0
    assert outcome.best_quality is not None
    assert [note.split()[3:] for note in outcome.notes[:2]] == [["heads", "gone"], ["neurons", "gone"]]


def test_pruning_that_was_killed_goes_on_to_the_same_bits(texts, tmp_path: Path) -> None:
    source = save_teacher(tmp_path / "model", "t5")
    settings = PruneGeneratorSettings(
        **HALF, weights="unstructured", sparsity=0.3, stages=2, recovery=with_training(checkpoint_every=2)
    )

    def prune(name: str, report=lambda progress: None) -> Path:
        prune_generator(
            source, tmp_path / name, settings, data=texts, workplace=tmp_path / f"{name}-work", report=report
        )
        return tmp_path / name

    with pytest.raises(KeyboardInterrupt):
        prune("killed", KilledAt(update=9))  # in the second stage
    resumed, whole = loaded(prune("killed")).state_dict(), loaded(prune("whole")).state_dict()

    assert resumed.keys() == whole.keys()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in resumed.items())


@FAMILIES
def test_single_weights_are_zero_in_the_folder(family: str, texts, tmp_path: Path) -> None:
    source = save_teacher(tmp_path / "model", family)
    settings = PruneGeneratorSettings(weights="2:4", importance="magnitude", recovery=SETTINGS)

    prune_generator(source, tmp_path / "pruned", settings, data=texts, workplace=tmp_path / "work")

    pruned = loaded(tmp_path / "pruned")
    for name in layer_linears(pruned):
        fours = pruned.get_submodule(name).weight.reshape(-1, 4)
        assert ((fours == 0).sum(1) == 2).all()


@FAMILIES
def test_a_factorized_generator_has_the_size_that_was_asked_for(family: str, texts, tmp_path: Path) -> None:
    source = save_teacher(tmp_path / "model", family)
    settings = LowRankGeneratorSettings(size=0.7, rank_multiple=2, recovery=SETTINGS)

    outcome = factorize_generator(
        source, tmp_path / "small", settings, data=texts, workplace=tmp_path / "work"
    )

    before, after = parameters(loaded(source)), parameters(loaded(tmp_path / "small"))
    assert 0.67 * before < after <= 0.7 * before
    assert outcome.notes[1] == f"{after} of {before} parameters"
    assert outcome.examples == 12 * SETTINGS.training.batch_size


def test_a_size_that_cannot_be_reached_names_what_can(texts, tmp_path: Path) -> None:
    source = save_teacher(tmp_path / "model")
    settings = LowRankGeneratorSettings(size=0.05, recovery=SETTINGS)
    with pytest.raises(ValueError, match=r"size is 0\.05; allowed: 0\.\d+ to below 1; \d+ of the model's"):
        factorize_generator(source, tmp_path / "small", settings, data=texts, workplace=tmp_path / "work")


@FAMILIES
def test_without_recovery_nothing_is_trained(family: str, texts, tmp_path: Path) -> None:
    source = save_teacher(tmp_path / "model", family)
    low_rank = LowRankGeneratorSettings(energy=0.95, rank_multiple=1, recover=False, recovery=SETTINGS)
    pruning = PruneGeneratorSettings(layers=0.5, recover=False, recovery=SETTINGS)

    for step, settings in ((factorize_generator, low_rank), (prune_generator, pruning)):
        target = tmp_path / step.__name__
        outcome = step(source, target, settings, data=texts, workplace=tmp_path / "work")
        assert (outcome.training_seconds, outcome.examples) == (0, 0)
        assert parameters(loaded(target)) < parameters(loaded(source))


@FAMILIES
def test_training_for_int8_makes_int8_better(family: str, texts, tmp_path: Path) -> None:
    source = save_teacher(tmp_path / "model", family)
    training = with_training(steps=40, batch_size=48, learning_rate=1e-4)
    settings = QuantizeGeneratorSettings(dataclasses.replace(training, alpha=0.0))
    losses: list[float] = []

    outcome = quantize_generator(
        source,
        tmp_path / "trained",
        settings,
        data=texts,
        workplace=tmp_path / "work",
        report=lambda progress: losses.append(progress.loss),
    )

    trained = loaded(tmp_path / "trained")
    assert is_quantization_aware(trained)
    assert not is_quantization_aware(loaded(source))
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert outcome.notes[0] == "trained in the arithmetic of INT8"
    tokens = torch.arange(3, 20)[None]
    inputs = {"input_ids": tokens, **({"labels": tokens} if trained.config.is_encoder_decoder else {})}
    with torch.no_grad():
        plain = trained(**inputs).logits
        with fake_quantized(trained):
            assert not torch.equal(trained(**inputs).logits, plain)  # what is saved are floats


def test_a_step_after_training_for_int8_takes_its_mark_away(texts, tmp_path: Path) -> None:
    source = save_teacher(tmp_path / "model")
    quantize_generator(
        source,
        tmp_path / "trained",
        QuantizeGeneratorSettings(with_training(steps=1)),
        data=texts,
        workplace=tmp_path / "work",
    )
    settings = PruneGeneratorSettings(heads=0.5, recover=False, recovery=SETTINGS)

    prune_generator(
        tmp_path / "trained", tmp_path / "pruned", settings, data=texts, workplace=tmp_path / "more"
    )

    assert not is_quantization_aware(loaded(tmp_path / "pruned"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"energy is 0\.0 and size is 0\.0; allowed: one of them above 0, the other 0"),
        ({"energy": 0.9, "size": 0.5}, r"energy is 0\.9 and size is 0\.5; allowed: one"),
        ({"energy": 1.5}, r"energy is 1\.5; allowed: 0 to 1"),
        ({"size": 1.0}, r"size is 1\.0; allowed: 0 to 0\.9999"),
        ({"size": 0.5, "rank_multiple": 0}, "rank_multiple is 0; allowed: 1 to 1024"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LowRankGeneratorSettings(**settings)
    with pytest.raises(ValueError, match="weights is"):
        PruneGeneratorSettings()
