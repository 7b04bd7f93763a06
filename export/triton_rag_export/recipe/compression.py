"""The tables of a recipe that say how models are compressed, one for each step.

Their keys are the fields of the methods' settings (`compress`), which know more checks than a table can.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from triton_rag_export.recipe.table import Layers, ModelName, RecipeFiles, Table, refuse

STEPS = ("distil", "prune", "low_rank", "quantize")
"""Steps of compression in this order; each is a table below `[encoder]` or `[generator]`."""

STUDENT_KEYS = ("student", "layers", "encoder_layers", "choose", "neurons")
"""Keys of a distillation that say who the student is."""


def steps_of(table: Table) -> dict[str, Table]:
    """The tables of the steps that a recipe's model goes through, by name, in order."""
    found = {name: getattr(table, name, None) for name in STEPS}
    return {name: step for name, step in found.items() if step is not None}


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


class PruneRecipe(Table):
    """`[….prune]`: what of a model is taken away."""

    importance: Literal["magnitude", "taylor"] = "taylor"
    """taylor: by the first-order change of the loss over examples; magnitude: by the weights alone."""
    heads: float = Field(default=0.0, ge=0.0, le=0.99)
    """Share of each attention's heads to cut out; one always stays."""
    neurons: float = Field(default=0.0, ge=0.0, le=0.99)
    """Share of the feed-forward neurons to cut out."""
    layers: float = Field(default=0.0, ge=0.0, le=0.99)
    """Share of each stack's layers to drop; one always stays."""
    weights: Literal["none", "unstructured", "2:4"] = "none"
    """Single weights to set to zero; 2:4: two of each four along the inputs. Neither is smaller or faster."""
    sparsity: float = Field(default=0.0, ge=0.0, le=0.999)
    """Share of the single weights to set to zero with unstructured."""
    scope: Literal["layer", "model"] = "layer"
    """layer: the same share of each layer; model: the least important of all layers together."""
    neuron_multiple: int = Field(default=16, ge=1, le=1024)
    """Feed-forward widths that are left are multiples of it."""
    stages: int = Field(default=1, ge=1, le=1000)
    """In how many stages, with recovery after each; 1 is one-shot."""
    calibration_examples: int = Field(default=64, ge=1, le=100_000)
    """How many examples taylor is measured on."""
    recover: bool = True
    """Whether the model is trained after each stage."""

    @property
    def cuts(self) -> bool:
        """Whether parts go, which makes the model smaller; zeros do not."""
        return bool(self.heads or self.neurons or self.layers)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.weights == "unstructured") != (self.sparsity > 0):
            allowed = "above 0" if self.weights == "unstructured" else "0"
            refuse(".sparsity", f'{allowed} with weights = "{self.weights}"')
        if self.weights == "none" and not self.cuts:
            refuse(".weights", "unstructured or 2:4 where heads, neurons and layers are 0")
        return self


