"""Select the rows of a report's table (records, refused candidates, seeds), and compress them into blocks.

A block is JSON, compressed with gzip and encoded in base64, so that a browser can't mistake a model's text for markup.
The page's script (`templates/records.js`) decompresses the blocks and shows their texts as plain text.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ...core.records import Record
from ...dataset.rows import Wording, prompt_text
from ...journal.snapshot import Snapshot

Kind = Literal["record", "refused", "seed", "waiting"]
KINDS: tuple[Kind, ...] = ("record", "refused", "seed", "waiting")
"""In a block, the index in this tuple stands for the kind; `templates/records.js` has the same list."""
_ROWS_PER_BLOCK = 2000


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A task: a record, a refused candidate, a seed, or an admitted task that is not a record (yet).

    Attributes:
        question: Number of the question, or None for a seed.
        reason: Reason of the refusal, or None.
        detail: Detail of the refusal; for a record, its refused instances.
        score: ROUGE-L F to the text `nearest`, 0 to 1.
        nearest: Id of the most similar text.
    """

    kind: Kind
    id: str
    question: int | None
    instruction: str
    examples: tuple[tuple[str, str], ...] = ()
    reason: str | None = None
    detail: str = ""
    score: float | None = None
    nearest: str | None = None
    is_classification: bool | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a page, in the order of the questions. total: number of rows of each kind in the run."""

    rows: tuple[ReportRow, ...]
    total: dict[Kind, int]

    def count(self, kind: Kind) -> int:
        """Return the number of selected rows of a kind."""
        return sum(row.kind == kind for row in self.rows)


def select(snapshot: Snapshot, most: int | None) -> Selection:
    """Select all rows, or at most `most` records, as many others, and the nearest neighbors of all of these."""
    rows = list(_all_rows(snapshot))
    total: dict[Kind, int] = {kind: sum(row.kind == kind for row in rows) for kind in KINDS}
    if most is None:
        return Selection(tuple(rows), total)
    # A fixed seed gives the same page for the same run.
    draw = random.Random("rows")
    kept: set[str] = set()
    for kinds in (("record",), ("refused", "waiting")):
        candidates = [row for row in rows if row.kind in kinds]
        kept.update(row.id for row in (draw.sample(candidates, most) if len(candidates) > most else candidates))
    needed = kept | {row.nearest for row in rows if row.id in kept and row.nearest is not None}
    return Selection(tuple(row for row in rows if row.id in needed), total)


def _all_rows(snapshot: Snapshot) -> Iterator[ReportRow]:
    # Seeds.
    for seed in snapshot.seeds:
        yield ReportRow(
            "seed",
            seed.id,
            None,
            seed.instruction,
            tuple((each.input, each.output) for each in seed.instances),
            is_classification=seed.is_classification,
        )
    # Proposed tasks, with the refused instances of each.
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
        yield ReportRow(
            kind,
            id,
            question,
            text,
            texts_of(record) if record else (),
            reason or (instances[-1].split()[0] if instances and not record else None),
            detail,
            score,
            nearest,
            bool(label) if record and (label := record.labels.get("is_classification")) is not None else None,
        )


def texts_of(record: Record) -> tuple[tuple[str, str], ...]:
    """Return input and output of each example; as the input of a dialogue, all that was said before the last answer."""
    dialogue = Wording(dialogues=True)
    return tuple(
        (prompt_text(record, each, dialogue) if len(each.messages) > 1 else each.given, each.output)
        for each in record.examples
    )


def blocks(rows: Sequence[ReportRow]) -> list[str]:
    """Compress rows into blocks of some thousand rows each; the result is deterministic."""
    return [_pack(rows[start : start + _ROWS_PER_BLOCK]) for start in range(0, len(rows), _ROWS_PER_BLOCK)]


def _pack(rows: Iterable[ReportRow]) -> str:
    # Lists take less space than objects; `rowOf` in records.js has the same order.
    values = [
        [
            KINDS.index(row.kind),
            row.id,
            row.question,
            row.instruction,
            [list(example) for example in row.examples],
            row.reason,
            row.detail,
            None if row.score is None else round(row.score, 4),
            row.nearest,
            row.is_classification,
        ]
        for row in rows
    ]
    # A fixed time in the gzip header keeps the page deterministic.
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode("ascii")
