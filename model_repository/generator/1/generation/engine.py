"""The engine: many answers at once from one model, on one thread.

Whoever asks calls `submit` from any thread; everything else happens on the engine's own thread, in steps. A
step reads arrivals, drops who went away or is out of time, gives free slots to who waited longest, runs the
model once over the rows that the scheduler planned, and sends each answer what is new. Without work the
thread sleeps on a condition.

What fails, fails narrowly: a request that can never fit is refused at once, a sink that raises loses only its
own answer, and a model's exception ends the requests of that step while the engine goes on.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Rows

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from generation import delivery
from generation.adapter import ModelAdapter, SlotRows, StepResult
from generation.counters import Counters
from generation.deadline import Deadline, late_error
from generation.delta import Sink
from generation.detokenizer import Detokenizer, special_token_ids
from generation.draft_length import Speculation
from generation.errors import (
    CancelledError,
    EngineClosedError,
    GenerationError,
    QueueFullError,
    StepError,
)
from generation.options import GenerationOptions
from generation.prefix import PrefixReuse
from generation.prompt_check import checked_prompt
from generation.scheduler import PlannedRows, Scheduler
from generation.sequence import Sequence
from generation.settings import ServingSettings, check_fit

logger = logging.getLogger(__name__)


class Engine:
    """Continuous batching over one adapter.

    Args:
        adapter: the model; only the engine's thread calls it.
        tokenizer: the model's tokenizer.
        settings: the limits served.
        clock: the time in seconds, from any start, that deadlines are measured by.

    Attributes:
        counters: what it has done so far.

    Raises:
        SettingsError: the settings do not fit the adapter.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        tokenizer: Tokenizer,
        settings: ServingSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_fit(settings, adapter)
        self._adapter = adapter
        self._tokenizer = tokenizer
        self._special_token_ids = special_token_ids(tokenizer)
        self._settings = settings
        self._clock = clock
        self._speculation = Speculation(settings.max_draft_tokens)
        self._scheduler = Scheduler(
            adapter.slots,
            settings.prefill_chunk,
            adapter.max_rows_a_step,
            self._speculation,
        )
        self._prefixes = PrefixReuse(adapter)
        self.counters = Counters()
        self._changed = threading.Condition()
        self._arrivals: deque[Sequence] = deque()  # guarded by _changed, like the two below
        self._in_flight = 0
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def settings(self) -> ServingSettings:
        """The limits served."""
        return self._settings

    @property
    def cache_bytes(self) -> int:
        """Memory of all slots' caches."""
        return self._adapter.cache_bytes

    @property
    def running(self) -> int:
        """How many requests have a slot."""
        return self._scheduler.running

    @property
    def in_flight(self) -> int:
        """How many requests run or wait."""
        return self._in_flight

    def start(self) -> None:
        """Start the engine's thread."""
        self._thread = threading.Thread(target=self._loop, name="generation-engine", daemon=True)
        self._thread.start()

    def submit(
        self,
        prompt_ids: npt.NDArray[np.int32] | Rows[int],
        options: GenerationOptions,
        sink: Sink,
        timeout_s: float | None = None,
    ) -> None:
        """Hand a request over; its answer goes to the sink, from the engine's thread.

        Args:
            prompt_ids: the prompt's tokens, in any shape of one row.
            options: what is asked for.
            sink: where the answer goes.
            timeout_s: how long the answer may take from now, waiting included; None: for ever.

        Raises:
            OptionError: a stop token is unknown.
            PromptError: the prompt is empty, has unknown tokens, or leaves no room for MAX_TOKENS.
            QueueFullError: `max_queue` requests wait already.
            EngineClosedError: the engine is shutting down.
        """
        prompt = checked_prompt(prompt_ids, self._adapter.vocabulary_size)
        options.check_vocabulary(self._adapter.vocabulary_size)
        self._adapter.check_room(len(prompt), options.max_tokens)
        detokenizer = Detokenizer(self._tokenizer, self._special_token_ids)
        now_s = self._clock()
        deadline = None if timeout_s is None else Deadline.after(timeout_s, now_s)
        sequence = Sequence(prompt, options, sink, detokenizer, self._adapter.end_token_ids, deadline)
        sequence.heard_s = now_s
        with self._changed:
            self._check_room()
            self._in_flight += 1
            self._arrivals.append(sequence)
            self._changed.notify_all()

    def run_step(self) -> bool:
        """Do one step; the engine's thread calls this, or a test in its place.

        Returns:
            Whether there was anything to run.
        """
        self._receive()
        self._drop_unwanted()
        self._admit()
        planned = self._scheduler.plan()
        if not planned:
            return False
        self.counters.steps += 1
        started_s = time.perf_counter()
        try:
            rows = [each.rows for each in planned]
            result = self._adapter.step(rows, logits=self._needs_logits(rows))
        except Exception as error:
            logger.exception("a step over %d requests failed", len(planned))
            self._fail_step(planned, StepError.of(error))
        else:
            self._learn(planned, time.perf_counter() - started_s)
            self._deliver(planned, result)
        return True

    def close(self) -> None:
        """Take no more requests, fail those in flight, and stop the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is None:
            self._loop()
        else:
            self._thread.join()

    def _check_room(self) -> None:
        if self._is_closed:
            raise EngineClosedError("the generator is shutting down; ask again when it is back")
        slots, max_queue = self._adapter.slots, self._settings.max_queue
        if self._in_flight >= slots + max_queue:
            raise QueueFullError(
                f"{self._in_flight} requests run or wait; allowed: {slots} run and {max_queue} wait; "
                "ask again later"
            )

    def _loop(self) -> None:
        while self._wait_for_work():
            try:
                self.run_step()
            except Exception as error:  # ours: end the requests that it may concern, never the thread
                logger.exception("the engine failed in a step")
                self._fail(list(self._scheduler), StepError.of(error))
        self._receive()
        self._fail(list(self._scheduler), EngineClosedError("the generator was shut down; ask again"))

    def _wait_for_work(self) -> bool:
        """Sleep until something is in flight; whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight > 0 or self._is_closed)
            return not self._is_closed

    def _receive(self) -> None:
        """Let arrivals wait for a slot, and tell each that it was taken, so that sources show before text."""
        with self._changed:
            arrived, self._arrivals = self._arrivals, deque()
        for sequence in arrived:
            self._scheduler.add(sequence)
        for sequence in arrived:
            if not delivery.announce(sequence):
                self._end(sequence)

    def _drop_unwanted(self) -> None:
        now_s = self._clock()
        for sequence in list(self._scheduler):
            if delivery.is_cancelled(sequence):
                self.counters.cancelled_requests += 1
                self._fail([sequence], CancelledError("the request was cancelled by who sent it"))
            elif sequence.deadline is not None and sequence.is_late(now_s):
                self.counters.late_requests += 1
                self._fail([sequence], late_error(sequence.deadline, sequence.answer_tokens))

    def _admit(self) -> None:
        """Give free slots to who waits; an encoder reads one source a step, so that nobody waits for many."""
        while admitted := self._scheduler.admit(self._prefixes.choose):
            self._start(*admitted)
            if self._adapter.source_capacity > 0:
                return

    def _start(self, slot: int, sequence: Sequence) -> None:
        try:
            first_tokens = self._adapter.start(slot, sequence.prompt_ids)
        except Exception as error:
            logger.exception("a request could not be started")
            self._fail([sequence], StepError.of(error))
            return
        reused = self._prefixes.reuse(slot, sequence.prompt_ids)
        sequence.begin(first_tokens, past=reused)
        self.counters.prompt_tokens += len(sequence.prompt_ids)
        self.counters.reused_tokens += reused
        if not delivery.announce(sequence):
            self._end(sequence)

    def _needs_logits(self, rows: list[SlotRows]) -> bool:
        return any(row.outputs and self._scheduler.in_slot(row.slot).needs_logits for row in rows)

    def _learn(self, planned: list[PlannedRows], seconds: float) -> None:
        """Note what the caches hold now, and what a step of answers alone costs."""
        for each in planned:
            sequence, end = self._scheduler.in_slot(each.rows.slot), each.rows.past + len(each.rows.token_ids)
            if not sequence.is_decoding:
                self._prefixes.remember(each.rows.slot, sequence.prompt_ids[:end])
        if all(self._scheduler.in_slot(each.rows.slot).is_decoding for each in planned):
            self._speculation.observe(sum(len(each.rows.token_ids) for each in planned), seconds)

    def _deliver(self, planned: list[PlannedRows], result: StepResult) -> None:
        """Hand each request the next tokens that its rows gave."""
        output = 0
        for each in planned:
            sequence, outputs = self._scheduler.in_slot(each.rows.slot), each.rows.outputs
            if outputs == 0:
                sequence.past += len(each.rows.token_ids)
                goes_on = delivery.keep_alive(sequence)
            else:
                before = sequence.answer_tokens
                goes_on = delivery.advance(sequence, each.drafts, result.part(output, outputs))
                sequence.past = len(sequence.token_ids) - 1
                self.counters.count(sequence, len(each.drafts), before, self._clock())
            output += outputs
            if not goes_on:
                self._end(sequence)

    def _fail_step(self, planned: list[PlannedRows], error: StepError) -> None:
        """End the requests of a step that failed; what it left in their caches is not known."""
        for each in planned:
            self._prefixes.remember(each.rows.slot, ())
        self.counters.failed_requests += len(planned)
        self._fail([self._scheduler.in_slot(each.rows.slot) for each in planned], error)

    def _fail(self, sequences: list[Sequence], error: GenerationError) -> None:
        for sequence in sequences:
            delivery.fail(sequence, error)
            self._end(sequence)

    def _end(self, sequence: Sequence) -> None:
        self._scheduler.remove(sequence)
        with self._changed:
            self._in_flight -= 1
