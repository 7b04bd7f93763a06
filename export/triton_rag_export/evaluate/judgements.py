"""What is right for a question, in terms of what an index holds.

A question may name a passage (`topics/for#2`) or a document (`topics/for`), whose passages are then all
right: its rank is that of its best passage. A passage dropped as a repetition counts as the one that stayed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate.questions import Question


@dataclass(frozen=True, slots=True)
class IndexedIds:
    """The ids that an index knows.

    Attributes:
        document_ids: the document of each passage, dropped ones included, by the passage's id.
        kept_ids: id of each passage dropped as a repetition to the id of the one that stayed.
    """

    document_ids: Mapping[str, str]
    kept_ids: Mapping[str, str]

    def kept_documents(self) -> dict[str, frozenset[str]]:
        """For each document the one that its passages are found in.

        That is itself, unless all of its passages were dropped: then those of the passages that stayed.
        """
        present = {document for name, document in self.document_ids.items() if name not in self.kept_ids}
        kept = {document: {document} for document in present}
        for name, kept_id in self.kept_ids.items():
            if (document := self.document_ids[name]) not in present:
                kept.setdefault(document, set()).add(self.document_ids[kept_id])
        return {document: frozenset(documents) for document, documents in kept.items()}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is right for one question.

    Attributes:
        grades: grade by id, of passages or of documents.
        by_document: whether results are judged as documents.
    """

    grades: Mapping[str, int]
    by_document: bool

    def ranked(self, passage_ids: Sequence[str], ids: IndexedIds) -> list[str]:
        """The results to judge, best first and each once: documents, or the passages as they are."""
        if not self.by_document:
            return list(passage_ids)
        return list(dict.fromkeys(ids.document_ids.get(name, name) for name in passage_ids))


def judge(questions: Sequence[Question], ids: IndexedIds, path: Path) -> tuple[Judgement, ...]:
    """Find what each question names in the index.

    Args:
        questions: as read from `path`.
        ids: what the index holds.
        path: for error messages.

    Raises:
        EvaluationError: a question names an id that is neither a passage nor a document; names file and line.
    """
    documents = ids.kept_documents()
    return tuple(_judgement(question, ids, documents, f"{path}:{question.line}") for question in questions)


def _judgement(
    question: Question, ids: IndexedIds, documents: Mapping[str, frozenset[str]], where: str
) -> Judgement:
    for name in question.relevant:
        if name not in ids.document_ids and name not in documents:
            raise EvaluationError(
                f"{where}: {name!r} is no passage and no document of this repository: "
                "correct the id, or evaluate the repository that was built from these passages"
            )
    by_document = any(name in documents for name in question.relevant)
    grades: dict[str, int] = {}
    for name, grade in question.relevant.items():
        kept = ids.kept_ids.get(name, name)
        documents_of = documents.get(name) or {ids.document_ids[kept]}
        for target in documents_of if by_document else {kept}:
            grades[target] = max(grade, grades.get(target, 0))
    return Judgement(grades, by_document)
