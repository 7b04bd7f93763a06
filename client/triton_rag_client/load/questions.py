"""What a load test asks: real, distinct questions, so that no cache and no repeated prompt flatters it.

They are about Python, or from a file; where users repeat themselves, questions can be repeated as they do.
"""

import json
import random
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from triton_rag_client.errors import InvalidRequestError

__all__ = ["python_questions", "question_shares", "read_questions", "zipf_repeated"]

_ZIPF_DRAWS = 10_000

_THINGS = (
    "a list comprehension", "a generator expression", "a decorator", "a context manager", "a dictionary",
    "a metaclass", "a descriptor", "a coroutine", "an f-string", "a lambda expression", "a slice", "a set",
    "the with statement", "the try statement", "the match statement", "the yield expression",
    "the del statement", "the global statement", "the nonlocal statement", "the assert statement",
    "the raise statement", "the import statement", "the walrus operator", "the is operator", "str.split",
    "str.join", "str.format", "list.sort", "dict.get", "dict.setdefault", "os.path.join", "os.walk",
    "pathlib.Path.glob", "json.dumps", "csv.reader", "re.sub", "itertools.chain", "functools.lru_cache",
    "collections.Counter", "collections.defaultdict", "dataclasses.field", "subprocess.run", "threading.Lock",
    "asyncio.gather", "logging.getLogger", "random.choice", "statistics.median", "tempfile.mkdtemp",
    "heapq.nlargest", "bisect.insort",
)  # fmt: skip
_FORMS = (
    "What does {} do?",
    "When should I use {}?",
    "How do I use {} in a function?",
    "What should I know about {} before I use it?",
)


def python_questions() -> tuple[str, ...]:
    """Two hundred questions, all different, neighbours about different things."""
    return tuple(form.format(thing) for form, thing in product(_FORMS, _THINGS))


def read_questions(path: Path) -> tuple[str, ...]:
    """The questions of a file of JSON lines, in its order; other keys than `question` are not looked at.

    Raises:
        InvalidRequestError: The file cannot be read, a line is not `{"question": "…"}`, or there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} cannot be read ({error}); give a file of JSON lines") from error
    questions = tuple(
        _question(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()
    )
    if not questions:
        raise InvalidRequestError(f'{path} is empty: give one {{"question": "…"}} a line')
    return questions


def question_shares(questions: Sequence[str], loads: int) -> list[Sequence[str]]:
    """Questions of its own for each load; all for all where there are too few."""
    size = len(questions) // loads
    if size == 0:
        return [questions] * loads
    return [questions[number * size : (number + 1) * size] for number in range(loads)]


def zipf_repeated(questions: Sequence[str], exponent: float, *, seed: int = 0) -> tuple[str, ...]:
    """Ten thousand draws from questions, the k-th of which has a probability proportional to 1 / k^exponent.

    That is how often web queries were found to repeat, with exponents of 0.6 to 0.9 (Breslau et al., "Web
    Caching and Zipf-like Distributions", INFOCOM 1999). Which question comes first is drawn too.

    Args:
        questions: Distinct questions.
        exponent: 0 draws all alike.
        seed: Of the draws.

    Raises:
        InvalidRequestError: The exponent is not from 0 to 10.
    """
    if not 0 <= exponent <= 10:
        raise InvalidRequestError(f"the Zipf exponent is {exponent:g}: allowed are 0 to 10")
    draw = random.Random(seed)
    ranked = draw.sample(questions, len(questions))
    weights = [rank**-exponent for rank in range(1, len(ranked) + 1)]
    return tuple(draw.choices(ranked, weights, k=_ZIPF_DRAWS))


def _question(path: Path, number: int, line: str) -> str:
    wanted = f'{path}:{number} is not {{"question": "…"}}'
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InvalidRequestError(f"{wanted}: it is no JSON ({error})") from error
    question = found.get("question") if isinstance(found, dict) else None
    if not isinstance(question, str) or not question.strip():
        raise InvalidRequestError(f"{wanted} with a text that is not empty: {line.strip()[:80]}")
    return question
