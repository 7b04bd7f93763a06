"""How well an answer's text fits the right answers: exact match, F1 over tokens, ROUGE-L.

Exact match and F1 follow SQuAD (Rajpurkar, Zhang, Lopyrev and Liang, EMNLP 2016): lower case, no punctuation,
no English articles, white space made one; the best over the right answers counts. As in MLQA (Lewis et al.,
ACL 2020) punctuation is Unicode's, and a character of a script without spaces is a token of its own. ROUGE-L
(Lin, 2004) is the F-measure of the longest common subsequence, by rouge-score over the same tokens.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

ANSWER_MEASURES = ("exact match", "F1", "ROUGE-L")

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x323AF),  # Han, extensions B to H
)


def answer_measures(answers: Sequence[str], right: Sequence[Sequence[str]]) -> dict[str, float]:
    """Means over the questions of the best value over each question's right answers.

    Args:
        answers: one for each question.
        right: for each question one right answer or more.

    Returns:
        Each of `ANSWER_MEASURES`, 0 to 1.
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=_Tokenizer())
    rows = [
        (
            max(exact_match(answer, text) for text in texts),
            max(f1(answer, text) for text in texts),
            max(float(scorer.score(text, answer)["rougeL"].fmeasure) for text in texts),
        )
        for answer, texts in zip(answers, right, strict=True)
    ]
    means = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return dict(zip(ANSWER_MEASURES, means, strict=True))


def exact_match(answer: str, right: str) -> float:
    """1 when both are equal after `normalize`, else 0."""
    return float(normalize(answer) == normalize(right))


def f1(answer: str, right: str) -> float:
    """Harmonic mean of precision and recall of the tokens that both share; 1 when both are empty."""
    given, wanted = answer_tokens(answer), answer_tokens(right)
    if not given or not wanted:
        return float(given == wanted)
    shared = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared / (len(given) + len(wanted))


def normalize(text: str) -> str:
    """Lower case, without punctuation and English articles, one space between words."""
    folded = unicodedata.normalize("NFKC", text).lower()
    plain = "".join(character for character in folded if not _is_punctuation(character))
    return " ".join(_ARTICLES.sub(" ", plain).split())


def answer_tokens(text: str) -> list[str]:
    """The words of a normalized text; in scripts without spaces, its characters."""
    spaced = "".join(
        f" {character} " if _is_unspaced(character) else character for character in normalize(text)
    )
    return spaced.split()


class _Tokenizer:
    """The same tokens for rouge-score."""

    def tokenize(self, text: str) -> list[str]:
        return answer_tokens(text)


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def _is_unspaced(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _WITHOUT_SPACES)
