"""A run or a dataset as one of several that become one: its name in the column that says so, its columns, its tasks."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any

from ...core.errors import UsageError
from ...journal.folder import Run, has_journal
from ...tables import Chunk, Columns, has_column, parse_columns, with_column
from ..inputs import Input

_INSTANCE = re.compile(r"(?P<record>.+)\.[1-9]\d*")
"""The id of a record's second row, third row and so on: 'a1b2c3d4-17-0.1'."""


class MergeInput(Input):
    """One input. Its rows have one more column, `column`, with `label` in it.

    Of a run's folder the dataset is read, and what is compared are the instructions of its journal, whatever the
    dataset's format: those are what the run itself has compared.
    """

    def __init__(
        self, source: str, label: str, column: str, paths: Sequence[str], scratch: Path, stack: ExitStack
    ) -> None:
        """paths: columns that are compared; none: the usual one of the input's rows."""
        self.label, self._column = label, column
        self._instructions: dict[str, str] = {}
        self.names: dict[str, None] = {}
        """The columns of its rows, in the order in which they first appear; known after the first pass."""
        self.followers: list[tuple[int, int]] = []
        """Rows that are further instances of an earlier row's task: (row, that row), counted from 0 in this input."""
        if (run := _run_in(source)) is not None:
            source = str(run.dataset_path)
            if not paths:
                self._instructions = {record.id: record.instruction for record in run.records()}
        super().__init__(source, (), scratch, stack)
        if paths:
            self.columns = parse_columns(paths)
        self._traced = {"id", "run_id"} if {"id", "run_id"} <= self.head.keys() else set()
        self._seen = 0
        self._leader = "", 0

    @property
    def compared(self) -> tuple[str, ...]:
        """What the card says that it is."""
        return ("instruction (of the run)",) if self._instructions else tuple(column.path for column in self.columns)

    @property
    def needed(self) -> set[str]:
        """What is compared, and what tells the rows of one task."""
        return super().needed | self._traced

    def first_pass(self) -> Iterator[Chunk]:
        """As that of `Input`, each row with its label. Raises UsageError where rows have such a column already."""
        for chunk in super().first_pass():
            if has_column(chunk, self._column):
                raise UsageError(
                    f"{self.name}: has a column {self._column!r} already; "
                    "give the new one another name with --source-column"
                )
            if isinstance(chunk, Columns):
                self.names.update(dict.fromkeys(chunk.schema.names))
            yield with_column(chunk, self._column, self.label)

    def second_pass(self, columns: Collection[str] | None = None) -> Iterator[Chunk]:
        """As that of `Input`, each row with its label."""
        for chunk in super().second_pass(columns):
            yield with_column(chunk, self._column, self.label)

    def texts(self, objects: Sequence[Mapping[str, Any] | None]) -> list[str | None]:
        """As that of `Input`; further instances of a task have an empty text, which is like no other."""
        texts = super().texts(objects)
        for position, values in enumerate(objects):
            if values is None:
                continue
            self.names.update(dict.fromkeys(name for name in values if name != self._column))
            if self._traced:
                texts[position] = self._text_of_task(self._seen + position, str(values["id"]), texts[position])
        self._seen += len(objects)
        return texts

    def text(self, values: Mapping[str, Any]) -> str | None:
        """As that of `Input`; of a run's rows the instruction."""
        found = _INSTANCE.fullmatch(id := str(values.get("id")))
        return self._instructions.get(id, self._instructions.get(found["record"]) if found else None) or super().text(
            values
        )

    def _text_of_task(self, row: int, id: str, text: str | None) -> str | None:
        found = _INSTANCE.fullmatch(id)
        if found and found["record"] == self._leader[0]:
            self.followers.append((row, self._leader[1]))
            return ""
        self._leader = id, row
        return self._instructions.get(id, text)


def labels_of(sources: Sequence[str]) -> list[str]:
    """What each is called: as few of the last parts of its path as tell it from the others.

    >>> labels_of(["runs/a/out.jsonl", "runs/b/out.jsonl", "bought.csv"])
    ['a/out.jsonl', 'b/out.jsonl', 'bought.csv']
    """
    parts = [PurePath(os.path.abspath(source)).parts if os.path.exists(source) else (source,) for source in sources]
    labels = []
    for own in parts:
        others = [other for other in parts if other is not own]
        length = 1
        while length < len(own) and any(other[-length:] == own[-length:] for other in others):
            length += 1
        labels.append("/".join(own[-length:]))
    if len(set(labels)) < len(labels):
        twice = next(source for source, label in zip(sources, labels, strict=True) if labels.count(label) > 1)
        raise UsageError(f"{twice}: is named twice; name each input once")
    return labels


def check_same_columns(inputs: Sequence[MergeInput]) -> None:
    """After the first pass. Raises UsageError, one line, for the first input whose rows have other columns."""
    first = inputs[0]
    for other in inputs[1:]:
        lacks = [name for name in first.names if name not in other.names]
        more = [name for name in other.names if name not in first.names]
        if lacks or more:
            what = [f"lacks {_listed(lacks)}"] * bool(lacks) + [f"has {_listed(more)} besides"] * bool(more)
            raise UsageError(
                f"{other.name}: {' and '.join(what)}, compared with {first.name}; export both in one format "
                "(`selfinstruct export RUN --format NAME`), or put them side by side with --fill"
            )


def _run_in(source: str) -> Run | None:
    if not has_journal(Path(source)):
        return None
    run = Run(source)
    if not run.dataset_path.is_dir():
        raise UsageError(f"{source}: the run has no dataset yet; `selfinstruct export {source}` writes it")
    return run


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "")
