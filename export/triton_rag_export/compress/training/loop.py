"""The training loop: batches in a fixed order, AdamW, checkpoints, and what it reports.

What decides the result is in the settings and the examples; nothing is taken from the clock or from random
states of before. Dropout is seeded anew for each slice of each batch: so a training that goes on after a
kill, and one that shares its slices among processes, draw what an uninterrupted single process draws.
"""

import copy
import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from triton_rag_export.compress.outcome import Progress, Report, StepOutcome
from triton_rag_export.compress.training.checkpoint import Checkpoints, TrainingState
from triton_rag_export.compress.training.data import Batch, BatchOrder, TrainingData
from triton_rag_export.compress.training.flops import FlopMeter
from triton_rag_export.compress.training.optimizer import (
    learning_rate,
    load_state_tensors,
    new_optimizer,
    state_tensors,
)
from triton_rag_export.compress.training.processes import (
    is_sharded,
    make_whole,
    new_accelerator,
    without_checkpoints,
)
from triton_rag_export.compress.training.settings import TrainingSettings
from triton_rag_export.errors import TrainingError

Loss = Callable[[Any, Batch], Mapping[str, torch.Tensor]]


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained, on what, for what.

    Attributes:
        module: trained in place; it takes its batches in its `forward`, as several processes need.
        loss: of the module and a slice of a batch, named parts, each the mean over what `weigh` counts; a
            finite number also where that is nothing.
        data: the examples.
        loss_weights: by part; a part that is not named counts once.
        weigh: how much a slice counts in its batch, such as its labelled tokens; default its examples.
        evaluate: quality on development data, higher is better; called without gradients.
        identity: what else decides the result, such as losses' settings, as JSON values: a checkpoint of
            another training is refused.
    """

    module: nn.Module
    loss: Loss
    data: TrainingData[Any]
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    weigh: Callable[[Batch], float] | None = None
    evaluate: Callable[[Any], float] | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)


def train(
    task: Task,
    settings: TrainingSettings,
    *,
    workplace: Path,
    report: Report = lambda progress: None,
) -> StepOutcome:
    """Train a module in place, going on from the last checkpoint in the workplace if there is one.

    Args:
        task: module, examples and loss.
        settings: how.
        workplace: folder of the checkpoints; it may be removed afterwards.
        report: called after every step, by the first process.

    Raises:
        TrainingError: examples are missing; the loss or its gradient is not a number, with the ids of the
            batch's examples; a checkpoint cannot be written or is of another training; or the slices cannot
            be shared among the processes.
    """
    with torch.random.fork_rng():
        return _Training(task, settings, workplace, report).run()


class _Training:
    """One training in one process."""

    def __init__(self, task: Task, settings: TrainingSettings, workplace: Path, report: Report) -> None:
        self._task, self._settings, self._report = task, settings, report
        data = task.data
        self._order = BatchOrder(len(data.examples), settings.batch_size, settings.seed, data.lengths)
        self._checkpoints = Checkpoints(workplace)
        self._accelerator = new_accelerator(settings)
        if is_sharded(self._accelerator):
            kind = self._accelerator.distributed_type.value
            self._settings = without_checkpoints(settings, kind)
        self._is_mixed = settings.precision == "bf16"
        self._flops = FlopMeter()
        self._training = _identity(task, settings)
        self._state = TrainingState(self._training)
        self._module: Any = None
        self._whole: nn.Module | None = None
        self._optimizer: Any = None

    def run(self) -> StepOutcome:
        """All steps that are left."""
        task, settings, state = self._task, self._settings, self._prepare()
        started_s, before_s = time.monotonic(), state.seconds
        while state.step < settings.steps:
            parts, loss = self._update(state.step)
            state.step += 1
            quality = self._measure() if self._is_due(settings.evaluate_every, at_end=True) else None
            state.seconds = before_s + time.monotonic() - started_s
            if self._accelerator.is_main_process:
                self._report(Progress(state.step, settings.steps, parts, loss, quality))
            if self._is_due(settings.checkpoint_every, at_end=settings.checkpoint_every > 0):
                self._save()
        if settings.keep == "best" and state.best_quality is not None:
            self._checkpoints.load_best(state.best_step, task.module)
        if self._whole is not None:
            make_whole(self._accelerator, self._module, task.module, self._whole)
        task.module.eval()
        return StepOutcome(
            state.seconds, state.flops, state.step * settings.batch_size, best_quality=state.best_quality
        )

    def _prepare(self) -> TrainingState:
        """Module and optimizer on their device, filled from the last checkpoint."""
        module = self._task.module
        module.to(self._accelerator.device).train()
        optimizer = new_optimizer(module, self._settings)
        found = self._checkpoints.load(module, self._training)
        if found is not None:
            self._state, moments = found
            load_state_tensors(module, optimizer, moments)
        if is_sharded(self._accelerator):
            self._whole = copy.deepcopy(module).cpu()
        self._module, self._optimizer = self._accelerator.prepare(module, optimizer)
        return self._state

    def _update(self, step: int) -> tuple[dict[str, float], float]:
        """One update of the weights; gives the parts of the loss, and the loss, over the whole batch."""
        settings, accelerator = self._settings, self._accelerator
        rows = self._order.rows(step)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        size = settings.batch_size // settings.slices
        mine = range(accelerator.process_index, settings.slices, accelerator.num_processes)
        batches = [self._task.data.batch(rows[part * size : (part + 1) * size]) for part in mine]
        weights = [self._task.weigh(batch) if self._task.weigh else float(size) for batch in batches]
        whole = self._sum({"weight": sum(weights)})["weight"]
        if not whole > 0:
            raise TrainingError(f"step {step + 1}: nothing to learn in the batch of {self._named(rows)}")
        sums: dict[str, float] = {}
        for part, batch, weight in zip(mine, batches, weights, strict=True):
            for name, value in self._gradient(step, part, batch, weight / whole).items():
                sums[name] = sums.get(name, 0.0) + value
        parts = self._sum(sums)
        loss = sum(self._weight_of(name) * value for name, value in parts.items())
        norm = self._clip()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._stop(step, rows, parts, norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return parts, loss

    def _gradient(self, step: int, part: int, batch: Batch, share: float) -> dict[str, float]:
        """Add a slice's gradient; gives the parts of its loss, times its share of the batch."""
        accelerator = self._accelerator
        torch.manual_seed(_seed_of(self._settings.seed, step, part))
        batch = {name: _on(accelerator.device, value) for name, value in batch.items()}
        with accelerator.accumulate(self._module), self._flops.counting(batch):
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=self._is_mixed):
                parts = self._task.loss(self._module, batch)
            loss = torch.stack([self._weight_of(name) * value for name, value in parts.items()]).sum()
            # Accelerate divides by the slices of a process, DDP by the processes: undone, for the sum.
            accelerator.backward(loss * (share * self._settings.slices))
        self._state.flops += self._flops.last * accelerator.num_processes
        return {name: float(value.detach()) * share for name, value in parts.items()}

    def _weight_of(self, part: str) -> float:
        return self._task.loss_weights.get(part, 1.0)

    def _clip(self) -> float:
        """The norm of the gradient, before it is clipped."""
        most = self._settings.clip_norm or math.inf
        norm = self._accelerator.clip_grad_norm_(self._module.parameters(), most)
        return 0.0 if norm is None else float(norm)

    def _stop(self, step: int, rows: Sequence[int], parts: Mapping[str, float], norm: float) -> None:
        values = ", ".join(f"{name} {value:g}" for name, value in parts.items())
        alone = [row for row in rows if not self._is_finite_alone(row)]
        suspects = f" (alone, it is none for {self._named(alone)})" if alone else ""
        last = self._checkpoints.last
        raise TrainingError(
            f"step {step + 1}: the loss is not a finite number ({values}; norm of the gradient {norm:g}) "
            f"in the batch of {self._named(rows)}{suspects}; "
            f"{f'{last} is whole' if last else 'there is no checkpoint'}; "
            "look at these examples, or lower learning_rate"
        )

    def _is_finite_alone(self, row: int) -> bool:
        """Whether an example has a loss, alone in a batch."""
        device = self._accelerator.device
        batch = {name: _on(device, value) for name, value in self._task.data.batch([row]).items()}
        with torch.no_grad():
            parts = self._task.loss(self._task.module, batch)
        return all(bool(value.isfinite()) for value in parts.values())

    def _named(self, rows: Sequence[int]) -> str:
        return self._task.data.named(rows)

    def _sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums over all processes."""
        if self._accelerator.num_processes == 1:
            return dict(values)
        device = self._accelerator.device
        total = self._accelerator.reduce(torch.tensor(list(values.values()), device=device), "sum")
        return dict(zip(values, total.tolist(), strict=True))

    def _is_due(self, every: int, *, at_end: bool) -> bool:
        done = self._state.step
        return (at_end and done == self._settings.steps) or (every > 0 and done % every == 0)

    def _measure(self) -> float | None:
        """Quality on development data; the weights of the best are kept if the settings ask for them."""
        if self._task.evaluate is None:
            return None
        module, state = self._task.module, self._state
        module.eval()
        with torch.no_grad():
            quality = float(self._task.evaluate(module))
        module.train()
        if state.best_quality is None or quality > state.best_quality:
            state.best_quality, state.best_step = quality, state.step
            if self._settings.keep == "best" and self._accelerator.is_main_process:
                self._checkpoints.save_best(state.step, module)
        self._accelerator.wait_for_everyone()
        return quality

    def _save(self) -> None:
        if self._accelerator.is_main_process:
            moments = state_tensors(self._task.module, self._optimizer)
            self._checkpoints.save(self._state, self._task.module, moments)
        self._accelerator.wait_for_everyone()


def _identity(task: Task, settings: TrainingSettings) -> dict[str, Any]:
    """What a checkpoint has to agree with."""
    shapes = {name: list(tensor.shape) for name, tensor in task.module.state_dict().items()}
    data = task.data
    examples = [len(data.examples), *map(str, data.ids), *map(int, data.lengths)]
    digest = hashlib.sha256(repr((shapes, examples)).encode()).hexdigest()
    return {
        **dataclasses.asdict(settings),
        "loss_weights": dict(task.loss_weights),
        **task.identity,
        "shapes_and_examples": digest,
    }


def _seed_of(seed: int, step: int, part: int) -> int:
    return int(np.random.SeedSequence([seed, step, part]).generate_state(1, np.uint64)[0] >> 1)


def _on(device: torch.device, value: Any) -> Any:
    return value.to(device) if isinstance(value, torch.Tensor) else value