class LowRankRecipe(Table):
    """`[….low_rank]`: linear layers become two factors, where that saves."""

    energy: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the energy of each layer's outputs to keep; 0: by size."""
    size: float = Field(default=0.0, ge=0.0, le=0.9999)
    """Share of the model's parameters to keep; 0: by energy."""
    rank_multiple: int = Field(default=8, ge=1, le=1024)
    """Ranks are multiples of it."""
    calibration_examples: int = Field(default=256, ge=1, le=100_000)
    """How many examples the layers' inputs are measured on."""
    recover: bool = True
    """Whether the model is trained afterwards."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.energy > 0) == (self.size > 0):
            refuse(".energy", "above 0 where size is 0, and 0 where size is above 0")
        return self


class EncoderDistilRecipe(Table):
    """`[encoder.distil]`: a student learns the encoder's vectors, and its ranking of passages."""

    layers: Layers = 0
    """How many of the teacher's layers stay, 0 being half of them, or which."""
    choose: Literal["spaced", "influence"] = "spaced"
    """Which layers stay where a number is given: spaced evenly, or those of the largest influence."""
    neurons: float = Field(default=0.0, ge=0.0, le=0.99)
    """Share of the feed-forward neurons that the student starts without, those of the smallest weights."""
    student: ModelName | Literal[""] = ""
    """Instead, name or folder of a model with the same tokenizer."""
    cosine: float = Field(default=1.0, ge=0.0, le=1e6)
    """Weight of one minus the cosine to the teacher's vector."""
    mse: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of the squared distance to the teacher's vector."""
    similarity: float = Field(default=20.0, ge=0.0, le=1e6)
    """Weight of the error of the similarities between the texts of a batch."""
    ranking: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of the KL divergence from the teacher's ranking of the batch and the mined negatives."""
    labels: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of the cross-entropy of the labelled passage among the batch and the mined negatives."""
    temperature: float = Field(default=0.05, ge=1e-3, le=10.0)
    """Of the ranking's softmax over similarities."""
    label_temperature: float = Field(default=0.05, ge=1e-3, le=10.0)
    """Of the labels' softmax over similarities."""
    negatives: int = Field(default=0, ge=0, le=1000)
    """Passages mined for each text, the nearest by the teacher's vectors."""
    max_tokens: int = Field(default=128, ge=8, le=8192)
    """Where texts are cut while training; the student's own limit stays the teacher's."""
    dropout: float = Field(default=0.0, ge=0.0, le=0.9)
    """While training."""
    freeze_embeddings: bool = False
    """Whether the embeddings stay the teacher's."""
    questions: RecipeFiles = ()
    """Files of questions to train on (JSON lines, as for `triton-rag evaluate`)."""
    development: RecipeFiles = ()
    """Files of questions to measure quality on while it trains, never to train on; none: some of those."""
    held_out: int = Field(default=500, ge=0, le=100_000_000)
    """How many questions quality is measured with: drawn from `development`, or taken out of `questions`."""
    development_passages: int = Field(default=1000, ge=1, le=100_000_000)
    """How many passages those questions are asked of, the right ones among them."""
    sentences: int = Field(default=60_000, ge=0, le=100_000_000)
    """How many sentences of the passages are texts of their own."""
    texts: RecipeFiles = ()
    """Files of general text (JSON lines, `id` and `text`): who learns the corpus alone loses elsewhere."""
    python_docs: bool = True
    """Whether the documentation inside the running Python is general text as well."""
    general_texts: int = Field(default=20_000, ge=0, le=100_000_000)
    """How many general texts and sentences of them are drawn."""
    training: TrainingRecipe = TrainingRecipe()
    """How it trains."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("layers", "neurons"):
            if self.student and getattr(self, name) != 0:
                refuse(f".{name}", "0 where a student is named")
        if not (self.cosine or self.mse or self.similarity or self.ranking or self.labels):
            refuse(".cosine", "above 0, or one of mse, similarity, ranking and labels")
        return self


def _refuse_student(recovery: Table) -> None:
    """Refuse what says which student to make: in a recovery there is one already."""
    if given := [key for key in STUDENT_KEYS if key in recovery.model_fields_set]:
        refuse(f".{given[0]}", "no such key in a recovery, where what the step left of the model learns")


class GeneratorRecoveryRecipe(GeneratorDistilRecipe):
    """`[generator.….recovery]`: as `[generator.distil]`, without the keys that say who the student is."""

    @model_validator(mode="after")
    def _check_student(self) -> Self:
        _refuse_student(self)
        return self


class EncoderRecoveryRecipe(EncoderDistilRecipe):
    """`[encoder.….recovery]`: as `[encoder.distil]`, without the keys that say who the student is."""

    @model_validator(mode="after")
    def _check_student(self) -> Self:
        _refuse_student(self)
        return self


class GeneratorPruneRecipe(PruneRecipe):
    """`[generator.prune]`: what of the generator is taken away; it recovers with itself as teacher."""

    recovery: GeneratorRecoveryRecipe = GeneratorRecoveryRecipe()
    """Loss, data and training of the recovery; the stages share its steps."""


class GeneratorLowRankRecipe(LowRankRecipe):
    """`[generator.low_rank]`: the generator's linear layers become two factors, where that saves."""

    recovery: GeneratorRecoveryRecipe = GeneratorRecoveryRecipe()
    """Loss, data and training of the recovery."""


class GeneratorQuantizeRecipe(Table):
    """`[generator.quantize]`: the generator is trained in the arithmetic of its INT8 graph."""

    recovery: GeneratorRecoveryRecipe = GeneratorRecoveryRecipe()
    """Loss, data and training."""


class EncoderPruneRecipe(PruneRecipe):
    """`[encoder.prune]`: what of the encoder is taken away; it recovers with itself as teacher."""

    recovery: EncoderRecoveryRecipe = EncoderRecoveryRecipe()
    """Loss, data and training of the recovery; the stages share its steps."""


class EncoderLowRankRecipe(LowRankRecipe):
    """`[encoder.low_rank]`: the encoder's linear layers become two factors, where that saves."""

    recovery: EncoderRecoveryRecipe = EncoderRecoveryRecipe()
    """Loss, data and training of the recovery."""


class EncoderQuantizeRecipe(Table):
    """`[encoder.quantize]`: the encoder is trained in the arithmetic of its INT8 graph."""

    recovery: EncoderRecoveryRecipe = EncoderRecoveryRecipe()
    """Loss, data and training."""
