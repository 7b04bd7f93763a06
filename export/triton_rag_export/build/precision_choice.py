"""`precision = "auto"`: by what the machine supports, and what was measured on it."""

from collections.abc import Callable
from dataclasses import replace

from triton_rag_export.build.candidates import Candidate
from triton_rag_export.build.context import BuildContext, FoundModel
from triton_rag_export.build.ledger_rows import Done, LedgerWriter
from triton_rag_export.build.progress import step
from triton_rag_export.evaluate.ledger.row import LedgerRow


def choose_precision(
    context: BuildContext,
    writer: LedgerWriter,
    before: tuple[Candidate, LedgerRow],
    original: Candidate,
    export: Callable[[str, FoundModel, str], Candidate],
) -> tuple[str, LedgerRow]:
    """INT8 where it is faster here and passes the gate, else halves on a GPU, else FP32.

    The reason is told as the step's note. What was measured and left goes to the ledger as well, as a row
    that is not chosen, with the reason.

    Args:
        context: the build.
        writer: measures.
        before: the model in FP32, and its row.
        original: the model that the recipe names.
        export: gives the candidate of a step's name, a model and a precision.

    Returns:
        The precision, and the row of the model in it.

    Raises:
        ExportError: a graph cannot be exported or measured.
    """
    candidate, row = before
    reasons: list[str] = []
    for precision in ("int8", *(("fp16",) if has_gpu() else ())):
        done = Done({"precision": precision, "chosen by": "auto"}, ("faster",))
        found = writer.measure(export(precision, candidate.model, precision), before, original, done)
        speedup = found.against_parent.throughput if found.against_parent else 1.0
        faults = [failure.message for failure in found.failures]
        if speedup <= 1.0 and not faults:  # the gate may ask for less
            faults.append(f"{speedup:.2f} times as fast as fp32")
        if not faults:
            writer.append(found)
            reasons.append(f"{speedup:.2f} times as fast as fp32, and it passes the gate")
            return _told(context, candidate, precision, reasons), found
        reasons.append(f"not {precision}: {', '.join(faults)}")
        left = (*found.notes, f"not chosen: {', '.join(faults)}")
        writer.append(replace(found, is_chosen=False, notes=left))
    reasons += [] if has_gpu() else ["not fp16: no GPU"]
    return _told(context, candidate, "fp32", reasons), row


def has_gpu() -> bool:
    """Whether ONNX Runtime and torch both find a GPU."""
    import onnxruntime
    import torch

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers() and torch.cuda.is_available()


def _told(context: BuildContext, candidate: Candidate, precision: str, reasons: list[str]) -> str:
    with step(context.progress, f"choose the precision of the {candidate.kind}") as running:
        running.note = f"{precision}; {'; '.join(reasons)}"
    return precision
