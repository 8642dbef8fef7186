"""The options that `deduplicate` and `merge_datasets` share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..core.errors import UsageError
from ..novelty import Join

# Called with the step ('reading', 'comparing' or 'writing'), the rows done, and the total (0 if unknown).
Progress = Callable[[str, int, int], None]
Missing = Literal["fail", "keep", "drop"]


@dataclass(frozen=True, slots=True)
class DedupOptions:
    """What to refuse, and how to run.

    Raises:
        UsageError: `threshold` or `missing` is invalid.
    """

    threshold: float  # refuse rows above this ROUGE-L F; above 0, at most 1
    refuse_equal: bool  # refuse rows at the threshold too
    missing: Missing  # what to do with rows without a text: raise an error, keep them, or drop them
    explain: str | os.PathLike[str] | None  # a file for the refused rows and the rows that refused them, or None
    workers: int | None  # threads; the cores, at most 2, if None
    overwrite: bool  # replace outputs that exist
    progress: Progress  # called between chunks of rows
    verify: int = 0  # re-check this many decisions with rouge-score

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise UsageError(f"threshold: {self.threshold:g} is out of range; use a number above 0 and at most 1")
        if self.verify < 0:
            raise UsageError(f"verify: {self.verify} is below 0; say how many decisions to re-check")
        if self.missing not in ("fail", "keep", "drop"):
            raise UsageError(f"missing: {self.missing!r} is unknown; use fail, keep or drop")

    @property
    def rule(self) -> str:
        """What is refused, for the dataset card: 'ROUGE-L F above 0.7'."""
        return f"ROUGE-L F {'of at least' if self.refuse_equal else 'above'} {self.threshold:g}"

    def join(self) -> Join:
        """Return the search that applies the rule."""
        return Join(
            self.threshold,
            refuse_equal=self.refuse_equal,
            workers=self.workers or min(2, os.cpu_count() or 1),
            explain=self.explain is not None or self.verify > 0,
        )
