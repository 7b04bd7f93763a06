"""The methods of compression, by model and step: from a recipe's table to a call in `compress`."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext
from triton_rag_export.build.corpus_steps import read_passages
from triton_rag_export.build.model_steps import TEXT_SETTINGS
from triton_rag_export.errors import BuildError
from triton_rag_export.evaluate.indexed_ids import read_kept_ids
from triton_rag_export.evaluate.ledger.row import Goal, Kind
from triton_rag_export.recipe.compression import EncoderDistilRecipe
from triton_rag_export.recipe.table import Table

if TYPE_CHECKING:
    from triton_rag_export.compress.distil_encoder import DistillationData
    from triton_rag_export.compress.distil_generator import GeneratorTexts
    from triton_rag_export.compress.outcome import Report, StepOutcome
    from triton_rag_export.graph.encoder_settings import EncoderExport

_Settings = TypeVar("_Settings")
SMALLER_AND_FASTER: tuple[Goal, ...] = ("smaller", "faster")


@dataclass(frozen=True, slots=True)
class Work:
    """What a method works on.

    Attributes:
        context: the build.
        passages: the cut corpus.
        source: the model, a folder or a GGUF file.
        target: an empty folder for the result.
        table: of the recipe.
        workplace: for checkpoints.
        report: to be called after each update.
    """

    context: BuildContext
    passages: Artifact
    source: Path
    target: Path
    table: Table
    workplace: Path
    report: "Report"

    @property
    def teachers_vectors(self) -> Path:
        """Where the vectors of teachers are kept, for every student of theirs."""
        return self.context.cache.folder.parent / "teachers-vectors"


@dataclass(frozen=True, slots=True)
class Method:
    """How a step is done.

    Attributes:
        run: does it.
        modules: its code, that which reads its data included.
        goals: what a step with this table is for.
    """

    run: "Callable[[Work], StepOutcome]"
    modules: tuple[str, ...]
    goals: Callable[[Any], tuple[Goal, ...]]


def method_of(kind: Kind, step: str) -> Method:
    """How a step of a model is done.

    Raises:
        KeyError: there is no such step.
    """
    return _METHODS[kind, step]


def settings_of(kind: Callable[..., _Settings], table: Table) -> _Settings:
    """A method's settings from the recipe's table, which has the same keys.

    Raises:
        ValueError: the settings do not allow a value.
    """
    from triton_rag_export.compress.training import TrainingSettings

    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {name: getattr(table, name) for name in type(table).model_fields if name in names}
    inner = {"training": TrainingSettings, "recovery": _recovery_settings(table)}
    for name, settings in inner.items():
        if name in values:
            values[name] = settings_of(settings, values[name])
    return kind(**values)


def _recovery_settings(table: Table) -> Any:
    from triton_rag_export.compress.distil_encoder import EncoderDistillation
    from triton_rag_export.compress.distil_generator import DistilGeneratorSettings

    is_encoder = isinstance(getattr(table, "recovery", None), EncoderDistilRecipe)
    return EncoderDistillation if is_encoder else DistilGeneratorSettings


def generator_texts(work: Work, table: Any) -> "GeneratorTexts":
    """What a generator learns: the files that a table of distillation or recovery names, else the corpus."""
    from triton_rag_export.compress.distil_generator import DistilGeneratorSettings, read_generator_texts

    recipe = work.context.recipe.generator
    if recipe is None:
        raise BuildError("there is no generator in the recipe; add [generator]")
    settings = settings_of(DistilGeneratorSettings, table)
    return read_generator_texts(settings, recipe, read_passages(work.passages.folder))


def encoder_data(work: Work, table: Any) -> "DistillationData":
    """What an encoder learns: the corpus, and the files that a table of distillation or recovery names."""
    from triton_rag_export.compress.distil_encoder import EncoderDistillation, read_distillation_data

    folder = work.passages.folder
    settings = settings_of(EncoderDistillation, table)
    return read_distillation_data(settings, read_passages(folder), read_kept_ids(folder))


def text_export(work: Work) -> "EncoderExport":
    """How the recipe has an encoder's texts read: pooling, normalization, prefixes, limit."""
    from triton_rag_export.graph.encoder_settings import EncoderExport

    return EncoderExport(**work.context.recipe.encoder.model_dump(include=TEXT_SETTINGS))


