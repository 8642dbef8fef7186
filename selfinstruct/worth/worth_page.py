"""The page of a comparison: one HTML file with a chart for each question, and what it can't tell in the first line."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.counted import counted
from ..report.page.page import moment, render, write_page
from ..report.page.row_charts import RowChart, short_names
from .blind_comparison import Worth
from .blind_reading import JUDGE
from .dataset_measures import found_by, lines_of
from .trial import Trial
from .trial_charts import trial_charts
from .worth_charts import intervals_of, measure_charts, reading_charts

LIMITS = (
    "What this page can't tell: whether a model learns from the rows that a reader would keep, and what the reader "
    "missed in a field that isn't their own."
)
_NAMED = 3
"""So many datasets are named in the title, and so many undecided pairs one by one."""


@dataclass(frozen=True, slots=True)
class PageSection:
    """A section.

    lead: what to know before looking. groups: charts to draw side by side. note: the text below them. table: (group,
    [(name, a cell for each dataset)]). named: the heading of the table's names.
    """

    title: str
    lead: str
    groups: Sequence[Sequence[RowChart]]
    note: str = ""
    is_warning: bool = False
    table: Sequence[tuple[str, Sequence[tuple[str, Sequence[str]]]]] = ()
    named: str = ""


def worth_page(found: Worth, trial: Trial | None = None) -> str:
    """Render a comparison. trial: what a student trial of the same datasets found."""
    names = short_names(found.names)
    sections = [
        PageSection(f"Read blind by {_who(reader)}", intervals_of(found), reading_charts(found, reader, names))
        for reader in found.read
        if not found.continues(reader)
    ]
    if trial is not None:
        title = "Student trial" if trial.is_valid else "Student trial, invalid"
        charts = trial_charts(trial, names)
        sections.append(PageSection(title, trial.line, charts, _trial_facts(trial), is_warning=not trial.is_valid))
    lead = "These figures describe the rows. They say nothing about right and wrong, unless they say so."
    who = _who(found.topics_reader)
    kept = f", and in parentheses how many {who} kept of those graded" if who else ""
    lines, by = lines_of(found.measures), f"Verbs and nouns were found by {found_by(found.measures)}."
    sections += [
        PageSection("Measured, not read", lead, measure_charts(found.measures, names), by, table=lines, named="figure"),
        PageSection(
            "What the tasks ask for",
            f"Share of the tasks by verb{kept}. A handful of rows proves nothing.",
            (),
            table=[("", [(each.name, each.cells) for each in found.topics])],
            named="verb",
        ),
    ]
    rows = [f"{name}: {counted(found.measures[name].rows, 'row')}" for name in found.names]
    return render(
        "worth.html",
        ["page.js"],
        title=_title(list(names.values())),
        asked="Which is better?" if len(names) > 1 else "How good is it?",
        limits=f"{LIMITS} {trial.cannot_tell}" if trial else LIMITS,
        facts=f"{', '.join(rows)}; measured {moment(time.time())}",
        answer=_answer(found, trial, names),
        notes=_notes(found),
        sections=sections,
        names=list(names.values()),
    )


def write_worth(found: Worth, path: str | Path, trial: Trial | None = None) -> Path:
    """Write the page and return its path. Raises UsageError or StorageError if that fails."""
    return write_page(Path(path), worth_page(found, trial))


def _who(reader: str) -> str:
    return f"{reader}, a model and no person" if reader.startswith(JUDGE) else reader


def _title(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{len(names)} datasets"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _answer(found: Worth, trial: Trial | None, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (who, what) of each reader who has finished, and of the trial; the others stay blind."""
    lines = []
    for reader, left in found.left.items():
        if found.continues(reader):
            lines.append(
                (reader, f"{counted(left, 'row')} left to read; their grades are shown when the reading is over")
            )
            continue
        if len(names) == 1:
            lines += [(_who(reader), replace(each, source=names[each.source]).line) for each in found.read[reader]]
        gaps = [replace(gap, first=names[gap.first], second=names[gap.second]) for gap in found.gaps[reader]]
        lines += [(_who(reader), line) for line in _most_decided([(gap.line, gap.is_decided) for gap in gaps])]
    if trial is not None:
        # A finished trial may be about other datasets.
        pairs = [
            replace(pair, first=names.get(pair.first, pair.first), second=names.get(pair.second, pair.second))
            for pair in trial.pairs
        ]
        told = _most_decided([(pair.line, pair.d_gap.is_decided) for pair in pairs]) if trial.is_valid else []
        told = told or [trial.line]
        lines += [("student trial", line) for line in told]
    return lines or [("", "Nothing read yet.")]


def _most_decided(lines: Sequence[tuple[str, bool]]) -> list[str]:
    """Return the lines about what is decided, and the others as well if they are few. lines: (line, is decided)."""
    others = [line for line, is_decided in lines if not is_decided]
    decided = [line for line, is_decided in lines if is_decided]
    if len(others) <= _NAMED:
        return decided + others
    return [*decided, f"not decided between {len(others):,} other pairs of datasets"]


def _notes(found: Worth) -> list[str]:
    """Say why datasets were added, and how far readers agree, once all of them have finished."""
    notes = [f"{name} was added: {why}." for name, why in found.added.items()]
    if not any(map(found.continues, found.left)):
        notes += found.agreements
    if found.left and all(reader.startswith(JUDGE) for reader in found.left):
        notes.append("No person has graded these rows, so it isn't known whether people agree with the judge.")
    return notes


def _trial_facts(trial: Trial) -> str:
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in trial.dropped.items())
    return (
        f"Student: {trial.student}, {counted(trial.seeds, 'seed')} for each dataset; "
        f"{counted(trial.held_out, 'held-out task')}{f', not used: {dropped}' if dropped else ''}. Lines are 95% "
        "intervals. The control is trained on rows of all datasets with their answers permuted; if it doesn't lose, "
        "the trial sees nothing"
        f"{'.' if trial.is_valid else ', and differences between datasets are left out.'}"
    )
