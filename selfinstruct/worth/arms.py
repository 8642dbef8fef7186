"""The datasets that a comparison is about: the sources, and two more for a run whose records are selected.

A selection is worth something only if it does better than random records and than the longest ones, which cost nothing
to find. `arms_of` therefore adds both, of the same size and from the same run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config.sections import SelectConfig
from ..core.errors import UsageError
from ..core.reviews import Content
from ..dataset.select import select
from ..journal.folder import JOURNAL
from ..journal.snapshot import read
from ..report.blind import contents_of, contents_of_records

BASELINES = ("random", "longest")
_NEEDS_NO_OTHERS = ("random", "first")


@dataclass(frozen=True, slots=True)
class Arm:
    """One dataset of a comparison.

    name: the source as given, with the way to select if others were added: 'data/law (spread)'. source: where its rows
    come from. contents: its rows. generated: the records that had to be generated for each of its rows; more than 1 for
    a selection that needs all records of a run to choose from. why_added: empty for a source that was named.
    """

    name: str
    source: str
    contents: Sequence[Content]
    generated: float = 1.0
    why_added: str = ""


def arms_of(sources: Sequence[str | Path], chosen: SelectConfig | None = None) -> list[Arm]:
    """Return the datasets to compare.

    Args:
        sources: Runs or datasets, as `selfinstruct.report.blind.contents_of` takes them.
        chosen: Selects records of each run; None uses the `dataset.select` of its configuration.

    Raises:
        UsageError: Fewer than two datasets, a source that can't be read or is named twice, or a selection without a
            run to select from.
    """
    names = [str(each) for each in sources]
    places = [os.path.realpath(each) for each in names]
    if twice := [each for each, place in zip(names, places, strict=True) if places.count(place) > 1]:
        raise UsageError(f"{twice[-1]}: is named twice; name each dataset once")
    runs = [name for name in names if (Path(name) / JOURNAL).is_file()]
    if chosen is not None and not runs:
        raise UsageError("--select: selects records of a run, and no source is one; name a run's folder")
    arms = [arm for name in names for arm in (_arms_of_run(name, chosen) if name in runs else [_whole(name)])]
    if len(arms) < 2:
        raise UsageError("worth compares at least two datasets; name another one, or select some records with --select")
    return arms


def _whole(name: str) -> Arm:
    return Arm(name, name, contents_of(name))


def _arms_of_run(name: str, chosen: SelectConfig | None) -> list[Arm]:
    """Return a run's records, or those that are selected and as many by each of `BASELINES`."""
    with read(name) as snapshot:
        config, records = snapshot.run.config, snapshot.records
    chosen = chosen or config.dataset.select
    if chosen is None or len(records) <= chosen.count:
        return [_whole(name)]

    def arm(by: str, label: str, why: str = "") -> Arm:
        selected = select(records, chosen.model_copy(update={"by": by}), config.random_seed)
        generated = 1.0 if by in _NEEDS_NO_OTHERS else len(records) / len(selected)
        return Arm(label, name, contents_of_records(selected), generated, why)

    if chosen.by in BASELINES:
        return [arm(chosen.by, name)]
    why = f"as many of {name} as `{chosen.by}` selects, {chosen.count:,} of {len(records):,} records"
    return [
        arm(chosen.by, f"{name} ({chosen.by})"),
        *(arm(by, f"{name} ({by})", why) for by in BASELINES),
    ]
