"""Distil all-MiniLM-L6-v2 on two CPU cores by a recipe, and hold the student against its teacher.

Three cases, each a recipe: `a`, three layers; `b`, two layers; `c`, three layers with labelled pairs in the
loss. Texts are the training questions of MedQuAD, its passages and their sentences, and the documentation
inside the running Python as text of another kind; nothing of XQuAD is trained on, and no question that stands
among MedQuAD's development questions.

What runs is `triton-rag compress` of the recipe, with its ledger and its gate: the student's graph in INT8 is
exported once, calibrated on MedQuAD's passages, and finds the passages of both sets with an index of its own
and with the teacher's (asymmetric retrieval). Then the teacher's graph in FP32 and the student's in INT8 take
turns at 32 texts of 128 tokens, each in a process of its own. Training counts whole, with the teacher's
vectors of all texts, whichever run computed them.

The last line is one JSON object; the exit code is 1 when a target is missed, or the recipe's gate.

    python benchmarks/encoder_distillation.py a --ledger docs/benchmarks/minilm-3-layers.ledger.jsonl
    python benchmarks/encoder_distillation.py a --steps 20 --limit 20    # a quick look: few texts, open gate
"""

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import triton_rag_export  # noqa: F401  (makes the served packages importable)
from rich.console import Console
from rich.table import Table
from triton_rag_export.build import ArtifactCache, CompressionReport, SilentProgress, compress
from triton_rag_export.build.context import find_models
from triton_rag_export.build.corpus_steps import cut_corpus
from triton_rag_export.build.display import BuildDisplay, silence_library_bars
from triton_rag_export.build.model_steps import encoder_graph
from triton_rag_export.build.workloads import workload
from triton_rag_export.errors import GateError
from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX
from triton_rag_export.evaluate.ledger.timing import time_beside_parent
from triton_rag_export.recipe import Recipe, load_recipe
from triton_rag_export.recipe.ledger import EncoderGate

ROOT = Path(__file__).resolve().parent.parent
TRAINED_SET, OTHER_SET = "medquad", "xquad/en"
QUESTIONS = ("questions.train.jsonl", "questions.dev.jsonl")
TEACHER, STUDENT, ASYMMETRIC = "teacher fp32", "student int8", "student int8, teacher's index"
MEASURE = "nDCG@10"
PASSAGES_A_QUESTION = 20
SECONDS_A_LINE = 60
MOST_TRAINING_S = 30 * 60
OPEN_GATE = EncoderGate(ndcg_loss=1, recall_loss=1, mrr_loss=1, least_speedup=0, least_shrink=0)


@dataclass(frozen=True, slots=True)
class Targets:
    """What a case has to reach, against the teacher in FP32.

    Attributes:
        recipe: its file's name.
        quality: nDCG@10 as a share of the teacher's, by set, in INT8 with an index of its own.
        shrink: the teacher's bytes over the student's; 0: whatever they are.
        speedup: the student's throughput over the teacher's; 0: whatever it is.
    """

    recipe: str
    quality: dict[str, float]
    shrink: float = 0.0
    speedup: float = 0.0


CASES = {
    "a": Targets("minilm-3-layers", {TRAINED_SET: 1.0, OTHER_SET: 0.97}, shrink=5.0, speedup=5.0),
    "b": Targets("minilm-2-layers", {TRAINED_SET: 0.99}, shrink=6.0, speedup=7.0),
    "c": Targets("minilm-3-layers-labelled", {TRAINED_SET: 1.03, OTHER_SET: 0.97}),
}


