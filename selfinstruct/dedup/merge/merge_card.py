"""The card of a merged dataset: where its rows come from, and how many of each were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..dedup_card import names_of, write_readme

_STORY = """\
Rows of several datasets, one after the other in the order below, without near-duplicates: a row is left out when its
text is too similar, by ROUGE-L F over tokens, to a row before it that stayed, whichever dataset that is of."""


@dataclass(frozen=True, slots=True)
class SourceCount:
    """What became of one input's rows: `rows` = `admitted` + `refused` + `dropped` + `beyond`.

    dropped: rows without a text, as asked. beyond: those behind the last one that was wanted.
    records: tasks among the admitted rows; several rows of a run may be instances of one.
    """

    label: str
    columns: tuple[str, ...]
    rows: int
    admitted: int
    refused: int
    dropped: int
    beyond: int
    records: int


def write_merge_card(folder: Path, name: str, column: str, rule: str, counts: Sequence[SourceCount]) -> None:
    """Write README.md into `folder`. column: that of the labels; rule: in words, what was refused."""
    rows = [
        ("rows read", f"{sum(count.rows for count in counts):,}"),
        ("rows here", f"{sum(count.admitted for count in counts):,}"),
        ("refused", rule),
        ("where a row comes from", f"column {names_of([column])}"),
    ]
    lines = [
        f"| {names_of([count.label])} | {names_of(count.columns)} | {count.rows:,} | {count.admitted:,} "
        f"| {count.refused:,} | {count.dropped:,} | {count.beyond:,} |"
        for count in counts
    ]
    header = (
        "\n| source | compared | rows | here | near-duplicates | without a text | behind the last one wanted |"
        "\n|---|---|---|---|---|---|---|\n"
    )
    write_readme(folder, name, _STORY, rows, header + "\n".join(lines) + "\n")
