"""`Explainer`: write every refused row with the row that refused it, both with their texts.

`Passes` feeds all rows during the second pass. A nearest row always precedes the rows that it refuses, so its text is
kept in an unnamed temporary file, not in memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..novelty.join import Joined
from ..tables import Chunk, Row, RowChunk, Writer
from .inputs import Input

# A row of the output, for its columns and types.
_SAMPLE = {
    "source": "", "row": 0, "text": "", "score": 0.0, "nearest_source": "", "nearest_row": 0, "nearest_text": ""
}  # fmt: skip


class Explainer:
    """Receives all rows in order of their numbers and writes the refused rows."""

    def __init__(self, joined: Joined, inputs: Sequence[Input], writer: Writer, scratch: Path) -> None:
        """Prepare to explain `joined`; `inputs` are in the order of its numbers, references first."""
        self._joined = joined
        self._writer = writer
        self._names = [given.name for given in inputs]
        self._starts = np.cumsum([0, *(given.rows for given in inputs)])
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

    def _place(self, number: int) -> tuple[str, int]:
        """Return the name of the row's source, and the row's number in the source, from 1."""
        source = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._names[source], number - int(self._starts[source]) + 1


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