def main() -> int:
    """Compress, time, compare; print the table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="of the sets")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks" / "distilled")
    parser.add_argument("--ledger", type=Path, help="default: OUT/CASE/RECIPE.ledger.jsonl")
    parser.add_argument("--turns", type=int, default=11, help="of teacher and student at 32 texts")
    parser.add_argument("--steps", type=int, help="instead of the recipe's own")
    parser.add_argument("--limit", type=int, help="questions of each file, and passages in proportion")
    arguments = parser.parse_args()
    targets = CASES[arguments.case]
    place = arguments.out / arguments.case
    recipe = laid_recipe(targets.recipe, arguments.data, place, arguments.limit)
    if arguments.steps or arguments.limit:
        recipe = shortened(recipe, arguments.steps)
    ledger = arguments.ledger or place / f"{recipe.name}.ledger.jsonl"
    result = {"benchmark": "encoder distillation", "case": arguments.case, "limit": arguments.limit}
    silence_library_bars(recipe)
    report, refused = compressed(recipe, ledger, place)
    found = figures(recipe, report, arguments.turns)
    missed = [*refused, *missed_targets(found, targets)]
    Console(width=110).print(as_table(found))
    for line in missed:
        print(f"missed: {line}")
    print(json.dumps({**result, **found, "targets": asdict(targets), "missed": missed}))
    return 1 if missed else 0


def compressed(recipe: Recipe, ledger: Path, place: Path) -> tuple[CompressionReport, list[str]]:
    """What `compress` gives, and what the recipe's gate says against it.

    A step that is refused ends the run: then the rest is measured with an open gate, in another ledger.
    """
    with Lines() as display:
        try:
            return compress(recipe, ledger, display), []
        except GateError as error:
            refused = [f"gate: {line.strip()}" for line in str(error).splitlines()[1:-1]]
        opened = recipe.encoder.model_copy(update={"gate": OPEN_GATE})
        rest = place / "open-gate.ledger.jsonl"
        return compress(recipe.model_copy(update={"encoder": opened}), rest, display), refused


class Lines(BuildDisplay):
    """The build's display, with a line a minute for who reads a log."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        super().__init__(console)
        self._lines = console
        self._printed_s = time.monotonic()

    def advanced(self, step: str, done: int, total: int | None, note: str) -> None:
        """Move the bar, and print a line now and then."""
        super().advanced(step, done, total, note)
        if time.monotonic() - self._printed_s >= SECONDS_A_LINE:
            self._printed_s = time.monotonic()
            count = f"{done:,} of {total:,}" if total is not None else f"{done:,}"
            self._lines.print(f"           {step}: {count}, {note}", markup=False, soft_wrap=True)


def laid_recipe(name: str, data: Path, place: Path, limit: int | None) -> Recipe:
    """The recipe, copied to a folder where its paths lead to the sets."""
    place.mkdir(parents=True, exist_ok=True)
    for data_set in (TRAINED_SET, OTHER_SET):
        lay_data(data / data_set, place.parent / "judged" / data_set, limit)
    file = place / f"{name}.toml"
    shutil.copyfile(ROOT / "recipes" / file.name, file)
    return load_recipe(file)


