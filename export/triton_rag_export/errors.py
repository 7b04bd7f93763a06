"""Errors of the export package.

ExportError               everything below; its message ends in what to do
├── RecipeError           the recipe: file, line or key path, value, what is allowed
├── CorpusError           a source that cannot be read: path and line
├── ModelSourceError      a model that cannot be found or read
├── UnsupportedModelError an architecture or setting that a graph does not cover
├── TrainingError         a training that cannot begin, or had to stop: examples, losses, checkpoints
├── BuildError            a step of a build, and gates that it did not pass
├── RepositoryError       a repository that is not complete or not consistent
└── EvaluationError       a file of questions, or a server that does not answer
"""

__all__ = [
    "BuildError",
    "CorpusError",
    "EvaluationError",
    "ExportError",
    "ModelSourceError",
    "RecipeError",
    "RepositoryError",
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
    """A step of a build failed, or a gate was not passed."""


class RepositoryError(ExportError):
    """A model repository is not complete or not consistent."""


class EvaluationError(ExportError):
    """A file of questions cannot be used, or what should answer them does not."""
