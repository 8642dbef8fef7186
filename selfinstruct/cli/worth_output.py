"""What the command `worth` prints about datasets: lines and tables for people, or values for one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..core.counted import counted
from ..report.page.row_charts import short_names
from ..worth.blind_comparison import Worth
from ..worth.blind_reading import JUDGE, Result
from ..worth.dataset_measures import found_by, lines_of
from ..worth.trial import Trial


def rows_left(left: int, names: Sequence[str]) -> str:
    """Say how many rows are left to read of these datasets."""
    return f"{counted(left, 'row')} left to read" + (", fewer if they differ much" if len(names) > 1 else "")


def print_worth(found: Worth, grades: Path) -> None:
    """Print what readers said, what is measured, and what the tasks ask for."""
    for name, why in found.added.items():
        print(f"added {name}: {why}")
    if found.added:
        print("a selection is worth something only if it beats random records and the longest ones\n")
    _print_reading(found, grades)
    print("\nmeasured, not read (only 'checked' says anything about right and wrong)")
    _print_table(found, lines_of(found.measures))
    print(f"verbs and nouns: {found_by(found.measures)}")
    kept = f", and in parentheses how many {found.topics_reader} kept of those graded" if found.topics_reader else ""
    print(f"\nwhat the tasks ask for: share of the tasks by verb{kept}")
    _print_table(found, [("", [(each.name, each.cells) for each in found.topics])])


def values_of(found: Worth, trial: Trial | None) -> dict[str, Any]:
    """Return the same and a trial as values for JSON, without the results of a reader who has rows left."""
    shown = [reader for reader in found.read if not found.continues(reader)]
    return {
        "added": found.added,
        "left": found.left,
        "read": {name: [asdict(each) | _cost_of_kept(found, each) for each in found.read[name]] for name in shown},
        "gaps": {name: [asdict(each) | {"is_decided": each.is_decided} for each in found.gaps[name]] for name in shown},
        "agreements": found.agreements,
        "measures": {
            name: {**each.values, "sampled": each.sampled, "verbs_found_by": each.verbs_found_by}
            for name, each in found.measures.items()
        },
        "topics": [asdict(each) for each in found.topics],
        "topics_reader": found.topics_reader,
        "trial": trial and asdict(trial) | {"is_valid": trial.is_valid},
    }


def _cost_of_kept(found: Worth, result: Result) -> dict[str, float | None]:
    """Return the generated tokens and the seconds of work for each kept row; None if unknown."""
    values = found.measures[result.source].values
    costs = {unit: values[f"{unit}_per_row"] for unit in ("tokens", "seconds")}
    return {
        f"{unit}_per_kept_row": None if cost is None or not result.keep else cost / result.keep
        for unit, cost in costs.items()
    }


def _print_reading(found: Worth, grades: Path) -> None:
    judges = [reader for reader in found.read if reader.startswith(JUDGE)]
    for reader, results in found.read.items():
        left = found.left[reader]
        if found.continues(reader):
            print(f"{reader}: {rows_left(left, found.names)}")
            continue
        ungraded = f"; {counted(left, 'row')} without a grade" if left else ""
        print(f"read blind by {reader}" + (f", a model and no person{ungraded}" if reader in judges else ""))
        for each in results:
            print(f"  {each.line}")
            tokens, seconds = _cost_of_kept(found, each).values()
            if tokens is not None:
                work = "" if seconds is None else f" and {seconds:,.1f} s"
                print(f"    {tokens:,.0f} generated tokens{work} for each kept row")
        for gap in found.gaps[reader]:
            print(f"  {gap.line}")
    for line in found.agreements:
        print(line)
    if judges and len(judges) == len(found.read):
        print("no person has graded these rows, so it isn't known whether people agree with the judge")
    if not found.read:
        print(f"nothing read yet: {grades} has no grade of these rows")


def _print_table(found: Worth, table: Sequence[tuple[str, Sequence[tuple[str, Sequence[str]]]]]) -> None:
    """Print (group, [(name, a cell for each dataset)]); a group without a name has no line of its own."""
    heads = list(short_names(found.names).values())
    lines = [["", *heads]]
    for group, named in table:
        lines += [[group, *("" for _ in heads)]] if group else []
        lines += [[f"  {name}" if group else name, *cells] for name, cells in named]
    # A group's name may be longer than the column of names.
    widths = [max(len(line[place]) for line in lines if any(line[1:])) for place in range(len(heads) + 1)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
