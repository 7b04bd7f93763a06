"""The processes that share a training: each with the whole weights (DDP), or each with a shard of them.

Which it is, `accelerate launch` decides by its configuration (`recipes/accelerate/`): DDP, FSDP, or
DeepSpeed's ZeRO, whose stages 1 and 2 share out the optimizer's state and the gradients, and 3 the weights as
well (Rajbhandari et al., "ZeRO", SC 2020). With shards there are no checkpoints here: those that FSDP and
DeepSpeed write are of a number of processes, and partly pickles.
"""

import logging
import os
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from triton_rag_export.compress.training.checkpoint import weights_of
from triton_rag_export.compress.training.settings import TrainingSettings
from triton_rag_export.errors import TrainingError

LOGGER = logging.getLogger(__name__)
SHARDED = ("DEEPSPEED", "FSDP")


def processes() -> Any:
    """Device, number and place of this process among those that were launched, as accelerate's state."""
    from accelerate import PartialState

    if _is_set("ACCELERATE_USE_DEEPSPEED") and not torch.accelerator.is_available():
        return PartialState(backend="gloo")  # accelerate knows no backend for it on a processor
    return PartialState(cpu=_is_set("ACCELERATE_USE_CPU"))


def new_accelerator(settings: TrainingSettings) -> Any:
    """An accelerator for a training of these settings.

    Raises:
        TrainingError: the slices cannot be shared among the processes, or the settings ask for what there is
            not with shards; names field, value and what is allowed.
    """
    from accelerate import Accelerator

    count = processes().num_processes
    accelerator = Accelerator()
    if settings.slices % count:
        raise TrainingError(
            f"slices is {settings.slices}; allowed with {count} processes: a multiple of {count}"
        )
    accelerator.gradient_accumulation_steps = settings.slices // count
    if is_sharded(accelerator):
        kind = accelerator.distributed_type.value
        if settings.keep != "last":
            raise TrainingError(f'keep is "{settings.keep}"; allowed with shards of weights ({kind}): "last"')
    if accelerator.distributed_type.value == "DEEPSPEED":
        accelerator.state.deepspeed_plugin.deepspeed_config.update(
            train_micro_batch_size_per_gpu=settings.batch_size // settings.slices,
            gradient_accumulation_steps=settings.slices // count,
            gradient_clipping=settings.clip_norm,
        )
    return accelerator


def without_checkpoints(settings: TrainingSettings, kind: str) -> TrainingSettings:
    """The settings as a training with shards can follow them; the log says what it does not.

    Args:
        settings: of the recipe, whose default asks for checkpoints.
        kind: of shards, as accelerate names it.
    """
    if settings.checkpoint_every and processes().is_main_process:
        LOGGER.warning(
            "checkpoint_every = %d: none are written with shards of weights (%s), and a training that is "
            "killed begins again",
            settings.checkpoint_every,
            kind,
        )
    return replace(settings, checkpoint_every=0)


def is_sharded(accelerator: Any) -> bool:
    """Whether no process is sure to have the whole weights and the whole state of the optimizer."""
    return accelerator.distributed_type.value in SHARDED


def make_whole(accelerator: Any, prepared: Any, module: nn.Module, whole: nn.Module) -> None:
    """Give a module that was shared out its whole weights back, and free it of what shared it out.

    Args:
        accelerator: that prepared it.
        prepared: what the accelerator made of it.
        module: the module, changed in place, in every process.
        whole: a copy from before it was shared out; its parts become the module's.
    """
    state = accelerator.get_state_dict(prepared)  # of the first process alone where there are shards
    if accelerator.is_main_process:
        whole.load_state_dict(state)
    whole.to(accelerator.device)
    if accelerator.num_processes > 1:
        for tensor in weights_of(whole).values():
            torch.distributed.broadcast(tensor, 0)
    module.__class__, module.__dict__ = type(whole), whole.__dict__


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes", "on")
