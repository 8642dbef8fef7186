"""Explain everything that a run knows about a task (record or refused candidate), a question, or a seed."""

from __future__ import annotations

from .alignment import align
from .find import FoundTask, find
from .story import explain, explain_in
from .values import QuestionStory, SeedStory, Story

__all__ = ["FoundTask", "QuestionStory", "SeedStory", "Story", "align", "explain", "explain_in", "find"]