def lay_data(source: Path, target: Path, limit: int | None) -> None:
    """Links to a set's files; with a limit, the first questions of each, their passages and some others."""
    target.mkdir(parents=True, exist_ok=True)
    passages = (source / "passages.jsonl").read_text(encoding="utf-8").splitlines()
    questions = {
        name: (source / name).read_text(encoding="utf-8").splitlines()[:limit]
        for name in QUESTIONS
        if (source / name).is_file()
    }
    for name in ("passages.jsonl", *questions):
        (target / name).unlink(missing_ok=True)
        if limit is None:
            (target / name).symlink_to((source / name).resolve())
    if limit is None:
        return
    right = {json.loads(line)["passage_id"] for lines in questions.values() for line in lines}
    is_right = [json.loads(line)["id"] in right for line in passages]
    others = [line for line, wanted in zip(passages, is_right, strict=True) if not wanted]
    kept = [line for line, wanted in zip(passages, is_right, strict=True) if wanted]
    kept += others[: PASSAGES_A_QUESTION * limit]
    for name, lines in {"passages.jsonl": kept, **questions}.items():
        (target / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def shortened(recipe: Recipe, steps: int | None) -> Recipe:
    """For a quick look: as many steps, few texts besides the corpus, and a gate that lets everything pass."""
    distil = recipe.encoder.distil
    assert distil is not None
    training = distil.training.model_copy(update={"steps": steps or distil.training.steps})
    few = {"training": training, "sentences": 500, "general_texts": 500, "held_out": 20}
    encoder = {"distil": distil.model_copy(update=few), "gate": OPEN_GATE}
    return recipe.model_copy(update={"encoder": recipe.encoder.model_copy(update=encoder)})


def figures(recipe: Recipe, report: CompressionReport, turns: int) -> dict[str, Any]:
    """Quality and bytes from the ledger's rows, and what teacher and student do in turns."""
    original, final = report.rows[0], report.rows[-1]
    context = find_models(recipe, ArtifactCache(), SilentProgress())
    passages = cut_corpus(context)
    teacher = encoder_graph(context, passages, "fp32")
    student = encoder_graph(context, passages, recipe.encoder.precision, model=report.models["encoder"])
    work = workload(context, passages, None, "encoder")
    ours, theirs, latency, throughput = time_beside_parent(
        STUDENT, work(student.folder), work(teacher.folder), turns
    )
    trained = [row.training for row in report.rows if row.training]
    return {
        "training_s": round(sum(training.seconds for training in trained)),
        "training_flops": sum(training.flops for training in trained),
        "bytes": {TEACHER: original.size.graph_bytes, STUDENT: final.size.graph_bytes},
        "shrink": original.size.graph_bytes / final.size.graph_bytes,
        "tokens_a_second": {TEACHER: theirs.throughput, STUDENT: ours.throughput},
        "speedup": throughput,
        "latency_p50_ms": {TEACHER: theirs.latency_p50_ms, STUDENT: ours.latency_p50_ms},
        "latency_ratio": latency,
        "turns": turns,
        "quality": {
            name: {
                TEACHER: original.quality[name],
                STUDENT: final.quality[name],
                ASYMMETRIC: final.quality[name + TEACHERS_INDEX],
            }
            for name in (TRAINED_SET, OTHER_SET)
        },
    }


def missed_targets(found: dict[str, Any], targets: Targets) -> list[str]:
    """What was not reached, and by how much."""
    missed = []
    for name, least in targets.quality.items():
        value = share(found, name, STUDENT)
        if value < least:
            missed.append(f"{name}: {value:.1%} of the teacher's {MEASURE}, target {least:.0%}")
    for key, least in (("shrink", targets.shrink), ("speedup", targets.speedup)):
        if found[key] < least:
            missed.append(f"{key}: {found[key]:.2f}, target {least:g}")
    if found["training_s"] > MOST_TRAINING_S:
        missed.append(f"training: {found['training_s']:,} s, target {MOST_TRAINING_S:,}")
    return missed


def share(found: dict[str, Any], name: str, contender: str) -> float:
    """Of the teacher's nDCG@10 on a set."""
    quality = found["quality"][name]
    return float(quality[contender][MEASURE] / quality[TEACHER][MEASURE])


def as_table(found: dict[str, Any]) -> Table:
    """Quality, bytes and throughput of teacher and student."""
    table = Table(
        f"trained for {found['training_s']:,} s", *(f"{MEASURE} {name}" for name in found["quality"]),
        "MB", "×", "tokens/s", "×",
    )  # fmt: skip
    for contender in (TEACHER, STUDENT, ASYMMETRIC):
        qualities = [
            f"{measures[contender][MEASURE]:.4f} ({share(found, name, contender):.1%})"
            for name, measures in found["quality"].items()
        ]
        size, speed = (found[key].get(contender) for key in ("bytes", "tokens_a_second"))
        ratios = (found["shrink"], found["speedup"]) if contender == STUDENT else (1.0, 1.0)
        cost = [f"{size / 1e6:.2f}", f"{ratios[0]:.3f}", f"{speed:,.0f}", f"{ratios[1]:.2f}"] if size else []
        table.add_row(contender, *qualities, *cost)
    return table


if __name__ == "__main__":
    sys.exit(main())
