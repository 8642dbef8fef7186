"""Explain everything that a run knows about a task (record or refused candidate), a question, or a seed."""

from __future__ import annotations

from .alignment import AlignedRow, Alignment, align
from .find import FoundTask, find
from .story import explain, explain_in
from .values import Answered, Check, NearestText, QuestionStory, SeedStory, ShownTask, Story

__all__ = [
    "AlignedRow",
    "Alignment",
    "Answered",
    "Check",
    "FoundTask",
    "NearestText",
    "QuestionStory",
    "SeedStory",
    "ShownTask",
    "Story",
    "align",
    "explain",
    "explain_in",
    "find",
]
