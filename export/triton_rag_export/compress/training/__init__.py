"""One training loop for everything that trains: distillation, recovery after pruning, fine-tuning.

A method brings a module, examples, and a loss that gives named parts; the loop brings devices and processes
(accelerate), mixed precision, AdamW, the schedule, clipping, accumulation, checkpoints and resuming.

    data = TrainingData(examples, collate, ids=ids, lengths=lengths)
    task = Task(
        student,  # trained in place; parameters without requires_grad stay as they are
        loss=lambda module, batch: {"hard": hard(module, batch), "soft": soft(module, batch)},
        loss_weights={"hard": 0.5, "soft": 0.5},  # parts that are not named count once
        data=data,
        weigh=lambda batch: float((batch["labels"] != -100).sum()),  # default: a slice's examples
        evaluate=lambda module: quality(module),  # higher is better
    )
    outcome = train(task, TrainingSettings(steps=500), workplace=folder, report=print)

Each part of a loss is the mean over what `weigh` counts in the slice it is given: the loop then gives the
gradient of the mean over the whole batch, however many processes share it and however different the slices
are. A batch is cut into `slices` of equal numbers of examples; a process does its share of them one after
the other. In-batch losses compare examples within a slice. What is computed therefore depends on the
settings alone: not on the number of processes, and not on whether training was interrupted. Run it again
with the same workplace and it goes on from the last checkpoint, to the same bits.

Several processes: `accelerate launch --multi_gpu --num_processes 2 PROGRAM`, on the CPU with
`ACCELERATE_USE_CPU=true` in the environment; every process calls `train` with the same arguments, and
`slices` is a multiple of their number. Checkpoints hold whole weights: one process, or DDP.
"""

from triton_rag_export.compress.training.data import TrainingData
from triton_rag_export.compress.training.loop import Task, train
from triton_rag_export.compress.training.settings import TrainingSettings

__all__ = ["Task", "TrainingData", "TrainingSettings", "train"]
