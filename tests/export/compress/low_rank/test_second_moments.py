"""What the linear layers of a model read, watched while it runs."""

from typing import Any

import pytest
import torch
from export.compress.families import ALL, batch_of
from torch import nn
from triton_rag_export.compress.low_rank import second_moments
from triton_rag_export.compress.model_parts import layer_linears


@pytest.mark.parametrize("name", ALL)
def test_moments_are_those_of_the_rows_that_each_layer_reads(name: str) -> None:
    model = ALL[name]()
    linears = layer_linears(model)
    batches = [batch_of(model, seed) for seed in (0, 1)]
    rows: dict[str, list[torch.Tensor]] = {linear: [] for linear in linears}

    def keep(linear: str) -> Any:
        return lambda _, inputs: rows[linear].append(inputs[0].flatten(0, -2).double())

    hooks = [model.get_submodule(linear).register_forward_pre_hook(keep(linear)) for linear in linears]
    with torch.no_grad():
        for batch in batches:
            model(**batch)
    for hook in hooks:
        hook.remove()

    found = second_moments(model, linears, [lambda model, batch=batch: model(**batch) for batch in batches])

    assert set(found) == set(linears)
    for linear in linears:
        together = torch.cat(rows[linear])
        torch.testing.assert_close(found[linear], together.T @ together)


def test_layers_that_read_the_same_rows_share_one_matrix() -> None:
    model = ALL["llama"]()
    found = second_moments(model, layer_linears(model), [lambda model: model(**batch_of(model))] * 2)

    matrices = [found[f"model.layers.0.self_attn.{name}_proj"] for name in "qkvo"]
    assert matrices[0] is matrices[1] is matrices[2] is not matrices[3]


def test_layers_that_read_other_rows_in_another_batch_go_separate_ways() -> None:
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    model = nn.ModuleDict({"first": first, "second": second})
    same, other = torch.ones(2, 3), 2 * torch.ones(2, 3)

    found = second_moments(
        model,
        ["first", "second"],
        [lambda _: (first(same), second(same)), lambda _: (first(same), second(other))],
    )

    torch.testing.assert_close(found["first"], 4 * torch.ones(3, 3, dtype=torch.float64))
    torch.testing.assert_close(found["second"], 10 * torch.ones(3, 3, dtype=torch.float64))


def test_a_layer_that_was_never_reached_is_named() -> None:
    model = ALL["llama"]()
    with pytest.raises(ValueError, match=r"no calibration batch went through model\.layers\.0.*at least one"):
        second_moments(model, layer_linears(model), [])
