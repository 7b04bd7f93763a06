"""What lint reports: a finding names the file, what is wrong with it, and what to do."""

from dataclasses import dataclass
from pathlib import Path

REBUILD = "build the repository again"
RESTORE = "copy it from where you built, or build the repository again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a repository."""

    file: Path
    """The file that is at fault (or that is missing), relative to the repository."""
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}; {self.advice}"
