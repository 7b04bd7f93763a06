"""Load on a served repository, and what it shows: rate, latency, time to first token, where time goes."""

from triton_rag_client.load.histograms import Distribution
from triton_rag_client.load.levels import LevelResult, measure_level, measure_level_anyhow
from triton_rag_client.load.limit import Limit, Trial, least_seconds
from triton_rag_client.load.loads import ClosedLoop, Load, OpenLoop
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer, find_perf_analyzer
from triton_rag_client.load.questions import (
    python_questions,
    question_shares,
    read_questions,
    zipf_repeated,
)
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.search import search_limit
from triton_rag_client.load.service import Service, check_service, open_service, service_at
from triton_rag_client.load.summary import LoadSummary, summarize
from triton_rag_client.load.targets import Slo, Target, parse_slo

__all__ = [
    "ClosedLoop",
    "Distribution",
    "LevelResult",
    "Limit",
    "Load",
    "LoadSummary",
    "OpenLoop",
    "PerfAnalyzer",
    "RequestRecord",
    "Service",
    "Slo",
    "Target",
    "Trial",
    "check_service",
    "find_perf_analyzer",
    "least_seconds",
    "measure_level",
    "measure_level_anyhow",
    "open_service",
    "parse_slo",
    "python_questions",
    "question_shares",
    "read_questions",
    "search_limit",
    "service_at",
    "summarize",
    "zipf_repeated",
]
