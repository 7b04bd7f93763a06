"""Load on a served repository, and what it shows: rate, latency, time to first token, where time goes."""

from triton_rag_client.load.levels import LevelResult, measure_level
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer, find_perf_analyzer
from triton_rag_client.load.questions import python_questions
from triton_rag_client.load.records import LoadSummary, RequestRecord, summarize

__all__ = [
    "LevelResult",
    "LoadSummary",
    "PerfAnalyzer",
    "RequestRecord",
    "find_perf_analyzer",
    "measure_level",
    "python_questions",
    "summarize",
]
