"""`Passes`: read references and inputs twice, in chunks of some megabytes. `dedup` and `merge` use this class."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import UsageError
from ..novelty import Join, Joined
from ..tables import Chunk, Row, RowChunk, Writer, why_no_text
from .inputs import Defects, Input
from .options import DedupOptions
from .output import Output

# A row of the output, for its columns and types.
_SAMPLE = {
    "source": "", "row": 0, "text": "", "score": 0.0, "nearest_source": "", "nearest_row": 0, "nearest_text": ""
}  # fmt: skip


class Explainer:
    """Receives all rows in order of their numbers and writes the refused rows."""

    def __init__(self, joined: Joined, place: Callable[[int], tuple[str, int]], writer: Writer, scratch: Path) -> None:
        """Prepare to explain `joined`; `place` is `Passes.place`."""
        self._joined = joined
        self._writer = writer
        self._place = place
        # Texts to keep, and rows to look at: refused rows and the rows that refused them.
        self._needed = np.unique(joined.nearest[~joined.admitted])
        self._wanted = ~joined.admitted
        self._wanted[self._needed] = True
        self._texts = _Texts(self._needed, scratch)

    def open(self, path: Path) -> None:
        """Start writing to `path`."""
        self._writer.survey(RowChunk([Row("", _SAMPLE)]), [_SAMPLE])
        self._writer.open(path)

    def add(self, start: int, chunk: Chunk, text_of: Callable[[Mapping[str, Any]], str | None]) -> None:
        """Process the next rows, of which the first has the number `start`."""
        positions = np.flatnonzero(self._wanted[start : start + len(chunk)])
        if not len(positions):
            return
        refused: list[Row] = []
        objects = chunk.take(positions.tolist()).objects()
        for number, values in zip((positions + start).tolist(), objects, strict=True):
            text = (values and text_of(values)) or ""
            if self._joined.admitted[number]:
                self._texts.put(text)
            else:
                refused.append(Row("", self._explain_row(number, text)))
        if refused:
            self._writer.write(RowChunk(refused))

    def _explain_row(self, number: int, text: str) -> dict[str, object]:
        nearest = int(self._joined.nearest[number])
        (source, row), (other, other_row) = self._place(number), self._place(nearest)
        return {
            "source": source,
            "row": row,
            "text": _to_utf8(text).decode(),
            "score": float(self._joined.score[number]),
            "nearest_source": other,
            "nearest_row": other_row,
            "nearest_text": self._texts.get(nearest),
        }


class _Texts:
    """Stores the texts of some rows in a temporary file; written in order of row numbers, read in any order."""

    def __init__(self, numbers: npt.NDArray[np.int64], scratch: Path) -> None:
        self._numbers = numbers
        self._ends = np.zeros(len(numbers) + 1, np.int64)
        self._count = 0
        self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (deleted with its last reference)

    def put(self, text: str) -> None:
        end = int(self._ends[self._count])
        self._count += 1
        self._ends[self._count] = end + os.pwrite(self._file.fileno(), _to_utf8(text), end)

    def get(self, number: int) -> str:
        position = int(np.searchsorted(self._numbers, number))
        start, end = self._ends[position : position + 2].tolist()
        return os.pread(self._file.fileno(), end - start, start).decode()


def _to_utf8(text: str) -> bytes:
    """Encode in UTF-8, with a question mark for half a surrogate pair."""
    return text.encode("utf-8", "replace")


class Passes:
    """Both passes over references and inputs. Rows are numbered from 0, references first."""

    def __init__(
        self,
        sources: Sequence[Input],
        references: Sequence[Input],
        output: Output,
        explained: Output | None,
        options: DedupOptions,
    ) -> None:
        """Prepare the passes; `output` receives the kept rows, `explained` the refused ones."""
        self.sources, self.references = sources, references
        self._output, self._explained = output, explained
        self._missing, self._progress = options.missing, options.progress
        self._seen = 0
        self.first = self.end = 0  # first row that is not a reference; first row that is no longer wanted
        self._defects = Defects()
        self.leads = np.ones(0, np.bool_)  # which rows are the first (or only) instance of their task; see `write`
        self.dropped: list[int] = []  # rows without a text that are left out
        self.uncompared = 0  # rows without a text that are kept

    def read(self, join: Join) -> None:
        """Feed all texts to `join`. Raises UsageError for rows without a text, and if there are no rows."""
        for source in self.references:
            for chunk in source.first_pass():
                join.add_references(self._texts(chunk, chunk.objects(), source))
        self.first = self._seen
        for source in self.sources:
            for chunk in source.first_pass():
                objects = chunk.objects()
                self._output.writer.survey(chunk, objects)
                join.add(self._texts(chunk, objects, source))
        self._defects.end()
        if self._seen == self.first:
            raise UsageError(f"{', '.join(source.name for source in self.sources)}: no rows; check the file")

    def write(self, join: Join, max_records: int | None = None) -> tuple[Joined, npt.NDArray[np.bool_]]:
        """Decide, write the rows that stay, and write the refused rows with their nearest rows if requested.

        With `max_records`, keep the first this many tasks, as if the inputs ended there. Returns the decisions,
        and which rows stay, without references.
        """
        self._output.writer.open(self._output.fresh)
        joined = join.run(lambda done, total: self._progress("comparing", done, total))
        self._follow(joined)
        stay = joined.admitted.copy()
        stay[self.dropped] = False
        tasks = np.flatnonzero(stay & self.leads)
        self.end = len(stay) if max_records is None or len(tasks) <= max_records else int(tasks[max_records])
        stay[self.end :] = False
        joined.admitted[self.end :] = True  # not refused, so not explained either
        # Second pass, over references too if refused rows are explained: their texts may be the nearest ones.
        with ExitStack() as stack:
            explainer = None
            if self._explained is not None:
                stack.enter_context(self._explained.writing())
                explainer = Explainer(joined, self.place, self._explained.writer, self._output.path.parent)
                explainer.open(self._explained.fresh)
            number = self.first
            if explainer:
                self._explain_references(explainer)
            for source in self.sources:
                for chunk in source.second_pass():
                    if explainer:
                        explainer.add(number, chunk, source.text)
                    self._write(chunk, stay[number : number + len(chunk)])
                    number += len(chunk)
                    self._progress("writing", number - self.first, len(stay) - self.first)
            for output in filter(None, (self._output, self._explained)):
                output.writer.close()
        return joined, stay[self.first :]

    def place(self, number: int) -> tuple[str, int]:
        """Return the name of a row's source, and the row's number in the source, from 1."""
        for source in [*self.references, *self.sources]:
            if number < source.rows:
                return source.name, number + 1
            number -= source.rows
        raise IndexError(number)

    def texts(self, wanted: npt.NDArray[np.bool_]) -> Iterator[tuple[int, str]]:
        """Read the inputs again; yield the number and the text of each wanted row."""
        start = 0
        for source in [*self.references, *self.sources]:
            for chunk in source.second_pass(source.needed):
                positions = np.flatnonzero(wanted[start : start + len(chunk)]).tolist()
                for position, values in zip(positions, chunk.take(positions).objects(), strict=True):
                    yield start + position, (values and source.text(values)) or ""
                start += len(chunk)

    def _follow(self, joined: Joined) -> None:
        """Apply the decision about the first row of a task to its further instances, whose text is empty."""
        start = self.first
        self.leads = np.ones(len(joined.admitted), np.bool_)
        for source in self.sources:
            if source.followers:
                rows, leaders = (np.array(source.followers, np.int64) + start).T
                self.leads[rows] = False
                for values in (joined.admitted, joined.nearest, joined.score):
                    values[rows] = values[leaders]
            start += source.rows

    def _explain_references(self, explainer: Explainer) -> None:
        number = 0
        for source in self.references:
            for chunk in source.second_pass(source.needed):
                explainer.add(number, chunk, source.text)
                number += len(chunk)

    def _write(self, chunk: Chunk, stay: npt.NDArray[np.bool_]) -> None:
        if stay.all():
            self._output.writer.write(chunk)
        elif stay.any():
            self._output.writer.write(chunk.take(np.flatnonzero(stay).tolist()))

    def _texts(self, chunk: Chunk, objects: Sequence[dict[str, Any] | None], source: Input) -> list[str]:
        """Return the text of each row; a row without a text gets '', which has no tokens and is similar to nothing."""
        columns = source.columns
        texts = source.texts(objects)
        for position in [position for position, text in enumerate(texts) if text is None]:
            # Unreadable rows are always an error; readable ones without a text depend on `missing`.
            if objects[position] is None or self._missing == "fail":
                row = next(chunk.take([position]).rows())
                option = "--column" if source in self.sources else "--against-column"
                self._defects.add(why_no_text(row, columns, option))
            elif source in self.sources and self._missing == "drop":
                self.dropped.append(self._seen + position)
            elif source in self.sources:
                self.uncompared += 1
        self._seen += len(chunk)
        self._progress("reading", self._seen, 0)
        return [text or "" for text in texts]
