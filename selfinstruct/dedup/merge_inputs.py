"""`MergeInput`: a run or dataset to merge, with its label in the source column, its columns and its tasks."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any

from ..core.errors import UsageError
from ..core.records import record_of
from ..journal.folder import Run, has_journal
from ..tables import ArrowChunk, Chunk, has_column, parse_columns, with_column
from .inputs import Input


class MergeInput(Input):
    """One input. Its rows get a further column that holds the input's label.

    For a run, the rows come from its dataset, but the texts compared are the instructions in its journal, as during the
    run, whatever the format of the dataset.
    """

    def __init__(
        self, source: str, label: str, column: str, paths: Sequence[str], scratch: Path, stack: ExitStack
    ) -> None:
        """Find the input; `paths` are the columns to compare, if empty the instruction. See `Input`."""
        self.label, self._column = label, column
        self._instructions: dict[str, str] = {}
        self.names: dict[str, None] = {}  # columns in order of first appearance; known after the first pass
        if not paths and has_journal(Path(source)):
            self._instructions = {record.id: record.instruction for record in Run(source).records()}
        super().__init__(source, (), scratch, stack)
        if paths:
            self.columns = parse_columns(paths)

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns compared, for the card."""
        return ("instruction (of the run)",) if self._instructions else tuple(column.path for column in self.columns)

    def first_pass(self) -> Iterator[Chunk]:
        """See `Input.first_pass`; adds the label. Raises UsageError if a row already has a column of that name."""
        for chunk in super().first_pass():
            if has_column(chunk, self._column):
                raise UsageError(
                    f"{self.name}: already has a column {self._column!r}; "
                    "give the new column another name with --source-column"
                )
            if isinstance(chunk, ArrowChunk):
                self.names.update(dict.fromkeys(chunk.schema.names))
            yield with_column(chunk, self._column, self.label)

    def second_pass(self, columns: Collection[str] | None = None) -> Iterator[Chunk]:
        """See `Input.second_pass`; adds the label."""
        for chunk in super().second_pass(columns):
            yield with_column(chunk, self._column, self.label)

    def texts(self, objects: Sequence[Mapping[str, Any] | None]) -> list[str | None]:
        """See `Input.texts`; for a run's rows, the instruction in the journal."""
        texts = super().texts(objects)
        for position, values in enumerate(objects):
            if values is not None:
                self.names.update(dict.fromkeys(name for name in values if name != self._column))
                if self._instructions and texts[position] != "":
                    texts[position] = self.text(values)
        return texts

    def text(self, values: Mapping[str, Any]) -> str | None:
        """See `Input.text`; for a run's rows, the instruction in the journal."""
        id = str(values.get("id"))
        return self._instructions.get(id) or self._instructions.get(record_of(id)) or super().text(values)


def labels_of(sources: Sequence[str]) -> list[str]:
    """Return a label for each input: the shortest end of its path that no other input shares.

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
    """Raise UsageError, one line, for the first input whose columns differ. Call after the first pass."""
    first = inputs[0]
    for other in inputs[1:]:
        lacks = [name for name in first.names if name not in other.names]
        more = [name for name in other.names if name not in first.names]
        if lacks or more:
            what = [f"lacks {_quote_names(lacks)}"] * bool(lacks) + [f"also has {_quote_names(more)}"] * bool(more)
            raise UsageError(
                f"{other.name}: {' and '.join(what)}, compared with {first.name}; export both in one format "
                "(`selfinstruct export RUN --format NAME`), or leave missing columns empty with --fill"
            )


def _quote_names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "")
