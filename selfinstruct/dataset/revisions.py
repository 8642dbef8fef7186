"""A dataset's revisions: a number that goes up when rows change, and what each one brought.

They stand in the card of the dataset's folder and nowhere else: they come into being with the rows they tell of, in the
same exchange of folders, and go with them wherever the folder is copied to. A folder without a card begins at 1.
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

from ..core.tasks import Record
from ..journal.provenance import Origin, iso
from .provenance_columns import PROVENANCE_CONFIG, Row


@dataclass(frozen=True, slots=True)
class Made:
    """Records that a revision brought, by the generation of the run that asked for them and by who proposed them."""

    generation: int
    teacher: str
    records: int


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of the rows. at: when the last of what it brought was asked for; of its rows when it brought nothing.

    records: in all. added, removed: beside the revision before. rows: SHA-256 over the rows of every config.
    """

    number: int
    at: str
    records: int
    added: int
    removed: int
    by: tuple[Made, ...]
    rows: str

    @property
    def metadata(self) -> dict[str, Any]:
        """It, for the card's YAML."""
        return asdict(self) | {"by": [asdict(made) for made in self.by]}


def digesting(rows: Iterable[Row], update: Callable[[bytes], object]) -> Iterator[Row]:
    """The rows, fed to a digest's `update` as JSON as they pass, whatever file will hold them."""
    for row in rows:
        update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass") + b"\n")
        yield row


def revisions_after(
    folder: Path,
    records: Sequence[Record],
    contents: Mapping[str, str],
    origins: Mapping[str, Origin],
    last_at: float,
) -> tuple[Revision, ...]:
    """The revisions of `folder` once these records stand in it, oldest first: those it has, one more for other rows.

    contents: the digest of the rows of every config and split. origins: where each record comes from, by its id.
    last_at: when the last answer was asked for, seconds of the epoch.
    """
    rows = hashlib.sha256(json.dumps(sorted(contents.items())).encode()).hexdigest()
    before = read_revisions(folder)
    if before and before[-1].rows == rows:
        return before
    there = _ids(folder) if before else set()
    added = [record for record in records if record.id not in there]
    made = Counter((origins[record.id].generation, record.teacher) for record in added)
    revision = Revision(
        number=before[-1].number + 1 if before else 1,
        at=iso(max((origins[record.id].asked_at for record in added), default=last_at)),
        records=len(records),
        added=len(added),
        removed=len(there - {record.id for record in records}),
        by=tuple(Made(*key, count) for key, count in sorted(made.items())),
        rows=rows,
    )
    return (*before, revision)


def read_revisions(folder: Path) -> tuple[Revision, ...]:
    """Those that a folder's card tells of, oldest first; none where it has no card, or one that doesn't tell."""
    try:
        _, head, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
        return TypeAdapter(tuple[Revision, ...]).validate_python(yaml.safe_load(head)["revisions"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return ()


def _ids(folder: Path) -> set[str]:
    """The ids of the records in a folder; of a file that can't be read none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: set[str] = set()
    for path in sorted((folder / PROVENANCE_CONFIG).glob("*.parquet")):
        try:
            found |= set(pq.read_table(path, columns=["id"])["id"].to_pylist())
        except (OSError, KeyError, pa.ArrowException):
            continue
    return found
