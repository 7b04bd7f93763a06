"""What a generator is trained on: prompts with their answers, as token ids.

Texts become examples through the frame that serves: the recipe's template around a question and its
passages, rendered and tokenized by the very code of `prompt_builder`. A text without a question is learned as
it stands: by a causal model from its first token on, by an encoder-decoder model its second half from its
first (the prefix language modelling of Raffel et al., JMLR 2020).
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prompting import InvalidPromptError, PromptBuilder, PromptPassage, PromptSettings
from tokenizers import Tokenizer

from triton_rag_export.prompt import export_prompt
from triton_rag_export.recipe import GeneratorRecipe, ServingRecipe

PROMPT_ALONE = "{passages}{question}"
"""The instruction of a prompt that is already complete: there are no passages then."""
SPECIAL_TOKENS = 4
"""Room for what a tokenizer puts around a text, and for a piece that is tokenized longer by itself."""


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A question or prompt with its answer, or a text alone.

    Attributes:
        answer: what the model should say; a text alone when there is no prompt. None: a teacher will answer.
        prompt: what the user says, already complete; None where there is a question or a text alone.
        question: a question to be set into the recipe's instruction with its passages.
        passages: those of the question, the best first.
        name: by which errors speak of it, such as its file and line.
    """

    answer: str | None
    prompt: str | None = None
    question: str | None = None
    passages: tuple[PromptPassage, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one example.

    Attributes:
        prompt: what the model reads: the beginning of its sequence, or the encoder's source; at least one.
        answer: what it should say, its end token included where the answer was not cut; one loss a token.
        name: of the text that it is of.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of some texts.

    Attributes:
        items: those that can be learned.
        skipped: how many texts were left out, by reason.
        cut: how many answers were cut at the longest allowed length.
    """

    items: tuple[Example, ...]
    skipped: Mapping[str, int]
    cut: int

    @property
    def tokens(self) -> int:
        """How many tokens of answers there are: as many losses."""
        return sum(len(example.answer) for example in self.items)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all token ids, in hexadecimal."""
        digest = hashlib.sha256()
        for example in self.items:
            digest.update(f"{example.prompt}|{example.answer}\n".encode())
        return digest.hexdigest()


class TextTokenizer:
    """Makes examples of texts for one model.

    Args:
        tokenizer: the model's fast transformers tokenizer.
        recipe: the template around questions and prompts.
        is_encoder_decoder: whether prompt and answer are two sequences.
        max_tokens: of prompt and answer together, or of each where they are two sequences; at least 8.
        answer_tokens: the longest answer; less than `max_tokens`.
        end_token_id: ends a causal model's answer.
    """

    def __init__(
        self,
        tokenizer: Any,
        recipe: GeneratorRecipe,
        *,
        is_encoder_decoder: bool,
        max_tokens: int,
        answer_tokens: int,
        end_token_id: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._is_encoder_decoder = is_encoder_decoder
        self._max_tokens = max_tokens
        self._answer_tokens = answer_tokens
        self._end_token_id = end_token_id
        room = 0 if is_encoder_decoder else answer_tokens
        settings = _prompt_settings(tokenizer, recipe, max_tokens - room)
        self._questions = _builder(tokenizer, settings)
        self._prompts = _builder(tokenizer, replace(settings, instruction=PROMPT_ALONE))

    def examples(self, texts: Iterable[TrainingText], *, without_answers: bool = False) -> Examples:
        """The examples of some texts.

        Args:
            texts: questions, prompts, and texts alone.
            without_answers: keep prompts alone, their answers empty: a teacher will answer them.
        """
        items: list[Example] = []
        skipped: Counter[str] = Counter()
        cut = 0
        for text in texts:
            found, reason, was_cut = self._examples_of(text, without_answers)
            items += found
            cut += was_cut
            if reason:
                skipped[reason] += 1
        return Examples(tuple(items), dict(skipped), cut)

    def _examples_of(self, text: TrainingText, without_answers: bool) -> tuple[Sequence[Example], str, bool]:
        """Examples, why there are none, and whether an answer was cut."""
        if text.prompt is None and text.question is None:
            if without_answers:
                return (), "a text without a prompt, which a teacher cannot answer", False
            found = tuple(self._plain(text.answer or "", text.name)) if (text.answer or "").strip() else ()
            return found, "" if found else "an empty text", False
        builder, words = (
            (self._questions, text.question) if text.prompt is None else (self._prompts, text.prompt)
        )
        if not (words or "").strip():
            return (), "an empty prompt", False
        if not without_answers and not (text.answer or "").strip():
            return (), "an empty answer", False
        try:
            prompt = builder.build(words or "", text.passages, max_tokens=1).ids.tolist()
        except InvalidPromptError:
            return (), "a prompt longer than max_tokens", False
        answer = () if without_answers else self._answer(text.answer or "")
        kept = answer[: self._answer_tokens]
        return (Example(tuple(prompt), kept, text.name),), "", len(kept) < len(answer)

    def _answer(self, text: str) -> tuple[int, ...]:
        if self._is_encoder_decoder:
            return tuple(self._tokenizer(text_target=text.strip())["input_ids"])
        ids = self._tokenizer(text.strip(), add_special_tokens=False)["input_ids"]
        return (*ids, self._end_token_id)

    def _plain(self, text: str, name: str) -> Iterator[Example]:
        """A text in pieces of the longest length."""
        if not self._is_encoder_decoder:
            ids = tuple(self._tokenizer(text.strip())["input_ids"])
            for start in range(0, len(ids), self._max_tokens):
                piece = ids[start : start + self._max_tokens]
                if len(piece) > 1:
                    yield Example(piece[:1], piece[1:], name)
            return
        for first, second in _halves(self._tokenizer, text.strip(), self._answer_tokens - SPECIAL_TOKENS):
            source, target = self._tokenizer(first), self._tokenizer(text_target=second)
            yield Example(tuple(source["input_ids"]), tuple(target["input_ids"]), name)


def _halves(tokenizer: Any, text: str, tokens: int) -> Iterator[tuple[str, str]]:
    """A text in neighbouring pieces of about so many tokens, two and two; a lone token is left out."""
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in encoding["offset_mapping"]]
    for start in range(0, len(ends), 2 * tokens):
        piece = ends[start : start + 2 * tokens]
        if len(piece) > 1:
            begin, middle = ends[start - 1] if start else 0, piece[len(piece) // 2 - 1]
            first, second = text[begin:middle].strip(), text[middle : piece[-1]].strip()
            if first and second:
                yield first, second


def _prompt_settings(tokenizer: Any, recipe: GeneratorRecipe, room: int) -> PromptSettings:
    """The frame of prompts of at most `room` tokens, as it would be served."""
    frame = recipe.model_copy(update={"context_tokens": 131_072})
    with tempfile.TemporaryDirectory() as folder:
        settings = export_prompt(tokenizer, frame, ServingRecipe(), Path(folder))
    return replace(settings, context_tokens=room + 1, max_tokens=1, default_max_tokens=1)


def _builder(tokenizer: Any, settings: PromptSettings) -> PromptBuilder:
    """A builder with a tokenizer of its own, which it may change."""
    return PromptBuilder(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), settings)
