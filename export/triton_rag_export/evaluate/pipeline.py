"""What evaluation asks of a pipeline, in this process or behind a server, and what all of them need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from triton_rag_export.errors import EvaluationError, RepositoryError

Progress = Callable[[int], None]
"""Called with the number of questions that were finished since the last call."""


@dataclass(frozen=True, slots=True)
class RankedPassages:
    """The ids of the passages that a question found, best first."""

    passage_ids: tuple[str, ...]


class Pipeline(Protocol):
    """Finds passages and writes answers."""

    depth: int
    """How many passages a ranking has at most."""

    def rank(self, texts: Sequence[str], retriever: str, progress: Progress) -> list[RankedPassages]:
        """The passages that each text finds."""

    def answer(self, texts: Sequence[str], progress: Progress) -> list[str]:
        """The answer to each text, greedy."""

    def close(self) -> None:
        """Let go of what it holds."""


def version_folder(repository: Path, model: str) -> Path:
    """The newest version folder of a model: what Triton serves.

    Raises:
        RepositoryError: the repository has no such model.
    """
    folders = [path for path in (repository / model).glob("[0-9]*") if path.is_dir() and path.name.isdigit()]
    if not folders:
        raise RepositoryError(
            f"{repository} has no model {model!r}: name the folder that `triton-rag build` wrote, or build it"
        )
    return max(folders, key=lambda path: int(path.name))


class RefusedQuestionError(EvaluationError):
    """A question that the pipeline does not take; whoever knows where it stands adds file and line."""

    def __init__(self, text: str, reason: str) -> None:
        shown = text if len(text) <= 60 else text[:60] + "…"
        super().__init__(f"the question {shown!r} was refused: {reason}. Correct or remove it.")
        self.text = text


def refuse_query(text: str, reason: str) -> RefusedQuestionError:
    """The error for a question that the pipeline does not take."""
    return RefusedQuestionError(text, reason)
