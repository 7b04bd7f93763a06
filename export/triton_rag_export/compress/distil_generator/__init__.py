"""Distillation of generators, causal and encoder-decoder: a student learns what a teacher says of each token.

    settings = DistilGeneratorSettings(temperature=2.0, alpha=0.3)
    texts = read_generator_texts(settings, recipe.generator, passages)
    outcome = distil_generator(teacher, student, settings, data=texts, workplace=folder)

The loss is that of Hinton, Vinyals and Dean (2015), see `loss`; students are teachers that keep some of their
layers, or other models with the same tokenizer, see `student`; what the teacher says can be kept on disk, see
`teacher_cache`, and its own answers learned, see `teacher_answers`.
"""

from triton_rag_export.compress.distil_generator.distil import distil_generator
from triton_rag_export.compress.distil_generator.generator_texts import GeneratorTexts, read_generator_texts
from triton_rag_export.compress.distil_generator.settings import DistilGeneratorSettings
from triton_rag_export.compress.distil_generator.sweep import SweepReport, SweepRow, sweep

__all__ = [
    "DistilGeneratorSettings",
    "GeneratorTexts",
    "SweepReport",
    "SweepRow",
    "distil_generator",
    "read_generator_texts",
    "sweep",
]
