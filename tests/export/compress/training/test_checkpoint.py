"""Checkpoints: whole or not there, without pickles, and of one training only."""

import json
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
from export.compress.training.tiny_task import tiny_module, trained
from triton_rag_export.compress.outcome import Progress
from triton_rag_export.compress.training.checkpoint import Checkpoints, TrainingState
from triton_rag_export.errors import TrainingError


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """Files stop growing there: the write in the middle of a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_one_checkpoint_is_left_and_it_holds_no_pickle(tmp_path: Path) -> None:
    trained(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000012"]
    files = sorted(path.name for path in (tmp_path / "checkpoint-000000012").iterdir())
    assert files == ["optimizer.safetensors", "state.json", "weights.safetensors"]


def test_a_write_that_fails_midway_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    """Also when the failure is in the second file, and training can go on from what is left."""
    expected = trained(tmp_path / "whole")
    folder = tmp_path / "full"

    with ExitStack() as limits:

        def fill_the_disk(progress: Progress) -> None:
            if progress.step == 5:  # the checkpoint of 4 steps is there, that of 8 will not fit
                limits.enter_context(no_file_larger_than(1500))

        with pytest.raises(TrainingError, match=r"00008 cannot be written .*; make room, .*00004 is whole"):
            trained(folder, on_progress=fill_the_disk)

    assert [path.name for path in folder.iterdir()] == ["checkpoint-000000004"]
    again = trained(folder)
    assert all(torch.equal(again[name], expected[name]) for name in expected)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)

    with pytest.raises(TrainingError, match=r"learning_rate 0\.01 there, 0\.02 here"):
        trained(tmp_path, learning_rate=0.02)


def test_a_checkpoint_that_is_broken_is_named(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(TrainingState(step=3), tiny_module(), {})
    folder = checkpoints.last
    assert folder is not None
    (folder / "weights.safetensors").write_bytes(b"no tensors")

    with pytest.raises(TrainingError, match=r"weights\.safetensors cannot be read"):
        checkpoints.load(tiny_module(), {})

    (folder / "state.json").write_text(json.dumps({"steps": 1}))
    with pytest.raises(TrainingError, match=r"checkpoint-000000003 cannot be read"):
        checkpoints.load(tiny_module(), {})


def test_what_a_kill_left_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    (tmp_path / ".unfinished-checkpoint-000000004").mkdir()
    (tmp_path / "checkpoint-000000009").mkdir()  # being removed, its state first
    checkpoints.save(TrainingState(step=4), tiny_module(), {})

    assert checkpoints.last == tmp_path / "checkpoint-000000004"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000004"]


def test_a_workplace_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(TrainingError, match=r"file/below cannot be made"):
        Checkpoints(tmp_path / "file" / "below")
