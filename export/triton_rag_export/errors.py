"""Errors of the export package.

ExportError               everything below; its message ends in what to do
├── RecipeError           the recipe: file, line or key path, value, what is allowed
├── CorpusError           a source that cannot be read: path and line
├── ModelSourceError      a model that cannot be found or read
├── UnsupportedModelError an architecture or setting that a graph does not cover
├── TrainingError         a training that cannot begin, or had to stop: examples, losses, checkpoints
├── BuildError            a step of a build
│   └── GateError         a step that the recipe's gate does not allow, and by how much
├── RepositoryError       a repository that is not complete or not consistent
├── EvaluationError       a file of questions, or a server that does not answer
└── LedgerError           a ledger that cannot be read or written
"""

__all__ = [
    "BuildError",
    "CorpusError",
    "EvaluationError",
    "ExportError",
    "GateError",
    "LedgerError",
    "ModelSourceError",
    "RecipeError",
    "RepositoryError",
    "TrainingError",
    "UnsupportedModelError",
]


class ExportError(Exception):
    """The root of what export raises on purpose."""


class RecipeError(ExportError):
    """The recipe is not valid."""


class CorpusError(ExportError):
    """A source of documents cannot be read."""


class ModelSourceError(ExportError):
    """A model cannot be found or read."""


class UnsupportedModelError(ExportError):
    """A graph does not cover this architecture or setting."""


class TrainingError(ExportError):
    """A training cannot begin, or had to stop."""


class BuildError(ExportError):
    """A step of a build failed."""


class GateError(BuildError):
    """A step lost more than the recipe allows, or missed what it is for."""


class RepositoryError(ExportError):
    """A model repository is not complete or not consistent."""


class EvaluationError(ExportError):
    """A file of questions cannot be used, or what should answer them does not."""


class LedgerError(ExportError):
    """A ledger cannot be read or written."""
