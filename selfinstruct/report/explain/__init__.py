"""Everything that a run knows of one task: a record, a candidate that was refused, a seed, or a whole question."""

from __future__ import annotations

from .alignment import Alignment, Row, align
from .find import Found, find
from .story import explain, explain_in
from .values import Asked, Check, Nearest, QuestionStory, SeedStory, Shown, Story

__all__ = [
    "Alignment",
    "Asked",
    "Check",
    "Found",
    "Nearest",
    "QuestionStory",
    "Row",
    "SeedStory",
    "Shown",
    "Story",
    "align",
    "explain",
    "explain_in",
    "find",
]
