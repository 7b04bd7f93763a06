"""What an exported generator answers from the passages that are right for a question, and how it differs.

The passages are given, so that nothing but the generator decides. Where the data has no right answers to a
question, the text of its right passage is the reference, which F1 and ROUGE-L compare with. The distance from
another generator is taken where both read the right answer, token by token.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triton_rag_export.evaluate.answer_measures import answer_measures
from triton_rag_export.evaluate.judged_data import JudgedData

if TYPE_CHECKING:
    from generation import ServingSettings

TokenSequence = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question as the generator reads it.

    Attributes:
        prompt: token ids of the prompt with its right passages.
        answers: the right ones, or else the texts of the right passages; at least one.
    """

    prompt: TokenSequence
    answers: tuple[str, ...]


def asked_questions(
    prompt_folder: Path, data: JudgedData, limit: int, answer_tokens: int
) -> list[AskedQuestion]:
    """Questions, set into the recipe's prompt by the code that serves.

    Args:
        prompt_folder: what `prompt_builder` reads.
        data: questions over passages.
        limit: the first so many.
        answer_tokens: room left for the answer.
    """
    from prompting import PromptBuilder, PromptPassage

    builder = PromptBuilder.load(prompt_folder)
    passages = {passage.id: passage for passage in data.passages}
    asked: list[AskedQuestion] = []
    for question in data.questions[:limit]:
        right = [passages[name] for name in question.relevant]
        given = [PromptPassage(passage.title, passage.text) for passage in right]
        prompt = builder.build(question.text, given, max_tokens=answer_tokens)
        references = question.answers or tuple(passage.text for passage in right)
        asked.append(AskedQuestion(tuple(prompt.ids.tolist()), references))
    return asked


def answer_quality(
    folder: Path,
    settings: "ServingSettings",
    asked: Sequence[AskedQuestion],
    answer_tokens: int,
    progress: Callable[[int], None],
) -> dict[str, float]:
    """Exact match, F1 and ROUGE-L of greedy answers by the engine that serves.

    Args:
        folder: graph, settings and tokenizer of a generator.
        settings: `generation.ServingSettings`: slots and room.
        asked: at least one question.
        answer_tokens: the longest answer.
        progress: called with the number of answers finished since its last call.
    """
    from generation import AnswerCollector, Engine, GenerationOptions
    from generation.loading import load_adapter, load_tokenizer

    engine = Engine(load_adapter(folder, settings), load_tokenizer(folder), settings)
    engine.start()
    options = GenerationOptions(max_tokens=answer_tokens)
    waiting: deque[AnswerCollector] = deque()
    answers: list[str] = []
    try:
        for question in asked:
            if len(waiting) == 2 * settings.slots:
                answers.append(waiting.popleft().answer().text)
                progress(1)
            collector = AnswerCollector()
            engine.submit(question.prompt, options, collector)
            waiting.append(collector)
        while waiting:
            answers.append(waiting.popleft().answer().text)
            progress(1)
    finally:
        engine.close()
    return answer_measures(answers, [question.answers for question in asked])


def distance_between(
    reference: Path,
    folder: Path,
    settings: "ServingSettings",
    asked: Sequence[AskedQuestion],
    answer_tokens: int,
) -> dict[str, float]:
    """KL in nats from a reference generator and top-1 agreement with it, over right answers.

    Args:
        reference: graph, settings and tokenizer of the generator to be close to, with the same tokens.
        folder: those of the generator to judge.
        settings: `generation.ServingSettings`: room.
        asked: at least one question.
        answer_tokens: so many tokens of each answer are read.
    """
    from dataclasses import replace

    from generation.encoder_decoder import EncoderDecoderAdapter
    from generation.loading import load_adapter, load_tokenizer

    from triton_rag_export.graph.encoder_decoder_quality import SourceAndTarget, served_pair_logits
    from triton_rag_export.graph.generator_quality import compare_generators

    alone = replace(settings, slots=1)
    adapters = [load_adapter(path, alone) for path in (reference, folder)]
    tokenizer = load_tokenizer(reference)
    start: TokenSequence = ()
    if isinstance(adapters[0], EncoderDecoderAdapter):
        start = tuple(adapters[0].start_token_ids)
    pairs = [
        SourceAndTarget(question.prompt, start + _ids(tokenizer, question.answers[0], answer_tokens))
        for question in asked
    ]
    expected, given = (
        served_pair_logits(adapter) if isinstance(adapter, EncoderDecoderAdapter) else _answer_logits(adapter)
        for adapter in adapters
    )
    found = compare_generators(expected, given, pairs)
    return {"KL": found.kl, "top-1 agreement": found.top1_agreement}


def _ids(tokenizer: Any, text: str, most: int) -> TokenSequence:
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids[:most])


def _answer_logits(adapter: Any) -> Callable[[Any], Any]:
    """The logits of a causal model at the positions that give an answer's tokens."""
    from triton_rag_export.graph.generator_quality import read_logits

    def logits(pair: Any) -> Any:
        everywhere = read_logits(adapter, pair.source + pair.target)
        return everywhere[len(pair.source) - 1 : -1]

    return logits
