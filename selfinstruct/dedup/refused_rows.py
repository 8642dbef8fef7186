"""Every refused row with the row that refused it, both with their texts.

The texts are read a second time. A nearest row always comes before those that it refuses, so its text waits in an
unnamed file on disk, not in memory.
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
from ..tables import Chunk, Row, Rows, Writer
from .inputs import Input

_SAMPLE = {
    "source": "", "row": 0, "text": "", "score": 0.0, "nearest_source": "", "nearest_row": 0, "nearest_text": ""
}  # fmt: skip


class Explainer:
    """Is shown all rows in the order of their numbers, and writes those that are refused."""

    def __init__(self, joined: Joined, inputs: Sequence[Input], writer: Writer, scratch: Path) -> None:
        """inputs: those that only refuse first, as the numbers of `joined` run."""
        self._joined = joined
        self._writer = writer
        self._names = [given.name for given in inputs]
        self._starts = np.cumsum([0, *(given.rows for given in inputs)])
        self._needed = np.unique(joined.nearest[~joined.admitted])
        self._wanted = ~joined.admitted
        self._wanted[self._needed] = True
        self._texts = _Texts(self._needed, scratch)

    def open(self, path: Path) -> None:
        """Begin to write at `path`."""
        self._writer.survey(Rows([Row("", _SAMPLE)]), [_SAMPLE])
        self._writer.open(path)

    def show(self, start: int, chunk: Chunk, text_of: Callable[[Mapping[str, Any]], str | None]) -> None:
        """Take the next rows, of which the first has the number `start`."""
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
                refused.append(Row("", self._explained(number, text)))
        if refused:
            self._writer.write(Rows(refused))

    def _explained(self, number: int, text: str) -> dict[str, object]:
        nearest = int(self._joined.nearest[number])
        (source, row), (other, other_row) = self._place(number), self._place(nearest)
        return {
            "source": source,
            "row": row,
            "text": _storable(text).decode(),
            "score": float(self._joined.score[number]),
            "nearest_source": other,
            "nearest_row": other_row,
            "nearest_text": self._texts.get(nearest),
        }

    def _place(self, number: int) -> tuple[str, int]:
        """The name of the source, and the row's number in it from 1."""
        source = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._names[source], number - int(self._starts[source]) + 1


class _Texts:
    """The texts of some numbers, put in their order, got in any."""

    def __init__(self, numbers: npt.NDArray[np.int64], scratch: Path) -> None:
        self._numbers = numbers
        self._ends = np.zeros(len(numbers) + 1, np.int64)
        self._count = 0
        self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (gone with its last reference)

    def put(self, text: str) -> None:
        end = int(self._ends[self._count])
        self._count += 1
        self._ends[self._count] = end + os.pwrite(self._file.fileno(), _storable(text), end)

    def get(self, number: int) -> str:
        position = int(np.searchsorted(self._numbers, number))
        start, end = self._ends[position : position + 2].tolist()
        return os.pread(self._file.fileno(), end - start, start).decode()


def _storable(text: str) -> bytes:
    """In UTF-8, with a question mark for half a surrogate pair."""
    return text.encode("utf-8", "replace")
