"""The prompts of `benchmarks/generator.py`, as token ids of real text.

**rag**: a question, the passage that answers it and two of its neighbours, in our own template, about 600
tokens. **free**: 256 tokens of running text. **mixed**: questions with one to three passages, answers of many
lengths. No prompt comes twice, so that nobody's cache of prefixes helps.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prompting import PromptBuilder, PromptPassage
from tokenizers import Tokenizer

RAG_TOKENS = range(520, 681)
FREE_TOKENS = 256
NEW_TOKENS = {"rag": 48, "free": 64}
LONGEST_ANSWER = 128

Prompt = list[int]


@dataclass(frozen=True, slots=True)
class Texts:
    """What prompts are made of.

    Attributes:
        passages: title and text of each passage, by id.
        questions: each with the id of the passage that answers it, and its shortest answer.
        explanations: texts as long as answers that explain something.
    """

    passages: dict[str, PromptPassage]
    questions: tuple[tuple[str, str, str], ...]
    explanations: tuple[str, ...]

    @classmethod
    def read(cls, data: Path) -> "Texts":
        """Read `xquad/en` and `medquad` below a folder.

        Raises:
            FileNotFoundError: they are not there.
        """
        passages = {
            row["id"]: PromptPassage(row["title"].replace("_", " "), row["text"])
            for row in _rows(data / "xquad" / "en" / "passages.jsonl")
        }
        questions = tuple(
            (row["question"], row["passage_id"], min(row["answers"], key=len))
            for row in _rows(data / "xquad" / "en" / "questions.dev.jsonl")
        )
        explanations = tuple(row["text"] for row in _rows(data / "medquad" / "passages.jsonl"))
        return cls(passages, questions, explanations[::50])


class Workloads:
    """Gives prompts that were not given before.

    Args:
        texts: what they are made of.
        tokenizer: the generator's.
        builder: our template.
    """

    def __init__(self, texts: Texts, tokenizer: Tokenizer, builder: PromptBuilder) -> None:
        self._texts, self._tokenizer, self._builder = texts, tokenizer, builder
        self._random = random.Random(4)
        self._sources = {"rag": self._rag(), "free": self._free()}

    def prompts(self, workload: str, count: int) -> list[Prompt]:
        """So many fresh prompts of `rag` or `free`."""
        return [next(self._sources[workload]) for _ in range(count)]

    def mixed(self, count: int) -> list[tuple[Prompt, int]]:
        """Fresh prompts of one to three passages, and how long an answer each gets.

        Half of the answers are as long as the data's short answers, half as its explanations.
        """
        requests = []
        for number in range(count):
            question, passage_id, answer = self._random.choice(self._texts.questions)
            shown = self._shown(passage_id, self._random.randint(1, 3))
            prompt = self._builder.build(f"{question} ({number})", shown, LONGEST_ANSWER).ids.tolist()
            text = answer if number % 2 else self._random.choice(self._texts.explanations)
            length = len(self._tokenizer.encode(text, add_special_tokens=False).ids)
            requests.append((prompt, min(length + 1, LONGEST_ANSWER)))
        return requests

    def _rag(self) -> Iterator[Prompt]:
        questions = list(self._texts.questions)
        for turn in range(1_000_000):
            self._random.shuffle(questions)
            for question, passage_id, _ in questions:
                asked = question if turn == 0 else f"{question} ({turn})"
                shown = self._shown(passage_id, 3)
                ids = self._builder.build(asked, shown, NEW_TOKENS["rag"]).ids.tolist()
                if len(ids) in RAG_TOKENS:
                    yield ids

    def _shown(self, passage_id: str, count: int) -> list[PromptPassage]:
        """The passage asked about and its neighbours, in any order: neighbours are on the same subject."""
        ids = list(self._texts.passages)
        at = min(ids.index(passage_id), len(ids) - count)
        chosen = [passage_id, *(other for other in ids[at : at + count] if other != passage_id)][:count]
        self._random.shuffle(chosen)
        return [self._texts.passages[chosen_id] for chosen_id in chosen]

    def _free(self) -> Iterator[Prompt]:
        texts = [passage.text for passage in self._texts.passages.values()]
        while True:
            self._random.shuffle(texts)
            ids = self._tokenizer.encode(" ".join(texts), add_special_tokens=False).ids
            for start in range(0, len(ids) - FREE_TOKENS, FREE_TOKENS):
                yield ids[start : start + FREE_TOKENS]


def sources(texts: Texts, tokenizer: Tokenizer, tokens: int, count: int) -> list[Prompt]:
    """Running text cut to so many tokens each, for encoder-decoder models."""
    joined = " ".join(passage.text for passage in texts.passages.values())
    ids = tokenizer.encode(joined, add_special_tokens=False).ids
    return [ids[start * tokens : (start + 1) * tokens] for start in range(count)]


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
