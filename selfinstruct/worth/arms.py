"""The datasets that `worth` is about: the sources, and two more for a run whose records are selected.

A selection is worth something only if it does better than random records and than the longest ones, which cost nothing
to find. `arms_of` therefore adds both, of the same size and from the same run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.sections import SelectConfig
from ..core.errors import UsageError
from ..core.records import Record
from ..core.reviews import Content, digest_of
from ..dataset.select import select
from ..journal.folder import JOURNAL
from ..journal.snapshot import read
from ..seeds.seed_rows import find_tasks, is_nothing, split_row
from ..tables import read_rows
from ..tables.chats import turns_of

BASELINES = ("random", "longest")
_NEEDS_NO_OTHERS = ("random", "first")


@dataclass(frozen=True, slots=True)
class Arm:
    """One dataset of a comparison.

    name: the source as given, with the way to select if others were added: 'data/law (spread)'. source: where its rows
    come from. contents: its rows. generated: the records that had to be generated for each of its rows; more than 1 for
    a selection that needs all records of a run to choose from. why_added: empty for a source that was named. language:
    of its run; 'any' if not known.
    """

    name: str
    source: str
    contents: Sequence[Content]
    generated: float = 1.0
    why_added: str = ""
    language: str = "any"


def arms_of(sources: Sequence[str | Path], chosen: SelectConfig | None = None) -> list[Arm]:
    """Return the datasets to read and to measure.

    Args:
        sources: Runs or datasets, as `contents_of` takes them.
        chosen: Selects records of each run; None uses the `dataset.select` of its configuration.

    Raises:
        UsageError: A source that can't be read or is named twice, or a selection without a run to select from.
    """
    names = [str(each) for each in sources]
    places = [os.path.realpath(each) for each in names]
    if twice := [each for each, place in zip(names, places, strict=True) if places.count(place) > 1]:
        raise UsageError(f"{twice[-1]}: is named twice; name each dataset once")
    runs = [name for name in names if (Path(name) / JOURNAL).is_file()]
    if chosen is not None and not runs:
        raise UsageError("--select: selects records of a run, and no source is one; name a run's folder")
    found = [_arms_of_run(name, chosen) if name in runs else [Arm(name, name, contents_of(name))] for name in names]
    return [arm for arms in found for arm in arms]


def _arms_of_run(name: str, chosen: SelectConfig | None) -> list[Arm]:
    """Return a run's records, or those that are selected and as many by each of `BASELINES`."""
    with read(name) as snapshot:
        config, records, recall = snapshot.run.config, snapshot.records, snapshot.journal.recall
        chosen = chosen or config.dataset.select
        if chosen is None or len(records) <= chosen.count:
            return [Arm(name, name, contents_of(name), language=config.language)]

        def arm(by: str, label: str, why: str = "") -> Arm:
            selected = select(records, chosen.model_copy(update={"by": by}), config.random_seed, recall)
            generated = 1.0 if by in _NEEDS_NO_OTHERS else len(records) / len(selected)
            return Arm(label, name, contents_of_records(selected), generated, why, config.language)

        if chosen.by in BASELINES:
            return [arm(chosen.by, name)]
        why = f"as many of {name} as `{chosen.by}` selects, {chosen.count:,} of {len(records):,} records"
        return [
            arm(chosen.by, f"{name} ({chosen.by})"),
            *(arm(by, f"{name} ({by})", why) for by in BASELINES),
        ]


def contents_of(source: str | Path) -> list[Content]:
    """Return the texts of a dataset's rows, each once, in one layout, so that the layout doesn't tell the source.

    Args:
        source: A run's folder, of which the records count that its `dataset.select` selects, or a dataset: a folder, a
            file, or a name on the hub, in any layout that seeds may have.

    Raises:
        UsageError: `source` can't be read, or has no row with a task and an answer.
    """
    if (Path(source) / JOURNAL).is_file():
        with read(source) as snapshot:
            config, recall = snapshot.run.config, snapshot.journal.recall
            found = contents_of_records(select(snapshot.records, config.dataset.select, config.random_seed, recall))
    else:
        found = _each_once(content for row in find_tasks(read_rows(str(source))) if (content := _of_row(row.values)))
    if not found:
        raise UsageError(f"{source}: has no row with a task and an answer to read")
    return found


def contents_of_records(records: Iterable[Record]) -> list[Content]:
    """Return the texts of records in the same layout, each once."""
    return _each_once(map(_of_record, records))


def _each_once(contents: Iterable[Content]) -> list[Content]:
    return list({digest_of(each): each for each in contents}.values())


def _of_record(record: Record) -> Content:
    first = record.examples[0]
    return _content([[each.role, each.content] for each in first.messages], first.output)


def _of_row(values: Mapping[str, Any]) -> Content | None:
    """Return the texts of a row; None for a row without a task and an answer."""
    chats = [[values.get(name)] for name in ("messages", "conversations")]
    chats += [[values.get("prompt"), values.get(name)] for name in ("completion", "chosen")]
    for parts in chats:
        turns = turns_of([turn for part in parts if isinstance(part, list) for turn in part]) or []
        said = [[turn.part, turn.text.strip()] for turn in turns if turn.text and turn.part != "tool"]
        if len(said) > 1 and said[-1][0] == "assistant":
            return _content(said[:-1], said[-1][1])
    task, _ = split_row(values, [], [])
    match task.get("instances"):
        case [dict(first), *_]:
            task |= first
    texts = [task.get(name) for name in ("instruction", "input", "output")]
    instruction, given, output = ("" if is_nothing(text) else str(text).strip() for text in texts)
    return _content([["user", f"{instruction}\n\n{given}".strip()]], output) if instruction and output else None


def _content(messages: list[list[str]], answer: str) -> Content:
    messages = [[role, text.strip()] for role, text in messages]
    first = next((text for role, text in messages if role == "user"), messages[0][1])
    return {"instruction": first, "examples": [{"messages": messages, "input": None, "answer": answer.strip()}]}
