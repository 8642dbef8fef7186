"""The configuration of each stream: that of the job, but for its folder, its draws, its target and the shared caps."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig
from ..core.errors import UsageError
from ..dataset.formats import FORMATS
from ..journal.folder import JOURNAL, has_journal
from ..journal.journal import Journal

SURPLUS = 1.05
"""Streams aim that much higher together: some of what two of them make is alike."""


def check_scatterable(config: RunConfig, shards: int) -> None:
    """Raise UsageError for what can't be shared out."""
    if shards < 1:
        raise UsageError(f"shards: {shards} is not at least 1")
    if config.more is not None:
        raise UsageError("target: streams need a number of records, not so many more; set target=5000, say")
    if any(each.mode != "live" for each in config.all_teachers):
        raise UsageError("teacher.mode: streams share their limits question by question; set it to live")
    if any(each.kind == "local" for each in config.all_teachers):
        raise UsageError("teacher.kind: local would load the model once a stream; name a server that all can reach")
    if has_journal(Path(config.run_dir)):
        raise UsageError(f"run_dir: {config.run_dir} holds a run; name another folder for the streams")
    first = config.dataset.formats[0]
    if config.dataset.instances == "all" and first in FORMATS and not FORMATS[first].traced:
        raise UsageError(
            f"dataset.formats: rows of {first!r} don't say which task they are of, so that tasks can't be counted; "
            "put another one first, or set dataset.instances to first"
        )
    if "-" in config.seed_sources:
        raise UsageError("seeds: streams can't share standard input; name a file that all machines can read")


def folder_of(config: RunConfig, stream: int) -> Path:
    """Where the stream's journal lies; the same place, by name, on every machine."""
    return Path(config.run_dir).resolve() / "shards" / str(stream)


def stream_values(config: RunConfig, stream: int, target: int) -> dict[str, Any]:
    """The stream's configuration as plain values, which travel.

    Paths of the seeds are made absolute. Caps are left out, since they are shared; rows of the test split would be
    left out of the merged dataset, so there is none.
    """
    values = config.model_dump(mode="json", exclude_unset=True)
    for cap in ("max_cost_usd", "max_requests", "max_tokens"):
        values.pop(cap, None)
    values["run_dir"] = str(folder_of(config, stream))
    values["random_seed"] = seed_of(config.random_seed, stream)
    values["target"] = target
    values["seeds"] = _absolute(config.seed_sources)
    values["dataset"] = values.get("dataset", {}) | {"test_share": 0.0}
    return values


def seed_of(random_seed: int, stream: int) -> int:
    """The stream's own seed: draws of two streams, or of two jobs' streams, have nothing to do with one another."""
    return int.from_bytes(hashlib.sha256(f"{random_seed}:stream {stream}".encode()).digest()[:4], "big")


def shares(target: int, shards: int) -> list[int]:
    """How many records each stream aims at."""
    whole = max(shards, round(target * SURPLUS))
    return [whole // shards + (stream < whole % shards) for stream in range(shards)]


def aims(config: RunConfig, shards: int) -> list[int]:
    """What each stream aims at first: its share, or what it aimed at in an earlier start, if that is more."""
    return [
        max(share, _aimed_at(folder_of(config, stream)))
        for stream, share in enumerate(shares(int(config.target), shards))
    ]


def _aimed_at(folder: Path) -> int:
    if not has_journal(folder):
        return 0
    with contextlib.closing(Journal(folder / JOURNAL, read_only=True)) as journal:
        return int(journal.meta("target") or 0)


def _absolute(sources: Sequence[str]) -> list[str]:
    """Files and patterns that match some; names on the hub stay as they are."""
    return [os.path.abspath(source) if os.path.exists(source) or glob(source) else source for source in sources]
