"""The pipeline in this process: the served packages over a repository's own files, without Triton."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from triton_rag_export.errors import EvaluationError, RepositoryError
from triton_rag_export.evaluate.pipeline import Progress, RankedPassages, refuse_query, version_folder
from triton_rag_export.served_errors import served_errors_as

if TYPE_CHECKING:
    from generation import AnswerCollector, Engine, ServingSettings
    from passage_search import FoundPassage, SearchQuery
    from prompting import PromptBuilder, PromptPassage

BATCH = 64
UNUSABLE = "the repository is not complete"


class LocalPipeline:
    """A repository's retrieval, and its generator when answers are asked for.

    Args:
        repository: what `triton-rag build` wrote.
        threads: of encoder, search and generator; 0: all cores.

    Raises:
        RepositoryError: a model is missing.
    """

    def __init__(self, repository: Path, threads: int = 0) -> None:
        from passage_search import PassageSearch
        from query_encoding import QueryEncoder
        from query_tokenization import QueryTokenizer

        self._repository = repository
        self._threads = threads
        with served_errors_as(RepositoryError, UNUSABLE):
            self._tokenizer = QueryTokenizer.load(version_folder(repository, "query_tokenizer"))
            self._encoder = QueryEncoder.load(version_folder(repository, "query_encoder"), threads)
            self._search = PassageSearch.load(version_folder(repository, "passage_search"), threads)
        self._engine: Engine | None = None
        self.depth = self._search.settings.candidates

    def rank(self, texts: Sequence[str], retriever: str, progress: Progress) -> list[RankedPassages]:
        """The passages that each text finds, as deep as the index reads before it fuses."""
        rankings: list[RankedPassages] = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            for ranking in self._search.rank(self._queries(batch, retriever), limit=self.depth):
                ids = tuple(self._search.passages.id(int(row)) for row in ranking.rows)
                rankings.append(RankedPassages(ids))
            progress(len(batch))
        return rankings

    def answer(self, texts: Sequence[str], progress: Progress) -> list[str]:
        """The answer to each text, greedy; twice as many at once as the generator has slots."""
        from generation import AnswerCollector, GenerationOptions
        from prompting import InvalidPromptError

        engine, prompts, settings = self._start_generator()
        options = GenerationOptions(max_tokens=settings.default_max_tokens)
        answers: list[str] = []
        waiting: deque[AnswerCollector] = deque()
        for text in texts:
            if len(waiting) == 2 * settings.slots:
                answers.append(_finished(waiting, progress))
            collector = AnswerCollector()
            try:
                prompt = prompts.build(text, _prompt_passages(self._find(text)), options.max_tokens)
            except InvalidPromptError as error:
                raise refuse_query(text, str(error)) from error
            engine.submit(prompt.ids, options, collector)
            waiting.append(collector)
        while waiting:
            answers.append(_finished(waiting, progress))
        return answers

    def close(self) -> None:
        """Stop the generator."""
        if self._engine is not None:
            self._engine.close()

    def _queries(self, texts: Sequence[str], retriever: str | None) -> list["SearchQuery"]:
        from passage_search import SearchQuery

        tokenized = self._tokenizer.encode([text.encode("utf-8", "replace") for text in texts])
        for text, error in zip(texts, tokenized.errors, strict=True):
            if error:
                raise refuse_query(text, error)
        vectors = self._encoder.encode(tokenized.input_ids, tokenized.lengths)
        return [SearchQuery(text, vector, retriever) for text, vector in zip(texts, vectors, strict=True)]

    def _find(self, text: str) -> tuple["FoundPassage", ...]:
        return self._search.search(self._queries([text], None))[0]

    def _start_generator(self) -> tuple["Engine", "PromptBuilder", "ServingSettings"]:
        from generation import Engine, ServingSettings
        from generation.loading import load_adapter, load_tokenizer
        from prompting import PromptBuilder

        folder = version_folder(self._repository, "generator")
        with served_errors_as(RepositoryError, UNUSABLE):
            settings = ServingSettings.load(folder)
            adapter = load_adapter(folder, replace(settings, threads=self._threads))
            tokenizer = load_tokenizer(folder)
            prompts = PromptBuilder.load(version_folder(self._repository, "prompt_builder"))
        self._engine = Engine(adapter, tokenizer, settings)
        self._engine.start()
        return self._engine, prompts, settings


def _prompt_passages(found: Sequence["FoundPassage"]) -> list["PromptPassage"]:
    from prompting import PromptPassage

    return [PromptPassage(passage.title, passage.text) for passage in found]


def _finished(waiting: deque["AnswerCollector"], progress: Progress) -> str:
    from generation import GenerationError

    try:
        answer = waiting.popleft().answer()
    except GenerationError as error:
        raise EvaluationError(
            f"the generator did not answer ({error}): evaluate without --answers"
        ) from error
    progress(1)
    return answer.text
