"""The two passes over references and inputs, in chunks of some megabytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..core.errors import UsageError
from ..novelty.join import Joined
from ..tables import Chunk, why_no_text
from .inputs import Defects, Input
from .output import Output
from .refused_rows import Explainer

Progress = Callable[[str, int, int], None]
"""Is told what is done, 'reading', 'comparing' or 'writing', how many rows of it, and of how many (0: not known)."""


class Decider(Protocol):
    """What decides over all texts, references first: `novelty.Join`, or merge's, which asks it."""

    def add(self, texts: Sequence[str]) -> None: ...
    def add_references(self, texts: Sequence[str]) -> None: ...
    def run(self, progress: Callable[[int, int], None]) -> Joined: ...


class Passes:
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
        self.sources, self.references = sources, references
        self._output, self._explained = output, explained
        self._missing, self._progress = missing, progress
        self._seen = self.first = self.end = 0
        self._defects = Defects()
        self.dropped: list[int] = []
        self.uncompared = 0
        """Rows without a text that stay."""

    def read(self, join: Decider) -> None:
        """All texts into `join`; raises UsageError for rows without one, and when there is no row at all."""
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
            raise UsageError(f"{', '.join(source.name for source in self.sources)}: no row to read")

    def write(
        self, join: Decider, end: Callable[[npt.NDArray[np.bool_]], int] = len
    ) -> tuple[Joined, npt.NDArray[np.bool_]]:
        """Decide, and write the rows that stay, and the refused ones with their nearest where that is asked for.

        end: given which rows would stay, the number of the first of those that are no longer wanted: as if the inputs
        ended before it.
        """
        self._output.writer.open(self._output.fresh)
        joined = join.run(lambda done, total: self._progress("comparing", done, total))
        stay = joined.admitted.copy()
        stay[self.dropped] = False
        self.end = end(stay)
        stay[self.end :] = False
        joined.admitted[self.end :] = True  # nothing is refused there, so there is nothing to explain
        with ExitStack() as stack:
            explainer = None
            if self._explained is not None:
                stack.enter_context(self._explained.writing())
                scratch, inputs = self._output.path.parent, [*self.references, *self.sources]
                explainer = Explainer(joined, inputs, self._explained.writer, scratch)
                explainer.open(self._explained.fresh)
            number = self.first
            if explainer:
                self._show_references(explainer)
            for source in self.sources:
                for chunk in source.second_pass():
                    if explainer:
                        explainer.show(number, chunk, source.text)
                    self._write(chunk, stay[number : number + len(chunk)])
                    number += len(chunk)
                    self._progress("writing", number - self.first, len(stay) - self.first)
            for output in filter(None, (self._output, self._explained)):
                output.writer.close()
        return joined, stay[self.first :]

    def _show_references(self, explainer: Explainer) -> None:
        number = 0
        for source in self.references:
            for chunk in source.second_pass(source.needed):
                explainer.show(number, chunk, source.text)
                number += len(chunk)

    def _write(self, chunk: Chunk, stay: npt.NDArray[np.bool_]) -> None:
        if stay.all():
            self._output.writer.write(chunk)
        elif stay.any():
            self._output.writer.write(chunk.take(np.flatnonzero(stay).tolist()))

    def _texts(self, chunk: Chunk, objects: Sequence[dict[str, Any] | None], source: Input) -> list[str]:
        """The text of each row. One without text becomes a text without a token, which is like no other."""
        columns = source.columns
        texts = source.texts(objects)
        for position in [position for position, text in enumerate(texts) if text is None]:
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
