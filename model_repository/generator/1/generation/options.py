"""What one request asks for, validated from the raw values of its optional input tensors.

An absent tensor means the default; a wrong value is an error that names tensor, value and allowed range,
never a silent default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy.typing as npt

from generation.errors import OptionError
from generation.settings import ServingSettings

OPTION_NAMES = (
    "MAX_TOKENS",
    "MIN_TOKENS",
    "TEMPERATURE",
    "TOP_K",
    "TOP_P",
    "SEED",
    "REPETITION_PENALTY",
    "STOP",
    "STOP_TOKENS",
    "LOGPROBS",
    "BEAMS",
    "LENGTH_PENALTY",
)

MAX_TEMPERATURE = 2.0
MAX_TOP_K = 1000
MAX_SEED = 2**63 - 1
MIN_REPETITION_PENALTY, MAX_REPETITION_PENALTY = 0.1, 10.0
MAX_STOP_STRINGS = 8
MAX_STOP_CHARACTERS = 64
MAX_STOP_TOKENS = 16
MAX_BEAMS = 8
MIN_LENGTH_PENALTY, MAX_LENGTH_PENALTY = -2.0, 5.0
"""Log-probabilities are divided by length ** penalty. At 5 that of an answer twice as long counts a 32nd, and
the length alone decides; below -2, scores may reach the -1e9 that stands for no answer in transformers."""

_OFF_WITH_BEAMS = {
    "TEMPERATURE": (0.0, "0"),
    "TOP_K": (0, "0"),
    "TOP_P": (1.0, "1"),
    "SEED": (None, "none"),
    "STOP": ((), "none"),
    "LOGPROBS": (False, "false"),
}

_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """The options of one request; the values are taken to be valid, `parse` is what checks them.

    Attributes:
        max_tokens: the answer has at most this many tokens.
        temperature: 0 is greedy and deterministic; larger is more random.
        top_k: only the k most probable tokens are drawn from; 0 is all of them.
        top_p: only the most probable tokens that together reach this probability are drawn from.
        seed: the same seed gives the same answer; None is a different answer each time.
        stop: the answer ends before the first of these strings.
        min_tokens: no token ends the answer before it has this many; a stop string still does.
        repetition_penalty: above 1, the tokens of prompt and answer (of an encoder-decoder model: of the
            answer) become less probable, below 1 more.
        stop_tokens: tokens that end the answer, beside those of the model, and are no part of it.
        logprobs: whether the answer comes with the log-probabilities of its tokens.
        beams: how many beginnings of the answer are written on side by side; 1 is no beam search.
        length_penalty: how beam search weighs the length of an answer: above 0 favours long ones, below 0
            short ones.
    """

    max_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    min_tokens: int = 0
    repetition_penalty: float = 1.0
    stop_tokens: frozenset[int] = frozenset()
    logprobs: bool = False
    beams: int = 1
    length_penalty: float = 1.0

    @classmethod
    def parse(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: ServingSettings) -> Self:
        """Validate the options of a request.

        Args:
            tensors: the option tensors present, by name; one value each, but for STOP and STOP_TOKENS,
                in any shape.
            settings: the limits and defaults served.

        Raises:
            OptionError: a value is not allowed, or not beside the others.
        """
        seed = _integer(tensors, "SEED", -1, 0, MAX_SEED)
        max_tokens = _integer(tensors, "MAX_TOKENS", settings.default_max_tokens, 1, settings.max_tokens)
        options = cls(
            max_tokens=max_tokens,
            temperature=_temperature(tensors),
            top_k=_integer(tensors, "TOP_K", 0, 0, MAX_TOP_K),
            top_p=_top_p(tensors),
            seed=None if seed < 0 else seed,
            stop=_stop(tensors),
            min_tokens=_integer(tensors, "MIN_TOKENS", 0, 0, max_tokens, " (MAX_TOKENS)"),
            repetition_penalty=_repetition_penalty(tensors),
            stop_tokens=_stop_tokens(tensors),
            logprobs=_logprobs(tensors),
            beams=_integer(tensors, "BEAMS", 1, 1, MAX_BEAMS),
            length_penalty=_length_penalty(tensors),
        )
        options._check_together()
        return options

    def check_vocabulary(self, vocabulary_size: int) -> None:
        """Refuse stop tokens that the model does not have.

        Args:
            vocabulary_size: token ids are less than this.

        Raises:
            OptionError: names the first of them.
        """
        unknown = sorted(token_id for token_id in self.stop_tokens if token_id >= vocabulary_size)
        if unknown:
            raise OptionError(
                f"STOP_TOKENS holds {unknown[0]}; allowed: token ids from 0 to {vocabulary_size - 1}"
            )

    def check_beams(self, slots: int, *, has_encoder: bool) -> None:
        """Refuse a beam search that the model cannot do.

        Args:
            slots: of the model; each beam takes one.
            has_encoder: whether it is an encoder-decoder model.

        Raises:
            OptionError: says how many beams are allowed.
        """
        if self.beams > 1 and not has_encoder:
            raise OptionError(f"BEAMS is {self.beams}; allowed: 1 with a causal model (T5 and BART can)")
        if self.beams > slots:
            raise OptionError(
                f"BEAMS is {self.beams}; allowed: a whole number from 1 to {slots}, the generator's slots"
            )

    def _check_together(self) -> None:
        """Refuse what beam search does not know, and what only beam search knows."""
        if self.beams == 1 and self.length_penalty != 1.0:
            raise OptionError(
                f"LENGTH_PENALTY is {self.length_penalty:g}; allowed: 1 unless BEAMS is above 1, since only "
                "beam search compares answers"
            )
        for name, (off, shown) in _OFF_WITH_BEAMS.items():
            if self.beams > 1 and (value := getattr(self, name.lower())) != off:
                raise OptionError(f"{name} is {value!r}; allowed: {shown} with BEAMS above 1")


def _integer(
    tensors: Mapping[str, npt.NDArray[Any]], name: str, default: int, low: int, high: int, note: str = ""
) -> int:
    value = _single(tensors, name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise OptionError(f"{name} is {value!r}; allowed: a whole number from {low} to {high}{note}")
    return value


def _temperature(tensors: Mapping[str, npt.NDArray[Any]]) -> float:
    value = _number(tensors, "TEMPERATURE", 0.0)
    if not 0.0 <= value <= MAX_TEMPERATURE:
        raise OptionError(f"TEMPERATURE is {value:g}; allowed: a number from 0 to {MAX_TEMPERATURE:g}")
    return value


def _top_p(tensors: Mapping[str, npt.NDArray[Any]]) -> float:
    value = _number(tensors, "TOP_P", 1.0)
    if not 0.0 < value <= 1.0:
        raise OptionError(f"TOP_P is {value:g}; allowed: a number above 0, up to 1 (off)")
    return value


def _repetition_penalty(tensors: Mapping[str, npt.NDArray[Any]]) -> float:
    allowed = MIN_REPETITION_PENALTY, MAX_REPETITION_PENALTY
    return _penalty(tensors, "REPETITION_PENALTY", *allowed, note="; 1 is off")


def _length_penalty(tensors: Mapping[str, npt.NDArray[Any]]) -> float:
    return _penalty(tensors, "LENGTH_PENALTY", MIN_LENGTH_PENALTY, MAX_LENGTH_PENALTY)


def _penalty(
    tensors: Mapping[str, npt.NDArray[Any]], name: str, least: float, most: float, note: str = ""
) -> float:
    value = _number(tensors, name, 1.0)
    if not least <= value <= most:
        raise OptionError(f"{name} is {value:g}; allowed: a number from {least:g} to {most:g}{note}")
    return value


def _logprobs(tensors: Mapping[str, npt.NDArray[Any]]) -> bool:
    value = _single(tensors, "LOGPROBS")
    if not isinstance(value, bool | None):
        raise OptionError(f"LOGPROBS is {value!r}; allowed: true or false")
    return bool(value)


def _number(tensors: Mapping[str, npt.NDArray[Any]], name: str, default: float) -> float:
    value = _single(tensors, name)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise OptionError(f"{name} is {value!r}; allowed: a number")
    return float(value)


def _single(tensors: Mapping[str, npt.NDArray[Any]], name: str) -> Any:
    """The one value of a tensor as a Python number, or None if the tensor is absent."""
    values = tensors.get(name)
    if values is None:
        return None
    if values.size != 1:
        raise OptionError(f"{name} has {values.size} values; allowed: one value, or leave it out")
    return values.item()


def _stop_tokens(tensors: Mapping[str, npt.NDArray[Any]]) -> frozenset[int]:
    values = tensors.get("STOP_TOKENS")
    if values is None:
        return frozenset()
    if values.size > MAX_STOP_TOKENS:
        raise OptionError(f"STOP_TOKENS has {values.size} token ids; allowed: at most {MAX_STOP_TOKENS}")
    for value in values.reshape(-1).tolist():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise OptionError(f"STOP_TOKENS holds {value!r}; allowed: token ids, whole numbers from 0")
    return frozenset(values.reshape(-1).tolist())


def _stop(tensors: Mapping[str, npt.NDArray[Any]]) -> tuple[str, ...]:
    values = tensors.get("STOP")
    if values is None:
        return ()
    if values.size > MAX_STOP_STRINGS:
        raise OptionError(f"STOP has {values.size} strings; allowed: at most {MAX_STOP_STRINGS}")
    return tuple(_stop_string(value) for value in values.reshape(-1).tolist())


def _stop_string(value: Any) -> str:
    try:
        text = value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError as error:
        shown = repr(value[:_SHOWN_CHARACTERS])
        raise OptionError(f"STOP holds {shown}; allowed: strings in UTF-8 ({error.reason})") from error
    if not isinstance(text, str):
        raise OptionError(f"STOP holds {text!r}; allowed: strings")
    if not 1 <= len(text) <= MAX_STOP_CHARACTERS:
        shown = repr(text[:_SHOWN_CHARACTERS])
        raise OptionError(
            f"STOP holds a string of {len(text)} characters ({shown}); allowed: 1 to {MAX_STOP_CHARACTERS}"
        )
    return text
