"""Heads, neurons and layers cut out: smaller models that compute what the silenced large ones did."""

import copy
from pathlib import Path

import pytest
import torch
from export.compress.families import ALL, FAMILIES, losses_of, outputs_of, parameters_of
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoders import TinyEncoder, tiny_encoder_model
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel
from triton_rag_export.compress import load_compressed, save_compressed
from triton_rag_export.compress.model_parts import Units, head_units, neuron_units, reading_linear, stacks_of
from triton_rag_export.compress.pruning import (
    choose_units,
    cut_layers,
    cut_units,
    measure_importance,
    own_tables,
)
from triton_rag_export.errors import UnsupportedModelError


def silenced(model: PreTrainedModel, units: Units, kept: list[int]) -> None:
    """Let nothing come out of the other units: the masked model that a cut one has to equal."""
    reader = reading_linear(model.get_submodule(units.reader)).weight
    gone = torch.ones(units.count, dtype=torch.bool)
    gone[kept] = False
    with torch.no_grad():
        reader[:, gone.repeat_interleave(units.reader_channels)] = 0


def weights_of(model: PreTrainedModel, units: Units) -> int:
    """How many numbers one unit has: rows of the writers with their biases, columns of the reader."""
    rows = sum(
        width * (model.get_submodule(name).weight.shape[1] + (model.get_submodule(name).bias is not None))
        for name, width in units.writers
    )
    columns = units.reader_channels * reading_linear(model.get_submodule(units.reader)).weight.shape[0]
    return rows + columns + (0 if units.table is None else model.get_submodule(units.table).weight.shape[0])


def reloaded(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    save_compressed(model, folder)
    kind = AutoModelForCausalLM
    if not model.can_generate():
        kind = AutoModel
    elif model.config.is_encoder_decoder:
        kind = AutoModelForSeq2SeqLM
    return load_compressed(folder, kind).eval()


@pytest.mark.parametrize("find", [head_units, neuron_units])
@pytest.mark.parametrize("name", ALL)
def test_a_cut_model_computes_what_the_masked_one_did(name: str, find, tmp_path: Path) -> None:
    model = ALL[name]()
    own_tables(model)
    importance = measure_importance(model, "taylor", losses_of(model))
    places = find(model)
    kept = choose_units([importance.of_units(units) for units in places], 0.5, "model")
    masked = copy.deepcopy(model)
    for units, stay in zip(places, kept, strict=True):
        silenced(masked, units, stay)
        cut_units(model, units, stay)

    expected = outputs_of(masked)
    assert not torch.allclose(expected, outputs_of(ALL[name]()), atol=1e-3)
    torch.testing.assert_close(outputs_of(model), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(outputs_of(reloaded(model, tmp_path)), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("find", [head_units, neuron_units])
@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_and_file_shrink_by_what_was_cut_out(name: str, find, tmp_path: Path) -> None:
    model = FAMILIES[name]()
    own_tables(model)
    places = find(model)
    kept = choose_units([torch.rand(units.count) for units in places], 0.5, "layer")
    expected = parameters_of(model) - sum(
        (units.count - len(stay)) * weights_of(model, units) for units, stay in zip(places, kept, strict=True)
    )
    save_compressed(model, tmp_path / "before")
    before = parameters_of(model)

    for units, stay in zip(places, kept, strict=True):
        cut_units(model, units, stay)
    save_compressed(model, tmp_path / "after")

    assert parameters_of(model) == expected < before
    sizes = {path.parent.name: tensor_bytes(path) for path in tmp_path.glob("*/compressed.safetensors")}
    assert sizes["before"] - sizes["after"] == 4 * (before - expected)


def tensor_bytes(path: Path) -> int:
    """The file without its header, whose length its first eight bytes say."""
    with path.open("rb") as file:
        return path.stat().st_size - 8 - int.from_bytes(file.read(8), "little")


@pytest.mark.parametrize("kind", ["magnitude", "taylor"])
@pytest.mark.parametrize("name", FAMILIES)
def test_half_of_the_layers_of_every_stack_can_go(name: str, kind, tmp_path: Path) -> None:
    model = FAMILIES[name]()
    own_tables(model)
    before = {stack: len(model.get_submodule(layers)) for stack, layers in stacks_of(model).items()}

    cut_layers(model, measure_importance(model, kind, losses_of(model)), 0.5)

    after = {stack: len(model.get_submodule(layers)) for stack, layers in stacks_of(model).items()}
    assert after == {stack: count - round(count / 2) for stack, count in before.items()}
    torch.testing.assert_close(outputs_of(reloaded(model, tmp_path)), outputs_of(model), atol=0, rtol=0)


def test_heads_that_share_their_position_biases_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"heads of mpnet models.*prune neurons or layers"):
        head_units(tiny_encoder_model(TinyEncoder(family="mpnet", positions=41)))


scores_of_places = st.lists(
    st.lists(st.floats(0, 100), min_size=1, max_size=40).map(torch.tensor), min_size=1, max_size=6
)


@given(scores_of_places, st.floats(0, 0.99))
def test_each_place_loses_the_same_share(scores: list[torch.Tensor], fraction: float) -> None:
    kept = choose_units(scores, fraction, "layer")

    for score, stay in zip(scores, kept, strict=True):
        assert len(stay) == max(1, len(score) - round(fraction * len(score)))
        assert stay == sorted(set(stay))
        gone = [value for index, value in enumerate(score) if index not in stay]
        assert not gone or min(score[stay]) >= max(gone)


@given(scores_of_places, st.floats(0, 0.99))
def test_over_all_places_exactly_the_share_goes_but_never_a_whole_place(
    scores: list[torch.Tensor], fraction: float
) -> None:
    kept = choose_units(scores, fraction, "model")

    total = sum(map(len, scores))
    assert all(kept)
    assert sum(map(len, kept)) == max(len(scores), total - round(fraction * total))


@given(scores_of_places, st.floats(0, 0.99), st.sampled_from(["layer", "model"]), st.integers(1, 32))
def test_widths_are_multiples_as_near_as_can_be(
    scores: list[torch.Tensor], fraction: float, scope, multiple: int
) -> None:
    exact = choose_units(scores, fraction, scope)
    rounded = choose_units(scores, fraction, scope, multiple=multiple)

    for score, wanted, found in zip(scores, exact, rounded, strict=True):
        assert len(found) % multiple == 0 or len(found) == len(score)
        assert abs(len(found) - len(wanted)) <= multiple / 2 or len(found) == min(multiple, len(score))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 1.0}, r"fraction is 1\.0; allowed: 0 to below 1"),
        ({"fraction": -0.1}, r"fraction is -0\.1; allowed"),
        ({"fraction": float("nan")}, "fraction is nan; allowed"),
        ({"fraction": 0.5, "multiple": 0}, "multiple is 0; allowed: at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_units([torch.rand(4)], scope="layer", **settings)
