"""Real, distinct questions about Python, so that no cache and no repeated prompt flatters a measurement."""

from itertools import product

__all__ = ["python_questions"]

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
