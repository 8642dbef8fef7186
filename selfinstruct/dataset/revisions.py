"""Number the revisions of a dataset: the number increases whenever rows change.

Only the card stores the revisions, so that they change in one step with the rows, and stay with every copy of the
folder. A folder without a card starts at 1.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from ..core.counted import counted
from ..core.errors import UsageError
from ..core.paths import quoted
from ..core.records import Record
from ..journal.provenance import Lineage, iso
from ..tables.replace_folder import changes_by_hand, written_files
from .provenance_columns import PROVENANCE_CONFIG, RowDict

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class RevisionSource:
    """The number of records that a revision added from one generation of the run and one teacher."""

    generation: int
    teacher: str
    records: int


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of the rows.

    Attributes:
        number: Counted from 1.
        at: Time of the last answer to an added record; without any, of the run's last answer.
        records: Number of records.
        added, removed: Numbers compared to the previous revision.
        by: Sources of the added records.
        rows: SHA-256 of the rows of all configs.
    """

    number: int
    at: str
    records: int
    added: int
    removed: int
    by: tuple[RevisionSource, ...]
    rows: str

    @property
    def metadata(self) -> dict[str, Any]:
        """The values for the card's YAML."""
        return asdict(self) | {"by": [asdict(source) for source in self.by]}  # YAML has no tuples


def hash_rows(rows: Iterable[RowDict], update: Callable[[bytes], object]) -> Iterator[RowDict]:
    """Yield the rows, and pass each as JSON to `update` of a hash."""
    for row in rows:
        update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass") + b"\n")
        yield row


def revisions_after(
    folder: Path,
    records: Sequence[Record],
    contents: Mapping[str, str],
    lineages: Mapping[str, Lineage],
    last_at: float,
) -> tuple[Revision, ...]:
    """Return the revisions of a folder after an export, oldest first; there is a new one if the rows differ.

    contents: digest of the rows of each config and split. lineages: by record id. last_at: Unix time in seconds of the
    run's last answer.
    """
    rows = hashlib.sha256(json.dumps(sorted(contents.items())).encode()).hexdigest()
    earlier = read_revisions(folder)
    if earlier and earlier[-1].rows == rows:
        return earlier
    # Compare the records with those in the folder.
    existing = _ids(folder) if earlier else set()
    added = [record for record in records if record.id not in existing]
    sources = Counter((lineages[record.id].generation, record.origin.teacher) for record in added)
    revision = Revision(
        number=earlier[-1].number + 1 if earlier else 1,
        at=iso(max((lineages[record.id].asked_at for record in added), default=last_at)),
        records=len(records),
        added=len(added),
        removed=len(existing - {record.id for record in records}),
        by=tuple(RevisionSource(*key, count) for key, count in sorted(sources.items())),
        rows=rows,
    )
    return (*earlier, revision)


def read_revisions(folder: Path) -> tuple[Revision, ...]:
    """Read the revisions in a folder's card, oldest first; empty without a card, or for a card by another program."""
    try:
        # '---', YAML, '---', Markdown.
        _, head, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
        return TypeAdapter(tuple[Revision, ...]).validate_python(yaml.safe_load(head)["revisions"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return ()


def check_replaceable(
    folder: Path, formats: Iterable[str], *, target: int | None = None, overwrite: bool = False, own: bool = True
) -> None:
    """Raise UsageError if replacing a dataset's folder would lose what was written by hand, records, or configs.

    Args:
        folder: The folder; may be missing.
        formats: The names of the configs to be written.
        target: The most records that are to be written; None if no record is left out on purpose.
        overwrite: Whether such a loss is wanted.
        own: Whether this is the folder of a run; any other must have been written by an export.
    """
    if not folder.is_dir():
        if folder.exists():
            raise UsageError(f"{folder}: is a file; name a folder")
        return
    names, revisions = {*formats, PROVENANCE_CONFIG}, read_revisions(folder)
    written = written_files(folder)
    foreign = sorted(path.name for path in folder.iterdir()) if not written and not revisions else []
    if foreign and not (own and overwrite):
        where = "move it away, or set another run_dir" if own else "name a new folder"
        raise UsageError(f"{folder}: contains {foreign[0]!r}, which no export wrote; {where}")
    if overwrite or not (written or revisions):
        return
    # Without the hashes, changes can't be told.
    lost = changes_by_hand(folder, written) if written else ["whatever was changed by hand (.sha256sums is missing)"]
    edits = (
        f"; edits of records last if made with `selfinstruct review {quoted(folder.parent)}`" if lost and own else ""
    )
    lost = lost[:_MOST_NAMED] + ([f"{len(lost) - _MOST_NAMED:,} more"] if len(lost) > _MOST_NAMED else [])
    if target is not None and revisions and target < (records := revisions[-1].records):
        lost.append(f"{records - target:,} of {counted(records, 'record')}")
    configs = {name.partition("/")[0] for name in written if "/" in name} - names
    lost += [f"the config {name}" for name in sorted(configs)]
    if lost:
        raise UsageError(
            f"{folder}: would lose {', '.join(lost)}; nothing was changed. Keep a copy, then replace it with "
            f"--overwrite (all answers stay in the run's journal), or write to another folder{edits}"
        )


def _ids(folder: Path) -> set[str]:
    """Return the ids of the records in a folder, ignoring unreadable files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Read the ids only, which is fast even for large folders.
    found: set[str] = set()
    for path in sorted((folder / PROVENANCE_CONFIG).glob("*.parquet")):
        try:
            found |= set(pq.read_table(path, columns=["id"])["id"].to_pylist())
        except (OSError, KeyError, pa.ArrowException):
            continue
    return found
