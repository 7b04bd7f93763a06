"""The report of a load test: one page of HTML that needs nothing else, Markdown, JSON."""

from triton_rag_client.load_report.folder import require_report_packages, write_report
from triton_rag_client.load_report.sections import report_sections

__all__ = ["report_sections", "require_report_packages", "write_report"]
