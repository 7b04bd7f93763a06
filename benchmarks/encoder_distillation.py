"""Distil all-MiniLM-L6-v2 on two CPU cores, and measure what the student finds against its teacher.

Three cases: `a`, three layers; `b`, two layers; `c`, three layers with labelled pairs in the loss. Texts are
the training questions of MedQuAD, its passages and their sentences, and the documentation inside the running
Python as text of another kind; nothing of XQuAD is trained on; of MedQuAD's development questions 532 of
3,280 stand among the training questions too, word for word. Questions and passages of both sets are then
embedded by the exported graphs: the teacher's in FP32, the student's in INT8, each with an index of its own,
and the student's questions with the teacher's index (asymmetric retrieval).
Training reads the first 128 tokens of a passage; measured is what a build would serve, with the encoder's own
limit.

The last line is one JSON object; the exit code is 1 when a target of nDCG@10 is missed. Bytes and speed are
not held against targets.

    python benchmarks/encoder_distillation.py a
    python benchmarks/encoder_distillation.py a --steps 300 --limit 100    # a quick look
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import triton_rag_export  # noqa: F401  (makes the served packages importable)
from retrieval import DEPTH, MODEL, ROOT, DataSet, Rankings, VectorCache, read, vectors_of
from rich.console import Console
from rich.progress import Progress as ProgressBars
from rich.table import Table
from triton_rag_export.compress.distil_encoder import (
    DistillationData,
    EncoderDistillation,
    read_distillation_data,
    run,
)
from triton_rag_export.compress.outcome import Progress, StepOutcome
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.graph.model_source import resolve_model

TRAINED_SET, OTHER_SET = "medquad", "xquad/en"
TEACHER, STUDENT, ASYMMETRIC = "teacher fp32", "student int8", "student int8, teacher's index"

TRAINING = TrainingSettings(steps=2200, batch_size=64, learning_rate=3e-4, evaluate_every=500)
CASES = {
    "a": EncoderDistillation(layers=3, training=TRAINING),
    "b": EncoderDistillation(layers=2, training=TRAINING),
    "c": EncoderDistillation(layers=3, labels=0.2, negatives=8, training=TRAINING),
}
# nDCG@10 as a share of the teacher's, in INT8 with an index of its own.
TARGETS = {
    "a": {TRAINED_SET: 1.0, OTHER_SET: 0.97},
    "b": {TRAINED_SET: 0.99},
    "c": {TRAINED_SET: 1.03, OTHER_SET: 0.97},
}


def main() -> int:
    """Distil, export, measure; print the tables and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="of the sets")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks" / "distilled")
    parser.add_argument("--steps", type=int, help="instead of the case's own")
    parser.add_argument("--limit", type=int, help="questions to measure, and passages in proportion")
    arguments = parser.parse_args()
    files = {"questions": (arguments.data / TRAINED_SET / "questions.train.jsonl",)}
    settings = replace(CASES[arguments.case], **files)
    if arguments.steps:
        settings = replace(settings, training=replace(settings.training, steps=arguments.steps))
    console = Console(width=110)
    started_s = time.monotonic()
    student = arguments.out / arguments.case
    corpus = read(arguments.data / TRAINED_SET, TRAINED_SET, None)
    data = read_distillation_data(settings, corpus.passages)
    outcome = distil(settings, data, student, arguments.out / "workplace", console)
    whole_s = time.monotonic() - started_s
    found = {
        name: measured(read(arguments.data / name, name, arguments.limit), student, arguments.out, console)
        for name in (TRAINED_SET, OTHER_SET)
    }
    missed = []
    for name, least in TARGETS[arguments.case].items():
        share = found[name][STUDENT]["nDCG@10"] / found[name][TEACHER]["nDCG@10"]
        if share < least:
            missed.append(f"{name}: {share:.1%} of the teacher's nDCG@10, target {least:.0%}")
    for line in missed:
        print(f"missed: {line}")
    result = {"benchmark": "encoder distillation", "case": arguments.case, "limit": arguments.limit}
    times = {"training_s": round(outcome.training_seconds), "with_teacher_vectors_s": round(whole_s)}
    work = {"steps": settings.training.steps, "examples": outcome.examples, "flops": outcome.training_flops}
    print(json.dumps({**result, **times, **work, "notes": outcome.notes, "sets": found, "missed": missed}))
    return 1 if missed else 0


def distil(
    settings: EncoderDistillation, data: DistillationData, student: Path, workplace: Path, console: Console
) -> StepOutcome:
    """Train the student, a line every hundred steps."""
    started_s = time.monotonic()

    def report(progress: Progress) -> None:
        if progress.step % 100 == 0 or progress.quality is not None:
            parts = ", ".join(f"{name} {value:.4f}" for name, value in progress.loss_parts.items())
            quality = "" if progress.quality is None else f", development nDCG@10 {progress.quality:.4f}"
            seconds = time.monotonic() - started_s
            console.print(f"{seconds:,.0f} s, step {progress.step} of {progress.steps}: {parts}{quality}")

    count = len(data.queries) + len(data.passages) + len(data.others)
    console.print(f"{count:,} texts, {len(data.pairs):,} labelled pairs")
    teacher = resolve_model(MODEL).folder
    return run(teacher, student, settings, data=data, workplace=workplace, report=report)


def measured(data: DataSet, student: Path, out: Path, console: Console) -> dict[str, dict[str, float]]:
    """Teacher and student on a set, each with its own index, and the student with the teacher's."""
    with ProgressBars(console=console, transient=True) as progress, tempfile.TemporaryDirectory() as scratch:
        cache = VectorCache(out / "vectors", progress)
        teacher_folder, student_folder = Path(scratch) / "teacher", Path(scratch) / "student"
        teacher_folder.mkdir()
        student_folder.mkdir()
        teacher = vectors_of(data, resolve_model(MODEL), "fp32", cache, teacher_folder)
        own = vectors_of(data, resolve_model(str(student)), "int8", cache, student_folder)
        graphs = [
            sum(p.stat().st_size for p in f.glob("encoder.onnx*")) for f in (teacher_folder, student_folder)
        ]
    pairs = {TEACHER: teacher, STUDENT: own, ASYMMETRIC: (teacher[0], own[1])}
    measures = {name: data.measure(ranked(data, *pair)) for name, pair in pairs.items()}
    table = Table(
        f"{data.name}: {len(data.questions):,} questions", *measures[TEACHER], "share of nDCG@10", "MB"
    )
    for name, values in measures.items():
        share = values["nDCG@10"] / measures[TEACHER]["nDCG@10"]
        size = graphs[0 if name == TEACHER else 1] / 1e6
        table.add_row(name, *(f"{value:.4f}" for value in values.values()), f"{share:.1%}", f"{size:.1f}")
    console.print(table)
    return measures


def ranked(data: DataSet, passages: np.ndarray, questions: np.ndarray) -> Rankings:
    """The ids that each question finds by inner product, best first."""
    found = []
    for question in questions:
        best = np.argsort(-(passages @ question), kind="stable")[:DEPTH]
        found.append([data.passages[row].id for row in best])
    return found


if __name__ == "__main__":
    sys.exit(main())
