"""Where a request's time goes, from Triton's own statistics before and after a run.

Triton counts queue and compute time of each model. The generator's does not show there: its `execute` only
hands the request to the engine and returns. But the pipeline's own time lasts until the last response, so
that the generator's is what the steps before it leave of it (transport between the steps included).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triton_rag_client.errors import ConnectionFailedError

__all__ = ["ModelStatistics", "StageTime", "read_statistics", "stage_shares", "stage_times"]

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """What a model has done since the server started.

    Attributes:
        requests: Successful requests.
        total_ns: Their time in the model, from arrival to answer, all together.
        queue_ns: What of it they waited to be run.
    """

    requests: int
    total_ns: int
    queue_ns: int = 0


@dataclass(frozen=True, slots=True)
class StageTime:
    """Mean time of a request of the pipeline in one of its stages.

    Attributes:
        queue_s: In Triton's queue. What waits for a slot of the generator's engine is not in it.
        compute_s: All the rest: reading its input, computing, writing its output.
    """

    queue_s: float
    compute_s: float


def read_statistics(grpc_url: str) -> dict[str, ModelStatistics]:
    """Statistics of every model of a server, over its versions.

    Raises:
        ConnectionFailedError: The server does not answer.
    """
    import tritonclient.grpc as triton  # here, so that --help need not wait for it
    from tritonclient.utils import InferenceServerException

    client = triton.InferenceServerClient(grpc_url.removeprefix("grpc://"))
    try:
        reply: Any = client.get_inference_statistics()
    except InferenceServerException as error:
        raise ConnectionFailedError(
            f"{grpc_url} gives no statistics ({error}): is it still there?"
        ) from error
    finally:
        client.close()
    found: dict[str, ModelStatistics] = {}
    for model in reply.model_stats:
        old = found.get(model.name, ModelStatistics(0, 0))
        success, queue = model.inference_stats.success, model.inference_stats.queue
        found[model.name] = ModelStatistics(
            old.requests + success.count, old.total_ns + success.ns, old.queue_ns + queue.ns
        )
    return found


def stage_shares(
    before: Mapping[str, ModelStatistics],
    after: Mapping[str, ModelStatistics],
    pipeline: str = "rag_stream",
    engine: str = "generator",
) -> dict[str, float]:
    """Share of the pipeline's time by stage, largest first; empty when no request went through.

    Args:
        before: Statistics at the begin of the run.
        after: Statistics at its end, when no request runs any more.
        pipeline: The ensemble.
        engine: The step that answers through its own engine; it gets what the others leave.
    """
    spent = {name: _difference(before.get(name), statistics) for name, statistics in after.items()}
    whole = spent.get(pipeline, ModelStatistics(0, 0))
    if whole.total_ns <= 0:
        return {}
    shares = {
        name: statistics.total_ns / whole.total_ns
        for name, statistics in spent.items()
        # A step that runs more often than once a request runs beside the engine: once a response.
        if name not in (pipeline, engine) and 0 < statistics.requests <= whole.requests
    }
    shares[engine] = max(0.0, 1.0 - sum(shares.values()))
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def stage_times(
    before: Mapping[str, ModelStatistics],
    after: Mapping[str, ModelStatistics],
    pipeline: str = "rag_stream",
    engine: str = "generator",
) -> dict[str, StageTime]:
    """Mean queue and compute time of a request by stage, largest first; empty when none went through.

    Args:
        before: Statistics at the begin of the run.
        after: Statistics at its end, when no request runs any more.
        pipeline: The ensemble.
        engine: The step that answers through its own engine; it gets what the others leave.
    """
    shares = stage_shares(before, after, pipeline, engine)
    if not shares:
        return {}
    whole = _difference(before.get(pipeline), after[pipeline])
    times: dict[str, StageTime] = {}
    for name, share in shares.items():
        total_ns = share * whole.total_ns
        queued = _difference(before.get(name), after[name]).queue_ns if name in after else 0
        queue_ns = min(queued, total_ns)
        per_request_s = 1 / (_NS_PER_S * whole.requests)
        times[name] = StageTime(queue_ns * per_request_s, (total_ns - queue_ns) * per_request_s)
    return times


def _difference(before: ModelStatistics | None, after: ModelStatistics) -> ModelStatistics:
    if before is None:
        return after
    return ModelStatistics(
        after.requests - before.requests,
        after.total_ns - before.total_ns,
        after.queue_ns - before.queue_ns,
    )
