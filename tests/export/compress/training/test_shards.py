"""Shards of weights: what the settings ask for and there is not, the log says, once."""

import logging

import pytest
from export.compress.training.tiny_task import tiny_settings
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.compress.training.processes import without_checkpoints


def test_the_default_settings_train_without_checkpoints_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = without_checkpoints(TrainingSettings(), "DEEPSPEED")
    assert found == TrainingSettings(checkpoint_every=0)
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "checkpoint_every = 500: none are written with shards of weights (DEEPSPEED)"
    )


def test_who_asks_for_none_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    settings = tiny_settings(checkpoint_every=0)
    assert without_checkpoints(settings, "FSDP") == settings
    assert not caplog.records
