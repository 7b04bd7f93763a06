"""Trainings that learn, stop where they must, and come to the same end however they got there."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from export.compress.training import tiny_task
from export.compress.training.tiny_task import loss, pairs, tiny_module, tiny_settings, trained
from safetensors.torch import load_file
from torch import nn
from triton_rag_export.compress.outcome import Progress
from triton_rag_export.compress.training import Task, TrainingData, TrainingSettings, train
from triton_rag_export.errors import TrainingError

PROGRAM = tiny_task.__file__
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(__file__).parents[3]),
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def lines(output: str) -> Iterator[dict[str, Any]]:
    yield from (json.loads(line) for line in output.splitlines() if line.startswith("{"))


def test_it_learns_and_tells_how(tmp_path: Path) -> None:
    module, seen = tiny_module(dropout=0.0), list[Progress]()
    task = tiny_task.tiny_task(module, loss_weights={"between": 0.5})

    outcome = train(task, tiny_settings(steps=150), workplace=tmp_path, report=seen.append)

    assert [progress.step for progress in seen] == list(range(1, 151))
    assert seen[-1].loss < 0.3 * seen[0].loss
    parts = seen[0].loss_parts
    assert seen[0].loss == pytest.approx(parts["error"] + 0.5 * parts["between"])
    assert outcome.examples == 150 * 8
    assert not module.training
    # Two products of 16 outputs, then 2; backward, each again for the weights, the second for its rows.
    forward = 2 * 4 * (6 * 16 + 16 * 2)
    assert outcome.training_flops == 150 * 2 * (2 * forward + 2 * 4 * 16 * 2)


def test_the_same_settings_give_the_same_bits_and_another_seed_does_not(tmp_path: Path) -> None:
    first = trained(tmp_path / "first")
    torch.manual_seed(99)  # what was drawn before does not matter

    assert same(trained(tmp_path / "second"), first)
    assert not same(trained(tmp_path / "third", seed=1), first)


def test_the_callers_random_numbers_are_left_alone(tmp_path: Path) -> None:
    module = tiny_module()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)

    train(tiny_task.tiny_task(module), tiny_settings(), workplace=tmp_path)

    assert torch.equal(torch.rand(2), expected)


def test_a_training_that_was_killed_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = [sys.executable, PROGRAM, str(tmp_path / "whole"), str(tmp_path / "expected"), "steps=30"]
    subprocess.run(whole, env=ENVIRONMENT, capture_output=True, check=True)
    expected = load_file(tmp_path / "expected")
    command = [sys.executable, PROGRAM, str(tmp_path / "killed"), str(tmp_path / "weights"), "steps=30"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{") and json.loads(line)["step"] == 10:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    again = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True)

    steps = [progress["step"] for progress in lines(again.stdout)]
    assert steps[0] in range(9, 31, 4)  # the step after a checkpoint
    assert steps == list(range(steps[0], 31))
    assert same(load_file(tmp_path / "weights"), expected)


def test_two_processes_see_what_one_sees(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
    command += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"]
    command += [PROGRAM, str(tmp_path / "two"), str(tmp_path / "weights")]
    alone = list[Progress]()
    expected = trained(tmp_path / "one", on_progress=alone.append)

    on_cpu = {**ENVIRONMENT, "ACCELERATE_USE_CPU": "true"}  # "multi GPU" then starts processes on the CPU
    two = subprocess.run(command, capture_output=True, text=True, env=on_cpu, check=True)

    curve = [progress["loss"] for progress in lines(two.stdout)]
    assert curve == pytest.approx([progress.loss for progress in alone], rel=1e-5)
    for name, tensor in load_file(tmp_path / "weights").items():
        torch.testing.assert_close(tensor, expected[name])


def test_slices_of_different_weight_count_as_one_batch(tmp_path: Path) -> None:
    """The mean over all labels of a batch is learned from, not the mean of the slices' means."""

    def task(module: nn.Module) -> Task:
        return tiny_task.tiny_task(
            module,
            loss=lambda module, batch: {"error": error_of_labelled(module, batch)},
            weigh=lambda batch: float((batch["targets"][:, 0] > 0).sum()),
        )

    def error_of_labelled(module: Any, batch: Any) -> torch.Tensor:
        labelled = batch["targets"][:, 0] > 0
        errors = (module(batch["rows"]) - batch["targets"])[labelled].square().sum()
        return errors / labelled.sum().clamp(min=1)  # a slice may have no label

    whole, sliced = tiny_module(dropout=0.0), tiny_module(dropout=0.0)
    train(task(whole), tiny_settings(slices=1), workplace=tmp_path / "whole")
    train(task(sliced), tiny_settings(slices=2), workplace=tmp_path / "sliced")

    for one, other in zip(whole.parameters(), sliced.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_bf16_computes_roughly_and_keeps_weights_exactly(tmp_path: Path) -> None:
    exact, rough = list[Progress](), list[Progress]()
    trained(tmp_path / "fp32", on_progress=exact.append)

    weights = trained(tmp_path / "bf16", on_progress=rough.append, precision="bf16")

    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert [one.loss for one in rough] != [one.loss for one in exact]
    assert [one.loss for one in rough] == pytest.approx([one.loss for one in exact], rel=0.05)


def test_frozen_parameters_stay_as_they_are(tmp_path: Path) -> None:
    module = tiny_module()
    module[0].requires_grad_(False)
    before = module[0].weight.clone()

    train(tiny_task.tiny_task(module), tiny_settings(), workplace=tmp_path)

    assert torch.equal(module[0].weight, before)


def test_the_best_quality_is_kept_on_request(tmp_path: Path) -> None:
    qualities, weights = iter([0.2, 0.9, 0.5]), list[torch.Tensor]()

    def evaluate(module: Any) -> float:
        assert not module.training
        assert not torch.is_grad_enabled()
        weights.append(module[0].weight.clone())
        return next(qualities)

    module, seen = tiny_module(), list[Progress]()
    task = tiny_task.tiny_task(module, evaluate=evaluate)
    outcome = train(
        task, tiny_settings(evaluate_every=4, keep="best"), workplace=tmp_path, report=seen.append
    )

    assert outcome.best_quality == 0.9
    assert [progress.quality for progress in seen if progress.quality is not None] == [0.2, 0.9, 0.5]
    assert torch.equal(module[0].weight, weights[1])


def test_a_loss_that_is_no_number_stops_with_its_examples(tmp_path: Path) -> None:
    examples = pairs()
    broken = torch.full_like(examples[29][0], torch.nan)
    examples[29] = (broken, examples[29][1])
    data = TrainingData(examples, tiny_task.collate, ids=[f"row-{number}" for number in range(48)])
    module = tiny_module()

    with pytest.raises(TrainingError) as caught:
        train(Task(module, loss, data), tiny_settings(checkpoint_every=1, seed=2), workplace=tmp_path)

    message = str(caught.value)
    assert "not a finite number (error nan, between nan" in message
    assert "(alone, it is none for row-29)" in message
    kept = next(tmp_path.glob("checkpoint-*"))
    assert f"{kept} is whole" in message
    assert f"step {int(kept.name[-9:]) + 1}:" in message
    for name, tensor in load_file(kept / "weights.safetensors").items():
        assert torch.equal(tensor, module.state_dict()[name])  # the step was not taken


def test_examples_that_cannot_be_learned_from_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no example to train on"):
        TrainingData([], tiny_task.collate)
    with pytest.raises(TrainingError, match="2 examples are empty: b, c; take them out"):
        TrainingData(pairs()[:3], tiny_task.collate, ids=["a", "b", "c"], lengths=[3, 0, 0])
    with pytest.raises(ValueError, match="lengths has 2 values; allowed: 3"):
        TrainingData(pairs()[:3], tiny_task.collate, lengths=[1, 2])
    with pytest.raises(TrainingError, match="batch_size is 64; allowed: at most 48"):
        train(tiny_task.tiny_task(tiny_module()), TrainingSettings(), workplace=tmp_path)
    task = tiny_task.tiny_task(tiny_module(), weigh=lambda batch: 0.0)
    with pytest.raises(TrainingError, match="step 1: nothing to learn in the batch of row-"):
        train(task, tiny_settings(), workplace=tmp_path)
