"""Blind reading: rows of one or several datasets, drawn by a seed and shuffled, are graded without their source.

`draw` chooses the rows, `Grades` is the file with what readers said, `BlindReading` is what the page of
`selfinstruct worth --read` talks to, and `results` is what came of it. Grades are keyed by the text of a row, so the
same file serves any later reading in which that text comes up, whichever dataset it is in.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from itertools import combinations, zip_longest
from pathlib import Path
from typing import Any

from ..core.counted import counted
from ..core.errors import UsageError
from ..core.json_lines import append_line, whole_lines
from ..core.reviews import Content, checked_name, cohens_kappa, digest_of, wilson_interval
from ..core.tasks import storable

QUESTIONS = {
    "valid": "Is it a valid task?",
    "correct": "Is the answer correct and complete?",
    "keep": "Would you keep the row?",
}
DIFFICULTIES = ("easy", "medium", "hard")
JUDGE = "judge:"
"""Begins the name of a reader that is a model."""


@dataclass(frozen=True, slots=True)
class BlindRow:
    """A row to grade. digest: of `content`. sources: the names of the datasets in whose samples it is."""

    digest: str
    content: Content
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grade:
    """What one reader said about one text. difficulty: one of `DIFFICULTIES`. at: ISO 8601, in UTC."""

    digest: str
    reader: str
    valid: bool
    correct: bool
    keep: bool
    difficulty: str
    note: str = ""
    at: str = ""


def draw(contents: Mapping[str, Sequence[Content]], count: int, seed: int) -> list[BlindRow]:
    """Return `count` random rows of each source in a random order.

    After any number of rows, about as many of each source have come up, so that a reading can stop at any row. A larger
    `count` continues a smaller one. A text that the samples of several sources have is read once.

    Args:
        contents: The rows of each source, by its name.
        count: The rows to draw of each source; a smaller source gives all that it has.
        seed: Decides on the samples and on the order, whatever the order of the rows is.
    """
    samples: dict[str, list[str]] = {}
    texts: dict[str, Content] = {}
    for name, rows in contents.items():
        digests = {digest_of(each): each for each in rows}
        samples[name] = sorted(digests, key=lambda digest: hashlib.sha256(f"{seed}:{digest}".encode()).digest())[:count]
        texts |= {digest: digests[digest] for digest in samples[name]}
    found: dict[str, BlindRow] = {}
    # One row of each source, shuffled, then the next one of each.
    for number, block in enumerate(zip_longest(*samples.values())):
        digests_of_block = [digest for digest in block if digest is not None]
        random.Random(f"{seed}:{number}").shuffle(digests_of_block)
        for digest in digests_of_block:
            names = tuple(name for name, sample in samples.items() if digest in sample)
            found.setdefault(digest, BlindRow(digest, texts[digest], names))
    return list(found.values())


class Grades:
    """A file of grades as JSON lines, which may be committed. Lines are only added; the last about a text counts."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def by_reader(self) -> dict[str, dict[str, Grade]]:
        """Return the grades that hold, by reader and digest. Raises UsageError for a line that is no grade."""
        held: dict[str, dict[str, Grade]] = {}
        try:
            lines = whole_lines(self.path)
        except (OSError, ValueError) as error:
            raise UsageError(f"--grades {self.path}: can't be read: {error}") from None
        # No page has confirmed a grade whose line has no end.
        for number, line in enumerate(lines, 1):
            try:
                given = json.loads(line)
                of_reader = held.setdefault(given["reader"], {})
                if given.get("undo"):
                    of_reader.pop(given["digest"], None)
                else:
                    of_reader[given["digest"]] = Grade(**given)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise UsageError(f"--grades {self.path}: line {number} is no grade; remove it") from None
        return held

    def add(self, grade: Grade) -> None:
        """Write a grade to disk, and return once it is durable. Raises UsageError, StorageError."""
        self._append(asdict(grade))

    def undo(self, digest: str, reader: str) -> None:
        """Take back what a reader said about a text, likewise."""
        self._append({"digest": digest, "reader": reader, "undo": True})

    def _append(self, value: dict[str, Any]) -> None:
        append_line(self.path, {**value, "at": datetime.now(UTC).isoformat(timespec="seconds")})


@dataclass(frozen=True, slots=True)
class Result:
    """What readers said about one source; the shares are of `read` grades, 0 to 1.

    read: the number of grades. low, high: the 95% interval of `keep`. difficulty: the number of grades of each.
    """

    source: str
    read: int
    valid: float
    correct: float
    keep: float
    low: float
    high: float
    difficulty: dict[str, int]

    @property
    def line(self) -> str:
        """The result in words."""
        levels = ", ".join(f"{count} {name}" for name, count in self.difficulty.items())
        kept = f"{self.keep:.1%} kept (95% interval {self.low:.1%} to {self.high:.1%})"
        answered = f"{self.valid:.1%} valid tasks, {self.correct:.1%} correct and complete"
        return f"{self.source}: {kept}, {answered}; {levels}; {self.read:,} read"


