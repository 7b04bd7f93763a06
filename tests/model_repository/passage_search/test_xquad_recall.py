"""BM25 on real questions in English, German and Chinese; the last has no spaces."""

import json
from pathlib import Path
from typing import Any

import pytest
from passage_search import WordIndex, words_of

XQUAD = Path(__file__).resolve().parents[4] / "shared" / "data" / "xquad"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("language", "floor"), [("en", 0.97), ("de", 0.95), ("zh", 0.97)])
def test_recall_at_10_of_bm25(language: str, floor: float, capsys: pytest.CaptureFixture[str]) -> None:
    if not XQUAD.is_dir():
        pytest.skip(f"the XQuAD data is not at {XQUAD}")
    passages = rows(XQUAD / language / "passages.jsonl")
    questions = rows(XQUAD / language / "questions.dev.jsonl")
    index = WordIndex.build([words_of(passage["text"]) for passage in passages])
    found = [index.search(question["question"], 10).rows for question in questions]
    hits = [
        question["passage_id"] in {passages[row]["id"] for row in ranking}
        for question, ranking in zip(questions, found, strict=True)
    ]
    recall = sum(hits) / len(hits)
    with capsys.disabled():
        print(f"\nrecall@10 of BM25 on xquad/{language}: {recall:.3f}")
    assert recall >= floor
