"""The job: streams on their way, until what they have made is enough or they can't go on; then one dataset of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig
from ..core.errors import StorageError, UsageError
from ..core.prompts import Prompt, Usage
from ..dedup.merge import Merged, merge_datasets
from ..journal.folder import JOURNAL, streams_of
from ..journal.journal import Journal, Totals
from .cluster import connected
from .plan import aims, check_scatterable, folder_of, shares, stream_values
from .purse import Purse, Ticket
from .stream import Ended, grow

Progress = Callable[[int, int], None]
"""Is told how many records all streams have, and how many they aim at."""

_LIVES = 100
"""How often a stream is begun anew when its worker or node dies under it."""
_LOOK_EVERY_S = 2.0
_CORES = 0.5
"""Of a machine, for each stream: most of its time it waits for answers."""


@dataclass(frozen=True, slots=True)
class Scattered:
    """How it ended. streams: each one's last end. merged: the dataset; None when no stream has a record.

    short: what ended the first stream that couldn't go on; None where the target is met.
    """

    streams: tuple[Ended, ...]
    merged: Merged | None
    target: int
    requests: int
    tokens: int
    cost_usd: float
    short: Ended | None

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        return 0 if self.short is None else self.short.exit_code or 3


def run_scattered(
    config: RunConfig,
    shards: int,
    *,
    address: str | None = None,
    workers: int | None = None,
    progress: Progress = lambda records, target: None,
) -> Scattered:
    """Run, or go on with, `shards` streams of the job that `config` describes, and write their merged dataset.

    The dataset, at `<run_dir>/dataset`, has exactly `target` records unless `short` says why not: streams that met
    their shares go on when what they made was too much alike. address: that of the Ray cluster; without it, one with
    so many workers is started here. The folder of the run must be the same on all machines. Raises UsageError for what
    can't be scattered and when there is no such cluster, StorageError when the cluster fails for good; no answer is
    lost by that.
    """
    check_scatterable(config, shards)
    wanted = aims(config, shards)
    with connected(address, workers):
        crew = _Crew(config, shards)
        while True:
            ended = crew.grow(wanted, progress)
            merged = _merge(config, ended)
            have = merged.records if merged else 0
            short = next((each for each in ended if each.reason != "target"), None)
            if have >= int(config.target) or short is not None:
                break
            more = shares(int(config.target) - have, shards)
            wanted = [each.records + some for each, some in zip(ended, more, strict=True)]
        requests, tokens, cost_usd = crew.spent()
    enough = have >= int(config.target)
    return Scattered(tuple(ended), merged, int(config.target), requests, tokens, cost_usd, None if enough else short)


def _merge(config: RunConfig, ended: Sequence[Ended]) -> Merged | None:
    folders = [folder_of(config, each.stream) for each in ended]
    made = [folder for folder in folders if (folder / "dataset").is_dir()]
    if not made:
        return None
    out = Path(config.run_dir).resolve() / "dataset"
    return merge_datasets(
        made,
        out,
        threshold=config.max_similarity,
        refuse_equal=config.refuse_equal,
        max_records=int(config.target),
        overwrite=True,
    )


def spent_so_far(config: RunConfig) -> Totals:
    """What the journals of all streams say, those included that an earlier start had more of."""
    whole, unpriced = Totals(), dict[str, Usage]()
    for stream in streams_of(Path(config.run_dir)):
        with contextlib.closing(Journal(stream / JOURNAL, read_only=True)) as journal:
            own = journal.totals()
        for teacher, usage in own.unpriced.items():
            before = unpriced.get(teacher, Usage())
            unpriced[teacher] = Usage(
                before.prompt_tokens + usage.prompt_tokens,
                before.completion_tokens + usage.completion_tokens,
                before.cached_tokens + usage.cached_tokens,
            )
        whole = Totals(
            whole.requests + own.requests,
            whole.prompt_tokens + own.prompt_tokens,
            whole.completion_tokens + own.completion_tokens,
            whole.cost_usd + own.cost_usd,
        )
    return dataclasses.replace(whole, unpriced=unpriced)


class _Crew:
    """The streams' tasks and the one actor of the cluster that this process is connected with."""

    def __init__(self, config: RunConfig, shards: int) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray: Any = ray
        self._config, self._shards = config, shards
        Purse(config, Totals())  # a price that isn't known is told here, in our own words
        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        actor = self._ray.remote(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here)(Purse)
        self._purse = actor.remote(config, spent_so_far(config))

    def grow(self, wanted: Sequence[int], progress: Progress) -> list[Ended]:
        """All streams towards as many records as are wanted of each, until each has ended."""
        options = {"num_cpus": _CORES, "max_retries": _LIVES, "scheduling_strategy": "SPREAD"}
        task = self._ray.remote(**options)(grow_on_a_worker)
        left = [
            task.remote(stream_values(self._config, stream, aim), stream, self._purse)
            for stream, aim in enumerate(wanted)
        ]
        ended: list[Ended] = []
        with self._failures():
            while left:
                done, left = self._ray.wait(left, timeout=_LOOK_EVERY_S)
                ended += self._ray.get(done)
                progress(sum(self._ray.get(self._purse.records.remote())), sum(wanted))
        return sorted(ended, key=lambda each: each.stream)

    def spent(self) -> tuple[int, int, float]:
        """Requests, tokens and dollars of all streams."""
        with self._failures():
            found: tuple[int, int, float] = self._ray.get(self._purse.spent.remote())
        return found

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """What Ray raises when a machine that can't be spared is gone, as StorageError."""
        exceptions = self._ray.exceptions
        try:
            yield
        except exceptions.RayTaskError as error:
            if "failed to import on the worker" in str(error):
                raise UsageError("a node of the cluster can't import selfinstruct; install it on all of them") from None
            raise
        except (exceptions.RayError, ConnectionError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StorageError(f"the Ray cluster failed: {first}; no answer is lost, start again") from error


def grow_on_a_worker(values: dict[str, Any], stream: int, purse: Any) -> Ended:
    """The task of one stream; done anew it goes on with what its journal has. purse: the actor."""
    import ray

    got: Any = ray.get
    got(purse.renew.remote(stream))
    ended = grow(values, stream, _FarPurse(purse, stream), lambda records: purse.note.remote(stream, records))
    got(purse.renew.remote(stream))
    return ended


class _FarPurse:
    """The purse as one stream sees it."""

    def __init__(self, purse: Any, stream: int) -> None:
        self._purse, self._stream = purse, stream

    async def enter(self, teacher: str, prompt: Prompt) -> Ticket | str:
        said: Ticket | str = await self._purse.enter.remote(self._stream, teacher, prompt)
        return said

    def leave(self, number: int, usage: Usage | None, requests: int) -> None:
        self._purse.leave.remote(number, usage, requests)
