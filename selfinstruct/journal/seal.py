"""A finished run's seal. While it is unbroken the next start has nothing to do, and knows so without a replay.

It is set when the target is met and the dataset stands, over all that the next start would go by: the program, the
configuration with everything it names, and the files of the dataset. Code of the caller's own (a filter, a strategy)
can change without a trace; a run that has some gets no seal and is replayed at every start.
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
    """What `config` and its meaning put under the seal; None where code of one's own decides, too."""
    if config.filters.custom or ":" in config.strategy:
        return None
    template = Path(config.dataset.chat_template)
    try:
        shown = hashlib.sha256(template.read_bytes()).hexdigest() if template.is_file() else ""
    except OSError:  # who writes the dataset says so
        return None
    values = config.model_dump(mode="json", exclude_unset=True)
    return digest_of({"program": __version__, "config": values, "meaning": meaning, "template": shown})


def set_seal(journal: Journal, dataset: Path, seal: str | None) -> None:
    """Seal a run whose target is met and whose dataset has just been written."""
    with contextlib.suppress(OSError):
        journal.set_meta(seal="" if seal is None else f"{seal} {_look(dataset)}")


def is_sealed(config: RunConfig, seal: str | None) -> bool:
    """Whether the run of `config` was sealed with `seal`, has met its target last, and its dataset is as it was left.

    Reads an instant of the journal without the run's lock. What can't be read is not sealed: opening it says why.
    """
    path = Path(config.run_dir)
    if seal is None or not (path / JOURNAL).is_file():
        return False
    try:
        with contextlib.closing(Journal(path / JOURNAL, read_only=True)) as journal:
            notes = dict(journal.query("SELECT key, value FROM meta WHERE key IN ('outcome', 'seal', 'target')"))
        met = json.loads(notes.get("outcome", "[null]"))[0] == "target" and notes.get("target") == str(config.target)
        return met and notes.get("seal") == f"{seal} {_look(path / 'dataset')}"
    except (SelfInstructError, OSError):
        return False


def _look(dataset: Path) -> str:
    """Names, sizes and times of the dataset's files."""
    files = sorted(path for path in dataset.rglob("*") if path.is_file())
    looks = [[str(path.relative_to(dataset)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return hashlib.sha256(json.dumps(looks).encode()).hexdigest()[:32]
