"""The seal of a finished run. While it matches, the next start ends before the replay and writes nothing.

A start that meets its target sets the seal, a digest of everything that the next start would depend on: the program,
the configuration with everything it names, and the files of the dataset. The caller's own code (a filter, a strategy)
can change without a trace, so a run that uses some is never sealed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig, digest_of
from ..core.errors import SelfInstructError
from ..core.version import __version__
from .folder import JOURNAL
from .journal import Journal


def seal_of(config: RunConfig, meaning: dict[str, Any]) -> str | None:
    """Return the seal of a configuration and its meaning; None if the run uses the caller's own code."""
    formats = config.dataset.format_options
    if config.filters.custom or any(":" in kind for kind in (config.strategy_kind, *formats)):
        return None
    # The files that options of formats name, such as a chat template.
    named = [Path(value) for each in formats.values() for value in each.model_dump().values() if isinstance(value, str)]
    try:
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in named if path.is_file()]
    except OSError:  # writing the dataset reports it
        return None
    values = config.for_run()
    return digest_of({"program": __version__, "config": values, "meaning": meaning, "files": digests})


def set_seal(journal: Journal, dataset: Path, seal: str | None) -> None:
    """Seal a run that has met its target and written its dataset. seal: what `seal_of` returned."""
    with contextlib.suppress(OSError):
        journal.set_meta(seal="" if seal is None else _whole(seal, dataset, journal.reviews.seen))  # "" matches no seal


def is_sealed(config: RunConfig, seal: str | None) -> bool:
    """Return whether the run has met its target, carries `seal`, and its dataset has not changed since.

    Reads the journal without the run's lock. A journal that can't be read counts as not sealed; opening it says why.
    """
    path = Path(config.run_dir)
    if seal is None or not (path / JOURNAL).is_file():
        return False
    try:
        with contextlib.closing(Journal(path / JOURNAL, read_only=True)) as journal:
            notes = dict(journal.query("SELECT key, value FROM meta WHERE key IN ('outcome', 'seal', 'target')"))
            whole = _whole(seal, path / "dataset", journal.reviews.count())
        met = json.loads(notes.get("outcome", "[null]"))[0] == "target" and notes.get("target") == str(config.target)
        return met and notes.get("seal") == whole
    except (SelfInstructError, OSError):
        return False


def _whole(seal: str, dataset: Path, reviews: int) -> str:
    """Return the whole seal. reviews: how many the dataset was made with; they are only ever added."""
    return f"{seal} {_files_digest(dataset)}" + (f" {reviews}" if reviews else "")


def _files_digest(dataset: Path) -> str:
    """Hash the names, sizes and times of the dataset's files. Reading their contents would take as long as a replay."""
    files = sorted(path for path in dataset.rglob("*") if path.is_file())
    stats = [[str(path.relative_to(dataset)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()[:32]