def _distil_encoder(work: Work) -> "StepOutcome":
    from triton_rag_export.compress.distil_encoder import EncoderDistillation, run

    return run(
        work.source,
        work.target,
        settings_of(EncoderDistillation, work.table),
        data=encoder_data(work, work.table),
        workplace=work.workplace,
        report=work.report,
        vectors=work.teachers_vectors,
        export=text_export(work),
    )


def _distil_generator(work: Work) -> "StepOutcome":
    from triton_rag_export.compress.distil_generator import DistilGeneratorSettings, distil_generator

    return distil_generator(
        work.source,
        work.target,
        settings_of(DistilGeneratorSettings, work.table),
        data=generator_texts(work, work.table),
        workplace=work.workplace,
        report=work.report,
    )


def _recovering(
    kind: Kind, run: str, settings: str, data: Callable[[Work, Any], Any]
) -> "Callable[[Work], StepOutcome]":
    """A step that takes something away from a model and lets it recover.

    Args:
        kind: of model.
        run: its function in `compress.recovery`.
        settings: their class.
        data: reads what its kind of model learns.
    """

    def work_on(work: Work) -> "StepOutcome":
        from triton_rag_export.compress import recovery

        outcome: StepOutcome = getattr(recovery, run)(
            work.source,
            work.target,
            settings_of(getattr(recovery, settings), work.table),
            data=data(work, work.table.recovery),  # type: ignore[attr-defined]
            workplace=work.workplace,
            report=work.report,
            **({"export": text_export(work)} if kind == "encoder" else {}),
        )
        return outcome

    return work_on


def _recovering_methods(kind: Kind, data: Callable[[Work, Any], Any]) -> "dict[tuple[Kind, str], Method]":
    """Pruning, low rank and training for INT8, which changes neither size nor speed: the next graph does."""
    modules = (f"triton_rag_export.compress.recovery.{kind}", *_READERS[kind])
    named = kind.capitalize()
    goals: dict[str, tuple[str, str, Callable[[Any], tuple[Goal, ...]]]] = {
        "prune": ("prune", "Prune", lambda table: SMALLER_AND_FASTER if table.cuts else ()),
        "low_rank": ("factorize", "LowRank", lambda table: SMALLER_AND_FASTER),
        "quantize": ("quantize", "Quantize", lambda table: ()),
    }
    return {
        (kind, step): Method(
            _recovering(kind, f"{verb}_{kind}", f"{settings}{named}Settings", data), modules, goal
        )
        for step, (verb, settings, goal) in goals.items()
    }


def _distilling(kind: Kind, run: "Callable[[Work], StepOutcome]") -> Method:
    modules = (f"triton_rag_export.compress.distil_{kind}.distil", *_READERS[kind])
    return Method(run, modules, lambda table: SMALLER_AND_FASTER)


_READERS: dict[Kind, tuple[str, ...]] = {
    "encoder": (
        "triton_rag_export.compress.distil_encoder.read_data",
        "triton_rag_export.evaluate.indexed_ids",
    ),
    "generator": ("triton_rag_export.compress.distil_generator.generator_texts",),
}
"""What reads the data, which no method imports: it is handed to them."""
_METHODS: dict[tuple[Kind, str], Method] = {
    ("encoder", "distil"): _distilling("encoder", _distil_encoder),
    ("generator", "distil"): _distilling("generator", _distil_generator),
    **_recovering_methods("encoder", encoder_data),
    **_recovering_methods("generator", generator_texts),
}
