"""The engine: many answers at once from one model, on one thread.

Whoever asks calls `submit` from any thread; everything else happens on the engine's own thread, in steps. A
step reads arrivals, drops who went away or is out of time, gives free slots to who waited longest, runs the
model once over the rows that the scheduler planned, and sends each answer what is new. Without work the
thread sleeps (`arrivals`).

What fails, fails narrowly: a request that can never fit is refused at once, a sink that raises loses only its
own answer, and a model's exception ends the requests of that step while the engine goes on.
"""

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence as Rows

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from generation import delivery
from generation.adapter import ModelAdapter, StepResult
from generation.arrivals import Arrivals
from generation.counters import Counters
from generation.deadline import Deadline, late_error
from generation.delta import Sink
from generation.draft_length import Speculation
from generation.errors import (
    CancelledError,
    EngineClosedError,
    GenerationError,
    StepError,
)
from generation.intake import Intake
from generation.options import GenerationOptions
from generation.prefix import PrefixReuse
from generation.request import Request
from generation.scheduler import PlannedRows, Scheduler
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
        self._intake = Intake(adapter, tokenizer)
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
        self._arrivals = Arrivals(adapter.slots, settings.max_queue)
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
        return self._arrivals.in_flight

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
            OptionError: a stop token is unknown, or the model cannot do the beam search asked for.
            PromptError: the prompt is empty, has unknown tokens, or leaves no room for MAX_TOKENS.
            QueueFullError: `max_queue` requests wait already.
            EngineClosedError: the engine is shutting down.
        """
        now_s = self._clock()
        deadline = None if timeout_s is None else Deadline.after(timeout_s, now_s)
        request = self._intake.request(prompt_ids, options, sink, deadline)
        request.heard_s = now_s
        self._arrivals.add(request)

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
        try:
            result = self._run(planned)
        except Exception as error:
            logger.exception("a step over %d requests failed", len(planned))
            self._fail_step(planned, StepError.of(error))
        else:
            self._deliver(planned, result)
        return True

    def close(self) -> None:
        """Take no more requests, fail those in flight, and stop the thread."""
        self._arrivals.close()
        if self._thread is None:
            self._loop()
        else:
            self._thread.join()

    def _loop(self) -> None:
        while self._arrivals.wait():
            try:
                self.run_step()
            except Exception as error:  # ours: end the requests that it may concern, never the thread
                logger.exception("the engine failed in a step")
                self._fail(list(self._scheduler), StepError.of(error))
        self._receive()
        self._fail(list(self._scheduler), EngineClosedError("the generator was shut down; ask again"))

    def _receive(self) -> None:
        """Let arrivals wait for a slot, and tell each that it was taken, so that sources show before text."""
        arrived = self._arrivals.take()
        for request in arrived:
            self._scheduler.add(request)
        for request in arrived:
            if not delivery.announce(request):
                self._end(request)

    def _drop_unwanted(self) -> None:
        now_s = self._clock()
        for request in list(self._scheduler):
            if delivery.is_cancelled(request):
                self.counters.cancelled_requests += 1
                self._fail([request], CancelledError("the request was cancelled by who sent it"))
            elif request.deadline is not None and request.is_late(now_s):
                self.counters.late_requests += 1
                self._fail([request], late_error(request.deadline, request.answer_tokens))

    def _admit(self) -> None:
        """Give free slots to who waits; an encoder reads one source a step, so that nobody waits for many."""
        while admitted := self._scheduler.admit(self._prefixes.choose):
            self._start(admitted)
            if self._adapter.source_capacity > 0:
                return

    def _start(self, request: Request) -> None:
        slot = request.slots[0]
        try:
            first_tokens = self._adapter.start(slot, request.prompt_ids)
        except Exception as error:
            logger.exception("a request could not be started")
            self._fail([request], StepError.of(error))
            return
        reused = self._prefixes.reuse(slot, request.prompt_ids)
        request.begin(first_tokens, past=reused)
        self.counters.prompt_tokens += len(request.prompt_ids)
        self.counters.reused_tokens += reused
        if not delivery.announce(request):
            self._end(request)

    def _run(self, planned: list[PlannedRows]) -> StepResult:
        """Run the model over the planned rows, and learn from it."""
        for copy in (copy for each in planned for copy in each.copies):
            self._adapter.copy_prefix(copy.source, copy.target, copy.tokens)
        rows = [share for each in planned for share in each.rows]
        needs_logits = any(each.outputs and each.request.needs_logits for each in planned)
        started_s = time.perf_counter()
        result = self._adapter.step(rows, logits=needs_logits)
        self._learn(planned, time.perf_counter() - started_s)
        return result

    def _learn(self, planned: list[PlannedRows], seconds: float) -> None:
        """Note what the caches hold now, and what a step of answers alone costs."""
        for each in planned:
            if not each.request.is_decoding:
                end = each.request.past + each.tokens
                self._prefixes.remember(each.request.slots[0], each.request.prompt_ids[:end])
        if all(each.request.is_decoding for each in planned):
            self._speculation.observe(sum(each.tokens for each in planned), seconds)

    def _deliver(self, planned: list[PlannedRows], result: StepResult) -> None:
        """Hand each request what its rows gave."""
        output = 0
        for each in planned:
            request, outputs = each.request, each.outputs
            if outputs == 0:
                request.past += each.tokens
                goes_on = delivery.keep_alive(request)
            else:
                before = request.answer_tokens
                goes_on = delivery.advance(request, each.drafts, result.part(output, outputs))
                self.counters.count(request, len(each.drafts), before, self._clock())
            output += outputs
            if not goes_on:
                self._end(request)

    def _fail_step(self, planned: list[PlannedRows], error: StepError) -> None:
        """End the requests of a step that failed; what it left in their caches is not known."""
        for share in (share for each in planned for share in each.rows):
            self._prefixes.remember(share.slot, ())
        self.counters.failed_requests += len(planned)
        self._fail([each.request for each in planned], error)

    def _fail(self, requests: list[Request], error: GenerationError) -> None:
        for request in requests:
            delivery.fail(request, error)
            self._end(request)

    def _end(self, request: Request) -> None:
        self._scheduler.remove(request)
        self._arrivals.count_end()
