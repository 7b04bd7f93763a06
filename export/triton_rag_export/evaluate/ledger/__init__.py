"""The ledger: what each step of compression did to a model, and what that cost and brought."""

from triton_rag_export.evaluate.ledger.gate import Gate, failures
from triton_rag_export.evaluate.ledger.ledger_file import append_row, read_rows
from triton_rag_export.evaluate.ledger.row import LedgerRow

__all__ = ["Gate", "LedgerRow", "append_row", "failures", "read_rows"]
