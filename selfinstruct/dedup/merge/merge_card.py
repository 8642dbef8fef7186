"""The card of a merged dataset: where its rows come from, and how many rows of each input were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..dedup_card import names_of, write_readme

_STORY = """\
Rows of several datasets, in the order below, without near-duplicates. A row is left out if its text is too similar, by
ROUGE-L F over tokens, to an earlier row of any of these datasets that was kept."""


@dataclass(frozen=True, slots=True)
class SourceCount:
    """The fate of one input's rows: `rows` = `admitted` + `refused` + `dropped` + `beyond`."""

    label: str  # the input's name in the source column
    columns: tuple[str, ...]  # columns compared
    rows: int  # rows read
    admitted: int  # rows written
    refused: int  # near-duplicates
    dropped: int  # rows without a text that were left out (missing="drop")
    beyond: int  # rows after the last one wanted (max_records)
    records: int  # tasks among the admitted rows; several rows of a run may be instances of one task


def write_merge_card(folder: Path, name: str, column: str, rule: str, counts: Sequence[SourceCount]) -> None:
    """Write README.md into `folder`; `column` holds the labels, `rule` says what was refused."""
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
        "\n| source | compared | rows | here | near-duplicates | without a text | after the last one wanted |"
        "\n|---|---|---|---|---|---|---|\n"
    )
    write_readme(folder, name, _STORY, rows, header + "\n".join(lines) + "\n")
