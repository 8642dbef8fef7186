"""What a teacher is."""

from __future__ import annotations

from typing import Protocol

from ..core.prompts import Completion, Prompt


class Teacher(Protocol):
    """Whoever answers. Built-ins are in `teachers`; your own object needs no more than this.

    One that must know a question's key has `async complete_question(question)`, which is called instead; what it has
    under way from an earlier start, Questions, is in its `under_way`.
    """

    async def complete(self, prompt: Prompt) -> Completion:
        """The answer. Raises TeacherError for what it can't go on after; all else is a Completion with `error`."""
