"""Two passes over the inputs: their texts into the search, then the rows that stay through to the output.

Only tokens are in memory, never the rows: each pass reads them in chunks of some megabytes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import StorageError, UsageError
from ..novelty import Work
from ..novelty.join import Join, Joined
from ..tables import Chunk, parse_columns, text_of, why_no_text
from .card import write_card
from .explain import Explainer
from .inputs import Defects, Input
from .output import Output

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Progress = Callable[[str, int, int], None]
"""Is told what is done, 'reading', 'comparing' or 'writing', how many rows of it, and of how many (0: not known)."""


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """What was done. `rows` = `admitted` + `refused` + `dropped`.

    dropped: rows without a text, left out as asked. references: rows of `against`. digest: sha256 over the numbers,
    counted from 0 over all inputs, of the rows that stayed, 8 bytes each, little-endian.
    """

    out: Path
    rows: int
    admitted: int
    refused: int
    dropped: int
    references: int
    seconds: float
    digest: str
    work: Work


def deduplicate(
    inputs: Paths,
    out: str | os.PathLike[str],
    *,
    columns: Sequence[str] = ("instruction",),
    against: Paths = (),
    against_columns: Sequence[str] | None = None,
    threshold: float = 0.7,
    refuse_equal: bool = False,
    missing: Literal["fail", "keep", "drop"] = "fail",
    explain: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Deduplicated:
    """Write the rows of `inputs` to `out`, in order, without those that are near-duplicates of an earlier one.

    The options are those of `selfinstruct dedup`; docs/dedup.md describes them. `inputs` and `against` are what
    seeds may be, too: files, folders, hub names, '-'. Nothing is left at `out` when it doesn't end well.
    Raises UsageError for wrong arguments and rows that can't be used, StorageError when the disk refuses or an
    input changes meanwhile.
    """
    started = time.perf_counter()
    if not 0.0 < threshold <= 1.0:
        raise UsageError(f"threshold: {threshold:g} is not above 0 and at most 1")
    if missing not in ("fail", "keep", "drop"):
        raise UsageError(f"missing: {missing!r} is none of fail, keep, drop")
    output = Output(os.fspath(out), overwrite=overwrite)
    explained = None if explain is None else Output(os.fspath(explain), folder=False, overwrite=overwrite)
    outputs = [output] if explained is None else [output, explained]
    if explained and explained.path.resolve() == output.path.resolve():
        raise UsageError(f"{explained.path}: is named for the rows that stay and for the refused ones")
    join = Join(
        threshold,
        refuse_equal=refuse_equal,
        workers=workers or min(2, os.cpu_count() or 1),
        explain=explained is not None,
    )
    try:
        with ExitStack() as stack:
            sources = _opened(inputs, columns, output, stack)
            references = _opened(against, columns if against_columns is None else against_columns, output, stack)
            if [source.name for source in [*sources, *references]].count("standard input") > 1:
                raise UsageError("standard input is named twice; it can be read once")
            for one in outputs:
                one.check_apart([*sources, *references])
            passes = _Passes(sources, references, output, explained, missing, progress)
            passes.read(join)
            with output.writing():
                joined, stay = passes.write(join)
                rows, admitted, dropped = len(stay), int(stay.sum()), len(passes.dropped)
                counts = {"rows read": rows, "rows here": admitted, "near-duplicates": rows - admitted - dropped}
                if output.is_folder:
                    rule = f"ROUGE-L F {'of at least' if refuse_equal else 'above'} {threshold:g}"
                    counts |= {"rows without a text, left out": dropped} if dropped else {}
                    write_card(output.fresh, output.path.name, sources, references, rule, counts)
    except OSError as error:
        what = f"{error.filename or output.path}: {error.strerror or error}"
        raise StorageError(f"{what}; nothing was written, make room and start again") from None
    return Deduplicated(
        out=output.path,
        rows=rows,
        admitted=admitted,
        refused=rows - admitted - dropped,
        dropped=dropped,
        references=passes.first,
        seconds=time.perf_counter() - started,
        digest=hashlib.sha256(np.flatnonzero(stay).astype("<i8").tobytes()).hexdigest(),
        work=joined.work,
    )


class _Passes:
    """Both passes over references and inputs. `first`: the number of the first row that isn't a reference."""

    def __init__(
        self,
        sources: Sequence[Input],
        references: Sequence[Input],
        output: Output,
        explained: Output | None,
        missing: str,
        progress: Progress,
    ) -> None:
        self._sources, self._references = sources, references
        self._output, self._explained = output, explained
        self._missing, self._progress = missing, progress
        self._seen = self.first = 0
        self._defects = Defects()
        self.dropped: list[int] = []

    def read(self, join: Join) -> None:
        """All texts into `join`; raises UsageError for rows without one, and when there is no row at all."""
        for source in self._references:
            for chunk in source.first_pass():
                join.add_references(self._texts(chunk, chunk.objects(), source))
        self.first = self._seen
        for source in self._sources:
            for chunk in source.first_pass():
                objects = chunk.objects()
                self._output.writer.survey(chunk, objects)
                join.add(self._texts(chunk, objects, source))
        self._defects.end()
        if self._seen == self.first:
            raise UsageError(f"{', '.join(source.name for source in self._sources)}: no row to read")

    def write(self, join: Join) -> tuple[Joined, npt.NDArray[np.bool_]]:
        """Decide, and write the rows that stay, and the refused ones with their nearest where that is asked for."""
        self._output.writer.open(self._output.fresh)
        joined = join.run(lambda done, total: self._progress("comparing", done, total))
        stay = joined.admitted.copy()
        stay[self.dropped] = False
        with ExitStack() as stack:
            explainer = None
            if self._explained is not None:
                stack.enter_context(self._explained.writing())
                scratch, inputs = self._output.path.parent, [*self._references, *self._sources]
                explainer = Explainer(joined, inputs, self._explained.writer, scratch)
                explainer.open(self._explained.fresh)
            number = 0 if explainer else self.first
            for source in [*(self._references if explainer else ()), *self._sources]:
                for chunk in source.second_pass():
                    if explainer:
                        explainer.show(number, chunk, source.columns)
                    if number >= self.first:
                        self._write(chunk, stay[number : number + len(chunk)])
                    number += len(chunk)
                    self._progress("writing", number, len(stay))
        return joined, stay[self.first :]

    def _write(self, chunk: Chunk, stay: npt.NDArray[np.bool_]) -> None:
        if stay.all():
            self._output.writer.write(chunk)
        elif stay.any():
            self._output.writer.write(chunk.take(np.flatnonzero(stay).tolist()))

    def _texts(self, chunk: Chunk, objects: Sequence[dict[str, Any] | None], source: Input) -> list[str]:
        """The text of each row. One without text becomes a text without a token, which is like no other."""
        columns = source.columns
        texts = [None if values is None else text_of(values, columns) for values in objects]
        for position in [position for position, text in enumerate(texts) if text is None]:
            row = next(chunk.take([position]).rows())
            if row.problem or self._missing == "fail":
                self._defects.add(why_no_text(row, columns))
            elif self._missing == "drop" and source in self._sources:
                self.dropped.append(self._seen + position)
        self._seen += len(chunk)
        self._progress("reading", self._seen, 0)
        return [text or "" for text in texts]


def _opened(sources: Paths, columns: Sequence[str], output: Output, stack: ExitStack) -> list[Input]:
    parsed = parse_columns(columns)
    if not parsed:
        raise UsageError("columns: none is named; give at least one")
    listed = [sources] if isinstance(sources, str | os.PathLike) else sources
    return [Input(os.fspath(source), parsed, output.path.parent, stack) for source in listed]
