"""Run a job as several streams on Ray until they have enough records or can't go on, then merge their datasets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig
from ..core.errors import StorageError, UsageError
from ..core.prompts import Prompt, Usage
from ..dataset.revisions import check_replaceable
from ..dedup.merge_datasets import Merged, merge_datasets
from ..journal.answer_values import Totals
from ..journal.folder import JOURNAL, streams_of
from ..journal.journal import Journal
from .cluster import ray_connection
from .plan import check_scatterable, folder_of, split_target, stream_targets, stream_values
from .shared_budget import Permit, SharedBudget
from .stream import StreamResult, run_stream

# Called with the records of all streams and the number they aim at.
Progress = Callable[[int, int], None]

# Restarts of a stream whose worker or node dies.
_MAX_RESTARTS = 100
_POLL_INTERVAL_S = 2.0
# A stream mostly waits for answers.
_CORES_PER_STREAM = 0.5


@dataclass(frozen=True, slots=True)
class Scattered:
    """How a scattered job ended.

    Attributes:
        streams: How each stream ended last.
        merged: The dataset; None if no stream has a record.
        target: Records wanted.
        requests, tokens, cost_usd: Spent by all streams, in all starts.
        short: The first stream that could not go on; None if the target is met.
    """

    streams: tuple[StreamResult, ...]
    merged: Merged | None
    target: int
    requests: int
    tokens: int
    cost_usd: float
    short: StreamResult | None

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        return 0 if self.short is None else self.short.exit_code or 3


def run_scattered(
    config: RunConfig,
    shards: int,
    *,
    address: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda records, target: None,
) -> Scattered:
    """Start or resume a job as several streams, and write their merged dataset to `<run_dir>/dataset`.

    The dataset has exactly `target` records unless `short` says why not: streams continue past their shares when too
    many of their records are near-duplicates.

    Args:
        config: The job. The folder of the run must have the same path on all machines.
        shards: Number of streams.
        address: Address of the Ray cluster; without one, Ray starts on this machine.
        workers: Cores of a Ray that starts on this machine.
        overwrite: Replace the merged dataset even if changes made by hand are lost.
        progress: Called with the records so far and the number aimed at.

    Raises:
        UsageError: The job can't be scattered, there is no such cluster, or the dataset was changed by hand.
        StorageError: The cluster failed for good. No answer is lost.
    """
    check_scatterable(config, shards)
    check_replaceable(_out(config), ["data"], overwrite=overwrite)
    wanted = stream_targets(config, shards)
    with ray_connection(address, workers):
        tasks = _StreamTasks(config, shards)
        while True:
            ended = tasks.run_all(wanted, progress)
            # Near-duplicates between streams are dropped here, so the merge may have fewer records than the streams.
            merged = _merge(config, ended)
            have = merged.records if merged else 0
            short = next((each for each in ended if each.reason != "target"), None)
            if have >= int(config.target) or short is not None:
                break
            # Still too few: raise the target of every stream by its share of what is missing.
            more = split_target(int(config.target) - have, shards)
            wanted = [each.records + some for each, some in zip(ended, more, strict=True)]
        requests, tokens, cost_usd = tasks.spent()
    enough = have >= int(config.target)
    return Scattered(tuple(ended), merged, int(config.target), requests, tokens, cost_usd, None if enough else short)


def _merge(config: RunConfig, ended: Sequence[StreamResult]) -> Merged | None:
    folders = [folder_of(config, each.stream) for each in ended]
    made = [folder for folder in folders if (folder / "dataset").is_dir()]
    if not made:
        return None
    return merge_datasets(
        made,
        _out(config),
        threshold=config.max_similarity,
        refuse_equal=config.refuse_equal,
        max_records=int(config.target),
        overwrite=True,
    )


def _out(config: RunConfig) -> Path:
    return Path(config.run_dir).resolve() / "dataset"


def spent_so_far(config: RunConfig) -> Totals:
    """Sum the spending in the journals of all streams, including streams of earlier starts with more shards."""
    totals: list[Totals] = []
    for stream in streams_of(Path(config.run_dir)):
        with contextlib.closing(Journal(stream / JOURNAL, read_only=True)) as journal:
            totals.append(journal.totals(killed=True))
    # Tokens of teachers without a known price are kept by teacher.
    unpriced: dict[str, Usage] = {}
    for teacher, usage in (item for each in totals for item in each.unpriced.items()):
        before = unpriced.get(teacher, Usage())
        prompt_tokens = before.prompt_tokens + usage.prompt_tokens
        unpriced[teacher] = Usage(prompt_tokens, before.completion_tokens + usage.completion_tokens)
    return Totals(
        requests=sum(each.requests for each in totals),
        prompt_tokens=sum(each.prompt_tokens for each in totals),
        completion_tokens=sum(each.completion_tokens for each in totals),
        cost_usd=sum(each.cost_usd for each in totals),
        unpriced=unpriced,
    )


class _StreamTasks:
    """The Ray tasks of the streams, and the actor that holds their shared budget."""

    def __init__(self, config: RunConfig, shards: int) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray: Any = ray
        self._config, self._shards = config, shards
        SharedBudget(config, Totals())  # raise a ConfigError here, not inside the actor
        # Pin the actor to this machine: the job can't survive the loss of this process anyway.
        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        actor = self._ray.remote(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here)(SharedBudget)
        self._budget_actor = actor.remote(config, spent_so_far(config))

    def run_all(self, wanted: Sequence[int], progress: Progress) -> list[StreamResult]:
        """Run all streams, each towards its number of records in `wanted`, until every stream has ended."""
        options = {"num_cpus": _CORES_PER_STREAM, "max_retries": _MAX_RESTARTS, "scheduling_strategy": "SPREAD"}
        task = self._ray.remote(**options)(run_stream_on_worker)
        left = [
            task.remote(stream_values(self._config, stream, aim), stream, self._budget_actor)
            for stream, aim in enumerate(wanted)
        ]
        ended: list[StreamResult] = []
        with self._failures():
            while left:
                done, left = self._ray.wait(left, timeout=_POLL_INTERVAL_S)
                ended += self._ray.get(done)
                progress(sum(self._ray.get(self._budget_actor.record_counts.remote())), sum(wanted))
        return sorted(ended, key=lambda each: each.stream)

    def spent(self) -> tuple[int, int, float]:
        with self._failures():
            found: tuple[int, int, float] = self._ray.get(self._budget_actor.totals.remote())
        return found

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise what Ray raises when it has lost an essential machine as StorageError."""
        exceptions = self._ray.exceptions
        try:
            yield
        except exceptions.RayTaskError as error:
            if "failed to import on the worker" in str(error):
                raise UsageError("a node of the cluster can't import selfinstruct; install it on all nodes") from None
            raise
        except (exceptions.RayError, ConnectionError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StorageError(f"the Ray cluster failed: {first}; no answer is lost, run the command again") from error


def run_stream_on_worker(values: dict[str, Any], stream: int, budget: Any) -> StreamResult:
    """Run one stream inside a Ray task; a restarted task resumes from its journal. `budget` is the actor."""
    import ray

    def report(records: int) -> None:
        budget.report_records.remote(stream, records)

    # Nothing of an earlier attempt is in flight: its worker is gone. At the end, nothing of this attempt is.
    wait: Any = ray.get
    wait(budget.cancel_in_flight.remote(stream))
    ended = run_stream(values, stream, _ActorClient(budget, stream), report)
    wait(budget.cancel_in_flight.remote(stream))
    return ended


class _ActorClient:
    """The `BudgetClient` of one stream, for a budget in an actor."""

    def __init__(self, budget: Any, stream: int) -> None:
        self._budget_actor, self._stream = budget, stream

    async def acquire(self, teacher: str, prompt: Prompt) -> Permit | str:
        said: Permit | str = await self._budget_actor.acquire.remote(self._stream, teacher, prompt)
        return said

    def release(self, number: int, usage: Usage | None, *, sent: bool, billed: bool) -> None:
        self._budget_actor.release.remote(number, usage, sent=sent, billed=billed)