def results(sources: Iterable[str], rows: Sequence[BlindRow], grades: Iterable[Grade]) -> list[Result]:
    """Return what the grades say about each of the sources, by name, that has some."""
    by_digest: dict[str, list[Grade]] = {}
    for each in grades:
        by_digest.setdefault(each.digest, []).append(each)
    found = []
    for source in sources:
        given = [each for row in rows if source in row.sources for each in by_digest.get(row.digest, ())]
        if given:
            valid, correct, keep = (sum(getattr(each, name) for each in given) / len(given) for name in QUESTIONS)
            levels = {name: sum(each.difficulty == name for each in given) for name in DIFFICULTIES}
            found.append(
                Result(source, len(given), valid, correct, keep, *wilson_interval(keep, len(given)), difficulty=levels)
            )
    return found


def agreement(rows: Sequence[BlindRow], by_reader: Mapping[str, Mapping[str, Grade]]) -> list[str]:
    """Return a line about each two readers of the same rows: how often they agree on `keep`, and Cohen's kappa."""
    lines = []
    for one, other in combinations(by_reader, 2):
        mine, theirs = by_reader[one], by_reader[other]
        both = [(mine[d].keep, theirs[d].keep) for d in (row.digest for row in rows) if d in mine and d in theirs]
        if both:
            kappa = cohens_kappa(both)
            value = "undefined" if kappa is None else f"{kappa:.2f}"
            agreed = sum(first == second for first, second in both)
            lines.append(f"{one} and {other} agree on {agreed} of {len(both)}, Cohen's kappa {value}")
    return lines


class BlindReading:
    """One reader's blind reading of some rows, as its page sees it: the source is in no answer before the end."""

    def __init__(
        self,
        sources: Sequence[str],
        rows: Sequence[BlindRow],
        grades: Grades,
        reader: str,
        is_enough: Callable[[Mapping[str, Grade]], bool] = lambda _: False,
    ) -> None:
        """Raise UsageError if the name is no name, or if the grades can't be read.

        sources: names, in their order. is_enough: whether the reading may end with these grades, by digest.
        """
        self.sources = sources
        self.rows = {row.digest: row for row in rows}
        self.grades, self.reader = grades, checked_name(reader)
        self.decided = 0
        self._is_enough, self._ended = is_enough, False
        grades.by_reader()

    @property
    def page(self) -> dict[str, Any]:
        """The template of the page, its script, and what it shows."""
        return {
            "template": "blind.html",
            "script": "blind.js",
            "reviewer": self.reader,
            "sources": len(self.sources),
            "questions": QUESTIONS,
            "difficulties": DIFFICULTIES,
        }

    def left(self) -> int:
        """Return how many rows the reader hasn't graded, 0 once enough have been."""
        mine = self.mine()
        return 0 if self._is_enough(mine) else len(self.rows.keys() - mine.keys())

    def shown(self) -> list[dict[str, Any]]:
        """Return what the page shows of each row, in order."""
        mine = self.mine()
        ends = self._is_enough(mine)
        return [_shown(row, mine.get(row.digest)) | {"ends": ends} for row in self.rows.values()]

    def decide(self, given: Any) -> dict[str, Any]:
        """Write one grade, or take it back, and return what the page shows of its row then. Raises UsageError."""
        row = self.rows.get(str(given.get("digest"))) if isinstance(given, dict) else None
        if row is None:
            raise UsageError("digest: no row to read has it; load the page again")
        if self._ended:
            raise UsageError("the result has been shown, so the grades stand")
        if given.get("undo"):
            self.grades.undo(row.digest, self.reader)
            return _shown(row, None) | {"ends": self._is_enough(self.mine())}
        if not all(isinstance(given.get(name), bool) for name in QUESTIONS):
            raise UsageError(f"{', '.join(QUESTIONS)}: each must be true or false")
        if given.get("difficulty") not in DIFFICULTIES:
            raise UsageError(f"difficulty: must be one of {', '.join(DIFFICULTIES)}")
        if not isinstance(note := given.get("note") or "", str):
            raise UsageError("note: must be a text")
        names = [each.name for each in fields(Grade)][2:6]
        grade = Grade(row.digest, self.reader, **{name: given[name] for name in names}, note=storable(note))
        self.grades.add(grade)
        self.decided += 1
        return _shown(row, grade) | {"ends": self._is_enough(self.mine())}

    def end(self) -> dict[str, Any]:
        """Return the result, and the sources of each row. Raises UsageError as long as a row has no grade."""
        if left := self.left():
            raise UsageError(f"{counted(left, 'row')} left to read; the result is shown at the end")
        self._ended, rows = True, list(self.rows.values())
        return {
            "results": [asdict(each) for each in results(self.sources, rows, self.mine().values())],
            "lines": agreement(rows, self.grades.by_reader()),
            "sources": {row.digest: row.sources for row in self.rows.values()},
        }

    def mine(self) -> dict[str, Grade]:
        """Return what the reader said about these rows, by digest."""
        return {
            digest: each for digest, each in self.grades.by_reader().get(self.reader, {}).items() if digest in self.rows
        }


def _shown(row: BlindRow, grade: Grade | None) -> dict[str, Any]:
    return {"digest": row.digest, "content": row.content, "grade": None if grade is None else asdict(grade)}
