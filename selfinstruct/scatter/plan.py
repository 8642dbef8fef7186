"""Derive the configuration of each stream from that of the job: own folder, seed and target, and no caps."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from ..config.path_keys import map_paths
from ..config.run_config import RunConfig
from ..core.errors import UsageError
from ..dataset.formats import FORMATS
from ..dataset.rows import select_examples
from ..journal.folder import JOURNAL, has_journal
from ..journal.journal import Journal

# Streams together aim at this multiple of the target: some records of two streams are near-duplicates.
SURPLUS = 1.05


def check_scatterable(config: RunConfig, shards: int) -> None:
    """Raise UsageError if the job can't be split into streams."""
    if shards < 1:
        raise UsageError(f"shards: {shards} is not at least 1")
    if config.more is not None:
        raise UsageError("target: streams need a total, not a number of further records; set target=5000, for example")
    if any(each.in_batches for each in config.all_teachers):
        raise UsageError("teacher.mode: streams share their limits request by request; set mode to live")
    if any(each.runs_model for each in config.all_teachers):
        raise UsageError("teacher.kind: local would load the model in each stream; name a server for all machines")
    if has_journal(Path(config.run_dir)):
        raise UsageError(f"run_dir: {config.run_dir} holds a run; name another folder for the streams")
    # The merge counts records, so the first format must have a row for each, and its rows must name the record.
    first = next(iter(config.dataset.format_options))
    format = FORMATS.get(first)
    if format and (format.select is not select_examples or (config.dataset.instances == "all" and not format.traced)):
        raise UsageError(
            f"dataset.formats: rows of {first!r} don't tell how many tasks there are; put another format first"
        )
    if config.documents is not None:
        raise UsageError("documents: each stream would ask about all of them; use `selfinstruct generate`")
    if "-" in config.seed_sources:
        raise UsageError("seeds: streams can't share standard input; name a file that all machines can read")


def folder_of(config: RunConfig, stream: int) -> Path:
    """Return the folder of the stream's journal; the same path on every machine."""
    return Path(config.run_dir).resolve() / "shards" / str(stream)


def stream_values(config: RunConfig, stream: int, target: int) -> dict[str, Any]:
    """Return the stream's configuration as plain values, which Ray can send to another machine.

    Paths become absolute. Caps are left out, since the shared budget enforces them. There is no test split:
    the merge would leave its rows out.
    """
    values = map_paths(config.model_dump(mode="json", exclude_unset=True), RunConfig, os.path.realpath)
    for cap in ("max_cost_usd", "max_requests", "max_tokens"):
        values.pop(cap, None)
    values["run_dir"] = str(folder_of(config, stream))
    values["random_seed"] = seed_of(config.random_seed, stream)
    values["target"] = target
    values["dataset"] = values.get("dataset", {}) | {"test_share": 0.0}
    return values


def seed_of(random_seed: int, stream: int) -> int:
    """Return the stream's own random seed, so that the draws of different streams are independent."""
    return int.from_bytes(hashlib.sha256(f"{random_seed}:stream {stream}".encode()).digest()[:4], "big")


def split_target(target: int, shards: int) -> list[int]:
    """Split a target, plus the surplus, evenly among the streams."""
    whole = max(shards, round(target * SURPLUS))
    return [whole // shards + (stream < whole % shards) for stream in range(shards)]


def stream_targets(config: RunConfig, shards: int) -> list[int]:
    """Return the first target of each stream: its share, or its target in an earlier start if that is higher."""
    return [
        max(share, _earlier_target(folder_of(config, stream)))
        for stream, share in enumerate(split_target(int(config.target), shards))
    ]


def _earlier_target(folder: Path) -> int:
    if not has_journal(folder):
        return 0
    with contextlib.closing(Journal(folder / JOURNAL, read_only=True)) as journal:
        return int(journal.meta("target") or 0)
