"""What the engine knows of a request, whether it writes one answer or searches among several."""

from abc import ABC, abstractmethod

from generation.adapter import SlotRows, StepResult
from generation.beam_slots import CacheCopy
from generation.deadline import Deadline
from generation.delta import Delta, Sink
from generation.drafting import Acceptance


class Request(ABC):
    """A request that waits for its slots or runs in them.

    Attributes:
        prompt_ids: the prompt, or the source of an encoder.
        sink: where its answer goes.
        deadline: when it has to have ended; None: never.
        slots_needed: how many slots it takes.
        slots: those that it has, given by the scheduler; its prompt is read in the first.
        token_ids: the decoder's tokens in the first slot, those it begins with first; empty while it waits.
        past: how many of them the model has read.
        acceptance: how often its drafted tokens are right.
        silent_steps: steps with rows of it since its sink heard of it.
        heard_s: when its last tokens came, or the request itself, on the engine's clock.
    """

    def __init__(
        self, prompt_ids: list[int], sink: Sink, deadline: Deadline | None = None, slots_needed: int = 1
    ) -> None:
        self.prompt_ids = prompt_ids
        self.sink = sink
        self.deadline = deadline
        self.slots_needed = slots_needed
        self.slots: tuple[int, ...] = ()
        self.token_ids: list[int] = []
        self.past = 0
        self.acceptance = Acceptance()
        self.silent_steps = 0
        self.heard_s = 0.0

    @property
    def unread(self) -> int:
        """How many tokens of the first slot the model has yet to read."""
        return len(self.token_ids) - self.past

    @property
    @abstractmethod
    def needs_logits(self) -> bool:
        """Whether what comes next takes more of the model than the most probable token."""

    @property
    @abstractmethod
    def answer_tokens(self) -> int:
        """How many tokens of the answer are known."""

    @property
    @abstractmethod
    def is_decoding(self) -> bool:
        """Whether all that the decoder begins with has been read and the answer has begun."""

    @abstractmethod
    def begin(self, first_tokens: tuple[int, ...], past: int) -> None:
        """Begin to run, in `slots`.

        Args:
            first_tokens: what the decoder reads first: a causal model's prompt.
            past: how many of them the first slot's cache holds already.
        """

    @abstractmethod
    def next_rows(self, drafts: tuple[int, ...]) -> tuple[SlotRows, ...]:
        """What it brings to the next step, once it is decoding; each row or its last ones give a result.

        Args:
            drafts: guesses to verify.
        """

    @abstractmethod
    def advance(self, drafts: tuple[int, ...], result: StepResult) -> Delta | None:
        """Take what a step gave.

        Args:
            drafts: the guesses that its rows verified.
            result: of its rows.

        Returns:
            What is new, or None if nothing can be said yet.

        Raises:
            StepError: the scores are missing or no numbers.
        """

    @abstractmethod
    def taken(self) -> Delta:
        """A delta without text, as the first one: the request is taken and its prompt counted."""

    @property
    def copies(self) -> tuple[CacheCopy, ...]:
        """What has to be copied between its slots before the next step."""
        return ()

    def draft(self, count: int) -> tuple[int, ...]:
        """Guess the next tokens: at most `count`, here none."""
        return ()

    def is_late(self, now_s: float) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and now_s >= self.deadline.ends_s
