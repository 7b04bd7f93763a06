"""The ledger made visible: a table for the terminal, one page of HTML, and plots."""

from triton_rag_export.evaluate.ledger_report.page import write_report
from triton_rag_export.evaluate.ledger_report.state import LedgerState, ledger_state
from triton_rag_export.evaluate.ledger_report.table import print_state

__all__ = ["LedgerState", "ledger_state", "print_state", "write_report"]
