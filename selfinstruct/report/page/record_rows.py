"""The rows of a report's table, records and refused candidates alike, and the compressed blocks they lie in.

A block is gzip over JSON, in base64, so that nothing a model wrote can be taken for markup. The page's own code
(`templates/records.js`) unpacks it and shows a row's texts as text.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ...core.tasks import Instance
from ...journal.snapshot import Snapshot

Kind = Literal["record", "refused", "seed", "waiting"]
KINDS: tuple[Kind, ...] = ("record", "refused", "seed", "waiting")
"""A block names a kind by its place here."""
_ROWS_A_BLOCK = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """A task: a record, a refused candidate, a seed, or one that is admitted but no record (yet).

    id: by which others name it as their nearest; question: None for seeds. reason, detail: of a refusal; a
    record's detail tells of instances that were refused. score: ROUGE-L F to the text `nearest`.
    """

    kind: Kind
    id: str
    question: int | None
    instruction: str
    instances: tuple[Instance, ...] = ()
    reason: str | None = None
    detail: str = ""
    score: float | None = None
    nearest: str | None = None
    is_classification: bool | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that a page holds, in the order of the questions. total: how many of each kind the run has."""

    rows: tuple[Row, ...]
    total: dict[Kind, int]

    def count(self, kind: Kind) -> int:
        """Rows of a kind among those selected."""
        return sum(row.kind == kind for row in self.rows)


def select(snapshot: Snapshot, most: int | None) -> Selection:
    """Every row, or at most `most` records and as many others, by a draw with a fixed seed, and their neighbours."""
    rows = list(_all_rows(snapshot))
    total: dict[Kind, int] = {kind: sum(row.kind == kind for row in rows) for kind in KINDS}
    if most is None:
        return Selection(tuple(rows), total)
    draw = random.Random("rows")
    kept: set[str] = set()
    for kinds in (("record",), ("refused", "waiting")):
        found = [row for row in rows if row.kind in kinds]
        kept.update(row.id for row in (draw.sample(found, most) if len(found) > most else found))
    needed = kept | {row.nearest for row in rows if row.id in kept and row.nearest is not None}
    return Selection(tuple(row for row in rows if row.id in needed), total)


def _all_rows(snapshot: Snapshot) -> Iterator[Row]:
    for seed in snapshot.seeds:
        yield Row("seed", seed.id, None, seed.instruction, seed.instances, is_classification=seed.is_classification)
    records = {record.id: record for record in snapshot.records}
    refused: dict[tuple[int, int], list[str]] = {}
    for verdict in snapshot.instance_verdicts():
        refused.setdefault(verdict[:2], []).append(f"{verdict.reason} {verdict.detail}".strip())
    for question, index, _, _, text, reason, detail, score, nearest in snapshot.task_verdicts():
        id = f"{snapshot.run.id}-{question}-{index}"
        record, instances = records.get(id), refused.get((question, index), [])
        kind: Kind = "record" if record else "refused" if reason or instances else "waiting"
        if instances:
            detail = "refused instances: " + "; ".join(instances)
        yield Row(
            kind,
            id,
            question,
            text,
            record.instances if record else (),
            reason or (instances[-1].split()[0] if instances and not record else None),
            detail,
            score,
            nearest,
            record.is_classification if record else None,
        )


def blocks(rows: Sequence[Row]) -> list[str]:
    """The rows as base64 texts, some thousand rows in each; the same rows give the same texts."""
    return [_packed(rows[start : start + _ROWS_A_BLOCK]) for start in range(0, len(rows), _ROWS_A_BLOCK)]


def _packed(rows: Iterable[Row]) -> str:
    values = [
        [
            KINDS.index(row.kind),
            row.id,
            row.question,
            row.instruction,
            [[instance.input, instance.output] for instance in row.instances],
            row.reason,
            row.detail,
            None if row.score is None else round(row.score, 4),
            row.nearest,
            row.is_classification,
        ]
        for row in rows
    ]
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode("ascii")
