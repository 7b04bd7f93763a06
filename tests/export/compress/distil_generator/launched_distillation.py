"""A small distillation in a process of its own, or in several that `accelerate launch` starts.

    python launched_distillation.py TEACHER STUDENT WORKPLACE TEXTS [cached_tokens=N]

prints a line of JSON a step.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from export.compress.distil_generator.small_distillation import RECIPE, SETTINGS, TRAINING
from triton_rag_export.compress.distil_generator import distil_generator, read_generator_texts

STEPS = 6


def main() -> None:
    teacher, student, workplace, texts, *settings = sys.argv[1:]
    chosen = replace(
        SETTINGS,
        texts=(Path(texts),),
        training=replace(TRAINING, steps=STEPS, slices=4),
        **{name: int(value) for name, _, value in (setting.partition("=") for setting in settings)},
    )
    distil_generator(
        Path(teacher),
        Path(student),
        chosen,
        data=read_generator_texts(chosen, RECIPE),
        workplace=Path(workplace),
        report=lambda progress: print(json.dumps({"loss": progress.loss, **progress.loss_parts}), flush=True),
    )


if __name__ == "__main__":
    main()
