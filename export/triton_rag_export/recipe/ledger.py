"""The tables of a recipe that say how compression is measured, and what its steps may lose."""

from typing import Self

from pydantic import Field, model_validator

from triton_rag_export.recipe.table import RecipePath, Table, refuse


class _Gate(Table):
    """What every step must bring, whatever the model."""

    least_speedup: float = Field(default=1.0, ge=0.0, le=100.0)
    """Of a step that is to make the model faster: its throughput over that before; 0: whatever it is."""
    least_shrink: float = Field(default=1.0, ge=0.0, le=100.0)
    """Of a step that is to make the model smaller: the bytes before over its own; 0: whatever they are."""


class EncoderGate(_Gate):
    """`[encoder.gate]`: what a step of the encoder's compression may lose, and what it must bring."""

    ndcg_loss: float = Field(default=0.03, ge=0.0, le=1.0)
    """The share of nDCG@10 that a step may lose on each data set; 1: all of it."""
    recall_loss: float = Field(default=0.03, ge=0.0, le=1.0)
    """The share of recall@10 that a step may lose."""
    mrr_loss: float = Field(default=0.05, ge=0.0, le=1.0)
    """The share of MRR that a step may lose."""


class GeneratorGate(_Gate):
    """`[generator.gate]`: what a step of the generator's compression may lose, and what it must bring."""

    exact_match_loss: float = Field(default=1.0, ge=0.0, le=1.0)
    """The share of exact matches that a step may lose on each data set; 1: all of them."""
    f1_loss: float = Field(default=0.1, ge=0.0, le=1.0)
    """The share of the answers' F1 that a step may lose."""
    rouge_l_loss: float = Field(default=0.1, ge=0.0, le=1.0)
    """The share of ROUGE-L that a step may lose."""


class LedgerRecipe(Table):
    """`[ledger]`: what the steps of compression are measured on."""

    data: RecipePath | None = None
    """Folder of judged data (passages.jsonl, questions.dev.jsonl); left out, no gate may ask for it."""
    questions: int | None = Field(default=None, ge=1, le=10_000_000)
    """Questions of each data set, with 20 passages a question beside the right ones; left out, all."""
    answers: int = Field(default=100, ge=1, le=1_000_000)
    """Questions of each data set that a generator answers, from the passages that are right for them."""
    answer_tokens: int = Field(default=32, ge=1, le=4096)
    """The longest of these answers, and the length of those that are timed."""
    turns: int = Field(default=7, ge=1, le=1000)
    """How often a step and the one before it are timed in turn."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.data is not None and not self.data.is_dir():
            refuse("ledger.data", f"an existing folder of data sets; there is none at {self.data}")
        return self
