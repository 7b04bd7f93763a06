"""The tables of a recipe that say how models are compressed, one for each step.

Their keys are the fields of the methods' settings (`compress`), which know more checks than a table can.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from triton_rag_export.recipe.table import Layers, ModelName, RecipeFiles, Table, refuse


class TrainingRecipe(Table):
    """`[….training]`: how a step of compression trains."""

    steps: int = Field(default=1000, ge=1, le=100_000_000)
    """Updates of the weights."""
    batch_size: int = Field(default=64, ge=1, le=1_000_000)
    """Examples of an update, over all processes and slices."""
    slices: int = Field(default=1, ge=1, le=100_000)
    """Equal parts that a batch is cut into: more need less memory."""
    learning_rate: float = Field(default=1e-4, ge=1e-9, le=1.0)
    """The highest, reached after warm-up."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls from there to 0."""
    warmup: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of the steps over which it rises from 0."""
    weight_decay: float = Field(default=0.01, ge=0.0, le=1.0)
    """Of AdamW, for matrices."""
    clip_norm: float = Field(default=1.0, ge=0.0, le=1e6)
    """Gradients of a larger norm are scaled down to it; 0: never."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of products and attention; weights, gradients and AdamW's state are FP32."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Of the order of the examples and of dropout."""
    evaluate_every: int = Field(default=0, ge=0, le=100_000_000)
    """Steps from one measurement of quality to the next; 0: the last step alone."""
    checkpoint_every: int = Field(default=500, ge=0, le=100_000_000)
    """Steps from one checkpoint to the next; 0: none."""
    keep: Literal["last", "best"] = "last"
    """best: the weights of the best measured quality; last: those of the last step."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.batch_size % self.slices:
            refuse(".slices", f"a divisor of batch_size, which is {self.batch_size}")
        return self


class GeneratorDistilRecipe(Table):
    """`[generator.distil]`: a student learns from the generator."""

    student: ModelName | Literal[""] = ""
    """Name or folder of a model with the teacher's tokenizer; empty: the teacher with fewer layers."""
    layers: Layers = 0
    """How many layers stay, 0 being half of them, or which; of the decoder where there is an encoder."""
    encoder_layers: Layers = 0
    """The same for the encoder."""
    choose: Literal["spaced", "influence"] = "spaced"
    """Which layers stay where a number is given: spaced evenly, or those of the largest influence."""
    alpha: float = Field(default=0.5, ge=0.0, le=1.0)
    """The share of the hard part of the loss, cross-entropy with the labels; 1: plain fine-tuning."""
    temperature: float = Field(default=2.0, ge=1.0, le=100.0)
    """Softens teacher and student in the soft part of the loss."""
    answers: Literal["given", "teacher"] = "given"
    """given: the answers of the data; teacher: the teacher's own (sequence-level distillation)."""
    beams: int = Field(default=1, ge=1, le=32)
    """With which the teacher searches its answers; 1: greedily."""
    cached_tokens: int = Field(default=0, ge=0, le=10_000_000)
    """Keep the teacher's soft labels on disk, of so many most probable tokens; 0: ask it each time."""
    max_tokens: int = Field(default=512, ge=8, le=131_072)
    """Of prompt and answer together, or of each with an encoder and a decoder."""
    answer_tokens: int = Field(default=128, ge=1, le=131_071)
    """The longest answer; longer ones are cut."""
    passages: int = Field(default=1, ge=1, le=20)
    """How many go into a question's prompt, the right one among them."""
    texts: RecipeFiles = ()
    """Files of training texts (JSON lines); none: the corpus's passages."""
    development: RecipeFiles = ()
    """Files of texts to measure the student on while it trains; none: a share of the training texts."""
    development_share: float = Field(default=0.05, ge=0.001, le=0.5)
    """Of the training texts, where `development` names no file."""
    training: TrainingRecipe = TrainingRecipe()
    """How it trains."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.answer_tokens >= self.max_tokens:
            refuse(".answer_tokens", f"1 to {self.max_tokens - 1}, less than max_tokens = {self.max_tokens}")
        return self
