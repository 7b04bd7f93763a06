"""What a user's own questions get: quality of retrieval and of answers, by the code that serves."""

from triton_rag_export.evaluate.questions import Question, read_questions
from triton_rag_export.evaluate.report import EvaluationReport, evaluate

__all__ = ["EvaluationReport", "Question", "evaluate", "read_questions"]
