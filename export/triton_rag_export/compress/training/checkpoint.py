"""Checkpoints: weights, AdamW's state and counters, in safetensors and JSON; no pickles.

A checkpoint is written to a temporary folder, flushed to the disk, and renamed; only then is the one before
removed. Whatever happens in between, a full disk or a kill, one whole checkpoint remains.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from triton_rag_export.errors import TrainingError

WEIGHTS_FILE, OPTIMIZER_FILE, STATE_FILE = "weights.safetensors", "optimizer.safetensors", "state.json"
_CHECKPOINT, _BEST, _UNFINISHED = "checkpoint-", "best-", ".unfinished-"


@dataclass(slots=True)
class TrainingState:
    """Counters of a training.

    Attributes:
        training: what is trained, as JSON values: a checkpoint of another training is refused.
        step: updates done.
        seconds: wall-clock time so far.
        flops: floating-point operations so far.
        best_quality: the best so far.
        best_step: updates done when it was measured.
    """

    training: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    flops: float = 0.0
    best_quality: float | None = None
    best_step: int = 0


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: where they lie; made when it is missing.

    Raises:
        TrainingError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{folder} cannot be made ({error}); choose another workplace") from error

    @property
    def last(self) -> Path | None:
        """The newest whole checkpoint."""
        return max((path.parent for path in self._folder.glob(f"{_CHECKPOINT}*/{STATE_FILE}")), default=None)

    def save(
        self, state: TrainingState, module: nn.Module, optimizer_state: Mapping[str, torch.Tensor]
    ) -> None:
        """Write a checkpoint, then remove older ones.

        Raises:
            TrainingError: it cannot be written, as on a full disk; the checkpoint before is as it was.
        """
        with self._replacing_all(_CHECKPOINT, state.step) as unfinished:
            _save_tensors(weights_of(module), unfinished / WEIGHTS_FILE)
            _save_tensors(optimizer_state, unfinished / OPTIMIZER_FILE)
            (unfinished / STATE_FILE).write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")

    def save_best(self, step: int, module: nn.Module) -> None:
        """Keep the weights of the best quality so far, instead of those before.

        Raises:
            TrainingError: they cannot be written.
        """
        with self._replacing_all(_BEST, step) as unfinished:
            _save_tensors(weights_of(module), unfinished / WEIGHTS_FILE)

    def load(self, module: nn.Module, training: Mapping[str, Any]) -> tuple[TrainingState, Any] | None:
        """Fill a module from the newest checkpoint.

        Args:
            module: what is trained.
            training: what it is, as JSON values.

        Returns:
            Counters and the optimizer's state, or None where there is no checkpoint.

        Raises:
            TrainingError: it is of another training, or cannot be read.
        """
        if self.last is None:
            return None
        try:
            state = TrainingState(**json.loads((self.last / STATE_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(f"{self.last} cannot be read ({error}); remove it") from error
        differing = [name for name in training if state.training.get(name) != training[name]]
        if differing:
            listed = ", ".join(
                f"{n} {state.training.get(n)!r} there, {training[n]!r} here" for n in differing
            )
            raise TrainingError(
                f"{self.last} is of another training ({listed}); remove it, or choose another workplace"
            )
        load_weights(module, _load_tensors(self.last / WEIGHTS_FILE))
        return state, _load_tensors(self.last / OPTIMIZER_FILE)

    def load_best(self, step: int, module: nn.Module) -> None:
        """Fill a module with the weights of the best quality, measured after so many updates.

        Raises:
            TrainingError: they cannot be read.
        """
        load_weights(module, _load_tensors(self._folder / _name(_BEST, step) / WEIGHTS_FILE))

    @contextmanager
    def _replacing_all(self, prefix: str, step: int) -> Iterator[Path]:
        """A temporary folder that gets its name when it is filled and flushed; older ones then go away."""
        from safetensors import SafetensorError

        target = self._folder / _name(prefix, step)
        unfinished = self._folder / f"{_UNFINISHED}{target.name}"
        shutil.rmtree(unfinished, ignore_errors=True)  # of a training that was killed
        try:
            unfinished.mkdir()
            yield unfinished
            for path in (*unfinished.iterdir(), unfinished):
                _flush(path)
            shutil.rmtree(target, ignore_errors=True)
            unfinished.rename(target)
            _flush(self._folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            kept = f"{self.last} is whole: run again, to go on from there" if self.last else "run again"
            raise TrainingError(f"{target} cannot be written ({error}); make room, {kept}") from error
        for path in self._folder.glob(f"{prefix}*"):
            if path != target:
                shutil.rmtree(path, ignore_errors=True)


def _name(prefix: str, step: int) -> str:
    return f"{prefix}{step:09d}"


def weights_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and the buffers that belong to a module's state, each once, by name."""
    kept = set(module.state_dict())
    buffers = {name: buffer for name, buffer in module.named_buffers() if name in kept}
    return {name: tensor.detach() for name, tensor in (*module.named_parameters(), *buffers.items())}


def load_weights(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors that `weights_of` gave into a module of the same shapes.

    Raises:
        TrainingError: they do not fit.
    """
    own = weights_of(module)
    unfit = [name for name in own.keys() | tensors.keys() if not _fits(own.get(name), tensors.get(name))]
    if unfit:
        raise TrainingError(f"weights do not fit the module: {', '.join(sorted(unfit)[:5])}; remove them")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def _fits(own: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return own is not None and other is not None and own.shape == other.shape


def _save_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, path)


def _load_tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); remove {path.parent}") from error
    return tensors


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
